/* test_meta_semantics.c - slab/cache.h: what the meta commands ask for. */
#include "tests/slab/caches.h"

static enum cache_status
meta(const char *k)
{
	return want(k, (struct cache_want){ .marks = true });
}

/* What a meta reader is told of an item, in memcached's letters. */
static bool
sees(const char *k, const char *value, const char *letters)
{
	char got[4] = { 0 }, *p = got;

	if (meta(k) != CACHE_FOUND)
		return false;
	if (view.win_sent)
		*p++ = 'Z';
	if (view.stale)
		*p++ = 'X';
	if (view.won)
		*p++ = 'W';
	return strcmp(got, letters) == 0 && view.copied &&
	    view.nvalue == strlen(value) &&
	    memcmp(dst, value, view.nvalue) == 0;
}

static enum cache_status
stale(const char *k)
{
	return drop(k, (struct cache_drop){ .stale = true });
}

/* ------------------------------------------------------------ stale, win */

START_TEST(the_first_reader_of_a_stale_item_wins)
{
	set("k", "abc");
	ck_assert(sees("k", "abc", ""));
	ck_assert_int_eq(stale("k"), CACHE_DELETED);
	ck_assert(sees("k", "abc", "XW"));
	ck_assert(sees("k", "abc", "ZX"));
	ck_assert(sees("k", "abc", "ZX"));
	/* again */
	stale("k");
	ck_assert(sees("k", "abc", "XW"));
	ck_assert(sees("k", "abc", "ZX"));
	set("k", "def");
	ck_assert(sees("k", "def", ""));
	ck_assert_int_eq(stale("none"), CACHE_NOT_FOUND);
}
END_TEST

START_TEST(classic_reads_ignore_marks)
{
	set("k", "abc");
	stale("k");
	ck_assert_int_eq(get("k"), CACHE_FOUND);
	want("k", (struct cache_want){ .touch = true, .gat = true });
	ck_assert(sees("k", "abc", "XW"));
	/* and touch and numbers leave them */
	set("n", "5");
	stale("n");
	want("n", (struct cache_want){ .touch = true, .no_value = true });
	delta("n", (struct cache_delta){ .delta = 1 }, &(uint64_t){ 0 });
	ck_assert(sees("n", "6", "XW"));
}
END_TEST

START_TEST(the_winner_makes_it_fresh)
{
	uint64_t cas;

	set("k", "old");
	stale("k");
	ck_assert(sees("k", "old", "XW"));
	cas = view.cas;
	ck_assert_int_eq(put("k", "new", (struct cache_put){
	    .compare = true, .compare_cas = cas }), CACHE_STORED);
	ck_assert(sees("k", "new", ""));
}
END_TEST

START_TEST(stale_changes_the_number)
{
	uint64_t cas;

	set("k", "abc");
	cas = view.cas;
	stale("k");
	ck_assert_uint_gt(view.cas, cas);
	cas = view.cas;
	meta("k");
	ck_assert_uint_eq(view.cas, cas);
	drop("k", (struct cache_drop){ .stale = true, .new_cas = 4242 });
	ck_assert_uint_eq(view.cas, 4242);
	ck_assert_int_eq(drop("k", (struct cache_drop){ .stale = true,
	    .compare = true, .compare_cas = 4241 }), CACHE_EXISTS);
	ck_assert_int_eq(drop("k", (struct cache_drop){ .stale = true,
	    .compare = true, .compare_cas = 4242 }), CACHE_DELETED);
	/* It stayed. */
	ck_assert_uint_eq(SUM(delete_hits), 0);
	ck_assert_uint_eq(ONE(delete_misses), 1);
}
END_TEST

START_TEST(stale_may_set_the_deadline)
{
	put("k", "abc", (struct cache_put){ .deadline = 300 });
	stale("k");
	meta("k");
	ck_assert_uint_eq(view.deadline, 300);
	drop("k", (struct cache_drop){ .stale = true, .touch = true,
	    .deadline = 130 });
	meta("k");
	ck_assert_uint_eq(view.deadline, 130);
	w.now = 130;
	ck_assert_int_eq(meta("k"), CACHE_NOT_FOUND);
}
END_TEST

