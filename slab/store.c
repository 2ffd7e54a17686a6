/* store.c - see cache.h: storing small items. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"

/* ------------------------------------------------------------ placing */

static inline uint8_t
draft_bits(const struct draft *d)
{
	return (uint8_t)(d->marks | (d->client_flags ? ITEM_FLAGS : 0));
}

/* Flags and value, behind the key.  The tail goes first and by memmove: when
 * a value is put before another one that stands here already, it must make
 * way. */
static inline void
fill(struct item *it, const struct draft *d)
{
	char *value = item_value(it);

	if (d->ntail > 0)
		memmove(value + d->nhead, d->tail, d->ntail);
	if (d->nhead > 0)
		memmove(value, d->head, d->nhead);
	if (d->client_flags != 0)
		memcpy(value - CACHE_FLAGS_SIZE, &d->client_flags,
		    CACHE_FLAGS_SIZE);
}

/* The chunk has the right size already: no allocation, no relinking. */
static inline void
rewrite(struct shard *s, const struct shard_place *old, const struct draft *d,
    uint32_t now)
{
	struct item *it = old->it;
	struct lru_scene scene = shard_scene(s, now);
	uint32_t nvalue = d->nhead + d->ntail;
	ptrdiff_t grown = (ptrdiff_t)nvalue - (ptrdiff_t)it->nvalue +
	    ((d->client_flags != 0) - ((it->bits & ITEM_FLAGS) != 0)) *
	    CACHE_FLAGS_SIZE;

	shard_open(it);
	it->bits = (uint8_t)((it->bits & (ITEM_QUEUE | ITEM_ACTIVE)) |
	    draft_bits(d));
	it->nvalue = nvalue;
	it->cas = d->cas;
	atomic_store_explicit(&it->deadline, d->deadline,
	    memory_order_relaxed);
	fill(it, d);
	shard_close(s, it);
	shard_resize(s, old->h, grown);
	s->linked++;
	lru_rewrite(&s->lru[shard_class_of(s, old->h)], &scene, old->h);
}

/* A chunk: the one got in advance, a free one, or the victim's of this shard.
 * The old item is not chosen as victim; its place is looked up anew. */
static handle
get_chunk(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *old, unsigned class_id, struct room *room,
    uint32_t now)
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
	h = shard_evict(s, class_id, now, kept);
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
	it->bits = draft_bits(d);
	atomic_store_explicit(&it->deadline, d->deadline,
	    memory_order_relaxed);
	it->accessed = now;
	it->nvalue = d->nhead + d->ntail;
	it->cas = d->cas;
	memcpy(item_key(it), k->bytes, k->nbytes);
}

enum cache_queue
store_queue(const struct shard *s, struct item *it,
    const struct shard_place *old, uint32_t now)
{
	enum cache_queue queue = lru_place(s->policy, it->deadline, now);
	unsigned was;

	/* What was in use stays so under its new value. */
	if (old->it == NULL)
		return queue;
	it->bits |= ITEM_ACTIVE;
	was = old->it->bits & ITEM_QUEUE;
	return queue == CACHE_HOT && was != CACHE_TEMP ? was : queue;
}

enum cache_status
door_place(struct cache *c, struct shard *s, const struct cache_key *k,
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
		rewrite(s, old, d, now);
		return CACHE_STORED;
	}
	h = get_chunk(c, s, k, old, class_id, room, now);
	if (h == 0) {
		room->class_id = class_id;
		return CACHE_NO_MEMORY;
	}
	begin(s, k, h, d, now);
	it = slab_at(&c->slab, h);
	fill(it, d);
	if (!shard_link(s, k->hash, h, store_queue(s, it, old, now), old)) {
		slab_free(&c->slab, h);
		room->class_id = 0;
		return CACHE_NO_MEMORY;
	}
	old->it = it;
	old->h = h;
	return CACHE_STORED;
}

/* ------------------------------------------------------------ judging */

static enum cache_status
judge_absent(const struct cache_put *put)
{
	switch (put->mode) {
	case CACHE_SET:
		return put->compare ? CACHE_NOT_FOUND : CACHE_STORED;
	case CACHE_REPLACE:
		return put->compare ? CACHE_NOT_FOUND : CACHE_NOT_STORED;
	case CACHE_APPEND:
	case CACHE_PREPEND:
		return put->vivify ? CACHE_STORED : CACHE_NOT_STORED;
	case CACHE_ADD:
		break;
	}
	return CACHE_STORED;
}

static inline bool
is_swap(const struct cache_put *put)
{
	return put->compare &&
	    (put->mode == CACHE_SET || put->mode == CACHE_REPLACE);
}

struct verdict
store_judge(struct cache *c, const struct cache_caller *w, struct shard *s,
    const struct shard_place *place, const struct cache_put *put)
{
	struct verdict v = { CACHE_STORED, false, 0 };
	struct item *it = place->it;

	if (it == NULL) {
		v.status = judge_absent(put);
		return v;
	}
	v.class_id = shard_class_of(s, place->h);
	if (put->mode == CACHE_ADD) {
		it->bits |= ITEM_ACTIVE;
		it->accessed = w->now;
		v.status = CACHE_NOT_STORED;
	} else if (put->compare && !door_cas_is(c, it, put->compare_cas)) {
		v.stale = put->allow_stale && is_swap(put) && !c->no_cas &&
		    put->compare_cas != 0 && put->compare_cas < it->cas;
		v.status = v.stale ? CACHE_STORED : CACHE_EXISTS;
	}
	return v;
}

