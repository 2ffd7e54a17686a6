/*
 * sim.c - miss ratios in seconds: a trace replayed into the cache itself.
 *
 *      replay gen:metakv:1 --dump metakv.bin
 *      sim --trace metakv.bin --copies 4 --memory 64
 *      sim --fill 50:50,200:30,1024:15,8192:5 --memory 256
 *
 * The records are those of the replayer's --dump: six u32 each, key, value
 * bytes, virtual ms, ttl, op, key bytes.  Requests, keys and their order are
 * the replayer's; time is virtual, paced as the replay would be, and upkeep
 * comes as often as in the server.  So the result is the server's, but for
 * what chance and batches change (0.002 of the miss ratio and less).
 *
 * --fill stores items of 16-byte keys, twice as many bytes as there is memory,
 * and says how many are held, and what the process takes for it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/options.h"
#include "slab/cache.h"

enum {
	UPKEEP_MS = 1000, /* as in the server: when a second begins */
	UPKEEP_BUSY_MS = 1,
	START = 2,
	KEY_LEAST = 10,
	VALUE_MOST = 1 << 20,
	DECILES = 10,
	DEAD_MS = 337,	/* between two looks at the dead */
};

struct record {
	uint32_t key, nvalue, ms, ttl, op, nkey;
};

struct options {
	const char *trace;
	struct plan_config fill;
	double memory, seconds, virtual_seconds;
	unsigned copies;
	double growth;
	uint64_t seed;
	bool classes, deciles, check, pressure, dead;
};

struct run {
	struct cache *cache;
	struct cache_tally tally;
	struct cache_caller caller;
	double upkeep_ms; /* when it is due */
	bool count_dead;
	double dead_ms;	  /* when they are next counted */
	double dead_most, dead_sum, dead_share; /* of all items' bytes */
	uint64_t dead_evicted, dead_over; /* live ones; while dead were many */
	unsigned dead_counts;
	double upkeep_s, upkeep_longest; /* processor time */
	uint64_t gets, hits, get_bytes, hit_bytes, failed;
	uint64_t of_decile[DECILES], hits_of_decile[DECILES];
};

#define DEAD_MANY 0.02 /* of all items' bytes */

static char value[VALUE_MOST];
static const char PAD[] =
    ":user:profile:settings:timeline:v2:friends:list:count:home:render:cached"
    ":object:name:space:ab:cd:ef:gh:ij:kl:mn:op:qr:st:uv:wx:yz:0123456789:the"
    ":quick:brown:fox:jumps:over:the:lazy:dog:and:so:on:until:the:key:is:long"
    ":enough:for:two:hundred:fifty:bytes:";

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "sim: %s\n", what);
	exit(1);
}

static struct cache_key
make_key(const struct run *r, char *to, uint32_t key, unsigned copy,
    unsigned nkey)
{
	static const char HEX[] = "0123456789abcdef";

	for (int i = 7; i >= 0; i--, key >>= 4)
		to[i] = HEX[key & 15];
	to[8] = HEX[copy >> 4 & 15];
	to[9] = HEX[copy & 15];
	if (nkey < KEY_LEAST)
		nkey = KEY_LEAST;
	if (nkey > CACHE_KEY_MAX)
		nkey = CACHE_KEY_MAX;
	memcpy(to + KEY_LEAST, PAD, nkey - KEY_LEAST);
	return cache_key(r->cache, to, nkey);
}

static void
store(struct run *r, const struct cache_key *k, uint32_t nvalue,
    uint32_t deadline)
{
	struct cache_put put = { .value = value,
		.nvalue = nvalue,
		.deadline = deadline };

	if (nvalue > VALUE_MOST)
		fail("a value of more than a megabyte");
	if (cache_store(r->cache, &r->caller, k, &put, NULL) != CACHE_STORED)
		r->failed++;
}

static bool
get(struct run *r, const struct cache_key *k)
{
	struct cache_want want = { .no_value = true };
	struct cache_view view;

	return cache_get(r->cache, &r->caller, k, &want, &view) == CACHE_FOUND;
}

