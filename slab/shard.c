/* shard.c - see shard.h. */
#include "slab/shard.h"

#include <assert.h>
#include <stdlib.h>

#include "slab/chain.h"

static void
set_epoch(struct shard *s, unsigned epoch)
{
	s->epoch = epoch;
	s->alive = item_word(ITEM_LINKED | epoch << ITEM_EPOCH_SHIFT, s->id, 0,
	    0);
}

void
shard_init(struct shard *s, unsigned id, unsigned shards, struct slab *slab,
    struct index_space *space, const struct lru_policy *policy, uint64_t seed,
    uint32_t items_start)
{
	lock_init(&s->lock, LOCK_SHARD);
	s->slab = slab;
	s->policy = policy;
	s->seed = seed;
	s->shards = shards;
	s->id = (uint8_t)id;
	s->cas = (uint64_t)id + 1 - shards;
	set_epoch(s, 0);
	index_init(&s->index, space, id, items_start, shard_hash_at, s);
}

void
shard_fini(struct shard *s)
{
	lock_fini(&s->lock);
	free(s->evicted);
}

static size_t
size_of(struct item *it)
{
	return item_size(it->nkey, it->bits & ITEM_FLAGS, it->nvalue);
}

uint64_t
shard_hash_at(const void *arg, handle h)
{
	const struct shard *s = arg;
	struct item *it = slab_at(s->slab, h);

	return hash_key(item_key(it), it->nkey, s->seed);
}

struct shard_place
shard_find(const struct shard *s, const struct cache_key *k)
{
	struct shard_place place = { .it = NULL };

	place.probe = index_probe(&s->index, k->hash);
	while ((place.h = index_next(&s->index, &place.probe)) != 0) {
		place.it = slab_at(s->slab, place.h);
		if (__builtin_expect(shard_key_is(place.it, k), 1))
			return place;
	}
	place.it = NULL;
	return place;
}

handle
shard_seek_far(const struct shard *s, const struct cache_key *k)
{
	return shard_find(s, k).h;
}

static bool
probe_for(struct shard *s, uint64_t hash, struct shard_place *place)
{
	handle h;

	place->probe = index_probe(&s->index, hash);
	while ((h = index_next(&s->index, &place->probe)) != 0)
		if (h == place->h)
			return true;
	return false;
}

/*
 * What lies there may be another shard's, or of a page that changed its class
 * meanwhile: a hint then, and read while it is written.  So the sanitizer must
 * not look here.
 */
__attribute__((noinline, no_sanitize("thread"))) static bool
seems_linked(const struct shard *s, const struct item *it)
{
	const volatile unsigned char *shard =
	    (const volatile unsigned char *)&it->shard;
	const volatile unsigned char *state =
	    (const volatile unsigned char *)&it->state;

	return *shard == s->id && (*state & ITEM_STATE_MASK) == ITEM_LINKED &&
	    *shard == s->id;
}

bool
shard_locate(struct shard *s, handle h, struct shard_place *place)
{
	struct item *it = slab_at(s->slab, h);
	uint32_t room = ARENA_PAGE_SIZE -
	    (uint32_t)(((char *)it - s->slab->arena.base) % ARENA_PAGE_SIZE);

	/* Linked elsewhere it may be at any moment, here only by who holds
	 * the lock. */
	if (!seems_linked(s, it) ||
	    item_head(it->nkey, it->nvalue) + it->nkey > room)
		return false;
	place->it = it;
	place->h = h;
	return probe_for(s, shard_hash_at(s, h), place);
}

static void
count_in(struct shard *s, handle h, struct item *it, enum cache_queue queue)
{
	struct lru *l = &s->lru[shard_class_of(s, h)];
	size_t size = size_of(it);

	lru_push(l, &s->slab->arena, h, queue);
	l->bytes += size;
	s->items++;
	s->linked++;
	s->epoch_items[s->epoch]++;
}

static void
count_out(struct shard *s, handle h, struct item *it)
{
	struct lru *l = &s->lru[shard_class_of(s, h)];
	size_t size = size_of(it);
	unsigned epoch = item_epoch(it);

	lru_drop(l, &s->slab->arena, h);
	l->bytes -= size;
	s->items--;
	assert(s->epoch_items[epoch] > 0);
	s->epoch_items[epoch]--;
}

/* The storage of what is no longer linked. */
static void
let_go(struct shard *s, handle h, struct item *it)
{
	if (!item_is_large(it)) {
		slab_free(s->slab, h);
		return;
	}
	atomic_store_explicit(&it->state, ITEM_ORPHAN, memory_order_relaxed);
	chain_unref(s->slab, it);
}

bool
shard_link(struct shard *s, uint64_t hash, handle h, enum cache_queue queue,
    const struct shard_place *old)
{
	struct item *it = slab_at(s->slab, h);

	if (old->it != NULL)
		index_replace(&s->index, &old->probe, h);
	else if (!index_insert(&s->index, hash, h))
		return false;
	atomic_store_explicit(&it->shard, s->id, memory_order_relaxed);
	count_in(s, h, it, queue);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&it->state,
	    (uint8_t)(ITEM_LINKED | s->epoch << ITEM_EPOCH_SHIFT),
	    memory_order_relaxed);
	if (old->it != NULL) {
		count_out(s, old->h, old->it);
		let_go(s, old->h, old->it);
	}
	return true;
}

