/*
 * watch.h - watchers: connections that are told what happens.
 *
 *      any worker ──watch_note()──▶ ring of each watcher ──stream──▶ socket
 *
 * A worker never waits for a watcher.  What does not fit into a watcher's
 * ring is lost to it and counted; its next line says how many it missed.
 *
 * Owns:    the watchers and their rings (-o watcher_logbuf_size); a watcher
 *          lives as long as its stream.
 * Threads: any.  One lock, held to copy a line of at most a KiB.
 * Fails:   watch_new() and watch_open() without memory.
 * Cost:    none unless the kind is in server.observing.
 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "server/stream.h"

struct watch;

enum { WATCH_MOST = 20 }; /* watchers at a time, as memcached has it */

struct watch_counts {
	uint64_t noted;	  /* lines made */
	uint64_t skipped; /* times that one had no room */
	uint64_t sent;	  /* times that one was taken by a watcher */
	unsigned watchers;
};

/* What happened.  Which members count is up to kind. */
struct watch_event {
	enum observing kind; /* one of FETCHERS .. DELETIONS */
	const char *key;
	uint32_t nkey;
	const char *status, *cmd;
	int64_t ttl; /* seconds left, -1 for none */
	uint32_t idle;
	bool fetched;
	uint8_t class_id;
	int fd;
	uint32_t size; /* of the value */
};

/* ring: bytes of each watcher; observing: server.observing */
struct watch *watch_new(size_t ring, _Atomic unsigned *observing);
void watch_free(struct watch **);

/* Tells those who watch that kind; call it only if somebody does. */
void watch_note(struct watch *, const struct watch_event *);

/* So many lines of that kind could not be made. */
void watch_miss(struct watch *, enum observing kind, uint64_t n);

/* A connection came or went; reason (normal, error, idle_timeout, shutdown)
 * if it went.  The socket is still open. */
void watch_connection(struct watch *, int fd, const char *reason);

/* TLS broke; why, in OpenSSL's words. */
void watch_tls_error(struct watch *, int fd, const char *why);

/* kinds: of enum observing.  NULL and *why: a line for the client. */
struct stream *watch_open(struct watch *, struct host *, unsigned kinds,
    const char **why);

void watch_count(struct watch *, struct watch_counts *);
void watch_reset(struct watch *);

#endif
