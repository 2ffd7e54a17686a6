/*
 * command.h - the table of commands: from a request to its result.
 *
 * The table is generated from OPS (proto/message.h).  A handler does the work
 * and fills the result; the session turns it into bytes.  This file and
 * those of the operator's commands are the only ones that translate between
 * proto and slab.
 *
 * Owns:    nothing.
 * Threads: the host's.
 * Fails:   by results.
 * Cost:    one indirect call; results are filled field by field.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "proto/message.h"
#include "server/stream.h"
#include "slab/cache.h"

struct user;

/* A request on its way through a handler.  Values come back: what a handler
 * wants of the session it leaves here. */
struct call {
	struct host *host;
	enum proto_name proto;
	struct request *req;
	const struct cache_key *key; /* hashed, if the op has one */
	char *dst; /* a small value may be copied here, CACHE_SMALL_MAX bytes */
	struct cache_item *reserved; /* holds the value, or req->value does */
	int fd;	    /* of the client, -1 without: only to be named */
	bool first; /* nothing that came with the same read was answered */
	const struct user *user; /* whose keys are bounded, or NULL */
	/* set by handlers */
	struct cache_item *pinned; /* the value goes out from here, not dst */
	struct stream *stream;	   /* the answer goes on with this */
	bool close;		   /* and then the connection ends */
};

/*
 * Where the value of the next hit will most likely stand: its head is as long
 * as the last one's was, but for the key.  A head may hold no key at all
 * (binary): the guess is never before the output's end.
 */
static inline void
command_learn(uint16_t *lead, size_t nhead, uint32_t nkey)
{
	*lead = nhead > nkey ? (uint16_t)(nhead - nkey) : 0;
}

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
/* Handlers stand in command.c, those of the operator's commands in admin.c and
 * stats.c.  One of several ops is declared more than once, which C allows. */
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

bool command_read(struct host *, enum proto_name, const struct request *,
    const struct cache_key *, uint16_t *lead);

/* A set whose value is there, of ms one that says nothing but when it expires,
 * what its client flags are, and that nobody need hear of it. */
static inline bool
command_is_write(const struct request *req)
{
	return (req->op == OP_SET || (req->op == OP_MS && (req->meta.has &
	    ~(META_BIT('T') | META_BIT('F') | META_BIT('q'))) == 0)) &&
	    req->problem == STATUS_FOUND;
}

/* The short way of those, of which the first of n is one; likewise. */
unsigned command_writes(struct host *, enum proto_name, const struct request *,
    const struct cache_key *, unsigned n);

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
