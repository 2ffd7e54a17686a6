/*
 * door.h - what the files behind cache.h share; nobody else includes it.
 *
 *      get store delta delete    one operation each, on small items
 *      large                     reserve, span, pin; store of large items
 *      flush upkeep provide walk count check cache    on all of them
 *      save restore              likewise, from one process to the next
 *      judge   may it be stored?      place   where a small item is written
 *      room    memory for an item, and who must go for it
 *      sweep   the dead before the living
 *      tell    what the sample has to know
 *
 * Owns:    the parts of struct cache.
 * Threads: as cache.h says; lock order: moving, then one shard, then class.
 * Fails:   place_small() and room_make() with CACHE_NO_MEMORY or 0.
 * Cost:    see each.
 */
#ifndef SLAB_DOOR_H
#define SLAB_DOOR_H

#include <pthread.h>

#include "slab/cache.h"
#include "slab/chain.h"
#include "slab/pressure.h"
#include "slab/shard.h"

enum { CACHE_MAGIC = 0xcac4e001 };

enum { USE_BUCKETS = 24 };

/* Items of a class that were looked at, by how long they stand unused. */
struct use_sample {
	uint8_t n[USE_BUCKETS], all;
	bool judged; /* some have been, lately */
};

struct cache {
	unsigned magic;
	/* fixed after cache_new() */
	unsigned nshards; /* a power of two */
	struct shard *shards;
	struct index_space *space;
	struct ghost_bucket *ghosts; /* of all shards */
	size_t ghost_bytes;
	uint64_t seed;
	uint32_t item_max; /* with CACHE_ITEM_OVERHEAD */
	bool no_cas;
	uint64_t mark; /* of the memory file, until it is restored; or 0 */
	/* set by its own calls, read by all; relaxed */
	_Atomic uint32_t flush_at; /* 0 = none is due */
	struct lru_policy policy;
	_Atomic size_t arriving; /* bytes of reserved items; relaxed */
	_Atomic bool provided; /* cache_provide() shall return */
	struct slab slab;

	/* One page is emptied at a time.  The outermost lock: nobody who
	 * holds another one takes it. */
	pthread_mutex_t moving;
	struct {
#define X(name) _Atomic uint64_t name;
		CACHE_MOVES(X)
#undef X
	} moves; /* written under moving; relaxed */
	_Atomic uint32_t start; /* shard at which room is looked for first */
	struct {
		_Atomic unsigned class_id; /* 0 = no page is being emptied */
		uint32_t page, at;
		bool by_hand; /* its class shall be the smaller for it */
	} drain; /* under moving; class_id may be looked at without */
	/* of level.c: how old the classes' tails are; evictions */
	_Atomic uint64_t ages[CACHE_CLASSES];
	_Atomic uint32_t turns[CACHE_CLASSES];
	_Atomic uint64_t unused[CACHE_CLASSES]; /* ... and stand unused */
	struct {
		_Atomic uint32_t second, n; /* evictions in that one */
		_Atomic uint32_t span;	    /* of them make a mean */
	} paces[CACHE_CLASSES];
	_Atomic unsigned idle; /* a class with free pages' worth, or 0 */
	uint32_t roots[CACHE_CLASSES]; /* of chunk sizes; fixed */

