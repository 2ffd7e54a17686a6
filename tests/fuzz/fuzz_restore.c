/*
 * fuzz_restore.c - whatever stands in a memory file and in what was saved of
 * it, a cache begins with it that agrees with itself, hands out nothing but
 * whole items, and has all its memory when they are gone.
 *
 * A sound file, always the same, is changed: each six bytes of the input are
 * one change, to any byte, to the head of a chunk, to what was saved, or by
 * making two chunks name each other.
 *
 * It is small, for most of a run is what a page or a class costs: six pages,
 * five classes, and what an item can be of each.  And to make a cache takes
 * longer than all the rest, so there are three, which are put back to what they
 * were when they were new.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slab/door.h"
#include "slab/restore.h"
#include "slab/saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	MEMORY = 7 << 16,
	ITEM_MAX = 84200, /* a little more than the largest that is there */
	NOW = 100,
	CHANGE = 6,
	CHUNKS_MAX = 64,
	VALUE_MAX = 100000,
	FEW = 64, /* changes; more are noise */
	BUCKETS_MAX = 256,
	CACHES = 3,
	PARTS_MAX = 16,
};

static const uint32_t SIZES[] = { 240, 2000, 4800, 16000, 0 };

/* The sound file. */
static struct {
	int fd;
	char *file; /* what is in it */
	char *image;
	size_t nimage;
	char *saved;
	size_t nsaved, classes; /* ... where those of the pages begin */
	handle chunks[CHUNKS_MAX]; /* of items and parts */
	unsigned nchunks, unit_shift;
} sound;

/* A new cache, and all that it is but for its pages and its index. */
static struct begin {
	struct cache *c;
	struct {
		void *at, *copy;
		size_t n;
	} parts[PARTS_MAX];
	unsigned nparts;
} begins[CACHES];

static struct cache_tally tally;
static struct cache_caller caller = { .now = NOW, .tally = &tally };
static char value[VALUE_MAX];

static struct cache *
open_cache(uint64_t seed, unsigned shards)
{
	const char *why;
	struct cache *c = cache_new(&(struct cache_config){
	    .memory_limit = MEMORY, .item_max = ITEM_MAX, .seed = seed,
	    .slab_sizes = SIZES, .shards = shards, .temporary_ttl = 60,
	    .memory_file = sound.fd }, &why);

	assert(c != NULL);
	return c;
}

static void
store(struct cache *c, unsigned i, uint32_t n)
{
	char name[32];
	struct cache_key k = cache_key(c, name, (uint32_t)snprintf(name,
	    sizeof(name), "key-%u", i));
	struct cache_put put = { .value = value, .nvalue = n,
		.client_flags = i % 3, .deadline = i % 5 == 0 ? NOW + i : 0 };

	cache_store(c, &caller, &k, &put, NULL);
}

static void
note_chunks(const struct cache *c)
{
	const struct arena *a = &c->slab.arena;

	sound.unit_shift = a->unit_shift;
	for (uint32_t n = 1; n < a->touched; n++) {
		const struct slab_class *k =
		    &c->slab.classes[a->pages[n].class_id];

		for (uint32_t i = 0; i < k->per_page &&
		    sound.nchunks < CHUNKS_MAX; i++) {
			handle h = (n << (ARENA_PAGE_SHIFT - a->unit_shift)) +
			    i * (k->chunk_size >> a->unit_shift);
			unsigned state = item_state(slab_at(&c->slab, h));

			if (state == ITEM_LINKED || state == ITEM_PART)
				sound.chunks[sound.nchunks++] = h;
		}
	}
}

static uint64_t
count_items(const struct cache *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < c->nshards; i++)
		n += c->shards[i].items;
	return n;
}

/* ------------------------------------------------------------ new again */

/* Of AddressSanitizer, if it is there. */
void __asan_unpoison_memory_region(const volatile void *, size_t)
    __attribute__((weak));

