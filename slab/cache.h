/*
 * cache.h - the one door of the slab floor: a cache of items in bounded memory.
 *
 *      struct cache_caller w = { .now = 2, .tally = &tally };
 *      struct cache_key k = cache_key(c, "foo", 3);
 *      struct cache_put put = { .value = "bar", .nvalue = 3 };
 *      cache_store(c, &w, &k, &put, &view);               -> CACHE_STORED
 *      cache_get(c, &w, &k, &(struct cache_want){ .dst = buf, .room = 64 },
 *                &view);                                  -> CACHE_FOUND
 *
 * Every call does one thing to one key under one shard lock and returns an
 * outcome; nothing calls back but a frame's put().  Time comes in as seconds
 * (cache_caller.now, never 0, never decreasing), never from a clock, so expiry
 * is tested without sleeping and two caches live in one process.
 *
 * Small and large.  An item whose key and value together are at most
 * CACHE_SMALL_MAX bytes is small: its value is copied in and out under the
 * lock.  A larger one can be held by reference: cache_get() pins it when it
 * does not fit in want.dst, cache_reserve() hands out an unlinked one to be
 * filled piece by piece.  Whoever holds a struct cache_item * gives it back
 * exactly once: cache_unpin(), cache_abandon(), or cache_store().
 *
 * Owns:    the arena, the index, the items.  Keys and values given are copied.
 * Threads: any thread may call anything here but cache_new() and cache_free(),
 *          with a cache_caller of its own.
 * Fails:   only by the outcomes named; memory exhaustion is CACHE_NO_MEMORY.
 * Cost:    O(1), one shard lock, no malloc; a value is copied once.
 */
#ifndef SLAB_CACHE_H
#define SLAB_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slab/limits.h"

struct cache;
struct cache_item; /* a large item held by reference */
struct cache_reader;

/* What became of a call.  The server turns these into words. */
enum cache_status {
	CACHE_FOUND,	  /* get, touch: here it is */
	CACHE_STORED,	  /* store, delta: done */
	CACHE_DELETED,	  /* delete: done */
	CACHE_NOT_FOUND,  /* no such live key */
	CACHE_NOT_STORED, /* add on a live key; replace, append, prepend
			     without one; append beyond the size limit */
	CACHE_EXISTS,	  /* compare failed */
	CACHE_TOO_LARGE,  /* the item is above the size limit */
	CACHE_NO_MEMORY,  /* nothing could be freed for it */
	CACHE_NOT_NUMBER, /* delta on what is no decimal uint64 */
};

/* Queues of a class, as memcached's statistics name them. */
enum cache_queue {
	CACHE_HOT,
	CACHE_WARM,
	CACHE_COLD,
	CACHE_TEMP,
	CACHE_QUEUES
};

/*
 * Counters that a caller's own operations bump.  One struct per thread; only
 * that thread writes it, anyone may read it with cache_tally_add(), which sums
 * it into another.  All are monotonic.
 *
 * A hit is counted once, by class and queue: what follows from that, get_hits
 * and cmd_get, is 0 here and filled in by cache_tally_add().
 */
#define CACHE_CLASS_TALLY(X)                                                  \
	X(get_hits)                                                           \
	X(cmd_set)	/* stores that got memory, stored or not */           \
	X(delete_hits)                                                        \
	X(incr_hits)                                                          \
	X(decr_hits)                                                          \
	X(cas_hits)                                                           \
	X(cas_badval)                                                         \
	X(touch_hits)                                                         \
	X(hits_to_hot)                                                        \
	X(hits_to_warm)                                                       \
	X(hits_to_cold)                                                       \
	X(hits_to_temp)

#define CACHE_TALLY(X)                                                        \
	X(cmd_get)	/* keys looked up to be read */                       \
	X(get_misses)                                                         \
	X(get_expired)	/* reads and touches of what had died by then */      \
	X(get_flushed)	/* ... of a flush_all */                              \
	X(cmd_touch)                                                          \
	X(touch_misses)                                                       \
	X(delete_misses)                                                      \
	X(incr_misses)                                                        \
	X(decr_misses)                                                        \
	X(cas_misses)                                                         \
	X(store_too_large)                                                    \
	X(store_no_memory)

struct cache_class_tally {
#define X(name) _Atomic uint64_t name;
	CACHE_CLASS_TALLY(X)
#undef X
};

