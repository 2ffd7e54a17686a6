/* test_slab.c - slab/slab.h. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "slab/slab.h"

#define MB ((size_t)1 << 20)

/* Like ck_assert(), which writes to a file each time: for loops. */
#define must(x) ((x) ? (void)0 : ck_abort_msg("%s", #x))

static struct slab s;
static const char *why;

static void
open_slab(const struct cache_config *cf)
{
	ck_assert_int_eq(slab_init(&s, cf, &why), 0);
}

static void
open_default(size_t limit)
{
	open_slab(&(struct cache_config){ .memory_limit = limit });
}

static void
refuse(const struct cache_config *cf)
{
	why = NULL;
	ck_assert_int_eq(slab_init(&s, cf, &why), -1);
	ck_assert_ptr_nonnull(why);
}

static uint64_t
rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ------------------------------------------------------------ sizes */

/* What holds of any choice of sizes. */
static void
check_sizes(uint32_t unit)
{
	uint32_t last = 0, size, i;
	unsigned id;

	ck_assert_uint_ge(s.nclasses, 1);
	ck_assert_uint_lt(s.nclasses, CACHE_CLASSES);
	for (id = 1; id <= s.nclasses; id++, last = size) {
		size = s.classes[id].chunk_size;
		ck_assert_uint_gt(size, last);
		ck_assert_uint_eq(size % unit, 0);
		ck_assert_uint_eq(s.classes[id].per_page,
		    ARENA_PAGE_SIZE / size);
	}
	ck_assert_uint_eq(last, ARENA_PAGE_SIZE);
	for (i = 0; i <= ARENA_PAGE_SIZE; i++) {
		id = slab_class_for(&s, i);
		must(s.classes[id].chunk_size >= i);
		must(id == 1 || s.classes[id - 1].chunk_size < i);
	}
	ck_assert_uint_eq(slab_class_for(&s, ARENA_PAGE_SIZE + 1), 0);
}

START_TEST(default_sizes)
{
	static const struct {
		uint32_t item, chunk;
	} common[] = {
		{ 58, 60 }, { 98, 100 }, { 148, 148 }, { 248, 248 },
		{ 1048, 1056 },
	};
	unsigned id;
	uint32_t size;

	open_default(64 * MB);
	check_sizes(4);
	ck_assert_uint_eq(s.classes[1].chunk_size, 48);
	/* a key of 16 and values of 10, 50, 100, 200, 1000 bytes: what the
	 * memory of a cache is commonly judged by */
	for (unsigned i = 0; i < 5; i++) {
		id = slab_class_for(&s, common[i].item);
		ck_assert_uint_eq(s.classes[id].chunk_size, common[i].chunk);
	}
	for (id = 1; id < s.nclasses; id++) {
		size = s.classes[id].chunk_size;
		/* no tail of a page in which an eighth of a chunk is lost */
		ck_assert_uint_lt(ARENA_PAGE_SIZE % size,
		    8 * s.classes[id].per_page);
		if (size >= 96 && size < 4096)
			ck_assert_uint_le(s.classes[id + 1].chunk_size,
			    size + size / 7);
	}
	slab_fini(&s);
}
END_TEST

START_TEST(chosen_sizes)
{
	static const uint32_t list[] = { 100, 200, 1000, 40000, 0 };
	static const uint32_t above[] = { 64, 70000, 0 };
	static const uint32_t falling[] = { 200, 100, 0 };
	static const uint32_t tiny[] = { 8, 100, 0 };
	static const uint32_t sizes[] = { 100, 200, 1000, 40000, 65536 };
	struct cache_config cf = { .memory_limit = MB };
	static uint32_t many[100];
	unsigned i;

	cf.slab_sizes = list;
	open_slab(&cf);
	check_sizes(4);
	ck_assert_uint_eq(s.nclasses, 5);
	for (i = 0; i < 5; i++)
		ck_assert_uint_eq(s.classes[i + 1].chunk_size, sizes[i]);
	slab_fini(&s);
	cf.slab_sizes = above;
	open_slab(&cf);
	check_sizes(4);
	ck_assert_uint_eq(s.nclasses, 2);
	slab_fini(&s);
	cf.slab_sizes = falling;
	refuse(&cf);
	cf.slab_sizes = tiny;
	refuse(&cf);
	for (i = 0; i < 62; i++)
		many[i] = 48 + 8 * i;
	cf.slab_sizes = many;
	open_slab(&cf);
	check_sizes(4);
	ck_assert_uint_eq(s.nclasses, 63);
	slab_fini(&s);
	many[62] = 48 + 8 * 62;
	refuse(&cf);
}
END_TEST

/* However fine the steps, ids suffice for such as waste no more than
 * memcached's. */
