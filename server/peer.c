/* peer.c - see peer.h. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/uri.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage room;
};

/* A path may hold anything; a name that is not there is "?". */
static void
describe_local(const union address *a, socklen_t n, struct peer *p)
{
	size_t at = offsetof(struct sockaddr_un, sun_path);
	size_t npath = n > at ? strnlen(a->local.sun_path, n - at) : 0;
	size_t most = (PEER_TEXT - 6) / URI_EXPANSION;
	char *out = p->text;

	p->local = true;
	p->port = 0;
	snprintf(p->host, sizeof(p->host), "unix");
	out += snprintf(out, PEER_TEXT, "unix:");
	if (npath == 0)
		*out++ = '?';
	out = uri_escape(out, a->local.sun_path, npath < most ? npath : most);
	*out = '\0';
}

static bool
describe(const union address *a, socklen_t n, struct peer *p)
{
	if (a->any.sa_family == AF_UNIX) {
		describe_local(a, n, p);
		return true;
	}
	p->local = false;
	if (a->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->v4.sin_addr, p->host, sizeof(p->host));
		p->port = ntohs(a->v4.sin_port);
		snprintf(p->text, sizeof(p->text), "tcp:%s:%u", p->host,
		    p->port);
		return true;
	}
	if (a->any.sa_family != AF_INET6)
		return false;
	inet_ntop(AF_INET6, &a->v6.sin6_addr, p->host, sizeof(p->host));
	p->port = ntohs(a->v6.sin6_port);
	snprintf(p->text, sizeof(p->text), "tcp6:[%s]:%u", p->host, p->port);
	return true;
}

bool
peer_own(int fd, struct peer *p)
{
	union address a;
	socklen_t n = sizeof(a);

	return getsockname(fd, &a.any, &n) == 0 && describe(&a, n, p);
}

bool
peer_client(int fd, struct peer *p)
{
	union address a;
	socklen_t n = sizeof(a);

	return getpeername(fd, &a.any, &n) == 0 && describe(&a, n, p);
}