struct cache_tally {
#define X(name) _Atomic uint64_t name;
	CACHE_TALLY(X)
#undef X
	struct cache_class_tally of_class[CACHE_CLASSES];
};

/* Who calls, and when. */
struct cache_caller {
	uint32_t now; /* seconds, 2 or later */
	struct cache_tally *tally;
	struct cache_reader *reader; /* from cache_join(); or NULL, and its
					hits take locks that others want */
};

struct cache_config {
	size_t memory_limit;  /* bytes, -m */
	bool fixed_limit;     /* cache_set_limit() may not raise it: reserve no
				 address space beyond memory_limit */
	int memory_file; /* its descriptor: the arena shall be in there, and the
			    limit is fixed; 0 = no file */
	double growth_factor; /* -f; 0 = slabd's own steps */
	uint32_t chunk_min;   /* -n: least space for key and value; 0 = 48 */
	uint32_t item_max;    /* -I, bytes; 0 = 1 MiB; at most 1 GiB */
	const uint32_t *slab_sizes; /* -o slab_sizes, ended by 0; or NULL */
	unsigned shards;      /* a power of two, 1 .. 256; 0 = 16 */
	uint64_t seed;	      /* of the key hash; random in a server */
	uint32_t index_start; /* items the index is made for; 0 = small */
	bool no_evictions;    /* -M */
	bool no_cas;	      /* -C */
	bool flat_lru;	      /* -o no_lru_maintainer, lru mode flat */
	uint32_t hot_pct, warm_pct;	/* of a class's items; 0 = 20, 40 */
	double hot_factor, warm_factor; /* of COLD's age; 0 = 0.2, 2.0 */
	uint32_t temporary_ttl;		/* TEMP takes TTLs up to it; 0 = off */
};

/* A key with its hash.  bytes stay the caller's. */
struct cache_key {
	const char *bytes;
	uint32_t nbytes;
	uint64_t hash;
	const uint32_t *spot; /* where cache_look_ahead() saw it, or NULL */
};

/* What a read shall do beside reading. */
struct cache_want {
	void *dst;     /* the value is copied here if it fits in room */
	/* Eight bytes of wishes; a plain get has none of them. */
	bool no_value;	/* neither copy nor pin */
	bool no_bump;	/* leave activity, access time and, without marks,
			   counters alone */
	bool touch;	/* set the deadline; counts as touch; with no_value,
			   as touch only */
	bool gat;	/* with touch: count as touch only, not as get */
	bool vivify;	/* on a miss create an empty item; caller wins */
	bool recache;	/* win if fewer than recache_ttl seconds are left */
	bool withhold;	/* no value if the cas number is withhold_cas */
	bool marks;	/* a meta reader: hand out the win of a stale item */
	uint32_t room; /* of dst; a large value that does not fit is pinned, a
			  small one is not copied (view.copied) */
	bool binary_key; /* remembered by a vivified item */
	bool recache_touched; /* recache looks at touch_deadline, if touch */
	uint32_t touch_deadline;
	uint32_t vivify_deadline;
	uint32_t recache_ttl;
	uint64_t withhold_cas;
	uint64_t new_cas; /* of a vivified item; 0 = the next number */
};

/* Why it is not found. */
enum cache_death { CACHE_ABSENT, CACHE_EXPIRED, CACHE_FLUSHED };

/* What an item looked like at the moment of the call. */
struct cache_view {
	uint32_t client_flags;
	uint32_t nvalue;
	uint64_t cas; /* 0 without CAS */
	struct cache_item *pinned; /* set if neither copied nor unwanted */
	uint8_t class_id;
	uint8_t queue;
	bool copied; /* the value is in want.dst */
	/* From here on not set by a get that has no wishes. */
	bool fetched;	 /* it had been read before this call */
	bool stale;	 /* X */
	bool won;	 /* W: this caller shall rebuild it */
	bool win_sent;	 /* Z: another caller was told so */
	bool binary_key; /* stored under a base64 key */
	uint32_t deadline; /* 0 = never; after touch the new one */
	uint32_t old_deadline; /* before touch; 0 of what is new */
	uint32_t accessed; /* seconds, before this call */
	uint32_t size;	   /* bytes of memory it takes */
	enum cache_death death; /* set with CACHE_NOT_FOUND alone */
};

enum cache_mode {
	CACHE_SET,
	CACHE_ADD,
	CACHE_REPLACE,
	CACHE_APPEND,
	CACHE_PREPEND
};

