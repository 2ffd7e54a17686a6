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

/* How many lines of an item so large there are, wherever it begins. */
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
	__builtin_prefetch(at + LINE, 0, 2);
	if (lines > 2) {
		__builtin_prefetch(at + 2 * LINE, 0, 2);
		__builtin_prefetch(at + 3 * LINE, 0, 2);
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
fetch_further(const struct cache *c, struct further *list, unsigned n,
    unsigned lines)
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
				fetch_item(c, h, lines);
			}
		}
		n = left;
	}
}

/* The first round leaves the key's bucket in spot, the next one its entry. */
__attribute__((always_inline)) static inline const handle *
spot_of(const struct cache *c, const struct cache_key *k, uint32_t *cell)
{
	return index_spot(&c->shards[0].index, index_bucket_at(k->spot),
	    k->hash, cell);
}

/* As many lines as the first item has are fetched of all: most batches are of
 * one kind, and it is but a hint. */
static unsigned
lines_ahead(const struct cache *c, const struct cache_key *k)
{
	uint32_t cell;
	const handle *spot = spot_of(c, k, &cell);

	return spot != NULL && index_peek(spot) != 0 ?
	    lines_of(c, index_peek(spot)) : LINES_MAX;
}

void
cache_look_ahead(const struct cache *c, struct cache_key *keys, unsigned n)
{
	struct further further[CACHE_AHEAD];
	unsigned nfurther = 0, lines = 0;
	const struct shard *shards = c->shards;
	const struct index_bucket *lines_at = c->space->lines;
	uint64_t seed = c->seed;
	unsigned mask = c->nshards - 1, shard_bits = c->space->shard_bits;

	assert(n <= CACHE_AHEAD);
	for (unsigned i = 0; i < n; i++) {
		uint64_t hash = hash_key(keys[i].bytes, keys[i].nbytes, seed);
		unsigned shard = hash & mask;

		keys[i].hash = hash;
		keys[i].spot = index_bucket_in(lines_at, shard_bits,
		    &shards[shard].index, shard, hash)->entry;
		__builtin_prefetch(keys[i].spot);
	}
	/* A single item is read at once, and its lines come of themselves. */
	if (n > 1)
		lines = lines_ahead(c, &keys[0]);
	for (unsigned i = 0; i < n; i++) {
		struct cache_key *k = &keys[i];
		uint32_t cell;

		k->spot = spot_of(c, k, &cell);
		if (__builtin_expect(k->spot != NULL, 1)) {
			fetch_item(c, index_peek(k->spot), lines);
			continue;
		}
		further[nfurther] = (struct further){ k, cell };
		nfurther += cell != 0;
	}
	if (nfurther > 0)
		fetch_further(c, further, nfurther, lines);
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
	uint32_t accessed;
	uint64_t seen;
	char *value; /* a copy of it */
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
DOOR_RACES __attribute__((always_inline)) static inline uint32_t
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
	unsigned unit_shift;
	uint32_t now;
	uint32_t sampled; /* hashes below it are */
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
	r->now = w->now;
	r->sampled = atomic_load_explicit(&c->pressure.below,
	    memory_order_relaxed);
}

/* Sixteen bytes at a time. */
__attribute__((noinline)) static void
put_key_odd(char *to, const char *key, size_t n)
{
	size_t i;

	for (i = 0; i + 16 < n; i += 16)
		memcpy(to + i, key + i, 16);
	for (; i < n; i++)
		to[i] = key[i];
}

/* Is that the item's key?  Framed, a copy of it goes to `to': what was loaded
 * to be compared need not be loaded again. */
DOOR_RACES __attribute__((always_inline)) static inline bool
take_key(const struct item *it, const char *key, size_t n, bool framed,
    char *to)
{
	char first[16], last[16];

	if (!shard_same_bytes((const char *)(it + 1), key, n))
		return false;
	if (!framed)
		return true;
	if (__builtin_expect(n - 16 > 16, 0)) {
		put_key_odd(to, key, n);
		return true;
	}
	memcpy(first, key, 16);
	memcpy(last, key + n - 16, 16);
	memcpy(to, first, 16);
	memcpy(to + n - 16, last, 16);
	return true;
}

DOOR_RACES __attribute__((always_inline)) static inline char *
put_line(const struct cache_frame *f, char *to)
{
	uint32_t nline = f->nline;

	memcpy(to, f->line, 8);
	if (__builtin_expect(nline > 8, 0))
		memcpy(to + 8, f->line + 8, CACHE_LINE_MAX - 8);
	return to + nline;
}

/*
 * From where look-ahead saw the item.  Nothing that is read is believed before
 * lock_unmoved() has said so.  If the length is no true one, bytes are read
 * that are not the item's, but they can be: behind the last page there is room
 * for any small value (arena.h).  Races by intent.  false: search() has to.
 *
 * The value goes to `to'; framed, the key, with line and value behind it.  Each
 * may write some bytes too many, so what stands behind it is written after it.
 */
DOOR_RACES __attribute__((always_inline)) static inline bool
glimpse(const struct run *r, const struct shard *s,
    const struct cache_key *k, const struct cache_frame *f, bool framed,
    char *to, struct sight *sight, uint32_t *deadline)
{
	uint32_t nkey = k->nbytes, nvalue;
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
	*deadline = atomic_load_explicit(&it->deadline, memory_order_relaxed);
	if (__builtin_expect(!shard_owns_first(s, sight->first, nkey,
	    DETOUR) || is_past(*deadline, r->now) ||
	    !take_key(it, k->bytes, nkey, framed, to), 0))
		return false;
	if (framed)
		to = put_line(f, to + (nkey & f->key));
	sight->value = to;
	if (__builtin_expect(!door_is_short(nvalue), 0) &&
	    cache_is_large(nkey, nvalue))
		return false;
	sight->client_flags = take(it, nkey, nvalue, sight->first, to);
	sight->accessed = __atomic_load_n(&it->accessed, __ATOMIC_RELAXED);
	return __builtin_expect(lock_unmoved(&s->lock, sight->seen), 1);
}

