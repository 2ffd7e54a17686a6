/* get.c - see cache.h: reading, and what may be done to an item thereby. */
#include <stddef.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

/* The value: copied if it fits, pinned if it is large. */
static inline void
hand_out(struct cache *c, struct item *it, const struct cache_want *want,
    struct cache_view *v)
{
	uint32_t nvalue = v->nvalue;

	if (nvalue <= want->room) {
		if (__builtin_expect(!cache_is_large(it->nkey, nvalue), 1)) {
			if (nvalue > 0)
				door_copy(want->dst, item_value(it), nvalue);
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
	uint32_t deadline = want->touch && want->recache_touched ?
	    want->touch_deadline : v->deadline;

	if (v->win_sent)
		return;
	if (want->marks && v->stale)
		v->won = true;
	/* One that is set may be past. */
	if (want->recache && deadline != 0 &&
	    (deadline > now ? deadline - now : 0) < want->recache_ttl)
		v->won = true;
	if (v->won)
		it->bits |= ITEM_WIN_SENT;
}

static inline bool
counts_as_get(const struct cache_want *want)
{
	return !want->touch || !(want->gat || want->no_value);
}

/* Who looks on, as the server does for watchers, is not counted; a client that
 * only leaves no trace in the item is. */
static inline bool
is_counted(const struct cache_want *want)
{
	return !want->no_bump || want->marks;
}

static void
count_hit(const struct cache_caller *w, const struct cache_want *want,
    const struct cache_view *v)
{
	if (!is_counted(want))
		return;
	if (want->touch) {
		COUNT(w, cmd_touch);
		COUNT_CLASS(w, v->class_id, touch_hits);
	}
	if (counts_as_get(want))
		door_count_hit(w, v->class_id, v->queue);
}

static void
count_death(const struct cache_caller *w, const struct cache_want *want,
    enum cache_death death)
{
	if (!is_counted(want))
		return;
	if (death == CACHE_EXPIRED)
		COUNT(w, get_expired);
	else if (death == CACHE_FLUSHED)
		COUNT(w, get_flushed);
}

static void
count_miss(const struct cache_caller *w, const struct cache_want *want)
{
	if (!is_counted(want))
		return;
	/* A meta reader's is a get's: there was nothing to be touched. */
	if (want->touch && !want->marks) {
		COUNT(w, cmd_touch);
		COUNT(w, touch_misses);
	}
	if (!want->marks && !counts_as_get(want))
		return;
	COUNT(w, get_misses);
}

static enum cache_status
vivify(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct room *room, struct cache_view *v)
{
	struct shard_place place = { .it = NULL };
	struct draft draft = {
		.deadline = want->vivify_deadline,
		/* Who creates it has read it, too. */
		.marks = ITEM_WIN_SENT | (want->binary_key ? ITEM_BINARY : 0) |
		    (want->no_bump ? 0 : ITEM_FETCHED),
	};

	if (door_too_large(c, k->nbytes, 0, 0))
		return CACHE_NO_MEMORY;
	draft.cas = shard_cas(s, want->new_cas);
	if (place_small(c, s, k, &place, &draft, room, w->now) != CACHE_STORED)
		return CACHE_NO_MEMORY;
	door_show(s, &place, v);
	v->old_deadline = 0;
	v->fetched = v->win_sent = false;
	v->won = true;
	v->copied = !want->no_value;
	return CACHE_FOUND;
}

/* The rare way: the item is not there, or no longer. */
__attribute__((noinline)) static enum cache_status
miss(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct cache_view *v)
{
	struct shard_place found = shard_find(s, k), *place = &found;
	enum cache_death death = CACHE_ABSENT;
	enum cache_status status = CACHE_NOT_FOUND;
	struct room room = { 0 };

	if (place->it != NULL)
		death = want->no_bump && !want->vivify ?
		    shard_death(s, place->it) :
		    shard_bury(s, place);
	if (want->vivify) {
		while ((status = vivify(c, s, w, k, want, &room, v)) ==
		    CACHE_NO_MEMORY && room_wait(c, s, &room, w->now)) {
			/* Somebody may have stored it meanwhile: then theirs
			 * is as good as a hit that comes a moment later. */
			*place = door_find(s, k, w->now);
			if (place->it == NULL)
				continue;
			door_show(s, place, v);
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
	if (status == CACHE_NOT_FOUND)
		v->death = death;
	count_death(w, want, death);
	if (status == CACHE_FOUND)
		count_hit(w, want, v);
	else
		count_miss(w, want);
	if (door_samples(c, k)) {
		if (!want->no_bump && counts_as_get(want))
			pressure_miss(&c->pressure, k->hash, w->now);
		if (status == CACHE_FOUND)
			tell_stored(c, k, v, w->now);
	}
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

/* No wish at all: one compare instead of eight. */
static inline bool
is_plain(const struct cache_want *want)
{
	uint64_t wishes;

	_Static_assert(offsetof(struct cache_want, marks) -
	    offsetof(struct cache_want, no_value) == sizeof(wishes) - 1,
	    "eight wishes in a row");
	memcpy(&wishes, &want->no_value, sizeof(wishes));
	return wishes == 0;
}

/* The item is there.  Written once and inlined twice, for a plain get and for
 * any other. */
__attribute__((always_inline)) static inline enum cache_status
hit(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, struct item *it, handle h,
    const struct cache_want *want, struct cache_view *v, bool plain)
{
	struct shard_place found = { .it = it, .h = h }, *place = &found;
	uint32_t deadline;

	if (plain)
		door_show_some(s, it, h, v);
	else
		door_show(s, place, v);
	if (plain || (!want->no_value &&
	    !(want->withhold && v->cas == want->withhold_cas)))
		hand_out(c, place->it, want, v);
	if (!plain && (want->marks | want->recache | want->touch))
		side_effects(s, place, want, w->now, v);
	if (plain || !want->no_bump) {
		struct lru_scene scene = shard_scene(s, w->now);

		lru_hit(&s->lru[v->class_id], &scene, place->h, place->it);
	}
	deadline = atomic_load_explicit(&it->deadline, memory_order_relaxed);
	lock_release(&s->lock);
	if (plain)
		door_count_hit(w, v->class_id, v->queue);
	else
		count_hit(w, want, v);
	if (door_samples(c, k) && (plain || !want->no_bump))
		tell_hit(c, k, v->class_id, v->nvalue, deadline, w->now,
		    plain || counts_as_get(want));
	return CACHE_FOUND;
}

__attribute__((noinline)) static enum cache_status
hit_wishing(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, struct item *it, handle h,
    const struct cache_want *want, struct cache_view *v)
{
	return hit(c, s, w, k, it, h, want, v, false);
}

enum cache_status
cache_get(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_want *want,
    struct cache_view *v)
{
	struct shard *s = door_shard(c, k->hash);
	struct item *it;
	handle h;

	flush_tick(c, w);
	lock_acquire(&s->lock);
	h = shard_seek(s, k);
	it = slab_at(&c->slab, h);
	if (h == 0 || shard_is_dead(s, it, w->now))
		return miss(c, s, w, k, want, v);
	if (!is_plain(want))
		return hit_wishing(c, s, w, k, it, h, want, v);
	return hit(c, s, w, k, it, h, want, v, true);
}
