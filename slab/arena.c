/* arena.c - see arena.h. */
#include "slab/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLES ((size_t)1 << 32)

/* Above it a page would hold too few units: 64 KiB / 4 KiB, 16 TiB. */
enum { UNIT_SHIFT_MIN = 2, UNIT_SHIFT_MAX = 12 };

/* Kept ready: what the fastest writers take in some milliseconds. */
enum { REACH = 8 << 20, TABLE_REACH = 64 << 10 };

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

void *
arena_map(size_t bytes)
{
	size_t head, all;
	char *p;

	bytes = round_up(bytes, AHEAD_HUGE);
	all = bytes + AHEAD_HUGE;
	p = mmap(NULL, all, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	head = round_up((uintptr_t)p, AHEAD_HUGE) - (uintptr_t)p;
	if (head > 0)
		munmap(p, head);
	if (all - head - bytes > 0)
		munmap(p + head + bytes, all - head - bytes);
	return p + head;
}

void
arena_unmap(void *p, size_t bytes)
{
	if (p != NULL)
		munmap(p, round_up(bytes, AHEAD_HUGE));
}

/* Address space to ask for first: what the handles reach, but no more than a
 * quarter of what an operator grants the process. */
static size_t
wanted(size_t least, bool fixed, unsigned unit_shift)
{
	size_t want = HANDLES << unit_shift;
	struct rlimit rl;

	if (fixed)
		return least;
	if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY &&
	    rl.rlim_cur / 4 < want)
		want = rl.rlim_cur / 4 & ~(size_t)(ARENA_PAGE_SIZE - 1);
	return want > least ? want : least;
}

