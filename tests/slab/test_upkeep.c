/* test_upkeep.c - slab/cache.h: evictions, housekeeping, limits, looking in. */
#include "tests/slab/caches.h"

static char big[200001];

static void
open_small(void)
{
	memset(big, 'x', sizeof(big) - 1);
	open_with(&(struct cache_config){ .memory_limit = 2 * MB,
	    .seed = 3 });
}

static char *
name(unsigned n)
{
	static char text[16];

	snprintf(text, sizeof(text), "key%u", n);
	return text;
}

/* Items of one size, in the order of their numbers. */
static void
fill(unsigned from, unsigned to, uint32_t nvalue, uint32_t deadline)
{
	big[nvalue] = 0;
	for (unsigned n = from; n < to; n++)
		must(put(name(n), big, (struct cache_put){
		    .deadline = deadline }) == CACHE_STORED);
	big[nvalue] = 'x';
}

static unsigned
present(unsigned from, unsigned to)
{
	unsigned n = 0;

	for (; from < to; from++)
		n += look(name(from)) == CACHE_FOUND;
	return n;
}

static void
keep_up(void)
{
	for (int i = 0; i < 1000 && cache_upkeep(c, w.now); i++)
		;
	cache_upkeep(c, w.now);
}

/* ------------------------------------------------------------ evictions */

START_TEST(nothing_is_evicted_while_there_is_room)
{
	struct cache_stats s;
	unsigned n = 0;

	do {
		fill(n, n + 1, 500, 0);
		n++;
		s = stats();
	} while (s.pages_free > 0);
	ck_assert_uint_eq(s.sum.evicted, 0);
	ck_assert_uint_eq(present(0, n), n);
	ck_assert_uint_gt(s.bytes, MB + MB / 2);
}
END_TEST

START_TEST(the_unread_go_and_the_read_stay)
{
	fill(0, 100, 500, 0);
	for (int i = 0; i < 3; i++)
		for (unsigned n = 0; n < 100; n += 10)
			get(name(n));
	w.now += 2;
	keep_up();
	fill(1000, 5000, 500, 0);
	for (unsigned n = 0; n < 100; n += 10)
		ck_assert_msg(look(name(n)) == CACHE_FOUND, "%u", n);
	ck_assert_uint_eq(present(0, 100), 10);
	ck_assert(look(name(4999)) == CACHE_FOUND);
	ck_assert_uint_gt(stats().sum.evicted, 100);
	ck_assert_uint_eq(stats().sum.evicted,
	    stats().sum.evicted_unfetched);
	ck_assert_uint_eq(stats().sum.evicted_nonzero, 0);
	ck_assert_uint_eq(stats().sum.reclaimed, 0);
}
END_TEST

START_TEST(the_dead_give_room_first)
{
	fill(0, 1500, 500, 150);
	fill(1500, 3000, 500, 0);
	w.now = 150;
	fill(5000, 6500, 500, 0);
	ck_assert_uint_eq(present(1500, 3000), 1500);
	ck_assert_uint_eq(present(5000, 6500), 1500);
	ck_assert_uint_eq(stats().sum.evicted, 0);
	ck_assert_uint_gt(stats().sum.reclaimed, 0);
	ck_assert_uint_gt(stats().sum.expired_unfetched, 0);
}
END_TEST

/* A cache full of one size takes any other. */
START_TEST(pages_follow_the_load)
{
	fill(0, 20000, 20, 0);
	fill(20000, 23000, 900, 0);
	ck_assert(look(name(22999)) == CACHE_FOUND);
	fill(30000, 30040, 150000, 0);
	ck_assert(stats().items > 0);
	big[200000] = 0;
	ck_assert_int_eq(set("last", big), CACHE_STORED);
	big[200000] = 'x';
	fill(40000, 60000, 20, 0);
	ck_assert(look(name(59999)) == CACHE_FOUND);
	ck_assert_uint_eq(ONE(store_no_memory), 0);
	ck_assert_uint_gt(stats().pages_moved, 0);
	cache_check(c);
}
END_TEST

