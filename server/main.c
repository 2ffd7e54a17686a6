/*
 * main.c - the order in which a server comes to be, and its mirror image.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "server/auth.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/health.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/memfile.h"
#include "server/monitor.h"
#include "server/server.h"
#include "server/service.h"
#include "server/supply.h"
#include "server/tls.h"
#include "server/udp.h"
#include "server/worker.h"

enum {
	FAILED = 1,
	UPKEEP_MS = 1000,
	/* There is more to do: soon, but what came meanwhile goes first. */
	UPKEEP_BUSY_MS = 1,
};

struct program {
	struct config config;
	struct daemon daemon;
	struct server server;
	struct listening *listening;
	struct udp *udp; /* NULL without -U */
	struct monitor *monitor; /* NULL without -o metrics */
	struct worker **workers;
	unsigned nworkers;
	struct supply *supply;
	bool keep; /* the cache, for the next server */
	uv_loop_t loop;
	uv_timer_t upkeep;
	uv_signal_t term, interrupt, graceful, hangup;
};

/* ------------------------------------------------------------ serving */

static void
on_upkeep(uv_timer_t *timer)
{
	struct program *p = timer->data;
	uint64_t ms = uv_now(&p->loop);
	bool more = cache_upkeep(p->server.cache,
	    clock_now(&p->server.clock, ms));

	/* When a second begins, much dies at once. */
	ms = clock_into_second(&p->server.clock, ms);
	uv_timer_start(timer, on_upkeep, more ? UPKEEP_BUSY_MS : UPKEEP_MS - ms,
	    0);
}

/* Nothing but the handles of the main loop keeps it running: closing them
 * ends it.  A second signal then has its default effect, but for a terminal
 * that is closed, replies being still on their way, and a SIGUSR1 after the
 * first: who asks twice for the cache to be kept shall have it. */
