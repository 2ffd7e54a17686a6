/* store.c - see cache.h: storing small items. */
#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

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
		d->marks |= judge_marks(old);
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

	*v = judge_store(c, w, s, &place, put);
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
	status = place_small(c, s, k, &place, &d, room, w->now);
	if (status == CACHE_STORED && view != NULL) {
		view->cas = d.cas;
		view->nvalue = d.nhead + d.ntail;
		view->class_id = (uint8_t)shard_class_of(s, place.h);
		view->deadline = d.deadline;
	}
	return status;
}

__attribute__((noinline)) static enum cache_status
store_with_care(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put, unsigned class_id,
    struct cache_view *view)
{
	struct room room = { 0 };
	enum cache_status status;
	struct cache_view ours;
	struct verdict v;

	if (view == NULL)
		view = &ours;
	do {
		status = store_under_lock(c, s, w, k, put, &room, &v, view);
	} while (__builtin_expect(status == CACHE_NO_MEMORY, 0) &&
	    room_wait(c, s, &room, w->now));
	lock_release(&s->lock);
	room_fini(c, &room);
	if (status != CACHE_FOUND)
		judge_count(w, put, v, status, class_id);
	if (door_samples(c, k) && status == CACHE_STORED)
		tell_stored(c, k, view, w->now);
	return status;
}

static enum cache_status
store_small(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	struct shard *s = door_shard(c, k->hash);
	unsigned class_id = slab_class_for(&c->slab,
	    item_size(k->nbytes, put->client_flags, put->nvalue));

	lock_acquire(&s->lock);
	return store_with_care(c, s, w, k, put, class_id, view);
}

static __attribute__((noinline)) enum cache_status
store_any(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	enum cache_status status;

	if (put->reserved != NULL) {
		large_arrived(c, put->reserved);
		return large_store(c, w, k, put, view);
	}
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

/* ------------------------------------------------------------ overwriting */

/* A set without conditions, of a small value. */
static inline bool
is_plain(const struct cache *c, const struct cache_key *k,
    const struct cache_put *put)
{
	return put->mode == CACHE_SET && !put->compare &&
	    put->reserved == NULL && !cache_is_large(k->nbytes, put->nvalue) &&
	    !door_too_large(c, k->nbytes, put->client_flags, put->nvalue);
}

/* The living small item with that key, if it has a chunk of the class. */
static inline struct item *
find_room(const struct cache *c, const struct shard *s,
    const struct cache_key *k, unsigned class_id, uint32_t now, handle *at)
{
	handle h = k->spot != NULL ? *k->spot : shard_seek(s, k);
	struct item *it = slab_at(&c->slab, h);

	*at = h;
	return h != 0 && shard_owns(s, it, k->nbytes, 0) &&
	    !shard_is_dead(s, it, now) &&
	    !cache_is_large(k->nbytes, it->nvalue) &&
	    shard_same_bytes((const char *)(it + 1), k->bytes, k->nbytes) &&
	    shard_class_of(s, h) == class_id ? it : NULL;
}

/* Out of the short way, which has no room in its frame for a view. */
static __attribute__((noinline)) void
tell_sample(struct cache *c, const struct cache_key *k,
    const struct cache_put *put, unsigned class_id, uint32_t now)
{
	tell_stored(c, k,
	    &(struct cache_view){ .nvalue = put->nvalue,
		.deadline = put->deadline,
		.class_id = (uint8_t)class_id }, now);
}

void
cache_store_soon(const struct cache *c, const struct cache_key *k)
{
	lock_foresee(&door_shard(c, k->hash)->lock);
}

/*
 * The short way of most stores: over an item whose chunk has the right size.
 * All others go the other way, from the beginning.
 */
enum cache_status
cache_store(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	struct shard *s = door_shard(c, k->hash);
	unsigned class_id;
	struct draft d;
	struct item *it;
	handle h;

	flush_tick(c, w);
	if (__builtin_expect(!is_plain(c, k, put), 0))
		return store_any(c, w, k, put, view);
	class_id = slab_class_for(&c->slab, sizeof(struct item) + k->nbytes +
	    (put->client_flags != 0 ? CACHE_FLAGS_SIZE : 0) + put->nvalue);
	lock_acquire(&s->lock);
	it = find_room(c, s, k, class_id, w->now, &h);
	if (__builtin_expect(it == NULL, 0))
		return store_with_care(c, s, w, k, put, class_id, view);
	d.client_flags = put->client_flags;
	d.deadline = put->deadline;
	d.head = put->value;
	d.nhead = put->nvalue;
	d.ntail = 0;
	d.marks = put->binary_key ? ITEM_BINARY : 0;
	d.cas = shard_cas(s, put->new_cas);
	place_rewrite(s, it, h, class_id, &d, w->now);
	lock_release(&s->lock);
	if (view != NULL) {
		view->cas = d.cas;
		view->nvalue = d.nhead;
		view->class_id = (uint8_t)class_id;
	}
	COUNT_CLASS(w, class_id, cmd_set);
	if (door_samples(c, k))
		tell_sample(c, k, put, class_id, w->now);
	return CACHE_STORED;
}
