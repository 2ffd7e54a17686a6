/* test_scram.c - the example of RFC 7677, and what no client should send. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/scram.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define OURS "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="

/* Ours is of another length than the one in the RFC, which is but a part of
 * the nonce: what is missing is given as the client's. */
#define SPLIT (sizeof(OURS) - 1 - SCRAM_NONCE)

static void
example(struct scram_verifier *v)
{
	size_t n;

	memset(v, 0, sizeof(*v));
	v->rounds = 4096;
	ck_assert_int_eq(sodium_base642bin(v->salt, sizeof(v->salt), SALT,
	    strlen(SALT), NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL), 0);
	v->nsalt = (uint32_t)n;
	scram_derive(v, "pencil", 6);
}

START_TEST(rfc7677)
{
	static const char final[] =
	    "c=biws,r=" NONCE OURS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7"
	    "AndVQ=";
	struct scram_verifier v;
	struct scram s = { 0 };
	char first[200], out[SCRAM_MESSAGE_MAX];
	size_t n;

	example(&v);
	snprintf(first, sizeof(first), "n,,n=user,r=%s", NONCE);
	ck_assert(scram_first(&s, first, strlen(first)));
	ck_assert_str_eq(s.name, "user");
	/* As if the client had sent more of the nonce, and the first message
	 * been what it is in the RFC. */
	memcpy(s.nonce + s.nnonce, OURS, SPLIT);
	s.nnonce += (uint32_t)SPLIT;
	n = scram_challenge(&s, &v, OURS + SPLIT, out);
	out[n] = '\0';
	ck_assert_str_eq(out, "r=" NONCE OURS ",s=" SALT ",i=4096");
	ck_assert(scram_final(&s, final, strlen(final), out, &n));
	out[n] = '\0';
	ck_assert_str_eq(out,
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}
END_TEST

/* A client in the state of having been challenged. */
static void
challenged(struct scram *s, const char *first)
{
	struct scram_verifier v;
	char out[SCRAM_MESSAGE_MAX];

	example(&v);
	memset(s, 0, sizeof(*s));
	ck_assert(scram_first(s, first, strlen(first)));
	scram_challenge(s, &v, "abcdefghijklmnopqrstuvwx", out);
}

static const char *const bad_firsts[] = {
	"", "n", "n,", "n,,", "n,,n=user", "n,,r=abc", "n,,n=user,r=",
	"n,,n=,r=abc", "n,,n=u=ser,r=abc", "n,,n=user=2,r=abc",
	"n,,n=u=2cser,r=abc", "p=tls-unique,,n=user,r=abc",
	"n,a=root,n=user,r=abc", "n,b=user,n=user,r=abc", "n,a=,n=user,r=abc",
	"n,,m=ext,n=user,r=abc", "n,,n=user,r=a\x7f" "c", "n,,n=user,r=a c",
	"nn,,n=user,r=abc", "n,,n=user,x=1,r=abc", "n=user,r=abc",
	",,n=user,r=abc",
};

START_TEST(bad_first)
{
	struct scram s = { 0 };

	ck_assert_msg(!scram_first(&s, bad_firsts[_i],
	    strlen(bad_firsts[_i])), "%s", bad_firsts[_i]);
}
END_TEST

START_TEST(names)
{
	struct scram s = { 0 };
	char text[SCRAM_MESSAGE_MAX];

	ck_assert(scram_first(&s, "n,,n=a=2Cb=3Dc,r=x", 18));
	ck_assert_str_eq(s.name, "a,b=c");
	ck_assert(scram_first(&s, "y,a=user,n=user,r=x,ext=1", 25));
	ck_assert_str_eq(s.name, "user");
	ck_assert(!scram_first(&s, "n,,n=a\0b,r=x", 12));
	for (unsigned n = SCRAM_NAME_MAX; n <= SCRAM_NAME_MAX + 1; n++) {
		snprintf(text, sizeof(text), "n,,n=%0*d,r=x", (int)n, 0);
		ck_assert_int_eq(scram_first(&s, text, strlen(text)),
		    n == SCRAM_NAME_MAX);
	}
	for (unsigned n = SCRAM_NONCE_MAX; n <= SCRAM_NONCE_MAX + 1; n++) {
		snprintf(text, sizeof(text), "n,,n=a,r=%0*d", (int)n, 0);
		ck_assert_int_eq(scram_first(&s, text, strlen(text)),
		    n == SCRAM_NONCE_MAX);
	}
}
END_TEST

#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define WHOLE "xabcdefghijklmnopqrstuvwx"

static const char *const bad_finals[] = {
	"", "c=biws", "c=biws,r=" WHOLE, "c=biws,r=" WHOLE ",p=",
	"c=biws,r=" WHOLE ",p=AAAA", "c=biws,r=" WHOLE ",p=!!!!",
	"c=biws,r=" WHOLE ",p=" PROOF "AAAA", "c=biws,r=" WHOLE ",p=" PROOF,
	"c=eSws,r=" WHOLE ",p=" PROOF, "c=,r=" WHOLE ",p=" PROOF,
	"c=biws,r=x,p=" PROOF, "c=biws,r=" WHOLE "y,p=" PROOF,
	"c=!,r=" WHOLE ",p=" PROOF, "r=" WHOLE ",p=" PROOF,
	"p=" PROOF, "c=biws,p=" PROOF ",r=" WHOLE,
	"c=biws,r=" WHOLE ",p=" PROOF ",x=1",
};

START_TEST(bad_final)
{
	struct scram s;
	char out[SCRAM_MESSAGE_MAX];
	size_t n;

	challenged(&s, "n,,n=user,r=x");
	ck_assert_msg(!scram_final(&s, bad_finals[_i], strlen(bad_finals[_i]),
	    out, &n), "%s", bad_finals[_i]);
}
END_TEST

START_TEST(as_text)
{
	static const char *const bad[] = { "", "SCRAM-SHA-256$",
		"SCRAM-SHA-1$4096:AA==$AA==:AA==", "SCRAM-SHA-256$4095:AA==$"
		PROOF ":" PROOF, "SCRAM-SHA-256$99999999999:AA==$" PROOF ":"
		PROOF, "SCRAM-SHA-256$-1:AA==$" PROOF ":" PROOF,
		"SCRAM-SHA-256$4096:$" PROOF ":" PROOF,
		"SCRAM-SHA-256$4096:AA==$" PROOF,
		"SCRAM-SHA-256$4096:AA==$AA==:" PROOF,
		"SCRAM-SHA-256$4096:AA==$" PROOF ":" PROOF "x" };
	struct scram_verifier v, w;
	char text[SCRAM_TEXT_MAX];

	example(&v);
	scram_print(&v, text);
	memset(&w, 0, sizeof(w));
	ck_assert(scram_read(&w, text));
	ck_assert_int_eq(memcmp(&v, &w, sizeof(v)), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!scram_read(&w, bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(nonces)
{
	char a[SCRAM_NONCE], b[SCRAM_NONCE];

	scram_nonce(a);
	scram_nonce(b);
	ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
	for (unsigned i = 0; i < SCRAM_NONCE; i++)
		ck_assert(a[i] > ' ' && a[i] < 0x7f && a[i] != ',');
}
END_TEST

Suite *
scram_suite(void)
{
	Suite *s = suite_create("scram");
	TCase *t = tcase_create("scram");

	tcase_add_test(t, rfc7677);
	tcase_add_loop_test(t, bad_first, 0,
	    sizeof(bad_firsts) / sizeof(*bad_firsts));
	tcase_add_test(t, names);
	tcase_add_loop_test(t, bad_final, 0,
	    sizeof(bad_finals) / sizeof(*bad_finals));
	tcase_add_test(t, as_text);
	tcase_add_test(t, nonces);
	suite_add_tcase(s, t);
	return s;
}
