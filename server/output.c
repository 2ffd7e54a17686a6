/* output.c - see output.h. */
#include "server/output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct output *
output_new(size_t size)
{
	struct output *o = malloc(sizeof(*o));

	if (o == NULL)
		return NULL;
	o->buf = malloc(size > 0 ? size : 1);
	if (o->buf == NULL) {
		free(o);
		return NULL;
	}
	o->size = size;
	output_reset(o);
	return o;
}

void
output_free(struct output **op, struct cache *cache)
{
	struct output *o = *op;

	*op = NULL;
	output_clear(o, cache);
	free(o->buf);
	free(o);
}

void
output_pin(struct output *o, struct cache_item *item, uint32_t nvalue)
{
	struct output_pin *pin = &o->pins[o->npins++];

	assert(o->npins <= OUTPUT_PINS);
	pin->item = item;
	pin->cursor = (struct cache_cursor){ 0 };
	pin->after = o->used;
	pin->left = nvalue;
}

unsigned
output_iov(const struct output *o, struct cache *cache, struct iovec *iov,
    unsigned max)
{
	size_t at = o->sent;
	unsigned n = 0;

	for (unsigned i = o->first_pin; i < o->npins && n < max; i++) {
		const struct output_pin *pin = &o->pins[i];
		struct cache_cursor cursor = pin->cursor;
		char *bytes;
		size_t got;

		if (pin->after > at) {
			iov[n++] = (struct iovec){ o->buf + at,
				pin->after - at };
			at = pin->after;
		}
		while (n < max && (got = cache_span(cache, pin->item, &cursor,
		    SIZE_MAX, &bytes)) > 0)
			iov[n++] = (struct iovec){ bytes, got };
		if (n == max)
			return n;
	}
	if (n < max && o->used > at)
		iov[n++] = (struct iovec){ o->buf + at, o->used - at };
	return n;
}

void
output_sent(struct output *o, struct cache *cache, size_t n)
{
	while (o->first_pin < o->npins) {
		struct output_pin *pin = &o->pins[o->first_pin];
		size_t small = pin->after - o->sent;
		char *bytes;

		if (n < small)
			break;
		o->sent = pin->after;
		n -= small;
		while (n > 0 && pin->left > 0) {
			size_t got = cache_span(cache, pin->item,
			    &pin->cursor, n, &bytes);

			n -= got;
			pin->left -= (uint32_t)got;
		}
		if (pin->left > 0)
			return;
		cache_unpin(cache, &pin->item);
		o->first_pin++;
	}
	o->sent += n;
	assert(o->sent <= o->used);
	if (output_empty(o))
		output_reset(o);
}

void
output_clear(struct output *o, struct cache *cache)
{
	for (; o->first_pin < o->npins; o->first_pin++)
		cache_unpin(cache, &o->pins[o->first_pin].item);
	output_reset(o);
}

struct output *
output_move(struct output *from)
{
	struct output *to = output_new(from->used - from->sent);

	if (to == NULL)
		return NULL;
	to->used = from->used - from->sent;
	memcpy(to->buf, from->buf + from->sent, to->used);
	for (unsigned i = from->first_pin; i < from->npins; i++) {
		to->pins[to->npins] = from->pins[i];
		to->pins[to->npins++].after -= from->sent;
	}
	output_reset(from);
	return to;
}
