/* bind.c - see listen.h: how its sockets come to be. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/config.h"
#include "server/listening.h"
#include "server/log.h"
#include "server/server.h"
#include "server/service.h"
#include "server/udp.h"

/* What to bind, and how to speak of it. */
struct wish {
	const char *option; /* "-l", "-p" */
	const char *host;   /* NULL: all */
	unsigned port;
	const struct address *address;
	bool may_be_missing;
};

static struct listener *
add_listener(struct listening *all, int fd)
{
	struct listener **grown, *l;

	grown = realloc(all->listeners, (all->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	all->listeners = grown;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->fd = fd;
	l->all = all;
	l->protocol = all->server->config->protocol;
	l->auth = all->server->auth != NULL;
	l->tls = all->server->tls != NULL ? ADDRESS_TLS_USUAL :
	    ADDRESS_TLS_NOT;
	grown[all->count++] = l;
	return l;
}

/* ------------------------------------------------------------ TCP */

static void
name_address(const struct sockaddr *sa, socklen_t n, char *name, size_t room)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(sa, n, host, sizeof(host), port, sizeof(port),
	    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(name, room, "?");
	else
		snprintf(name, room, sa->sa_family == AF_INET6 ? "[%s]:%s" :
		    "%s:%s", host, port);
}

/* As memcached sets them; accepted sockets inherit them. */
static void
set_options(int fd, int family)
{
	const struct linger none = { 0 };
	const int on = 1;

	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* 0 or an errno; *fd is set on 0. */
static int
open_tcp(const struct addrinfo *ai, unsigned backlog, int *fd)
{
	int error;

	*fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (*fd < 0)
		return errno;
	set_options(*fd, ai->ai_family);
	if (bind(*fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(*fd, (int)backlog) == 0)
		return 0;
	error = errno;
	close(*fd);
	return error;
}

static const char *
advise(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "; another server is there: end it, or choose another "
		       "port with -p";
	case EADDRNOTAVAIL:
		return "; this machine has no such address: correct -l";
	case EACCES:
		return "; ports below 1024 are root's: choose another with -p";
	default:
		return "";
	}
}

static bool
is_absent(int error)
{
	return error == EADDRNOTAVAIL || error == EAFNOSUPPORT ||
	    error == EPROTONOSUPPORT;
}

static int
keep_tcp(struct listening *all, int fd, const struct wish *wish)
{
	struct listener *l = add_listener(all, fd);
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);

	if (l == NULL) {
		close(fd);
		log_error("out of memory for a listener");
		return CONFIG_NO_BIND;
	}
	getsockname(fd, (struct sockaddr *)&sa, &n);
	name_address((struct sockaddr *)&sa, n, l->name, sizeof(l->name));
	if (wish->address != NULL) {
		if (wish->address->has_protocol)
			l->protocol = wish->address->protocol;
		if (wish->address->noauth)
			l->auth = false;
		if (all->server->tls != NULL)
			l->tls = wish->address->tls;
		memcpy(l->tag, wish->address->tag, sizeof(l->tag));
	}
	return CONFIG_RUN;
}

/* A name may stand for several addresses; one must work, and none may be
 * taken by somebody else. */
static int
bind_each(struct listening *all, const struct wish *wish,
    const struct addrinfo *found)
{
	unsigned bound = 0, backlog = all->server->config->listen_backlog;
	char name[LISTEN_NAME_MAX] = "nothing";
	int error = 0, fd, status;

	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		int e = open_tcp(ai, backlog, &fd);

		if (e == 0) {
			status = keep_tcp(all, fd, wish);
			if (status != CONFIG_RUN)
				return status;
			bound++;
			continue;
		}
		error = e;
		name_address(ai->ai_addr, ai->ai_addrlen, name, sizeof(name));
		if (!is_absent(e)) {
			bound = 0;
			break;
		}
	}
	if (bound > 0 || (wish->may_be_missing && is_absent(error)))
		return CONFIG_RUN;
	log_error("%s: cannot listen on %s: %s%s", wish->option, name,
	    strerror(error), advise(error));
	return CONFIG_NO_BIND;
}

static int
bind_wish(struct listening *all, const struct wish *wish)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	char port[16];
	int status;

	snprintf(port, sizeof(port), "%u",
	    wish->port == CONFIG_PORT_ANY ? 0 : wish->port);
	status = getaddrinfo(wish->host, port, &hints, &found);
	if (status != 0) {
		const char *host = wish->host != NULL ? wish->host : "*";

		log_error("%s: there is no address for %s: %s; %s",
		    wish->option, host, status == EAI_SYSTEM ?
		    strerror(errno) : gai_strerror(status),
		    strchr(host, ':') != NULL ? "with a port, write [V6]:PORT" :
		    "name an address of this machine, or a host that it can "
		    "look up");
		return CONFIG_NO_BIND;
	}
	status = bind_each(all, wish, found);
	freeaddrinfo(found);
	return status;
}

