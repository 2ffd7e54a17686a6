/*
 * output.h - replies on their way out: small bytes copied, large values held
 * by reference until the socket took them.
 *
 *      buf |head value tail head ...|          |tail head ...|
 *                                   pinned item
 *
 * A worker has one output, used for a batch at a time.  When a socket is full
 * the rest is moved to an output of the connection's own, sized to fit.
 *
 * Owns:    the buffer, and the pins given to it.
 * Threads: its worker only.
 * Fails:   output_new(), output_move() return NULL without memory.
 * Cost:    no malloc while the socket takes what it is given.
 */
#ifndef SERVER_OUTPUT_H
#define SERVER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "slab/cache.h"

enum {
	OUTPUT_PINS = 64, /* large values at most */
	OUTPUT_IOV = 128, /* vectors of one write: 8 MiB of 64 KiB chunks */
};

/* A large value after the first `after` bytes of the buffer. */
struct output_pin {
	struct cache_item *item;
	struct cache_cursor cursor;
	size_t after;
	uint32_t left; /* bytes of it not yet sent */
};

struct output {
	char *buf;
	size_t size;
	size_t used; /* bytes in buf */
	size_t sent; /* of them */
	unsigned npins;
	unsigned first_pin; /* the first not wholly sent */
	struct output_pin pins[OUTPUT_PINS];
};

struct output *output_new(size_t size);
void output_free(struct output **, struct cache *);

static inline bool
output_empty(const struct output *o)
{
	return o->sent == o->used && o->first_pin == o->npins;
}

static inline size_t
output_room(const struct output *o)
{
	return o->size - o->used;
}

/* All was sent, and nothing of it was pinned. */
static inline void
output_reset(struct output *o)
{
	o->used = o->sent = 0;
	o->npins = o->first_pin = 0;
}

/* Where to write; then say where the writing ended. */
static inline char *
output_at(struct output *o)
{
	return o->buf + o->used;
}

static inline void
output_to(struct output *o, const char *end)
{
	o->used = (size_t)(end - o->buf);
}

/* The value of a pinned item comes next.  There must be a pin free. */
void output_pin(struct output *, struct cache_item *, uint32_t nvalue);

/* What to write next: vectors filled, at most max. */
unsigned output_iov(const struct output *, struct cache *, struct iovec *,
    unsigned max);
/* So much of it was written; unpins what is through. */
void output_sent(struct output *, struct cache *, size_t n);
/* Forgets all that was not sent. */
void output_clear(struct output *, struct cache *);
/* Moves what was not sent to a new output; from is empty after. */
struct output *output_move(struct output *from);

#endif
