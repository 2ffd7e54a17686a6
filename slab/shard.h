/*
 * shard.h - one slice of the cache: lock, index and queues together.
 *
 *      hash -> shard -> index -> item <- queue of (class of its chunk)
 *
 * Everything that adds, removes or moves a linked item goes through here, so
 * that index, queue, counts and the item's state change together.
 *
 * flush_all moves the shard to an epoch that none of its items bears: items of
 * the others are dead, and are taken away as they are met.
 *
 * Owns:    the linked items whose hash names it.
 * Threads: every function wants the shard's lock held, except shard_init().
 * Fails:   shard_link() when the index cannot grow.
 * Cost:    O(1).
 */
#ifndef SLAB_SHARD_H
#define SLAB_SHARD_H

#include <stddef.h>

#include "slab/evicted.h"
#include "slab/ghost.h"
#include "slab/hash.h"
#include "slab/index.h"
#include "slab/lock.h"
#include "slab/lru.h"
#include "slab/slab.h"

/*
 * What another core has written costs more than all else that a small store
 * does.  So what every look-up reads stands in a first line, which hardly ever
 * changes, and what a store over an item of the same size writes in one other.
 */
struct shard {
	/* fixed after shard_init(), but for the next two */
	uint32_t alive; /* item_first() of the living, but nkey and bits */
	unsigned epoch;
	struct slab *slab;
	const struct lru_policy *policy;
	uint32_t shards; /* of the cache */
	uint8_t id;
	bool no_cas;
	struct index index;
	/* 128: lines are fetched in pairs */
	_Alignas(128) struct lock lock; /* guards all that changes */
	uint64_t cas;	 /* the last number given; its own modulo shards */
	uint64_t linked; /* ever, since the last reset */
	uint64_t items;
	uint64_t seed; /* fixed, too */
	uint32_t pulls; /* evictions made by callers in need */
	uint32_t epoch_items[ITEM_EPOCHS];
	struct lru lru[CACHE_CLASSES];
	struct ghosts ghosts;	 /* of what was evicted */
	struct evicted *evicted; /* NULL: nobody wants to know */
};
_Static_assert(offsetof(struct shard, index) +
    offsetof(struct index, space) <= 64, "one line");

/* Where an item stands. */
struct shard_place {
	struct item *it; /* NULL: nowhere */
	handle h;
	struct index_probe probe; /* good until the index changes */
};

void shard_init(struct shard *, unsigned id, unsigned shards, struct slab *,
    struct index_space *, const struct lru_policy *, uint64_t seed,
    uint32_t items_start);
void shard_fini(struct shard *);

__attribute__((always_inline)) static inline uint64_t
shard_differ(const char *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x ^ y;
}

#if defined(__SSE2__)
/* Sixteen bytes and, overlapping them or not, sixteen more from second on. */
__attribute__((always_inline)) static inline bool
shard_same_two(const char *a, const char *b, size_t second)
{
	__m128i same = _mm_and_si128(
	    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)a),
		_mm_loadu_si128((const void *)b)),
	    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(a + second)),
		_mm_loadu_si128((const void *)(b + second))));

	return _mm_movemask_epi8(same) == 0xffff;
}
#endif

/* memcmp() == 0 for keys: without a call, sixteen bytes at a time, the last
 * ones overlapping. */
__attribute__((always_inline)) static inline bool
shard_same_bytes(const char *a, const char *b, size_t n)
{
	uint64_t differ = 0;
	size_t i;

#if defined(__SSE2__)
	if (n >= 16 && n <= 32)
		return shard_same_two(a, b, n - 16);
#endif
	if (n >= 16) {
		for (i = 0; i < n - 16; i += 16)
			differ |= shard_differ(a + i, b + i) |
			    shard_differ(a + i + 8, b + i + 8);
		return (differ | shard_differ(a + n - 16, b + n - 16) |
		    shard_differ(a + n - 8, b + n - 8)) == 0;
	}
	if (n >= 8)
		return (shard_differ(a, b) |
		    shard_differ(a + n - 8, b + n - 8)) == 0;
	for (i = 0; i < n && a[i] == b[i]; i++)
		;
	return i == n;
}

static inline bool
shard_key_is(struct item *it, const struct cache_key *k)
{
	return it->nkey == k->nbytes &&
	    shard_same_bytes(item_key(it), k->bytes, k->nbytes);
}

/* The item with that key, dead or alive. */
struct shard_place shard_find(const struct shard *, const struct cache_key *);

/* Only its handle, which keeps the place out of the caller's frame. */
handle shard_seek_far(const struct shard *, const struct cache_key *);

/* The same for who only reads: its handle or 0.  Inlined, it keeps a hit in
 * registers; what is not in the first bucket is looked for out of line. */
__attribute__((always_inline)) static inline handle
shard_seek(const struct shard *s, const struct cache_key *k)
{
	struct index_probe probe = index_probe(&s->index, k->hash);
	const struct index_bucket *b = &s->index.lines[probe.line];
	uint32_t matches = probe.matches;

	for (; matches != 0; matches &= matches - 1) {
		handle h = b->entry[__builtin_ctz(matches)];

		if (__builtin_expect(shard_key_is(slab_at(s->slab, h), k), 1))
			return h;
	}
	if (__builtin_expect(b->overflow == 0, 1))
		return 0;
	return shard_seek_far(s, k);
}

