/* test_index.c - slab/index.h. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "slab/index.h"

#define MB ((size_t)1 << 20)

/* Like ck_assert(), which writes to a file each time: for loops. */
#define must(x) ((x) ? (void)0 : ck_abort_msg("%s", #x))

enum { KEYS = 200000 };

static struct arena a;
static struct index_space *space;
static const char *why;

static void
setup(void)
{
	ck_assert_int_eq(arena_init(&a, 64 * MB, false, &why), 0);
}

static void
teardown(void)
{
	index_space_free(&space);
	ck_assert_ptr_null(space);
	arena_fini(&a);
}

static void
open_space(unsigned shards, uint64_t items_max)
{
	space = index_space_new(shards, items_max, &a, &why);
	ck_assert_ptr_nonnull(space);
}

/* An item's handle is its number; its hash is made of it. */
static uint64_t
mix(const void *arg, handle h)
{
	uint64_t x = h + (uint64_t)(uintptr_t)arg;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t
rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool
find(const struct index *ix, handle wanted, struct index_probe *p)
{
	handle h;

	*p = index_probe(ix, ix->hash_of(ix->arg, wanted));
	while ((h = index_next(ix, p)) != 0)
		if (h == wanted)
			return true;
	return false;
}

static bool
insert(struct index *ix, handle h)
{
	return index_insert(ix, ix->hash_of(ix->arg, h), h);
}

static void
drop(struct index *ix, handle h)
{
	struct index_probe p;

	must(find(ix, h, &p));
	index_remove(ix, &p);
}

/* Tags in a line; entries that look like tags must not be taken for such. */
START_TEST(matches_tags_alone)
{
	struct index_bucket b;
	struct index_cell c;
	uint64_t seed = 7;
	uint32_t bucket, cell;

	for (unsigned turn = 0; turn < 10000; turn++) {
		uint16_t tag = (uint16_t)(rnd(&seed) % 4 * 0x5555);

		bucket = cell = 0;
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			b.tag[i] = (uint16_t)(rnd(&seed) % 4 * 0x5555);
			b.entry[i] = (handle)(rnd(&seed) % 4) * 0x55555555;
			bucket |= (uint32_t)(b.tag[i] == tag) << i;
		}
		for (unsigned i = 0; i < INDEX_CELL_SLOTS; i++) {
			c.tag[i] = b.tag[i];
			c.entry[i] = b.entry[i];
			cell |= (uint32_t)(c.tag[i] == tag) << i;
		}
		must(index_match(&b, tag) == bucket);
		must(index_match_cell(&c, tag) == cell);
	}
}
END_TEST

START_TEST(finds_what_was_put_in)
{
	struct index ix;
	const handle *spot;
	uint32_t cell;
	struct index_probe p;

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, mix, NULL);
	must(!find(&ix, 5, &p));
	must(insert(&ix, 5));
	must(!find(&ix, 6, &p));
	must(find(&ix, 5, &p));
	spot = index_spot(&ix, index_bucket(&ix, mix(NULL, 5)), mix(NULL, 5),
	    &cell);
	ck_assert_uint_eq(index_peek(spot), 5);
	index_remove(&ix, &p);
	must(!find(&ix, 5, &p));
	ck_assert_uint_eq(index_peek(spot), 0);
	spot = index_spot(&ix, index_bucket(&ix, mix(NULL, 5)), mix(NULL, 5),
	    &cell);
	ck_assert_ptr_null(spot);
	ck_assert_uint_eq(cell, 0);
	ck_assert_uint_eq(ix.items, 0);
	index_check(&ix);
}
END_TEST

/* Hashes that agree in everything, of which bits 48 .. 63 are 0. */
static uint64_t
same(const void *arg, handle h)
{
	(void)h;
	return (uintptr_t)arg;
}

/* A tag of 0 would look like a free slot. */
START_TEST(tag_of_zero)
{
	struct index ix;
	struct index_probe p;
	handle h, seen = 0;

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, same, (void *)0x300);
	must(insert(&ix, 1));
	must(insert(&ix, 2));
	p = index_probe(&ix, 0x300);
	while ((h = index_next(&ix, &p)) != 0)
		seen += h;
	ck_assert_uint_eq(seen, 3);
	index_check(&ix);
}
END_TEST

