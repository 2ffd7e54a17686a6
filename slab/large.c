/* large.c - see cache.h: items that are held by reference. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum { JOIN_TRIES = 64 }; /* each failed one is somebody else's success */

/* ------------------------------------------------------------ building */

static handle
get(struct cache *c, unsigned class_id, uint32_t now)
{
	handle h = slab_alloc(&c->slab, class_id);
	unsigned giver;

	if (h != 0)
		return h;
	giver = level_due(c, class_id);
	if (giver != 0)
		room_step(c, giver, class_id, now);
	return room_make(c, class_id, now);
}

/* Chunks for what the first one did not hold. */
static bool
add_parts(struct cache *c, struct item *it, handle first, uint32_t now)
{
	struct slab *slab = &c->slab;
	uint64_t left = it->nvalue - chain_first(slab, it, first);
	handle *link = &item_large(it)->next;

	while (left > 0) {
		unsigned k = chain_class(slab, sizeof(struct item_part) + left);
		size_t room = slab->classes[k].chunk_size -
		    sizeof(struct item_part);
		handle h = get(c, k, now);
		struct item_part *part = slab_at(slab, h);

		if (h == 0)
			return false;
		part->owner = first;
		part->next = 0;
		part->nbytes = (uint32_t)(left < room ? left : room);
		atomic_store_explicit(&part->shard,
		    atomic_load_explicit(&it->shard, memory_order_relaxed),
		    memory_order_relaxed);
		atomic_store_explicit(&part->state, ITEM_PART,
		    memory_order_relaxed);
		*link = h;
		link = &part->next;
		left -= part->nbytes;
	}
	return true;
}

/* An unlinked item with room for its value; NULL without memory. */
static struct item *
build(struct cache *c, const struct cache_key *k, uint32_t client_flags,
    uint32_t deadline, uint32_t nvalue, uint32_t now)
{
	struct slab *slab = &c->slab;
	size_t size = item_size(k->nbytes, client_flags, nvalue);
	struct item *it;
	handle h;

	assert(cache_is_large(k->nbytes, nvalue));
	/* Rather than to empty the whole cache for it, in vain. */
	if (size >
	    atomic_load_explicit(&slab->arena.limit, memory_order_relaxed))
		return NULL;
	h = get(c, chain_class(slab, size), now);
	if (h == 0)
		return NULL;
	it = slab_at(slab, h);
	atomic_store_explicit(&it->state, ITEM_RESERVED, memory_order_relaxed);
	atomic_store_explicit(&it->shard, door_shard(c, k->hash)->id,
	    memory_order_relaxed);
	it->nkey = (uint8_t)k->nbytes;
	it->bits = client_flags ? ITEM_FLAGS : 0;
	atomic_store_explicit(&it->deadline, deadline, memory_order_relaxed);
	it->newer = it->older = 0;
	it->accessed = now;
	it->nvalue = nvalue;
	it->cas = 0;
	atomic_store_explicit(&item_large(it)->refs, 1, memory_order_relaxed);
	item_large(it)->next = 0;
	memcpy(item_key(it), k->bytes, k->nbytes);
	memcpy(item_key(it) + k->nbytes, &client_flags, CACHE_FLAGS_SIZE);
	if (add_parts(c, it, h, now))
		return it;
	chain_free(slab, h);
	return NULL;
}

/*
 * Clients that announce values and do not send them could hold all memory,
 * which nothing evicts: what is arriving may be half of it, or one item.
 */
static bool
may_arrive(struct cache *c, uint32_t nvalue)
{
	size_t limit = atomic_load_explicit(&c->slab.arena.limit,
	    memory_order_relaxed);
	size_t before = atomic_fetch_add_explicit(&c->arriving, nvalue,
	    memory_order_relaxed);

	if (before == 0 || before + nvalue <= limit / 2)
		return true;
	atomic_fetch_sub_explicit(&c->arriving, nvalue, memory_order_relaxed);
	return false;
}

void
large_arrived(struct cache *c, const struct cache_item *item)
{
	atomic_fetch_sub_explicit(&c->arriving,
	    ((const struct item *)item)->nvalue, memory_order_relaxed);
}

enum cache_status
cache_reserve(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, uint32_t client_flags, uint32_t deadline,
    uint32_t nvalue, struct cache_item **item)
{
	flush_tick(c, w);
	*item = NULL;
	if (door_too_large(c, k->nbytes, client_flags, nvalue)) {
		COUNT(w, store_too_large);
		return CACHE_TOO_LARGE;
	}
	if (may_arrive(c, nvalue)) {
		*item = (struct cache_item *)build(c, k, client_flags, deadline,
		    nvalue, w->now);
		if (*item == NULL)
			atomic_fetch_sub_explicit(&c->arriving, nvalue,
			    memory_order_relaxed);
	}
	if (*item == NULL) {
		COUNT(w, store_no_memory);
		return CACHE_NO_MEMORY;
	}
	return CACHE_STORED;
}

