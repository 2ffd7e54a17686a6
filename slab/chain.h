/*
 * chain.h - the chunks of one item, and the value that runs through them.
 *
 *      struct item ... first part --next--> struct item_part ... --> ...
 *
 * A small item is a single chunk.  A large one (item.h) is a chain, and counts
 * its references: one for being linked or reserved, one for every pin.
 *
 * Owns:    the chunks of an item, from slab_alloc() to chain_free().
 * Threads: whoever holds a reference may read the value; only who reserved the
 *          item, or holds its shard's lock and knows it unpinned, may change
 *          it.  References are dropped without any lock.
 * Fails:   never; getting the chunks is the caller's part.
 * Cost:    O(chunks) to free, O(1) a span.
 */
#ifndef SLAB_CHAIN_H
#define SLAB_CHAIN_H

#include "slab/slab.h"

/* Which class to take the next chunk from, for need bytes, header included.
 * A class that would waste more than an eighth is left for a smaller one that
 * is filled, with a further chunk for what remains. */
unsigned chain_class(const struct slab *, size_t need);

/* Bytes of the value that the first chunk holds. */
uint32_t chain_first(const struct slab *, struct item *, handle);

/* Frees all its chunks.  Nobody else may know the item. */
void chain_free(struct slab *, handle first);
/* The same but for the first chunk, which the caller goes on to use. */
void chain_free_parts(struct slab *, struct item *);

/* Gives one reference of a large item back; the last one frees it. */
void chain_unref(struct slab *, struct item *);

/* The contiguous bytes of the value at *cursor; see cache_span(). */
size_t chain_span(const struct slab *, struct item *, struct cache_cursor *,
    size_t max, char **bytes);

/* The whole value, small or large, in and out of flat memory. */
void chain_read(const struct slab *, struct item *, void *dst);
void chain_write(const struct slab *, struct item *, struct cache_cursor *,
    const void *src, size_t nbytes);

/* Aborts unless parts and bytes agree; returns the bytes of its chunks. */
size_t chain_check(const struct slab *, struct item *);

#endif
