/* test_cache.c - slab/cache.h: life, keys, and the classic operations. */
#include "tests/slab/caches.h"

/* ------------------------------------------------------------ life */

static void
refuse(struct cache_config config)
{
	const char *why = NULL;

	ck_assert_ptr_null(cache_new(&config, &why));
	ck_assert_ptr_nonnull(why);
}

START_TEST(refuses_what_cannot_be)
{
	refuse((struct cache_config){ .memory_limit = 0 });
	refuse((struct cache_config){ .memory_limit = MB, .shards = 3 });
	refuse((struct cache_config){ .memory_limit = MB, .shards = 512 });
	refuse((struct cache_config){ .memory_limit = MB,
	    .item_max = (1 << 30) + 1 });
	refuse((struct cache_config){ .memory_limit = MB,
	    .growth_factor = 0.5 });
}
END_TEST

START_TEST(two_caches_are_strangers)
{
	struct cache *first;

	open_cache();
	set("k", "one");
	first = c;
	open_with(&(struct cache_config){ .memory_limit = MB, .shards = 1 });
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	set("k", "two");
	close_cache();
	c = first;
	ck_assert(holds("k", "one"));
	close_cache();
	cache_free(&c); /* nothing to free is fine */
}
END_TEST

START_TEST(keys_hash_by_seed)
{
	struct cache_key a, b;

	open_cache();
	a = key("k");
	b = key("k");
	ck_assert(a.hash == b.hash);
	ck_assert_uint_eq(a.nbytes, 1);
	b.hash = 0;
	cache_look_ahead(c, &b, 1);
	ck_assert(a.hash == b.hash);
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB, .seed = 2 });
	ck_assert(key("k").hash != a.hash);
	close_cache();
}
END_TEST

/* ------------------------------------------------------------ get */

START_TEST(get_finds_what_was_set)
{
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	ck_assert_int_eq(put("k", "value", (struct cache_put){
	    .client_flags = 7, .deadline = 200 }), CACHE_STORED);
	ck_assert_int_eq(want("k", (struct cache_want){ .marks = true }),
	    CACHE_FOUND);
	ck_assert_uint_eq(view.nvalue, 5);
	ck_assert(view.copied && memcmp(dst, "value", 5) == 0);
	ck_assert_uint_eq(view.client_flags, 7);
	ck_assert_uint_eq(view.deadline, 200);
	ck_assert_uint_eq(view.old_deadline, 200);
	ck_assert_uint_eq(view.accessed, 100);
	ck_assert_uint_eq(view.size, 32 + 1 + 4 + 5);
	ck_assert_uint_gt(view.cas, 0);
	ck_assert_uint_gt(view.class_id, 0);
	ck_assert_uint_eq(view.queue, CACHE_HOT);
	ck_assert(!view.fetched && !view.stale && !view.won);
	ck_assert(!view.win_sent && !view.binary_key);
	ck_assert_ptr_null(view.pinned);
	w.now = 103;
	want("k", (struct cache_want){ .marks = true });
	ck_assert(view.fetched);
	ck_assert_uint_eq(view.accessed, 100);
	want("k", (struct cache_want){ .marks = true });
	ck_assert_uint_eq(view.accessed, 103);
}
END_TEST

START_TEST(a_plain_get_shows_the_first_part)
{
	put("k", "value", (struct cache_put){ .client_flags = 9 });
	memset(&view, 0xff, sizeof(view));
	ck_assert_int_eq(get("k"), CACHE_FOUND);
	ck_assert_uint_eq(view.client_flags, 9);
	ck_assert_uint_eq(view.nvalue, 5);
	ck_assert_uint_gt(view.cas, 0);
	ck_assert_ptr_null(view.pinned);
	ck_assert_uint_eq(view.queue, CACHE_HOT);
	ck_assert(view.copied);
}
END_TEST

