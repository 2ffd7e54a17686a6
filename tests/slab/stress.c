/*
 * stress.c - threads that do everything at once, then cache_check().
 *
 * Values say for which key they were made, so that a mix-up would show.  Under
 * a thread sanitizer this is the test of the locking.
 *
 * SLABD_STRESS=N makes it N times as long.
 */
#include <pthread.h>

#include "tests/slab/caches.h"

enum {
	WORKERS = 4,
	OPERATIONS = 20000,
	HELD = 8,
	FEW_KEYS = 12,
	BATCH = 6,
};

struct worker {
	pthread_t thread;
	uint64_t state;
	uint32_t keys;
	unsigned operations;
	bool moody; /* flushes, limits, settings, walks */
	struct cache_tally tally;
	struct cache_caller caller;
	struct cache_item *pins[HELD], *reserved[HELD];
	uint32_t pinned_key[HELD];
	char room[200000];
	const char *fault;
	uint64_t hits; /* of read_short() */
};

static _Atomic uint32_t clock_now;
static _Atomic unsigned running;

static uint32_t
below(struct worker *k, uint32_t n)
{
	return (uint32_t)(rnd(&k->state) % n);
}

static struct cache_key
key_of(uint32_t n, char *bytes)
{
	int len = snprintf(bytes, 32, "key-%u", n);

	return cache_key(c, bytes, (uint32_t)len);
}

static char
mark_of(uint32_t n)
{
	return (char)('a' + n % 26);
}

static void
fault(struct worker *k, const char *what)
{
	k->fault = what;
}

/* All bytes of a value are its key's mark, but for digits and blanks. */
static void
check_bytes(struct worker *k, const char *bytes, size_t n, uint32_t key)
{
	for (size_t i = 0; i < n; i += n / 64 + 1)
		if (bytes[i] != mark_of(key) && bytes[i] != ' ' &&
		    !(bytes[i] >= '0' && bytes[i] <= '9'))
			fault(k, "another key's value");
}

static void
check_item(struct worker *k, struct cache_item *item, uint32_t key)
{
	struct cache_cursor cur = { 0 };
	char *bytes;
	size_t n;

	while ((n = cache_span(c, item, &cur, SIZE_MAX, &bytes)) > 0)
		check_bytes(k, bytes, n, key);
}

static void
read_one(struct worker *k, uint32_t n, const struct cache_key *key)
{
	struct cache_want wanted = { .dst = k->room, .room = 4096,
		.marks = below(k, 2), .touch = below(k, 8) == 0,
		.vivify = below(k, 8) == 0, .recache = below(k, 8) == 0,
		.no_bump = below(k, 8) == 0, .recache_ttl = 30 };
	struct cache_view v;
	unsigned slot = below(k, HELD);

	wanted.touch_deadline = k->caller.now + below(k, 10);
	if (cache_get(c, &k->caller, key, &wanted, &v) != CACHE_FOUND)
		return;
	if (v.copied)
		check_bytes(k, k->room, v.nvalue, n);
	if (v.pinned == NULL)
		return;
	check_item(k, v.pinned, n);
	if (k->pins[slot] != NULL) {
		check_item(k, k->pins[slot], k->pinned_key[slot]);
		cache_unpin(c, &k->pins[slot]);
	}
	k->pins[slot] = v.pinned;
	k->pinned_key[slot] = n;
}

static uint32_t
random_size(struct worker *k)
{
	switch (below(k, 16)) {
	case 0:
		return below(k, sizeof(k->room));
	case 1:
		return below(k, 20000);
	default:
		return below(k, 600);
	}
}

/* A batch, as a server reads: looked for all at once, then read one by one
 * without a lock, while others change what was found. */
