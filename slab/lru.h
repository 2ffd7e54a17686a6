/*
 * lru.h - which item of a size class goes next.
 *
 * Each class of each shard has four queues.  New items enter HOT, and sink
 * from there to COLD: both together are probation, a seventh of the class
 * when memory is short.  Whoever is hit again in HOT, or is found at COLD's
 * tail to have been hit at all, passes to WARM, where all that is worth
 * keeping goes round: at WARM's tail an item that was hit since it came
 * starts anew.  TEMP takes what lives so briefly that it is left to expire.
 *
 *      new --> HOT --active-->  WARM  --> victim
 *               |               ^    ^
 *               v            fetched |
 *              COLD -------------+   |
 *               |                    |
 *               +--> victim ...... ghost, if it comes back soon
 *
 * The victim is probation's tail while that is more than its part, else
 * WARM's.  What comes back soon after it was evicted enters WARM at once.
 * So whatever is read once only, a scan, say, passes through a part of the
 * class and leaves the rest alone.  (The idea is S3-FIFO's: J. Yang and
 * others, "FIFO queues are all you need for cache eviction", SOSP 2023; the
 * names of the queues are memcached's.)
 *
 * A hit relinks nothing: it sets ITEM_FETCHED, then ITEM_ACTIVE, and the tails
 * decide when room is needed or when upkeep comes by.  In flat mode there is
 * COLD alone, and a hit moves to its head at most once a minute.
 *
 * The policy is behind lru_place(), lru_hit(), lru_rewrite(), lru_victim() and
 * lru_balance(); the rest only links.
 *
 * Owns:    the links and the counts, never the items.
 * Threads: the caller holds the lock of the shard that owns the queues; the
 *          policy may be changed and read by any thread.
 * Fails:   never; lru_victim() returns 0 when nothing may go.
 * Cost:    O(1); lru_victim() looks at no more than LRU_REACH items.
 */
#ifndef SLAB_LRU_H
#define SLAB_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include "slab/arena.h"
#include "slab/cache.h"

enum {
	LRU_REACH = 40,	      /* tail items looked at for one victim */
	LRU_FLAT_GRAIN = 60,  /* seconds between two moves in flat mode */
	LRU_FACTOR_ONE = 256, /* the fixed point of the factors */
};

/* Shared by all queues; relaxed: a late view of a setting does no harm. */
struct lru_policy {
	_Atomic bool flat;
	_Atomic uint32_t hot_pct, warm_pct;
	_Atomic uint32_t hot_factor, warm_factor; /* of LRU_FACTOR_ONE */
	_Atomic uint32_t temporary_ttl;
	bool no_evictions; /* fixed: only the dead may go */
};

struct lru_counts {
#define X(name) uint64_t name;
	CACHE_CLASS_COUNTS(X)
#undef X
};

struct lru_queue {
	handle newest, oldest;
	uint32_t items;
};

struct lru {
	struct lru_queue queues[CACHE_QUEUES];
	uint32_t evicted_time; /* idle seconds of the last one evicted */
	uint32_t turnover;     /* idle seconds of the last one that tells */
	bool tells;	       /* the last one evicted did */
	uint64_t bytes;	       /* of the items; kept by the shard */
	struct lru_counts counts;
};

/* What a decision about a tail has to know. */
struct lru_scene {
	const struct arena *arena;
	const struct lru_policy *policy;
	uint32_t now;
	unsigned epoch; /* items of another one are dead */
	handle keep;	/* not to be chosen; 0 = none */
};

void lru_policy_init(struct lru_policy *, const struct cache_config *);

/* A factor above 0 in fixed point; the greatest there is for one that is
 * greater. */
uint32_t lru_factor(double);

/* The queue for an item that is stored now. */
enum cache_queue lru_place(const struct lru_policy *, uint32_t deadline,
    uint32_t now);

