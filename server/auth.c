/* auth.c - see auth.h. */
#include "server/auth.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "server/log.h"
#include "server/throttle.h"

/* What tells whether a file has changed. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

struct auth {
	/* fixed after auth_new() */
	const char *path;
	enum users_form form;
	bool text, sasl; /* logins that were asked for */
	unsigned mechanisms; /* enum auth_mechanism */
	uint8_t peer_key[crypto_shorthash_KEYBYTES];
	struct throttle *throttle;
	pthread_mutex_t lock; /* guards from here ... */
	struct users *users;
	struct stamp stamp;
	/* ... to here */
	_Atomic unsigned running;
};

/* ------------------------------------------------------------ the file */

static struct stamp
stamp_of(const char *path)
{
	struct stamp s = { 0 };
	struct stat st;

	if (stat(path, &st) == 0) {
		s.dev = st.st_dev;
		s.ino = st.st_ino;
		s.size = st.st_size;
		s.modified = st.st_mtim;
		s.changed = st.st_ctim;
	}
	return s;
}

static bool
is_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->modified.tv_sec == b->modified.tv_sec &&
	    a->modified.tv_nsec == b->modified.tv_nsec &&
	    a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec;
}

bool
auth_reload(struct auth *a, char *why)
{
	struct stamp stamp = stamp_of(a->path);
	struct users *users = users_read(a->path, a->form, why), *old;

	pthread_mutex_lock(&a->lock);
	a->stamp = stamp;
	old = users != NULL ? a->users : NULL;
	if (users != NULL)
		a->users = users;
	pthread_mutex_unlock(&a->lock);
	if (old != NULL)
		users_release(&old);
	return users != NULL;
}

bool
auth_may_reload(const struct auth *a)
{
	return access(a->path, R_OK) == 0;
}

/* As memcached, which opens that file at each attempt. */
static void
follow_file(struct auth *a)
{
	struct stamp now = stamp_of(a->path);
	char why[USERS_WHY_MAX];
	bool changed;

	pthread_mutex_lock(&a->lock);
	changed = !is_same(&now, &a->stamp);
	pthread_mutex_unlock(&a->lock);
	if (changed && !auth_reload(a, why))
		log_error("%s; the users of before stay", why);
}

struct users *
auth_users(struct auth *a)
{
	struct users *users;

	pthread_mutex_lock(&a->lock);
	users = users_acquire(a->users);
	pthread_mutex_unlock(&a->lock);
	return users;
}

/* ------------------------------------------------------------ mechanisms */

static const struct {
	const char *name;
	unsigned mechanism;
} MECHANISMS[] = { { "SCRAM-SHA-256", AUTH_SCRAM }, { "PLAIN", AUTH_PLAIN } };

enum { NMECHANISMS = sizeof(MECHANISMS) / sizeof(MECHANISMS[0]) };

/* Those that a line of memcached.conf names: it may only leave some out. */
static unsigned
read_mechanisms(char *line)
{
	unsigned seen = 0;
	char *rest = line + strcspn(line, ":"), *word;

	if (*rest == ':')
		rest++;
	while ((word = strsep(&rest, " \t\r\n,")) != NULL)
		for (unsigned i = 0; i < NMECHANISMS; i++)
			if (strcasecmp(word, MECHANISMS[i].name) == 0)
				seen |= MECHANISMS[i].mechanism;
	return seen;
}

static bool
choose_mechanisms(struct auth *a, char *why)
{
	const char *folder = getenv("SASL_CONF_PATH");
	char path[4096], line[1024];
	FILE *file = NULL;

	a->mechanisms = AUTH_PLAIN | AUTH_SCRAM;
	if (folder != NULL) {
		snprintf(path, sizeof(path), "%s/memcached.conf", folder);
		file = fopen(path, "re");
	}
	if (file == NULL)
		return true;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "mech_list:", 10) == 0)
			a->mechanisms = read_mechanisms(line);
	fclose(file);
	if (a->mechanisms == 0)
		snprintf(why, USERS_WHY_MAX, "%.400s: mech_list names neither "
		    "PLAIN nor SCRAM-SHA-256, and there are no others", path);
	return a->mechanisms != 0;
}

const char *
auth_mechanisms(const struct auth *a)
{
	switch (a->mechanisms) {
	case AUTH_PLAIN:
		return "PLAIN";
	case AUTH_SCRAM:
		return "SCRAM-SHA-256";
	default:
		return "SCRAM-SHA-256 PLAIN";
	}
}

unsigned
auth_mechanism(const struct auth *a, const char *name, size_t n)
{
	for (unsigned i = 0; i < NMECHANISMS; i++)
		if (n == strlen(MECHANISMS[i].name) &&
		    memcmp(name, MECHANISMS[i].name, n) == 0)
			return a->mechanisms & MECHANISMS[i].mechanism;
	return 0;
}

/* ------------------------------------------------------------ life */

bool
auth_is_wanted(const struct config *config)
{
	return config->sasl || config->auth_file != NULL;
}

static bool
choose_file(struct auth *a, const struct config *config, char *why)
{
	a->text = config->auth_file != NULL;
	a->sasl = config->sasl;
	a->path = config->auth_file;
	a->form = USERS_FILE;
	if (a->path == NULL) {
		a->path = getenv("MEMCACHED_SASL_PWDB");
		a->form = USERS_PWDB;
	}
	if (a->path == NULL)
		snprintf(why, USERS_WHY_MAX, "-S: there is no user file; name "
		    "it with -Y, or in the environment's MEMCACHED_SASL_PWDB");
	return a->path != NULL;
}

