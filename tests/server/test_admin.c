/* test_admin.c - the operator's commands, and words that they do not know. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/server/talk.h"

static volatile sig_atomic_t interrupted, graceful;

static void
note(int number)
{
	*(number == SIGINT ? &interrupted : &graceful) += 1;
}

START_TEST(shutdown_needs_a_word_that_it_knows)
{
	static const char BAD[] = "CLIENT_ERROR invalid shutdown mode\r\n";
	struct talk *t = talk_new("-A");

	signal(SIGINT, note);
	signal(SIGUSR1, note);
	talk_expect(t, "shutdown noreply\r\n", BAD);
	talk_expect(t, "shutdown now\r\n", BAD);
	talk_expect(t, "shutdown graceful now\r\n", BAD);
	ck_assert(interrupted == 0 && graceful == 0);
	talk_expect(t, "shutdown graceful\r\n", "");
	ck_assert(interrupted == 0 && graceful == 1);
	talk_again(t);
	talk_expect(t, "shutdown\r\n", "");
	ck_assert(interrupted == 1 && graceful == 1);
	talk_free(&t);
}
END_TEST

Suite *
admin_suite(void)
{
	Suite *s = suite_create("admin");
	TCase *t = tcase_create("admin");

	tcase_add_test(t, shutdown_needs_a_word_that_it_knows);
	suite_add_tcase(s, t);
	return s;
}