static double
processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
share_of_dead(struct run *r, uint64_t bytes)
{
	static struct cache_listed list[1024];
	uint64_t place = 0, live = 0;

	while (place != UINT64_MAX) {
		size_t n = cache_walk(r->cache, r->caller.now, &place, list,
		    1024);

		for (size_t i = 0; i < n; i++)
			live += list[i].size;
	}
	return bytes > live ? (double)(bytes - live) / (double)bytes : 0;
}

/* Was somebody evicted, and are the dead many even now?  Asked after all that
 * may evict: nobody dies but when a second turns. */
static void
watch_dead(struct run *r)
{
	struct cache_stats s;

	if (r->dead_share <= DEAD_MANY)
		return;
	cache_stats(r->cache, r->caller.now, &s);
	if (s.sum.evicted == r->dead_evicted)
		return;
	r->dead_share = share_of_dead(r, s.bytes);
	if (r->dead_share > DEAD_MANY)
		r->dead_over += s.sum.evicted - r->dead_evicted;
	r->dead_evicted = s.sum.evicted;
}

/* From the first eviction on. */
static void
count_dead(struct run *r, double ms)
{
	double next = (floor(ms / 1000) + 1) * 1000;
	struct cache_stats s;

	if (!r->count_dead || ms < r->dead_ms)
		return;
	cache_stats(r->cache, r->caller.now, &s);
	if (s.sum.evicted != 0) {
		r->dead_share = share_of_dead(r, s.bytes);
		r->dead_sum += r->dead_share;
		r->dead_counts++;
	}
	if (r->dead_share > r->dead_most)
		r->dead_most = r->dead_share;
	r->dead_evicted = s.sum.evicted;
	r->dead_ms = ms + DEAD_MS;
	if (r->dead_ms > next)
		r->dead_ms = next;
}

static void
request(struct run *r, const struct cache_key *k, const struct record *rec,
    uint32_t deadline, unsigned decile)
{
	bool hit;

	if (rec->op == 'd') {
		cache_delete(r->cache, &r->caller, k, &(struct cache_drop){ 0 },
		    NULL);
		return;
	}
	if (rec->op == 'g') {
		hit = get(r, k);
		r->gets++;
		r->get_bytes += rec->nvalue;
		r->of_decile[decile]++;
		if (hit) {
			r->hits++;
			r->hit_bytes += rec->nvalue;
			r->hits_of_decile[decile]++;
			return;
		}
	}
	store(r, k, rec->nvalue, deadline);
	watch_dead(r);
}

static bool
timed_upkeep(struct run *r)
{
	double before = processor_time(), took;
	bool more = cache_upkeep(r->cache, r->caller.now);

	took = processor_time() - before;
	watch_dead(r);
	r->upkeep_s += took;
	if (took > r->upkeep_longest)
		r->upkeep_longest = took;
	return more;
}

/* Upkeep as the server's timer would call it until ms. */
static void
pass_time(struct run *r, double ms)
{
	while (r->upkeep_ms <= ms) {
		r->caller.now = START + (uint32_t)(r->upkeep_ms / 1000);
		count_dead(r, r->upkeep_ms);
		if (timed_upkeep(r))
			r->upkeep_ms += UPKEEP_BUSY_MS;
		else
			r->upkeep_ms = (floor(r->upkeep_ms / 1000) + 1) * 1000;
	}
	r->caller.now = START + (uint32_t)(ms / 1000);
	count_dead(r, ms);
}

static struct record *
load(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct record *all;
	long bytes;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (bytes = ftell(f)) < 0)
		fail("cannot read the trace");
	rewind(f);
	*n = (size_t)bytes / sizeof(*all);
	all = malloc((size_t)bytes + 1);
	if (all == NULL || *n == 0 || fread(all, sizeof(*all), *n, f) != *n)
		fail("cannot read the trace");
	fclose(f);
	return all;
}