START_TEST(get_copies_only_what_fits)
{
	struct cache_key k = key("k");
	struct cache_want wanted = { .dst = dst, .room = 4 };

	set("k", "value");
	memset(dst, '-', sizeof(dst));
	ck_assert_int_eq(cache_get(c, &w, &k, &wanted, &view), CACHE_FOUND);
	ck_assert(!view.copied);
	ck_assert_ptr_null(view.pinned);
	ck_assert_int_eq(dst[0], '-');
	wanted.room = 5;
	cache_get(c, &w, &k, &wanted, &view);
	ck_assert(view.copied);
	ck_assert_int_eq(dst[5], '-');
	wanted.no_value = true;
	dst[0] = '-';
	cache_get(c, &w, &k, &wanted, &view);
	ck_assert(!view.copied && dst[0] == '-');
	/* an empty value needs no room */
	set("k", "");
	wanted = (struct cache_want){ .dst = NULL };
	cache_get(c, &w, &k, &wanted, &view);
	ck_assert(view.copied);
}
END_TEST

START_TEST(no_bump_leaves_no_trace)
{
	set("k", "v");
	w.now = 105;
	look("k");
	look("k");
	ck_assert(!view.fetched);
	ck_assert_uint_eq(view.accessed, 100);
	ck_assert_uint_eq(ONE(cmd_get) + SUM(get_hits), 0);
	look("none");
	ck_assert_uint_eq(ONE(get_misses), 0);
}
END_TEST

START_TEST(keys_of_any_bytes_and_length)
{
	char bytes[CACHE_KEY_MAX] = { 0 };

	for (uint32_t n = 1; n <= CACHE_KEY_MAX; n++) {
		struct cache_key k = cache_key(c, bytes, n);
		struct cache_put p = { .value = &n, .nvalue = sizeof(n) };

		must(cache_store(c, &w, &k, &p, NULL) == CACHE_STORED);
	}
	for (uint32_t n = 1; n <= CACHE_KEY_MAX; n++) {
		struct cache_key k = cache_key(c, bytes, n);
		struct cache_want wanted = { .dst = dst, .room = 4 };

		must(cache_get(c, &w, &k, &wanted, &view) == CACHE_FOUND);
		must(memcmp(dst, &n, sizeof(n)) == 0);
	}
	/* the same but for one byte, wherever it stands */
	for (uint32_t n = 1; n <= CACHE_KEY_MAX; n++)
		for (uint32_t i = 0; i < n; i++) {
			struct cache_key k;

			bytes[i] = 1;
			k = cache_key(c, bytes, n);
			must(cache_get(c, &w, &k, &(struct cache_want){ 0 },
			    &view) == CACHE_NOT_FOUND);
			bytes[i] = 0;
		}
}
END_TEST

/* ------------------------------------------------------------ store */

