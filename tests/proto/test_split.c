/* test_split.c - any split of the input gives the same requests. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proto/talk.h"

#define K50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define K250 K50 K50 K50 K50 K50

static const char *const corpus[] = {
	"get a\r\nget a b c\r\ngets a  b \r\nget a\nget a \n",
	"gat 10 a b\r\ngats -1 a\r\ngat x a\r\ngat 0\r\nget\r\nget \r\n",
	"set k 1 2 3\r\nabc\r\nset k 1 2 3 noreply\r\nabc\r\nget k\r\n",
	"set k 1 2 3\nabc\r\nset k 0 0 0\r\n\r\nadd k 0 0 1\r\nx\r\n",
	"set   k  1  2   3   noreply  \r\na\nc\r\nversion\r\n",
	"cas k 1 2 3 99\r\nabc\r\ncas k 0 0 1\r\nx\r\ncas k 0 0 1 z\r\nx\r\n",
	"set k z 0 3\r\nfoo\r\nset k 0 0 z\r\nset k 0 0\r\nget a\r\n",
	"set k z 0 1 noreply\r\nx\r\nbogus noreply\r\nbogus\r\n\r\na\r\n",
	"set k 0 0 3\r\nabcdef\r\nset k 0 0 1\r\nx\n\nget a\r\r\n",
	"delete k\r\ndelete k 0 noreply\r\nincr k 5\r\nincr k z\r\n"
	"decr k 1 noreply\r\ntouch k 5\r\ntouch k x noreply\r\ntouch k\r\n",
	"flush_all\r\nflush_all 1 noreply\r\nverbosity 1\r\nstats items\r\n"
	"lru_crawler crawl all\r\nversion noreply\r\nquit\r\n",
	"get " K250 "\r\nget " K250 "k\r\nget a " K250 "k b\r\nget b\r\n",
	"set " K250 "k 0 0 1\r\nx\r\ndelete " K250 "k noreply\r\nget b\r\n",
	"mg k v\r\nms k 2 T0 O1\r\nhi\r\nms k x\r\nms k 2 z\r\nhi\r\nmn\r\n"
	"mg Zm9v b v k\r\nmd k q\r\nma n N0 J5 D7\r\nme k\r\nmg\r\nmg k ?\r\n",
	" get a\r\n    \r\n   get b\r\nget a\tb\r\n\r\r\r\nget b\r\n",
	"foo bar\r\nGET / HTTP/1.1\r\nget a\r\n",
	"set k 0 0 100\r\nabc",
	"set k z 0 100\r\nabc",
	"get a b",
	"\x01\x02\xff\r\nget \xff\x80\r\n",
};

enum { CORPUS = sizeof(corpus) / sizeof(corpus[0]) };

/* The pieces of an input: two, cut at a place; or random ones. */
struct pieces {
	size_t cut;
	unsigned seed, most;
};

static size_t
cut_once(void *arg, size_t left)
{
	struct pieces *p = arg;
	size_t n = p->cut;

	p->cut = 0;
	return n > 0 && n < left ? n : left;
}

static size_t
cut_randomly(void *arg, size_t left)
{
	struct pieces *p = arg;
	size_t n = 1 + (unsigned)rand_r(&p->seed) % p->most;

	return n < left ? n : left;
}

static void
check_same(const char *in, size_t n, talk_split_fn *split,
    struct pieces *pieces, const struct talk *whole)
{
	struct talk t;

	talk_init(&t);
	talk(&t, PROTO_AUTO, in, n, split, pieces);
	ck_assert_msg(strcmp(t.log, whole->log) == 0, "split:\n%s\nwhole:\n%s",
	    t.log, whole->log);
	talk_fini(&t);
}

START_TEST(cut_at_every_byte)
{
	const char *in = corpus[_i];
	size_t n = strlen(in), i;
	struct pieces pieces;
	struct talk whole;

	talk_init(&whole);
	talk(&whole, PROTO_AUTO, in, n, talk_whole, NULL);
	ck_assert_uint_gt(whole.n, 0);
	for (i = 1; i < n; i++) {
		pieces.cut = i;
		check_same(in, n, cut_once, &pieces, &whole);
	}
	talk_fini(&whole);
}
END_TEST