START_TEST(fine_factors_reach_a_page)
{
	static const double factors[] = { 1.0001, 1.02, 1.05, 1.08, 1.1, 1.2,
		1.25 };
	struct cache_config cf = { .memory_limit = MB };
	uint32_t size;
	unsigned id;

	cf.growth_factor = factors[_i];
	open_slab(&cf);
	check_sizes(4);
	for (id = 1; id < s.nclasses; id++) {
		size = s.classes[id].chunk_size;
		/* a quarter and what makes them divide a page; of the largest
		 * 8 fit into one, 6, 4, 3, 2 */
		ck_assert_uint_le(s.classes[id + 1].chunk_size, size +
		    (size < ARENA_PAGE_SIZE / 8 ? size * 2 / 5 : size));
	}
	slab_fini(&s);
}
END_TEST

START_TEST(factors_and_least_sizes)
{
	static const double factors[] = { 1.0001, 1.08, 1.25, 2, 1e9 };
	static const double bad[] = { 1, 0.5, -3, (double)__builtin_nanf("") };
	struct cache_config cf = { .memory_limit = MB };
	unsigned i;

	for (i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		cf.growth_factor = factors[i];
		open_slab(&cf);
		check_sizes(4);
		slab_fini(&s);
	}
	ck_assert_uint_eq(s.nclasses, 2); /* the last one: 48, 65536 */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cf.growth_factor = bad[i];
		refuse(&cf);
	}
	cf.growth_factor = 0;
	cf.chunk_min = 200;
	open_slab(&cf);
	check_sizes(4);
	ck_assert_uint_ge(s.classes[1].chunk_size, 232);
	ck_assert_uint_lt(s.classes[1].chunk_size, 240);
	slab_fini(&s);
	cf.chunk_min = ARENA_PAGE_SIZE - sizeof(struct item);
	open_slab(&cf);
	ck_assert_uint_eq(s.nclasses, 1);
	slab_fini(&s);
	cf.chunk_min++;
	refuse(&cf);
	cf.chunk_min = UINT32_MAX;
	refuse(&cf);
	cf = (struct cache_config){ .memory_limit = 0 };
	refuse(&cf);
}
END_TEST

/* Units above 4 bytes: sizes and handles are multiples of them. */
START_TEST(large_units)
{
	struct cache_config cf = {
		.memory_limit = (size_t)100 << 30,
		.fixed_limit = true,
	};
	handle h;

	open_slab(&cf);
	ck_assert_uint_eq(s.arena.unit_shift, 5);
	check_sizes(32);
	for (unsigned i = 0; i < 3000; i++) {
		h = slab_alloc(&s, 1 + i % s.nclasses);
		must(h != 0);
		memset(slab_at(&s, h), 0xff, slab_chunk_size(&s, h));
		if (i % 3 == 0)
			slab_free(&s, h);
	}
	slab_check(&s);
	slab_fini(&s);
}
END_TEST

/* ------------------------------------------------------------ chunks */

START_TEST(fills_up_and_empties)
{
	unsigned id;
	uint32_t n, size;
	handle *h = malloc(sizeof(*h) * 16 * 1400);

	ck_assert_ptr_nonnull(h);
	open_default(MB);
	for (id = 1; id <= s.nclasses; id++) {
		size = s.classes[id].chunk_size;
		for (n = 0; (h[n] = slab_alloc(&s, id)) != 0; n++) {
			must(item_state(slab_at(&s, h[n])) == ITEM_FREE);
			must(slab_chunk_size(&s, h[n]) == size);
			memset(slab_at(&s, h[n]), 0xff, size);
		}
		/* every chunk of every page of the limit */
		ck_assert_uint_eq(n, 16 * s.classes[id].per_page);
		ck_assert_uint_eq(s.classes[id].used, n);
		ck_assert_uint_eq(s.classes[id].pages, 16);
		ck_assert_uint_eq(arena_room(&s.arena), 0);
		slab_check(&s);
		while (n-- > 0)
			slab_free(&s, h[n]);
		ck_assert_uint_eq(s.classes[id].used, 0);
		ck_assert_uint_eq(s.classes[id].pages, 0);
		ck_assert_uint_eq(arena_room(&s.arena), 16);
		slab_check(&s);
	}
	slab_fini(&s);
	free(h);
}
END_TEST