START_TEST(the_largest_item_fits_a_full_cache)
{
	struct cache_key k = key("k");
	struct cache_item *item;

	fill(0, 20000, 30, 0);
	ck_assert_int_eq(cache_reserve(c, &w, &k, 0, 0, MB - 100, &item),
	    CACHE_STORED);
	ck_assert_int_eq(cache_store(c, &w, &k, &(struct cache_put){
	    .reserved = item }, NULL), CACHE_STORED);
	ck_assert_int_eq(want("k", (struct cache_want){ .no_value = true }),
	    CACHE_FOUND);
}
END_TEST

START_TEST(pages_even_out)
{
	struct cache_class_stats s;

	/* Old small items hold nearly all; the young large ones thrash. */
	fill(0, 20000, 20, 0);
	fill(50000, 50020, 900, 0);
	for (int i = 0; i < 60; i++) {
		w.now += 10;
		keep_up();
		fill(60000, 60500, 900, 0);
	}
	look(name(60499));
	ck_assert(cache_class_stats(c, view.class_id, w.now, &s));
	ck_assert_uint_gt(s.items, 300);
}
END_TEST

START_TEST(without_evictions_there_is_an_end)
{
	uint64_t items;
	unsigned n = 0;

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .no_evictions = true });
	big[500] = 0;
	while (put(name(n), big, (struct cache_put){ .deadline = 200 }) ==
	    CACHE_STORED)
		n++;
	items = stats().items;
	ck_assert_uint_eq(items, n);
	ck_assert_uint_eq(ONE(store_no_memory), 1);
	ck_assert_uint_gt(stats().sum.outofmemory, 0);
	ck_assert_int_eq(set("big", big), CACHE_NO_MEMORY);
	/* over what is there it works; and what is dead makes room */
	ck_assert_int_eq(set(name(1), big), CACHE_STORED);
	w.now = 200;
	ck_assert_int_eq(set("big", big), CACHE_STORED);
	ck_assert_uint_eq(stats().sum.evicted, 0);
	big[500] = 'x';
}
END_TEST

/* ------------------------------------------------------------ queues */

static uint64_t
queued(enum cache_queue q)
{
	struct cache_class_stats s;
	uint64_t n = 0;

	for (unsigned k = 1; k < CACHE_CLASSES; k++)
		if (cache_class_stats(c, k, w.now, &s))
			n += s.queue_items[q];
	return n;
}

START_TEST(idle_items_reach_cold)
{
	fill(0, 20, 20, 0);
	ck_assert_uint_eq(queued(CACHE_HOT), 20);
	get(name(5));
	get(name(5));
	w.now += 3;
	keep_up();
	ck_assert_uint_eq(queued(CACHE_HOT), 0);
	ck_assert_uint_eq(queued(CACHE_WARM), 1);
	ck_assert_uint_eq(queued(CACHE_COLD), 19);
	ck_assert_uint_eq(stats().sum.moves_to_cold, 19);
	ck_assert_uint_eq(stats().sum.moves_to_warm, 1);
	look(name(5));
	ck_assert_uint_eq(view.queue, CACHE_WARM);
	get(name(5));
	get(name(6));
	ck_assert_uint_eq(SUM(hits_to_hot), 2);
	ck_assert_uint_eq(SUM(hits_to_warm), 1);
	ck_assert_uint_eq(SUM(hits_to_cold), 1);
}
END_TEST

START_TEST(temporary_items_have_their_queue)
{
	cache_set_temporary_ttl(c, 61);
	put("a", "1", (struct cache_put){ .deadline = w.now + 30 });
	put("b", "1", (struct cache_put){ .deadline = w.now + 100 });
	set("c", "1");
	ck_assert_uint_eq(queued(CACHE_TEMP), 1);
	get("a");
	ck_assert_uint_eq(SUM(hits_to_temp), 1);
	cache_set_temporary_ttl(c, 0);
	put("d", "1", (struct cache_put){ .deadline = w.now + 30 });
	ck_assert_uint_eq(queued(CACHE_TEMP), 1);
}
END_TEST

