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
	SHORT = 31, /* most keys are shorter */
	AHEAD = 34, /* bytes that are looked at to find that */
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

/* ------------------------------------------------------------ runs */

struct places {
	const char **bytes;
	uint32_t *nbytes;
	size_t stride;
	unsigned max;
};

static inline void
put_key(struct places *to, const char *key, size_t nkey)
{
	*to->bytes = key;
	*to->nbytes = (uint32_t)nkey;
	to->bytes = (void *)((char *)to->bytes + to->stride);
	to->nbytes = (void *)((char *)to->nbytes + to->stride);
	to->max--;
}

/* Lines of one key; returns where the next one begins. */
static inline const char *
run_lines(const char *at, const char *end, struct places *to)
{
	while (to->max > 0 && end - at >= GET + 2 && is_get(at)) {
		const char *key = at + GET;
		size_t n = (size_t)(end - key), nkey;

		if (__builtin_expect(n >= AHEAD, 1)) {
			nkey = scan_low31(key);
			if (nkey - 1 < SHORT - 1 && ends_line(key + nkey)) {
				put_key(to, key, nkey);
				at = key + nkey + 2;
				continue;
			}
		}
		nkey = scan_key_end(key, n, SCAN_MAX);
		if (nkey == n || key[nkey] != '\n')
			break;
		n = nkey + 1;
		nkey -= key[(ptrdiff_t)nkey - 1] == '\r';
		if (nkey - 1 >= PROTO_KEY_MAX)
			break;
		put_key(to, key, nkey);
		at = key + n;
	}
	return at;
}

/* One of the keys of a line, that may be the last.  Returns where the next one
 * stands; NULL if it takes the other way, for blanks or a line end after a
 * blank. */
static inline const char *
read_key(const char *key, const char *end, size_t *nkey, bool *last)
{
	size_t n = (size_t)(end - key);
	size_t i = scan_key_end(key, n, SCAN_MAX);
	const char *next = key + i + 1;

	if (i == n)
		return NULL;
	*last = key[i] == '\n';
	if (*last)
		i -= i > 0 && key[i - 1] == '\r';
	else if (key[i] != ' ' || next == end || *next <= ' ')
		return NULL;
	*nkey = i;
	return i - 1 < PROTO_KEY_MAX ? next : NULL;
}

/* Those that most keys are: short, and another one follows. */
static inline const char *
run_short_keys(const char *key, const char *end, struct places *to)
{
	struct places rest = *to;
	const char *stop = end - AHEAD;

	while (rest.max > 0 && key <= stop) {
		size_t nkey = scan_low31(key);

		if (nkey - 1 >= SHORT - 1 || key[nkey] != ' ' ||
		    (unsigned char)key[nkey + 1] <= ' ')
			break;
		put_key(&rest, key, nkey);
		key += nkey + 1;
	}
	*to = rest;
	return key;
}

/* The keys that are left of a line, of which one was read already: all of it
 * has been looked at by then. */
static inline const char *
run_keys(const char *key, const char *end, struct places *to, bool *ends)
{
	bool last = false;

	while (to->max > 0 && !last) {
		const char *next;
		size_t nkey;

		if (end - key >= AHEAD)
			key = run_short_keys(key, end, to);
		if (to->max == 0)
			break;
		next = read_key(key, end, &nkey, &last);
		if (next == NULL)
			return key;
		put_key(to, key, nkey);
		key = next;
	}
	*ends = last;
	return key;
}

/* Packets that begin with the same bytes but for the length of the key. */
static inline const char *
run_packets(const char *at, const char *end, struct places *to)
{
	const uint64_t fixed = UINT64_C(0xff0000ffff); /* all but that */
	uint64_t like;
	uint32_t nkey;

	if (end - at < BINARY_HEAD)
		return at;
	like = scan_load64(at) & fixed;
	if ((like & ~(uint64_t)0xff00) != BINARY_REQUEST ||
	    !binary_is_get((uint8_t)at[1]))
		return at;
	for (; to->max > 0 && end - at >= BINARY_HEAD;
	    at += BINARY_HEAD + nkey) {
		uint64_t head = scan_load64(at);

		nkey = (uint32_t)(head >> 16 & 0xff) << 8 |
		    (uint32_t)(head >> 24 & 0xff);
		if ((head & fixed) != like || nkey - 1 >= PROTO_KEY_MAX ||
		    scan_load32(at + 8) != ((uint32_t)head & 0xffff0000) ||
		    end - at < BINARY_HEAD + (ptrdiff_t)nkey)
			break;
		put_key(to, at + BINARY_HEAD, nkey);
	}
	return at;
}

struct plain_run
plain_keys(struct parser *p, const char *in, size_t n,
    const struct plain_keys *to, unsigned there, unsigned max)
{
	struct plain_run run = { .form = PLAIN_LINES };
	const char *end = in + n, *after = in;
	size_t skip = there * to->stride;
	struct places rest = {
		(void *)((char *)to->bytes + skip),
		(void *)((char *)to->nbytes + skip),
		to->stride,
		max,
	};

	if (p->proto == PROTO_BINARY) {
		run.form = PLAIN_BINARY;
		after = run_packets(in, end, &rest);
	} else if (p->proto == PROTO_TEXT && !p->in_keys) {
		after = run_lines(in, end, &rest);
	} else if (p->proto == PROTO_TEXT && !p->long_line &&
	    p->op <= OP_GETS) {
		run.form = p->op == OP_GET ? PLAIN_KEYS : PLAIN_GETS;
		after = run_keys(in, end, &rest, &run.ends);
		p->in_keys = !run.ends;
	}
	run.n = max - rest.max;
	run.used = (size_t)(after - in);
	return run;
}

void
plain_request(struct request *req, enum plain_form form, const char *key,
    uint32_t nkey, bool last)
{
	size_t used;

	if (form == PLAIN_BINARY) {
		key -= BINARY_HEAD;
		binary_parse(key, BINARY_HEAD + nkey, req, &used);
		return;
	}
	req->op = form == PLAIN_GETS ? OP_GETS : OP_GET;
	req->quiet = false;
	req->last = last || form == PLAIN_LINES;
	req->key = key;
	req->nkey = nkey;
	req->follow = 0;
}

/* ------------------------------------------------------------ requests */

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
read_text(const char **in, const char *end,
    struct request *batch, unsigned max, uint32_t most)
{
	switch (*in < end ? **in : '\0') {
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

	*used = 0;
	if (p->proto != PROTO_TEXT || p->in_keys)
		return 0;
	do {
		got = read_text(&at, in + n, batch + count, max - count, most);
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

size_t
plain_line(char *line, enum plain_form form, uint32_t client_flags,
    uint32_t nvalue, uint64_t cas)
{
	char *out = line;

	if (form == PLAIN_META) {
		memcpy(out, "VA ", 3);
		out += 3;
	} else {
		*out++ = ' ';
		out = put_number(out, client_flags, digits(client_flags));
		*out++ = ' ';
	}
	out = put_number(out, nvalue, digits(nvalue));
	if (form == PLAIN_GETS) {
		*out++ = ' ';
		out = token_put_uint64(out, cas);
	}
	memcpy(out, "\r\n", 2);
	return (size_t)(out + 2 - line);
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
