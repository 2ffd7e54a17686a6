/* test_ahead.c - slab/ahead.h, and cache_provide(). */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "slab/door.h"

#define MB ((size_t)1 << 20)

enum { END_MB = 32, PLAIN_MB = 4, REACH_MB = 3 };

static struct ahead a;

static void
setup(void)
{
	char *base = arena_map(END_MB * MB);

	ck_assert_ptr_nonnull(base);
	ahead_init(&a, base, END_MB * MB, PLAIN_MB * MB, REACH_MB * MB);
}

static void
teardown(void)
{
	arena_unmap(a.base, END_MB * MB);
}

static size_t
resident(void)
{
	static unsigned char vec[END_MB * MB / 4096];
	size_t n = 0;

	ck_assert_int_eq(mincore(a.base, END_MB * MB, vec), 0);
	for (size_t i = 0; i < sizeof(vec); i++)
		n += vec[i] & 1;
	return n * 4096;
}

static unsigned
steps(size_t most)
{
	unsigned n = 0;

	while (ahead_step(&a, most)) {
		ck_assert_uint_ge(a.ready, a.used);
		ck_assert_uint_le(a.ready, most);
		ck_assert_uint_lt(++n, 1000);
	}
	return n;
}

START_TEST(what_is_unused_stays_so)
{
	ck_assert_uint_eq(steps(END_MB * MB), 0);
	ck_assert_uint_eq(resident(), 0);
}
END_TEST

START_TEST(as_much_again_but_not_more_than_the_reach)
{
	ck_assert(ahead_use(&a, MB / 2));
	ck_assert(!ahead_use(&a, MB / 2));
	ck_assert_uint_gt(steps(END_MB * MB), 1);
	ck_assert_uint_ge(a.ready, MB);
	ck_assert_uint_lt(a.ready, MB + MB / 4);
	ck_assert(!ahead_use(&a, MB / 2 + 4096));
	ck_assert(ahead_use(&a, 7 * MB));
	steps(END_MB * MB);
	ck_assert_uint_ge(a.ready, 10 * MB);
	ck_assert_uint_le(a.ready, 12 * MB);
	/* half of it may be taken before it is low */
	ck_assert(!ahead_use(&a, 8 * MB));
	ck_assert(ahead_use(&a, 11 * MB));
}
END_TEST

START_TEST(no_further_than_it_may)
{
	ahead_use(&a, 9 * MB);
	steps(10 * MB);
	ck_assert_uint_eq(a.ready, 10 * MB);
	ck_assert_uint_le(resident(), MB);
	ahead_use(&a, 31 * MB);
	steps(END_MB * MB);
	ck_assert_uint_eq(a.ready, 32 * MB);
}
END_TEST

/* A worker that was quicker has what it touched itself. */
START_TEST(what_is_in_use_is_left_alone)
{
	size_t changed = 0;

	memset(a.base + 9 * MB, 0xa5, MB);
	ahead_use(&a, 9 * MB + MB / 2);
	steps(END_MB * MB);
	for (size_t i = 0; i < MB; i++)
		changed += a.base[9 * MB + i] != (char)0xa5;
	ck_assert_uint_eq(changed, 0);
	ck_assert_uint_ge(resident(), 3 * MB);
	ck_assert_uint_le(a.ready, 14 * MB);
}
END_TEST

static void *
provide(void *arg)
{
	cache_provide(arg);
	return NULL;
}

/* Pages are taken, and those beyond are faulted, not beyond the limit. */
START_TEST(a_thread_goes_ahead)
{
	const char *why;
	struct cache *c = cache_new(&(struct cache_config){
	    .memory_limit = 4 * MB }, &why);
	struct ahead *memory = &c->slab.arena.memory;
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, provide, c), 0);
	for (unsigned n = 0; n < 10; n++)
		ck_assert_uint_ne(slab_alloc(&c->slab, 1 + n), 0);
	/* Eleven, and half as many: nobody rings while that is there. */
	while (atomic_load(&memory->ready) < 16 * ARENA_PAGE_SIZE)
		sched_yield();
	ck_assert_uint_lt(memory->ready, 30 * ARENA_PAGE_SIZE);
	while (slab_alloc(&c->slab, c->slab.nclasses) != 0)
		;
	cache_provide_end(c);
	pthread_join(t, NULL);
	ck_assert_uint_le(memory->ready, 4 * MB + ARENA_PAGE_SIZE);
	cache_free(&c);
}
END_TEST

START_TEST(it_ends_before_it_begins)
{
	const char *why;
	struct cache *c = cache_new(&(struct cache_config){
	    .memory_limit = 4 * MB }, &why);

	cache_provide_end(c);
	cache_provide(c);
	cache_free(&c);
}
END_TEST

Suite *ahead_suite(void);

Suite *
ahead_suite(void)
{
	Suite *s = suite_create("ahead");
	TCase *t = tcase_create("ahead");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_unused_stays_so);
	tcase_add_test(t, as_much_again_but_not_more_than_the_reach);
	tcase_add_test(t, no_further_than_it_may);
	tcase_add_test(t, what_is_in_use_is_left_alone);
	tcase_add_test(t, a_thread_goes_ahead);
	tcase_add_test(t, it_ends_before_it_begins);
	suite_add_tcase(s, t);
	return s;
}
