/* check.c - see cache.h: everything agrees. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"

/* The bytes of each class's chunks that linked items fill, parts included. */
static void
count_chunks(struct cache *c, struct shard *s, uint64_t *chunks)
{
	for (unsigned k = 1; k <= c->slab.nclasses; k++)
		for (unsigned q = 0; q < CACHE_QUEUES; q++) {
			handle h = s->lru[k].queues[q].newest;

			while (h != 0) {
				struct item *it = slab_at(&c->slab, h);
				handle part = item_is_large(it) ?
				    item_large(it)->next : 0;

				assert(shard_class_of(s, h) == k);
				chunks[k]++;
				while (part != 0) {
					chunks[shard_class_of(s, part)]++;
					part = ((struct item_part *)slab_at(
					    &c->slab, part))->next;
				}
				h = it->older;
			}
		}
}

/* Chunks in use that no linked item accounts for: reserved, or pinned after
 * they were removed. */
uint64_t
check_strays(struct cache *c)
{
	uint64_t chunks[CACHE_CLASSES] = { 0 }, strays = 0;

	for (unsigned i = 0; i < c->nshards; i++) {
		lock_acquire(&c->shards[i].lock);
		count_chunks(c, &c->shards[i], chunks);
		lock_release(&c->shards[i].lock);
	}
	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		assert(c->slab.classes[k].used >= chunks[k]);
		strays += c->slab.classes[k].used - chunks[k];
	}
	return strays;
}

void
cache_check(struct cache *c)
{
	assert(c->magic == CACHE_MAGIC);
	for (unsigned i = 0; i < c->nshards; i++) {
		lock_acquire(&c->shards[i].lock);
		shard_check(&c->shards[i]);
		lock_release(&c->shards[i].lock);
	}
	slab_check(&c->slab);
	pressure_check(&c->pressure);
	check_strays(c);
}
