/* test_rights.c - what users may do, and how they try to do more. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/server/site.h"

static void
log_in(struct talk *t, const char *name)
{
	char line[128];

	talk_again(t);
	snprintf(line, sizeof(line), "set x 0 0 %zu\r\n%s pw\r\n",
	    strlen(name) + 3, name);
	talk_expect(t, line, "STORED\r\n");
}

static void
log_in_binary(struct talk *t, const char *name)
{
	char data[128];

	talk_again(t);
	ck_assert_int_eq(site_sasl(t, OP_AUTH, "PLAIN", data,
	    (size_t)sprintf(data, "%c%s%cpw", 0, name, 0)), 0);
}

/* boss, reader, writer; ann has a: and is an admin, ben b: and is none. */
static void
open_office(struct site *s)
{
	char all[8192] = "";

	strcat(all, site_line("boss", "pw", ""));
	strcat(all, site_line("reader", "pw", "read"));
	strcat(all, site_line("writer", "pw", "write"));
	strcat(all, site_line("ann", "pw", "read,write,admin a:"));
	strcat(all, site_line("ben", "pw", "read,write b: bb"));
	site_open(s, all, "-A");
	log_in(s->t, "boss");
	talk_expect(s->t, "set a:1 0 0 2\r\n10\r\nset b:1 0 0 2\r\n20\r\n"
	    "set k 0 0 2\r\n30\r\n", "STORED\r\nSTORED\r\nSTORED\r\n");
}

#define DENIED "CLIENT_ERROR permission denied\r\n"

START_TEST(reader_and_writer)
{
	struct site s;

	open_office(&s);
	log_in(s.t, "reader");
	talk_expect(s.t, "get k a:1\r\nmg k v\r\nset k 0 0 1\r\nx\r\n"
	    "mg k N5\r\nmg k T5\r\ngat 0 k\r\ntouch k 0\r\nflush_all\r\n"
	    "verbosity 1\r\n",
	    "VALUE k 0 2\r\n30\r\nVALUE a:1 0 2\r\n10\r\nEND\r\nVA 2\r\n"
	    "30\r\n" DENIED DENIED DENIED DENIED DENIED DENIED DENIED);
	log_in(s.t, "writer");
	talk_expect(s.t, "get k a:1\r\nmg k v\r\nincr k 1\r\n",
	    DENIED DENIED "31\r\n");
	/* A touch is no way to read. */
	talk_expect(s.t, "gat 0 k\r\ngats 0 k\r\nmg k v T9\r\n"
	    "mg k v N9\r\nmg new N9\r\ntouch k 0\r\n",
	    DENIED DENIED DENIED DENIED DENIED "TOUCHED\r\n");
	talk_expect(s.t, "stats\r\nshutdown\r\n", DENIED DENIED);
	site_close(&s);
}
END_TEST

