/*
 * plain.h - the short way of what nearly all traffic consists of: gets.
 *
 * proto_parse() hands out one key a call and proto_compose() asks which of all
 * replies it is; of the 300 instructions that a key of a multiget may cost
 * that would be half.  Here many keys are read in one call, and a hit is
 * written in one.  The requests and the bytes are the same (tested), so
 * whoever does not use this file misses nothing but speed.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   plain_gets() by returning fewer requests; proto_parse() says what
 *          the next bytes are then.
 * Cost:    about 40 instructions a key, 60 a hit.
 */
#ifndef PROTO_PLAIN_H
#define PROTO_PLAIN_H

#include <string.h>

#include "proto/proto.h"

/*
 * As many requests as stand at in, one after another, of the text lines `get
 * key' and of the keys that are left of a get or gets line; at most max, into
 * batch.  Returns how many, and in *used their bytes.
 */
unsigned plain_gets(struct parser *, const char *in, size_t n,
    struct request *batch, unsigned max, size_t *used);

/*
 * The reply to a hit of a text get.  Between key and value stands " FLAGS
 * SIZE\r\n", and most often the same as in the last hit, so it is kept
 * written out:
 *
 *      char *value = out + plain_head(line, nkey);
 *      ... copy the value there, hoping that flags and size are as before ...
 *      if (!plain_knows(line, flags, size))
 *              value = plain_learn(line, flags, size, value);
 *      out = plain_put(line, key, nkey, value, last);
 *
 * plain_learn() writes the line anew and moves the value to where it has to
 * stand then; from before the value PLAIN_LINE bytes, and as many behind it,
 * must be writable.
 */
enum { PLAIN_LINE = 24, PLAIN_VALUE = 6 /* bytes of "VALUE " */ };

struct plain_line {
	uint32_t client_flags, nvalue;
	uint32_t n;	       /* of its bytes */
	char text[PLAIN_LINE]; /* they stand at the end of it */
};

void plain_forget(struct plain_line *);
char *plain_learn(struct plain_line *, uint32_t client_flags, uint32_t nvalue,
    char *value);

/* From the reply's first byte to the value. */
static inline size_t
plain_head(const struct plain_line *l, uint32_t nkey)
{
	return PLAIN_VALUE + (size_t)nkey + l->n;
}

static inline bool
plain_knows(const struct plain_line *l, uint32_t client_flags, uint32_t nvalue)
{
	return l->client_flags == client_flags && l->nvalue == nvalue;
}

/* Fixed sizes, so that they need no call: 16 bytes at a time, the last ones
 * overlapping. */
static inline void
plain_put_key(char *out, const char *key, size_t n)
{
	if (n >= 16) {
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

/* All but the value; returns the end.  The line is put first, in eights: what
 * stands before its text is overwritten by key and "VALUE ", which are never
 * too short for that. */
static inline char *
plain_put(const struct plain_line *l, const char *key, uint32_t nkey,
    char *value, bool last)
{
	char *at = value - l->n - nkey, *end = value + l->nvalue;

	if (__builtin_expect(l->n <= 8, 1)) {
		memcpy(value - 8, l->text + PLAIN_LINE - 8, 8);
	} else {
		if (l->n > 16)
			memcpy(value - PLAIN_LINE, l->text, 8);
		memcpy(value - 16, l->text + PLAIN_LINE - 16, 16);
	}
	memcpy(at - PLAIN_VALUE, "VALUE ", PLAIN_VALUE);
	plain_put_key(at, key, nkey);
	memcpy(end, "\r\nEND\r\n", 8);
	return end + (last ? 7 : 2);
}

/* The end of a get line whose last key missed. */
static inline char *
plain_end(char *out)
{
	memcpy(out, "END\r\n", 5);
	return out + 5;
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
