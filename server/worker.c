/* worker.c - see worker.h. */
#include "server/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "server/conn.h"
#include "server/listen.h"

enum {
	DRAIN_MS = 8000,	/* for clients that read their replies slowly */
	LEAVE_MS = 20,		/* conns_leave(), as often as conn.h says */
	IDLE_CHECK_MS = 1000,
};

/* A socket on its way from another worker, which accepted it. */
struct letter {
	int fd;
	const struct listener *listener; /* it stays put */
};

struct worker {
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t mailbox; /* letters came, or stopping, or a stream to wake */
	uv_timer_t timer;   /* idle connections; then the end of the drain */
	struct server *server;
	struct poller poller;
	struct conns conns;
	bool draining;
	uint64_t drain_from; /* its loop's time */
	uv_mutex_t lock; /* guards from here ... */
	struct letter *letters;
	unsigned nletters, letters_room;
	bool stop;
	/* ... to here */
	_Atomic bool wake;
	char input[CONN_INPUT];
};

unsigned
worker_connections(const struct worker *w)
{
	return atomic_load_explicit(&w->conns.count, memory_order_relaxed);
}

/* ------------------------------------------------------------ mail */

static void
take(struct worker *w, const struct letter *letter)
{
	if (!w->draining) {
		conn_open(&w->conns, letter->fd, letter->listener);
		return;
	}
	close(letter->fd);
	conns_missed(&w->conns);
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
	for (unsigned i = 0; i < n; i++)
		take(w, &letters[i]);
	free(letters);
}

static void
on_draining(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	if (uv_now(&w->loop) - w->drain_from >= DRAIN_MS)
		conns_close(&w->conns);
	else
		conns_leave(&w->conns);
}

static void
drain(struct worker *w)
{
	w->draining = true;
	conns_drain(&w->conns);
	w->drain_from = uv_now(&w->loop);
	uv_timer_start(&w->timer, on_draining, LEAVE_MS, LEAVE_MS);
}

static void
on_mail(uv_async_t *mailbox)
{
	struct worker *w = mailbox->data;
	bool stop;

	take_letters(w);
	if (atomic_exchange(&w->wake, false))
		conns_wake(&w->conns);
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

	conns_close_idle(&w->conns, w->server->config->idle_timeout);
}

/* ------------------------------------------------------------ life */

static void
run(void *arg)
{
	struct worker *w = arg;

	while (!w->draining || w->conns.first != NULL) {
		poller_wait(&w->poller);
		conns_tick(&w->conns);
		poller_serve(&w->poller);
		conns_bury(&w->conns);
	}
	/* What is on the pool must come back first. */
	uv_unref((uv_handle_t *)&w->timer);
	uv_unref((uv_handle_t *)&w->mailbox);
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
	    uv_mutex_init(&w->lock) != 0 ||
	    !poller_init(&w->poller, &w->loop))
		abort();
	w->mailbox.data = w;
	w->timer.data = w;
	if (w->server->auth != NULL) {
		if (hasher_init(&w->conns.hasher, &w->loop) != 0)
			abort();
		/* Passwords pass there. */
		(void)sodium_mlock(w->input, sizeof(w->input));
	}
	if (w->server->config->idle_timeout > 0)
		uv_timer_start(&w->timer, on_idle_check, IDLE_CHECK_MS,
		    IDLE_CHECK_MS);
}

struct worker *
worker_start(struct server *srv, unsigned n, const char **why)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->conns.host = host_new(srv)) == NULL) {
		free(w);
		*why = "out of memory for a worker thread; lower -t";
		return NULL;
	}
	w->server = srv;
	w->conns.host->wake = wake;
	w->conns.host->waker = w;
	w->conns.poller = &w->poller;
	w->conns.input = w->input;
	init_loop(w);
	srv->hosts[n] = w->conns.host;
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

struct poller *
worker_poller(struct worker *w)
{
	return &w->poller;
}

void
worker_take(struct worker *w, int fd, const struct listener *listener)
{
	conns_expect(&w->conns);
	take(w, &(struct letter){ fd, listener });
}

void
worker_adopt(struct worker *w, int fd, const struct listener *listener)
{
	bool taken;

	conns_expect(&w->conns);
	uv_mutex_lock(&w->lock);
	taken = grow_letters(w);
	if (taken)
		w->letters[w->nletters++] = (struct letter){ fd, listener };
	uv_mutex_unlock(&w->lock);
	if (!taken) {
		close(fd);
		conns_missed(&w->conns);
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
worker_join(struct worker *w)
{
	uv_thread_join(&w->thread);
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;
	int busy;

	*wp = NULL;
	if (w->server->auth != NULL) {
		hasher_fini(&w->conns.hasher);
		(void)sodium_munlock(w->input, sizeof(w->input));
	}
	uv_close((uv_handle_t *)&w->mailbox, NULL);
	uv_close((uv_handle_t *)&w->timer, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	busy = uv_loop_close(&w->loop);
	assert(busy == 0);
	(void)busy;
	poller_fini(&w->poller);
	for (unsigned i = 0; i < w->nletters; i++)
		close(w->letters[i].fd);
	uv_mutex_destroy(&w->lock);
	free(w->letters);
	host_free(&w->conns.host);
	free(w);
}