static void
keep(struct begin *b, void *at, size_t n)
{
	void *copy = malloc(n);

	assert(copy != NULL && b->nparts < PARTS_MAX);
	memcpy(copy, at, n);
	b->parts[b->nparts].at = at;
	b->parts[b->nparts].copy = copy;
	b->parts[b->nparts++].n = n;
}

static void
begin(struct begin *b, unsigned shards)
{
	struct cache *c = b->c = open_cache(0, shards);
	struct arena *a = &c->slab.arena;

	keep(b, c, sizeof(*c));
	keep(b, c->shards, c->nshards * sizeof(*c->shards));
	keep(b, c->space, sizeof(*c->space));
	keep(b, a->pages, (a->reserved >> ARENA_PAGE_SHIFT) *
	    sizeof(*a->pages));
	keep(b, c->ghosts, c->ghost_bytes);
	for (unsigned i = 0; i < PRESSURE_SIZES; i++) {
		struct mini *m = &c->pressure.minis[i];

		keep(b, m->entries, (m->max + 1) * sizeof(*m->entries));
		keep(b, m->heads, (m->mask + 1) * sizeof(*m->heads));
		keep(b, m->ghost_buckets, m->ghosts.nmax *
		    sizeof(*m->ghost_buckets));
	}
}

static void
clear_index(struct cache *c)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < c->nshards; i++)
		if (index_buckets(&c->shards[i].index) > count)
			count = index_buckets(&c->shards[i].index);
	memset(c->space->lines, 0, (size_t)count * c->nshards *
	    sizeof(*c->space->lines));
	memset(c->space->cells, 0, c->space->cells_next *
	    sizeof(*c->space->cells));
}

/* Seldom one of many shards, for each of them costs. */
static struct cache *
begin_again(unsigned seed)
{
	struct begin *b = &begins[seed >= 0xf8 ? 2 : seed % 2];
	struct cache *c = b->c;

	clear_index(c);
	for (unsigned i = 0; i < b->nparts; i++)
		memcpy(b->parts[i].at, b->parts[i].copy, b->parts[i].n);
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(c->slab.arena.base,
		    c->slab.arena.reserved);
	c->seed = seed;
	for (unsigned i = 0; i < c->nshards; i++)
		c->shards[i].seed = seed;
	restore_claim(c);
	return c;
}

static void
make_sound(void)
{
	struct cache *c;
	void *saved;

	sound.fd = memfd_create("restore", MFD_CLOEXEC);
	assert(sound.fd > 0);
	c = open_cache(1, 1);
	for (unsigned i = 0; i < 26; i++)
		store(c, i, i * i * 3);
	for (unsigned i = 0; i < 5; i++)
		store(c, 100 + i, 4000 + i * i * 5000);
	note_chunks(c);
	assert(count_items(c) == 31 && sound.nchunks == 39);
	sound.nimage = (size_t)c->slab.arena.touched << ARENA_PAGE_SHIFT;
	saved = cache_save(c, NOW, &sound.nsaved);
	assert(saved != NULL);
	sound.saved = saved;
	sound.classes = sizeof(struct saved);
	cache_free(&c);
	sound.file = mmap(NULL, sound.nimage, PROT_READ | PROT_WRITE,
	    MAP_SHARED, sound.fd, 0);
	sound.image = malloc(sound.nimage);
	assert(sound.image != NULL && sound.file != MAP_FAILED);
	memcpy(sound.image, sound.file, sound.nimage);
	begin(&begins[0], 1);
	begin(&begins[1], 2);
	begin(&begins[2], 16);
}

/* ------------------------------------------------------------ changes */

static void
change_saved(const uint8_t *d, char *saved)
{
	if (d[0] % 2 == 0) /* any byte */
		saved[(d[1] | (size_t)d[2] << 8) % sound.nsaved] ^= (char)d[3];
	else /* the class of a page */
		saved[sound.classes + d[1] % (sound.nsaved - sound.classes)] =
		    (char)(d[2] % 8);
}