	/* of cache_upkeep(), one thread at a time */
	struct use_sample samples[CACHE_CLASSES];
	uint64_t samples_dice;
	uint32_t samples_since; /* second */
	uint32_t sweep_page;
	uint32_t sweep_chunk;
	uint32_t sweep_left; /* pages of this round */
	uint64_t sweep_found, sweep_checked; /* of it: dead, and all */
	bool sweep_urgent;
	unsigned sweep_delays; /* steps that let something else wait */
	/* Items that the sweep saw in one second, and those of them that die
	 * when the next one turns; by its parity. */
	struct {
		_Atomic uint32_t second, dying, seen;
	} dying[2];
	bool sweep_again; /* its last step had more to do */
	bool upkeep_again; /* anything had, in that second */
	uint32_t upkeep_second;
	_Atomic uint64_t upkeeps;
	uint32_t sweep_second, sweep_quota; /* pages left of that second */
	/* A round over all shards, as far as it has come; and what the last
	 * one found. */
	struct upkeep_round {
		unsigned at, shards[CACHE_CLASSES];
		uint64_t linked, ages[CACHE_CLASSES], evicted[CACHE_CLASSES];
	} round;
	uint64_t linked, evicted[CACHE_CLASSES];
	bool busy; /* items are being stored */
	bool stuck[CACHE_CLASSES]; /* had a page that could not be emptied */
	uint32_t stuck_at; /* second */
	_Atomic uint32_t evicted_at; /* second in which it last saw some */
	_Atomic uint64_t checked[CACHE_CLASSES]; /* items swept over */
	/* of sweep.c: a round in which those help who would evict */
	struct {
		_Atomic uint32_t second, pages; /* begun in it */
		_Atomic uint32_t found, looked; /* dead, and all, lately */
		_Atomic uint64_t rest; /* page << 32 | chunk; 0 = none */
	} help;

	struct pressure pressure;
};

static inline struct shard *
door_shard(const struct cache *c, uint64_t hash)
{
	return &c->shards[hash & (c->nshards - 1)];
}

/* Relaxed load and store, no locked instruction: the tally has one writer. */
static inline void
door_count(_Atomic uint64_t *counter)
{
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

#define COUNT(caller, name) door_count(&(caller)->tally->name)
#define COUNT_CLASS(caller, k, name) \
	door_count(&(caller)->tally->of_class[k].name)

_Static_assert(offsetof(struct cache_class_tally, hits_to_temp) -
    offsetof(struct cache_class_tally, hits_to_hot) ==
    (CACHE_TEMP - CACHE_HOT) * sizeof(_Atomic uint64_t),
    "hits_to_* are counted by adding the queue to the first");

static inline void
door_count_hit(const struct cache_caller *w, unsigned class_id, unsigned queue)
{
	door_count(&w->tally->of_class[class_id].hits_to_hot + queue);
}

/* The live item with that key; a dead one is taken away. */
static inline struct shard_place
door_find(struct shard *s, const struct cache_key *k, uint32_t now)
{
	struct shard_place place = shard_find(s, k);

	if (place.it != NULL &&
	    __builtin_expect(shard_is_dead(s, place.it, now), 0))
		shard_bury(s, &place);
	return place;
}

static inline bool
door_too_large(const struct cache *c, uint32_t nkey, uint32_t client_flags,
    uint64_t nvalue)
{
	return nvalue + nkey + CACHE_ITEM_OVERHEAD +
	    (client_flags ? CACHE_FLAGS_SIZE : 0) >
	    c->item_max;
}

/* memcpy() by the library, which knows this processor.  Left to itself gcc sees
 * that the length is bounded and expands it to a `rep movs`, which takes ten
 * times as long to begin. */
static inline void
door_copy(void *to, const void *from, size_t n)
{
	__asm__("" : "+r"(n));
	memcpy(to, from, n);
}

/* The same of 33 to 128 bytes, inlined: a call costs as many instructions as
 * the copying, and what it makes its caller save and load again. */
static inline bool
door_is_short(uint32_t n)
{
	return n - 33 <= 128 - 33;
}

__attribute__((always_inline)) static inline void
door_copy_short(char *to, const char *from, size_t n)
{
	memcpy(to, from, 32);
	if (__builtin_expect(n > 64, 1)) {
		memcpy(to + 32, from + 32, 32);
		memcpy(to + n - 64, from + n - 64, 32);
	}
	memcpy(to + n - 32, from + n - 32, 32);
}

/* Of a function that reads what somebody may be changing, or has freed: it
 * finds out afterwards, so the sanitizers shall not look at it. */
#define DOOR_RACES __attribute__((no_sanitize("thread", "address")))

/* The same of such bytes.  They would look at what memcpy() reads. */
__attribute__((always_inline)) static inline void
door_copy_racing(void *to, const void *from, size_t n)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = ((const volatile char *)from)[i];
#else
	if (__builtin_expect(door_is_short((uint32_t)n), 1))
		door_copy_short(to, from, n);
	else
		door_copy(to, from, n);
#endif
}

