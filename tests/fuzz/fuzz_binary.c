/*
 * fuzz_binary.c - packets may be anything.
 *
 * The input is what a client sends.  Each packet is parsed from a block of its
 * own size, and from shorter ones, which must not change its meaning; what
 * comes out is checked, and answered with every status.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/binary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
within(const char *at, size_t n, const char *in, size_t nin)
{
	return at >= in && n <= nin && at <= in + (nin - n);
}

static uint32_t
body_of(const char *packet)
{
	const unsigned char *p = (const unsigned char *)packet + 8;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static enum parse
parse_block(const char *in, size_t n, struct request *req, size_t *used,
    char **block)
{
	*block = malloc(n > 0 ? n : 1);
	assert(*block != NULL);
	memcpy(*block, in, n);
	memset(req, 0xa5, sizeof(*req));
	*used = SIZE_MAX;
	return binary_parse(*block, n, req, used);
}

/* Every answer is a packet as long as it says, or nothing. */
static void
check_replies(const struct request *req)
{
	char *out = malloc(PROTO_REPLY_MAX);

	assert(out != NULL);
	for (unsigned i = 0; i < STATUS_COUNT * 2; i++) {
		struct result res = { .status = (enum status)(i / 2),
			.has_value = i & 1, .nvalue = i & 1 ? 1 << 20 : 0,
			.client_flags = i, .cas = i, .number = i,
			.text = "text", .ntext = 4 };
		size_t n = (size_t)(binary_compose(out, req, &res) - out);

		assert(n <= PROTO_REPLY_MAX);
		if (n == 0) {
			assert(req->quiet || res.status == STATUS_NOTHING);
			continue;
		}
		if (res.status == STATUS_FOUND)
			n += res.nvalue;
		assert(n == BINARY_HEAD + body_of(out));
		assert((uint8_t)out[0] == 0x81);
		assert((uint8_t)out[1] == req->opcode);
		assert(memcmp(out + 12, &req->opaque, 4) == 0);
	}
	free(out);
}

static void
check_request(const struct request *req, const char *in, size_t used)
{
	size_t n = used + req->follow;

	assert(req->op < OP_UNKNOWN && req->nkey <= PROTO_KEY_MAX);
	assert(within(req->key, req->nkey, in, used));
	assert(n == BINARY_HEAD + body_of(in));
	if (req->op == OP_SASL_AUTH || req->op == OP_SASL_STEP)
		assert(req->follow == 0 &&
		    within(req->value, req->nvalue, in, used));
	else
		assert(req->follow == req->nvalue);
	if (req->op == OP_STATS) {
		assert(req->words.n >= 1 &&
		    req->words.n <= PROTO_WORDS_MAX);
		for (unsigned i = 1; i < req->words.n; i++)
			assert(within(req->words.at[i].at,
			    req->words.at[i].n, in, used));
	}
}

static void
check_refusal(const struct request *req, const char *in, size_t used)
{
	assert(!req->quiet);
	assert(req->problem == STATUS_ERROR ||
	    (req->problem == STATUS_BAD_FORMAT && req->close));
	if (req->close)
		assert(req->swallow == 0);
	else
		assert(used + req->swallow == BINARY_HEAD +
		    (uint64_t)body_of(in));
}

/* Fewer bytes must say MORE, more of them the same. */
static void
check_prefixes(const char *in, enum parse whole, size_t used)
{
	const size_t lengths[] = { 0, 1, 23, 24, 25, used / 2, used - 1 };
	struct request req;
	size_t ignored;
	char *block;

	for (unsigned i = 0; i < 7; i++) {
		enum parse parse;

		if (lengths[i] >= used)
			continue;
		parse = parse_block(in, lengths[i], &req, &ignored, &block);
		assert(parse == PARSE_MORE);
		free(block);
	}
	assert(parse_block(in, used, &req, &ignored, &block) == whole);
	assert(ignored == used);
	free(block);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *in = (const char *)data;
	size_t pos = 0, used;

	while (pos < n) {
		struct request req;
		char *block;
		enum parse parse = parse_block(in + pos, n - pos, &req, &used,
		    &block);
		uint64_t next = pos;

		if (parse == PARSE_MORE)
			assert(n - pos < BINARY_FRAME_MAX);
		if (parse == PARSE_REQUEST || parse == PARSE_REFUSE) {
			assert(used >= BINARY_HEAD && used <= n - pos);
			check_replies(&req);
			check_prefixes(in + pos, parse, used);
			next += used;
		}
		if (parse == PARSE_REQUEST) {
			check_request(&req, block, used);
			next += req.follow;
		} else if (parse == PARSE_REFUSE) {
			check_refusal(&req, block, used);
			next += req.swallow;
		}
		free(block);
		if (next == pos || next > n || (parse == PARSE_REFUSE &&
		    req.close))
			break;
		pos = (size_t)next;
	}
	return 0;
}
