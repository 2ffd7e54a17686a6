/*
 * restore.h - the beginning of a cache that goes on with a memory file.
 *
 * Owns:    nothing; see cache.h, restart.
 * Threads: before there are others.
 * Fails:   never.
 * Cost:    O(1).
 */
#ifndef SLAB_RESTORE_H
#define SLAB_RESTORE_H

#include "slab/door.h"

/* Takes the mark out of the file: from now on it is another one than what was
 * saved of it.  cache_restore() is told. */
void restore_claim(struct cache *);

#endif
