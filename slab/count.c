/* count.c - see cache.h: statistics. */
#include "slab/cache.h"
#include "slab/door.h"

static void
add_counts(struct cache_class_stats *to, const struct lru_counts *from)
{
#define X(name) to->name += from->name;
	CACHE_CLASS_COUNTS(X)
#undef X
}

static void
raise_to(uint32_t *to, uint32_t n)
{
	if (n > *to)
		*to = n;
}

static void
add_shard(struct shard *s, unsigned class_id, uint32_t now,
    struct cache_class_stats *to)
{
	const struct arena *a = &s->slab->arena;
	struct lru *l = &s->lru[class_id];

	for (unsigned q = 0; q < CACHE_QUEUES; q++)
		to->queue_items[q] += l->queues[q].items;
	to->items += lru_items(l);
	to->mem_requested += l->bytes;
	raise_to(&to->age_hot, lru_age(l, a, CACHE_HOT, now));
	raise_to(&to->age_warm, lru_age(l, a, CACHE_WARM, now));
	raise_to(&to->age, lru_age(l, a, CACHE_COLD, now));
	raise_to(&to->evicted_time, l->evicted_time);
	add_counts(to, &l->counts);
}

static uint64_t
checked(struct cache *c, unsigned class_id)
{
	return atomic_load_explicit(&c->checked[class_id],
	    memory_order_relaxed);
}

bool
cache_class_stats(struct cache *c, unsigned class_id, uint32_t now,
    struct cache_class_stats *to)
{
	const struct slab_class *k;

	memset(to, 0, sizeof(*to));
	if (class_id == 0 || class_id > c->slab.nclasses)
		return false;
	k = &c->slab.classes[class_id];
	to->chunk_size = k->chunk_size;
	to->chunks_per_page = k->per_page;
	to->pages = atomic_load_explicit(&k->pages, memory_order_relaxed);
	to->used_chunks = atomic_load_explicit(&k->used, memory_order_relaxed);
	to->chunks = to->pages * k->per_page;
	to->free_chunks = to->chunks > to->used_chunks ?
	    to->chunks - to->used_chunks : 0;
	for (unsigned i = 0; i < c->nshards; i++) {
		lock_acquire(&c->shards[i].lock);
		add_shard(&c->shards[i], class_id, now, to);
		lock_release(&c->shards[i].lock);
	}
	to->crawler_items_checked += checked(c, class_id);
	return to->pages > 0 || to->evicted > 0 || to->reclaimed > 0 ||
	    to->crawler_reclaimed > 0 || to->moves_to_cold > 0;
}

static uint32_t
log2_of(uint64_t n)
{
	return n == 0 ? 0 : 63 - (uint32_t)__builtin_clzll(n);
}

void
cache_stats(struct cache *c, uint32_t now, struct cache_stats *to)
{
	struct arena *a = &c->slab.arena;
	uint64_t buckets = 0;

	memset(to, 0, sizeof(*to));
	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		lock_acquire(&s->lock);
		to->items += s->items;
		to->total_items += s->linked;
		to->index_bytes += index_bytes(&s->index);
		buckets += index_buckets(&s->index);
		for (unsigned k = 1; k <= c->slab.nclasses; k++)
			add_shard(s, k, now, &to->sum);
		lock_release(&s->lock);
	}
	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		to->sum.crawler_items_checked += checked(c, k);
		to->sum.pages += atomic_load_explicit(
		    &c->slab.classes[k].pages, memory_order_relaxed);
	}
	to->bytes = to->sum.mem_requested;
	to->limit = atomic_load_explicit(&a->limit, memory_order_relaxed);
	to->pages_free = arena_room(a);
	to->pages_total = to->sum.pages;
	to->page_size = ARENA_PAGE_SIZE;
#define X(name)                                                               \
	to->name = atomic_load_explicit(&c->moves.name, memory_order_relaxed);
	CACHE_MOVES(X)
#undef X
	to->upkeeps = atomic_load_explicit(&c->upkeeps, memory_order_relaxed);
	to->index_power = log2_of(buckets * INDEX_SLOTS);
}

void
cache_stats_reset(struct cache *c)
{
	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		lock_acquire(&s->lock);
		s->linked = 0;
		for (unsigned k = 0; k < CACHE_CLASSES; k++) {
			memset(&s->lru[k].counts, 0, sizeof(s->lru[k].counts));
			s->lru[k].evicted_time = 0;
		}
		lock_release(&s->lock);
	}
	for (unsigned k = 0; k < CACHE_CLASSES; k++)
		atomic_store_explicit(&c->checked[k], 0, memory_order_relaxed);
#define X(name)                                                               \
	atomic_store_explicit(&c->moves.name, 0, memory_order_relaxed);
	CACHE_MOVES(X)
#undef X
	atomic_store_explicit(&c->upkeeps, 0, memory_order_relaxed);
	pressure_reset(&c->pressure);
}

void
cache_pressure(struct cache *c, uint32_t now, struct cache_pressure *to)
{
	struct pressure *p = &c->pressure;
	uint32_t at = atomic_load_explicit(&c->evicted_at,
	    memory_order_relaxed);

	to->evicting = at != 0 && now - at <= CACHE_EVICTING;
	pthread_mutex_lock(&p->lock);
	to->rate = p->below / 4294967296.0;
	to->gets = p->gets;
	to->bytes = p->nbytes;
	to->items = p->minis[PRESSURE_SAME].n;
	to->lost_by_half = p->misses[PRESSURE_HALF] -
	    p->misses[PRESSURE_SAME];
	to->won_by_twice = p->misses[PRESSURE_SAME] -
	    p->misses[PRESSURE_TWICE];
	pthread_mutex_unlock(&p->lock);
}

static uint64_t
peek(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
add(_Atomic uint64_t *to, uint64_t n)
{
	if (n != 0)
		atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static uint64_t
hits(const struct cache_class_tally *t)
{
	return peek(&t->hits_to_hot) + peek(&t->hits_to_warm) +
	    peek(&t->hits_to_cold) + peek(&t->hits_to_temp);
}

void
cache_tally_add(struct cache_tally *to, const struct cache_tally *from)
{
#define X(name) add(&to->name, peek(&from->name));
	CACHE_TALLY(X)
#undef X
	for (unsigned k = 0; k < CACHE_CLASSES; k++) {
		uint64_t n = hits(&from->of_class[k]);

#define X(name) add(&to->of_class[k].name, peek(&from->of_class[k].name));
		CACHE_CLASS_TALLY(X)
#undef X
		add(&to->of_class[k].get_hits, n);
		add(&to->cmd_get, n);
	}
	add(&to->cmd_get, peek(&from->get_misses));
}
