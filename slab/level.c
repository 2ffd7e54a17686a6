/* level.c - see door.h: which class gives a page, and which takes it. */
#include "slab/door.h"

enum {
	/* Ages are kept in such parts of a second: items know whole ones, but
	 * the mean of many knows better, and where a class turns over in less
	 * than a second it is all there is. */
	AGE_ONE = 1 << 20,
	AGE_LEAST = AGE_ONE / 4, /* there is no use in comparing less */
	AGE_WEIGHT = 32, /* so many evictions make a mean ... */
	AGE_SPAN = 2,	 /* ... and seconds, see span() */

	/*
	 * A class that has no other is so much poorer.  If it is asked for now
	 * and then it would else give its page, and take it back for the next
	 * item: with 4, where sizes alternate on 16 MB (bench/README.md), a
	 * hundred times as many pages moved.
	 */
	LAST_PAGE = 32,
	TURN = 16, /* evictions of a class between two looks around */
	IDLE_PAGES = 4, /* free ones' worth: nobody is to be evicted for them */

	/*
	 * A class takes a page once it has evicted so many pages' worth since
	 * the last one; the sooner the more there is to gain.  Measured on
	 * traces: where sizes shift, waiting costs hits (twice as patient,
	 * 1 % more misses on ormbusy); where they do not, ages differ by
	 * chance, and moving costs the giver more items than the taker gains
	 * (write40: a page for every four, 3 % more than at rest).  Who is so
	 * rich as not to miss it gives at once: 6 % fewer misses in the tenth
	 * after sizes shift (calcify at 256 MB), 0.2 % more at most
	 * elsewhere (write40 at 96 MB).
	 */
	WORTH = 4,     /* what the classes are worth is compared in quarters */
	GAP_LEAST = 5, /* a quarter more: nothing moves for less */
	GAP_LARGE = 8,
	GAP_HUGE = 16,
	GAP_VAST = 32,
	PATIENCE = 16,
	PATIENCE_LARGE = 4,
	PATIENCE_HUGE = 1,
};

/* Has it as many free chunks as make so many pages? */
static bool
has_free(const struct cache *c, unsigned class_id, unsigned pages)
{
	const struct slab_class *k = &c->slab.classes[class_id];
	uint64_t all = (uint64_t)k->pages * k->per_page, used = k->used;

	return all >= used + (uint64_t)k->per_page * pages;
}

static bool
has_spare(const struct cache *c, unsigned class_id)
{
	return has_free(c, class_id, 1);
}

bool
level_spares(const struct cache *c, unsigned for_class)
{
	for (unsigned k = 1; k <= c->slab.nclasses; k++)
		if (k != for_class && has_spare(c, k))
			return true;
	return false;
}

static uint64_t
age_of(const struct cache *c, unsigned class_id)
{
	return atomic_load_explicit(&c->ages[class_id], memory_order_relaxed);
}

static void
set_age(struct cache *c, unsigned class_id, uint64_t age)
{
	atomic_store_explicit(&c->ages[class_id], age, memory_order_relaxed);
}

void
level_init(struct cache *c)
{
	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		uint32_t size = c->slab.classes[k].chunk_size;

		while (c->roots[k] * c->roots[k] < size)
			c->roots[k]++;
	}
}

/*
 * How willingly the class gives: the age of its tail, or how long its items
 * stand unused if that is more, times the square root of its chunk size.  What
 * is large must be used more often to be worth its place; were it for hits
 * alone, in proportion to its size, but then what is large would hardly be kept
 * at all, and bytes count, too.
 */
uint64_t
level_score(const struct cache *c, unsigned class_id)
{
	uint64_t age = age_of(c, class_id);
	uint64_t unused = atomic_load_explicit(&c->unused[class_id],
	    memory_order_relaxed);

	if (age < unused)
		age = unused;
	return (age > AGE_LEAST ? age : AGE_LEAST) * c->roots[class_id];
}

void
level_used(struct cache *c, unsigned class_id, uint32_t seconds)
{
	atomic_store_explicit(&c->unused[class_id],
	    (uint64_t)seconds * AGE_ONE, memory_order_relaxed);
}

uint32_t
level_tail(struct shard *s, unsigned class_id, uint32_t now)
{
	const struct lru *l = &s->lru[class_id];
	const struct arena *a = &s->slab->arena;
	uint32_t warm = lru_age(l, a, CACHE_WARM, now);
	uint32_t cold = lru_age(l, a,
	    l->queues[CACHE_COLD].items > 0 ? CACHE_COLD : CACHE_HOT, now);

	return warm > cold ? warm : cold;
}

/*
 * One more eviction.  Returns over how many the mean is to be taken.
 *
 * What was last used half a second ago is of the second before in the first
 * half of each, and of this one in the other.  So where ages are that short the
 * mean must be that of whole seconds, or all such classes seem to be rich when
 * a second turns and poor at its end, and large items, which turn over so fast,
 * are kept for too long: sizes from 20 bytes to 100 KB on 64 MB, 7 % more
 * misses; ormbusy 2 %.
 */
