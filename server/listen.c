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
#include "server/poller.h"
#include "server/server.h"
#include "server/worker.h"

enum {
	/* How soon to look again whether a connection was closed, or a
	 * descriptor freed: as memcached, and not much later than that. */
	LIMIT_PAUSE_MS = 10,
	FDS_PAUSE_MS = 50,
	/* Between two lines about it, however many clients come and go. */
	SAY_AGAIN_S = 60,
};

/* Where a worker waits for a listener's clients. */
struct gate {
	struct polled polled; /* first */
	const struct listener *listener;
	struct worker *worker;
	unsigned burst; /* as many as may be there */
};

static const char refusal[] = "ERROR Too many open connections\r\n";

struct listening *
listen_new(struct server *srv)
{
	struct listening *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	if (uv_mutex_init(&all->lock) != 0)
		abort();
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
	uv_mutex_destroy(&all->lock);
	free(all->gates);
	free(all->listeners);
	free(all->unix_path);
	free(all);
}

/* ------------------------------------------------------------ pausing */

static void
close_gates(struct listening *all)
{
	for (unsigned i = 0; i < all->count * all->nworkers; i++)
		poller_remove(worker_poller(all->gates[i].worker),
		    all->gates[i].listener->fd);
}

/* false, and all are closed: the kernel had no memory. */
static bool
open_gates(struct listening *all)
{
	for (unsigned i = 0; i < all->count * all->nworkers; i++) {
		struct gate *g = &all->gates[i];

		if (poller_add(worker_poller(g->worker), g->listener->fd,
			&g->polled, POLLER_SHARE))
			continue;
		close_gates(all);
		return false;
	}
	return true;
}

/* Any worker.  The timer is the main thread's. */
static void
pause_for(struct listening *all, unsigned ms)
{
	uv_mutex_lock(&all->lock);
	if (!all->paused && !all->stopped) {
		all->paused = true;
		all->pause_ms = ms;
		all->paused_at = uv_hrtime();
		close_gates(all);
		atomic_fetch_add(&all->server->listen_disabled, 1);
		atomic_store(&all->server->accepting, false);
		uv_async_send(&all->told);
	}
	uv_mutex_unlock(&all->lock);
}

static bool
is_full(const struct listening *all)
{
	return atomic_load_explicit(&all->server->curr_connections,
	    memory_order_relaxed) >= all->server->config->conn_limit;
}

static void
on_timer(uv_timer_t *timer)
{
	struct listening *all = timer->data;

	if (is_full(all) && !all->server->config->maxconns_fast)
		return;
	uv_mutex_lock(&all->lock);
	if (open_gates(all)) {
		uv_timer_stop(timer);
		all->paused = false;
		atomic_fetch_add(&all->server->listen_disabled_us,
		    (uv_hrtime() - all->paused_at) / 1000);
		atomic_store(&all->server->accepting, true);
	}
	uv_mutex_unlock(&all->lock);
}

