/*
 * index.h - from a key's hash to handles: linear hashing in cache lines.
 *
 *      struct bucket, 64 bytes, one cache line:
 *        tag[10]     16 bits of the hash each, 0-filled where free
 *        entry[10]   handles, 0 = free slot
 *        overflow    number of a further bucket, 0 = none
 *
 * A lookup reads the bucket, compares ten tags at once and yields the handles
 * whose tag matches; the caller compares keys.  So it costs two cache misses,
 * the bucket and the item.
 *
 * Linear hashing grows one bucket at a time: when the slots are 83 % full
 * (a longer chain costs more than the memory saves), the bucket at `split`
 * is divided in two.  Memory is thus always in proportion to the items, about
 * 8 bytes each; there is no doubling, no second table, and no long pause.
 * Dividing needs the hash of what stands in the bucket: the caller's
 * index_hash_fn reads the key again.
 *
 * All shards' indexes share one reservation of address space, bucket b of
 * shard s at line b << shard_bits | s, so that together they are dense and
 * huge pages serve them.
 *
 * Owns:    buckets; never items.
 * Threads: the caller holds the lock of the shard that owns the index; only
 *          index_prefetch() and index_peek() need none (hints).
 * Fails:   index_insert() returns false when no overflow bucket can be had.
 * Cost:    O(1); growth a bounded step per insert.
 */
#ifndef SLAB_INDEX_H
#define SLAB_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "slab/arena.h"

/* What all shards' indexes share. */
struct index_space;
struct index_space *index_space_new(unsigned shards, uint64_t items_max,
    struct arena *charge, const char **why);
void index_space_free(struct index_space **);

/* The hash of the item with that handle. */
typedef uint64_t index_hash_fn(const void *arg, handle);

struct index {
	struct index_space *space;
	index_hash_fn *hash_of;
	const void *arg;
	uint64_t items;
	uint32_t shard;
	uint32_t level; /* 1 << level buckets before the split began */
	uint32_t split; /* the next bucket to divide */
	uint32_t overflow_free; /* list of overflow buckets given back */
	uint64_t overflow_used;
};

void index_init(struct index *, struct index_space *, unsigned shard,
    uint32_t items_start, index_hash_fn *, const void *arg);

/*
 * Candidates for a hash, one after another:
 *
 *      struct index_probe p = index_probe(ix, hash);
 *      for (handle h; (h = index_next(ix, &p)) != 0;)
 *              if (is the item at h the wanted one) ...
 *
 * A probe is good until the index is next changed; index_replace() and
 * index_remove() act on the entry that index_next() returned last.
 */
struct index_probe {
	uint32_t line;	/* of the bucket looked at */
	uint32_t matches; /* bits of slots not yet returned */
	uint32_t slot;	/* returned last */
	uint16_t tag;
};
struct index_probe index_probe(const struct index *, uint64_t hash);
handle index_next(const struct index *, struct index_probe *);
void index_replace(struct index *, const struct index_probe *, handle);
void index_remove(struct index *, const struct index_probe *);

bool index_insert(struct index *, uint64_t hash, handle);

/* Hints: the bucket's line; then the first handle whose tag matches (0 if
 * none), possibly stale or torn, never to be trusted. */
void index_prefetch(const struct index *, uint64_t hash);
handle index_peek(const struct index *, uint64_t hash);

/* All handles of bucket n (overflow included) into list; how many there were.
 * Buckets are 0 .. index_buckets()-1; growth moves handles only to a higher
 * bucket, never back, so a walk upwards misses nothing that stays. */
uint32_t index_buckets(const struct index *);
unsigned index_list(const struct index *, uint32_t bucket, handle *list,
    unsigned max);
size_t index_bytes(const struct index *);

/* Aborts unless every entry stands where its hash belongs and counts agree. */
void index_check(const struct index *);

#endif
