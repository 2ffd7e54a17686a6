/* test_pressure.c - slab/pressure.c and mini.c: what other sizes would give. */
#include "slab/mini.h"
#include "tests/slab/caches.h"

enum { KEYS = 60000, ASKED = 250000, VALUE = 300 };

static char text[CACHE_SMALL_MAX];
static uint64_t state;
static struct cache_pressure seen;

static void
open_mb(size_t mb)
{
	state = 88172645463325252u;
	open_with(&(struct cache_config){ .memory_limit = mb * MB, .seed = 5 });
}

static void
setup(void)
{
	open_mb(8);
}

static void
store(const char *name, uint32_t nvalue, uint32_t deadline)
{
	struct cache_put p = { .value = text,
		.nvalue = nvalue,
		.deadline = deadline };
	struct cache_key k = key(name);

	must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
}

/* Look-aside, some keys much oftener than others: the part that hit. */
static double
run(unsigned n, uint32_t nvalue, uint32_t ttl)
{
	unsigned hits = 0;
	char name[24];

	for (unsigned i = 0; i < n; i++) {
		double dice = (double)(rnd(&state) >> 11) / ((uint64_t)1 << 53);

		if (i % 5000 == 0)
			cache_upkeep(c, ++w.now);
		snprintf(name, sizeof(name), "key%u",
		    (unsigned)(KEYS * dice * dice * dice));
		if (get(name) == CACHE_FOUND)
			hits++;
		else
			store(name, nvalue, ttl ? w.now + ttl : 0);
	}
	return (double)hits / n;
}

static void
near(double a, double b)
{
	ck_assert_msg(a - b < 0.03 && b - a < 0.03, "%f is not %f", a, b);
}

static void
other_sizes(uint32_t ttl)
{
	double half, same, twice;

	close_cache();
	open_mb(4);
	half = run(ASKED, VALUE, ttl);
	close_cache();
	open_mb(16);
	twice = run(ASKED, VALUE, ttl);
	close_cache();
	open_mb(8);
	same = run(ASKED, VALUE, ttl);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.evicting);
	near(same - seen.lost_by_half / ASKED, half);
	near(same + seen.won_by_twice / ASKED, twice);
	/* or it would prove nothing */
	ck_assert(same - half > 0.02 && twice - same > 0.02);
}

START_TEST(half_and_twice)
{
	other_sizes(0);
}
END_TEST

START_TEST(half_and_twice_of_what_expires)
{
	other_sizes(15);
}
END_TEST

/* Half of what the limit is by now, not of what it was. */
START_TEST(half_follows_the_limit)
{
	double half, same;

	run(ASKED, VALUE, 0);
	half = run(ASKED, VALUE, 0);
	ck_assert(cache_set_limit(c, 16 * MB));
	run(ASKED, VALUE, 0);
	cache_stats_reset(c);
	same = run(ASKED, VALUE, 0);
	cache_pressure(c, w.now, &seen);
	near(same - seen.lost_by_half / ASKED, half);
}
END_TEST

