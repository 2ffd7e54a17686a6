/* test_ghost.c - slab/ghost.h. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "slab/ghost.h"

enum { BUCKETS = 16 };

static struct ghost_bucket table[BUCKETS];
static struct ghosts ghosts;
static struct arena arena; /* nothing but its account is used */

static uint64_t
hash(uint64_t n)
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

static void
setup(void)
{
	memset(table, 0, sizeof(table));
	arena.charged = 0;
	ghosts_init(&ghosts, table, BUCKETS, &arena);
}

START_TEST(remembers_once)
{
	ck_assert(!ghosts_take(&ghosts, hash(1)));
	ghosts_add(&ghosts, hash(1), 100);
	ghosts_add(&ghosts, hash(2), 100);
	ghosts_check(&ghosts);
	ck_assert(ghosts_take(&ghosts, hash(1)));
	ghosts_check(&ghosts);
	ck_assert(!ghosts_take(&ghosts, hash(1)));
	ck_assert(ghosts_take(&ghosts, hash(2)));
}
END_TEST

/* About as many as there are items; the last ones. */
START_TEST(forgets_the_oldest)
{
	unsigned late = 0, early = 0;

	for (unsigned n = 0; n < 2000; n++)
		ghosts_add(&ghosts, hash(n), 400);
	ck_assert_uint_eq(ghosts.n, 16);
	ghosts_check(&ghosts);
	for (unsigned n = 1800; n < 2000; n++)
		late += ghosts_take(&ghosts, hash(n));
	for (unsigned n = 0; n < 1000; n++)
		early += ghosts_take(&ghosts, hash(n));
	ck_assert_uint_eq(late, 200);
	ck_assert_uint_lt(early, 10);
	ghosts_check(&ghosts);
}
END_TEST

START_TEST(follows_the_number_of_items)
{
	ghosts_add(&ghosts, hash(1), 10);
	ck_assert_uint_eq(ghosts.n, 1);
	ghosts_add(&ghosts, hash(2), 33);
	ck_assert_uint_eq(ghosts.n, 2);
	ck_assert(ghosts_take(&ghosts, hash(2)));
	ghosts_add(&ghosts, hash(3), 1000000);
	ck_assert_uint_eq(ghosts.n, BUCKETS);
	/* not to and fro for every few items */
	ghosts_add(&ghosts, hash(4), BUCKETS * GHOST_SLOTS / 4);
	ck_assert_uint_eq(ghosts.n, BUCKETS);
	ck_assert(ghosts_take(&ghosts, hash(3)));
	ck_assert_uint_eq(arena.charged, BUCKETS * sizeof(table[0]));
	ghosts_add(&ghosts, hash(5), 0);
	ck_assert_uint_eq(ghosts.n, 1);
	ck_assert_uint_eq(arena.charged, sizeof(table[0]));
	ghosts_check(&ghosts);
}
END_TEST

START_TEST(without_memory_there_are_none)
{
	ghosts_init(&ghosts, NULL, BUCKETS, &arena);
	ghosts_add(&ghosts, hash(1), 10);
	ck_assert(!ghosts_take(&ghosts, hash(1)));
	ghosts_check(&ghosts);
}
END_TEST

START_TEST(a_hole_aborts)
{
	ghosts_add(&ghosts, hash(1), 10);
	table[0].tag[3] = 1;
	ghosts_check(&ghosts);
}
END_TEST

Suite *
ghost_suite(void)
{
	Suite *s = suite_create("ghost");
	TCase *t = tcase_create("ghost");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, remembers_once);
	tcase_add_test(t, forgets_the_oldest);
	tcase_add_test(t, follows_the_number_of_items);
	tcase_add_test(t, without_memory_there_are_none);
	tcase_add_test_raise_signal(t, a_hole_aborts, SIGABRT);
	suite_add_tcase(s, t);
	return s;
}
