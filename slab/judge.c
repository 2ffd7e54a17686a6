/* judge.c - see door.h: may this be stored over that? */
#include "slab/door.h"

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
judge_store(struct cache *c, const struct cache_caller *w, struct shard *s,
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
judge_count(const struct cache_caller *w, const struct cache_put *put,
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

uint8_t
judge_marks(const struct item *old)
{
	return ITEM_STALE | (old->bits & ITEM_WIN_SENT);
}