START_TEST(modes)
{
	ck_assert_int_eq(put("k", "a", (struct cache_put){
	    .mode = CACHE_REPLACE }), CACHE_NOT_STORED);
	ck_assert_int_eq(put("k", "a", (struct cache_put){
	    .mode = CACHE_APPEND }), CACHE_NOT_STORED);
	ck_assert_int_eq(put("k", "a", (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_NOT_STORED);
	ck_assert_int_eq(look("k"), CACHE_NOT_FOUND);
	ck_assert_int_eq(put("k", "a", (struct cache_put){
	    .mode = CACHE_ADD }), CACHE_STORED);
	ck_assert_int_eq(put("k", "b", (struct cache_put){
	    .mode = CACHE_ADD }), CACHE_NOT_STORED);
	ck_assert(holds("k", "a"));
	ck_assert_int_eq(put("k", "b", (struct cache_put){
	    .mode = CACHE_REPLACE }), CACHE_STORED);
	ck_assert(holds("k", "b"));
	ck_assert_int_eq(set("k", "c"), CACHE_STORED);
	ck_assert(holds("k", "c"));
}
END_TEST

START_TEST(joins)
{
	put("k", "mid", (struct cache_put){ .client_flags = 5,
	    .deadline = 300, .binary_key = true });
	get("k");
	ck_assert_int_eq(put("k", "tail", (struct cache_put){
	    .mode = CACHE_APPEND, .client_flags = 9, .deadline = 900 }),
	    CACHE_STORED);
	ck_assert_uint_eq(view.nvalue, 7);
	ck_assert(holds("k", "midtail"));
	ck_assert_uint_eq(view.client_flags, 5);
	ck_assert_uint_eq(view.deadline, 300);
	ck_assert(!view.fetched && !view.binary_key);
	ck_assert_int_eq(put("k", "head", (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_STORED);
	ck_assert(holds("k", "headmidtail"));
	ck_assert_int_eq(put("k", "", (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_STORED);
	ck_assert(holds("k", "headmidtail"));
}
END_TEST

/* From size to size, through all classes, in place and not. */
START_TEST(joins_byte_by_byte)
{
	char all[3000];
	uint32_t n = 0;

	for (uint32_t i = 0; i < sizeof(all); i++) {
		char byte[2] = { (char)('a' + i % 23), 0 };

		if (i % 3 == 0) {
			memmove(all + 1, all, n);
			all[0] = byte[0];
		} else {
			all[n] = byte[0];
		}
		n++;
		must(put("k", byte, (struct cache_put){ .mode = i % 3 == 0 ?
		    (i == 0 ? CACHE_SET : CACHE_PREPEND) : CACHE_APPEND,
		    .client_flags = 3 }) == CACHE_STORED);
		must(look("k") == CACHE_FOUND && view.nvalue == n);
		must(memcmp(dst, all, n) == 0 && view.client_flags == 3);
	}
}
END_TEST

START_TEST(compares)
{
	uint64_t cas;

	ck_assert_int_eq(put("k", "a", (struct cache_put){ .compare = true,
	    .compare_cas = 1 }), CACHE_NOT_FOUND);
	ck_assert_int_eq(put("k", "a", (struct cache_put){ .compare = true,
	    .mode = CACHE_REPLACE, .compare_cas = 1 }), CACHE_NOT_FOUND);
	set("k", "a");
	cas = view.cas;
	ck_assert_int_eq(put("k", "b", (struct cache_put){ .compare = true,
	    .compare_cas = 0 }), CACHE_EXISTS);
	ck_assert_int_eq(put("k", "b", (struct cache_put){ .compare = true,
	    .compare_cas = cas + 1 }), CACHE_EXISTS);
	ck_assert(holds("k", "a"));
	ck_assert_int_eq(put("k", "b", (struct cache_put){ .compare = true,
	    .compare_cas = cas }), CACHE_STORED);
	ck_assert_uint_ne(view.cas, cas);
	ck_assert_int_eq(put("k", "c", (struct cache_put){ .compare = true,
	    .compare_cas = cas }), CACHE_EXISTS);
	ck_assert_int_eq(put("k", "c", (struct cache_put){ .compare = true,
	    .mode = CACHE_APPEND, .compare_cas = cas }), CACHE_EXISTS);
	ck_assert_int_eq(put("none", "c", (struct cache_put){
	    .compare = true, .mode = CACHE_APPEND, .compare_cas = cas }),
	    CACHE_NOT_STORED);
	/* add does not compare */
	ck_assert_int_eq(put("new", "c", (struct cache_put){
	    .compare = true, .mode = CACHE_ADD }), CACHE_STORED);
	ck_assert_uint_eq(ONE(cas_misses), 2);
	ck_assert_uint_eq(SUM(cas_hits), 1);
	ck_assert_uint_eq(SUM(cas_badval), 3);
}
END_TEST

START_TEST(every_change_has_a_new_number)
{
	uint64_t last, n;

	set("k", "1");
	for (int i = 0; i < 5; i++) {
		last = view.cas;
		switch (i) {
		case 0:
			set("k", "2");
			break;
		case 1:
			put("k", "3", (struct cache_put){
			    .mode = CACHE_APPEND });
			break;
		case 2:
			put("k", "4", (struct cache_put){
			    .mode = CACHE_PREPEND });
			break;
		case 3:
			put("k", "5", (struct cache_put){
			    .mode = CACHE_REPLACE });
			break;
		default:
			delta("k", (struct cache_delta){ .delta = 1 }, &n);
		}
		ck_assert_uint_gt(view.cas, last);
		look("k");
		ck_assert_uint_gt(view.cas, last);
	}
	last = view.cas;
	want("k", (struct cache_want){ .touch = true,
	    .touch_deadline = 500 });
	look("k");
	ck_assert_uint_eq(view.cas, last);
	put("k", "x", (struct cache_put){ .new_cas = UINT64_MAX });
	look("k");
	ck_assert_uint_eq(view.cas, UINT64_MAX);
}
END_TEST

/* As clients find them with gets, and compare them. */
START_TEST(keys_never_share_a_number)
{
	char k[8] = "k__", given[8 * 300] = { 0 };

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB, .shards = 8 });
	for (unsigned i = 0; i < 300; i++) {
		k[1] = (char)('a' + i / 2 % 16);
		k[2] = (char)('a' + i / 2 / 16);
		set(k, "1");
		must(view.cas > 0 && view.cas < sizeof(given));
		must(!given[view.cas]);
		given[view.cas] = 1;
	}
}
END_TEST

START_TEST(without_cas_all_numbers_are_zero)
{
	uint64_t n;

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .no_cas = true });
	put("k", "1", (struct cache_put){ .new_cas = 5 });
	ck_assert_uint_eq(view.cas, 0);
	look("k");
	ck_assert_uint_eq(view.cas, 0);
	for (uint64_t i = 0; i < 2; i++)
		ck_assert_int_eq(put("k", "2", (struct cache_put){
		    .compare = true, .compare_cas = i }), CACHE_EXISTS);
	ck_assert_int_eq(put("none", "2", (struct cache_put){
	    .compare = true, .compare_cas = 0 }), CACHE_NOT_FOUND);
	ck_assert_int_eq(drop("k", (struct cache_drop){ .compare = true }),
	    CACHE_EXISTS);
	ck_assert_int_eq(delta("k", (struct cache_delta){ .compare = true,
	    .delta = 1 }, &n), CACHE_EXISTS);
}
END_TEST

START_TEST(the_size_limit)
{
	static char big[2 * MB];
	uint32_t most = MB - CACHE_ITEM_OVERHEAD - 1;

	memset(big, 'x', sizeof(big) - 1);
	big[most + 1] = 0;
	ck_assert_int_eq(set("k", big), CACHE_TOO_LARGE);
	big[most] = 0;
	ck_assert_int_eq(put("k", big, (struct cache_put){
	    .client_flags = 1 }), CACHE_TOO_LARGE);
	ck_assert_uint_eq(ONE(store_too_large), 2);
	ck_assert_uint_eq(SUM(cmd_set), 0);
	ck_assert_int_eq(set("k", big), CACHE_STORED);
	/* what is joined beyond it is not stored */
	ck_assert_int_eq(put("k", "y", (struct cache_put){
	    .mode = CACHE_APPEND }), CACHE_NOT_STORED);
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .item_max = 100 });
	big[40] = 0;
	ck_assert_int_eq(set("k", big), CACHE_STORED);
	ck_assert_int_eq(put("k", "y", (struct cache_put){
	    .mode = CACHE_PREPEND }), CACHE_NOT_STORED);
	ck_assert(holds("k", big));
	big[40] = 'x';
	big[41] = 0;
	ck_assert_int_eq(set("k", big), CACHE_TOO_LARGE);
	/* as memcached's, whose items have no numbers then */
	close_cache();
	open_with(&(struct cache_config){ .memory_limit = MB,
	    .item_max = 100, .no_cas = true });
	big[41] = 'x';
	big[48] = 0;
	ck_assert_int_eq(set("k", big), CACHE_STORED);
	big[48] = 'x';
	big[49] = 0;
	ck_assert_int_eq(set("k", big), CACHE_TOO_LARGE);
}
END_TEST

