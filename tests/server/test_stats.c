/* test_stats.c - stats and its groups, as a client reads them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/detail.h"
#include "tests/server/site.h"

/* What collectd reads of an answer. */
enum { SMALLEST_READER = 4096 };

static const char *
ask(struct talk *t, const char *text)
{
	t->nout = 0;
	t->out[0] = 0;
	talk_send(t, text, strlen(text));
	return t->out;
}

/* The value of a stat in the last answer; it must be there. */
static const char *
value(struct talk *t, const char *name)
{
	static char found[700];
	char want[128];
	const char *at;

	snprintf(want, sizeof(want), "STAT %s ", name);
	at = strstr(t->out, want);
	ck_assert_msg(at != NULL, "no stat %s", name);
	snprintf(found, sizeof(found), "%.*s",
	    (int)strcspn(at + strlen(want), "\r"), at + strlen(want));
	return found;
}

static void
says(struct talk *t, const char *name, const char *want)
{
	const char *got = value(t, name);

	ck_assert_msg(strcmp(got, want) == 0, "%s is %s, not %s", name, got,
	    want);
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

START_TEST(every_line_is_a_stat)
{
	struct talk *t = talk_new(NULL);
	const char *line = ask(t, "stats\r\n");
	unsigned n = 0;

	for (; strncmp(line, "STAT ", 5) == 0; n++) {
		size_t name = strcspn(line + 5, " \r");

		ck_assert_int_eq(line[5 + name], ' ');
		ck_assert_int_gt((int)strcspn(line + 6 + name, " \r"), 0);
		line = strstr(line, "\r\n") + 2;
	}
	ck_assert_str_eq(line, "END\r\n");
	ck_assert_uint_gt(n, 80);
	talk_free(&t);
}
END_TEST

/* Every counter as wide as it can be, those of the cache by arithmetic. */
START_TEST(general_fits_the_smallest_reader)
{
	static const char *const wide[] = { "bytes", "curr_items",
		"total_items", "slab_global_page_pool", "expired_unfetched",
		"evicted_unfetched", "evicted_active", "evictions",
		"reclaimed", "crawler_reclaimed", "crawler_items_checked",
		"lrutail_reflocked", "moves_to_cold", "moves_to_warm",
		"moves_within_lru", "direct_reclaims", "slabs_moved",
		"limit_maxbytes", "log_worker_written", "log_watcher_sent",
		"log_watcher_skipped", "hash_bytes" };
	struct talk *t = talk_new("-o idle_timeout=5");
	struct cache_tally *tally = &t->host->tally;
	size_t n;

#define X(name) t->host->counters.name = UINT64_MAX;
	COUNTERS(X)
#undef X
#define X(name) tally->name = UINT64_MAX;
	CACHE_TALLY(X)
#undef X
#define X(name) tally->of_class[3].name = UINT64_MAX;
	CACHE_CLASS_TALLY(X)
#undef X
	/* these are sums, as wide if one of the addends is */
	tally->cmd_get = tally->of_class[3].get_hits = 0;
	tally->of_class[3].hits_to_warm = tally->of_class[3].hits_to_cold =
	    tally->of_class[3].hits_to_temp = 0;
	t->server.total_connections = UINT64_MAX;
	t->server.rejected_connections = UINT64_MAX;
	t->server.listen_disabled = UINT64_MAX;
	t->server.listen_disabled_us = UINT64_MAX;
	t->host->caller.now = UINT32_MAX;
	n = strlen(ask(t, "stats\r\n"));
	says(t, "get_hits", "18446744073709551615");
	says(t, "total_connections", "18446744073709551615");
	for (unsigned i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		n += 20 - strlen(value(t, wide[i]));
	ck_assert_uint_lt(n, SMALLEST_READER);
	talk_free(&t);
}
END_TEST

START_TEST(counts_and_their_reset)
{
	struct talk *t = talk_new(NULL);

	t->server.total_connections = 7;
	ask(t, "set a 0 0 1\r\n1\r\nget a\r\nget b\r\nincr a 1\r\n"
	       "flush_all 100\r\ntouch a 0\r\nstats\r\n");
	says(t, "cmd_get", "2");
	says(t, "cmd_set", "1");
	says(t, "get_hits", "1");
	says(t, "get_misses", "1");
	says(t, "incr_hits", "1");
	says(t, "cmd_flush", "1");
	says(t, "touch_hits", "1");
	says(t, "curr_items", "1");
	says(t, "total_connections", "7");
	talk_expect(t, "stats reset\r\n", "RESET\r\n");
	t->server.total_connections = 9;
	ask(t, "get a\r\nstats\r\n");
	says(t, "cmd_get", "1");
	says(t, "get_hits", "1");
	says(t, "cmd_set", "0");
	says(t, "incr_hits", "0");
	says(t, "cmd_flush", "0");
	says(t, "total_items", "0");
	says(t, "total_connections", "2");
	says(t, "curr_items", "1");
	talk_free(&t);
}
END_TEST

START_TEST(conditions)
{
	struct talk *t = talk_new(NULL);

	ask(t, "stats\r\n");
	ck_assert_ptr_null(strstr(t->out, "STAT idle_kicks "));
	says(t, "rejected_connections", "0");
	says(t, "moves_to_cold", "0");
	talk_free(&t);
	t = talk_new("-o idle_timeout=9,no_maxconns_fast,no_lru_maintainer,"
		     "no_slab_reassign,no_lru_crawler");
	ask(t, "stats\r\n");
	says(t, "idle_kicks", "0");
	ck_assert_ptr_null(strstr(t->out, "STAT rejected_connections "));
	ck_assert_ptr_null(strstr(t->out, "STAT moves_to_cold "));
	ck_assert_ptr_null(strstr(t->out, "STAT slabs_moved "));
	ck_assert_ptr_null(strstr(t->out, "STAT lru_crawler_starts "));
	ask(t, "set a 0 0 1\r\n1\r\nstats items\r\n");
	ck_assert_ptr_null(strstr(t->out, ":number_hot "));
	ck_assert_ptr_nonnull(strstr(t->out, ":number 1\r\n"));
	talk_free(&t);
}
END_TEST

START_TEST(settings_follow_commands)
{
	struct talk *t = talk_new("-m 64 -l 127.0.0.1");

	ask(t, "stats settings\r\n");
	says(t, "maxbytes", "67108864");
	says(t, "verbosity", "0");
	says(t, "lru_segmented", "yes");
	says(t, "temp_lru", "no");
	says(t, "detail_enabled", "no");
	says(t, "inter", "127.0.0.1");
	says(t, "client_flags_size", "4");
	ask(t, "cache_memlimit 32\r\nverbosity 9\r\nlru mode flat\r\n"
	       "lru temp_ttl 17\r\nlru tune 11 12 0.5 3\r\nstats detail on\r\n"
	       "slabs automove 2\r\nslabs automove window 30\r\n"
	       "slabs automove ratio 0.25\r\nlru_crawler sleep 5\r\n"
	       "lru_crawler tocrawl 6\r\nlru_crawler disable\r\n"
	       "stats settings\r\n");
	ck_assert_ptr_null(strstr(t->out, "ERROR"));
	says(t, "maxbytes", "33554432");
	says(t, "verbosity", "2");
	says(t, "lru_segmented", "no");
	says(t, "temp_lru", "yes");
	says(t, "temporary_ttl", "17");
	says(t, "hot_lru_pct", "11");
	says(t, "warm_lru_pct", "12");
	says(t, "hot_max_factor", "0.50");
	says(t, "warm_max_factor", "3.00");
	says(t, "detail_enabled", "yes");
	says(t, "slab_automove", "2");
	says(t, "slab_automove_window", "30");
	says(t, "slab_automove_ratio", "0.25");
	says(t, "lru_crawler_sleep", "5");
	says(t, "lru_crawler_tocrawl", "6");
	says(t, "lru_crawler", "no");
	talk_free(&t);
}
END_TEST

START_TEST(groups_by_class)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "stats items\r\n", "END\r\n");
	ask(t, "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\n"
	       "ms c 4000\r\n");
	ck_assert_str_eq(t->out, "STORED\r\nSTORED\r\n");
	t->nout = 0;
	for (unsigned i = 0; i < 400; i++)
		talk_send(t, "0123456789", 10);
	talk_send(t, "\r\n", 2);
	ck_assert_str_eq(t->out, "HD\r\n");
	ask(t, "stats items\r\n");
	ck_assert_uint_eq(count(t->out, ":number "), 2);
	ck_assert_uint_eq(count(t->out, ":number 2\r\n"), 1);
	ck_assert_uint_eq(count(t->out, ":hits_to_temp "), 2);
	ck_assert_uint_eq(count(t->out, ":number_temp "), 0);
	ask(t, "get a\r\nstats slabs\r\n");
	ck_assert_uint_eq(count(t->out, ":chunk_size "), 2);
	ck_assert_uint_eq(count(t->out, ":get_hits 1\r\n"), 1);
	ck_assert_uint_eq(count(t->out, ":cmd_set 2\r\n"), 1);
	says(t, "active_slabs", "2");
	talk_free(&t);
}
END_TEST

