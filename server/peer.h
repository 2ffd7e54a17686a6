/*
 * peer.h - the two ends of a socket, as people read them.
 *
 * Owns:    nothing.
 * Threads: any; asks the kernel at the time of the call.
 * Fails:   false: it is no socket any more, or not connected.
 * Cost:    a system call.
 */
#ifndef SERVER_PEER_H
#define SERVER_PEER_H

#include <stdbool.h>

enum { PEER_TEXT = 160 };

struct peer {
	char text[PEER_TEXT]; /* tcp:1.2.3.4:5  tcp6:[::1]:5  unix:/path */
	char host[64];	      /* 1.2.3.4  ::1  unix */
	unsigned port;	      /* 0 of a unix socket */
	bool local;	      /* a unix socket */
};

bool peer_own(int fd, struct peer *);
bool peer_client(int fd, struct peer *);

#endif
