/*
 * test_attack.c - users with prefixes against each other's keys, and users
 * with few rights against the rest, through every command of every protocol.
 *
 * Each attack is made twice, on a key that is there and on one that is not,
 * and must be answered alike; and then the keys of others are as they were:
 * value, cas number, time to live, last access and all.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/command.h"
#include "tests/server/site.h"

#define DENIED "CLIENT_ERROR permission denied\r\n"

enum right { R = 1, W = 2, RW = 3, A = 4, O = 8 /* anyone's */ };

/*
 * K is the key, B the same in base64.  Of users with prefixes: what is
 * answered to those whom the key is hidden from.
 */
static const struct {
	const char *ask, *answer;
	enum right right;
} BY_KEY[] = {
	{ "get K\r\n", "END\r\n", R },
	{ "gets K K\r\n", "END\r\n", R },
	{ "gat 0 K\r\n", "END\r\n", RW },
	{ "gat -1 K\r\n", "END\r\n", RW },
	{ "gats 100 K K\r\n", "END\r\n", RW },
	{ "set K 0 0 1\r\nx\r\n", DENIED, W },
	{ "set K 0 -1 1\r\nx\r\n", DENIED, W },
	{ "set K 0 0 1 noreply\r\nx\r\n", "", W },
	{ "add K 0 0 1\r\nx\r\n", DENIED, W },
	{ "add K 0 0 1 noreply\r\nx\r\n", "", W },
	{ "replace K 0 0 1\r\nx\r\n", DENIED, W },
	{ "append K 0 0 1\r\nx\r\n", DENIED, W },
	{ "prepend K 0 0 1\r\nx\r\n", DENIED, W },
	{ "cas K 0 0 1 1\r\nx\r\n", DENIED, W },
	{ "cas K 0 0 1 0\r\nx\r\n", DENIED, W },
	{ "delete K\r\n", DENIED, W },
	{ "delete K noreply\r\n", "", W },
	{ "incr K 1\r\n", DENIED, W },
	{ "incr K 1 noreply\r\n", "", W },
	{ "decr K 1\r\n", DENIED, W },
	{ "touch K 0\r\n", DENIED, W },
	{ "touch K -1 noreply\r\n", "", W },
	{ "mg K\r\n", "EN\r\n", R },
	{ "mg K s v t f c h l\r\n", "EN\r\n", R },
	{ "mg K v q\r\n", "", R },
	{ "mg B b v\r\n", "EN\r\n", R },
	{ "mg K v N30\r\n", "EN\r\n", RW },
	{ "mg B b v N30 R30 T30\r\n", "EN\r\n", RW },
	{ "mg K v T30\r\n", "EN\r\n", RW },
	{ "mg K R30 E99 t\r\n", "EN\r\n", R },
	{ "me K\r\n", "EN\r\n", R },
	{ "me B b\r\n", "EN\r\n", R },
	{ "ms K 1\r\nx\r\n", DENIED, W },
	{ "ms K 1 q\r\nx\r\n", DENIED, W },
	{ "ms B 1 b k O1\r\nx\r\n", DENIED, W },
	{ "ms K 1 ME\r\nx\r\n", DENIED, W },
	{ "ms K 1 MA N0\r\nx\r\n", DENIED, W },
	{ "ms B 1 b MP N30\r\nx\r\n", DENIED, W },
	{ "ms K 1 MR I\r\nx\r\n", DENIED, W },
	{ "ms K 1 C1 I E5 T1\r\nx\r\n", DENIED, W },
	{ "md K\r\n", DENIED, W },
	{ "md K q\r\n", DENIED, W },
	{ "md K I T1\r\n", DENIED, W },
	{ "md K x E7\r\n", DENIED, W },
	{ "md B b x I F1\r\n", DENIED, W },
	{ "ma K\r\n", DENIED, W },
	{ "ma K q v\r\n", DENIED, W },
	{ "ma K N0 J5 v\r\n", DENIED, W },
	{ "ma B b MD D3 T9 t\r\n", DENIED, W },
};

/* Of the operator's: what is answered to an admin with prefixes.  NULL: that
 * is its own to judge, but it shows nothing of others. */
