/* upkeep.c - see cache.h: housekeeping in bounded steps, and settings. */
#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

/*
 * What a step may do, so that it takes a few tenths of a millisecond at most.
 * A chunk that the sweep looks at takes some nanoseconds; a cache miss is a
 * good ten of them.
 */
enum {
	BALANCE_MOVES = 512, /* queue moves per call */
	BALANCE_LOOKS = 1536, /* classes of shards looked at per call */
	SWEEP_WORK = 32768,  /* chunks looked at per call, if all live */
	SWEEP_PAGES = 512,   /* a second, while items are stored */
	COOL_PAGES = 16,     /* returned to the system per call */
	MUCH = 256,	     /* one dead in so many */
	LATELY = 2,	     /* seconds */
	DELAYS = 64,	     /* steps */
	MANY = 64, /* so many dead in a step: come again soon */
};

/* ------------------------------------------------------------ queues */

/* Also notes how old the tails are, and what was evicted.  Returns how many
 * moves were made, at most max. */
static unsigned
balance_shard(struct cache *c, struct shard *s, uint32_t now, unsigned max)
{
	struct lru_scene scene = shard_scene(s, now);
	struct upkeep_round *r = &c->round;
	unsigned moved = 0;

	r->linked += s->linked;
	for (unsigned k = 1; k <= s->slab->nclasses; k++) {
		struct lru *l = &s->lru[k];

		r->evicted[k] += l->counts.evicted;
		if (lru_items(l) == 0)
			continue;
		if (moved < max)
			moved += lru_balance(l, &scene, max - moved);
		r->ages[k] += level_tail(s, k, now);
		r->shards[k]++;
	}
	return moved;
}

/* All shards have been seen.  A class that evicts notes its ages by itself. */
static void
end_round(struct cache *c, uint32_t now)
{
	struct upkeep_round *r = &c->round;
	bool evicting = false;

	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		evicting |= r->evicted[k] > c->evicted[k];
		if (r->evicted[k] == c->evicted[k])
			level_poll(c, k, r->ages[k], r->shards[k]);
	}
	if (evicting)
		atomic_store_explicit(&c->evicted_at, now,
		    memory_order_relaxed);
	memcpy(c->evicted, r->evicted, sizeof(c->evicted));
	c->busy = r->linked != c->linked;
	c->linked = r->linked;
	memset(r, 0, sizeof(*r));
}

/* Shard by shard; where nothing is stored a round has time. */
static bool
balance(struct cache *c, uint32_t now)
{
	struct upkeep_round *r = &c->round;
	unsigned left = BALANCE_MOVES;

	for (unsigned looks = 0; looks < BALANCE_LOOKS && r->at < c->nshards;
	     looks += c->slab.nclasses) {
		struct shard *s = &c->shards[r->at];

		lock_acquire(&s->lock);
		left -= balance_shard(c, s, now, left);
		lock_release(&s->lock);
		r->at++;
	}
	if (r->at == c->nshards)
		end_round(c, now);
	return c->busy && (left == 0 || r->at != 0);
}

/* ------------------------------------------------------------ pages */

/* After the limit was lowered, and when the index has grown. */
static bool
shrink(struct cache *c, uint32_t now)
{
	bool more = room_shrink(c, now);
	unsigned n = 0;

	while (n < COOL_PAGES && arena_cool(&c->slab.arena))
		n++;
	return more || n == COOL_PAGES;
}

/* ------------------------------------------------------------ the sweep */

/* Live items are evicted, and of so many more than one in MUCH is dead? */
static bool
is_urgent(struct cache *c, uint32_t now, uint64_t dead, uint64_t all)
{
	uint32_t at = atomic_load_explicit(&c->evicted_at,
	    memory_order_relaxed);

	return at != 0 && now - at <= LATELY && dead * MUCH > all;
}

static void
begin_sweep(struct cache *c, uint32_t now, uint32_t touched)
{
	if (c->sweep_second != now) {
		struct sweep_seen s = sweep_foreseen(c, now);

		c->sweep_second = now;
		c->sweep_quota = SWEEP_PAGES;
		c->sweep_delays = 0;
		if (is_urgent(c, now, s.dying, s.items)) {
			c->sweep_urgent = true;
			c->sweep_left = 0;
		}
	}
	if (c->sweep_left == 0) {
		c->sweep_left = touched;
		c->sweep_found = c->sweep_checked = 0;
	}
}

/*
 * Dead are many at a time: those of one second.  While they are so many that
 * live items should not go for want of their room, all memory is looked
 * through at the beginning of each second; else a part of it, and where
 * nothing is stored a single step.
 */
static bool
sweep(struct cache *c, uint32_t now)
{
	uint32_t touched = atomic_load_explicit(&c->slab.arena.touched,
	    memory_order_relaxed);
	struct sweep_seen seen = { 0 };
	unsigned found = 0;
	int work = SWEEP_WORK;

	begin_sweep(c, now, touched);
	while (work > 0 && c->sweep_left > 0) {
		if (c->sweep_page >= touched)
			c->sweep_page = 0;
		found += sweep_page(c, c->sweep_page, &c->sweep_chunk, now,
		    &work, &seen);
		if (c->sweep_chunk != 0)
			break;
		c->sweep_page++;
		c->sweep_left--;
		c->sweep_quota -= c->sweep_quota > 0;
	}
	sweep_foresee(c, now, &seen);
	c->sweep_found += found;
	c->sweep_checked += seen.items;
	if (c->sweep_left == 0)
		c->sweep_urgent = is_urgent(c, now, c->sweep_found,
		    c->sweep_checked);
	if (found >= MANY)
		return true;
	return c->sweep_left > 0 &&
	    (c->sweep_urgent || sweep_finds(c, now) ||
		(c->busy && c->sweep_quota > 0));
}

/* ------------------------------------------------------------ the step */

/* A step that comes soon for something else's sake has none: queues that are
 * far from their shares would have all memory looked through many times a
 * second. */
static bool
is_sweep_due(const struct cache *c, uint32_t now)
{
	return c->sweep_again || !c->upkeep_again || c->upkeep_second != now;
}

/* What may evict lets the dead of a second go first, but not for ever. */
static bool
is_delayed(struct cache *c)
{
	return c->sweep_again && c->sweep_delays++ < DELAYS;
}

bool
cache_upkeep(struct cache *c, uint32_t now)
{
	bool more;

	atomic_fetch_add_explicit(&c->upkeeps, 1, memory_order_relaxed);
	flush_due(c, now);
	more = balance(c, now);
	if (c->busy && c->upkeep_second != now)
		use_sample(c, now);
	if (is_sweep_due(c, now))
		c->sweep_again = sweep(c, now);
	if (!is_delayed(c)) {
		room_step(c, 0, 0, now);
		more |= shrink(c, now);
	}
	c->upkeep_again = more || c->sweep_again;
	c->upkeep_second = now;
	return c->upkeep_again;
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
