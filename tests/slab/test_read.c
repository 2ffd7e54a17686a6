/* test_read.c - reading without the lock, while others write. */
#include <pthread.h>

#include "tests/slab/caches.h"

enum {
	KEYS = 8,
	READERS = 2,
	WRITERS = 2,
	ROUNDS = 60000,
};

struct thread {
	pthread_t id;
	uint64_t seed;
	struct cache_tally tally;
	struct cache_caller caller;
	uint64_t hits;
	const char *fault;
};

static _Atomic unsigned writing;

static uint32_t
below(struct thread *t, uint32_t n)
{
	t->seed = t->seed * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (uint32_t)((t->seed >> 33) % n);
}

static struct cache_key
key_no(uint32_t n, char *bytes)
{
	return cache_key(c, bytes, (uint32_t)snprintf(bytes, 32,
	    "key number %u", n));
}

/* Of a value every byte says whose it is, and which one: its length and the
 * client flags follow from that. */
static uint32_t
length_of(unsigned mark)
{
	return 16 + (mark & 31) * 9;
}

static uint32_t
flags_of(unsigned mark)
{
	return mark % 3 == 0 ? 0 : mark * 1000003;
}

static void *
write_on(void *arg)
{
	struct thread *t = arg;
	char name[32], value[512];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t n = below(t, KEYS);
		struct cache_key k = key_no(n, name);
		unsigned mark = n << 5 | below(t, 32);
		struct cache_put p = {
			.value = value,
			.nvalue = length_of(mark),
			.client_flags = flags_of(mark),
		};

		t->caller.now = 100 + i / 1000;
		if (below(t, 8) == 0) {
			cache_delete(c, &t->caller, &k,
			    &(struct cache_drop){ 0 }, NULL);
			continue;
		}
		memset(value, (int)mark, p.nvalue);
		cache_store(c, &t->caller, &k, &p, NULL);
	}
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

static void
check_hit(struct thread *t, uint32_t n, const unsigned char *value,
    const struct cache_hit *hit)
{
	unsigned mark = value[0];

	t->hits++;
	if (mark >> 5 != n)
		t->fault = "another key's value";
	if (hit->nvalue != length_of(mark))
		t->fault = "another value's length";
	if (hit->client_flags != flags_of(mark))
		t->fault = "another value's flags";
	for (uint32_t i = 0; i < hit->nvalue; i++)
		if (value[i] != mark)
			t->fault = "parts of two values";
}

/* All of them at once, laid out for a reply. */
static void
read_run(struct thread *t, const struct cache_key *keys)
{
	enum { BEFORE = 6, AFTER = 2 };
	const struct cache_frame f = { .before = BEFORE, .after = AFTER,
		.key = true, .any_flags = true, .span = CACHE_SMALL_MAX };
	static _Thread_local char out[KEYS * 512];
	struct cache_value values[KEYS];
	enum cache_read odd;
	char *at = out;
	unsigned n;

	n = cache_read_run(c, &t->caller, keys, KEYS, &f, out, values, &odd);
	if (n < KEYS && odd == CACHE_READ_HIT)
		t->fault = "a hit that should have fitted";
	for (unsigned i = 0; i < n; i++) {
		struct cache_hit hit = { .nvalue = values[i].nvalue,
			.client_flags = values[i].client_flags };

		at += BEFORE + keys[i].nbytes;
		check_hit(t, i, (unsigned char *)at, &hit);
		at += hit.nvalue + AFTER;
	}
}

static void *
read_on(void *arg)
{
	struct thread *t = arg;
	unsigned char value[CACHE_SMALL_MAX];
	struct cache_key keys[KEYS];
	char names[KEYS][32];
	struct cache_hit hit;

	for (uint32_t n = 0; n < KEYS; n++)
		keys[n] = key_no(n, names[n]);
	while (atomic_load(&writing) > 0) {
		t->caller.now += below(t, 100) == 0;
		cache_look_ahead(c, keys, KEYS);
		for (unsigned i = 0; i < 3 * KEYS; i++)
			if (cache_read(c, &t->caller, &keys[i % KEYS], value,
			    &hit) == CACHE_READ_HIT)
				check_hit(t, i % KEYS, value, &hit);
		for (unsigned i = 0; i < 3; i++)
			read_run(t, keys);
	}
	return NULL;
}

