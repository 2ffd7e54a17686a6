/*
 * caches.h - a cache to test, and short names for what is done to it.
 *
 * Owns:    the cache between open_cache() and close_cache().
 * Threads: one; stress.c brings its own callers.
 * Fails:   by failing the test.
 * Cost:    none to speak of.
 */
#ifndef TESTS_SLAB_CACHES_H
#define TESTS_SLAB_CACHES_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slab/door.h"

#define MB ((size_t)1 << 20)

/* Like ck_assert(), which writes to a file each time: for loops. */
#define must(x) ((x) ? (void)0 : ck_abort_msg("%s", #x))

/* What a tally counted, over all classes if it is counted per class. */
#define SUM(name) sum_of(offsetof(struct cache_class_tally, name))
#define ONE(name) ((uint64_t)counted().name)

static struct cache *c;
static struct cache_tally tally;
static struct cache_caller w;
static struct cache_view view;
static char dst[CACHE_SMALL_MAX];

static inline void
open_with(const struct cache_config *config)
{
	const char *why = NULL;

	c = cache_new(config, &why);
	ck_assert_msg(c != NULL, "%s", why);
	memset(&tally, 0, sizeof(tally));
	w = (struct cache_caller){ .now = 100, .tally = &tally };
}

static inline void
open_cache(void)
{
	open_with(&(struct cache_config){ .memory_limit = 8 * MB, .seed = 1 });
}

static inline void
close_cache(void)
{
	cache_check(c);
	ck_assert_uint_eq(check_strays(c), 0);
	cache_free(&c);
	ck_assert_ptr_null(c);
}

static inline struct cache_tally
counted(void)
{
	struct cache_tally all;

	memset(&all, 0, sizeof(all));
	cache_tally_add(&all, &tally);
	return all;
}

static inline uint64_t
sum_of(size_t offset)
{
	struct cache_tally all = counted();
	uint64_t sum = 0;

	for (unsigned k = 0; k < CACHE_CLASSES; k++) {
		char *class_tally = (char *)&all.of_class[k];

		sum += *(_Atomic uint64_t *)(void *)(class_tally + offset);
	}
	return sum;
}

static inline struct cache_key
key(const char *bytes)
{
	return cache_key(c, bytes, (uint32_t)strlen(bytes));
}

/* All of a put but the value. */
static inline enum cache_status
put(const char *k, const char *value, struct cache_put p)
{
	struct cache_key ck = key(k);

	p.value = value;
	p.nvalue = (uint32_t)strlen(value);
	return cache_store(c, &w, &ck, &p, &view);
}

static inline enum cache_status
set(const char *k, const char *value)
{
	return put(k, value, (struct cache_put){ 0 });
}

static inline enum cache_status
want(const char *k, struct cache_want wanted)
{
	struct cache_key ck = key(k);

	wanted.dst = dst;
	wanted.room = sizeof(dst);
	return cache_get(c, &w, &ck, &wanted, &view);
}

static inline enum cache_status
get(const char *k)
{
	return want(k, (struct cache_want){ 0 });
}

/* Looks without leaving a trace. */
static inline enum cache_status
look(const char *k)
{
	return want(k, (struct cache_want){ .no_bump = true });
}

static inline bool
holds(const char *k, const char *value)
{
	return look(k) == CACHE_FOUND && view.copied &&
	    view.nvalue == strlen(value) &&
	    memcmp(dst, value, view.nvalue) == 0;
}

static inline enum cache_status
drop(const char *k, struct cache_drop d)
{
	struct cache_key ck = key(k);

	return cache_delete(c, &w, &ck, &d, &view);
}

static inline enum cache_status
delta(const char *k, struct cache_delta d, uint64_t *number)
{
	struct cache_key ck = key(k);

	return cache_delta(c, &w, &ck, &d, number, &view);
}

static inline struct cache_stats
stats(void)
{
	struct cache_stats s;

	cache_stats(c, w.now, &s);
	return s;
}

static inline uint64_t
rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