static int64_t
span(struct cache *c, unsigned class_id, int64_t age, uint32_t now)
{
	_Atomic uint32_t *second = &c->paces[class_id].second;
	_Atomic uint32_t *n = &c->paces[class_id].n;
	_Atomic uint32_t *kept = &c->paces[class_id].span;
	uint32_t was = atomic_load_explicit(second, memory_order_relaxed);
	uint32_t so_far = atomic_load_explicit(n, memory_order_relaxed);
	int64_t most;

	/* Callers' clocks may differ for a moment. */
	if (now > was) {
		most = (int64_t)(so_far / (now - was)) * AGE_SPAN;
		if (age > AGE_ONE)
			most = most * AGE_ONE / age;
		atomic_store_explicit(kept, (uint32_t)most,
		    memory_order_relaxed);
		atomic_store_explicit(second, now, memory_order_relaxed);
		so_far = 0;
	}
	atomic_store_explicit(n, so_far + 1, memory_order_relaxed);
	most = atomic_load_explicit(kept, memory_order_relaxed);
	return most > AGE_WEIGHT ? most : AGE_WEIGHT;
}

void
level_note(struct cache *c, struct shard *s, unsigned class_id, uint32_t now)
{
	const struct lru *l = &s->lru[class_id];
	int64_t age = (int64_t)age_of(c, class_id);
	int64_t seen = (int64_t)l->turnover * AGE_ONE;

	/* While probation gives all that is needed, WARM may grow old. */
	if (!l->tells) {
		seen = (int64_t)level_tail(s, class_id, now) * AGE_ONE;
		if (seen <= age)
			return;
	}
	age += (seen - age) / span(c, class_id, age, now);
	set_age(c, class_id, (uint64_t)age);
}

void
level_poll(struct cache *c, unsigned class_id, uint64_t sum, unsigned shards)
{
	set_age(c, class_id, shards > 0 ? sum * AGE_ONE / shards : 0);
}

/*
 * What the class will be worth with a page less, or one more: its tail so much
 * younger or older.  Without that, where classes have few pages, each page
 * that moves makes its giver the poorest: on sixteen megabytes ten times as
 * many moved, on 64 (metakv, ormbusy) twice as many, for up to 4 % more misses.
 */
static uint64_t
score_less(const struct cache *c, unsigned class_id)
{
	uint64_t pages = c->slab.classes[class_id].pages;
	uint64_t score = level_score(c, class_id);

	return pages > 1 ? score - score / pages : score / LAST_PAGE;
}

static uint64_t
score_more(const struct cache *c, unsigned class_id)
{
	uint64_t pages = c->slab.classes[class_id].pages;
	uint64_t score = level_score(c, class_id);

	return pages > 0 ? score + score / pages : score;
}

unsigned
level_giver(const struct cache *c, unsigned for_class, const bool *tried)
{
	uint64_t best = 0;
	unsigned giver = 0;

	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		uint64_t worth = score_less(c, k) + 1;

		if (k == for_class || c->slab.classes[k].pages == 0 ||
		    (tried != NULL && tried[k]))
			continue;
		if (has_spare(c, k))
			worth = UINT64_MAX;
		else if (c->policy.no_evictions)
			continue;
		if (worth > best) {
			best = worth;
			giver = k;
		}
	}
	return giver;
}

/* How much richer the giver is, in quarters. */
static uint64_t
gap(const struct cache *c, unsigned giver, unsigned taker)
{
	if (has_spare(c, giver))
		return UINT64_MAX;
	return score_less(c, giver) * WORTH / score_more(c, taker);
}

unsigned
level_due(struct cache *c, unsigned taker)
{
	_Atomic uint32_t *turns = &c->turns[taker];
	uint32_t n = atomic_load_explicit(turns, memory_order_relaxed) + 1;
	unsigned giver, patience = PATIENCE;
	uint64_t by;

	giver = atomic_load_explicit(&c->idle, memory_order_relaxed);
	if (__builtin_expect(giver != 0, 0) && giver != taker) {
		if (has_free(c, giver, IDLE_PAGES) ||
		    gap(c, giver, taker) >= GAP_VAST)
			return giver;
		atomic_store_explicit(&c->idle, 0, memory_order_relaxed);
	}
	atomic_store_explicit(turns, n, memory_order_relaxed);
	if (n % TURN != 0 || c->policy.no_evictions)
		return 0;
	/* What was begun is to be ended soon, whoever gets it. */
	giver = atomic_load_explicit(&c->drain.class_id, memory_order_relaxed);
	if (giver != 0)
		return giver;
	giver = level_giver(c, taker, NULL);
	if (giver == 0 || (by = gap(c, giver, taker)) < GAP_LEAST)
		return 0;
	if (has_free(c, giver, IDLE_PAGES) || by >= GAP_VAST) {
		atomic_store_explicit(&c->idle, giver, memory_order_relaxed);
		return giver;
	}
	if (by >= GAP_LARGE)
		patience = by >= GAP_HUGE ? PATIENCE_HUGE : PATIENCE_LARGE;
	if (n < c->slab.classes[taker].per_page * patience)
		return 0;
	return giver;
}
