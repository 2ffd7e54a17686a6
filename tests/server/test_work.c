/*
 * test_work.c - whoever is refused has cost the same work, whether the name
 * is unknown, or the password wrong, and whatever form the user's line has.
 *
 * Not timed but counted: libsodium's functions that take time are replaced
 * here by ones that count and then call them.
 */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "tests/server/site.h"

/* Each thread's own: other suites have some. */
static _Thread_local struct work {
	unsigned argon;	 /* 15 ms each, in a file of slabd-passwd's */
	unsigned hmac;	 /* a round of SCRAM's */
	unsigned digest; /* a few hundred nanoseconds */
} work;

int
crypto_pwhash_str_verify(const char hash[crypto_pwhash_STRBYTES],
    const char *const password, unsigned long long n)
{
	int (*next)(const char *, const char *, unsigned long long) =
	    dlsym(RTLD_NEXT, "crypto_pwhash_str_verify");

	work.argon++;
	return next(hash, password, n);
}

int
crypto_auth_hmacsha256_final(crypto_auth_hmacsha256_state *state,
    unsigned char *out)
{
	int (*next)(crypto_auth_hmacsha256_state *, unsigned char *) =
	    dlsym(RTLD_NEXT, "crypto_auth_hmacsha256_final");

	work.hmac++;
	return next(state, out);
}

int
crypto_generichash(unsigned char *out, size_t nout, const unsigned char *in,
    unsigned long long n, const unsigned char *key, size_t nkey)
{
	int (*next)(unsigned char *, size_t, const unsigned char *,
	    unsigned long long, const unsigned char *, size_t) =
	    dlsym(RTLD_NEXT, "crypto_generichash");

	work.digest++;
	return next(out, nout, in, n, key, nkey);
}

/* ------------------------------------------------------------ files */

enum form { HASHED = 1, PLAIN = 2, MANY = 4 };

/* h1 h2, p1 p2, and more of the p. */
static const char *
users_of(unsigned form)
{
	static char text[8192];

	*text = '\0';
	if (form & HASHED)
		strcat(text, site_line("h1", "pw", ""));
	if (form & HASHED)
		strcat(text, site_line("h2", "pw2", "read h:"));
	if (form & PLAIN)
		strcat(text, "p1:pw\np2:a longer password of theirs\n");
	for (unsigned i = 3; (form & MANY) && i < 80; i++)
		sprintf(text + strlen(text), "p%u:pw%u\n", i, i);
	return text;
}

static const char *const NAMES[] = { "h1", "h2", "p1", "p2", "nobody", "x",
	"root", "h3", "p", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8" };
enum { NNAMES = sizeof(NAMES) / sizeof(NAMES[0]) };

/* ------------------------------------------------------------ attempts */

static void
by_text(struct talk *t, const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "set x 0 0 %zu\r\n%s wrong\r\n",
	    strlen(name) + 6, name);
	talk_expect(t, line, "CLIENT_ERROR authentication failure\r\n");
}

static void
by_plain(struct talk *t, const char *name)
{
	char data[128];

	ck_assert_int_eq(site_sasl(t, OP_AUTH, "PLAIN", data, (size_t)sprintf(
	    data, "%c%s%cwrong", 0, name, 0)), 0x20);
	ck_assert_uint_eq(t->nout, 24 + 13);
}

/* Up to the challenge, of which all but nonces and salts is to be alike. */
static void
by_scram(struct talk *t, const char *name)
{
	char data[128], nonce[64], salt[64], final[256], bad[] =
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	unsigned rounds;

	ck_assert_int_eq(site_sasl(t, OP_AUTH, "SCRAM-SHA-256", data,
	    (size_t)sprintf(data, "n,,n=%s,r=abc", name)), 0x21);
	ck_assert_int_eq(sscanf(t->out + 24, "r=%63[^,],s=%63[^,],i=%u",
	    nonce, salt, &rounds), 3);
	ck_assert_uint_eq(rounds, 4096);
	ck_assert_uint_eq(strlen(nonce), 27);
	ck_assert_uint_eq(strlen(salt), 24);
	ck_assert_int_eq(site_sasl(t, OP_NEXT, "SCRAM-SHA-256", final,
	    (size_t)sprintf(final, "c=biws,r=%s,p=%s", nonce, bad)), 0x20);
	ck_assert_uint_eq(t->nout, 24 + 13);
}

