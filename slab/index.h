/*
 * index.h - from a key's hash to handles: linear hashing in cache lines.
 *
 *      struct bucket, 64 bytes, one cache line:
 *        tag[10]     16 bits of the hash each, 0 where free
 *        entry[10]   handles, 0 = free slot
 *        overflow    number of a cell, 0 = none
 *
 *      struct cell, 32 bytes, chained: four more of each
 *
 * A lookup reads the bucket, compares ten tags at once and yields the handles
 * whose tag matches; the caller compares keys.  So it costs two cache misses,
 * the bucket and the item.
 *
 * Linear hashing grows one bucket at a time: when there are nine items for ten
 * slots of the buckets, the next bucket in turn is divided in two.  Memory is
 * thus always in proportion to the items, 8.3 to 8.9 bytes each; there is no
 * doubling, no second table, and no long pause.  One lookup in eight goes on to
 * a cell.  (Cells of half a line save 0.6 bytes an item against whole lines,
 * for buckets that have not divided yet are a third of a line too full.)
 * Dividing needs the hash of what stands in the bucket: the caller's
 * index_hash_fn reads the key again.  The items of the bucket that comes next
 * are fetched one step ahead.
 *
 * All shards' indexes share one reservation of address space, bucket b of
 * shard s at line b << shard_bits | s, so that together they are dense and
 * huge pages serve them.  Behind the buckets lie the cells, for whoever needs
 * one.
 *
 * Owns:    buckets; never items.
 * Threads: the caller holds the lock of the shard that owns the index; only
 *          index_bucket(), index_spot() and index_peek() need none (hints).
 * Fails:   index_insert() returns false when no cell can be had.
 * Cost:    O(1); growth a bounded step per insert.
 */
#ifndef SLAB_INDEX_H
#define SLAB_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "slab/arena.h"
#include "slab/hash.h"

enum {
	INDEX_SLOTS = 10, /* of a bucket */
	INDEX_CELL_SLOTS = 4,
	INDEX_CELLS_MAX = 16, /* in a chain; a sane one has up to three */
	INDEX_CHAIN_MAX = INDEX_SLOTS + INDEX_CELLS_MAX * INDEX_CELL_SLOTS,
};

struct index_bucket {
	_Alignas(64) uint16_t tag[INDEX_SLOTS];
	handle entry[INDEX_SLOTS];
	uint32_t overflow;
};
_Static_assert(sizeof(struct index_bucket) == 64, "a bucket is a cache line");

struct index_cell {
	_Alignas(32) uint16_t tag[INDEX_CELL_SLOTS];
	handle entry[INDEX_CELL_SLOTS];
	uint32_t next;
	uint32_t unused;
};
_Static_assert(sizeof(struct index_cell) == 32, "two cells in a cache line");

/* What all shards' indexes share.  Fixed but for cells_next. */
struct index_space {
	struct index_bucket *lines;
	struct index_cell *cells; /* cell 0 is none */
	struct arena *charge;
	size_t mapped; /* bytes */
	unsigned shard_bits;
	uint32_t nlines, ncells;
	_Atomic uint32_t cells_next; /* first one never given out */
	struct ahead lines_ahead, cells_ahead;
};

/* items_max: the most items that all shards together can ever hold. */
struct index_space *index_space_new(unsigned shards, uint64_t items_max,
    struct arena *charge, const char **why);
void index_space_free(struct index_space **);
/* Faults a piece of what growth will need next (see ahead.h); false: there is
 * no need. */
bool index_go_ahead(struct index_space *);

/* The hash of the item with that handle. */
typedef uint64_t index_hash_fn(const void *arg, handle);

struct index {
	/* fixed, but for mask and count, which the shard's lock guards and
	 * anyone may peek at; what a look-up reads stands together */
	struct index_bucket *lines; /* the space's */
	_Atomic uint32_t mask;	/* count <= mask + 1 <= 2 * count */
	_Atomic uint32_t count; /* buckets; count - (mask + 1) / 2 divides */
	struct index_cell *cells;
	uint32_t shard;
	uint32_t shard_bits;
	struct index_space *space;
	index_hash_fn *hash_of;
	const void *arg;
	/* guarded */
	uint32_t cells_free;	/* list of cells given back */
	uint32_t cells_used;
	uint64_t items;
	uint64_t grow_at; /* items at which a bucket is divided */
};