struct cache_put {
	enum cache_mode mode;
	uint32_t client_flags;
	uint32_t deadline;
	const void *value;	     /* nvalue bytes; or: */
	uint32_t nvalue;
	struct cache_item *reserved; /* from cache_reserve(); consumed always,
					whatever the outcome */
	bool compare;	  /* store only over compare_cas */
	bool allow_stale; /* meta I: an older compare_cas stores, stale */
	bool vivify;	  /* append, prepend: create on a miss ... */
	uint32_t vivify_deadline; /* ... with this deadline */
	bool binary_key;
	uint64_t compare_cas;
	uint64_t new_cas; /* 0 = the next number */
};

struct cache_delta {
	bool decrement;
	bool compare;
	bool vivify; /* on a miss store initial, no delta applied */
	bool touch;
	bool set_cas; /* new_cas counts even if it is 0 */
	bool binary_key;
	uint64_t delta;
	uint64_t initial;
	uint64_t compare_cas;
	uint64_t new_cas;
	uint32_t vivify_deadline;
	uint32_t touch_deadline;
};

struct cache_drop {
	bool compare;
	bool stale;	/* keep it, mark it stale, forget the win */
	bool drop_value; /* keep it, but empty, with client_flags, deadline */
	bool touch;	/* with stale: set the deadline */
	bool quiet;	/* not counted: a failed set takes the old value */
	bool quiet_exists; /* EXISTS is not counted as a miss */
	uint32_t client_flags;
	uint32_t deadline;
	uint64_t compare_cas;
	uint64_t new_cas;
};

/* ------------------------------------------------------------ life */

/* Returns NULL and sets *why to a sentence for the operator. */
struct cache *cache_new(const struct cache_config *, const char **why);
void cache_free(struct cache **); /* nothing may be pinned or reserved */

/* For one thread that reads much: its hits write nothing that other threads'
 * hits of other keys have to read.  NULL without memory, which will do, too. */
struct cache_reader *cache_join(struct cache *);
void cache_leave(struct cache *, struct cache_reader **);

/* ------------------------------------------------------------ keys */

struct cache_key cache_key(const struct cache *, const char *bytes,
    uint32_t nbytes);

/*
 * Look-ahead: hashes the n keys, at most CACHE_AHEAD (bytes and nbytes are
 * set), and has memory fetch their buckets, then the items that the buckets
 * name, so that the misses of all of them overlap.  Hints only; any thread, no
 * lock.
 */
void cache_look_ahead(const struct cache *, struct cache_key *, unsigned n);

/* A hint, too: the key, which was looked at ahead, is stored soon.  What
 * another core has written of its shard comes meanwhile. */
void cache_store_soon(const struct cache *, const struct cache_key *);

/* ------------------------------------------------------------ operations */

/* FOUND or NOT_FOUND (NO_MEMORY when a vivify fails); view is set on FOUND. */
enum cache_status cache_get(struct cache *, const struct cache_caller *,
    const struct cache_key *, const struct cache_want *, struct cache_view *);

/*
 * The read that nearly all traffic consists of: a small value, nothing but
 * read, CACHE_SMALL_MAX bytes of room in dst.  Counts as cache_get() does.
 * ELSE: nothing was done or counted, the item needs cache_get() (large, stale,
 * expired, won, of a base64 key).
 */
enum cache_read { CACHE_READ_MISS, CACHE_READ_HIT, CACHE_READ_ELSE };

struct cache_hit {
	uint32_t client_flags, nvalue;
	uint64_t cas;
	uint32_t deadline, accessed; /* as in cache_view */
	bool fetched;
};

enum cache_read cache_read(struct cache *, const struct cache_caller *,
    const struct cache_key *, void *dst, struct cache_hit *);

/*
 * The same of one key after another, for replies that stand in a row:
 *
 *      at -> |key|line|value|next|key|line|value|next ...
 *
 * Most values are as long as the one before them, with the same client flags,
 * and so all but key and value stands in the frame.  Of a hit for which nvalue
 * and client_flags are not true put() writes line and next.  It finds the value
 * behind a line as long as the frame's and may have to move it; it may make the
 * frame true for it.  It is called without a lock.
 *
 * Returns how many hits there were, and moves at behind the last one's next; up
 * to CACHE_FRAME_MORE bytes of whatever may follow.  When that is fewer than n,
 * odd is what became of the next key: it missed, or was left alone (ELSE); else
 * HIT.  At most CACHE_AHEAD keys.
 */
