/* worker.c - see worker.h. */
#include "server/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/listen.h"

enum {
	DRAIN_MS = 2000,	/* for clients that do not read their replies */
	IDLE_CHECK_MS = 1000,
};

/* A socket on its way from the main thread. */
struct letter {
	int fd;
	enum proto_name proto;
};

struct worker {
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t mailbox; /* letters came, or stopping, or a stream to wake */
	uv_timer_t timer;   /* idle connections; then the end of the drain */
	struct server *server;
	struct host *host;
	struct conn *conns; /* all of them */
	bool draining;
	uv_mutex_t lock; /* guards from here ... */
	struct letter *letters;
	unsigned nletters, letters_room;
	bool stop;
	/* ... to here */
	_Atomic unsigned connections;
	_Atomic bool wake;
	char input[WORKER_INPUT];
};

uv_loop_t *
worker_loop(struct worker *w)
{
	return &w->loop;
}

struct host *
worker_host(struct worker *w)
{
	return w->host;
}

char *
worker_input(struct worker *w)
{
	return w->input;
}

uint32_t
worker_tick(struct worker *w)
{
	uint32_t now = server_now(w->server, uv_now(&w->loop));

	w->host->caller.now = now;
	return now;
}

unsigned
worker_connections(const struct worker *w)
{
	return atomic_load_explicit(&w->connections, memory_order_relaxed);
}

/* ------------------------------------------------------------ connections */

static void
remember(struct worker *w, struct conn *c)
{
	struct conn_link *l = conn_links(c);

	l->prev = NULL;
	l->next = w->conns;
	if (w->conns != NULL)
		conn_links(w->conns)->prev = c;
	w->conns = c;
}

static void
count_gone(struct worker *w)
{
	atomic_fetch_sub_explicit(&w->connections, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&w->server->curr_connections, 1,
	    memory_order_relaxed);
}

/* Ends the loop when it has nothing left to do. */
static void
end_if_done(struct worker *w)
{
	if (!w->draining || w->conns != NULL)
		return;
	uv_close((uv_handle_t *)&w->mailbox, NULL);
	uv_close((uv_handle_t *)&w->timer, NULL);
}

void
worker_forget(struct worker *w, struct conn *c)
{
	struct conn_link *l = conn_links(c);

	if (l->prev != NULL)
		conn_links(l->prev)->next = l->next;
	else
		w->conns = l->next;
	if (l->next != NULL)
		conn_links(l->next)->prev = l->prev;
	count_gone(w);
	end_if_done(w);
}

static void
take_letters(struct worker *w)
{
	struct letter *letters;
	unsigned n;

	uv_mutex_lock(&w->lock);
	letters = w->letters;
	n = w->nletters;
	w->letters = NULL;
	w->nletters = w->letters_room = 0;
	uv_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < n; i++) {
		struct conn *c = NULL;

		if (w->draining)
			close(letters[i].fd);
		else
			c = conn_new(w, letters[i].fd, letters[i].proto);
		if (c != NULL)
			remember(w, c);
		else
			count_gone(w);
	}
	free(letters);
}

static void
on_drained(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	for (struct conn *c = w->conns; c != NULL; c = conn_links(c)->next)
		conn_close(c, "shutdown");
}

static void
drain(struct worker *w)
{
	w->draining = true;
	for (struct conn *c = w->conns; c != NULL; c = conn_links(c)->next)
		conn_drain(c);
	uv_timer_start(&w->timer, on_drained, DRAIN_MS, 0);
	end_if_done(w);
}

static void
wake_streams(struct worker *w)
{
	if (!atomic_exchange(&w->wake, false))
		return;
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = conn_links(c)->next;
		if (conn_watches(c))
			conn_wake(c);
	}
}

static void
on_mail(uv_async_t *mailbox)
{
	struct worker *w = mailbox->data;
	bool stop;

	take_letters(w);
	wake_streams(w);
	uv_mutex_lock(&w->lock);
	stop = w->stop;
	uv_mutex_unlock(&w->lock);
	if (stop && !w->draining)
		drain(w);
}

static void
on_idle_check(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	uint32_t timeout = w->server->config->idle_timeout;
	uint32_t now = worker_tick(w);

	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = conn_links(c)->next;
		if (conn_watches(c) || now - conn_last_request(c) <= timeout)
			continue;
		count_up(&w->host->counters.idle_kicks, 1);
		conn_close(c, "idle_timeout");
	}
}

/* ------------------------------------------------------------ life */

static void
run(void *arg)
{
	struct worker *w = arg;

	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void
wake(struct host *h)
{
	struct worker *w = h->waker;

	if (!atomic_exchange(&w->wake, true))
		uv_async_send(&w->mailbox);
}

static void
init_loop(struct worker *w)
{
	if (uv_loop_init(&w->loop) != 0 ||
	    uv_async_init(&w->loop, &w->mailbox, on_mail) != 0 ||
	    uv_timer_init(&w->loop, &w->timer) != 0 ||
	    uv_mutex_init(&w->lock) != 0)
		abort();
	w->mailbox.data = w;
	w->timer.data = w;
	if (w->server->config->idle_timeout > 0)
		uv_timer_start(&w->timer, on_idle_check, IDLE_CHECK_MS,
		    IDLE_CHECK_MS);
}

struct worker *
worker_start(struct server *srv, unsigned n, const char **why)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->host = host_new(srv)) == NULL) {
		free(w);
		*why = "out of memory for a worker thread; lower -t";
		return NULL;
	}
	w->server = srv;
	w->host->wake = wake;
	w->host->waker = w;
	init_loop(w);
	srv->hosts[n] = w->host;
	if (srv->nhosts < n + 1)
		srv->nhosts = n + 1;
	if (uv_thread_create(&w->thread, run, w) != 0) {
		*why = "cannot start a worker thread; raise the limit of "
		       "threads or lower -t";
		return NULL;
	}
	return w;
}

/* Room for one more letter; false without memory.  The lock is held. */
static bool
grow_letters(struct worker *w)
{
	unsigned room = w->letters_room ? w->letters_room * 2 : 16;
	struct letter *letters;

	if (w->nletters < w->letters_room)
		return true;
	letters = realloc(w->letters, room * sizeof(*letters));
	if (letters == NULL)
		return false;
	w->letters = letters;
	w->letters_room = room;
	return true;
}

void
worker_adopt(struct worker *w, int fd, const struct listener *listener)
{
	bool taken;

	atomic_fetch_add_explicit(&w->connections, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->server->curr_connections, 1,
	    memory_order_relaxed);
	uv_mutex_lock(&w->lock);
	taken = grow_letters(w);
	if (taken)
		w->letters[w->nletters++] =
		    (struct letter){ fd, listener->protocol };
	uv_mutex_unlock(&w->lock);
	if (!taken) {
		close(fd);
		count_gone(w);
		return;
	}
	uv_async_send(&w->mailbox);
}

void
worker_drain(struct worker *w)
{
	uv_mutex_lock(&w->lock);
	w->stop = true;
	uv_mutex_unlock(&w->lock);
	uv_async_send(&w->mailbox);
}

void
worker_stop(struct worker **wp)
{
	struct worker *w = *wp;
	int busy;

	*wp = NULL;
	worker_drain(w);
	uv_thread_join(&w->thread);
	busy = uv_loop_close(&w->loop);
	assert(busy == 0);
	(void)busy;
	uv_mutex_destroy(&w->lock);
	free(w->letters);
	host_free(&w->host);
	free(w);
}