void
cache_abandon(struct cache *c, struct cache_item **item)
{
	struct item *it = (struct item *)*item;

	assert(item_state(it) == ITEM_RESERVED);
	large_arrived(c, *item);
	chain_unref(&c->slab, it);
	*item = NULL;
}

void
cache_unpin(struct cache *c, struct cache_item **item)
{
	chain_unref(&c->slab, (struct item *)*item);
	*item = NULL;
}

size_t
cache_span(const struct cache *c, struct cache_item *item,
    struct cache_cursor *cur, size_t max, char **bytes)
{
	return chain_span(&c->slab, (struct item *)item, cur, max, bytes);
}

/* ------------------------------------------------------------ linking */

/* Makes the reserved item the key's.  The caller has judged. */
static enum cache_status
link_item(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, struct item *it, struct shard_place *old,
    const struct cache_put *put, struct cache_view *view)
{
	handle h = arena_handle(&c->slab.arena, it);

	it->cas = shard_cas(s, put->new_cas);
	it->accessed = w->now;
	if (!shard_link(s, k->hash, h, place_queue(s, k->hash, it, old, w->now),
		old))
		return CACHE_NO_MEMORY;
	if (view != NULL) {
		view->cas = it->cas;
		view->nvalue = it->nvalue;
		view->class_id = (uint8_t)shard_class_of(s, h);
		view->deadline = it->deadline;
	}
	return CACHE_STORED;
}

/* set, add, replace, cas; and append where nothing is.  *mine is consumed if
 * it is stored. */
static enum cache_status
commit(struct cache *c, const struct cache_caller *w, const struct cache_key *k,
    const struct cache_put *put, struct item **mine, struct cache_view *view,
    struct verdict *v)
{
	struct shard *s = door_shard(c, k->hash);
	struct item *it = *mine;
	enum cache_status status;
	struct shard_place place;

	assert(item_state(it) == ITEM_RESERVED && it->nkey == k->nbytes);
	lock_acquire(&s->lock);
	place = door_find(s, k, w->now);
	*v = judge_store(c, w, s, &place, put);
	status = v->status;
	if (status == CACHE_STORED && put->mode >= CACHE_APPEND &&
	    place.it != NULL) {
		status = CACHE_FOUND; /* to be joined */
	} else if (status == CACHE_STORED) {
		if (put->binary_key)
			it->bits |= ITEM_BINARY;
		if (put->mode >= CACHE_APPEND)
			it->deadline = put->vivify_deadline;
		if (v->stale) {
			it->deadline = place.it->deadline;
			it->bits |= judge_marks(place.it);
		}
		status = link_item(c, s, w, k, it, &place, put, view);
		if (status == CACHE_STORED)
			*mine = NULL;
	}
	lock_release(&s->lock);
	return status;
}

/* ------------------------------------------------------------ joining */

/* What stood under the key when the joined item was begun. */
struct base {
	struct item *pinned; /* a large one; else a copy: */
	char bytes[CACHE_SMALL_MAX];
	uint32_t nvalue, client_flags;
};

/* What is put before or behind it. */
struct piece {
	struct item *item; /* large, reserved; else: */
	const void *bytes;
	uint32_t nbytes;
};

static void
take_base(struct base *b, struct item *it)
{
	b->nvalue = it->nvalue;
	b->client_flags = item_client_flags(it);
	b->pinned = NULL;
	if (!item_is_large(it)) {
		memcpy(b->bytes, item_value(it), it->nvalue);
		return;
	}
	atomic_fetch_add_explicit(&item_large(it)->refs, 1,
	    memory_order_relaxed);
	b->pinned = it;
}

/* Is it still what stands there?  A pinned item is neither changed nor moved,
 * so it is its own proof; of a small one the bytes are compared. */
static bool
is_base(const struct base *b, struct item *it)
{
	if (it == NULL || b->pinned != NULL)
		return it != NULL && b->pinned == it;
	return !item_is_large(it) && it->nvalue == b->nvalue &&
	    item_client_flags(it) == b->client_flags &&
	    memcmp(b->bytes, item_value(it), b->nvalue) == 0;
}

static void
copy_item(struct cache *c, struct item *to, struct cache_cursor *cur,
    struct item *from)
{
	struct cache_cursor at = { 0 };
	char *bytes;
	size_t n;

	while ((n = chain_span(&c->slab, from, &at, SIZE_MAX, &bytes)) > 0)
		chain_write(&c->slab, to, cur, bytes, n);
}

static void
write_joined(struct cache *c, struct item *it, const struct base *b,
    const struct piece *p, bool append)
{
	struct cache_cursor cur = { 0 };

	for (unsigned half = 0; half < 2; half++) {
		if ((half == 0) == append) {
			if (b->pinned != NULL)
				copy_item(c, it, &cur, b->pinned);
			else
				chain_write(&c->slab, it, &cur, b->bytes,
				    b->nvalue);
		} else if (p->item != NULL) {
			copy_item(c, it, &cur, p->item);
		} else {
			chain_write(&c->slab, it, &cur, p->bytes, p->nbytes);
		}
	}
}

