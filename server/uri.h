/*
 * uri.h - keys where a reader expects words: %XX for bytes that would not be
 * one.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   never; the caller gives URI_EXPANSION bytes for each byte.
 * Cost:    a pass over the bytes.
 */
#ifndef SERVER_URI_H
#define SERVER_URI_H

#include <stdbool.h>
#include <stddef.h>

enum { URI_EXPANSION = 3 };

static inline char *
uri_hex(char *out, unsigned char c)
{
	*out++ = '%';
	*out++ = "0123456789ABCDEF"[c >> 4];
	*out++ = "0123456789ABCDEF"[c & 15];
	return out;
}

/* A blank, a control byte: ends a word or a line, or moves the cursor. */
static inline bool
uri_breaks(unsigned char c)
{
	return c <= ' ' || c == 0x7f;
}

/* All but A-Z a-z 0-9 - . _ ~ as %XX.  Returns the end. */
static inline char *
uri_encode(char *out, const char *in, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];
		unsigned char lower = c | 0x20;

		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			*out++ = (char)c;
		else
			out = uri_hex(out, c);
	}
	return out;
}

/* Only what breaks words and lines. */
static inline char *
uri_escape(char *out, const char *in, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];

		if (uri_breaks(c))
			out = uri_hex(out, c);
		else
			*out++ = (char)c;
	}
	return out;
}

#endif
