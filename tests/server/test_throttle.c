/* test_throttle.c - guessers wait, others do not; time is an argument. */
#include <check.h>

#include "server/throttle.h"

enum { START = 1000000 };

static void
fail_times(struct throttle *t, uint64_t peer, unsigned n, uint64_t now)
{
	while (n-- > 0)
		throttle_failed(t, peer, now);
}

START_TEST(a_few_are_free)
{
	struct throttle *t = throttle_new();

	for (unsigned i = 0; i < THROTTLE_FREE; i++) {
		ck_assert_uint_eq(throttle_ask(t, 7, START), 0);
		throttle_failed(t, 7, START);
	}
	ck_assert_uint_eq(throttle_ask(t, 7, START), THROTTLE_LEAST_MS);
	ck_assert_uint_eq(throttle_ask(t, 7, START), 2 * THROTTLE_LEAST_MS);
	/* Its neighbour in the table, and another. */
	ck_assert_uint_eq(throttle_ask(t, 7 + 1024, START), 0);
	ck_assert_uint_eq(throttle_ask(t, 8, START), 0);
	throttle_free(&t);
	ck_assert_ptr_null(t);
}
END_TEST

START_TEST(turns_grow_apart)
{
	struct throttle *t = throttle_new();
	uint64_t now = START;

	fail_times(t, 1, 1000, now);
	ck_assert_uint_eq(throttle_ask(t, 1, now), THROTTLE_MOST_MS);
	now += THROTTLE_MOST_MS;
	ck_assert_uint_eq(throttle_ask(t, 1, now), THROTTLE_MOST_MS);
	throttle_free(&t);
}
END_TEST

START_TEST(a_crowd_is_refused)
{
	struct throttle *t = throttle_new();
	unsigned n = 0;

	fail_times(t, 1, 100, START);
	while (throttle_ask(t, 1, START) != THROTTLE_REFUSED)
		ck_assert_uint_le(++n, THROTTLE_QUEUE_MS / THROTTLE_MOST_MS);
	ck_assert_uint_eq(n, THROTTLE_QUEUE_MS / THROTTLE_MOST_MS);
	throttle_free(&t);
}
END_TEST

START_TEST(the_welcome_have_their_own_turns)
{
	struct throttle *t = throttle_new();

	throttle_welcome(t, 5, START);
	ck_assert(throttle_knows(t, 5, START));
	ck_assert(!throttle_knows(t, 6, START));
	ck_assert(!throttle_knows(t, 0, START));
	/* Who fails once in the same set takes the empty places. */
	for (uint64_t i = 1; i < 4; i++)
		throttle_failed(t, 5 + i * 1024, START);
	ck_assert(throttle_knows(t, 5, START));
	ck_assert_uint_eq(throttle_ask(t, 5, START), 0);
	/* To be welcome is no licence to guess. */
	fail_times(t, 5, THROTTLE_FREE, START);
	ck_assert_uint_gt(throttle_ask(t, 5, START), 0);
	ck_assert(throttle_knows(t, 5, START));
	throttle_free(&t);
}
END_TEST

START_TEST(time_forgives)
{
	struct throttle *t = throttle_new();
	uint64_t now = START;

	fail_times(t, 1, THROTTLE_FREE + 1, now);
	ck_assert_uint_gt(throttle_ask(t, 1, now), 0);
	now += 2 * THROTTLE_FORGET_MS;
	ck_assert_uint_eq(throttle_ask(t, 1, now), 0);
	throttle_failed(t, 1, now);
	ck_assert_uint_gt(throttle_ask(t, 1, now), 0);
	fail_times(t, 1, 100000, now);
	now += 1000 * THROTTLE_FORGET_MS;
	ck_assert_uint_eq(throttle_ask(t, 1, now), 0);
	throttle_free(&t);
}
END_TEST

/* More peers of one set than it holds: the worst one is kept. */
START_TEST(the_worst_stay)
{
	struct throttle *t = throttle_new();

	fail_times(t, 5, 50, START);
	for (uint64_t i = 1; i < 100; i++)
		throttle_failed(t, 5 + i * 1024, START);
	ck_assert_uint_gt(throttle_ask(t, 5, START), 0);
	throttle_free(&t);
}
END_TEST

START_TEST(nobody_never_waits)
{
	struct throttle *t = throttle_new();

	fail_times(t, 0, 100, START);
	ck_assert_uint_eq(throttle_ask(t, 0, START), 0);
	throttle_free(&t);
}
END_TEST

Suite *
throttle_suite(void)
{
	Suite *s = suite_create("throttle");
	TCase *t = tcase_create("throttle");

	tcase_add_test(t, a_few_are_free);
	tcase_add_test(t, the_welcome_have_their_own_turns);
	tcase_add_test(t, turns_grow_apart);
	tcase_add_test(t, a_crowd_is_refused);
	tcase_add_test(t, time_forgives);
	tcase_add_test(t, the_worst_stay);
	tcase_add_test(t, nobody_never_waits);
	suite_add_tcase(s, t);
	return s;
}
