/* reply.c - see reply.h. */
#include "bench/reply.h"

#include <arpa/inet.h>
#include <string.h>

enum { BINARY_HEADER = 24, BINARY_FLAGS = 4, BIN_NOOP = 10, ERROR_LINE = 512 };

/* The decimal number at p, and a byte that must follow it. */
static const char *
number_is(const char *p, uint32_t n, char after)
{
	char digits[10];
	unsigned i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	if (memcmp(p, digits + i, sizeof(digits) - i) != 0)
		return NULL;
	p += sizeof(digits) - i;
	return *p == after ? p + 1 : NULL;
}

static size_t
trailer_len(const struct plan *pl, const struct owed *op)
{
	if (pl->config.proto == PLAN_BINARY)
		return 0;
	return pl->config.proto == PLAN_TEXT && op->kind == OWED_GET ? 7 : 2;
}

static enum reply_kind
hit(const struct plan *pl, const struct owed *op, const char *p,
    const char *value, size_t avail, struct reply *r)
{
	uint32_t n = pl->config.sizes[op->size];
	uint32_t look = n < REPLY_VALUE_BYTES ? n : REPLY_VALUE_BYTES;
	uint64_t word = plan_value_word(op->key, 0);

	if ((size_t)(value - p) + look > avail)
		return REPLY_MORE;
	r->wrong = memcmp(value, &word, look) != 0;
	r->tail = look + trailer_len(pl, op);
	r->nbytes = (size_t)(value - p) + n + trailer_len(pl, op);
	return REPLY_HIT;
}

/* An error line, whole. */
static enum reply_kind
refusal(const char *p, size_t avail, struct reply *r)
{
	const char *eol = memchr(p, '\n', avail);

	if (eol == NULL)
		return avail < ERROR_LINE ? REPLY_MORE : REPLY_LOST;
	r->nbytes = (size_t)(eol - p) + 1;
	if (memcmp(p, "ERROR", 5) == 0 || memcmp(p, "SERVER_", 7) == 0 ||
	    memcmp(p, "CLIENT_", 7) == 0)
		return REPLY_ERROR;
	return REPLY_LOST;
}

static enum reply_kind
line_is(const char *p, size_t avail, const char *line, enum reply_kind kind,
    struct reply *r)
{
	size_t n = strlen(line);

	if (avail < n)
		return REPLY_MORE;
	if (memcmp(p, line, n) != 0)
		return refusal(p, avail, r);
	r->nbytes = n;
	return kind;
}

/* "VALUE key 0 size\r\n" */
static enum reply_kind
text_hit(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	unsigned nkey = pl->config.key_len;
	const char *q = p + 6 + nkey;

	if (avail < 6 + nkey + 3 + 12 + REPLY_VALUE_BYTES &&
	    memchr(p, '\n', avail) == NULL)
		return REPLY_MORE;
	if (avail < 6 + nkey + 3 || memcmp(p, "VALUE ", 6) != 0)
		return REPLY_LOST;
	if (memcmp(p + 6, pl->bytes + op->name, nkey) != 0)
		return op->kind == OWED_QUIET ? REPLY_ABSENT : REPLY_LOST;
	if (memcmp(q, " 0 ", 3) != 0)
		return REPLY_LOST;
	q = number_is(q + 3, pl->config.sizes[op->size], '\r');
	if (q == NULL)
		return REPLY_LOST;
	return hit(pl, op, p, q + 1, avail, r);
}

static enum reply_kind
text_read(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	switch ((enum owed_kind)op->kind) {
	case OWED_GET:
		if (*p == 'V')
			return text_hit(pl, op, p, avail, r);
		return line_is(p, avail, "END\r\n", REPLY_MISS, r);
	case OWED_QUIET:
		if (*p == 'V')
			return text_hit(pl, op, p, avail, r);
		return REPLY_ABSENT;
	case OWED_SET:
		return line_is(p, avail, "STORED\r\n", REPLY_STORED, r);
	case OWED_END:
		return line_is(p, avail, "END\r\n", REPLY_END, r);
	}
	return REPLY_LOST;
}

