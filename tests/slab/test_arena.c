/* test_arena.c - slab/arena.h. */
#include <check.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "slab/arena.h"

#define MB ((size_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct arena a;
static const char *why;

static void
open_arena(size_t limit, bool fixed)
{
	ck_assert_int_eq(arena_init(&a, limit, fixed, &why), 0);
}

static uint32_t
take(void)
{
	uint32_t n = arena_take(&a);

	if (n != ARENA_NONE)
		a.pages[n].class_id = 1;
	return n;
}

static char *
page(uint32_t n)
{
	return a.base + ((size_t)n << ARENA_PAGE_SHIFT);
}

static bool
is_resident(uint32_t n)
{
	unsigned char vec[ARENA_PAGE_SIZE / 4096];

	ck_assert_int_eq(mincore(page(n), ARENA_PAGE_SIZE, vec), 0);
	return vec[0] & 1;
}

START_TEST(pages_up_to_the_limit)
{
	uint32_t i, n;

	open_arena(MB, false);
	ck_assert_uint_eq((uintptr_t)a.base % (2 * MB), 0);
	ck_assert_uint_eq(arena_room(&a), 16);
	for (i = 1; i <= 16; i++) {
		n = take();
		ck_assert_uint_eq(n, i); /* never page 0 */
		memset(page(n), 0xa5, ARENA_PAGE_SIZE);
		ck_assert_uint_eq(arena_room(&a), 16 - i);
	}
	ck_assert_uint_eq(take(), ARENA_NONE);
	arena_check(&a);
	arena_give(&a, 7);
	ck_assert_uint_eq(arena_room(&a), 1);
	a.pages[7].used = 99;
	ck_assert_uint_eq(take(), 7);
	ck_assert_uint_eq(a.pages[7].used, 0);
	ck_assert_uint_eq(take(), ARENA_NONE);
	arena_check(&a);
	arena_fini(&a);
}
END_TEST

START_TEST(handles_and_addresses)
{
	uint32_t n;
	handle h;

	open_arena(MB, false);
	ck_assert_uint_eq(a.unit_shift, 2);
	take();
	n = take();
	h = arena_handle(&a, page(n) + 64);
	ck_assert_ptr_eq(arena_at(&a, h), page(n) + 64);
	ck_assert_uint_eq(arena_page_of(&a, h), n);
	a.pages[n].class_id = 5;
	ck_assert_uint_eq(arena_class_of(&a, h), 5);
	arena_fini(&a);
}
END_TEST

/* What 32 bits cannot count in units of 4 bytes is counted in larger ones. */
START_TEST(unit_follows_the_limit)
{
	static const struct {
		size_t limit;
		unsigned shift;
	} cases[] = {
		{ 15 * 1024 * MB, 2 },
		{ 16 * 1024 * MB, 3 }, /* with page 0 it is above */
		{ 31 * 1024 * MB, 3 },
		{ 32 * 1024 * MB, 4 },
		{ 60 * 1024 * MB, 4 },
		{ 400 * 1024 * MB, 7 },
	};
	size_t i;
	size_t at;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_arena(cases[i].limit, true);
		ck_assert_uint_eq(a.unit_shift, cases[i].shift);
		ck_assert_uint_ge(a.reserved, cases[i].limit + 65536);
		at = a.reserved - ((size_t)1 << a.unit_shift);
		ck_assert_ptr_eq(arena_at(&a, arena_handle(&a, a.base + at)),
		    a.base + at);
		arena_fini(&a);
	}
}
END_TEST

START_TEST(limit_moves)
{
	uint32_t i;

	open_arena(MB, false);
	for (i = 0; i < 16; i++)
		page(take())[0] = 1;
	ck_assert(arena_set_limit(&a, 2 * MB));
	ck_assert_uint_eq(arena_room(&a), 16);
	for (i = 0; i < 16; i++)
		page(take())[0] = 1;
	ck_assert_uint_eq(take(), ARENA_NONE);
	ck_assert(!arena_set_limit(&a, 0));
	ck_assert(!arena_set_limit(&a, a.reserved));

	/* Pages in classes stay until they are given. */
	ck_assert(arena_set_limit(&a, MB));
	ck_assert_uint_eq(arena_excess(&a), 16);
	ck_assert_uint_eq(arena_room(&a), 0);
	for (i = 1; i <= 16; i++) {
		ck_assert(is_resident(i));
		arena_give(&a, i);
		ck_assert_uint_eq(arena_excess(&a), 16 - i);
		ck_assert(arena_cool(&a));
		ck_assert(!is_resident(i));
	}
	ck_assert_uint_eq(take(), ARENA_NONE);
	/* Below the limit they keep their memory ... */
	arena_give(&a, 20);
	ck_assert(!arena_cool(&a));
	ck_assert(is_resident(20));
	/* ... until the limit falls once more. */
	ck_assert(arena_set_limit(&a, MB / 2));
	ck_assert(arena_cool(&a));
	ck_assert(!arena_cool(&a));
	ck_assert(!is_resident(20));
	arena_check(&a);

	/* All are there again after it rises. */
	ck_assert(arena_set_limit(&a, 2 * MB));
	ck_assert_uint_eq(arena_room(&a), 17);
	for (i = 0; i < 17; i++)
		ck_assert_uint_le(take(), 32);
	ck_assert_uint_eq(take(), ARENA_NONE);
	arena_check(&a);
	arena_fini(&a);
}
END_TEST

