/* health.c - see health.h. */
#include "server/health.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/address.h"
#include "server/config.h"

enum { PATIENCE_S = 3, HEAD = 24, REPLY_MAX = 256 };

/* Where to ask, in words, and how. */
struct door {
	char name[ADDRESS_HOST_MAX + 32];
	bool binary;
};

/* The connected socket, or -1 with errno. */
static int
connect_to(int family, const struct sockaddr *sa, socklen_t n)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, sa, n) == 0)
		return fd;
	/* What a socket with a time limit says when that is over. */
	error = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	errno = error;
	return -1;
}

static int
open_unix(const struct config *config, struct door *door)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(door->name, sizeof(door->name), "%s", config->unix_socket);
	if (strlen(config->unix_socket) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, config->unix_socket,
	    strlen(config->unix_socket) + 1);
	return connect_to(AF_UNIX, (struct sockaddr *)&sa, sizeof(sa));
}

/* The first of -l that has a port; all addresses are this machine's, too. */
static void
choose(const struct config *config, struct address *a)
{
	const char *list = config->listen, *text, *why;
	size_t n;

	*a = (struct address){ .host = "127.0.0.1", .port = config->port };
	while (list != NULL && (text = address_next(&list, &n)) != NULL) {
		if (!address_parse(text, n, a, &why))
			continue;
		if (a->port == 0)
			a->port = config->port;
		if (a->port != 0)
			break;
	}
	if (*a->host == '\0' || strcmp(a->host, "0.0.0.0") == 0)
		snprintf(a->host, sizeof(a->host), "127.0.0.1");
	else if (strcmp(a->host, "::") == 0)
		snprintf(a->host, sizeof(a->host), "::1");
}

static int
open_tcp(const struct config *config, struct door *door)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	struct address a;
	char port[16];
	int fd;

	choose(config, &a);
	snprintf(port, sizeof(port), "%u", a.port);
	snprintf(door->name, sizeof(door->name), "%s:%s", a.host, port);
	if (a.has_protocol)
		door->binary = a.protocol == PROTO_BINARY;
	if (a.port == CONFIG_PORT_ANY ||
	    getaddrinfo(a.host, port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = connect_to(found->ai_family, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

/* Asks for the version.  The length of the reply, or -1. */
static ssize_t
ask(int fd, bool binary, char *reply)
{
	static const char text[] = "version\r\n";
	static const char packet[HEAD] = { '\x80', 0x0b };
	ssize_t n = binary ? (ssize_t)sizeof(packet) :
	    (ssize_t)sizeof(text) - 1, got;
	size_t have = 0, want;

	if (send(fd, binary ? packet : text, (size_t)n, MSG_NOSIGNAL) != n)
		return -1;
	for (;;) {
		got = recv(fd, reply + have, REPLY_MAX - 1 - have, 0);
		if (got < 0)
			return -1;
		have += (size_t)got;
		reply[have] = '\0';
		want = have < HEAD ? HEAD : HEAD + (size_t)(uint8_t)reply[11];
		if (got == 0 || have == REPLY_MAX - 1 ||
		    (binary ? have >= want : strchr(reply, '\n') != NULL))
			return (ssize_t)have;
	}
}

/* What is good of it, or NULL.  One that wants a login, or is full, lives. */
static const char *
judge(char *reply, ssize_t n, bool binary)
{
	if (binary) {
		if (n < HEAD || reply[0] != '\x81')
			return NULL;
		return reply[6] == 0 && reply[7] == 0 ? reply + HEAD :
		    "wants a login";
	}
	reply[strcspn(reply, "\r\n")] = '\0';
	if (strncmp(reply, "VERSION ", 8) == 0)
		return reply + 8;
	if (strncmp(reply, "CLIENT_ERROR ", 13) == 0)
		return reply + 13;
	return strncmp(reply, "ERROR ", 6) == 0 ? reply + 6 : NULL;
}

int
health_check(const struct config *config, FILE *out, FILE *err)
{
	struct door door = {
		.binary = config->has_protocol ?
		    config->protocol == PROTO_BINARY :
		    config->sasl && config->auth_file == NULL,
	};
	char reply[REPLY_MAX];
	const char *good = NULL;
	ssize_t n = -1;
	int fd, error;

	errno = 0;
	fd = config->unix_socket != NULL ? open_unix(config, &door) :
	    open_tcp(config, &door);
	if (fd >= 0)
		n = ask(fd, door.binary, reply);
	if (n >= 0)
		good = judge(reply, n, door.binary);
	error = errno == EAGAIN ? ETIMEDOUT : errno;
	if (fd >= 0)
		close(fd);
	if (good != NULL) {
		fprintf(out, "slabd: %s answers: %s\n", door.name, good);
		return 0;
	}
	if (n == 0)
		fprintf(err, "slabd: %s closed without an answer\n",
		    door.name);
	else
		fprintf(err, "slabd: %s: %s\n", door.name, n > 0 ?
		    "who answers is no cache server" : strerror(error));
	return 1;
}
