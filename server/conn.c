/* conn.c - see conn.h. */
#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sodium.h>

#include "server/listen.h"
#include "server/login.h"
#include "server/tls.h"
#include "server/watch.h"

enum {
	TURN = 1 << 20,	   /* bytes written before others have their turn */
	LARGE_HEAD = 4096, /* more than the head of any large set */
};

/* When the server ends. */
enum {
	LAST_READS = 128, /* more than a kernel has of what arrived */
	STALLED = 100,	  /* calls of conns_leave() in which nothing moved */
	QUIET = 5,	  /* the same, and all was taken */
};

enum phase {
	CONN_READING,
	CONN_BLOCKED,
	CONN_WAITING,
	CONN_LEAVING,
	CONN_ENDING,
};

struct conn {
	struct polled polled; /* first */
	struct conns *all;
	struct conn *prev, *next; /* of them, or of those to be buried */
	struct session session;
	char *left;	/* input not yet served, nleft bytes */
	uint32_t nleft;
	union {
		uint32_t last_request; /* server seconds; until it ends */
		uint32_t unsent;       /* then: at the last look */
	};
	struct output *blocked; /* replies that the socket did not take */
	struct attempt *attempt; /* WAITING: for what becomes of it */
	int fd;
	uint8_t polled_for : 4; /* POLLER_READ, POLLER_WRITE, or not polled */
	uint8_t phase : 4; /* enum phase; one writer: enter() */
	bool close_when_sent : 1; /* quit, or refused */
	bool large : 1; /* the last value did not fit in a read */
	bool draining : 1;	  /* the server ends */
	bool secure : 1;
	uint8_t last_reads;	  /* since then */
	uint8_t stalled;	  /* calls of conns_leave() */
	struct tls_conn tls[];	  /* one, if secure */
};

static void on_ready(struct polled *);
static void on_ready_secure(struct polled *);
static bool on_readable(struct conn *);
static void conn_close(struct conn *, const char *reason);

static struct conn_info *
info(const struct conn *c)
{
	struct server *srv = c->all->host->server;

	return (unsigned)c->fd < srv->nconns ? &srv->conns[c->fd] : NULL;
}

static void
show(const struct conn *c, enum conn_state state)
{
	struct conn_info *i = info(c);

	if (i == NULL)
		return;
	atomic_store_explicit(&i->last_request, c->last_request,
	    memory_order_relaxed);
	atomic_store_explicit(&i->state, state, memory_order_relaxed);
}

static enum conn_state
shown_state(const struct conn *c)
{
	if (c->phase == CONN_BLOCKED)
		return CONN_MWRITE;
	if (c->session.stream != NULL)
		return CONN_WATCH;
	switch (c->session.phase) {
	case SESSION_VALUE:
		return CONN_NREAD;
	case SESSION_SKIP:
		return CONN_SWALLOW;
	default:
		return c->session.wants_value ? CONN_NREAD : CONN_READ;
	}
}

static void
tell_watchers(const struct conn *c, const char *reason)
{
	struct server *srv = c->all->host->server;

	if (atomic_load_explicit(&srv->observing, memory_order_relaxed) &
	    OBSERVE_CONNEVENTS)
		watch_connection(srv->watch, c->fd, reason);
}

static void
enter(struct conn *c, enum phase phase)
{
	assert(c->phase != CONN_ENDING && c->phase != phase);
	c->phase = phase;
}

static void
listen_for(struct conn *c, int what)
{
	struct poller *poller = c->all->poller;
	int before = c->polled_for;

	if (what == before)
		return;
	c->polled_for = (uint8_t)what;
	if (what == POLLER_NOTHING)
		poller_remove(poller, c->fd);
	else if (!(before == POLLER_NOTHING ? poller_add : poller_change)(
		     poller, c->fd, &c->polled, what))
		conn_close(c, "error");
}

static void
remember(struct conn *c)
{
	c->next = c->all->first;
	if (c->next != NULL)
		c->next->prev = c;
	c->all->first = c;
}

static void
forget(struct conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->all->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	conns_missed(c->all);
}