START_TEST(replaces)
{
	struct index ix;
	struct index_probe p;

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, same, (void *)0x5000000000000300);
	/* far enough that the last ones stand in cells */
	for (handle h = 1; h <= 25; h++)
		must(insert(&ix, h));
	for (handle h = 1; h <= 25; h++) {
		must(find(&ix, h, &p));
		index_replace(&ix, &p, h + 100);
		must(!find(&ix, h, &p));
		must(find(&ix, h + 100, &p));
	}
	ck_assert_uint_eq(ix.items, 25);
	index_check(&ix);
}
END_TEST

/* Ops at random against a table of booleans. */
static void
against_map(unsigned shards, uint32_t start, unsigned turns)
{
	static bool present[KEYS];
	struct index *ix = calloc(shards, sizeof(*ix)), *x;
	struct index_probe p;
	uint64_t seed = 99, r, items = 0, total = 0;
	handle h;
	unsigned i, range;

	ck_assert_ptr_nonnull(ix);
	memset(present, 0, sizeof(present));
	open_space(shards, KEYS);
	for (i = 0; i < shards; i++)
		index_init(&ix[i], space, i, start, mix, NULL);
	for (i = 0; i < turns; i++) {
		r = rnd(&seed);
		/* keys come and go in swells */
		range = i / 100000 % 2 ? KEYS / 10 : KEYS;
		h = 1 + (handle)(r % (range - 1));
		x = &ix[mix(NULL, h) & (shards - 1)];
		must(find(x, h, &p) == present[h]);
		if (present[h] && (r >> 40) % 8 < 3) {
			index_remove(x, &p);
			present[h] = false;
			items--;
		} else if (!present[h] && (r >> 40) % 8 < 6) {
			must(insert(x, h));
			present[h] = true;
			items++;
		}
		if (i % (turns / 4) == 0)
			for (unsigned j = 0; j < shards; j++)
				index_check(&ix[j]);
	}
	for (h = 1; h < KEYS; h++)
		must(find(&ix[mix(NULL, h) & (shards - 1)], h, &p) ==
		    present[h]);
	for (i = 0; i < shards; i++) {
		index_check(&ix[i]);
		total += ix[i].items;
	}
	ck_assert_uint_eq(total, items);
	ck_assert_uint_gt(items, KEYS / 4);
	free(ix);
}

START_TEST(against_a_map)
{
	against_map(1, 0, 1000000);
}
END_TEST

START_TEST(against_a_map_in_shards)
{
	against_map(16, 1000, 300000);
}
END_TEST

/* Whoever walks upwards a bucket at a time sees all that was there from the
 * beginning to the end, while others come and go and buckets divide. */
START_TEST(walk_during_growth)
{
	enum { OLD = 20000, NEW = 60000 };
	static uint8_t seen[OLD + NEW + 1];
	struct index ix;
	handle list[CACHE_CLASSES * 2], next = OLD + 1;
	uint32_t b, before;
	unsigned n;

	open_space(4, OLD + NEW);
	index_init(&ix, space, 3, 0, mix, NULL);
	for (handle h = 1; h <= OLD; h++)
		must(insert(&ix, h));
	before = index_buckets(&ix);
	for (b = 0; b < index_buckets(&ix); b++) {
		n = index_list(&ix, b, list, CACHE_CLASSES * 2);
		ck_assert_uint_le(n, CACHE_CLASSES * 2);
		while (n-- > 0)
			seen[list[n]]++;
		for (int i = 0; i < 14 && next < OLD + NEW; i++)
			must(insert(&ix, next++));
		if (b % 3 == 0)
			drop(&ix, OLD + 1 + b / 3);
	}
	ck_assert_uint_gt(index_buckets(&ix), before * 2);
	for (handle h = 1; h <= OLD; h++)
		must(seen[h] >= 1);
	index_check(&ix);
}
END_TEST

