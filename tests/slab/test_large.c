/* test_large.c - slab/cache.h: items held by reference. */
#include "tests/slab/caches.h"

/* The byte that belongs at a place of a value. */
static char
byte_at(unsigned seed, uint64_t at)
{
	return (char)(seed + at * 7 + at / 251);
}

static void
fill(struct cache_item *item, unsigned seed, uint64_t at, size_t grain)
{
	struct cache_cursor cur = { 0 };
	char *bytes;
	size_t n;

	while ((n = cache_span(c, item, &cur, grain, &bytes)) > 0) {
		must(n <= grain);
		for (size_t i = 0; i < n; i++)
			bytes[i] = byte_at(seed, at++);
	}
}

static bool
is_filled(struct cache_item *item, unsigned seed, uint64_t nvalue)
{
	struct cache_cursor cur = { 0 };
	uint64_t at = 0;
	char *bytes;
	size_t n;

	while ((n = cache_span(c, item, &cur, SIZE_MAX, &bytes)) > 0)
		for (size_t i = 0; i < n; i++)
			if (bytes[i] != byte_at(seed, at++))
				return false;
	return at == nvalue;
}

static struct cache_item *
reserve(const char *k, uint32_t nvalue)
{
	struct cache_key ck = key(k);
	struct cache_item *item;

	must(cache_reserve(c, &w, &ck, 0, 0, nvalue, &item) == CACHE_STORED);
	return item;
}

static enum cache_status
commit(const char *k, struct cache_item *item, struct cache_put p)
{
	struct cache_key ck = key(k);

	p.reserved = item;
	return cache_store(c, &w, &ck, &p, &view);
}

static void
store(const char *k, uint32_t nvalue, unsigned seed)
{
	struct cache_item *item = reserve(k, nvalue);

	fill(item, seed, 0, SIZE_MAX);
	must(commit(k, item, (struct cache_put){ 0 }) == CACHE_STORED);
}

static struct cache_item *
pin(const char *k)
{
	struct cache_key ck = key(k);

	must(cache_get(c, &w, &ck, &(struct cache_want){ 0 }, &view) ==
	    CACHE_FOUND);
	must(view.pinned != NULL && !view.copied);
	return view.pinned;
}

static bool
stands(const char *k, uint32_t nvalue, unsigned seed)
{
	struct cache_item *item = pin(k);
	bool same = view.nvalue == nvalue && is_filled(item, seed, nvalue);

	cache_unpin(c, &item);
	must(item == NULL);
	return same;
}

/* ------------------------------------------------------------ reserve */

START_TEST(of_all_sizes)
{
	for (uint32_t n = CACHE_SMALL_MAX; n < MB - 100; n += n / 17 + 1) {
		store("k", n, n);
		must(stands("k", n, n));
		must(stats().items == 1);
		must(stats().bytes == 32 + 8 + 1 + 4 + n);
	}
	cache_check(c);
}
END_TEST

START_TEST(in_spans_of_any_length)
{
	for (size_t grain = 1; grain < 100000; grain = grain * 3 + 1) {
		struct cache_item *item = reserve("k", 200000);

		fill(item, 5, 0, grain);
		commit("k", item, (struct cache_put){ 0 });
		must(stands("k", 200000, 5));
	}
}
END_TEST

START_TEST(with_flags_deadline_and_number)
{
	struct cache_key k = key("k");
	struct cache_item *item;

	ck_assert_int_eq(cache_reserve(c, &w, &k, 77, 500, 70000, &item),
	    CACHE_STORED);
	fill(item, 1, 0, SIZE_MAX);
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	ck_assert_int_eq(commit("k", item, (struct cache_put){
	    .new_cas = 42, .binary_key = true }), CACHE_STORED);
	ck_assert_uint_eq(view.cas, 42);
	ck_assert_uint_eq(view.nvalue, 70000);
	item = NULL;
	want("k", (struct cache_want){ .marks = true, .no_value = true });
	ck_assert_uint_eq(view.client_flags, 77);
	ck_assert_uint_eq(view.deadline, 500);
	ck_assert(view.binary_key);
	ck_assert_ptr_null(view.pinned);
	want("k", (struct cache_want){ .withhold = true,
	    .withhold_cas = 42 });
	ck_assert_ptr_null(view.pinned);
	ck_assert(stands("k", 70000, 1));
	w.now = 500;
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
}
END_TEST

