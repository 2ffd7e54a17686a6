/*
 * throttle.h - those who guess passwords have to wait.
 *
 *      wait = throttle_ask(t, peer, now);     before an attempt
 *      throttle_failed(t, peer, now);         after a wrong one
 *      throttle_welcome(t, peer, now);        after a right one
 *
 * A peer is an address (of IPv6, a /64) or a local user.  A few failures are
 * free; after that each attempt of that peer, right or wrong, waits for its
 * turn, and turns are the further apart the more have failed.  Failures are
 * forgotten with time.  So a guesser gets a few guesses a second, however many
 * connections it opens, and the others' attempts pass by its own.
 *
 * So that one who is wrong does not lock out all that share its address, a
 * user of an address may be a peer, too (auth.c): once welcome it has turns of
 * its own.
 *
 * Owns:    a table of fixed size.
 * Threads: any; it has a lock.
 * Fails:   throttle_new() returns NULL without memory.  When more peers fail
 *          than the table holds, those that failed least are forgotten.
 * Cost:    a lock and four slots.
 */
#ifndef SERVER_THROTTLE_H
#define SERVER_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct throttle;

enum {
	THROTTLE_FREE = 5,	   /* failures */
	THROTTLE_FORGET_MS = 2000, /* one failure after so long */
	THROTTLE_LEAST_MS = 25,	   /* between turns, doubled ... */
	THROTTLE_MOST_MS = 400,	   /* ... up to this */
	THROTTLE_QUEUE_MS = 10000, /* who would wait longer is refused */
};
#define THROTTLE_REFUSED UINT64_MAX

struct throttle *throttle_new(void);
void throttle_free(struct throttle **);

/* Milliseconds until the attempt may be made, which it then may without
 * asking again; or THROTTLE_REFUSED.  peer 0 never waits. */
uint64_t throttle_ask(struct throttle *, uint64_t peer, uint64_t now_ms);
void throttle_failed(struct throttle *, uint64_t peer, uint64_t now_ms);

void throttle_welcome(struct throttle *, uint64_t peer, uint64_t now_ms);
bool throttle_knows(struct throttle *, uint64_t peer, uint64_t now_ms);

#endif
