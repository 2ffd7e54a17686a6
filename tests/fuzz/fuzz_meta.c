/*
 * fuzz_meta.c - a meta line may be anything.
 *
 * The input is lines.  Each is given to meta_parse() as each of the commands,
 * in a block of its own size; what comes out is checked, and answered with
 * every status.  A plain line must mean the same to meta_parse_plain().
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char NAMES[] = "mgmsmdmamemn";

static bool
within(const char *at, size_t n, const char *in, size_t nin)
{
	return at >= in && n <= nin && at <= in + (nin - n);
}

static void
check_request(const struct request *req, const char *line, size_t n)
{
	const struct meta *m = &req->meta;

	assert(req->nkey > 0 && req->nkey <= PROTO_KEY_MAX);
	assert(within(req->key, req->nkey, line, n) ||
	    within(req->key, req->nkey, req->scratch, PROTO_SCRATCH));
	assert(m->nflags <= 18);
	for (unsigned i = 0; i < m->nflags; i++) {
		const struct meta_flag *f = &m->flags[i];

		assert((m->has & META_BIT(f->letter)) != 0);
		assert(within(f->at, f->n, line, n));
	}
	assert((unsigned)__builtin_popcountll(m->has) == m->nflags);
	assert(req->quiet == (req->op != OP_ME &&
	    (m->has & META_BIT('q')) != 0));
	assert(req->op == OP_MS ? req->follow == req->nvalue + 2 :
	    req->follow == 0);
}

/* Every answer fits, and is whole lines. */
static void
check_replies(const struct request *req)
{
	static const uint64_t values[] = { 0, 1, UINT32_MAX, UINT64_MAX };
	char *out = malloc(PROTO_REPLY_MAX), *end;

	assert(out != NULL);
	for (unsigned i = 0; i < STATUS_COUNT + 4; i++) {
		uint64_t v = values[i % 4];
		struct result res = { .status = i < STATUS_COUNT ?
			(enum status)i : STATUS_FOUND,
			.has_value = i & 1, .fetched = i & 2,
			.stale = i & 1, .won = i & 2, .win_sent = i & 1,
			.binary_key = i & 2, .class_id = (uint8_t)v,
			.client_flags = (uint32_t)v, .nvalue = (uint32_t)v,
			.size = (uint32_t)v, .cas = v, .number = v,
			.ttl = (int64_t)(v >> (i & 1)),
			.ttl_before = (int64_t)v, .idle = (uint32_t)v,
			.text = "text\r\n", .ntext = 6 };

		/* lines that have no text belong to binary alone */
		if (res.status == STATUS_AUTH_CONTINUE ||
		    res.status == STATUS_BAD_MECHANISM ||
		    (res.status == STATUS_FOUND && req->op != OP_MG &&
		    req->op != OP_ME) || (req->op == OP_MN &&
		    res.status != STATUS_OK) || res.status == STATUS_TOUCHED)
			continue;
		end = meta_compose(out, req, &res);
		assert(end - out <= PROTO_REPLY_MAX);
		assert(end == out || (end - out >= 4 && end[-2] == '\r' &&
		    end[-1] == '\n'));
	}
	free(out);
}

/* The quick way may say no, but nothing else than the slow one. */
static void
check_plain(const struct request *slow, enum parse parse, const char *line,
    size_t n)
{
	char scratch[PROTO_SCRATCH], *in = malloc(n + 2);
	struct request req;
	size_t used = 0;

	assert(in != NULL);
	memcpy(in, line, n);
	memcpy(in + n, "\r\n", 2);
	memset(&req, 0xa5, sizeof(req));
	req.scratch = scratch;
	if (n > 2 && line[2] == ' ' &&
	    meta_parse_plain(slow->op, in, n + 2, &req, &used)) {
		assert(parse == PARSE_REQUEST && used == n + 2);
		assert(req.op == slow->op && req.quiet == slow->quiet);
		assert(req.nkey == slow->nkey &&
		    memcmp(req.key, slow->key, req.nkey) == 0);
		assert(req.meta.has == slow->meta.has &&
		    req.meta.nflags == slow->meta.nflags &&
		    req.meta.mode == slow->meta.mode);
		for (unsigned i = 0; i < req.meta.nflags; i++)
			assert(req.meta.flags[i].at - in ==
			    slow->meta.flags[i].at - line &&
			    req.meta.flags[i].n == slow->meta.flags[i].n);
		/* one byte less and the line is not there */
		assert(!meta_parse_plain(slow->op, in, n + 1, &req, &used));
	}
	free(in);
}

static void
check_line(const char *at, size_t n)
{
	char scratch[PROTO_SCRATCH], *line = malloc(n + 2);
	struct request req;

	assert(line != NULL);
	memcpy(line + 2, at, n);
	for (unsigned i = 0; i < 6; i++) {
		enum op op = (enum op)(OP_MG + i);
		enum parse parse;

		memcpy(line, NAMES + 2 * i, 2);
		memset(&req, 0xa5, sizeof(req));
		req.scratch = scratch;
		parse = meta_parse(op, line, n + 2, &req);
		assert(req.op == op);
		if (parse == PARSE_REFUSE) {
			assert(!req.quiet && !req.close);
			assert(req.swallow == 0 || (op == OP_MS &&
			    req.swallow == (uint64_t)req.nvalue + 2));
		} else {
			assert(parse == PARSE_REQUEST);
			if (op != OP_MN)
				check_request(&req, line, n + 2);
			check_replies(&req);
		}
		if (op == OP_MG || op == OP_MD || op == OP_MA)
			check_plain(&req, parse, line, n + 2);
	}
	free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data, *end = p + n;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((lf != NULL ? lf : end) - p);

		check_line(p, len > 0 && p[len - 1] == '\r' ? len - 1 : len);
		p += len + 1;
	}
	return 0;
}
