/* test_lru.c - slab/lru.h. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "slab/lru.h"

/* Queues want an arena to find items in: a few lines of memory will do. */
enum { ITEMS = 64, STRIDE = 64 };

static char memory[(ITEMS + 1) * STRIDE] __attribute__((aligned(64)));
static struct arena arena;
static struct lru_policy policy;
static struct lru lru;
static struct lru_scene scene;

static struct item *
item(handle h)
{
	return arena_at(&arena, h);
}

static handle
nth(unsigned n)
{
	return (n + 1) * STRIDE / 8;
}

static void
setup(void)
{
	memset(memory, 0, sizeof(memory));
	memset(&lru, 0, sizeof(lru));
	arena = (struct arena){ .base = memory, .unit_shift = 3 };
	lru_policy_init(&policy, &(struct cache_config){ 0 });
	scene = (struct lru_scene){ .arena = &arena,
		.policy = &policy,
		.now = 100 };
}

static handle
add(unsigned n, enum cache_queue q)
{
	item(nth(n))->state = ITEM_LINKED;
	item(nth(n))->accessed = scene.now;
	lru_push(&lru, &arena, nth(n), q);
	return nth(n);
}

static unsigned
queue_of(unsigned n)
{
	return item(nth(n))->bits & ITEM_QUEUE;
}

START_TEST(links_in_order)
{
	for (unsigned n = 0; n < 5; n++)
		add(n, CACHE_COLD);
	lru_check(&lru, &arena);
	ck_assert_uint_eq(lru.queues[CACHE_COLD].newest, nth(4));
	ck_assert_uint_eq(lru.queues[CACHE_COLD].oldest, nth(0));
	lru_drop(&lru, &arena, nth(2));
	lru_drop(&lru, &arena, nth(0));
	lru_drop(&lru, &arena, nth(4));
	lru_check(&lru, &arena);
	ck_assert_uint_eq(lru.queues[CACHE_COLD].newest, nth(3));
	ck_assert_uint_eq(lru.queues[CACHE_COLD].oldest, nth(1));
	ck_assert_uint_eq(lru_items(&lru), 2);
}
END_TEST

START_TEST(follows_a_moved_item)
{
	for (unsigned n = 0; n < 3; n++)
		add(n, CACHE_WARM);
	for (unsigned n = 0; n < 3; n++) {
		*item(nth(n + 10)) = *item(nth(n));
		lru_moved(&lru, &arena, nth(n), nth(n + 10));
		lru_check(&lru, &arena);
	}
	ck_assert_uint_eq(lru.queues[CACHE_WARM].oldest, nth(10));
	ck_assert_uint_eq(lru.queues[CACHE_WARM].newest, nth(12));
}
END_TEST

START_TEST(places_by_deadline)
{
	ck_assert_int_eq(lru_place(&policy, 0, 100), CACHE_HOT);
	ck_assert_int_eq(lru_place(&policy, 110, 100), CACHE_HOT);
	policy.temporary_ttl = 10;
	ck_assert_int_eq(lru_place(&policy, 0, 100), CACHE_HOT);
	ck_assert_int_eq(lru_place(&policy, 110, 100), CACHE_TEMP);
	ck_assert_int_eq(lru_place(&policy, 111, 100), CACHE_HOT);
	ck_assert_int_eq(lru_place(&policy, 1, 100), CACHE_HOT);
	policy.flat = true;
	ck_assert_int_eq(lru_place(&policy, 110, 100), CACHE_TEMP);
	ck_assert_int_eq(lru_place(&policy, 0, 100), CACHE_COLD);
}
END_TEST

START_TEST(hits_set_bits_and_time_only)
{
	handle h = add(0, CACHE_HOT);

	add(1, CACHE_HOT);
	scene.now = 105;
	lru_hit(&lru, &scene, h, item(h));
	ck_assert_uint_eq(item(h)->bits, CACHE_HOT | ITEM_FETCHED);
	ck_assert_uint_eq(item(h)->accessed, 105);
	lru_hit(&lru, &scene, h, item(h));
	ck_assert_uint_eq(item(h)->bits,
	    CACHE_HOT | ITEM_FETCHED | ITEM_ACTIVE);
	ck_assert_uint_eq(lru.queues[CACHE_HOT].oldest, h);
}
END_TEST

