/* udp.c - see udp.h. */
#include "server/udp.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/config.h"
#include "server/log.h"
#include "server/peer.h"
#include "server/session.h"

enum {
	SOCKETS_MAX = 16,
	BURST = 64, /* datagrams per wake-up: others want their turn */
	REQUEST_MAX = 65536,
	PAYLOAD = UDP_DATAGRAM - UDP_HEAD,
};

struct udp_socket {
	uv_poll_t poll;
	struct udp *udp;
	int fd;
	enum proto_name protocol;
};

struct udp {
	struct server *server;
	struct host *host;
	uv_loop_t *loop;
	unsigned count;
	struct udp_socket sockets[SOCKETS_MAX];
	char request[REQUEST_MAX];
	char reply[UDP_REPLY_MAX];
};

/* ------------------------------------------------------------ serving */

/* Moves what the session has said to the reply; false if it is too much. */
static bool
collect(struct udp *u, size_t *n)
{
	struct output *o = u->host->out;
	struct iovec iov[OUTPUT_IOV];

	while (!output_empty(o)) {
		unsigned count = output_iov(o, u->host->cache, iov,
		    OUTPUT_IOV);

		for (unsigned i = 0; i < count; i++) {
			if (iov[i].iov_len > UDP_REPLY_MAX - *n) {
				output_clear(o, u->host->cache);
				return false;
			}
			memcpy(u->reply + *n, iov[i].iov_base,
			    iov[i].iov_len);
			*n += iov[i].iov_len;
			output_sent(o, u->host->cache, iov[i].iov_len);
		}
	}
	return true;
}

/* Returns the bytes of the reply. */
static size_t
converse(struct udp_socket *s, const char *in, size_t n)
{
	struct udp *u = s->udp;
	struct session session;
	enum session_verdict verdict;
	size_t used, nreply = 0;
	bool fits = true;

	session_init(&session, s->protocol);
	session.fd = s->fd;
	do {
		verdict = session_run(&session, u->host, in, n, &used);
		in += used;
		n -= used;
		if (verdict == SESSION_DROP)
			output_clear(u->host->out, u->host->cache);
		fits = collect(u, &nreply);
	} while (verdict == SESSION_FULL && fits);
	session_fini(&session, u->host);
	return fits ? nreply : 0;
}

static void
put16(unsigned char *at, size_t v)
{
	at[0] = (unsigned char)(v >> 8);
	at[1] = (unsigned char)v;
}

static void
send_reply(struct udp_socket *s, const unsigned char *id, size_t n,
    const struct sockaddr_storage *to, socklen_t nto)
{
	struct udp *u = s->udp;
	size_t count = (n + PAYLOAD - 1) / PAYLOAD;
	unsigned char head[UDP_HEAD] = { id[0], id[1] };

	put16(head + 4, count);
	for (size_t i = 0; i < count; i++) {
		size_t at = i * PAYLOAD;
		size_t part = n - at < PAYLOAD ? n - at : PAYLOAD;
		struct iovec iov[2] = { { head, UDP_HEAD },
			{ u->reply + at, part } };
		struct msghdr msg = {
			.msg_name = (void *)(uintptr_t)to,
			.msg_namelen = nto,
			.msg_iov = iov,
			.msg_iovlen = 2,
		};
		ssize_t sent;

		put16(head + 2, i);
		/* What does not fit into the socket is lost, as UDP is. */
		sent = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			count_up(&u->host->counters.bytes_written,
			    (uint64_t)sent);
	}
}

static bool
serve_one(struct udp_socket *s)
{
	struct udp *u = s->udp;
	const unsigned char *head = (const unsigned char *)u->request;
	struct sockaddr_storage from;
	socklen_t nfrom = sizeof(from);
	ssize_t got = recvfrom(s->fd, u->request, sizeof(u->request),
	    MSG_DONTWAIT, (struct sockaddr *)&from, &nfrom);
	size_t n;

	if (got < 0)
		return errno != EAGAIN && errno != EWOULDBLOCK;
	count_up(&u->host->counters.bytes_read, (uint64_t)got);
	if (got <= UDP_HEAD || head[4] != 0 || head[5] != 1)
		return true;
	n = converse(s, u->request + UDP_HEAD, (size_t)got - UDP_HEAD);
	send_reply(s, head, n, &from, nfrom);
	return true;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct udp_socket *s = poll->data;
	struct udp *u = s->udp;

	(void)status;
	(void)events;
	u->host->caller.now = clock_now(&u->server->clock, uv_now(u->loop));
	for (unsigned i = 0; i < BURST && serve_one(s); i++)
		;
}

/* ------------------------------------------------------------ binding */

