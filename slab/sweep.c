/* sweep.c - see door.h: the dead go, in steps of upkeep and before the living.
 *
 * Seconds turn for all items at once, so the dead are many at a time: more than
 * upkeep's thread, which gives way to traffic, can find before the next store
 * wants room.  So who is about to evict looks through some pages first.  Each
 * second he begins with a few, at a place of chance; only where these had more
 * than one dead in SHARE all others follow, each looked through once.
 *
 * What was stored together dies together, in the same pages, which those few
 * may miss.  So upkeep's sweep also counts who will be dead when the next
 * second turns, and that counts as if it had been found already.
 */
#include "slab/door.h"

enum {
	PAGE_WORK = 16,	  /* a page counts as so many chunks more */
	FOUND_WORK = 40,  /* ... and a dead item */
	HELP_WORK = 32768, /* for one store */
	PROBES = 64,	  /* pages looked through every second */
	SHARE = 96,
	MEMORY = 65536, /* chunks after which what was found counts half */
	FORESEEN = 8192, /* ... and as which counts what was foreseen */
};

/* ------------------------------------------------------------ peeking */

/*
 * What a chunk says of itself to who holds no lock: a hint, perhaps of another
 * item, perhaps no chunk at all if the page changed its class meanwhile.  So
 * the sanitizers, which are right to object, must not look here.
 */
__attribute__((noinline, no_sanitize("thread"),
    no_sanitize("address"))) struct chunk_peek
sweep_peek(const struct cache *c, handle h)
{
	const volatile unsigned char *at = slab_at(&c->slab, h);

	return (struct chunk_peek){ at[0], at[1],
		*(const volatile uint32_t *)(const volatile void *)(at + 4),
		*(const volatile uint32_t *)(const volatile void *)(at + 16) };
}

/* ------------------------------------------------------------ a page */

__attribute__((no_sanitize("thread"))) static unsigned
peek_epoch(const struct shard *s)
{
	return *(const volatile unsigned *)&s->epoch;
}

static bool
seems_dead(const struct cache *c, struct chunk_peek peek, uint32_t now)
{
	if (peek.shard >= c->nshards)
		return false;
	return (peek.deadline != 0 && peek.deadline <= now) ||
	    peek.state >> ITEM_EPOCH_SHIFT !=
	    peek_epoch(&c->shards[peek.shard]);
}

static bool
remove_dead(struct cache *c, unsigned class_id, handle h, unsigned shard,
    uint32_t now)
{
	struct shard *s = &c->shards[shard];
	struct shard_place place;
	bool dead;

	lock_acquire(&s->lock);
	dead = arena_class_of(&c->slab.arena, h) == class_id &&
	    shard_locate(s, h, &place) && shard_is_dead(s, place.it, now);
	if (dead)
		shard_sweep(s, &place);
	lock_release(&s->lock);
	return dead;
}

unsigned
sweep_page(struct cache *c, uint32_t page, uint32_t *at, uint32_t now,
    int *work, struct sweep_seen *seen)
{
	const struct arena *a = &c->slab.arena;
	handle first = (handle)page << (ARENA_PAGE_SHIFT - a->unit_shift);
	unsigned k = arena_class_of(a, first), found = 0, checked = 0;
	uint32_t step = c->slab.classes[k].chunk_size >> a->unit_shift;
	uint32_t i, n = c->slab.classes[k].per_page;

	*work -= PAGE_WORK;
	for (i = *at; k != 0 && i < n && *work > 0 &&
	     arena_class_of(a, first) == k;
	     i++, --*work) {
		struct chunk_peek peek = sweep_peek(c, first + i * step);

		if ((peek.state & ITEM_STATE_MASK) != ITEM_LINKED)
			continue;
		checked++;
		seen->dying += peek.deadline == now + 1;
		if (!seems_dead(c, peek, now) || !remove_dead(c, k,
			first + i * step, peek.shard, now))
			continue;
		found++;
		*work -= FOUND_WORK;
	}
	*at = k != 0 && i < n && *work <= 0 ? i : 0;
	seen->items += checked;
	atomic_fetch_add_explicit(&c->checked[k], checked,
	    memory_order_relaxed);
	return found;
}

/* ------------------------------------------------------------ help
 *
 * Counts may be off by what two threads do at once: they decide about work, of
 * which there is then a little more or less.
 */