static void
read_short(struct worker *k, uint32_t n)
{
	struct cache_key keys[BATCH];
	char bytes[BATCH][32];
	struct cache_hit hit;

	for (uint32_t i = 0; i < BATCH; i++)
		keys[i] = key_of((n + i) % k->keys, bytes[i]);
	cache_look_ahead(c, keys, BATCH);
	for (uint32_t i = 0; i < BATCH; i++) {
		if (cache_read(c, &k->caller, &keys[i], k->room, &hit) !=
		    CACHE_READ_HIT)
			continue;
		check_bytes(k, k->room, hit.nvalue, (n + i) % k->keys);
		if (hit.client_flags > 1)
			fault(k, "flags that nobody stored");
		k->hits++;
	}
}

static void
store_one(struct worker *k, uint32_t n, const struct cache_key *key)
{
	struct cache_put p = { .mode = below(k, 3) ? CACHE_SET : below(k, 5),
		.value = k->room, .nvalue = random_size(k),
		.client_flags = below(k, 2), .vivify = below(k, 2) };

	if (below(k, 3) == 0)
		p.deadline = k->caller.now + below(k, 5);
	if (p.mode >= CACHE_APPEND)
		p.nvalue /= 16;
	memset(k->room, mark_of(n), p.nvalue);
	cache_store(c, &k->caller, key, &p, NULL);
}

static void
reserve_one(struct worker *k, uint32_t n, const struct cache_key *key)
{
	struct cache_cursor cur = { 0 };
	unsigned slot = below(k, HELD);
	struct cache_item *item;
	char *bytes;
	size_t got;

	if (k->reserved[slot] != NULL)
		cache_abandon(c, &k->reserved[slot]);
	if (cache_reserve(c, &k->caller, key, 0, 0, 4097 + random_size(k),
	    &item) != CACHE_STORED)
		return;
	while ((got = cache_span(c, item, &cur, SIZE_MAX, &bytes)) > 0)
		memset(bytes, mark_of(n), got);
	if (below(k, 4) == 0)
		k->reserved[slot] = item;
	else
		cache_store(c, &k->caller, key, &(struct cache_put){
		    .reserved = item, .mode = below(k, 5) }, NULL);
}

static void
change_one(struct worker *k, const struct cache_key *key)
{
	struct cache_delta d = { .delta = rnd(&k->state), .vivify = true,
		.decrement = below(k, 2) };
	struct cache_drop drop = { .stale = below(k, 3) == 0,
		.drop_value = below(k, 3) == 0 };
	struct cache_view v;
	uint64_t number;

	if (below(k, 2))
		cache_delta(c, &k->caller, key, &d, &number, &v);
	else
		cache_delete(c, &k->caller, key, &drop, &v);
}

static void
look_in(struct worker *k)
{
	struct cache_listed list[20];
	struct cache_class_stats s;
	struct cache_stats all;
	struct cache_tally sum;
	struct cache_list_place at = { 0 };
	unsigned listed = 1 + below(k, 63);
	uint64_t place = 0;

	cache_stats(c, k->caller.now, &all);
	cache_class_stats(c, 1 + below(k, 63), k->caller.now, &s);
	for (unsigned i = 0; i < 50 && place != UINT64_MAX; i++)
		cache_walk(c, k->caller.now, &place, list, 20);
	for (unsigned i = 0; i < 50 && !at.done; i++)
		cache_list_class(c, listed, k->caller.now, true, &at, list,
		    20);
	memset(&sum, 0, sizeof(sum));
	cache_tally_add(&sum, &k->tally);
}

static void
be_moody(struct worker *k)
{
	static const size_t limits[] = { 2 * MB, 4 * MB, 8 * MB };

	switch (below(k, 10)) {
	case 0:
		cache_flush(c, &k->caller, below(k, 2) ? 0 :
		    k->caller.now + below(k, 3));
		break;
	case 1:
		cache_set_limit(c, limits[below(k, 3)]);
		break;
	case 2:
		cache_set_flat_lru(c, below(k, 2));
		cache_set_temporary_ttl(c, below(k, 5));
		cache_tune_lru(c, 10 + below(k, 30), 40, 0.2, 2.0);
		break;
	case 3:
		cache_stats_reset(c);
		break;
	case 4:
		atomic_fetch_add(&clock_now, 1);
		break;
	default:
		look_in(k);
	}
}

