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

#include "proto/proto.h"

enum {
	BINARY_HEAD = 24,
	BINARY_FRAME_MAX = 16384, /* header, extras and key: what memcached's
				     read buffer takes */
	BINARY_BODY_MAX = 1 << 30,
};

/* PARSE_MORE until header, extras and key (of SASL also data) are there. */
enum parse binary_parse(const char *in, size_t n, struct request *,
    size_t *used);

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