static const struct {
	const char *ask, *answer;
	enum right right;
} OTHERS[] = {
	{ "mn\r\n", "MN\r\n", O },
	{ "version\r\n", NULL, O },
	{ "quit\r\n", "", O },
	{ "flush_all\r\n", "OK\r\n", A },
	{ "flush_all 0\r\n", "OK\r\n", A },
	{ "flush_all -1\r\n", "OK\r\n", A },
	{ "flush_all 1\r\n", "OK\r\n", A },
	{ "flush_all 0 noreply\r\n", "", A },
	{ "verbosity 0\r\n", DENIED, A },
	{ "shutdown\r\n", DENIED, A },
	{ "shutdown graceful\r\n", DENIED, A },
	{ "cache_memlimit 64\r\n", DENIED, A },
	{ "debugtime 9\r\n", DENIED, A },
	{ "slabs reassign 1 2\r\n", DENIED, A },
	{ "slabs automove 0\r\n", DENIED, A },
	{ "slabs\r\n", DENIED, A },
	{ "lru mode segmented\r\n", DENIED, A },
	{ "lru tune 10 25 0.1 2.0\r\n", DENIED, A },
	{ "lru_crawler enable\r\n", DENIED, A },
	{ "lru_crawler crawl all\r\n", DENIED, A },
	{ "lru_crawler tocrawl 1\r\n", DENIED, A },
	{ "lru_crawler metadump all\r\n", NULL, A },
	{ "lru_crawler metadump hash\r\n", NULL, A },
	{ "lru_crawler metadump 1,2,3,4,5\r\n", NULL, A },
	{ "lru_crawler meta all\r\n", DENIED, A },
	{ "lru_crawler mgdump all\r\n", NULL, A },
	{ "lru_crawler mgdump hash\r\n", NULL, A },
	{ "watch\r\n", DENIED, A },
	{ "watch fetchers mutations evictions deletions\r\n", DENIED, A },
	{ "watch connevents\r\n", DENIED, A },
	{ "extstore item_size 1\r\n", DENIED, A },
	{ "refresh_certs\r\n", DENIED, A },
	{ "config get cluster\r\n", "ERROR\r\n", O },
	{ "stats\r\n", NULL, R },
	{ "stats items\r\n", NULL, R },
	{ "stats slabs\r\n", NULL, R },
	{ "stats sizes\r\n", NULL, R },
	{ "stats settings\r\n", NULL, A },
	{ "stats cachedump 1 0\r\n", NULL, A },
	{ "stats cachedump 2 0\r\n", NULL, A },
	{ "stats cachedump 3 0\r\n", NULL, A },
	{ "stats cachedump 4 0\r\n", NULL, A },
	{ "stats c 1 0\r\n", DENIED, A },
	{ "stats detail on\r\n", DENIED, A },
	{ "stats detail dump\r\n", DENIED, A },
	{ "stats detail off\r\n", DENIED, A },
	{ "stats conns\r\n", DENIED, A },
	{ "stats reset\r\n", DENIED, A },
	{ "stats r\r\n", DENIED, A },
};
enum {
	NBY_KEY = sizeof(BY_KEY) / sizeof(BY_KEY[0]),
	NOTHERS = sizeof(OTHERS) / sizeof(OTHERS[0])
};

/* Whose key is whose: prefixes that begin alike, and lie in each other. */
static const struct {
	const char *attacker;
	const char *there, *missing; /* keys that are not the attacker's */
} ATTACKS[] = {
	{ "ann", "b:secret", "b:missing" },
	{ "ben", "a:secret", "a:missing" },
	{ "bea", "a:secret", "a:missing" }, /* a:b: lies in a: */
	{ "bea", "a:b", "a:bb:missing" },   /* shorter than it; longer */
	{ "ann", "a", "A:missing" },
	{ "ben", "xb:secret", "x" },	    /* not at the beginning */
};
enum { NATTACKS = sizeof(ATTACKS) / sizeof(ATTACKS[0]) };

#define TREASURE "4815162342"

static void
log_in(struct talk *t, const char *name)
{
	char line[64];

	talk_again(t);
	snprintf(line, sizeof(line), "set x 0 0 %zu\r\n%s pw\r\n",
	    strlen(name) + 3, name);
	talk_expect(t, line, "STORED\r\n");
	t->nout = 0;
	t->out[0] = 0;
}