/* What an address says that the options do not let it; NULL: nothing. */
static const char *
contradict(const struct config *config, const struct address *a)
{
	bool text = config->auth_file != NULL, sasl = config->sasl;

	if (a->tls != ADDRESS_TLS_USUAL && !config->ssl)
		return "notls:, btls: and mtls: go with -Z; without it every "
		       "listener serves in clear";
	if (a->auth && !text && !sasl)
		return "auth: needs a user file; name it with -Y";
	if (a->noauth || !a->has_protocol)
		return NULL;
	if (a->protocol == PROTO_BINARY && text && !sasl)
		return "proto[binary]: to log in by the binary protocol alone "
		       "is SASL; add -S";
	if (a->protocol == PROTO_TEXT && sasl && !text)
		return "proto[ascii]: SASL is of the binary protocol; name "
		       "the user file with -Y";
	return NULL;
}

/* -l.  An address without a port has that of -p; with -p 0 that is none. */
static int
bind_list(struct listening *all, const struct config *config)
{
	const char *list = config->listen, *text, *why;
	struct address a;
	size_t n;

	while ((text = address_next(&list, &n)) != NULL) {
		struct wish wish = { .option = "-l", .address = &a };
		int status;

		if (!address_parse(text, n, &a, &why)) {
			log_error("-l %.*s: %s", (int)n, text, why);
			return CONFIG_USAGE;
		}
		why = contradict(config, &a);
		if (why != NULL) {
			log_error("-l %.*s: %s", (int)n, text, why);
			return CONFIG_USAGE;
		}
		wish.host = *a.host != '\0' ? a.host : NULL;
		wish.port = a.port != 0 ? a.port : config->port;
		if (wish.port == 0)
			continue;
		if (a.tls == ADDRESS_TLS_MUTUAL && config->ssl_ca_cert == NULL)
			log_warn("-l %.*s: without -o ssl_ca_cert no client's "
			    "certificate is good", (int)n, text);
		status = bind_wish(all, &wish);
		if (status != CONFIG_RUN)
			return status;
	}
	return CONFIG_RUN;
}

/* The port that a listener got. */
static unsigned
bound_port(const struct listener *l)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);

	if (getsockname(l->fd, (struct sockaddr *)&sa, &n) != 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ?
	    ((struct sockaddr_in6 *)&sa)->sin6_port :
	    ((struct sockaddr_in *)&sa)->sin_port);
}

static int
bind_loopback(struct listening *all, const struct config *config)
{
	struct wish wish = { "-p", "127.0.0.1", config->port, NULL, false };
	int status = bind_wish(all, &wish);

	if (status != CONFIG_RUN)
		return status;
	/* Any free port shall be the same one for both. */
	wish.port = bound_port(all->listeners[all->count - 1]);
	wish.host = "::1";
	wish.may_be_missing = true;
	return bind_wish(all, &wish);
}

int
listen_bind_tcp(struct listening *all)
{
	const struct config *config = all->server->config;
	int status = CONFIG_RUN;

	if (all->inherited)
		return CONFIG_RUN;
	if (config->listen != NULL)
		status = bind_list(all, config);
	else if (config->port != 0 &&
	    (config->unix_socket == NULL || config->has_port))
		status = bind_loopback(all, config);
	/* As memcached, which starts all the same. */
	if (status == CONFIG_RUN && all->count == 0 &&
	    config->unix_socket == NULL && config->udp_port == 0)
		log_warn("-p 0 leaves nothing to listen on: nobody can be "
		    "served; name a unix socket with -s, or an address with "
		    "its port with -l");
	return status;
}

/* ------------------------------------------------------------ inherited */

/* A socket of the service manager's.  false: it is not one that can be
 * listened on. */
static bool
adopt(struct listening *all, int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa), size = sizeof(int);
	int listens = 0, flags = fcntl(fd, F_GETFL);
	struct listener *l;

	if (flags < 0 || getsockname(fd, (struct sockaddr *)&sa, &n) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
	    !listens || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
	    (l = add_listener(all, fd)) == NULL)
		return false;
	l->is_unix = sa.ss_family == AF_UNIX;
	if (l->is_unix) {
		const struct sockaddr_un *un = (struct sockaddr_un *)&sa;

		l->tls = ADDRESS_TLS_NOT;
		if (all->server->config->unix_noauth)
			l->auth = false;
		snprintf(l->name, sizeof(l->name), "%s",
		    *un->sun_path != '\0' ? un->sun_path : "a unix socket");
		return true;
	}
	set_options(fd, AF_INET);
	name_address((struct sockaddr *)&sa, n, l->name, sizeof(l->name));
	return true;
}

