/*
 * runtime.h - what commands change while the server serves.
 *
 * Owns:    the settings in force, and what `stats reset` has to subtract.
 * Threads: any, under the lock; it is held for no other call.
 * Fails:   runtime_new() returns NULL without memory.
 * Cost:    not on the way of an item.
 */
#ifndef SERVER_RUNTIME_H
#define SERVER_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/config.h"
#include "server/counters.h"
#include "slab/cache.h"

/* Settings that have a command; they start as config.h says. */
struct tuning {
	unsigned hot_pct, warm_pct;
	double hot_factor, warm_factor;
	bool segmented;
	bool temp_lru;
	uint32_t temporary_ttl;
	bool crawler;
	/* only echoed, slabd has no use for them */
	uint32_t crawler_sleep, crawler_tocrawl;
	uint32_t automove, automove_window;
	double automove_ratio, automove_freeratio;
};

/* Sums over all workers.  None of them may be written by others, so a reset
 * remembers what they were and subtracts it. */
struct totals {
	struct cache_tally tally;
	struct counters counters;
	uint64_t connections, rejected, listen_disabled, listen_disabled_us;
};

struct runtime {
	pthread_mutex_t lock; /* guards all */
	struct tuning tuning;
	struct totals base;
	uint64_t crawler_starts;
};

struct runtime *runtime_new(const struct config *);
void runtime_free(struct runtime **);

/* A copy of the settings in force. */
struct tuning runtime_tuning(struct runtime *);

#endif