START_TEST(flat_mode_knows_cold_alone)
{
	fill(0, 10, 20, 0);
	cache_set_flat_lru(c, true);
	fill(10, 20, 20, 0);
	ck_assert_uint_eq(queued(CACHE_COLD), 10);
	keep_up();
	ck_assert_uint_eq(queued(CACHE_COLD), 20);
	/* the last used stay */
	w.now += 100;
	for (unsigned n = 0; n < 10; n++)
		get(name(n));
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .flat_lru = true, .shards = 1 });
	fill(0, 1000, 500, 0);
	w.now += 100;
	get(name(0));
	fill(1000, 2500, 500, 0);
	ck_assert(look(name(0)) == CACHE_FOUND);
	ck_assert(look(name(1)) == CACHE_NOT_FOUND);
}
END_TEST

/* ------------------------------------------------------------ the sweep */

START_TEST(the_sweep_removes_the_dead)
{
	fill(0, 1000, 100, 150);
	fill(1000, 2000, 20, 0);
	get(name(5));
	keep_up();
	ck_assert_uint_eq(stats().items, 2000);
	w.now = 150;
	keep_up();
	ck_assert_uint_eq(stats().items, 1000);
	ck_assert_uint_eq(stats().sum.crawler_reclaimed, 1000);
	ck_assert_uint_eq(stats().sum.expired_unfetched, 999);
	ck_assert_uint_gt(stats().sum.crawler_items_checked, 1000);
	ck_assert_uint_eq(stats().sum.reclaimed, 1000);
	ck_assert_uint_eq(stats().sum.evicted, 0);
	/* and what was flushed */
	cache_flush(c, &w, 0);
	keep_up();
	ck_assert_uint_eq(stats().items, 0);
	ck_assert_uint_eq(stats().bytes, 0);
	ck_assert_uint_eq(stats().pages_total, 0);
}
END_TEST

START_TEST(the_sweep_is_bounded)
{
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 16 * MB });
	fill(0, 20000, 20, 150);
	w.now = 150;
	ck_assert(cache_upkeep(c, w.now));
	ck_assert_uint_gt(stats().items, 10000);
	keep_up();
	ck_assert_uint_eq(stats().items, 0);
}
END_TEST

/* ------------------------------------------------------------ at rest */

/* Seconds of the next sixty in which one step was not enough. */
static unsigned
busy_seconds(void)
{
	unsigned n = 0, steps;

	for (unsigned i = 0; i < 60; i++) {
		w.now++;
		for (steps = 1; steps < 5000 && cache_upkeep(c, w.now);
		     steps++)
			;
		must(steps < 5000);
		n += steps > 1;
	}
	return n;
}

/* Where nothing is stored there is an end of it, whatever the classes are
 * like: one step a second then. */
START_TEST(who_is_not_asked_rests)
{
	uint64_t moved;

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 64 * MB });
	ck_assert_uint_eq(busy_seconds(), 0);
	fill(0, 500000, 100, 0);
	ck_assert_uint_gt(stats().sum.evicted, 0);
	ck_assert_uint_le(busy_seconds(), 10);
	/* another size has begun to take the memory */
	fill(500000, 530000, 1000, 0);
	ck_assert_uint_le(busy_seconds(), 10);
	moved = stats().pages_moved;
	ck_assert_uint_gt(moved, 0);
	ck_assert_uint_eq(busy_seconds(), 0);
	ck_assert_uint_eq(stats().pages_moved, moved);
	/* and when all of that has died */
	fill(600000, 1100000, 100, w.now + 10);
	ck_assert_uint_le(busy_seconds(), 20);
	ck_assert_uint_eq(busy_seconds(), 0);
}
END_TEST

/* ------------------------------------------------------------ limits */

