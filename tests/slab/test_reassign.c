/* test_reassign.c - slab/cache.h: a page moved by hand. */
#include "tests/slab/caches.h"

enum { ITEMS = 70000 }; /* more than fit: there is no free page */

static void
fill(void)
{
	static const char value[100];

	for (unsigned i = 0; i < ITEMS; i++) {
		struct cache_put put = { .value = value,
			.nvalue = sizeof(value) };
		char name[16];
		struct cache_key k;

		snprintf(name, sizeof(name), "k%u", i);
		k = key(name);
		must(cache_store(c, &w, &k, &put, &view) == CACHE_STORED);
	}
}

static uint64_t
pages(unsigned class_id)
{
	struct cache_class_stats stats;

	must(cache_class_stats(c, class_id, w.now, &stats));
	return stats.pages;
}

static unsigned
found(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ITEMS; i++) {
		struct cache_want want = { .dst = dst, .room = sizeof(dst) };
		char name[16];
		struct cache_key k;

		snprintf(name, sizeof(name), "k%u", i);
		k = key(name);
		n += cache_get(c, &w, &k, &want, &view) == CACHE_FOUND;
	}
	return n;
}

START_TEST(a_page_leaves_its_class)
{
	struct cache_stats all;
	unsigned class_id;
	uint64_t before, held;

	fill();
	class_id = view.class_id;
	before = pages(class_id);
	ck_assert_uint_gt(before, 3);
	held = found();
	ck_assert_int_eq(cache_reassign(c, &w, class_id, 1), CACHE_DELETED);
	ck_assert_uint_eq(pages(class_id), before - 1);
	/* what did not fit elsewhere was evicted, and nothing else */
	ck_assert_uint_ge(found(), held * (before - 1) / before);
	/* now there is a free page, but to go there would be no move */
	ck_assert_int_eq(cache_reassign(c, &w, class_id, 0), CACHE_DELETED);
	ck_assert_uint_eq(pages(class_id), before - 2);
	ck_assert_uint_ge(found(), held * (before - 2) / before);
	cache_stats(c, w.now, &all);
	ck_assert_uint_eq(all.pages_moved, 2);
	ck_assert_uint_gt(all.items_moved, 0);
	ck_assert_uint_gt(all.moves_cramped, 0);
	ck_assert_uint_eq(all.parts_moved + all.moves_refused, 0);
	while (pages(class_id) > 1)
		must(cache_reassign(c, &w, 0, 1) == CACHE_DELETED);
	ck_assert_int_eq(cache_reassign(c, &w, class_id, 1), CACHE_NOT_FOUND);
	cache_check(c);
}
END_TEST

START_TEST(a_last_page_stays)
{
	struct cache_put put = { .value = "v", .nvalue = 1 };
	struct cache_key k = key("k");

	ck_assert_int_eq(cache_reassign(c, &w, 0, 1), CACHE_NOT_FOUND);
	must(cache_store(c, &w, &k, &put, &view) == CACHE_STORED);
	ck_assert_int_eq(cache_reassign(c, &w, view.class_id, 9),
	    CACHE_NOT_FOUND);
	ck_assert_int_eq(cache_reassign(c, &w, 63, 1), CACHE_NOT_FOUND);
	ck_assert_int_eq(cache_reassign(c, &w, 1000, 1), CACHE_NOT_FOUND);
	ck_assert_uint_eq(pages(view.class_id), 1);
}
END_TEST

Suite *
reassign_suite(void)
{
	Suite *s = suite_create("reassign");
	TCase *t = tcase_create("reassign");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, open_cache, close_cache);
	tcase_add_test(t, a_page_leaves_its_class);
	tcase_add_test(t, a_last_page_stays);
	suite_add_tcase(s, t);
	return s;
}
