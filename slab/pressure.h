/*
 * pressure.h - what more memory would be worth, and less.
 *
 * Of all keys a sample is followed: those whose hash has an upper half below
 * a mark.  Three miniatures (mini.h), of half, the same and twice the memory,
 * are told what happens to them.  What the miniatures differ by, divided by
 * the sampled part, is what the hit ratio would differ by; so what they have
 * in common, their errors too, does not count.
 *
 * The sample is as large as the tables bear, but items of less than 32 KB are
 * sampled the less the smaller they are: one request in thirty-two for items
 * of a kilobyte, one in three hundred for those of a hundred bytes, so that it
 * costs less than a hundredth of any request.
 *
 * Owns:    the miniatures.
 * Threads: any; a lock of its own, for sampled requests only.  No lock of the
 *          cache is held.
 * Fails:   without memory there is no sample.
 * Cost:    three instructions a request; half a microsecond for a sampled one.
 *          Memory: 1/256 of the limit, at most a megabyte.
 */
#ifndef SLAB_PRESSURE_H
#define SLAB_PRESSURE_H

#include <pthread.h>

#include "slab/mini.h"
#include "slab/slab.h"

enum { PRESSURE_HALF, PRESSURE_SAME, PRESSURE_TWICE, PRESSURE_SIZES };

struct pressure {
	_Atomic uint32_t below; /* the mark; 0 = nothing is sampled */
	pthread_mutex_t lock;	/* guards the rest */
	struct slab *slab;
	struct mini_shape shape;
	struct mini minis[PRESSURE_SIZES];
	uint32_t chunks[CACHE_CLASSES];
	size_t nbytes;	 /* of the tables */
	uint64_t clock;	 /* requests, about: sampled ones by their weight */
	uint64_t gets;	 /* sampled */
	uint32_t stores; /* since the sample was last fitted */
	double misses[PRESSURE_SIZES]; /* of all gets, estimated */
};

void pressure_init(struct pressure *, struct slab *, const uint32_t *roots,
    double probation);
void pressure_fini(struct pressure *);

static inline bool
pressure_samples(const struct pressure *p, uint64_t hash)
{
	return (uint32_t)(hash >> 32) <
	    atomic_load_explicit(&p->below, memory_order_relaxed);
}

/* For hashes that are sampled.  A get that hit, with the item that it found;
 * counted is false for who only touches. */
void pressure_hit(struct pressure *, const struct mini_item *, uint32_t now,
    bool counted);
void pressure_miss(struct pressure *, uint64_t hash, uint32_t now);
void pressure_stored(struct pressure *, const struct mini_item *, uint32_t now);
void pressure_deleted(struct pressure *, uint64_t hash);
/* All is gone. */
void pressure_flushed(struct pressure *);

/* Counts back to 0; what was learnt stays. */
void pressure_reset(struct pressure *);
void pressure_check(struct pressure *);

#endif
