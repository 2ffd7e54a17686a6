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

static size_t
list_queue(struct shard *s, struct lru_queue *q, uint32_t now,
    struct cache_listed *list, size_t max)
{
	size_t got = 0;

	for (handle h = q->newest; h != 0 && got < max;) {
		struct item *it = slab_at(s->slab, h);

		if (!shard_is_dead(s, it, now))
			list_item(s, h, &list[got++]);
		h = it->older;
	}
	return got;
}

size_t
cache_list_class(struct cache *c, unsigned class_id, uint32_t now, bool any,
    struct cache_listed *list, size_t max)
{
	size_t got = 0;

	if (class_id == 0 || class_id > c->slab.nclasses)
		return 0;
	for (unsigned i = 0; i < c->nshards && got < max; i++) {
		struct shard *s = &c->shards[i];

		lock_acquire(&s->lock);
		for (unsigned q = 0; q < CACHE_QUEUES; q++)
			if (any || q == CACHE_COLD)
				got += list_queue(s,
				    &s->lru[class_id].queues[q], now,
				    list + got, max - got);
		lock_release(&s->lock);
	}
	return got;
}