/* What the caller shall see of it: what every get needs, and the rest. */
static inline void
door_show_some(const struct shard *s, struct item *it, handle h,
    struct cache_view *v)
{
	unsigned bits = it->bits;
	uint32_t flags = 0;

	if (bits & ITEM_FLAGS)
		memcpy(&flags, item_key(it) + it->nkey, sizeof(flags));
	v->client_flags = flags;
	v->nvalue = it->nvalue;
	v->cas = it->cas;
	v->pinned = NULL;
	v->class_id = (uint8_t)shard_class_of(s, h);
	v->queue = bits & ITEM_QUEUE;
	v->copied = false;
}

static inline void
door_show(const struct shard *s, const struct shard_place *place,
    struct cache_view *v)
{
	struct item *it = place->it;
	unsigned bits = it->bits;

	door_show_some(s, it, place->h, v);
	v->fetched = bits & ITEM_FETCHED;
	v->stale = bits & ITEM_STALE;
	v->won = false;
	v->win_sent = bits & ITEM_WIN_SENT;
	v->binary_key = bits & ITEM_BINARY;
	v->deadline = atomic_load_explicit(&it->deadline, memory_order_relaxed);
	v->old_deadline = v->deadline;
	v->accessed = it->accessed;
	v->size = (uint32_t)item_size(it->nkey, bits & ITEM_FLAGS, it->nvalue);
}

/* What the number of an existing item has to be for a compare to succeed. */
static inline bool
door_cas_is(const struct cache *c, const struct item *it, uint64_t compare)
{
	return !c->no_cas && compare != 0 && it->cas == compare;
}

/* ------------------------------------------------------------ tell.c */

/* What the sample (pressure.h) has to know, of hashes that are in it.  No lock
 * is held.  counted: it was a get, not a touch alone. */
void tell_hit(struct cache *, const struct cache_key *, unsigned class_id,
    uint32_t nvalue, uint32_t deadline, uint32_t now, bool counted);
void tell_stored(struct cache *, const struct cache_key *,
    const struct cache_view *, uint32_t now);

static inline bool
door_samples(const struct cache *c, const struct cache_key *k)
{
	return __builtin_expect(pressure_samples(&c->pressure, k->hash), 0);
}

/* ------------------------------------------------------------ judge.c */

/* May the value be stored over what stands there?  CACHE_STORED if so.  An add
 * that may not refreshes what it met. */
struct verdict {
	enum cache_status status;
	bool stale;	   /* an older number was let through */
	unsigned class_id; /* of what stood there; 0 = nothing */
};
struct verdict judge_store(struct cache *, const struct cache_caller *,
    struct shard *, const struct shard_place *, const struct cache_put *);
/* Counts what became of it; class_id is that of the value's own item. */
void judge_count(const struct cache_caller *, const struct cache_put *,
    struct verdict, enum cache_status, unsigned class_id);
/* The marks that a value keeps which was let through with an older number. */
uint8_t judge_marks(const struct item *old);

/* ------------------------------------------------------------ place.c */

/* A small item as it shall be.  The value is head and tail, one after the
 * other; either may lie in the very item that is replaced. */
struct draft {
	uint32_t client_flags;
	uint32_t deadline;
	uint32_t nhead, ntail;
	const void *head, *tail;
	uint64_t cas;
	uint8_t marks; /* of enum item_bits: FETCHED, STALE, WIN_SENT, BINARY */
};

/* The parts of it that store.c's short way uses by itself. */
static inline uint8_t
place_bits(const struct draft *d)
{
	return (uint8_t)(d->marks | (d->client_flags ? ITEM_FLAGS : 0));
}

