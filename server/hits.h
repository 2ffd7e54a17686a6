/*
 * hits.h - the short way of gets: one key after another is read, and the reply
 * to it written, in one pass.
 *
 * Only while nobody observes, and for whom nothing is forbidden.
 *
 * Owns:    nothing; the frames are the host's.
 * Threads: the host's.
 * Fails:   by serving less.
 * Cost:    about 200 instructions a key of a multiget.
 */
#ifndef SERVER_HITS_H
#define SERVER_HITS_H

#include "proto/plain.h"
#include "slab/cache.h"

struct host;

void hits_init(struct cache_frame frames[PLAIN_FORMS]);

/*
 * Serves keys [i, i + n) of the host's batch, hits and misses, until one needs
 * cache_get(); returns how many.  Of META their requests are in the batch; of
 * the other forms they are made there of what is not a hit.
 */
unsigned hits_serve(struct host *, enum plain_form, bool ends, unsigned i,
    unsigned n);

#endif