START_TEST(a_new_value_clears_the_marks)
{
	put("k", "a", (struct cache_put){ .binary_key = true });
	get("k");
	drop("k", (struct cache_drop){ .stale = true });
	want("k", (struct cache_want){ .marks = true });
	ck_assert(view.stale && view.won && view.fetched && view.binary_key);
	set("k", "b");
	look("k");
	ck_assert(!view.stale && !view.win_sent && !view.fetched);
	ck_assert(!view.binary_key);
	/* likewise if it needs another chunk */
	drop("k", (struct cache_drop){ .stale = true });
	set("k", "a value that is so long that it needs another chunk");
	look("k");
	ck_assert(!view.stale && !view.win_sent && !view.fetched);
}
END_TEST

/* ------------------------------------------------------------ delta */

static bool
counts(const char *before, bool decrement, uint64_t by, uint64_t result,
    const char *after)
{
	uint64_t n = 0;

	set("n", before);
	return delta("n", (struct cache_delta){ .decrement = decrement,
	    .delta = by }, &n) == CACHE_STORED && n == result &&
	    holds("n", after);
}

START_TEST(arithmetic)
{
	ck_assert(counts("5", false, 1, 6, "6"));
	ck_assert(counts("9", false, 1, 10, "10"));
	ck_assert(counts("10", true, 1, 9, "9 "));
	ck_assert(counts("3", true, 5, 0, "0"));
	ck_assert(counts("  7", false, 1, 8, "8  "));
	ck_assert(counts("12 z", false, 1, 13, "13  "));
	ck_assert(counts("12", false, 0, 12, "12"));
	ck_assert(counts("18446744073709551615", false, 1, 0,
	    "0                   "));
	ck_assert(counts("18446744073709551614", false, 1, UINT64_MAX,
	    "18446744073709551615"));
	ck_assert(counts("1", false, UINT64_MAX - 1, UINT64_MAX,
	    "18446744073709551615"));
	ck_assert(counts("0", true, UINT64_MAX, 0, "0"));
}
END_TEST

