/*
 * lock.h - mutexes with ranks: the list below is the lock order.
 *
 * A thread may acquire only a rank above all that it holds; a reversed order
 * aborts at its first execution, not at its first deadlock.  lock_try() alone
 * is exempt from the order, because it never waits.
 *
 * Owns:    nothing; a struct lock is embedded in what it guards.
 * Threads: any.
 * Fails:   aborts on a breach of the order or a failing pthread call.
 * Cost:    an uncontended mutex and one compare.
 */
#ifndef SLAB_LOCK_H
#define SLAB_LOCK_H

#include <pthread.h>
#include <stdbool.h>

#define LOCK_RANKS(X)                                                         \
	X(SHARD) /* one slice: its index, its queues, every item in them */   \
	X(CLASS) /* pages and free chunks of one size class */                \
	X(ARENA) /* the pool of pages in no class */

enum lock_rank {
#define X(name) LOCK_##name,
	LOCK_RANKS(X)
#undef X
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

/* For clang -Wthread-safety; see make lint. */
#if defined(__clang__)
#define REQUIRES(x) __attribute__((exclusive_locks_required(x)))
#else
#define REQUIRES(x)
#endif

void lock_init(struct lock *, enum lock_rank);
void lock_fini(struct lock *);
void lock_acquire(struct lock *);
bool lock_try(struct lock *);
void lock_release(struct lock *);

#endif
