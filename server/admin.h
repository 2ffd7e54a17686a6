/*
 * admin.h - what commands change while the server serves, and the help that
 * their handlers share.
 *
 * Owns:    the settings in force, and what `stats reset` has to subtract.
 * Threads: any, under the lock; it is held for no other call.
 * Fails:   admin_new() returns NULL without memory.
 * Cost:    not on the way of an item.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include <pthread.h>

#include "server/command.h"

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

struct admin {
	pthread_mutex_t lock; /* guards all */
	struct tuning tuning;
	struct totals base;
	uint64_t crawler_starts;
};

struct admin *admin_new(const struct config *);
void admin_free(struct admin **);

/* A copy of the settings in force. */
struct tuning admin_tuning(struct admin *);

/* The words of a text line without its noreply. */
unsigned admin_nwords(const struct call *);

/*
 * Which of the names the word is or begins; the first one if several, -1 if
 * none.  memcached lets all words after the first be cut short.
 */
int admin_choose(struct word, const char *const *names, unsigned nnames);

/* The answer is this text, line end included; it must outlive the call. */
void admin_say(struct result *, const char *text);

#endif
