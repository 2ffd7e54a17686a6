/* test_clock.c - tests of clock.h. */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "server/clock.h"
#include "slab/cache.h"

enum { MONTH = 60 * 60 * 24 * 30 };

static struct clock c;

static void
start(void)
{
	clock_start(&c);
}

START_TEST(begins)
{
	uint32_t now = clock_read(&c);

	ck_assert_uint_ge(now, CLOCK_FIRST_SECOND);
	ck_assert_uint_le(now, CLOCK_FIRST_SECOND + 2);
	ck_assert_int_le(llabs((int64_t)clock_unix(&c, now) - time(NULL)), 2);
	ck_assert_uint_eq(clock_now(&c, c.start_ms), CLOCK_FIRST_SECOND);
	ck_assert_uint_eq(clock_now(&c, c.start_ms + 999), CLOCK_FIRST_SECOND);
	ck_assert_uint_eq(clock_now(&c, c.start_ms + 1000),
	    CLOCK_FIRST_SECOND + 1);
	ck_assert_uint_eq(clock_into_second(&c, c.start_ms + 5250), 250);
}
END_TEST

START_TEST(deadlines)
{
	int64_t unix100 = c.start_unix + 100;

	ck_assert_uint_eq(clock_deadline(&c, 50, 0), 0);
	ck_assert_uint_eq(clock_deadline(&c, 50, -1), CACHE_DEAD);
	ck_assert_uint_eq(clock_deadline(&c, 50, INT64_MIN), CACHE_DEAD);
	ck_assert_uint_eq(clock_deadline(&c, 50, 1), 51);
	ck_assert_uint_eq(clock_deadline(&c, 50, MONTH), MONTH + 50);
	/* from here on it is Unix time, and long ago */
	ck_assert_uint_eq(clock_deadline(&c, 50, MONTH + 1), CACHE_DEAD);
	ck_assert_uint_eq(clock_deadline(&c, 50, c.start_unix), CACHE_DEAD);
	ck_assert_uint_eq(clock_deadline(&c, 50, unix100), 100);
	ck_assert_uint_eq(clock_deadline(&c, 50, INT64_MAX), UINT32_MAX);
}
END_TEST

START_TEST(stops_and_goes)
{
	uint64_t ms = c.start_ms + 10000;

	clock_stop(&c, 12);
	ck_assert_uint_eq(clock_now(&c, ms + 50000), 12);
	ck_assert(clock_advance(&c, 8));
	ck_assert_uint_eq(clock_now(&c, ms + 50000), 20);
	clock_go(&c);
	ck_assert_uint_eq(clock_now(&c, ms), 20);
	ck_assert(!clock_advance(&c, UINT32_MAX));
	ck_assert_uint_eq(clock_now(&c, ms), 20);
}
END_TEST

START_TEST(resumes)
{
	uint64_t now = (uint64_t)time(NULL);
	struct clock was = c;
	uint32_t then = clock_read(&c);

	ck_assert_ptr_nonnull(clock_resume(&c, 500, now + 1000));
	ck_assert_ptr_nonnull(clock_resume(&c, CLOCK_FIRST_SECOND - 1, now));
	ck_assert_ptr_nonnull(clock_resume(&c, 1ULL << 32, now));
	ck_assert_uint_eq(c.start_ms, was.start_ms);
	ck_assert_ptr_null(clock_resume(&c, 500, now - 40));
	ck_assert_uint_ge(clock_read(&c), 540);
	ck_assert_uint_le(clock_read(&c), 545);
	/* The world's time is what it was. */
	ck_assert_int_eq(clock_unix(&c, c.resumed + then),
	    clock_unix(&was, then));
	clock_renounce(&c);
	ck_assert_uint_eq(c.resumed, 0);
	ck_assert_uint_eq(c.start_ms, was.start_ms);
	ck_assert_int_eq(c.start_unix, was.start_unix);
}
END_TEST

Suite *
clock_suite(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");

	tcase_add_checked_fixture(t, start, NULL);
	tcase_add_test(t, begins);
	tcase_add_test(t, deadlines);
	tcase_add_test(t, stops_and_goes);
	tcase_add_test(t, resumes);
	suite_add_tcase(s, t);
	return s;
}
