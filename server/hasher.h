/*
 * hasher.h - attempts to log in, worked on by libuv's thread pool.
 *
 *      submitted ──▶ ready ──▶ on the pool ──▶ done(arg, attempt)
 *                      └─ failed too often ─▶ waiting ──its turn──▶ ready
 *
 * A thread of connections has one.  It has one attempt on the pool at a time,
 * and all hashers together at most AUTH_AT_ONCE, so that hashing leaves cores
 * to those who serve and threads to files.
 *
 * Who has logged in from an address before goes before those who have not: a
 * crowd that guesses, each from an address of its own, is no queue to stand in.
 *
 * Owns:    the attempts that are given to it, until done(), which owns them
 *          then; and those that were forgotten.
 * Threads: its loop's; the work itself runs on the pool's.
 * Fails:   never; an attempt that is refused is done and not good.
 * Cost:    none while nobody logs in.
 */
#ifndef SERVER_HASHER_H
#define SERVER_HASHER_H

#include <uv.h>

#include "server/auth.h"

/* First come, first served. */
struct hasher_queue {
	struct attempt *first, *last;
};

struct hasher {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	struct attempt *running;
	struct hasher_queue regulars, others; /* ready */
	struct attempt *waiting; /* for their turn, the next one first */
};

/* 0, or libuv's error. */
int hasher_init(struct hasher *, uv_loop_t *);
/* Closes its handle, which the loop must still do; nothing runs any more. */
void hasher_fini(struct hasher *);

void hasher_submit(struct hasher *, struct attempt *,
    void (*done)(void *arg, struct attempt *), void *arg);
/* Nobody waits for it any more: done() is not called. */
void hasher_forget(struct attempt *);

#endif
