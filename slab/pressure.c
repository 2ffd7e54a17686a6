/* pressure.c - see pressure.h. */
#include "slab/pressure.h"

#include <string.h>

enum {
	SHARE = 256,	   /* of the limit, for the tables */
	BYTES_MAX = 1 << 20,
	ENTRIES_LEAST = 64, /* of the middle one */
	ITEM_WHOLE = 32 << 10, /* items so large are all sampled */
	FIT = 64,	   /* stores between two looks at the sample */
	SPARSE = 4,	   /* so much too few entries: sample more */
	CLOCK_SHIFT = 4,   /* the clock's unit is sixteen requests */
};

/* Entries of each size, for so many of the middle one. */
static uint32_t
entries(unsigned size, uint32_t middle)
{
	return size == PRESSURE_HALF ? middle / 2 + 1 :
	    size == PRESSURE_SAME    ? middle :
				       2 * middle;
}

static size_t
table_bytes(uint32_t middle)
{
	size_t sum = 0;

	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		sum += mini_bytes(entries(i, middle));
	return sum;
}

static void
set_below(struct pressure *p, uint32_t below)
{
	atomic_store_explicit(&p->below, below, memory_order_relaxed);
}

static uint32_t
get_below(const struct pressure *p)
{
	return atomic_load_explicit(&p->below, memory_order_relaxed);
}

/* What a sampled request stands for. */
static double
weight(const struct pressure *p)
{
	return 4294967296.0 / get_below(p);
}

static void
set_budgets(struct pressure *p)
{
	struct arena *a = &p->slab->arena;
	uint64_t pages = (uint64_t)arena_room(a) +
	    atomic_load_explicit(&a->in_use, memory_order_relaxed);
	double all = (double)(pages << ARENA_PAGE_SHIFT) / weight(p);
	uint32_t clock = (uint32_t)(p->clock >> CLOCK_SHIFT);

	mini_resize(&p->minis[PRESSURE_HALF], (uint64_t)(all / 2), clock);
	mini_resize(&p->minis[PRESSURE_SAME], (uint64_t)all, clock);
	mini_resize(&p->minis[PRESSURE_TWICE], (uint64_t)(all * 2), clock);
}

void
pressure_init(struct pressure *p, struct slab *slab, const uint32_t *roots,
    double probation)
{
	size_t limit = slab->arena.limit, may = limit / SHARE;
	uint32_t middle = MINI_ENTRIES_MAX / 2;
	bool done = true;

	if (may > BYTES_MAX)
		may = BYTES_MAX;
	while (middle > ENTRIES_LEAST && table_bytes(middle) > may)
		middle -= middle / 16;
	pthread_mutex_init(&p->lock, NULL);
	p->slab = slab;
	for (unsigned k = 1; k <= slab->nclasses; k++)
		p->chunks[k] = slab->classes[k].chunk_size;
	p->shape = (struct mini_shape){ slab->nclasses, p->chunks, roots,
		&slab->arena, probation };
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		done &= mini_init(&p->minis[i], &p->shape, entries(i, middle));
	p->nbytes = table_bytes(middle);
	if (!done)
		return;
	set_below(p, UINT32_MAX);
	set_budgets(p);
}

void
pressure_fini(struct pressure *p)
{
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		mini_fini(&p->minis[i]);
	pthread_mutex_destroy(&p->lock);
}

/* ------------------------------------------------------------ the sample */

static void
thin(struct pressure *p)
{
	uint32_t below = get_below(p) / 8 * 7;

	if (below < 2)
		return;
	set_below(p, below);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		mini_thin(&p->minis[i], below);
	set_budgets(p);
}

/* More of small items than their part of the requests' cost allows? */
static bool
is_dear(const struct pressure *p)
{
	const struct mini *m = &p->minis[PRESSURE_TWICE];

	return m->n >= ENTRIES_LEAST / 2 &&
	    (double)m->bytes / m->n * weight(p) < ITEM_WHOLE;
}

/* Items have become larger, and few are left in the sample. */
static bool
is_sparse(const struct pressure *p)
{
	const struct mini *m = &p->minis[PRESSURE_SAME];

	return m->n < m->max / SPARSE && m->bytes > m->budget / 8 * 7 &&
	    (double)m->bytes / m->n * weight(p) > 2.0 * ITEM_WHOLE;
}

static void
fit(struct pressure *p)
{
	if (p->stores++ % FIT != 0)
		return;
	while (is_dear(p) && get_below(p) > 2)
		thin(p);
	if (is_sparse(p) && get_below(p) < UINT32_MAX / 8 * 7)
		set_below(p, get_below(p) / 7 * 8);
	set_budgets(p);
}

/* ------------------------------------------------------------ requests */

static uint32_t
tick(struct pressure *p)
{
	p->clock += (uint64_t)weight(p);
	return (uint32_t)(p->clock >> CLOCK_SHIFT);
}

static void
put(struct pressure *p, unsigned size, const struct mini_item *item,
    uint32_t clock)
{
	while (!mini_put(&p->minis[size], item, clock)) {
		thin(p);
		if (!pressure_samples(p, item->hash))
			return;
	}
}

void
pressure_hit(struct pressure *p, const struct mini_item *item, uint32_t now,
    bool counted)
{
	uint32_t clock;

	pthread_mutex_lock(&p->lock);
	clock = tick(p);
	p->gets += counted;
	for (unsigned i = 0; i < PRESSURE_SIZES; i++) {
		struct mini *m = &p->minis[i];

		mini_sweep(m, now);
		if (mini_get(m, item->hash, clock, now, true)) {
			mini_touch(m, item->hash, item->deadline);
			continue;
		}
		if (counted)
			p->misses[i] += weight(p);
		/* There it would have been a miss, and then a store. */
		if (pressure_samples(p, item->hash))
			put(p, i, item, clock);
	}
	pthread_mutex_unlock(&p->lock);
}

void
pressure_miss(struct pressure *p, uint64_t hash, uint32_t now)
{
	uint32_t clock;

	pthread_mutex_lock(&p->lock);
	clock = tick(p);
	p->gets++;
	for (unsigned i = 0; i < PRESSURE_SIZES; i++) {
		mini_sweep(&p->minis[i], now);
		if (!mini_get(&p->minis[i], hash, clock, now, false))
			p->misses[i] += weight(p);
	}
	pthread_mutex_unlock(&p->lock);
}

void
pressure_stored(struct pressure *p, const struct mini_item *item, uint32_t now)
{
	uint32_t clock;

	pthread_mutex_lock(&p->lock);
	clock = tick(p);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++) {
		mini_sweep(&p->minis[i], now);
		if (pressure_samples(p, item->hash))
			put(p, i, item, clock);
	}
	fit(p);
	pthread_mutex_unlock(&p->lock);
}

void
pressure_deleted(struct pressure *p, uint64_t hash)
{
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		mini_drop(&p->minis[i], hash);
	pthread_mutex_unlock(&p->lock);
}

void
pressure_flushed(struct pressure *p)
{
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		mini_clear(&p->minis[i]);
	pthread_mutex_unlock(&p->lock);
}

void
pressure_reset(struct pressure *p)
{
	pthread_mutex_lock(&p->lock);
	p->gets = 0;
	memset(p->misses, 0, sizeof(p->misses));
	pthread_mutex_unlock(&p->lock);
}

void
pressure_check(struct pressure *p)
{
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++)
		mini_check(&p->minis[i]);
	pthread_mutex_unlock(&p->lock);
}
