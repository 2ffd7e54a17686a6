/* test_conffile.c - files of options: words, comments, what is skipped. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/conffile.h"

static char path[] = "/tmp/slabd-conffile-XXXXXX";
static char *told;
static struct conffile file;

static bool
read_text(const char *text, size_t n)
{
	char *argv[] = { "slabd", "-v", "--config", path, "-p", "1", NULL };
	FILE *err;
	size_t ntold;
	bool ok;
	int fd;

	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, n), (int)n);
	close(fd);
	err = open_memstream(&told, &ntold);
	ok = conffile_merge(&file, 6, argv, err);
	fclose(err);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(ok, *told == '\0');
	return ok;
}

static void
forget(void)
{
	conffile_free(&file);
	free(told);
}

/* The words of the file with | behind each. */
static void
gives(const char *text, const char *want)
{
	char got[512] = "";

	ck_assert_msg(read_text(text, strlen(text)), "%s: %s", text, told);
	ck_assert_str_eq(file.argv[0], "slabd");
	for (int i = 1; i < file.argc - 5; i++) {
		strncat(got, file.argv[i], 100);
		strncat(got, "|", 2);
	}
	ck_assert_str_eq(got, want);
	ck_assert_str_eq(file.argv[file.argc - 5], "-v");
	ck_assert_str_eq(file.argv[file.argc - 1], "1");
	ck_assert_ptr_null(file.argv[file.argc]);
	forget();
}

static void
refuses(const char *text, size_t n, const char *why)
{
	ck_assert(!read_text(text, n));
	ck_assert_msg(strstr(told, why) != NULL, "%s", told);
	forget();
}

START_TEST(words)
{
	gives("", "");
	gives("\n\n  \n# nothing\n", "");
	gives("-m 64", "-m|64|");
	gives("-m 64\r\n  -p   11211\t\n", "-m|64|-p|11211|");
	gives("-m 64 # so much\n-c 5#and few\n", "-m|64|-c|5|");
	gives("-l 127.0.0.1 -l ::1\n", "-l|127.0.0.1|-l|::1|");
	gives("-D '#' -a \"7 0\" -s a\\ b\\#c\n", "-D|#|-a|7 0|-s|a b#c|");
	gives("-s 'a'\"b\"c ''\n", "-s|abc||");
	gives("-s 'a\\b' \"a\\\"b\"\n", "-s|a\\b|a\"b|");
	gives("-s a\\", "-s|a\\|");
}
END_TEST

START_TEST(skipped)
{
	gives("-d\n-h\n-d -m 5\nlogfile /var/log/memcached.log\n-m 64\n",
	    "-m|64|");
	/* Only where a line begins, as Debian's script. */
	gives("-v -d\n", "-v|-d|");
}
END_TEST

START_TEST(refused)
{
	refuses("-m 64\nfrobnicate 5\n", 19, ":2: not an option: frobnicate");
	refuses("-s 'a", 5, ":1: a quote is not closed");
	refuses("-s \"a\\\"", 7, "a quote is not closed");
	refuses("-s a\0b\n", 7, ":1: a zero byte");
}
END_TEST

START_TEST(too_long)
{
	size_t n = (size_t)(CONFFILE_WORDS_MAX + 1) * 3;
	char *text = malloc(n);

	for (size_t i = 0; i < n; i += 3)
		memcpy(text + i, "-v\n", 3);
	refuses(text, n, "too many words");
	free(text);
}
END_TEST

START_TEST(without)
{
	char *argv[] = { "slabd", "-v", NULL };

	ck_assert(conffile_merge(&file, 2, argv, stderr));
	ck_assert_ptr_eq(file.argv, argv);
	ck_assert_ptr_null(file.path);
	conffile_free(&file);
}
END_TEST

START_TEST(missing)
{
	char *argv[] = { "slabd", "--config=/nonexistent/x", NULL };
	FILE *err;
	size_t n;

	err = open_memstream(&told, &n);
	ck_assert(!conffile_merge(&file, 2, argv, err));
	fclose(err);
	ck_assert_ptr_nonnull(strstr(told, "/nonexistent/x: No such file"));
	forget();
}
END_TEST

Suite *
conffile_suite(void)
{
	Suite *s = suite_create("conffile");
	TCase *t = tcase_create("conffile");

	tcase_add_test(t, words);
	tcase_add_test(t, skipped);
	tcase_add_test(t, refused);
	tcase_add_test(t, too_long);
	tcase_add_test(t, without);
	tcase_add_test(t, missing);
	suite_add_tcase(s, t);
	return s;
}
