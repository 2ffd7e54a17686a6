/* ghost.c - see ghost.h. */
#include "slab/ghost.h"

#include <assert.h>
#include <string.h>

#include "slab/hash.h"
#include "slab/index.h"

void
ghosts_init(struct ghosts *g, struct ghost_bucket *buckets, uint32_t nmax,
    struct arena *charge)
{
	assert((nmax & (nmax - 1)) == 0);
	g->charge = charge;
	g->buckets = buckets;
	g->nmax = buckets != NULL ? nmax : 0;
	g->n = 0;
}

/* As many buckets as hold the items, between half full and full.  Nothing is
 * moved or cleared, which would take long: what is in the wrong bucket now is
 * not found, and grows old there. */
static void
fit(struct ghosts *g, uint64_t items)
{
	uint32_t n = g->n > 0 ? g->n : 1;

	while (n < g->nmax && (uint64_t)n * GHOST_SLOTS < items)
		n *= 2;
	while (n > 1 && (uint64_t)n * GHOST_SLOTS / 4 > items)
		n /= 2;
	if (n == g->n)
		return;
	arena_charge(g->charge,
	    ((ptrdiff_t)n - g->n) * (ptrdiff_t)sizeof(*g->buckets));
	g->n = n;
}

static struct ghost_bucket *
bucket_of(const struct ghosts *g, uint64_t hash)
{
	/* The lowest byte has chosen the shard. */
	return &g->buckets[hash_bucket(hash) & (g->n - 1)];
}

void
ghosts_add(struct ghosts *g, uint64_t hash, uint64_t items)
{
	struct ghost_bucket *b;

	if (g->nmax == 0)
		return;
	if (g->n == 0 || items > (uint64_t)g->n * GHOST_SLOTS ||
	    items < (uint64_t)g->n * GHOST_SLOTS / 4)
		fit(g, items);
	b = bucket_of(g, hash);
	memmove(b->tag + 1, b->tag, sizeof(b->tag) - sizeof(b->tag[0]));
	b->tag[0] = index_tag(hash);
}

void
ghosts_foresee(const struct ghosts *g, uint64_t hash)
{
	if (g->n != 0)
		__builtin_prefetch(bucket_of(g, hash), 1);
}

bool
ghosts_take(struct ghosts *g, uint64_t hash)
{
	struct ghost_bucket *b;
	uint32_t found = 0;
	unsigned i;

	if (g->n == 0)
		return false;
	b = bucket_of(g, hash);
	for (i = 0; i < GHOST_SLOTS; i += 8)
		found |= index_match8(b->tag + i, index_tag(hash)) << i;
	if (found == 0)
		return false;
	i = (unsigned)__builtin_ctz(found);
	memmove(b->tag + i, b->tag + i + 1,
	    (GHOST_SLOTS - 1 - i) * sizeof(b->tag[0]));
	b->tag[GHOST_SLOTS - 1] = 0;
	return true;
}

void
ghosts_check(const struct ghosts *g)
{
	assert(g->n <= g->nmax && (g->n & (g->n - 1)) == 0);
	for (uint32_t n = 0; n < g->nmax; n++) {
		const uint16_t *tag = g->buckets[n].tag;

		for (unsigned i = 0; i + 1 < GHOST_SLOTS; i++)
			assert(tag[i] != 0 || tag[i + 1] == 0);
	}
}
