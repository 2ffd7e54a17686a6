/* restore.c - see cache.h: a cache out of a memory file.
 *
 * First all pages are walked in the order of memory.  An item that is whole is
 * hung on a chain, by class, queue and rank, and its chunks are noted as in
 * use; then each page has its free chunks told.  Nothing is believed that is
 * read: a handle must be that of a chunk, a part must name its owner and be in
 * nobody's use yet.  Then the chains are linked, the oldest rank first.  There
 * are several of each rank, which are gone along side by side: what the next
 * round needs is fetched meanwhile.
 */
#include "slab/restore.h"

#include <assert.h>
#include <stdlib.h>

#include "slab/cache.h"
#include "slab/saved.h"

enum { LANES = 16 };

struct work {
	struct cache *c;
	struct slab *slab;
	uint32_t now;
	uint32_t touched;
	const uint8_t *classes; /* of the pages */
	uint8_t *in_use; /* a bit for each chunk, stride bytes for each page */
	size_t stride;
	handle (*chains)[CACHE_QUEUES][SAVED_RANKS][LANES];
	uint64_t (*ranks)[CACHE_QUEUES]; /* a bit for each rank with a chain */
	unsigned lane;
	struct cache_restored *got;
};

/* ------------------------------------------------------------ chunks */

/* Where the chunk has its bit: *mask of the byte returned.  NULL: at h there
 * is none. */
static uint8_t *
find_bit(const struct work *w, handle h, uint8_t *mask)
{
	const struct arena *a = &w->slab->arena;
	uint32_t n = arena_page_of(a, h), i;
	const struct slab_class *k;
	size_t within;

	if (n >= w->touched || w->classes[n] == 0)
		return NULL;
	k = &w->slab->classes[w->classes[n]];
	within = ((size_t)h << a->unit_shift) % ARENA_PAGE_SIZE;
	i = (uint32_t)(within / k->chunk_size);
	if (within % k->chunk_size != 0 || i >= k->per_page)
		return NULL;
	*mask = (uint8_t)(1 << i % 8);
	return w->in_use + n * w->stride + i / 8;
}

static uint32_t
size_at(const struct work *w, handle h)
{
	return w->slab->classes[w->classes[arena_page_of(&w->slab->arena,
	    h)]].chunk_size;
}

/* ------------------------------------------------------------ items */

/* The first n chunks of the chain are nobody's again. */
static void
unclaim(const struct work *w, handle h, uint32_t n)
{
	for (; n > 0; n--) {
		uint8_t mask, *bit = find_bit(w, h, &mask);

		*bit &= (uint8_t)~mask;
		h = ((struct item_part *)slab_at(w->slab, h))->next;
	}
}

/* The parts that follow the item at first hold left bytes, and belong to it
 * alone. */
static bool
claim_parts(const struct work *w, struct item *it, handle first, uint32_t left)
{
	handle h = item_large(it)->next;
	uint32_t n = 0;

	while (left > 0) {
		uint8_t mask, *bit = find_bit(w, h, &mask);
		const struct item_part *part;
		uint32_t room;

		if (bit == NULL || (*bit & mask) != 0)
			break;
		part = slab_at(w->slab, h);
		room = size_at(w, h) - (uint32_t)sizeof(*part);
		if ((part->state & ITEM_STATE_MASK) != ITEM_PART ||
		    part->owner != first ||
		    part->nbytes != (left < room ? left : room))
			break;
		*bit |= mask;
		n++;
		left -= part->nbytes;
		h = part->next;
	}
	if (left == 0 && h == 0)
		return true;
	unclaim(w, item_large(it)->next, n);
	return false;
}

static bool
is_whole(const struct work *w, struct item *it, handle h)
{
	uint32_t size = size_at(w, h), head, room;

	if (it->nkey == 0 || it->nkey > CACHE_KEY_MAX ||
	    door_too_large(w->c, it->nkey, it->bits & ITEM_FLAGS, it->nvalue))
		return false;
	head = (uint32_t)item_head(it->nkey, it->nvalue) + it->nkey +
	    (item_has_flags(it) ? CACHE_FLAGS_SIZE : 0);
	if (head > size)
		return false;
	room = size - head;
	if (!item_is_large(it))
		return it->nvalue <= room;
	return claim_parts(w, it, h,
	    it->nvalue > room ? it->nvalue - room : 0);
}

