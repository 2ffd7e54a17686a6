/* read.c - see cache.h: the plain read of a small item, without detours. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum {
	LINE = 64,
	UNIT = 4, /* where an item can begin; see arena.h */
	LINES_MAX = 4, /* of an item; hardware fetches on from there */
	CELLS = 3,     /* of a chain */
};

/* ------------------------------------------------------------ ahead */

/* How many lines of the items of this batch are to be fetched: as many as the
 * first has, wherever it begins.  Most batches are of one kind, and it is but a
 * hint. */
static unsigned
lines_of(const struct cache *c, handle h)
{
	uint32_t lines = (slab_chunk_size(&c->slab, h) + 2 * LINE -
	    UNIT - 1) / LINE;

	return lines < LINES_MAX ? lines : LINES_MAX;
}

/*
 * The item's lines: a hit may write the first and copies from all.  Only as
 * near as the second cache, where many more may be under way at once than into
 * the first.
 *
 * Always inlined: gcc takes a function that does nothing but this for one
 * without effects, and leaves out the call.
 */
__attribute__((always_inline)) static inline void
fetch_item(const struct cache *c, handle h, unsigned lines)
{
	const char *at = slab_at(&c->slab, h);

	__builtin_prefetch(at, 0, 2);
	switch (lines) {
	default:
		__builtin_prefetch(at + 3 * LINE, 0, 2);
		/* FALLTHROUGH */
	case 3:
		__builtin_prefetch(at + 2 * LINE, 0, 2);
		/* FALLTHROUGH */
	case 2:
		__builtin_prefetch(at + LINE, 0, 2);
		/* FALLTHROUGH */
	case 1:
		break;
	}
}

/* A key whose bucket did not name it, and the cell to look at. */
struct further {
	struct cache_key *key;
	uint32_t cell;
};

/* A round for each cell of a chain: who looks without the lock may be led
 * astray, so of no more than a sane one has. */
static __attribute__((noinline)) void
fetch_further(const struct cache *c, struct further *list, unsigned n)
{
	for (unsigned round = 0; n > 0 && round < CELLS; round++) {
		unsigned left = 0;

		for (unsigned i = 0; i < n; i++) {
			struct further f = list[i];
			handle h;

			f.key->spot = index_spot_cell(&c->shards[0].index,
			    f.key->hash, &f.cell);
			if (f.key->spot == NULL) {
				list[left] = f;
				left += f.cell != 0;
			} else if ((h = index_peek(f.key->spot)) != 0) {
				fetch_item(c, h, lines_of(c, h));
			}
		}
		n = left;
	}
}

