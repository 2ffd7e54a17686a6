/*
 * lock.h - mutexes with ranks: the list below is the lock order.
 *
 * A thread may acquire only a rank above all that it holds; a reversed order
 * aborts at its first execution, not at its first deadlock.  lock_try() alone
 * is exempt from the order, because it never waits.
 *
 * What a thread holds is one number, eight bits for each rank that count the
 * locks of that rank.  "Nothing of this rank or above" is then one shift.
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
#include <stdint.h>

#define LOCK_RANKS(X)                                                         \
	X(SHARD) /* one slice: its index, its queues, every item in them */   \
	X(CLASS) /* pages and free chunks of one size class */                \
	X(ARENA) /* the pool of pages in no class */

enum lock_rank {
#define X(name) LOCK_##name,
	LOCK_RANKS(X)
#undef X
	LOCK_NRANKS
};
_Static_assert(LOCK_NRANKS <= 4, "lock_held has eight bits for each rank");

/* For clang -Wthread-safety; see make lint. */
#if defined(__clang__)
#define LOCK_ATTR(x) __attribute__((x))
#else
#define LOCK_ATTR(x)
#endif
#define REQUIRES(x) LOCK_ATTR(exclusive_locks_required(x))
#define ACQUIRES(x) LOCK_ATTR(exclusive_lock_function(x))
#define TRIES(x) LOCK_ATTR(exclusive_trylock_function(true, x))
#define RELEASES(x) LOCK_ATTR(unlock_function(x))
#define UNCHECKED LOCK_ATTR(no_thread_safety_analysis)

struct LOCK_ATTR(capability("mutex")) lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

/* What this thread holds.  In the header only to be inlined. */
extern _Thread_local uint32_t lock_held;

void lock_init(struct lock *, enum lock_rank);
void lock_fini(struct lock *);

/* Says what went wrong with a lock of that rank, and aborts. */
_Noreturn void lock_abort(const struct lock *, const char *what);

static inline uint32_t
lock_one(const struct lock *l)
{
	return (uint32_t)1 << (8 * l->rank);
}

static inline void lock_acquire(struct lock *l) ACQUIRES(*l) UNCHECKED;
static inline bool lock_try(struct lock *l) TRIES(*l) UNCHECKED;
static inline void lock_release(struct lock *l) RELEASES(*l) UNCHECKED;

static inline void
lock_acquire(struct lock *l)
{
	if (__builtin_expect(lock_held >= lock_one(l), 0))
		lock_abort(l, "acquired against the order");
	if (__builtin_expect(pthread_mutex_lock(&l->mutex) != 0, 0))
		lock_abort(l, "cannot be acquired");
	lock_held += lock_one(l);
}

static inline bool
lock_try(struct lock *l)
{
	if (pthread_mutex_trylock(&l->mutex) != 0)
		return false;
	lock_held += lock_one(l);
	return true;
}

static inline void
lock_release(struct lock *l)
{
	if (__builtin_expect((lock_held >> (8 * l->rank) & 255) == 0, 0))
		lock_abort(l, "released, but not held");
	lock_held -= lock_one(l);
	if (__builtin_expect(pthread_mutex_unlock(&l->mutex) != 0, 0))
		lock_abort(l, "cannot be released");
}

#endif