/* false: no memory. */
static bool
guard(struct conn *c, struct auth *auth)
{
	struct login *login = login_new(auth, c->fd);

	if (login != NULL)
		session_guard(&c->session, login);
	else
		count_up(&c->all->host->counters.malloc_fails, 1);
	return login != NULL;
}

/* What has to be waited for to go on. */
static int
awaited(const struct conn *c)
{
	bool writing = c->phase == CONN_BLOCKED;

	if (c->secure)
		return tls_awaits(c->tls, writing);
	return writing ? POLLER_WRITE : POLLER_READ;
}

/* Often the first request has come before its connection was accepted. */
static void
greet(struct conn *c)
{
	on_readable(c);
	if (c->phase == CONN_READING)
		listen_for(c, awaited(c));
}

static struct conn *
new_conn(struct conns *all, int fd, enum address_tls tls)
{
	bool secure = tls != ADDRESS_TLS_NOT;
	struct conn *c = calloc(1, sizeof(*c) + secure * sizeof(*c->tls));

	if (c == NULL)
		return NULL;
	c->polled.on_ready = secure ? on_ready_secure : on_ready;
	c->all = all;
	c->fd = fd;
	c->secure = secure;
	if (secure)
		tls_begin(c->tls, all->host->server->tls, all->host, fd, tls);
	return c;
}

void
conn_open(struct conns *all, int fd, const struct listener *listener)
{
	struct server *srv = all->host->server;
	struct conn *c = new_conn(all, fd, listener->tls);

	if (c == NULL) {
		count_up(&all->host->counters.malloc_fails, 1);
		close(fd);
		conns_missed(all);
		return;
	}
	c->last_request = all->host->caller.now;
	remember(c);
	session_init(&c->session, listener->auth ?
	    auth_protocol(srv->auth, listener->protocol) :
	    listener->protocol);
	c->session.fd = fd;
	show(c, CONN_NEW_CMD);
	tell_watchers(c, NULL);
	if (listener->auth && !guard(c, srv->auth))
		conn_close(c, "error");
	else
		greet(c);
}

/* Wiped, for there may be a password in it. */
static void
drop_left(struct conn *c)
{
	if (c->left == NULL)
		return;
	if (c->session.login != NULL)
		sodium_memzero(c->left, c->nleft);
	free(c->left);
	c->left = NULL;
	c->nleft = 0;
}

/* Safe to call more than once until the end of the turn, when it is freed.
 * Watchers are told the reason: normal, error, idle_timeout, shutdown. */
static void
conn_close(struct conn *c, const char *reason)
{
	struct host *h = c->all->host;

	if (c->phase == CONN_ENDING)
		return;
	enter(c, CONN_ENDING);
	tell_watchers(c, reason);
	show(c, CONN_NONE);
	if (c->attempt != NULL)
		hasher_forget(c->attempt);
	drop_left(c);
	session_fini(&c->session, h);
	if (c->blocked != NULL)
		output_free(&c->blocked, h->cache);
	if (c->secure)
		tls_end(c->tls);
	if (c->polled_for != POLLER_NOTHING)
		poller_remove(c->all->poller, c->fd);
	close(c->fd);
	forget(c);
	c->next = c->all->buried;
	c->all->buried = c;
}

/* ------------------------------------------------------------ writing */

/*
 * As recv() and send(), but without the detour on which libc lets a thread be
 * cancelled: sixty instructions of each, two of them locked.
 */
static ssize_t
receive(struct conn *c, char *to, size_t n)
{
	if (c->secure)
		return tls_receive(c->tls, to, n);
	return syscall(SYS_recvfrom, c->fd, to, n, 0, NULL, NULL);
}

static ssize_t
transmit(struct conn *c, const char *from, size_t n)
{
	if (c->secure)
		return tls_transmit(c->tls, from, n);
	return syscall(SYS_sendto, c->fd, from, n, MSG_NOSIGNAL, NULL, 0);
}

static ssize_t
transmit_pinned(struct conn *c, const struct output *o)
{
	struct iovec iov[OUTPUT_IOV];
	struct msghdr msg = { .msg_iov = iov };

	msg.msg_iovlen = output_iov(o, c->all->host->cache, iov, OUTPUT_IOV);
	if (c->secure)
		return tls_transmit_all(c->tls, iov, (unsigned)msg.msg_iovlen);
	return sendmsg(c->fd, &msg, MSG_NOSIGNAL);
}

