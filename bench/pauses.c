/*
 * pauses.c - the longest call of the cache: upkeep's, and a worker's.
 *
 *      pauses --memory 1024
 *
 * Each row is a cache of its own, and a kind of call that is timed one by one:
 *
 *      grow    stores into an empty cache: memory, the index
 *      sweep   upkeep that comes round while a part of the items is dead:
 *              seconds for each gigabyte looked at, and the steps
 *      shift   stores of another size into a full cache, for which pages have
 *              to move, without upkeep and with it between them
 *      shrink  upkeep after the limit was halved
 *      walk    steps of a dump
 *      flush   flush_all, forty of them, with stores between
 *
 * All times are of the thread, so that others who want the processor do not
 * count; what the kernel does for it does.  A host that takes the processor
 * away is charged to the thread all the same, so everything is done three
 * times alike, and of each call the shortest time counts.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slab/cache.h"

enum { NOW = 100, DEADLINE = 200, VALUE_MAX = 1 << 20, TIMES = 3 };

struct run {
	struct cache *cache;
	pthread_t provider;
	struct cache_tally *tally;
	struct cache_caller caller;
	char *value;
	size_t memory;
	/* shortest time of the n-th call, seconds */
	float *took;
	size_t room, calls;
	unsigned round;
	unsigned long refused;
	double amount; /* what the calls did, in a unit of the row */
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "pauses: %s\n", what);
	exit(1);
}

static double
cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *
provide(void *arg)
{
	cache_provide(arg);
	return NULL;
}

static void
start(struct run *r)
{
	const char *why;

	r->cache = cache_new(&(struct cache_config){
	    .memory_limit = r->memory, .seed = 7 }, &why);
	if (r->cache == NULL)
		fail(why);
	if (pthread_create(&r->provider, NULL, provide, r->cache) != 0)
		fail("no thread");
	r->caller = (struct cache_caller){ .now = NOW, .tally = r->tally };
	r->calls = 0;
	r->refused = 0;
	r->amount = 0;
}

static void
end(struct run *r)
{
	cache_provide_end(r->cache);
	pthread_join(r->provider, NULL);
	cache_free(&r->cache);
	r->round++;
}

static void
note(struct run *r, double took)
{
	size_t n = r->calls++;

	if (n == r->room) {
		r->room = n ? n * 2 : 1 << 20;
		r->took = realloc(r->took, r->room * sizeof(*r->took));
		if (r->took == NULL)
			fail("out of memory");
	}
	if (r->round == 0 || r->took[n] > took)
		r->took[n] = (float)took;
}

static int
descending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

static void
print(struct run *r, const char *row)
{
	double sum = 0;
	size_t slow = 0;

	for (size_t i = 0; i < r->calls; i++) {
		sum += r->took[i];
		slow += r->took[i] > 1e-3f;
	}
	qsort(r->took, r->calls, sizeof(*r->took), descending);
	printf("%-36s calls=%-8zu mean_us=%-7.2f p9999_ms=%-6.3f "
	    "longest_ms=%-6.3f above_1_ms=%zu", row, r->calls,
	    sum / (double)r->calls * 1e6, r->took[r->calls / 10000] * 1e3,
	    r->took[0] * 1e3, slow);
	if (r->amount > 0)
		printf(" s_per_GB=%.3f", sum / r->amount);
	if (r->refused > 0)
		printf(" refused=%lu", r->refused);
	printf("\n");
	fflush(stdout);
	r->round = 0;
}

/* ------------------------------------------------------------ calls */

static void
store_once(struct run *r, unsigned long n, uint32_t nvalue, uint32_t deadline)
{
	char name[32];
	uint32_t len = (uint32_t)snprintf(name, sizeof(name), "%016lu", n);
	struct cache_key k = cache_key(r->cache, name, len);
	struct cache_put p = { .value = r->value, .nvalue = nvalue,
		.deadline = deadline };

	r->refused += cache_store(r->cache, &r->caller, &k, &p, NULL) !=
	    CACHE_STORED;
}

static void
store(struct run *r, unsigned long n, uint32_t nvalue)
{
	double before = cpu_time();

	store_once(r, n, nvalue, 0);
	note(r, cpu_time() - before);
}

static bool
step(struct run *r)
{
	double before = cpu_time();
	bool more = cache_upkeep(r->cache, r->caller.now);

	note(r, cpu_time() - before);
	return more;
}

static bool
is_full(struct run *r)
{
	struct cache_stats s;

	cache_stats(r->cache, r->caller.now, &s);
	return s.pages_free == 0;
}

static unsigned long
fill(struct run *r, uint32_t nvalue, unsigned percent)
{
	unsigned long n = 0;

	for (; n % 1000 != 0 || !is_full(r); n++)
		store_once(r, n, nvalue, n * 37 % 100 < percent ? DEADLINE : 0);
	return n;
}

/* ------------------------------------------------------------ rows */

static void
grow(struct run *r, uint32_t nvalue)
{
	for (unsigned long n = 0; n % 1000 != 0 || !is_full(r); n++)
		store(r, n, nvalue);
}

/* Seconds pass until as many items were looked at as there were. */
static void
sweep(struct run *r, uint32_t nvalue, unsigned percent)
{
	unsigned long items, most;
	struct cache_stats s;

	fill(r, nvalue, percent);
	for (unsigned n = 0; n < 3; n++, r->caller.now++)
		while (cache_upkeep(r->cache, r->caller.now))
			;
	cache_stats(r->cache, r->caller.now, &s);
	items = s.items;
	r->amount = (double)s.pages_total * (double)s.page_size / (1 << 30);
	cache_stats_reset(r->cache);
	r->caller.now = DEADLINE;
	most = r->caller.now + 10000;
	do {
		while (step(r))
			;
		cache_stats(r->cache, ++r->caller.now, &s);
	} while (s.sum.crawler_items_checked < items && r->caller.now < most);
}

