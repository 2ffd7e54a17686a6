/*
 * worker.h - a thread, its loop, its connections; nothing about protocols.
 *
 * The main thread starts workers, hands them accepted sockets and stops them;
 * a worker shares nothing with another but the cache and relaxed counters.
 *
 * Owns:    its thread, loop, host, and the connections given to it.
 * Threads: worker_start(), _adopt(), _drain() and _stop() are the main
 *          thread's; worker_connections() is anyone's.
 * Fails:   worker_start() returns NULL with *why; worker_adopt() closes the
 *          socket when memory is out.
 * Cost:    an idle worker never wakes (unless idle_timeout is set).
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stddef.h>

#include <uv.h>

#include "server/host.h"

struct conn;
struct listener;
struct worker;

enum {
	/* What one read can bring.  Larger ones gain nothing: the replies to
	 * this much fill a socket's buffer. */
	WORKER_INPUT = 64 * 1024,
};

/* Starts worker number n of the server; its host is in server.hosts[n]. */
struct worker *worker_start(struct server *, unsigned n, const char **why);

/* Hands over an accepted, nonblocking socket. */
void worker_adopt(struct worker *, int fd, const struct listener *);

/* How many it serves, those on their way to it included. */
unsigned worker_connections(const struct worker *);

/* Asks it to end, without waiting; so that all of them drain at once. */
void worker_drain(struct worker *);

/*
 * Ends it: requests that were read are answered, replies that a client does
 * not take within two seconds are given up; then joins the thread and frees
 * all.  Nulls *w.
 */
void worker_stop(struct worker **w);

/* ------------------------------------------------------------ for conn.c */

uv_loop_t *worker_loop(struct worker *);
struct host *worker_host(struct worker *);
char *worker_input(struct worker *); /* WORKER_INPUT bytes, for one read */
/* The time of this turn of the loop, in server seconds; sets host's. */
uint32_t worker_tick(struct worker *);
/* A connection's last callback: c may be freed after. */
void worker_forget(struct worker *, struct conn *);

#endif
