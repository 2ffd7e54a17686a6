/*
 * mini.h - a cache in miniature: what would be held, without its bytes.
 *
 *      entry (24 bytes) <- bucket of its hash
 *                       <- queue of (class): probation or WARM, as in lru.h
 *
 * It is told what a cache of some size is asked for, by the keys that a sample
 * consists of, and answers which of them would have been hits.  Its queues and
 * ghosts are those of lru.h (HOT and COLD in one), and what is over its budget
 * goes from the class that level.c would choose, without pages between: of a
 * policy that is no stack of ages nothing less tells the truth.  Time is
 * counted in requests, which are finer than seconds; deadlines are seconds.
 *
 * Owns:    its tables.
 * Threads: the caller's lock.
 * Fails:   mini_init() without memory; mini_put() returns false when there is
 *          no entry left: thin the sample.
 * Cost:    O(1), and a look at each class when something goes; three to five
 *          cache lines.  mini_thin() and mini_clear() are O(entries).
 */
#ifndef SLAB_MINI_H
#define SLAB_MINI_H

#include <stdbool.h>
#include <stdint.h>

#include "slab/ghost.h"
#include "slab/limits.h"

enum { MINI_PROBATION, MINI_WARM, MINI_QUEUES };
enum { MINI_ENTRIES_MAX = UINT16_MAX };

struct mini_entry {
	uint32_t sample;   /* upper half of the hash */
	uint32_t accessed; /* the clock of its last use */
	uint32_t deadline; /* 0 = never */
	uint16_t tag;	   /* lowest bits of the hash */
	uint16_t newer, older, chain; /* numbers of entries; 0 = none */
	uint16_t units; /* of 256 bytes, beyond the first chunk */
	uint8_t class_id; /* 0 = free */
	uint8_t bits;
};
_Static_assert(sizeof(struct mini_entry) == 24, "an entry is 24 bytes");

struct mini_queue {
	uint16_t newest, oldest, n;
};

/* What the miniatures of one cache share. */
struct mini_shape {
	unsigned nclasses;
	const uint32_t *chunks, *roots; /* of classes: size, and its root */
	struct arena *charge;
	double probation; /* its part of a class */
};

struct mini {
	const struct mini_shape *shape;
	struct mini_entry *entries; /* 1 .. max */
	uint16_t *heads;	    /* a power of two */
	uint32_t max, mask;
	uint32_t touched; /* entries ever used */
	uint32_t n;	  /* in use */
	uint16_t free, swept;
	unsigned giver, turns; /* the class to give next, so many times */
	uint64_t bytes, budget;
	struct mini_queue queues[CACHE_CLASSES][MINI_QUEUES];
	struct ghosts ghosts;
	struct ghost_bucket *ghost_buckets;
};

/* An item as the miniature knows it. */
struct mini_item {
	uint64_t hash;
	uint32_t deadline;
	uint32_t nbytes; /* of the whole item */
	unsigned class_id;
};

/* false: no memory. */
bool mini_init(struct mini *, const struct mini_shape *, uint32_t max);
void mini_fini(struct mini *);
size_t mini_bytes(uint32_t max);

/* Would it be a hit?  If so, but not in truth, a store will follow that says
 * nothing (truly_hit is false). */
bool mini_get(struct mini *, uint64_t hash, uint32_t clock, uint32_t now,
    bool truly_hit);

/* It is stored.  false: no entry for it. */
bool mini_put(struct mini *, const struct mini_item *, uint32_t clock);

/* A new deadline; nothing if it is not there. */
void mini_touch(struct mini *, uint64_t hash, uint32_t deadline);
void mini_drop(struct mini *, uint64_t hash);

/* The budget in bytes; what is over it goes. */
void mini_resize(struct mini *, uint64_t budget, uint32_t clock);

/* A few entries are looked at; those whose time has come go. */
void mini_sweep(struct mini *, uint32_t now);

/* Keeps only what has the upper half of its hash below. */
void mini_thin(struct mini *, uint32_t below);
void mini_clear(struct mini *);

/* Aborts unless all agrees. */
void mini_check(const struct mini *);

#endif
