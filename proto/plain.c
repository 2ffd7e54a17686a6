/* plain.c - see plain.h. */
#include "proto/plain.h"

#include <string.h>

#include "proto/binary.h"
#include "proto/meta.h"
#include "proto/scan.h"
#include "proto/text.h"
#include "proto/token.h"

enum {
	GET = 4, /* bytes of "get " */
	SET = 4,
	SHORT = 32, /* bytes in which most keys end */
	LINE_MIN = 16, /* of set, mg and ms; the shorter can wait */
	SCAN_MAX = PROTO_KEY_MAX + 6,
};

static inline uint32_t
four(char a, char b, char c, char d)
{
	return (uint32_t)(unsigned char)a | (uint32_t)(unsigned char)b << 8 |
	    (uint32_t)(unsigned char)c << 16 | (uint32_t)(unsigned char)d << 24;
}

static inline bool
is_get(const char *in)
{
	return scan_load32(in) == four('g', 'e', 't', ' ');
}

static inline bool
is_set(const char *in)
{
	return scan_load32(in) == four('s', 'e', 't', ' ');
}

static inline bool
is_mg(const char *in)
{
	return in[0] == 'm' && in[1] == 'g' && in[2] == ' ';
}

static inline bool
is_ms(const char *in)
{
	return in[0] == 'm' && in[1] == 's' && in[2] == ' ';
}

