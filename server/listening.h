/*
 * listening.h - what listen.c and bind.c share.
 *
 * Owns:    see listen.h.
 * Threads: see listen.h.
 * Fails:   see listen.h.
 * Cost:    see listen.h.
 */
#ifndef SERVER_LISTENING_H
#define SERVER_LISTENING_H

#include <sys/types.h>

#include "server/listen.h"

struct listening {
	struct server *server;
	struct listener **listeners; /* each allocated: it stays put */
	unsigned count;
	bool inherited; /* they are the service manager's */
	/* the file of the unix socket, if it was bound */
	char *unix_path; /* absolute, for a daemon leaves its folder */
	dev_t unix_dev;
	ino_t unix_ino;
	/* accepting; fixed once it has started */
	struct worker **workers;
	unsigned nworkers;
	struct gate *gates; /* one of each listener in each worker */
	uv_timer_t timer;   /* the main thread's: looks whether to resume */
	uv_async_t told;    /* to it: accepting has paused */
	_Atomic unsigned turn;
	_Atomic uint64_t told_no_room; /* when it was said; 0: never */
	uv_mutex_t lock;	   /* guards from here ... */
	bool paused, stopped;
	unsigned pause_ms;
	uint64_t paused_at; /* uv_hrtime() */
	/* ... to here, and that gates are closed and opened */
};

/* Removes the socket's file unless another server has replaced it. */
void listening_remove_file(struct listening *);

#endif