static void
on_told(uv_async_t *told)
{
	struct listening *all = told->data;
	unsigned ms;

	uv_mutex_lock(&all->lock);
	ms = all->pause_ms;
	uv_mutex_unlock(&all->lock);
	uv_timer_start(&all->timer, on_timer, ms, ms);
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

/* The own worker, unless another has clearly fewer: to hand a client over
 * costs more than an uneven share of an eighth. */
static struct worker *
choose(struct listening *all, struct worker *own)
{
	unsigned load = worker_connections(own), least = load, turn;
	struct worker *best = own;

	if (all->nworkers == 1)
		return own;
	/* Begin elsewhere each time, or the first worker gets all ties. */
	turn = atomic_fetch_add_explicit(&all->turn, 1, memory_order_relaxed);
	for (unsigned i = 0; i < all->nworkers; i++) {
		struct worker *w = all->workers[(turn + i) % all->nworkers];
		unsigned n = worker_connections(w);

		if (n < least) {
			least = n;
			best = w;
		}
	}
	return load <= least + least / 8 ? own : best;
}

/* Not the client's fault, and not the next one's either. */
static bool
is_out_of_room(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

static void
say_no_room(struct listening *all, const struct listener *l, int error)
{
	uint64_t now = uv_hrtime(), told = atomic_load(&all->told_no_room);

	if ((told == 0 || now - told >= SAY_AGAIN_S * UINT64_C(1000000000)) &&
	    atomic_compare_exchange_strong(&all->told_no_room, &told, now))
		log_warn("accept on %s: %s; waiting until clients leave",
		    l->name, strerror(error));
}

/* false: enough for this time. */
static bool
accept_failed(struct listening *all, const struct listener *l, int error)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return false;
	if (!is_out_of_room(error))
		return true; /* that client is gone already, or the like */
	say_no_room(all, l, error);
	pause_for(all, FDS_PAUSE_MS);
	return false;
}

/* A connection counts before it is accepted, or two workers might let in the
 * last one at once. */
static bool
claim(struct server *srv)
{
	if (atomic_fetch_add_explicit(&srv->curr_connections, 1,
	    memory_order_relaxed) < srv->config->conn_limit)
		return true;
	atomic_fetch_sub_explicit(&srv->curr_connections, 1,
	    memory_order_relaxed);
	return false;
}

static bool
accept_one(const struct gate *g)
{
	const struct listener *l = g->listener;
	struct listening *all = l->all;
	struct server *srv = all->server;
	bool claimed = claim(srv);
	struct worker *w;
	int fd;

	if (!claimed && !srv->config->maxconns_fast) {
		pause_for(all, LIMIT_PAUSE_MS);
		return false;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		int error = errno;

		if (claimed)
			atomic_fetch_sub_explicit(&srv->curr_connections, 1,
			    memory_order_relaxed);
		return accept_failed(all, l, error);
	}
	/* Another's claim may have been in vain meanwhile. */
	if (!claimed && !claim(srv)) {
		refuse(all, fd);
		return true;
	}
	atomic_fetch_add_explicit(&srv->total_connections, 1,
	    memory_order_relaxed);
	w = choose(all, g->worker);
	if (w == g->worker)
		worker_take(w, fd, l);
	else
		worker_adopt(w, fd, l);
	return true;
}

/* To ask in vain whether there is one more costs a system call: so as many as
 * there were the last time, and more if there are. */
static void
on_clients(struct polled *polled)
{
	struct gate *g = (struct gate *)polled;
	unsigned n = 0;

	while (n < g->burst && accept_one(g))
		n++;
	if (n < g->burst)
		g->burst = n > 0 ? n : 1;
	else if (g->burst < LISTEN_BURST)
		g->burst++;
}

/* ------------------------------------------------------------ life */

static void
must(int status, const char *what)
{
	if (status == 0)
		return;
	log_error("%s: %s", what, uv_strerror(status));
	_exit(EXIT_FAILURE);
}

static void
show(const struct listening *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		unsigned fd = (unsigned)all->listeners[i]->fd;

		if (fd < all->server->nconns)
			atomic_store(&all->server->conns[fd].state,
			    CONN_LISTENING);
	}
}

void
listen_start(struct listening *all, uv_loop_t *loop, struct worker **workers,
    unsigned nworkers)
{
	all->workers = workers;
	all->nworkers = nworkers;
	all->gates = calloc(all->count * nworkers, sizeof(*all->gates));
	if (all->gates == NULL)
		must(UV_ENOMEM, "listening");
	for (unsigned i = 0; i < all->count * nworkers; i++)
		all->gates[i] = (struct gate){
			.polled.on_ready = on_clients,
			.listener = all->listeners[i / nworkers],
			.worker = workers[i % nworkers],
			.burst = 1,
		};
	must(uv_timer_init(loop, &all->timer), "timer");
	must(uv_async_init(loop, &all->told, on_told), "listening");
	all->timer.data = all->told.data = all;
	show(all);
	/* A worker may already accept, fail, and close them again. */
	uv_mutex_lock(&all->lock);
	if (!open_gates(all))
		must(-errno, "listening");
	uv_mutex_unlock(&all->lock);
}

void
listen_stop(struct listening *all)
{
	uv_mutex_lock(&all->lock);
	all->stopped = true;
	if (!all->paused)
		close_gates(all);
	uv_mutex_unlock(&all->lock);
	uv_close((uv_handle_t *)&all->timer, NULL);
	uv_close((uv_handle_t *)&all->told, NULL);
	atomic_store(&all->server->accepting, false);
}
