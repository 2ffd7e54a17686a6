/* test_token.c - words, numbers, base64. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/scan.h"
#include "proto/token.h"

static struct word
word(const char *text)
{
	return (struct word){ text, (uint32_t)strlen(text) };
}

/* ------------------------------------------------------------ words */

/* What token_words() must find, a byte at a time. */
static unsigned
plain_words(const char *line, size_t n, struct word *words, unsigned max)
{
	unsigned count = 0;
	size_t i = 0, start;

	while (count < max) {
		while (i < n && line[i] == ' ')
			i++;
		if (i == n)
			break;
		for (start = i; i < n && line[i] != ' '; i++)
			;
		words[count].at = line + start;
		words[count++].n = (uint32_t)(i - start);
	}
	return count;
}

START_TEST(words_of_random_lines)
{
	struct word got[PROTO_WORDS_MAX], want[PROTO_WORDS_MAX];
	unsigned seed = 1, round, i, n, max, ngot;

	for (round = 0; round < 30000; round++) {
		n = (unsigned)rand_r(&seed) % 70;
		max = (unsigned)rand_r(&seed) % (PROTO_WORDS_MAX + 1);
		/* A block of its own, for the sanitizer. */
		char *line = malloc(n > 0 ? n : 1);

		if (line == NULL)
			ck_abort_msg("no memory");
		for (i = 0; i < n; i++)
			line[i] = "  x\t\n\xa0"[(unsigned)rand_r(&seed) % 6];
		ngot = token_words(line, n, got, max);
		if (ngot != plain_words(line, n, want, max))
			ck_abort_msg("round %u: %u words", round, ngot);
		for (i = 0; i < ngot; i++)
			if (got[i].at != want[i].at || got[i].n != want[i].n)
				ck_abort_msg("round %u: word %u", round, i);
		free(line);
	}
}
END_TEST

START_TEST(word_end_is_the_first_blank_or_line_feed)
{
	unsigned seed = 2, round, i, n, want;

	for (round = 0; round < 30000; round++) {
		n = (unsigned)rand_r(&seed) % 50;
		char *line = malloc(n > 0 ? n : 1);

		if (line == NULL)
			ck_abort_msg("no memory");
		for (i = 0; i < n; i++)
			line[i] = (char)((unsigned)rand_r(&seed) % 20 == 0 ?
			    " \n"[i & 1] : '\x80' + (char)(i % 64));
		for (want = 0; want < n; want++)
			if (line[want] == ' ' || line[want] == '\n')
				break;
		if (scan_word_end(line, n) != want)
			ck_abort_msg("round %u: not %u", round, want);
		free(line);
	}
}
END_TEST

START_TEST(is_compares_the_whole_word)
{
	struct word w = { "noreplyx", 7 };

	ck_assert(token_is(w, "noreply"));
	ck_assert(!token_is(w, "noreplyx"));
	ck_assert(!token_is(w, "norepl"));
	ck_assert(!token_is(w, "nOreply"));
	ck_assert(token_is(word(""), ""));
}
END_TEST

/* ------------------------------------------------------------ numbers */

static const struct {
	const char *text;
	bool good;
	int32_t value;
} int32s[] = {
	{ "0", true, 0 },
	{ "-0", true, 0 },
	{ "7", true, 7 },
	{ "00000000007", true, 7 },
	{ "000000000007", false, 0 },
	{ "2147483647", true, INT32_MAX },
	{ "2147483648", false, 0 },
	{ "-2147483648", true, INT32_MIN },
	{ "-2147483649", false, 0 },
	{ "99999999999", false, 0 },
	{ "18446744073709551615", false, 0 },
	{ "", false, 0 },
	{ "-", false, 0 },
	{ "--1", false, 0 },
	{ "+1", false, 0 },
	{ "1x", false, 0 },
	{ "x1", false, 0 },
	{ "0x10", false, 0 },
	{ "1.5", false, 0 },
	{ "\t1", false, 0 },
	{ "1\t", false, 0 },
	{ "1\r", false, 0 },
};

START_TEST(int32_follows_its_rule)
{
	int32_t v = 4711;
	bool good = token_int32(word(int32s[_i].text), &v);

	ck_assert_msg(good == int32s[_i].good, "%s", int32s[_i].text);
	ck_assert_int_eq(v, good ? int32s[_i].value : 4711);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	uint32_t value;
} uint32s[] = {
	{ "0", true, 0 },
	{ "4294967295", true, UINT32_MAX },
	{ "04294967295", true, UINT32_MAX },
	{ "004294967295", false, 0 },
	{ "4294967296", false, 0 },
	{ "-1", false, 0 },
	{ "+1", false, 0 },
	{ "", false, 0 },
	{ "1x", false, 0 },
};