/* A large index takes a hundred times as long: it is for one seed alone. */
static void
keep_small(char *saved)
{
	struct saved s;

	memcpy(&s, saved, sizeof(s));
	s.buckets %= BUCKETS_MAX;
	memcpy(saved, &s, sizeof(s));
}

static void
change(const uint8_t *d, char *saved)
{
	handle h = sound.chunks[d[1] % sound.nchunks];
	size_t at = (size_t)h << sound.unit_shift;
	uint32_t number = d[3] | (uint32_t)d[4] << 8, to;

	/* Seldom this, for all else is in vain after most of it. */
	if (d[0] >= 0xfc) {
		change_saved(d, saved);
		return;
	}
	switch (d[0] % 4) {
	case 0: /* any byte but those of the mark */
		at = (d[1] | (size_t)d[2] << 8 | (size_t)d[3] << 16) %
		    (sound.nimage - ARENA_PAGE_SIZE);
		sound.file[ARENA_PAGE_SIZE + at] ^= (char)d[4];
		break;
	case 1: /* a byte of a chunk's head */
		sound.file[at + d[2] % 48] = (char)d[3];
		break;
	case 2: /* a number in it */
		to = number | (uint32_t)d[5] << 16;
		memcpy(sound.file + at + d[2] % 12 * 4, &to, sizeof(to));
		break;
	default: /* another chunk, or what is beside it */
		to = sound.chunks[number % sound.nchunks] +
		    (d[5] < 8 ? d[5] : 0);
		memcpy(sound.file + at + d[2] % 12 * 4, &to, sizeof(to));
	}
}

/* ------------------------------------------------------------ a run */

static void
read_all(struct cache *c, uint64_t items)
{
	struct cache_listed list[CACHE_WALK_LEAST];
	static char all[MEMORY];
	uint64_t place = 0, seen = 0;

	while (place != UINT64_MAX) {
		size_t n = cache_walk(c, NOW, &place, list, CACHE_WALK_LEAST);

		for (size_t i = 0; i < n; i++) {
			struct cache_key k = cache_key(c, list[i].key,
			    list[i].nkey);
			struct cache_want wanted = { .dst = all,
				.room = sizeof(all), .no_bump = true };
			struct cache_view view;

			assert(cache_get(c, &caller, &k, &wanted, &view) ==
			    CACHE_FOUND);
			assert(view.copied && view.nvalue == list[i].nvalue);
			assert(view.nvalue <= ITEM_MAX);
			assert(view.queue != CACHE_TEMP || view.deadline != 0);
			seen++;
		}
	}
	assert(seen == items);
}

static void
check(struct cache *c)
{
	cache_check(c);
	assert(check_strays(c) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned seed = n > 0 ? data[0] : 0;
	struct cache_restored got;
	struct cache *c;
	const char *why;
	char *saved;

	if (sound.image == NULL)
		make_sound();
	saved = malloc(sound.nsaved);
	assert(saved != NULL);
	memcpy(sound.file, sound.image, sound.nimage);
	memcpy(saved, sound.saved, sound.nsaved);
	for (size_t i = 1; i + CHANGE <= n && i < FEW * CHANGE; i += CHANGE)
		change(data + i, saved);
	if (seed != 0xff)
		keep_small(saved);
	c = begin_again(seed);
	if (cache_restore(c, saved, sound.nsaved, NOW, &got, &why)) {
		check(c);
		/* A flush may be due. */
		if (atomic_load(&c->flush_at) == 0 ||
		    atomic_load(&c->flush_at) > NOW)
			read_all(c, got.items);
	}
	for (unsigned i = 0; i < 20; i++)
		store(c, 1000 + i, i % 8 == 0 ? 60000 : 300 + i * 300);
	cache_upkeep(c, NOW);
	check(c);
	cache_flush(c, &caller, 0);
	for (unsigned i = 0; i < 20; i++)
		store(c, 2000 + i, i % 8 == 0 ? 84000 : 300 + i * 300);
	check(c);
	free(saved);
	return 0;
}
