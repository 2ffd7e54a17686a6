/*
 * talk.h - a client in memory: sends bytes to a session, collects replies.
 *
 * Owns:    a server, a host and one session.
 * Threads: one.
 * Fails:   by aborting the test.
 * Cost:    whatever.
 */
#ifndef TESTS_SERVER_TALK_H
#define TESTS_SERVER_TALK_H

#include "server/host.h"
#include "server/session.h"

struct talk {
	struct config config;
	struct server server;
	struct host *host;
	struct session session;
	char *in; /* not yet used by the session */
	size_t nin;
	char *out; /* replies, ended by 0 */
	size_t nout;
	enum session_verdict verdict; /* of the last run */
};

/* options: the server's, blank-separated, or NULL. */
struct talk *talk_new(const char *options);
void talk_free(struct talk **);

/* Sends n bytes as one read; the replies are appended to t->out.  After CLOSE
 * or DROP nothing more is served. */
void talk_send(struct talk *, const char *bytes, size_t n);
/* Forgets the replies and the conversation, keeps the items. */
void talk_again(struct talk *);

/* Sends text and compares all that comes back. */
void talk_expect(struct talk *, const char *text, const char *reply);

#endif