void
shard_remove(struct shard *s, const struct shard_place *place)
{
	index_remove(&s->index, &place->probe);
	count_out(s, place->h, place->it);
	let_go(s, place->h, place->it);
}

enum cache_death
shard_death(const struct shard *s, const struct item *it)
{
	return item_epoch(it) != s->epoch ? CACHE_FLUSHED : CACHE_EXPIRED;
}

enum cache_death
shard_bury(struct shard *s, struct shard_place *place)
{
	enum cache_death death = shard_death(s, place->it);

	s->lru[shard_class_of(s, place->h)].counts.reclaimed++;
	shard_remove(s, place);
	place->it = NULL;
	return death;
}

void
shard_show(struct item *it, unsigned class_id, struct cache_listed *to)
{
	to->client_flags = item_client_flags(it);
	to->nvalue = it->nvalue;
	to->deadline = it->deadline;
	to->accessed = it->accessed;
	to->size = (uint32_t)item_size(it->nkey, it->bits & ITEM_FLAGS,
	    it->nvalue);
	to->cas = it->cas;
	to->class_id = (uint8_t)class_id;
	to->queue = it->bits & ITEM_QUEUE;
	to->nkey = it->nkey;
	to->fetched = it->bits & ITEM_FETCHED;
	to->binary_key = it->bits & ITEM_BINARY;
	memcpy(to->key, item_key(it), it->nkey);
}

void
shard_count_end(struct shard *s, unsigned class_id, struct item *it,
    uint32_t now)
{
	struct lru *l = &s->lru[class_id];
	bool unread = !(it->bits & ITEM_FETCHED);
	struct cache_listed *slot;

	if (shard_is_dead(s, it, now)) {
		l->counts.reclaimed++;
		l->counts.expired_unfetched += unread;
		return;
	}
	l->counts.evicted++;
	l->counts.evicted_nonzero += it->deadline != 0;
	l->counts.evicted_unfetched += unread;
	l->counts.evicted_active += (it->bits & ITEM_ACTIVE) != 0;
	l->evicted_time = now > it->accessed ? now - it->accessed : 0;
	if (s->evicted != NULL && (slot = evicted_slot(s->evicted)) != NULL)
		shard_show(it, class_id, slot);
}

/*
 * What is at the tails now goes next: until it is this shard's turn again,
 * memory can fetch what that will touch.  The tails themselves are here, for
 * they were made the last ones just now.
 */
static void
foresee(const struct shard *s, const struct lru *l, unsigned queue)
{
	handle h = l->queues[queue].oldest, hot = l->queues[CACHE_HOT].oldest;
	const struct item *it;
	uint64_t hash;

	if (hot != 0) {
		it = slab_at(s->slab, hot);
		__builtin_prefetch(slab_at(s->slab, it->newer), 1);
	}
	if (h == 0)
		return;
	it = slab_at(s->slab, h);
	__builtin_prefetch(slab_at(s->slab, it->newer), 1);
	hash = shard_hash_at(s, h);
	__builtin_prefetch(index_bucket(&s->index, hash), 1);
	ghosts_foresee(&s->ghosts, hash);
}

handle
shard_evict(struct shard *s, unsigned class_id, uint32_t now, handle keep)
{
	struct lru *l = &s->lru[class_id];
	struct lru_scene scene = shard_scene(s, now);
	struct shard_place place;
	unsigned queue;
	uint64_t hash;
	bool found;

	scene.keep = keep;
	place.h = lru_victim(l, &scene);
	if (place.h == 0)
		return 0;
	place.it = slab_at(s->slab, place.h);
	queue = place.it->bits & ITEM_QUEUE;
	hash = shard_hash_at(s, place.h);
	found = probe_for(s, hash, &place);
	assert(found);
	l->tells = false;
	if (!shard_is_dead(s, place.it, now)) {
		ghosts_add(&s->ghosts, hash, s->items);
		lru_tell(l, place.it, now);
	}
	l->counts.direct_reclaims++;
	s->pulls++;
	shard_count_end(s, class_id, place.it, now);
	index_remove(&s->index, &place.probe);
	count_out(s, place.h, place.it);
	if (item_is_large(place.it)) {
		/* A dead one at the tail may be pinned. */
		if (atomic_load_explicit(&item_large(place.it)->refs,
			memory_order_acquire) > 1) {
			let_go(s, place.h, place.it);
			return 0;
		}
		chain_free_parts(s->slab, place.it);
	}
	atomic_store_explicit(&place.it->state, ITEM_RESERVED,
	    memory_order_relaxed);
	foresee(s, l, queue);
	return place.h;
}

