/*
 * fuzz_restore.c - whatever stands in a memory file and in what was saved of
 * it, a cache begins with it that agrees with itself, hands out nothing but
 * whole items, and has all its memory when they are gone.
 *
 * A sound file, always the same, is changed: each six bytes of the input are
 * one change, to any byte, to the head of a chunk, to what was saved, or by
 * making two chunks name each other.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slab/door.h"
#include "slab/saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	MEMORY = 1 << 20,
	NOW = 100,
	CHANGE = 6,
	CHUNKS_MAX = 512,
	VALUE_MAX = 150000,
	FEW = 64, /* changes; more are noise */
};

/* The sound file. */
static struct {
	int fd;
	char *image;
	size_t nimage;
	char *saved;
	size_t nsaved;
	handle chunks[CHUNKS_MAX]; /* of items and parts */
	unsigned nchunks, unit_shift;
} sound;

static struct cache_tally tally;
static struct cache_caller caller = { .now = NOW, .tally = &tally };
static char value[VALUE_MAX];

static struct cache *
open_cache(uint64_t seed, unsigned shards)
{
	const char *why;
	struct cache *c = cache_new(&(struct cache_config){
	    .memory_limit = MEMORY, .item_max = MEMORY / 2, .seed = seed,
	    .shards = shards, .memory_file = sound.fd }, &why);

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

static void
make_sound(void)
{
	struct cache *c;
	void *saved;

	sound.fd = memfd_create("restore", MFD_CLOEXEC);
	assert(sound.fd > 0);
	c = open_cache(1, 16);
	for (unsigned i = 0; i < 60; i++)
		store(c, i, i * i % 700);
	for (unsigned i = 0; i < 5; i++)
		store(c, 100 + i, 3000 + i * 25000);
	note_chunks(c);
	sound.nimage = (size_t)c->slab.arena.touched << ARENA_PAGE_SHIFT;
	saved = cache_save(c, NOW, &sound.nsaved);
	assert(saved != NULL);
	sound.saved = saved;
	cache_free(&c);
	sound.image = malloc(sound.nimage);
	assert(sound.image != NULL && pread(sound.fd, sound.image,
	    sound.nimage, 0) == (ssize_t)sound.nimage);
}

static void
change(const uint8_t *d, char *image, char *saved)
{
	handle h = sound.chunks[d[1] % sound.nchunks];
	size_t at = (size_t)h << sound.unit_shift;
	uint32_t number = d[3] | (uint32_t)d[4] << 8, to;

	/* Seldom this, for all else is in vain after most of it. */
	if (d[0] >= 0xfc) {
		saved[(d[1] | (size_t)d[2] << 8) % sound.nsaved] ^= (char)d[3];
		return;
	}
	switch (d[0] % 4) {
	case 0: /* any byte but those of the mark */
		at = (d[1] | (size_t)d[2] << 8 | (size_t)d[3] << 16) %
		    (sound.nimage - ARENA_PAGE_SIZE);
		image[ARENA_PAGE_SIZE + at] ^= (char)d[4];
		break;
	case 1: /* a byte of a chunk's head */
		image[at + d[2] % 48] = (char)d[3];
		break;
	case 2: /* a number in it */
		to = number | (uint32_t)d[5] << 16;
		memcpy(image + at + d[2] % 12 * 4, &to, sizeof(to));
		break;
	default: /* another chunk, or what is beside it */
		to = sound.chunks[number % sound.nchunks] +
		    (d[5] < 8 ? d[5] : 0);
		memcpy(image + at + d[2] % 12 * 4, &to, sizeof(to));
	}
}

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
			assert(view.nvalue <= MEMORY / 2);
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
	struct cache_restored got;
	char *image, *saved;
	struct cache *c;
	const char *why;

	if (sound.image == NULL)
		make_sound();
	image = malloc(sound.nimage);
	saved = malloc(sound.nsaved);
	assert(image != NULL && saved != NULL);
	memcpy(image, sound.image, sound.nimage);
	memcpy(saved, sound.saved, sound.nsaved);
	for (size_t i = 1; i + CHANGE <= n && i < FEW * CHANGE; i += CHANGE)
		change(data + i, image, saved);
	assert(pwrite(sound.fd, image, sound.nimage, 0) ==
	    (ssize_t)sound.nimage);
	free(image);
	c = open_cache(n > 0 ? data[0] : 2, n > 0 ? 1u << data[0] % 6 : 16);
	if (cache_restore(c, saved, sound.nsaved, NOW, &got, &why)) {
		check(c);
		/* A flush may be due. */
		if (atomic_load(&c->flush_at) == 0 ||
		    atomic_load(&c->flush_at) > NOW)
			read_all(c, got.items);
	}
	for (unsigned i = 0; i < 40; i++)
		store(c, 1000 + i, i % 8 == 0 ? 60000 : 500 + i * 30);
	cache_upkeep(c, NOW);
	check(c);
	cache_flush(c, &caller, 0);
	for (unsigned i = 0; i < 40; i++)
		store(c, 2000 + i, i % 8 == 0 ? 90000 : 500 + i * 30);
	check(c);
	cache_free(&c);
	free(saved);
	return 0;
}
