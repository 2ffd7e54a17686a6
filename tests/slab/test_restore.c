/* test_restore.c - tests of cache.h, restart: a cache out of a memory file. */
#include <sys/mman.h>
#include <unistd.h>

#include "slab/saved.h"
#include "tests/slab/caches.h"

enum { ITEM_MOST = 300000 };

static int fd;
static struct cache_config config;
static struct cache_restored got;
static const char *why;
static char text[ITEM_MOST + 1];

static void
open_file(void)
{
	fd = memfd_create("restore", MFD_CLOEXEC);
	ck_assert_int_gt(fd, 0);
	config = (struct cache_config){ .memory_limit = 8 * MB, .seed = 1,
		.memory_file = fd };
	open_with(&config);
}

static void
close_file(void)
{
	close_cache();
	close(fd);
}

static void *
save(size_t *n)
{
	void *saved = cache_save(c, w.now, n);

	ck_assert_ptr_nonnull(saved);
	ck_assert_uint_le(*n, cache_save_most(config.memory_limit));
	return saved;
}

/* A process that knows nothing but what is saved. */
static bool
restore(void *saved, size_t n)
{
	uint32_t now = w.now;
	bool done;

	cache_free(&c);
	open_with(&config);
	w.now = now;
	done = cache_restore(c, saved, n, now, &got, &why);
	free(saved);
	cache_check(c);
	ck_assert_uint_eq(check_strays(c), 0);
	ck_assert_uint_eq(stats().items, done ? got.items : 0);
	ck_assert_uint_eq(stats().bytes, done ? got.bytes : 0);
	return done;
}

static void
restart(void)
{
	size_t n;
	void *saved = save(&n);
	bool done;

	config.seed += 1000;
	done = restore(saved, n);
	ck_assert_msg(done, "%s", why);
	ck_assert_uint_eq(got.broken, 0);
}

/* A value that tells where it is read wrongly. */
static const char *
value(uint32_t n, unsigned salt)
{
	for (uint32_t i = 0; i < n; i++)
		text[i] = (char)('a' + (i / 7 + i * salt) % 26);
	text[n] = '\0';
	return text;
}

static void
store(const char *k, uint32_t n, unsigned salt)
{
	ck_assert_int_eq(set(k, value(n, salt)), CACHE_STORED);
}

static bool
stands(const char *k, uint32_t n, unsigned salt)
{
	static char all[ITEM_MOST];
	struct cache_key ck = key(k);
	struct cache_want wanted = { .no_bump = true, .dst = all,
		.room = sizeof(all) };

	return cache_get(c, &w, &ck, &wanted, &view) == CACHE_FOUND &&
	    view.copied && view.nvalue == n &&
	    memcmp(all, value(n, salt), n) == 0;
}

static const char *
name(unsigned i)
{
	static char k[16];

	/* of one length: of one class */
	snprintf(k, sizeof(k), "key-%07u", i);
	return k;
}

static bool
there(const char *k)
{
	return want(k, (struct cache_want){ .no_bump = true,
	    .no_value = true }) == CACHE_FOUND;
}

static handle
find(const char *k)
{
	struct cache_key ck = key(k);
	struct shard_place place = shard_find(door_shard(c, ck.hash), &ck);

	ck_assert_ptr_nonnull(place.it);
	return place.h;
}

static struct item *
item(const char *k)
{
	return slab_at(&c->slab, find(k));
}

/* ------------------------------------------------------------ what is kept */

START_TEST(nothing)
{
	restart();
	ck_assert_uint_eq(got.items, 0);
	store("k", 10, 1);
	restart();
	ck_assert_uint_eq(got.items, 1);
	drop("k", (struct cache_drop){ 0 });
	restart();
	ck_assert_uint_eq(got.items, 0);
}
END_TEST

START_TEST(of_all_sizes)
{
	static const uint32_t sizes[] = { 0, 1, 15, 100, 1000, 4000, 4100,
		10000, 65000, 65536, 70000, 131000, 200000, ITEM_MOST };

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 14 && round == 0; i++)
			store(name(i), sizes[i], i);
		restart();
		ck_assert_uint_eq(got.items, 14);
		for (unsigned i = 0; i < 14; i++)
			ck_assert(stands(name(i), sizes[i], i));
	}
	for (unsigned i = 0; i < 14; i++)
		ck_assert_int_eq(drop(name(i), (struct cache_drop){ 0 }),
		    CACHE_DELETED);
}
END_TEST

