/* upkeep.c - see cache.h: housekeeping in bounded steps, and settings. */
#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum {
	BALANCE_MOVES = 512, /* queue moves per shard and call */
	SWEEP_PAGES = 512,   /* looked through per call */
	SWEEP_FOUND = 4096,  /* dead items removed per call */
	SHRINK_PAGES = 16,
	URGENT_PAGES = 2048, /* ... and when the dead must be found soon */
	MUCH = 256,	     /* one dead in so many */
	LATELY = 2,	     /* seconds */
	MANY = 256, /* so many dead: come again soon */
};

/* ------------------------------------------------------------ queues */

struct tails {
	uint64_t ages[CACHE_CLASSES], evicted[CACHE_CLASSES];
	unsigned shards[CACHE_CLASSES];
};

/* Also notes how old the tails are, and what was evicted. */
static bool
balance_shard(struct shard *s, uint32_t now, struct tails *t)
{
	struct lru_scene scene = shard_scene(s, now);
	unsigned left = BALANCE_MOVES;

	for (unsigned k = 1; k <= s->slab->nclasses; k++) {
		struct lru *l = &s->lru[k];

		t->evicted[k] += l->counts.evicted;
		if (lru_items(l) == 0)
			continue;
		if (left > 0)
			left -= lru_balance(l, &scene, left);
		t->ages[k] += level_tail(s, k, now);
		t->shards[k]++;
	}
	return left == 0;
}

/* A class that evicts notes its ages by itself. */
static bool
balance(struct cache *c, uint32_t now)
{
	struct tails t = { 0 };
	bool more = false, evicting = false;

	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		lock_acquire(&s->lock);
		more |= balance_shard(s, now, &t);
		lock_release(&s->lock);
	}
	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		evicting |= t.evicted[k] > c->evicted[k];
		if (t.evicted[k] == c->evicted[k])
			level_poll(c, k, t.ages[k], t.shards[k]);
	}
	if (evicting)
		atomic_store_explicit(&c->evicted_at, now,
		    memory_order_relaxed);
	memcpy(c->evicted, t.evicted, sizeof(c->evicted));
	return more;
}

/* ------------------------------------------------------------ pages */

/* After the limit was lowered, and when the index has grown. */
static bool
shrink(struct cache *c, uint32_t now)
{
	for (unsigned n = 0; n < SHRINK_PAGES; n++)
		if (arena_excess(&c->slab.arena) == 0 || !room_steal(c, 0, now))
			return false;
	return arena_excess(&c->slab.arena) > 0;
}

/* ------------------------------------------------------------ the sweep */

__attribute__((no_sanitize("thread"))) static unsigned
peek_epoch(const struct shard *s)
{
	return *(const volatile unsigned *)&s->epoch;
}

static bool
seems_dead(const struct cache *c, struct chunk_peek peek, uint32_t now)
{
	if (peek.shard >= c->nshards)
		return false;
	return (peek.deadline != 0 && peek.deadline <= now) ||
	    peek.state >> ITEM_EPOCH_SHIFT !=
	    peek_epoch(&c->shards[peek.shard]);
}

static bool
remove_dead(struct cache *c, unsigned class_id, handle h, unsigned shard,
    uint32_t now)
{
	struct shard *s = &c->shards[shard];
	struct shard_place place;
	bool dead;

	lock_acquire(&s->lock);
	dead = arena_class_of(&c->slab.arena, h) == class_id &&
	    shard_locate(s, h, &place) && shard_is_dead(s, place.it, now);
	if (dead)
		shard_sweep(s, &place);
	lock_release(&s->lock);
	return dead;
}

