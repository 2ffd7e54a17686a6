/*
 * plain.h - the short way of what nearly all traffic consists of: gets, and
 * sets of small values.
 *
 * proto_parse() hands out one request a call and proto_compose() asks which of
 * all replies it is; of the 300 instructions that a key of a multiget may cost
 * that would be half.  Here many are read in one call: gets that differ in
 * nothing but their key as a run of keys, others as requests.  What is read and
 * the bytes of the replies are the same (tested), so whoever does not use this
 * file misses nothing but speed.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   plain_keys() and plain_parse() by reading less; proto_parse() says
 *          what the next bytes are then.
 * Cost:    about 30 instructions a key.
 */
#ifndef PROTO_PLAIN_H
#define PROTO_PLAIN_H

#include <string.h>

#include "proto/binary.h"
#include "proto/proto.h"

/* Reads whose hits have a short way, by the form of their reply. */
enum plain_form {
	PLAIN_LINES,  /* get, one key a line */
	PLAIN_KEYS,   /* get, more keys of the line were before it or follow */
	PLAIN_GETS,   /* gets, likewise */
	PLAIN_META,   /* mg with v, and q or not */
	PLAIN_BINARY, /* get, getq, getk, getkq: all of the same opcode */
	PLAIN_FORMS,  /* none of them */
};

/* Does what stands at in, n > 0 bytes, look like a run?  Spares the others a
 * call. */
static inline bool
plain_begins_keys(const struct parser *p, const char *in, size_t n)
{
	if (p->proto == PROTO_BINARY)
		return n >= BINARY_HEAD && binary_is_get((uint8_t)in[1]);
	return p->in_keys || in[0] == 'g';
}

/* Where the caller wants the keys: the first here, each other one stride bytes
 * behind the one before it. */
struct plain_keys {
	const char **bytes;
	uint32_t *nbytes;
	size_t stride;
};

struct plain_run {
	enum plain_form form; /* not META */
	unsigned n;
	bool ends; /* KEYS, GETS: the last one is the last of its line */
	size_t used; /* bytes */
};

/* So many of them are there already; at most max more are read. */
struct plain_run plain_keys(struct parser *, const char *in, size_t n,
    const struct plain_keys *, unsigned there, unsigned max);

/* The form of the run that goes on behind the request just parsed, which is of
 * it, too; or FORMS. */
static inline enum plain_form
plain_opens(const struct parser *p, const struct request *req)
{
	if (!p->in_keys || p->long_line || req->op > OP_GETS)
		return PLAIN_FORMS;
	return req->op == OP_GET ? PLAIN_KEYS : PLAIN_GETS;
}

/* The request that proto_parse() would have made of such a key; in binary the
 * packet still stands around it. */
void plain_request(struct request *, enum plain_form, const char *key,
    uint32_t nkey, bool last);

/* Likewise of requests. */
static inline bool
plain_begins(const struct parser *p, const char *in, size_t n)
{
	if (p->proto == PROTO_BINARY)
		return false;
	return n > 1 && ((in[0] == 's' && in[1] == 'e') ||
	    (in[0] == 'm' && (in[1] == 'g' || in[1] == 's')));
}

/*
 * As many requests as stand at in, one after another, of mg; and of set and ms,
 * if the value is there and has with the key at most `most' bytes: value and
 * problem are set as well then; at most max, into batch.  Returns how many, and
 * in *used their bytes.
 */
unsigned plain_parse(struct parser *, const char *in, size_t n,
    struct request *batch, unsigned max, uint32_t most, size_t *used);

/* ------------------------------------------------------------ hits */

static inline bool
plain_is_meta(const struct request *req)
{
	return req->op == OP_MG &&
	    (req->meta.has & ~META_BIT('q')) == META_BIT('v');
}

/*
 * In front of the value of a hit stands
 *
 *      get     "VALUE KEY" and the line " FLAGS SIZE\r\n"
 *      gets    "VALUE KEY" and the line " FLAGS SIZE CAS\r\n"
 *      meta    the line "VA SIZE\r\n"
 *      binary  the head, and of some the key
 *
 * plain_line() writes the line and returns its length; without the number of
 * gets, and of meta, it is at most PLAIN_LINE.
 */
enum {
	PLAIN_LINE = 24,
	PLAIN_LINE_MAX = 48,
};

size_t plain_line(char *line, enum plain_form, uint32_t client_flags,
    uint32_t nvalue, uint64_t cas);

/* Fixed sizes, so that they need no call: 16 bytes at a time, the last ones
 * overlapping. */
static inline void
plain_put_key(char *out, const char *key, size_t n)
{
	if (n - 16 <= 16) {
		memcpy(out, key, 16);
		memcpy(out + n - 16, key + n - 16, 16);
	} else if (n >= 16) {
		for (size_t i = 0; i < n - 16; i += 16)
			memcpy(out + i, key + i, 16);
		memcpy(out + n - 16, key + n - 16, 16);
	} else if (n >= 8) {
		memcpy(out, key, 8);
		memcpy(out + n - 8, key + n - 8, 8);
	} else {
		for (size_t i = 0; i < n; i++)
			out[i] = key[i];
	}
}

/*
 * The whole reply to a read that hit, of whatever protocol, at out: head, value
 * and tail.  The value stands at value, behind out: where the head would end
 * if it were as long as the last one; else it is moved there.  Returns the
 * end of the reply, and in *nhead the length of the head.
 */
char *plain_hit(enum proto_name, char *out, const struct request *,
    const struct result *, char *value, size_t *nhead);

#endif