START_TEST(what_an_item_bears)
{
	uint64_t cas;

	w.now = 200;
	put("flags", "v", (struct cache_put){ .client_flags = 0xdeadbeef });
	put("large", value(9000, 1), (struct cache_put){ .client_flags = 7 });
	put("ttl", "v", (struct cache_put){ .deadline = 1234 });
	put("base64", "v", (struct cache_put){ .binary_key = true });
	put("chosen", "v", (struct cache_put){ .new_cas = 1 << 30 });
	set("stale", "v");
	drop("stale", (struct cache_drop){ .stale = true });
	set("read", "v");
	get("read");
	look("flags");
	cas = view.cas;
	w.now = 500;
	restart();
	ck_assert_int_eq(look("flags"), CACHE_FOUND);
	ck_assert_uint_eq(view.client_flags, 0xdeadbeef);
	ck_assert_uint_eq(view.cas, cas);
	ck_assert_uint_eq(view.accessed, 200);
	ck_assert(!view.fetched);
	ck_assert(stands("large", 9000, 1));
	ck_assert_uint_eq(view.client_flags, 7);
	look("ttl");
	ck_assert_uint_eq(view.deadline, 1234);
	look("base64");
	ck_assert(view.binary_key);
	look("chosen");
	ck_assert_uint_eq(view.cas, 1 << 30);
	look("stale");
	ck_assert(view.stale);
	look("read");
	ck_assert(view.fetched);
}
END_TEST

START_TEST(numbers_go_on)
{
	uint64_t most = 0;

	for (unsigned round = 0; round < 5; round++) {
		/* another number of shards gives them in other steps */
		config.shards = 1u << round * 2;
		for (unsigned i = 0; i < 50; i++) {
			set(name(i), "v");
			ck_assert_uint_gt(view.cas, round == 0 ? 0 : most);
		}
		for (unsigned i = 0; i < 50; i++)
			if (there(name(i)) && view.cas > most)
				most = view.cas;
		restart();
	}
}
END_TEST

START_TEST(a_full_cache)
{
	uint64_t items, bytes, kept = 0;

	for (unsigned i = 0; i < 40000; i++)
		store(name(i), i % 50 == 0 ? 5000 : 50 + i % 300, i % 9);
	ck_assert_uint_gt(stats().sum.evicted, 0);
	items = stats().items;
	bytes = stats().bytes;
	config.shards = 64;
	restart();
	ck_assert_uint_eq(got.items, items);
	ck_assert_uint_eq(got.bytes, bytes);
	for (unsigned i = 0; i < 40000; i++)
		if (there(name(i))) {
			must(stands(name(i), i % 50 == 0 ? 5000 :
			    50 + i % 300, i % 9));
			kept++;
		}
	ck_assert_uint_eq(kept, items);
	for (unsigned i = 0; i < 40000; i++)
		store(name(i), 400, i % 7);
	for (unsigned i = 0; i < 5; i++)
		cache_upkeep(c, ++w.now);
}
END_TEST

START_TEST(the_oldest_go_first)
{
	unsigned old = 0, young = 0;

	for (unsigned i = 0; i < 65000; i++)
		set(name(i), value(60, 1));
	ck_assert_uint_eq(stats().sum.evicted, 0);
	restart();
	for (unsigned i = 0; i < 30000; i++)
		set(name(i + 100000), value(60, 1));
	for (unsigned i = 0; i < 10000; i++) {
		old += there(name(i));
		young += there(name(i + 55000));
	}
	ck_assert_uint_lt(old, 1000);
	ck_assert_uint_gt(young, 9000);
}
END_TEST

START_TEST(queues_are_kept)
{
	struct cache_class_stats before, after;

	for (unsigned i = 0; i < 120000; i++) {
		set(name(i), value(60, 1));
		if (i % 3 == 0) {
			get(name(i));
			get(name(i));
		}
	}
	there(name(119999));
	cache_class_stats(c, view.class_id, w.now, &before);
	ck_assert_uint_gt(before.queue_items[CACHE_WARM], 1000);
	restart();
	cache_class_stats(c, view.class_id, w.now, &after);
	ck_assert_int_eq(memcmp(before.queue_items, after.queue_items,
	    sizeof(before.queue_items)), 0);
	ck_assert_uint_eq(before.pages, after.pages);
	ck_assert_uint_eq(before.used_chunks, after.used_chunks);
	ck_assert_uint_eq(before.mem_requested, after.mem_requested);
}
END_TEST

