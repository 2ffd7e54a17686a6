/* users.c - see users.h. */
#include "server/users.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

_Static_assert(USERS_HASH_MAX == crypto_pwhash_STRBYTES, "see users.h");

static const char ARGON[] = "$argon2id$";
/* A comment that slabd-passwd puts into a new file; see take_comment(). */
static const char STRANGERS[] = "#strangers:";

enum { SEEDS = 32 };

struct users {
	unsigned count, room;
	unsigned nprefixes, prefixes_room;
	unsigned nplain; /* lines of memcached's */
	const struct user *own;	  /* somebody of a line of slabd's, or NULL */
	const struct user *plain; /* of memcached's, or NULL */
	bool seeded;
	enum users_form form;
	struct user *users;   /* sorted by name; locked memory */
	struct user_prefix *prefixes;
	char *text;	      /* the file; locked memory, names point there */
	size_t ntext;
	uint8_t *seed;	      /* SEEDS bytes: what strangers are told; then as
				 many for digests of good passwords */
	pthread_mutex_t lock; /* guards from here ... */
	unsigned references;  /* and has_good, good of each user */
	/* ... to here */
	pthread_mutex_t deriving; /* guards from here ... */
	bool derived;	      /* and the verifiers of users without hash */
	/* ... to here */
};

/* Where the reading is. */
struct place {
	const char *path;
	unsigned line;
	char *why;
};

__attribute__((format(printf, 2, 3))) static bool
complain(const struct place *p, const char *format, ...)
{
	int n = snprintf(p->why, USERS_WHY_MAX, "%s:%u: ", p->path, p->line);
	va_list args;

	va_start(args, format);
	if (n > 0 && n < USERS_WHY_MAX)
		vsnprintf(p->why + n, (size_t)(USERS_WHY_MAX - n), format,
		    args);
	va_end(args);
	return false;
}

/* ------------------------------------------------------------ life */

struct users *
users_acquire(struct users *u)
{
	pthread_mutex_lock(&u->lock);
	u->references++;
	pthread_mutex_unlock(&u->lock);
	return u;
}

static void
destroy(struct users *u)
{
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->deriving);
	sodium_free(u->users);
	sodium_free(u->text);
	sodium_free(u->seed);
	free(u->prefixes);
	free(u);
}

void
users_release(struct users **up)
{
	struct users *u = *up;
	bool last;

	*up = NULL;
	pthread_mutex_lock(&u->lock);
	assert(u->references > 0);
	last = --u->references == 0;
	pthread_mutex_unlock(&u->lock);
	if (last)
		destroy(u);
}

/* Room for as many users and prefixes as there can be in the text. */
static bool
make_room(struct users *u, const char *bytes, size_t n)
{
	size_t lines = 1, words = 0;

	for (size_t i = 0; i < n; i++) {
		lines += bytes[i] == '\n';
		words += bytes[i] == ' ';
	}
	u->room = (unsigned)lines;
	u->prefixes_room = (unsigned)words;
	/* Both ends of its memory are guarded, so it is never none. */
	u->users = sodium_allocarray(lines, sizeof(*u->users));
	u->text = sodium_malloc((n + 16) & ~(size_t)15);
	u->seed = sodium_malloc((size_t)2 * SEEDS);
	u->prefixes = calloc(words + 1, sizeof(*u->prefixes));
	if (u->users == NULL || u->text == NULL || u->seed == NULL ||
	    u->prefixes == NULL)
		return false;
	memset(u->users, 0, lines * sizeof(*u->users));
	memcpy(u->text, bytes, n);
	u->text[n] = '\0';
	u->ntext = n;
	return true;
}

static struct users *
make(const char *bytes, size_t n, enum users_form form)
{
	struct users *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->deriving, NULL);
	u->references = 1;
	u->form = form;
	if (!make_room(u, bytes, n)) {
		destroy(u);
		return NULL;
	}
	return u;
}

/* ------------------------------------------------------------ a line */

static bool
has_control(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return true;
	return false;
}

