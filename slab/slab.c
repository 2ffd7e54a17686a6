/* slab.c - see slab.h. */
#include "slab/slab.h"

#include <assert.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum {
	MIN_DEFAULT = 48,   /* cache_config.chunk_min, when 0 */
	SMALLEST = 48,	    /* and the smallest chunk then */
	MAX_CLASS = CACHE_CLASSES - 1,
	PICK_REACH = 16,    /* pages that slab_pick_page() looks at */
};
#define COARSE 1.25 /* memcached's growth factor */

/* ------------------------------------------------------------ sizes */

/*
 * A step of about a tenth, from 4096 on what divides a page; a key of 16 and
 * values of 10, 50, 100, 200 or 1000 bytes, by which the memory of a cache is
 * commonly judged, fit closely.  Finer steps would need more than there are
 * ids.  Measured on six traces, misses by memcached's: 0.808; with a factor of
 * 1.05, 1.08, 1.15 and 1.25 instead 0.815, 0.812, 0.811 and 0.820, and 254 k
 * items of 1000 bytes become 254, 242, 229 and 225 k (bench/README.md).
 */
static const uint32_t SIZES[] = { 48, 52, 60, 68, 76, 84, 92, 100, 108, 116,
	124, 136, 148, 160, 172, 188, 204, 224, 248, 272, 296, 320, 348, 380,
	416, 456, 500, 544, 592, 648, 704, 768, 840, 920, 992, 1056, 1148, 1260,
	1364, 1488, 1636, 1820, 2048, 2256, 2520, 2728, 2976, 3276, 3640, 4096,
	4680, 5460, 6552, 7280, 8192, 9360, 10920, 13104, 16384, 21844, 32768,
	ARENA_PAGE_SIZE };

/* The largest size of which as many chunks fit in a page. */
static uint32_t
even(uint32_t size, uint32_t unit)
{
	uint32_t per_page;

	size = (size + unit - 1) & ~(unit - 1);
	if (size >= ARENA_PAGE_SIZE)
		return ARENA_PAGE_SIZE;
	per_page = ARENA_PAGE_SIZE / size;
	return ARENA_PAGE_SIZE / per_page & ~(unit - 1);
}

static void
add_class(struct slab *s, uint32_t size)
{
	s->nclasses++;
	assert(s->nclasses <= MAX_CLASS);
	s->classes[s->nclasses].chunk_size = size;
	s->classes[s->nclasses].per_page = ARENA_PAGE_SIZE / size;
}

/* Do n steps of COARSE lead from there to a page? */
static bool
reaches_page(double size, unsigned n)
{
	while (n-- > 0)
		size *= COARSE;
	return size >= ARENA_PAGE_SIZE;
}

/*
 * The last class is a whole page always, though ids may not suffice: where the
 * factor would not lead there, the largest ones are coarser.  Sizes are rounded
 * down before they are made even: where the unit is coarse for the factor, the
 * steps are single units rather than now one, now two.
 */
static void
grow_sizes(struct slab *s, uint32_t smallest, double factor, uint32_t unit)
{
	uint32_t size = even(smallest, unit), next;

	s->nclasses = 0;
	while (size < ARENA_PAGE_SIZE && s->nclasses < MAX_CLASS - 1) {
		add_class(s, size);
		if (!reaches_page(size, MAX_CLASS - 1 - s->nclasses) &&
		    factor < COARSE)
			factor = COARSE;
		next = size * factor < ARENA_PAGE_SIZE ?
		    (uint32_t)(size * factor) & ~(unit - 1) : ARENA_PAGE_SIZE;
		size = even(next < size + unit ? size + unit : next, unit);
	}
	add_class(s, ARENA_PAGE_SIZE);
}

/* Those of the table, as far as the unit lets them differ. */
static void
default_sizes(struct slab *s, uint32_t smallest, uint32_t unit)
{
	uint32_t last = 0, size;

	for (unsigned i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		size = even(SIZES[i] < smallest ? smallest : SIZES[i], unit);
		if (size > last)
			add_class(s, size);
		last = size;
	}
}