START_TEST(pressure)
{
	struct talk *t = talk_new(NULL);

	ask(t, "stats pressure\r\n");
	says(t, "evicting", "0");
	says(t, "hurts", "0");
	says(t, "gets", "0");
	says(t, "hit_ratio", "0.0000");
	ask(t, "set a 0 0 1\r\n1\r\nget a\r\nget b\r\nget a\r\nget a\r\n"
	       "stats pressure\r\n");
	says(t, "gets", "4");
	says(t, "hit_ratio_half", "0.7500");
	says(t, "hit_ratio", "0.7500");
	says(t, "hit_ratio_twice", "0.7500");
	says(t, "sample_gets", "4");
	says(t, "sample_items", "1");
	ask(t, "stats reset\r\nstats pressure\r\n");
	says(t, "gets", "0");
	says(t, "sample_gets", "0");
	talk_free(&t);
}
END_TEST

/* A binary answer as text would have it; its last packet is empty. */
static char *
as_text(struct talk *t)
{
	const uint8_t *p = (const uint8_t *)t->out, *end = p + t->nout;
	char *text = malloc(2 * t->nout + 16), *at = text;
	uint32_t nkey, nbody;

	for (;; p += 24 + nbody) {
		ck_assert_int_ge(end - p, 24);
		ck_assert_uint_eq(p[0], 0x81);
		ck_assert_uint_eq(p[1], OP_STAT);
		ck_assert_uint_eq(p[4] | p[6] | p[7], 0);
		nkey = (uint32_t)p[2] << 8 | p[3];
		nbody = (uint32_t)p[10] << 8 | p[11];
		ck_assert_int_ge(end - p, 24 + (ptrdiff_t)nbody);
		ck_assert_uint_le(nkey, nbody);
		if (nkey == 0)
			break;
		at += sprintf(at, "STAT %.*s %.*s\r\n", (int)nkey, p + 24,
		    (int)(nbody - nkey), p + 24 + nkey);
	}
	ck_assert_uint_eq(nbody, 0);
	ck_assert_ptr_eq(p + 24, end);
	strcpy(at, "END\r\n");
	return text;
}

