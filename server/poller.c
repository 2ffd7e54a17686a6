/* poller.c - see poller.h. */
#include "server/poller.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

bool
poller_init(struct poller *p, uv_loop_t *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	p->loop = loop;
	p->timeout = 0;
	p->ready = 0;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	/* The one without a pointer is libuv. */
	return p->fd >= 0 && epoll_ctl(p->fd, EPOLL_CTL_ADD,
	    uv_backend_fd(loop), &event) == 0;
}

void
poller_fini(struct poller *p)
{
	close(p->fd);
	p->fd = -1;
}

static bool
control(struct poller *p, int op, int fd, struct polled *polled, int what)
{
	struct epoll_event event = {
		.events = (uint32_t)what,
		.data.ptr = polled,
	};

	return epoll_ctl(p->fd, op, fd, &event) == 0;
}

bool
poller_add(struct poller *p, int fd, struct polled *polled, int what)
{
	return control(p, EPOLL_CTL_ADD, fd, polled, what);
}

bool
poller_change(struct poller *p, int fd, struct polled *polled, int what)
{
	return control(p, EPOLL_CTL_MOD, fd, polled, what);
}

void
poller_remove(struct poller *p, int fd)
{
	(void)control(p, EPOLL_CTL_DEL, fd, NULL, 0);
}

void
poller_wait(struct poller *p)
{
	p->ready = epoll_wait(p->fd, p->events, POLLER_EVENTS, p->timeout);
	assert(p->ready >= 0 || errno == EINTR);
	uv_update_time(p->loop);
}

void
poller_serve(struct poller *p)
{
	bool turn = false;

	for (int i = 0; i < p->ready; i++) {
		struct polled *polled = p->events[i].data.ptr;

		if (polled != NULL)
			polled->on_ready(polled);
		else
			turn = true;
	}
	/* 0: a timer is due, or libuv has yet to tell the kernel what it
	 * waits for. */
	p->timeout = uv_backend_timeout(p->loop);
	if (!turn && p->timeout != 0)
		return;
	uv_run(p->loop, UV_RUN_NOWAIT);
	p->timeout = uv_backend_timeout(p->loop);
}
