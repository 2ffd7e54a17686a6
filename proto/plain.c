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

/* Where the word at p ends.  Most keys end within 32 bytes, so the loop of
 * scan_word_end() is only for the others. */
static inline size_t
word_end(const char *p, size_t n)
{
	uint32_t mask;

	if (n >= 32) {
		mask = scan_either16(p, ' ', '\n') |
		    scan_either16(p + 16, ' ', '\n') << 16;
		if (__builtin_expect(mask != 0, 1))
			return (size_t)__builtin_ctz(mask);
	}
	return scan_word_end(p, n < SCAN_MAX ? n : SCAN_MAX);
}

/* Lines of one key. */
static inline unsigned
read_lines(const char **in, const char *end, struct request *batch,
    unsigned max)
{
	const char *at = *in;
	unsigned count = 0;

	while (count < max && end - at >= GET + 2 && is_get(at)) {
		const char *key = at + GET;
		size_t n = (size_t)(end - key), nkey = word_end(key, n);

		if (nkey == n || key[nkey] != '\n')
			break;
		at = key + nkey + 1;
		nkey -= key[(ptrdiff_t)nkey - 1] == '\r';
		if (nkey - 1 >= PROTO_KEY_MAX)
			break;
		deliver(&batch[count++], OP_GET, key, nkey, true);
		*in = at;
	}
	return count;
}

/* The keys that are left of a line, of which one was read already: all of it
 * has been looked at by then. */
static inline unsigned
read_keys(struct parser *p, const char **in, const char *end,
    struct request *batch, unsigned max)
{
	const char *key = *in;
	enum op op = p->op;
	unsigned count = 0;

	while (count < max) {
		size_t n = (size_t)(end - key), nkey = word_end(key, n);
		const char *next = key + nkey + 1;
		bool last;

		if (nkey == n)
			break;
		last = key[nkey] == '\n';
		/* Blanks or a line end after the last blank: the other way. */
		if (last)
			nkey -= nkey > 0 && key[nkey - 1] == '\r';
		else if (key[nkey] != ' ' || next == end || *next <= ' ')
			break;
		if (nkey - 1 >= PROTO_KEY_MAX)
			break;
		deliver(&batch[count++], op, key, nkey, last);
		*in = key = next;
		if (last) {
			p->in_keys = false;
			break;
		}
	}
	return count;
}

unsigned
plain_gets(struct parser *p, const char *in, size_t n, struct request *batch,
    unsigned max, size_t *used)
{
	const char *at = in;
	unsigned count = 0, got;

	*used = 0;
	if (p->proto != PROTO_TEXT)
		return 0;
	do {
		if (!p->in_keys)
			got = read_lines(&at, in + n, batch + count,
			    max - count);
		else if (!p->long_line && p->op <= OP_GETS)
			got = read_keys(p, &at, in + n, batch + count,
			    max - count);
		else
			break;
		count += got;
	} while (got != 0 && !p->in_keys && count < max);
	*used = (size_t)(at - in);
	return count;
}

/* ------------------------------------------------------------ hits */

void
plain_forget(struct plain_line *l)
{
	char none[PLAIN_LINE];

	l->n = 0;
	plain_learn(l, 0, 0, none);
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

char *
plain_learn(struct plain_line *l, uint32_t client_flags, uint32_t nvalue,
    char *value)
{
	size_t nflags = digits(client_flags), nsize = digits(nvalue);
	uint32_t n = (uint32_t)(1 + nflags + 1 + nsize + 2);
	char *at = l->text + PLAIN_LINE - n, *to = value - l->n + n;

	if (to != value)
		memmove(to, value, nvalue);
	l->client_flags = client_flags;
	l->nvalue = nvalue;
	l->n = n;
	*at = ' ';
	at = put_number(at + 1, client_flags, nflags);
	*at = ' ';
	at = put_number(at + 1, nvalue, nsize);
	memcpy(at, "\r\n", 2);
	return to;
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
	plain_put_key(out + 6, req->key, req->nkey);
	out += 6 + req->nkey;
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