START_TEST(never_a_torn_value)
{
	struct thread *t = calloc(READERS + WRITERS, sizeof(*t));

	open_with(&(struct cache_config){ .memory_limit = MB, .shards = 1 });
	atomic_store(&writing, WRITERS);
	for (unsigned i = 0; i < READERS + WRITERS; i++) {
		t[i].seed = i + 1;
		t[i].caller = (struct cache_caller){ .now = 100,
			.tally = &t[i].tally, .reader = cache_join(c) };
		ck_assert_int_eq(pthread_create(&t[i].id, NULL,
		    i < WRITERS ? write_on : read_on, &t[i]), 0);
	}
	for (unsigned i = 0; i < READERS + WRITERS; i++) {
		pthread_join(t[i].id, NULL);
		ck_assert_msg(t[i].fault == NULL, "%s", t[i].fault);
		ck_assert(i < WRITERS || t[i].hits > 0);
		cache_leave(c, &t[i].caller.reader);
	}
	free(t);
	close_cache();
}
END_TEST

/* What a hit leaves behind is the same, whoever it was. */
START_TEST(marks_as_with_the_lock)
{
	open_cache();
	for (int joined = 0; joined < 2; joined++) {
		struct cache_key k = key("k");
		struct cache_hit hit;

		w.reader = joined ? cache_join(c) : NULL;
		set("k", "value");
		for (unsigned i = 0; i < 3; i++) {
			w.now += 7;
			cache_look_ahead(c, &k, 1);
			ck_assert_ptr_nonnull(k.spot);
			ck_assert_int_eq(cache_read(c, &w, &k, dst, &hit),
			    CACHE_READ_HIT);
			ck_assert_int_eq(hit.fetched, i > 0);
			ck_assert_uint_eq(hit.accessed, w.now - 7);
			ck_assert_mem_eq(dst, "value", 5);
		}
		look("k");
		ck_assert(view.fetched);
		ck_assert_uint_eq(view.accessed, w.now);
		drop("k", (struct cache_drop){ 0 });
		/* where it was seen is nothing, or something else */
		ck_assert_int_eq(cache_read(c, &w, &k, dst, &hit),
		    CACHE_READ_MISS);
		cache_leave(c, &w.reader);
		ck_assert_ptr_null(w.reader);
	}
	ck_assert_uint_eq(ONE(cmd_get), 8);
	ck_assert_uint_eq(SUM(get_hits), 6);
	close_cache();
}
END_TEST

/* A run stops behind what does not fit, and before what is no hit. */
START_TEST(a_run_ends_where_its_frame_does)
{
	static const char *const names[] = { "k1", "key2", "k3", "gone", "k5" };
	struct cache_frame f = { .before = 3, .after = 2, .key = true,
		.client_flags = 7, .least = 10, .span = 89 };
	struct cache_value values[5];
	struct cache_key keys[5];
	char out[400], big[200];
	enum cache_read odd;

	open_cache();
	memset(big, 'b', sizeof(big));
	for (unsigned i = 0; i < 5; i++) {
		struct cache_put p = { .value = big, .nvalue = 10 + i,
			.client_flags = 7 };

		keys[i] = key(names[i]);
		if (i != 3)
			ck_assert_int_eq(cache_store(c, &w, &keys[i], &p,
			    NULL), CACHE_STORED);
	}
	cache_look_ahead(c, keys, 5);
	memset(out, '.', sizeof(out));
	ck_assert_uint_eq(cache_read_run(c, &w, keys, 5, &f, out, values,
	    &odd), 3);
	ck_assert_int_eq(odd, CACHE_READ_MISS);
	ck_assert_mem_eq(out, ".....bbbbbbbbbb.........bbbbbbbbbbb.......bbb",
	    45);
	ck_assert_uint_eq(values[2].nvalue, 12);
	ck_assert_uint_eq(values[2].client_flags, 7);
	ck_assert_uint_ne(values[2].cas, values[1].cas);
	for (unsigned i = 0; i < 3; i++) {
		f.least = i == 0 ? 12 : 10;
		f.span = i == 1 ? 0 : 89;
		f.client_flags = i == 2 ? 0 : 7;
		ck_assert_uint_eq(cache_read_run(c, &w, keys, 3, &f, out,
		    values, &odd), i == 1);
		ck_assert_int_eq(odd, CACHE_READ_HIT);
		ck_assert_uint_eq(values[i == 1].nvalue, 10 + (i == 1));
	}
	f.any_flags = true;
	ck_assert_uint_eq(cache_read_run(c, &w, keys, 3, &f, out, values,
	    &odd), 3);
	ck_assert_uint_eq(ONE(get_misses), 1);
	ck_assert_uint_eq(SUM(get_hits), 3 + 1 + 2 + 1 + 3);
	close_cache();
}
END_TEST

Suite *
read_suite(void)
{
	Suite *s = suite_create("read");
	TCase *t = tcase_create("read");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, never_a_torn_value);
	tcase_add_test(t, marks_as_with_the_lock);
	tcase_add_test(t, a_run_ends_where_its_frame_does);
	suite_add_tcase(s, t);
	return s;
}