START_TEST(flat_hits_move_once_a_minute)
{
	handle h = add(0, CACHE_COLD);

	policy.flat = true;
	add(1, CACHE_COLD);
	scene.now = 100 + LRU_FLAT_GRAIN - 1;
	lru_hit(&lru, &scene, h, item(h));
	ck_assert_uint_eq(item(h)->accessed, 100);
	ck_assert_uint_eq(lru.queues[CACHE_COLD].oldest, h);
	scene.now++;
	lru_hit(&lru, &scene, h, item(h));
	ck_assert_uint_eq(item(h)->accessed, scene.now);
	ck_assert_uint_eq(lru.queues[CACHE_COLD].newest, h);
	/* and the victim is the one used longest ago, active or not */
	item(nth(1))->bits |= ITEM_ACTIVE;
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
}
END_TEST

START_TEST(balance_follows_activity)
{
	for (unsigned n = 0; n < 10; n++)
		add(n, CACHE_HOT);
	item(nth(3))->bits |= ITEM_ACTIVE;
	/* At most a third in HOT, but for a handful. */
	ck_assert_uint_eq(lru_balance(&lru, &scene, 1000), 6);
	lru_check(&lru, &arena);
	ck_assert_uint_eq(lru.queues[CACHE_HOT].items, 4);
	ck_assert_uint_eq(queue_of(3), CACHE_WARM);
	ck_assert_uint_eq(item(nth(3))->bits & ITEM_ACTIVE, 0);
	ck_assert_uint_eq(lru.queues[CACHE_COLD].items, 5);
	ck_assert_uint_eq(lru.counts.moves_to_warm, 1);
	ck_assert_uint_eq(lru.counts.moves_to_cold, 5);
}
END_TEST

START_TEST(shares_of_many)
{
	for (unsigned n = 0; n < 40; n++)
		add(n, CACHE_HOT);
	/* HOT may be a third of probation: 20 of the 60 that WARM leaves */
	ck_assert_uint_eq(lru_balance(&lru, &scene, 1000), 27);
	ck_assert_uint_eq(lru.queues[CACHE_HOT].items, 13);
}
END_TEST

START_TEST(a_handful_stays_warm)
{
	add(0, CACHE_WARM);
	scene.now += 1000;
	ck_assert_uint_eq(lru_balance(&lru, &scene, 100), 0);
	ck_assert_uint_eq(queue_of(0), CACHE_WARM);
}
END_TEST

START_TEST(balance_is_bounded)
{
	for (unsigned n = 0; n < 10; n++)
		add(n, CACHE_HOT);
	ck_assert_uint_eq(lru_balance(&lru, &scene, 3), 3);
	ck_assert_uint_eq(lru.queues[CACHE_HOT].items, 7);
}
END_TEST

START_TEST(idle_items_sink)
{
	for (unsigned n = 0; n < 18; n++)
		add(n, CACHE_COLD);
	add(20, CACHE_HOT);
	add(21, CACHE_WARM);
	ck_assert_uint_eq(lru_balance(&lru, &scene, 100), 0);
	/* idle 10 is more than 0.2 of COLD's 10; WARM only goes round */
	scene.now = 110;
	ck_assert_uint_eq(lru_balance(&lru, &scene, 100), 1);
	ck_assert_uint_eq(queue_of(20), CACHE_COLD);
	ck_assert_uint_eq(queue_of(21), CACHE_WARM);
}
END_TEST

START_TEST(warm_gives_second_chances)
{
	for (unsigned n = 0; n < 19; n++)
		add(n, CACHE_WARM);
	add(30, CACHE_COLD);
	/* Probation has no more than its part: so WARM's tail, and that one
	 * is active and goes round. */
	item(nth(0))->bits |= ITEM_ACTIVE;
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
	ck_assert_uint_eq(lru.counts.moves_within_lru, 1);
	ck_assert_uint_eq(queue_of(0), CACHE_WARM);
	ck_assert_uint_eq(lru.queues[CACHE_WARM].newest, nth(0));
	ck_assert_uint_eq(item(nth(0))->bits & ITEM_ACTIVE, 0);
	lru_check(&lru, &arena);
}
END_TEST