/* Too wide for an atomic where it stands.  false: it may not be the item's. */
DOOR_RACES __attribute__((always_inline)) static inline bool
glimpse_cas(const struct shard *s, const struct sight *sight, uint64_t *cas)
{
	*cas = sight->it->cas;
	return __builtin_expect(lock_unmoved(&s->lock, sight->seen), 1);
}

/* *r has to be in memory: gcc would make variables of its fields, find no
 * registers for them, and load each into one before it uses it. */
#if __has_attribute(noipa)
#define IN_MEMORY __attribute__((noipa))
#else
#define IN_MEMORY __attribute__((noinline))
#endif

DOOR_RACES __attribute__((always_inline)) static inline unsigned
class_of(const struct run *r, const struct item *it)
{
	size_t page = (size_t)((const char *)it - r->base) >> ARENA_PAGE_SHIFT;

	return atomic_load_explicit(&r->pages[page].class_id,
	    memory_order_relaxed);
}

/* By now it may be another item that is told of: the sample bears that. */
DOOR_RACES static IN_MEMORY void
tell_sampled(const struct run *r, const struct cache_key *k,
    const struct item *it, uint32_t nvalue)
{
	tell_hit(r->c, k, class_of(r, it), nvalue,
	    atomic_load_explicit(&it->deadline, memory_order_relaxed),
	    r->now, true);
}

/* What a hit leaves behind. */
DOOR_RACES __attribute__((always_inline)) static inline void
account(const struct run *r, struct shard *s, const struct cache_key *k,
    const struct sight *sight)
{
	struct cache_class_tally *tally = &r->tallies[class_of(r, sight->it)];

	door_count(&tally->hits_to_hot +
	    (sight->first / item_word(0, 0, 0, 1) & ITEM_QUEUE));
	if (!is_marked(sight->first, sight->accessed, r->now) &&
	    !mark_unlocked(s, r->reader, sight, r->now))
		mark_locked(r->c, s, r->w, k, sight->h);
	if (__builtin_expect((uint32_t)(k->hash >> 32) < r->sampled, 0))
		tell_sampled(r, k, sight->it, sight->nvalue);
}

DOOR_RACES enum cache_read
cache_read(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct shard *s = door_shard(c, k->hash);
	uint32_t deadline;
	struct sight sight;
	struct run r;

	flush_tick(c, w);
	run_begin(&r, c, w);
	if (!glimpse(&r, s, k, NULL, false, dst, &sight, &deadline) ||
	    !glimpse_cas(s, &sight, &hit->cas))
		return search(c, s, w, k, dst, hit);
	hit->client_flags = sight.client_flags;
	hit->nvalue = sight.nvalue;
	hit->deadline = deadline;
	hit->accessed = sight.accessed;
	hit->fetched = sight.first & item_word(0, 0, 0, ITEM_FETCHED);
	account(&r, s, k, &sight);
	return CACHE_READ_HIT;
}

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

/*
 * The next key.  Returns where the one after it goes if it is a hit, seen from
 * here, and like the frame.  Else NULL, and f->odd says what it is; a hit is in
 * *v then, and put() has to write what is around the value.
 */
DOOR_RACES __attribute__((always_inline)) static inline char *
read_next(const struct run *r, const struct cache_key *k,
    struct cache_frame *f, char *at, struct cache_value *v)
{
	struct shard *s = &r->shards[k->hash & r->mask];
	struct sight sight;
	uint32_t deadline;
	char *end;

	if (__builtin_expect(!glimpse(r, s, k, f, true, at, &sight,
	    &deadline), 0))
		goto search;
	if (__builtin_expect(sight.nvalue != f->nvalue, 0) ||
	    __builtin_expect(sight.client_flags != f->client_flags, 0)) {
		if (!glimpse_cas(s, &sight, &v->cas))
			goto search;
		v->nvalue = sight.nvalue;
		v->client_flags = sight.client_flags;
		account(r, s, k, &sight);
		return NULL;
	}
	account(r, s, k, &sight);
	end = sight.value + sight.nvalue;
	memcpy(end, f->next, CACHE_NEXT_MAX);
	return end + f->nnext;
search:
	f->odd = run_search(r, s, k, cache_frame_value(f, at, k->nbytes), v);
	if (f->key != 0)
		put_key_odd(at, k->bytes, k->nbytes);
	return NULL;
}

DOOR_RACES unsigned
cache_read_run(struct cache *c, const struct cache_caller *w,
    const struct cache_key *keys, unsigned n, struct cache_frame *f)
{
	const struct cache_key *k = keys, *end = keys + n;
	char *at = f->at, *next;
	struct cache_value v;
	struct run r;

	f->odd = CACHE_READ_HIT;
	flush_tick(c, w);
	run_begin(&r, c, w);
	do {
		next = read_next(&r, k, f, at, &v);
		if (__builtin_expect(next == NULL, 0)) {
			if (f->odd != CACHE_READ_HIT)
				break;
			next = f->put(f, k, &v, at,
			    cache_frame_value(f, at, k->nbytes));
		}
		at = next;
	} while (++k < end);
	f->at = at;
	return (unsigned)(k - keys);
}