/* As much again of another size, at a pace at which a second is a tenth of
 * the memory; upkeep comes every so many stores. */
static void
shift(struct run *r, uint32_t from, uint32_t to, unsigned upkeep)
{
	unsigned long n = fill(r, from, 0), more, each;

	more = r->memory / (to + 56);
	each = more / 10 + 1;
	for (unsigned long i = 0; i < more; i++) {
		if (i % each == 0)
			r->caller.now++;
		if (upkeep && i % (each / 100 + 1) == 0)
			cache_upkeep(r->cache, r->caller.now);
		store(r, n + i, to);
	}
}

static void
shrink(struct run *r, uint32_t nvalue, unsigned unused)
{
	(void)unused;
	fill(r, nvalue, 0);
	cache_set_limit(r->cache, r->memory / 2);
	for (unsigned n = 0; n < 10; n++, r->caller.now++)
		while (step(r))
			;
}

static void
walk(struct run *r, uint32_t nvalue, unsigned unused)
{
	static struct cache_listed list[160];
	uint64_t place = 0;

	(void)unused;
	fill(r, nvalue, 0);
	while (place != UINT64_MAX) {
		double before = cpu_time();

		cache_walk(r->cache, r->caller.now, &place, list, 160);
		note(r, cpu_time() - before);
	}
}

static void
flush(struct run *r, uint32_t nvalue, unsigned upkeep)
{
	unsigned long n = fill(r, nvalue, 0), some = n / 50;

	for (unsigned i = 0; i < 40; i++) {
		unsigned shard = 0;
		bool done = false;

		while (!done) {
			double before = cpu_time();

			done = cache_flush_step(r->cache, &r->caller, &shard);
			note(r, cpu_time() - before);
		}
		if (upkeep)
			cache_upkeep(r->cache, r->caller.now);
		for (unsigned long j = 0; j < some; j++)
			store_once(r, n++, nvalue, 0);
	}
}

/* ------------------------------------------------------------ all */

typedef void row_fn(struct run *, uint32_t, unsigned);

static void
row(struct run *r, const char *name, row_fn *fn, uint32_t a, unsigned b)
{
	for (unsigned i = 0; i < TIMES; i++) {
		start(r);
		fn(r, a, b);
		end(r);
	}
	print(r, name);
}

static void
grow_row(struct run *r, uint32_t nvalue, unsigned unused)
{
	(void)unused;
	grow(r, nvalue);
}

static void
shift_row(struct run *r, const char *how, unsigned upkeep)
{
	static const uint32_t sizes[][2] = { { 10, 1000 }, { 1000, 10 },
		{ 10, 20000 }, { 10, 60000 }, { 10, 1000000 },
		{ 100000, 10 }, { 1000000, 1000 }, { 100, 110 } };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char name[64];

		snprintf(name, sizeof(name), "shift, %u B to %u B%s",
		    sizes[i][0], sizes[i][1], how);
		for (unsigned n = 0; n < TIMES; n++) {
			start(r);
			shift(r, sizes[i][0], sizes[i][1], upkeep);
			end(r);
		}
		print(r, name);
	}
}

int
main(int argc, char **argv)
{
	static struct run r;
	const char *only = "";
	int at = 1;

	r.memory = (size_t)256 << 20;
	for (; at + 1 < argc; at += 2) {
		if (strcmp(argv[at], "--memory") == 0)
			r.memory = (size_t)strtoul(argv[at + 1], NULL, 10)
			    << 20;
		else if (strcmp(argv[at], "--only") == 0)
			only = argv[at + 1];
		else
			break;
	}
	r.tally = calloc(1, sizeof(*r.tally));
	r.value = calloc(1, VALUE_MAX);
	if (at != argc || r.memory == 0 || r.tally == NULL || r.value == NULL)
		fail("usage: pauses [--memory MEGABYTES] [--only ROW]");
#define IF(name) if (strncmp(name, only, strlen(only)) == 0)
	IF("grow") row(&r, "grow, 10 B", grow_row, 10, 0);
	IF("grow") row(&r, "grow, 1000 B", grow_row, 1000, 0);
	IF("sweep") row(&r, "sweep, 10 B, 1 % dead", sweep, 10, 1);
	IF("sweep") row(&r, "sweep, 10 B, 50 % dead", sweep, 10, 50);
	IF("sweep") row(&r, "sweep, 1000 B, 1 % dead", sweep, 1000, 1);
	IF("sweep") row(&r, "sweep, 1000 B, 50 % dead", sweep, 1000, 50);
	IF("shift") shift_row(&r, "", 0);
	IF("shift") shift_row(&r, ", upkeep", 1);
	IF("shrink") row(&r, "shrink, 10 B", shrink, 10, 0);
	IF("shrink") row(&r, "shrink, 1000 B", shrink, 1000, 0);
	IF("walk") row(&r, "walk, 10 B", walk, 10, 0);
	IF("flush") row(&r, "flush, 10 B", flush, 10, 0);
	IF("flush") row(&r, "flush, 10 B, upkeep", flush, 10, 1);
#undef IF
	free(r.took);
	free(r.value);
	free(r.tally);
	return 0;
}