START_TEST(what_is_no_number)
{
	static const char *const no[] = { "", " ", "-1", "+1", "a", "1a",
		"18446744073709551616", "99999999999999999999",
		"1000000000000000000000", "0x10", "1.5" };
	uint64_t n;

	for (unsigned i = 0; i < sizeof(no) / sizeof(*no); i++) {
		set("n", no[i]);
		ck_assert_msg(delta("n", (struct cache_delta){ .delta = 1 },
		    &n) == CACHE_NOT_NUMBER, "%s", no[i]);
		ck_assert(holds("n", no[i]));
	}
	ck_assert_uint_eq(SUM(incr_hits) + ONE(incr_misses), 0);
}
END_TEST

START_TEST(numbers_keep_flags_and_deadline)
{
	uint64_t n;

	put("n", "9", (struct cache_put){ .client_flags = 4,
	    .deadline = 500 });
	for (unsigned i = 0; i < 2; i++) { /* in place, then longer */
		delta("n", (struct cache_delta){ .delta = i }, &n);
		ck_assert_uint_eq(view.client_flags, 4);
		ck_assert_uint_eq(view.deadline, 500);
		look("n");
		ck_assert_uint_eq(view.client_flags, 4);
		ck_assert_uint_eq(view.deadline, 500);
	}
	delta("n", (struct cache_delta){ .touch = true }, &n);
	ck_assert_uint_eq(view.deadline, 0);
	look("n");
	ck_assert_uint_eq(view.deadline, 0);
}
END_TEST

