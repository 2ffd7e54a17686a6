/*
 * worker.h - a thread, its loop, its connections; nothing about protocols.
 *
 * The main thread starts workers, hands them accepted sockets and stops them;
 * a worker shares nothing with another but the cache and relaxed counters.
 *
 * Owns:    its thread, loop, host, and the connections given to it.
 * Threads: all but worker_connections(), which is anyone's, are the main
 *          thread's.
 * Fails:   worker_start() returns NULL with *why; worker_adopt() closes the
 *          socket when memory is out.
 * Cost:    an idle worker never wakes (unless idle_timeout is set).
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "server/server.h"

struct listener;
struct worker;

/* Starts worker number n of the server; its host is in server.hosts[n]. */
struct worker *worker_start(struct server *, unsigned n, const char **why);

/* Hands over an accepted, nonblocking socket. */
void worker_adopt(struct worker *, int fd, const struct listener *);

/* How many it serves, those on their way to it included. */
unsigned worker_connections(const struct worker *);

/*
 * The end, in three steps that each go to all workers before the next, for
 * they wake one another.  Drain: requests that were read are answered, replies
 * that a client does not take within two seconds are given up.  Join: waits
 * for the thread to end.  Free: nulls *w.
 */
void worker_drain(struct worker *);
void worker_join(struct worker *);
void worker_free(struct worker **w);

#endif
