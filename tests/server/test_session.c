/* test_session.c - whole conversations through session.h, without sockets. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/server/talk.h"

START_TEST(storing_and_reading)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "set foo 5 0 3\r\nbar\r\n", "STORED\r\n");
	talk_expect(t, "get foo\r\n", "VALUE foo 5 3\r\nbar\r\nEND\r\n");
	talk_expect(t, "get no\r\n", "END\r\n");
	talk_expect(t, "get no foo no foo\r\n",
	    "VALUE foo 5 3\r\nbar\r\nVALUE foo 5 3\r\nbar\r\nEND\r\n");
	talk_expect(t, "append foo 0 0 2\r\n!!\r\nget foo\r\n",
	    "STORED\r\nVALUE foo 5 5\r\nbar!!\r\nEND\r\n");
	talk_expect(t, "touch foo 0\r\ntouch no 0\r\n",
	    "TOUCHED\r\nNOT_FOUND\r\n");
	talk_expect(t, "gat 0 foo\r\n", "VALUE foo 5 5\r\nbar!!\r\nEND\r\n");
	talk_expect(t, "delete foo\r\ndelete foo\r\n",
	    "DELETED\r\nNOT_FOUND\r\n");
	talk_expect(t, "set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 6\r\n",
	    "STORED\r\n15\r\n9\r\n");
	talk_free(&t);
}
END_TEST

/* The guess of where a value goes in the output is wrong in each reply. */
START_TEST(heads_of_every_length)
{
	struct talk *t = talk_new(NULL);
	char set[8192], value[5000];

	memset(value, 'v', sizeof(value));
	for (unsigned n = 1; n <= 4095; n = n * 3 + 7) {
		char want[8192];
		int len = snprintf(set, sizeof(set),
		    "set k %u 0 %u\r\n%.*s\r\n", n, n, (int)n, value);

		talk_expect(t, set, "STORED\r\n");
		ck_assert_int_lt(len, (int)sizeof(set));
		snprintf(want, sizeof(want), "VALUE k %u %u\r\n%.*s\r\nEND\r\n",
		    n, n, (int)n, value);
		talk_expect(t, "get k\r\n", want);
		talk_expect(t, "set a 0 0 1\r\n1\r\nget a\r\n",
		    "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
	}
	talk_free(&t);
}
END_TEST

/* A head that is shorter than its key, then shorter and longer keys. */
START_TEST(heads_without_the_key)
{
	struct talk *t = talk_new(NULL);
	char key[251], text[1024];

	for (unsigned i = 0; i < 250; i++)
		key[i] = (char)('a' + i % 26);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned n = 250; n > 0; n = n / 3) {
			key[n] = 0;
			snprintf(text, sizeof(text),
			    "set %s 0 0 3\r\nabc\r\n", key);
			talk_expect(t, text, "STORED\r\n");
			snprintf(text, sizeof(text), "mg %s v\r\n", key);
			talk_expect(t, text, "VA 3\r\nabc\r\n");
			snprintf(text, sizeof(text), "mg %s v u\r\n", key);
			talk_expect(t, text, "VA 3\r\nabc\r\n");
			key[n] = (char)('a' + n % 26);
		}
	talk_free(&t);
}
END_TEST

/* What another command left behind in the request is no cas number; such an
 * address would say where the server's memory is. */
START_TEST(no_cas_number_of_somebody_else)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "ms n 1 E777 c\r\n1\r\n", "HD c777\r\n");
	talk_expect(t, "ma n\r\n", "HD\r\n");
	talk_send(t, "ma n c v\r\n", 10);
	ck_assert_msg(strstr(t->out, "VA 1 c777") == NULL, "%s", t->out);
	talk_expect(t, "verbosity 0 a b c\r\n", "OK\r\n");
	talk_send(t, "ma n c v\r\n", 10);
	ck_assert_uint_le(strlen(t->out),
	    strlen("OK\r\nVA 1 c9999\r\n4\r\n"));
	talk_free(&t);
}
END_TEST