/* From c->sweep_chunk on; returns how many were dead, at most max. */
static unsigned
sweep_page(struct cache *c, uint32_t now, unsigned max)
{
	const struct arena *a = &c->slab.arena;
	handle first = (handle)c->sweep_page
	    << (ARENA_PAGE_SHIFT - a->unit_shift);
	unsigned k = arena_class_of(a, first), found = 0, checked = 0;
	uint32_t step = c->slab.classes[k].chunk_size >> a->unit_shift;
	uint32_t i;

	if (k == 0)
		return 0;
	for (i = c->sweep_chunk; i < c->slab.classes[k].per_page &&
	     found < max && arena_class_of(a, first) == k;
	     i++) {
		struct chunk_peek peek = room_peek(c, first + i * step);

		if ((peek.state & ITEM_STATE_MASK) != ITEM_LINKED)
			continue;
		checked++;
		if (seems_dead(c, peek, now))
			found += remove_dead(c, k, first + i * step, peek.shard,
			    now);
	}
	c->sweep_chunk = found == max ? i : 0;
	c->sweep_checked += checked;
	atomic_fetch_add_explicit(&c->checked[k], checked,
	    memory_order_relaxed);
	return found;
}

/* Live items are evicted, and of all that the last round looked at more than
 * one in so many was dead? */
static bool
is_urgent(struct cache *c, uint32_t now)
{
	uint32_t at = atomic_load_explicit(&c->evicted_at,
	    memory_order_relaxed);

	return at != 0 && now - at <= LATELY &&
	    c->sweep_found * MUCH > c->sweep_checked;
}

/*
 * Dead are many at a time: those of one second.  While they are so many that
 * live items should not go for want of their room, all memory is looked
 * through at the beginning of each second; else a part of it.
 */
static bool
sweep(struct cache *c, uint32_t now)
{
	uint32_t touched = atomic_load_explicit(&c->slab.arena.touched,
	    memory_order_relaxed);
	uint32_t most = c->sweep_urgent ? URGENT_PAGES : SWEEP_PAGES;
	unsigned found = 0;

	if (c->sweep_left == 0) {
		c->sweep_left = touched;
		c->sweep_found = c->sweep_checked = 0;
	}
	for (uint32_t n = 0; n < most && c->sweep_left > 0; n++) {
		if (c->sweep_page >= touched)
			c->sweep_page = 0;
		found += sweep_page(c, now, SWEEP_FOUND - found);
		if (found == SWEEP_FOUND)
			break;
		c->sweep_page++;
		c->sweep_left--;
	}
	c->sweep_found += found;
	if (c->sweep_left == 0)
		c->sweep_urgent = is_urgent(c, now);
	return found >= MANY || (c->sweep_urgent && c->sweep_left > 0);
}

/* ------------------------------------------------------------ the step */

bool
cache_upkeep(struct cache *c, uint32_t now)
{
	bool more;

	atomic_fetch_add_explicit(&c->upkeeps, 1, memory_order_relaxed);
	flush_due(c, now);
	more = balance(c, now);
	more |= sweep(c, now);
	room_step(c, 0, 0, now);
	more |= shrink(c, now);
	return more;
}

/* ------------------------------------------------------------ settings */

bool
cache_set_limit(struct cache *c, size_t bytes)
{
	return arena_set_limit(&c->slab.arena, bytes);
}

void
cache_set_flat_lru(struct cache *c, bool flat)
{
	atomic_store_explicit(&c->policy.flat, flat, memory_order_relaxed);
}

void
cache_set_temporary_ttl(struct cache *c, uint32_t ttl)
{
	atomic_store_explicit(&c->policy.temporary_ttl, ttl,
	    memory_order_relaxed);
}

void
cache_tune_lru(struct cache *c, uint32_t hot_pct, uint32_t warm_pct,
    double hot_factor, double warm_factor)
{
	struct lru_policy *p = &c->policy;

	atomic_store_explicit(&p->hot_pct, hot_pct, memory_order_relaxed);
	atomic_store_explicit(&p->warm_pct, warm_pct, memory_order_relaxed);
	atomic_store_explicit(&p->hot_factor, lru_factor(hot_factor),
	    memory_order_relaxed);
	atomic_store_explicit(&p->warm_factor, lru_factor(warm_factor),
	    memory_order_relaxed);
}