static uint32_t
get(const _Atomic uint32_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void
set(_Atomic uint32_t *n, uint32_t to)
{
	atomic_store_explicit(n, to, memory_order_relaxed);
}

/* Workers see a second turn one after another: who comes late does not turn it
 * back. */
static bool
is_later(uint32_t now, uint32_t second)
{
	return (int32_t)(now - second) > 0;
}

static bool
finds(const struct cache *c)
{
	return get(&c->help.found) * SHARE > get(&c->help.looked);
}

bool
sweep_finds(const struct cache *c, uint32_t now)
{
	return get(&c->help.second) == now && finds(c);
}

bool
sweep_helps(const struct cache *c, uint32_t now)
{
	uint32_t pages;

	if (is_later(now, get(&c->help.second)))
		return true;
	pages = get(&c->help.pages);
	return pages < get(&c->slab.arena.touched) && (pages < PROBES ||
	    finds(c));
}

void
sweep_foresee(struct cache *c, uint32_t now, const struct sweep_seen *seen)
{
	unsigned i = (now + 1) % 2;

	if (get(&c->dying[i].second) != now + 1) {
		set(&c->dying[i].second, now + 1);
		set(&c->dying[i].dying, 0);
		set(&c->dying[i].seen, 0);
	}
	set(&c->dying[i].dying, get(&c->dying[i].dying) +
	    (uint32_t)seen->dying);
	set(&c->dying[i].seen, get(&c->dying[i].seen) + (uint32_t)seen->items);
}

struct sweep_seen
sweep_foreseen(const struct cache *c, uint32_t now)
{
	unsigned i = now % 2;

	if (get(&c->dying[i].second) != now)
		return (struct sweep_seen){ 0 };
	return (struct sweep_seen){ .items = get(&c->dying[i].seen),
		.dying = get(&c->dying[i].dying) };
}

static void
note(struct cache *c, uint32_t found, uint32_t looked)
{
	found += get(&c->help.found);
	looked += get(&c->help.looked);
	if (looked > MEMORY) {
		found /= 2;
		looked /= 2;
	}
	set(&c->help.found, found);
	set(&c->help.looked, looked);
}

/* Pages of a class were filled one after another, and neighbours have the same
 * to tell; so the round goes in strides, which visit each page once. */
static uint32_t
nth_page(uint32_t n, uint32_t now, uint32_t touched)
{
	uint64_t stride = touched % 61 != 0 ? 61 : 67;

	return (uint32_t)((n * stride + now) % touched);
}

static void
begin(struct cache *c, uint32_t now)
{
	uint32_t second = get(&c->help.second);
	struct sweep_seen before;

	if (!is_later(now, second) ||
	    !atomic_compare_exchange_strong(&c->help.second, &second, now))
		return;
	before = sweep_foreseen(c, now);
	/* That it saw none says nothing of the pages where it was not. */
	if (before.dying * SHARE <= before.items)
		before = (struct sweep_seen){ 0 };
	while (before.items > FORESEEN) {
		before.items /= 2;
		before.dying /= 2;
	}
	set(&c->help.pages, 0);
	set(&c->help.found, (uint32_t)before.dying);
	set(&c->help.looked, (uint32_t)before.items);
}

/* What is left of a page is for who comes next. */
static void
help(struct cache *c, uint32_t now, int *work)
{
	uint32_t touched = get(&c->slab.arena.touched), page, at;
	uint64_t rest = atomic_exchange(&c->help.rest, 0);
	struct sweep_seen seen = { 0 };
	unsigned found;

	page = (uint32_t)(rest >> 32);
	at = (uint32_t)rest;
	if (at == 0)
		page = nth_page(atomic_fetch_add(&c->help.pages, 1), now,
		    touched);
	found = sweep_page(c, page, &at, now, work, &seen);
	note(c, found, (uint32_t)seen.items);
	if (at != 0)
		atomic_store(&c->help.rest, (uint64_t)page << 32 | at);
}

void
sweep_help(struct cache *c, unsigned class_id, uint32_t now)
{
	int work = HELP_WORK;

	begin(c, now);
	while (work > 0 && get(&c->slab.classes[class_id].partial) ==
	    ARENA_NONE && sweep_helps(c, now) && !level_spares(c, class_id))
		help(c, now, &work);
}
