/*
 * reply.h - is this the reply that this operation must get?
 *
 * Replies are not parsed but compared with the one or two that can be right:
 * its length is known beforehand, so a few bytes at its beginning, at the
 * value's beginning and at its end are looked at and the rest is skipped.
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   anything unexpected is REPLY_ERROR, or REPLY_LOST when it is not
 *          known where the next reply begins.
 * Cost:    tens of instructions, whatever the value's length.
 */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include "bench/plan.h"

enum reply_kind {
	REPLY_MORE, /* not enough bytes to tell */
	REPLY_HIT,
	REPLY_MISS,
	REPLY_ABSENT, /* a quiet miss: nothing came, nothing is consumed */
	REPLY_STORED,
	REPLY_END,
	REPLY_ERROR, /* a refusal */
	REPLY_LOST,  /* not the protocol that was spoken */
};

struct reply {
	size_t nbytes; /* of all of it, more than was given perhaps */
	size_t tail;   /* of those, at the end: reply_tail_ok() reads them */
	bool wrong;    /* the beginning is not what was stored */
};

enum { REPLY_TAIL_MAX = 16, REPLY_VALUE_BYTES = 8 };

/* avail bytes at p; r is set unless MORE, ABSENT or LOST. */
enum reply_kind reply_read(const struct plan *, const struct owed *,
    const char *p, size_t avail, struct reply *r);

/* The last r->tail bytes of a hit: the value's last ones and what follows. */
bool reply_tail_ok(
    const struct plan *, const struct owed *, const char *tail, size_t n);

#endif