/* The same addresses are the file's. */
static bool
lay_file(struct arena *a, size_t reserved, int fd)
{
	return mmap(a->base, reserved, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
}

static bool
map_both(struct arena *a, size_t reserved, int fd)
{
	size_t table = (reserved >> ARENA_PAGE_SHIFT) * sizeof(struct page);

	a->base = arena_map(reserved + ARENA_SLACK);
	if (a->base == NULL)
		return false;
	if (fd >= 0 && !lay_file(a, reserved, fd)) {
		arena_unmap(a->base, reserved + ARENA_SLACK);
		return false;
	}
	a->pages = arena_map(table);
	if (a->pages == NULL) {
		arena_unmap(a->base, reserved + ARENA_SLACK);
		return false;
	}
	/* What clients keep here is none of a core file's business. */
	madvise(a->base, reserved, MADV_DONTDUMP);
	ahead_init(&a->memory, a->base, reserved, AHEAD_HUGE, REACH);
	ahead_init(&a->table, a->pages, table, AHEAD_HUGE, TABLE_REACH);
	a->reserved = reserved;
	return true;
}

/* As large as that, and no block of it is yet to be found. */
static bool
fit_file(int fd, size_t bytes, const char **why)
{
	struct stat st;
	int error;

	if (fstat(fd, &st) == 0 && st.st_size > (off_t)bytes &&
	    ftruncate(fd, (off_t)bytes) != 0) {
		*why = "the memory file cannot be cut to the memory limit";
		return false;
	}
	do {
		error = posix_fallocate(fd, 0, (off_t)bytes);
	} while (error == EINTR);
	if (error == ENOSPC || error == EDQUOT)
		*why = "its file system has no room for the memory limit";
	else if (error == EFBIG)
		*why = "a file may not be as large as the memory limit";
	else if (error != 0)
		*why = "it cannot be made as large as the memory limit";
	return error == 0;
}

static int
init(struct arena *a, size_t limit, bool fixed, int fd, const char **why)
{
	size_t least, want;

	memset(a, 0, sizeof(*a));
	if (limit < ARENA_PAGE_SIZE ||
	    limit > (HANDLES << UNIT_SHIFT_MAX) - 2 * ARENA_PAGE_SIZE) {
		*why = "the memory limit is out of range";
		return -1;
	}
	least = round_up(limit, ARENA_PAGE_SIZE) + ARENA_PAGE_SIZE;
	a->unit_shift = UNIT_SHIFT_MIN;
	while (HANDLES << a->unit_shift < least)
		a->unit_shift++;
	if (fd >= 0 && !fit_file(fd, least, why))
		return -1;
	a->is_file = fd >= 0;
	want = wanted(least, fixed, a->unit_shift);
	while (!map_both(a, want, fd)) {
		if (want == least) {
			*why = "cannot reserve address space for the memory "
			       "limit";
			return -1;
		}
		want = want / 2 & ~(size_t)(ARENA_PAGE_SIZE - 1);
		if (want < least)
			want = least;
	}
	lock_init(&a->lock, LOCK_ARENA);
	readers_init(&a->readers);
	sem_init(&a->bell, 0, 0);
	a->touched = 1;
	a->warm_head = a->cold_head = ARENA_NONE;
	a->limit = limit;
	return 0;
}

int
arena_init(struct arena *a, size_t limit, bool fixed, const char **why)
{
	return init(a, limit, fixed, -1, why);
}

int
arena_init_file(struct arena *a, size_t limit, int fd, const char **why)
{
	assert(fd >= 0);
	return init(a, limit, true, fd, why);
}

void
arena_fini(struct arena *a)
{
	arena_unmap(a->base, a->reserved + ARENA_SLACK);
	arena_unmap(a->pages,
	    (a->reserved >> ARENA_PAGE_SHIFT) * sizeof(struct page));
	lock_fini(&a->lock);
	readers_fini(&a->readers);
	sem_destroy(&a->bell);
	a->base = NULL;
	a->pages = NULL;
}

/*
 * Pages that may be in use under the limit.  Of what is charged as much is
 * spared as memcached takes for its hash table on top of the limit: from 5.3
 * bytes for each of its items, of which there are seven for ten of ours; so
 * that resident memory is not above memcached's at the same limit (measured
 * at 64 and 256 MB; the least, 3/256, is what items of 1000 bytes need).
 */
static uint32_t
quota(struct arena *a)
{
	size_t limit = atomic_load_explicit(&a->limit, memory_order_relaxed);
	size_t charged = atomic_load_explicit(&a->charged,
	    memory_order_relaxed);
	size_t spared = charged / 3, over;

	if (spared > limit / 16)
		spared = limit / 16;
	if (spared < limit / 256 * 3)
		spared = limit / 256 * 3;
	over = charged > spared ? charged - spared : 0;
	return over < limit ? (uint32_t)((limit - over) >> ARENA_PAGE_SHIFT) :
			      0;
}

static uint32_t
in_use(struct arena *a)
{
	return atomic_load_explicit(&a->in_use, memory_order_relaxed);
}

static void
set_in_use(struct arena *a, uint32_t n)
{
	atomic_store_explicit(&a->in_use, n, memory_order_relaxed);
}

uint32_t
arena_excess(struct arena *a)
{
	uint32_t have = in_use(a), may = quota(a);

	return have > may ? have - may : 0;
}

uint32_t
arena_room(struct arena *a)
{
	uint32_t have = in_use(a), may = quota(a);

	return may > have ? may - have : 0;
}

void
arena_charge(struct arena *a, ptrdiff_t bytes)
{
	atomic_fetch_add_explicit(&a->charged, (size_t)bytes,
	    memory_order_relaxed);
}

static uint32_t
pop(struct arena *a, uint32_t *head, uint32_t *count)
{
	uint32_t n = *head;

	if (n != ARENA_NONE) {
		*head = a->pages[n].next;
		--*count;
	}
	return n;
}

static void
push(struct arena *a, uint32_t *head, uint32_t *count, uint32_t n)
{
	a->pages[n].next = *head;
	*head = n;
	++*count;
}

/* ARENA_NONE at the very end, while a page that is being cooled is missing
 * from the lists. */
static uint32_t
fresh(struct arena *a)
{
	uint32_t n = atomic_load_explicit(&a->touched, memory_order_relaxed);

	if (n == a->reserved >> ARENA_PAGE_SHIFT)
		return ARENA_NONE;
	atomic_store_explicit(&a->touched, n + 1, memory_order_relaxed);
	return n;
}

/* Pages below n are in use: is what has been faulted low? */
static bool
use(struct arena *a, uint32_t n)
{
	bool low = ahead_use(&a->memory, (size_t)n << ARENA_PAGE_SHIFT);

	return ahead_use(&a->table, n * sizeof(struct page)) || low;
}

static uint32_t
take(struct arena *a, bool exchange)
{
	uint32_t n = ARENA_NONE;
	bool low = false;
	struct page *p;

	lock_acquire(&a->lock);
	if (exchange || arena_room(a) > 0) {
		n = pop(a, &a->warm_head, &a->nwarm);
		if (n == ARENA_NONE)
			n = pop(a, &a->cold_head, &a->ncold);
		if (n == ARENA_NONE && (n = fresh(a)) != ARENA_NONE)
			low = use(a, n + 1);
	}
	if (n != ARENA_NONE)
		set_in_use(a, in_use(a) + 1);
	lock_release(&a->lock);
	if (low)
		arena_ring(a);
	if (n == ARENA_NONE)
		return n;
	p = &a->pages[n];
	p->used = 0;
	p->free = 0;
	p->prev = p->next = 0;
	atomic_store_explicit(&p->draining, 0, memory_order_relaxed);
	return n;
}

uint32_t
arena_take(struct arena *a)
{
	return take(a, false);
}

uint32_t
arena_take_in_exchange(struct arena *a)
{
	return take(a, true);
}

/* ------------------------------------------------------------ ahead of use */

void
arena_ring(struct arena *a)
{
	if (!atomic_exchange_explicit(&a->low, true, memory_order_acq_rel))
		sem_post(&a->bell);
}

void
arena_await(struct arena *a)
{
	while (sem_wait(&a->bell) != 0)
		;
	/* A swap: what was in use before the bell was rung is seen now. */
	(void)atomic_exchange_explicit(&a->low, false, memory_order_acq_rel);
}

bool
arena_go_ahead(struct arena *a)
{
	uint32_t room, kept, touched;

	lock_acquire(&a->lock);
	room = arena_room(a);
	kept = a->nwarm + a->ncold;
	touched = atomic_load_explicit(&a->touched, memory_order_relaxed);
	lock_release(&a->lock);
	if (room > kept)
		touched += room - kept;
	return ahead_step(&a->memory, (size_t)touched << ARENA_PAGE_SHIFT) ||
	    ahead_step(&a->table, touched * sizeof(struct page));
}

/* ------------------------------------------------------------ giving back */

/* The system call is made without the lock. */
bool
arena_cool(struct arena *a)
{
	uint32_t n = ARENA_NONE;

	lock_acquire(&a->lock);
	if (a->nwarm > arena_room(a))
		n = pop(a, &a->warm_head, &a->nwarm);
	lock_release(&a->lock);
	if (n == ARENA_NONE)
		return false;
	madvise(a->base + ((size_t)n << ARENA_PAGE_SHIFT), ARENA_PAGE_SIZE,
	    MADV_DONTNEED);
	lock_acquire(&a->lock);
	push(a, &a->cold_head, &a->ncold, n);
	lock_release(&a->lock);
	return true;
}

void
arena_give(struct arena *a, uint32_t n)
{
	readers_wait(&a->readers);
	atomic_store_explicit(&a->pages[n].class_id, 0, memory_order_relaxed);
	lock_acquire(&a->lock);
	push(a, &a->warm_head, &a->nwarm, n);
	set_in_use(a, in_use(a) - 1);
	lock_release(&a->lock);
}

bool
arena_set_limit(struct arena *a, size_t limit)
{
	if (limit < ARENA_PAGE_SIZE || limit > a->reserved - ARENA_PAGE_SIZE ||
	    a->is_file)
		return false;
	lock_acquire(&a->lock);
	atomic_store_explicit(&a->limit, limit, memory_order_relaxed);
	lock_release(&a->lock);
	return true;
}

/* ------------------------------------------------------------ a file's */

void
arena_resume(struct arena *a, uint32_t n)
{
	lock_acquire(&a->lock);
	assert(a->touched == 1 && n <= a->reserved >> ARENA_PAGE_SHIFT);
	atomic_store_explicit(&a->touched, n > 0 ? n : 1, memory_order_relaxed);
	(void)use(a, n);
	lock_release(&a->lock);
	arena_ring(a);
}

void
arena_adopt(struct arena *a, uint32_t n, unsigned class_id)
{
	assert(n > 0 && n < a->touched);
	lock_acquire(&a->lock);
	set_in_use(a, in_use(a) + 1);
	lock_release(&a->lock);
	atomic_store_explicit(&a->pages[n].class_id, (uint8_t)class_id,
	    memory_order_release);
}

void
arena_adopt_free(struct arena *a, uint32_t n)
{
	assert(n > 0 && n < a->touched);
	lock_acquire(&a->lock);
	push(a, &a->warm_head, &a->nwarm, n);
	lock_release(&a->lock);
}

bool
arena_sync(struct arena *a, size_t bytes)
{
	return msync(a->base, bytes, MS_SYNC) == 0;
}

static void
check_list(struct arena *a, uint32_t n, uint32_t count)
{
	for (; count > 0; count--) {
		assert(n > 0 && n < a->touched);
		assert(a->pages[n].class_id == 0);
		n = a->pages[n].next;
	}
	assert(n == ARENA_NONE);
}

void
arena_check(struct arena *a)
{
	uint32_t n, classed = 0;

	lock_acquire(&a->lock);
	check_list(a, a->warm_head, a->nwarm);
	check_list(a, a->cold_head, a->ncold);
	for (n = 0; n < a->touched; n++)
		classed += a->pages[n].class_id != 0;
	assert(a->pages[0].class_id == 0);
	assert(classed == a->in_use);
	assert(a->touched == 1 + a->in_use + a->nwarm + a->ncold);
	lock_release(&a->lock);
}
