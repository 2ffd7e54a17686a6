/*
 * listen.h - where clients come in: listening sockets, and accept.
 *
 *      bind ──▶ start ──▶ accepting ◀──▶ paused ──▶ stop ──▶ free
 *
 * Every worker waits for every listener; the kernel wakes one of them, which
 * accepts and keeps the client unless another has clearly fewer.  So a client
 * costs no second thread's attention.  What the listener has set on itself
 * (TCP_NODELAY, keepalive) Linux hands down to the accepted socket, so an
 * accept costs no further system call.
 *
 * At the limit of -c a client is told so and closed; with no_maxconns_fast,
 * and always when descriptors run out, accepting pauses instead, and a timer
 * of the main thread looks whether it can go on.
 *
 * Owns:    the listening sockets, the files of unix sockets, the reserve.
 * Threads: the main thread; once started, accepting is the workers'.  Of
 *          struct listener others may read what is fixed after binding.
 * Fails:   binding, by the exit status to end with, having said why;
 *          CONFIG_RUN if all is well.
 * Cost:    idle, none: no timer runs unless accepting is paused.
 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include <stdbool.h>

#include <uv.h>

#include "proto/proto.h"
#include "server/address.h"

struct listening;
struct server;
struct udp;
struct worker;

enum {
	LISTEN_BURST = 64, /* accepts per wake-up: others want their turn */
	LISTEN_NAME_MAX = 160,
};

struct listener {
	/* fixed after binding */
	int fd;
	enum proto_name protocol;
	bool is_unix;
	bool auth; /* clients have to log in */
	enum address_tls tls;
	char tag[ADDRESS_TAG_MAX + 1];
	char name[LISTEN_NAME_MAX]; /* 127.0.0.1:11211, [::1]:11211, a path */
	struct listening *all; /* listen.c's own */
};

/* NULL without memory.  The server must outlive it. */
struct listening *listen_new(struct server *);
void listen_free(struct listening **);

/* The first so many that the service manager opened (service.h); then those of
 * the config are not wanted, and the next two have no effect. */
int listen_inherit(struct listening *, unsigned count);
/* All TCP sockets that the config asks for; none may be missing (but ::1,
 * where -l was not given).  Ports below 1024 need root. */
int listen_bind_tcp(struct listening *);
/* The unix socket, if there is one.  The file belongs to the user of now. */
int listen_bind_unix(struct listening *);
/* The ports that were bound, to the file that MEMCACHED_PORT_FILENAME names:
 * tests ask for any free port and read there which it is. */
int listen_write_ports(const struct listening *, const struct udp *);

void listen_start(struct listening *, uv_loop_t *, struct worker **,
    unsigned nworkers);
/* Accepts no more, but for those that a worker is about to accept; run the
 * loop once to let it close its handles. */
void listen_stop(struct listening *);

unsigned listen_count(const struct listening *);
const struct listener *listen_at(const struct listening *, unsigned i);

#endif
