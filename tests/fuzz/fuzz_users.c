/*
 * fuzz_users.c - whatever a user file holds, it is refused with a reason or
 * gives users that can be found, bounded and told nothing wrong; and whatever
 * a client says of SCRAM, it proves nothing without the password.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/users.h"
#include "tests/fuzz/locked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Neither Argon2 nor PBKDF2: their cost stands in the file. */
static void
look_at(struct users *u, enum users_form form)
{
	for (unsigned i = 0; i < users_count(u) && i < 100; i++) {
		const struct user *user = users_at(u, i);
		struct user_claim claim = users_find(u, user->name,
		    user->nname);

		/* Of several lines, the first. */
		assert(claim.known && claim.user <= user);
		assert(strcmp(claim.user->name, user->name) == 0);
		assert(claim.user == user || user->password != NULL);
		assert(users_bad_name(user->name, user->nname) == NULL);
		assert(user->rights != 0 && user->rights <= USER_ALL);
		for (unsigned k = 0; k < user->nprefixes; k++)
			assert(user_covers(user, user->prefixes[k].bytes,
			    user->prefixes[k].n));
		assert((user->nprefixes == 0) == user_covers(user, "", 0));
		if (user->password != NULL &&
		    (form == USERS_FILE || claim.user == user)) {
			assert(users_check(u, &claim, user->password,
			    user->npassword));
			assert(!users_check(u, &claim, "", 0));
		}
	}
}

static void
parse(const char *in, size_t n, enum users_form form)
{
	char why[USERS_WHY_MAX] = "";
	struct users *u = users_parse("f", form, in, n, why);

	assert((u == NULL) == (*why != '\0'));
	if (u == NULL) {
		assert(strncmp(why, "f:", 2) == 0);
		return;
	}
	look_at(u, form);
	users_release(&u);
}

/* The first line is the client's first message, the rest its last. */
static void
converse(const char *in, size_t n)
{
	const struct scram_verifier v = { .rounds = 4096, .nsalt = 16,
		.stored = { 1, 2, 3 } };
	const char *lf = memchr(in, '\n', n);
	size_t nfirst = lf != NULL ? (size_t)(lf - in) : n;
	char out[SCRAM_MESSAGE_MAX];
	struct scram *s = calloc(1, sizeof(*s));

	assert(s != NULL);
	if (scram_first(s, in, nfirst)) {
		size_t nout = scram_challenge(s, &v,
		    "abcdefghijklmnopqrstuvwx", out);

		assert(s->nname > 0 && strlen(s->name) == s->nname);
		assert(nout < sizeof(out));
		if (lf != NULL)
			assert(!scram_final(s, lf + 1, n - nfirst - 1, out,
			    &nout));
	}
	free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *in = (const char *)data;
	struct scram_verifier v;
	char *text;

	parse(in, n, USERS_FILE);
	parse(in, n, USERS_PWDB);
	converse(in, n);
	text = malloc(n + 1);
	assert(text != NULL);
	memcpy(text, in, n);
	text[n] = '\0';
	if (scram_read(&v, text)) {
		char again[SCRAM_TEXT_MAX];

		scram_print(&v, again);
		assert(scram_read(&v, again));
	}
	free(text);
	return 0;
}