typedef void attempt_by(struct talk *, const char *name);
static attempt_by *const WAYS[] = { by_text, by_plain, by_scram };

static struct work
cost(struct site *s, attempt_by *by, const char *name)
{
	talk_again(s->t);
	work = (struct work){ 0 };
	by(s->t, name);
	return work;
}

static void
expect_alike(struct work a, struct work b, const char *name)
{
	unsigned least = a.digest < b.digest ? a.digest : b.digest;

	ck_assert_msg(a.argon == b.argon && a.hmac == b.hmac &&
	    a.digest + b.digest - 2 * least <= 1,
	    "%s: %u %u %u, others %u %u %u", name, b.argon, b.hmac, b.digest,
	    a.argon, a.hmac, a.digest);
}

START_TEST(alike)
{
	static const unsigned forms[] = { HASHED, PLAIN, HASHED | PLAIN,
		PLAIN | MANY, HASHED | PLAIN | MANY };
	unsigned form = forms[_i / 3];
	attempt_by *by = WAYS[_i % 3];
	struct work first, later;
	struct site s;

	site_open(&s, users_of(form), "-S");
	first = cost(&s, by, "nobody");
	later = cost(&s, by, "nobody");
	/* Nothing would be alike, too. */
	ck_assert_uint_gt(by == by_scram ? later.hmac : later.digest, 0);
	ck_assert_uint_eq(later.argon, by != by_scram && (form & HASHED));
	for (unsigned i = 0; i < NNAMES; i++)
		expect_alike(later, cost(&s, by, NAMES[i]), NAMES[i]);
	site_close(&s);
	/* Nor does the very first attempt tell who it was for. */
	for (unsigned i = 0; i < 6; i++) {
		site_open(&s, users_of(form), "-S");
		expect_alike(first, cost(&s, by, NAMES[i]), NAMES[i]);
		site_close(&s);
	}
}
END_TEST

/* After the right password has been there, a wrong one costs as before, also
 * if it is somebody else's. */
START_TEST(remembered)
{
	struct work before, after;
	struct site s;

	site_open(&s, users_of(HASHED | PLAIN), "-S");
	before = cost(&s, by_text, "nobody");
	for (unsigned i = 0; i < 2; i++) {
		talk_again(s.t);
		talk_expect(s.t, "set x 0 0 5\r\nh1 pw\r\n", "STORED\r\n");
		talk_again(s.t);
		talk_expect(s.t, "set x 0 0 5\r\np1 pw\r\n", "STORED\r\n");
	}
	expect_alike(before, cost(&s, by_text, "h1"), "h1");
	expect_alike(before, cost(&s, by_text, "p1"), "p1");
	for (unsigned i = 0; i < NNAMES; i++) {
		char line[64];

		if (strcmp(NAMES[i], "h1") == 0 || strcmp(NAMES[i], "p1") == 0)
			continue;
		snprintf(line, sizeof(line), "set x 0 0 %zu\r\n%s pw\r\n",
		    strlen(NAMES[i]) + 3, NAMES[i]);
		talk_again(s.t);
		work = (struct work){ 0 };
		talk_expect(s.t, line, "CLIENT_ERROR authentication failure"
		    "\r\n");
		after = work;
		expect_alike(before, after, NAMES[i]);
	}
	site_close(&s);
}
END_TEST

Suite *
work_suite(void)
{
	Suite *s = suite_create("work");
	TCase *t = tcase_create("work");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, alike, 0, 15);
	tcase_add_test(t, remembered);
	suite_add_tcase(s, t);
	return s;
}
