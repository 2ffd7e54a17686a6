/* test_lock.c - slab/lock.h. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "slab/lock.h"

static struct lock shard, shard2, class, arena;

static void
setup(void)
{
	lock_init(&shard, LOCK_SHARD);
	lock_init(&shard2, LOCK_SHARD);
	lock_init(&class, LOCK_CLASS);
	lock_init(&arena, LOCK_ARENA);
}

static void
teardown(void)
{
	ck_assert_uint_eq(lock_held, 0);
	lock_fini(&shard);
	lock_fini(&shard2);
	lock_fini(&class);
	lock_fini(&arena);
}

START_TEST(order_is_accepted)
{
	lock_acquire(&shard);
	lock_acquire(&class);
	lock_acquire(&arena);
	lock_release(&arena);
	lock_release(&class);
	lock_acquire(&arena);
	/* released in any order */
	lock_release(&shard);
	lock_release(&arena);
	lock_acquire(&shard);
	lock_release(&shard);
}
END_TEST

START_TEST(try_is_exempt)
{
	lock_acquire(&arena);
	ck_assert(lock_try(&shard));
	ck_assert(lock_try(&shard2));
	lock_release(&shard);
	lock_release(&arena);
	/* one of two locks of the rank is still held */
	ck_assert_uint_ne(lock_held, 0);
	lock_acquire(&class);
	lock_release(&class);
	lock_release(&shard2);
}
END_TEST

static void *
try_it(void *arg)
{
	bool *got = arg;

	*got = lock_try(&shard);
	if (*got)
		lock_release(&shard);
	return NULL;
}

static bool
another_gets_it(void)
{
	pthread_t t;
	bool got;

	ck_assert_int_eq(pthread_create(&t, NULL, try_it, &got), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	return got;
}

START_TEST(try_fails_while_held)
{
	lock_acquire(&shard);
	ck_assert(!another_gets_it());
	/* a refused one is not counted as held */
	ck_assert(!lock_try(&shard));
	lock_release(&shard);
	ck_assert_uint_eq(lock_held, 0);
	ck_assert(another_gets_it());
}
END_TEST

enum { TURNS = 20000, THREADS = 4 };
static unsigned turns;

static void *
count(void *arg)
{
	(void)arg;
	for (int i = 0; i < TURNS; i++) {
		lock_acquire(&class);
		turns++;
		lock_release(&class);
	}
	return NULL;
}

START_TEST(excludes)
{
	pthread_t t[THREADS];

	turns = 0;
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(turns, TURNS * THREADS);
}
END_TEST

/* Threads that found the lock taken for long, and sleep. */
static unsigned inside, entered;

static void
enter(void)
{
	lock_acquire(&shard);
	ck_assert_uint_eq(inside++, 0);
	for (int i = 0; i < 100; i++)
		sched_yield();
	ck_assert_uint_eq(inside--, 1);
	entered++;
	lock_release(&shard);
}

static void *
enter_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		enter();
	return NULL;
}

START_TEST(sleepers_wake)
{
	pthread_t t[THREADS];
	unsigned long turn;

	inside = entered = 0;
	lock_acquire(&shard);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, enter_often,
		    NULL), 0);
	for (turn = 0; atomic_load(&shard.state) != LOCK_WANTED; turn++) {
		ck_assert_uint_lt(turn, 10000000);
		sched_yield();
	}
	ck_assert_uint_eq(entered, 0);
	lock_release(&shard);
	enter_often(NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(entered, 20 * (THREADS + 1));
}
END_TEST

static void
hush(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

START_TEST(reversed_order_aborts)
{
	hush();
	lock_acquire(&class);
	lock_acquire(&shard);
}
END_TEST

START_TEST(same_rank_aborts)
{
	hush();
	lock_acquire(&shard);
	lock_acquire(&shard2);
}
END_TEST

START_TEST(release_of_unheld_aborts)
{
	hush();
	lock_release(&arena);
}
END_TEST

Suite *lock_suite(void);

Suite *
lock_suite(void)
{
	Suite *s = suite_create("lock");
	TCase *tc = tcase_create("lock");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, order_is_accepted);
	tcase_add_test(tc, try_is_exempt);
	tcase_add_test(tc, try_fails_while_held);
	tcase_add_test(tc, excludes);
	tcase_add_test(tc, sleepers_wake);
	tcase_add_test_raise_signal(tc, reversed_order_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, same_rank_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, release_of_unheld_aborts, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
