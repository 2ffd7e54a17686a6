/* test_admin.c - the operator's commands, and words that they do not know. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/log.h"
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

/* What the log says of a line of each level, into text. */
static void
hear(char *text, size_t room)
{
	int file = memfd_create("log", 0), saved = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert_int_ge(file, 0);
	dup2(file, STDERR_FILENO);
	log_warn("one");
	log_info("two");
	log_debug("three");
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(file, text, room - 1, 0);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(file);
}

START_TEST(verbosity_is_the_logs)
{
	struct talk *t = talk_new(NULL);
	char text[256];

	log_start(0);
	hear(text, sizeof(text));
	ck_assert_str_eq(text, "slabd: one\n");
	talk_expect(t, "verbosity 1\r\n", "OK\r\n");
	hear(text, sizeof(text));
	ck_assert_str_eq(text, "slabd: one\nslabd: two\n");
	talk_expect(t, "verbosity 4294967295\r\n", "OK\r\n");
	hear(text, sizeof(text));
	ck_assert_str_eq(text, "slabd: one\nslabd: two\nslabd: three\n");
	talk_expect(t, "verbosity x\r\nverbosity 0 noreply\r\n",
	    "CLIENT_ERROR bad command line format\r\n");
	hear(text, sizeof(text));
	ck_assert_str_eq(text, "slabd: one\n");
	talk_free(&t);
}
END_TEST

Suite *
admin_suite(void)
{
	Suite *s = suite_create("admin");
	TCase *t = tcase_create("admin");

	tcase_add_test(t, shutdown_needs_a_word_that_it_knows);
	tcase_add_test(t, verbosity_is_the_logs);
	suite_add_tcase(s, t);
	return s;
}
