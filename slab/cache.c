/* cache.c - see cache.h: life, keys, get, delete, flush. */
#include "slab/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "slab/door.h"

enum {
	SHARDS = 16,
	SHARDS_MAX = 256,
	ITEM_MAX_DEFAULT = 1 << 20,
	ITEM_MAX_MAX = 1 << 30,
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

static bool
init_shards(struct cache *c, const struct cache_config *config,
    const char **why)
{
	unsigned n = config->shards ? config->shards : SHARDS;
	uint32_t start = config->index_start / n;
	size_t bytes = n * sizeof(struct shard);
	uint64_t most = c->slab.arena.reserved /
	    c->slab.classes[1].chunk_size;

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
		shard_init(&c->shards[i], i, &c->slab, c->space, &c->policy,
		    c->seed, start);
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
	pthread_mutex_init(&c->moving, NULL);
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
	index_space_free(&c->space);
	slab_fini(&c->slab);
	free(c->shards);
	c->magic = 0;
	free(c);
	*cache = NULL;
}

/* ------------------------------------------------------------ keys */

struct cache_key
cache_key(const struct cache *c, const char *bytes, uint32_t nbytes)
{
	return (struct cache_key){ bytes, nbytes,
		hash_key(bytes, nbytes, c->seed) };
}

void
cache_prefetch_bucket(const struct cache *c, const struct cache_key *k)
{
	index_prefetch(&door_shard(c, k->hash)->index, k->hash);
}

void
cache_prefetch_item(const struct cache *c, const struct cache_key *k)
{
	handle h = index_peek(&door_shard(c, k->hash)->index, k->hash);
	const char *at = slab_at(&c->slab, h);

	/* The header is written by the hit, the line behind it holds the end
	 * of the key and the value. */
	__builtin_prefetch(at, 1);
	__builtin_prefetch(at + 64);
}

/* ------------------------------------------------------------ get */

enum door_death
door_bury(struct shard *s, struct shard_place *place)
{
	enum door_death death = item_epoch(place->it) != s->epoch ?
	    DOOR_FLUSHED : DOOR_EXPIRED;

	shard_remove(s, place);
	place->it = NULL;
	return death;
}

static inline void
show(const struct shard *s, const struct shard_place *place,
    struct cache_view *v)
{
	struct item *it = place->it;
	uint32_t deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);
	unsigned bits = it->bits;

	v->client_flags = item_client_flags(it);
	v->nvalue = it->nvalue;
	v->cas = it->cas;
	v->deadline = deadline;
	v->old_deadline = deadline;
	v->accessed = it->accessed;
	v->size = (uint32_t)item_size(it->nkey, bits & ITEM_FLAGS, it->nvalue);
	v->class_id = (uint8_t)shard_class_of(s, place->h);
	v->queue = bits & ITEM_QUEUE;
	v->copied = false;
	v->fetched = bits & ITEM_FETCHED;
	v->stale = bits & ITEM_STALE;
	v->won = false;
	v->win_sent = bits & ITEM_WIN_SENT;
	v->binary_key = bits & ITEM_BINARY;
	v->pinned = NULL;
}

/* The value: copied if it fits, pinned if it is large. */
static inline void
hand_out(struct cache *c, struct item *it, const struct cache_want *want,
    struct cache_view *v)
{
	if (it->nvalue <= want->room) {
		if (__builtin_expect(!item_is_large(it), 1)) {
			if (it->nvalue > 0)
				memcpy(want->dst, item_value(it), it->nvalue);
		} else {
			chain_read(&c->slab, it, want->dst);
		}
		v->copied = true;
	} else if (item_is_large(it)) {
		atomic_fetch_add_explicit(&item_large(it)->refs, 1,
		    memory_order_relaxed);
		v->pinned = (struct cache_item *)it;
	}
}

/* Who rebuilds a value that is stale or about to expire: one caller. */
static void
maybe_win(struct item *it, const struct cache_want *want, uint32_t now,
    struct cache_view *v)
{
	if (v->win_sent)
		return;
	if (want->marks && v->stale)
		v->won = true;
	if (want->recache && v->deadline != 0 &&
	    v->deadline - now < want->recache_ttl)
		v->won = true;
	if (v->won)
		it->bits |= ITEM_WIN_SENT;
}


static inline bool
counts_as_get(const struct cache_want *want)
{
	return !want->touch || !(want->gat || want->no_value);
}

