/*
 * worker.h - a thread, its loop, its connections; nothing about protocols.
 *
 * The main thread starts workers and stops them.  Each accepts clients itself
 * (listen.h) and serves them, or hands one to another that has fewer; else a
 * worker shares nothing with another but the cache and relaxed counters.
 *
 * Owns:    its thread, loop, host, and the connections given to it.
 * Threads: those that start and end it are the main thread's, worker_take()
 *          its own, the others anyone's.
 * Fails:   worker_start() returns NULL with *why; worker_adopt() and
 *          worker_take() close the socket when memory is out.
 * Cost:    an idle worker never wakes (unless idle_timeout is set).
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "server/server.h"

struct listener;
struct poller;
struct worker;

/* Starts worker number n of the server; its host is in server.hosts[n]. */
struct worker *worker_start(struct server *, unsigned n, const char **why);

/* Hands over an accepted, nonblocking socket: to this very thread, or to that
 * of another worker. */
void worker_take(struct worker *, int fd, const struct listener *);
void worker_adopt(struct worker *, int fd, const struct listener *);

/* Where it waits. */
struct poller *worker_poller(struct worker *);

/* How many it serves, those on their way to it included. */
unsigned worker_connections(const struct worker *);

/*
 * The end, in three steps that each go to all workers before the next, for
 * they wake one another.  Drain: requests that were read are answered; a client
 * that takes nothing of its replies for two seconds is given up, each after
 * eight.  Join: waits for the thread to end.  Free: nulls *w.
 */
void worker_drain(struct worker *);
void worker_join(struct worker *);
void worker_free(struct worker **w);

#endif