const char *
users_bad_name(const char *name, size_t n)
{
	if (n == 0)
		return "a name is missing";
	if (n > USERS_NAME_MAX)
		return "a name has at most 255 bytes";
	if (has_control(name, n) || memchr(name, ' ', n) != NULL ||
	    memchr(name, ':', n) != NULL || *name == '#')
		return "a name has no blanks, colons or control bytes, and "
		       "does not begin with #";
	return NULL;
}

const char *
users_bad_prefix(const char *prefix, size_t n)
{
	if (n == 0 || n > 250)
		return "a prefix has 1 to 250 bytes";
	if (has_control(prefix, n) || memchr(prefix, ' ', n) != NULL)
		return "a prefix has no blanks or control bytes";
	return NULL;
}

unsigned
users_parse_rights(const char *text, size_t n)
{
	static const struct {
		const char *word;
		unsigned right;
	} known[] = { { "read", USER_READ }, { "write", USER_WRITE },
		{ "admin", USER_ADMIN } };
	unsigned rights = 0;

	for (size_t at = 0; at <= n; at++) {
		const char *comma = memchr(text + at, ',', n - at);
		size_t end = comma != NULL ? (size_t)(comma - text) : n;
		unsigned i;

		for (i = 0; i < 3; i++)
			if (end - at == strlen(known[i].word) &&
			    memcmp(text + at, known[i].word, end - at) == 0)
				break;
		if (i == 3)
			return 0;
		rights |= known[i].right;
		at = end;
	}
	return rights;
}

/* The next word, ended by 0; NULL: there is none. */
static char *
next_word(char **rest)
{
	char *word;

	do {
		word = strsep(rest, " ");
	} while (word != NULL && *word == '\0');
	return word;
}

static bool
read_own(struct users *u, struct user *user, char *rest, struct place *p)
{
	const char *wrong;
	char *word;

	user->hash = next_word(&rest);
	if (strlen(user->hash) >= USERS_HASH_MAX ||
	    crypto_pwhash_str_needs_rehash(user->hash, USERS_HASH_OPS,
	    USERS_HASH_BYTES) < 0)
		return complain(p, "the Argon2id hash is damaged");
	word = next_word(&rest);
	if (word == NULL || !scram_read(&user->verifier, word))
		return complain(p, "the SCRAM-SHA-256 verifier is %s",
		    word == NULL ? "missing" : "damaged");
	word = next_word(&rest);
	if (word == NULL)
		return true;
	user->rights = users_parse_rights(word, strlen(word));
	if (user->rights == 0)
		return complain(p, "rights are words of read, write and "
		    "admin, with commas between them");
	user->prefixes = u->prefixes + u->nprefixes;
	while ((word = next_word(&rest)) != NULL) {
		wrong = users_bad_prefix(word, strlen(word));
		if (wrong != NULL)
			return complain(p, "%s", wrong);
		assert(u->nprefixes < u->prefixes_room);
		u->prefixes[u->nprefixes++] = (struct user_prefix){ word,
			(uint32_t)strlen(word) };
		user->nprefixes++;
	}
	return true;
}

/*
 * The secret by which unknown names are given salts that stay the same as
 * long as the file lives, as those of users do.
 */
static void
take_comment(struct users *u, const char *line)
{
	size_t n;

	if (strncmp(line, STRANGERS, sizeof(STRANGERS) - 1) == 0 &&
	    sodium_base642bin(u->seed, SEEDS, line + sizeof(STRANGERS) - 1,
	    strlen(line) - (sizeof(STRANGERS) - 1), NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) == 0 && n == SEEDS)
		u->seeded = true;
}

static bool
read_line(struct users *u, char *line, struct place *p)
{
	char *colon = strchr(line, ':');
	struct user *user = &u->users[u->count];
	const char *wrong;

	if (*line == '#') {
		take_comment(u, line);
		return true;
	}
	if (*line == '\0')
		return true;
	if (colon == NULL)
		return complain(p, "there is no colon; write user:password, "
		    "or use slabd-passwd");
	*colon++ = '\0';
	wrong = users_bad_name(line, strlen(line));
	if (wrong != NULL)
		return complain(p, "%s", wrong);
	user->name = line;
	user->line = p->line;
	user->nname = (uint32_t)strlen(line);
	user->rights = USER_ALL;
	u->count++;
	if (strncmp(colon, ARGON, sizeof(ARGON) - 1) == 0)
		return read_own(u, user, colon, p);
	u->nplain++;
	user->password = colon;
	user->npassword = (uint32_t)strlen(colon);
	if (user->npassword == 0)
		return complain(p, "the password is empty");
	if (user->npassword > USERS_PASSWORD_MAX)
		return complain(p, "a password has at most %d bytes",
		    USERS_PASSWORD_MAX);
	return true;
}