void
shard_sweep(struct shard *s, const struct shard_place *place)
{
	struct lru *l = &s->lru[shard_class_of(s, place->h)];

	l->counts.reclaimed++;
	l->counts.crawler_reclaimed++;
	l->counts.expired_unfetched += !(place->it->bits & ITEM_FETCHED);
	shard_remove(s, place);
}

void
shard_requeue(struct shard *s, handle h, unsigned class_id, uint32_t now)
{
	struct lru_scene scene = shard_scene(s, now);

	lru_replace(&s->lru[class_id], &scene, h);
}

void
shard_move(struct shard *s, struct shard_place *place, handle to)
{
	struct item *it = place->it, *copy = slab_at(s->slab, to);
	unsigned class_id = shard_class_of(s, place->h);
	size_t whole = s->slab->classes[class_id].chunk_size;
	size_t size = size_of(it);
	unsigned state = atomic_load_explicit(&it->state, memory_order_relaxed);
	const size_t skip = offsetof(struct item, deadline);

	assert(shard_class_of(s, to) == class_id);
	atomic_store_explicit(&copy->state, ITEM_RESERVED,
	    memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&copy->shard, s->id, memory_order_relaxed);
	copy->nkey = it->nkey;
	copy->bits = it->bits;
	memcpy((char *)copy + skip, (char *)it + skip,
	    (size < whole ? size : whole) - skip);
	index_replace(&s->index, &place->probe, to);
	lru_moved(&s->lru[class_id], &s->slab->arena, place->h, to);
	if (item_is_large(copy)) {
		handle h = item_large(copy)->next;

		while (h != 0) {
			struct item_part *part = slab_at(s->slab, h);

			part->owner = to;
			h = part->next;
		}
	}
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&copy->state, (uint8_t)state,
	    memory_order_relaxed);
	slab_free(s->slab, place->h);
	place->h = to;
	place->it = copy;
}

/* An epoch that no item bears becomes the shard's. */
static bool
next_epoch(struct shard *s)
{
	for (unsigned n = 1; n < ITEM_EPOCHS; n++) {
		unsigned epoch = (s->epoch + n) % ITEM_EPOCHS;

		if (s->epoch_items[epoch] == 0) {
			set_epoch(s, epoch);
			return true;
		}
	}
	return false;
}

/* The oldest of some queue goes.  false: there is none. */
static bool
remove_any(struct shard *s)
{
	struct shard_place place;
	bool found;

	for (unsigned k = 1; k < CACHE_CLASSES; k++)
		for (unsigned q = 0; q < CACHE_QUEUES; q++) {
			place.h = s->lru[k].queues[q].oldest;
			if (place.h == 0)
				continue;
			found = shard_locate(s, place.h, &place);
			assert(found);
			shard_remove(s, &place);
			return true;
		}
	return false;
}

bool
shard_flush(struct shard *s, unsigned *most)
{
	if (s->epoch_items[s->epoch] == 0)
		return true;
	while (!next_epoch(s)) {
		if (*most == 0)
			return false;
		--*most;
		/* Dead or alive: they are to die. */
		if (!remove_any(s))
			return true;
	}
	return true;
}

/* The items of one bucket: each is where its key belongs, and in a queue. */
static void
check_bucket(struct shard *s, uint32_t bucket, uint64_t *bytes,
    uint32_t *epochs)
{
	handle list[INDEX_CHAIN_MAX];
	unsigned n = index_list(&s->index, bucket, list, INDEX_CHAIN_MAX);

	assert(n <= INDEX_CHAIN_MAX);
	while (n-- > 0) {
		struct item *it = slab_at(s->slab, list[n]);
		struct cache_key k = { .bytes = item_key(it),
			.nbytes = it->nkey,
			.hash = shard_hash_at(s, list[n]) };

		assert(item_state(it) == ITEM_LINKED);
		assert(it->shard == s->id);
		assert(shard_find(s, &k).h == list[n]);
		chain_check(s->slab, it);
		epochs[item_epoch(it)]++;
		*bytes += size_of(it);
	}
}

uint64_t
shard_bytes(const struct shard *s)
{
	uint64_t bytes = 0;

	for (unsigned k = 0; k < CACHE_CLASSES; k++)
		bytes += s->lru[k].bytes;
	return bytes;
}

void
shard_check(struct shard *s)
{
	uint64_t items = 0, bytes = 0;
	uint32_t epochs[ITEM_EPOCHS] = { 0 };

	index_check(&s->index);
	ghosts_check(&s->ghosts);
	for (unsigned k = 0; k < CACHE_CLASSES; k++) {
		lru_check(&s->lru[k], &s->slab->arena);
		items += lru_items(&s->lru[k]);
		for (unsigned q = 0; q < CACHE_QUEUES; q++) {
			handle h = s->lru[k].queues[q].newest;

			assert(h == 0 || shard_class_of(s, h) == k);
		}
	}
	for (uint32_t b = 0; b < index_buckets(&s->index); b++)
		check_bucket(s, b, &bytes, epochs);
	assert(items == s->items && items == s->index.items);
	assert(bytes == shard_bytes(s));
	assert(memcmp(epochs, s->epoch_items, sizeof(epochs)) == 0);
}
