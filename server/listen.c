/* listen.c - see listen.h; binding is in bind.c. */
#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/listening.h"
#include "server/log.h"
#include "server/server.h"
#include "server/worker.h"

enum {
	/* How soon to look again whether a connection was closed, or a
	 * descriptor freed: as memcached, and not much later than that. */
	LIMIT_PAUSE_MS = 10,
	FDS_PAUSE_MS = 50,
};

static const char refusal[] = "ERROR Too many open connections\r\n";

struct listening *
listen_new(struct server *srv)
{
	struct listening *all = calloc(1, sizeof(*all));

	if (all != NULL)
		all->server = srv;
	return all;
}

unsigned
listen_count(const struct listening *all)
{
	return all->count;
}

const struct listener *
listen_at(const struct listening *all, unsigned i)
{
	return all->listeners[i];
}

void
listen_free(struct listening **allp)
{
	struct listening *all = *allp;

	*allp = NULL;
	for (unsigned i = 0; i < all->count; i++) {
		close(all->listeners[i]->fd);
		free(all->listeners[i]);
	}
	listening_remove_file(all);
	free(all->listeners);
	free(all->unix_path);
	free(all);
}

/* ------------------------------------------------------------ pausing */

static void on_readable(uv_poll_t *poll, int status, int events);

static void
poll_all(struct listening *all)
{
	for (unsigned i = 0; i < all->count; i++)
		uv_poll_start(&all->listeners[i]->poll, UV_READABLE,
		    on_readable);
}

static bool
is_full(const struct listening *all)
{
	return atomic_load_explicit(&all->server->curr_connections,
	    memory_order_relaxed) >= all->server->config->conn_limit;
}

static void
resume(struct listening *all)
{
	uint64_t paused = uv_hrtime() - all->paused_at;

	uv_timer_stop(&all->pause);
	atomic_fetch_add(&all->server->listen_disabled_us, paused / 1000);
	atomic_store(&all->server->accepting, true);
	poll_all(all);
}

static void
on_pause(uv_timer_t *timer)
{
	struct listening *all = timer->data;

	if (!is_full(all) || all->server->config->maxconns_fast)
		resume(all);
}

static void
pause_for(struct listening *all, unsigned ms)
{
	for (unsigned i = 0; i < all->count; i++)
		uv_poll_stop(&all->listeners[i]->poll);
	all->paused_at = uv_hrtime();
	atomic_fetch_add(&all->server->listen_disabled, 1);
	atomic_store(&all->server->accepting, false);
	uv_timer_start(&all->pause, on_pause, ms, ms);
}

/* ------------------------------------------------------------ accepting */

/* What it may have sent already is read, or the close would reset the
 * connection and the client might not see why. */
static void
refuse(struct listening *all, int fd)
{
	char unread[512];

	(void)send(fd, refusal, sizeof(refusal) - 1,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)recv(fd, unread, sizeof(unread), MSG_DONTWAIT);
	close(fd);
	atomic_fetch_add(&all->server->rejected_connections, 1);
}

static struct worker *
least_loaded(struct listening *all)
{
	unsigned best = all->turn, least = UINT_MAX;

	/* Begin elsewhere each time, or the first worker gets all ties. */
	all->turn = (all->turn + 1) % all->nworkers;
	for (unsigned i = 0; i < all->nworkers; i++) {
		unsigned at = (all->turn + i) % all->nworkers;
		unsigned load = worker_connections(all->workers[at]);

		if (load < least) {
			least = load;
			best = at;
		}
	}
	return all->workers[best];
}

/* Not the client's fault, and not the next one's either. */
static bool
is_out_of_room(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

/* false: enough for this time. */
static bool
accept_failed(struct listening *all, const struct listener *l, int error)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return false;
	if (!is_out_of_room(error))
		return true; /* that client is gone already, or the like */
	if (!all->told_no_room)
		log_warn("accept on %s: %s; waiting until clients leave",
		    l->name, strerror(error));
	all->told_no_room = true;
	pause_for(all, FDS_PAUSE_MS);
	return false;
}

static bool
accept_one(struct listening *all, const struct listener *l)
{
	const struct config *config = all->server->config;
	bool full = is_full(all);
	int fd;

	if (full && !config->maxconns_fast) {
		pause_for(all, LIMIT_PAUSE_MS);
		return false;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(all, l, errno);
	all->told_no_room = false;
	if (full) {
		refuse(all, fd);
		return true;
	}
	atomic_fetch_add(&all->server->total_connections, 1);
	worker_adopt(least_loaded(all), fd, l);
	return true;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	const struct listener *l = poll->data;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < LISTEN_BURST; i++)
		if (!accept_one(l->all, l))
			return;
}

/* ------------------------------------------------------------ life */

static void
must(int status, const char *what)
{
	if (status == 0)
		return;
	log_error("%s: %s", what, uv_strerror(status));
	abort();
}

void
listen_start(struct listening *all, uv_loop_t *loop, struct worker **workers,
    unsigned nworkers)
{
	all->workers = workers;
	all->nworkers = nworkers;
	must(uv_timer_init(loop, &all->pause), "timer");
	all->pause.data = all;
	for (unsigned i = 0; i < all->count; i++) {
		struct listener *l = all->listeners[i];

		must(uv_poll_init(loop, &l->poll, l->fd), l->name);
		l->poll.data = l;
		if ((unsigned)l->fd < all->server->nconns)
			atomic_store(&all->server->conns[l->fd].state,
			    CONN_LISTENING);
	}
	poll_all(all);
}

void
listen_stop(struct listening *all)
{
	uv_close((uv_handle_t *)&all->pause, NULL);
	for (unsigned i = 0; i < all->count; i++)
		uv_close((uv_handle_t *)&all->listeners[i]->poll, NULL);
	atomic_store(&all->server->accepting, false);
}