void lru_push(struct lru *, const struct arena *, handle, enum cache_queue);
void lru_drop(struct lru *, const struct arena *, handle);
/* The item was copied from one handle to the other, links included. */
void lru_moved(struct lru *, const struct arena *, handle from, handle to);

/* In flat mode: to the head, if it has not been there for a while. */
void lru_refresh(struct lru *, const struct arena *, handle, uint32_t now);

/* The deadline changed: to the queue where it belongs now. */
void lru_replace(struct lru *, const struct lru_scene *, handle);

/* FETCHED, then ACTIVE; what is WARM already (or TEMP) is ACTIVE at once. */
static inline unsigned
lru_marked(unsigned bits)
{
	_Static_assert(ITEM_ACTIVE == ITEM_FETCHED << 1 &&
		ITEM_ACTIVE == CACHE_WARM << 3 && !(CACHE_HOT & CACHE_WARM) &&
		!(CACHE_COLD & CACHE_WARM),
	    "bits that become another by a shift");
	return bits | ITEM_FETCHED | (bits & ITEM_FETCHED) << 1 |
	    (bits & CACHE_WARM) << 3;
}

static inline void
lru_mark(struct item *it)
{
	const unsigned both = ITEM_FETCHED | ITEM_ACTIVE;

	if (__builtin_expect((it->bits & both) != both, 0))
		it->bits = (uint8_t)lru_marked(it->bits);
}

/* The item was read. */
static inline void
lru_hit(struct lru *l, const struct lru_scene *sc, handle h, struct item *it)
{
	lru_mark(it);
	if (it->accessed == sc->now)
		return;
	if (atomic_load_explicit(&sc->policy->flat, memory_order_relaxed))
		lru_refresh(l, sc->arena, h, sc->now);
	else
		it->accessed = sc->now;
}

/* The item was written again: as good as a hit (a value that is replaced over
 * and over is in use), but the marks of its reading are the caller's.  true: it
 * may not stay where it is, lru_replace() is to be called. */
static inline bool
lru_rewrite(const struct lru_policy *p, struct item *it, uint32_t now)
{
	it->bits |= ITEM_ACTIVE;
	it->accessed = now;
	/* A new deadline can make it temporary, or no longer so; and flat
	 * mode knows no bits, only places. */
	return __builtin_expect((it->bits & ITEM_QUEUE) == CACHE_TEMP ||
		atomic_load_explicit(&p->temporary_ttl,
		    memory_order_relaxed) ||
		atomic_load_explicit(&p->flat, memory_order_relaxed), 0);
}

/* An item of TEMP got another deadline: it stays if that is short, too. */
void lru_settle(struct lru *, const struct lru_scene *, handle);

static inline bool
lru_is_dead(const struct item *it, unsigned epoch, uint32_t now)
{
	uint32_t deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);

	return (deadline != 0 && deadline <= now) || item_epoch(it) != epoch;
}

/* The next to go, still linked: a dead one if a tail is dead, else the COLD
 * tail.  0 if there is none, or none that may go. */
handle lru_victim(struct lru *, const struct lru_scene *);

/* It is evicted: notes how long it was idle, if that tells how fast the class
 * turns over.  What leaves a small probation tells nothing. */
void lru_tell(struct lru *, const struct item *, uint32_t now);

/* Moves what has stood long enough in HOT and WARM, at most max items.
 * Returns how many it moved: max means that there may be more. */
unsigned lru_balance(struct lru *, const struct lru_scene *, unsigned max);

/* Seconds since the tail of the queue was last used; 0 if it is empty. */
uint32_t lru_age(const struct lru *, const struct arena *, enum cache_queue,
    uint32_t now);

static inline uint64_t
lru_items(const struct lru *l)
{
	uint64_t n = 0;

	for (unsigned q = 0; q < CACHE_QUEUES; q++)
		n += l->queues[q].items;
	return n;
}

/* Walks every queue; aborts unless links and counts agree. */
void lru_check(const struct lru *, const struct arena *);

#endif
