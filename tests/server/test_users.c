/* test_users.c - user files, good and broken; checking; references. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "server/users.h"

/* slabd-passwd's line of alice, whose password is secret. */
#define HASH                                                                  \
	"$argon2id$v=19$m=19456,t=2,p=1$EX14BhxM/3B0gBf+Ykdv4w$OteC9H1mvI6g"  \
	"Le07sqiscndtFUw7m0OQWszaz9Yj2y0"
#define SCRAM                                                                 \
	"SCRAM-SHA-256$10000:mUWTmD+gi3u9MZqN95Nb4g==$M5u8ESFhhWxY5yEAngNi6f" \
	"FLkz2n3vA2gOzcptQ9oYU=:z7FZT27ZOJPicOfmAJD3sJuD23Lb3HDHcQBaTbKRLs4="
#define ALICE "alice:" HASH " " SCRAM

static struct users *
parse(const char *text)
{
	char why[USERS_WHY_MAX] = "";
	struct users *u = users_parse("f", USERS_FILE, text, strlen(text),
	    why);

	ck_assert_msg(u != NULL, "%s", why);
	return u;
}

static bool
is_right(struct users *u, const char *name, const char *password)
{
	struct user_claim claim = users_find(u, name, strlen(name));

	return users_check(u, &claim, password, strlen(password));
}

START_TEST(memcacheds_form)
{
	struct users *u = parse("foo:bar\r\n\nbaz:q ux:y\n# no:body\nend:x");

	ck_assert_uint_eq(users_count(u), 3);
	ck_assert(users_are_memcacheds(u));
	ck_assert(is_right(u, "foo", "bar"));
	ck_assert(!is_right(u, "foo", "ba"));
	ck_assert(!is_right(u, "foo", "barr"));
	ck_assert(!is_right(u, "foo", ""));
	ck_assert(is_right(u, "baz", "q ux:y"));
	ck_assert(!is_right(u, "baz", "q ux"));
	ck_assert(is_right(u, "end", "x"));
	ck_assert(!is_right(u, "no", "body"));
	ck_assert(!is_right(u, "", "bar"));
	ck_assert(user_is_free(users_at(u, 0)));
	users_release(&u);
	ck_assert_ptr_null(u);
}
END_TEST

START_TEST(pwdb_form)
{
	static const char text[] = "a@h:pw:x:y\nb@h:pw\n";
	char why[USERS_WHY_MAX], host[256], line[512];
	struct users *u = users_parse("f", USERS_PWDB, text,
	    sizeof(text) - 1, why);

	ck_assert(is_right(u, "a@h", "pw"));
	ck_assert(is_right(u, "a@h", "pw:x"));
	ck_assert(is_right(u, "a@h", "pw:x:y"));
	ck_assert(!is_right(u, "a@h", "pw:"));
	ck_assert(!is_right(u, "a@h", "p"));
	ck_assert(!is_right(u, "a", "pw"));
	users_release(&u);
	ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
	snprintf(line, sizeof(line), "me@%s:pw\n", host);
	u = users_parse("f", USERS_PWDB, line, strlen(line), why);
	ck_assert(is_right(u, "me", "pw"));
	users_release(&u);
}
END_TEST

/* As memcached's -Y has it: each of them is right. */
START_TEST(several_lines)
{
	static const char text[] = "b:x\na:one\nc:y\na:two\na:one\n";
	char why[USERS_WHY_MAX];
	struct users *u = parse(text);
	struct user_claim claim = users_find(u, "a", 1);
	struct scram_verifier v, w;

	ck_assert(is_right(u, "a", "one"));
	ck_assert(is_right(u, "a", "two"));
	ck_assert(!is_right(u, "a", "x"));
	ck_assert(!is_right(u, "a", "y"));
	ck_assert(!is_right(u, "b", "one"));
	ck_assert(!is_right(u, "c", "two"));
	/* SCRAM knows one password: the first. */
	users_verifier(u, &claim, &v);
	w = v;
	scram_derive(&w, "one", 3);
	ck_assert_int_eq(memcmp(v.stored, w.stored, SCRAM_KEY), 0);
	users_release(&u);
	/* And a PWDB, where its search ends at the first. */
	u = users_parse("f", USERS_PWDB, text, sizeof(text) - 1, why);
	ck_assert(is_right(u, "a", "one"));
	ck_assert(!is_right(u, "a", "two"));
	users_release(&u);
}
END_TEST

START_TEST(mixed_forms)
{
	struct users *u = parse("plain:pw\n" ALICE "\nzoe:pw\n");

	ck_assert(!users_are_memcacheds(u));
	ck_assert(is_right(u, "plain", "pw"));
	ck_assert(is_right(u, "zoe", "pw"));
	ck_assert(is_right(u, "alice", "secret"));
	/* The hash that a wrong password is tried on is not one's own. */
	ck_assert(!is_right(u, "plain", "secret"));
	ck_assert(!is_right(u, "zoe", "secret"));
	ck_assert(!is_right(u, "alice", "pw"));
	for (char name[] = "a"; *name <= 'z'; ++*name) {
		ck_assert(!is_right(u, name, "pw"));
		ck_assert(!is_right(u, name, "secret"));
	}
	users_release(&u);
}
END_TEST

