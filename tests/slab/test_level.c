/* test_level.c - slab/level.c and room.c: pages go where they earn most. */
#include "tests/slab/caches.h"

static char text[4096];
static uint64_t state;

static void
setup(void)
{
	memset(text, 'x', sizeof(text));
	state = 88172645463325252u;
	open_with(&(struct cache_config){ .memory_limit = 8 * MB, .seed = 5 });
}

/* Look-aside: read, and store if it is not there. */
static bool
ask(unsigned n, uint32_t nvalue)
{
	struct cache_put p = { .value = text, .nvalue = nvalue };
	char name[16];
	struct cache_key k;

	snprintf(name, sizeof(name), "key%u", n);
	k = key(name);
	if (cache_get(c, &w, &k, &(struct cache_want){ .no_value = true },
		&view) == CACHE_FOUND)
		return true;
	must(cache_store(c, &w, &k, &p, &view) == CACHE_STORED);
	return false;
}

/* n of them, drawn from so many; a second for every thousand. */
static unsigned
ask_many(unsigned n, unsigned from, unsigned of, uint32_t nvalue)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i % 1000 == 0) {
			w.now++;
			cache_upkeep(c, w.now);
		}
		hits += ask(from + (unsigned)(rnd(&state) % of), nvalue);
	}
	return hits;
}

static uint64_t
pages_of(uint32_t nvalue)
{
	struct cache_class_stats s;

	cache_class_stats(c, slab_class_for(&c->slab, 32 + 10 + nvalue), w.now,
	    &s);
	return s.pages;
}

/* 64 a page; 8 MB hold 7800 of them, or 70 000 small ones. */
START_TEST(pages_follow_a_shift)
{
	unsigned before, after;

	ask_many(200000, 100000, 50000, 64);
	ck_assert_uint_gt(pages_of(64), 80);
	before = pages_of(900);
	ck_assert_uint_lt(before, 20);
	/* the new working set would fit; the old one is asked for no more */
	ask_many(6000, 200000, 6000, 900);
	ck_assert_uint_gt(pages_of(900), 30);
	ask_many(60000, 200000, 6000, 900);
	after = ask_many(6000, 200000, 6000, 900);
	ck_assert_uint_gt(pages_of(900), 80);
	ck_assert_uint_gt(after, 6000 * 9 / 10);
	ck_assert_uint_gt(stats().pages_moved, 30);
}
END_TEST

/* All small items were in use until a moment ago, and no tail is old. */
START_TEST(what_nobody_asks_for_goes_first)
{
	unsigned n = 60000;
	uint64_t left;

	for (unsigned i = 0; i < 2 * n; i++)
		ask(i % n, 64);
	ck_assert_uint_gt(pages_of(64), 90);
	for (unsigned i = 0; i < 10000; i++) {
		if (i % 1000 == 0)
			cache_upkeep(c, ++w.now);
		ask(n + i, 900);
	}
	left = pages_of(64);
	ck_assert_uint_lt(left, 48);
	/* who is asked for again does not go for what lies about unused */
	for (unsigned i = 0; i < 20000; i++) {
		if (i % 1000 == 0)
			cache_upkeep(c, ++w.now);
		ask(i % 10000, 64);
	}
	ck_assert_uint_gt(pages_of(64), left);
}
END_TEST

/* Half of a class is free, in the midst of all its pages: that is room enough,
 * and nobody else has to go for what comes. */
START_TEST(what_is_idle_is_taken_first)
{
	uint64_t before;
	unsigned n = 0;

	while (stats().sum.evicted == 0)
		ask(n++, 900);
	before = stats().sum.evicted;
	for (unsigned i = 0; i < n; i += 2) {
		char name[16];
		struct cache_key k;

		snprintf(name, sizeof(name), "key%u", i);
		k = key(name);
		cache_delete(c, &w, &k, &(struct cache_drop){ 0 }, NULL);
	}
	/* 3.9 MB are free; these are 3.2 */
	for (unsigned i = 0; i < 1600; i++)
		ask(100000 + i, 2000);
	ck_assert_uint_le(stats().sum.evicted, before + 32);
	ck_assert_uint_gt(stats().items_moved, 1000);
}
END_TEST

START_TEST(nothing_moves_between_equals)
{
	uint64_t before;

	for (unsigned i = 0; i < 200; i++) {
		ask_many(500, 100000, 30000, 200);
		ask_many(500, 200000, 30000, 230);
		if (i == 100)
			before = stats().pages_moved;
	}
	ck_assert_uint_gt(stats().sum.evicted, 10000);
	ck_assert_uint_le(stats().pages_moved - before, 12);
}
END_TEST

/* A second for every 20000 of 900 bytes, all new: the class turns over in less
 * than half of one. */
static void
rush(unsigned i)
{
	if (i % 20000 == 0)
		cache_upkeep(c, ++w.now);
	ask(1000000 + i, 900);
}

START_TEST(what_is_asked_for_seldom_keeps_its_page)
{
	uint64_t before = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		rush(i);
		if (i % 2000 == 0)
			ask(i, 300);
		if (i == 500000)
			before = stats().pages_moved;
	}
	ck_assert_uint_ge(pages_of(300), 1);
	ck_assert_uint_le(stats().pages_moved - before, 2);
}
END_TEST