/* What is done to a key of others, and what comes of it. */
static const struct {
	const char *ask, *answer;
} attacks[] = {
	{ "get a:1\r\n", "END\r\n" },
	{ "gets a:1 k a:1\r\n", "END\r\n" },
	{ "get a:1 b:1 a:1\r\n", "VALUE b:1 0 2\r\n20\r\nEND\r\n" },
	{ "gat 0 a:1\r\n", "END\r\n" },
	{ "gats 0 a:1 k\r\n", "END\r\n" },
	{ "mg a:1 v\r\n", "EN\r\n" },
	{ "mg a:1 s v N30\r\n", "EN\r\n" },
	{ "mg YTox b v\r\n", "EN\r\n" }, /* a:1 in base64 */
	{ "me a:1\r\n", "EN\r\n" },
	{ "set a:1 0 0 1\r\nx\r\n", DENIED },
	{ "set a:1 0 0 1 noreply\r\nx\r\n", "" },
	{ "add a:2 0 0 1\r\nx\r\n", DENIED },
	{ "replace a:1 0 0 1\r\nx\r\n", DENIED },
	{ "append a:1 0 0 1\r\nx\r\n", DENIED },
	{ "prepend a:1 0 0 1\r\nx\r\n", DENIED },
	{ "cas a:1 0 0 1 1\r\nx\r\n", DENIED },
	{ "delete a:1\r\n", DENIED },
	{ "incr a:1 1\r\n", DENIED },
	{ "decr a:1 1\r\n", DENIED },
	{ "touch a:1 1\r\n", DENIED },
	{ "ms a:1 1\r\nx\r\n", DENIED },
	{ "ms a:1 1 q\r\nx\r\n", DENIED },
	{ "ms YTox 1 b\r\nx\r\n", DENIED },
	{ "md a:1\r\n", DENIED },
	{ "md a:1 I T1\r\n", DENIED },
	{ "md YTox b q\r\n", DENIED },
	{ "ma a:1\r\n", DENIED },
	{ "ma a:3 N0 J5 v\r\n", DENIED },
	{ "set b 0 0 1\r\nx\r\n", DENIED }, /* shorter than the prefix */
	{ "set B:1 0 0 1\r\nx\r\n", DENIED },
	{ "flush_all\r\n", DENIED },
	{ "flush_all 0 noreply\r\n", "" },
	{ "lru_crawler metadump all\r\n", DENIED },
	{ "lru_crawler mgdump all\r\n", DENIED },
	{ "stats cachedump 1 0\r\n", DENIED },
	{ "stats detail on\r\n", DENIED },
	{ "stats detail dump\r\n", DENIED },
	{ "stats settings\r\n", DENIED },
	{ "stats s\r\n", DENIED },
	{ "stats r\r\n", DENIED },
	{ "stats conns\r\n", DENIED },
	{ "stats reset\r\n", DENIED },
	{ "watch fetchers\r\n", DENIED },
	{ "watch\r\n", DENIED },
	{ "verbosity 1\r\n", DENIED },
	{ "shutdown\r\n", DENIED },
	{ "cache_memlimit 64\r\n", DENIED },
	{ "slabs reassign 1 2\r\n", DENIED },
	{ "slabs automove 0\r\n", DENIED },
	{ "lru mode flat\r\n", DENIED },
	{ "lru_crawler disable\r\n", DENIED },
	{ "extstore item_size 1\r\n", DENIED },
	{ "refresh_certs\r\n", DENIED },
};

static void
check_untouched(struct site *s)
{
	log_in(s->t, "boss");
	talk_expect(s->t, "get a:1 k a:2 a:3 b B:1\r\n",
	    "VALUE a:1 0 2\r\n10\r\nVALUE k 0 2\r\n30\r\nEND\r\n");
	talk_expect(s->t, "mg a:1 t\r\n", "HD t-1\r\n");
}

START_TEST(attack_by_text)
{
	struct site s;

	open_office(&s);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
		log_in(s.t, "ben");
		talk_expect(s.t, attacks[i].ask, attacks[i].answer);
		/* And the next reply is the next request's. */
		talk_expect(s.t, "mn\r\n", "MN\r\n");
	}
	check_untouched(&s);
	site_close(&s);
}
END_TEST

/* Values that go straight into their items. */
START_TEST(attack_with_large_values)
{
	char *text = malloc(100100);
	struct site s;
	int head;

	open_office(&s);
	log_in(s.t, "ben");
	head = sprintf(text, "set a:1 0 0 100000\r\n");
	memset(text + head, 'x', 100000);
	strcpy(text + head + 100000, "\r\n");
	talk_expect(s.t, text, DENIED);
	memcpy(text, "set b:1", 7);
	talk_expect(s.t, text, "STORED\r\n");
	memcpy(text, "add a:9", 7);
	talk_expect(s.t, text, DENIED);
	log_in_binary(s.t, "ben");
	site_packet(s.t, OP_SETB, "00000000", 8, "a:1", 3, text, 100000);
	ck_assert_int_eq(site_status(s.t, OP_SETB, "Auth failure."),
	    0x20);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	check_untouched(&s);
	free(text);
	site_close(&s);
}
END_TEST

