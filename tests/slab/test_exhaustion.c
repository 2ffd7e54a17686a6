/*
 * test_exhaustion.c - memory ends at every place where it can.
 *
 * A script of all kinds of operations is run again and again: first no page
 * can be had, then one, then two, until the script wants no more.  Likewise
 * for the cells of the index.  After each run everything must agree, nothing
 * may have leaked, and what a call said it stored must be there.
 */
#include "tests/slab/caches.h"

enum { KEYS = 400 };

static char big[300001];
static unsigned failures; /* of the script: calls without memory */

/* ------------------------------------------------------------ the script */

static char *
name(unsigned n)
{
	static char text[16];

	snprintf(text, sizeof(text), "key%u", n);
	return text;
}

static bool
is_fine(enum cache_status status, enum cache_status wanted)
{
	failures += status == CACHE_NO_MEMORY;
	return status == wanted || status == CACHE_NO_MEMORY;
}

static enum cache_status
put_bytes(const char *k, uint32_t nvalue, struct cache_put p)
{
	enum cache_status status;

	big[nvalue] = 0;
	status = put(k, big, p);
	big[nvalue] = 'x';
	return status;
}

/* What was stored is there, and only what was: a value is whole or absent. */
static void
stored_or_not(const char *k, uint32_t nvalue, struct cache_put p)
{
	enum cache_status status = put_bytes(k, nvalue, p);

	must(is_fine(status, CACHE_STORED));
	if (status != CACHE_STORED)
		return;
	must(want(k, (struct cache_want){ .no_bump = true,
	    .no_value = true }) == CACHE_FOUND);
	must(view.nvalue >= nvalue);
}

static void
by_reservation(const char *k, uint32_t nvalue, struct cache_put p)
{
	struct cache_key ck = key(k);
	enum cache_status status = cache_reserve(c, &w, &ck, 0, 0, nvalue,
	    &p.reserved);

	must(is_fine(status, CACHE_STORED));
	if (status != CACHE_STORED) {
		must(p.reserved == NULL);
		return;
	}
	status = cache_store(c, &w, &ck, &p, &view);
	must(is_fine(status, CACHE_STORED) || p.mode >= CACHE_APPEND);
}

static void
small_things(void)
{
	uint64_t n;

	for (unsigned i = 0; i < KEYS; i++)
		stored_or_not(name(i), i * 7 % 3000,
		    (struct cache_put){ .client_flags = i % 2 });
	for (unsigned i = 0; i < KEYS; i += 3) { /* to another class */
		stored_or_not(name(i), 3000 - i * 7, (struct cache_put){ 0 });
		is_fine(put_bytes(name(i), 60, (struct cache_put){
		    .mode = CACHE_APPEND }), CACHE_STORED);
	}
	if (set("n", "9") == CACHE_STORED)
		for (unsigned i = 1; i < 20; i++)
			is_fine(delta("n", (struct cache_delta){
			    .delta = UINT64_MAX / 40 }, &n), CACHE_STORED);
	must(is_fine(delta("m", (struct cache_delta){ .vivify = true }, &n),
	    CACHE_STORED));
	must(is_fine(want("v", (struct cache_want){ .vivify = true,
	    .marks = true }), CACHE_FOUND));
	for (unsigned i = 0; i < KEYS; i += 5) {
		look(name(i));
		must(drop(name(i), (struct cache_drop){ .drop_value = true,
		    .stale = true }) != CACHE_NO_MEMORY);
	}
}

static void
large_things(void)
{
	stored_or_not("l1", 5000, (struct cache_put){ 0 });
	stored_or_not("l2", 70000, (struct cache_put){ 0 });
	by_reservation("l3", 140000, (struct cache_put){ 0 });
	by_reservation("l2", 50000, (struct cache_put){
	    .mode = CACHE_APPEND });
	by_reservation("l4", 5000, (struct cache_put){
	    .mode = CACHE_PREPEND, .vivify = true });
	for (unsigned i = 0; i < 5; i++)
		is_fine(put_bytes("l1", 4000, (struct cache_put){
		    .mode = CACHE_APPEND }), CACHE_STORED);
	must(drop("l2", (struct cache_drop){ .drop_value = true }) !=
	    CACHE_NO_MEMORY);
}

static void
script(void)
{
	failures = 0;
	small_things();
	large_things();
	small_things();
	cache_upkeep(c, w.now);
}

static void
all_is_well(void)
{
	cache_check(c);
	must(check_strays(c) == 0);
	must(ONE(store_no_memory) >= failures);
}

/* ------------------------------------------------------------ pages */

static void
open_for(bool no_evictions)
{
	memset(big, 'x', sizeof(big) - 1);
	open_with(&(struct cache_config){ .memory_limit = 64 * MB,
	    .no_evictions = no_evictions, .shards = 4, .seed = 9 });
}

static void
allow_pages(unsigned n)
{
	atomic_store(&c->slab.arena.limit, (size_t)n << ARENA_PAGE_SHIFT);
}

START_TEST(the_nth_page_is_refused)
{
	unsigned n = 0, refused;

	do {
		open_for(_i == 0);
		allow_pages(n++);
		script();
		refused = failures;
		all_is_well();
		must(stats().pages_total < n);
		/* and as soon as there is memory all goes on */
		allow_pages(1000);
		script();
		must(failures == 0);
		cache_flush(c, &w, 0);
		for (int i = 0; i < 50; i++)
			cache_upkeep(c, w.now);
		must(stats().pages_total == 0);
		close_cache();
	} while ((refused > 0 || n < 30) && n < 500);
	ck_assert_uint_lt(n, 500);
}
END_TEST

/* In the middle of a life: there was memory, then there is none, for a time. */
START_TEST(a_drought)
{
	for (unsigned n = 0; n < 60; n++) {
		open_for(_i == 0);
		small_things();
		allow_pages(c->slab.arena.in_use + n);
		script();
		all_is_well();
		allow_pages(1000);
		script();
		must(failures == 0);
		close_cache();
	}
}
END_TEST

/* ------------------------------------------------------------ the index */

static void
allow_cells(unsigned n)
{
	c->space->ncells = atomic_load(&c->space->cells_next) + n;
}

START_TEST(the_nth_cell_is_refused)
{
	unsigned n, refused = 0;

	for (n = 0; n < 40; n++) {
		uint32_t cells;
		unsigned stored = 0;

		open_with(&(struct cache_config){ .memory_limit = 64 * MB,
		    .shards = 1, .seed = n });
		cells = c->space->ncells;
		allow_cells(n);
		for (unsigned i = 0; i < 5000; i++) {
			enum cache_status status = set(name(i), "value");

			must(is_fine(status, CACHE_STORED));
			stored += status == CACHE_STORED;
			refused += status != CACHE_STORED;
			must((look(name(i)) == CACHE_FOUND) ==
			    (status == CACHE_STORED));
		}
		must(stats().items == stored);
		cache_check(c);
		must(check_strays(c) == 0);
		c->space->ncells = cells;
		for (unsigned i = 0; i < 5000; i++)
			must(set(name(i), "other") == CACHE_STORED);
		must(stats().items == 5000);
		close_cache();
	}
	ck_assert_uint_gt(refused, 0);
}
END_TEST

Suite *
exhaustion_suite(void)
{
	Suite *s = suite_create("exhaustion");
	TCase *t = tcase_create("exhaustion");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, the_nth_page_is_refused, 0, 2);
	tcase_add_loop_test(t, a_drought, 0, 2);
	tcase_add_test(t, the_nth_cell_is_refused);
	suite_add_tcase(s, t);
	return s;
}