/* It is the same at the end of a second as at its beginning. */
START_TEST(an_age_is_that_of_whole_seconds)
{
	unsigned k = slab_class_for(&c->slab, 32 + 10 + 900);
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < 400000; i++) {
		uint64_t score;

		rush(i);
		if (i < 200000 || i % 1000 != 0)
			continue;
		score = level_score(c, k);
		least = score < least ? score : least;
		most = score > most ? score : most;
	}
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_lt(most * 2, least * 3);
}
END_TEST

/* A page that was begun is ended without anybody's need. */
START_TEST(upkeep_ends_what_was_begun)
{
	unsigned k = slab_class_for(&c->slab, 32 + 10 + 64);
	uint64_t before;

	ask_many(300000, 100000, 90000, 64);
	ck_assert_uint_eq(c->drain.class_id, 0);
	before = pages_of(64);
	room_step(c, k, 0, w.now);
	ck_assert_uint_eq(c->drain.class_id, k);
	cache_check(c);
	for (unsigned i = 0; i < 100 && c->drain.class_id != 0; i++)
		cache_upkeep(c, w.now);
	ck_assert_uint_eq(c->drain.class_id, 0);
	ck_assert_uint_eq(pages_of(64), before - 1);
}
END_TEST

/* One step is bounded: a page of small chunks takes several. */
START_TEST(a_step_is_bounded)
{
	unsigned k = slab_class_for(&c->slab, 32 + 10 + 8), steps = 0;

	ask_many(500000, 100000, 200000, 8);
	do {
		room_step(c, k, 0, w.now);
		steps++;
	} while (c->drain.class_id != 0 && steps < 1000);
	ck_assert_uint_gt(steps, c->slab.classes[k].per_page / 128);
	ck_assert_uint_lt(steps, 100);
}
END_TEST

START_TEST(without_evictions_nothing_is_due)
{
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .seed = 5,
	    .no_evictions = true });
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(level_due(c, 5), 0);
}
END_TEST

START_TEST(who_comes_back_is_warm)
{
	struct cache_key k;

	/* Fill it with what is read twice, then pass others through. */
	for (unsigned n = 0; n < 3; n++)
		for (unsigned i = 0; i < 20000; i++)
			ask(i, 300);
	ask(1000000, 300);
	for (unsigned i = 0; i < 20000; i++)
		ask(2000000 + i, 300);
	k = key("key1000000");
	ck_assert_int_eq(look("key1000000"), CACHE_NOT_FOUND);
	ask(1000000, 300);
	ck_assert_int_eq(cache_get(c, &w, &k,
			     &(struct cache_want){ .no_value = true,
				 .no_bump = true },
			     &view),
	    CACHE_FOUND);
	ck_assert_int_eq(view.queue, CACHE_WARM);
	ask(3000000, 300);
	look("key3000000");
	ck_assert_int_eq(view.queue, CACHE_HOT);
}
END_TEST

static void
put_large(unsigned *n, unsigned shard)
{
	static char value[60000];
	struct cache_put p = { .value = value, .nvalue = sizeof(value) };
	char name[16];
	struct cache_key k;

	do {
		snprintf(name, sizeof(name), "key%u", (*n)++);
		k = key(name);
	} while (door_shard(c, k.hash)->id != shard);
	ck_assert_int_eq(cache_store(c, &w, &k, &p, &view), CACHE_STORED);
}

START_TEST(the_fullest_shard_gives_what_is_large)
{
	unsigned n = 0, k;

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 8 * MB,
	    .seed = 5,
	    .shards = 4 });
	k = slab_class_for(&c->slab, 60100);
	for (unsigned i = 0; i < 60; i++)
		put_large(&n, 1 + i % 3);
	while (stats().sum.evicted == 0)
		put_large(&n, 0);
	for (unsigned i = 0; i < 20; i++)
		put_large(&n, 1);
	ck_assert_uint_eq(lru_items(&c->shards[1].lru[k]), 40);
	ck_assert_uint_eq(lru_items(&c->shards[2].lru[k]), 20);
	ck_assert_uint_eq(lru_items(&c->shards[3].lru[k]), 20);
}
END_TEST

Suite *
level_suite(void)
{
	Suite *s = suite_create("level");
	TCase *t = tcase_create("level");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, close_cache);
	tcase_add_test(t, pages_follow_a_shift);
	tcase_add_test(t, what_nobody_asks_for_goes_first);
	tcase_add_test(t, what_is_idle_is_taken_first);
	tcase_add_test(t, nothing_moves_between_equals);
	tcase_add_test(t, what_is_asked_for_seldom_keeps_its_page);
	tcase_add_test(t, an_age_is_that_of_whole_seconds);
	tcase_add_test(t, the_fullest_shard_gives_what_is_large);
	tcase_add_test(t, upkeep_ends_what_was_begun);
	tcase_add_test(t, a_step_is_bounded);
	tcase_add_test(t, without_evictions_nothing_is_due);
	tcase_add_test(t, who_comes_back_is_warm);
	suite_add_tcase(s, t);
	return s;
}