_Static_assert(offsetof(struct cache_class_tally, hits_to_temp) -
    offsetof(struct cache_class_tally, hits_to_hot) ==
    (CACHE_TEMP - CACHE_HOT) * sizeof(_Atomic uint64_t),
    "hits_to_* are counted by adding the queue to the first");

static inline void
count_hit(const struct cache_caller *w, const struct cache_want *want,
    const struct cache_view *v)
{
	struct cache_class_tally *t = &w->tally->of_class[v->class_id];

	if (want->no_bump)
		return;
	if (want->touch) {
		COUNT(w, cmd_touch);
		door_count(&t->touch_hits);
	}
	if (!counts_as_get(want))
		return;
	COUNT(w, cmd_get);
	door_count(&t->get_hits);
	/* hits_to_hot, _warm, _cold, _temp: the order of the queues. */
	door_count(&t->hits_to_hot + v->queue);
}

static void
count_miss(const struct cache_caller *w, const struct cache_want *want,
    enum door_death death)
{
	if (want->no_bump)
		return;
	if (want->touch) {
		COUNT(w, cmd_touch);
		COUNT(w, touch_misses);
	}
	if (!counts_as_get(want))
		return;
	COUNT(w, cmd_get);
	COUNT(w, get_misses);
	if (death == DOOR_EXPIRED)
		COUNT(w, get_expired);
	else if (death == DOOR_FLUSHED)
		COUNT(w, get_flushed);
}

static enum cache_status
vivify(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct room *room, struct cache_view *v)
{
	struct shard_place place = { .it = NULL };
	struct draft draft = {
		.deadline = want->vivify_deadline,
		.marks = ITEM_WIN_SENT | (want->binary_key ? ITEM_BINARY : 0),
	};

	if (door_too_large(c, k->nbytes, 0, 0))
		return CACHE_NO_MEMORY;
	draft.cas = shard_cas(s, want->new_cas);
	if (door_place(c, s, k, &place, &draft, room, w->now) != CACHE_STORED)
		return CACHE_NO_MEMORY;
	show(s, &place, v);
	v->win_sent = false;
	v->won = true;
	v->copied = !want->no_value;
	return CACHE_FOUND;
}

/* The rare way: the item is not there, or no longer. */
static enum cache_status
miss(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct shard_place *place, struct cache_view *v)
{
	enum door_death death = DOOR_ABSENT;
	enum cache_status status = CACHE_NOT_FOUND;
	struct room room = { 0 };

	if (place->it != NULL)
		death = door_bury(s, place);
	if (want->vivify) {
		while ((status = vivify(c, s, w, k, want, &room, v)) ==
		    CACHE_NO_MEMORY && room_wait(c, s, &room, w->now)) {
			/* Somebody may have stored it meanwhile: then theirs
			 * is as good as a hit that comes a moment later. */
			*place = door_find(s, k, w->now);
			if (place->it == NULL)
				continue;
			show(s, place, v);
			maybe_win(place->it, want, w->now, v);
			if (!want->no_value)
				hand_out(c, place->it, want, v);
			status = CACHE_FOUND;
			break;
		}
	}
	lock_release(&s->lock);
	room_fini(c, &room);
	if (status == CACHE_NO_MEMORY)
		COUNT(w, store_no_memory);
	count_miss(w, want, death);
	return status;
}

/* What a read may do to the item besides. */
static void
side_effects(struct shard *s, struct shard_place *place,
    const struct cache_want *want, uint32_t now, struct cache_view *v)
{
	maybe_win(place->it, want, now, v);
	if (want->touch) {
		shard_touch(s, place, want->touch_deadline, now);
		v->deadline = want->touch_deadline;
	}
}

enum cache_status
cache_get(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct cache_view *v)
{
	struct shard *s = door_shard(c, k->hash);
	struct shard_place place;
	struct lru_scene scene;

	door_tick(c, w);
	lock_acquire(&s->lock);
	place = shard_find(s, k);
	if (place.it == NULL || shard_is_dead(s, place.it, w->now))
		return miss(c, s, w, k, want, &place, v);
	show(s, &place, v);
	if (!want->no_value &&
	    !(want->withhold && place.it->cas == want->withhold_cas))
		hand_out(c, place.it, want, v);
	if (want->marks | want->recache | want->touch)
		side_effects(s, &place, want, w->now, v);
	if (!want->no_bump) {
		scene = shard_scene(s, w->now);
		lru_hit(&s->lru[v->class_id], &scene, place.h, place.it);
	}
	lock_release(&s->lock);
	count_hit(w, want, v);
	return CACHE_FOUND;
}