/* ------------------------------------------------------------ all lines */

/* The line at *rest, ended by 0, and past it. */
static bool
cut_line(char **rest, char *end, char **line, struct place *p)
{
	char *stop = memchr(*rest, '\n', (size_t)(end - *rest));
	size_t n;

	*line = *rest;
	if (stop == NULL)
		stop = end;
	*rest = stop < end ? stop + 1 : end;
	n = (size_t)(stop - *line);
	if (n > 0 && (*line)[n - 1] == '\r')
		n--;
	if (n > USERS_LINE_MAX)
		return complain(p, "the line has %zu bytes, %d at most", n,
		    USERS_LINE_MAX);
	if (memchr(*line, '\0', n) != NULL)
		return complain(p, "there is a byte 0 in the line");
	(*line)[n] = '\0';
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->name,
	    ((const struct user *)b)->name);
}

static int
by_name_and_line(const void *a, const void *b)
{
	unsigned first = ((const struct user *)a)->line;
	unsigned second = ((const struct user *)b)->line;
	int order = by_name(a, b);

	return order != 0 ? order : (first > second) - (first < second);
}

/* What is more than a password must not be said twice. */
static bool
sort(struct users *u, struct place *p)
{
	qsort(u->users, u->count, sizeof(*u->users), by_name_and_line);
	for (unsigned i = 0; i < u->count; i++) {
		const struct user *b = &u->users[i], *a = b - 1;

		*(b->hash != NULL ? &u->own : &u->plain) = b;
		if (i == 0 || by_name(a, b) != 0 ||
		    (a->hash == NULL && b->hash == NULL))
			continue;
		p->line = b->line;
		return complain(p, "%s has a line already, %u", a->name,
		    a->line);
	}
	return true;
}

/* What a file without the secret has in common with itself. */
static void
seed(struct users *u, const char *bytes, size_t n)
{
	if (!u->seeded)
		crypto_generichash(u->seed, SEEDS, (const uint8_t *)bytes, n,
		    NULL, 0);
	randombytes_buf(u->seed + SEEDS, SEEDS);
}

static bool
read_lines(struct users *u, struct place *p)
{
	char *rest = u->text, *end = u->text + u->ntext, *line;

	while (rest < end) {
		p->line++;
		if (!cut_line(&rest, end, &line, p) ||
		    !read_line(u, line, p))
			return false;
	}
	if (u->count == 0)
		return complain(p, "there is no user in the file; slabd-passwd "
		    "add writes one");
	return sort(u, p);
}

struct users *
users_parse(const char *path, enum users_form form, const char *bytes,
    size_t n, char *why)
{
	struct place p = { path, 0, why };
	struct users *u;

	if (sodium_init() < 0 || (u = make(bytes, n, form)) == NULL) {
		complain(&p, "out of memory");
		return NULL;
	}
	if (!read_lines(u, &p)) {
		users_release(&u);
		return NULL;
	}
	seed(u, bytes, n);
	return u;
}

/* ------------------------------------------------------------ a file */

