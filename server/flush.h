/*
 * flush.h - flush_all of a user who has but a few prefixes: a walk over all
 * items that takes out those of the prefixes.
 *
 * With a delay, their lives are shortened to it instead.  What is stored while
 * the walk goes on may stay; all that was there before goes.
 *
 * And the rest of anybody's flush_all that could not be done at once.
 *
 * Owns:    a buffer for the items of one step.
 * Threads: the session's.
 * Fails:   both return NULL without memory.
 * Cost:    a step looks at a bounded number of items; other connections have
 *          their turn between steps.
 */
#ifndef SERVER_FLUSH_H
#define SERVER_FLUSH_H

#include "server/command.h"

/* at: the second when they are to be gone; 0, at once. */
struct stream *flush_new(const struct call *, uint32_t at);

/* Of who may flush all: goes on with a cache_flush_step() that has come to
 * that shard. */
struct stream *flush_rest(const struct call *, unsigned shard);

#endif
