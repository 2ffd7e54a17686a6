/* index.c - see index.h. */
#include "slab/index.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FILL_NUM = 83, /* slots in use, of a hundred, when a bucket divides */
	FILL_DEN = 100,
	BUCKETS_MIN = 16,
	CHAIN_ITEMS = INDEX_CHAIN_MAX * INDEX_SLOTS,
};

/* Address space to begin with, and what must be had at least. */
#define ITEMS_MAX ((uint64_t)1 << 32)
#define ITEMS_LEAST ((uint64_t)1 << 16)

/* ------------------------------------------------------------ space */

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* Chance fills some shards more than others: an eighth more than the average,
 * and a few.  Half of the buckets may have an overflow bucket besides. */
static bool
map_lines(struct index_space *sp, uint64_t items)
{
	uint64_t buckets = items * FILL_DEN / FILL_NUM / INDEX_SLOTS;
	uint64_t nmain, nlines;
	const size_t huge_lines = ((size_t)2 << 20) / 64;

	nmain = ((buckets + buckets / 8) >> sp->shard_bits) + BUCKETS_MIN;
	nmain = round_up(nmain << sp->shard_bits, huge_lines);
	nlines = nmain + round_up(nmain / 2, huge_lines);
	if (nlines > UINT32_MAX)
		return false;
	sp->lines = arena_map(nlines * sizeof(struct index_bucket));
	if (sp->lines == NULL)
		return false;
	arena_map_huge(sp->lines, sp->lines + nmain);
	arena_map_huge(sp->lines + nmain, sp->lines + nlines);
	sp->nmain = (uint32_t)nmain;
	sp->nlines = (uint32_t)nlines;
	return true;
}

struct index_space *
index_space_new(unsigned shards, uint64_t items_max, struct arena *charge,
    const char **why)
{
	struct index_space *sp;
	uint64_t items = items_max < ITEMS_MAX ? items_max : ITEMS_MAX;

	assert(shards > 0 && (shards & (shards - 1)) == 0);
	sp = calloc(1, sizeof(*sp));
	if (sp == NULL) {
		*why = "no memory for the index";
		return NULL;
	}
	sp->charge = charge;
	sp->shard_bits = (unsigned)__builtin_ctz(shards);
	while (!map_lines(sp, items)) {
		items /= 2;
		if (items < ITEMS_LEAST) {
			*why = "cannot reserve address space for the index";
			free(sp);
			return NULL;
		}
	}
	sp->overflow_next = sp->nmain;
	return sp;
}

void
index_space_free(struct index_space **sp)
{
	if (*sp == NULL)
		return;
	arena_unmap((*sp)->lines, (*sp)->nlines * sizeof(struct index_bucket));
	free(*sp);
	*sp = NULL;
}

/* ------------------------------------------------------------ buckets */

static uint32_t
free_slots(const struct index_bucket *b)
{
	return index_match(b, 0);
}

static void
charge(struct index *ix, ptrdiff_t buckets)
{
	arena_charge(ix->space->charge,
	    buckets * (ptrdiff_t)sizeof(struct index_bucket));
}

/* An empty overflow bucket's line, or 0. */
static uint32_t
take_overflow(struct index *ix)
{
	struct index_space *sp = ix->space;
	uint32_t line = ix->overflow_free;

	if (line != 0) {
		ix->overflow_free = ix->lines[line].overflow;
		ix->lines[line].overflow = 0;
		ix->overflow_used++;
		return line;
	}
	line = atomic_load_explicit(&sp->overflow_next, memory_order_relaxed);
	do {
		if (line == sp->nlines)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&sp->overflow_next,
	    &line, line + 1, memory_order_relaxed, memory_order_relaxed));
	charge(ix, 1);
	ix->overflow_used++;
	return line;
}

/* The bucket is in no chain any more. */
static void
give_overflow(struct index *ix, uint32_t line)
{
	struct index_bucket *b = &ix->lines[line];

	memset(b, 0, sizeof(*b));
	b->overflow = ix->overflow_free;
	ix->overflow_free = line;
	ix->overflow_used--;
}