START_TEST(uint32_follows_its_rule)
{
	uint32_t v = 4711;
	bool good = token_uint32(word(uint32s[_i].text), &v);

	ck_assert_msg(good == uint32s[_i].good, "%s", uint32s[_i].text);
	ck_assert_uint_eq(v, good ? uint32s[_i].value : 4711);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	uint64_t value;
} uint64s[] = {
	{ "0", true, 0 },
	{ "9999999999999999999", true, UINT64_C(9999999999999999999) },
	{ "18446744073709551615", true, UINT64_MAX },
	{ "0018446744073709551615", true, UINT64_MAX },
	{ "00018446744073709551615", false, 0 },
	{ "18446744073709551616", false, 0 },
	{ "99999999999999999999", false, 0 },
	{ "9999999999999999999x", false, 0 },
	{ "x", false, 0 },
	{ "-1", false, 0 },
	{ "+1", false, 0 },
	{ "", false, 0 },
};

START_TEST(uint64_follows_its_rule)
{
	uint64_t v = 4711;
	bool good = token_uint64(word(uint64s[_i].text), &v);

	ck_assert_msg(good == uint64s[_i].good, "%s", uint64s[_i].text);
	ck_assert_uint_eq(v, good ? uint64s[_i].value : 4711);
}
END_TEST

/* strtoul and strtol, cut to 32 bits: PROTOCOL.md, section 1 */
static const struct {
	const char *text;
	bool good_flags;
	uint32_t flags;
	bool good_exptime;
	int64_t exptime;
} c_numbers[] = {
	{ "0", true, 0, true, 0 },
	{ "+5", true, 5, true, 5 },
	{ "+0", true, 0, true, 0 },
	{ "000000000000000000000000007", true, 7, true, 7 },
	{ "-1", false, 0, true, -1 },
	{ "4294967295", true, UINT32_MAX, true, -1 },
	{ "4294967296", true, 0, true, 0 },
	{ "2147483648", true, 2147483648U, true, INT32_MIN },
	{ "9223372036854775807", true, UINT32_MAX, true, -1 },
	{ "9223372036854775808", true, 0, false, 0 },
	{ "-9223372036854775808", false, 0, true, 0 },
	{ "-9223372036854775809", true, UINT32_MAX, false, 0 },
	{ "18446744073709551615", true, UINT32_MAX, false, 0 },
	{ "18446744073709551616", false, 0, false, 0 },
	{ "99999999999999999999", false, 0, false, 0 },
	{ "", false, 0, false, 0 },
	{ "+", false, 0, false, 0 },
	{ "-", false, 0, false, 0 },
	{ "+-1", false, 0, false, 0 },
	{ "abc", false, 0, false, 0 },
	{ "1x", false, 0, false, 0 },
	{ "1.5", false, 0, false, 0 },
	{ "0x10", false, 0, false, 0 },
	{ "\t5", true, 5, true, 5 },
	{ "5\tx", true, 5, true, 5 },
};

START_TEST(c_numbers_are_read_as_c_does)
{
	struct word w = word(c_numbers[_i].text);
	uint32_t flags = 4711;
	int64_t exptime = 4711;
	bool good;

	good = token_flags(w, &flags);
	ck_assert_msg(good == c_numbers[_i].good_flags, "%s", w.at);
	ck_assert_uint_eq(flags, good ? c_numbers[_i].flags : 4711);
	good = token_exptime(w, &exptime);
	ck_assert_msg(good == c_numbers[_i].good_exptime, "%s", w.at);
	ck_assert_int_eq(exptime, good ? c_numbers[_i].exptime : 4711);
}
END_TEST

START_TEST(doubles)
{
	static const char *const bad[] = { "", "x", "1x", "nan", "inf", "0x1p3",
		"1e999", "--1", ".", "1 2", "1\t",
		"0000000000000000000000000000000000000000000000000000000000000"
		"0000001" };
	double v = 4.25;
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!token_double(word(bad[i]), &v), "%s", bad[i]);
		ck_assert(v == 4.25);
	}
	ck_assert(token_double(word("0.5"), &v) && v == 0.5);
	ck_assert(token_double(word("-2"), &v) && v == -2.0);
	ck_assert(token_double(word("1e2"), &v) && v == 100.0);
	ck_assert(token_double((struct word){ "0.255", 4 }, &v) && v == 0.25);
}
END_TEST

static void
check_put(uint64_t v)
{
	char want[32], got[32];
	int n = snprintf(want, sizeof(want), "%" PRIu64, v);

	memset(got, 'x', sizeof(got));
	if (token_put_uint64(got, v) - got != n ||
	    memcmp(got, want, (size_t)n) != 0 || got[n] != 'x' ||
	    token_digits(v) != (unsigned)n)
		ck_abort_msg("%s is written %.20s", want, got);
}