/* Opcode, extras, value: each one that takes a key. */
static const struct {
	uint8_t opcode, nextras;
	bool value;
	int status; /* -1: silence */
} strikes[] = {
	{ 0x00, 0, false, 1 }, { 0x09, 0, false, -1 }, { 0x0c, 0, false, 1 },
	{ 0x0d, 0, false, -1 }, { 0x1d, 4, false, 1 }, { 0x1e, 4, false, -1 },
	{ 0x23, 4, false, 1 }, { 0x24, 4, false, -1 },
	{ 0x01, 8, true, 0x20 }, { 0x02, 8, true, 0x20 },
	{ 0x03, 8, true, 0x20 }, { 0x04, 0, false, 0x20 },
	{ 0x05, 20, false, 0x20 }, { 0x06, 20, false, 0x20 },
	{ 0x0e, 0, true, 0x20 }, { 0x0f, 0, true, 0x20 },
	{ 0x11, 8, true, 0x20 }, { 0x12, 8, true, 0x20 },
	{ 0x13, 8, true, 0x20 }, { 0x14, 0, false, 0x20 },
	{ 0x15, 20, false, 0x20 }, { 0x16, 20, false, 0x20 },
	{ 0x19, 0, true, 0x20 }, { 0x1a, 0, true, 0x20 },
	{ 0x1c, 4, false, 0x20 },
};

START_TEST(attack_by_binary)
{
	static const char zeros[20];
	struct site s;

	open_office(&s);
	log_in_binary(s.t, "ben");
	for (size_t i = 0; i < sizeof(strikes) / sizeof(*strikes); i++) {
		site_packet(s.t, strikes[i].opcode, zeros, strikes[i].nextras,
		    "a:1", 3, "x", strikes[i].value);
		ck_assert_int_eq(site_status(s.t, strikes[i].opcode,
		    NULL), strikes[i].status);
		ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	}
	ck_assert_int_eq(site_ask(s.t, 0x08), 0x20);
	ck_assert_int_eq(site_ask(s.t, 0x18), 0x20);
	site_packet(s.t, 0x10, NULL, 0, "settings", 8, NULL, 0);
	ck_assert_int_eq(site_status(s.t, 0x10, NULL), 0x20);
	site_packet(s.t, 0x10, NULL, 0, "detail dump", 11, NULL, 0);
	ck_assert_int_eq(site_status(s.t, 0x10, NULL), 0x20);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	check_untouched(&s);
	site_close(&s);
}
END_TEST

START_TEST(own_keys)
{
	struct site s;

	open_office(&s);
	log_in(s.t, "ben");
	talk_expect(s.t, "get b:1\r\nset bbq 0 0 1\r\n1\r\nincr bbq 1\r\n"
	    "mg bbq v\r\ndelete bbq\r\n", "VALUE b:1 0 2\r\n20\r\nEND\r\n"
	    "STORED\r\n2\r\nVA 1\r\n2\r\nDELETED\r\n");
	site_close(&s);
}
END_TEST

START_TEST(flush_of_prefixes)
{
	struct site s;

	open_office(&s);
	for (unsigned i = 0; i < 2000; i++) {
		char line[64];

		snprintf(line, sizeof(line), "set %c:%u 0 0 1\r\nx\r\n",
		    "abc"[i % 3], i);
		talk_expect(s.t, line, "STORED\r\n");
	}
	log_in(s.t, "ann");
	talk_expect(s.t, "set a:last 0 0 1\r\nx\r\nflush_all\r\n"
	    "get a:0 a:1 a:3 a:last\r\n", "STORED\r\nOK\r\nEND\r\n");
	talk_expect(s.t, "set a:0 0 0 1\r\ny\r\nget a:0\r\n",
	    "STORED\r\nVALUE a:0 0 1\r\ny\r\nEND\r\n");
	talk_expect(s.t, "flush_all noreply\r\nget a:0\r\n", "END\r\n");
	log_in_binary(s.t, "ann");
	ck_assert_int_eq(site_ask(s.t, 0x08), 0);
	ck_assert_int_eq(site_ask(s.t, 0x18), -1);
	log_in(s.t, "boss");
	s.t->nout = 0;
	for (unsigned i = 0; i < 2000; i++) {
		char line[64];

		if (i % 3 == 0)
			continue;
		snprintf(line, sizeof(line), "mg %c:%u\r\n", "abc"[i % 3], i);
		talk_expect(s.t, line, "HD\r\n");
	}
	talk_expect(s.t, "mg k\r\nmg b:1\r\n", "HD\r\nHD\r\n");
	site_close(&s);
}
END_TEST