void index_init(struct index *, struct index_space *, unsigned shard,
    uint32_t items_start, index_hash_fn *, const void *arg);

/* Of an empty one: it has so many buckets, as far as there is room, and their
 * memory is faulted; before other threads go ahead. */
void index_widen(struct index *, uint32_t buckets);

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
	uint32_t line;	/* of the bucket */
	uint32_t cell;	/* looked at; 0 = the bucket itself */
	uint32_t prev;	/* cell before it in the chain */
	uint32_t matches; /* bits of slots not yet returned */
	uint32_t slot;	/* returned last */
	uint16_t tag;
};

/* 0 marks a free slot, so no key has it. */
static inline uint16_t
index_tag(uint64_t hash)
{
	uint16_t tag = hash_tag(hash);

	return (uint16_t)(tag + (tag == 0));
}

/*
 * Bit i is set where tag[i] is tag, for eight of them at a 16-byte boundary.
 * Always inlined, like those below, so that index_spot() alone decides that
 * TSan shall not look at it.
 */
__attribute__((always_inline)) static inline uint32_t
index_match8(const uint16_t *at, uint16_t tag)
{
#if defined(__SSE2__)
	__m128i same = _mm_cmpeq_epi16(_mm_set1_epi16((short)tag),
	    _mm_load_si128((const __m128i *)(const void *)at));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same,
	    _mm_setzero_si128()));
#else
	uint32_t bits = 0;
	uint16_t other;

	/* bytes, for they reach into what follows the tags */
	for (unsigned i = 0; i < 8; i++) {
		memcpy(&other, (const char *)at + 2 * i, sizeof(other));
		bits |= (uint32_t)(other == tag) << i;
	}
	return bits;
#endif
}

__attribute__((always_inline)) static inline uint32_t
index_match(const struct index_bucket *b, uint16_t tag)
{
	const uint16_t *at = b->tag;
	uint32_t bits;

#if defined(__SSE2__)
	const __m128i *lines = (const __m128i *)(const void *)at;
	__m128i tags = _mm_set1_epi16((short)tag);

	bits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(
	    _mm_cmpeq_epi16(tags, _mm_load_si128(lines)),
	    _mm_cmpeq_epi16(tags, _mm_load_si128(lines + 1))));
#else
	bits = index_match8(at, tag) | index_match8(at + 8, tag) << 8;
#endif
	return bits & ((1 << INDEX_SLOTS) - 1);
}

__attribute__((always_inline)) static inline uint32_t
index_match_cell(const struct index_cell *c, uint16_t tag)
{
	return index_match8(c->tag, tag) & ((1 << INDEX_CELL_SLOTS) - 1);
}

static inline uint32_t
index_buckets(const struct index *ix)
{
	return atomic_load_explicit(&ix->count, memory_order_relaxed);
}

/* The line of bucket b; then of the bucket that a hash belongs to. */
static inline uint32_t
index_line(const struct index *ix, uint32_t b)
{
	return b << ix->shard_bits | ix->shard;
}

/* However mask and count are torn for one who holds no lock, it is a bucket
 * that exists. */
static inline uint32_t
index_bucket_of(const struct index *ix, uint64_t hash)
{
	uint32_t mask = atomic_load_explicit(&ix->mask, memory_order_relaxed);
	uint32_t b = hash_bucket(hash) & mask;

	return b < index_buckets(ix) ? b : b & mask >> 1;
}

static inline uint32_t
index_home(const struct index *ix, uint64_t hash)
{
	return index_line(ix, index_bucket_of(ix, hash));
}