START_TEST(who_creates_an_item_has_read_it)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "mg k N60 h\r\nmg k h\r\n", "HD h0 W\r\nHD h1 Z\r\n");
	talk_expect(t, "mg u N60 h u\r\nmg u h\r\n",
	    "HD h0 W\r\nHD h0 Z\r\n");
	talk_free(&t);
}
END_TEST

static char *
set_large(struct talk *t, const char *key, unsigned n, char fill)
{
	char *text = malloc(n + 300);
	int head = sprintf(text, "set %s 0 0 %u\r\n", key, n);

	memset(text + head, fill, n);
	strcpy(text + head + n, "\r\n");
	talk_expect(t, text, "STORED\r\n");
	return text;
}

START_TEST(large_values)
{
	static const unsigned sizes[] = { 4000, 4096, 4097, 16384, 65500, 65536,
		65537, 131072, 500000, 1048000 };
	struct talk *t = talk_new("-m 64");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char fill = (char)('a' + i);
		char *text = set_large(t, "big", sizes[i], fill);
		char head[64];
		int n = sprintf(head, "VALUE big 0 %u\r\n", sizes[i]);

		t->nout = 0;
		talk_send(t, "get big big\r\n", 13);
		ck_assert_uint_eq(t->nout,
		    2 * ((size_t)n + sizes[i] + 2) + 5);
		ck_assert_int_eq(memcmp(t->out, head, (size_t)n), 0);
		for (unsigned j = 0; j < sizes[i]; j++)
			if (t->out[(size_t)n + j] != fill)
				ck_abort_msg("byte %u of %u", j, sizes[i]);
		free(text);
	}
	cache_check(t->server.cache);
	talk_free(&t);
}
END_TEST

START_TEST(a_bad_large_chunk_leaves_the_old_value)
{
	struct talk *t = talk_new(NULL);
	char *text = set_large(t, "k", 5000, 'x');

	talk_expect(t, "set k 1 0 3\r\nold\r\n", "STORED\r\n");
	strcpy(strstr(text, "xx\r\n") + 2, "zz");
	talk_send(t, "", 0);
	t->nout = 0;
	talk_send(t, text, strlen(text));
	ck_assert_str_eq(t->out, "CLIENT_ERROR bad data chunk\r\n");
	talk_expect(t, "get k\r\n", "VALUE k 1 3\r\nold\r\nEND\r\n");
	free(text);
	cache_check(t->server.cache);
	talk_free(&t);
}
END_TEST

/* Far more than there is, if it were kept. */
START_TEST(bad_large_chunks_hold_no_memory)
{
	enum { SIZE = 500000, TIMES = 60 };
	struct talk *t = talk_new("-m 8 -M");
	char *text = malloc(SIZE + 64);
	size_t n = (size_t)sprintf(text, "set k 0 0 %d\r\n", SIZE);

	memset(text + n, 'x', SIZE);
	memcpy(text + n + SIZE, "zz", 3);
	for (unsigned i = 0; i < TIMES; i++) {
		t->nout = 0;
		talk_send(t, text, n + SIZE + 2);
		ck_assert_str_eq(t->out, "CLIENT_ERROR bad data chunk\r\n");
	}
	memcpy(text + n + SIZE, "\r\n", 3);
	talk_expect(t, text, "STORED\r\n");
	cache_check(t->server.cache);
	free(text);
	talk_free(&t);
}
END_TEST

START_TEST(too_large_swallows_then_answers)
{
	struct talk *t = talk_new("-I 16k");
	char *zeros = calloc(1, 20000);

	memset(zeros, 'z', 20000);
	talk_expect(t, "set k 0 0 3\r\nold\r\n", "STORED\r\n");
	talk_expect(t, "set k 0 0 20000\r\n", "");
	t->nout = 0;
	talk_send(t, zeros, 20000);
	ck_assert_uint_eq(t->nout, 0);
	talk_expect(t, "\r\n", "SERVER_ERROR object too large for cache\r\n");
	talk_expect(t, "get k\r\n", "END\r\n");
	talk_expect(t, "add k 0 0 3\r\nold\r\n", "STORED\r\n");
	talk_expect(t, "replace k 0 0 20000 noreply\r\n", "");
	talk_send(t, zeros, 20000);
	talk_expect(t, "\r\nget k\r\n", "VALUE k 0 3\r\nold\r\nEND\r\n");
	free(zeros);
	talk_free(&t);
}
END_TEST