static int
list_sizes(struct slab *s, const uint32_t *sizes, uint32_t unit,
    const char **why)
{
	uint32_t size, last = 0;

	for (; *sizes != 0 && *sizes < ARENA_PAGE_SIZE; sizes++) {
		size = (*sizes + unit - 1) & ~(unit - 1);
		if (size < SMALLEST || size <= last) {
			*why = "slab sizes must ascend in steps of 8 or more "
			       "from 48 on";
			return -1;
		}
		if (s->nclasses == MAX_CLASS - 1) {
			*why = "more slab sizes than there are class ids";
			return -1;
		}
		if (size < ARENA_PAGE_SIZE)
			add_class(s, size);
		last = size;
	}
	add_class(s, ARENA_PAGE_SIZE);
	return 0;
}

static int
choose_sizes(struct slab *s, const struct cache_config *cf, const char **why)
{
	uint32_t unit = (uint32_t)1 << s->arena.unit_shift;
	uint32_t smallest = SMALLEST;

	if (cf->slab_sizes != NULL)
		return list_sizes(s, cf->slab_sizes, unit, why);
	if (cf->chunk_min != 0 && cf->chunk_min != MIN_DEFAULT) {
		if (cf->chunk_min > ARENA_PAGE_SIZE - sizeof(struct item)) {
			*why = "the least chunk is above a page";
			return -1;
		}
		smallest = sizeof(struct item) + cf->chunk_min;
	}
	if (cf->growth_factor != 0) {
		/* written so that NaN is refused */
		if (!(cf->growth_factor > 1)) {
			*why = "the growth factor must be above 1";
			return -1;
		}
		grow_sizes(s, smallest, cf->growth_factor, unit);
		return 0;
	}
	default_sizes(s, smallest, unit);
	return 0;
}

int
slab_init(struct slab *s, const struct cache_config *cf, const char **why)
{
	uint32_t below = 0, end;
	unsigned id;

	memset(s, 0, sizeof(*s));
	if ((cf->memory_file > 0 ?
		arena_init_file(&s->arena, cf->memory_limit, cf->memory_file,
		    why) :
		arena_init(&s->arena, cf->memory_limit, cf->fixed_limit,
		    why)) != 0)
		return -1;
	if (choose_sizes(s, cf, why) != 0) {
		arena_fini(&s->arena);
		return -1;
	}
	for (id = 1; id <= s->nclasses; id++) {
		end = s->classes[id].chunk_size / 4 + 1;
		memset(s->class_for + below, (int)id, end - below);
		below = end;
		lock_init(&s->classes[id].lock, LOCK_CLASS);
		s->classes[id].partial = ARENA_NONE;
		s->classes[id].full = ARENA_NONE;
	}
	return 0;
}

void
slab_fini(struct slab *s)
{
	unsigned id;

	for (id = 1; id <= s->nclasses; id++)
		lock_fini(&s->classes[id].lock);
	ASAN_UNPOISON_MEMORY_REGION(s->arena.base,
	    (size_t)s->arena.touched << ARENA_PAGE_SHIFT);
	arena_fini(&s->arena);
}

/* ------------------------------------------------------------ lists of pages
 *
 * Rings: the first page's prev is the last one.
 */

static void
link_last(struct slab *s, uint32_t *head, uint32_t n)
{
	struct page *pages = s->arena.pages;
	uint32_t first = *head, last;

	if (first == ARENA_NONE) {
		pages[n].prev = pages[n].next = n;
		*head = n;
		return;
	}
	last = pages[first].prev;
	pages[n].prev = last;
	pages[n].next = first;
	pages[last].next = n;
	pages[first].prev = n;
}

static void
unlink_page(struct slab *s, uint32_t *head, uint32_t n)
{
	struct page *pages = s->arena.pages, *p = &pages[n];

	if (p->next == n) {
		*head = ARENA_NONE;
		return;
	}
	pages[p->prev].next = p->next;
	pages[p->next].prev = p->prev;
	if (*head == n)
		*head = p->next;
}

