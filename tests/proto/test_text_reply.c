/* test_text_reply.c - results as lines of the text protocol. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plain.h"
#include "proto/text.h"

/* Composes, and sees to it that nothing is written beyond the end's reach. */
static void
check_compose(const struct request *req, const struct result *res,
    const char *want)
{
	char out[PROTO_REPLY_MAX];
	size_t n;

	n = (size_t)(proto_compose(PROTO_TEXT, out, req, res) - out);
	ck_assert_uint_le(n, sizeof(out));
	ck_assert_msg(n == strlen(want) && memcmp(out, want, n) == 0,
	    "%.*s is not %s", (int)n, out, want);
}

static void
check_status(enum op op, enum status status, const char *want)
{
	struct request req = { .op = op, .last = true };
	struct result res = { .status = status };

	check_compose(&req, &res, want);
	if (op > OP_GATS) {
		req.quiet = true;
		check_compose(&req, &res, "");
	}
}

START_TEST(every_status_has_its_line)
{
	static const struct {
		enum status status;
		const char *text;
	} lines[] = {
#define X(status, text, meta, code, body) { STATUS_##status, text },
		STATUSES(X)
#undef X
	};
	char want[128];
	unsigned i;

	for (i = 0; i < STATUS_COUNT; i++) {
		if (lines[i].text == NULL)
			continue;
		snprintf(want, sizeof(want), "%s\r\n", lines[i].text);
		check_status(OP_SET, lines[i].status, want);
		check_status(OP_UNKNOWN, lines[i].status, want);
	}
	/* and some of them as a client reads them */
	check_status(OP_SET, STATUS_STORED, "STORED\r\n");
	check_status(OP_DELETE, STATUS_DELETED, "DELETED\r\n");
	check_status(OP_DELETE, STATUS_NOT_FOUND, "NOT_FOUND\r\n");
	check_status(OP_INCR, STATUS_BAD_DELTA,
	    "CLIENT_ERROR invalid numeric delta argument\r\n");
	check_status(OP_FLUSH_ALL, STATUS_OK, "OK\r\n");
	check_status(OP_SET, STATUS_NOTHING, "");
}
END_TEST

static void
check_value(enum op op, const char *key, uint32_t flags, uint32_t nvalue,
    uint64_t cas)
{
	struct request req = {
		.op = op,
		.key = key,
		.nkey = (uint32_t)strlen(key),
	};
	struct result res = {
		.status = STATUS_FOUND,
		.has_value = true,
		.client_flags = flags,
		.nvalue = nvalue,
		.cas = cas,
	};
	char want[PROTO_REPLY_MAX];
	int n;

	n = snprintf(want, sizeof(want), "VALUE %s %" PRIu32 " %" PRIu32, key,
	    flags, nvalue);
	if (op == OP_GETS || op == OP_GATS)
		n += snprintf(want + n, sizeof(want) - (size_t)n,
		    " %" PRIu64, cas);
	snprintf(want + n, sizeof(want) - (size_t)n, "\r\n");
	check_compose(&req, &res, want);
}

START_TEST(heads_of_hits)
{
	static const enum op ops[] = { OP_GET, OP_GETS, OP_GAT, OP_GATS };
	static const uint32_t numbers[] = { 0, 1, 9, 10, 99, 100, 12345,
		2147483645, 4294967295 };
	char key[PROTO_KEY_MAX + 1];
	unsigned n, i;

	for (n = 1; n <= PROTO_KEY_MAX; n++) {
		for (i = 0; i < n; i++)
			key[i] = (char)('!' + (n + 7 * i) % 90);
		key[n] = '\0';
		check_value(ops[n % 4], key, 0, n, n);
	}
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		check_value(OP_GET, "k", numbers[i], numbers[i], 0);
		check_value(OP_GETS, "k", numbers[i], 0, numbers[i]);
		check_value(OP_GATS, "k", 0, numbers[i], UINT64_MAX);
	}
}
END_TEST

START_TEST(end_closes_the_last_key_only)
{
	struct request req = { .op = OP_GET, .key = "k", .nkey = 1 };
	struct result res = { .status = STATUS_NOT_FOUND };
	char out[8];

	check_compose(&req, &res, "");
	ck_assert_int_eq(proto_tail(PROTO_TEXT, out, &req, &res) - out, 2);
	ck_assert_mem_eq(out, "\r\n", 2);
	req.last = true;
	check_compose(&req, &res, "END\r\n");
	ck_assert_int_eq(proto_tail(PROTO_TEXT, out, &req, &res) - out, 7);
	ck_assert_mem_eq(out, "\r\nEND\r\n", 7);
	check_status(OP_END, STATUS_NOT_FOUND, "END\r\n");
	check_status(OP_END, STATUS_OK, "END\r\n");
}
END_TEST

START_TEST(one_error_for_a_line_of_keys)
{
	struct request req = { .op = OP_GETS, .key = "k", .nkey = 1 };
	struct result res = { .status = STATUS_UNAUTHENTICATED };

	check_compose(&req, &res, "");
	req.last = true;
	check_compose(&req, &res, "CLIENT_ERROR unauthenticated\r\n");
	check_status(OP_END, STATUS_UNAUTHENTICATED,
	    "CLIENT_ERROR unauthenticated\r\n");
	res.status = STATUS_NOTHING;
	check_compose(&req, &res, "");
}
END_TEST

