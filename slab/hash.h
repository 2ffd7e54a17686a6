/*
 * hash.h - the seeded hash of a key: XXH3, 64 bits.
 *
 * Which bits serve what, so that they stay independent of one another:
 *      bits 0 ..      shard (log2 of the number of shards)
 *      bits 8 .. 39   bucket within the shard's index
 *      bits 48 .. 63  tag in the bucket
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   never.
 * Cost:    about 25 instructions for a key of 16 bytes.
 */
#ifndef SLAB_HASH_H
#define SLAB_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t
hash_key(const void *bytes, size_t nbytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, nbytes, seed);
}

static inline uint32_t
hash_bucket(uint64_t hash)
{
	return (uint32_t)(hash >> 8);
}

static inline uint16_t
hash_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48);
}

#endif