START_TEST(the_index_is_as_large)
{
	uint32_t power;

	for (unsigned i = 0; i < 30000; i++)
		set(name(i), "");
	for (unsigned i = 0; i < 30000; i++)
		drop(name(i), (struct cache_drop){ 0 });
	power = stats().index_power;
	ck_assert_uint_ge(power, 15);
	restart();
	ck_assert_uint_eq(stats().index_power, power);
}
END_TEST

START_TEST(the_dead_stay_dead)
{
	put("dies", "v", (struct cache_put){ .deadline = 150 });
	put("lives", "v", (struct cache_put){ .deadline = 151 });
	for (unsigned i = 0; i < 3; i++) {
		set("flushed", value(9000, 1));
		cache_flush(c, &w, 0);
	}
	set("late", "v");
	w.now = 149;
	{
		size_t n;
		void *saved = save(&n);

		w.now = 150;
		ck_assert(restore(saved, n));
	}
	ck_assert_uint_eq(got.dead, 0);
	ck_assert_uint_eq(got.items, 1); /* a flush took the others */
	ck_assert(holds("late", "v"));
	put("dies", "v", (struct cache_put){ .deadline = 170 });
	put("lives", "v", (struct cache_put){ .deadline = 171 });
	{
		size_t n;
		void *saved = save(&n);

		w.now = 170;
		ck_assert(restore(saved, n));
	}
	ck_assert_uint_eq(got.dead, 1);
	ck_assert_int_eq(look("dies"), CACHE_NOT_FOUND);
	ck_assert(holds("lives", "v"));
}
END_TEST

START_TEST(a_flush_comes_later)
{
	set("k", "v");
	cache_flush(c, &w, 200);
	restart();
	w.now = 199;
	ck_assert(holds("k", "v"));
	w.now = 200;
	ck_assert_int_eq(get("k"), CACHE_NOT_FOUND);
}
END_TEST

START_TEST(the_limit_is_fixed)
{
	ck_assert(!cache_set_limit(c, 4 * MB));
	ck_assert(!cache_set_limit(c, 16 * MB));
}
END_TEST

/* ------------------------------------------------------------ what is not */

START_TEST(without_a_file)
{
	size_t n;

	close_file();
	open_cache();
	ck_assert_ptr_null(cache_save(c, w.now, &n));
	close_cache();
	open_file();
}
END_TEST

/* Each makes a cache into which the file does not fit. */
static void more_memory(void) { config.memory_limit = 9 * MB; }
static void less_memory(void) { config.memory_limit = 7 * MB; }
static void other_sizes(void) { config.growth_factor = 1.5; }
static void larger_items(void) { config.item_max = 2 * MB; }
static void no_numbers(void) { config.no_cas = true; }
static void larger_chunks(void) { config.chunk_min = 200; }

static void (*const changes[])(void) = { more_memory, less_memory, other_sizes,
	larger_items, no_numbers, larger_chunks };

START_TEST(other_settings)
{
	void *saved;
	size_t n;

	set("k", "v");
	saved = save(&n);
	changes[_i]();
	ck_assert(!restore(saved, n));
	ck_assert_int_eq(look("k"), CACHE_NOT_FOUND);
	set("k", "w");
	restart();
	ck_assert(holds("k", "w"));
}
END_TEST

static void
corrupt(struct saved *s, size_t *n, int how)
{
	uint8_t *classes = (uint8_t *)(s + 1);

	switch (how) {
	case 0: s->magic++; break;
	case 1: s->format++; break;
	case 2: s->unit_shift++; break;
	case 3: s->mark++; break;
	case 4: s->touched++; break;
	case 5: s->touched = 0; break;
	case 6: s->cas = UINT64_MAX; break;
	case 7: classes[0] = 1; break;
	case 8: classes[1] = 200; break;
	case 9: --*n; break;
	case 10: *n = sizeof(*s); break;
	case 11: *n = sizeof(*s) - 1; break;
	case 12: *n = 0; break;
	case 13: s->mark = 0; break;
	default: ck_abort();
	}
}

START_TEST(corrupt_bytes)
{
	void *saved;
	size_t n;

	for (unsigned i = 0; i < 5000; i++)
		set(name(i), value(60, 1));
	saved = save(&n);
	corrupt(saved, &n, _i);
	ck_assert(!restore(saved, n));
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(look(name(3)), CACHE_NOT_FOUND);
}
END_TEST

/* The same bytes are not taken again, though the file is there. */
START_TEST(only_once)
{
	void *saved, *copy;
	size_t n;

	set("k", "v");
	saved = save(&n);
	copy = malloc(n);
	memcpy(copy, saved, n);
	ck_assert(restore(saved, n));
	set("k", "w");
	ck_assert(!restore(copy, n));
}
END_TEST