static uint32_t
get_partial(struct slab_class *c)
{
	return atomic_load_explicit(&c->partial, memory_order_relaxed);
}

static void
set_partial(struct slab_class *c, uint32_t n)
{
	atomic_store_explicit(&c->partial, n, memory_order_relaxed);
}

enum end { FIRST, LAST };

static void
link_partial(struct slab *s, struct slab_class *c, uint32_t n, enum end end)
{
	uint32_t head = get_partial(c);

	link_last(s, &head, n);
	set_partial(c, end == FIRST ? n : head);
}

static void
unlink_partial(struct slab *s, struct slab_class *c, uint32_t n)
{
	uint32_t head = get_partial(c);

	unlink_page(s, &head, n);
	set_partial(c, head);
}

static void
unlink_any(struct slab *s, struct slab_class *c, uint32_t n)
{
	if (s->arena.pages[n].free != 0)
		unlink_partial(s, c, n);
	else
		unlink_page(s, &c->full, n);
}

/* ------------------------------------------------------------ chunks */

static void
add_used(struct slab_class *c, int by)
{
	uint64_t used = atomic_load_explicit(&c->used, memory_order_relaxed);

	atomic_store_explicit(&c->used, used + (uint64_t)(int64_t)by,
	    memory_order_relaxed);
}

static void
add_pages(struct slab_class *c, int by)
{
	uint32_t pages = atomic_load_explicit(&c->pages, memory_order_relaxed);

	atomic_store_explicit(&c->pages, pages + (uint32_t)by,
	    memory_order_relaxed);
}

static handle
next_free(const struct item_free *f)
{
	return atomic_load_explicit(&f->next, memory_order_relaxed);
}

/* A chunk becomes free, before the others of the list. */
static void
free_chunk(struct slab *s, handle h, handle next, uint32_t size)
{
	struct item_free *f = slab_at(s, h);

	atomic_store_explicit(&f->state, ITEM_FREE, memory_order_relaxed);
	atomic_store_explicit(&f->next, next, memory_order_relaxed);
	ASAN_POISON_MEMORY_REGION(f + 1, size - sizeof(*f));
}

static handle
take_chunk(struct slab *s, struct slab_class *c, uint32_t n)
{
	struct page *p = &s->arena.pages[n];
	handle h = p->free;
	struct item_free *f = slab_at(s, h);

	ASAN_UNPOISON_MEMORY_REGION(f + 1, c->chunk_size - sizeof(*f));
	p->free = next_free(f);
	p->used++;
	add_used(c, 1);
	return h;
}

static handle
page_handle(const struct slab *s, uint32_t n)
{
	return (handle)n << (ARENA_PAGE_SHIFT - s->arena.unit_shift);
}

/* The new page n, of which the first chunk is taken. */
static handle
open_page(struct slab *s, unsigned id, uint32_t n)
{
	struct slab_class *c = &s->classes[id];
	uint32_t i, step = c->chunk_size >> s->arena.unit_shift;
	handle first, h, next = 0;

	if (n == ARENA_NONE)
		return 0;
	first = page_handle(s, n);
	/* last to first, so that they are given out in memory order */
	for (i = c->per_page; i-- > 0; next = h) {
		h = first + i * step;
		free_chunk(s, h, next, c->chunk_size);
	}
	lock_acquire(&c->lock);
	s->arena.pages[n].free = first;
	atomic_store_explicit(&s->arena.pages[n].class_id, (uint8_t)id,
	    memory_order_release);
	add_pages(c, 1);
	h = take_chunk(s, c, n);
	if (s->arena.pages[n].free != 0)
		link_partial(s, c, n, LAST);
	else
		link_last(s, &c->full, n);
	lock_release(&c->lock);
	return h;
}

/* A chunk of a page that has others in use. */
static handle
alloc_partial(struct slab *s, struct slab_class *c)
{
	handle h = 0;
	uint32_t n;

	lock_acquire(&c->lock);
	n = get_partial(c);
	if (n != ARENA_NONE) {
		h = take_chunk(s, c, n);
		if (s->arena.pages[n].free == 0) {
			unlink_partial(s, c, n);
			link_last(s, &c->full, n);
		}
	}
	lock_release(&c->lock);
	return h;
}