START_TEST(groups_over_binary)
{
	static const char *const groups[] = { "pressure", "items", "slabs",
		"settings", "sizes" };
	struct talk *t = talk_new("-m 2");
	char line[64], *text, *binary;

	for (unsigned i = 0; i < 60000; i++) {
		snprintf(line, sizeof(line), "set k%u 0 0 %u\r\n%0*u\r\n"
		    "get k%u\r\n", i, 10 + i % 11, 10 + (int)i % 11, i,
		    i / 2);
		ask(t, line);
	}
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		snprintf(line, sizeof(line), "stats %s\r\n", groups[i]);
		text = strdup(ask(t, line));
		if (i == 0) {
			ck_assert_str_ne(value(t, "evictions"), "0");
			says(t, "gets", "60000");
		}
		talk_again(t);
		site_packet(t, OP_STAT, NULL, 0, groups[i],
		    strlen(groups[i]), NULL, 0);
		binary = as_text(t);
		ck_assert_str_eq(text, binary);
		free(binary);
		free(text);
		talk_again(t);
	}
	talk_free(&t);
}
END_TEST

START_TEST(sizes)
{
	struct talk *t = talk_new("-o track_sizes");
	struct cache_view view;
	struct cache_key key;
	char line[600];

	talk_expect(t, "stats sizes\r\n", "END\r\n");
	ask(t, "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\n");
	key = cache_key(t->host->cache, "a", 1);
	ck_assert_int_eq(cache_get(t->host->cache, &t->host->caller, &key,
	    &(struct cache_want){ .no_value = true, .no_bump = true }, &view),
	    CACHE_FOUND);
	ask(t, "stats sizes\r\n");
	ck_assert_uint_eq(count(t->out, "STAT "), 1);
	snprintf(line, sizeof(line), "STAT %u 2\r\nEND\r\n",
	    (view.size + 31) / 32 * 32);
	ck_assert_str_eq(t->out, line);
	/* Counted in many turns; what asks behind it waits. */
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "set key%04u 0 0 500 noreply\r\n"
					     "%500s\r\n", i, "");
		ask(t, line);
	}
	snprintf(line, sizeof(line), "STAT %u 2\r\nSTAT %u 5000\r\nEND\r\n"
				     "MN\r\n", (view.size + 31) / 32 * 32,
	    (view.size - 2 + 7 + 500 + 31) / 32 * 32);
	ck_assert_str_eq(ask(t, "stats sizes\r\nmn\r\n"), line);
	talk_free(&t);
}
END_TEST