START_TEST(own_form)
{
	struct users *u = parse("# a comment\n" ALICE " read,write a: ab\n"
	    "bob:" HASH " " SCRAM "\n");
	const struct user *alice = users_at(u, 0), *bob = users_at(u, 1);

	ck_assert(!users_are_memcacheds(u));
	ck_assert_str_eq(alice->name, "alice");
	ck_assert_uint_eq(alice->rights, USER_READ | USER_WRITE);
	ck_assert_uint_eq(alice->nprefixes, 2);
	ck_assert(user_covers(alice, "a:1", 3));
	ck_assert(user_covers(alice, "ab", 2));
	ck_assert(!user_covers(alice, "a", 1));
	ck_assert(!user_covers(alice, "A:", 2));
	ck_assert(!user_covers(alice, "b", 1));
	ck_assert(user_is_free(bob));
	ck_assert(user_covers(bob, "", 0));
	ck_assert(!is_right(u, "alice", "wrong"));
	ck_assert(is_right(u, "alice", "secret"));
	/* From the memory of what was right. */
	ck_assert(is_right(u, "alice", "secret"));
	ck_assert(!is_right(u, "alice", "wrong"));
	/* Whoever is unknown works on somebody's hash, and fails. */
	ck_assert(!is_right(u, "carol", "secret"));
	users_release(&u);
}
END_TEST

static const struct {
	const char *text, *why;
} broken[] = {
	{ "", "f:0: there is no user" },
	{ "\n\n", "f:2: there is no user" },
	{ "# only:this", "f:1: there is no user" },
	{ "justonename\n", "f:1: there is no colon" },
	{ "a:b\njustonename", "f:2: there is no colon" },
	{ ":password\n", "f:1: a name is missing" },
	{ "name:\n", "f:1: the password is empty" },
	{ "a b:c\n", "f:1: a name has no blanks" },
	{ "a\tb:c\n", "f:1: a name has no blanks" },
	{ ALICE "\nc:d\nalice:e\n", "f:3: alice has a line already, 1" },
	{ "c:d\nalice:e\n" ALICE, "f:3: alice has a line already, 2" },
	{ ALICE "\n" ALICE " read\n", "f:2: alice has a line already, 1" },
	{ "a:$argon2id$\n", "f:1: the Argon2id hash is damaged" },
	{ "a:$argon2id$v=19$m=0 " SCRAM "\n",
	    "f:1: the Argon2id hash is damaged" },
	{ "a:" HASH "\n", "f:1: the SCRAM-SHA-256 verifier is missing" },
	{ "a:" HASH " x\n", "f:1: the SCRAM-SHA-256 verifier is damaged" },
	{ "\n" ALICE " wirte\n", "f:2: rights are words" },
	{ ALICE " read,\n", "f:1: rights are words" },
	{ ALICE " read p\x01\n", "f:1: a prefix has no blanks" },
};

START_TEST(test_broken)
{
	char why[USERS_WHY_MAX] = "";
	const char *text = broken[_i].text;

	ck_assert_ptr_null(users_parse("f", USERS_FILE, text, strlen(text),
	    why));
	ck_assert_msg(strncmp(why, broken[_i].why, strlen(broken[_i].why)) ==
	    0, "%s", why);
}
END_TEST

START_TEST(large_and_binary)
{
	char why[USERS_WHY_MAX] = "", *text = malloc(1 << 20);

	memset(text, 'x', 1 << 20);
	ck_assert_ptr_null(users_parse("f", USERS_FILE, text, 1 << 20, why));
	ck_assert_ptr_nonnull(strstr(why, "f:1: the line has 1048576 bytes"));
	text[1] = ':';
	ck_assert_ptr_null(users_parse("f", USERS_FILE, text,
	    3 + USERS_PASSWORD_MAX, why));
	ck_assert_ptr_nonnull(strstr(why, "at most 1024"));
	memset(text, 'n', 300);
	text[256] = ':';
	ck_assert_ptr_null(users_parse("f", USERS_FILE, text, 300, why));
	ck_assert_ptr_nonnull(strstr(why, "at most 255"));
	free(text);
	ck_assert_ptr_null(users_parse("f", USERS_FILE, "a:b\nc\0:d\n", 9,
	    why));
	ck_assert_ptr_nonnull(strstr(why, "f:2: there is a byte 0"));
}
END_TEST