static void
keep(struct udp *u, int fd, enum proto_name protocol)
{
	struct udp_socket *s = &u->sockets[u->count++];

	s->udp = u;
	s->fd = fd;
	s->protocol = protocol;
	if ((unsigned)fd < u->server->nconns)
		atomic_store_explicit(&u->server->conns[fd].state, CONN_UDP,
		    memory_order_relaxed);
}

static unsigned
bound_port(const struct udp_socket *s)
{
	struct peer own;

	return peer_own(s->fd, &own) ? own.port : 0;
}

/* 0 or an errno. */
static int
open_one(struct udp *u, const struct addrinfo *ai, enum proto_name protocol)
{
	const int on = 1;
	int error;
	int fd;

	if (u->count == SOCKETS_MAX)
		return EMFILE;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return errno;
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		error = errno;
		close(fd);
		return error;
	}
	keep(u, fd, protocol);
	return 0;
}

static int
bind_host(struct udp *u, const char *host, unsigned number,
    enum proto_name protocol, bool may_be_missing)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
	};
	struct addrinfo *found = NULL;
	char port[16];
	int error = EADDRNOTAVAIL;

	snprintf(port, sizeof(port), "%u",
	    number == CONFIG_PORT_ANY ? 0 : number);
	if (getaddrinfo(host, port, &hints, &found) == 0)
		for (const struct addrinfo *ai = found; ai != NULL &&
		    error != 0; ai = ai->ai_next)
			error = open_one(u, ai, protocol);
	if (found != NULL)
		freeaddrinfo(found);
	if (error == 0 || may_be_missing)
		return CONFIG_RUN;
	log_error("-U %s: cannot receive on %s: %s; choose another port, or "
	    "leave -U out", port, host != NULL ? host : "*", strerror(error));
	return CONFIG_NO_BIND;
}

static int
bind_list(struct udp *u)
{
	const char *list = u->server->config->listen, *text, *why;
	struct address a;
	size_t n;

	while ((text = address_next(&list, &n)) != NULL) {
		int status;

		if (!address_parse(text, n, &a, &why))
			continue; /* the TCP listeners have said so */
		/* As memcached: a port of its own is that of both. */
		status = bind_host(u, *a.host != '\0' ? a.host : NULL,
		    a.port != 0 ? a.port : u->server->config->udp_port,
		    a.has_protocol ? a.protocol : u->server->config->protocol,
		    false);
		if (status != CONFIG_RUN)
			return status;
	}
	return CONFIG_RUN;
}

int
udp_bind(struct server *srv, struct udp **out)
{
	struct udp *u;
	int status;

	*out = NULL;
	if (srv->config->udp_port == 0)
		return CONFIG_RUN;
	u = calloc(1, sizeof(*u));
	if (u == NULL || (u->host = host_new(srv)) == NULL) {
		free(u);
		log_error("out of memory for -U");
		return CONFIG_NO_BIND;
	}
	*out = u;
	u->server = srv;
	srv->hosts[srv->config->threads] = u->host;
	srv->nhosts = srv->config->threads + 1;
	if (srv->config->listen != NULL)
		return bind_list(u);
	status = bind_host(u, "127.0.0.1", srv->config->udp_port,
	    srv->config->protocol, false);
	/* Any free port shall be the same one for both. */
	if (status == CONFIG_RUN)
		status = bind_host(u, "::1", bound_port(&u->sockets[0]),
		    srv->config->protocol, true);
	return status;
}

void
udp_write_ports(const struct udp *u, FILE *file)
{
	struct peer own;

	for (unsigned i = 0; u != NULL && i < u->count; i++)
		if (peer_own(u->sockets[i].fd, &own))
			fprintf(file, "UDP %s: %u\n",
			    strchr(own.host, ':') != NULL ? "INET6" : "INET",
			    own.port);
}

/* ------------------------------------------------------------ life */

void
udp_start(struct udp *u, uv_loop_t *loop)
{
	if (u == NULL)
		return;
	u->loop = loop;
	for (unsigned i = 0; i < u->count; i++) {
		struct udp_socket *s = &u->sockets[i];

		if (uv_poll_init(loop, &s->poll, s->fd) != 0)
			abort();
		s->poll.data = s;
		uv_poll_start(&s->poll, UV_READABLE, on_readable);
	}
}

void
udp_stop(struct udp *u)
{
	for (unsigned i = 0; u != NULL && i < u->count; i++)
		uv_close((uv_handle_t *)&u->sockets[i].poll, NULL);
}

void
udp_free(struct udp **up)
{
	struct udp *u = *up;

	*up = NULL;
	if (u == NULL)
		return;
	for (unsigned i = 0; i < u->count; i++)
		close(u->sockets[i].fd);
	host_free(&u->host);
	free(u);
}
