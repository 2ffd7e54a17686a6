/* index.c - see index.h. */
#include "slab/index.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FILL = 9, /* items per bucket; above it a bucket divides */
	BUCKETS_MIN = 16,
	/* Of a huge page that has just been begun most is waste; that many
	 * bytes of small ones a processor still knows by heart. */
	PLAIN = 8 << 20,
	REACH = 512 << 10, /* kept ready */
};

/* Address space to begin with, and what must be had at least. */
#define ITEMS_MAX ((uint64_t)1 << 32)
#define ITEMS_LEAST ((uint64_t)1 << 16)

/* ------------------------------------------------------------ space */

/* Chance fills some shards more than others: an eighth more than the average,
 * and a few.  Two cells for each bucket are twice what is ever needed. */
static bool
map_space(struct index_space *sp, uint64_t items)
{
	const uint64_t huge = AHEAD_HUGE / sizeof(struct index_bucket);
	uint64_t n = items / FILL + items / FILL / 8;

	n = ((n >> sp->shard_bits) + BUCKETS_MIN) << sp->shard_bits;
	n = (n + huge - 1) & ~(huge - 1);
	if (2 * n > UINT32_MAX)
		return false;
	sp->mapped = n * sizeof(struct index_bucket) +
	    2 * n * sizeof(struct index_cell);
	sp->lines = arena_map(sp->mapped);
	if (sp->lines == NULL)
		return false;
	sp->nlines = (uint32_t)n;
	sp->ncells = (uint32_t)(2 * n);
	sp->cells = (struct index_cell *)(void *)(sp->lines + n);
	ahead_init(&sp->lines_ahead, sp->lines, n * sizeof(*sp->lines), PLAIN,
	    REACH);
	ahead_init(&sp->cells_ahead, sp->cells, 2 * n * sizeof(*sp->cells),
	    PLAIN, REACH);
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
	while (!map_space(sp, items)) {
		items /= 2;
		if (items < ITEMS_LEAST) {
			*why = "cannot reserve address space for the index";
			free(sp);
			return NULL;
		}
	}
	sp->cells_next = 1;
	return sp;
}

void
index_space_free(struct index_space **sp)
{
	if (*sp == NULL)
		return;
	arena_unmap((*sp)->lines, (*sp)->mapped);
	free(*sp);
	*sp = NULL;
}

bool
index_go_ahead(struct index_space *sp)
{
	return ahead_step(&sp->lines_ahead, SIZE_MAX) ||
	    ahead_step(&sp->cells_ahead, SIZE_MAX);
}

/* ------------------------------------------------------------ cells */

/* An empty cell's number, or 0. */
static uint32_t
take_cell(struct index *ix)
{
	struct index_space *sp = ix->space;
	uint32_t n = ix->cells_free;

	if (n != 0) {
		ix->cells_free = ix->cells[n].next;
		ix->cells[n].next = 0;
		ix->cells_used++;
		return n;
	}
	n = atomic_load_explicit(&sp->cells_next, memory_order_relaxed);
	do {
		if (n == sp->ncells)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&sp->cells_next, &n,
	    n + 1, memory_order_relaxed, memory_order_relaxed));
	if (ahead_use(&sp->cells_ahead, (size_t)(n + 1) *
		sizeof(struct index_cell)))
		arena_ring(sp->charge);
	arena_charge(sp->charge, sizeof(struct index_cell));
	ix->cells_used++;
	return n;
}

/* The cell is in no chain any more. */
static void
give_cell(struct index *ix, uint32_t n)
{
	struct index_cell *c = &ix->cells[n];

	memset(c, 0, sizeof(*c));
	c->next = ix->cells_free;
	ix->cells_free = n;
	ix->cells_used--;
}