START_TEST(list_is_bounded)
{
	struct index ix;
	handle list[4] = { 0 };

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, same, (void *)0x700);
	for (handle h = 1; h <= 12; h++)
		must(insert(&ix, h));
	ck_assert_uint_eq(index_list(&ix, 7, list, 3), 12);
	ck_assert_uint_ne(list[2], 0);
	ck_assert_uint_eq(list[3], 0);
	ck_assert_uint_eq(index_list(&ix, 6, list, 3), 0);
}
END_TEST

/* A chain has an end: a flood of equal hashes is refused, not served slowly. */
START_TEST(chain_is_bounded)
{
	struct index ix;
	handle h, most;

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, same, (void *)0x300);
	for (h = 1; insert(&ix, h); h++)
		must(h <= INDEX_CHAIN_MAX);
	most = h - 1;
	ck_assert_uint_eq(most, INDEX_CHAIN_MAX);
	ck_assert_uint_eq(ix.items, most);
	ck_assert_uint_eq(ix.cells_used, INDEX_CELLS_MAX);
	index_check(&ix);
	/* removed from the middle, it takes as many again */
	for (h = 15; h < 45; h++)
		drop(&ix, h);
	index_check(&ix);
	for (h = 15; h < 45; h++)
		must(insert(&ix, h));
	must(!insert(&ix, most + 1));
	index_check(&ix);
	for (h = 1; h <= most; h++)
		drop(&ix, h);
	ck_assert_uint_eq(ix.cells_used, 0);
	ck_assert_uint_eq(ix.items, 0);
	index_check(&ix);
}
END_TEST