/* Flags and value, behind the key.  The tail goes first and by memmove: when
 * a value is put before another one that stands here already, it must make
 * way. */
static inline void
place_fill(struct item *it, const struct draft *d)
{
	char *value = (char *)(it + 1) + it->nkey +
	    (d->client_flags != 0 ? CACHE_FLAGS_SIZE : 0);

	if (__builtin_expect(d->ntail > 0, 0)) {
		memmove(value + d->nhead, d->tail, d->ntail);
		memmove(value, d->head, d->nhead);
	} else if (__builtin_expect(door_is_short(d->nhead), 1)) {
		door_copy_short(value, d->head, d->nhead);
	} else if (d->nhead > 0) {
		door_copy(value, d->head, d->nhead);
	}
	if (d->client_flags != 0)
		memcpy(value - CACHE_FLAGS_SIZE, &d->client_flags,
		    CACHE_FLAGS_SIZE);
}

/* The chunk has the right size already: no allocation, no relinking. */
static inline void
place_rewrite(struct shard *s, struct item *it, handle h, unsigned class_id,
    const struct draft *d, uint32_t now)
{
	uint32_t nvalue = d->nhead + d->ntail;
	uint64_t grown = (uint64_t)nvalue - it->nvalue;
	unsigned bits = place_bits(d);

	if (__builtin_expect((it->bits ^ bits) & ITEM_FLAGS, 0))
		grown += bits & ITEM_FLAGS ? CACHE_FLAGS_SIZE :
					     -(uint64_t)CACHE_FLAGS_SIZE;
	shard_open(it);
	it->bits = (uint8_t)((it->bits & (ITEM_QUEUE | ITEM_ACTIVE)) | bits);
	it->nvalue = nvalue;
	it->cas = d->cas;
	atomic_store_explicit(&it->deadline, d->deadline, memory_order_relaxed);
	place_fill(it, d);
	shard_close(s, it);
	s->linked++;
	/* Else that line is left alone. */
	if (grown != 0)
		s->lru[class_id].bytes += grown;
	if (lru_rewrite(s->policy, it, now))
		shard_requeue(s, h, class_id, now);
}

/* A chunk got in advance, while no lock was held. */
struct room {
	unsigned class_id; /* wanted; 0 = nothing is missing but memory */
	handle chunk;	   /* of that class; 0 = not got yet */
	unsigned tries;
	unsigned giver; /* of a page, by room_step(); 0 = none */
};

/*
 * Writes the draft in the place of old (old->it NULL: as a new item): into
 * the same chunk if it has the right size, else into another.  Sets *old to
 * where it stands.  CACHE_STORED; or CACHE_NO_MEMORY, and nothing has changed:
 * if room->class_id is set then, get a chunk with room_wait() and start over
 * from the look-up.
 */
enum cache_status place_small(struct cache *, struct shard *,
    const struct cache_key *, struct shard_place *old, const struct draft *,
    struct room *, uint32_t now);

/* Where an item goes that is linked now, in the place of old. */
enum cache_queue place_queue(struct shard *, uint64_t hash, struct item *,
    const struct shard_place *old, uint32_t now);

/* Lets the shard go, gets what *room wants, takes the shard again.  false if
 * it cannot be had, or after too many tries. */
bool room_wait(struct cache *, struct shard *, struct room *, uint32_t now);
/* Gives back what was not used; after the shard was let go. */
static inline void
room_fini(struct cache *c, struct room *room)
{
	if (__builtin_expect(room->chunk != 0, 0))
		slab_free(&c->slab, room->chunk);
}

/* ------------------------------------------------------------ large.c */

/* A reserved item is no longer one: it is stored, or given up. */
void large_arrived(struct cache *, const struct cache_item *);

/* store.c's cache_store() hands these over: a value that is large, reserved,
 * or becomes large by being joined to what is there.  CACHE_FOUND: it is small
 * after all, try again. */
enum cache_status large_store(struct cache *, const struct cache_caller *,
    const struct cache_key *, const struct cache_put *, struct cache_view *);

