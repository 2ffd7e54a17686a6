/*
 * readers.h - who marks items without their shard's lock, and who waits for
 * them.
 *
 * A hit marks its item: FETCHED or ACTIVE, and the second.  To take the shard's
 * lock for that would make every core write the same few lines, so a reader
 * who has looked at an item without the lock (see lock.h) marks it so:
 *
 *      readers_enter(r)          its own word, in a line of its own
 *      lock_unmoved()?           the item is still linked
 *        compare and swap the first word; store accessed
 *      readers_leave(r)
 *
 * Between the question and the marks the item may be removed and its chunk be
 * used anew.  In a page of the same class that does no harm: the first word of
 * any chunk says what it is, and is only swapped while it says that it is
 * linked, with the shard, key length and bits that were seen, so at worst
 * another item is marked; and where `accessed' stands no chunk has bytes of a
 * value (struct item_part).  A page that goes to another class is what must
 * not happen, and arena_give() sees to that: when the last item has left the
 * page, and before anybody else may take it, readers_wait() finds each reader
 * outside at least once.  Whoever enters later finds that his shard moved: the
 * word of the reader, which both have swapped, orders the one before the
 * other.
 *
 * Owns:    struct cache_reader, from cache_join() to cache_leave().
 * Threads: a reader is used by one thread at a time.
 * Fails:   cache_join() returns NULL without memory: marks take the lock then.
 * Cost:    entering, one swap of a line that nobody else writes; waiting, one
 *          swap for each reader, and as long as twenty instructions of a
 *          reader take.  A reader holds and awaits no lock inside.
 */
#ifndef SLAB_READERS_H
#define SLAB_READERS_H

#include <assert.h>
#include <stdatomic.h>

#include "slab/lock.h"

struct cache_reader {
	_Alignas(64) _Atomic uint32_t inside;
	struct cache_reader *next;
};

struct readers {
	struct lock lock; /* guards the list */
	struct cache_reader *first;
};

void readers_init(struct readers *);
void readers_fini(struct readers *); /* there must be none */
struct cache_reader *readers_join(struct readers *);
void readers_part(struct readers *, struct cache_reader **);
/* Until each has been outside once since this was called. */
void readers_wait(struct readers *);

static inline void
readers_enter(struct cache_reader *r)
{
	uint32_t was = atomic_exchange_explicit(&r->inside, 1,
	    memory_order_acq_rel);

	assert(was == 0);
}

static inline void
readers_leave(struct cache_reader *r)
{
	atomic_store_explicit(&r->inside, 0, memory_order_release);
}

#endif