static void *
work(void *arg)
{
	struct worker *k = arg;
	char bytes[32];

	for (unsigned i = 0; i < k->operations; i++) {
		uint32_t n = below(k, k->keys);
		struct cache_key key = key_of(n, bytes);

		k->caller.now = atomic_load(&clock_now);
		switch (below(k, 16)) {
		case 0: case 1: case 2: case 3: case 4:
			store_one(k, n, &key);
			break;
		case 5:
			reserve_one(k, n, &key);
			break;
		case 6: case 7:
			change_one(k, &key);
			break;
		case 8: case 9:
			read_short(k, n);
			break;
		default:
			read_one(k, n, &key);
		}
		if (k->moody && i % 200 == 0)
			be_moody(k);
	}
	for (unsigned i = 0; i < HELD; i++) {
		if (k->pins[i] != NULL) {
			check_item(k, k->pins[i], k->pinned_key[i]);
			cache_unpin(c, &k->pins[i]);
		}
		if (k->reserved[i] != NULL)
			cache_abandon(c, &k->reserved[i]);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void *
keep_up(void *arg)
{
	(void)arg;
	while (atomic_load(&running) > 0)
		cache_upkeep(c, atomic_load(&clock_now));
	return NULL;
}

static void
stress(uint32_t keys, struct cache_config config)
{
	const char *longer = getenv("SLABD_STRESS");
	struct worker *k = calloc(WORKERS, sizeof(*k));
	pthread_t upkeep;

	open_with(&config);
	atomic_store(&clock_now, 100);
	atomic_store(&running, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		k[i].state = i + 1;
		k[i].keys = keys;
		k[i].moody = i == 0;
		k[i].operations = OPERATIONS *
		    (longer != NULL ? (unsigned)atoi(longer) : 1);
		/* one of them never joins */
		k[i].caller = (struct cache_caller){ .now = 100,
			.tally = &k[i].tally,
			.reader = i == 1 ? NULL : cache_join(c) };
		ck_assert_int_eq(pthread_create(&k[i].thread, NULL, work,
		    &k[i]), 0);
	}
	ck_assert_int_eq(pthread_create(&upkeep, NULL, keep_up, NULL), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(k[i].thread, NULL);
	pthread_join(upkeep, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		ck_assert_msg(k[i].fault == NULL, "%s", k[i].fault);
		ck_assert_uint_gt(k[i].hits, 0);
		cache_leave(c, &k[i].caller.reader);
	}
	free(k);
	/* And all of it can be undone. */
	w.now = 1000;
	cache_flush(c, &w, 0);
	while (cache_upkeep(c, w.now))
		;
	close_cache();
}

/* ------------------------------------------------------------ full load */

/* Of all sizes, in a cache that is full: each is stored, whatever happens to
 * the pages meanwhile. */
static void *
store_any(void *arg)
{
	static const uint32_t sizes[] = { 1, 60, 300, 900, 3000, 5000, 20000,
		70000, 150000 };
	const unsigned n = sizeof(sizes) / sizeof(*sizes);
	struct worker *k = arg;
	char bytes[32];

	for (unsigned i = 0; i < k->operations; i++) {
		uint32_t key = below(k, k->keys);
		uint32_t size = sizes[below(k, below(k, n) + 1)];
		struct cache_key ck = key_of(key, bytes);
		struct cache_put put = { .value = k->room, .nvalue = size,
			.deadline = below(k, 4) == 0 ? k->caller.now + 2 : 0 };

		memset(k->room, mark_of(key), size);
		k->caller.now = atomic_load(&clock_now);
		if (cache_store(c, &k->caller, &ck, &put, NULL) !=
		    CACHE_STORED)
			fault(k, "an item found no room");
		read_short(k, below(k, k->keys));
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* Limits up and down, pages by hand, flushes and dumps without end. */
static void *
move_all(void *arg)
{
	static const size_t limits[] = { 4 * MB, 6 * MB, 8 * MB, 16 * MB };
	static struct cache_listed list[CACHE_WALK_LEAST];
	struct worker *k = arg;
	uint64_t place = 0;

	for (unsigned i = 0; atomic_load(&running) > 0; i++) {
		unsigned shard = 0;

		k->caller.now = atomic_load(&clock_now);
		cache_walk(c, k->caller.now, &place, list, CACHE_WALK_LEAST);
		place = place == UINT64_MAX ? 0 : place;
		cache_reassign(c, &k->caller, below(k, 2) ? 0 : below(k, 64),
		    below(k, 64));
		if (i % 16 == 0)
			cache_set_limit(c, limits[below(k, 4)]);
		if (i % 64 == 0)
			while (!cache_flush_step(c, &k->caller, &shard))
				;
		if (i % 256 == 0)
			atomic_fetch_add(&clock_now, 1);
	}
	return NULL;
}

static void *
provide(void *arg)
{
	(void)arg;
	cache_provide(c);
	return NULL;
}

/* What a dump shows is what is counted. */
static void
check_counts(void)
{
	static struct cache_listed list[CACHE_WALK_LEAST];
	uint64_t place = 0, items = 0;
	struct cache_stats st;

	w.now = atomic_load(&clock_now) + 10;
	while (cache_upkeep(c, w.now))
		;
	for (unsigned i = 0; i < 1000; i++)
		cache_upkeep(c, w.now);
	while (place != UINT64_MAX)
		items += cache_walk(c, w.now, &place, list, CACHE_WALK_LEAST);
	cache_stats(c, w.now, &st);
	ck_assert_uint_eq(items, st.items);
	ck_assert_uint_le(st.pages_total * st.page_size, st.limit);
}

START_TEST(all_is_stored_while_pages_move)
{
	struct worker *k = calloc(WORKERS, sizeof(*k));
	pthread_t upkeep, provider;

	open_with(&(struct cache_config){ .memory_limit = 8 * MB });
	atomic_store(&clock_now, 100);
	atomic_store(&running, WORKERS - 1);
	for (unsigned i = 0; i < WORKERS; i++) {
		k[i].state = i + 1;
		k[i].keys = 5000;
		k[i].operations = OPERATIONS / 2;
		k[i].caller = (struct cache_caller){ .now = 100,
			.tally = &k[i].tally, .reader = cache_join(c) };
		ck_assert_int_eq(pthread_create(&k[i].thread, NULL,
		    i > 0 ? store_any : move_all, &k[i]), 0);
	}
	ck_assert_int_eq(pthread_create(&upkeep, NULL, keep_up, NULL), 0);
	ck_assert_int_eq(pthread_create(&provider, NULL, provide, NULL), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(k[i].thread, NULL);
	pthread_join(upkeep, NULL);
	cache_provide_end(c);
	pthread_join(provider, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		ck_assert_msg(k[i].fault == NULL, "%s", k[i].fault);
		cache_leave(c, &k[i].caller.reader);
	}
	free(k);
	check_counts();
	close_cache();
}
END_TEST

START_TEST(few_keys)
{
	stress(FEW_KEYS, (struct cache_config){ .memory_limit = 8 * MB });
}
END_TEST

START_TEST(many_keys)
{
	stress(20000, (struct cache_config){ .memory_limit = 8 * MB });
}
END_TEST

START_TEST(one_shard)
{
	stress(2000, (struct cache_config){ .memory_limit = 3 * MB,
	    .shards = 1, .temporary_ttl = 3 });
}
END_TEST

START_TEST(without_evictions)
{
	stress(5000, (struct cache_config){ .memory_limit = 3 * MB,
	    .no_evictions = true });
}
END_TEST

Suite *
stress_suite(void)
{
	Suite *s = suite_create("stress");
	TCase *t = tcase_create("stress");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, few_keys);
	tcase_add_test(t, many_keys);
	tcase_add_test(t, one_shard);
	tcase_add_test(t, without_evictions);
	tcase_add_test(t, all_is_stored_while_pages_move);
	suite_add_tcase(s, t);
	return s;
}
