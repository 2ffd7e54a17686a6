/* service.c - see service.h. */
#include "server/service.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKETS_MAX = 64 };

/* A decimal number of the environment; 0 if there is none. */
static unsigned long
number(const char *name)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : 0;
}

unsigned
service_sockets(void)
{
	unsigned long n = number("LISTEN_FDS");

	/* Meant for another process, from which this one inherited them. */
	if (number("LISTEN_PID") != (unsigned long)getpid())
		n = 0;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return n > SOCKETS_MAX ? SOCKETS_MAX : (unsigned)n;
}

bool
service_is_managed(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && (*path == '/' || *path == '@');
}

void
service_tell(const char *state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n;
	int fd;

	if (!service_is_managed() ||
	    (n = strlen(path)) >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, n);
	/* An abstract name begins with a zero byte. */
	if (*path == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (struct sockaddr *)&sa,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}