START_TEST(put_writes_what_printf_writes)
{
	uint64_t v;
	unsigned i;

	for (v = 0; v < 20000; v++)
		check_put(v);
	for (i = 0, v = 1; i < 20; i++, v *= 10) {
		check_put(v - 1);
		check_put(v);
		check_put(v + 1);
	}
	check_put(UINT64_MAX);
}
END_TEST

START_TEST(short_numbers_are_written_alike)
{
	char want[32], got[8];
	unsigned v;
	int n;

	for (v = 0; v < 10000; v++) {
		n = snprintf(want, sizeof(want), "%u", v);
		memset(got, 'x', sizeof(got));
		if (token_put_short(got, v) - got != n ||
		    memcmp(got, want, (size_t)n) != 0 || got[n] != 'x')
			ck_abort_msg("%s is written %.8s", want, got);
	}
}
END_TEST

/* ------------------------------------------------------------ base64 */

static const struct {
	const char *code;
	int n;
	const char *bytes;
} codes[] = {
	{ "Zm9v", 3, "foo" },
	{ "Zm8=", 2, "fo" },
	{ "Zg==", 1, "f" },
	{ "YSBiDQoAYw==", 7, "a b\r\n\0c" },
	{ "//79", 3, "\xff\xfe\xfd" },
	{ "+/+/", 3, "\xfb\xff\xbf" },
	/* junk is skipped, in the middle and at the end */
	{ "Z*m9 v", 3, "foo" },
	{ "Zm9v****", 3, "foo" },
	/* what stands behind padding is not looked at */
	{ "Zg==Zm9v", 1, "f" },
	{ "", -1, NULL },
	{ "***", -1, NULL },
	{ "Zm9", -1, NULL },
	{ "Zm9vZ", -1, NULL },
	{ "Z===", -1, NULL },
	{ "====", -1, NULL },
};

START_TEST(base64_decodes)
{
	struct word w = word(codes[_i].code);
	char out[16];
	int n;

	memset(out, 'x', sizeof(out));
	n = token_base64_decode(w.at, w.n, out, sizeof(out));
	ck_assert_msg(n == codes[_i].n, "%s: %d", w.at, n);
	if (n < 0)
		return;
	ck_assert_mem_eq(out, codes[_i].bytes, (size_t)n);
	ck_assert(out[n] == 'x');
	/* exactly enough room, and one too few */
	ck_assert_int_eq(token_base64_decode(w.at, w.n, out, (size_t)n), n);
	memset(out, 'x', sizeof(out));
	ck_assert_int_eq(token_base64_decode(w.at, w.n, out, (size_t)n - 1),
	    -1);
	ck_assert(out[n - 1] == 'x');
}
END_TEST

START_TEST(base64_decodes_what_it_encodes)
{
	char bytes[64], code[128], back[64];
	unsigned seed = 3, round, n, i;
	size_t ncode;

	for (round = 0; round < 20000; round++) {
		n = 1 + (unsigned)rand_r(&seed) % sizeof(bytes);
		for (i = 0; i < n; i++)
			bytes[i] = (char)rand_r(&seed);
		ncode = token_base64_encode(bytes, n, code);
		if (ncode != (n + 2) / 3 * 4 ||
		    token_base64_decode(code, ncode, back, sizeof(back)) !=
		    (int)n || memcmp(back, bytes, n) != 0)
			ck_abort_msg("round %u: %.*s", round, (int)ncode,
			    code);
	}
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

Suite *
token_suite(void)
{
	Suite *s = suite_create("token");
	TCase *c = tcase_create("token");

	tcase_add_test(c, words_of_random_lines);
	tcase_add_test(c, word_end_is_the_first_blank_or_line_feed);
	tcase_add_test(c, is_compares_the_whole_word);
	tcase_add_loop_test(c, int32_follows_its_rule, 0, ROWS(int32s));
	tcase_add_loop_test(c, uint32_follows_its_rule, 0, ROWS(uint32s));
	tcase_add_loop_test(c, uint64_follows_its_rule, 0, ROWS(uint64s));
	tcase_add_loop_test(c, c_numbers_are_read_as_c_does, 0,
	    ROWS(c_numbers));
	tcase_add_test(c, doubles);
	tcase_add_test(c, put_writes_what_printf_writes);
	tcase_add_test(c, short_numbers_are_written_alike);
	tcase_add_loop_test(c, base64_decodes, 0, ROWS(codes));
	tcase_add_test(c, base64_decodes_what_it_encodes);
	suite_add_tcase(s, c);
	return s;
}
