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

enum { BEFORE = 32, VALUE_MAX = 4096 };

/* A hit by the short way, after another one: the same bytes, and none before
 * them. */
static void
check_short(struct plain_line *line, uint32_t nkey, uint32_t flags,
    uint32_t nvalue, bool last)
{
	static char keys[PROTO_KEY_MAX], bytes[VALUE_MAX];
	static char out[BEFORE + PROTO_REPLY_MAX + VALUE_MAX + PLAIN_LINE];
	char want[PROTO_REPLY_MAX], *at = out + BEFORE, *value, *end;
	struct request req = { .op = OP_GET, .key = keys, .nkey = nkey,
		.last = last };
	struct result res = { .status = STATUS_FOUND, .has_value = true,
		.client_flags = flags, .nvalue = nvalue };
	size_t nhead;

	memset(keys, 'k', sizeof(keys));
	nhead = (size_t)(text_compose(want, &req, &res) - want);
	memset(bytes, 'v', sizeof(bytes));
	memset(out, '.', sizeof(out));
	value = at + plain_head(line, PLAIN_TEXT, &req);
	memcpy(value, bytes, nvalue);
	if (!plain_knows(line, PLAIN_TEXT, flags, nvalue))
		value = plain_learn(line, PLAIN_TEXT, flags, nvalue, value);
	ck_assert(plain_knows(line, PLAIN_TEXT, flags, nvalue));
	end = plain_put(line, PLAIN_TEXT, &req, flags, 0, at, value, nvalue) +
	    plain_after(PLAIN_TEXT, &req);
	ck_assert_ptr_eq(value, at + nhead);
	ck_assert_mem_eq(at, want, nhead);
	ck_assert_mem_eq(value, bytes, nvalue);
	ck_assert_ptr_eq(end, value + nvalue + (last ? 7 : 2));
	ck_assert_mem_eq(value + nvalue, "\r\nEND\r\n", last ? 7 : 2);
	for (unsigned i = 0; i < BEFORE; i++)
		ck_assert_int_eq(out[i], '.');
}

START_TEST(short_way_of_hits)
{
	static const uint32_t keys[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33,
		249, 250 };
	static const uint32_t numbers[] = { 0, 9, 10, 99, 100, 999, 1000, 4090,
		65536, 4294967295 };
	struct plain_line line;
	unsigned n = sizeof(numbers) / sizeof(numbers[0]);

	plain_forget(&line);
	check_short(&line, 1, 0, 0, true);
	for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		for (unsigned f = 0; f < n; f++)
			for (unsigned v = 0; v < 8; v++) {
				check_short(&line, keys[k], numbers[f],
				    numbers[v], v & 1);
				check_short(&line, keys[k], numbers[f],
				    numbers[v], f & 1);
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
	suite_add_tcase(s, c);
	return s;
}