START_TEST(probation_goes_before_warm)
{
	for (unsigned n = 0; n < 16; n++)
		add(n, CACHE_WARM);
	for (unsigned n = 30; n < 34; n++)
		add(n, CACHE_COLD);
	/* 4 of 20, more than 15 % */
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(30));
	lru_drop(&lru, &arena, nth(30));
	/* 3 of 19 */
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(31));
	lru_drop(&lru, &arena, nth(31));
	/* 2 of 18 */
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(0));
	/* shares are the operator's: three eighths of what they leave */
	policy.warm_pct = 60;
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(32));
}
END_TEST

START_TEST(what_leaves_a_small_probation_tells_nothing)
{
	for (unsigned n = 0; n < 8; n++)
		add(n, CACHE_WARM);
	for (unsigned n = 30; n < 34; n++)
		add(n, CACHE_COLD);
	lru_tell(&lru, item(nth(0)), 107);
	ck_assert(lru.tells);
	ck_assert_uint_eq(lru.turnover, 7);
	lru_tell(&lru, item(nth(30)), 109);
	ck_assert(!lru.tells);
	ck_assert_uint_eq(lru.turnover, 7);
	for (unsigned n = 0; n < 5; n++)
		lru_drop(&lru, &arena, nth(n));
	lru_tell(&lru, item(nth(30)), 109);
	ck_assert(lru.tells);
	ck_assert_uint_eq(lru.turnover, 9);
}
END_TEST

START_TEST(one_hit_leads_out_of_probation)
{
	for (unsigned n = 0; n < 20; n++)
		add(n, CACHE_COLD);
	lru_hit(&lru, &scene, nth(0), item(nth(0)));
	ck_assert_uint_eq(queue_of(0), CACHE_COLD);
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
	ck_assert_uint_eq(queue_of(0), CACHE_WARM);
	ck_assert_uint_eq(lru.counts.moves_to_warm, 1);
	/* and there the next one counts at once */
	ck_assert_uint_eq(item(nth(0))->bits & ITEM_ACTIVE, 0);
	lru_hit(&lru, &scene, nth(0), item(nth(0)));
	ck_assert_uint_ne(item(nth(0))->bits & ITEM_ACTIVE, 0);
	/* even of an item that was never read before, a returned ghost */
	lru_hit(&lru, &scene, nth(40), item(add(40, CACHE_WARM)));
	ck_assert_uint_eq(item(nth(40))->bits,
	    CACHE_WARM | ITEM_FETCHED | ITEM_ACTIVE);
}
END_TEST

START_TEST(a_scan_leaves_warm_alone)
{
	handle h;

	for (unsigned n = 0; n < 30; n++)
		add(n, CACHE_WARM);
	for (unsigned n = 0; n < 7; n++)
		add(30 + n, CACHE_HOT);
	for (unsigned n = 0; n < 1000; n++) {
		h = lru_victim(&lru, &scene);
		ck_assert_uint_ge(h, nth(30));
		lru_drop(&lru, &arena, h);
		item(h)->bits = 0;
		lru_push(&lru, &arena, h, CACHE_HOT);
	}
	ck_assert_uint_eq(lru.queues[CACHE_WARM].items, 30);
	lru_check(&lru, &arena);
}
END_TEST

START_TEST(the_victim_is_colds_tail)
{
	for (unsigned n = 0; n < 20; n++)
		add(n, CACHE_COLD);
	add(30, CACHE_WARM);
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(0));
	/* still linked */
	lru_check(&lru, &arena);
	ck_assert_uint_eq(lru_items(&lru), 21);
	item(nth(0))->bits |= ITEM_ACTIVE;
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
	ck_assert_uint_eq(queue_of(0), CACHE_WARM);
	ck_assert_uint_eq(lru.counts.moves_to_warm, 1);
	scene.keep = nth(1);
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(2));
}
END_TEST

START_TEST(somebody_always_goes)
{
	for (unsigned n = 0; n < ITEMS; n++) {
		add(n, CACHE_COLD);
		item(nth(n))->bits |= ITEM_ACTIVE;
	}
	ck_assert_uint_ne(lru_victim(&lru, &scene), 0);
	lru_check(&lru, &arena);
}
END_TEST

START_TEST(the_dead_go_first)
{
	for (unsigned n = 0; n < 4; n++)
		for (unsigned q = 0; q < CACHE_QUEUES; q++)
			add(4 * n + q, q);
	for (unsigned q = 0; q < CACHE_QUEUES; q++) {
		handle h = lru.queues[q].oldest;

		item(h)->deadline = scene.now;
		ck_assert_uint_eq(lru_victim(&lru, &scene), h);
		item(h)->deadline = scene.now + 1;
		item(h)->state = ITEM_LINKED | 1 << ITEM_EPOCH_SHIFT;
		ck_assert_uint_eq(lru_victim(&lru, &scene), h);
		item(h)->state = ITEM_LINKED;
	}
}
END_TEST