START_TEST(abandoned)
{
	struct cache_item *item = reserve("k", 300000);

	ck_assert_uint_gt(check_strays(c), 4);
	cache_abandon(c, &item);
	ck_assert_ptr_null(item);
	ck_assert_uint_eq(check_strays(c), 0);
	ck_assert_uint_eq(SUM(cmd_set), 0);
}
END_TEST

START_TEST(refused)
{
	struct cache_key k = key("k");
	struct cache_item *item = (struct cache_item *)&k;

	ck_assert_int_eq(cache_reserve(c, &w, &k, 0, 0, MB, &item),
	    CACHE_TOO_LARGE);
	ck_assert_ptr_null(item);
	ck_assert_int_eq(cache_reserve(c, &w, &k, 0, 0, UINT32_MAX, &item),
	    CACHE_TOO_LARGE);
	ck_assert_uint_eq(ONE(store_too_large), 2);
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 4 * MB,
	    .item_max = 1 << 30 });
	k = key("k");
	set("small", "stays");
	ck_assert_int_eq(cache_reserve(c, &w, &k, 0, 0, 5 * MB, &item),
	    CACHE_NO_MEMORY);
	ck_assert_uint_eq(ONE(store_no_memory), 1);
	ck_assert(holds("small", "stays"));
}
END_TEST

/* Consumed whatever the outcome: check_strays() at the end would tell. */
/* Who announces values and does not send them leaves half to the others. */
START_TEST(half_may_be_arriving)
{
	enum { MOST = 64, NVALUE = 500000 };
	struct cache_item *items[MOST], *more;
	struct cache_key ck = key("more");
	unsigned n = 0;

	while (n < MOST && cache_reserve(c, &w, &ck, 0, 0, NVALUE,
	    &items[n]) == CACHE_STORED)
		n++;
	ck_assert_uint_eq(n, 8 * MB / 2 / NVALUE);
	ck_assert_uint_eq(ONE(store_no_memory), 1);
	for (unsigned i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%u", i);
		store(name, 5000 + i * 1000, i);
	}
	/* stored or given up, it is no longer arriving */
	ck_assert_int_eq(commit("more", items[--n],
	    (struct cache_put){ 0 }), CACHE_STORED);
	cache_abandon(c, &items[--n]);
	must(cache_reserve(c, &w, &ck, 0, 0, NVALUE, &more) == CACHE_STORED);
	cache_abandon(c, &more);
	while (n > 0)
		cache_abandon(c, &items[--n]);
	/* one item may be as large as it likes */
	must(cache_reserve(c, &w, &ck, 0, 0, 1000000, &more) == CACHE_STORED);
	cache_abandon(c, &more);
}
END_TEST

START_TEST(consumed_always)
{
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .mode = CACHE_REPLACE }), CACHE_NOT_STORED);
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .mode = CACHE_APPEND }), CACHE_NOT_STORED);
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .compare = true }), CACHE_NOT_FOUND);
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .mode = CACHE_ADD }), CACHE_STORED);
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .mode = CACHE_ADD }), CACHE_NOT_STORED);
	ck_assert_int_eq(commit("k", reserve("k", 5000), (struct cache_put){
	    .compare = true }), CACHE_EXISTS);
	ck_assert_int_eq(commit("k", reserve("k", MB - 100),
	    (struct cache_put){ .mode = CACHE_APPEND }), CACHE_NOT_STORED);
	ck_assert_uint_eq(SUM(cmd_set), 7);
	ck_assert_uint_eq(SUM(cas_badval), 1);
	ck_assert_uint_eq(ONE(cas_misses), 1);
	ck_assert_uint_eq(check_strays(c), 0);
}
END_TEST

