/*
 * limits.h - the sizes that the door and the bytes behind it agree on.
 *
 * Owns:    nothing.
 * Threads: constants.
 * Fails:   never.
 * Cost:    none.
 */
#ifndef SLAB_LIMITS_H
#define SLAB_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CACHE_KEY_MAX = 250,	  /* bytes; the protocols' limit */
	CACHE_CLASSES = 64,	  /* class ids are 1 .. 63, 0 is none: what
				     memcached's tools loop over */
	CACHE_SMALL_MAX = 4096,	  /* key + value; above, items can be pinned */
	CACHE_ITEM_OVERHEAD = 59, /* what memcached adds to key and value when
				     it compares an item with -I; so do we */
	CACHE_CAS_SIZE = 8,	  /* of that; not without cas numbers */
	CACHE_FLAGS_SIZE = 4,	  /* and this, when client flags are not 0 */
	CACHE_AHEAD = 64,	  /* keys that cache_look_ahead() takes */
	CACHE_DEAD = 1,		  /* a deadline that has always passed */
	CACHE_WALK_LEAST = 80,	  /* see cache_walk() */
};

/* True if an item so large goes by cache_reserve() rather than by copy. */
static inline bool
cache_is_large(uint32_t nkey, uint32_t nvalue)
{
	return nvalue > CACHE_SMALL_MAX - nkey;
}

#endif