START_TEST(fixed_limit_cannot_rise)
{
	open_arena(MB, true);
	ck_assert_uint_eq(a.reserved, MB + ARENA_PAGE_SIZE);
	ck_assert(!arena_set_limit(&a, 2 * MB));
	ck_assert(arena_set_limit(&a, MB / 2));
	ck_assert(arena_set_limit(&a, MB));
	ck_assert_uint_eq(arena_room(&a), 16);
	arena_fini(&a);
}
END_TEST

START_TEST(bad_limits)
{
	why = NULL;
	ck_assert_int_eq(arena_init(&a, 0, false, &why), -1);
	ck_assert_ptr_nonnull(why);
	why = NULL;
	ck_assert_int_eq(arena_init(&a, SIZE_MAX, true, &why), -1);
	ck_assert_ptr_nonnull(why);
}
END_TEST

/* A third is free for the index, but from 3/256 to 1/16 of the limit. */
START_TEST(charges)
{
	open_arena(16 * MB, false);
	ck_assert_uint_eq(arena_room(&a), 256);
	arena_charge(&a, 3 * MB / 16);
	ck_assert_uint_eq(arena_room(&a), 256);
	arena_charge(&a, 1);
	ck_assert_uint_eq(arena_room(&a), 255);
	arena_charge(&a, 21 * MB / 16 - 1);
	ck_assert_uint_eq(arena_room(&a), 256 - 16);
	arena_charge(&a, 5 * MB / 2);
	ck_assert_uint_eq(arena_room(&a), 256 - 48);
	for (int i = 0; i < 256 - 48; i++)
		ck_assert_uint_ne(take(), ARENA_NONE);
	ck_assert_uint_eq(take(), ARENA_NONE);
	arena_charge(&a, MB);
	ck_assert_uint_eq(arena_excess(&a), 16);
	arena_give(&a, 1);
	ck_assert_uint_eq(take(), ARENA_NONE);
	ck_assert_uint_eq(arena_take_in_exchange(&a), 1);
	a.pages[1].class_id = 1;
	ck_assert_uint_eq(arena_excess(&a), 16);
	arena_charge(&a, 100 * MB); /* more than there is */
	ck_assert_uint_eq(arena_room(&a), 0);
	ck_assert_uint_eq(arena_excess(&a), 256 - 48);
	arena_charge(&a, -105 * (ptrdiff_t)MB);
	ck_assert_uint_eq(arena_room(&a), 48);
	arena_fini(&a);
}
END_TEST

/* The system grants little: less is reserved; too little: it says so. */
START_TEST(address_space_is_refused)
{
	struct rlimit rl = { 1024 * MB, 1024 * MB };

	if (SANITIZED) /* their shadow is above any limit */
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &rl), 0);
	open_arena(64 * MB, false);
	ck_assert_uint_le(a.reserved, 256 * MB);
	ck_assert_uint_ge(a.reserved, 64 * MB + ARENA_PAGE_SIZE);
	ck_assert_uint_eq(arena_room(&a), 1024);
	ck_assert(arena_set_limit(&a, 128 * MB));
	arena_fini(&a);
	/* more than a quarter, if it is wanted */
	open_arena(700 * MB, false);
	ck_assert_uint_eq(a.reserved, 700 * MB + ARENA_PAGE_SIZE);
	arena_fini(&a);
	why = NULL;
	ck_assert_int_eq(arena_init(&a, 2048 * MB, false, &why), -1);
	ck_assert_ptr_nonnull(why);
}
END_TEST

/* A large mapping costs nothing until it is used. */
START_TEST(reserves_without_committing)
{
	struct rusage before, after;

	if (SANITIZED)
		return;
	getrusage(RUSAGE_SELF, &before);
	open_arena(1024 * MB, false);
	ck_assert_uint_ge(a.reserved, 2048 * MB);
	page(take())[0] = 1;
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 1024);
	arena_fini(&a);
}
END_TEST

enum { THREADS = 4, TURNS = 20000, HELD = 8 };

static void *
take_and_give(void *arg)
{
	uint32_t held[HELD] = { 0 }, mark = (uint32_t)(uintptr_t)arg;
	unsigned i, at;

	for (i = 0; i < TURNS; i++) {
		at = i * 7 % HELD;
		if (held[at] != 0) {
			/* nobody else had it meanwhile */
			ck_assert_uint_eq(*(uint32_t *)page(held[at]), mark);
			arena_give(&a, held[at]);
			held[at] = 0;
			continue;
		}
		held[at] = take();
		if (held[at] == ARENA_NONE)
			held[at] = 0;
		else
			*(uint32_t *)page(held[at]) = mark;
		if (mark == 1 && i % 1000 == 0)
			arena_set_limit(&a, i % 2000 ? MB / 4 : MB);
	}
	for (at = 0; at < HELD; at++)
		if (held[at] != 0)
			arena_give(&a, held[at]);
	return NULL;
}

START_TEST(threads)
{
	pthread_t t[THREADS];
	uintptr_t i;

	open_arena(MB, true);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, take_and_give,
				     (void *)(i + 1)),
		    0);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	arena_check(&a);
	ck_assert_uint_eq(a.in_use, 0);
	arena_fini(&a);
}
END_TEST

Suite *arena_suite(void);

Suite *
arena_suite(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pages_up_to_the_limit);
	tcase_add_test(tc, handles_and_addresses);
	tcase_add_test(tc, unit_follows_the_limit);
	tcase_add_test(tc, limit_moves);
	tcase_add_test(tc, fixed_limit_cannot_rise);
	tcase_add_test(tc, bad_limits);
	tcase_add_test(tc, charges);
	tcase_add_test(tc, address_space_is_refused);
	tcase_add_test(tc, reserves_without_committing);
	tcase_add_test(tc, threads);
	suite_add_tcase(s, tc);
	return s;
}