START_TEST(by_copy)
{
	static char big[100001];

	for (uint32_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = byte_at(7, i) ? byte_at(7, i) : 1;
	ck_assert_int_eq(put("k", big, (struct cache_put){
	    .client_flags = 3, .deadline = 200 }), CACHE_STORED);
	want("k", (struct cache_want){ .no_bump = true });
	ck_assert_uint_eq(view.client_flags, 3);
	ck_assert_uint_eq(view.deadline, 200);
	ck_assert_ptr_nonnull(view.pinned);
	cache_unpin(c, &view.pinned);
	/* out by copy, too, where there is room */
	char *out = malloc(sizeof(big));
	struct cache_key k = key("k");

	cache_get(c, &w, &k, &(struct cache_want){ .dst = out,
	    .room = sizeof(big) - 1 }, &view);
	ck_assert(view.copied && view.pinned == NULL);
	ck_assert(memcmp(out, big, sizeof(big) - 1) == 0);
	free(out);
}
END_TEST

/* ------------------------------------------------------------ pins */

START_TEST(pinned_values_outlive_their_item)
{
	struct cache_item *a, *b, *d, *e;

	store("k", 100000, 1);
	a = pin("k");
	b = pin("k");
	store("k", 100000, 2); /* replaced, not overwritten */
	ck_assert(is_filled(a, 1, 100000));
	d = pin("k");
	drop("k", (struct cache_drop){ 0 });
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	store("k", 100000, 3);
	e = pin("k");
	cache_flush(c, &w, 0);
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	ck_assert_uint_eq(stats().items, 0);
	cache_check(c);
	ck_assert_uint_gt(check_strays(c), 0);
	/* with others coming in their room, if it were given away */
	for (int i = 0; i < 200; i++) {
		char k[16];

		snprintf(k, sizeof(k), "k%d", i);
		store(k, 100000, 9);
	}
	ck_assert(is_filled(a, 1, 100000));
	cache_unpin(c, &a);
	ck_assert(is_filled(b, 1, 100000));
	ck_assert(is_filled(d, 2, 100000));
	ck_assert(is_filled(e, 3, 100000));
	cache_unpin(c, &b);
	cache_unpin(c, &d);
	cache_unpin(c, &e);
	ck_assert_uint_eq(check_strays(c), 0);
}
END_TEST

START_TEST(many_pins_of_one)
{
	enum { MANY = 70000 };
	struct cache_item **pins = calloc(MANY, sizeof(*pins));

	store("k", 5000, 1);
	for (int i = 0; i < MANY; i++)
		pins[i] = pin("k");
	drop("k", (struct cache_drop){ 0 });
	for (int i = 0; i < MANY; i++)
		cache_unpin(c, &pins[i]);
	ck_assert_uint_eq(check_strays(c), 0);
	free(pins);
}
END_TEST

START_TEST(pinned_items_are_not_evicted)
{
	struct cache_item *pins[20];
	char k[16];

	for (int i = 0; i < 20; i++) {
		snprintf(k, sizeof(k), "p%d", i);
		store(k, 100000, (unsigned)i);
		pins[i] = pin(k);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(k, sizeof(k), "k%d", i);
		store(k, 100000, 50);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(k, sizeof(k), "p%d", i);
		ck_assert(stands(k, 100000, (unsigned)i));
		cache_unpin(c, &pins[i]);
	}
	ck_assert_uint_gt(stats().sum.lrutail_reflocked, 0);
}
END_TEST

/* All memory pinned: an outcome, no crash, and all is well afterwards. */
START_TEST(when_all_is_pinned)
{
	struct cache_item *pins[100];
	struct cache_key k;
	unsigned n = 0;
	char name[16];

	for (; n < 100; n++) {
		struct cache_item *item;

		snprintf(name, sizeof(name), "k%u", n);
		k = key(name);
		if (cache_reserve(c, &w, &k, 0, 0, 200000, &item) !=
		    CACHE_STORED)
			break;
		commit(name, item, (struct cache_put){ 0 });
		pins[n] = pin(name);
	}
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 42);
	ck_assert_uint_gt(ONE(store_no_memory), 0);
	cache_check(c);
	while (n > 0)
		cache_unpin(c, &pins[--n]);
	store("k", 1000000, 1);
	ck_assert(stands("k", 1000000, 1));
}
END_TEST

/* ------------------------------------------------------------ joining */