/* "VA size\r\n" or "VA size kkey\r\n" */
static enum reply_kind
meta_hit(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	bool quiet = op->kind == OWED_QUIET;
	unsigned nkey = pl->config.key_len;
	const char *eol =
	    memchr(p, '\n', avail < ERROR_LINE ? avail : ERROR_LINE);
	const char *q;

	if (eol == NULL)
		return avail < ERROR_LINE ? REPLY_MORE : REPLY_LOST;
	if (memcmp(p, "VA ", 3) != 0)
		return REPLY_LOST;
	if (quiet &&
	    (eol - p < 3 + 3 + (ptrdiff_t)nkey ||
		memcmp(eol - 1 - nkey, pl->bytes + op->name, nkey) != 0))
		return REPLY_ABSENT;
	q = number_is(p + 3, pl->config.sizes[op->size], quiet ? ' ' : '\r');
	if (q == NULL)
		return REPLY_LOST;
	return hit(pl, op, p, eol + 1, avail, r);
}

static enum reply_kind
meta_read(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	switch ((enum owed_kind)op->kind) {
	case OWED_GET:
		if (*p == 'V')
			return meta_hit(pl, op, p, avail, r);
		return line_is(p, avail, "EN\r\n", REPLY_MISS, r);
	case OWED_QUIET:
		if (*p == 'V')
			return meta_hit(pl, op, p, avail, r);
		return REPLY_ABSENT;
	case OWED_SET:
		return line_is(p, avail, "HD\r\n", REPLY_STORED, r);
	case OWED_END:
		return line_is(p, avail, "MN\r\n", REPLY_END, r);
	}
	return REPLY_LOST;
}

static enum reply_kind
binary_read(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	uint32_t body, opaque;
	unsigned status;

	if ((unsigned char)*p != 0x81)
		return REPLY_LOST;
	if (avail < BINARY_HEADER)
		return REPLY_MORE;
	memcpy(&body, p + 8, 4);
	memcpy(&opaque, p + 12, 4);
	body = ntohl(body);
	status = (unsigned char)p[6] << 8 | (unsigned char)p[7];
	if (op->kind == OWED_QUIET && (p[1] == BIN_NOOP || opaque != op->key))
		return REPLY_ABSENT;
	if (op->kind == OWED_END && p[1] != BIN_NOOP)
		return REPLY_LOST;
	if (op->kind != OWED_END && opaque != op->key)
		return REPLY_LOST;
	r->nbytes = BINARY_HEADER + body;
	if (status != 0) {
		if (avail < r->nbytes)
			return REPLY_MORE;
		return status == 1 ? REPLY_MISS : REPLY_ERROR;
	}
	if (op->kind == OWED_END)
		return REPLY_END;
	if (op->kind == OWED_SET)
		return REPLY_STORED;
	if (body != BINARY_FLAGS + pl->config.sizes[op->size])
		return REPLY_LOST;
	return hit(pl, op, p, p + BINARY_HEADER + BINARY_FLAGS, avail, r);
}

enum reply_kind
reply_read(const struct plan *pl, const struct owed *op, const char *p,
    size_t avail, struct reply *r)
{
	r->wrong = false;
	r->tail = 0;
	switch (pl->config.proto) {
	case PLAN_TEXT:
		return text_read(pl, op, p, avail, r);
	case PLAN_META:
		return meta_read(pl, op, p, avail, r);
	case PLAN_BINARY:
		return binary_read(pl, op, p, avail, r);
	}
	return REPLY_LOST;
}

bool
reply_tail_ok(
    const struct plan *pl, const struct owed *op, const char *tail, size_t n)
{
	uint32_t size = pl->config.sizes[op->size];
	uint32_t look = size < REPLY_VALUE_BYTES ? size : REPLY_VALUE_BYTES;
	size_t trailer = trailer_len(pl, op);
	uint64_t words[2];
	uint32_t at = size - look;

	words[0] = plan_value_word(op->key, at / 8);
	words[1] = plan_value_word(op->key, at / 8 + 1);
	return n == look + trailer &&
	       memcmp(tail, (const char *)words + at % 8, look) == 0 &&
	       memcmp(tail + look, "\r\nEND\r\n", trailer) == 0;
}