/* Sends what it can.  1: all, 0: the socket is full, -1: it is broken. */
static int
send_output(struct conn *c, struct output *o)
{
	struct host *h = c->all->host;

	while (!output_empty(o)) {
		bool plain = o->first_pin == o->npins;
		ssize_t sent = plain ? transmit(c, o->buf + o->sent,
		    o->used - o->sent) : transmit_pinned(c, o);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		count_up(&h->counters.bytes_written, (uint64_t)sent);
		if (plain && (size_t)sent == o->used - o->sent)
			output_reset(o);
		else
			output_sent(o, h->cache, (size_t)sent);
	}
	return 1;
}

/* Keeps input for later.  false: no memory, the connection is closed. */
static bool
keep(struct conn *c, const char *in, size_t n)
{
	struct host *h = c->all->host;

	assert(c->left == NULL);
	c->left = malloc(n);
	if (c->left == NULL) {
		count_up(&h->counters.malloc_fails, 1);
		conn_close(c, "error");
		return false;
	}
	memcpy(c->left, in, n);
	c->nleft = (uint32_t)n;
	return true;
}

/* The socket is full, or this has had its turn: the replies and the rest of
 * the input wait here. */
static void
block(struct conn *c, const char *in, size_t n)
{
	struct host *h = c->all->host;

	c->blocked = output_move(h->out);
	if (c->blocked == NULL) {
		count_up(&h->counters.malloc_fails, 1);
		conn_close(c, "error");
		return;
	}
	if (n > 0 && !keep(c, in, n))
		return;
	enter(c, CONN_BLOCKED);
	show(c, CONN_MWRITE);
	listen_for(c, awaited(c));
}

/* ------------------------------------------------------------ logging in */

static void go_on(struct conn *);

static void
on_verdict(void *arg, struct attempt *attempt)
{
	struct conn *c = arg;

	c->attempt = NULL;
	c->last_request = c->all->host->caller.now;
	session_resume(&c->session, c->all->host, attempt);
	enter(c, CONN_READING);
	go_on(c);
}

/* Nothing is read meanwhile. */
static void
await(struct conn *c)
{
	enter(c, CONN_WAITING);
	listen_for(c, POLLER_NOTHING);
	c->attempt = session_attempt(&c->session);
	hasher_submit(&c->all->hasher, c->attempt, on_verdict, c);
}

/* ------------------------------------------------------------ reading */

static uint64_t
written(const struct conn *c)
{
	return atomic_load_explicit(
	    &c->all->host->counters.bytes_written,
	    memory_order_relaxed);
}

/*
 * Serves n bytes of input; the host's output is empty before and after.  When
 * it returns true the connection reads on.
 */
static bool
serve(struct conn *c, char *in, size_t n)
{
	struct host *h = c->all->host;
	uint64_t before = written(c);

	for (;;) {
		bool private = c->session.login != NULL &&
		    session_is_private(&c->session);
		size_t used;
		enum session_verdict verdict = session_run(&c->session, h,
		    in, n, &used);
		int sent;

		if (private || verdict == SESSION_WAIT)
			sodium_memzero(in, used);
		in += used;
		n -= used;
		if (verdict == SESSION_DROP) {
			output_clear(h->out, h->cache);
			conn_close(c, "error");
			return false;
		}
		sent = send_output(c, h->out);
		if (verdict == SESSION_CLOSE)
			c->close_when_sent = true;
		if (sent == 0) {
			block(c, in, n);
			output_clear(h->out, h->cache);
			return false;
		}
		if (sent < 0 || verdict == SESSION_CLOSE) {
			output_clear(h->out, h->cache);
			conn_close(c, sent < 0 ? "error" : "normal");
			return false;
		}
		if (verdict == SESSION_MORE || verdict == SESSION_WAIT) {
			bool kept = n == 0 || keep(c, in, n);

			if (private)
				sodium_memzero(in, n);
			if (kept && verdict == SESSION_WAIT)
				await(c);
			return kept && verdict == SESSION_MORE;
		}
		/* However fast the client reads: a dump, or a thousand
		 * gets of a megabyte, is not to be all that this worker
		 * does. */
		if (c->session.stream != NULL || h->turn != 0 ||
		    written(c) - before >= TURN) {
			count_up(&h->counters.conn_yields, 1);
			block(c, in, n);
			return false;
		}
	}
}