static void
log_in_binary(struct talk *t, const char *name)
{
	char data[64];

	talk_again(t);
	ck_assert_int_eq(site_sasl(t, OP_AUTH, "PLAIN", data,
	    (size_t)sprintf(data, "%c%s%cpw", 0, name, 0)), 0);
}

static void
open_town(struct site *s)
{
	char users[8192] = "";

	strcat(users, site_line("boss", "pw", ""));
	strcat(users, site_line("ann", "pw", "read,write,admin a:"));
	strcat(users, site_line("bea", "pw", "read,write,admin a:b:"));
	strcat(users, site_line("ben", "pw", "read,write,admin b: bb"));
	site_open(s, users, "-A");
	log_in(s->t, "boss");
	for (unsigned i = 0; i < NATTACKS; i++) {
		char line[64];

		snprintf(line, sizeof(line), "set %s 7 0 10\r\n" TREASURE
		    "\r\n", ATTACKS[i].there);
		talk_expect(s->t, line, "STORED\r\n");
	}
}

/* All that can be said of a key, without leaving a trace. */
static void
look(struct site *s, const char *key, char *seen, size_t n)
{
	char line[64];

	log_in(s->t, "boss");
	snprintf(line, sizeof(line), "me %s\r\n", key);
	talk_send(s->t, line, strlen(line));
	snprintf(seen, n, "%s", s->t->out);
}

static void
expand(char *to, const char *ask, const char *key)
{
	for (; *ask != '\0'; ask++)
		if (*ask == 'K' && ask[-1] == ' ')
			to += sprintf(to, "%s", key);
		else if (*ask == 'B' && ask[-1] == ' ')
			to += strlen(sodium_bin2base64(to, 64,
			    (const unsigned char *)key, strlen(key),
			    sodium_base64_VARIANT_ORIGINAL));
		else
			*to++ = *ask;
	*to = '\0';
}

START_TEST(text)
{
	char ask[256], before[256], after[256];
	struct site s;

	open_town(&s);
	look(&s, ATTACKS[_i].there, before, sizeof(before));
	ck_assert_int_eq(strncmp(before, "ME ", 3), 0);
	for (unsigned i = 0; i < NBY_KEY; i++) {
		for (unsigned there = 0; there < 2; there++) {
			log_in(s.t, ATTACKS[_i].attacker);
			expand(ask, BY_KEY[i].ask, there ?
			    ATTACKS[_i].there : ATTACKS[_i].missing);
			talk_expect(s.t, ask, BY_KEY[i].answer);
			/* And the next reply is the next request's. */
			talk_expect(s.t, "mn\r\n", "MN\r\n");
		}
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
		look(&s, ATTACKS[_i].missing, after, sizeof(after));
		ck_assert_str_eq(after, "EN\r\n");
	}
	log_in(s.t, "boss");
	snprintf(ask, sizeof(ask), "mg %s v\r\n", ATTACKS[_i].there);
	talk_expect(s.t, ask, "VA 10\r\n" TREASURE "\r\n");
	site_close(&s);
}
END_TEST

START_TEST(text_of_operators)
{
	char before[256], after[256];
	struct site s;

	open_town(&s);
	look(&s, ATTACKS[_i].there, before, sizeof(before));
	for (unsigned i = 0; i < NOTHERS; i++) {
		log_in(s.t, ATTACKS[_i].attacker);
		if (OTHERS[i].answer != NULL)
			talk_expect(s.t, OTHERS[i].ask, OTHERS[i].answer);
		else
			talk_send(s.t, OTHERS[i].ask, strlen(OTHERS[i].ask));
		ck_assert_ptr_null(strstr(s.t->out, "secret"));
		ck_assert_ptr_null(strstr(s.t->out, TREASURE));
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
	}
	site_close(&s);
}
END_TEST

/* Longer than the cache takes, and than a batch: to set such a value has
 * memcached delete the old one. */
