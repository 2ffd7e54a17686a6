/*
 * udp.h - requests in datagrams (-U).
 *
 *      request id(2) sequence(2) datagrams(2) 0(2) | text or binary requests
 *
 * A request is one datagram; the reply comes in as many as it needs, of 1400
 * bytes, with the request's id and sequences from 0 on.  Whatever is not such
 * a request is dropped without a word, and so is a reply of more than
 * UDP_REPLY_MAX bytes: who forges a sender shall not get a victim flooded.
 *
 * All run on the main loop, with a host of their own: UDP is for a few
 * clients that cannot do better.  Where clients must log in there is no UDP.
 *
 * Owns:    its sockets, its host.
 * Threads: the main thread.
 * Fails:   udp_bind() with the exit status to end with, having said why.
 * Cost:    a session per datagram, on the stack; none without -U.
 */
#ifndef SERVER_UDP_H
#define SERVER_UDP_H

#include <uv.h>

#include "server/server.h"

enum {
	UDP_HEAD = 8,
	UDP_DATAGRAM = 1400, /* fits an Ethernet frame */
	UDP_REPLY_MAX = 64 * 1024,
};

struct udp;

/* The addresses of -l, or loopback, with the port of -U; *udp is NULL if there
 * is none.  CONFIG_RUN if all is well. */
int udp_bind(struct server *, struct udp **udp);
/* A line for each: UDP INET: 11211. */
void udp_write_ports(const struct udp *, FILE *);
void udp_start(struct udp *, uv_loop_t *);
/* Serves no more; run the loop once to let it close its handles. */
void udp_stop(struct udp *);
void udp_free(struct udp **);

#endif