START_TEST(unknown_groups_and_extra_words)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "stats bogus\r\n", "ERROR\r\n");
	talk_expect(t, "stats noreply\r\n", "ERROR\r\n");
	talk_expect(t, "stats proxy\r\n", "ERROR\r\n");
	talk_expect(t, "stats items extra\r\n", "END\r\n");
	talk_expect(t, "stats extstore\r\n", "END\r\n");
	talk_expect(t, "stats sizes\r\n",
	    "STAT sizes_status disabled\r\nEND\r\n");
	ask(t, "stats s\r\n");
	says(t, "reqs_per_event", "20");
	talk_free(&t);
}
END_TEST

START_TEST(details_of_prefixes)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "stats detail dump\r\n", "END\r\n");
	talk_expect(t, "set a:0 0 0 1\r\nx\r\nstats detail dump\r\n",
	    "STORED\r\nEND\r\n");
	talk_expect(t, "stats detail on\r\n", "OK\r\n");
	ask(t, "set a:1 0 0 1\r\nx\r\nget a:1 a:2 b\r\ndelete a:1\r\n");
	talk_expect(t, "stats detail dump\r\n",
	    "PREFIX a get 2 hit 1 set 1 del 1\r\nEND\r\n");
	talk_expect(t, "stats detail off\r\nget a:1\r\nstats detail dump\r\n",
	    "OK\r\nEND\r\nPREFIX a get 2 hit 1 set 1 del 1\r\nEND\r\n");
	talk_expect(t, "stats reset\r\nstats detail dump\r\n",
	    "RESET\r\nEND\r\n");
	talk_expect(t, "stats detail\r\n",
	    "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
	talk_free(&t);
	t = talk_new("-D /");
	ask(t, "get a:b/c\r\n");
	talk_expect(t, "stats detail dump\r\n",
	    "PREFIX a:b get 1 hit 0 set 0 del 0\r\nEND\r\n");
	talk_free(&t);
}
END_TEST

