/*
 * ahead.h - memory faulted in before it is needed, by a thread that may wait.
 *
 *      base           used          ready                            end
 *      |  in use      |  faulted     |  not yet, in small pages       |
 *
 * The first touch of a huge page takes the kernel milliseconds where the host
 * has yet to find the memory itself (measured: 4 to 10), and a worker that
 * does it lets all its clients wait.  So workers only ever touch what is ready,
 * or, when they overtake, what the kernel gives in small pages.  One thread
 * (cache_provide()) goes ahead of them: it asks for a huge page where nobody
 * is yet, and touches it.
 *
 * It touches rather than to ask for it with madvise(): that would hold the
 * lock of the whole address space meanwhile, for which a worker's malloc() may
 * have to wait; a fault holds that of the mapping alone.
 *
 * As much is kept ready as is in use, but no more than `reach': an empty server
 * stays small.
 *
 * Owns:    nothing; the mapping is the caller's.
 * Threads: ahead_use() any; ahead_step() one at a time.
 * Fails:   never: without huge pages, small ones.
 * Cost:    ahead_use() a compare; ahead_step() one huge page, or 128 KB.
 */
#ifndef SLAB_AHEAD_H
#define SLAB_AHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define AHEAD_HUGE ((size_t)2 << 20)

struct ahead {
	/* fixed */
	char *base;    /* at a boundary of AHEAD_HUGE */
	size_t end;
	size_t plain;  /* small pages up to there, a multiple of AHEAD_HUGE */
	size_t reach;
	/* bytes from base; relaxed */
	_Atomic size_t used;
	_Atomic size_t ready; /* ahead_step() alone writes it */
};

/* Nothing of [base, base + end) has been touched; it is mapped. */
void ahead_init(struct ahead *, void *base, size_t end, size_t plain,
    size_t reach);

/* One step; nothing is done beyond most.  false: all is as it should be. */
bool ahead_step(struct ahead *, size_t most);

static inline size_t
ahead_margin(const struct ahead *a, size_t used)
{
	return used < a->reach ? used : a->reach;
}

/* Bytes below `used' are in use from now on.  true: what is ready runs low.
 * Of two who race the one that says less may be the last, which is no harm. */
static inline bool
ahead_use(struct ahead *a, size_t used)
{
	if (used <= atomic_load_explicit(&a->used, memory_order_relaxed))
		return false;
	atomic_store_explicit(&a->used, used, memory_order_relaxed);
	return used + ahead_margin(a, used) / 2 >
	    atomic_load_explicit(&a->ready, memory_order_relaxed);
}

#endif
