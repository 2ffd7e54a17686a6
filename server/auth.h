/*
 * auth.h - logging in, as all connections share it: the users in force, the
 * mechanisms offered, and an attempt to log in.
 *
 *      a = attempt_new(auth, peer, name, nname);
 *      memcpy(a->password, ...);
 *      ... attempt_work(a) on a thread that may take its time ...
 *      if (a->good) ... a->users, a->claim.user
 *      attempt_free(&a);
 *
 * The file is -Y's, or, with -S and without -Y, the one that the environment's
 * MEMCACHED_SASL_PWDB names, which is read anew whenever it has changed.
 *
 * A file of memcached's form makes the server as strict as memcached: with -Y
 * alone text is spoken and nothing is answered before login, not even version;
 * with -S alone only binary.  With a file of slabd's own each protocol has its
 * login, and a client that speaks the wrong one is told so.
 *
 * Owns:    a reference to the users in force; attempts belong to who makes
 *          them, lie in locked memory and are wiped.
 * Threads: any; a reload does not disturb who uses the old users.
 * Fails:   auth_new(), auth_reload() say why and leave all as it was.
 * Cost:    attempt_work(), see users.h.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include <stdbool.h>

#include "server/config.h"
#include "server/users.h"

struct auth;

enum auth_mechanism { AUTH_PLAIN = 1, AUTH_SCRAM = 2 };

/* The config asks clients to log in. */
bool auth_is_wanted(const struct config *);

/* NULL: why, USERS_WHY_MAX bytes, has a sentence. */
struct auth *auth_new(const struct config *, char *why);
void auth_free(struct auth **);

/* Reads the file again.  false: it is refused, the old users stay. */
bool auth_reload(struct auth *, char *why);
/* To be asked when root has become another user: false, no reload will do. */
bool auth_may_reload(const struct auth *);

struct users *auth_users(struct auth *); /* acquired */

/* As said above; may change with a reload. */
bool auth_is_strict(struct auth *);
/* What a listener that is to speak `wanted` speaks. */
enum proto_name auth_protocol(struct auth *, enum proto_name wanted);

/* The names of the mechanisms offered, as SASL lists them. */
const char *auth_mechanisms(const struct auth *);
/* One that is offered; 0: none of that name is. */
unsigned auth_mechanism(const struct auth *, const char *name, size_t n);

/* Who is at the other end of a socket, for throttle.h. */
uint64_t auth_peer(const struct auth *, int fd);

/* ------------------------------------------------------------ attempts */

struct attempt {
	/* what is claimed */
	struct auth *auth;
	uint64_t peer;
	bool wants_verifier; /* SCRAM: it will be proved later */
	uint32_t nname, npassword;
	char name[USERS_NAME_MAX + 1];
	char password[USERS_PASSWORD_MAX];
	/* what came of it */
	bool good;
	struct users *users; /* acquired */
	struct user_claim claim;
	struct scram_verifier verifier;
	/* hasher.c's */
	struct attempt *next;
	uint64_t due;
	bool asked, refused, regular;
	void (*done)(void *arg, struct attempt *);
	void *arg;
};

/* NULL: no memory.  A name or password that is too long is never right. */
struct attempt *attempt_new(struct auth *, uint64_t peer, const char *name,
    size_t nname, const char *password, size_t npassword);
void attempt_free(struct attempt **);

/* Slow.  Sets what came of it. */
void attempt_work(struct attempt *);

/* Whom it names has logged in from there before. */
bool attempt_is_regular(const struct attempt *);
/* How long it has to wait for its turn; see throttle_ask(). */
uint64_t attempt_wait(struct attempt *);
/* Whoever it was has failed, or not; name: who it said it was, or NULL. */
void auth_failed(struct auth *, uint64_t peer, const char *name, size_t n);
void auth_succeeded(struct auth *, uint64_t peer, const char *name, size_t n);

/* One of those that may run at once: true, until auth_end(). */
enum { AUTH_AT_ONCE = 2 };
bool auth_begin(struct auth *);
void auth_end(struct auth *);

#endif
