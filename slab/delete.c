/* delete.c - see cache.h: removing, emptying, marking stale. */
#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

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
	if (place_small(c, s, k, place, &draft, room, now) != CACHE_STORED)
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
	if (drop->quiet || (drop->quiet_exists && status == CACHE_EXISTS))
		return;
	/* What stays, stale or empty, was not deleted. */
	if (status == CACHE_DELETED && (drop->stale || drop->drop_value))
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
	flush_tick(c, w);
	lock_acquire(&s->lock);
	do {
		place = door_find(s, k, w->now);
		status = CACHE_NOT_FOUND;
		if (place.it == NULL)
			break;
		door_show(s, &place, v);
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
	if (door_samples(c, k) && status == CACHE_DELETED && place.it == NULL)
		pressure_deleted(&c->pressure, k->hash);
	return status;
}