/* In a full cache most calls end without a lock. */
handle
slab_alloc(struct slab *s, unsigned id)
{
	struct slab_class *c = &s->classes[id];
	handle h = 0;

	assert(id >= 1 && id <= s->nclasses);
	if (get_partial(c) != ARENA_NONE)
		h = alloc_partial(s, c);
	if (h == 0 && arena_room(&s->arena) > 0)
		h = open_page(s, id, arena_take(&s->arena));
	return h;
}

handle
slab_alloc_within(struct slab *s, unsigned id)
{
	return alloc_partial(s, &s->classes[id]);
}

handle
slab_alloc_in_exchange(struct slab *s, unsigned id)
{
	handle h = alloc_partial(s, &s->classes[id]);

	return h != 0 ? h :
	    open_page(s, id, arena_take_in_exchange(&s->arena));
}

/* The page is empty and in no list. */
static void
close_page(struct slab *s, struct slab_class *c, uint32_t n)
{
	/* now, under the class's lock: nobody shall drain it any more */
	atomic_store_explicit(&s->arena.pages[n].class_id, 0,
	    memory_order_relaxed);
	add_pages(c, -1);
	ASAN_UNPOISON_MEMORY_REGION(slab_at(s, page_handle(s, n)),
	    ARENA_PAGE_SIZE);
}

void
slab_free(struct slab *s, handle h)
{
	uint32_t n = arena_page_of(&s->arena, h);
	struct page *p = &s->arena.pages[n];
	struct slab_class *c = &s->classes[arena_class_of(&s->arena, h)];
	bool draining, was_full, is_empty;

	lock_acquire(&c->lock);
	assert(p->used > 0);
	draining = atomic_load_explicit(&p->draining, memory_order_relaxed);
	was_full = p->free == 0;
	is_empty = --p->used == 0;
	add_used(c, -1);
	if (!draining && (was_full || is_empty))
		unlink_any(s, c, n);
	free_chunk(s, h, p->free, c->chunk_size);
	p->free = h;
	if (is_empty)
		close_page(s, c, n);
	else if (!draining && was_full)
		link_partial(s, c, n, FIRST);
	lock_release(&c->lock);
	if (is_empty)
		arena_give(&s->arena, n);
}

void
slab_adopt(struct slab *s, unsigned id, uint32_t n, const uint8_t *in_use)
{
	struct slab_class *c = &s->classes[id];
	struct page *p = &s->arena.pages[n];
	uint32_t i, step = c->chunk_size >> s->arena.unit_shift, used = 0;
	handle first = page_handle(s, n), next = 0;

	assert(id >= 1 && id <= s->nclasses);
	for (i = 0; i < c->per_page; i++)
		used += in_use[i / 8] >> i % 8 & 1;
	if (used == 0) {
		arena_adopt_free(&s->arena, n);
		return;
	}
	for (i = c->per_page; i-- > 0;) {
		if (in_use[i / 8] >> i % 8 & 1)
			continue;
		free_chunk(s, first + i * step, next, c->chunk_size);
		next = first + i * step;
	}
	arena_adopt(&s->arena, n, id);
	lock_acquire(&c->lock);
	p->free = next;
	p->used = (uint16_t)used;
	add_pages(c, 1);
	add_used(c, (int)used);
	if (next != 0)
		link_partial(s, c, n, LAST);
	else
		link_last(s, &c->full, n);
	lock_release(&c->lock);
}

/* ------------------------------------------------------------ moving pages */

static bool
is_draining(const struct page *p)
{
	return atomic_load_explicit(&p->draining, memory_order_relaxed) != 0;
}

static unsigned
class_of(const struct page *p)
{
	return atomic_load_explicit(&p->class_id, memory_order_relaxed);
}