START_TEST(numbers_and_texts)
{
	struct request req = { .op = OP_INCR };
	struct result res = { .status = STATUS_NUMBER };

	check_compose(&req, &res, "0\r\n");
	res.number = UINT64_MAX;
	check_compose(&req, &res, "18446744073709551615\r\n");
	req.op = OP_VERSION;
	res.status = STATUS_TEXT;
	res.text = "VERSION 1\r\nand no more";
	res.ntext = 11;
	check_compose(&req, &res, "VERSION 1\r\n");
	req.quiet = true;
	check_compose(&req, &res, "");
}
END_TEST

START_TEST(stats)
{
	struct request req = { .op = OP_STATS };
	char out[PROTO_REPLY_MAX], *end;

	end = proto_stat(PROTO_TEXT, out, &req, "pid", 3, "4711", 4);
	end = proto_stat(PROTO_TEXT, end, &req, "empty", 5, "", 0);
	end = proto_stat_end(PROTO_TEXT, end, &req);
	*end = '\0';
	ck_assert_str_eq(out, "STAT pid 4711\r\nSTAT empty \r\nEND\r\n");
}
END_TEST

START_TEST(values_end_with_cr_lf)
{
	struct request req = { .op = OP_SET };

	ck_assert(proto_value_ends(PROTO_TEXT, &req, "\r\n"));
	ck_assert(!proto_value_ends(PROTO_TEXT, &req, "\n\n"));
	ck_assert(!proto_value_ends(PROTO_TEXT, &req, "\r\r"));
	ck_assert(!proto_value_ends(PROTO_TEXT, &req, "ab"));
	ck_assert(proto_value_ends(PROTO_BINARY, &req, ""));
}
END_TEST

/* The line that stands between key and value. */
static void
check_line(enum plain_form form, const struct request *req, uint32_t flags,
    uint32_t nvalue, uint64_t cas)
{
	char want[PROTO_REPLY_MAX], line[PLAIN_LINE_MAX];
	struct result res = { .status = STATUS_FOUND, .has_value = true,
		.client_flags = flags, .nvalue = nvalue, .cas = cas };
	size_t nhead = (size_t)(proto_compose(PROTO_TEXT, want, req, &res) -
	    want);
	size_t before = form == PLAIN_META ? 0 : 6 + req->nkey, n;

	n = plain_line(line, form, flags, nvalue, cas);
	ck_assert_uint_eq(before + n, nhead);
	ck_assert_mem_eq(want + before, line, n);
	ck_assert_uint_le(n, form == PLAIN_GETS ? PLAIN_LINE_MAX :
						  PLAIN_LINE);
}

START_TEST(short_way_of_hits)
{
	static const uint32_t numbers[] = { 0, 9, 10, 99, 100, 999, 1000, 4090,
		65536, 4294967295 };
	unsigned n = sizeof(numbers) / sizeof(numbers[0]);
	struct request get = { .op = OP_GET, .key = "key", .nkey = 3 };
	struct request gets = { .op = OP_GETS, .key = "key", .nkey = 3 };
	struct request mg = { .op = OP_MG, .key = "key", .nkey = 3,
		.meta = { .nflags = 1, .has = META_BIT('v'),
		    .flags = { { .letter = 'v' } } } };

	for (unsigned f = 0; f < n; f++)
		for (unsigned v = 0; v < n; v++) {
			check_line(PLAIN_KEYS, &get, numbers[f], numbers[v],
			    7);
			check_line(PLAIN_GETS, &gets, numbers[f], numbers[v],
			    numbers[v]);
			check_line(PLAIN_GETS, &gets, numbers[f], numbers[v],
			    UINT64_MAX);
			check_line(PLAIN_META, &mg, numbers[f], numbers[v], 7);
		}
}
END_TEST

START_TEST(short_way_of_keys)
{
	char key[PROTO_KEY_MAX], out[PROTO_KEY_MAX + 1];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (char)('!' + i % 90);
	for (unsigned n = 1; n <= sizeof(key); n++) {
		memset(out, ' ', sizeof(out));
		plain_put_key(out, key, n);
		ck_assert_mem_eq(out, key, n);
		ck_assert_int_eq(out[n], ' ');
	}
}
END_TEST

Suite *
text_reply_suite(void)
{
	Suite *s = suite_create("text_reply");
	TCase *c = tcase_create("text_reply");

	tcase_add_test(c, every_status_has_its_line);
	tcase_add_test(c, heads_of_hits);
	tcase_add_test(c, end_closes_the_last_key_only);
	tcase_add_test(c, one_error_for_a_line_of_keys);
	tcase_add_test(c, numbers_and_texts);
	tcase_add_test(c, stats);
	tcase_add_test(c, values_end_with_cr_lf);
	tcase_add_test(c, short_way_of_hits);
	tcase_add_test(c, short_way_of_keys);
	suite_add_tcase(s, c);
	return s;
}