/*
 * What comes behind a large value most often is another one.  Little more than
 * its head is read then, so that the value goes straight to its item.
 */
static size_t
read_ahead(const struct conn *c)
{
	size_t room = CONN_INPUT - c->nleft;

	return c->large && room > LARGE_HEAD ? LARGE_HEAD : room;
}

/* The left-over input in front, then what the socket holds. */
static ssize_t
read_input(struct conn *c, char *input, size_t *have)
{
	ssize_t got;

	if (c->nleft > 0)
		memcpy(input, c->left, c->nleft);
	got = receive(c, input + c->nleft, read_ahead(c));
	if (got > 0)
		*have = c->nleft + (size_t)got;
	return got;
}

/* In the midst of a large value: into its item, and what follows it. */
static ssize_t
read_value(struct conn *c, char *input, size_t *have)
{
	struct host *h = c->all->host;
	struct iovec iov[OUTPUT_IOV];
	unsigned n = session_sink(&c->session, h, iov, OUTPUT_IOV - 1);
	size_t room = 0;
	ssize_t got;

	assert(c->nleft == 0);
	for (unsigned i = 0; i < n; i++)
		room += iov[i].iov_len;
	iov[n++] = (struct iovec){ input, read_ahead(c) };
	got = c->secure ? tls_receive_all(c->tls, iov, n) :
	    readv(c->fd, iov, (int)n);
	if (got <= 0)
		return got;
	if ((size_t)got > room)
		*have = (size_t)got - room;
	session_sunk(&c->session, h, (size_t)got - *have);
	return got;
}

/* false: there was nothing to read, and the connection is as it was. */
static bool
on_readable(struct conn *c)
{
	struct host *h = c->all->host;
	char *input = c->all->input;
	bool sinks = session_sinks(&c->session);
	size_t have = 0;
	ssize_t got;

	c->last_request = c->all->host->caller.now;
	got = sinks ? read_value(c, input, &have) :
	    read_input(c, input, &have);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		conn_close(c, got < 0 ? "error" : "normal");
		return true;
	}
	count_up(&h->counters.bytes_read, (uint64_t)got);
	drop_left(c);
	if (have == CONN_INPUT)
		count_up(&h->counters.conn_yields, 1);
	if (serve(c, input, have)) {
		c->large = sinks || session_sinks(&c->session);
		show(c, shown_state(c));
	}
	return true;
}