struct auth *
auth_new(const struct config *config, char *why)
{
	struct auth *a = calloc(1, sizeof(*a));

	snprintf(why, USERS_WHY_MAX, "out of memory for the users");
	if (a == NULL)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	a->throttle = throttle_new();
	if (a->throttle == NULL || sodium_init() < 0 ||
	    !choose_file(a, config, why) || !choose_mechanisms(a, why) ||
	    !auth_reload(a, why)) {
		auth_free(&a);
		return NULL;
	}
	crypto_shorthash_keygen(a->peer_key);
	return a;
}

void
auth_free(struct auth **ap)
{
	struct auth *a = *ap;

	*ap = NULL;
	if (a->users != NULL)
		users_release(&a->users);
	if (a->throttle != NULL)
		throttle_free(&a->throttle);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

bool
auth_is_strict(struct auth *a)
{
	bool strict;

	pthread_mutex_lock(&a->lock);
	strict = users_are_memcacheds(a->users);
	pthread_mutex_unlock(&a->lock);
	return strict;
}

enum proto_name
auth_protocol(struct auth *a, enum proto_name wanted)
{
	if (wanted != PROTO_AUTO)
		return wanted;
	if (!a->text)
		return PROTO_BINARY;
	if (!a->sasl && auth_is_strict(a))
		return PROTO_TEXT;
	return PROTO_AUTO;
}

uint64_t
auth_peer(const struct auth *a, int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	uint8_t hash[crypto_shorthash_BYTES];
	struct ucred cred = { 0 };
	const void *who = &cred.uid;
	size_t nwho = sizeof(cred.uid);
	uint64_t peer;

	if (fd < 0)
		return 0;
	if (getpeername(fd, (struct sockaddr *)&sa, &n) != 0)
		return 1;
	if (sa.ss_family == AF_INET) {
		who = &((struct sockaddr_in *)&sa)->sin_addr;
		nwho = sizeof(struct in_addr);
	} else if (sa.ss_family == AF_INET6) {
		who = &((struct sockaddr_in6 *)&sa)->sin6_addr;
		nwho = 8;
	} else {
		n = sizeof(cred);
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n);
	}
	crypto_shorthash(hash, who, nwho, a->peer_key);
	memcpy(&peer, hash, sizeof(peer));
	return peer | 1;
}

/* ------------------------------------------------------------ attempts */

struct attempt *
attempt_new(struct auth *auth, uint64_t peer, const char *name, size_t nname,
    const char *password, size_t npassword)
{
	struct attempt *a = sodium_malloc((sizeof(*a) + 15) & ~(size_t)15);

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->auth = auth;
	a->peer = peer;
	/* An empty password is never right. */
	if (nname > USERS_NAME_MAX || npassword > USERS_PASSWORD_MAX)
		return a;
	memcpy(a->name, name, nname);
	a->nname = (uint32_t)nname;
	if (npassword > 0)
		memcpy(a->password, password, npassword);
	a->npassword = (uint32_t)npassword;
	return a;
}

void
attempt_free(struct attempt **ap)
{
	if ((*ap)->users != NULL)
		users_release(&(*ap)->users);
	sodium_free(*ap);
	*ap = NULL;
}

void
attempt_work(struct attempt *a)
{
	if (a->auth->form == USERS_PWDB)
		follow_file(a->auth);
	a->users = auth_users(a->auth);
	a->claim = users_find(a->users, a->name, a->nname);
	if (a->wants_verifier)
		users_verifier(a->users, &a->claim, &a->verifier);
	else
		a->good = users_check(a->users, &a->claim, a->password,
		    a->npassword);
	sodium_memzero(a->password, sizeof(a->password));
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The user of that name at that address, as a peer; 0: nobody. */
static uint64_t
user_peer(const struct auth *a, uint64_t peer, const char *name, size_t n)
{
	char who[sizeof(peer) + USERS_NAME_MAX];
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t user;

	if (peer == 0 || name == NULL || n > USERS_NAME_MAX)
		return 0;
	memcpy(who, &peer, sizeof(peer));
	memcpy(who + sizeof(peer), name, n);
	crypto_shorthash(hash, (const uint8_t *)who, sizeof(peer) + n,
	    a->peer_key);
	memcpy(&user, hash, sizeof(user));
	return user | 1;
}

bool
attempt_is_regular(const struct attempt *a)
{
	return throttle_knows(a->auth->throttle,
	    user_peer(a->auth, a->peer, a->name, a->nname), now_ms());
}

uint64_t
attempt_wait(struct attempt *a)
{
	return throttle_ask(a->auth->throttle, attempt_is_regular(a) ?
	    user_peer(a->auth, a->peer, a->name, a->nname) : a->peer,
	    now_ms());
}

void
auth_failed(struct auth *a, uint64_t peer, const char *name, size_t n)
{
	uint64_t user = user_peer(a, peer, name, n), now = now_ms();

	throttle_failed(a->throttle, peer, now);
	if (throttle_knows(a->throttle, user, now))
		throttle_failed(a->throttle, user, now);
}

void
auth_succeeded(struct auth *a, uint64_t peer, const char *name, size_t n)
{
	throttle_welcome(a->throttle, user_peer(a, peer, name, n), now_ms());
}

bool
auth_begin(struct auth *a)
{
	unsigned n = atomic_load(&a->running);

	do {
		if (n >= AUTH_AT_ONCE)
			return false;
	} while (!atomic_compare_exchange_weak(&a->running, &n, n + 1));
	return true;
}

void
auth_end(struct auth *a)
{
	atomic_fetch_sub(&a->running, 1);
}