enum {
	CACHE_NEXT_MAX = 16,
	CACHE_LINE_MAX = 24,
	/* Fixed sizes are written, and a key even where none is wanted. */
	CACHE_FRAME_MORE = CACHE_KEY_MAX + CACHE_LINE_MAX + CACHE_NEXT_MAX,
};

struct cache_value {
	uint64_t cas;
	uint32_t nvalue, client_flags;
};

struct cache_frame {
	char next[CACHE_NEXT_MAX], line[CACHE_LINE_MAX];
	uint32_t nnext, nline;
	uint32_t key; /* ~0; or 0: it does not stand there */
	uint32_t nvalue, client_flags;
	char *at;
	enum cache_read odd;
	/* Returns where the next key goes. */
	char *(*put)(struct cache_frame *, const struct cache_key *,
	    const struct cache_value *, char *at, char *value);
};

/* Where the value goes of a key that goes to at. */
static inline char *
cache_frame_value(const struct cache_frame *f, char *at, uint32_t nkey)
{
	return at + (nkey & f->key) + f->nline;
}

unsigned cache_read_run(struct cache *, const struct cache_caller *,
    const struct cache_key *, unsigned n, struct cache_frame *);

/* STORED, NOT_STORED, EXISTS, NOT_FOUND (compare), TOO_LARGE, NO_MEMORY.
 * view (may be NULL) gets cas, nvalue and class_id on STORED. */
enum cache_status cache_store(struct cache *, const struct cache_caller *,
    const struct cache_key *, const struct cache_put *, struct cache_view *);

/* STORED with *number and view, NOT_FOUND, EXISTS, NOT_NUMBER, NO_MEMORY.
 * A result no longer than the old value is written in place, padded with
 * blanks; values above CACHE_SMALL_MAX are no numbers. */
enum cache_status cache_delta(struct cache *, const struct cache_caller *,
    const struct cache_key *, const struct cache_delta *, uint64_t *number,
    struct cache_view *);

/* DELETED, NOT_FOUND, EXISTS.  view may be NULL. */
enum cache_status cache_delete(struct cache *, const struct cache_caller *,
    const struct cache_key *, const struct cache_drop *, struct cache_view *);

/* All that is stored now is gone: at once (at = 0), or when now reaches at.
 * Replaces a pending one.  O(shards), but for the 31st time while upkeep has
 * not yet swept away what the first ones killed: O(items). */
void cache_flush(struct cache *, const struct cache_caller *, uint32_t at);

/* The same at once, in bounded steps: *shard starts at 0.  false: call again,
 * others may have their turn before; what is stored meanwhile may go, too. */
bool cache_flush_step(struct cache *, const struct cache_caller *,
    unsigned *shard);

/* ------------------------------------------------------------ large items */

/*
 * An unlinked item for a large value that is still arriving.  STORED (set
 * *item), TOO_LARGE, NO_MEMORY; counted as cache_store() counts them.  Of all
 * memory at most half is reserved at a time (or by one item), so that those
 * who announce values and do not send them leave the others their room.
 */
enum cache_status cache_reserve(struct cache *, const struct cache_caller *,
    const struct cache_key *, uint32_t client_flags, uint32_t deadline,
    uint32_t nvalue, struct cache_item **item);

/* The writer changed its mind or went away.  Nulls *item. */
void cache_abandon(struct cache *, struct cache_item **item);

/*
 * A place in the value of a held item.  cache_span() returns the contiguous
 * bytes at *cursor, at most max, and moves the cursor; 0 at the end.  Start
 * with a cursor of zeros.  The bytes of a reserved item may be written, those
 * of a pinned one only read.
 */
struct cache_cursor {
	uint32_t chunk;	 /* handle of the chunk; 0 = the first */
	uint32_t at;	 /* bytes of the chunk's part already passed */
	uint32_t passed; /* bytes of the value already passed */
};
size_t cache_span(const struct cache *, struct cache_item *,
    struct cache_cursor *, size_t max, char **bytes);

/* Gives a pinned item back; the last one frees it if it was removed. */
void cache_unpin(struct cache *, struct cache_item **item);

/* ------------------------------------------------------------ upkeep */

