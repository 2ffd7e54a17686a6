/* plain.c - see plain.h. */
#include "proto/plain.h"

#include <string.h>

#include "proto/scan.h"
#include "proto/token.h"

enum {
	GET = 4, /* bytes of "get " */
	SCAN_MAX = PROTO_KEY_MAX + 6,
};

static inline bool
is_get(const char *in)
{
	return scan_load32(in) == ((uint32_t)'g' | (uint32_t)'e' << 8 |
	    (uint32_t)'t' << 16 | (uint32_t)' ' << 24);
}

static inline void
deliver(struct request *req, enum op op, const char *key, size_t nkey,
    bool last)
{
	req->op = op;
	req->quiet = false;
	req->last = last;
	req->key = key;
	req->nkey = (uint32_t)nkey;
	req->follow = 0;
}

/*
 * One key and what ends it, from in on.  *more: another one of the same line
 * follows.  Returns the bytes up to the next key or line; 0 where a closer
 * look is needed.
 */
static inline size_t
read_key(const char *in, size_t n, size_t *nkey, bool *more)
{
	size_t end = scan_word_end(in, n < SCAN_MAX ? n : SCAN_MAX);

	*nkey = end;
	*more = false;
	if (end + 1 >= n && (end >= n || in[end] != '\n'))
		return 0;
	if (in[end] == '\n') {
		*nkey -= end > 0 && in[end - 1] == '\r';
		return end + 1;
	}
	*more = true;
	/* Blanks or a line end after the last blank: the other way. */
	return in[end] == ' ' && in[end + 1] > ' ' ? end + 1 : 0;
}

unsigned
plain_gets(struct parser *p, const char *in, size_t n, struct request *batch,
    unsigned max, size_t *used)
{
	unsigned count = 0;
	size_t at = 0;

	*used = 0;
	if (p->proto != PROTO_TEXT)
		return 0;
	while (count < max) {
		enum op op = OP_GET;
		size_t from = at, nkey, len;
		bool more;

		if (p->in_keys) {
			if (p->long_line || p->op > OP_GETS)
				break;
			op = p->op;
		} else {
			if (n - at < GET + 2 || !is_get(in + at))
				break;
			from += GET;
		}
		len = read_key(in + from, n - from, &nkey, &more);
		/* Of a line of several keys the first is not for us: all of
		 * it has to be looked at before. */
		if (len == 0 || (more && !p->in_keys) ||
		    nkey - 1 >= PROTO_KEY_MAX)
			break;
		deliver(&batch[count++], op, in + from, nkey, !more);
		p->in_keys = more;
		at = from + len;
	}
	*used = at;
	return count;
}

/* ------------------------------------------------------------ hits */

/* Fixed sizes, so that they need no call: 16 bytes at a time, at most 15 too
 * many.  Room for them is there: PROTO_REPLY_MAX. */
static inline char *
put_key(char *out, const char *key, size_t n)
{
	if (n < 16) {
		for (size_t i = 0; i < n; i++)
			out[i] = key[i];
		return out + n;
	}
	for (size_t i = 0; i < n - 16; i += 16)
		memcpy(out + i, key + i, 16);
	memcpy(out + n - 16, key + n - 16, 16);
	return out + n;
}

/* Digits of a number, most of which are short. */
static inline size_t
digits(uint64_t v)
{
	if (v < 10)
		return 1;
	if (v < 100)
		return 2;
	if (v < 1000)
		return 3;
	return token_digits(v);
}

static inline char *
put_number(char *out, uint64_t v, size_t n)
{
	if (n > 3)
		return token_put_uint64(out, v);
	if (n == 3) {
		unsigned hundreds = (unsigned)v / 100;

		*out++ = (char)('0' + hundreds);
		v -= hundreds * 100;
	}
	if (n >= 2) {
		unsigned tens = (unsigned)v / 10;

		*out++ = (char)('0' + tens);
		v -= tens * 10;
	}
	*out++ = (char)('0' + v);
	return out;
}

static char *
text_hit(char *out, const struct request *req, const struct result *res,
    char *value, size_t *nhead)
{
	bool with_cas = req->op == OP_GETS;
	size_t nflags = digits(res->client_flags);
	size_t nsize = digits(res->nvalue);
	size_t ncas = with_cas ? 1 + token_digits(res->cas) : 0;
	size_t n = strlen("VALUE ") + req->nkey + 1 + nflags + 1 + nsize +
	    ncas + 2;

	*nhead = n;
	if (__builtin_expect(value != out + n, 0))
		memmove(out + n, value, res->nvalue);
	value = out + n;
	memcpy(out, "VALUE ", 6);
	out = put_key(out + 6, req->key, req->nkey);
	*out++ = ' ';
	out = put_number(out, res->client_flags, nflags);
	*out++ = ' ';
	out = put_number(out, res->nvalue, nsize);
	if (with_cas) {
		*out++ = ' ';
		out = token_put_uint64(out, res->cas);
	}
	memcpy(out, "\r\n", 2);
	out = value + res->nvalue;
	memcpy(out, "\r\nEND\r\n", 7);
	return out + (req->last ? 7 : 2);
}

/* The others: the head is composed aside, for it is not known before how
 * long it is. */
static __attribute__((noinline)) char *
other_hit(enum proto_name proto, char *out, const struct request *req,
    const struct result *res, char *value, size_t *nhead)
{
	char head[PROTO_REPLY_MAX];
	size_t n = (size_t)(proto_compose(proto, head, req, res) - head);

	*nhead = n;
	if (value != out + n)
		memmove(out + n, value, res->nvalue);
	memcpy(out, head, n);
	return proto_tail(proto, out + n + res->nvalue, req, res);
}

char *
plain_hit(enum proto_name proto, char *out, const struct request *req,
    const struct result *res, char *value, size_t *nhead)
{
	if (proto == PROTO_TEXT && req->op <= OP_GETS)
		return text_hit(out, req, res, value, nhead);
	return other_hit(proto, out, req, res, value, nhead);
}
