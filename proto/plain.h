/*
 * plain.h - the short way of what nearly all traffic consists of: gets, and
 * sets of small values.
 *
 * proto_parse() hands out one request a call and proto_compose() asks which of
 * all replies it is; of the 300 instructions that a key of a multiget may cost
 * that would be half.  Here many requests are read in one call, and a hit is
 * written in one, inlined.  The requests and the bytes are the same (tested),
 * so whoever does not use this file misses nothing but speed.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   plain_parse() by returning fewer requests; proto_parse() says what
 *          the next bytes are then.
 * Cost:    about 40 instructions a key, 40 a hit.
 */
#ifndef PROTO_PLAIN_H
#define PROTO_PLAIN_H

#include <string.h>

#include "proto/binary.h"
#include "proto/proto.h"

/*
 * As many requests as stand at in, one after another, of
 *
 *      text    get key; the keys that are left of a get or gets line; mg; and
 *              set and ms, if the value is there and has with the key at
 *              most `most' bytes: value and problem are set as well then
 *      binary  get, getq, getk, getkq
 *
 * at most max, into batch.  Returns how many, and in *used their bytes.
 */
unsigned plain_parse(struct parser *, const char *in, size_t n,
    struct request *batch, unsigned max, uint32_t most, size_t *used);

/* Does what stands at in, n > 0 bytes, look like one of them?  Spares the
 * others a call. */
static inline bool
plain_begins(const struct parser *p, const char *in, size_t n)
{
	if (p->proto == PROTO_BINARY)
		return n >= BINARY_HEAD && binary_is_get((uint8_t)in[1]);
	if (p->in_keys || in[0] == 'g')
		return true;
	return n > 1 && ((in[0] == 's' && in[1] == 'e') ||
	    (in[0] == 'm' && (in[1] == 'g' || in[1] == 's')));
}

/* ------------------------------------------------------------ hits */

/* Reads whose hits have a short way, by the form of their reply. */
enum plain_form {
	PLAIN_TEXT,   /* get */
	PLAIN_META,   /* mg with v, and q or not */
	PLAIN_BINARY, /* get, getq, getk, getkq */
	PLAIN_FORMS,  /* none of them */
};

static inline enum plain_form
plain_form(enum proto_name proto, const struct request *req)
{
	if (req->op == OP_GET)
		return proto == PROTO_BINARY ? PLAIN_BINARY : PLAIN_TEXT;
	if (req->op == OP_MG &&
	    (req->meta.has & ~META_BIT('q')) == META_BIT('v'))
		return PLAIN_META;
	return PLAIN_FORMS;
}

/*
 * The value is copied before the head is written, for only who has read it
 * knows how long it is.  But most often it is as long as the last one, and so
 * is what stands in front of it:
 *
 *      text    "VALUE KEY" and the line " FLAGS SIZE\r\n"
 *      meta    the line "VA SIZE\r\n"
 *      binary  the same length always
 *
 * so the line of the last hit of that form is kept as it was written:
 *
 *      char *value = out + plain_head(line, form, req);
 *      ... copy the value there, hoping that flags and size are as before ...
 *      if (!plain_knows(line, form, flags, size))
 *              value = plain_learn(line, form, flags, size, value);
 *      out = plain_put(line, form, req, flags, cas, out, value, size) +
 *          plain_after(form, req);
 *
 * plain_learn() writes the line anew and moves the value to where it has to
 * stand then; PLAIN_LINE bytes behind the value must be writable.
 */
enum {
	PLAIN_LINE = 24, /* bytes at most */
	PLAIN_VALUE = 6, /* bytes of "VALUE " */
};

struct plain_line {
	uint32_t client_flags;
	uint32_t nvalue; /* UINT32_MAX: there was none yet */
	uint32_t least, most; /* sizes whose line is as long */
	uint32_t n;	      /* of its bytes */
	uint64_t eights[3]; /* they stand at the end of it, as in memory */
};

void plain_forget(struct plain_line *);
char *plain_learn(struct plain_line *, enum plain_form, uint32_t client_flags,
    uint32_t nvalue, char *value);

/* A hit's reply has the key in it. */
static inline bool
plain_has_key(enum plain_form form, const struct request *req)
{
	return form == PLAIN_TEXT ||
	    (form == PLAIN_BINARY && binary_echoes(req->opcode));
}

/* From the reply's first byte to the value. */
static inline size_t
plain_head(const struct plain_line *l, enum plain_form form,
    const struct request *req)
{
	if (form == PLAIN_BINARY)
		return binary_hit_head(req);
	return l->n + (form == PLAIN_TEXT ? PLAIN_VALUE + req->nkey : 0);
}

/* From the value's end to the next reply. */
static inline uint32_t
plain_after(enum plain_form form, const struct request *req)
{
	if (form == PLAIN_BINARY)
		return 0;
	return form == PLAIN_TEXT && req->last ? 7 : 2;
}

/* How many of n requests, the first of which is of that form, have hits that
 * differ in nothing but key and value. */
static inline unsigned
plain_alike(enum proto_name proto, enum plain_form form,
    const struct request *req, unsigned n)
{
	unsigned i;

	for (i = 1; i < n && plain_form(proto, &req[i]) == form &&
	    (form != PLAIN_TEXT || req[i].last == req->last) &&
	    (form != PLAIN_BINARY || req[i].opcode == req->opcode); i++)
		;
	return i;
}

static inline bool
plain_knows(const struct plain_line *l, enum plain_form form,
    uint32_t client_flags, uint32_t nvalue)
{
	return form == PLAIN_BINARY || (l->nvalue == nvalue &&
	    (form == PLAIN_META || l->client_flags == client_flags));
}

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

/* The line goes first, in eights: what stands before its text is overwritten
 * by key and "VALUE ", which are never too short for that. */
static inline void
plain_put_text(const struct plain_line *l, const char *key, uint32_t nkey,
    char *out, char *value)
{
	memcpy(value - 8, &l->eights[2], 8);
	if (__builtin_expect(l->n > 8, 0)) {
		memcpy(value - 16, &l->eights[1], 8);
		if (l->n > 16)
			memcpy(value - 24, &l->eights[0], 8);
	}
	memcpy(out, "VALUE ", PLAIN_VALUE);
	plain_put_key(out + PLAIN_VALUE, key, nkey);
}

/* Six bytes at least, and nothing in front of them. */
static inline void
plain_put_meta(const struct plain_line *l, char *value)
{
	const char *end = (const char *)(l->eights + 3);

	if (l->n < 8) {
		memcpy(value - l->n, end - l->n, 4);
		memcpy(value - 4, end - 4, 4);
	} else {
		memcpy(value - l->n, end - l->n, 8);
		memcpy(value - 8, end - 8, 8);
	}
}

/* All but the value, into the reply at out; returns the value's end, from where
 * it is plain_after() to the next one. */
static inline char *
plain_put(const struct plain_line *l, enum plain_form form,
    const struct request *req, uint32_t client_flags, uint64_t cas,
    char *out, char *value, uint32_t nvalue)
{
	char *end = value + nvalue;
	const char *key = req->key;
	uint32_t nkey = req->nkey;

	if (form == PLAIN_BINARY) {
		binary_put_hit(out, req, client_flags, cas, nvalue);
		return end;
	}
	memcpy(end, "\r\nEND\r\n", 8);
	if (form == PLAIN_META)
		plain_put_meta(l, value);
	else
		plain_put_text(l, key, nkey, out, value);
	return end;
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
