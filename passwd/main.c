/*
 * main.c - slabd-passwd: the users of slabd, in a file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "passwd/edit.h"
#include "passwd/prompt.h"
#include "server/users.h"

enum { FAILED = 1, USAGE = 64, PREFIXES_MAX = 256, ROUNDS = 10000 };

struct order {
	const char *verb, *path, *user;
	const char *rights; /* NULL: not given */
	const char *prefixes[PREFIXES_MAX];
	unsigned nprefixes;
	bool any_prefix; /* -P: none bounds the user any more */
	bool keep;	 /* -n: not the password */
	uint32_t rounds;
	char *password; /* USERS_PASSWORD_MAX + 1, locked */
	char why[USERS_WHY_MAX];
};

static const char usage[] =
    "usage: slabd-passwd add    [-r rights] [-p prefix]... FILE USER\n"
    "       slabd-passwd change [-n] [-r rights] [-p prefix]... [-P] FILE "
    "USER\n"
    "       slabd-passwd remove FILE USER\n"
    "       slabd-passwd verify FILE USER\n"
    "       slabd-passwd list   FILE\n"
    "\n"
    "  -r rights  what the user may do: words of read, write, admin with\n"
    "             commas between them (default: all)\n"
    "  -p prefix  the user sees and touches only keys that begin so; may be\n"
    "             repeated\n"
    "  -P         no prefix any more: all keys\n"
    "  -n         keep the password\n"
    "  -i rounds  of SCRAM-SHA-256 (default: 10000)\n"
    "\n"
    "The password is asked for without echo, or taken from standard input.\n"
    "A server that runs reads the file again at SIGHUP.\n";

static int
fail(const char *text)
{
	fprintf(stderr, "slabd-passwd: %s\n", text);
	return FAILED;
}

static int
misuse(const char *text)
{
	fprintf(stderr, "slabd-passwd: %s; slabd-passwd -h says how\n",
	    text);
	return USAGE;
}

/* ------------------------------------------------------------ a line */

/* Growing text; failed: memory was out. */
struct text {
	char *at;
	size_t n, room;
	bool failed;
};

static void
add_text(struct text *t, const char *more)
{
	size_t n = strlen(more);

	if (t->n + n >= t->room) {
		t->failed = true;
		return;
	}
	memcpy(t->at + t->n, more, n + 1);
	t->n += n;
}

static void
add_rights(struct text *t, unsigned rights)
{
	static const char *const words[] = { "read", "write", "admin" };
	const char *comma = " ";

	for (unsigned i = 0; i < 3; i++) {
		if (!(rights & 1u << i))
			continue;
		add_text(t, comma);
		add_text(t, words[i]);
		comma = ",";
	}
}

