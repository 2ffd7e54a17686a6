/*
 * slab.h - size classes: chunks of pages.
 *
 * A class cuts its pages into chunks of one size.  Sizes are those of a table,
 * or grow by a factor from the smallest on; they are rounded to what divides a
 * page evenly, so no page has a tail that is wasted; the largest chunk is a
 * whole page.  An item
 * larger than that is chained over several chunks; smaller ones may be.
 *
 * Free chunks are kept per page, not per class: a page whose last chunk is
 * freed goes back to the arena at once, for whichever class needs it, and a
 * page that is to move is simply taken out of the class's list.
 *
 *      class -> partial pages (some chunks free) -> page.free -> item_free ...
 *
 * Owns:    pages from arena_take() until arena_give().  Under ASan the bytes
 *          of a free chunk behind its struct item_free are poisoned.
 * Threads: any; each class has a lock (rank CLASS), held for O(1).
 * Fails:   slab_alloc() returns 0 when the class has no free chunk and the
 *          arena no page.
 * Cost:    O(1).
 */
#ifndef SLAB_SLAB_H
#define SLAB_SLAB_H

#include "slab/arena.h"
#include "slab/cache.h"

struct slab_class {
	uint32_t chunk_size; /* fixed after slab_init() */
	uint32_t per_page;
	struct lock lock; /* guards from here ... */
	_Atomic uint32_t partial; /* first page with a free chunk, or
				     ARENA_NONE; peeked at without */
	uint32_t full; /* first page without: the longest full */
	/* ... to here */
	_Atomic uint32_t pages; /* relaxed: gauges; draining ones too */
	_Atomic uint64_t used;	/* chunks */
};

struct slab {
	struct arena arena;
	unsigned nclasses; /* ids 1 .. nclasses */
	struct slab_class classes[CACHE_CLASSES];
	/* by size, rounded up to 4 */
	uint8_t class_for[ARENA_PAGE_SIZE / 4 + 1];
};

/*
 * Follows cache_config: memory_limit, fixed_limit, memory_file, growth_factor,
 * chunk_min, slab_sizes.  A growth factor of 0 stands for the table.  0, or -1
 * with *why.
 */
int slab_init(struct slab *, const struct cache_config *, const char **why);
void slab_fini(struct slab *);

/* The class whose chunks fit nbytes best; 0 if none does (above a page). */
static inline unsigned
slab_class_for(const struct slab *s, size_t nbytes)
{
	return nbytes > ARENA_PAGE_SIZE ? 0 : s->class_for[(nbytes + 3) / 4];
}

/* A free chunk with state ITEM_FREE, no longer in any list; 0 if none. */
handle slab_alloc(struct slab *, unsigned class_id);
/* Likewise, but of a page that the class has already. */
handle slab_alloc_within(struct slab *, unsigned class_id);
/* Like slab_alloc(), for who has just made another class give up a page: it
 * may be had though the arena has more in use than it should. */
handle slab_alloc_in_exchange(struct slab *, unsigned class_id);
/* Sets ITEM_FREE; may give the page back to the arena. */
void slab_free(struct slab *, handle);

/*
 * Empties a page.  slab_drain() takes it out of its class's lists, so that
 * nothing more is allocated from it; the caller then removes what lives in it
 * (slab_free() gives the page to the arena with its last chunk).
 * slab_undrain() puts it back.  false: it is not in that class any more, or
 * is draining already.
 */
bool slab_drain(struct slab *, unsigned class_id, uint32_t page);
void slab_undrain(struct slab *, uint32_t page);
/* Some page of the class, fewest used chunks among a bounded number looked
 * at; ARENA_NONE if it has none. */
uint32_t slab_pick_page(struct slab *, unsigned class_id);

/* The page, which another process had filled, is the class's: chunk i is in use
 * if bit i % 8 of in_use[i / 8] is set.  Without any it is nobody's. */
void slab_adopt(struct slab *, unsigned class_id, uint32_t page,
    const uint8_t *in_use);

static inline void *
slab_at(const struct slab *s, handle h)
{
	return arena_at(&s->arena, h);
}

static inline uint32_t
slab_chunk_size(const struct slab *s, handle h)
{
	return s->classes[arena_class_of(&s->arena, h)].chunk_size;
}

/* Walks all lists, the arena's too, taking the locks in turn; aborts unless
 * counts, states and links agree. */
void slab_check(struct slab *);

#endif