int
listen_inherit(struct listening *all, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = SERVICE_FIRST_SOCKET + (int)i;

		if (adopt(all, fd)) {
			log_info("listening on %s, which the service manager "
			    "opened", all->listeners[all->count - 1]->name);
			continue;
		}
		log_error("LISTEN_FDS: descriptor %d is no socket that can be "
		    "listened on", fd);
		return CONFIG_NO_BIND;
	}
	all->inherited = count > 0;
	return CONFIG_RUN;
}

/* ------------------------------------------------------------ unix */

/* A file that a dead server left may be replaced, a living one's not. */
static bool
is_alive(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ||
	    errno == EAGAIN;
	close(fd);
	return alive;
}

static int
clear_path(const struct sockaddr_un *sa)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) != 0)
		return CONFIG_RUN;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("-s %s: there is a file of that name, and it is no "
		    "socket; remove it, or choose another name",
		    sa->sun_path);
		return CONFIG_NO_BIND;
	}
	if (is_alive(sa)) {
		log_error("-s %s: another server listens there; end it, or "
		    "choose another name", sa->sun_path);
		return CONFIG_NO_BIND;
	}
	if (unlink(sa->sun_path) != 0) {
		log_error("-s %s: cannot replace the old socket: %s",
		    sa->sun_path, strerror(errno));
		return CONFIG_NO_BIND;
	}
	return CONFIG_RUN;
}

/* The socket must never be open to more than -a says, not for a moment. */
static int
open_unix(const struct config *config, const struct sockaddr_un *sa, int *fd)
{
	const int on = 1;
	mode_t before;
	int failed;

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return errno;
	setsockopt(*fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	before = umask(~config->unix_mask & 0777);
	failed = bind(*fd, (const struct sockaddr *)sa, sizeof(*sa));
	umask(before);
	if (failed == 0 && listen(*fd, (int)config->listen_backlog) == 0)
		return 0;
	failed = errno;
	close(*fd);
	return failed;
}

static void
remember_file(struct listening *all, const char *path)
{
	struct stat st;

	all->unix_path = realpath(path, NULL);
	if (all->unix_path == NULL || lstat(all->unix_path, &st) != 0)
		return;
	all->unix_dev = st.st_dev;
	all->unix_ino = st.st_ino;
}

void
listening_remove_file(struct listening *all)
{
	struct stat st;

	if (all->unix_path == NULL || lstat(all->unix_path, &st) != 0)
		return;
	if (st.st_dev == all->unix_dev && st.st_ino == all->unix_ino)
		(void)unlink(all->unix_path);
}

int
listen_bind_unix(struct listening *all)
{
	const struct config *config = all->server->config;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = config->unix_socket;
	struct listener *l;
	int error, fd, status;

	if (path == NULL || all->inherited)
		return CONFIG_RUN;
	if (strlen(path) >= sizeof(sa.sun_path)) {
		log_error("-s %s: longer than %zu bytes, which a socket's name "
		    "may have", path, sizeof(sa.sun_path) - 1);
		return CONFIG_NO_BIND;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	status = clear_path(&sa);
	if (status != CONFIG_RUN)
		return status;
	error = open_unix(config, &sa, &fd);
	if (error != 0) {
		log_error("-s %s: cannot make the socket: %s; its folder must "
		    "be writable", path, strerror(error));
		return CONFIG_NO_BIND;
	}
	remember_file(all, path);
	l = add_listener(all, fd);
	if (l == NULL) {
		close(fd);
		return CONFIG_NO_BIND;
	}
	l->is_unix = true;
	l->tls = ADDRESS_TLS_NOT;
	if (config->unix_noauth)
		l->auth = false;
	snprintf(l->name, sizeof(l->name), "%s", path);
	return CONFIG_RUN;
}

/* ------------------------------------------------------------ port file */

int
listen_write_ports(const struct listening *all, const struct udp *udp)
{
	const char *path = getenv("MEMCACHED_PORT_FILENAME");
	char beside[4096];
	unsigned tcp = 0;
	FILE *file;

	for (unsigned i = 0; i < all->count; i++)
		tcp += !all->listeners[i]->is_unix;
	if (path == NULL || (tcp == 0 && udp == NULL && all->count > 0))
		return CONFIG_RUN;
	snprintf(beside, sizeof(beside), "%s.lck", path);
	file = fopen(beside, "w");
	for (unsigned i = 0; file != NULL && i < all->count; i++) {
		const struct listener *l = all->listeners[i];

		if (!l->is_unix)
			fprintf(file, "TCP %s: %u\n", *l->name == '[' ?
			    "INET6" : "INET", bound_port(l));
	}
	if (file != NULL)
		udp_write_ports(udp, file);
	if (file == NULL || fclose(file) != 0 || rename(beside, path) != 0)
		log_warn("MEMCACHED_PORT_FILENAME=%s: cannot write it: %s",
		    path, strerror(errno));
	return CONFIG_RUN;
}