START_TEST(files)
{
	char path[] = "/tmp/slabd-users-XXXXXX", why[USERS_WHY_MAX] = "";
	int fd = mkstemp(path);
	struct users *u;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "a:b", 3), 3);
	close(fd);
	u = users_read(path, USERS_FILE, why);
	ck_assert_ptr_nonnull(u);
	users_release(&u);
	unlink(path);
	ck_assert_ptr_null(users_read(path, USERS_FILE, why));
	ck_assert_ptr_nonnull(strstr(why, "No such file"));
	ck_assert_ptr_null(users_read("/tmp", USERS_FILE, why));
	ck_assert_ptr_nonnull(strstr(why, "directory"));
	ck_assert_ptr_null(users_read("/dev/zero", USERS_FILE, why));
}
END_TEST

/* What an unknown name is told is like what a user is told, and stays. */
START_TEST(strangers)
{
	struct users *u = parse("#strangers:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAA=\n" ALICE "\n");
	struct users *w = parse("#strangers:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAA=\n" ALICE "\nbob:" HASH " " SCRAM "\n");
	struct user_claim claim = users_find(u, "carol", 5);
	struct scram_verifier a, b, c, alice;

	ck_assert(!claim.known);
	users_verifier(u, &claim, &a);
	users_verifier(u, &claim, &b);
	claim = users_find(w, "carol", 5);
	users_verifier(w, &claim, &c);
	claim = users_find(u, "alice", 5);
	ck_assert(claim.known);
	users_verifier(u, &claim, &alice);
	ck_assert_uint_eq(a.rounds, 10000);
	ck_assert_uint_eq(a.nsalt, alice.nsalt);
	ck_assert_int_eq(memcmp(a.salt, b.salt, a.nsalt), 0);
	ck_assert_int_eq(memcmp(a.salt, c.salt, a.nsalt), 0);
	ck_assert_int_ne(memcmp(a.salt, alice.salt, a.nsalt), 0);
	ck_assert_int_ne(memcmp(a.stored, alice.stored, SCRAM_KEY), 0);
	users_release(&u);
	users_release(&w);
}
END_TEST

/* Made from what stands in the file, whether they are few and kept or many. */
START_TEST(verifier_of_a_password)
{
	char text[4096] = "a:pencil\n";
	struct scram_verifier v, w;

	for (unsigned many = 0; many < 2; many++) {
		struct users *u = parse(text);
		struct user_claim claim = users_find(u, "a", 1);

		for (unsigned again = 0; again < 2; again++) {
			users_verifier(u, &claim, &v);
			w = v;
			memset(w.stored, 0, SCRAM_KEY);
			scram_derive(&w, "pencil", 6);
			ck_assert_uint_eq(v.rounds, SCRAM_ROUNDS_LEAST);
			ck_assert_uint_eq(v.nsalt, USERS_SALT);
			ck_assert_mem_eq(v.stored, w.stored, SCRAM_KEY);
			ck_assert_mem_eq(v.server, w.server, SCRAM_KEY);
		}
		users_release(&u);
		for (unsigned i = 0; i < USERS_DERIVED_MOST; i++)
			sprintf(text + strlen(text), "u%u:x\n", i);
	}
}
END_TEST

static void *
use(void *arg)
{
	struct users *u = arg;

	for (unsigned i = 0; i < 20; i++) {
		struct users *mine = users_acquire(u);
		struct scram_verifier v;
		struct user_claim claim = users_find(mine, "plain", 5);

		users_verifier(mine, &claim, &v);
		if (!is_right(mine, "plain", "pw") ||
		    !is_right(mine, "alice", "secret"))
			return arg;
		users_release(&mine);
	}
	return NULL;
}

START_TEST(threads)
{
	struct users *u = parse(ALICE "\nplain:pw\n");
	pthread_t ids[4];
	void *bad;

	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&ids[i], NULL, use, u), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(ids[i], &bad);
		ck_assert_ptr_null(bad);
	}
	users_release(&u);
}
END_TEST

START_TEST(rights_by_name)
{
	ck_assert_uint_eq(users_parse_rights("read", 4), USER_READ);
	ck_assert_uint_eq(users_parse_rights("admin,read", 10),
	    USER_ADMIN | USER_READ);
	ck_assert_uint_eq(users_parse_rights("", 0), 0);
	ck_assert_uint_eq(users_parse_rights(",", 1), 0);
	ck_assert_uint_eq(users_parse_rights("read,,write", 11), 0);
	ck_assert_uint_eq(users_parse_rights("Read", 4), 0);
}
END_TEST

Suite *
users_suite(void)
{
	Suite *s = suite_create("users");
	TCase *t = tcase_create("users");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, memcacheds_form);
	tcase_add_test(t, pwdb_form);
	tcase_add_test(t, several_lines);
	tcase_add_test(t, mixed_forms);
	tcase_add_test(t, own_form);
	tcase_add_loop_test(t, test_broken, 0,
	    sizeof(broken) / sizeof(*broken));
	tcase_add_test(t, large_and_binary);
	tcase_add_test(t, files);
	tcase_add_test(t, strangers);
	tcase_add_test(t, verifier_of_a_password);
	tcase_add_test(t, threads);
	tcase_add_test(t, rights_by_name);
	suite_add_tcase(s, t);
	return s;
}
