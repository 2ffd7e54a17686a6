/* chain.c - see chain.h. */
#include "slab/chain.h"

#include <assert.h>

enum { SPLIT_MIN = 2048 }; /* below it, a second header costs more */

unsigned
chain_class(const struct slab *s, size_t need)
{
	const struct slab_class *classes = s->classes;
	uint32_t whole = classes[s->nclasses].chunk_size;
	unsigned k;
	size_t waste;

	if (need >= whole)
		return s->nclasses;
	k = slab_class_for(s, need);
	assert(k != 0);
	waste = classes[k].chunk_size - need;
	if (k > 1 && waste > need / 8 && classes[k - 1].chunk_size >= SPLIT_MIN)
		k--;
	return k;
}

uint32_t
chain_first(const struct slab *s, struct item *it, handle h)
{
	size_t room = slab_chunk_size(s, h) -
	    (size_t)(item_value(it) - (char *)it);

	return it->nvalue < room ? it->nvalue : (uint32_t)room;
}

void
chain_free_parts(struct slab *s, struct item *it)
{
	handle h = item_large(it)->next;

	item_large(it)->next = 0;
	while (h != 0) {
		struct item_part *part = slab_at(s, h);
		handle next = part->next;

		slab_free(s, h);
		h = next;
	}
}

void
chain_free(struct slab *s, handle first)
{
	struct item *it = slab_at(s, first);

	if (item_is_large(it))
		chain_free_parts(s, it);
	slab_free(s, first);
}

void
chain_unref(struct slab *s, struct item *it)
{
	_Atomic uint32_t *refs = &item_large(it)->refs;
	uint32_t before;

	assert(item_is_large(it));
	/* Release what was read, and acquire what the others did, before the
	 * chunks go to somebody else. */
	before = atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		chain_free(s, arena_handle(&s->arena, it));
}

size_t
chain_span(const struct slab *s, struct item *it, struct cache_cursor *cur,
    size_t max, char **bytes)
{
	size_t here, n;
	handle next;

	for (;;) {
		if (cur->passed >= it->nvalue || max == 0)
			return 0;
		if (cur->chunk == 0) {
			here = chain_first(s, it,
			    arena_handle(&s->arena, it));
			*bytes = item_value(it);
			next = item_is_large(it) ? item_large(it)->next : 0;
		} else {
			struct item_part *part = slab_at(s, cur->chunk);

			here = part->nbytes;
			*bytes = (char *)(part + 1);
			next = part->next;
		}
		if (cur->at < here)
			break;
		assert(next != 0);
		cur->chunk = next;
		cur->at = 0;
	}
	n = here - cur->at < max ? here - cur->at : max;
	*bytes += cur->at;
	cur->at += (uint32_t)n;
	cur->passed += (uint32_t)n;
	return n;
}

void
chain_read(const struct slab *s, struct item *it, void *dst)
{
	struct cache_cursor cur = { 0 };
	char *to = dst, *from;
	size_t n;

	while ((n = chain_span(s, it, &cur, SIZE_MAX, &from)) > 0) {
		memcpy(to, from, n);
		to += n;
	}
}

void
chain_write(const struct slab *s, struct item *it, struct cache_cursor *cur,
    const void *src, size_t nbytes)
{
	const char *from = src;
	char *to;

	while (nbytes > 0) {
		size_t n = chain_span(s, it, cur, nbytes, &to);

		assert(n > 0);
		memcpy(to, from, n);
		from += n;
		nbytes -= n;
	}
}

size_t
chain_check(const struct slab *s, struct item *it)
{
	handle first = arena_handle(&s->arena, it);
	size_t bytes = slab_chunk_size(s, first);
	uint64_t value = chain_first(s, it, first);

	if (!item_is_large(it)) {
		assert(value == it->nvalue);
		return bytes;
	}
	for (handle h = item_large(it)->next; h != 0;) {
		struct item_part *part = slab_at(s, h);

		assert((part->state & ITEM_STATE_MASK) == ITEM_PART);
		assert(part->owner == first);
		assert(part->shard == it->shard);
		assert(part->nbytes > 0);
		assert(part->nbytes + sizeof(*part) <= slab_chunk_size(s, h));
		value += part->nbytes;
		bytes += slab_chunk_size(s, h);
		h = part->next;
	}
	assert(value == it->nvalue);
	return bytes;
}