/*
 * Linked here, of the shard's epoch, with a key of that length and none of
 * those bits: all that is asked of an item's first word.  Its deadline may have
 * come.
 */
__attribute__((always_inline)) static inline bool
shard_owns_first(const struct shard *s, uint32_t first, uint32_t nkey,
    unsigned bits)
{
	const uint32_t mask = item_word(0xff, 0xff, 0xff, bits);

	return (first & mask) == (__atomic_load_n(&s->alive,
	    __ATOMIC_RELAXED) | item_word(0, 0, nkey, 0));
}

static inline bool
shard_owns(const struct shard *s, const struct item *it, uint32_t nkey,
    unsigned bits)
{
	return shard_owns_first(s, item_first(it), nkey, bits);
}

static inline bool
shard_is_dead(const struct shard *s, const struct item *it, uint32_t now)
{
	return lru_is_dead(it, s->epoch, now);
}

static inline struct lru_scene
shard_scene(const struct shard *s, uint32_t now)
{
	return (struct lru_scene){
		.arena = &s->slab->arena,
		.policy = s->policy,
		.now = now,
		.epoch = s->epoch,
	};
}

static inline unsigned
shard_class_of(const struct shard *s, handle h)
{
	return arena_class_of(&s->slab->arena, h);
}

/* A number greater than the last, that no other shard gives, for clients may
 * compare those of different keys; or the chosen one; 0 without CAS. */
static inline uint64_t
shard_cas(struct shard *s, uint64_t chosen)
{
	if (s->no_cas)
		return 0;
	return chosen != 0 ? chosen : (s->cas += s->shards);
}

/* The hash of the item at h; an index_hash_fn. */
uint64_t shard_hash_at(const void *shard, handle);

/* Is the item that seems to be linked at h truly one of this shard's?  Its
 * bytes may be anybody's. */
bool shard_locate(struct shard *, handle h, struct shard_place *);

/*
 * A complete, reserved item becomes visible: in the place of old if old.it is
 * set (which is removed), else under hash.  false: no room in the index, and
 * nothing has changed.
 */
bool shard_link(struct shard *, uint64_t hash, handle, enum cache_queue,
    const struct shard_place *old);

/* Of what a dead item has died. */
enum cache_death shard_death(const struct shard *, const struct item *);

/* Takes it out of index and queue and frees it, or leaves that to the last
 * pin. */
void shard_remove(struct shard *, const struct shard_place *);

/* Takes a dead item away: NULLs place->it, and says what it had died of. */
enum cache_death shard_bury(struct shard *, struct shard_place *);

/* An item that lru_rewrite() does not leave where it is: to the queue where it
 * belongs now. */
void shard_requeue(struct shard *, handle, unsigned class_id, uint32_t now);

/* A new deadline, and nothing else. */
static inline void
shard_touch(struct shard *s, const struct shard_place *place, uint32_t deadline,
    uint32_t now)
{
	struct lru_scene scene = shard_scene(s, now);

	atomic_store_explicit(&place->it->deadline, deadline,
	    memory_order_relaxed);
	if ((place->it->bits & ITEM_QUEUE) == CACHE_TEMP)
		lru_settle(&s->lru[shard_class_of(s, place->h)], &scene,
		    place->h);
}

/* While an item's bytes change in place its state must say so. */
static inline void
shard_open(struct item *it)
{
	unsigned state = atomic_load_explicit(&it->state, memory_order_relaxed);

	atomic_store_explicit(&it->state,
	    (uint8_t)((state & ~ITEM_STATE_MASK) | ITEM_RESERVED),
	    memory_order_relaxed);
	/* For whoever finds this memory after a crash: program order will do,
	 * all stores of a dead process have arrived. */
	atomic_signal_fence(memory_order_seq_cst);
}

/* The item, which is alive, is whole again. */
static inline void
shard_close(struct shard *s, struct item *it)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&it->state,
	    (uint8_t)(ITEM_LINKED | s->epoch << ITEM_EPOCH_SHIFT),
	    memory_order_relaxed);
}

/*
 * Makes the class give a chunk: removes its victim and returns the chunk,
 * which is now the caller's (state ITEM_FREE or ITEM_RESERVED).  keep is not
 * chosen.  0 if nothing may go.
 */
handle shard_evict(struct shard *, unsigned class_id, uint32_t now,
    handle keep);

/* Removes a dead item that somebody came upon, and counts it as crawled. */
void shard_sweep(struct shard *, const struct shard_place *);

/* As a dump shows it. */
void shard_show(struct item *, unsigned class_id, struct cache_listed *);

/* Counts the end of an item whose room is taken. */
void shard_count_end(struct shard *, unsigned class_id, struct item *,
    uint32_t now);

/* The item (unpinned) moves to another chunk of its class; its own is freed. */
void shard_move(struct shard *, struct shard_place *, handle to);

/* All items are dead from now on.  false: of every epoch some lie about, and
 * taking so many of them away, which *most counts down, has not changed that;
 * call it again. */
bool shard_flush(struct shard *, unsigned *most);

/* Of all items. */
uint64_t shard_bytes(const struct shard *);

/* Aborts unless index, queues, counts and items agree. */
void shard_check(struct shard *);

#endif