static void
end_loop(struct program *p)
{
	sigset_t spared, before;

	service_tell("STOPPING=1");
	listen_stop(p->listening);
	udp_stop(p->udp);
	uv_close((uv_handle_t *)&p->upkeep, NULL);
	/* Between libuv's handler and none at all they would end it. */
	sigemptyset(&spared);
	sigaddset(&spared, SIGHUP);
	sigaddset(&spared, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &spared, &before);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->graceful, NULL);
	uv_close((uv_handle_t *)&p->hangup, NULL);
	signal(SIGHUP, SIG_IGN);
	if (p->keep)
		signal(SIGUSR1, SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
on_end(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;

	if (uv_is_closing((uv_handle_t *)&p->upkeep))
		return;
	p->keep = number == SIGUSR1;
	if (number == SIGUSR1)
		log_warn("Gracefully stopping");
	else
		log_info("%s: ending", strsignal(number));
	end_loop(p);
}

static void
reload_users(struct server *srv)
{
	char why[USERS_WHY_MAX];

	if (auth_reload(srv->auth, why))
		log_info("SIGHUP: the users were read again");
	else
		log_error("%s; the users of before stay", why);
}

static void
reload_certificates(struct server *srv, uint64_t ms)
{
	char why[TLS_WHY_MAX];

	if (tls_reload(srv->tls, clock_now(&srv->clock, ms), why))
		log_info("SIGHUP: the certificates were read again");
	else
		log_error("Could not reload TLS certificates on SIGHUP: %s; "
		    "those of before stay", why);
}

static void
on_hangup(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	struct server *srv = &p->server;

	(void)number;
	if (srv->auth == NULL && srv->tls == NULL)
		log_info("SIGHUP: there is nothing to read again");
	if (srv->auth != NULL)
		reload_users(srv);
	if (srv->tls != NULL)
		reload_certificates(srv, uv_now(&p->loop));
}

static void
watch_signal(struct program *p, uv_signal_t *handle, uv_signal_cb on_signal,
    int number)
{
	uv_signal_init(&p->loop, handle);
	handle->data = p;
	uv_signal_start(handle, on_signal, number);
}

static void
start_loop(struct program *p)
{
	watch_signal(p, &p->term, on_end, SIGTERM);
	watch_signal(p, &p->interrupt, on_end, SIGINT);
	watch_signal(p, &p->graceful, on_end, SIGUSR1);
	watch_signal(p, &p->hangup, on_hangup, SIGHUP);
	uv_timer_init(&p->loop, &p->upkeep);
	p->upkeep.data = p;
	uv_timer_start(&p->upkeep, on_upkeep, UPKEEP_MS, 0);
	listen_start(p->listening, &p->loop, p->workers, p->config.threads);
	udp_start(p->udp, &p->loop);
}

/* ------------------------------------------------------------ greeting */

static void
print_try(char *text, size_t room, const struct listener *l)
{
	const char *colon = strrchr(l->name, ':');

	if (l->is_unix)
		snprintf(text, room, "nc -U %s", l->name);
	else if (colon != NULL)
		snprintf(text, room, l->tls == ADDRESS_TLS_NOT ? "nc %s %s" :
		    "openssl s_client -quiet -connect %s:%s",
		    strncmp(l->name, "0.0.0.0:", 8) == 0 ||
		    *l->name == '[' ? "localhost" : "127.0.0.1", colon + 1);
}

static void
greet(const struct program *p)
{
	char where[512], try[192] = "slabd -h";
	unsigned count = listen_count(p->listening);
	size_t used = 0;

	if (p->config.verbosity == 0 && !isatty(STDERR_FILENO))
		return;
	for (unsigned i = 0; i < count && used < sizeof(where); i++)
		used += (size_t)snprintf(where + used, sizeof(where) - used,
		    "%s%s", i > 0 ? ", " : "",
		    listen_at(p->listening, i)->name);
	print_try(try, sizeof(try), listen_at(p->listening, 0));
	fprintf(stderr, "slabd " SLABD_VERSION " serves on %s, %zu MB, "
	    "%u threads. Try: %s\n", where, p->config.memory_limit >> 20,
	    p->config.threads, try);
}

/* ------------------------------------------------------------ life */

static int
start_server(struct program *p)
{
	const char *why;

	if (server_init(&p->server, &p->config, &why) != 0) {
		log_error("%s", why);
		return FAILED;
	}
	p->listening = listen_new(&p->server);
	if (p->listening == NULL) {
		log_error("out of memory at the start");
		return FAILED;
	}
	return CONFIG_RUN;
}

/* The files are read while it is still root. */
static int
start_tls(struct program *p)
{
	char why[TLS_WHY_MAX];

	if (!p->config.ssl) {
		if (p->config.ssl_chain_cert != NULL)
			log_warn("-o ssl_chain_cert: without -Z there is no "
			    "TLS, and it serves in clear");
		return CONFIG_RUN;
	}
	p->server.tls = tls_new(&p->config, why);
	if (p->server.tls != NULL)
		return CONFIG_RUN;
	log_error("%s", why);
	return CONFIG_USAGE;
}

static int
start_workers(struct program *p)
{
	const char *why;

	p->workers = calloc(p->config.threads, sizeof(struct worker *));
	if (p->workers == NULL) {
		log_error("out of memory at the start");
		return FAILED;
	}
	for (unsigned i = 0; i < p->config.threads; i++) {
		p->workers[i] = worker_start(&p->server, i, &why);
		if (p->workers[i] == NULL) {
			log_error("%s", why);
			return FAILED;
		}
		p->nworkers++;
	}
	p->supply = supply_start(p->server.cache);
	return CONFIG_RUN;
}

/* They were read by root. */
static void
check_files(const struct program *p)
{
	if (p->server.tls != NULL && !tls_may_reload(p->server.tls))
		log_warn("the certificate or its key may not be read by the "
		    "user that the server has become: refresh_certs and SIGHUP "
		    "will not do; chown them");
	if (p->server.auth != NULL && !auth_may_reload(p->server.auth))
		log_warn("the user file may not be read by the user that the "
		    "server has become: changes will not be seen; chown it");
}

/* What root may do comes before the switch of the user; the unix socket
 * after it, for its file shall belong to that user.  Nobody is served before
 * the process is confined. */
static int
start(struct program *p)
{
	int status = daemon_raise_limits(&p->config);

	if (status == CONFIG_RUN)
		status = start_server(p);
	if (status == CONFIG_RUN)
		status = start_tls(p);
	if (status == CONFIG_RUN)
		status = listen_inherit(p->listening, service_sockets());
	if (status == CONFIG_RUN)
		status = listen_bind_tcp(p->listening);
	if (status == CONFIG_RUN)
		status = udp_bind(&p->server, &p->udp);
	if (status == CONFIG_RUN)
		status = monitor_bind(&p->server, &p->monitor);
	if (status == CONFIG_RUN)
		status = daemon_write_pid(&p->daemon, &p->config);
	if (status == CONFIG_RUN)
		status = daemon_switch_user(&p->config);
	if (status == CONFIG_RUN)
		status = daemon_write_pid_late(&p->daemon, &p->config);
	if (status == CONFIG_RUN && p->server.memfile != NULL)
		memfile_hide(p->server.memfile);
	if (status == CONFIG_RUN) {
		check_files(p);
		status = listen_bind_unix(p->listening);
	}
	if (status == CONFIG_RUN)
		status = listen_write_ports(p->listening, p->udp);
	if (status == CONFIG_RUN)
		status = daemon_confine(&p->config);
	if (status == CONFIG_RUN)
		status = start_workers(p);
	if (status == CONFIG_RUN)
		status = monitor_start(p->monitor);
	return status;
}

static void
stop(struct program *p)
{
	unsigned n = p->nworkers;

	monitor_ending(p->monitor);
	for (unsigned i = 0; i < n; i++)
		worker_drain(p->workers[i]);
	for (unsigned i = 0; i < n; i++)
		worker_join(p->workers[i]);
	supply_stop(&p->supply);
	/* It reads what the workers count. */
	monitor_free(&p->monitor);
	for (unsigned i = 0; i < n; i++)
		worker_free(&p->workers[i]);
	free(p->workers);
	if (p->listening != NULL)
		listen_free(&p->listening);
	udp_free(&p->udp);
	if (p->server.tls != NULL)
		tls_free(&p->server.tls);
	if (p->keep && p->server.memfile != NULL)
		memfile_save(p->server.memfile, p->server.cache,
		    &p->server.clock);
	server_fini(&p->server);
	daemon_fini(&p->daemon);
	config_fini(&p->config);
}

/*
 * Signals wait until the loop can take them, so that one that comes while the
 * server starts ends it as properly as a later one.  Threads inherit the mask:
 * the main thread alone takes them.
 */
static void
hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, NULL);
}