START_TEST(temporary_items_go_last)
{
	add(0, CACHE_TEMP);
	add(1, CACHE_HOT);
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
	lru_drop(&lru, &arena, nth(1));
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(0));
	lru_drop(&lru, &arena, nth(0));
	ck_assert_uint_eq(lru_victim(&lru, &scene), 0);
}
END_TEST

START_TEST(without_evictions_only_the_dead_go)
{
	policy.no_evictions = true;
	add(0, CACHE_COLD);
	add(1, CACHE_HOT);
	ck_assert_uint_eq(lru_victim(&lru, &scene), 0);
	item(nth(1))->deadline = CACHE_DEAD;
	ck_assert_uint_eq(lru_victim(&lru, &scene), nth(1));
}
END_TEST

START_TEST(settles_by_a_new_deadline)
{
	policy.temporary_ttl = 10;
	item(add(0, CACHE_TEMP))->deadline = 105;
	lru_settle(&lru, &scene, nth(0));
	ck_assert_uint_eq(queue_of(0), CACHE_TEMP);
	item(nth(0))->deadline = 0;
	lru_settle(&lru, &scene, nth(0));
	ck_assert_uint_eq(queue_of(0), CACHE_HOT);
	item(nth(0))->deadline = 105;
	if (lru_rewrite(&policy, item(nth(0)), scene.now))
		lru_replace(&lru, &scene, nth(0));
	ck_assert_uint_eq(queue_of(0), CACHE_TEMP);
	lru_check(&lru, &arena);
}
END_TEST

START_TEST(a_broken_link_aborts)
{
	add(0, CACHE_HOT);
	add(1, CACHE_HOT);
	item(nth(0))->newer = 0;
	lru_check(&lru, &arena);
}
END_TEST

START_TEST(factors_of_any_size)
{
	struct cache_config config = { .hot_factor = 1e300, .warm_factor = 3 };
	struct lru_policy policy;

	ck_assert_uint_eq(lru_factor(0.2), LRU_FACTOR_ONE / 5);
	ck_assert_uint_eq(lru_factor(1), LRU_FACTOR_ONE);
	ck_assert_uint_eq(lru_factor(1e9), UINT32_MAX);
	ck_assert_uint_eq(lru_factor(1e300), UINT32_MAX);
	lru_policy_init(&policy, &config);
	ck_assert_uint_eq(policy.hot_factor, UINT32_MAX);
	ck_assert_uint_eq(policy.warm_factor, 3 * LRU_FACTOR_ONE);
}
END_TEST

Suite *
lru_suite(void)
{
	Suite *s = suite_create("lru");
	TCase *t = tcase_create("lru");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, factors_of_any_size);
	tcase_add_test(t, links_in_order);
	tcase_add_test(t, follows_a_moved_item);
	tcase_add_test(t, places_by_deadline);
	tcase_add_test(t, hits_set_bits_and_time_only);
	tcase_add_test(t, flat_hits_move_once_a_minute);
	tcase_add_test(t, balance_follows_activity);
	tcase_add_test(t, shares_of_many);
	tcase_add_test(t, a_handful_stays_warm);
	tcase_add_test(t, balance_is_bounded);
	tcase_add_test(t, idle_items_sink);
	tcase_add_test(t, warm_gives_second_chances);
	tcase_add_test(t, probation_goes_before_warm);
	tcase_add_test(t, what_leaves_a_small_probation_tells_nothing);
	tcase_add_test(t, one_hit_leads_out_of_probation);
	tcase_add_test(t, a_scan_leaves_warm_alone);
	tcase_add_test(t, the_victim_is_colds_tail);
	tcase_add_test(t, somebody_always_goes);
	tcase_add_test(t, the_dead_go_first);
	tcase_add_test(t, temporary_items_go_last);
	tcase_add_test(t, without_evictions_only_the_dead_go);
	tcase_add_test(t, settles_by_a_new_deadline);
	tcase_add_test_raise_signal(t, a_broken_link_aborts, SIGABRT);
	suite_add_tcase(s, t);
	return s;
}
