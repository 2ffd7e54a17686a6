/* token.c - see token.h. */
#include "proto/token.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/scan.h"

/*
 * Every change between blank and other is an edge; edges are the beginnings
 * and the ends of words in turn, so only they cost a step of the inner loop.
 */
unsigned
token_words(const char *line, size_t n, struct word *words, unsigned max)
{
	const char *start = NULL;
	unsigned count = 0, blanks, edges, before = 1;
	size_t base = 0, width;

	while (base < n && count < max) {
		width = n - base;
		if (width >= 16) {
			width = 16;
			blanks = scan_either16(line + base, ' ', ' ');
		} else
			blanks = scan_either_few(line + base, width, ' ', ' ');
		edges = (blanks ^ (blanks << 1 | before)) &
		    ((1U << width) - 1);
		before = blanks >> (width - 1) & 1;
		for (; edges != 0; edges &= edges - 1) {
			const char *at =
			    line + base + (unsigned)__builtin_ctz(edges);

			if (start == NULL) {
				start = at;
				continue;
			}
			words[count].at = start;
			words[count].n = (uint32_t)(at - start);
			start = NULL;
			if (++count == max)
				return count;
		}
		base += width;
	}
	if (start != NULL) {
		words[count].at = start;
		words[count].n = (uint32_t)(line + n - start);
		count++;
	}
	return count;
}

/* n digits that cannot overflow: at most 19. */
static bool
read_digits(const char *at, unsigned n, uint64_t *out)
{
	uint64_t v = 0;
	unsigned i, digit;

	for (i = 0; i < n; i++) {
		digit = (unsigned)(unsigned char)at[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return n > 0;
}

bool
token_int32(struct word w, int32_t *out)
{
	uint64_t v;
	bool minus;

	if (w.n == 0 || w.n > 11)
		return false;
	minus = w.at[0] == '-';
	if (!read_digits(w.at + minus, w.n - minus, &v) ||
	    v > (uint64_t)INT32_MAX + minus)
		return false;
	*out = (int32_t)(minus ? -(int64_t)v : (int64_t)v);
	return true;
}

bool
token_uint32(struct word w, uint32_t *out)
{
	uint64_t v;

	if (w.n > 11 || !read_digits(w.at, w.n, &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool
token_uint64(struct word w, uint64_t *out)
{
	uint64_t v;
	unsigned i, digit, safe = w.n < 19 ? w.n : 19;

	if (w.n > 22 || !read_digits(w.at, safe, &v))
		return false;
	for (i = safe; i < w.n; i++) {
		digit = (unsigned)(unsigned char)w.at[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

/*
 * What strtoul(3) and strtol(3) read: white space, a sign, digits; memcached
 * then wants the end of the word, a white space character or a NUL.  False
 * if there are no digits or the magnitude exceeds 64 bits.
 */
static bool
read_c_number(struct word w, bool *minus, uint64_t *magnitude)
{
	const char *p = w.at, *end = w.at + w.n;
	uint64_t v = 0;
	unsigned digit;
	bool any = false;

	while (p < end && isspace((unsigned char)*p))
		p++;
	*minus = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end; p++, any = true) {
		digit = (unsigned)(unsigned char)*p - '0';
		if (digit > 9)
			break;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*magnitude = v;
	return any && (p == end || *p == '\0' || isspace((unsigned char)*p));
}

bool
token_flags(struct word w, uint32_t *out)
{
	uint64_t v;
	bool minus;

	if (!read_c_number(w, &minus, &v))
		return false;
	/* strtoul negates; memcached refuses only what then looks negative. */
	if (minus) {
		v = -v;
		if (v > INT64_MAX)
			return false;
	}
	*out = (uint32_t)v;
	return true;
}

bool
token_exptime(struct word w, int64_t *out)
{
	uint64_t v;
	bool minus;

	if (!read_c_number(w, &minus, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	*out = (int32_t)(uint32_t)(minus ? -v : v);
	return true;
}

bool
token_double(struct word w, double *out)
{
	char text[64], *end;
	double v;
	int saved = errno;

	if (w.n == 0 || w.n >= sizeof(text))
		return false;
	memcpy(text, w.at, w.n);
	text[w.n] = '\0';
	/* No blanks, hex, inf and nan, which strtod would take. */
	if (strspn(text, "0123456789.eE+-") != w.n)
		return false;
	v = strtod(text, &end);
	errno = saved;
	if (*end != '\0' || !isfinite(v))
		return false;
	*out = v;
	return true;
}

bool
token_is(struct word w, const char *text)
{
	return strlen(text) == w.n && memcmp(w.at, text, w.n) == 0;
}

unsigned
token_digits(uint64_t v)
{
	unsigned n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

const char TOKEN_PAIRS[200] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

char *
token_put_uint64(char *out, uint64_t v)
{
	char *end, *p;

	if (v < 10) {
		*out = (char)('0' + v);
		return out + 1;
	}
	p = end = out + token_digits(v);
	for (; v >= 100; v /= 100) {
		p -= 2;
		memcpy(p, TOKEN_PAIRS + v % 100 * 2, 2);
	}
	if (v >= 10)
		memcpy(p - 2, TOKEN_PAIRS + v * 2, 2);
	else
		p[-1] = (char)('0' + v);
	return end;
}

/* The six bits of a base64 character, 0 for '=', -1 for junk. */
static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return c == '=' ? 0 : -1;
}

int
token_base64_decode(const char *in, size_t n, char *out, size_t room)
{
	uint32_t block = 0;
	size_t i, j, count = 0, bytes, pads = 0, done = 0;
	int bits;

	for (i = 0; i < n; i++)
		count += sextet(in[i]) >= 0;
	if (count == 0 || count % 4 != 0)
		return -1;
	count = 0;
	for (i = 0; i < n && pads == 0; ) {
		/* A block of four; the first padded one is the last. */
		for (count = 0; count < 4 && i < n; i++) {
			bits = sextet(in[i]);
			if (bits < 0)
				continue;
			pads += in[i] == '=';
			block = block << 6 | (uint32_t)bits;
			count++;
		}
		if (count < 4)
			break; /* junk behind the last block */
		if (pads > 2)
			return -1;
		bytes = 3 - pads;
		if (room - done < bytes)
			return -1;
		for (j = 0; j < bytes; j++)
			out[done++] = (char)(block >> (16 - 8 * j) & 0xff);
	}
	return (int)done;
}

size_t
token_base64_encode(const char *in, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)in;
	char *q = out;

	for (; n >= 3; n -= 3, p += 3) {
		*q++ = digits[p[0] >> 2];
		*q++ = digits[(p[0] << 4 | p[1] >> 4) & 63];
		*q++ = digits[(p[1] << 2 | p[2] >> 6) & 63];
		*q++ = digits[p[2] & 63];
	}
	if (n > 0) {
		*q++ = digits[p[0] >> 2];
		*q++ = digits[(p[0] << 4 | (n > 1 ? p[1] >> 4 : 0)) & 63];
		*q++ = n > 1 ? digits[p[1] << 2 & 63] : '=';
		*q++ = '=';
	}
	return (size_t)(q - out);
}
