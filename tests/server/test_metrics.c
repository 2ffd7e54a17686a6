/* test_metrics.c - the statistics as Prometheus reads them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/metrics.h"
#include "tests/server/talk.h"

static char *
print(struct talk *t)
{
	size_t n = 0;
	char *text = metrics_print(t->host, &n);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(n, strlen(text));
	return text;
}

static void
has(const char *text, const char *line)
{
	char want[256];

	snprintf(want, sizeof(want), "\nmemcached_%s\n", line);
	ck_assert_msg(strstr(text, want) != NULL, "no line %s", line);
}

/* Each sample stands below the family whose name it bears, and just once. */
START_TEST(lines_are_samples_of_their_family)
{
	struct talk *t = talk_new(NULL);
	char *text, *all, *rest, *line, family[128] = "", want[300];
	unsigned families = 0, samples = 0;

	talk_expect(t, "set a 0 0 1\r\nx\r\n", "STORED\r\n");
	all = print(t);
	text = rest = strdup(all);
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		size_t n = strcspn(line, "{ ");

		if (strncmp(line, "# HELP ", 7) == 0) {
			n = strcspn(line + 7, " ");
			snprintf(family, sizeof(family), "%.*s", (int)n,
			    line + 7);
			families++;
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0) {
			ck_assert(strncmp(line + 7, family,
			    strlen(family)) == 0);
			ck_assert_msg(strcmp(line + 7 + strlen(family),
			    " gauge") == 0 || strcmp(line + 7 + strlen(family),
			    " counter") == 0, "%s", line);
			continue;
		}
		ck_assert_msg(strncmp(line, family, n) == 0 &&
		    family[n] == '\0', "%s below %s", line, family);
		n = (size_t)(strrchr(line, ' ') - line);
		ck_assert_msg(strspn(line + n + 1, "0123456789.") ==
		    strlen(line + n + 1) && line[n + 1] != '\0', "%s", line);
		snprintf(want, sizeof(want), "\n%.*s ", (int)n, line);
		ck_assert_msg(strstr(strstr(all, want) + 1, want) == NULL,
		    "twice: %s", line);
		samples++;
	}
	ck_assert_uint_gt(families, 60);
	ck_assert_uint_gt(samples, 90);
	free(text);
	free(all);
	talk_free(&t);
}
END_TEST

START_TEST(numbers_are_those_of_the_stats)
{
	static const char in[] =
	    "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\nget a c d\r\n"
	    "cas a 0 0 1 99\r\n1\r\ncas x 0 0 1 99\r\n1\r\nincr a 1\r\n"
	    "delete b\r\n";
	struct talk *t = talk_new("-m 32 -c 77");
	char *text;

	talk_send(t, in, sizeof(in) - 1);
	text = print(t);
	has(text, "version{version=\"" SLABD_WIRE_VERSION "\"} 1");
	has(text, "max_connections 77");
	has(text, "limit_bytes 33554432");
	has(text, "current_items 1");
	has(text, "commands_total{command=\"get\",status=\"hit\"} 1");
	has(text, "commands_total{command=\"get\",status=\"miss\"} 2");
	has(text, "commands_total{command=\"cas\",status=\"miss\"} 1");
	has(text, "commands_total{command=\"cas\",status=\"badval\"} 1");
	has(text, "commands_total{command=\"delete\",status=\"hit\"} 1");
	/* Those of cas are counted as sets, too: less them. */
	has(text, "commands_total{command=\"set\",status=\"hit\"} 2");
	/* Both keys were in the smallest class. */
	has(text, "slab_current_items{slab=\"1\"} 1");
	has(text, "slab_chunks_used{slab=\"1\"} 1");
	/* A cas that found nothing is a set here: classes do not count it. */
	has(text, "slab_commands_total{slab=\"1\",command=\"set\","
	    "status=\"hit\"} 3");
	has(text, "slab_commands_total{slab=\"1\",command=\"get\","
	    "status=\"hit\"} 1");
	ck_assert_ptr_null(strstr(text, "slab=\"0\""));
	ck_assert_ptr_null(strstr(text, "slab=\"2\""));
	free(text);
	talk_free(&t);
}
END_TEST

/* Of bytes and bytes_read, of this class and the next. */
START_TEST(names_and_classes_are_told_apart)
{
	struct talk *t = talk_new(NULL);
	char *text, line[64];
	unsigned long bytes;
	const char *at;

	talk_expect(t, "set a 0 0 1\r\n1\r\nset b 0 0 17\r\n0123456789"
	    "0123456\r\nset c 0 0 18\r\n012345678901234567\r\n",
	    "STORED\r\nSTORED\r\nSTORED\r\n");
	text = print(t);
	talk_again(t);
	talk_send(t, "stats\r\n", 7);
	at = strstr(t->out, "STAT bytes ");
	ck_assert_ptr_nonnull(at);
	bytes = strtoul(at + strlen("STAT bytes "), NULL, 10);
	ck_assert_uint_gt(bytes, 0);
	snprintf(line, sizeof(line), "current_bytes %lu", bytes);
	has(text, line);
	has(text, "slab_current_items{slab=\"1\"} 1");
	has(text, "slab_current_items{slab=\"2\"} 2");
	ck_assert_ptr_null(strstr(text, "slab=\"3\""));
	free(text);
	talk_free(&t);
}
END_TEST

START_TEST(switches_are_numbers)
{
	struct talk *t = talk_new(NULL);
	char *text = print(t);

	has(text, "lru_crawler_enabled 1");
	has(text, "lru_maintainer_thread 1");
	has(text, "lru_hot_percent 20");
	free(text);
	talk_free(&t);
	t = talk_new("-o no_lru_crawler,no_lru_maintainer,hot_lru_pct=33");
	text = print(t);
	has(text, "lru_crawler_enabled 0");
	has(text, "lru_maintainer_thread 0");
	has(text, "lru_hot_percent 33");
	free(text);
	talk_free(&t);
}
END_TEST

Suite *
metrics_suite(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_test(t, lines_are_samples_of_their_family);
	tcase_add_test(t, numbers_are_those_of_the_stats);
	tcase_add_test(t, names_and_classes_are_told_apart);
	tcase_add_test(t, switches_are_numbers);
	suite_add_tcase(s, t);
	return s;
}
