/* lock.c - see lock.h. */
#include "slab/lock.h"

#include <stdio.h>
#include <stdlib.h>

_Thread_local uint32_t lock_held;

static const char *const rank_names[] = {
#define X(name) #name,
	LOCK_RANKS(X)
#undef X
};

/*
 * Adaptive: the locks are held for tens of nanoseconds, so that a few turns of
 * spinning are cheaper than going to sleep.
 */
void
lock_init(struct lock *l, enum lock_rank rank)
{
	pthread_mutexattr_t attr;

	l->rank = rank;
	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP) != 0 ||
	    pthread_mutex_init(&l->mutex, &attr) != 0)
		lock_abort(l, "cannot be made");
	pthread_mutexattr_destroy(&attr);
}

void
lock_fini(struct lock *l)
{
	if (pthread_mutex_destroy(&l->mutex) != 0)
		lock_abort(l, "ended while held");
}

void
lock_abort(const struct lock *l, const char *what)
{
	fprintf(stderr, "lock of rank %s %s (held: %08x)\n",
	    rank_names[l->rank], what, (unsigned)lock_held);
	abort();
}
