/* save.c - see cache.h: what a restart needs beside the memory file. */
#include <stdlib.h>

#include "slab/cache.h"
#include "slab/saved.h"

enum { SHARDS_MOST = 256 };

/* ------------------------------------------------------------ the queues */

/* The nth of count from the oldest on.  Returns the one after it. */
static handle
rank_item(struct cache *c, const struct shard *s, handle h, uint64_t nth,
    uint64_t count, uint32_t now)
{
	struct item *it = slab_at(&c->slab, h);
	handle next = it->newer;
	bool dead = shard_is_dead(s, it, now);

	__builtin_prefetch(slab_at(&c->slab, next), 1);
	it->older = (handle)(nth * SAVED_RANKS / count);
	/* The epochs end with the process. */
	atomic_store_explicit(&it->state, dead ? ITEM_RESERVED : ITEM_LINKED,
	    memory_order_relaxed);
	return next;
}

/* Those of all shards side by side, so that their misses overlap. */
static void
rank_queues(struct cache *c, unsigned class_id, unsigned queue, uint32_t now)
{
	handle at[SHARDS_MOST];
	bool more = true;

	for (unsigned i = 0; i < c->nshards; i++)
		at[i] = c->shards[i].lru[class_id].queues[queue].oldest;
	for (uint64_t n = 0; more; n++) {
		more = false;
		for (unsigned i = 0; i < c->nshards; i++) {
			const struct shard *s = &c->shards[i];

			if (at[i] == 0)
				continue;
			at[i] = rank_item(c, s, at[i], n,
			    s->lru[class_id].queues[queue].items, now);
			more = true;
		}
	}
}

/* ------------------------------------------------------------ the rest */

size_t
cache_save_most(size_t memory_limit)
{
	/* page 0, and the last one that is not whole */
	return sizeof(struct saved) + (memory_limit >> ARENA_PAGE_SHIFT) + 2;
}

static void
note_classes(const struct cache *c, uint8_t *classes, uint32_t touched)
{
	for (uint32_t n = 0; n < touched; n++)
		classes[n] = atomic_load_explicit(
		    &c->slab.arena.pages[n].class_id, memory_order_relaxed);
}

static void
note_shards(const struct cache *c, struct saved *to)
{
	for (unsigned i = 0; i < c->nshards; i++) {
		const struct shard *s = &c->shards[i];

		to->buckets += index_buckets(&s->index);
		/* That of a shard which gave none may be below 0. */
		if ((int64_t)s->cas > (int64_t)to->cas)
			to->cas = s->cas;
	}
}

void *
cache_save(struct cache *c, uint32_t now, size_t *nbytes)
{
	uint32_t touched = atomic_load_explicit(&c->slab.arena.touched,
	    memory_order_relaxed);
	struct saved *to;

	*nbytes = sizeof(*to) + touched;
	if (!c->slab.arena.is_file || (to = malloc(*nbytes)) == NULL)
		return NULL;
	for (unsigned k = 1; k <= c->slab.nclasses; k++)
		for (unsigned q = 0; q < CACHE_QUEUES; q++)
			rank_queues(c, k, q, now);
	*to = saved_settings(c);
	to->flush_at = atomic_load_explicit(&c->flush_at,
	    memory_order_relaxed);
	to->touched = touched;
	/* As much by chance as anything here is. */
	to->mark = hash_key(&now, sizeof(now), c->seed) | 1;
	note_shards(c, to);
	note_classes(c, (uint8_t *)(to + 1), touched);
	*saved_mark(c) = (struct saved_mark){ SAVED_MAGIC, SAVED_FORMAT,
		to->mark };
	if (arena_sync(&c->slab.arena, c->slab.arena.reserved))
		return to;
	free(to);
	return NULL;
}