START_TEST(empty_page_returns)
{
	unsigned big, small;
	handle h[3];

	open_default(2 * ARENA_PAGE_SIZE);
	big = slab_class_for(&s, 30000);
	small = slab_class_for(&s, 60);
	ck_assert_uint_eq(s.classes[big].per_page, 2);
	for (int i = 0; i < 3; i++)
		h[i] = slab_alloc(&s, big);
	ck_assert_uint_ne(h[2], 0);
	ck_assert_uint_eq(slab_alloc(&s, small), 0);
	slab_free(&s, h[0]);
	ck_assert_uint_eq(slab_alloc(&s, small), 0);
	slab_free(&s, h[1]);
	/* the page of both is whoever's needs it */
	ck_assert_uint_eq(s.classes[big].pages, 1);
	h[0] = slab_alloc(&s, small);
	ck_assert_uint_ne(h[0], 0);
	ck_assert_uint_eq(arena_class_of(&s.arena, h[0]), small);
	slab_check(&s);
	slab_free(&s, h[0]);
	slab_free(&s, h[2]);
	slab_check(&s);
	slab_fini(&s);
}
END_TEST

struct held {
	handle h;
	uint32_t size;
	unsigned char mark;
};

static void
fill(struct held *x, handle h, unsigned char mark)
{
	x->h = h;
	x->mark = mark;
	x->size = slab_chunk_size(&s, h);
	/* all but the state, which somebody may peek at */
	memset((char *)slab_at(&s, h) + 8, mark, x->size - 8);
}

static void
drop(struct held *x)
{
	const unsigned char *p = slab_at(&s, x->h);

	for (uint32_t i = 8; i < x->size; i += 1 + i / 8)
		must(p[i] == x->mark);
	must(p[x->size - 1] == x->mark);
	slab_free(&s, x->h);
	x->h = 0;
}

START_TEST(random_use)
{
	enum { HELD = 4000, TURNS = 100000 };
	static struct held held[HELD];
	uint64_t seed = 42, r;
	unsigned refused = 0, id;
	struct held *x;
	handle h;

	open_default(4 * MB);
	for (unsigned i = 0; i < TURNS; i++) {
		r = rnd(&seed);
		x = &held[r % HELD];
		/* sizes wander, so that pages change classes */
		id = 1 + (i / 5000 * 7 + (r >> 32) % 12) % s.nclasses;
		if (x->h != 0)
			drop(x);
		else if ((h = slab_alloc(&s, id)) != 0)
			fill(x, h, (unsigned char)(r >> 20));
		else
			refused++;
		if (i % 1000 == 0)
			slab_check(&s);
	}
	ck_assert_uint_gt(refused, 0);
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].h != 0)
			drop(&held[i]);
	slab_check(&s);
	ck_assert_uint_eq(arena_room(&s.arena), 64);
	slab_fini(&s);
}
END_TEST

/* ------------------------------------------------------------ pages */

START_TEST(drains)
{
	unsigned id;
	uint32_t n, i, per;
	handle h[200];

	open_default(2 * ARENA_PAGE_SIZE);
	id = slab_class_for(&s, 1000);
	per = s.classes[id].per_page;
	ck_assert_uint_le(per, 100);
	ck_assert_uint_eq(slab_pick_page(&s, id), ARENA_NONE);
	for (i = 0; i < per + 3; i++)
		h[i] = slab_alloc(&s, id);
	/* the one with three chunks, not the full one */
	n = slab_pick_page(&s, id);
	ck_assert_uint_eq(n, arena_page_of(&s.arena, h[per]));
	ck_assert(slab_drain(&s, id, n));
	ck_assert(!slab_drain(&s, id, n));
	ck_assert(!slab_drain(&s, id + 1, arena_page_of(&s.arena, h[0])));
	slab_check(&s);
	/* nothing is given out of it, though the class has free chunks */
	ck_assert_uint_eq(slab_alloc(&s, id), 0);
	slab_free(&s, h[per]);
	ck_assert_uint_eq(slab_alloc(&s, id), 0);
	slab_check(&s);
	slab_undrain(&s, n);
	slab_check(&s);
	h[per] = slab_alloc(&s, id);
	ck_assert_uint_eq(arena_page_of(&s.arena, h[per]), n);

	/* emptied, it is the arena's */
	ck_assert(slab_drain(&s, id, n));
	ck_assert_uint_eq(arena_room(&s.arena), 0);
	for (i = per; i < per + 3; i++)
		slab_free(&s, h[i]);
	ck_assert_uint_eq(arena_room(&s.arena), 1);
	ck_assert(!slab_drain(&s, id, n));
	slab_undrain(&s, n); /* too late: no harm */
	slab_check(&s);

	/* a full page, drained and put back, is picked again */
	n = slab_pick_page(&s, id);
	ck_assert_uint_eq(n, arena_page_of(&s.arena, h[0]));
	ck_assert(slab_drain(&s, id, n));
	ck_assert_uint_eq(slab_pick_page(&s, id), ARENA_NONE);
	slab_undrain(&s, n);
	slab_check(&s);
	ck_assert_uint_eq(slab_pick_page(&s, id), n);
	slab_fini(&s);
}
END_TEST