/* Each byte of theirs takes three of the answer. */
START_TEST(prefixes_of_odd_bytes)
{
	enum { PREFIXES = 20, BYTES = 200 };
	struct talk *t = talk_new(NULL);
	char line[BYTES + 16], want[3 * BYTES + 1];

	talk_expect(t, "stats detail on\r\n", "OK\r\n");
	for (unsigned i = 0; i < PREFIXES; i++) {
		memcpy(line, "get ", 4);
		memset(line + 4, 0x7f, BYTES);
		line[4] = (char)('a' + i);
		memcpy(line + 4 + BYTES, ":a\r\n", 5);
		ask(t, line);
	}
	for (unsigned i = 0; i < BYTES; i++)
		memcpy(want + 3 * i, "%7F", 4);
	ask(t, "stats detail dump\r\n");
	ck_assert_uint_eq(count(t->out, "PREFIX "), PREFIXES);
	ck_assert_uint_eq(count(t->out, want + 3), PREFIXES);
	ck_assert_uint_eq(count(t->out, " get 1 hit 0 set 0 del 0\r\n"),
	    PREFIXES);
	talk_free(&t);
}
END_TEST

START_TEST(prefixes_are_bounded)
{
	struct detail *d = detail_new(':');
	unsigned lines = 0;
	size_t n;
	char *text;

	for (unsigned i = 0; i < 100000; i++) {
		char key[32];
		int nkey = snprintf(key, sizeof(key), "p%u:k", i);

		detail_count(d, key, (uint32_t)nkey, DETAIL_SET);
	}
	detail_count(d, "p0:z", 4, DETAIL_GET_HIT);
	text = detail_dump(d, &n);
	ck_assert_ptr_nonnull(text);
	text = realloc(text, n + 1);
	text[n] = 0;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	ck_assert_uint_le(lines, DETAIL_PREFIXES);
	ck_assert_uint_ge(lines, DETAIL_PREFIXES / 2);
	/* Those that were there go on being counted. */
	ck_assert_ptr_nonnull(strstr(text,
	    "PREFIX p0 get 1 hit 1 set 1 del 0\r\n"));
	free(text);
	detail_free(&d);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(dumping_forbidden)
{
	struct talk *t = talk_new("-X");

	talk_expect(t, "stats cachedump 1 0\r\n",
	    "CLIENT_ERROR stats cachedump not allowed\r\n");
	talk_expect(t, "stats detail on\r\n",
	    "CLIENT_ERROR stats detail not allowed\r\n");
	talk_expect(t, "lru_crawler metadump all\r\n",
	    "ERROR metadump not allowed\r\n");
	talk_expect(t, "lru_crawler mgdump all\r\n",
	    "ERROR key dump not allowed\r\n");
	talk_free(&t);
}
END_TEST

/* All of it in one read, as a client that asks by group gets it. */
START_TEST(answers_keep_their_order)
{
	struct talk *t = talk_new(NULL);
	const char *first, *second;

	ask(t, "stats settings\r\nversion\r\nstats sizes\r\nmn\r\n");
	first = strstr(t->out, "VERSION ");
	second = strstr(t->out, "STAT sizes_status");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(second);
	ck_assert(strstr(t->out, "STAT maxbytes") < first);
	ck_assert(first < second);
	ck_assert_str_eq(t->out + t->nout - 9, "END\r\nMN\r\n");
	talk_free(&t);
}
END_TEST

Suite *
stats_suite(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = tcase_create("stats");

	tcase_add_test(tc, every_line_is_a_stat);
	tcase_add_test(tc, general_fits_the_smallest_reader);
	tcase_add_test(tc, counts_and_their_reset);
	tcase_add_test(tc, conditions);
	tcase_add_test(tc, settings_follow_commands);
	tcase_add_test(tc, groups_by_class);
	tcase_add_test(tc, pressure);
	tcase_add_test(tc, groups_over_binary);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, unknown_groups_and_extra_words);
	tcase_add_test(tc, details_of_prefixes);
	tcase_add_test(tc, prefixes_of_odd_bytes);
	tcase_add_test(tc, prefixes_are_bounded);
	tcase_add_test(tc, dumping_forbidden);
	tcase_add_test(tc, answers_keep_their_order);
	suite_add_tcase(s, tc);
	return s;
}
