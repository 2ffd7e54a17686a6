/* test_auth.c - logging in by text and by SASL. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/auth.h"
#include "tests/server/site.h"

/* ------------------------------------------------------------ text */

START_TEST(strict_text)
{
	struct site s;

	site_open(&s, "foo:b ar\n", "");
	talk_expect(s.t, "version\r\nget a b c\r\nadd x 0 0 7\r\nset x 0 0\r\n"
	    "set x 0 0 -1\r\n", "CLIENT_ERROR unauthenticated\r\n"
	    "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n"
	    "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n");
	talk_expect(s.t, "set x 0 0 6\r\nfoobar\r\n",
	    "CLIENT_ERROR bad authentication token format\r\n");
	talk_expect(s.t, "set x 0 0 4\r\nfoo \r\n",
	    "CLIENT_ERROR bad authentication token format\r\n");
	talk_expect(s.t, "set x 0 0 8\r\nfoo b arxx",
	    "CLIENT_ERROR bad command line termination\r\n");
	talk_expect(s.t, "set x 0 0 16385\r\n",
	    "CLIENT_ERROR auth token too long\r\n");
	talk_expect(s.t, "set x 0 0 7\r\nfoo bar\r\n",
	    "CLIENT_ERROR authentication failure\r\n");
	talk_expect(s.t, "set x 0 0 8\r\nfoo b ar\r\nget x\r\nmn\r\n",
	    "STORED\r\nEND\r\nMN\r\n");
	ck_assert_uint_eq(s.t->host->counters.auth_cmds, 2);
	ck_assert_uint_eq(s.t->host->counters.auth_errors, 1);
	/* Afterwards a set is a set. */
	talk_expect(s.t, "set x 0 0 7\r\nfoo bar\r\nget x\r\n",
	    "STORED\r\nVALUE x 0 7\r\nfoo bar\r\nEND\r\n");
	talk_again(s.t);
	talk_expect(s.t, "mn\r\n", "");
	ck_assert_int_eq(s.t->verdict, SESSION_DROP);
	site_close(&s);
}
END_TEST

START_TEST(lenient_text)
{
	struct site s;

	site_open(&s, site_line("foo", "bar", ""), "");
	talk_expect(s.t, "mn\r\nget a\r\n\r\nx\r\n version\r\n",
	    "MN\r\nCLIENT_ERROR unauthenticated\r\n"
	    "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n"
	    "CLIENT_ERROR unauthenticated\r\n");
	talk_expect(s.t, "version\r\n",
	    "VERSION " SLABD_WIRE_VERSION "\r\n");
	talk_expect(s.t, "ms x 7 T0 Oabc\r\nfoo baz\r\n",
	    "CLIENT_ERROR authentication failure\r\n");
	talk_expect(s.t, "ms x S7\r\n", "CLIENT_ERROR unauthenticated\r\n");
	talk_expect(s.t, "ms x 7 k Oabc\r\nfoo bar\r\nmg x\r\n",
	    "HD kx Oabc\r\nEN\r\n");
	talk_again(s.t);
	talk_expect(s.t, "ms x 7 q\r\nfoo bar\r\nmn\r\n", "MN\r\n");
	talk_again(s.t);
	talk_expect(s.t, "quit\r\n", "");
	ck_assert_int_eq(s.t->verdict, SESSION_CLOSE);
	site_close(&s);
}
END_TEST

/* Any split of the input gives the same replies. */
START_TEST(split_text)
{
	static const char text[] = "get k\r\nset x 0 0 7\r\nfoo bar\r\n"
				   "set k 0 0 1\r\n1\r\nget k\r\n";
	struct site s;

	site_open(&s, "foo:bar\n", "");
	for (size_t step = 1; step < sizeof(text); step++) {
		talk_again(s.t);
		for (size_t at = 0; at < sizeof(text) - 1; at += step)
			talk_send(s.t, text + at, sizeof(text) - 1 - at < step
			    ? sizeof(text) - 1 - at : step);
		ck_assert_str_eq(s.t->out, "CLIENT_ERROR unauthenticated\r\n"
		    "STORED\r\nSTORED\r\nVALUE k 0 1\r\n1\r\nEND\r\n");
	}
	site_close(&s);
}
END_TEST

