/*
 * binary.h - the binary protocol: a header of 24 bytes, extras, key, value.
 *
 *       0     1      2      4      5     6        8      12      16    24
 *      +-----+------+------+------+-----+--------+------+-------+-----+
 *      |magic|opcode|nkey  |extlen|type |vbucket |body  |opaque |cas  |
 *      |80 81|      |      |      |  0  | status |length|       |     |
 *      +-----+------+------+------+-----+--------+------+-------+-----+
 *
 * The op of a request says what shall be done, its opcode how it was asked:
 * getk, gatk and the quiet forms differ only there.  An add or replace that
 * carries a cas number is OP_CAS, as it stores only over an item; a set stays
 * one, with has_cas.  Of stat, the words are "stats" and those of the key; of
 * flush, exptime is the delay, 0 without one.  sasl_auth and sasl_step have
 * the mechanism as key and the data as value, which is part of the packet:
 * follow is 0.
 *
 * What is refused is told apart by problem and close: ERROR and close if key
 * and extras exceed the body, ERROR alone for an unknown opcode (OP_UNKNOWN),
 * BAD_FORMAT and close for all that the opcode does not allow.  op is set in
 * each case, so that whoever asks for a login first can tell what was wanted.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   by PARSE_REFUSE, with problem, close and swallow set; PARSE_CLOSE.
 * Cost:    O(1), but for stat, whose key is split.
 */
#ifndef PROTO_BINARY_H
#define PROTO_BINARY_H

#include <endian.h>
#include <string.h>

#include "proto/proto.h"

/* Of the reads, getk, gatk and their quiet forms have the key in the reply. */
static inline bool
binary_echoes(uint8_t opcode)
{
	const uint64_t set = UINT64_C(1) << 0x0c | UINT64_C(1) << 0x0d |
	    UINT64_C(1) << 0x23 | UINT64_C(1) << 0x24;

	return opcode < 64 && (set >> opcode & 1);
}

enum {
	BINARY_HEAD = 24,
	BINARY_REQUEST = 0x80, /* the first byte */
	BINARY_REPLY = 0x81,
	BINARY_FRAME_MAX = 16384, /* header, extras and key: what memcached's
				     read buffer takes */
	BINARY_BODY_MAX = 1 << 30,
};

/* PARSE_MORE until header, extras and key (of SASL also data) are there. */
enum parse binary_parse(const char *in, size_t n, struct request *,
    size_t *used);

static inline bool
binary_is_get(uint8_t opcode)
{
	const uint64_t set = 1 | 1 << 0x09 | 1 << 0x0c | 1 << 0x0d;

	return opcode < 64 && (set >> opcode & 1);
}

static inline void
binary_put64(char *out, uint64_t v)
{
	v = htobe64(v);
	memcpy(out, &v, sizeof(v));
}

static inline void
binary_put32(char *out, uint32_t v)
{
	v = htobe32(v);
	memcpy(out, &v, sizeof(v));
}

/*
 * The head of a hit, BINARY_HIT bytes, of which nkey bytes of key follow or
 * none.  key stands in the request's packet, whose head has the opcode, the
 * key's length and the opaque where they are wanted.
 */
enum { BINARY_HIT = BINARY_HEAD + 4 };

static inline void
binary_put_hit(char *out, const char *key, uint32_t nkey,
    uint32_t client_flags, uint64_t cas, uint32_t nvalue)
{
	const char *packet = key - BINARY_HEAD;

	memcpy(out, packet, 4);
	out[0] = (char)BINARY_REPLY;
	if (nkey == 0)
		memset(out + 2, 0, 2);
	memcpy(out + 4, "\4\0\0\0", 4);
	binary_put32(out + 8, 4 + nkey + nvalue);
	memcpy(out + 12, packet + 12, 4);
	binary_put64(out + 16, cas);
	binary_put32(out + BINARY_HEAD, client_flags);
}

/* Of a key that stands in its packet. */
static inline uint8_t
binary_opcode(const char *key)
{
	return (uint8_t)key[1 - BINARY_HEAD];
}

/*
 * At most PROTO_REPLY_MAX bytes and ntext; returns the end.  Quiet hides the
 * miss of a get or gat, and the success of all else.
 */
char *binary_compose(char *out, const struct request *,
    const struct result *);

char *binary_stat(char *out, const struct request *, const char *name,
    size_t nname, const char *value, size_t nvalue);
char *binary_stat_end(char *out, const struct request *);

#endif
