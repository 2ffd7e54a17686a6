/* test_expiry.c - slab/cache.h: no live item goes while the dead are many. */
#include "tests/slab/caches.h"

enum {
	SECONDS = 90,
	SIZES = 5,
	MANY = 50, /* one part in so many, of the items' bytes, is 2 % */
};

/* Sets, some of which die in seconds. */
struct load {
	size_t memory;
	unsigned keys, sets; /* of a second */
	bool in_turns;	/* of one size and one end for a second each, so that
			   whole pages die at once */
	unsigned pause; /* sets between two steps of upkeep; 0 = no upkeep */
};

static const uint32_t sizes[SIZES] = { 60, 200, 450, 900, 2500 };

struct watch {
	uint64_t evicted, broken; /* evictions; those that should not be */
	bool many;
};

static bool
are_many(void)
{
	static struct cache_listed list[1024];
	uint64_t place = 0, live = 0, bytes = stats().bytes;

	while (place != UINT64_MAX) {
		size_t n = cache_walk(c, w.now, &place, list, 1024);

		for (size_t i = 0; i < n; i++)
			live += list[i].size;
	}
	return (bytes - live) * MANY > bytes;
}

/* After all that may evict. */
static void
look_out(struct watch *o)
{
	uint64_t evicted;

	if (!o->many)
		return;
	evicted = stats().sum.evicted;
	if (evicted != o->evicted && (o->many = are_many()))
		o->broken += evicted - o->evicted;
	o->evicted = evicted;
}

static void
store_one(const struct load *l, unsigned second, uint64_t *dice)
{
	static const char value[4096];
	uint64_t n = rnd(dice);
	unsigned turn = l->in_turns ? second : (unsigned)(n >> 40);
	struct cache_put p = { .value = value, .nvalue = sizes[turn % SIZES] };
	char text[16];
	struct cache_key k;

	if (l->in_turns ? second % 8 == 3 : turn % 4 == 1)
		p.deadline = w.now + 6 + (l->in_turns ? 0 : turn % 3);
	snprintf(text, sizeof(text), "key%u", (unsigned)(n % l->keys));
	k = key(text);
	must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
}

/* Returns how many were evicted that should not have been, and how often a
 * second began with many dead. */
static uint64_t
run(const struct load *l, unsigned *turns)
{
	struct watch o = { 0 };
	uint64_t dice = 7;

	open_with(&(struct cache_config){ .memory_limit = l->memory,
	    .seed = 5 });
	*turns = 0;
	for (unsigned second = 0; second < SECONDS; second++) {
		bool more = l->pause != 0;

		w.now++;
		o.evicted = stats().sum.evicted;
		o.many = are_many();
		*turns += o.many && o.evicted > 0;
		for (unsigned i = 0; i < l->sets; i++) {
			if (more && i % l->pause == 0) {
				more = cache_upkeep(c, w.now);
				look_out(&o);
			}
			store_one(l, second, &dice);
			look_out(&o);
		}
	}
	ck_assert_uint_gt(stats().sum.evicted, 1000);
	close_cache();
	return o.broken;
}

static void
none_goes(const struct load *l)
{
	unsigned turns;

	ck_assert_uint_eq(run(l, &turns), 0);
	ck_assert_uint_ge(turns, 8);
}

/* In so small a cache a store that finds no room can look through all of it. */
START_TEST(stores_alone)
{
	none_goes(&(struct load){ .memory = 3 * MB, .keys = 20000,
	    .sets = 300 });
}
END_TEST

START_TEST(whole_pages_alone)
{
	none_goes(&(struct load){ .memory = 3 * MB, .keys = 20000, .sets = 300,
	    .in_turns = true });
}
END_TEST

START_TEST(stores_and_upkeep)
{
	none_goes(&(struct load){ .memory = 24 * MB, .keys = 80000,
	    .sets = 3000, .pause = 50 });
}
END_TEST

START_TEST(whole_pages_and_upkeep)
{
	none_goes(&(struct load){ .memory = 24 * MB, .keys = 80000,
	    .sets = 3000, .pause = 50, .in_turns = true });
}
END_TEST

Suite *
expiry_suite(void)
{
	Suite *s = suite_create("expiry");
	TCase *t = tcase_create("expiry");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, stores_alone);
	tcase_add_test(t, whole_pages_alone);
	tcase_add_test(t, stores_and_upkeep);
	tcase_add_test(t, whole_pages_and_upkeep);
	suite_add_tcase(s, t);
	return s;
}
