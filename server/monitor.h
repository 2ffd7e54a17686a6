/*
 * monitor.h - the door for what watches the server: /metrics and /healthz by
 * HTTP, in a thread of its own (-o metrics).
 *
 * HTTP is libmicrohttpd's, which is loaded when it is asked for: with what it
 * brings along it takes as much memory as all of an empty server.
 *
 * Owns:    its socket, its thread, and a host to ask for statistics with.
 * Threads: the main thread's; monitor_ending() is anyone's.
 * Fails:   monitor_bind() and monitor_start() by the exit status to end with,
 *          having said why; CONFIG_RUN if all is well.
 * Cost:    none while nobody asks.
 */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

struct monitor;
struct server;

/* Once confined the library could not be loaded any more; so it is here.
 * *mp = NULL where it is not wanted.  The server must outlive it. */
int monitor_bind(struct server *, struct monitor **mp);
int monitor_start(struct monitor *);

/* From now on /healthz says 503. */
void monitor_ending(struct monitor *);
void monitor_free(struct monitor **);

#endif