START_TEST(the_limit_moves_both_ways)
{
	uint64_t before;

	fill(0, 4000, 500, 0);
	before = stats().items;
	ck_assert(cache_set_limit(c, 8 * MB));
	fill(4000, 12000, 500, 0);
	ck_assert_uint_gt(stats().items, before + 7000);
	ck_assert_uint_eq(stats().limit, 8 * MB);
	ck_assert(cache_set_limit(c, MB));
	keep_up();
	ck_assert_uint_le(stats().pages_total * stats().page_size, MB);
	ck_assert_uint_gt(stats().items, 1000);
	cache_check(c);
	fill(12000, 12100, 500, 0);
	ck_assert_uint_eq(present(12000, 12100), 100);
	ck_assert_uint_le(stats().pages_total * stats().page_size, MB);
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 2 * MB,
	    .fixed_limit = true });
	ck_assert(!cache_set_limit(c, 4 * MB));
	ck_assert(cache_set_limit(c, MB));
	ck_assert(cache_set_limit(c, 2 * MB));
}
END_TEST

/* What has to be given back (112 pages here, as a table that grew may demand,
 * too) must not be found before an item gets its room. */
START_TEST(any_item_fits_before_the_excess_is_gone)
{
	ck_assert(cache_set_limit(c, 8 * MB));
	fill(0, 12000, 500, 0);
	ck_assert(cache_set_limit(c, MB));
	ck_assert_uint_gt(arena_excess(&c->slab.arena), 64);
	fill(20000, 20010, 3, 0);
	fill(20010, 20020, 3000, 0);
	fill(20020, 20030, 30000, 0);
	cache_check(c);
	keep_up();
	ck_assert_uint_eq(arena_excess(&c->slab.arena), 0);
}
END_TEST

/* ------------------------------------------------------------ looking in */

START_TEST(what_stats_say)
{
	struct cache_class_stats k;
	struct cache_stats s;

	ck_assert(!cache_class_stats(c, 0, w.now, &k));
	ck_assert(!cache_class_stats(c, 5, w.now, &k));
	ck_assert(!cache_class_stats(c, 64, w.now, &k));
	ck_assert(!cache_class_stats(c, 1000000, w.now, &k));
	fill(0, 10, 100, 0);
	set(name(0), "short");
	s = stats();
	ck_assert_uint_eq(s.items, 10);
	ck_assert_uint_eq(s.total_items, 11);
	ck_assert_uint_eq(s.bytes, 9 * (32 + 4 + 100) + 32 + 4 + 5);
	ck_assert_uint_eq(s.page_size, 65536);
	ck_assert_uint_eq(s.pages_total, 2);
	ck_assert_uint_eq(s.limit, 2 * MB);
	ck_assert_uint_gt(s.index_power, 0);
	look(name(1));
	ck_assert(cache_class_stats(c, view.class_id, w.now + 7, &k));
	ck_assert_uint_eq(k.items, 9);
	ck_assert_uint_eq(k.queue_items[CACHE_HOT], 9);
	ck_assert_uint_eq(k.used_chunks, 9);
	ck_assert_uint_eq(k.pages, 1);
	ck_assert_uint_eq(k.chunks, k.chunks_per_page);
	ck_assert_uint_eq(k.free_chunks, k.chunks - 9);
	ck_assert_uint_ge(k.chunk_size, 136);
	ck_assert_uint_eq(k.mem_requested, 9 * 136);
	ck_assert_uint_eq(k.age_hot, 7);
	ck_assert_uint_eq(k.age, 0);
	cache_stats_reset(c);
	s = stats();
	ck_assert_uint_eq(s.total_items, 0);
	ck_assert_uint_eq(s.items, 10);
}
END_TEST

START_TEST(tallies_add_up)
{
	static struct cache_tally sum;

	set("k", "v");
	get("k");
	get("none");
	cache_tally_add(&sum, &tally);
	cache_tally_add(&sum, &tally);
	ck_assert_uint_eq(sum.cmd_get, 4);
	ck_assert_uint_eq(sum.get_misses, 2);
	ck_assert_uint_eq(SUM(cmd_set), 1);
	ck_assert_uint_eq(SUM(get_hits), 1);
}
END_TEST

