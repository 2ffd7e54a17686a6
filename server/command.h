/*
 * command.h - the table of commands: from a request to its result.
 *
 * The table is generated from OPS (proto/message.h).  A handler does the work
 * and fills the result; the session turns it into bytes.  This file and
 * admin.h's are the only ones that translate between proto and slab.
 *
 * Owns:    nothing.
 * Threads: the host's.
 * Fails:   by results.
 * Cost:    one indirect call; results are filled field by field.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "proto/message.h"
#include "server/session.h"
#include "slab/cache.h"

struct call {
	struct session *session;
	struct host *host;
	struct request *req;
	const struct cache_key *key; /* hashed, if the op has one */
	char *dst; /* a small value may be copied here, CACHE_SMALL_MAX bytes */
	struct cache_item *reserved; /* holds the value, or req->value does */
	struct cache_item *pinned;   /* set by a handler: the value goes out
					from here, not from dst */
};

typedef void command_fn(struct call *, struct result *);

enum command_needs { NEEDS_OPEN, NEEDS_READ, NEEDS_WRITE, NEEDS_ADMIN };

enum command_shape {
	SHAPE_KEYS, SHAPE_TKEYS, SHAPE_STORE, SHAPE_CAS, SHAPE_KEY,
	SHAPE_NUMBER, SHAPE_TOUCH, SHAPE_META, SHAPE_MSET, SHAPE_WORDS,
	SHAPE_OTHER,
};

struct command {
	const char *word; /* text name, or NULL */
	enum command_shape shape;
	enum command_needs needs;
	command_fn *run;
};

extern const struct command COMMANDS[OP_COUNT];

/* Has a key that the cache looks up. */
static inline bool
command_has_key(enum op op)
{
	return op <= OP_ME;
}

#define X(op, word, shape, needs, handler) command_fn cmd_##handler;
/* handlers stand in command.c and meta_command.c, the rest in admin*.c; a
 * handler of several ops is declared more than once, which C allows */
OPS(X)
#undef X

/*
 * The short way of a plain read: looks up and replies in one.  Only for ops
 * that command_is_read(), and while nobody observes.  false: nothing was
 * done, the handler has to.
 */
static inline bool
command_is_read(enum op op)
{
	return op <= OP_GETS || op == OP_MG;
}

bool command_read(struct session *, struct host *, const struct request *,
    const struct cache_key *);

/*
 * Gets an item for a request's large value that is still arriving: STORED, or
 * the refusal, after which the old value is gone where memcached drops it.
 */
enum status command_reserve(struct host *, const struct request *,
    const struct cache_key *, struct cache_item **);

/* Fills what every reader of an item may be told. */
void command_view(const struct call *, const struct cache_view *,
    struct result *);

#endif
