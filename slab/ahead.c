/* ahead.c - see ahead.h. */
#include "slab/ahead.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
	PIECE = 128 << 10,
	NEAR = 128 << 10, /* somebody might be there before us */
	SMALL_PAGE = 4096,
};

void
ahead_init(struct ahead *a, void *base, size_t end, size_t plain, size_t reach)
{
	assert((uintptr_t)base % AHEAD_HUGE == 0 && plain % AHEAD_HUGE == 0);
	a->base = base;
	a->end = end;
	a->plain = plain;
	a->reach = reach;
	atomic_init(&a->used, 0);
	atomic_init(&a->ready, 0);
	/* Where the system gives huge pages to everybody they are excepted
	 * expressly. */
	madvise(base, end, MADV_NOHUGEPAGE);
}

/* A wish: a kernel without huge pages refuses it. */
static void
want_huge(struct ahead *a, size_t from)
{
	if (from >= a->plain && from + AHEAD_HUGE <= a->end)
		madvise(a->base + from, AHEAD_HUGE, MADV_HUGEPAGE);
}

/*
 * What is there already may be in use: or'ing nothing to a byte changes none,
 * whatever others write at the same time.  The sanitizers cannot know.
 */
__attribute__((noinline, no_sanitize("thread"),
    no_sanitize("address"))) static void
touch(char *from, const char *to)
{
	for (; from < to; from += SMALL_PAGE)
		__atomic_fetch_or(from, 0, __ATOMIC_RELAXED);
}

/* Where a worker was first there are small pages; the kernel may make huge ones
 * of them when it has time. */
static void
mend_passed(struct ahead *a, size_t from, size_t to)
{
	from &= ~(AHEAD_HUGE - 1);
	for (; from + AHEAD_HUGE <= to; from += AHEAD_HUGE)
		want_huge(a, from);
}

bool
ahead_step(struct ahead *a, size_t most)
{
	size_t used = atomic_load_explicit(&a->used, memory_order_relaxed);
	size_t ready = atomic_load_explicit(&a->ready, memory_order_relaxed);
	size_t from = ready > used ? ready : used, to, edge;

	if (most > a->end)
		most = a->end;
	if (from >= most || from >= used + ahead_margin(a, used))
		return false;
	from &= ~(size_t)(SMALL_PAGE - 1);
	edge = (from | (AHEAD_HUGE - 1)) + 1;
	if (from >= a->plain && from % AHEAD_HUGE == 0 && edge <= most &&
	    from >= used + NEAR) {
		want_huge(a, from);
		to = edge;
	} else {
		to = from + PIECE < edge ? from + PIECE : edge;
		to = to < most ? to : most;
	}
	touch(a->base + from, a->base + to);
	if (to - from < AHEAD_HUGE)
		mend_passed(a, ready, to);
	atomic_store_explicit(&a->ready, to, memory_order_relaxed);
	return true;
}