START_TEST(large)
{
	static const unsigned sizes[] = { 3000, 100000, 600000, 2000000,
		1u << 30, 2147483645 };
	static const char *const forms[] = { "set K 0 0 %u\r\n",
		"append K 0 0 %u\r\n", "ms K %u\r\n", "ms B %u b\r\n" };
	char line[256], form[256], before[256], after[256];
	char *junk = calloc(1, 2000002);
	struct site s;

	open_town(&s);
	look(&s, ATTACKS[_i].there, before, sizeof(before));
	for (unsigned i = 0; i < 6 * 4; i++) {
		unsigned n = sizes[i / 4];

		log_in(s.t, ATTACKS[_i].attacker);
		expand(form, forms[i % 4], ATTACKS[_i].there);
		snprintf(line, sizeof(line), form, n);
		talk_send(s.t, line, strlen(line));
		if (n <= 2000000) {
			memcpy(junk + n, "\r\n", 2);
			talk_send(s.t, junk, n + 2);
			ck_assert_int_eq(memcmp(s.t->out, "CLIENT_ERROR perm",
			    17) && memcmp(s.t->out, "SERVER_ERROR object",
			    19), 0);
			memset(junk + n, 0, 2);
		}
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
		if (n > 2000000)
			continue;
		log_in_binary(s.t, ATTACKS[_i].attacker);
		site_packet(s.t, OP_SETB, "00000000", 8, ATTACKS[_i].there,
		    strlen(ATTACKS[_i].there), junk, n);
		ck_assert_int_ne(site_status(s.t, OP_SETB, NULL), 0);
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
	}
	free(junk);
	site_close(&s);
}
END_TEST

/* ------------------------------------------------------------ binary */

/* The answer, whatever it is, without the opaque. */
static size_t
strike(struct site *s, unsigned i, unsigned opcode, unsigned shape,
    const char *key, char answer[64])
{
	static const char zeros[20];
	static const uint8_t nextras[] = { 0, 4, 8, 20 };

	log_in_binary(s->t, ATTACKS[i].attacker);
	site_packet(s->t, (uint8_t)opcode, zeros, nextras[shape / 2], key,
	    strlen(key), "1", shape & 1);
	ck_assert_ptr_null(memmem(s->t->out, s->t->nout, TREASURE, 10));
	memcpy(answer, s->t->out, s->t->nout < 64 ? s->t->nout : 64);
	return s->t->nout;
}

START_TEST(binary)
{
	char before[256], after[256], answer[2][64];
	unsigned denied = 0;
	struct site s;

	open_town(&s);
	look(&s, ATTACKS[_i].there, before, sizeof(before));
	for (unsigned i = 0; i < 256 * 8; i++) {
		unsigned op = i / 8;
		size_t n = strike(&s, _i, op, i % 8, ATTACKS[_i].there,
		    answer[0]);
		size_t m = strike(&s, _i, op, i % 8, ATTACKS[_i].missing,
		    answer[1]);
		bool getk = op == 0x0c || op == 0x23;

		/* getk and gatk tell the key that was asked for. */
		if (!getk)
			ck_assert_uint_eq(n, m);
		if (!getk && n > 0)
			ck_assert_mem_eq(answer[0], answer[1],
			    n < 64 ? n : 64);
		if (n > 7) {
			ck_assert_int_ne(answer[0][6] << 8 | answer[0][7], 0);
			denied += answer[0][7] == 0x20;
		}
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
		look(&s, ATTACKS[_i].missing, after, sizeof(after));
		ck_assert_str_eq(after, "EN\r\n");
	}
	/* That many were well-formed: set add replace, delete, incr decr,
	 * append prepend, each quiet too, touch, two values; and SASL. */
	ck_assert_uint_ge(denied, 8 + 8 + 1);
	site_close(&s);
}
END_TEST

