/*
 * hist.h - how often did it take how long: a log-linear histogram.
 *
 * Each power of two is divided into 128 equal steps, so a value read back is
 * at most 0.8 % too high, from one nanosecond to eighteen minutes.
 *
 * Owns:    its counters, embedded.
 * Threads: one writer; hist_merge() after it has ended.
 * Fails:   never; what is longer than the last step is counted there.
 * Cost:    hist_add() a dozen instructions; 35 KB.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum {
	HIST_STEP_BITS = 7,
	HIST_STEPS = 1 << HIST_STEP_BITS,
	HIST_POWERS = 34,
	HIST_SLOTS = HIST_STEPS * HIST_POWERS,
};

struct hist {
	uint64_t total;
	uint64_t sum; /* nanoseconds */
	uint64_t max;
	uint64_t slots[HIST_SLOTS];
};

static inline unsigned
hist_slot(uint64_t ns)
{
	unsigned power, slot;

	if (ns < HIST_STEPS)
		return (unsigned)ns;
	power = 63 - (unsigned)__builtin_clzll(ns) - HIST_STEP_BITS;
	slot = (power << HIST_STEP_BITS) + (unsigned)(ns >> power);
	return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

/* times: so many values of the same length. */
static inline void
hist_add(struct hist *h, uint64_t ns, uint64_t times)
{
	h->slots[hist_slot(ns)] += times;
	h->total += times;
	h->sum += ns * times;
	if (ns > h->max)
		h->max = ns;
}

void hist_reset(struct hist *);
void hist_merge(struct hist *into, const struct hist *from);
/* The longest value of the slot in which the fraction (0 .. 1) is reached. */
uint64_t hist_at(const struct hist *, double fraction);
/* Lines "microseconds fraction 1/(1-fraction)", for a plot.  0, or -1. */
int hist_write(const struct hist *, const char *path);

#endif
