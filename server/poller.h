/*
 * poller.h - the sockets that a thread waits for, beside its libuv loop.
 *
 *      poller_wait:   epoll_wait ──┬── sockets
 *                                  └── libuv's own descriptor
 *      poller_serve:  on_ready() of each socket that is ready, then libuv's
 *                     turn if it has something: a timer, a message, work done
 *
 * libuv is left what it is good for.  Sockets go past it, because of each it
 * wants an ioctl, two epoll_ctl to test the descriptor and one to forget it,
 * and of each event two hundred instructions: here a connection costs two
 * epoll_ctl in its life, and an event a call.
 *
 * Level triggered: what was not read is told again.  on_ready() may close its
 * own socket and any other, but must not free what is polled before the next
 * poller_wait(): its event may be among those that were fetched.
 *
 * Owns:    its epoll descriptor.
 * Threads: its loop's; add and remove any, for the kernel locks.
 * Fails:   poller_init() and poller_add() with false, errno says why.
 * Cost:    one system call for all that is ready.
 */
#ifndef SERVER_POLLER_H
#define SERVER_POLLER_H

#include <stdbool.h>
#include <sys/epoll.h>

#include <uv.h>

enum {
	POLLER_EVENTS = 256, /* fetched by one wait */
	/* what for */
	POLLER_NOTHING = 0,
	POLLER_READ = EPOLLIN,
	POLLER_WRITE = EPOLLOUT,
	/* One of many threads that wait for the same socket shall wake. */
	POLLER_SHARE = EPOLLIN | (int)EPOLLEXCLUSIVE,
};

/* Stands first in what is polled. */
struct polled {
	void (*on_ready)(struct polled *);
};

struct poller {
	uv_loop_t *loop;
	int fd;
	int timeout; /* of the next wait, milliseconds */
	int ready;   /* events that the last one fetched */
	struct epoll_event events[POLLER_EVENTS];
};

bool poller_init(struct poller *, uv_loop_t *);
void poller_fini(struct poller *);

bool poller_add(struct poller *, int fd, struct polled *, int what);
bool poller_change(struct poller *, int fd, struct polled *, int what);
/* Before close(), too: that alone forgets nothing while another thread is in a
 * system call with the socket, as whoever asks for stats conns is. */
void poller_remove(struct poller *, int fd);

/* Sleeps until there is something, and sets the loop's time. */
void poller_wait(struct poller *);
void poller_serve(struct poller *);

#endif