START_TEST(late_writers_stay_stale)
{
	put("k", "one", (struct cache_put){ .new_cas = 100,
	    .deadline = 300 });
	drop("k", (struct cache_drop){ .stale = true, .new_cas = 200 });
	ck_assert(sees("k", "one", "XW"));
	ck_assert_int_eq(put("k", "two", (struct cache_put){
	    .compare = true, .compare_cas = 100 }), CACHE_EXISTS);
	ck_assert_int_eq(put("k", "two", (struct cache_put){
	    .compare = true, .compare_cas = 201, .allow_stale = true }),
	    CACHE_EXISTS);
	ck_assert_int_eq(put("k", "two", (struct cache_put){
	    .compare = true, .compare_cas = 0, .allow_stale = true }),
	    CACHE_EXISTS);
	ck_assert_int_eq(put("k", "two", (struct cache_put){
	    .compare = true, .compare_cas = 100, .allow_stale = true,
	    .client_flags = 3, .deadline = 999 }), CACHE_STORED);
	ck_assert(sees("k", "two", "ZX"));
	ck_assert_uint_eq(view.deadline, 300);
	ck_assert_uint_eq(view.client_flags, 3);
	/* nobody was told: then the next one is */
	drop("k", (struct cache_drop){ .stale = true, .new_cas = 300 });
	put("k", "three", (struct cache_put){ .compare = true,
	    .compare_cas = 1, .allow_stale = true });
	ck_assert(sees("k", "three", "XW"));
	/* the exact number makes it fresh, and it means nothing by itself */
	drop("k", (struct cache_drop){ .stale = true, .new_cas = 400 });
	put("k", "four", (struct cache_put){ .compare = true,
	    .compare_cas = 400, .allow_stale = true });
	ck_assert(sees("k", "four", ""));
	put("k", "five", (struct cache_put){ .allow_stale = true });
	ck_assert(sees("k", "five", ""));
}
END_TEST

START_TEST(an_item_that_is_not_stale_becomes_so)
{
	put("k", "one", (struct cache_put){ .new_cas = 100 });
	put("k", "two", (struct cache_put){ .compare = true,
	    .compare_cas = 50, .allow_stale = true });
	ck_assert(sees("k", "two", "XW"));
}
END_TEST

/* ------------------------------------------------------------ vivify */

START_TEST(a_miss_is_vivified)
{
	struct cache_want wanted = { .marks = true, .vivify = true,
		.vivify_deadline = 130 };

	ck_assert_int_eq(want("k", wanted), CACHE_FOUND);
	ck_assert(view.won && !view.win_sent && !view.stale);
	ck_assert(view.copied);
	ck_assert_uint_eq(view.nvalue, 0);
	ck_assert_uint_eq(view.deadline, 130);
	ck_assert_uint_gt(view.cas, 0);
	/* Who asked got an item. */
	ck_assert_uint_eq(ONE(get_misses), 0);
	ck_assert_uint_eq(SUM(get_hits), 1);
	ck_assert_uint_eq(ONE(cmd_get), 1);
	ck_assert_int_eq(want("k", wanted), CACHE_FOUND);
	ck_assert(!view.won && view.win_sent);
	ck_assert(sees("k", "", "Z"));
	ck_assert_int_eq(get("k"), CACHE_FOUND);
	ck_assert_uint_eq(view.nvalue, 0);
	set("k", "hi");
	ck_assert_int_eq(want("k", wanted), CACHE_FOUND);
	ck_assert(!view.won && !view.win_sent && view.nvalue == 2);
	ck_assert_uint_eq(view.deadline, 0);
}
END_TEST

/* As memcached counts mg with T and with u. */
START_TEST(what_a_meta_reader_counts_as)
{
	struct cache_want touch = { .marks = true, .touch = true, .gat = true,
		.touch_deadline = 130 };
	struct cache_want peek = { .marks = true, .no_bump = true };

	want("k", touch);
	want("k", peek);
	ck_assert_uint_eq(ONE(get_misses), 2);
	ck_assert_uint_eq(ONE(cmd_get), 2);
	ck_assert_uint_eq(ONE(cmd_touch) + ONE(touch_misses), 0);
	set("k", "v");
	want("k", touch);
	ck_assert_uint_eq(ONE(cmd_touch), 1);
	ck_assert_uint_eq(SUM(touch_hits), 1);
	ck_assert_uint_eq(SUM(get_hits), 0);
	want("k", peek);
	ck_assert_uint_eq(SUM(get_hits), 1);
	ck_assert_uint_eq(ONE(cmd_get), 3);
	want("new", (struct cache_want){ .marks = true, .touch = true,
	    .gat = true, .vivify = true });
	ck_assert_uint_eq(SUM(touch_hits), 2);
	ck_assert_uint_eq(ONE(get_misses), 2);
}
END_TEST

