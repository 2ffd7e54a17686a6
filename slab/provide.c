/* provide.c - see cache.h: memory faulted ahead of use. */
#include "slab/cache.h"
#include "slab/door.h"

static bool
is_over(struct cache *c)
{
	return atomic_load_explicit(&c->provided, memory_order_acquire);
}

void
cache_provide(struct cache *c)
{
	while (!is_over(c)) {
		arena_await(&c->slab.arena);
		while (!is_over(c) && (index_go_ahead(c->space) ||
		    arena_go_ahead(&c->slab.arena)))
			;
	}
}

void
cache_provide_end(struct cache *c)
{
	atomic_store_explicit(&c->provided, true, memory_order_release);
	arena_ring(&c->slab.arena);
}
