/*
 * saved.h - what save.c and restore.c agree on; see cache.h, restart.
 *
 *      the memory file   page 0: struct saved_mark      pages 1 .. touched-1
 *      what is kept      struct saved, then a byte for each page below touched:
 *                        the class that it is in, or 0
 *
 * In the file an item is as item.h says, but that `older' has its rank: which
 * part of its queue it stood in, SAVED_RANKS for the newest.  Of those that
 * were dead the state is ITEM_RESERVED.
 *
 * A mark with the same number on both sides says that they belong together.
 * Whoever opens the file takes it away first.
 *
 * Owns:    nothing.
 * Threads: before there are others, or after them.
 * Fails:   never.
 * Cost:    none.
 */
#ifndef SLAB_SAVED_H
#define SLAB_SAVED_H

#include "slab/door.h"

enum {
	SAVED_MAGIC = 0x51ab5a7e, /* else bytes are in another order */
	SAVED_FORMAT = 1, /* of items, pages and this; see item.h, slab.h */
	SAVED_RANKS = 64,
};

struct saved {
	uint32_t magic, format;
	/* must be the same */
	uint64_t limit;
	uint32_t page_size, unit_shift, item_max, no_cas, nclasses;
	uint32_t chunk_sizes[CACHE_CLASSES];
	/* where it stood */
	uint32_t flush_at;
	uint32_t touched;
	uint32_t unused;
	uint64_t buckets; /* of all indexes */
	uint64_t cas;	  /* the greatest number given */
	uint64_t mark;
};
_Static_assert(sizeof(struct saved) == 328, "no hole in it");

struct saved_mark {
	uint32_t magic, format;
	uint64_t mark;
};

static inline struct saved_mark *
saved_mark(struct cache *c)
{
	return (struct saved_mark *)(void *)c->slab.arena.base;
}

/* What a cache of these settings has to be saved as, all else 0. */
static inline struct saved
saved_settings(const struct cache *c)
{
	const struct arena *a = &c->slab.arena;
	struct saved s;

	memset(&s, 0, sizeof(s));
	s.magic = SAVED_MAGIC;
	s.format = SAVED_FORMAT;
	s.limit = atomic_load_explicit(&a->limit, memory_order_relaxed);
	s.page_size = ARENA_PAGE_SIZE;
	s.unit_shift = a->unit_shift;
	s.item_max = c->item_max;
	s.no_cas = c->no_cas;
	s.nclasses = c->slab.nclasses;
	for (unsigned k = 1; k <= s.nclasses; k++)
		s.chunk_sizes[k] = c->slab.classes[k].chunk_size;
	return s;
}

#endif
