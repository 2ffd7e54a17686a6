/* lock.c - see lock.h. */
#include "slab/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

/* What is guarded is held for tens of nanoseconds: a few turns of spinning are
 * cheaper than going to sleep. */
enum { SPINS = 100 };

_Thread_local uint32_t lock_held;

static const char *const rank_names[] = {
#define X(name) #name,
	LOCK_RANKS(X)
#undef X
};

void
lock_init(struct lock *l, enum lock_rank rank)
{
	atomic_init(&l->state, LOCK_FREE);
	atomic_init(&l->version, 0);
	l->one = (uint32_t)1 << (8 * rank);
	l->all = l->one * 255;
}

void
lock_fini(struct lock *l)
{
	if (atomic_load(&l->state) != LOCK_FREE)
		lock_abort(l, "ended while held");
}

void
lock_abort(const struct lock *l, const char *what)
{
	fprintf(stderr, "lock of rank %s %s (held: %08x)\n",
	    rank_names[__builtin_ctz(l->one) / 8], what, (unsigned)lock_held);
	abort();
}

/* Returns at once unless the state is still LOCK_WANTED; may return early. */
static void
sleep_on(struct lock *l)
{
#if defined(__linux__)
	int saved = errno;

	syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, LOCK_WANTED, NULL,
	    NULL, 0);
	errno = saved;
#else
	(void)l;
	sched_yield();
#endif
}

void
lock_wake(struct lock *l)
{
#if defined(__linux__)
	int saved = errno;

	syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
#else
	(void)l;
#endif
}

static void
pause_a_bit(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/*
 * Whoever has slept takes the lock as LOCK_WANTED, because he cannot know
 * whether others sleep still: one wake-up too many, never one too few.
 */
void
lock_wait(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&l->state, memory_order_relaxed) ==
		    LOCK_FREE && lock_take(l))
			return;
		pause_a_bit();
	}
	while (atomic_exchange_explicit(&l->state, LOCK_WANTED,
	    memory_order_acquire) != LOCK_FREE)
		sleep_on(l);
}