START_TEST(vivified_with_a_chosen_number)
{
	ck_assert_int_eq(want("k", (struct cache_want){ .marks = true,
	    .vivify = true, .new_cas = 9876, .binary_key = true,
	    .no_value = true }), CACHE_FOUND);
	ck_assert_uint_eq(view.cas, 9876);
	ck_assert(view.binary_key && !view.copied);
	ck_assert(sees("k", "", "Z"));
	ck_assert_uint_eq(view.cas, 9876);
	ck_assert_int_eq(put("k", "hi", (struct cache_put){
	    .compare = true, .compare_cas = 9876 }), CACHE_STORED);
	ck_assert(sees("k", "hi", ""));
}
END_TEST

START_TEST(the_dead_are_vivified)
{
	put("k", "old", (struct cache_put){ .deadline = 110 });
	w.now = 110;
	ck_assert_int_eq(want("k", (struct cache_want){ .marks = true,
	    .vivify = true, .vivify_deadline = 140 }), CACHE_FOUND);
	ck_assert(view.won && view.nvalue == 0 && view.deadline == 140);
	ck_assert_uint_eq(ONE(get_expired), 1);
}
END_TEST

/* ------------------------------------------------------------ recache */

START_TEST(recache_before_the_end)
{
	put("k", "x", (struct cache_put){ .deadline = 120 });
	want("k", (struct cache_want){ .marks = true, .recache = true,
	    .recache_ttl = 20 });
	ck_assert(!view.won && !view.win_sent); /* 20 left: not fewer */
	want("k", (struct cache_want){ .marks = true, .recache = true,
	    .recache_ttl = 21 });
	ck_assert(view.won && !view.win_sent);
	want("k", (struct cache_want){ .marks = true, .recache = true,
	    .recache_ttl = 21 });
	ck_assert(!view.won && view.win_sent);
	ck_assert(sees("k", "x", "Z"));
	/* what never dies is never recached */
	set("k", "x");
	want("k", (struct cache_want){ .marks = true, .recache = true,
	    .recache_ttl = UINT32_MAX });
	ck_assert(!view.won);
}
END_TEST

/* ------------------------------------------------------------ the rest */

START_TEST(a_known_value_is_withheld)
{
	set("k", "abc");
	want("k", (struct cache_want){ .marks = true, .withhold = true,
	    .withhold_cas = view.cas });
	ck_assert(!view.copied);
	ck_assert_ptr_null(view.pinned);
	ck_assert_uint_eq(view.nvalue, 3);
	want("k", (struct cache_want){ .marks = true, .withhold = true,
	    .withhold_cas = view.cas + 1 });
	ck_assert(view.copied);
}
END_TEST

START_TEST(touch_shows_both_deadlines)
{
	put("k", "x", (struct cache_put){ .deadline = 200 });
	want("k", (struct cache_want){ .marks = true, .touch = true,
	    .touch_deadline = 150 });
	ck_assert_uint_eq(view.old_deadline, 200);
	ck_assert_uint_eq(view.deadline, 150);
	/* recache looks at what was left before */
	want("k", (struct cache_want){ .marks = true, .touch = true,
	    .recache = true, .recache_ttl = 60, .touch_deadline = 900 });
	ck_assert(view.won);
	/* ... unless it is to look at what is left now */
	put("k", "x", (struct cache_put){ .deadline = 0 });
	want("k", (struct cache_want){ .marks = true, .touch = true,
	    .recache = true, .recache_ttl = 60, .recache_touched = true,
	    .touch_deadline = 900 });
	ck_assert(!view.won);
	want("k", (struct cache_want){ .marks = true, .touch = true,
	    .recache = true, .recache_ttl = 60, .recache_touched = true,
	    .touch_deadline = CACHE_DEAD });
	ck_assert(view.won);
}
END_TEST

START_TEST(append_may_vivify)
{
	put("k", "abc", (struct cache_put){ .mode = CACHE_APPEND,
	    .vivify = true, .vivify_deadline = 200, .deadline = 999,
	    .client_flags = 4 });
	ck_assert(sees("k", "abc", ""));
	ck_assert_uint_eq(view.deadline, 200);
	ck_assert_uint_eq(view.client_flags, 4);
	put("k", "def", (struct cache_put){ .mode = CACHE_PREPEND,
	    .vivify = true, .vivify_deadline = 300 });
	ck_assert(sees("k", "defabc", ""));
	ck_assert_uint_eq(view.deadline, 200);
	stale("k");
	put("k", "g", (struct cache_put){ .mode = CACHE_APPEND });
	ck_assert(sees("k", "defabcg", ""));
}
END_TEST

