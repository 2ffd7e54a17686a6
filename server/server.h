/*
 * server.h - what all threads of the process share.
 *
 * Owns:    the cache and the table of connections; config and workers belong
 *          to main.c.
 * Threads: the members say who may write them; counters of other threads are
 *          read relaxed.
 * Fails:   server_init() with a sentence for the operator.
 * Cost:    none on the way of a request but one relaxed load of observing.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/clock.h"
#include "server/config.h"
#include "slab/cache.h"

struct auth;
struct runtime;
struct tls;
struct detail;
struct host;
struct memfile;
struct watch;

/* What somebody wants to be told of every request: server.observing. */
enum observing {
	OBSERVE_DETAIL = 1, /* stats detail on */
	/* somebody watches (watch.h) */
	OBSERVE_FETCHERS = 2,
	OBSERVE_MUTATIONS = 4,
	OBSERVE_EVICTIONS = 8,
	OBSERVE_CONNEVENTS = 16,
	OBSERVE_DELETIONS = 32,
	OBSERVE_SYSEVENTS = 64,
	OBSERVE_ITEMS = OBSERVE_FETCHERS | OBSERVE_MUTATIONS |
	    OBSERVE_EVICTIONS | OBSERVE_DELETIONS,
};

/* A connection as `stats conns` shows it, by file descriptor. */
enum conn_state {
	CONN_NONE, /* no such connection */
	CONN_LISTENING,
	CONN_UDP,
	CONN_NEW_CMD, /* waiting for its first request */
	CONN_READ,    /* waiting for another, or for the rest of one */
	CONN_NREAD,   /* a value is arriving */
	CONN_SWALLOW, /* a refused value is arriving */
	CONN_MWRITE,  /* replies wait for the client to read */
	CONN_WATCH,
	CONN_CLOSING,
};

struct conn_info {
	_Atomic uint8_t state; /* enum conn_state */
	_Atomic uint32_t last_request; /* server seconds */
};

enum { SERVER_WHY_MAX = 512 };

struct server {
	/* fixed after server_init() */
	const struct config *config;
	struct cache *cache;
	struct clock clock;
	struct memfile *memfile; /* of -e, or NULL */
	struct host **hosts; /* of workers and UDP; their counters are summed */
	unsigned nhosts;
	struct conn_info *conns; /* by fd; one that is beyond, for all that
				    was inherited, is served but not shown */
	unsigned nconns;
	struct runtime *runtime;   /* what commands change while serving */
	struct detail *detail; /* per-prefix counts */
	struct watch *watch;   /* the watchers */
	struct auth *auth;     /* NULL: nobody has to log in */
	struct tls *tls;       /* NULL: no TLS; main.c's own */
	char *cluster;	       /* the reply to config get cluster, or NULL */
	char why[SERVER_WHY_MAX]; /* server_init(): what it says, if long */
	/* any thread, relaxed */
	_Atomic unsigned observing; /* enum observing */
	_Atomic int verbosity;
	_Atomic uint32_t curr_connections;
	_Atomic uint64_t total_connections;
	_Atomic uint64_t rejected_connections;
	_Atomic uint64_t listen_disabled;
	_Atomic uint64_t listen_disabled_us;
	_Atomic bool accepting;
};

/* 0, or -1 with *why.  config must outlive the server. */
int server_init(struct server *, const struct config *, const char **why);
void server_fini(struct server *);

/* Single-writer counters: cheaper than an atomic add, and exact. */
static inline void
count_up(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

#endif