/*
 * One bounded step of housekeeping (less than a millisecond, no lock held
 * long): due flushes, balance of the queues, sweep of the expired, pages on the
 * move.  One thread at a time, about once a second, more often
 * while it returns true (there is more to do).
 */
bool cache_upkeep(struct cache *, uint32_t now);

/*
 * For a thread that does nothing else: has the system give memory a little
 * before it is needed, and sleeps until then.  A first touch may take
 * milliseconds, and without this thread whoever stores an item waits for it.
 * It returns when another thread calls cache_provide_end(), which must be
 * before cache_free(); then nobody may call it again.
 */
void cache_provide(struct cache *);
void cache_provide_end(struct cache *);

/* false: out of the bounds that cache_new() set, or no memory. */
bool cache_set_limit(struct cache *, size_t bytes);

/*
 * Empties a page of the class `from' (0: of the one that is the most willing),
 * for `to' to take when it next needs one: DELETED.  Its items move to free
 * chunks of their class, or push out that class's coldest.  NOT_FOUND: it has
 * no page to spare; NO_MEMORY: none could be emptied now.
 */
enum cache_status cache_reassign(struct cache *, const struct cache_caller *,
    unsigned from, unsigned to);

/* LRU settings that may change while serving; see cache_config. */
void cache_set_flat_lru(struct cache *, bool flat);
void cache_set_temporary_ttl(struct cache *, uint32_t ttl);
void cache_tune_lru(struct cache *, uint32_t hot_pct, uint32_t warm_pct,
    double hot_factor, double warm_factor);

/* ------------------------------------------------------------ restart
 *
 * A cache whose arena is in a file (cache_config.memory_file) can be gone on
 * with by another process, be its shards as many and its seed what they may:
 *
 *      bytes = cache_save(c, now, &n);         the last call but cache_free()
 *      ...
 *      cache_restore(c, bytes, n, now, &got, &why);             the first one
 *
 * What comes back: every live item with its value, client flags, cas number,
 * deadline, time of access, marks and queue, and about the place that it had in
 * it; a flush that is due later; the size of the index.  Cas numbers go on
 * above all that were given.  What was evicted lately (ghosts), the sample of
 * cache_pressure() and the counts do not come back.
 *
 * Neither the file nor the bytes are trusted: what is not a whole item, with
 * all its parts and a key of its own, is freed.
 */
struct cache_restored {
	uint64_t items, bytes;
	uint64_t dead;	 /* their time had come */
	uint64_t broken; /* said to be items, but were none */
};

/* To be kept until cache_restore(), and freed by free().  Nothing may be
 * pinned or reserved, nobody may call anything else any more.  NULL: no
 * memory, or no file.  Cost: a walk over all queues. */
void *cache_save(struct cache *, uint32_t now, size_t *nbytes);
/* The most bytes that it could return of a cache of that limit. */
size_t cache_save_most(size_t memory_limit);

/* false with *why: other settings, or other bytes than those of this file; the
 * cache is as new.  now goes on from that of cache_save().  Cost: a walk over
 * all pages. */
bool cache_restore(struct cache *, const void *saved, size_t nbytes,
    uint32_t now, struct cache_restored *, const char **why);

/* ------------------------------------------------------------ looking in */

/* Counters kept per class; gauges first, then monotonic ones. */
#define CACHE_CLASS_COUNTS(X)                                                 \
	X(evicted)                                                            \
	X(evicted_nonzero)   /* had a TTL */                                  \
	X(outofmemory)                                                        \
	X(reclaimed)	     /* dead items removed, by whatever */            \
	X(expired_unfetched)                                                  \
	X(evicted_unfetched)                                                  \
	X(evicted_active)                                                     \
	X(crawler_reclaimed)                                                  \
	X(crawler_items_checked)                                              \
	X(lrutail_reflocked) /* a pinned item stood at the tail */            \
	X(moves_to_cold)                                                      \
	X(moves_to_warm)                                                      \
	X(moves_within_lru)                                                   \
	X(direct_reclaims)

struct cache_class_stats {
	uint32_t chunk_size, chunks_per_page;
	uint64_t pages, chunks, used_chunks, free_chunks;
	uint64_t items, queue_items[CACHE_QUEUES];
	uint64_t mem_requested; /* bytes of items, without chunk waste */
	uint32_t age_hot, age_warm, age; /* seconds since the tail's access */
	uint32_t evicted_time; /* idle seconds of the last one evicted */
#define X(name) uint64_t name;
	CACHE_CLASS_COUNTS(X)
#undef X
};