START_TEST(long_lines)
{
	struct site s;
	char *line = malloc(3000);

	memset(line, 'x', 3000);
	site_open(&s, site_line("foo", "bar", ""), "");
	talk_send(s.t, line, 2048);
	ck_assert_int_eq(s.t->verdict, SESSION_MORE);
	talk_send(s.t, line, 1);
	ck_assert_int_eq(s.t->verdict, SESSION_DROP);
	free(line);
	site_close(&s);
}
END_TEST

/* ------------------------------------------------------------ binary */

/* The client's part: the final message, to whoever is called foo. */
static size_t
prove(const char *challenge, size_t n, const char *password, char *out)
{
	struct scram_verifier v = { 0 };
	crypto_auth_hmacsha256_state st;
	char nonce[256], salt64[128], said[1024], text[64];
	uint8_t salted[32], key[32], stored[32], signature[32];
	unsigned rounds;
	size_t nsalt;

	snprintf(said, sizeof(said), "%.*s", (int)n, challenge);
	ck_assert_int_eq(sscanf(said, "r=%255[^,],s=%127[^,],i=%u", nonce,
	    salt64, &rounds), 3);
	sodium_base642bin(v.salt, sizeof(v.salt), salt64, strlen(salt64),
	    NULL, &nsalt, NULL, sodium_base64_VARIANT_ORIGINAL);
	v.salt[nsalt] = 0;
	v.salt[nsalt + 3] = 1;
	/* Hi(), written anew. */
	memset(salted, 0, sizeof(salted));
	for (unsigned i = 0; i < rounds; i++) {
		crypto_auth_hmacsha256_init(&st, (const uint8_t *)password,
		    strlen(password));
		crypto_auth_hmacsha256_update(&st, i == 0 ? v.salt : key,
		    i == 0 ? nsalt + 4 : 32);
		crypto_auth_hmacsha256_final(&st, key);
		for (unsigned k = 0; k < 32; k++)
			salted[k] ^= key[k];
	}
	crypto_auth_hmacsha256(key, (const uint8_t *)"Client Key", 10,
	    salted);
	crypto_hash_sha256(stored, key, 32);
	n = (size_t)snprintf(said, sizeof(said), "n=foo,r=nonce,%.*s,c=biws,"
	    "r=%s", (int)n, challenge, nonce);
	crypto_auth_hmacsha256(signature, (const uint8_t *)said, n, stored);
	for (unsigned k = 0; k < 32; k++)
		key[k] ^= signature[k];
	sodium_bin2base64(text, sizeof(text), key, 32,
	    sodium_base64_VARIANT_ORIGINAL);
	return (size_t)sprintf(out, "c=biws,r=%s,p=%s", nonce, text);
}

#define SCRAM "SCRAM-SHA-256"

#define PLAIN(t, data) site_sasl(t, OP_AUTH, "PLAIN", data, sizeof(data) - 1)

START_TEST(plain)
{
	struct site s;

	site_open(&s, site_line("foo", "bar", ""), "");
	site_packet(s.t, OP_LIST, NULL, 0, NULL, 0, NULL, 0);
	ck_assert_int_eq(site_status(s.t, OP_LIST,
	    "SCRAM-SHA-256 PLAIN"), 0);
	ck_assert_int_eq(site_ask(s.t, OP_VER), 0);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0baz"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0bar"), 0);
	site_status(s.t, OP_AUTH, "Authenticated");
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	/* Twice, and as oneself. */
	ck_assert_int_eq(PLAIN(s.t, "foo\0foo\0bar"), 0);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	/* A failure takes back what was allowed. */
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0baz"), 0x20);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0x20);
	ck_assert_int_eq(s.t->verdict, SESSION_CLOSE);
	ck_assert_uint_eq(s.t->host->counters.auth_cmds, 4);
	ck_assert_uint_eq(s.t->host->counters.auth_errors, 2);
	site_close(&s);
}
END_TEST

START_TEST(bad_plain)
{
	struct site s;
	uint64_t errors;

	site_open(&s, site_line("foo", "bar", ""), "");
	ck_assert_int_eq(PLAIN(s.t, "foo"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0foo"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0bar\0"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0bar\0x"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "\0\0bar"), 0x20);
	ck_assert_int_eq(PLAIN(s.t, "root\0foo\0bar"), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "ANONYMOUS", "x", 1), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "EXTERNAL", "foo", 3), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "LOGIN", "foo", 3), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "plain", "\0foo\0bar",
	    8), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "PLAINX", "\0foo\0bar",
	    8), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "PLAI", "\0foo\0bar",
	    8), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "SCRAM-SHA-1", "n,,n=foo,r=x",
	    12), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0bar",
	    8), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "SCRAM-SHA-256", "", 0), 0x20);
	/* a name that nobody has is no attempt (t/binary-sasl.t) */
	errors = s.t->host->counters.auth_errors;
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH,
	    "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "", 0), 4);
	ck_assert_uint_eq(s.t->host->counters.auth_errors, errors);
	ck_assert_int_eq(s.t->verdict, SESSION_MORE);
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0bar"), 0);
	site_close(&s);
}
END_TEST