START_TEST(the_walk_sees_all_once)
{
	static bool seen[3000];
	struct cache_listed list[7];
	uint64_t place = 0;
	unsigned n = 0;

	fill(0, 3000, 10, 0);
	put("dead", "x", (struct cache_put){ .deadline = 110 });
	w.now = 110;
	while (place != UINT64_MAX) {
		size_t got = cache_walk(c, w.now, &place, list, 7);

		must(got <= 7);
		for (size_t i = 0; i < got; i++, n++) {
			unsigned at;

			list[i].key[list[i].nkey] = 0;
			at = (unsigned)atoi(list[i].key + 3);
			must(at < 3000 && !seen[at]);
			seen[at] = true;
		}
	}
	ck_assert_uint_eq(n, 3000);
	ck_assert_uint_eq(cache_walk(c, w.now, &place, list, 7), 0);
	place = 0;
	ck_assert_uint_eq(cache_walk(c, w.now, &place, list, 0), 0);
}
END_TEST

/* What goes meanwhile takes nothing else with it. */
START_TEST(the_walk_sees_what_stays)
{
	struct cache_listed list[CACHE_WALK_LEAST];
	uint64_t place = 0;
	unsigned n = 0;

	fill(0, 3000, 10, 0);
	while (place != UINT64_MAX) {
		size_t got = cache_walk(c, w.now, &place, list,
		    CACHE_WALK_LEAST);

		for (size_t i = 0; i < got; i++, n++) {
			struct cache_key key = cache_key(c, list[i].key,
			    list[i].nkey);

			must(cache_delete(c, &w, &key,
			    &(struct cache_drop){ 0 }, NULL) == CACHE_DELETED);
		}
	}
	ck_assert_uint_eq(n, 3000);
}
END_TEST

/* All of it, in steps of so many. */
static size_t
list_class(unsigned class_id, bool any, struct cache_listed *list, size_t step)
{
	struct cache_list_place at = { 0 };
	size_t n = 0;

	for (unsigned i = 0; i < 1000 && !at.done; i++)
		n += cache_list_class(c, class_id, w.now, any, &at, list + n,
		    step);
	ck_assert(at.done);
	return n;
}

START_TEST(classes_are_listed_newest_first)
{
	struct cache_listed list[10];

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB, .shards = 1 });
	put("a", "1", (struct cache_put){ .client_flags = 5,
	    .deadline = 200, .binary_key = true });
	put("b", "2", (struct cache_put){ .client_flags = 5 });
	get("b");
	look("b");
	ck_assert_uint_eq(list_class(view.class_id, false, list, 10), 0);
	ck_assert_uint_eq(list_class(view.class_id, true, list, 1), 2);
	ck_assert_uint_eq(list_class(view.class_id, true, list, 10), 2);
	ck_assert(list[0].nkey == 1 && list[0].key[0] == 'b');
	ck_assert(list[0].fetched && !list[0].binary_key);
	ck_assert(!list[1].fetched && list[1].binary_key);
	ck_assert_uint_eq(list[1].deadline, 200);
	ck_assert_uint_eq(list[1].client_flags, 5);
	ck_assert_uint_eq(list[1].nvalue, 1);
	w.now += 2;
	keep_up();
	ck_assert_uint_eq(list_class(view.class_id, false, list, 1), 2);
	ck_assert_uint_eq(list_class(0, true, list, 10), 0);
	ck_assert_uint_eq(list_class(99, true, list, 10), 0);
}
END_TEST

/* Where a step ended may be gone before the next: that is no reason to read
 * what is not there, or to list anything twice. */
START_TEST(listing_bears_what_goes_meanwhile)
{
	struct cache_list_place at = { 0 };
	struct cache_listed list[4];
	bool seen[200] = { false }, gone = false;
	char name[16];

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB, .shards = 1 });
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		put(name, "1", (struct cache_put){ 0 });
	}
	look("k0");
	for (unsigned i = 0; i < 1000 && !at.done; i++) {
		size_t n = cache_list_class(c, view.class_id, w.now, true, &at,
		    list, 4);

		for (size_t j = 0; j < n; j++) {
			unsigned id = 0;

			for (unsigned d = 1; d < list[j].nkey; d++)
				id = id * 10 + (unsigned)(list[j].key[d] - '0');
			ck_assert(!seen[id]);
			seen[id] = true;
		}
		if (n == 4 && !gone) {
			struct cache_key key = cache_key(c, list[3].key,
			    list[3].nkey);

			gone = true;
			must(cache_delete(c, &w, &key,
			    &(struct cache_drop){ 0 }, NULL) == CACHE_DELETED);
		}
	}
	ck_assert(at.done && gone);
}
END_TEST

