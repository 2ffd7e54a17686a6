/*
 * fuzz_text.c - whatever comes, the text parser says the same of it in one
 * piece and in many, and keeps the promises of proto.h (talk.h asserts them).
 */
#include <stdint.h>

#include "proto/meta.h"
#include "tests/proto/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct pieces {
	uint32_t state, most;
};

static size_t
cut(void *arg, size_t left)
{
	struct pieces *p = arg;
	size_t n;

	p->state = p->state * 1664525 + 1013904223;
	n = 1 + (p->state >> 8) % p->most;
	return n < left ? n : left;
}

/*
 * A line of more than PROTO_LINE_MAX bytes is taken when it comes at once,
 * and closes the connection when it does not: that much may differ.
 */
static void
compare(const struct talk *whole, const struct talk *split)
{
	static const char last[] = "close, no line end\n";
	size_t n = split->n;

	if (split->too_long) {
		assert(n >= sizeof(last) - 1);
		n -= sizeof(last) - 1;
		assert(n <= whole->n);
	} else
		assert(n == whole->n);
	assert(memcmp(split->log, whole->log, n) == 0);
}

/* Every reply to a request keeps within its bounds; fuzz_meta.c sees to those
 * of meta. */
static void
compose_all(const struct request *req)
{
	static const uint32_t numbers[] = { 0, 9, 100, 8191, 8192, 4294967295 };
	struct result res = { .status = STATUS_NOTHING, .ttl = -1 };
	char *out = malloc(PROTO_REPLY_MAX), *end;
	unsigned i;

	assert(out != NULL);
	for (i = 0; i < STATUS_COUNT && !meta_is(req->op); i++) {
		if (i == STATUS_TEXT || i == STATUS_AUTH_CONTINUE)
			continue;
		res.status = (enum status)i;
		res.client_flags = res.nvalue = numbers[i % 6];
		res.cas = res.number = UINT64_MAX - i;
		end = proto_compose(PROTO_TEXT, out, req, &res);
		assert(end >= out && end <= out + PROTO_REPLY_MAX);
		end = proto_tail(PROTO_TEXT, out + PROTO_REPLY_MAX - 8, req,
		    &res);
		assert(end <= out + PROTO_REPLY_MAX);
	}
	free(out);
}

/* Like talk() in one piece, but values are parsed as commands, too. */
static void
compose_replies(const char *in, size_t n)
{
	char scratch[PROTO_SCRATCH];
	struct parser p;
	struct request req;
	size_t pos = 0, used;
	enum parse parse;
	unsigned count = 0;

	parser_init(&p, PROTO_TEXT);
	while (pos < n && count++ < 50) {
		req.scratch = scratch;
		parse = proto_parse(&p, in + pos, n - pos, &req, &used);
		if (parse == PARSE_MORE || parse == PARSE_CLOSE)
			break;
		pos += used;
		if (parse == PARSE_REQUEST)
			compose_all(&req);
	}
}

static void
run(const char *in, size_t n, uint32_t seed, uint32_t most,
    const struct talk *whole)
{
	struct pieces pieces = { seed, most };
	struct talk split;

	talk_init(&split);
	talk(&split, PROTO_TEXT, in, n, cut, &pieces);
	compare(whole, &split);
	talk_fini(&split);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *in = (const char *)data;
	struct talk whole;
	uint32_t seed = (uint32_t)n;
	size_t i;

	for (i = 0; i < n; i++)
		seed = (seed ^ data[i]) * 16777619;
	talk_init(&whole);
	talk(&whole, PROTO_TEXT, in, n, talk_whole, NULL);
	if (n <= 600)
		run(in, n, seed, 1, &whole);
	run(in, n, seed, 16 + (uint32_t)n / 50, &whole);
	run(in, n, seed, 100 + (uint32_t)n / 4, &whole);
	talk_fini(&whole);
	compose_replies(in, n);
	return 0;
}
