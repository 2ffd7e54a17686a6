/* place.c - see door.h: where a small item is written. */
#include <assert.h>

#include "slab/door.h"

/* A chunk: the one got in advance, a free one, or the victim's of this shard.
 * The old item is not chosen as victim; its place is looked up anew. */
static handle
get_chunk(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *old, unsigned class_id, struct room *room, uint32_t now)
{
	handle h = 0, kept = old->it != NULL ? old->h : 0;

	if (room->chunk != 0 && room->class_id == class_id) {
		h = room->chunk;
		room->chunk = 0;
		return h;
	}
	h = slab_alloc(&c->slab, class_id);
	if (h != 0)
		return h;
	/* Rather than to evict here, the dead are to be looked for, or a page
	 * may have to come; but that not while an item is changed that might
	 * go thereby. */
	if (room->tries == 0 && (sweep_helps(c, now) ||
		(kept == 0 && (room->giver = level_due(c, class_id)) != 0)))
		return 0;
	h = shard_evict(s, class_id, now, kept);
	if (h != 0)
		level_note(c, s, class_id, now);
	if (kept != 0) {
		*old = shard_find(s, k);
		assert(old->h == kept);
	}
	return h;
}

static void
begin(struct shard *s, const struct cache_key *k, handle h,
    const struct draft *d, uint32_t now)
{
	struct item *it = slab_at(s->slab, h);

	atomic_store_explicit(&it->state, ITEM_RESERVED, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&it->shard, s->id, memory_order_relaxed);
	it->nkey = (uint8_t)k->nbytes;
	it->bits = place_bits(d);
	atomic_store_explicit(&it->deadline, d->deadline, memory_order_relaxed);
	it->accessed = now;
	it->nvalue = d->nhead + d->ntail;
	it->cas = d->cas;
	door_copy(item_key(it), k->bytes, k->nbytes);
}

enum cache_queue
place_queue(struct shard *s, uint64_t hash, struct item *it,
    const struct shard_place *old, uint32_t now)
{
	enum cache_queue queue = lru_place(s->policy, it->deadline, now);
	unsigned was;

	/* What was in use stays so under its new value. */
	if (old->it == NULL)
		return queue == CACHE_HOT && ghosts_take(&s->ghosts, hash) ?
		    CACHE_WARM :
		    queue;
	it->bits |= ITEM_ACTIVE;
	was = old->it->bits & ITEM_QUEUE;
	return queue == CACHE_HOT && was != CACHE_TEMP ? was : queue;
}

enum cache_status
place_small(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *old, const struct draft *d, struct room *room,
    uint32_t now)
{
	size_t size = item_size(k->nbytes, d->client_flags,
	    d->nhead + d->ntail);
	unsigned class_id = slab_class_for(&c->slab, size);
	struct item *it;
	handle h;

	if (old->it != NULL && !item_is_large(old->it) &&
	    shard_class_of(s, old->h) == class_id) {
		place_rewrite(s, old->it, old->h, class_id, d, now);
		return CACHE_STORED;
	}
	if (old->it == NULL)
		ghosts_foresee(&s->ghosts, k->hash);
	h = get_chunk(c, s, k, old, class_id, room, now);
	if (h == 0) {
		room->class_id = class_id;
		return CACHE_NO_MEMORY;
	}
	begin(s, k, h, d, now);
	it = slab_at(&c->slab, h);
	place_fill(it, d);
	if (!shard_link(s, k->hash, h, place_queue(s, k->hash, it, old, now),
		old)) {
		slab_free(&c->slab, h);
		room->class_id = 0;
		return CACHE_NO_MEMORY;
	}
	old->it = it;
	old->h = h;
	return CACHE_STORED;
}