START_TEST(numbers_count)
{
	uint64_t n;

	ck_assert_int_eq(delta("n", (struct cache_delta){ 0 }, &n),
	    CACHE_NOT_FOUND);
	ck_assert_int_eq(delta("n", (struct cache_delta){
	    .decrement = true }, &n), CACHE_NOT_FOUND);
	set("n", "1");
	delta("n", (struct cache_delta){ .delta = 1 }, &n);
	delta("n", (struct cache_delta){ .decrement = true }, &n);
	ck_assert_uint_eq(ONE(incr_misses), 1);
	ck_assert_uint_eq(ONE(decr_misses), 1);
	ck_assert_uint_eq(SUM(incr_hits), 1);
	ck_assert_uint_eq(SUM(decr_hits), 1);
	ck_assert_uint_eq(ONE(cmd_get), 0);
}
END_TEST

/* ------------------------------------------------------------ delete */

START_TEST(deletes)
{
	struct cache_key k;

	ck_assert_int_eq(drop("k", (struct cache_drop){ 0 }),
	    CACHE_NOT_FOUND);
	set("k", "v");
	ck_assert_int_eq(drop("k", (struct cache_drop){ 0 }), CACHE_DELETED);
	ck_assert_int_eq(drop("k", (struct cache_drop){ 0 }),
	    CACHE_NOT_FOUND);
	set("k", "v");
	ck_assert_int_eq(drop("k", (struct cache_drop){ .compare = true,
	    .compare_cas = view.cas + 1 }), CACHE_EXISTS);
	ck_assert_int_eq(drop("k", (struct cache_drop){ .compare = true }),
	    CACHE_EXISTS);
	look("k");
	ck_assert_int_eq(drop("k", (struct cache_drop){ .compare = true,
	    .compare_cas = view.cas }), CACHE_DELETED);
	ck_assert_uint_eq(SUM(delete_hits), 2);
	ck_assert_uint_eq(ONE(delete_misses), 4);
	set("k", "v");
	ck_assert_int_eq(drop("k", (struct cache_drop){ .compare = true,
	    .quiet_exists = true }), CACHE_EXISTS);
	drop("k", (struct cache_drop){ .quiet = true });
	drop("k", (struct cache_drop){ .quiet = true });
	ck_assert_uint_eq(SUM(delete_hits), 2);
	ck_assert_uint_eq(ONE(delete_misses), 4);
	ck_assert_uint_eq(stats().items, 0);
	ck_assert_uint_eq(stats().bytes, 0);
	/* and nothing is shown to who does not ask */
	set("k", "v");
	k = key("k");
	ck_assert_int_eq(cache_delete(c, &w, &k, &(struct cache_drop){ 0 },
	    NULL), CACHE_DELETED);
}
END_TEST

/* ------------------------------------------------------------ time */

START_TEST(the_dead_are_absent)
{
	uint64_t n;

	for (unsigned i = 0; i < 8; i++) {
		enum cache_status status = CACHE_FOUND;

		w.now = 100;
		ck_assert_int_eq(put("k", "1", (struct cache_put){
		    .deadline = 110 }), CACHE_STORED);
		w.now = 109;
		ck_assert_int_eq(look("k"), CACHE_FOUND);
		w.now = 110;
		switch (i) {
		case 0:
			status = get("k");
			break;
		case 1:
			status = drop("k", (struct cache_drop){ 0 });
			break;
		case 2:
			status = delta("k", (struct cache_delta){ 0 }, &n);
			break;
		case 3:
			status = want("k", (struct cache_want){ .touch = true,
			    .gat = true, .touch_deadline = 0 });
			break;
		case 4:
			status = put("k", "x", (struct cache_put){
			    .mode = CACHE_REPLACE });
			break;
		case 5:
			status = put("k", "x", (struct cache_put){
			    .mode = CACHE_APPEND });
			break;
		case 6:
			status = put("k", "x", (struct cache_put){
			    .compare = true, .compare_cas = view.cas });
			break;
		case 7:
			ck_assert_int_eq(put("k", "x", (struct cache_put){
			    .mode = CACHE_ADD }), CACHE_STORED);
			ck_assert(holds("k", "x"));
			continue;
		}
		ck_assert_int_eq(status, i == 4 || i == 5 ?
		    CACHE_NOT_STORED : CACHE_NOT_FOUND);
		ck_assert_uint_eq(stats().items, 0);
	}
	ck_assert_uint_eq(ONE(get_expired), 2); /* a get, a touch */
	ck_assert_uint_eq(ONE(get_misses), 1);
	ck_assert_uint_eq(ONE(touch_misses), 1);
}
END_TEST