/* Items of nearly a page, one in ten short-lived, in more memory than a step
 * of the sweep is for: what dies in a second goes when it begins. */
START_TEST(the_dead_go_before_the_living)
{
	static char bytes[60000];
	struct cache_put p = { .value = bytes, .nvalue = sizeof(bytes) };
	struct cache_listed *list = malloc(1024 * sizeof(*list));
	unsigned n = 0;

	cache_free(&c);
	open_with(&(struct cache_config){ .memory_limit = 48 * MB, .seed = 1 });
	for (unsigned second = 0; second < 60; second++) {
		uint64_t place = 0, live = 0;
		struct cache_stats s;

		for (unsigned i = 0; i < 60; i++, n++) {
			char name[16];
			struct cache_key k;

			snprintf(name, sizeof(name), "key%u", n);
			k = key(name);
			p.deadline = n % 10 == 0 ? w.now + 8 : 0;
			must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
		}
		w.now++;
		for (unsigned i = 0; i < 100 && cache_upkeep(c, w.now); i++)
			;
		while (place != UINT64_MAX)
			live += cache_walk(c, w.now, &place, list, 1024);
		cache_stats(c, w.now, &s);
		must(second < 30 || s.sum.evicted > 0);
		must(second < 30 || s.items == live);
	}
	free(list);
}
END_TEST

/* Even while upkeep does not come: who wants room looks for the dead first. */
START_TEST(who_would_evict_looks_for_the_dead)
{
	uint64_t before;
	unsigned n = 0;

	/* every other one dies, of either size */
	while (stats().pages_free > 0) {
		fill(n, n + 1, n % 4 < 2 ? 300 : 500, n % 2 ? w.now + 10 : 0);
		n++;
	}
	w.now += 10;
	before = stats().sum.evicted;
	fill(100000, 100000 + n / 6, 300, 0);
	/* the search is bounded, and may find dead of another size alone */
	ck_assert_uint_lt(stats().sum.evicted, before + 16);
	ck_assert_uint_gt(stats().sum.crawler_reclaimed +
	    stats().sum.reclaimed, n / 8);
}
END_TEST

Suite *
upkeep_suite(void)
{
	Suite *s = suite_create("upkeep");
	TCase *t = tcase_create("upkeep");

	tcase_add_checked_fixture(t, open_small, close_cache);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, nothing_is_evicted_while_there_is_room);
	tcase_add_test(t, the_unread_go_and_the_read_stay);
	tcase_add_test(t, the_dead_give_room_first);
	tcase_add_test(t, pages_follow_the_load);
	tcase_add_test(t, the_largest_item_fits_a_full_cache);
	tcase_add_test(t, pages_even_out);
	tcase_add_test(t, without_evictions_there_is_an_end);
	tcase_add_test(t, idle_items_reach_cold);
	tcase_add_test(t, temporary_items_have_their_queue);
	tcase_add_test(t, flat_mode_knows_cold_alone);
	tcase_add_test(t, the_sweep_removes_the_dead);
	tcase_add_test(t, the_sweep_is_bounded);
	tcase_add_test(t, who_is_not_asked_rests);
	tcase_add_test(t, the_limit_moves_both_ways);
	tcase_add_test(t, any_item_fits_before_the_excess_is_gone);
	tcase_add_test(t, what_stats_say);
	tcase_add_test(t, tallies_add_up);
	tcase_add_test(t, the_walk_sees_all_once);
	tcase_add_test(t, the_walk_sees_what_stays);
	tcase_add_test(t, classes_are_listed_newest_first);
	tcase_add_test(t, listing_bears_what_goes_meanwhile);
	tcase_add_test(t, the_dead_go_before_the_living);
	tcase_add_test(t, who_would_evict_looks_for_the_dead);
	suite_add_tcase(s, t);
	return s;
}
