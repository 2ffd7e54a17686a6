/*
 * token.h - words, numbers and base64, read in place.
 *
 * The numbers follow PROTOCOL.md section 1 exactly: who takes a sign, how many
 * characters, which range.  Each reader takes the whole word or refuses it.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   false, and the output untouched.
 * Cost:    a pass over the word.
 */
#ifndef PROTO_TOKEN_H
#define PROTO_TOKEN_H

#include <string.h>

#include "proto/message.h"

/* Blank-separated words of a line without its end; at most max are looked
 * at.  Returns how many. */
unsigned token_words(const char *line, size_t n, struct word *words,
    unsigned max);

/* optional '-', digits, at most 11 characters, int32 */
bool token_int32(struct word, int32_t *);
/* digits, at most 11 characters, uint32 */
bool token_uint32(struct word, uint32_t *);
/* digits, at most 22 characters, uint64 */
bool token_uint64(struct word, uint64_t *);
/* C strtoul/strtol, as classic <flags> and <exptime> are read */
bool token_flags(struct word, uint32_t *);
bool token_exptime(struct word, int64_t *);
/* a decimal fraction, as lru tune takes it */
bool token_double(struct word, double *);
bool token_is(struct word, const char *text);

/* Digits of v at out; returns the end.  At most 20 bytes. */
char *token_put_uint64(char *out, uint64_t v);
unsigned token_digits(uint64_t v);

/* A text without its end; returns the end. */
static inline char *
token_put_text(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return out + n;
}

/* 00 to 99 */
extern const char TOKEN_PAIRS[200];

/* The same for v < 10000, inline. */
static inline char *
token_put_short(char *out, unsigned v)
{
	if (v < 10) {
		*out = (char)('0' + v);
		return out + 1;
	}
	if (v >= 1000) {
		memcpy(out, TOKEN_PAIRS + v / 100 * 2, 2);
		out += 2;
		v %= 100;
	} else if (v >= 100) {
		*out++ = (char)('0' + v / 100);
		v %= 100;
	}
	memcpy(out, TOKEN_PAIRS + v * 2, 2);
	return out + 2;
}

/* Base64 with padding; junk is skipped as memcached does.  Returns the bytes
 * written, or -1; decoding never writes more than room. */
int token_base64_decode(const char *in, size_t n, char *out, size_t room);
size_t token_base64_encode(const char *in, size_t n, char *out);

#endif
