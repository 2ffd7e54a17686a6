/*
 * plan.h - what a load generator will say, written out before it speaks.
 *
 *   bytes    |get k..07\r\nget k..31\r\n...|get k..12\r\n ...        |
 *   batches  |<-------- batch 0 ---------->|<-------- batch 1 ------->|
 *   ops      |07 |31 |...                  |12 |...
 *
 * A batch is what one send() takes: depth requests.  An op (struct owed) is one reply that
 * the peer owes for it (or, of a quiet request, may owe).  Because all of it
 * stands ready in memory, sending costs one system call and no more, and the
 * generator stays cheaper than the server that it measures.
 *
 * Key number n always has the same name, the same size and the same value
 * bytes, so that every value that comes back can be checked.  Values are
 * pseudo-random and do not compress.
 *
 * Owns:    the bytes, batches and ops.
 * Threads: read-only once built.
 * Fails:   plan_build() returns -1 when memory is exhausted.
 * Cost:    some nanoseconds a byte to build, up to PLAN_BYTES of memory.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plan_proto { PLAN_TEXT, PLAN_META, PLAN_BINARY };
enum plan_load { PLAN_GET, PLAN_SET, PLAN_MIXED, PLAN_MULTIGET };

enum {
	PLAN_SIZES = 8,        /* different value sizes in one load */
	PLAN_BYTES = 96 << 20, /* a plan repeats after so much */
	PLAN_OPS = 1 << 20,    /* or after so many keys */
	PLAN_KEY_MIN = 11,     /* k and any uint32_t */
	PLAN_KEY_MAX = 250,
};

struct plan_config {
	enum plan_proto proto;
	enum plan_load load;
	unsigned depth; /* requests in a batch */
	unsigned multi; /* keys of a multiget */
	uint32_t keys;  /* key numbers 0 .. keys - 1 */
	unsigned key_len;
	unsigned nsizes; /* value sizes, each with its share of the keys */
	uint32_t sizes[PLAN_SIZES];
	unsigned shares[PLAN_SIZES]; /* percent */
	unsigned set_percent;        /* of a mixed load */
	double zipf;                 /* exponent; 0 = uniform */
	uint32_t ttl;
	uint64_t seed;
};

enum owed_kind {
	OWED_GET,   /* a hit or a miss must come */
	OWED_QUIET, /* a hit may come */
	OWED_SET,
	OWED_END, /* closes a run of quiet ones; counts as no operation */
};

struct owed {
	uint32_t key;  /* its number */
	uint32_t name; /* where its name stands in bytes */
	uint8_t kind;  /* enum owed_kind */
	uint8_t size;  /* index in config.sizes */
};

struct batch {
	uint32_t start, len; /* in bytes */
	uint32_t op, nops;   /* in ops */
	uint32_t nkeys;      /* ops that count */
};

struct plan {
	struct plan_config config;
	char *bytes;
	struct owed *ops;
	struct batch *batches;
	uint32_t nbytes, nops, nbatches;
	size_t room_bytes, room_ops, room_batches;
};

/* A load of random keys, as long as the limits above allow. */
int plan_build(struct plan *, const struct plan_config *);
/* Sets of as many as fit of the keys from first on; *next is the one after. */
int plan_fill(struct plan *, const struct plan_config *, uint32_t first,
    uint32_t last, uint32_t *next);
void plan_fini(struct plan *);

static inline uint64_t
plan_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Eight bytes of a key's value, number word of them. */
static inline uint64_t
plan_value_word(uint32_t key, uint32_t word)
{
	return plan_mix(((uint64_t)key << 24) + word);
}

#endif