/* Hash and verifier of a new password. */
static bool
add_secrets(struct text *t, const struct order *o)
{
	struct scram_verifier v = { .rounds = o->rounds,
		.nsalt = USERS_SALT };
	char hash[USERS_HASH_MAX], scram[SCRAM_TEXT_MAX];
	size_t n = strlen(o->password);

	if (crypto_pwhash_str_alg(hash, o->password, n, USERS_HASH_OPS,
	    USERS_HASH_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return false;
	randombytes_buf(v.salt, v.nsalt);
	scram_derive(&v, o->password, n);
	scram_print(&v, scram);
	add_text(t, hash);
	add_text(t, " ");
	add_text(t, scram);
	sodium_memzero(&v, sizeof(v));
	return true;
}

/* Those that an old line has: its second and third word, which are the hash
 * and the verifier. */
static bool
keep_secrets(struct text *t, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *blank;
	char copy[USERS_HASH_MAX + SCRAM_TEXT_MAX + 2];
	size_t room = n - (size_t)(colon + 1 - line);

	if (strncmp(colon + 1, "$argon2id$", 10) != 0)
		return false;
	blank = memchr(colon + 1, ' ', room);
	blank = memchr(blank + 1, ' ', n - (size_t)(blank + 1 - line));
	if (blank != NULL)
		room = (size_t)(blank - (colon + 1));
	if (room >= sizeof(copy))
		return false;
	memcpy(copy, colon + 1, room);
	copy[room] = '\0';
	add_text(t, copy);
	return true;
}

/* Of the user as it was, and as it is ordered to be. */
static void
add_bounds(struct text *t, const struct order *o, const struct user *old)
{
	unsigned rights = old != NULL ? old->rights : USER_ALL;

	if (o->rights != NULL)
		rights = users_parse_rights(o->rights, strlen(o->rights));
	add_rights(t, rights);
	for (unsigned i = 0; i < o->nprefixes; i++) {
		add_text(t, " ");
		add_text(t, o->prefixes[i]);
	}
	if (o->nprefixes > 0 || o->any_prefix || old == NULL)
		return;
	for (unsigned i = 0; i < old->nprefixes; i++) {
		char prefix[256];

		snprintf(prefix, sizeof(prefix), " %.*s",
		    (int)old->prefixes[i].n, old->prefixes[i].bytes);
		add_text(t, prefix);
	}
}

static bool
check_password(struct order *o)
{
	const char *p = o->password;
	const char *wrong = NULL;

	if (*p == '\0')
		wrong = "an empty password is none";
	else if (*p == ' ')
		wrong = "a password cannot begin with a blank: text clients "
			"send it behind one";
	for (const char *c = p; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			wrong = "a password cannot have control bytes";
	if (wrong != NULL)
		snprintf(o->why, sizeof(o->why), "%s", wrong);
	return wrong == NULL;
}

/* ------------------------------------------------------------ the verbs */

static const struct user *
find_user(const struct users *users, const char *name)
{
	for (unsigned i = 0; users != NULL && i < users_count(users); i++)
		if (strcmp(users_at(users, i)->name, name) == 0)
			return users_at(users, i);
	return NULL;
}

/* So that a server refuses nothing that was just written. */
static bool
is_sound(struct order *o, const struct edit *e)
{
	struct users *users = users_parse(o->path, USERS_FILE, e->text, e->n,
	    o->why);

	bool sound = users != NULL;

	if (sound)
		users_release(&users);
	return sound;
}

/* The secret of users.c's take_comment(). */
static bool
begin_file(struct edit *e, char *why)
{
	uint8_t secret[32];
	char base64[64], line[256];

	randombytes_buf(secret, sizeof(secret));
	sodium_bin2base64(base64, sizeof(base64), secret, sizeof(secret),
	    sodium_base64_VARIANT_ORIGINAL);
	snprintf(line, sizeof(line), "# users of slabd; see slabd-passwd(1)\n"
	    "#strangers:%s\n", base64);
	return edit_put(e, "", line, why);
}

static bool
write_line(struct order *o, struct edit *e, const struct user *old)
{
	struct text t = { .room = USERS_LINE_MAX };
	const char *line;
	size_t n;
	bool ok;

	t.at = sodium_malloc(t.room);
	if (t.at == NULL)
		return false;
	add_text(&t, o->user);
	add_text(&t, ":");
	line = edit_find(e, o->user, &n);
	ok = o->keep ? keep_secrets(&t, line, n) : add_secrets(&t, o);
	if (!ok)
		snprintf(o->why, sizeof(o->why), o->keep ? "%s has no hash "
		    "yet, only a password in clear; leave -n out" :
		    "%s: out of memory", o->user);
	add_bounds(&t, o, old);
	add_text(&t, "\n");
	if (ok && t.failed)
		snprintf(o->why, sizeof(o->why), "too many prefixes");
	ok = ok && !t.failed && edit_put(e, o->user, t.at, o->why);
	sodium_free(t.at);
	return ok;
}

/* false: the user is there and should not be, or the other way round. */
static bool
fits(struct order *o, const struct user *old)
{
	bool adding = strcmp(o->verb, "add") == 0;

	if ((old != NULL) == adding)
		snprintf(o->why, sizeof(o->why), adding ?
		    "%.200s is a user already; change it" :
		    "%.200s is no user", o->user);
	return (old != NULL) != adding;
}

static bool
is_empty(const struct edit *e)
{
	for (size_t i = 0, at = 0; i <= e->n; i++)
		if (i == e->n || e->text[i] == '\n') {
			if (i > at && e->text[at] != '#')
				return false;
			at = i + 1;
		}
	return true;
}

/* What the file holds; false: it is broken.  *users may be NULL for none. */
static bool
parse(struct order *o, const struct edit *e, struct users **users)
{
	*users = NULL;
	if (is_empty(e))
		return true;
	*users = users_parse(o->path, USERS_FILE, e->text, e->n, o->why);
	return *users != NULL;
}

/* Before the password is asked for, and the file held. */
static bool
would_fit(struct order *o)
{
	struct users *users = NULL;
	struct edit e;
	bool ok;

	if (!edit_open(&e, o->path, false, strcmp(o->verb, "add") == 0,
	    o->why))
		return false;
	ok = parse(o, &e, &users) && fits(o, find_user(users, o->user));
	if (users != NULL)
		users_release(&users);
	edit_close(&e);
	return ok;
}

static bool
change(struct order *o, struct edit *e)
{
	struct users *users;
	const struct user *old;
	bool ok = parse(o, e, &users);

	if (ok && e->is_new)
		ok = begin_file(e, o->why);
	old = find_user(users, o->user);
	ok = ok && fits(o, old);
	if (ok)
		ok = strcmp(o->verb, "remove") == 0 ?
		    edit_put(e, o->user, NULL, o->why) :
		    write_line(o, e, old);
	if (users != NULL)
		users_release(&users);
	/* The last one may go, though a server would not take that file. */
	return ok && (is_empty(e) || is_sound(o, e)) && edit_save(e, o->why);
}

static int
run_change(struct order *o)
{
	bool asks = !o->keep && strcmp(o->verb, "remove") != 0, ok;
	struct edit e;

	if (!would_fit(o))
		return fail(o->why);
	if (asks && !prompt_password(o->user, true, o->password,
	    USERS_PASSWORD_MAX + 1))
		return FAILED;
	if ((asks && !check_password(o)) || !edit_open(&e, o->path, true,
	    strcmp(o->verb, "add") == 0, o->why))
		return fail(o->why);
	ok = change(o, &e);
	edit_close(&e);
	return ok ? 0 : fail(o->why);
}

static int
run_verify(struct order *o)
{
	struct users *users = users_read(o->path, USERS_FILE, o->why);
	struct user_claim claim;
	bool good;

	if (users == NULL)
		return fail(o->why);
	good = prompt_password(o->user, false, o->password,
	    USERS_PASSWORD_MAX + 1);
	if (good) {
		claim = users_find(users, o->user, strlen(o->user));
		good = users_check(users, &claim, o->password,
		    strlen(o->password));
		fprintf(stderr, "slabd-passwd: %s\n", good ? "right" :
		    "wrong");
	}
	users_release(&users);
	return good ? 0 : FAILED;
}

static int
run_list(struct order *o)
{
	struct users *users = users_read(o->path, USERS_FILE, o->why);

	if (users == NULL)
		return fail(o->why);
	for (unsigned i = 0; i < users_count(users); i++) {
		const struct user *u = users_at(users, i);
		char rights[32];
		struct text t = { .at = rights, .room = sizeof(rights) };

		add_rights(&t, u->rights);
		printf("%s%s", u->name, rights);
		for (unsigned k = 0; k < u->nprefixes; k++)
			printf(" %.*s", (int)u->prefixes[k].n,
			    u->prefixes[k].bytes);
		putchar('\n');
	}
	users_release(&users);
	return 0;
}

/* ------------------------------------------------------------ the order */

static const char *
take_prefix(struct order *o, const char *prefix)
{
	if (o->nprefixes == PREFIXES_MAX)
		return "too many prefixes";
	o->prefixes[o->nprefixes++] = prefix;
	return users_bad_prefix(prefix, strlen(prefix));
}

static const char *
take_rounds(struct order *o, const char *text)
{
	char *end;
	unsigned long rounds = strtoul(text, &end, 10);

	o->rounds = (uint32_t)rounds;
	return *end != '\0' || rounds < SCRAM_ROUNDS_LEAST ||
	    rounds > SCRAM_ROUNDS_MOST ?
	    "-i must be 4096 to 10000000" : NULL;
}

/* NULL, or what is wrong. */
static const char *
take_option(struct order *o, int letter)
{
	switch (letter) {
	case 'r':
		o->rights = optarg;
		return users_parse_rights(optarg, strlen(optarg)) != 0 ?
		    NULL : "-r takes words of read, write, admin with commas "
			   "between them";
	case 'p':
		return take_prefix(o, optarg);
	case 'P':
		o->any_prefix = true;
		return NULL;
	case 'n':
		o->keep = true;
		return NULL;
	case 'i':
		return take_rounds(o, optarg);
	default:
		return "there is an unknown option, or one without its "
		       "argument";
	}
}

static const char *
check_order(const struct order *o, int argc)
{
	bool bounds = o->rights != NULL || o->nprefixes > 0 || o->any_prefix;

	if (strcmp(o->verb, "list") == 0)
		return argc == 1 && !bounds && !o->keep ? NULL :
		    "list takes a file";
	if (argc != 2)
		return "a file and a user are needed";
	if (o->keep && strcmp(o->verb, "change") != 0)
		return "-n goes with change";
	if (bounds && strcmp(o->verb, "add") != 0 &&
	    strcmp(o->verb, "change") != 0)
		return "-r and -p go with add and change";
	return users_bad_name(o->user, strlen(o->user));
}

static int
run(struct order *o)
{
	if (strcmp(o->verb, "list") == 0)
		return run_list(o);
	if (strcmp(o->verb, "verify") == 0)
		return run_verify(o);
	if (strcmp(o->verb, "add") == 0 || strcmp(o->verb, "change") == 0 ||
	    strcmp(o->verb, "remove") == 0)
		return run_change(o);
	return misuse("the first word must be add, change, remove, verify or "
		      "list");
}

int
main(int argc, char **argv)
{
	static struct order o = { .rounds = ROUNDS };
	const char *wrong;
	int letter, status;

	if (argc == 2 && (strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "--help") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	opterr = 0;
	while ((letter = getopt(argc, argv, "r:p:Pni:")) != -1) {
		wrong = take_option(&o, letter);
		if (wrong != NULL)
			return misuse(wrong);
	}
	if (optind >= argc)
		return misuse("say what is to be done: add, change, remove, "
			      "verify or list");
	o.verb = argv[optind];
	o.path = argv[optind + 1];
	o.user = optind + 2 < argc ? argv[optind + 2] : "";
	wrong = check_order(&o, argc - optind - 1);
	if (wrong != NULL)
		return misuse(wrong);
	if (sodium_init() < 0 ||
	    (o.password = sodium_malloc(USERS_PASSWORD_MAX + 1)) == NULL)
		return fail("out of memory");
	status = run(&o);
	sodium_free(o.password);
	return status;
}
