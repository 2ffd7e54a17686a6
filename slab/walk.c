/* walk.c - see cache.h: dumps. */
#include "slab/cache.h"
#include "slab/door.h"

enum { BUCKETS_A_STEP = 64 };
_Static_assert((int)CACHE_WALK_LEAST >= (int)INDEX_CHAIN_MAX,
    "a bucket fits in a step");

static void
list_item(struct shard *s, handle h, struct cache_listed *to)
{
	shard_show(slab_at(s->slab, h), shard_class_of(s, h), to);
}

/* One bucket's live items from the skip-th on.  *skip moves on to where it
 * stopped; 0 when the bucket is done. */
static size_t
list_bucket(struct shard *s, uint32_t bucket, uint32_t *skip, uint32_t now,
    struct cache_listed *list, size_t max)
{
	handle all[INDEX_CHAIN_MAX];
	unsigned n = index_list(&s->index, bucket, all, INDEX_CHAIN_MAX);
	unsigned i;
	size_t got = 0;

	if (n > INDEX_CHAIN_MAX)
		n = INDEX_CHAIN_MAX;
	for (i = *skip; i < n && got < max; i++)
		if (!shard_is_dead(s, slab_at(s->slab, all[i]), now))
			list_item(s, all[i], &list[got++]);
	*skip = i < n ? i : 0;
	return got;
}

/*
 * A place is shard << 48 | bucket << 16 | how many of the bucket were seen.
 */
size_t
cache_walk(struct cache *c, uint32_t now, uint64_t *place,
    struct cache_listed *list, size_t max)
{
	unsigned shard = (unsigned)(*place >> 48);
	uint32_t bucket = (uint32_t)(*place >> 16), skip = *place & 0xffff;
	size_t got = 0;
	struct shard *s;
	bool done;

	if (shard >= c->nshards) {
		*place = UINT64_MAX;
		return 0;
	}
	s = &c->shards[shard];
	lock_acquire(&s->lock);
	for (unsigned n = 0; n < BUCKETS_A_STEP && got < max &&
	    bucket < index_buckets(&s->index); n++) {
		/* Between two halves of a bucket some of it may go, and then
		 * what is in the second is not where it was. */
		if (got > 0 && max - got < INDEX_CHAIN_MAX)
			break;
		got += list_bucket(s, bucket, &skip, now, list + got,
		    max - got);
		bucket += skip == 0;
	}
	done = bucket >= index_buckets(&s->index);
	lock_release(&s->lock);
	if (!done)
		*place = (uint64_t)shard << 48 | (uint64_t)bucket << 16 | skip;
	else if (shard + 1 < c->nshards)
		*place = (uint64_t)(shard + 1) << 48;
	else
		*place = UINT64_MAX;
	return got;
}

/* What comes after the item that was listed last; 0: the end, or it is not
 * where it was. */
static handle
resume(struct cache *c, struct shard *s, unsigned class_id,
    const struct cache_list_place *at)
{
	struct shard_place place;

	if (at->last == 0)
		return s->lru[class_id].queues[at->queue].newest;
	if (arena_class_of(&c->slab.arena, at->last) != class_id ||
	    !shard_locate(s, at->last, &place) ||
	    (place.it->bits & ITEM_QUEUE) != at->queue ||
	    place.it->cas != at->cas)
		return 0;
	return place.it->older;
}

size_t
cache_list_class(struct cache *c, unsigned class_id, uint32_t now, bool any,
    struct cache_list_place *at, struct cache_listed *list, size_t max)
{
	struct shard *s = &c->shards[at->shard];
	size_t got = 0;
	handle h;

	if (class_id == 0 || class_id > c->slab.nclasses)
		at->done = true;
	if (at->done)
		return 0;
	if (!any)
		at->queue = CACHE_COLD;
	lock_acquire(&s->lock);
	h = resume(c, s, class_id, at);
	for (size_t i = 0; i < max && h != 0; i++) {
		struct item *it = slab_at(s->slab, h);

		if (!shard_is_dead(s, it, now))
			list_item(s, h, &list[got++]);
		at->last = h;
		at->cas = it->cas;
		h = it->older;
	}
	lock_release(&s->lock);
	if (h != 0)
		return got;
	at->last = 0;
	if (any && ++at->queue < CACHE_QUEUES)
		return got;
	at->queue = 0;
	at->done = ++at->shard == c->nshards;
	return got;
}