/* X(what) became of pages on the move, and of what lived in them */
#define CACHE_MOVES(X)                                                        \
	X(pages_moved)                                                        \
	X(items_moved)                                                        \
	X(parts_moved) /* of large items */                                   \
	X(moves_cramped) /* no free chunk to go to: somebody was evicted */   \
	X(moves_refused) /* it is being sent to a client, and stays */

struct cache_stats {
	uint64_t items, bytes;	  /* linked now, dead ones included */
	uint64_t total_items;	  /* linked since start or reset */
	uint64_t limit;		  /* bytes */
	uint64_t pages_free;	  /* within the limit, in no class */
	uint64_t pages_total;
	uint64_t page_size;
#define X(name) uint64_t name;
	CACHE_MOVES(X)
#undef X
	uint64_t upkeeps; /* runs of cache_upkeep() */
	uint64_t index_bytes;
	uint32_t index_power;	  /* log2 of the slots, rounded down */
	struct cache_class_stats sum; /* of the monotonic ones, all classes */
};

void cache_stats(struct cache *, uint32_t now, struct cache_stats *);
/* false if the class does not exist or has never had a page */
bool cache_class_stats(struct cache *, unsigned class_id, uint32_t now,
    struct cache_class_stats *);

/*
 * What another memory would be worth, from a sample of the keys (pressure.h).
 * Hits are estimates for all gets since the start or cache_stats_reset().
 */
struct cache_pressure {
	bool evicting;	     /* within the last CACHE_EVICTING seconds */
	double lost_by_half; /* hits that half the memory would not have had */
	double won_by_twice; /* hits that twice the memory would have had */
	double rate;	     /* which part of all keys is sampled */
	uint64_t gets;	     /* sampled */
	uint64_t items;	     /* followed, at the present size */
	uint64_t bytes;	     /* that it takes */
};
enum { CACHE_EVICTING = 60 };
void cache_pressure(struct cache *, uint32_t now, struct cache_pressure *);

/* Monotonic counts back to 0; gauges stay.  Tallies are the callers'. */
void cache_stats_reset(struct cache *);
/* to += from; both may be in use */
void cache_tally_add(struct cache_tally *to, const struct cache_tally *from);

/* One item as a dump shows it.  The key is copied. */
struct cache_listed {
	uint32_t client_flags, nvalue, deadline, accessed, size;
	uint64_t cas;
	uint8_t class_id, queue, nkey;
	bool fetched, binary_key;
	char key[CACHE_KEY_MAX];
};

/*
 * Walks the live items, a bounded step at a time: fills at most max of list
 * and returns how many; *place starts at 0 and is UINT64_MAX when all were
 * seen.  Items stored or removed meanwhile may or may not be seen; all others
 * are, if max is CACHE_WALK_LEAST or more, and twice only if the index grew
 * meanwhile.  May return 0 before the end.
 */
size_t cache_walk(struct cache *, uint32_t now, uint64_t *place,
    struct cache_listed *list, size_t max);

/* How far cache_list_class() has come; all zero at first. */
struct cache_list_place {
	unsigned shard, queue;
	uint32_t last; /* the handle listed last in this queue, or 0 */
	uint64_t cas;  /* of it */
	bool done;
};

/*
 * Newest first of one class's COLD queue (all queues if any is true), shard by
 * shard, a bounded step at a time; for stats cachedump.  Looks at no more than
 * max items and returns how many were filled, which may be 0 before place is
 * done.  If the item where the last step ended has moved meanwhile, the rest
 * of that shard's queue is left out.
 */
size_t cache_list_class(struct cache *, unsigned class_id, uint32_t now,
    bool any, struct cache_list_place *, struct cache_listed *list,
    size_t max);

/*
 * While on, what is evicted is remembered until somebody takes it: a few items
 * of each shard, the others are lost, and counted.  false: no memory, only
 * some are remembered.  Off forgets them.
 */
bool cache_watch_evictions(struct cache *, bool on);
/* In no order; at most max.  *lost is added to. */
size_t cache_take_evicted(struct cache *, struct cache_listed *list,
    size_t max, uint64_t *lost);

/* Walks everything and aborts unless all agrees.  Stop the traffic first. */
void cache_check(struct cache *);

#endif