bool
slab_drain(struct slab *s, unsigned class_id, uint32_t n)
{
	struct slab_class *c = &s->classes[class_id];
	struct page *p = &s->arena.pages[n];
	bool done = false;

	assert(class_id >= 1 && class_id <= s->nclasses);
	lock_acquire(&c->lock);
	if (class_of(p) == class_id && !is_draining(p)) {
		unlink_any(s, c, n);
		atomic_store_explicit(&p->draining, 1, memory_order_relaxed);
		done = true;
	}
	lock_release(&c->lock);
	return done;
}

void
slab_undrain(struct slab *s, uint32_t n)
{
	struct page *p = &s->arena.pages[n];
	unsigned id = class_of(p);
	struct slab_class *c = &s->classes[id];

	if (id == 0)
		return; /* it was emptied after all */
	lock_acquire(&c->lock);
	if (class_of(p) == id && is_draining(p)) {
		atomic_store_explicit(&p->draining, 0, memory_order_relaxed);
		if (p->free != 0)
			link_partial(s, c, n, LAST);
		else
			link_last(s, &c->full, n);
	}
	lock_release(&c->lock);
}

uint32_t
slab_pick_page(struct slab *s, unsigned class_id)
{
	struct slab_class *c = &s->classes[class_id];
	const struct page *pages = s->arena.pages;
	uint32_t best, first, n;
	unsigned i;

	assert(class_id >= 1 && class_id <= s->nclasses);
	lock_acquire(&c->lock);
	/* Any partial page has fewer in use than any full one. */
	best = first = get_partial(c);
	if (first == ARENA_NONE)
		best = c->full;
	else
		for (i = 0, n = first; i < PICK_REACH; i++) {
			if (pages[n].used < pages[best].used)
				best = n;
			/* backwards: the first was the last to be full */
			n = pages[n].prev;
			if (n == first)
				break;
		}
	lock_release(&c->lock);
	return best;
}

/* ------------------------------------------------------------ check */

static void
check_page(const struct slab *s, unsigned id, uint32_t n)
{
	const struct slab_class *c = &s->classes[id];
	const struct page *p = &s->arena.pages[n];
	handle h, first = page_handle(s, n);
	uint32_t count = 0;

	assert(class_of(p) == id);
	assert(p->used > 0 && p->used <= c->per_page);
	for (h = p->free; h != 0; h = next_free(slab_at(s, h))) {
		const struct item_free *f = slab_at(s, h);

		assert(arena_page_of(&s->arena, h) == n);
		assert(((size_t)(h - first) << s->arena.unit_shift) %
		    c->chunk_size == 0);
		assert(f->state == ITEM_FREE);
		assert(++count <= c->per_page);
	}
	assert(count + p->used == c->per_page);
}

/* Adds the pages of a ring, and the chunks used in them. */
static void
check_ring(const struct slab *s, unsigned id, uint32_t head, bool full,
    uint32_t *npages, uint64_t *used)
{
	const struct page *pages = s->arena.pages;
	uint32_t n = head;

	if (head == ARENA_NONE)
		return;
	do {
		check_page(s, id, n);
		assert(!is_draining(&pages[n]));
		assert((pages[n].free == 0) == full);
		assert(pages[pages[n].next].prev == n);
		++*npages;
		*used += pages[n].used;
		n = pages[n].next;
	} while (n != head);
}

static void
check_class(struct slab *s, unsigned id)
{
	struct slab_class *c = &s->classes[id];
	uint32_t n, npages = 0;
	uint64_t used = 0;

	lock_acquire(&c->lock);
	check_ring(s, id, get_partial(c), false, &npages, &used);
	check_ring(s, id, c->full, true, &npages, &used);
	for (n = 0; n < s->arena.touched; n++) {
		const struct page *p = &s->arena.pages[n];

		if (class_of(p) != id || !is_draining(p))
			continue;
		check_page(s, id, n);
		npages++;
		used += p->used;
	}
	assert(npages == c->pages);
	assert(used == c->used);
	lock_release(&c->lock);
}

void
slab_check(struct slab *s)
{
	unsigned id;

	for (id = 1; id <= s->nclasses; id++)
		check_class(s, id);
	arena_check(&s->arena);
}
