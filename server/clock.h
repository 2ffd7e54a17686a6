/*
 * clock.h - server seconds, in which items are dated.
 *
 * Second 0 is a little before the start, so that 0 and 1 are free to mean
 * never and always passed, as in memcached.  They follow the monotonic clock,
 * so whoever sets the system's does no harm; only what clients are told and
 * tell in Unix time goes by the system's clock as it was at the start.  What
 * was restored from a memory file brings its seconds with it, which go on.
 *
 * Owns:    nothing.
 * Threads: clock_start() and clock_resume() before there is another; all else
 *          any.
 * Fails:   clock_resume() with a sentence for the operator.
 * Cost:    clock_now(): two relaxed loads and a division by a constant.
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_FIRST_SECOND = 2 };

struct clock {
	int64_t start_unix; /* of second 0 */
	uint64_t start_ms;  /* the monotonic clock then, CLOCK_FIRST_SECOND
			       later */
	uint32_t resumed;   /* seconds that were those of servers before */
	/* for tests, relaxed: see debugtime in slabd-protocol(7) */
	_Atomic uint32_t ahead;
	_Atomic uint32_t stopped; /* where it stands, or 0 */
};

void clock_start(struct clock *);

/* ms is the monotonic clock, as an event loop keeps it. */
static inline uint32_t
clock_now(const struct clock *c, uint64_t ms)
{
	uint32_t stopped = atomic_load_explicit(&c->stopped,
	    memory_order_relaxed);

	if (stopped != 0)
		return stopped;
	return (uint32_t)((ms - c->start_ms) / 1000) + CLOCK_FIRST_SECOND +
	    atomic_load_explicit(&c->ahead, memory_order_relaxed);
}

/* The same, for who has no event loop. */
uint32_t clock_read(const struct clock *);

/* Milliseconds since a second began. */
static inline unsigned
clock_into_second(const struct clock *c, uint64_t ms)
{
	return (unsigned)((ms - c->start_ms) % 1000);
}

static inline uint64_t
clock_unix(const struct clock *c, uint32_t second)
{
	return (uint64_t)c->start_unix + second;
}

/* An exptime as a client says it (relative up to 30 days, then Unix time;
 * negative is past) to a deadline of slab/cache.h. */
uint32_t clock_deadline(const struct clock *, uint32_t now, int64_t exptime);

/* The clock stood at a second when the system's said stopped: what has passed
 * in the world has passed here.  NULL, or why that cannot be. */
const char *clock_resume(struct clock *, uint64_t second, uint64_t stopped);
/* As if it had not been resumed. */
void clock_renounce(struct clock *);

/* It never goes back, which items could not bear.  false: too far. */
bool clock_advance(struct clock *, uint32_t seconds);
void clock_stop(struct clock *, uint32_t now);
void clock_go(struct clock *);

#endif