static int
serve(struct program *p)
{
	int error = uv_loop_init(&p->loop);

	if (error != 0) {
		log_error("cannot make an event loop: %s", uv_strerror(error));
		return FAILED;
	}
	start_loop(p);
	/* Its first wait, while no signal comes: in that ThreadSanitizer's
	 * runtime (gcc 12) makes what it keeps of a thread's signals, and it
	 * loses one that comes in the midst. */
	uv_run(&p->loop, UV_RUN_NOWAIT);
	hold_signals(SIG_UNBLOCK);
	greet(p);
	daemon_release(&p->daemon, CONFIG_RUN, &p->config);
	if (p->config.syslog)
		log_to_syslog(false);
	service_tell("READY=1");
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	return CONFIG_RUN;
}

int
main(int argc, char **argv)
{
	struct program p = { 0 };
	int status;

	status = config_read(&p.config, argc, argv, stdout, stderr);
	if (status != CONFIG_RUN)
		return status;
	if (p.config.healthcheck) {
		status = health_check(&p.config, stdout, stderr);
		config_fini(&p.config);
		return status;
	}
	log_start(p.config.verbosity);
	if (p.config.syslog)
		log_to_syslog(true);
	signal(SIGPIPE, SIG_IGN);
	daemon_init(&p.daemon);
	if (p.config.daemonize)
		status = daemon_detach(&p.daemon);
	hold_signals(SIG_BLOCK);
	if (status == CONFIG_RUN)
		status = start(&p);
	if (status == CONFIG_RUN)
		status = serve(&p);
	else if (p.server.memfile != NULL)
		/* A port that is taken must not cost the cache. */
		p.keep = memfile_was_restored(p.server.memfile);
	daemon_release(&p.daemon, status, &p.config);
	stop(&p);
	return status == CONFIG_RUN ? 0 : status;
}