/* Without a key, and of stat the groups. */
START_TEST(binary_of_operators)
{
	char before[256], after[256];
	struct site s;

	open_town(&s);
	look(&s, ATTACKS[_i].there, before, sizeof(before));
	for (unsigned op = 0; op < 256; op++)
		for (unsigned n = 0; n < 9; n += 4) {
			log_in_binary(s.t, ATTACKS[_i].attacker);
			site_packet(s.t, (uint8_t)op, "\0\0\0\0\0\0\0\0", n,
			    NULL, 0, NULL, 0);
			look(&s, ATTACKS[_i].there, after, sizeof(after));
			ck_assert_str_eq(before, after);
		}
	for (unsigned i = 0; i < NOTHERS; i++) {
		const char *group = OTHERS[i].ask + 6;

		if (strncmp(OTHERS[i].ask, "stats ", 6) != 0)
			continue;
		log_in_binary(s.t, ATTACKS[_i].attacker);
		site_packet(s.t, 0x10, NULL, 0, group, strlen(group) - 2,
		    NULL, 0);
		ck_assert_ptr_null(memmem(s.t->out, s.t->nout, "secret", 6));
		if (OTHERS[i].answer != NULL)
			ck_assert_int_eq(site_status(s.t, 0x10, NULL), 0x20);
		look(&s, ATTACKS[_i].there, after, sizeof(after));
		ck_assert_str_eq(before, after);
	}
	site_close(&s);
}
END_TEST

/* ------------------------------------------------------------ rights */

/* A user for each set of rights tries each command. */
static void
try(struct site *s, unsigned rights, const char *ask, enum right right)
{
	bool allowed = right == O || (rights & right) == right;
	char name[4], line[256];

	if (allowed && strncmp(ask, "shutdown", 8) == 0)
		return;
	log_in(s->t, "boss");
	talk_send(s->t, "set k 0 0 1\r\n1\r\n", 16);
	snprintf(name, sizeof(name), "u%u", rights);
	log_in(s->t, name);
	expand(line, ask, "k");
	talk_send(s->t, line, strlen(line));
	if (strstr(ask, "noreply") != NULL) {
		ck_assert_uint_eq(s->t->nout, 0);
		if (!allowed)
			talk_expect(s->t, "verbosity\r\n", rights & A ?
			    "CLIENT_ERROR bad command line format\r\n" :
			    DENIED);
	} else if (strncmp(ask, "quit", 4) != 0) {
		ck_assert_msg(allowed == (strstr(s->t->out, DENIED) == NULL),
		    "rights %u: %s: %s", rights, line, s->t->out);
	}
	if (allowed || !(right & W))
		return;
	log_in(s->t, "boss");
	talk_expect(s->t, "get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
}

START_TEST(rights)
{
	static const char *const words[] = { "", "read", "write",
		"read,write", "admin", "read,admin", "write,admin",
		"read,write,admin" };
	char users[8192] = "", name[4];
	struct site s;

	strcat(users, site_line("boss", "pw", ""));
	for (unsigned i = 1; i < 8; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		strcat(users, site_line(name, "pw", words[i]));
	}
	site_open(&s, users, "-A");
	for (unsigned i = 1; i < 8; i++) {
		for (unsigned k = 0; k < NBY_KEY; k++)
			try(&s, i, BY_KEY[k].ask, BY_KEY[k].right);
		for (unsigned k = 0; k < NOTHERS; k++)
			try(&s, i, OTHERS[k].ask, OTHERS[k].right);
	}
	site_close(&s);
}
END_TEST

/* A new command has to be attacked here, too. */
START_TEST(complete)
{
	for (unsigned op = 0; op < OP_COUNT; op++) {
		const char *word = COMMANDS[op].word;
		bool found = word == NULL;
		size_t n = found ? 0 : strlen(word);

		for (unsigned i = 0; i < NBY_KEY + NOTHERS && !found; i++) {
			const char *ask = i < NBY_KEY ? BY_KEY[i].ask :
			    OTHERS[i - NBY_KEY].ask;

			found = strncmp(ask, word, n) == 0 &&
			    (ask[n] == ' ' || ask[n] == '\r');
		}
		ck_assert_msg(found, "no attack by %s", word);
	}
}
END_TEST

Suite *
attack_suite(void)
{
	Suite *s = suite_create("attack");
	TCase *t = tcase_create("attack");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, complete);
	tcase_add_loop_test(t, text, 0, NATTACKS);
	tcase_add_loop_test(t, text_of_operators, 0, NATTACKS);
	tcase_add_loop_test(t, large, 0, NATTACKS);
	tcase_add_loop_test(t, binary, 0, NATTACKS);
	tcase_add_loop_test(t, binary_of_operators, 0, NATTACKS);
	tcase_add_test(t, rights);
	suite_add_tcase(s, t);
	return s;
}