static void
replay(struct run *r, const struct options *o)
{
	char key[CACHE_KEY_MAX];
	size_t n, i;
	struct record *all = load(o->trace, &n);
	bool timed = all[n - 1].ms != 0;
	double ms = 0, span = o->virtual_seconds;
	double scale;

	if (span == 0)
		span = timed ? all[n - 1].ms / 1000.0 : o->seconds;
	scale = o->seconds / span;
	for (i = 0; i < n; i++) {
		const struct record *rec = &all[i];
		double ttl = rec->ttl * scale;
		uint32_t deadline = 0;

		ms = timed ? rec->ms * scale :
			     o->seconds * 1000 * (double)i / (double)n;
		pass_time(r, ms);
		if (rec->ttl != 0)
			deadline = r->caller.now +
			    (ttl < 1 ? 1 : (uint32_t)(ttl + 0.5));
		for (unsigned c = 0; c < o->copies; c++) {
			struct cache_key k = make_key(r, key, rec->key, c,
			    rec->nkey);

			request(r, &k, rec, deadline,
			    (unsigned)(i * DECILES / n));
		}
	}
	free(all);
}

static void
fill(struct run *r, const struct options *o)
{
	const struct plan_config *f = &o->fill;
	double bytes = 0, all = 2 * o->memory * (1 << 20);
	uint64_t dice;
	char key[CACHE_KEY_MAX];

	/* a million a second, so that upkeep has its turns */
	for (uint32_t n = 0; bytes < all; n++) {
		struct cache_key k = make_key(r, key, n, 0, 16);
		unsigned i = 0, part;

		dice = plan_mix(n);
		for (part = dice % 100;
		     i + 1 < f->nsizes && part >= f->shares[i]; i++)
			part -= f->shares[i];
		pass_time(r, n / 1000.0);
		store(r, &k, f->sizes[i], 0);
		bytes += f->sizes[i] + 16 + 48;
	}
}