START_TEST(cut_into_random_pieces)
{
	const char *in = corpus[_i];
	size_t n = strlen(in);
	struct pieces pieces;
	struct talk whole;
	unsigned round;

	talk_init(&whole);
	talk(&whole, PROTO_AUTO, in, n, talk_whole, NULL);
	for (round = 0; round < 300; round++) {
		pieces.seed = round;
		/* every fourth a byte at a time, or nearly so */
		pieces.most = round % 4 == 0 ? 1 + round % 3 : 40;
		check_same(in, n, cut_randomly, &pieces, &whole);
	}
	talk_fini(&whole);
}
END_TEST

/* The whole corpus in one conversation, in an order by chance. */
START_TEST(conversations_in_a_row)
{
	char in[8192];
	struct pieces pieces = { .seed = (unsigned)_i, .most = 200 };
	unsigned seed = (unsigned)_i + 100, k;
	struct talk whole;
	size_t n = 0;

	while (n < sizeof(in) - 2048) {
		k = (unsigned)rand_r(&seed) % CORPUS;
		memcpy(in + n, corpus[k], strlen(corpus[k]));
		n += strlen(corpus[k]);
	}
	talk_init(&whole);
	talk(&whole, PROTO_TEXT, in, n, talk_whole, NULL);
	check_same(in, n, cut_randomly, &pieces, &whole);
	talk_fini(&whole);
}
END_TEST

/* A line that is longer than any buffer, of the given filling. */
static void
check_long_line(const char *prefix, const char *fill, size_t n,
    const char *suffix)
{
	size_t nprefix = strlen(prefix), nfill = strlen(fill);
	size_t nsuffix = strlen(suffix), i;
	char *in = malloc(n + nsuffix);
	struct pieces pieces;
	struct talk whole;
	unsigned round;

	ck_assert_ptr_nonnull(in);
	memcpy(in, prefix, nprefix);
	for (i = nprefix; i < n; i++)
		in[i] = fill[(i - nprefix) % nfill];
	memcpy(in + n, suffix, nsuffix);
	talk_init(&whole);
	talk(&whole, PROTO_TEXT, in, n + nsuffix, talk_buffers, NULL);
	for (round = 0; round < 4; round++) {
		pieces.seed = round;
		pieces.most = round < 2 ? 300 : 20000;
		check_same(in, n + nsuffix, cut_randomly, &pieces, &whole);
	}
	/* just before and just behind what is looked at as a whole */
	for (round = 16382; round < 16387; round++) {
		pieces.cut = round;
		check_same(in, n + nsuffix, cut_once, &pieces, &whole);
	}
	talk_fini(&whole);
	free(in);
}

START_TEST(long_lines)
{
	static const char *const ends[] = { "\r\nget b\r\n", "k\r\nget b\r\n",
		"k \r\nget b\r\n", "k\nget b\r\n",
		" " K250 "\r\nget b\r\n", " " K250 "k\r\nget b\r\n",
		" " K250 "k a \r\nget b\r\n", "" };
	static const size_t sizes[] = { 16130, 16131, 16382, 16383, 16384,
		30000 };
	unsigned i, j;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			check_long_line("get ", K50 " ", sizes[j], ends[i]);
			check_long_line("gets ", K50 K50 "  ", sizes[j],
			    ends[i]);
			check_long_line("get ", " ", sizes[j], ends[i]);
			check_long_line("get ", "x", sizes[j], ends[i]);
			check_long_line("  get ", K50 " ", sizes[j], ends[i]);
		}
}
END_TEST

Suite *
split_suite(void)
{
	Suite *s = suite_create("split");
	TCase *c = tcase_create("split");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, cut_at_every_byte, 0, CORPUS);
	tcase_add_loop_test(c, cut_into_random_pieces, 0, CORPUS);
	tcase_add_loop_test(c, conversations_in_a_row, 0, 20);
	tcase_add_test(c, long_lines);
	suite_add_tcase(s, c);
	return s;
}