/* The first free slot of a chain; grows the chain by a cell if it must. */
static bool
put(struct index *ix, uint32_t line, uint16_t tag, handle h)
{
	struct index_bucket *b = &ix->lines[line];
	uint32_t free = index_match(b, 0), *link = &b->overflow;
	struct index_cell *c;
	unsigned i, len;

	if (free != 0) {
		i = (unsigned)__builtin_ctz(free);
		b->tag[i] = tag;
		b->entry[i] = h;
		return true;
	}
	for (len = 0; len < INDEX_CELLS_MAX; len++) {
		if (*link == 0 && (*link = take_cell(ix)) == 0)
			return false;
		c = &ix->cells[*link];
		free = index_match_cell(c, 0);
		if (free != 0) {
			i = (unsigned)__builtin_ctz(free);
			c->tag[i] = tag;
			c->entry[i] = h;
			return true;
		}
		link = &c->next;
	}
	return false;
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
	ix->grow_at = (uint64_t)count * FILL;
}

/* The bucket that divides when bucket number count comes to be. */
static uint32_t
parent_of(uint32_t count)
{
	return count & ~((uint32_t)1 << (31 - __builtin_clz(count)));
}

static void
fetch_item(const struct index *ix, handle h)
{
	const char *item = arena_at(ix->space->charge, h);

	/* the header and where a key begins: often one line */
	__builtin_prefetch(item);
	__builtin_prefetch(item + sizeof(struct item));
}

/*
 * Fetches what dividing the next buckets will read: one step before, the
 * items; two steps, the first cell; three steps, the bucket.
 */
static void
look_ahead(const struct index *ix, uint32_t count)
{
	const struct index_bucket *b;
	uint32_t cell;
	unsigned i;

	__builtin_prefetch(&ix->lines[index_line(ix, parent_of(count + 2))]);
	b = &ix->lines[index_line(ix, parent_of(count + 1))];
	__builtin_prefetch(&ix->cells[b->overflow]);
	b = &ix->lines[index_line(ix, parent_of(count))];
	for (i = 0; i < INDEX_SLOTS; i++)
		fetch_item(ix, b->entry[i]);
	for (cell = b->overflow; cell != 0; cell = ix->cells[cell].next)
		for (i = 0; i < INDEX_CELL_SLOTS; i++)
			fetch_item(ix, ix->cells[cell].entry[i]);
}

struct entry {
	handle h;
	uint16_t tag;
};

static unsigned
gather(const struct index *ix, uint32_t line, struct entry *e)
{
	const struct index_bucket *b = &ix->lines[line];
	const struct index_cell *c;
	uint32_t cell;
	unsigned i, n = 0;

	for (i = 0; i < INDEX_SLOTS; i++) {
		e[n] = (struct entry){ b->entry[i], b->tag[i] };
		n += b->tag[i] != 0;
	}
	for (cell = b->overflow; cell != 0; cell = c->next) {
		c = &ix->cells[cell];
		for (i = 0; i < INDEX_CELL_SLOTS; i++) {
			e[n] = (struct entry){ c->entry[i], c->tag[i] };
			n += c->tag[i] != 0;
		}
	}
	return n;
}

static void
clear_chain(struct index *ix, uint32_t line)
{
	struct index_bucket *b = &ix->lines[line];
	uint32_t cell = b->overflow, next;

	memset(b, 0, sizeof(*b));
	for (; cell != 0; cell = next) {
		next = ix->cells[cell].next;
		give_cell(ix, cell);
	}
}

/*
 * Divides one bucket.  Nothing can fail half-way: two chains never need more
 * cells than the one did, because each has a bucket of its own, and those it
 * had are on the list of free ones by then.
 */
