/* cache.c - see cache.h: life, keys. */
#include "slab/cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "slab/door.h"
#include "slab/restore.h"

enum {
	SHARDS = 16,
	SHARDS_MAX = 256,
	ITEM_MAX_DEFAULT = 1 << 20,
	ITEM_MAX_MAX = 1 << 30,
	GHOST_SHARE = 128, /* of the limit */
};

/* ------------------------------------------------------------ life */

static const char *
config_fault(const struct cache_config *config)
{
	unsigned n = config->shards;

	if (n > SHARDS_MAX || (n & (n - 1)) != 0)
		return "the number of shards must be a power of two up to 256";
	if (config->item_max > ITEM_MAX_MAX)
		return "the largest item is 1 GiB";
	return NULL;
}

/* A 128th of memory, touched as it is used; without it there are no ghosts,
 * and all else works. */
static void
init_ghosts(struct cache *c, size_t limit)
{
	size_t each = limit / GHOST_SHARE / c->nshards;
	uint32_t n = 1;

	while ((size_t)2 * n * sizeof(*c->ghosts) <= each)
		n *= 2;
	c->ghost_bytes = (size_t)n * c->nshards * sizeof(*c->ghosts);
	c->ghosts = arena_map(c->ghost_bytes);
	for (unsigned i = 0; i < c->nshards && c->ghosts != NULL; i++)
		ghosts_init(&c->shards[i].ghosts, c->ghosts + (size_t)n * i, n,
		    &c->slab.arena);
}

static bool
init_shards(struct cache *c, const struct cache_config *config,
    const char **why)
{
	unsigned n = config->shards ? config->shards : SHARDS;
	uint32_t start = config->index_start / n;
	size_t bytes = n * sizeof(struct shard);
	uint64_t most = c->slab.arena.reserved / c->slab.classes[1].chunk_size;

	c->space = index_space_new(n, most, &c->slab.arena, why);
	if (c->space == NULL)
		return false;
	c->shards = aligned_alloc(_Alignof(struct shard), bytes);
	if (c->shards == NULL) {
		*why = "out of memory for the shards";
		index_space_free(&c->space);
		return false;
	}
	memset(c->shards, 0, bytes);
	c->nshards = n;
	for (unsigned i = 0; i < n; i++) {
		shard_init(&c->shards[i], i, n, &c->slab, c->space,
		    &c->policy, c->seed, start);
		c->shards[i].no_cas = c->no_cas;
	}
	return true;
}

struct cache *
cache_new(const struct cache_config *config, const char **why)
{
	struct cache *c;

	*why = config_fault(config);
	if (*why != NULL)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		*why = "out of memory";
		return NULL;
	}
	c->magic = CACHE_MAGIC;
	c->seed = config->seed;
	c->no_cas = config->no_cas;
	c->item_max = config->item_max ? config->item_max : ITEM_MAX_DEFAULT;
	if (c->no_cas)
		c->item_max += CACHE_CAS_SIZE;
	lru_policy_init(&c->policy, config);
	if (slab_init(&c->slab, config, why) != 0) {
		free(c);
		return NULL;
	}
	if (!init_shards(c, config, why)) {
		slab_fini(&c->slab);
		free(c);
		return NULL;
	}
	level_init(c);
	init_ghosts(c, config->memory_limit);
	pressure_init(&c->pressure, &c->slab, c->roots,
	    (100 - c->policy.hot_pct - c->policy.warm_pct) * 3 / 800.0);
	pthread_mutex_init(&c->moving, NULL);
	if (c->slab.arena.is_file)
		restore_claim(c);
	return c;
}

void
cache_free(struct cache **cache)
{
	struct cache *c = *cache;

	if (c == NULL)
		return;
	assert(c->magic == CACHE_MAGIC);
	for (unsigned i = 0; i < c->nshards; i++)
		shard_fini(&c->shards[i]);
	pthread_mutex_destroy(&c->moving);
	pressure_fini(&c->pressure);
	arena_unmap(c->ghosts, c->ghost_bytes);
	index_space_free(&c->space);
	slab_fini(&c->slab);
	free(c->shards);
	c->magic = 0;
	free(c);
	*cache = NULL;
}

struct cache_reader *
cache_join(struct cache *c)
{
	return readers_join(&c->slab.arena.readers);
}

void
cache_leave(struct cache *c, struct cache_reader **reader)
{
	readers_part(&c->slab.arena.readers, reader);
}

/* ------------------------------------------------------------ keys */

struct cache_key
cache_key(const struct cache *c, const char *bytes, uint32_t nbytes)
{
	return (struct cache_key){ bytes, nbytes,
		hash_key(bytes, nbytes, c->seed), NULL };
}