/* ------------------------------------------------------------ room.c */

/* A chunk of the class, evicting or moving what must go.  No lock may be
 * held.  0 if nothing could be freed. */
handle room_make(struct cache *, unsigned class_id, uint32_t now);

/* Empties one page of another class than this (0: of any), or of itself if
 * there is no other way; the arena has it then.  No lock may be held. */
bool room_steal(struct cache *, unsigned for_class, uint32_t now);
/* Of this very class. */
bool room_take_page(struct cache *, unsigned class_id, bool by_hand,
    uint32_t now);

/* A bounded step of emptying a page: the one begun, else one of giver (0: none
 * is begun), for taker.  No lock may be held; does nothing if somebody else is
 * at it. */
void room_step(struct cache *, unsigned giver, unsigned taker, uint32_t now);

/* A bounded step of giving back what is in use above the limit, for upkeep.
 * false: there is nothing to do, or nothing can be done now. */
bool room_shrink(struct cache *, uint32_t now);

/* ------------------------------------------------------------ sweep.c */

/* A chunk as whoever walks a page sees it without a lock. */
struct chunk_peek {
	uint8_t state, shard;
	uint32_t deadline; /* of an item; of a part: its owner */
	uint32_t accessed; /* of an item */
};
struct chunk_peek sweep_peek(const struct cache *, handle);

/* Removes what is dead in the page, from chunk *at on, while *work lasts; *at
 * is 0 at the page's end.  The items that it saw are added to *seen.  Returns
 * how many were dead. */
struct sweep_seen {
	uint64_t items, dying; /* all; those with a second left */
};
unsigned sweep_page(struct cache *, uint32_t page, uint32_t *at, uint32_t now,
    int *work, struct sweep_seen *seen);

/* Upkeep's sweep in that second saw those. */
void sweep_foresee(struct cache *, uint32_t now, const struct sweep_seen *);
/* What it foresaw of this one; zeros if it did not. */
struct sweep_seen sweep_foreseen(const struct cache *, uint32_t now);

/* Before a live item is evicted: may there be dead ones to be found first?  If
 * so, a bounded search for some, until the class has a free chunk.  No lock may
 * be held. */
bool sweep_helps(const struct cache *, uint32_t now);
void sweep_help(struct cache *, unsigned class_id, uint32_t now);
/* Were there many, in this second? */
bool sweep_finds(const struct cache *, uint32_t now);

/* ------------------------------------------------------------ level.c */

void level_init(struct cache *);
/* How old the class's tail in this shard is, seconds. */
uint32_t level_tail(struct shard *, unsigned class_id, uint32_t now);
/* Something of the class was evicted here: what does that tell of its age? */
void level_note(struct cache *, struct shard *, unsigned class_id,
    uint32_t now);
/* Nothing was for a while: the tails of so many shards are so old together. */
void level_poll(struct cache *, unsigned class_id, uint64_t sum,
    unsigned shards);
/* Its items stand unused for so many seconds, if that is more than its tail is
 * old. */
void level_used(struct cache *, unsigned class_id, uint32_t seconds);
/* How willingly the class gives a page. */
uint64_t level_score(const struct cache *, unsigned class_id);
/* The class to take a page from for another, of those not tried yet (NULL:
 * none was); 0 if none is left. */
unsigned level_giver(const struct cache *, unsigned for_class,
    const bool *tried);
/* Has another class a page's worth of free chunks? */
bool level_spares(const struct cache *, unsigned for_class);
/* Before something of the class is evicted: the class that should rather give
 * it a page, by room_step(); nearly always 0. */
unsigned level_due(struct cache *, unsigned taker);

/* ------------------------------------------------------------ use.c */

/* Looks at some items of each class.  Once a second, by upkeep. */
void use_sample(struct cache *, uint32_t now);

/* Of check.c: chunks in use that no linked item accounts for, those of items
 * reserved, or pinned when they were removed. */
uint64_t check_strays(struct cache *);

#endif