static void
grow(struct index *ix)
{
	uint32_t count = index_buckets(ix);
	uint32_t from, to, bit = count ^ parent_of(count);
	struct entry e[INDEX_CHAIN_MAX + 1]; /* gather() writes ahead */
	unsigned i, n;
	bool moves;

	if (count >= ix->space->nlines >> ix->shard_bits)
		return;
	from = index_line(ix, parent_of(count));
	to = index_line(ix, count);
	n = gather(ix, from, e);
	clear_chain(ix, from);
	for (i = 0; i < n; i++) {
		moves = hash_bucket(ix->hash_of(ix->arg, e[i].h)) & bit;
		if (!put(ix, moves ? to : from, e[i].tag, e[i].h))
			abort();
	}
	if (ahead_use(&ix->space->lines_ahead,
		(size_t)(to + 1) * sizeof(struct index_bucket)))
		arena_ring(ix->space->charge);
	arena_charge(ix->space->charge, sizeof(struct index_bucket));
	set_count(ix, count + 1);
	look_ahead(ix, count + 1);
}

/* ------------------------------------------------------------ the table */

void
index_init(struct index *ix, struct index_space *sp, unsigned shard,
    uint32_t items_start, index_hash_fn *hash_of, const void *arg)
{
	uint64_t room = sp->nlines >> sp->shard_bits;
	uint32_t count = BUCKETS_MIN;

	memset(ix, 0, sizeof(*ix));
	ix->lines = sp->lines;
	ix->cells = sp->cells;
	ix->space = sp;
	ix->hash_of = hash_of;
	ix->arg = arg;
	ix->shard = shard;
	ix->shard_bits = sp->shard_bits;
	while (
	    (uint64_t)count * FILL < items_start && (uint64_t)count * 2 <= room)
		count *= 2;
	atomic_store_explicit(&ix->mask, count - 1, memory_order_relaxed);
	set_count(ix, count);
	arena_charge(sp->charge, count * (ptrdiff_t)sizeof(*sp->lines));
}

/* As if growth had come so far, with the other thread always a little ahead:
 * the pages are the huge ones that would be there. */
static void
fault_lines(struct index_space *sp, size_t bytes)
{
	struct ahead *a = &sp->lines_ahead;
	size_t used = atomic_load_explicit(&a->used, memory_order_relaxed);

	while (used < bytes) {
		used = used + REACH / 2 < bytes ? used + REACH / 2 : bytes;
		(void)ahead_use(a, used);
		while (ahead_step(a, SIZE_MAX))
			;
	}
}

void
index_widen(struct index *ix, uint32_t buckets)
{
	uint32_t room = ix->space->nlines >> ix->shard_bits, mask = 1;
	uint32_t had = index_buckets(ix);

	assert(ix->items == 0);
	if (buckets > room)
		buckets = room;
	if (buckets <= had)
		return;
	while (mask < buckets - 1)
		mask = mask * 2 + 1;
	fault_lines(ix->space, (size_t)(index_line(ix, buckets - 1) + 1) *
	    sizeof(struct index_bucket));
	atomic_store_explicit(&ix->mask, mask, memory_order_relaxed);
	set_count(ix, buckets);
	arena_charge(ix->space->charge, (ptrdiff_t)(buckets - had) *
	    (ptrdiff_t)sizeof(struct index_bucket));
}

bool
index_insert(struct index *ix, uint64_t hash, handle h)
{
	assert(h != 0);
	if (!put(ix, index_home(ix, hash), index_tag(hash), h)) {
		/* dividing gives cells back; but not without end, for a flood
		 * of equal hashes */
		if (ix->items > ix->grow_at / 2)
			grow(ix);
		if (!put(ix, index_home(ix, hash), index_tag(hash), h))
			return false;
	}
	ix->items++;
	if (ix->items > ix->grow_at)
		grow(ix);
	return true;
}

/* A slot of a cell becomes free; prev is the cell before it, 0 if none. */
static void
drop_from_cell(struct index *ix, struct index_bucket *b, uint32_t prev,
    uint32_t cell, unsigned slot)
{
	struct index_cell *c = &ix->cells[cell];

	assert(c->entry[slot] != 0);
	c->tag[slot] = 0;
	c->entry[slot] = 0;
	if (index_match_cell(c, 0) != (1 << INDEX_CELL_SLOTS) - 1)
		return;
	if (prev == 0)
		b->overflow = c->next;
	else
		ix->cells[prev].next = c->next;
	give_cell(ix, cell);
}

