/* lru.c - see lru.h. */
#include "slab/lru.h"

#include <assert.h>

enum { FEW = 4 }; /* items that a queue may hold whatever its share */

static struct item *
at(const struct arena *a, handle h)
{
	return arena_at(a, h);
}

uint32_t
lru_factor(double factor)
{
	double fixed = factor * LRU_FACTOR_ONE;

	return fixed < UINT32_MAX ? (uint32_t)fixed : UINT32_MAX;
}

void
lru_policy_init(struct lru_policy *p, const struct cache_config *config)
{
	double hot = config->hot_factor > 0 ? config->hot_factor : 0.2;
	double warm = config->warm_factor > 0 ? config->warm_factor : 2.0;

	p->flat = config->flat_lru;
	p->hot_pct = config->hot_pct ? config->hot_pct : 20;
	p->warm_pct = config->warm_pct ? config->warm_pct : 40;
	p->hot_factor = lru_factor(hot);
	p->warm_factor = lru_factor(warm);
	p->temporary_ttl = config->temporary_ttl;
	p->no_evictions = config->no_evictions;
}

enum cache_queue
lru_place(const struct lru_policy *p, uint32_t deadline, uint32_t now)
{
	uint32_t ttl = atomic_load_explicit(&p->temporary_ttl,
	    memory_order_relaxed);

	if (ttl != 0 && deadline > now && deadline - now <= ttl)
		return CACHE_TEMP;
	return atomic_load_explicit(&p->flat, memory_order_relaxed) ?
	    CACHE_COLD :
	    CACHE_HOT;
}

void
lru_push(struct lru *l, const struct arena *a, handle h, enum cache_queue to)
{
	struct lru_queue *q = &l->queues[to];
	struct item *it = at(a, h);

	it->bits = (uint8_t)((it->bits & ~ITEM_QUEUE) | to);
	it->newer = 0;
	it->older = q->newest;
	if (q->newest != 0)
		at(a, q->newest)->newer = h;
	else
		q->oldest = h;
	q->newest = h;
	q->items++;
}

void
lru_drop(struct lru *l, const struct arena *a, handle h)
{
	struct item *it = at(a, h);
	struct lru_queue *q = &l->queues[it->bits & ITEM_QUEUE];

	assert(q->items > 0);
	if (it->newer != 0)
		at(a, it->newer)->older = it->older;
	else
		q->newest = it->older;
	if (it->older != 0)
		at(a, it->older)->newer = it->newer;
	else
		q->oldest = it->newer;
	q->items--;
	it->newer = it->older = 0;
}

void
lru_moved(struct lru *l, const struct arena *a, handle from, handle to)
{
	struct item *it = at(a, to);
	struct lru_queue *q = &l->queues[it->bits & ITEM_QUEUE];

	(void)from;
	if (it->newer != 0)
		at(a, it->newer)->older = to;
	else
		q->newest = to;
	if (it->older != 0)
		at(a, it->older)->newer = to;
	else
		q->oldest = to;
}

static void
requeue(struct lru *l, const struct arena *a, handle h, enum cache_queue to)
{
	lru_drop(l, a, h);
	lru_push(l, a, h, to);
}

void
lru_refresh(struct lru *l, const struct arena *a, handle h, uint32_t now)
{
	struct item *it = at(a, h);

	if (now - it->accessed < LRU_FLAT_GRAIN)
		return;
	it->accessed = now;
	if ((it->bits & ITEM_QUEUE) == CACHE_COLD)
		requeue(l, a, h, CACHE_COLD);
}

void
lru_replace(struct lru *l, const struct lru_scene *sc, handle h)
{
	unsigned queue = at(sc->arena, h)->bits & ITEM_QUEUE;
	enum cache_queue place = lru_place(sc->policy,
	    at(sc->arena, h)->deadline, sc->now);

	if (place == CACHE_COLD ||
	    (queue == CACHE_TEMP) != (place == CACHE_TEMP))
		requeue(l, sc->arena, h, place);
}

void
lru_settle(struct lru *l, const struct lru_scene *sc, handle h)
{
	struct item *it = at(sc->arena, h);
	enum cache_queue place = lru_place(sc->policy, it->deadline, sc->now);

	if (place != CACHE_TEMP)
		requeue(l, sc->arena, h, place);
}

uint32_t
lru_age(const struct lru *l, const struct arena *a, enum cache_queue q,
    uint32_t now)
{
	handle h = l->queues[q].oldest;
	uint32_t accessed = h != 0 ? at(a, h)->accessed : now;

	return now > accessed ? now - accessed : 0;
}

/* Items that nobody has asked for twice: HOT and COLD together. */
static uint64_t
probation(const struct lru *l)
{
	return (uint64_t)l->queues[CACHE_HOT].items +
	    l->queues[CACHE_COLD].items;
}

/*
 * Of memcached's three shares COLD has what the others leave; three eighths of
 * that, 15 % by default, is what probation is left under pressure.  (Measured:
 * 5 % costs 1 % more misses than 10 %; of 10, 15 and 20 % the middle is best
 * by 0.3 %, and keeps more of what is large than 10 % does.)
 */
static bool
is_probation_over(const struct lru *l, const struct lru_policy *p)
{
	uint64_t all = probation(l) + l->queues[CACHE_WARM].items;

	return probation(l) * 100 * 8 >
	    all * (100 - p->hot_pct - p->warm_pct) * 3;
}

/* Has HOT more than its share of probation, or does its tail stand idle there
 * while COLD turns faster? */