/* ------------------------------------------------------------ delete */

static enum cache_status
mark_stale(struct shard *s, const struct shard_place *place,
    const struct cache_drop *drop, uint32_t now)
{
	struct item *it = place->it;

	it->bits = (uint8_t)((it->bits | ITEM_STALE) & ~ITEM_WIN_SENT);
	it->cas = shard_cas(s, drop->new_cas);
	if (drop->touch)
		shard_touch(s, place, drop->deadline, now);
	return CACHE_DELETED;
}

/* In the place of the item an empty one. */
static enum cache_status
empty(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *place, const struct cache_drop *drop,
    struct room *room, uint32_t now)
{
	struct draft draft = {
		.client_flags = drop->client_flags,
		.deadline = drop->deadline,
		.cas = place->it->cas,
		.marks = place->it->bits & ITEM_BINARY,
	};

	if (drop->stale)
		draft.marks |= ITEM_STALE;
	if (drop->stale || drop->new_cas != 0)
		draft.cas = shard_cas(s, drop->new_cas);
	if (door_place(c, s, k, place, &draft, room, now) != CACHE_STORED)
		return CACHE_NO_MEMORY;
	return CACHE_DELETED;
}

static enum cache_status
drop_found(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *place, const struct cache_drop *drop,
    struct room *room, uint32_t now)
{
	if (drop->drop_value)
		return empty(c, s, k, place, drop, room, now);
	if (drop->stale)
		return mark_stale(s, place, drop, now);
	shard_remove(s, place);
	place->it = NULL;
	return CACHE_DELETED;
}

static void
count_delete(const struct cache_caller *w, const struct cache_drop *drop,
    enum cache_status status, unsigned class_id)
{
	if (drop->quiet)
		return;
	if (status == CACHE_DELETED)
		COUNT_CLASS(w, class_id, delete_hits);
	else
		COUNT(w, delete_misses);
}

enum cache_status
cache_delete(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_drop *drop,
    struct cache_view *v)
{
	struct shard *s = door_shard(c, k->hash);
	enum cache_status status;
	struct shard_place place;
	struct cache_view ours;
	struct room room = { 0 };

	if (v == NULL)
		v = &ours;
	v->class_id = 0;
	door_tick(c, w);
	lock_acquire(&s->lock);
	do {
		place = door_find(s, k, w->now);
		status = CACHE_NOT_FOUND;
		if (place.it == NULL)
			break;
		show(s, &place, v);
		status = CACHE_EXISTS;
		if (drop->compare &&
		    !door_cas_is(c, place.it, drop->compare_cas))
			break;
		status = drop_found(c, s, k, &place, drop, &room, w->now);
	} while (status == CACHE_NO_MEMORY && room_wait(c, s, &room, w->now));
	if (status == CACHE_NO_MEMORY) {
		/* Not even room for nothing: then nothing it is.  The look-up
		 * anew is for the sake of what room_wait() let happen. */
		place = door_find(s, k, w->now);
		if (place.it != NULL)
			shard_remove(s, &place);
		place.it = NULL;
		status = CACHE_DELETED;
	}
	if (place.it != NULL) {
		v->cas = place.it->cas;
		v->nvalue = place.it->nvalue;
		v->deadline = place.it->deadline;
	}
	lock_release(&s->lock);
	room_fini(c, &room);
	count_delete(w, drop, status, v->class_id);
	return status;
}

/* ------------------------------------------------------------ flush */

static void
flush_all(struct cache *c)
{
	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		lock_acquire(&s->lock);
		shard_flush(s);
		lock_release(&s->lock);
	}
}

void
door_flush_due(struct cache *c, uint32_t now)
{
	uint32_t at = atomic_load_explicit(&c->flush_at, memory_order_relaxed);

	/* Of several who see that it is due, one does it. */
	if (at != 0 && now >= at &&
	    atomic_compare_exchange_strong_explicit(&c->flush_at, &at, 0,
	    memory_order_relaxed, memory_order_relaxed))
		flush_all(c);
}

void
cache_flush(struct cache *c, const struct cache_caller *w, uint32_t at)
{
	door_tick(c, w);
	if (at > w->now) {
		atomic_store_explicit(&c->flush_at, at, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&c->flush_at, 0, memory_order_relaxed);
	flush_all(c);
}