START_TEST(joined_from_small_to_large)
{
	char piece[1001];
	uint32_t n = 0;

	memset(piece, 'p', 1000);
	piece[1000] = 0;
	set("k", "");
	for (int i = 0; i < 300; i++) {
		must(put("k", piece, (struct cache_put){ .mode = i % 2 ?
		    CACHE_APPEND : CACHE_PREPEND }) == CACHE_STORED);
		n += 1000;
		must(view.nvalue == n);
	}
	get("k");
	ck_assert_uint_eq(view.nvalue, n);
	cache_unpin(c, &view.pinned);
	ck_assert_uint_eq(stats().items, 1);
}
END_TEST

START_TEST(joined_in_order)
{
	struct cache_item *item;

	/* 100000 bytes of the pattern, of which the middle comes first */
	item = reserve("k", 30000);
	fill(item, 1, 20000, SIZE_MAX);
	commit("k", item, (struct cache_put){ 0 });
	item = reserve("k", 20000);
	fill(item, 1, 0, SIZE_MAX);
	ck_assert_int_eq(commit("k", item, (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_STORED);
	item = reserve("k", 50000);
	fill(item, 1, 50000, SIZE_MAX);
	ck_assert_int_eq(commit("k", item, (struct cache_put){
	    .mode = CACHE_APPEND }), CACHE_STORED);
	ck_assert_uint_eq(view.nvalue, 100000);
	ck_assert(stands("k", 100000, 1));
	/* a large piece before a small value */
	set("s", "tail");
	item = reserve("s", 5000);
	fill(item, 2, 0, SIZE_MAX);
	ck_assert_int_eq(commit("s", item, (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_STORED);
	ck_assert_uint_eq(view.nvalue, 5004);
	/* and where there is none */
	item = reserve("v", 5000);
	fill(item, 3, 0, SIZE_MAX);
	ck_assert_int_eq(commit("v", item, (struct cache_put){
	    .mode = CACHE_APPEND, .vivify = true,
	    .vivify_deadline = 300 }), CACHE_STORED);
	ck_assert(stands("v", 5000, 3));
	want("v", (struct cache_want){ .marks = true, .no_value = true });
	ck_assert_uint_eq(view.deadline, 300);
}
END_TEST

START_TEST(joining_keeps_flags_and_deadline)
{
	static char big[6001];

	memset(big, 'x', 6000);
	put("k", "a", (struct cache_put){ .client_flags = 8,
	    .deadline = 400 });
	drop("k", (struct cache_drop){ .stale = true });
	put("k", big, (struct cache_put){ .mode = CACHE_APPEND });
	want("k", (struct cache_want){ .marks = true, .no_value = true });
	ck_assert_uint_eq(view.client_flags, 8);
	ck_assert_uint_eq(view.deadline, 400);
	ck_assert_uint_eq(view.nvalue, 6001);
	ck_assert(!view.stale && !view.won);
}
END_TEST

/* ------------------------------------------------------------ the rest */

START_TEST(marks_of_large_items)
{
	struct cache_item *item;

	store("k", 5000, 1);
	drop("k", (struct cache_drop){ .stale = true, .new_cas = 200 });
	want("k", (struct cache_want){ .marks = true, .no_value = true });
	ck_assert(view.stale && view.won);
	item = reserve("k", 6000);
	fill(item, 2, 0, SIZE_MAX);
	ck_assert_int_eq(commit("k", item, (struct cache_put){
	    .compare = true, .compare_cas = 100, .allow_stale = true }),
	    CACHE_STORED);
	want("k", (struct cache_want){ .marks = true, .no_value = true });
	ck_assert(view.stale && view.win_sent && !view.won);
	ck_assert(stands("k", 6000, 2));
	ck_assert_int_eq(drop("k", (struct cache_drop){
	    .drop_value = true }), CACHE_DELETED);
	ck_assert(holds("k", ""));
	ck_assert_uint_eq(stats().bytes, 33);
}
END_TEST

START_TEST(large_values_are_no_numbers)
{
	uint64_t n;

	store("k", 5000, 1);
	ck_assert_int_eq(delta("k", (struct cache_delta){ .delta = 1 }, &n),
	    CACHE_NOT_NUMBER);
}
END_TEST

START_TEST(small_and_large_replace_each_other)
{
	for (int i = 0; i < 20; i++) {
		store("k", 4097 + (unsigned)i * 5000, 1);
		set("k", "small");
		ck_assert(holds("k", "small"));
		store("k", 4097, 2);
		ck_assert(stands("k", 4097, 2));
	}
	ck_assert_uint_eq(stats().items, 1);
	ck_assert_uint_eq(check_strays(c), 0);
}
END_TEST

/*
 * An hour of traffic into a full cache: small items all the time, and each
 * second three of one to eight megabytes, of which one is being read while
 * the next comes.  None is refused, and none goes while there is memory.
 */
START_TEST(an_hour_of_large_items)
{
	static char bytes[2000];
	struct cache_put p = { .value = bytes };
	struct cache_item *held = NULL;
	uint64_t state = 88172645463325252u;
	char name[24];

	cache_free(&c);
	open_with(&(struct cache_config){ .memory_limit = 64 * MB,
	    .item_max = 8 * MB, .seed = 1 });
	for (unsigned n = 0; n < 3600 * 100; n++) {
		struct cache_key k;

		snprintf(name, sizeof(name), "key%u",
		    (unsigned)(rnd(&state) % 300000));
		k = key(name);
		p.nvalue = (uint32_t)(rnd(&state) % sizeof(bytes));
		must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
		if (n % 100 == 0)
			cache_upkeep(c, ++w.now);
		if (n % 33 != 0)
			continue;
		if (held != NULL)
			cache_unpin(c, &held);
		snprintf(name, sizeof(name), "large%u",
		    (unsigned)(rnd(&state) % 40));
		must(commit(name, reserve(name, (uint32_t)(MB +
			rnd(&state) % (7 * MB - 1000))),
			(struct cache_put){ 0 }) == CACHE_STORED);
		held = pin(name);
	}
	cache_unpin(c, &held);
	ck_assert_uint_eq(ONE(store_no_memory), 0);
}
END_TEST

/* Of whatever size: when the first one goes all of memory is in use. */
START_TEST(nothing_goes_while_there_is_memory)
{
	static char bytes[300000];
	struct cache_put p = { .value = bytes };
	uint64_t state = 88172645463325252u;
	uint64_t free_before = 0;
	struct cache_stats s = { 0 };

	for (unsigned n = 0;; n++) {
		char name[24];
		struct cache_key k;

		snprintf(name, sizeof(name), "key%u", n);
		k = key(name);
		p.nvalue = (uint32_t)(rnd(&state) %
		    (n % 50 == 0 ? sizeof(bytes) : 3000));
		free_before = s.pages_free;
		must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
		if (n % 100 == 0)
			cache_upkeep(c, ++w.now);
		cache_stats(c, w.now, &s);
		if (s.sum.evicted > 0)
			break;
		must(n < 100000);
	}
	/* what came last may have needed five */
	ck_assert_uint_lt(free_before, 5);
	ck_assert_uint_gt(s.bytes, 4 * MB);
}
END_TEST

Suite *
large_suite(void)
{
	Suite *s = suite_create("large");
	TCase *t = tcase_create("large");

	tcase_add_checked_fixture(t, open_cache, close_cache);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, of_all_sizes);
	tcase_add_test(t, in_spans_of_any_length);
	tcase_add_test(t, with_flags_deadline_and_number);
	tcase_add_test(t, abandoned);
	tcase_add_test(t, refused);
	tcase_add_test(t, half_may_be_arriving);
	tcase_add_test(t, consumed_always);
	tcase_add_test(t, by_copy);
	tcase_add_test(t, pinned_values_outlive_their_item);
	tcase_add_test(t, many_pins_of_one);
	tcase_add_test(t, pinned_items_are_not_evicted);
	tcase_add_test(t, when_all_is_pinned);
	tcase_add_test(t, joined_from_small_to_large);
	tcase_add_test(t, joined_in_order);
	tcase_add_test(t, joining_keeps_flags_and_deadline);
	tcase_add_test(t, marks_of_large_items);
	tcase_add_test(t, large_values_are_no_numbers);
	tcase_add_test(t, small_and_large_replace_each_other);
	tcase_add_test(t, an_hour_of_large_items);
	tcase_add_test(t, nothing_goes_while_there_is_memory);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return s;
}