/*
 * A hole in a bucket is filled from its first cell, so no bucket with cells
 * has one: where items come and go the cells would be there to stay else, a
 * byte for each item of the cache.
 */
void
index_remove(struct index *ix, const struct index_probe *p)
{
	struct index_bucket *b = &ix->lines[p->line];
	const struct index_cell *c = &ix->cells[b->overflow];
	unsigned last;

	ix->items--;
	if (p->cell != 0) {
		drop_from_cell(ix, b, p->prev, p->cell, p->slot);
		return;
	}
	assert(b->entry[p->slot] != 0);
	b->tag[p->slot] = 0;
	b->entry[p->slot] = 0;
	if (b->overflow == 0)
		return;
	last = 31 - (unsigned)__builtin_clz(~index_match_cell(c, 0) &
	    ((1 << INDEX_CELL_SLOTS) - 1));
	b->tag[p->slot] = c->tag[last];
	b->entry[p->slot] = c->entry[last];
	drop_from_cell(ix, b, 0, b->overflow, last);
}

unsigned
index_list(const struct index *ix, uint32_t bucket, handle *list, unsigned max)
{
	struct entry e[INDEX_CHAIN_MAX + 1];
	unsigned i, n = gather(ix, index_line(ix, bucket), e);

	for (i = 0; i < n && i < max; i++)
		list[i] = e[i].h;
	return n;
}

size_t
index_bytes(const struct index *ix)
{
	return index_buckets(ix) * sizeof(struct index_bucket) +
	    ix->cells_used * sizeof(struct index_cell);
}

/* ------------------------------------------------------------ check */

static void
check_slot(const struct index *ix, uint32_t home, uint16_t tag, handle h)
{
	uint64_t hash;

	assert((tag == 0) == (h == 0));
	if (h == 0)
		return;
	hash = ix->hash_of(ix->arg, h);
	assert(index_tag(hash) == tag);
	assert(index_home(ix, hash) == home);
}

/* How many cells the chain has. */
static unsigned
check_chain(const struct index *ix, uint32_t home)
{
	const struct index_bucket *b = &ix->lines[home];
	const struct index_cell *c;
	uint32_t cell;
	unsigned i, len = 0;

	for (i = 0; i < INDEX_SLOTS; i++)
		check_slot(ix, home, b->tag[i], b->entry[i]);
	for (cell = b->overflow; cell != 0; cell = c->next) {
		assert(cell < ix->space->cells_next);
		assert(++len <= INDEX_CELLS_MAX);
		c = &ix->cells[cell];
		for (i = 0; i < INDEX_CELL_SLOTS; i++)
			check_slot(ix, home, c->tag[i], c->entry[i]);
		assert(index_match_cell(c, 0) != (1 << INDEX_CELL_SLOTS) - 1);
	}
	return len;
}

void
index_check(const struct index *ix)
{
	const struct index_space *sp = ix->space;
	uint32_t n, cell, count = index_buckets(ix);
	uint64_t items = 0, cells = 0, idle = 0;

	assert(count <= ix->mask + 1 && ix->mask < 2 * (uint64_t)count);
	assert(count <= sp->nlines >> sp->shard_bits);
	for (n = 0; n < count; n++) {
		cells += check_chain(ix, index_line(ix, n));
		items += index_list(ix, n, NULL, 0);
	}
	assert(items == ix->items);
	assert(cells == ix->cells_used);
	for (cell = ix->cells_free; cell != 0; cell = ix->cells[cell].next) {
		assert(cell < sp->cells_next);
		assert(++idle + cells < sp->cells_next);
	}
}
