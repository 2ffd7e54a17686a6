/*
 * model.h - what a server has to answer: a map in plain C.
 *
 * An order is a request, whatever the protocol that it is said in.
 * order_say() writes its bytes; model_answer() does to the map what the
 * server should do to its cache, and writes the reply that it should give.
 *
 * Cas numbers are the server's to choose.  Where one stands in a reply, the
 * model leaves a slot, takes what is there when it compares, and holds the
 * server to it from then on: it must be the same until the item changes, and
 * greater than all that the item has had.
 *
 * Owns:    the map.
 * Threads: one.
 * Fails:   by aborting.
 * Cost:    whatever.
 */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MODEL_KEYS = 8,
	MODEL_SLOTS = 256,
	ORDER_FLAGS = 12,
	ORDER_GETS = 4,
	VALUE_HUGE = 140000, /* more than -I 128k allows */
	CHOSEN_CAS = 1 << 30, /* those that a client chose are above */
};

struct bytes {
	char *at;
	size_t n, room;
};

void bytes_add(struct bytes *, const void *, size_t n);
void bytes_print(struct bytes *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum kind {
	GET, GETS, GAT, GATS,			    /* text */
	SET, ADD, REPLACE, APPEND, PREPEND, CAS,    /* text and binary */
	DELETE, INCR, DECR, TOUCH, FLUSH, NOOP,	    /* likewise */
	MG, MS, MD, MA,
	BGET, BGETK, BGAT, BGATK, UNKNOWN,	    /* binary */
	FIXED, /* a line whose reply is always the same */
};

struct flag {
	char letter;
	int64_t number; /* of those that carry one */
};

struct order {
	enum kind kind;
	bool binary, quiet;
	unsigned nkeys, keys[ORDER_GETS];
	uint32_t client_flags, opaque;
	int64_t exptime;
	uint64_t cas, delta, initial;
	bool compare, create;
	uint32_t nvalue;
	char fill;
	const char *value; /* NULL: nvalue times fill */
	unsigned nflags;
	struct flag flags[ORDER_FLAGS];
	char mode;
	const char *line, *reply; /* FIXED */
};

static inline const struct flag *
order_flag(const struct order *o, char letter)
{
	for (unsigned i = 0; i < o->nflags; i++)
		if (o->flags[i].letter == letter)
			return &o->flags[i];
	return NULL;
}

const char *order_key(unsigned key);
const char *order_key64(unsigned key); /* in base64 */
void order_say(const struct order *, struct bytes *);
void order_value(const struct order *, struct bytes *);

struct entry {
	bool there, fetched, stale, win_sent, base64;
	bool cas_known;
	uint32_t flags;
	int64_t deadline; /* 0: never */
	uint64_t cas, high; /* the last that was seen; the greatest */
	unsigned changes;
	struct bytes value;
};

/* A cas number in a reply. */
struct slot {
	size_t at;
	unsigned key, changes;
	bool binary;
};

struct expected {
	struct bytes bytes; /* without what stands in slots */
	unsigned nslots;
	struct slot slots[MODEL_SLOTS];
};

struct model {
	int64_t now, start; /* the Unix time of second 0 */
	struct entry keys[MODEL_KEYS];
};

void model_answer(struct model *, const struct order *, struct expected *);
void model_forget(struct model *);
/* Whether that is what the server said. */
bool model_agrees(struct model *, const struct expected *, const char *said,
    size_t n);

#endif