void
cache_look_ahead(const struct cache *c, struct cache_key *keys, unsigned n)
{
	const struct index_bucket *buckets[CACHE_AHEAD];
	struct further further[CACHE_AHEAD];
	/* A single item is read at once, and its lines come of themselves. */
	unsigned nfurther = 0, lines = n > 1 ? 0 : 1;
	const struct shard *shards = c->shards;
	const struct index_bucket *lines_at = c->space->lines;
	uint64_t seed = c->seed;
	unsigned mask = c->nshards - 1, shard_bits = c->space->shard_bits;

	assert(n <= CACHE_AHEAD);
	for (unsigned i = 0; i < n; i++) {
		uint64_t hash = hash_key(keys[i].bytes, keys[i].nbytes, seed);
		unsigned shard = hash & mask;

		keys[i].hash = hash;
		buckets[i] = index_bucket_in(lines_at, shard_bits,
		    &shards[shard].index, shard, hash);
		__builtin_prefetch(buckets[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		struct cache_key *k = &keys[i];
		uint32_t cell;
		handle h;

		k->spot = index_spot(&shards[0].index, buckets[i], k->hash,
		    &cell);
		if (__builtin_expect(k->spot == NULL, 0)) {
			further[nfurther] = (struct further){ k, cell };
			nfurther += cell != 0;
			continue;
		}
		h = index_peek(k->spot);
		if (__builtin_expect(lines == 0, 0) && h != 0)
			lines = lines_of(c, h);
		fetch_item(c, h, lines);
	}
	if (nfurther > 0)
		fetch_further(c, further, nfurther);
}

/* ------------------------------------------------------------ marking */

static inline bool
is_marked(uint32_t first, uint32_t accessed, uint32_t now)
{
	const uint32_t both = item_word(0, 0, 0, ITEM_FETCHED | ITEM_ACTIVE);

	return (first & both) == both && accessed == now;
}

/* As any other hit; but the item may be gone. */
static __attribute__((noinline)) void
mark_locked(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, handle h)
{
	struct lru_scene scene = shard_scene(s, w->now);

	lock_acquire(&s->lock);
	if (*k->spot == h)
		lru_hit(&s->lru[shard_class_of(s, h)], &scene, h,
		    slab_at(&c->slab, h));
	lock_release(&s->lock);
}

/* What was seen of an item without the lock: its header, and the shard's
 * version meanwhile. */
struct sight {
	struct item *it;
	handle h;
	uint32_t first;
	uint32_t nvalue, client_flags;
	uint32_t deadline, accessed;
	uint64_t cas;
	uint64_t seen;
};

/* See readers.h for why the item may be something else by now.  false: try
 * otherwise. */
__attribute__((always_inline)) static inline bool
mark_unlocked(struct shard *s, struct cache_reader *reader,
    const struct sight *sight, uint32_t now)
{
	uint32_t first = sight->first, marked, old = first;
	uint32_t bits = first / item_word(0, 0, 0, 1) & 0xff;
	bool unmoved;

	if (reader == NULL)
		return false;
	marked = (first & ~item_word(0, 0, 0, 0xff)) |
	    item_word(0, 0, 0, lru_marked(bits));
	readers_enter(reader);
	unmoved = lock_unmoved(&s->lock, sight->seen);
	if (unmoved) {
		if (marked != first)
			__atomic_compare_exchange_n(
			    (uint32_t *)(void *)sight->it, &old, marked, false,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		if (old == first)
			__atomic_store_n(&sight->it->accessed, now,
			    __ATOMIC_RELAXED);
	}
	readers_leave(reader);
	return unmoved;
}

/* ------------------------------------------------------------ reading */

/* These want cache_get(). */
enum { DETOUR = ITEM_STALE | ITEM_WIN_SENT | ITEM_BINARY };

/* The value, from behind the key; returns the client flags. */
__attribute__((always_inline)) static inline uint32_t
take(const struct item *it, uint32_t nkey, uint32_t nvalue, uint32_t first,
    void *dst)
{
	const char *value = (const char *)(it + 1) + nkey;
	uint32_t client_flags = 0;

	if (first & item_word(0, 0, 0, ITEM_FLAGS)) {
		memcpy(&client_flags, value, CACHE_FLAGS_SIZE);
		value += CACHE_FLAGS_SIZE;
	}
	door_copy_racing(dst, value, nvalue);
	return client_flags;
}

__attribute__((always_inline)) static inline bool
is_past(uint32_t deadline, uint32_t now)
{
	return deadline != 0 && deadline <= now;
}

/* Under the lock: it is not where it was seen, or was not seen, or is not
 * plain, or somebody was changing something. */
static __attribute__((noinline)) enum cache_read
search(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct lru_scene scene = shard_scene(s, w->now);
	enum cache_read found = CACHE_READ_ELSE;
	unsigned class_id = 0;
	struct item *it;
	handle h;

	lock_acquire(&s->lock);
	h = shard_seek(s, k);
	it = slab_at(&c->slab, h);
	if (h == 0) {
		found = CACHE_READ_MISS;
		COUNT(w, get_misses);
	} else if (shard_owns(s, it, k->nbytes, DETOUR)) {
		hit->nvalue = it->nvalue;
		hit->cas = it->cas;
		hit->deadline = atomic_load_explicit(&it->deadline,
		    memory_order_relaxed);
		hit->accessed = it->accessed;
		hit->fetched = it->bits & ITEM_FETCHED;
		if (!is_past(hit->deadline, w->now) &&
		    !cache_is_large(k->nbytes, hit->nvalue)) {
			found = CACHE_READ_HIT;
			class_id = shard_class_of(s, h);
			hit->client_flags = take(it, k->nbytes, hit->nvalue,
			    item_first(it), dst);
			door_count_hit(w, class_id, it->bits & ITEM_QUEUE);
			lru_hit(&s->lru[class_id], &scene, h, it);
		}
	}
	lock_release(&s->lock);
	if (door_samples(c, k) && found == CACHE_READ_HIT)
		tell_hit(c, k, class_id, hit->nvalue, hit->deadline, w->now,
		    true);
	else if (door_samples(c, k) && found == CACHE_READ_MISS)
		pressure_miss(&c->pressure, k->hash, w->now);
	return found;
}

/*
 * What is the same for all keys of a run.  There are not registers enough for
 * it, so it stands in memory, but side by side: what is found through a pointer
 * in a pointer, for each key anew, took fifteen instructions more.
 */
struct run {
	struct cache *c;
	const struct cache_caller *w;
	struct shard *shards;
	uint64_t mask; /* of their number */
	char *base;
	const struct page *pages;
	struct cache_class_tally *tallies;
	struct cache_reader *reader; /* NULL: marks need the lock */
	unsigned unit_shift, page_shift;
	uint32_t now;
	uint32_t sampled; /* hashes below it are */
	struct cache_frame frame;
	uint32_t key; /* all ones if the frame has it */
};

__attribute__((always_inline)) static inline void
run_begin(struct run *r, struct cache *c, const struct cache_caller *w)
{
	const struct arena *a = &c->slab.arena;

	r->c = c;
	r->w = w;
	r->shards = c->shards;
	r->mask = c->nshards - 1;
	r->base = a->base;
	r->pages = a->pages;
	r->tallies = w->tally->of_class;
	/* In flat mode marks are places in a queue. */
	r->reader = atomic_load_explicit(&c->policy.flat,
	    memory_order_relaxed) ? NULL : w->reader;
	r->unit_shift = a->unit_shift;
	r->page_shift = ARENA_PAGE_SHIFT - a->unit_shift;
	r->now = w->now;
	r->sampled = atomic_load_explicit(&c->pressure.below,
	    memory_order_relaxed);
}

/*
 * From where look-ahead saw the item.  Nothing that is read is believed before
 * lock_unmoved() has said so: first of the lengths, so that key and value lie
 * within the chunk, then of all.  Races by intent.  false: search() has to.
 */
__attribute__((always_inline)) static inline bool
glimpse(const struct run *r, const struct shard *s,
    const struct cache_key *k, void *dst, struct sight *sight)
{
	uint32_t nbytes = k->nbytes, nvalue;
	struct item *it;

	/* Made even: then it differs if the lock is held. */
	sight->seen = lock_glance(&s->lock) & ~(uint64_t)1;
	if (__builtin_expect(k->spot == NULL, 0))
		return false;
	sight->h = __atomic_load_n(k->spot, __ATOMIC_RELAXED);
	sight->it = it = (struct item *)(void *)(r->base +
	    ((size_t)sight->h << r->unit_shift));
	sight->first = item_first(it);
	sight->nvalue = nvalue = __atomic_load_n(&it->nvalue,
	    __ATOMIC_RELAXED);
	sight->deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);
	if (__builtin_expect(!shard_owns_first(s, sight->first, nbytes,
	    DETOUR) || is_past(sight->deadline, r->now) ||
	    (!door_is_short(nvalue) && cache_is_large(nbytes, nvalue)) ||
	    !lock_unmoved(&s->lock, sight->seen) ||
	    !shard_same_bytes((const char *)(it + 1), k->bytes, nbytes), 0))
		return false;
	sight->client_flags = take(it, nbytes, nvalue, sight->first, dst);
	sight->cas = it->cas; /* too wide for an atomic where it stands */
	sight->accessed = __atomic_load_n(&it->accessed, __ATOMIC_RELAXED);
	return __builtin_expect(lock_unmoved(&s->lock, sight->seen), 1);
}

/* What a hit leaves behind. */
__attribute__((always_inline)) static inline void
account(const struct run *r, struct shard *s, const struct cache_key *k,
    const struct sight *sight)
{
	unsigned class_id = atomic_load_explicit(
	    &r->pages[sight->h >> r->page_shift].class_id,
	    memory_order_relaxed);

	door_count(&r->tallies[class_id].hits_to_hot +
	    (sight->first / item_word(0, 0, 0, 1) & ITEM_QUEUE));
	if (!is_marked(sight->first, sight->accessed, r->now) &&
	    !mark_unlocked(s, r->reader, sight, r->now))
		mark_locked(r->c, s, r->w, k, sight->h);
	if (__builtin_expect((uint32_t)(k->hash >> 32) < r->sampled, 0))
		tell_hit(r->c, k, class_id, sight->nvalue, sight->deadline,
		    r->now, true);
}

DOOR_RACES enum cache_read
cache_read(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct shard *s = door_shard(c, k->hash);
	struct sight sight;
	struct run r;

	flush_tick(c, w);
	run_begin(&r, c, w);
	if (!glimpse(&r, s, k, dst, &sight))
		return search(c, s, w, k, dst, hit);
	hit->client_flags = sight.client_flags;
	hit->nvalue = sight.nvalue;
	hit->cas = sight.cas;
	hit->deadline = sight.deadline;
	hit->accessed = sight.accessed;
	hit->fetched = sight.first & item_word(0, 0, 0, ITEM_FETCHED);
	account(&r, s, k, &sight);
	return CACHE_READ_HIT;
}

/* *r has to be in memory: gcc would make variables of its fields, find no
 * registers for them, and load each into one before it uses it. */
#if __has_attribute(noipa)
#define IN_MEMORY __attribute__((noipa))
#else
#define IN_MEMORY __attribute__((noinline))
#endif

/* Under the lock. */
static IN_MEMORY enum cache_read
run_search(const struct run *r, struct shard *s, const struct cache_key *k,
    void *dst, struct cache_value *v)
{
	struct cache_hit hit;
	enum cache_read found = search(r->c, s, r->w, k, dst, &hit);

	if (found == CACHE_READ_HIT)
		*v = (struct cache_value){ hit.cas, hit.nvalue,
			hit.client_flags };
	return found;
}

DOOR_RACES unsigned
cache_read_run(struct cache *c, const struct cache_caller *w,
    const struct cache_key *keys, unsigned n, const struct cache_frame *f,
    char *dst, struct cache_value *v, enum cache_read *odd)
{
	const struct cache_key *k = keys, *end = keys + n;
	struct run r;

	*odd = CACHE_READ_HIT;
	flush_tick(c, w);
	run_begin(&r, c, w);
	r.frame = *f;
	r.key = f->key ? UINT32_MAX : 0;
	do {
		struct shard *s = &r.shards[k->hash & r.mask];
		struct sight sight;

		dst += r.frame.before + (k->nbytes & r.key);
		if (__builtin_expect(glimpse(&r, s, k, dst, &sight), 1)) {
			v->cas = sight.cas;
			v->nvalue = sight.nvalue;
			account(&r, s, k, &sight);
			v->client_flags = sight.client_flags;
		} else {
			*odd = run_search(&r, s, k, dst, v);
			if (*odd != CACHE_READ_HIT)
				break;
			sight.nvalue = v->nvalue;
			sight.client_flags = v->client_flags;
		}
		if (__builtin_expect(sight.nvalue - r.frame.least >
		    r.frame.span ||
		    (sight.client_flags != r.frame.client_flags &&
			!r.frame.any_flags), 0))
			break;
		dst += sight.nvalue + r.frame.after;
		v++;
	} while (++k < end);
	return (unsigned)(k - keys);
}