/* One page of several leaves the list, and chunks of all are freed. */
START_TEST(drains_one_of_many)
{
	enum { PAGES = 5 };
	unsigned id, i, j;
	uint32_t per, n[PAGES];
	handle h[PAGES][8];

	open_default(PAGES * ARENA_PAGE_SIZE);
	id = slab_class_for(&s, 8192);
	per = s.classes[id].per_page;
	ck_assert_uint_eq(per, 8);
	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < per; j++)
			h[i][j] = slab_alloc(&s, id);
		n[i] = arena_page_of(&s.arena, h[i][0]);
	}
	/* page 2 has the fewest in use */
	for (i = 0; i < PAGES; i++)
		for (j = 0; j < (i == 2 ? 3 : 2); j++)
			slab_free(&s, h[i][j]);
	ck_assert_uint_eq(slab_pick_page(&s, id), n[2]);
	ck_assert(slab_drain(&s, id, n[2]));
	ck_assert_uint_ne(slab_pick_page(&s, id), n[2]);
	slab_check(&s);
	/* its neighbours go to another list meanwhile */
	for (i = 0; i < PAGES; i++)
		while (i != 2 && s.arena.pages[n[i]].used < per)
			ck_assert_uint_ne(slab_alloc(&s, id), 0);
	slab_free(&s, h[3][5]);
	for (j = 3; j < per; j++) {
		slab_free(&s, h[2][j]);
		slab_check(&s);
	}
	ck_assert_uint_eq(slab_alloc(&s, id), h[3][5]);
	ck_assert_uint_eq(s.classes[id].pages, PAGES - 1);
	/* likewise one that is full when it leaves */
	ck_assert(slab_drain(&s, id, n[1]));
	slab_free(&s, h[1][4]);
	slab_check(&s);
	slab_free(&s, h[0][4]);
	slab_check(&s);
	ck_assert_uint_eq(slab_alloc(&s, id), h[0][4]);
	slab_undrain(&s, n[1]);
	slab_check(&s);
	ck_assert_uint_eq(slab_alloc(&s, id), h[1][4]);
	slab_fini(&s);
}
END_TEST

/* A page that could not be drained is not the next one picked. */
START_TEST(picks_in_turn)
{
	unsigned id;
	uint32_t first, second;

	open_default(4 * ARENA_PAGE_SIZE);
	id = slab_class_for(&s, ARENA_PAGE_SIZE);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_ne(slab_alloc(&s, id), 0);
	first = slab_pick_page(&s, id);
	ck_assert(slab_drain(&s, id, first));
	slab_undrain(&s, first);
	second = slab_pick_page(&s, id);
	ck_assert_uint_ne(first, second);
	slab_check(&s);
	slab_fini(&s);
}
END_TEST

enum { THREADS = 4, TURNS = 10000, HELD = 64 };

static void *
use(void *arg)
{
	struct held held[HELD] = { 0 };
	uint64_t seed = 1 + (uintptr_t)arg, r;
	struct held *x;
	uint32_t n;
	unsigned id;
	handle h;

	for (unsigned i = 0; i < TURNS; i++) {
		r = rnd(&seed);
		x = &held[r % HELD];
		id = 30 + (r >> 40) % 8;
		if (x->h != 0)
			drop(x);
		else if ((h = slab_alloc(&s, id)) != 0)
			fill(x, h, (unsigned char)(uintptr_t)arg);
		if ((r >> 50) % 16 == 0) {
			n = slab_pick_page(&s, id);
			if (n != ARENA_NONE && slab_drain(&s, id, n))
				slab_undrain(&s, n);
		}
	}
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].h != 0)
			drop(&held[i]);
	return NULL;
}

START_TEST(threads)
{
	pthread_t t[THREADS];
	uintptr_t i;

	open_default(MB);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, use,
		    (void *)(i + 1)), 0);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	slab_check(&s);
	ck_assert_uint_eq(arena_room(&s.arena), 16);
	slab_fini(&s);
}
END_TEST

Suite *slab_suite(void);

Suite *
slab_suite(void)
{
	Suite *suite = suite_create("slab");
	TCase *tc = tcase_create("slab");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, default_sizes);
	tcase_add_test(tc, chosen_sizes);
	tcase_add_loop_test(tc, fine_factors_reach_a_page, 0, 7);
	tcase_add_test(tc, factors_and_least_sizes);
	tcase_add_test(tc, large_units);
	tcase_add_test(tc, fills_up_and_empties);
	tcase_add_test(tc, empty_page_returns);
	tcase_add_test(tc, random_use);
	tcase_add_test(tc, drains);
	tcase_add_test(tc, drains_one_of_many);
	tcase_add_test(tc, picks_in_turn);
	tcase_add_test(tc, threads);
	suite_add_tcase(suite, tc);
	return suite;
}
