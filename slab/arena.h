/*
 * arena.h - one mapping of address space, handed out page by page.
 *
 *      base                                                    base + reserved
 *      |  --  |page 1|page 2|  ...  |page touched-1|  never touched  ...     |
 *
 * A page is 64 KiB and belongs to one size class at a time.  Small pages let
 * memory follow the load: with memcached's 1 MiB a class cannot own less than
 * a sixty-fourth of a 64 MB cache.  Measured on six traces, misses by
 * memcached's: 0.810 with pages of 32 KiB, 0.808 with 64, 0.810, 0.819, 0.836
 * and 0.891 with 128 to 1024; items held differ by a hundredth at most
 * (bench/README.md).  And a page must be emptied within a set.
 *
 * Page 0 is never handed out nor touched, so handle 0 can mean nothing.
 *
 * Space is reserved without being committed; memory is touched only as pages
 * are taken, or a little ahead of that, in huge pages beyond the first 2 MB
 * (ahead.h), so that an empty server stays small.
 *
 * Or the mapping is a file's, which outlives the process (cache.h, restart):
 * as large as the limit and page 0, and all of it allocated at once, for a file
 * system that is full later would end the process by a signal.
 *
 * When the system refuses much address space, less is reserved, down to the
 * limit.  The limit counts pages in use and what is charged on top (the index
 * and the ghosts, beyond what memcached's own hash table would take).
 *
 * A handle counts units of 1 << unit_shift bytes: 4 bytes up to 16 GiB of
 * address space, then as much more as 32 bits need.  Chunk sizes are multiples
 * of the unit.
 *
 * Owns:    the mapping and the table of pages.
 * Threads: arena_take(), arena_give() and arena_set_limit() take the arena's
 *          lock; the others need none.
 * Fails:   arena_take() returns ARENA_NONE at the limit; both at the end of
 *          the mapping.
 * Cost:    O(1).
 */
#ifndef SLAB_ARENA_H
#define SLAB_ARENA_H

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

#include "slab/ahead.h"
#include "slab/item.h"
#include "slab/lock.h"
#include "slab/readers.h"

enum {
	ARENA_PAGE_SHIFT = 16,
	ARENA_PAGE_SIZE = 1 << ARENA_PAGE_SHIFT,
	/* Behind the last page, never written: whoever reads an item without
	 * the lock may have been told that it is longer than it is. */
	ARENA_SLACK = ARENA_PAGE_SIZE,
};
#define ARENA_NONE UINT32_MAX

/* What is known of a page.  Guarded by the lock of its class, or by the
 * arena's while it is in none; class_id may be read (acquire) without. */
struct page {
	_Atomic uint8_t class_id; /* 0 = in no class */
	_Atomic uint8_t draining; /* being emptied: give nothing out of it */
	uint16_t used;		  /* chunks not free */
	handle free;		  /* first free chunk: item_free */
	uint32_t prev, next; /* page numbers, in the list that it stands in */
};

struct arena {
	char *base;
	size_t reserved; /* bytes of address space */
	unsigned unit_shift;
	bool is_file; /* its limit is fixed */
	struct page *pages;	  /* reserved like the arena, touched as used */
	struct lock lock;	  /* guards from here ... */
	_Atomic uint32_t touched; /* pages ever taken are below this one */
	uint32_t warm_head;	  /* given back, memory kept; or ARENA_NONE */
	uint32_t cold_head;	  /* given back, memory returned */
	uint32_t nwarm, ncold;
	/* ... to here; the rest may be read without */
	_Atomic uint32_t in_use; /* pages in a class */
	_Atomic size_t limit;	 /* bytes */
	_Atomic size_t charged;	 /* bytes of the index; relaxed */
	struct readers readers;	 /* who may still mark what was in a page */
	/* What is to be faulted, and a bell for who does it. */
	struct ahead memory, table;
	_Atomic bool low; /* the bell has been rung and not been heard */
	sem_t bell;
};

/* fixed: never to be raised above limit.  Returns 0, or -1 with *why. */
int arena_init(struct arena *, size_t limit, bool fixed, const char **why);
/* In the file, which is made as large as it must be; it stays the caller's,
 * who may close it.  What is in it stays. */
int arena_init_file(struct arena *, size_t limit, int fd, const char **why);
void arena_fini(struct arena *);

/*
 * A page number, its entry zeroed; or ARENA_NONE.  Its bytes are whatever was
 * there: set class_id (release) only when every chunk of it has a true state,
 * for somebody may walk it from then on.
 */
uint32_t arena_take(struct arena *);
/* Likewise, but at the limit, too: for who has just given one back.  While
 * there is an excess arena_take() would refuse it. */
uint32_t arena_take_in_exchange(struct arena *);
/* No item is in it any more; who may still mark one is waited for. */
void arena_give(struct arena *, uint32_t page);

/* false beyond what is reserved, and in a file.  Lowering it does not take
 * pages back from classes: arena_excess() says how many they must give. */
bool arena_set_limit(struct arena *, size_t limit);
/*
 * Of a new arena: pages below n have been taken before, by another process.
 * Each is then given to a class (arena_adopt()) or to nobody.
 */
void arena_resume(struct arena *, uint32_t n);
void arena_adopt(struct arena *, uint32_t page, unsigned class_id);
void arena_adopt_free(struct arena *, uint32_t page);
/* So many bytes of it are in the file, as far as the system can say. */
bool arena_sync(struct arena *, size_t bytes);

/* Returns one page's memory to the system if the free pages that kept theirs
 * do not fit under the limit; false: they do. */
bool arena_cool(struct arena *);
uint32_t arena_excess(struct arena *);
/* Pages that could still be taken.  Takes no lock: a hint under traffic. */
uint32_t arena_room(struct arena *);
void arena_charge(struct arena *, ptrdiff_t bytes);
/* Aborts unless the lists of free pages and the counts agree. */
void arena_check(struct arena *);

/* Memory that is ready runs low: whoever awaits that may go on. */
void arena_ring(struct arena *);
/* Sleeps until then. */
void arena_await(struct arena *);
/* Faults a piece of what will be taken next; false: there is no need. */
bool arena_go_ahead(struct arena *);

/* Zeroed address space, aligned to 2 MB and committed as it is touched; NULL
 * if refused.  The same bytes go to arena_unmap(). */
void *arena_map(size_t bytes);
void arena_unmap(void *, size_t bytes);

static inline void *
arena_at(const struct arena *a, handle h)
{
	return a->base + ((size_t)h << a->unit_shift);
}

static inline handle
arena_handle(const struct arena *a, const void *p)
{
	return (handle)((size_t)((const char *)p - a->base) >> a->unit_shift);
}

static inline uint32_t
arena_page_of(const struct arena *a, handle h)
{
	return h >> (ARENA_PAGE_SHIFT - a->unit_shift);
}

static inline unsigned
arena_class_of(const struct arena *a, handle h)
{
	return atomic_load_explicit(&a->pages[arena_page_of(a, h)].class_id,
	    memory_order_acquire);
}

#endif