/* Bytes of replies that the client's kernel has not taken. */
static uint32_t
count_unsent(const struct conn *c)
{
	int n;

	return ioctl(c->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

/*
 * The server ends: what has arrived is answered, as far as a client does not
 * go on and on; then it closes, unless replies wait or a verdict is due.  To
 * close a socket to which input comes resets it, and replies would be lost.
 */
static void
finish(struct conn *c)
{
	bool dry = false;
	uint32_t n;

	while (c->phase == CONN_READING && !dry &&
	    c->last_reads < LAST_READS) {
		c->last_reads++;
		dry = !on_readable(c);
	}
	if (c->phase != CONN_READING)
		return;
	n = count_unsent(c);
	if (dry && n == 0) {
		conn_close(c, "shutdown");
		return;
	}
	if (c->secure)
		tls_bye(c->tls);
	shutdown(c->fd, SHUT_WR);
	drop_left(c);
	c->stalled = 0;
	enter(c, CONN_LEAVING);
	show(c, CONN_CLOSING);
	c->unsent = n;
	listen_for(c, POLLER_READ);
}

/* Nothing of this is served. */
static void
discard(struct conn *c)
{
	ssize_t got = recv(c->fd, c->all->input, CONN_INPUT, 0);

	c->stalled = 0;
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		conn_close(c, "shutdown");
}

/* Its client has all replies and sends no more, or takes none of them. */
static bool
is_done(struct conn *c)
{
	uint32_t n = count_unsent(c);

	if (n != c->unsent || c->phase == CONN_WAITING) {
		c->unsent = n;
		c->stalled = 0;
		return false;
	}
	c->stalled++;
	return c->stalled >=
	    (c->phase == CONN_LEAVING && n == 0 ? QUIET : STALLED);
}

/* Serves the input that waited, then reads on. */
static void
go_on(struct conn *c)
{
	char *input = c->all->input;
	size_t n = c->nleft;

	if (n > 0)
		memcpy(input, c->left, n);
	drop_left(c);
	if (!serve(c, input, n))
		return;
	if (c->draining) {
		finish(c);
		return;
	}
	show(c, shown_state(c));
	listen_for(c, awaited(c));
}

/* The client has read some: send the rest, then serve what waited. */
static void
on_writable(struct conn *c)
{
	struct host *h = c->all->host;
	uint64_t before = written(c);
	int sent = send_output(c, c->blocked);

	if (written(c) != before)
		c->stalled = 0;
	if (sent == 0)
		return;
	if (sent < 0 || c->close_when_sent) {
		conn_close(c, sent < 0 ? "error" : "normal");
		return;
	}
	c->last_request = c->all->host->caller.now;
	output_free(&c->blocked, h->cache);
	enter(c, CONN_READING);
	if (c->session.waiting)
		await(c);
	else
		go_on(c);
}

static void
on_ready(struct polled *polled)
{
	struct conn *c = (struct conn *)polled;

	if (c->phase == CONN_BLOCKED)
		on_writable(c);
	else if (c->phase == CONN_READING)
		on_readable(c);
	else if (c->phase == CONN_LEAVING)
		discard(c);
}

/* What it waits for is not always what its phase would say. */
static void
on_ready_secure(struct polled *polled)
{
	struct conn *c = (struct conn *)polled;

	on_ready(polled);
	if (c->phase == CONN_READING || c->phase == CONN_BLOCKED)
		listen_for(c, awaited(c));
}

/* ------------------------------------------------------------ all of them */

void
conns_expect(struct conns *all)
{
	atomic_fetch_add_explicit(&all->count, 1, memory_order_relaxed);
}

void
conns_missed(struct conns *all)
{
	atomic_fetch_sub_explicit(&all->count, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&all->host->server->curr_connections, 1,
	    memory_order_relaxed);
}

void
conns_tick(struct conns *all)
{
	all->host->handshakes = 0;
	all->host->caller.now = clock_now(&all->host->server->clock,
	    uv_now(all->poller->loop));
}

void
conns_bury(struct conns *all)
{
	while (all->buried != NULL) {
		struct conn *c = all->buried;

		all->buried = c->next;
		free(c);
	}
}

void
conns_drain(struct conns *all)
{
	for (struct conn *c = all->first, *next; c != NULL; c = next) {
		next = c->next;
		c->draining = true;
		/* There is no other round for a handshake to wait for. */
		all->host->handshakes = 0;
		finish(c);
	}
}

void
conns_leave(struct conns *all)
{
	for (struct conn *c = all->first, *next; c != NULL; c = next) {
		next = c->next;
		if (is_done(c))
			conn_close(c, "shutdown");
	}
}

void
conns_close(struct conns *all)
{
	while (all->first != NULL)
		conn_close(all->first, "shutdown");
}

void
conns_close_idle(struct conns *all, uint32_t timeout)
{
	uint32_t now = all->host->caller.now;

	for (struct conn *c = all->first, *next; c != NULL; c = next) {
		next = c->next;
		if (c->session.stream != NULL ||
		    now - c->last_request <= timeout)
			continue;
		count_up(&all->host->counters.idle_kicks, 1);
		conn_close(c, "idle_timeout");
	}
}

void
conns_wake(struct conns *all)
{
	for (struct conn *c = all->first, *next; c != NULL; c = next) {
		next = c->next;
		if (c->phase == CONN_READING && c->session.stream != NULL)
			serve(c, NULL, 0);
	}
}