static bool
is_hot_over(const struct lru *l, const struct lru_scene *sc)
{
	const struct lru_policy *p = sc->policy;
	uint64_t items = l->queues[CACHE_HOT].items, idle, cold;

	if (items == 0)
		return false;
	if (atomic_load_explicit(&p->flat, memory_order_relaxed))
		return true;
	/* A shard's part of a class can be a handful of items, of which no
	 * percentage makes sense. */
	if (items > FEW &&
	    items * (100 - p->warm_pct) > probation(l) * p->hot_pct)
		return true;
	idle = lru_age(l, sc->arena, CACHE_HOT, sc->now);
	cold = lru_age(l, sc->arena, CACHE_COLD, sc->now);
	return idle * LRU_FACTOR_ONE > cold * p->hot_factor;
}

static void
pull(struct lru *l, const struct lru_scene *sc, enum cache_queue q,
    enum cache_queue to)
{
	handle h = l->queues[q].oldest;

	at(sc->arena, h)->bits &= (uint8_t)~ITEM_ACTIVE;
	requeue(l, sc->arena, h, to);
	if (to == CACHE_COLD)
		l->counts.moves_to_cold++;
	else if (q == CACHE_WARM)
		l->counts.moves_within_lru++;
	else
		l->counts.moves_to_warm++;
}

unsigned
lru_balance(struct lru *l, const struct lru_scene *sc, unsigned max)
{
	bool flat = atomic_load_explicit(&sc->policy->flat,
	    memory_order_relaxed);
	unsigned n = 0;

	while (n < max && is_hot_over(l, sc)) {
		const struct item *it = at(sc->arena,
		    l->queues[CACHE_HOT].oldest);

		pull(l, sc, CACHE_HOT,
		    (it->bits & ITEM_ACTIVE) && !flat ? CACHE_WARM :
							CACHE_COLD);
		n++;
	}
	while (n < max && flat && l->queues[CACHE_WARM].items > 0) {
		pull(l, sc, CACHE_WARM, CACHE_COLD);
		n++;
	}
	return n;
}

static handle
dead_tail(const struct lru *l, const struct lru_scene *sc)
{
	for (unsigned q = 0; q < CACHE_QUEUES; q++) {
		handle h = l->queues[q].oldest;

		if (h != 0 && h != sc->keep &&
		    lru_is_dead(at(sc->arena, h), sc->epoch, sc->now))
			return h;
	}
	return 0;
}

static bool
is_pinned(struct item *it)
{
	return item_is_large(it) &&
	    atomic_load_explicit(&item_large(it)->refs, memory_order_relaxed) >
	    1;
}

/* Which tail goes next: that of probation while it is larger than it need be,
 * else that of WARM; TEMP last. */
static enum cache_queue
poorest(const struct lru *l, const struct lru_policy *p)
{
	if (l->queues[CACHE_WARM].items != 0 && !is_probation_over(l, p))
		return CACHE_WARM;
	if (l->queues[CACHE_COLD].items != 0)
		return CACHE_COLD;
	if (l->queues[CACHE_HOT].items != 0)
		return CACHE_HOT;
	return l->queues[CACHE_WARM].items != 0 ? CACHE_WARM : CACHE_TEMP;
}

/* Has it been asked for while it stood in that queue? */
static bool
is_wanted(const struct item *it, enum cache_queue q)
{
	return (it->bits & ITEM_ACTIVE) ||
	    (q != CACHE_WARM && (it->bits & ITEM_FETCHED));
}

handle
lru_victim(struct lru *l, const struct lru_scene *sc)
{
	handle h = dead_tail(l, sc);
	bool flat = atomic_load_explicit(&sc->policy->flat,
	    memory_order_relaxed);

	if (h != 0 || sc->policy->no_evictions)
		return h;
	for (unsigned n = 0; n < LRU_REACH; n++) {
		enum cache_queue q;
		struct item *it;

		lru_balance(l, sc, 2);
		q = poorest(l, sc->policy);
		h = l->queues[q].oldest;
		if (h == 0)
			return 0;
		it = at(sc->arena, h);
		if (h == sc->keep || is_pinned(it)) {
			requeue(l, sc->arena, h, q);
			l->counts.lrutail_reflocked += h != sc->keep;
			continue;
		}
		/* Near the end of the reach somebody has to go. */
		if (q != CACHE_TEMP && is_wanted(it, q) && !flat &&
		    n < LRU_REACH / 2 && !lru_is_dead(it, sc->epoch, sc->now)) {
			pull(l, sc, q, CACHE_WARM);
			continue;
		}
		return h;
	}
	return 0;
}

void
lru_tell(struct lru *l, const struct item *it, uint32_t now)
{
	l->tells = (it->bits & ITEM_QUEUE) == CACHE_WARM ||
	    2 * (uint64_t)l->queues[CACHE_WARM].items < lru_items(l);
	if (l->tells)
		l->turnover = now > it->accessed ? now - it->accessed : 0;
}

void
lru_check(const struct lru *l, const struct arena *a)
{
	for (unsigned n = 0; n < CACHE_QUEUES; n++) {
		const struct lru_queue *q = &l->queues[n];
		handle newer = 0;
		uint32_t items = 0;

		for (handle h = q->newest; h != 0; h = at(a, h)->older) {
			assert(at(a, h)->newer == newer);
			assert((at(a, h)->bits & ITEM_QUEUE) == n);
			assert(item_state(at(a, h)) == ITEM_LINKED);
			newer = h;
			items++;
		}
		assert(q->oldest == newer);
		assert(q->items == items);
	}
}
