/*
 * item.h - the bytes of an item, and of every other chunk of a page.
 *
 *   small item                          large item, first chunk
 *   0  struct item         32           0  struct item               32
 *   32 key                 nkey         32 struct item_large          8
 *      client flags        0 or 4       40 key                     nkey
 *      value               nvalue          client flags                4
 *                                          value, its first part
 *   large item, further chunks
 *   0  struct item_part    20           value, the next part
 *
 * Everything names everything else by handle: the distance from the arena's
 * base in units (see arena.h), so links cost four bytes and the arena may be
 * mapped elsewhere.  Handle 0 is nothing.
 *
 * The first byte of every chunk is its state, so that whoever walks a page in
 * memory order can read any chunk.  The state says the truth at every instant:
 * a chunk is ITEM_LINKED only while its key and value are complete.
 *
 * Owns:    nothing; inline accessors only.
 * Threads: a linked item and its parts belong to the shard named in it: its
 *          lock guards every field.  state, shard and deadline may be peeked
 *          at without it (relaxed); what they say must then be checked again
 *          under the lock.  A reserved item belongs to who reserved it.
 * Fails:   never.
 * Cost:    none.
 */
#ifndef SLAB_ITEM_H
#define SLAB_ITEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slab/limits.h"

typedef uint32_t handle; /* units from the arena's base; 0 = none */

enum item_state {
	ITEM_FREE,     /* in its page's free list: item_free.next */
	ITEM_RESERVED, /* being filled; unlinked */
	ITEM_LINKED,   /* in the index and in a queue */
	ITEM_ORPHAN,   /* removed while pinned; the last unpin frees it */
	ITEM_PART,     /* a further chunk of a large item */
};

enum item_bits {
	ITEM_QUEUE = 3,	   /* enum cache_queue */
	ITEM_FETCHED = 4,  /* read since stored */
	ITEM_ACTIVE = 8,   /* read again since it was queued */
	ITEM_STALE = 16,   /* meta invalidation */
	ITEM_WIN_SENT = 32,
	ITEM_BINARY = 64,  /* the key came in base64 */
	ITEM_FLAGS = 128,  /* four bytes of client flags after the key */
};

/* 32 bytes, against memcached's 56 with a cas number. */
struct item {
	_Atomic uint8_t state; /* enum item_state | epoch << ITEM_EPOCH_SHIFT */
	_Atomic uint8_t shard;
	uint8_t nkey;
	uint8_t bits; /* enum item_bits */
	_Atomic uint32_t deadline; /* second in which it is dead; 0 = never */
	handle newer, older; /* neighbours in the queue, 0 at the ends */
	uint32_t accessed; /* second of the last read or store */
	uint32_t nvalue;   /* bytes of the value */
	/* chunks are aligned to four bytes, so it is, too */
	uint64_t cas __attribute__((packed, aligned(4)));
};
_Static_assert(sizeof(struct item) == 32, "an item's header is 32 bytes");
_Static_assert(_Alignof(struct item) == 4, "the least unit of a handle");

/*
 * The epoch is the shard's when the item was linked.  flush_all moves the
 * shard to another epoch; items of an older one are dead.
 */
enum { ITEM_EPOCH_SHIFT = 3, ITEM_STATE_MASK = 7, ITEM_EPOCHS = 32 };

/* Follows the header of an item whose key and value exceed CACHE_SMALL_MAX. */
struct item_large {
	_Atomic uint32_t refs; /* one for being linked or reserved, one a pin */
	handle next;	       /* first struct item_part, 0 if none */
};

/* A further chunk of a large item. */
struct item_part {
	_Atomic uint8_t state; /* ITEM_PART */
	_Atomic uint8_t shard; /* its owner's */
	uint16_t unused;
	_Atomic handle owner; /* stands where deadline does: may be peeked at */
	handle next;
	uint32_t nbytes; /* of the value, in this chunk */
	uint32_t none; /* see below */
};
_Static_assert(sizeof(struct item_part) == 20, "a part's header is 20 bytes");
/* Who marks an item that was just freed may write here (readers.h). */
_Static_assert(offsetof(struct item_part, none) ==
    offsetof(struct item, accessed), "no byte of a value is marked");

/* A chunk in its page's free list. */
struct item_free {
	_Atomic uint8_t state; /* ITEM_FREE */
	uint8_t unused[3];
	_Atomic handle next; /* stands where deadline does */
};
_Static_assert(sizeof(struct item_free) == 8, "deadline may be peeked at");

static inline enum item_state
item_state(const struct item *it)
{
	return atomic_load_explicit(&it->state, memory_order_relaxed) &
	    ITEM_STATE_MASK;
}

static inline unsigned
item_epoch(const struct item *it)
{
	return atomic_load_explicit(&it->state, memory_order_relaxed) >>
	    ITEM_EPOCH_SHIFT;
}

/*
 * The first four bytes at once: state, shard, nkey and bits.  So "linked, of
 * this shard and epoch, with a key so long, and none of these bits" is one
 * compare under a mask.
 */
static inline uint32_t
item_word(unsigned state, unsigned shard, unsigned nkey, unsigned bits)
{
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		return state << 24 | shard << 16 | nkey << 8 | bits;
	return state | shard << 8 | nkey << 16 | bits << 24;
}

/* One load, which may race with a store of its bytes. */
__attribute__((always_inline)) static inline uint32_t
item_first(const struct item *it)
{
	return __atomic_load_n((const uint32_t *)(const void *)it,
	    __ATOMIC_RELAXED);
}

static inline bool
item_is_large(const struct item *it)
{
	return cache_is_large(it->nkey, it->nvalue);
}

static inline struct item_large *
item_large(struct item *it)
{
	return (struct item_large *)(it + 1);
}

/* Bytes before the key. */
static inline size_t
item_head(uint32_t nkey, uint32_t nvalue)
{
	return sizeof(struct item) +
	    (cache_is_large(nkey, nvalue) ? sizeof(struct item_large) : 0);
}

static inline char *
item_key(struct item *it)
{
	return (char *)it + item_head(it->nkey, it->nvalue);
}

/* Whether they are zero or not, a large item has room for its client flags:
 * who pinned it finds the value without a look at bits, which change. */
static inline bool
item_has_flags(const struct item *it)
{
	return item_is_large(it) || (it->bits & ITEM_FLAGS) != 0;
}

static inline uint32_t
item_client_flags(struct item *it)
{
	uint32_t flags = 0;

	if (item_has_flags(it))
		memcpy(&flags, item_key(it) + it->nkey, sizeof(flags));
	return flags;
}

/* The value, or its first part. */
static inline char *
item_value(struct item *it)
{
	return item_key(it) + it->nkey +
	    (item_has_flags(it) ? CACHE_FLAGS_SIZE : 0);
}

/* Bytes of the whole item, without the headers of its parts. */
static inline size_t
item_size(uint32_t nkey, uint32_t client_flags, uint32_t nvalue)
{
	bool large = cache_is_large(nkey, nvalue);

	return item_head(nkey, nvalue) + nkey +
	    (client_flags != 0 || large ? CACHE_FLAGS_SIZE : 0) +
	    (size_t)nvalue;
}

#endif
