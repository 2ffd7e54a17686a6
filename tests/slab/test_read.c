/* test_read.c - reading without the lock, while others write. */
#include <pthread.h>
#include <stdlib.h>

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

/* A reply is a key in brackets, the line, the value and a full stop. */
enum { NEXT = 3, LINE = 6 };

static char *
put_odd(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	char line[LINE + 4];
	int n = snprintf(line, sizeof(line), "]%04u:", v->nvalue % 10000);

	(void)k;
	(void)at;
	ck_assert_int_eq(n, LINE);
	memcpy(value - LINE, line, LINE);
	memcpy(f->line, line, LINE);
	memcpy(value + v->nvalue, f->next, NEXT);
	f->nvalue = v->nvalue;
	f->client_flags = v->client_flags;
	return value + v->nvalue + NEXT;
}

static const struct cache_frame frame = {
	.next = ".\n[", .nnext = NEXT, .nline = LINE, .key = UINT32_MAX,
	.nvalue = UINT32_MAX, .put = put_odd,
};

/* The reply to a key, whose length is in its line; returns the next one's. */
static char *
check_reply(struct thread *t, const struct cache_key *k, unsigned n, char *at)
{
	char *line = at + k->nbytes, *value = line + LINE;
	unsigned mark = (unsigned char)*value;
	struct cache_hit hit = { .nvalue = (uint32_t)atoi(line + 1),
		.client_flags = flags_of(mark) };

	if (memcmp(at, k->bytes, k->nbytes) != 0)
		t->fault = "another key";
	check_hit(t, n, (unsigned char *)value, &hit);
	if (memcmp(value + hit.nvalue, ".\n[", NEXT) != 0)
		t->fault = "another end";
	return value + hit.nvalue + NEXT;
}

/* All of them at once. */
static void
read_run(struct thread *t, const struct cache_key *keys)
{
	static _Thread_local char out[KEYS * 512 + CACHE_FRAME_MORE];
	struct cache_frame f = frame;
	char *at = out;
	unsigned n;

	f.at = out;
	n = cache_read_run(c, &t->caller, keys, KEYS, &f);
	if (n < KEYS && f.odd == CACHE_READ_HIT)
		t->fault = "a hit that ended the run";
	for (unsigned i = 0; i < n; i++)
		at = check_reply(t, &keys[i], i, at);
	if (at != f.at)
		t->fault = "another end of the run";
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

static unsigned odds;

static char *
put_counting(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	odds++;
	ck_assert_ptr_eq(value, cache_frame_value(f, at, k->nbytes));
	return put_odd(f, k, v, at, value);
}

/* What is like the last one is written without being asked about, a run ends
 * before what is no hit. */
START_TEST(a_run_of_replies)
{
	static const char *const names[] = { "k1", "key2-0123456789abcdef",
		"k3", "gone", "k5" };
	static const uint32_t sizes[] = { 40, 40, 50, 0, 50 };
	struct cache_frame f = frame;
	struct cache_key keys[5];
	char out[600 + CACHE_FRAME_MORE], want[600] = "", big[200];

	open_cache();
	memset(big, 'b', sizeof(big));
	for (unsigned i = 0; i < 5; i++) {
		struct cache_put p = { .value = big, .nvalue = sizes[i],
			.client_flags = i == 1 ? 7 : 0 };

		keys[i] = key(names[i]);
		if (i == 3)
			continue;
		ck_assert_int_eq(cache_store(c, &w, &keys[i], &p, NULL),
		    CACHE_STORED);
		if (i < 3)
			sprintf(want + strlen(want), "%s]%04u:%.*s.\n[",
			    names[i], sizes[i], (int)sizes[i], big);
	}
	f.put = put_counting;
	/* Looked at ahead or not, key by key or not. */
	for (unsigned round = 0; round < 3; round++) {
		f.at = out;
		f.nvalue = UINT32_MAX;
		odds = 0;
		ck_assert_uint_eq(cache_read_run(c, &w, keys, 5, &f), 3);
		ck_assert_int_eq(f.odd, CACHE_READ_MISS);
		ck_assert_uint_eq(odds, 3);
		ck_assert_uint_eq((size_t)(f.at - out), strlen(want));
		ck_assert_mem_eq(out, want, strlen(want));
		cache_look_ahead(c, keys, 5);
	}
	f.at = out;
	ck_assert_uint_eq(cache_read_run(c, &w, &keys[2], 1, &f), 1);
	ck_assert_uint_eq(cache_read_run(c, &w, &keys[4], 1, &f), 1);
	ck_assert_int_eq(f.odd, CACHE_READ_HIT);
	ck_assert_uint_eq(odds, 3);
	sprintf(want, "k3]0050:%.50s.\n[k5]0050:%.50s.\n[", big, big);
	ck_assert_mem_eq(out, want, strlen(want));
	ck_assert_uint_eq(ONE(get_misses), 3);
	ck_assert_uint_eq(SUM(get_hits), 9 + 2);
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
	tcase_add_test(t, a_run_of_replies);
	suite_add_tcase(s, t);
	return s;
}