static void
set_slot(struct index_bucket *b, unsigned slot, uint16_t tag, handle h)
{
	b->tag[slot] = tag;
	b->entry[slot] = h;
}

/* The first free slot of a chain; grows the chain by a bucket if it must. */
static bool
put(struct index *ix, uint32_t line, uint16_t tag, handle h)
{
	struct index_bucket *b = &ix->lines[line];
	uint32_t slots;
	unsigned len;

	for (len = 1; (slots = free_slots(b)) == 0; len++) {
		if (b->overflow == 0) {
			line = len < INDEX_CHAIN_MAX ? take_overflow(ix) : 0;
			if (line == 0)
				return false;
			b->overflow = line;
		}
		b = &ix->lines[b->overflow];
	}
	set_slot(b, (unsigned)__builtin_ctz(slots), tag, h);
	return true;
}

/* ------------------------------------------------------------ growth */

static void
set_count(struct index *ix, uint32_t count)
{
	uint32_t mask = atomic_load_explicit(&ix->mask, memory_order_relaxed);

	if (count > mask + 1) {
		mask = mask * 2 + 1;
		atomic_store_explicit(&ix->mask, mask, memory_order_relaxed);
	}
	atomic_store_explicit(&ix->count, count, memory_order_relaxed);
	ix->grow_at = (uint64_t)count * INDEX_SLOTS * FILL_NUM / FILL_DEN;
}

/* The bucket that divides when bucket number count comes to be. */
static uint32_t
parent_of(uint32_t count)
{
	return count & ~((uint32_t)1 << (31 - __builtin_clz(count)));
}

/* Fetches what dividing the bucket after this one will read. */
static void
look_ahead(const struct index *ix, uint32_t count)
{
	const struct index_bucket *b;
	const char *item;
	unsigned i;

	__builtin_prefetch(&ix->lines[index_line(ix, parent_of(count + 1))]);
	b = &ix->lines[index_line(ix, parent_of(count))];
	for (i = 0; i < INDEX_SLOTS; i++) {
		item = arena_at(ix->space->charge, b->entry[i]);
		/* the header and where a key begins: often one line */
		__builtin_prefetch(item);
		__builtin_prefetch(item + sizeof(struct item));
	}
	if (b->overflow != 0)
		__builtin_prefetch(&ix->lines[b->overflow]);
}

struct entry {
	handle h;
	uint16_t tag;
	bool moves;
};

/* Everything in a chain, and whether it belongs to the new bucket. */
static unsigned
gather(const struct index *ix, uint32_t line, uint32_t bit, struct entry *e)
{
	const struct index_bucket *b = &ix->lines[line];
	unsigned i, n = 0;

	for (;; b = &ix->lines[b->overflow]) {
		for (i = 0; i < INDEX_SLOTS; i++) {
			if (b->tag[i] == 0)
				continue;
			e[n].h = b->entry[i];
			e[n].tag = b->tag[i];
			e[n].moves = (hash_bucket(ix->hash_of(ix->arg,
			    b->entry[i])) & bit) != 0;
			n++;
		}
		if (b->overflow == 0)
			return n;
	}
}

static void
clear_chain(struct index *ix, uint32_t line)
{
	struct index_bucket *b = &ix->lines[line];
	uint32_t next, over = b->overflow;

	memset(b, 0, sizeof(*b));
	for (; over != 0; over = next) {
		next = ix->lines[over].overflow;
		give_overflow(ix, over);
	}
}

/*
 * Divides one bucket.  Nothing can fail half-way: two chains never need more
 * overflow buckets than the one did, because each has a main bucket, and those
 * it had are on the list of free ones by then.
 */
static void
grow(struct index *ix)
{
	uint32_t count = index_buckets(ix);
	uint32_t from, to;
	struct entry e[CHAIN_ITEMS];
	unsigned i, n;

	if (count >= ix->space->nmain >> ix->shard_bits)
		return;
	from = index_line(ix, parent_of(count));
	to = index_line(ix, count);
	n = gather(ix, from, count ^ parent_of(count), e);
	clear_chain(ix, from);
	for (i = 0; i < n; i++)
		if (!put(ix, e[i].moves ? to : from, e[i].tag, e[i].h))
			abort();
	charge(ix, 1);
	set_count(ix, count + 1);
	look_ahead(ix, count + 1);
}