START_TEST(born_dead)
{
	ck_assert_int_eq(put("k", "v", (struct cache_put){
	    .deadline = CACHE_DEAD }), CACHE_STORED);
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	set("k", "v");
	put("k", "v", (struct cache_put){ .deadline = CACHE_DEAD });
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
	set("k", "v");
	/* a last time */
	ck_assert_int_eq(want("k", (struct cache_want){ .touch = true,
	    .gat = true, .touch_deadline = CACHE_DEAD }), CACHE_FOUND);
	ck_assert(view.copied);
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
}
END_TEST

START_TEST(touches)
{
	put("k", "v", (struct cache_put){ .deadline = 110 });
	ck_assert_int_eq(want("k", (struct cache_want){ .touch = true,
	    .gat = true, .touch_deadline = 200 }), CACHE_FOUND);
	ck_assert_uint_eq(view.old_deadline, 110);
	ck_assert_uint_eq(view.deadline, 200);
	w.now = 199;
	ck_assert_int_eq(look("k"), CACHE_FOUND);
	ck_assert_int_eq(want("none", (struct cache_want){ .touch = true,
	    .gat = true }), CACHE_NOT_FOUND);
	ck_assert_uint_eq(ONE(cmd_touch), 2);
	ck_assert_uint_eq(SUM(touch_hits), 1);
	ck_assert_uint_eq(ONE(touch_misses), 1);
	ck_assert_uint_eq(ONE(cmd_get) + SUM(get_hits), 0);
	/* a plain touch is no get either, a reading one is both */
	want("k", (struct cache_want){ .touch = true, .no_value = true });
	ck_assert_uint_eq(ONE(cmd_get), 0);
	want("k", (struct cache_want){ .touch = true });
	ck_assert_uint_eq(ONE(cmd_get), 1);
	ck_assert_uint_eq(SUM(get_hits), 1);
	ck_assert_uint_eq(SUM(touch_hits), 3);
}
END_TEST

/* ------------------------------------------------------------ flush */

START_TEST(flushes_at_once)
{
	uint64_t n;

	set("a", "1");
	set("b", "2");
	cache_flush(c, &w, 0);
	ck_assert_int_eq(get("a"), CACHE_NOT_FOUND);
	ck_assert_uint_eq(ONE(get_flushed), 1);
	ck_assert_uint_eq(ONE(get_expired), 0);
	ck_assert_int_eq(delta("b", (struct cache_delta){ 0 }, &n),
	    CACHE_NOT_FOUND);
	set("a", "3");
	ck_assert(holds("a", "3"));
}
END_TEST

START_TEST(flushes_as_often_as_wanted)
{
	char k[16];

	/* More often than there are epochs, with the dead lying about. */
	for (int i = 0; i < 3 * ITEM_EPOCHS; i++) {
		for (int j = 0; j < 40; j++) {
			snprintf(k, sizeof(k), "%d", i * 40 + j);
			must(set(k, "v") == CACHE_STORED);
		}
		cache_flush(c, &w, 0);
		cache_check(c);
		for (int j = 0; j < 40; j += 39) {
			snprintf(k, sizeof(k), "%d", i * 40 + j);
			must(look(k) == CACHE_NOT_FOUND);
		}
	}
}
END_TEST