static double
resident_mb(void)
{
	unsigned long all = 0, here = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu %lu", &all, &here) != 2)
		here = 0;
	if (f != NULL)
		fclose(f);
	return (double)here * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void
show_classes(struct run *r)
{
	for (unsigned k = 1; k < CACHE_CLASSES; k++) {
		struct cache_class_stats s;

		if (!cache_class_stats(r->cache, k, r->caller.now, &s))
			continue;
		printf(
		    "%3u %6u %6lu pages %8lu items  %7lu hot %7lu warm "
		    "%7lu cold  age %3u %3u %3u  evicted %lu at %u, free %lu, "
		    "reclaimed %lu+%lu\n",
		    k, s.chunk_size, s.pages, s.items, s.queue_items[CACHE_HOT],
		    s.queue_items[CACHE_WARM], s.queue_items[CACHE_COLD],
		    s.age_hot, s.age_warm, s.age, s.evicted, s.evicted_time,
		    s.free_chunks, s.reclaimed, s.crawler_reclaimed);
	}
}

/* Miss ratios at half and twice the memory, as the cache itself sees them. */
static void
show_pressure(struct run *r)
{
	struct cache_pressure p;
	double gets = (double)r->gets;
	double miss = gets > 0 ? 1 - (double)r->hits / gets : 0;

	cache_pressure(r->cache, r->caller.now, &p);
	printf("half %.4f  twice %.4f  of %lu gets %lu, %lu items, 1/%.0f, "
	       "%lu KB\n", miss + p.lost_by_half / gets,
	    miss - p.won_by_twice / gets, r->gets, p.gets, p.items,
	    1 / p.rate, p.bytes >> 10);
}

static void
report(struct run *r, const struct options *o, double before_mb)
{
	struct cache_stats s;

	cache_stats(r->cache, r->caller.now, &s);
	if (o->classes)
		show_classes(r);
	if (o->dead)
		printf("dead: most %.4f, mean %.4f of bytes;  %lu evicted "
		       "while more than %.2f;  upkeep %.3f s, "
		       "longest %.3f ms\n",
		    r->dead_most,
		    r->dead_counts ? r->dead_sum / r->dead_counts : 0,
		    r->dead_over, DEAD_MANY,
		    r->upkeep_s, r->upkeep_longest * 1000);
	if (o->pressure)
		show_pressure(r);
	for (unsigned d = 0; o->deciles && d < DECILES; d++)
		printf("%.4f%c",
		    r->of_decile[d] == 0 ? 0 :
					   1 -
			    (double)r->hits_of_decile[d] /
				(double)r->of_decile[d],
		    d + 1 < DECILES ? ' ' : '\n');
	if (r->gets > 0)
		printf("miss %.4f  byte miss %.4f  ",
		    1 - (double)r->hits / (double)r->gets,
		    1 - (double)r->hit_bytes / (double)r->get_bytes);
	printf("items %lu  bytes %.1f MB  resident %.1f MB  index %.1f MB  "
	       "evicted %lu  reclaimed %lu  moved %lu  failed %lu\n",
	    s.items, (double)s.bytes / (1 << 20), resident_mb() - before_mb,
	    (double)s.index_bytes / (1 << 20), s.sum.evicted,
	    s.sum.reclaimed + s.sum.crawler_reclaimed, s.pages_moved,
	    r->failed);
	if (o->check)
		cache_check(r->cache);
}

static int
usage(const struct option *table)
{
	fprintf(stderr,
	    "usage: sim --trace FILE | --fill SIZES [option ...]\n");
	options_help(table);
	return 2;
}

int
main(int argc, char **argv)
{
	struct options o = { .memory = 64,
		.seconds = 60,
		.copies = 1,
		.seed = 1 };
	const struct option table[] = {
		{ "--trace", NULL, OPTION_TEXT, &o.trace, NULL,
		    "what replay --dump wrote" },
		{ "--fill", NULL, OPTION_SIZES, &o.fill, NULL,
		    "instead: value sizes, and percent" },
		{ "--memory", "-m", OPTION_FLOAT, &o.memory, NULL, "MB" },
		{ "--copies", NULL, OPTION_UINT, &o.copies, NULL,
		    "of the trace, interleaved" },
		{ "--seconds", NULL, OPTION_FLOAT, &o.seconds, NULL,
		    "that a paced replay takes" },
		{ "--virtual", NULL, OPTION_FLOAT, &o.virtual_seconds, NULL,
		    "seconds that the trace spans, if not its own" },
		{ "--growth", "-f", OPTION_FLOAT, &o.growth, NULL, "" },
		{ "--seed", NULL, OPTION_U64, &o.seed, NULL, "" },
		{ "--classes", NULL, OPTION_FLAG, &o.classes, NULL,
		    "show them" },
		{ "--deciles", NULL, OPTION_FLAG, &o.deciles, NULL,
		    "of the trace, show their miss ratios" },
		{ "--pressure", NULL, OPTION_FLAG, &o.pressure, NULL,
		    "show what the cache says of other sizes" },
		{ "--dead", NULL, OPTION_FLAG, &o.dead, NULL,
		    "show how many were dead while live ones were evicted" },
		{ "--check", NULL, OPTION_FLAG, &o.check, NULL,
		    "the cache's consistency at the end" },
		{ NULL, NULL, OPTION_FLAG, NULL, NULL, NULL },
	};
	static struct run r;
	struct cache_config config = { 0 };
	const char *why;
	double before_mb;

	if (options_read(table, argc, argv) != 0 ||
	    (o.trace == NULL) == (o.fill.nsizes == 0))
		return usage(table);
	config.memory_limit = (size_t)(o.memory * (1 << 20));
	config.seed = o.seed;
	config.growth_factor = o.growth;
	memset(value, 'v', sizeof(value));
	before_mb = resident_mb();
	r.cache = cache_new(&config, &why);
	if (r.cache == NULL)
		fail(why);
	r.caller = (struct cache_caller){ .now = START, .tally = &r.tally };
	r.upkeep_ms = UPKEEP_MS;
	r.count_dead = o.dead;
	if (o.trace != NULL)
		replay(&r, &o);
	else
		fill(&r, &o);
	report(&r, &o, before_mb);
	cache_free(&r.cache);
	return 0;
}