/* What else it says of itself is taken as far as it makes sense. */
static void
mend(const struct work *w, struct item *it)
{
	if (it->accessed > w->now)
		it->accessed = w->now;
	/* Where nothing is looked for but what ends soon. */
	if ((it->bits & ITEM_QUEUE) == CACHE_TEMP && it->deadline == 0)
		it->bits = (uint8_t)((it->bits & ~ITEM_QUEUE) | CACHE_HOT);
	if (w->c->no_cas)
		it->cas = 0;
	if (item_is_large(it))
		atomic_store_explicit(&item_large(it)->refs, 1,
		    memory_order_relaxed);
}

static void
take_item(struct work *w, struct item *it, handle h, unsigned class_id)
{
	handle *chain;
	uint8_t mask, *bit;
	unsigned queue, rank;

	if (item_state(it) != ITEM_LINKED)
		return;
	if (it->deadline != 0 && it->deadline <= w->now) {
		w->got->dead++;
		return;
	}
	if (!is_whole(w, it, h)) {
		w->got->broken++;
		return;
	}
	bit = find_bit(w, h, &mask);
	*bit |= mask;
	mend(w, it);
	queue = it->bits & ITEM_QUEUE;
	rank = it->older % SAVED_RANKS;
	w->ranks[class_id][queue] |= (uint64_t)1 << rank;
	chain = &w->chains[class_id][queue][rank][w->lane++ % LANES];
	it->newer = *chain;
	*chain = h;
}

/* ------------------------------------------------------------ pages */

static void
walk_page(struct work *w, uint32_t n)
{
	const struct arena *a = &w->slab->arena;
	unsigned id = w->classes[n];
	const struct slab_class *k = &w->slab->classes[id];
	handle first = (handle)n << (ARENA_PAGE_SHIFT - a->unit_shift);
	handle h = first, step = k->chunk_size >> a->unit_shift;

	for (uint32_t i = 0; i < k->per_page; i++, h += step)
		take_item(w, slab_at(w->slab, h), h, id);
}

static void
walk_pages(struct work *w)
{
	arena_resume(&w->slab->arena, w->touched);
	for (uint32_t n = 1; n < w->touched; n++)
		if (w->classes[n] != 0)
			walk_page(w, n);
	/* Parts may lie anywhere, so all items have been seen before. */
	for (uint32_t n = 1; n < w->touched; n++) {
		if (w->classes[n] != 0)
			slab_adopt(w->slab, w->classes[n], n,
			    w->in_use + n * w->stride);
		else
			arena_adopt_free(&w->slab->arena, n);
	}
}

/* ------------------------------------------------------------ linking */

struct lane {
	struct item *it;
	handle h;
	struct cache_key key;
};

static void
name_shard(const struct work *w, struct item *it, const struct shard *s)
{
	handle h = item_is_large(it) ? item_large(it)->next : 0;

	while (h != 0) {
		struct item_part *part = slab_at(w->slab, h);

		atomic_store_explicit(&part->shard, s->id,
		    memory_order_relaxed);
		atomic_store_explicit(&part->state, ITEM_PART,
		    memory_order_relaxed);
		h = part->next;
	}
}

/* Of two with one key the first stays. */
static void
link_item(struct work *w, const struct lane *l)
{
	struct shard *s = door_shard(w->c, l->key.hash);
	const struct shard_place none = { .it = NULL };
	bool linked;

	name_shard(w, l->it, s);
	lock_acquire(&s->lock);
	linked = shard_find(s, &l->key).it == NULL &&
	    shard_link(s, l->key.hash, l->h, l->it->bits & ITEM_QUEUE, &none);
	lock_release(&s->lock);
	if (linked)
		return;
	w->got->broken++;
	chain_free(w->slab, l->h);
}

/* The next of each chain; the one after it is being fetched then. */
static unsigned
pull(struct work *w, handle *chains, struct lane *lanes)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LANES; i++) {
		struct item *it = slab_at(w->slab, chains[i]);
		struct lane *l = &lanes[n];

		if (chains[i] == 0)
			continue;
		l->it = it;
		l->h = chains[i];
		chains[i] = it->newer;
		__builtin_prefetch(slab_at(w->slab, chains[i]), 1);
		l->key = (struct cache_key){ item_key(it), it->nkey,
			hash_key(item_key(it), it->nkey, w->c->seed), NULL };
		__builtin_prefetch(index_bucket(&door_shard(w->c,
		    l->key.hash)->index, l->key.hash), 1);
		n++;
	}
	return n;
}