/* All of it, in locked memory; NULL: errno says why. */
static char *
slurp(int fd, size_t *n)
{
	struct stat st;
	char *bytes;
	ssize_t got = 1;

	*n = 0;
	if (fstat(fd, &st) != 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > USERS_FILE_MAX) {
		errno = S_ISDIR(st.st_mode) ? EISDIR :
		    S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	bytes = sodium_malloc((size_t)st.st_size + 1);
	while (bytes != NULL && got > 0 && *n <= (size_t)st.st_size) {
		got = read(fd, bytes + *n, (size_t)st.st_size + 1 - *n);
		if (got > 0)
			*n += (size_t)got;
	}
	if (bytes != NULL && (got < 0 || *n > (size_t)st.st_size)) {
		sodium_free(bytes);
		/* It grows while it is read: somebody writes it. */
		errno = got < 0 ? errno : EBUSY;
		return NULL;
	}
	return bytes;
}

struct users *
users_read(const char *path, enum users_form form, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct users *u = NULL;
	char *bytes = NULL;
	size_t n;

	if (sodium_init() >= 0 && fd >= 0)
		bytes = slurp(fd, &n);
	if (bytes == NULL) {
		snprintf(why, USERS_WHY_MAX, "%s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; slabd-passwd add makes the file of "
		    "users" : errno == EACCES ? "; the user that serves must "
		    "be able to read it" : "");
	} else {
		u = users_parse(path, form, bytes, n, why);
		sodium_free(bytes);
	}
	if (fd >= 0)
		close(fd);
	return u;
}

/* ------------------------------------------------------------ looking up */

unsigned
users_count(const struct users *u)
{
	return u->count;
}

const struct user *
users_at(const struct users *u, unsigned i)
{
	return &u->users[i];
}

bool
users_are_memcacheds(const struct users *u)
{
	return u->own == NULL;
}

/* The first line of that name. */
static struct user *
look_up(const struct users *u, const char *name)
{
	struct user key = { .name = name };
	struct user *user = bsearch(&key, u->users, u->count, sizeof(key),
	    by_name);

	while (user != NULL && user > u->users && by_name(user - 1, user) == 0)
		user--;
	return user;
}

/* As Cyrus does it for memcached. */
static struct user *
look_up_at_host(const struct users *u, const char *name)
{
	char host[256], whole[USERS_NAME_MAX + sizeof(host) + 2];

	if (strchr(name, '@') != NULL || gethostname(host, sizeof(host)) != 0)
		return NULL;
	host[sizeof(host) - 1] = '\0';
	snprintf(whole, sizeof(whole), "%s@%s", name, host);
	return look_up(u, whole);
}

/* Always the same for a name. */
static void
make_salt(const struct users *u, const char *name, size_t n,
    uint8_t salt[SCRAM_SALT_MAX])
{
	crypto_generichash(salt, SCRAM_SALT_MAX, (const uint8_t *)name, n,
	    u->seed, SEEDS);
}

struct user_claim
users_find(const struct users *u, const char *name, size_t n)
{
	struct user_claim claim = { 0 };
	char text[USERS_NAME_MAX + 1];
	struct user *at_host;
	uint32_t pick;

	make_salt(u, name, n, claim.salt);
	memcpy(&pick, claim.salt + sizeof(claim.salt) - sizeof(pick),
	    sizeof(pick));
	if (n <= USERS_NAME_MAX && memchr(name, '\0', n) == NULL) {
		memcpy(text, name, n);
		text[n] = '\0';
		claim.user = look_up(u, text);
		/* In any case: it takes time. */
		at_host = look_up_at_host(u, text);
		if (claim.user == NULL)
			claim.user = at_host;
	}
	claim.known = claim.user != NULL;
	if (!claim.known)
		claim.user = &u->users[pick % u->count];
	return claim;
}

/* ------------------------------------------------------------ checking */

static void
digest_of(const struct users *u, const char *password, size_t n,
    uint8_t digest[32])
{
	crypto_generichash(digest, 32, (const uint8_t *)password, n,
	    u->seed + SEEDS, SEEDS);
}

/* By digests, so that the contents do not tell by time. */
static bool
is_password(const struct users *u, const struct user *user, size_t n,
    const uint8_t digest[32])
{
	const char *password = user->password;
	bool fits = n == user->npassword || (u->form == USERS_PWDB &&
	    n < user->npassword && password[n] == ':');
	uint8_t own[32];
	bool equal;

	digest_of(u, password, fits ? n : user->npassword, own);
	equal = sodium_memcmp(own, digest, sizeof(own)) == 0;
	sodium_memzero(own, sizeof(own));
	return fits && equal;
}

/* Of all the user's lines, or of a PWDB's first. */
static bool
check_plain(const struct users *u, const struct user *user, size_t n,
    const uint8_t digest[32])
{
	const struct user *end = u->users + u->count, *first = user;
	bool good = is_password(u, user, n, digest);

	while (u->form == USERS_FILE && ++user < end &&
	    by_name(first, user) == 0)
		good |= is_password(u, user, n, digest);
	return good;
}

static bool
is_remembered(struct users *u, const struct user *user,
    const uint8_t digest[32])
{
	bool good;

	pthread_mutex_lock(&u->lock);
	good = user->has_good &&
	    sodium_memcmp(user->good, digest, sizeof(user->good)) == 0;
	pthread_mutex_unlock(&u->lock);
	return good;
}

static void
remember(struct users *u, struct user *user, const uint8_t digest[32])
{
	pthread_mutex_lock(&u->lock);
	memcpy(user->good, digest, sizeof(user->good));
	user->has_good = true;
	pthread_mutex_unlock(&u->lock);
}

/*
 * A short way in for who is known and right.  All others go the long way, if
 * the file has any, on somebody's hash: neither that a name is unknown nor
 * that its line is memcached's, nor that the password is somebody else's, is
 * to be seen by the time it takes.
 */
static bool
check(struct users *u, const struct user_claim *claim, const char *password,
    size_t n, const uint8_t digest[32])
{
	struct user *user = claim->user;
	const struct user *hashed = user->hash != NULL ? user : u->own;
	bool is_hashed = hashed == user, good;

	good = is_hashed ? is_remembered(u, user, digest) :
	    check_plain(u, user, n, digest);
	if ((good && claim->known) || hashed == NULL)
		return good;
	good = crypto_pwhash_str_verify(hashed->hash, password, n) == 0 &&
	    is_hashed;
	if (good && claim->known)
		remember(u, user, digest);
	return good;
}

bool
users_check(struct users *u, const struct user_claim *claim,
    const char *password, size_t n)
{
	uint8_t digest[32];
	bool good;

	if (n == 0 || n > USERS_PASSWORD_MAX)
		return false;
	digest_of(u, password, n, digest);
	good = check(u, claim, password, n, digest);
	sodium_memzero(digest, sizeof(digest));
	return good && claim->known;
}

/* ------------------------------------------------------------ SCRAM */

/* As many rounds as the others have, so that they do not tell. */
static void
derive(const struct users *u, const struct user *user,
    struct scram_verifier *v)
{
	v->rounds = u->own != NULL ? u->own->verifier.rounds :
	    SCRAM_ROUNDS_LEAST;
	make_salt(u, user->name, user->nname, v->salt);
	v->nsalt = USERS_SALT;
	scram_derive(v, user->password, user->npassword);
}

static void
derive_all(struct users *u)
{
	pthread_mutex_lock(&u->deriving);
	for (unsigned i = 0; i < u->count && !u->derived; i++)
		if (u->users[i].hash == NULL)
			derive(u, &u->users[i], &u->users[i].verifier);
	u->derived = true;
	pthread_mutex_unlock(&u->deriving);
}

/*
 * Verifiers of few users are made together and kept, of many never, and then
 * one is made in any case: else who was here before would be seen by time.
 */
void
users_verifier(struct users *u, const struct user_claim *claim,
    struct scram_verifier *v)
{
	const struct user *user = claim->user;

	if (u->nplain > USERS_DERIVED_MOST)
		derive(u, user->hash == NULL ? user : u->plain, v);
	else if (u->nplain > 0)
		derive_all(u);
	if (user->hash != NULL || u->nplain <= USERS_DERIVED_MOST)
		*v = user->verifier;
	if (claim->known)
		return;
	/* As many bytes of salt as that user has. */
	memcpy(v->salt, claim->salt, sizeof(v->salt));
	randombytes_buf(v->stored, sizeof(v->stored));
}

/* ------------------------------------------------------------ keys */

bool
user_covers(const struct user *user, const char *key, size_t n)
{
	for (unsigned i = 0; i < user->nprefixes; i++)
		if (n >= user->prefixes[i].n && memcmp(key,
		    user->prefixes[i].bytes, user->prefixes[i].n) == 0)
			return true;
	return user->nprefixes == 0;
}
