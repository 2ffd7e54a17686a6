/*
 * listening.h - what listen.c and bind.c share.
 *
 * Owns:    see listen.h.
 * Threads: the main thread.
 * Fails:   see listen.h.
 * Cost:    see listen.h.
 */
#ifndef SERVER_LISTENING_H
#define SERVER_LISTENING_H

#include <sys/types.h>

#include "server/listen.h"

struct listening {
	struct server *server;
	struct listener **listeners; /* each allocated: uv_poll_t stays put */
	unsigned count;
	/* the file of the unix socket, if it was bound */
	char *unix_path; /* absolute, for a daemon leaves its folder */
	dev_t unix_dev;
	ino_t unix_ino;
	/* accepting */
	struct worker **workers;
	unsigned nworkers;
	unsigned turn;
	uv_timer_t pause;
	uint64_t paused_at; /* uv_hrtime() */
	bool told_no_room;  /* said once, until an accept succeeds */
};

/* Removes the socket's file unless another server has replaced it. */
void listening_remove_file(struct listening *);

#endif
