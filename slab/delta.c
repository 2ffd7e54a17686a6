/* delta.c - see cache.h: arithmetic on decimal numbers. */
#include <stdint.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum { DIGITS = 20 }; /* of 2^64 - 1 */

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Leading blanks, digits, then a blank or the end. */
static bool
read_number(const char *p, uint32_t n, uint64_t *number)
{
	const char *end = p + n;
	uint64_t value = 0;
	const char *first;

	while (p < end && is_blank(*p))
		p++;
	for (first = p; p < end && *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return p > first && (p == end || is_blank(*p));
}

/* The digits end at end; returns where they begin. */
static char *
write_number(char *end, uint64_t number)
{
	do {
		*--end = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return end;
}

static uint64_t
apply(uint64_t old, const struct cache_delta *delta)
{
	if (!delta->decrement)
		return old + delta->delta;
	return old > delta->delta ? old - delta->delta : 0;
}

static uint64_t
next_cas(struct shard *s, const struct cache_delta *delta)
{
	if (delta->set_cas && !s->no_cas)
		return delta->new_cas;
	return shard_cas(s, delta->new_cas);
}

/* Over the old digits, the rest blanks. */
static void
write_in_place(struct shard *s, const struct shard_place *place,
    const char *digits, uint32_t ndigits, uint64_t cas, uint32_t now)
{
	struct item *it = place->it;
	char *value = item_value(it);

	shard_open(it);
	memcpy(value, digits, ndigits);
	memset(value + ndigits, ' ', it->nvalue - ndigits);
	it->cas = cas;
	shard_close(s, it);
	if (lru_rewrite(s->policy, it, now))
		shard_requeue(s, place->h, shard_class_of(s, place->h),
		    now);
}

static enum cache_status
put_number(struct cache *c, struct shard *s, const struct cache_key *k,
    struct shard_place *place, const struct cache_delta *delta,
    uint64_t number, struct room *room, uint32_t now)
{
	char digits[DIGITS];
	char *first = write_number(digits + DIGITS, number);
	uint32_t n = (uint32_t)(digits + DIGITS - first);
	struct item *it = place->it;
	struct draft d = { .head = first, .nhead = n };

	d.cas = next_cas(s, delta);
	if (it != NULL && n <= it->nvalue) {
		write_in_place(s, place, first, n, d.cas, now);
		return CACHE_STORED;
	}
	if (it != NULL) {
		d.client_flags = item_client_flags(it);
		d.deadline = it->deadline;
		d.marks = it->bits & ITEM_BINARY;
	} else {
		d.deadline = delta->vivify_deadline;
		d.marks = delta->binary_key ? ITEM_BINARY : 0;
	}
	if (door_too_large(c, k->nbytes, d.client_flags, n))
		return CACHE_NO_MEMORY;
	return place_small(c, s, k, place, &d, room, now);
}

static enum cache_status
apply_to(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, struct shard_place *place,
    const struct cache_delta *delta, uint64_t *number, struct room *room)
{
	struct item *it = place->it;

	if (it->nvalue == 0)
		return CACHE_NOT_NUMBER;
	if (delta->compare && !door_cas_is(c, it, delta->compare_cas))
		return CACHE_EXISTS;
	if (item_is_large(it) ||
	    !read_number(item_value(it), it->nvalue, number))
		return CACHE_NOT_NUMBER;
	*number = apply(*number, delta);
	return put_number(c, s, k, place, delta, *number, room, w->now);
}

/* A number that was created is neither a hit nor a miss. */
static void
count(const struct cache_caller *w, const struct cache_delta *delta,
    enum cache_status status, unsigned class_id)
{
	bool hit = status == CACHE_STORED && class_id != 0;

	if (status == CACHE_NO_MEMORY)
		COUNT(w, store_no_memory);
	else if (status == CACHE_NOT_FOUND && delta->decrement)
		COUNT(w, decr_misses);
	else if (status == CACHE_NOT_FOUND)
		COUNT(w, incr_misses);
	else if (hit && delta->decrement)
		COUNT_CLASS(w, class_id, decr_hits);
	else if (hit)
		COUNT_CLASS(w, class_id, incr_hits);
}

enum cache_status
cache_delta(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, const struct cache_delta *delta,
    uint64_t *number, struct cache_view *v)
{
	struct shard *s = door_shard(c, k->hash);
	struct room room = { 0 };
	uint32_t old_deadline;
	enum cache_status status;
	struct shard_place place;
	unsigned class_id;

	flush_tick(c, w);
	lock_acquire(&s->lock);
	do {
		place = door_find(s, k, w->now);
		class_id = 0;
		old_deadline = 0;
		status = CACHE_NOT_FOUND;
		if (place.it != NULL) {
			old_deadline = place.it->deadline;
			class_id = shard_class_of(s, place.h);
			status = apply_to(c, s, w, k, &place, delta, number,
			    &room);
			if (status == CACHE_STORED && delta->touch)
				shard_touch(s, &place, delta->touch_deadline,
				    w->now);
		} else if (delta->vivify) {
			*number = delta->initial;
			status = put_number(c, s, k, &place, delta, *number,
			    &room, w->now);
		}
	} while (status == CACHE_NO_MEMORY && room_wait(c, s, &room, w->now));
	if (status == CACHE_STORED) {
		door_show(s, &place, v);
		v->old_deadline = old_deadline;
	}
	lock_release(&s->lock);
	room_fini(c, &room);
	count(w, delta, status, class_id);
	if (door_samples(c, k) && status == CACHE_STORED)
		tell_stored(c, k, v, w->now);
	return status;
}
