/* test_hasher.c - who is known at an address does not queue behind guessers. */
#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "server/hasher.h"
#include "server/throttle.h"
#include "tests/server/site.h"

enum { GUESSERS = 8, HOME = 11, AWAY = 1000, BOUND_MS = 60000 };

struct verdicts {
	unsigned n;
	bool good[GUESSERS + 1];
};

static void
on_verdict(void *arg, struct attempt *a)
{
	struct verdicts *v = arg;

	v->good[v->n++] = a->good;
	attempt_free(&a);
}

/* Too long. */
static void
on_bound(uv_timer_t *bound)
{
	uv_stop(bound->loop);
}

static struct attempt *
attempt_of(struct auth *auth, uint64_t peer, const char *name)
{
	return attempt_new(auth, peer, name, strlen(name), "pw", 2);
}

/* Guessers' addresses are so far apart. */
static void
ask_all(struct auth *auth, unsigned apart, struct verdicts *v)
{
	struct attempt *gone = attempt_of(auth, AWAY - 1, "nobody");
	struct hasher h;
	uv_loop_t loop;
	uv_timer_t bound;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(hasher_init(&h, &loop), 0);
	/* The first one's client leaves: nobody is told of it. */
	hasher_submit(&h, gone, on_verdict, v);
	hasher_forget(gone);
	for (unsigned i = 0; i < GUESSERS; i++)
		hasher_submit(&h, attempt_of(auth, AWAY + i * apart,
		    "nobody"), on_verdict, v);
	hasher_submit(&h, attempt_of(auth, HOME, "joe"), on_verdict, v);
	/* The hasher's own timer holds no loop. */
	uv_timer_init(&loop, &bound);
	uv_timer_start(&bound, on_bound, BOUND_MS, 0);
	while (v->n <= GUESSERS && uv_is_active((uv_handle_t *)&bound))
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&bound, NULL);
	hasher_fini(&h);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert_uint_eq(v->n, GUESSERS + 1);
}

START_TEST(first_come_first_served)
{
	struct verdicts v = { 0 };
	struct site s;

	site_open(&s, site_line("joe", "pw", ""), "");
	ask_all(s.t->server.auth, 1, &v);
	for (unsigned i = 0; i < GUESSERS; i++)
		ck_assert(!v.good[i]);
	ck_assert(v.good[GUESSERS]);
	site_close(&s);
}
END_TEST

START_TEST(who_has_been_here_goes_first)
{
	struct verdicts v = { 0 };
	struct site s;

	site_open(&s, site_line("joe", "pw", ""), "");
	auth_succeeded(s.t->server.auth, HOME, "joe", 3);
	ask_all(s.t->server.auth, 1, &v);
	ck_assert(v.good[0]);
	for (unsigned i = 1; i <= GUESSERS; i++)
		ck_assert(!v.good[i]);
	site_close(&s);
}
END_TEST

/* Nothing else happens meanwhile that would remind the hasher of them. */
START_TEST(who_guesses_waits_and_has_an_answer)
{
	struct verdicts v = { 0 };
	unsigned good = 0;
	struct site s;

	site_open(&s, site_line("joe", "pw", ""), "");
	for (unsigned i = 0; i < THROTTLE_FREE; i++)
		auth_failed(s.t->server.auth, AWAY, "nobody", 6);
	ask_all(s.t->server.auth, 0, &v);
	for (unsigned i = 0; i <= GUESSERS; i++)
		good += v.good[i];
	ck_assert_uint_eq(good, 1);
	site_close(&s);
}
END_TEST

Suite *
hasher_suite(void)
{
	Suite *s = suite_create("hasher");
	TCase *t = tcase_create("hasher");

	tcase_add_test(t, first_come_first_served);
	tcase_add_test(t, who_has_been_here_goes_first);
	tcase_add_test(t, who_guesses_waits_and_has_an_answer);
	tcase_set_timeout(t, BOUND_MS / 1000 * 2);
	suite_add_tcase(s, t);
	return s;
}