static inline bool
ends_line(const char *at)
{
	return at[0] == '\r' && at[1] == '\n';
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

/* Lines of one key. */
static inline unsigned
read_lines(const char **in, const char *end, struct request *batch,
    unsigned max)
{
	struct request *req = batch, *full = batch + max;
	const char *at = *in;

	for (; req < full && end - at >= GET + 2 && is_get(at); *in = at) {
		const char *key = at + GET;
		size_t n = (size_t)(end - key), nkey;

		if (__builtin_expect(n >= SHORT + 2, 1)) {
			nkey = scan_low32(key);
			if (nkey - 1 < SHORT - 1 && ends_line(key + nkey)) {
				deliver(req++, OP_GET, key, nkey, true);
				at = key + nkey + 2;
				continue;
			}
		}
		nkey = scan_key_end(key, n, SCAN_MAX);
		if (nkey == n || key[nkey] != '\n')
			break;
		at = key + nkey + 1;
		nkey -= key[(ptrdiff_t)nkey - 1] == '\r';
		if (nkey - 1 >= PROTO_KEY_MAX)
			break;
		deliver(req++, OP_GET, key, nkey, true);
	}
	return (unsigned)(req - batch);
}

/* One of these keys, that may be the last.  Returns where the next one stands;
 * NULL if it takes the other way, for blanks or a line end after a blank. */
static inline const char *
read_key(const char *key, const char *end, enum op op, struct request *req)
{
	size_t n = (size_t)(end - key);
	size_t nkey = scan_key_end(key, n, SCAN_MAX);
	const char *next = key + nkey + 1;
	bool last;

	if (nkey == n)
		return NULL;
	last = key[nkey] == '\n';
	if (last)
		nkey -= nkey > 0 && key[nkey - 1] == '\r';
	else if (key[nkey] != ' ' || next == end || *next <= ' ')
		return NULL;
	if (nkey - 1 >= PROTO_KEY_MAX)
		return NULL;
	deliver(req, op, key, nkey, last);
	return next;
}

/* The keys that are left of a line, of which one was read already: all of it
 * has been looked at by then. */
static inline unsigned
read_keys(struct parser *p, const char **in, const char *end,
    struct request *batch, unsigned max)
{
	struct request *req = batch, *full = batch + max;
	const char *key = *in, *next;
	enum op op = p->op;

	while (req < full) {
		if (__builtin_expect(end - key >= SHORT + 2, 1)) {
			size_t nkey = scan_low32(key);

			if (nkey - 1 < SHORT - 1 && key[nkey] == ' ' &&
			    (unsigned char)key[nkey + 1] > ' ') {
				deliver(req++, op, key, nkey, false);
				key += nkey + 1;
				continue;
			}
		}
		next = read_key(key, end, op, req);
		if (next == NULL)
			break;
		key = next;
		if ((req++)->last) {
			p->in_keys = false;
			break;
		}
	}
	*in = key;
	return (unsigned)(req - batch);
}

/* Is the value there, behind the line, and no longer than it may be? */
static inline bool
has_value(const struct request *req, const char *value, const char *end,
    uint32_t most)
{
	return (uint64_t)req->nkey + req->nvalue <= most &&
	    (size_t)(end - value) >= req->follow &&
	    ends_line(value + req->nvalue);
}

static inline unsigned
read_sets(const char **in, const char *end, struct request *batch,
    unsigned max, uint32_t most, bool meta)
{
	struct request *req = batch, *full = batch + max;
	const char *at = *in;
	size_t len;

	for (; req < full && end - at >= LINE_MIN; req++) {
		size_t n = (size_t)(end - at);

		if (meta ? !is_ms(at) || !meta_parse_plain_store(at, n, req,
		    &len) : !is_set(at) || !text_parse_plain_store(OP_SET, at,
		    n, SET, req, &len))
			break;
		if (!has_value(req, at + len, end, most))
			break;
		req->value = at + len;
		req->problem = STATUS_FOUND;
		at += len + req->follow;
	}
	*in = at;
	return (unsigned)(req - batch);
}

static inline unsigned
read_metas(const char **in, const char *end, struct request *batch,
    unsigned max)
{
	unsigned count = 0;
	size_t len;

	while (count < max && end - *in >= LINE_MIN && is_mg(*in) &&
	    meta_parse_plain(OP_MG, *in, (size_t)(end - *in), &batch[count],
	    &len)) {
		*in += len;
		count++;
	}
	return count;
}

static inline unsigned
read_text(struct parser *p, const char **in, const char *end,
    struct request *batch, unsigned max, uint32_t most)
{
	if (p->in_keys)
		return !p->long_line && p->op <= OP_GETS ?
		    read_keys(p, in, end, batch, max) : 0;
	switch (*in < end ? **in : '\0') {
	case 'g':
		return read_lines(in, end, batch, max);
	case 's':
		return read_sets(in, end, batch, max, most, false);
	case 'm':
		return end - *in >= LINE_MIN && is_ms(*in) ?
		    read_sets(in, end, batch, max, most, true) :
		    read_metas(in, end, batch, max);
	default:
		return 0;
	}
}

unsigned
plain_parse(struct parser *p, const char *in, size_t n, struct request *batch,
    unsigned max, uint32_t most, size_t *used)
{
	const char *at = in;
	unsigned count = 0, got;

	if (p->proto == PROTO_BINARY)
		return binary_gets(in, n, batch, max, used);
	*used = 0;
	if (p->proto != PROTO_TEXT)
		return 0;
	do {
		got = read_text(p, &at, in + n, batch + count, max - count,
		    most);
		count += got;
	} while (got != 0 && count < max && at < in + n);
	*used = (size_t)(at - in);
	return count;
}

/* ------------------------------------------------------------ hits */

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

void
plain_forget(struct plain_line *l)
{
	memset(l, 0, sizeof(*l));
	l->nvalue = l->least = l->most = UINT32_MAX;
}

/* Sizes that take as many digits. */
static void
learn_range(struct plain_line *l, uint32_t nvalue)
{
	uint64_t least = 0, most = 9;

	while (nvalue > most) {
		least = most + 1;
		most = 10 * most + 9;
	}
	l->least = (uint32_t)least;
	l->most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

static char *
put_line(char *out, enum plain_form form, uint32_t client_flags,
    uint32_t nvalue)
{
	if (form == PLAIN_TEXT) {
		*out++ = ' ';
		out = put_number(out, client_flags, digits(client_flags));
		*out++ = ' ';
	} else {
		memcpy(out, "VA ", 3);
		out += 3;
	}
	out = put_number(out, nvalue, digits(nvalue));
	memcpy(out, "\r\n", 2);
	return out + 2;
}

char *
plain_learn(struct plain_line *l, enum plain_form form, uint32_t client_flags,
    uint32_t nvalue, char *value)
{
	char text[2 * PLAIN_LINE], *to;
	uint32_t n = (uint32_t)(put_line(text, form, client_flags, nvalue) -
	    text);

	to = value - l->n + n;
	if (to != value)
		memmove(to, value, nvalue);
	l->client_flags = client_flags;
	l->nvalue = nvalue;
	learn_range(l, nvalue);
	l->n = n;
	memcpy((char *)(l->eights + 3) - n, text, n);
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
