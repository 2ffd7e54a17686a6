/* reassign.c - see cache.h: a page moved by hand. */
#include "slab/cache.h"
#include "slab/door.h"

/* The class that is the most willing to give, of those that have two pages. */
static unsigned
richest(const struct cache *c, unsigned but)
{
	unsigned best = 0;

	for (unsigned k = 1; k <= c->slab.nclasses; k++) {
		uint32_t pages = atomic_load_explicit(
		    &c->slab.classes[k].pages, memory_order_relaxed);

		if (k != but && pages > 1 &&
		    (best == 0 || level_score(c, k) > level_score(c, best)))
			best = k;
	}
	return best;
}

enum cache_status
cache_reassign(struct cache *c, const struct cache_caller *w, unsigned from,
    unsigned to)
{
	if (from == 0)
		from = richest(c, to);
	if (from == 0 || from > c->slab.nclasses || to > c->slab.nclasses ||
	    atomic_load_explicit(&c->slab.classes[from].pages,
	    memory_order_relaxed) < 2)
		return CACHE_NOT_FOUND;
	return room_take_page(c, from, true, w->now) ? CACHE_DELETED :
	    CACHE_NO_MEMORY;
}