/* ... and by steps, where there is much of every epoch. */
START_TEST(flushes_step_by_step)
{
	unsigned steps = 0;
	char k[16];

	close_cache();
	open_with(&(struct cache_config){ .memory_limit = 64 * MB });
	for (int i = 0; i < 2 * ITEM_EPOCHS; i++) {
		unsigned shard = 0;

		for (int j = 0; j < 1500; j++) {
			snprintf(k, sizeof(k), "%d", i * 1500 + j);
			set(k, "1");
		}
		while (!cache_flush_step(c, &w, &shard))
			steps++;
		ck_assert_int_eq(get(k), CACHE_NOT_FOUND);
	}
	cache_check(c);
	ck_assert_uint_gt(steps, ITEM_EPOCHS / 2);
	set("a", "1");
	ck_assert(holds("a", "1"));
}
END_TEST

START_TEST(flushes_later)
{
	set("a", "1");
	cache_flush(c, &w, 103);
	ck_assert_int_eq(get("a"), CACHE_FOUND);
	set("b", "2");
	w.now = 102;
	ck_assert_int_eq(get("b"), CACHE_FOUND);
	w.now = 103;
	ck_assert_int_eq(get("a"), CACHE_NOT_FOUND);
	ck_assert_int_eq(get("b"), CACHE_NOT_FOUND);
	set("a", "3");
	ck_assert_int_eq(get("a"), CACHE_FOUND);
	w.now = 104;
	ck_assert_int_eq(get("a"), CACHE_FOUND);
	/* the pending one is replaced, by a later one and by none */
	cache_flush(c, &w, 110);
	cache_flush(c, &w, 120);
	w.now = 110;
	ck_assert_int_eq(get("a"), CACHE_FOUND);
	cache_flush(c, &w, 0);
	set("a", "4");
	w.now = 120;
	ck_assert_int_eq(get("a"), CACHE_FOUND);
	/* upkeep is enough to make it happen */
	cache_flush(c, &w, 130);
	cache_upkeep(c, 130);
	w.now = 129;
	ck_assert_int_eq(get("a"), CACHE_NOT_FOUND);
}
END_TEST

/* ------------------------------------------------------------ suite */

static void
add_all(TCase *t)
{
	tcase_add_test(t, get_finds_what_was_set);
	tcase_add_test(t, a_plain_get_shows_the_first_part);
	tcase_add_test(t, get_copies_only_what_fits);
	tcase_add_test(t, no_bump_leaves_no_trace);
	tcase_add_test(t, keys_of_any_bytes_and_length);
	tcase_add_test(t, modes);
	tcase_add_test(t, joins);
	tcase_add_test(t, joins_byte_by_byte);
	tcase_add_test(t, compares);
	tcase_add_test(t, every_change_has_a_new_number);
	tcase_add_test(t, keys_never_share_a_number);
	tcase_add_test(t, without_cas_all_numbers_are_zero);
	tcase_add_test(t, the_size_limit);
	tcase_add_test(t, a_new_value_clears_the_marks);
	tcase_add_test(t, arithmetic);
	tcase_add_test(t, what_is_no_number);
	tcase_add_test(t, numbers_keep_flags_and_deadline);
	tcase_add_test(t, numbers_count);
	tcase_add_test(t, deletes);
	tcase_add_test(t, the_dead_are_absent);
	tcase_add_test(t, born_dead);
	tcase_add_test(t, touches);
	tcase_add_test(t, flushes_at_once);
	tcase_add_test(t, flushes_as_often_as_wanted);
	tcase_add_test(t, flushes_step_by_step);
	tcase_add_test(t, flushes_later);
}

Suite *
cache_suite(void)
{
	Suite *s = suite_create("cache");
	TCase *life = tcase_create("life"), *t = tcase_create("operations");

	tcase_add_test(life, refuses_what_cannot_be);
	tcase_add_test(life, two_caches_are_strangers);
	tcase_add_test(life, keys_hash_by_seed);
	suite_add_tcase(s, life);
	tcase_add_checked_fixture(t, open_cache, close_cache);
	add_all(t);
	suite_add_tcase(s, t);
	return s;
}