/* As if the system had refused more: no cell is left. */
START_TEST(cells_run_out)
{
	static bool present[KEYS];
	struct index ix;
	struct index_probe p;
	handle h;
	unsigned refused = 0, served = 0;

	open_space(1, 1000);
	index_init(&ix, space, 0, 0, mix, NULL);
	space->cells_next = space->ncells - 20;
	for (h = 1; h < 30000; h++) {
		present[h] = insert(&ix, h);
		refused += !present[h];
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_le(ix.cells_used, 20);
	index_check(&ix);
	for (h = 1; h < 30000; h++)
		must(find(&ix, h, &p) == present[h]);
	/* what was refused changed nothing; room made is room had */
	for (h = 1; h < 30000; h++)
		if (present[h] && h % 2)
			drop(&ix, h);
	index_check(&ix);
	for (h = 1; h < 30000; h++)
		if (!present[h])
			served += insert(&ix, h);
	ck_assert_uint_gt(served, refused / 2);
	index_check(&ix);
}
END_TEST

/* More items than the space was made for: chains grow, then inserts fail; and
 * all is found. */
START_TEST(buckets_run_out)
{
	struct index ix;
	struct index_probe p;
	handle h, end;

	open_space(1, 1);
	index_init(&ix, space, 0, 0, mix, NULL);
	for (h = 1; insert(&ix, h); h++)
		must(h < 10000000);
	end = h;
	ck_assert_uint_eq(index_buckets(&ix), space->nlines);
	ck_assert_uint_gt(end, space->nlines * INDEX_SLOTS);
	index_check(&ix);
	for (h = 1; h < end; h++)
		must(find(&ix, h, &p));
}
END_TEST

START_TEST(memory_is_in_proportion_and_charged)
{
	struct index ix;
	size_t charged, start;

	open_space(1, KEYS);
	index_init(&ix, space, 0, 0, mix, NULL);
	start = a.charged;
	ck_assert_uint_eq(start, index_bytes(&ix));
	ck_assert_uint_le(start, 4096);
	for (handle h = 1; h < KEYS; h++) {
		must(insert(&ix, h));
		if (h % 10000 != 0)
			continue;
		charged = a.charged;
		ck_assert_uint_ge(charged, index_bytes(&ix));
		ck_assert_uint_lt(charged, (size_t)h * 19 / 2);
	}
	for (handle h = 1; h < KEYS; h++)
		drop(&ix, h);
	ck_assert_uint_eq(ix.cells_used, 0);
	index_check(&ix);
}
END_TEST

START_TEST(starts_as_large_as_wanted)
{
	struct index ix;
	uint32_t buckets;

	open_space(4, KEYS);
	index_init(&ix, space, 1, KEYS / 4, mix, NULL);
	buckets = index_buckets(&ix);
	ck_assert_uint_ge(buckets * INDEX_SLOTS, KEYS / 4);
	for (handle h = 1; h < KEYS / 4; h++)
		must(insert(&ix, h));
	ck_assert_uint_eq(index_buckets(&ix), buckets);
	index_check(&ix);
	/* more than the space holds is no reason to fail */
	index_init(&ix, space, 2, UINT32_MAX, mix, NULL);
	ck_assert_uint_le(index_buckets(&ix), space->nlines / 4);
	index_check(&ix);
}
END_TEST

/* ------------------------------------------------------------ threads */

static _Atomic bool stop;

static void *
peek(void *arg)
{
	const struct index *ix = arg;
	uint64_t seed = 5, sum = 0;

	while (!stop) {
		uint64_t hash = mix(NULL, (handle)(rnd(&seed) % KEYS));
		uint32_t cell = 0;
		const handle *spot = index_spot(ix, index_bucket(ix, hash),
		    hash, &cell);

		for (int i = 0; spot == NULL && cell != 0 && i < 3; i++)
			spot = index_spot_cell(ix, hash, &cell);
		if (spot != NULL)
			sum += index_peek(spot);
	}
	return (void *)(uintptr_t)(sum | 1);
}

/* Look-ahead needs no lock, whatever goes on. */
START_TEST(peeks_meanwhile)
{
	struct index ix;
	pthread_t t;
	void *sum;

	open_space(1, KEYS);
	index_init(&ix, space, 0, 0, mix, NULL);
	stop = false;
	ck_assert_int_eq(pthread_create(&t, NULL, peek, &ix), 0);
	for (handle h = 1; h < KEYS; h++) {
		must(insert(&ix, h));
		if (h % 3 == 0)
			drop(&ix, h - h / 3);
		if (h % 3 == 0)
			must(insert(&ix, h - h / 3));
	}
	stop = true;
	ck_assert_int_eq(pthread_join(t, &sum), 0);
	ck_assert_ptr_nonnull(sum);
	index_check(&ix);
}
END_TEST

struct own {
	struct index ix;
	handle from, to;
};

static void *
fill(void *arg)
{
	struct own *o = arg;
	struct index_probe p;

	for (handle h = o->from; h < o->to; h++)
		must(insert(&o->ix, h));
	for (handle h = o->from; h < o->to; h++)
		must(find(&o->ix, h, &p));
	return NULL;
}

/* Shards share nothing but the cells. */
START_TEST(shards_side_by_side)
{
	enum { SHARDS = 4 };
	static struct own o[SHARDS];
	pthread_t t[SHARDS];

	open_space(SHARDS, KEYS);
	for (unsigned i = 0; i < SHARDS; i++) {
		index_init(&o[i].ix, space, i, 0, mix, NULL);
		o[i].from = 1 + i * (KEYS / SHARDS);
		o[i].to = o[i].from + KEYS / SHARDS;
		ck_assert_int_eq(pthread_create(&t[i], NULL, fill, &o[i]), 0);
	}
	for (unsigned i = 0; i < SHARDS; i++) {
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
		index_check(&o[i].ix);
	}
}
END_TEST

Suite *index_suite(void);

Suite *
index_suite(void)
{
	Suite *s = suite_create("index");
	TCase *tc = tcase_create("index");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, matches_tags_alone);
	tcase_add_test(tc, finds_what_was_put_in);
	tcase_add_test(tc, tag_of_zero);
	tcase_add_test(tc, replaces);
	tcase_add_test(tc, against_a_map);
	tcase_add_test(tc, against_a_map_in_shards);
	tcase_add_test(tc, walk_during_growth);
	tcase_add_test(tc, list_is_bounded);
	tcase_add_test(tc, chain_is_bounded);
	tcase_add_test(tc, cells_run_out);
	tcase_add_test(tc, buckets_run_out);
	tcase_add_test(tc, memory_is_in_proportion_and_charged);
	tcase_add_test(tc, starts_as_large_as_wanted);
	tcase_add_test(tc, peeks_meanwhile);
	tcase_add_test(tc, shards_side_by_side);
	suite_add_tcase(s, tc);
	return s;
}
