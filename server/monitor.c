/* monitor.c - see monitor.h. */
#include "server/monitor.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "server/address.h"
#include "server/config.h"
#include "server/host.h"
#include "server/log.h"
#include "server/metrics.h"

enum {
	FAILED = 1,
	BACKLOG = 16,
	CLIENTS_MAX = 32,
	TIMEOUT_S = 10,
};

/* What is used of the library. */
#define CALLS(X)                                                              \
	X(MHD_start_daemon)                                                   \
	X(MHD_stop_daemon)                                                    \
	X(MHD_create_response_from_buffer)                                    \
	X(MHD_add_response_header)                                            \
	X(MHD_queue_response)                                                 \
	X(MHD_destroy_response)

struct monitor {
	struct server *server;
	struct host *host; /* the thread's own */
	const char *where;
	int fd;
	void *library;
	struct MHD_Daemon *daemon;
	_Atomic bool ending;
#define X(name) __typeof__(name) *name;
	CALLS(X)
#undef X
};

/* ------------------------------------------------------------ binding */

static bool
load(struct monitor *m)
{
	m->library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
	if (m->library == NULL)
		m->library = dlopen("libmicrohttpd.so", RTLD_NOW | RTLD_LOCAL);
	if (m->library == NULL)
		return false;
#define X(name)                                                               \
	*(void **)&m->name = dlsym(m->library, #name);                        \
	if (m->name == NULL)                                                  \
		return false;
	CALLS(X)
#undef X
	return true;
}

static int
bind_first(const struct addrinfo *found)
{
	const int on = 1;
	int fd = socket(found->ai_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
bind_at(struct monitor *m, const struct address *a)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	char port[16];
	int error;

	snprintf(port, sizeof(port), "%u", a->port);
	error = getaddrinfo(*a->host != '\0' ? a->host : NULL, port, &hints,
	    &found);
	if (error != 0) {
		log_error("-o metrics=%s: there is no such address: %s; "
		    "write ADDRESS:PORT, as in 127.0.0.1:9150", m->where,
		    gai_strerror(error));
		return CONFIG_NO_BIND;
	}
	m->fd = bind_first(found);
	if (m->fd < 0)
		log_error("-o metrics=%s: cannot listen there: %s; choose a "
		    "free port of an address of this machine", m->where,
		    strerror(errno));
	freeaddrinfo(found);
	return m->fd < 0 ? CONFIG_NO_BIND : CONFIG_RUN;
}

/* A number alone is a port of loopback. */
static bool
parse(const char *where, struct address *a, const char **why)
{
	char whole[ADDRESS_HOST_MAX + 16];

	snprintf(whole, sizeof(whole), "%s%s",
	    strspn(where, "0123456789") == strlen(where) ? "127.0.0.1:" : "",
	    where);
	if (!address_parse(whole, strlen(whole), a, why))
		return false;
	*why = "there is no TLS here";
	if (a->tls == ADDRESS_TLS_BASIC || a->tls == ADDRESS_TLS_MUTUAL)
		return false;
	*why = "needs a port of 1 to 65535, as in 127.0.0.1:9150";
	return a->port > 0 && a->port < CONFIG_PORT_ANY;
}

int
monitor_bind(struct server *srv, struct monitor **mp)
{
	const char *where = srv->config->metrics, *why;
	struct address a;
	struct monitor *m;

	*mp = NULL;
	if (where == NULL)
		return CONFIG_RUN;
	if (!parse(where, &a, &why)) {
		log_error("-o metrics=%s: %s", where, why);
		return CONFIG_USAGE;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL || (m->host = host_new(srv)) == NULL) {
		free(m);
		log_error("out of memory at the start");
		return FAILED;
	}
	m->server = srv;
	m->where = where;
	m->fd = -1;
	*mp = m;
	if (!load(m)) {
		log_error("-o metrics=%s: needs libmicrohttpd (on Debian: "
		    "apt-get install libmicrohttpd12): %s", where, dlerror());
		return FAILED;
	}
	return bind_at(m, &a);
}

/* ------------------------------------------------------------ serving */

static struct MHD_Response *
say(struct monitor *m, const char *text)
{
	return m->MHD_create_response_from_buffer(strlen(text), (void *)text,
	    MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *
print_metrics(struct monitor *m)
{
	struct MHD_Response *response;
	struct timespec mono;
	size_t n;
	char *text;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	m->host->caller.now = clock_now(&m->server->clock,
	    (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000);
	text = metrics_print(m->host, &n);
	if (text == NULL)
		return NULL;
	response = m->MHD_create_response_from_buffer(n, text,
	    MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	else
		m->MHD_add_response_header(response,
		    MHD_HTTP_HEADER_CONTENT_TYPE,
		    "text/plain; version=0.0.4; charset=utf-8");
	return response;
}

static struct MHD_Response *
answer(struct monitor *m, const char *url, const char *method,
    unsigned *status)
{
	*status = MHD_HTTP_METHOD_NOT_ALLOWED;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(m, "only GET and HEAD\n");
	*status = MHD_HTTP_OK;
	if (strcmp(url, "/metrics") == 0)
		return print_metrics(m);
	if (strcmp(url, "/healthz") == 0) {
		if (!atomic_load(&m->ending))
			return say(m, "ok\n");
		*status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return say(m, "ending\n");
	}
	*status = MHD_HTTP_NOT_FOUND;
	return say(m, "there are /metrics and /healthz\n");
}

/* NULL closes the connection. */
static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *ndata,
    void **state)
{
	struct monitor *m = arg;
	struct MHD_Response *response;
	enum MHD_Result result;
	unsigned status;

	(void)version;
	(void)data;
	/* The body of a request is read, and forgotten. */
	if (*state == NULL) {
		*state = m;
		return MHD_YES;
	}
	if (*ndata > 0) {
		*ndata = 0;
		return MHD_YES;
	}
	response = answer(m, url, method, &status);
	if (response == NULL)
		return MHD_NO;
	result = m->MHD_queue_response(connection, status, response);
	m->MHD_destroy_response(response);
	return result;
}

int
monitor_start(struct monitor *m)
{
	if (m == NULL)
		return CONFIG_RUN;
	m->daemon = m->MHD_start_daemon(
	    MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, m,
	    MHD_OPTION_LISTEN_SOCKET, (MHD_socket)m->fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
	    MHD_OPTION_END);
	if (m->daemon == NULL) {
		log_error("-o metrics=%s: cannot serve there: %s", m->where,
		    strerror(errno));
		return FAILED;
	}
	log_info("-o metrics=%s: serving /metrics and /healthz", m->where);
	return CONFIG_RUN;
}

void
monitor_ending(struct monitor *m)
{
	if (m != NULL)
		atomic_store(&m->ending, true);
}

void
monitor_free(struct monitor **mp)
{
	struct monitor *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	/* The library closes the socket that it was given. */
	if (m->daemon != NULL)
		m->MHD_stop_daemon(m->daemon);
	else if (m->fd >= 0)
		close(m->fd);
	host_free(&m->host);
	/* It stays loaded: to unload it saves nothing at the end. */
	free(m);
}