START_TEST(a_session_that_ends_in_the_middle)
{
	static const char *starts[] = { "set k 0 0 100\r\nabc",
		"set k 0 0 100000\r\nabc", "set k x 0 100000\r\nabc", "ge",
		"get a b", "set k 0 0 2000000\r\nabc" };
	struct talk *t = talk_new(NULL);

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		talk_send(t, starts[i], strlen(starts[i]));
		talk_again(t);
		talk_expect(t, "get k\r\n", "END\r\n");
		cache_check(t->server.cache);
	}
	talk_free(&t);
}
END_TEST

/* Far more output than fits at once; every reply in its place. */
START_TEST(many_replies_in_one_go)
{
	struct talk *t = talk_new(NULL);
	enum { TIMES = 5000, NVALUE = 4000 };
	char *value = calloc(1, NVALUE + 1), *text, *p;
	size_t one;

	memset(value, 'w', NVALUE);
	text = calloc(1, NVALUE + 64);
	sprintf(text, "set k 0 0 %d\r\n%s\r\n", NVALUE, value);
	talk_expect(t, text, "STORED\r\n");
	free(text);
	text = calloc(TIMES, 8);
	for (p = text; p < text + TIMES * 7; p += 7)
		memcpy(p, "get k\r\n", 7);
	t->nout = 0;
	talk_send(t, text, TIMES * 7);
	one = strlen("VALUE k 0 4000\r\n") + NVALUE + strlen("\r\nEND\r\n");
	ck_assert_uint_eq(t->nout, TIMES * one);
	for (size_t i = 1; i < TIMES; i++)
		ck_assert_int_eq(memcmp(t->out, t->out + i * one, one), 0);
	free(text);
	free(value);
	talk_free(&t);
}
END_TEST

/* -R */
START_TEST(turns_end)
{
	static const char text[] = "get a\r\nget b\r\n";
	struct talk *t = talk_new("-R 3");
	char all[sizeof(text) * 100] = "";
	size_t used;

	for (unsigned i = 0; i < 99; i++)
		strcat(all, text);
	ck_assert_int_eq(session_run(&t->session, t->host, all, strlen(all),
	    &used), SESSION_FULL);
	ck_assert_uint_eq(used, 3 * strlen("get a\r\n"));
	output_clear(t->host->out, t->server.cache);
	talk_expect(t, "get a\r\n", "END\r\n");
	talk_free(&t);
	/* More than a batch; the last one is finished. */
	t = talk_new("-R 70");
	ck_assert_int_eq(session_run(&t->session, t->host, all, strlen(all),
	    &used), SESSION_FULL);
	ck_assert_uint_ge(used, 70 * strlen("get a\r\n"));
	ck_assert_uint_lt(used, (70 + HOST_BATCH) * strlen("get a\r\n"));
	output_clear(t->host->out, t->server.cache);
	talk_free(&t);
}
END_TEST

START_TEST(quit_ends_it)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "get a\r\nquit\r\nget b\r\n", "END\r\n");
	ck_assert_int_eq(t->verdict, SESSION_CLOSE);
	talk_again(t);
	talk_expect(t, "GET / HTTP/1.1\r\n", "");
	ck_assert_int_eq(t->verdict, SESSION_DROP);
	talk_free(&t);
}
END_TEST

/* ------------------------------------------------------------ splits */

