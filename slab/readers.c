/* readers.c - see readers.h. */
#include "slab/readers.h"

#include <sched.h>
#include <stdlib.h>

/* Turns of looking before somebody else may need the processor more. */
enum { SPINS = 1000 };

void
readers_init(struct readers *all)
{
	lock_init(&all->lock, LOCK_READERS);
	all->first = NULL;
}

void
readers_fini(struct readers *all)
{
	assert(all->first == NULL);
	lock_fini(&all->lock);
}

struct cache_reader *
readers_join(struct readers *all)
{
	struct cache_reader *r = aligned_alloc(_Alignof(struct cache_reader),
	    sizeof(*r));

	if (r == NULL)
		return NULL;
	atomic_init(&r->inside, 0);
	lock_acquire(&all->lock);
	r->next = all->first;
	all->first = r;
	lock_release(&all->lock);
	return r;
}

void
readers_part(struct readers *all, struct cache_reader **rp)
{
	struct cache_reader *r = *rp, **link;

	*rp = NULL;
	if (r == NULL)
		return;
	lock_acquire(&all->lock);
	for (link = &all->first; *link != r; link = &(*link)->next)
		;
	*link = r->next;
	lock_release(&all->lock);
	free(r);
}

void
readers_wait(struct readers *all)
{
	lock_acquire(&all->lock);
	for (struct cache_reader *r = all->first; r != NULL; r = r->next) {
		unsigned turns = 0;

		/* A swap, not a look: who enters after it sees all that was
		 * done before it. */
		while (atomic_fetch_or_explicit(&r->inside, 0,
		    memory_order_acq_rel) != 0)
			if (++turns % SPINS == 0)
				sched_yield();
	}
	lock_release(&all->lock);
}
