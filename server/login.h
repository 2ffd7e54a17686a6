/*
 * login.h - one client on its way in.
 *
 *      OUT ──password, SCRAM's first──▶ BUSY ──right──▶ IN
 *       ▲                                │└──challenge──▶ OUT, in a dialogue
 *       └──── wrong, a new attempt ──────┘
 *
 * In text: `set x 0 0 N' or `ms x N', whose value is the user's name, a blank
 * and the password; nothing is stored.  In binary: SASL, over and over if the
 * client likes; what it was allowed before is withdrawn by each new attempt.
 *
 * Until then all other requests are refused: version, mn and quit are not, nor
 * is binary's version; in a strict server (auth.h) text's are, too.
 *
 * Owns:    the dialogue, the attempt until it is taken, the users of whom the
 *          client is one.
 * Threads: the session's.
 * Fails:   by refusals; without memory, by LOGIN_DROP.
 * Cost:    none once the client is in.
 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include "proto/proto.h"
#include "server/auth.h"
#include "server/host.h"

struct login;

enum login_verdict {
	LOGIN_MORE,  /* the input holds no whole request; nothing consumed */
	LOGIN_DONE,  /* answered */
	LOGIN_WAIT,  /* take the attempt, come back with it */
	LOGIN_CLOSE, /* answered; and that was it */
	LOGIN_DROP,  /* close without a word */
};

/* NULL without memory.  fd: who it is, see auth_peer(). */
struct login *login_new(struct auth *, int fd);
void login_free(struct login **);

bool login_is_in(const struct login *);
/* Who it is, if something is forbidden to it; else NULL. */
const struct user *login_restricted(const struct login *);

/* Not in: serves one line or packet of what arrived. */
enum login_verdict login_serve(struct login *, struct parser *, struct host *,
    const char *in, size_t n, size_t *used);

/* A SASL request, in or not.  Its reply goes to the host's output. */
enum login_verdict login_sasl(struct login *, struct host *,
    const struct request *);

/* After LOGIN_WAIT: what is to be worked on.  NULL: it was taken. */
struct attempt *login_take(struct login *);
/* And what came of it; the reply goes to the host's output. */
void login_finish(struct login *, struct host *, struct attempt *);

#endif