/* The first lock: may it be stored, and over what?  CACHE_STORED with the
 * base, CACHE_FOUND if another way is to be gone. */
static enum cache_status
begin_join(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    const struct piece *p, struct base *b, struct verdict *v)
{
	struct shard *s = door_shard(c, k->hash);
	struct shard_place place;
	enum cache_status status;

	lock_acquire(&s->lock);
	place = door_find(s, k, w->now);
	*v = judge_store(c, w, s, &place, put);
	status = v->status;
	if (status == CACHE_STORED) {
		uint64_t all = p->nbytes;

		if (place.it != NULL)
			all += place.it->nvalue;
		if (place.it == NULL)
			status = CACHE_FOUND;
		else if (door_too_large(c, k->nbytes,
			     item_client_flags(place.it), all))
			status = CACHE_NOT_STORED;
		else if (!cache_is_large(k->nbytes, (uint32_t)all))
			status = CACHE_FOUND;
		else
			take_base(b, place.it);
	}
	lock_release(&s->lock);
	return status;
}

/* The second one.  CACHE_EXISTS: the base is no longer what it was. */
static enum cache_status
end_join(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put, struct item *it,
    const struct base *b, struct cache_view *view)
{
	struct shard *s = door_shard(c, k->hash);
	enum cache_status status = CACHE_EXISTS;
	struct shard_place place;

	lock_acquire(&s->lock);
	place = door_find(s, k, w->now);
	if (is_base(b, place.it) &&
	    judge_store(c, w, s, &place, put).status == CACHE_STORED) {
		it->deadline = place.it->deadline;
		status = link_item(c, s, w, k, it, &place, put, view);
	}
	lock_release(&s->lock);
	return status;
}

static enum cache_status
join_once(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    const struct piece *p, struct cache_view *view, struct verdict *v,
    bool *again)
{
	enum cache_status status;
	struct item *it;
	struct base b;

	*again = false;
	status = begin_join(c, w, k, put, p, &b, v);
	if (status != CACHE_STORED)
		return status;
	it = build(c, k, b.client_flags, 0, b.nvalue + p->nbytes, w->now);
	if (it == NULL) {
		status = CACHE_NO_MEMORY;
	} else {
		write_joined(c, it, &b, p, put->mode == CACHE_APPEND);
		status = end_join(c, w, k, put, it, &b, view);
		if (status != CACHE_STORED)
			chain_unref(&c->slab, it);
		*again = status == CACHE_EXISTS;
	}
	if (b.pinned != NULL)
		chain_unref(&c->slab, b.pinned);
	return status;
}

static enum cache_status
join(struct cache *c, const struct cache_caller *w, const struct cache_key *k,
    const struct cache_put *put, const struct piece *p, struct cache_view *view,
    struct verdict *v)
{
	enum cache_status status = CACHE_NO_MEMORY;
	bool again = true;

	for (unsigned n = 0; again && n < JOIN_TRIES; n++)
		status = join_once(c, w, k, put, p, view, v, &again);
	return again ? CACHE_NO_MEMORY : status;
}

/* ------------------------------------------------------------ store */

/* What came by copy but is large gets an item of its own first. */
static enum cache_status
copy_in(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put, struct item **mine)
{
	struct cache_cursor cur = { 0 };

	*mine = build(c, k, put->client_flags, put->deadline, put->nvalue,
	    w->now);
	if (*mine == NULL)
		return CACHE_NO_MEMORY;
	chain_write(&c->slab, *mine, &cur, put->value, put->nvalue);
	return CACHE_STORED;
}

enum cache_status
large_store(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_put *put,
    struct cache_view *view)
{
	struct item *mine = (struct item *)put->reserved;
	struct piece piece = { NULL, put->value, put->nvalue };
	struct verdict v = { CACHE_STORED, false, 0 };
	enum cache_status status = CACHE_STORED;
	struct cache_view ours;
	unsigned class_id;

	if (view == NULL)
		view = &ours;
	if (mine == NULL && cache_is_large(k->nbytes, put->nvalue))
		status = copy_in(c, w, k, put, &mine);
	if (mine != NULL) {
		piece.item = mine;
		piece.nbytes = mine->nvalue;
		class_id = arena_class_of(&c->slab.arena,
		    arena_handle(&c->slab.arena, mine));
	} else {
		class_id = slab_class_for(&c->slab,
		    item_size(k->nbytes, put->client_flags, put->nvalue));
	}
	if (status == CACHE_STORED) {
		/* Between the two the key may come and go. */
		do {
			status = CACHE_FOUND;
			if (mine != NULL)
				status = commit(c, w, k, put, &mine, view, &v);
			if (status == CACHE_FOUND)
				status = join(c, w, k, put, &piece, view, &v);
		} while (status == CACHE_FOUND && mine != NULL);
	}
	if (mine != NULL)
		chain_unref(&c->slab, mine);
	if (status != CACHE_FOUND)
		judge_count(w, put, v, status, class_id);
	if (door_samples(c, k) && status == CACHE_STORED)
		tell_stored(c, k, view, w->now);
	return status;
}
