/*
 * lock.h - mutexes with ranks: the list below is the lock order.
 *
 * A thread may acquire only a rank above all that it holds; a reversed order
 * aborts at its first execution, not at its first deadlock.  lock_try() alone
 * is exempt from the order, because it never waits.
 *
 * What a thread holds is one number, eight bits for each rank that count the
 * locks of that rank.  "Nothing of this rank or above" is then one compare.
 *
 * The mutex is a word and two atomic instructions, inlined; whoever finds it
 * taken spins a little and then sleeps in the kernel.  A pthread_mutex_t takes
 * 64 instructions more for the pair, a seventh of what a pipelined get may
 * cost.
 *
 * Who only wants to look may do so without the lock, if he can find out after
 * that nobody held it meanwhile:
 *
 *      uint64_t seen = lock_glance(&l);
 *      if (lock_is_quiet(seen)) {
 *              ... read what it guards, believing nothing ...
 *              if (lock_unmoved(&l, seen))
 *                      ... all that was read was true at that instant ...
 *      }
 *
 * The version is odd while the lock is held.  Who holds it makes it odd before
 * his first store (release fence) and even after his last (release store); the
 * reader's loads stand between an acquire load and an acquire fence.  If any of
 * them saw a store made under the lock, or under another one that was acquired
 * after this one was released, the fences order that holder's first step before
 * lock_unmoved(), which then says false.
 *
 * Owns:    nothing; a struct lock is embedded in what it guards.
 * Threads: any; a lock is released by the thread that acquired it.
 * Fails:   aborts on a breach of the order.
 * Cost:    about 20 instructions for the pair, when nobody else wants it.
 */
#ifndef SLAB_LOCK_H
#define SLAB_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_RANKS(X)                                                         \
	X(SHARD) /* one slice: its index, its queues, every item in them */   \
	X(CLASS) /* pages and free chunks of one size class */                \
	X(ARENA) /* the pool of pages in no class */                          \
	X(READERS) /* the list of who reads without the first */

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

/* state: free, held, or held and somebody may sleep. */
enum lock_state { LOCK_FREE, LOCK_HELD, LOCK_WANTED };

struct LOCK_ATTR(capability("mutex")) lock {
	_Atomic uint32_t state;
	uint32_t one; /* one lock of its rank, in lock_held */
	uint32_t all; /* all of them */
	_Atomic uint64_t version;
};

/* What this thread holds.  In the header only to be inlined; never in a shared
 * library, so that reading it is one instruction. */
extern _Thread_local uint32_t lock_held
    __attribute__((tls_model("local-exec")));

void lock_init(struct lock *, enum lock_rank);
void lock_fini(struct lock *);

/* Parts of those below: acquires a lock that is taken; wakes a sleeper; says
 * what went wrong, and aborts. */
void lock_wait(struct lock *);
void lock_wake(struct lock *);
_Noreturn void lock_abort(const struct lock *, const char *what);

static inline void lock_acquire(struct lock *l) ACQUIRES(*l) UNCHECKED;
static inline bool lock_try(struct lock *l) TRIES(*l) UNCHECKED;
static inline void lock_release(struct lock *l) RELEASES(*l) UNCHECKED;

/* It is going to be acquired: its line is fetched to be written, which takes it
 * from whoever held the lock last.  gcc would fetch it to be read, which some
 * processors of long ago could only do; all of 64 bits know the other. */
static inline void
lock_foresee(const struct lock *l)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*l));
#else
	__builtin_prefetch(l, 1);
#endif
}

static inline bool
lock_take(struct lock *l)
{
	uint32_t expected = LOCK_FREE;

	return atomic_compare_exchange_strong_explicit(&l->state, &expected,
	    LOCK_HELD, memory_order_acquire, memory_order_relaxed);
}

/* TSan knows no fences, and need not: what races by intent it is told not to
 * look at, and everything else is ordered by the locks. */
#if defined(__SANITIZE_THREAD__)
#define lock_fence(order) atomic_signal_fence(order)
#else
#define lock_fence(order) atomic_thread_fence(order)
#endif

/* Only the holder writes it: no locked instruction. */
static inline void
lock_open(struct lock *l)
{
	uint64_t v = atomic_load_explicit(&l->version, memory_order_relaxed);

	atomic_store_explicit(&l->version, v + 1, memory_order_relaxed);
	lock_fence(memory_order_release);
}

static inline void
lock_close(struct lock *l)
{
	uint64_t v = atomic_load_explicit(&l->version, memory_order_relaxed);

	atomic_store_explicit(&l->version, v + 1, memory_order_release);
}

static inline uint64_t
lock_glance(const struct lock *l)
{
	return atomic_load_explicit(&l->version, memory_order_acquire);
}

static inline bool
lock_is_quiet(uint64_t seen)
{
	return (seen & 1) == 0;
}

static inline bool
lock_unmoved(const struct lock *l, uint64_t seen)
{
	lock_fence(memory_order_acquire);
	return atomic_load_explicit(&l->version, memory_order_relaxed) == seen;
}

static inline void
lock_acquire(struct lock *l)
{
	if (__builtin_expect(lock_held >= l->one, 0))
		lock_abort(l, "acquired against the order");
	if (__builtin_expect(!lock_take(l), 0))
		lock_wait(l);
	lock_held += l->one;
	lock_open(l);
}

static inline bool
lock_try(struct lock *l)
{
	if (!lock_take(l))
		return false;
	lock_held += l->one;
	lock_open(l);
	return true;
}

static inline void
lock_release(struct lock *l)
{
	if (__builtin_expect((lock_held & l->all) == 0, 0))
		lock_abort(l, "released, but not held");
	lock_held -= l->one;
	lock_close(l);
	if (__builtin_expect(atomic_exchange_explicit(&l->state, LOCK_FREE,
	    memory_order_release) == LOCK_WANTED, 0))
		lock_wake(l);
}

#endif