/* A client that begins with nothing is asked for it, and says it in a step. */
START_TEST(invited)
{
	struct site s;
	char final[512];
	size_t n;

	site_open(&s, site_line("foo", "bar", ""), "");
	ck_assert_int_eq(PLAIN(s.t, ""), 0x21);
	site_status(s.t, OP_AUTH, "");
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0bar", 8), 0);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	/* To ask is no attempt, but it takes back what was allowed. */
	ck_assert_int_eq(PLAIN(s.t, ""), 0x21);
	ck_assert_uint_eq(s.t->host->counters.auth_cmds, 1);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0x20);
	talk_again(s.t);
	/* Of another mechanism, twice, nothing, wrong. */
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, SCRAM, "", 0), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0bar", 8),
	    0x20);
	ck_assert_int_eq(PLAIN(s.t, ""), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0baz", 8),
	    0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0bar", 8),
	    0x20);
	ck_assert_int_eq(PLAIN(s.t, ""), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "", 0), 0x20);
	ck_assert_int_eq(PLAIN(s.t, ""), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "LOGIN", "", 0), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, "PLAIN", "\0foo\0bar", 8),
	    0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_AUTH, SCRAM, "", 0), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, "n,,n=foo,r=nonce",
	    16), 0x21);
	n = prove(s.t->out + 24, s.t->nout - 24, "bar", final);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, "", 0), 0);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0);
	site_close(&s);
}
END_TEST

/* A name or password longer than any can be, and more than a packet may. */
START_TEST(long_plain)
{
	static const size_t sizes[] = { 255, 256, 1024, 1025, 5000, 16000 };
	char *data = calloc(1, 20000);
	struct site s;

	site_open(&s, site_line("foo", "bar", ""), "");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		memset(data, 'x', 20000);
		data[0] = data[sizes[i] + 1] = '\0';
		ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "PLAIN", data,
		    sizes[i] + 5), 0x20);
		memcpy(data, "\0foo\0", 5);
		data[sizes[i] + 1] = 'x';
		ck_assert_int_eq(site_sasl(s.t, OP_AUTH, "PLAIN", data,
		    sizes[i] + 5), 0x20);
	}
	ck_assert_int_eq(PLAIN(s.t, "\0foo\0bar"), 0);
	site_packet(s.t, OP_AUTH, NULL, 0, "PLAIN", 5, data, 17000);
	ck_assert_int_gt(site_status(s.t, OP_AUTH, NULL), 0);
	free(data);
	site_close(&s);
}
END_TEST

/* Every opcode but those four, quiet or not, with whatever it carries. */
START_TEST(closed_before_login)
{
	struct site s;

	site_open(&s, site_line("foo", "bar", ""), "");
	for (unsigned op = 0; op < 256; op++) {
		if (op == OP_VER || (op >= OP_LIST && op <= OP_NEXT))
			continue;
		for (unsigned n = 0; n < 9; n += 4) {
			talk_again(s.t);
			site_packet(s.t, (uint8_t)op, "12345678", n, "k",
			    n > 0, "v", n > 4);
			ck_assert_int_eq(site_status(s.t, (uint8_t)op,
			    "Auth failure."), 0x20);
			ck_assert_int_eq(s.t->verdict, SESSION_CLOSE);
		}
	}
	site_close(&s);
}
END_TEST

/* ------------------------------------------------------------ SCRAM */

static void
begin(struct talk *t, const char *password, char *final, size_t *n)
{
	ck_assert_int_eq(site_sasl(t, OP_AUTH, SCRAM, "n,,n=foo,r=nonce", 16),
	    0x21);
	*n = prove(t->out + 24, t->nout - 24, password, final);
}

static void
scram_right(struct talk *t)
{
	char final[512];
	size_t n;

	begin(t, "bar", final, &n);
	ck_assert_int_eq(site_sasl(t, OP_NEXT, SCRAM, final, n), 0x21);
	ck_assert_int_eq(memcmp(t->out + 24, "v=", 2), 0);
	ck_assert_int_eq(site_sasl(t, OP_NEXT, SCRAM, "", 0), 0);
	site_status(t, OP_NEXT, "Authenticated");
	ck_assert_int_eq(site_ask(t, OP_NOOP), 0);
}

