/* use.c - see door.h: how long the items of a class stand unused.
 *
 * A tail's age says what a class is worth while stores drive the tail on.  A
 * class that nobody asks for any more is a minute old after a minute, and so is
 * all that is in it.  So some items of each class are looked at, and the time
 * in which a sixteenth of them was used, times sixteen, is what all would take:
 * no more than the tail's age where stores and hits go on as they did, for the
 * stores alone renew all within that time; many times as much where they ended.
 */
#include "slab/door.h"

enum {
	PAGES = 256,   /* looked at in one call ... */
	NEIGHBOURS = 4, /* ... and items in each: they have the same to tell */
	SAMPLE = 128,  /* items by which a class is judged */
	PART = 16,
	STALE = 4, /* seconds for which that holds */
};

/* [2^(i-1), 2^i) seconds are bucket i. */
static unsigned
bucket_of(uint32_t seconds)
{
	unsigned i = seconds == 0 ? 0 : 32 - (unsigned)__builtin_clz(seconds);

	return i < USE_BUCKETS ? i : USE_BUCKETS - 1;
}

static void
judge(struct cache *c, unsigned k)
{
	struct use_sample *s = &c->samples[k];
	unsigned i = 0;

	for (unsigned n = s->n[0]; n < SAMPLE / PART; n += s->n[i])
		i++;
	level_used(c, k, i == 0 ? 0 : PART << (i - 1));
	*s = (struct use_sample){ .judged = true };
}

static void
look(struct cache *c, unsigned k, handle h, uint32_t now)
{
	struct use_sample *s = &c->samples[k];
	struct chunk_peek peek = sweep_peek(c, h);

	if ((peek.state & ITEM_STATE_MASK) != ITEM_LINKED)
		return;
	/* The second of its use has an end as well as a beginning. */
	s->n[bucket_of(now > peek.accessed ? now - peek.accessed - 1 : 0)]++;
	if (++s->all == SAMPLE)
		judge(c, k);
}

static void
look_around(struct cache *c, uint32_t page, uint32_t at, uint32_t now)
{
	const struct arena *a = &c->slab.arena;
	handle first = (handle)page << (ARENA_PAGE_SHIFT - a->unit_shift);
	unsigned k = arena_class_of(a, first);
	uint32_t n = c->slab.classes[k].per_page;
	uint32_t step = c->slab.classes[k].chunk_size >> a->unit_shift;

	if (k == 0)
		return;
	for (unsigned i = 0; i < NEIGHBOURS && i < n; i++)
		look(c, k, first + (at + i * n / NEIGHBOURS) % n * step, now);
}

/* A class that has become too small to be judged anew may be in use. */
static void
forget(struct cache *c)
{
	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		if (!c->samples[k].judged)
			level_used(c, k, 0);
		c->samples[k] = (struct use_sample){ 0 };
	}
}

void
use_sample(struct cache *c, uint32_t now)
{
	uint32_t touched = atomic_load_explicit(&c->slab.arena.touched,
	    memory_order_relaxed);

	if (now - c->samples_since >= STALE) {
		forget(c);
		c->samples_since = now;
	}
	for (unsigned n = 0; n < PAGES && touched != 0; n++) {
		/* Knuth's */
		c->samples_dice = c->samples_dice * 6364136223846793005U +
		    1442695040888963407U;
		look_around(c,
		    (uint32_t)((c->samples_dice >> 32) * touched >> 32),
		    (uint32_t)c->samples_dice >> 8, now);
	}
}