START_TEST(values_are_dropped)
{
	uint64_t cas;

	put("k", "abc", (struct cache_put){ .client_flags = 5,
	    .deadline = 200, .binary_key = true });
	cas = view.cas;
	ck_assert_int_eq(drop("k", (struct cache_drop){
	    .drop_value = true }), CACHE_DELETED);
	ck_assert(sees("k", "", ""));
	ck_assert_uint_eq(view.cas, cas);
	ck_assert_uint_eq(view.client_flags, 0);
	ck_assert_uint_eq(view.deadline, 0);
	ck_assert(view.binary_key);
	drop("k", (struct cache_drop){ .drop_value = true, .new_cas = 500,
	    .client_flags = 6, .deadline = 300 });
	ck_assert(sees("k", "", ""));
	ck_assert_uint_eq(view.cas, 500);
	ck_assert_uint_eq(view.client_flags, 6);
	ck_assert_uint_eq(view.deadline, 300);
	set("k", "abc");
	cas = view.cas;
	drop("k", (struct cache_drop){ .drop_value = true, .stale = true });
	ck_assert(sees("k", "", "XW"));
	ck_assert_uint_gt(view.cas, cas);
	ck_assert_int_eq(drop("k", (struct cache_drop){ .drop_value = true,
	    .compare = true, .compare_cas = cas }), CACHE_EXISTS);
	/* It stayed. */
	ck_assert_uint_eq(SUM(delete_hits), 0);
}
END_TEST

START_TEST(numbers_are_vivified)
{
	uint64_t n = 0;

	ck_assert_int_eq(delta("n", (struct cache_delta){ .vivify = true,
	    .initial = 13, .delta = 5, .vivify_deadline = 200 }, &n),
	    CACHE_STORED);
	ck_assert_uint_eq(n, 13);
	ck_assert_uint_eq(ONE(incr_misses) + SUM(incr_hits), 0);
	ck_assert(sees("n", "13", ""));
	ck_assert_uint_eq(view.deadline, 200);
	delta("n", (struct cache_delta){ .vivify = true, .initial = 13,
	    .delta = 5, .vivify_deadline = 900 }, &n);
	ck_assert_uint_eq(n, 18);
	ck_assert_uint_eq(view.deadline, 200);
	delta("m", (struct cache_delta){ .vivify = true,
	    .initial = UINT64_MAX }, &n);
	ck_assert(sees("m", "18446744073709551615", ""));
}
END_TEST

START_TEST(numbers_compare_and_choose)
{
	uint64_t n = 0, cas;

	set("n", "1");
	cas = view.cas;
	ck_assert_int_eq(delta("n", (struct cache_delta){ .compare = true,
	    .compare_cas = cas + 1, .delta = 1 }, &n), CACHE_EXISTS);
	ck_assert_int_eq(delta("n", (struct cache_delta){ .compare = true,
	    .compare_cas = 0, .delta = 1 }, &n), CACHE_EXISTS);
	ck_assert_int_eq(delta("n", (struct cache_delta){ .compare = true,
	    .compare_cas = cas, .delta = 1 }, &n), CACHE_STORED);
	ck_assert_uint_eq(n, 2);
	delta("n", (struct cache_delta){ .set_cas = true, .new_cas = 77 },
	    &n);
	ck_assert_uint_eq(view.cas, 77);
	delta("n", (struct cache_delta){ .set_cas = true, .new_cas = 0 },
	    &n);
	ck_assert_uint_eq(view.cas, 0);
	ck_assert_uint_eq(SUM(incr_hits), 3);
}
END_TEST

Suite *
meta_semantics_suite(void)
{
	Suite *s = suite_create("meta_semantics");
	TCase *t = tcase_create("meta_semantics");

	tcase_add_checked_fixture(t, open_cache, close_cache);
	tcase_add_test(t, the_first_reader_of_a_stale_item_wins);
	tcase_add_test(t, classic_reads_ignore_marks);
	tcase_add_test(t, the_winner_makes_it_fresh);
	tcase_add_test(t, stale_changes_the_number);
	tcase_add_test(t, stale_may_set_the_deadline);
	tcase_add_test(t, late_writers_stay_stale);
	tcase_add_test(t, an_item_that_is_not_stale_becomes_so);
	tcase_add_test(t, a_miss_is_vivified);
	tcase_add_test(t, what_a_meta_reader_counts_as);
	tcase_add_test(t, vivified_with_a_chosen_number);
	tcase_add_test(t, the_dead_are_vivified);
	tcase_add_test(t, recache_before_the_end);
	tcase_add_test(t, a_known_value_is_withheld);
	tcase_add_test(t, touch_shows_both_deadlines);
	tcase_add_test(t, append_may_vivify);
	tcase_add_test(t, values_are_dropped);
	tcase_add_test(t, numbers_are_vivified);
	tcase_add_test(t, numbers_compare_and_choose);
	suite_add_tcase(s, t);
	return s;
}