START_TEST(scram)
{
	struct site s;
	char final[512];
	size_t n;

	site_open(&s, site_line("foo", "bar", ""), "");
	scram_right(s.t);
	ck_assert_uint_eq(s.t->host->counters.auth_cmds, 1);
	ck_assert_uint_eq(s.t->host->counters.auth_errors, 0);
	/* Again, on the same connection; then with a wrong password. */
	scram_right(s.t);
	begin(s.t, "baz", final, &n);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n), 0x20);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, "", 0), 0x20);
	/* Replayed, in another conversation. */
	begin(s.t, "bar", final, &n);
	begin(s.t, "bar", final + 256, &n);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, strlen(final)),
	    0x20);
	/* The signature was sent: no proof any more, but the last word. */
	begin(s.t, "bar", final, &n);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n), 0x21);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n), 0x20);
	/* Not in before the end. */
	begin(s.t, "bar", final, &n);
	ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n), 0x21);
	ck_assert_int_eq(site_ask(s.t, OP_NOOP), 0x20);
	ck_assert_int_eq(s.t->verdict, SESSION_CLOSE);
	site_close(&s);
}
END_TEST

/* A file of memcached's form serves SCRAM, too. */
START_TEST(scram_of_a_password)
{
	struct site s;

	site_open(&s, "foo:bar\n", "-S");
	scram_right(s.t);
	site_close(&s);
}
END_TEST

START_TEST(scram_of_a_stranger)
{
	struct site s;
	char final[512], challenge[2][256];
	size_t n;

	site_open(&s, site_line("alice", "bar", ""), "");
	for (unsigned i = 0; i < 2; i++) {
		begin(s.t, "bar", final, &n);
		snprintf(challenge[i], sizeof(challenge[i]), "%.*s",
		    (int)(s.t->nout - 24), s.t->out + 24);
		ck_assert_int_eq(site_sasl(s.t, OP_NEXT, SCRAM, final, n),
		    0x20);
	}
	/* The salt stays, the nonce does not. */
	ck_assert_str_eq(strstr(challenge[0], ",s="),
	    strstr(challenge[1], ",s="));
	ck_assert_str_ne(challenge[0], challenge[1]);
	site_close(&s);
}
END_TEST

/* ------------------------------------------------------------ reload */

START_TEST(reload)
{
	char why[USERS_WHY_MAX] = "";
	struct site s;

	site_open(&s, site_line("foo", "bar", ""), "");
	talk_expect(s.t, "set x 0 0 7\r\nfoo bar\r\n", "STORED\r\n");
	site_fill(&s, "broken\n");
	ck_assert(!auth_reload(s.t->server.auth, why));
	ck_assert_ptr_nonnull(strstr(why, ":1: there is no colon"));
	talk_again(s.t);
	talk_expect(s.t, "set x 0 0 7\r\nfoo bar\r\n", "STORED\r\n");
	site_fill(&s, site_line("foo", "new", "read"));
	ck_assert(auth_reload(s.t->server.auth, why));
	/* Who is in stays in, as it was. */
	talk_expect(s.t, "set k 0 0 1\r\n1\r\n", "STORED\r\n");
	talk_again(s.t);
	talk_expect(s.t, "set x 0 0 7\r\nfoo bar\r\nset x 0 0 7\r\nfoo new\r\n"
	    "set k 0 0 1\r\n1\r\n", "CLIENT_ERROR authentication failure\r\n"
	    "STORED\r\n" "CLIENT_ERROR permission denied\r\n");
	site_close(&s);
}
END_TEST

Suite *
auth_suite(void)
{
	Suite *s = suite_create("auth");
	TCase *t = tcase_create("auth");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, strict_text);
	tcase_add_test(t, lenient_text);
	tcase_add_test(t, split_text);
	tcase_add_test(t, long_lines);
	tcase_add_test(t, plain);
	tcase_add_test(t, bad_plain);
	tcase_add_test(t, invited);
	tcase_add_test(t, long_plain);
	tcase_add_test(t, closed_before_login);
	tcase_add_test(t, scram);
	tcase_add_test(t, scram_of_a_password);
	tcase_add_test(t, scram_of_a_stranger);
	tcase_add_test(t, reload);
	suite_add_tcase(s, t);
	return s;
}