/* ------------------------------------------------------------ hostile files */

static void nkey_0(struct item *it) { it->nkey = 0; }
static void nkey_255(struct item *it) { it->nkey = 255; }
static void huge(struct item *it) { it->nvalue = UINT32_MAX; }
static void longer(struct item *it) { it->nvalue += 200; }
static void shorter(struct item *it) { it->nvalue -= 1; }
static void small(struct item *it) { it->nvalue = 4200; }
static void no_part(struct item *it) { item_large(it)->next = 0; }
static void odd_part(struct item *it) { item_large(it)->next++; }
static void far_part(struct item *it) { item_large(it)->next = UINT32_MAX; }
static void
own_part(struct item *it)
{
	item_large(it)->next = arena_handle(&c->slab.arena, it);
}
static void
others_part(struct item *it)
{
	item_large(it)->next = item_large(item("other"))->next;
}

static struct item_part *
part(struct item *it)
{
	return slab_at(&c->slab, item_large(it)->next);
}
static void cycle(struct item *it) { part(it)->next = item_large(it)->next; }
static void empty_part(struct item *it) { part(it)->nbytes = 0; }
static void full_part(struct item *it) { part(it)->nbytes = UINT32_MAX; }
static void orphan(struct item *it) { part(it)->owner ^= 64; }
static void no_state(struct item *it) { part(it)->state = ITEM_FREE; }
static void as_item(struct item *it) { part(it)->state = ITEM_LINKED; }

static const struct {
	void (*harm)(struct item *);
	bool is_small; /* may be done to what is */
} harms[] = { { nkey_0, true }, { nkey_255, true }, { huge, true },
	{ longer, true }, { shorter, false }, { small, false },
	{ no_part, false }, { odd_part, false }, { far_part, false },
	{ own_part, false }, { others_part, false }, { cycle, false },
	{ empty_part, false }, { full_part, false }, { orphan, false },
	{ no_state, false }, { as_item, false } };

/* One item is none any more, and its neighbours are as they were. */
START_TEST(harmed)
{
	struct item *large, *little;
	void *saved;
	size_t n;

	store("before", 200, 1);
	store("little", 200, 2);
	store("after", 200, 3);
	store("other", 200000, 4);
	store("large", 200000, 5);
	large = item("large");
	little = item("little");
	harms[_i].harm(large);
	if (harms[_i].is_small)
		harms[_i].harm(little);
	saved = save(&n);
	ck_assert(restore(saved, n));
	ck_assert(!there("large"));
	ck_assert(stands("before", 200, 1));
	ck_assert(there("little") != harms[_i].is_small);
	ck_assert(stands("after", 200, 3));
	ck_assert(stands("other", 200000, 4));
	ck_assert_uint_eq(got.items, harms[_i].is_small ? 3 : 4);
	ck_assert_uint_ge(got.broken, harms[_i].is_small ? 2 : 1);
}
END_TEST

START_TEST(two_of_a_name)
{
	void *saved;
	size_t n;

	set("one", "1");
	set("two", "2");
	memcpy(item_key(item("two")), "one", 3);
	put("large", value(200000, 1), (struct cache_put){ 0 });
	put("later", value(200000, 2), (struct cache_put){ 0 });
	memcpy(item_key(item("later")), "large", 5);
	saved = save(&n);
	ck_assert(restore(saved, n));
	ck_assert_uint_eq(got.items, 2);
	ck_assert_uint_eq(got.broken, 2);
	ck_assert(there("one") && there("large"));
}
END_TEST

START_TEST(marks_that_make_no_sense)
{
	void *saved;
	size_t n;

	set("k", "v");
	item("k")->accessed = UINT32_MAX;
	item("k")->bits |= CACHE_TEMP;
	saved = save(&n);
	ck_assert(restore(saved, n));
	ck_assert(holds("k", "v"));
	ck_assert_uint_eq(view.accessed, w.now);
	ck_assert_uint_eq(view.queue, CACHE_HOT);
}
END_TEST

/* Every item is read, all are pushed out, and then nothing is left over. */
static void
use_up(unsigned keys)
{
	uint64_t place = 0;
	struct cache_listed list[CACHE_WALK_LEAST];

	while (place != UINT64_MAX) {
		size_t n = cache_walk(c, w.now, &place, list, CACHE_WALK_LEAST);

		for (size_t i = 0; i < n; i++) {
			static char all[2 * MB];
			struct cache_key k = cache_key(c, list[i].key,
			    list[i].nkey);
			struct cache_want wanted = { .dst = all,
				.room = sizeof(all) };

			must(cache_get(c, &w, &k, &wanted, &view) ==
			    CACHE_FOUND);
			must(view.copied && view.nvalue == list[i].nvalue);
		}
	}
	for (unsigned i = 0; i < keys; i++)
		store(name(i + 1000000), i % 40 == 0 ? 100000 : i % 2000, 1);
	for (unsigned i = 0; i < 3; i++)
		cache_upkeep(c, ++w.now);
	cache_check(c);
	ck_assert_uint_eq(check_strays(c), 0);
}