/* ------------------------------------------------------------ the table */

void
index_init(struct index *ix, struct index_space *sp, unsigned shard,
    uint32_t items_start, index_hash_fn *hash_of, const void *arg)
{
	uint64_t room = sp->nmain >> sp->shard_bits;
	uint32_t count = BUCKETS_MIN;

	memset(ix, 0, sizeof(*ix));
	ix->lines = sp->lines;
	ix->space = sp;
	ix->hash_of = hash_of;
	ix->arg = arg;
	ix->shard = shard;
	ix->shard_bits = sp->shard_bits;
	while ((uint64_t)count * INDEX_SLOTS * FILL_NUM / FILL_DEN <
	    items_start && (uint64_t)count * 2 <= room)
		count *= 2;
	atomic_store_explicit(&ix->mask, count - 1, memory_order_relaxed);
	set_count(ix, count);
	charge(ix, count);
}

bool
index_insert(struct index *ix, uint64_t hash, handle h)
{
	assert(h != 0);
	if (!put(ix, index_home(ix, hash), index_tag(hash), h))
		return false;
	ix->items++;
	if (ix->items > ix->grow_at)
		grow(ix);
	return true;
}

void
index_remove(struct index *ix, const struct index_probe *p)
{
	struct index_bucket *b = &ix->lines[p->line];

	assert(b->entry[p->slot] != 0);
	set_slot(b, p->slot, 0, 0);
	ix->items--;
	if (p->line != p->prev && free_slots(b) == (1 << INDEX_SLOTS) - 1) {
		ix->lines[p->prev].overflow = b->overflow;
		give_overflow(ix, p->line);
	}
}

unsigned
index_list(const struct index *ix, uint32_t bucket, handle *list,
    unsigned max)
{
	const struct index_bucket *b = &ix->lines[index_line(ix, bucket)];
	unsigned i, n = 0;

	for (;; b = &ix->lines[b->overflow]) {
		for (i = 0; i < INDEX_SLOTS; i++) {
			if (b->entry[i] == 0)
				continue;
			if (n < max)
				list[n] = b->entry[i];
			n++;
		}
		if (b->overflow == 0)
			return n;
	}
}

size_t
index_bytes(const struct index *ix)
{
	return ((size_t)index_buckets(ix) + ix->overflow_used) *
	    sizeof(struct index_bucket);
}

/* ------------------------------------------------------------ check */

static uint64_t
check_bucket(const struct index *ix, const struct index_bucket *b,
    uint32_t home)
{
	unsigned i;
	uint64_t hash, items = 0;

	for (i = 0; i < INDEX_SLOTS; i++) {
		assert((b->tag[i] == 0) == (b->entry[i] == 0));
		if (b->entry[i] == 0)
			continue;
		hash = ix->hash_of(ix->arg, b->entry[i]);
		assert(index_tag(hash) == b->tag[i]);
		assert(index_home(ix, hash) == home);
		items++;
	}
	return items;
}

void
index_check(const struct index *ix)
{
	const struct index_space *sp = ix->space;
	uint32_t n, line, home, count = index_buckets(ix), overflows = 0;
	uint64_t got, items = 0;

	assert(count <= ix->mask + 1 && ix->mask < 2 * (uint64_t)count);
	assert(count <= sp->nmain >> sp->shard_bits);
	for (n = 0; n < count; n++) {
		home = index_line(ix, n);
		items += check_bucket(ix, &ix->lines[home], home);
		line = ix->lines[home].overflow;
		for (; line != 0; line = ix->lines[line].overflow) {
			assert(line >= sp->nmain && line < sp->nlines);
			got = check_bucket(ix, &ix->lines[line], home);
			assert(got > 0);
			items += got;
			overflows++;
			assert(overflows <= ix->overflow_used);
		}
	}
	assert(items == ix->items);
	assert(overflows == ix->overflow_used);
	for (line = ix->overflow_free; line != 0;
	    line = ix->lines[line].overflow)
		assert(line >= sp->nmain && line < sp->nlines);
}