void
store_count(const struct cache_caller *w, const struct cache_put *put,
    struct verdict v, enum cache_status status, unsigned class_id)
{
	if (status == CACHE_NO_MEMORY) {
		COUNT(w, store_no_memory);
		return;
	}
	COUNT_CLASS(w, class_id, cmd_set);
	if (!is_swap(put))
		return;
	if (status == CACHE_STORED)
		COUNT_CLASS(w, v.class_id, cas_hits);
	else if (status == CACHE_EXISTS)
		COUNT_CLASS(w, v.class_id, cas_badval);
	else if (status == CACHE_NOT_FOUND)
		COUNT(w, cas_misses);
}

/* ------------------------------------------------------------ store */

/* The marks that survive when an older number was let through. */
uint8_t
store_stale_marks(const struct item *old)
{
	return ITEM_STALE | (old->bits & ITEM_WIN_SENT);
}

static void
draft_new(struct draft *d, const struct cache_put *put, struct verdict v,
    const struct item *old)
{
	d->client_flags = put->client_flags;
	d->deadline = put->deadline;
	d->head = put->value;
	d->nhead = put->nvalue;
	d->tail = NULL;
	d->ntail = 0;
	d->marks = put->binary_key ? ITEM_BINARY : 0;
	if (v.stale) {
		d->deadline = old->deadline;
		d->marks |= store_stale_marks(old);
	}
	if (old == NULL && put->mode >= CACHE_APPEND)
		d->deadline = put->vivify_deadline;
}

/* CACHE_FOUND if small items will not do. */
static enum cache_status
draft_joined(struct cache *c, struct draft *d, const struct cache_put *put,
    struct item *old)
{
	uint64_t all = (uint64_t)old->nvalue + put->nvalue;
	bool append = put->mode == CACHE_APPEND;

	d->client_flags = item_client_flags(old);
	d->deadline = old->deadline;
	d->marks = 0;
	if (door_too_large(c, old->nkey, d->client_flags, all))
		return CACHE_NOT_STORED;
	if (cache_is_large(old->nkey, (uint32_t)all))
		return CACHE_FOUND;
	d->head = append ? item_value(old) : put->value;
	d->nhead = append ? old->nvalue : put->nvalue;
	d->tail = append ? put->value : item_value(old);
	d->ntail = append ? put->nvalue : old->nvalue;
	return CACHE_STORED;
}

static enum cache_status
store_under_lock(struct cache *c, struct shard *s,
    const struct cache_caller *w, const struct cache_key *k,
    const struct cache_put *put, struct room *room, struct verdict *v,
    struct cache_view *view)
{
	struct shard_place place = door_find(s, k, w->now);
	enum cache_status status;
	struct draft d;

	*v = store_judge(c, w, s, &place, put);
	if (v->status != CACHE_STORED)
		return v->status;
	status = CACHE_STORED;
	if (put->mode < CACHE_APPEND || place.it == NULL)
		draft_new(&d, put, *v, place.it);
	else
		status = draft_joined(c, &d, put, place.it);
	if (status != CACHE_STORED)
		return status;
	d.cas = shard_cas(s, put->new_cas);
	status = door_place(c, s, k, &place, &d, room, w->now);
	if (status == CACHE_STORED && view != NULL) {
		view->cas = d.cas;
		view->nvalue = d.nhead + d.ntail;
		view->class_id = (uint8_t)shard_class_of(s, place.h);
	}
	return status;
}

static enum cache_status
store_small(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	struct shard *s = door_shard(c, k->hash);
	struct room room = { 0 };
	enum cache_status status;
	struct verdict v;

	lock_acquire(&s->lock);
	do {
		status = store_under_lock(c, s, w, k, put, &room, &v, view);
	} while (__builtin_expect(status == CACHE_NO_MEMORY, 0) &&
	    room_wait(c, s, &room, w->now));
	lock_release(&s->lock);
	room_fini(c, &room);
	if (status != CACHE_FOUND)
		store_count(w, put, v, status, slab_class_for(&c->slab,
		    item_size(k->nbytes, put->client_flags, put->nvalue)));
	return status;
}

enum cache_status
cache_store(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	enum cache_status status;

	door_tick(c, w);
	if (put->reserved != NULL)
		return large_store(c, w, k, put, view);
	if (door_too_large(c, k->nbytes, put->client_flags, put->nvalue)) {
		COUNT(w, store_too_large);
		return CACHE_TOO_LARGE;
	}
	if (cache_is_large(k->nbytes, put->nvalue))
		return large_store(c, w, k, put, view);
	/* What is joined may be large now and small again a moment later. */
	do {
		status = store_small(c, w, k, put, view);
		if (status == CACHE_FOUND)
			status = large_store(c, w, k, put, view);
	} while (status == CACHE_FOUND);
	return status;
}