static void
link_queue(struct work *w, unsigned class_id, unsigned queue)
{
	uint64_t ranks = w->ranks[class_id][queue];
	struct lane lanes[LANES];
	unsigned n;

	for (; ranks != 0; ranks &= ranks - 1) {
		unsigned r = (unsigned)__builtin_ctzll(ranks);

		while ((n = pull(w, w->chains[class_id][queue][r],
		    lanes)) > 0)
			for (unsigned i = 0; i < n; i++)
				link_item(w, &lanes[i]);
	}
}

static void
link_all(struct work *w)
{
	for (unsigned k = 1; k <= w->slab->nclasses; k++)
		for (unsigned q = 0; q < CACHE_QUEUES; q++)
			link_queue(w, k, q);
	for (unsigned i = 0; i < w->c->nshards; i++) {
		w->got->items += w->c->shards[i].items;
		w->got->bytes += shard_bytes(&w->c->shards[i]);
	}
}

/* ------------------------------------------------------------ the whole */

void
restore_claim(struct cache *c)
{
	struct saved_mark *m = saved_mark(c);

	if (m->magic == SAVED_MAGIC && m->format == SAVED_FORMAT)
		c->mark = m->mark;
	memset(m, 0, sizeof(*m));
	/* Else it might be there again after a loss of power, with pages that
	 * are newer than it. */
	if (!arena_sync(&c->slab.arena, ARENA_PAGE_SIZE))
		c->mark = 0;
}

static const char *
find_fault(const struct cache *c, const struct saved *s, const uint8_t *classes,
    size_t nbytes)
{
	struct saved must = saved_settings(c);

	if (s->magic != must.magic)
		return "it is of another kind of machine";
	if (s->format != must.format)
		return "another version of slabd has written it";
	/* All from limit to the chunk sizes. */
	if (memcmp(&s->limit, &must.limit, offsetof(struct saved, flush_at) -
	    offsetof(struct saved, limit)) != 0)
		return "the memory limit or the sizes of items were others";
	if (s->mark == 0 || s->mark != c->mark)
		return "it does not belong to the memory file";
	if (s->touched == 0 || nbytes - sizeof(*s) != s->touched ||
	    s->touched > c->slab.arena.reserved >> ARENA_PAGE_SHIFT ||
	    s->cas > UINT64_MAX / 2)
		return "it is corrupt";
	for (uint32_t n = 0; n < s->touched; n++)
		if (classes[n] > s->nclasses || (n == 0 && classes[n] != 0))
			return "it is corrupt";
	return NULL;
}

static void
resume_shards(struct cache *c, const struct saved *s)
{
	uint64_t n = c->nshards, base = (s->cas + n) / n * n;

	for (unsigned i = 0; i < n; i++) {
		/* as shard_init() does it, above all that were given */
		c->shards[i].cas = base + i + 1 - n;
		index_widen(&c->shards[i].index, s->buckets / n < UINT32_MAX ?
		    (uint32_t)(s->buckets / n) : UINT32_MAX);
	}
	atomic_store_explicit(&c->flush_at, s->flush_at, memory_order_relaxed);
}

static bool
get_room(struct work *w)
{
	uint32_t most = 0;

	for (unsigned k = 1; k <= w->slab->nclasses; k++)
		if (w->slab->classes[k].per_page > most)
			most = w->slab->classes[k].per_page;
	w->stride = (most + 7) / 8;
	w->in_use = calloc(w->touched, w->stride);
	w->chains = calloc(w->slab->nclasses + 1, sizeof(*w->chains));
	w->ranks = calloc(w->slab->nclasses + 1, sizeof(*w->ranks));
	return w->in_use != NULL && w->chains != NULL && w->ranks != NULL;
}

bool
cache_restore(struct cache *c, const void *saved, size_t nbytes, uint32_t now,
    struct cache_restored *got, const char **why)
{
	struct work w = { .c = c, .slab = &c->slab, .now = now, .got = got };
	struct saved s;

	memset(got, 0, sizeof(*got));
	*why = "it is cut off";
	if (nbytes < sizeof(s))
		return false;
	memcpy(&s, saved, sizeof(s));
	w.classes = (const uint8_t *)saved + sizeof(s);
	w.touched = s.touched;
	*why = find_fault(c, &s, w.classes, nbytes);
	c->mark = 0;
	if (*why == NULL && !get_room(&w))
		*why = "out of memory to read it";
	if (*why == NULL) {
		resume_shards(c, &s);
		walk_pages(&w);
		link_all(&w);
	}
	free(w.in_use);
	free(w.chains);
	free(w.ranks);
	return *why == NULL;
}
