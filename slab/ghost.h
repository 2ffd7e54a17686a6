/*
 * ghost.h - who was evicted lately: tags of hashes, two bytes each.
 *
 *      buckets of a cache line:  newest tag | ... | oldest tag      (32)
 *
 * A key that comes back soon after it was evicted has shown that it is wanted,
 * and need not pass probation again (see lru.h).  About as many
 * are remembered as there are items: a key that was away for longer than the
 * cache holds anything says nothing.  So the number of buckets in use follows
 * the number of items, up to what the table has room for; when it changes,
 * some of what was remembered is forgotten.
 *
 * A wrong answer, once in some two thousand, costs an item's place for a
 * while, and nothing else.
 *
 * Owns:    nothing; the table is the caller's, zeroed.
 * Threads: the caller holds the lock of the shard whose hashes they are.
 * Fails:   never.
 * Cost:    one cache line.
 */
#ifndef SLAB_GHOST_H
#define SLAB_GHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "slab/arena.h"

enum { GHOST_SLOTS = 32 };

struct ghost_bucket {
	_Alignas(64) uint16_t tag[GHOST_SLOTS]; /* 0 = none */
};
_Static_assert(sizeof(struct ghost_bucket) == 64, "a cache line");

struct ghosts {
	struct arena *charge;	      /* for what is in use */
	struct ghost_bucket *buckets; /* NULL: nothing is remembered */
	uint32_t nmax;		      /* of them: 0 or a power of two */
	uint32_t n;		      /* in use: 0 or a power of two */
};

void ghosts_init(struct ghosts *, struct ghost_bucket *, uint32_t nmax,
    struct arena *charge);

/* Remembers the hash; items is how many there are now. */
void ghosts_add(struct ghosts *, uint64_t hash, uint64_t items);

/* Was it there?  It is forgotten then. */
/* Has memory fetch what ghosts_add() of it will touch. */
void ghosts_foresee(const struct ghosts *, uint64_t hash);
bool ghosts_take(struct ghosts *, uint64_t hash);

/* Aborts unless each bucket is filled from the front. */
void ghosts_check(const struct ghosts *);

#endif