START_TEST(there_is_enough)
{
	run(20000, 10, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert(!seen.evicting);
	ck_assert(seen.lost_by_half == 0 && seen.won_by_twice == 0);
	ck_assert_uint_gt(seen.gets, 0);
	ck_assert_uint_gt(seen.items, 0);
}
END_TEST

START_TEST(it_costs_little)
{
	run(50000, 20, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.rate < 0.01);
	ck_assert_uint_le(seen.bytes, 8 * MB / 256);
}
END_TEST

START_TEST(large_items_are_sampled_more)
{
	run(20000, 3000, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.rate > 0.05);
}
END_TEST

START_TEST(evicting_ends)
{
	run(100000, VALUE, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.evicting);
	cache_upkeep(c, ++w.now);
	w.now += CACHE_EVICTING + 1;
	cache_upkeep(c, w.now);
	cache_pressure(c, w.now, &seen);
	ck_assert(!seen.evicting);
}
END_TEST

START_TEST(reset_forgets_the_counts)
{
	uint64_t items;

	run(100000, VALUE, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.lost_by_half > 0);
	items = seen.items;
	cache_stats_reset(c);
	cache_pressure(c, w.now, &seen);
	ck_assert(seen.lost_by_half == 0 && seen.won_by_twice == 0);
	ck_assert_uint_eq(seen.gets, 0);
	ck_assert_uint_eq(seen.items, items);
}
END_TEST

START_TEST(flush_and_deletion)
{
	struct cache_key k = key("gone");

	run(20000, VALUE, 0);
	cache_flush(c, &w, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert_uint_eq(seen.items, 0);
	close_cache();
	open_mb(8); /* a new one samples all */
	store("gone", 10, 0);
	cache_pressure(c, w.now, &seen);
	ck_assert_uint_eq(seen.items, 1);
	ck_assert_int_eq(cache_delete(c, &w, &k, &(struct cache_drop){ 0 },
	    NULL), CACHE_DELETED);
	cache_pressure(c, w.now, &seen);
	ck_assert_uint_eq(seen.items, 0);
}
END_TEST

/* ------------------------------------------------------------ a miniature */

static const uint32_t chunks[] = { 0, 100, 1000 }, roots[] = { 0, 10, 32 };
static struct arena none;
static const struct mini_shape shape = { 2, chunks, roots, &none, 0.15 };

static struct mini_item
item(uint64_t n, unsigned class_id, uint32_t deadline)
{
	return (struct mini_item){ n * 0x9e3779b97f4a7c15, deadline,
		chunks[class_id], class_id };
}

START_TEST(a_miniature)
{
	struct mini_item a = item(1, 1, 0), b = item(2, 2, 50);
	struct mini m;

	ck_assert(mini_init(&m, &shape, 64));
	mini_resize(&m, 5000, 0);
	ck_assert(!mini_get(&m, a.hash, 1, 10, false));
	ck_assert(mini_put(&m, &a, 1) && mini_put(&m, &b, 2));
	ck_assert_uint_eq(m.bytes, 1100);
	ck_assert(mini_get(&m, b.hash, 3, 49, true));
	ck_assert(!mini_get(&m, b.hash, 4, 50, true)); /* expired */
	ck_assert_uint_eq(m.bytes, 100);
	a.class_id = 2;
	ck_assert(mini_put(&m, &a, 5)); /* another size */
	ck_assert_uint_eq(m.bytes, 1000);
	mini_check(&m);
	/* It is a hit here, a miss in truth: the store after it is no use. */
	ck_assert(mini_get(&m, a.hash, 6, 10, false));
	a.class_id = 1;
	ck_assert(mini_put(&m, &a, 7));
	ck_assert_uint_eq(m.bytes, 1000);
	mini_drop(&m, a.hash);
	ck_assert_uint_eq(m.n, 0);
	mini_check(&m);
	mini_fini(&m);
}
END_TEST

/* Who is over the budget goes; who is asked for stays; and there is an end of
 * entries. */
START_TEST(a_miniature_is_bounded)
{
	struct mini_item first = item(0, 1, 0), last = item(99, 1, 0);
	struct mini m;

	ck_assert(mini_init(&m, &shape, 64));
	mini_resize(&m, 1000, 0);
	for (unsigned i = 0; i < 60; i++) {
		struct mini_item it = item(i, 1, 0);

		ck_assert(mini_put(&m, &it, i));
		ck_assert(mini_get(&m, first.hash, i, 10, true));
		ck_assert_uint_le(m.bytes, 1000);
	}
	mini_check(&m);
	mini_thin(&m, 0);
	ck_assert_uint_eq(m.n, 0);
	mini_resize(&m, 100000, 60);
	for (unsigned i = 0; i < 64; i++) {
		struct mini_item it = item(i, 1, 0);

		ck_assert(mini_put(&m, &it, 60));
	}
	ck_assert(!mini_put(&m, &last, 61));
	mini_check(&m);
	mini_fini(&m);
}
END_TEST

Suite *
pressure_suite(void)
{
	Suite *s = suite_create("pressure");
	TCase *t = tcase_create("pressure");

	tcase_add_checked_fixture(t, setup, close_cache);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, half_and_twice);
	tcase_add_test(t, half_and_twice_of_what_expires);
	tcase_add_test(t, half_follows_the_limit);
	tcase_add_test(t, there_is_enough);
	tcase_add_test(t, it_costs_little);
	tcase_add_test(t, large_items_are_sampled_more);
	tcase_add_test(t, evicting_ends);
	tcase_add_test(t, reset_forgets_the_counts);
	tcase_add_test(t, flush_and_deletion);
	tcase_add_test(t, a_miniature);
	tcase_add_test(t, a_miniature_is_bounded);
	suite_add_tcase(s, t);
	return s;
}
