/* conn.c - see conn.h. */
#include "bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bench/reply.h"

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ------------------------------------------------------------ connecting */

/* Many short connections would run out of ports on one source address. */
static void
spread_source(const struct lane *l, int fd)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int on = 1;

	from.sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + (uint32_t)(l->counts.connects % 16));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		die("bind");
}

static void
dial(struct lane *l, struct conn *c)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	    .data.ptr = c,
	};
	int on = 1;

	c->fd = socket(l->peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	if (l->peer.ss_family == AF_INET) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (l->churn)
			spread_source(l, c->fd);
	}
	if (connect(c->fd, (struct sockaddr *)&l->peer, l->npeer) != 0)
		die("connect");
	l->counts.connects++;
	if (epoll_ctl(l->poll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
}

int
lane_open(struct lane *l)
{
	l->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->conns = calloc(l->nconns, sizeof(*l->conns));
	/* Slack: comparisons may look a few bytes beyond what came. */
	l->buffer = calloc(1, LANE_BUFFER + 512);
	if (l->poll_fd < 0 || l->conns == NULL || l->buffer == NULL)
		return -1;
	for (unsigned i = 0; i < l->nconns; i++) {
		l->conns[i].fd = -1;
		if (!l->churn)
			dial(l, &l->conns[i]);
	}
	return 0;
}

void
lane_close(struct lane *l)
{
	for (unsigned i = 0; i < l->nconns; i++) {
		if (l->conns[i].fd >= 0)
			close(l->conns[i].fd);
		free(l->conns[i].part);
	}
	free(l->conns);
	free(l->buffer);
	close(l->poll_fd);
}

/* ------------------------------------------------------------ sending */

static void
flush(struct lane *l, struct conn *c)
{
	ssize_t n;

	while (c->nout > 0) {
		n = send(c->fd, c->out, c->nout, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("send");
		c->out += n;
		c->nout -= (size_t)n;
		l->counts.sent += (uint64_t)n;
	}
}

static bool
exhausted(const struct lane *l)
{
	if (l->once && l->sent_batches == l->plan->nbatches)
		return true;
	return l->quota != 0 && l->sent_batches == l->quota;
}

static void
start(struct lane *l, struct conn *c, uint64_t since)
{
	const struct batch *b;

	if (exhausted(l))
		return;
	b = &l->plan->batches[l->next_batch];
	l->next_batch = (l->next_batch + 1) % l->plan->nbatches;
	l->sent_batches++;
	l->active++;
	c->busy = true;
	c->batch = b;
	c->op = b->op;
	c->end = b->op + b->nops;
	c->out = l->plan->bytes + b->start;
	c->nout = b->len;
	c->since = since;
	if (c->fd < 0)
		dial(l, c);
	flush(l, c);
}

/* ------------------------------------------------------------ receiving */

static void
finish(struct lane *l, struct conn *c)
{
	c->busy = false;
	l->active--;
	l->counts.batches++;
	if (l->churn) {
		close(c->fd);
		c->fd = -1;
	}
	if (atomic_load_explicit(l->stop, memory_order_relaxed))
		return;
	if (l->rate == 0) {
		start(l, c, clock_ns());
	} else if (c->waiting > 0) {
		c->waiting--;
		c->due += (uint64_t)((double)l->nconns * 1e9 / l->rate);
		start(l, c, c->due);
	}
}

static _Noreturn void
lost(const struct conn *c, const struct owed *op, const char *p, size_t n)
{
	fprintf(stderr,
	    "load: unexpected reply to key %u, kind %u, "
	    "op %u of batch: \"%.*s\"\n",
	    op->key, op->kind, c->op - c->batch->op, (int)(n < 80 ? n : 80), p);
	exit(1);
}

static void
count(struct lane *l, const struct owed *op, enum reply_kind kind, bool wrong)
{
	if (op->kind == OWED_END)
		return;
	l->counts.hits += kind == REPLY_HIT;
	l->counts.misses += kind == REPLY_MISS || kind == REPLY_ABSENT;
	l->counts.stored += kind == REPLY_STORED;
	l->counts.refused += kind == REPLY_ERROR;
	l->counts.wrong += wrong;
}

/* Of a large value so much is still to come. */
static void
begin_skip(struct lane *l, struct conn *c, const struct reply *r, size_t left)
{
	l->counts.wrong += r->wrong;
	c->tail = left >= r->tail ? r->tail : 0;
	c->skip = left - c->tail;
}

/*
 * Takes the replies that stand whole in n bytes at p; returns how many bytes
 * it took.  Of a large value its beginning is enough.
 */
static size_t
take(struct lane *l, struct conn *c, const char *p, size_t n)
{
	const struct plan *pl = l->plan;
	size_t at = 0;

	while (c->op < c->end && at < n) {
		const struct owed *op = &pl->ops[c->op];
		struct reply r;
		enum reply_kind kind = reply_read(pl, op, p + at, n - at, &r);

		if (kind == REPLY_MORE)
			break;
		if (kind == REPLY_LOST)
			lost(c, op, p + at, n - at);
		if (kind == REPLY_ABSENT) {
			count(l, op, kind, false);
			c->op++;
			continue;
		}
		if (at + r.nbytes > n && r.nbytes <= LANE_WHOLE)
			break;
		if (at + r.nbytes > n) {
			if (kind != REPLY_HIT)
				lost(c, op, p + at, n - at);
			begin_skip(l, c, &r, r.nbytes - (n - at));
			return n;
		}
		if (r.tail != 0 &&
		    !reply_tail_ok(pl, op, p + at + r.nbytes - r.tail, r.tail))
			r.wrong = true;
		count(l, op, kind, r.wrong);
		at += r.nbytes;
		c->op++;
	}
	return at;
}

/* The end of a large value that was skipped. */
static size_t
take_tail(struct lane *l, struct conn *c, const char *p, size_t n)
{
	const struct owed *op = &l->plan->ops[c->op];
	size_t tail = c->tail;

	if (n < tail)
		return 0;
	c->tail = 0;
	c->op++;
	count(l, op, REPLY_HIT, !reply_tail_ok(l->plan, op, p, tail));
	return tail;
}

static void
keep(struct conn *c, const char *p, size_t n)
{
	if (c->part == NULL)
		c->part = malloc(2 * LANE_WHOLE);
	if (c->part == NULL)
		die("malloc");
	if (n > 2 * LANE_WHOLE) {
		fprintf(stderr, "load: a reply too long to keep\n");
		exit(1);
	}
	memcpy(c->part, p, n);
	c->npart = n;
}

/* Returns what recv() returned, 0 for EAGAIN. */
static ssize_t
receive(struct lane *l, struct conn *c)
{
	/* MSG_TRUNC on TCP throws bytes away without copying them. */
	bool discard = c->skip > 0 && l->peer.ss_family == AF_INET;
	char *to = l->buffer;
	size_t room = LANE_BUFFER;
	ssize_t n;

	if (c->skip > 0) {
		room = discard || c->skip < room ? c->skip : room;
	} else if (c->npart > 0) {
		memcpy(to, c->part, c->npart);
		to += c->npart;
		room -= c->npart;
	}
	do
		n = recv(c->fd, discard ? NULL : to, room,
		    MSG_DONTWAIT | (discard ? MSG_TRUNC : 0));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		die("recv");
	if (n == 0) {
		fprintf(stderr, "load: the server hung up\n");
		exit(1);
	}
	l->counts.received += (uint64_t)n;
	return n;
}

static void
account(struct lane *l, struct conn *c, uint32_t before)
{
	uint64_t done = 0, now = clock_ns();

	for (uint32_t i = before; i < c->op; i++)
		done += l->plan->ops[i].kind != OWED_END;
	if (done > 0)
		hist_add(&l->hist, now > c->since ? now - c->since : 0, done);
	l->counts.ops += done;
	if (c->op == c->end)
		finish(l, c);
}

/* One read.  true if there may be more: we are told of new bytes only once. */
static bool
turn(struct lane *l, struct conn *c)
{
	uint32_t before = c->op;
	size_t had = c->skip > 0 ? 0 : c->npart;
	ssize_t got = receive(l, c);
	size_t n, at = 0;

	if (got == 0)
		return false;
	if (c->skip > 0) {
		c->skip -= (size_t)got;
		if (c->skip > 0 || c->tail > 0)
			return true;
		count(l, &l->plan->ops[c->op++], REPLY_HIT, false);
		account(l, c, before);
		return true;
	}
	n = had + (size_t)got;
	c->npart = 0;
	if (c->tail > 0)
		at = take_tail(l, c, l->buffer, n);
	if (c->tail == 0)
		at += take(l, c, l->buffer + at, n - at);
	if (at < n && c->op < c->end)
		keep(c, l->buffer + at, n - at);
	else if (at < n)
		lost(c, &l->plan->ops[c->op - 1], l->buffer + at, n - at);
	account(l, c, before);
	return n == LANE_BUFFER || c->skip > 0 || c->tail > 0;
}

/* ------------------------------------------------------------ the loop */

static void
serve(struct lane *l, struct conn *c, uint32_t events)
{
	int fd = c->fd;

	if (!c->busy && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
		fprintf(stderr, "load: the server hung up while idle\n");
		exit(1);
	}
	if (c->nout > 0 && (events & EPOLLOUT))
		flush(l, c);
	if (events & EPOLLIN)
		while (c->busy && c->fd == fd && turn(l, c))
			;
}

/* Starts what is due; returns nanoseconds until the next. */
static uint64_t
tick(struct lane *l)
{
	uint64_t now = clock_ns();

	while (l->clock_next <= now) {
		struct conn *c = &l->conns[l->turn];

		l->turn = (l->turn + 1) % l->nconns;
		if (c->busy) {
			c->waiting++;
		} else {
			c->due = l->clock_next;
			start(l, c, c->due);
		}
		l->started++;
		l->clock_next = l->clock_start +
				(uint64_t)((double)l->started * 1e9 / l->rate);
	}
	return l->clock_next - now;
}

static void
anew(struct lane *l)
{
	unsigned epoch = atomic_load_explicit(l->epoch, memory_order_acquire);

	if (epoch == l->seen_epoch)
		return;
	l->seen_epoch = epoch;
	memset(&l->counts, 0, sizeof(l->counts));
	hist_reset(&l->hist);
}

void
lane_run(struct lane *l)
{
	struct epoll_event events[LANE_EVENTS];

	l->clock_start = l->clock_next = clock_ns();
	for (unsigned i = 0; i < l->nconns && l->rate == 0; i++)
		start(l, &l->conns[i], clock_ns());
	while (!atomic_load_explicit(l->stop, memory_order_relaxed)) {
		struct timespec wait = {.tv_nsec = 20000000};
		int n;

		if (l->rate > 0) {
			uint64_t ns = tick(l);

			if (ns < (uint64_t)wait.tv_nsec)
				wait.tv_nsec = (long)ns;
		}
		if (exhausted(l) && l->active == 0)
			break;
		n = epoll_pwait2(l->poll_fd, events, LANE_EVENTS, &wait, NULL);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		anew(l);
		for (int i = 0; i < n; i++)
			serve(l, events[i].data.ptr, events[i].events);
	}
}