/* Not by the mapping, where AddressSanitizer knows what is free. */
static void
write_file(size_t at, char byte)
{
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void
flip(size_t at, unsigned bit)
{
	char byte;

	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
	write_file(at, (char)(byte ^ 1 << bit));
}

/* Whatever may have become of the file. */
START_TEST(bytes_by_chance)
{
	uint64_t state = 77 + (uint64_t)_i, items;
	void *saved;
	size_t n, size;

	for (unsigned i = 0; i < 3000; i++)
		store(name(i), i % 100 == 0 ? 20000 + i * 10 : i % 500, 1);
	items = stats().items;
	size = (size_t)c->slab.arena.touched << ARENA_PAGE_SHIFT;
	saved = save(&n);
	for (unsigned i = 0; i < 1u << (_i % 16); i++) {
		size_t at = ARENA_PAGE_SIZE + rnd(&state) %
		    (size - ARENA_PAGE_SIZE);

		if (_i % 3 == 0)
			write_file(at, (char)rnd(&state));
		else
			flip(at, (unsigned)(rnd(&state) % 8));
		/* Most of what decides is at the beginning of chunks. */
		if (_i % 2 == 0)
			flip(at & ~(size_t)2047, i % 3);
	}
	/* pages in other classes */
	for (unsigned i = 0; i < (unsigned)_i % 5; i++)
		((uint8_t *)saved)[sizeof(struct saved) + 1 +
		    rnd(&state) % (c->slab.arena.touched - 1)] =
		    (uint8_t)(rnd(&state) % (c->slab.nclasses + 1));
	ck_assert(restore(saved, n));
	ck_assert_uint_le(got.items, items + 3000);
	use_up(3000);
}
END_TEST

/* The file is another one altogether. */
START_TEST(random_file)
{
	uint64_t state = 5 + (uint64_t)_i, page[ARENA_PAGE_SIZE / 8];
	size_t n, size;
	void *saved;

	for (unsigned i = 0; i < 3000; i++)
		store(name(i), i % 100 == 0 ? 20000 + i * 10 : i % 500, 1);
	size = (size_t)c->slab.arena.touched << ARENA_PAGE_SHIFT;
	saved = save(&n);
	for (size_t at = ARENA_PAGE_SIZE; at < size; at += sizeof(page)) {
		for (unsigned i = 0; i < ARENA_PAGE_SIZE / 8; i++)
			page[i] = _i == 0 ? 0 : _i == 1 ? UINT64_MAX :
							  rnd(&state);
		ck_assert_int_eq(pwrite(fd, page, sizeof(page), (off_t)at),
		    sizeof(page));
	}
	ck_assert(restore(saved, n));
	use_up(3000);
}
END_TEST

Suite *
restore_suite(void)
{
	Suite *s = suite_create("restore");
	TCase *t = tcase_create("restore");

	tcase_add_checked_fixture(t, open_file, close_file);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, nothing);
	tcase_add_test(t, of_all_sizes);
	tcase_add_test(t, what_an_item_bears);
	tcase_add_test(t, numbers_go_on);
	tcase_add_test(t, a_full_cache);
	tcase_add_test(t, the_oldest_go_first);
	tcase_add_test(t, queues_are_kept);
	tcase_add_test(t, the_index_is_as_large);
	tcase_add_test(t, the_dead_stay_dead);
	tcase_add_test(t, a_flush_comes_later);
	tcase_add_test(t, the_limit_is_fixed);
	tcase_add_test(t, without_a_file);
	tcase_add_loop_test(t, other_settings, 0,
	    sizeof(changes) / sizeof(changes[0]));
	tcase_add_loop_test(t, corrupt_bytes, 0, 14);
	tcase_add_test(t, only_once);
	tcase_add_loop_test(t, harmed, 0, sizeof(harms) / sizeof(harms[0]));
	tcase_add_test(t, two_of_a_name);
	tcase_add_test(t, marks_that_make_no_sense);
	tcase_add_loop_test(t, bytes_by_chance, 0, 48);
	tcase_add_loop_test(t, random_file, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