static inline struct index_probe
index_probe(const struct index *ix, uint64_t hash)
{
	struct index_probe p;

	p.tag = index_tag(hash);
	p.line = index_home(ix, hash);
	p.cell = p.prev = 0;
	p.matches = index_match(&ix->lines[p.line], p.tag);
	p.slot = 0;
	return p;
}

static inline handle
index_next(const struct index *ix, struct index_probe *p)
{
	while (__builtin_expect(p->matches == 0, 0)) {
		uint32_t next = p->cell == 0 ? ix->lines[p->line].overflow :
					       ix->cells[p->cell].next;

		if (next == 0)
			return 0;
		p->prev = p->cell;
		p->cell = next;
		p->matches = index_match_cell(&ix->cells[next], p->tag);
	}
	p->slot = (uint32_t)__builtin_ctz(p->matches);
	p->matches &= p->matches - 1;
	return p->cell == 0 ? ix->lines[p->line].entry[p->slot] :
			      ix->cells[p->cell].entry[p->slot];
}

static inline void
index_replace(struct index *ix, const struct index_probe *p, handle h)
{
	if (p->cell == 0)
		ix->lines[p->line].entry[p->slot] = h;
	else
		ix->cells[p->cell].entry[p->slot] = h;
}

void index_remove(struct index *, const struct index_probe *);
bool index_insert(struct index *, uint64_t hash, handle);

/*
 * Hints for who looks ahead without the lock: the bucket, and in it the first
 * entry whose tag matches.  Where it stands stays an entry of some bucket for
 * ever; what it holds may be another one's a moment later, so it is never to
 * be trusted before it is read again under the lock.  NULL: there is none,
 * and *cell is 0, or where to look further: its line is being fetched.
 */
static inline const struct index_bucket *
index_bucket(const struct index *ix, uint64_t hash)
{
	return &ix->lines[index_home(ix, hash)];
}

/* The same for who looks for many: what all shards share is in registers. */
static inline const struct index_bucket *
index_bucket_in(const struct index_bucket *lines, unsigned shard_bits,
    const struct index *ix, uint32_t shard, uint64_t hash)
{
	return &lines[index_bucket_of(ix, hash) << shard_bits | shard];
}

/* That whose first entry this is. */
static inline const struct index_bucket *
index_bucket_at(const handle *entry)
{
	return (const struct index_bucket *)(const void *)((const char *)entry -
	    offsetof(struct index_bucket, entry));
}

/* Races by intent. */
__attribute__((no_sanitize("thread"))) static inline const handle *
index_spot(const struct index *ix, const struct index_bucket *b, uint64_t hash,
    uint32_t *cell)
{
	uint32_t matches = index_match(b, index_tag(hash));

	if (__builtin_expect(matches != 0, 1))
		return b->entry + (unsigned)__builtin_ctz(matches);
	*cell = b->overflow;
	__builtin_prefetch(&ix->cells[*cell]);
	return NULL;
}

/* The same in a cell of the chain, then in the next one. */
__attribute__((no_sanitize("thread"))) static inline const handle *
index_spot_cell(const struct index *ix, uint64_t hash, uint32_t *cell)
{
	const struct index_cell *c = &ix->cells[*cell];
	uint32_t matches = index_match_cell(c, index_tag(hash));

	if (matches != 0)
		return c->entry + (unsigned)__builtin_ctz(matches);
	*cell = c->next;
	__builtin_prefetch(&ix->cells[*cell]);
	return NULL;
}

__attribute__((no_sanitize("thread"))) static inline handle
index_peek(const handle *spot)
{
	return *(const volatile handle *)spot;
}

/* All handles of bucket n (cells included) into list; how many there were, at
 * most INDEX_CHAIN_MAX.
 * Buckets are 0 .. index_buckets()-1; growth moves handles only to a higher
 * bucket, never back, so a walk upwards misses nothing that stays. */
unsigned index_list(const struct index *, uint32_t bucket, handle *list,
    unsigned max);
size_t index_bytes(const struct index *);

/* Aborts unless every entry stands where its hash belongs and counts agree. */
void index_check(const struct index *);

#endif