START_TEST(delayed_flush_of_prefixes)
{
	struct site s;

	open_office(&s);
	log_in(s.t, "ann");
	talk_expect(s.t, "set a:short 0 2 1\r\nx\r\nflush_all 10\r\n"
	    "mg a:short t\r\n", "STORED\r\nOK\r\nHD t2\r\n");
	s.t->host->caller.now += 8;
	talk_expect(s.t, "get a:1\r\n", "VALUE a:1 0 2\r\n10\r\nEND\r\n");
	s.t->host->caller.now += 2;
	talk_expect(s.t, "get a:1\r\n", "END\r\n");
	log_in(s.t, "boss");
	talk_expect(s.t, "mg k t\r\nmg b:1 t\r\n", "HD t-1\r\nHD t-1\r\n");
	site_close(&s);
}
END_TEST

START_TEST(dumps_of_prefixes)
{
	struct site s;

	open_office(&s);
	log_in(s.t, "ann");
	talk_expect(s.t, "lru_crawler mgdump all\r\n",
	    "OK\r\nmg a:1\r\nEN\r\n");
	s.t->nout = 0;
	talk_send(s.t, "lru_crawler metadump all\r\n", 26);
	ck_assert_ptr_nonnull(strstr(s.t->out, "key=a%3A1 "));
	ck_assert_ptr_null(strstr(s.t->out, "key=b"));
	ck_assert_ptr_null(strstr(s.t->out, "key=k"));
	for (unsigned class_id = 1; class_id < 64; class_id++) {
		char line[32];

		snprintf(line, sizeof(line), "stats cachedump %u 0\r\n",
		    class_id);
		talk_send(s.t, line, strlen(line));
	}
	ck_assert_ptr_nonnull(strstr(s.t->out, "ITEM a:1 "));
	ck_assert_ptr_null(strstr(s.t->out, "ITEM b"));
	ck_assert_ptr_null(strstr(s.t->out, "ITEM k"));
	/* An admin of its own keys only. */
	talk_expect(s.t, "watch\r\nstats detail dump\r\nstats conns\r\n"
	    "shutdown\r\nlru_crawler disable\r\nlru_crawler me all\r\n"
	    "slabs automove 0\r\nverbosity 0\r\nstats reset\r\n",
	    DENIED DENIED DENIED DENIED DENIED DENIED DENIED DENIED DENIED);
	log_in(s.t, "boss");
	talk_expect(s.t, "verbosity 0\r\nslabs automove 0\r\n",
	    "OK\r\nOK\r\n");
	site_close(&s);
}
END_TEST

Suite *
rights_suite(void)
{
	Suite *s = suite_create("rights");
	TCase *t = tcase_create("rights");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, reader_and_writer);
	tcase_add_test(t, attack_by_text);
	tcase_add_test(t, attack_with_large_values);
	tcase_add_test(t, attack_by_binary);
	tcase_add_test(t, own_keys);
	tcase_add_test(t, flush_of_prefixes);
	tcase_add_test(t, delayed_flush_of_prefixes);
	tcase_add_test(t, dumps_of_prefixes);
	suite_add_tcase(s, t);
	return s;
}
