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
#include "server/openssl.h"

enum { PATIENCE_S = 3, HEAD = 24, REPLY_MAX = 256 };

/* Where to ask, in words, and how. */
struct door {
	char name[ADDRESS_HOST_MAX + 32];
	bool binary;
	bool tls;
	bool is_clear; /* it should be TLS, and is not */
	SSL *ssl;
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
	door->tls = config->ssl && a.tls != ADDRESS_TLS_NOT && !door->is_clear;
	if (a.port == CONFIG_PORT_ANY ||
	    getaddrinfo(a.host, port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = connect_to(found->ai_family, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

/* Whether it lives is the question, not who it is: no certificate is looked
 * at.  false: no memory, or no library. */
static bool
open_tls(struct door *door, int fd)
{
	SSL_CTX *x = openssl_load() ? SSL_CTX_new(TLS_client_method()) : NULL;

	if (x == NULL)
		return false;
	ERR_clear_error();
	SSL_CTX_set_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF);
	door->ssl = SSL_new(x);
	SSL_CTX_free(x);
	if (door->ssl == NULL || SSL_set_fd(door->ssl, fd) != 1)
		return false;
	SSL_set_connect_state(door->ssl);
	return true;
}

/* The server has said no, which only a living one does. */
static bool
is_refused(int reason)
{
	return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
	    reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE ||
	    reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE;
}

static ssize_t
send_some(const struct door *door, int fd, const char *from, size_t n)
{
	return door->ssl == NULL ? send(fd, from, n, MSG_NOSIGNAL) :
	    SSL_write(door->ssl, from, (int)n);
}

static ssize_t
receive_some(const struct door *door, int fd, char *to, size_t n)
{
	int got;

	if (door->ssl == NULL)
		return recv(fd, to, n, 0);
	got = SSL_read(door->ssl, to, (int)n);
	return got > 0 || SSL_get_error(door->ssl, got) ==
	    SSL_ERROR_ZERO_RETURN ? got : -1;
}

/* Asks for the version.  The length of the reply, or -1. */
static ssize_t
ask(struct door *door, int fd, char *reply)
{
	bool binary = door->binary;
	static const char text[] = "version\r\n";
	static const char packet[HEAD] = { '\x80', 0x0b };
	ssize_t n = binary ? (ssize_t)sizeof(packet) :
	    (ssize_t)sizeof(text) - 1, got;
	size_t have = 0, want;

	if (door->tls && !open_tls(door, fd))
		return -1;
	if (send_some(door, fd, binary ? packet : text, (size_t)n) != n)
		return -1;
	for (;;) {
		got = receive_some(door, fd, reply + have,
		    REPLY_MAX - 1 - have);
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

/* What is good of the server, or NULL; *n: the length of its reply, or -1. */
static const char *
visit(const struct config *config, struct door *door, char *reply, ssize_t *n)
{
	const char *good = NULL;
	int fd = config->unix_socket != NULL ? open_unix(config, door) :
	    open_tcp(config, door);
	int error;

	*n = -1;
	if (fd < 0)
		return NULL;
	*n = ask(door, fd, reply);
	error = errno;
	if (*n >= 0)
		good = judge(reply, *n, door->binary);
	if (door->ssl != NULL) {
		int reason = ERR_GET_REASON(ERR_peek_error());

		if (*n < 0 && is_refused(reason))
			good = "wants a client certificate";
		else if (*n < 0 && reason != 0)
			error = EPROTO;
		door->is_clear = reason == SSL_R_WRONG_VERSION_NUMBER;
		SSL_free(door->ssl);
		door->ssl = NULL;
	}
	close(fd);
	errno = error;
	return good;
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
	const char *good;
	ssize_t n;
	int error;

	errno = 0;
	good = visit(config, &door, reply, &n);
	/* Who comes when it is full is told so in clear, and by nobody else. */
	if (door.is_clear && visit(config, &door, reply, &n) != NULL &&
	    strncmp(reply, "ERROR Too many", 14) == 0)
		good = "is full";
	error = errno == EAGAIN ? ETIMEDOUT : errno;
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