static const char *const conversations[] = {
	"set foo 1 0 5\r\nhe\r\no\r\nget foo bar foo\r\nversion\r\n",
	"set a 0 0 3 noreply\r\nabc\r\nappend a 0 0 2\r\nde\r\nget a\r\n",
	"set k abc 0 3\r\nfoo\r\nset k 0 0\r\nget k\r\n\r\n\nfoo bar\r\n",
	"set k 0 0 3\r\nabcdef\r\nget k\r\nset k 0 0 1\r\nx\r\ngets k\r\n",
	"incr n 1\r\nset n 0 0 2\r\n99\r\nincr n 1\r\ndecr n 5\r\nget n\r\n",
	"gat 0 a b\r\nset a 0 0 0\r\n\r\ngat 100 a b a\r\ntouch a x\r\n",
	"delete a\r\nadd a 0 0 1\r\n1\r\nadd a 0 0 1\r\n1\r\n"
	"cas a 0 0 1 987654321\r\nx\r\n",
	"get \r\nget  a  \r\n get a\r\nbogus noreply\r\nmn\r\nverbosity 0\r\n",
	"ms a 3 T0 c\r\nabc\r\n"
	"mg a v t f k Oxy\r\nmg b v q\r\nmd a q\r\nmn\r\n",
	"set k 0 0 -1\r\nset k 0 0 9999999999\r\n"
	"flush_all\r\nquit\r\nget a\r\n",
};

static char *
play(struct talk *t, const char *text, const size_t *cuts, unsigned ncuts)
{
	size_t from = 0, n = strlen(text);
	char *out;

	talk_again(t);
	talk_expect(t, "flush_all\r\n", "OK\r\n");
	talk_again(t);
	for (unsigned i = 0; i <= ncuts; i++) {
		size_t to = i < ncuts ? cuts[i] : n;

		talk_send(t, text + from, to - from);
		from = to;
	}
	out = strdup(t->out);
	return out;
}

/* cas numbers differ from run to run */
static void
blur_cas(char *out)
{
	for (char *p = out; (p = strstr(p, " c")) != NULL; p++)
		for (char *q = p + 2; *q >= '0' && *q <= '9'; q++)
			*q = '#';
	for (char *p = out; (p = strstr(p, "VALUE k 0 1 ")) != NULL; p++)
		for (char *q = p + 12; *q >= '0' && *q <= '9'; q++)
			*q = '#';
	for (char *p = out; (p = strstr(p, "##")) != NULL;)
		memmove(p, p + 1, strlen(p));
}

static void
same(struct talk *t, const char *text, const char *whole, const size_t *cuts,
    unsigned ncuts)
{
	char *out = play(t, text, cuts, ncuts);

	blur_cas(out);
	ck_assert_msg(strcmp(out, whole) == 0,
	    "%s\ncut at %zu and %zu says\n%s\nnot\n%s", text, cuts[0],
	    cuts[ncuts - 1], out, whole);
	free(out);
}

START_TEST(any_split_gives_the_same_replies)
{
	struct talk *t = talk_new(NULL);
	const char *text = conversations[_i];
	size_t n = strlen(text), every[1024];
	char *whole = play(t, text, NULL, 0);

	blur_cas(whole);
	ck_assert_uint_gt(strlen(whole), 10);
	for (size_t i = 0; i < n; i++) {
		every[i] = i;
		for (size_t j = i; j < n; j++)
			same(t, text, whole, (size_t[]){ i, j }, 2);
	}
	same(t, text, whole, every, (unsigned)n);
	cache_check(t->server.cache);
	free(whole);
	talk_free(&t);
}
END_TEST

Suite *
session_suite(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, storing_and_reading);
	tcase_add_test(tc, heads_of_every_length);
	tcase_add_test(tc, heads_without_the_key);
	tcase_add_test(tc, no_cas_number_of_somebody_else);
	tcase_add_test(tc, who_creates_an_item_has_read_it);
	tcase_add_test(tc, large_values);
	tcase_add_test(tc, a_bad_large_chunk_leaves_the_old_value);
	tcase_add_test(tc, bad_large_chunks_hold_no_memory);
	tcase_add_test(tc, too_large_swallows_then_answers);
	tcase_add_test(tc, a_session_that_ends_in_the_middle);
	tcase_add_test(tc, many_replies_in_one_go);
	tcase_add_test(tc, turns_end);
	tcase_add_test(tc, quit_ends_it);
	tcase_add_loop_test(tc, any_split_gives_the_same_replies, 0,
	    (int)(sizeof(conversations) / sizeof(*conversations)));
	suite_add_tcase(s, tc);
	return s;
}
