/*
 * engine.c - the cache server without its sockets: sessions fed from memory.
 *
 *      engine --threads 2 --op get --depth 50
 *
 * runs the same load with 1, 2, ... threads, each with a host and a session of
 * its own as a worker has, all on one cache, and prints a line for each: what
 * an operation takes of a core, and how throughput grows with threads.  What
 * a thread reads was verified reply by reply in a first round; in the measured
 * rounds the length of what comes back is compared.
 *
 *      engine --threads 2 --apart
 *
 * gives each thread a cache of its own, with the same keys in it: so much the
 * machine lets two threads gain that have nothing to do with each other.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/options.h"
#include "bench/reply.h"
#include "server/config.h"
#include "server/host.h"
#include "server/server.h"
#include "server/session.h"
#include "server/supply.h"

enum { THREADS_MAX = 64 };

struct options {
	struct plan_config plan;
	unsigned threads;
	double seconds;
	uint64_t ops;       /* instead of seconds, a thread: for callgrind */
	const char *memory; /* megabytes */
	bool apart;
};

/* A cache, and what it needs. */
struct engine {
	struct config config;
	struct server server;
	struct supply *supply;
};

struct thread {
	_Alignas(64) pthread_t id;
	struct server *server;
	struct host *host;
	struct session session;
	struct plan plan;
	uint32_t *lengths; /* of the answer to each batch */
	_Atomic bool *go, *stop;
	uint64_t quota, ops;
	double seconds, cpu;
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "engine: %s\n", what);
	exit(1);
}

static double
seconds_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Serves a batch; the answer is in the host's output. */
static uint32_t
serve(struct thread *t, const struct plan *pl, const struct batch *b)
{
	const char *in = pl->bytes + b->start;
	size_t left = b->len, used;

	output_clear(t->host->out, t->host->cache);
	while (left > 0) {
		enum session_verdict verdict =
		    session_run(&t->session, t->host, in, left, &used);

		if (verdict == SESSION_CLOSE || verdict == SESSION_DROP)
			fail("the session ended");
		if (verdict == SESSION_FULL || used == 0)
			fail("the answer is too long: use a smaller --depth");
		in += used;
		left -= used;
	}
	return (uint32_t)t->host->out->used;
}

/* The same, and every reply must be right. */
static uint32_t
serve_checked(struct thread *t, const struct plan *pl, const struct batch *b)
{
	uint32_t n = serve(t, pl, b);
	const char *p = t->host->out->buf, *end = p + n;

	for (uint32_t i = 0; i < b->nops; i++) {
		const struct owed *op = &pl->ops[b->op + i];
		enum reply_kind kind;
		struct reply r;

		kind = reply_read(pl, op, p, (size_t)(end - p), &r);
		if (kind != REPLY_HIT && kind != REPLY_STORED &&
		    kind != REPLY_END)
			fail("a reply is not what it must be");
		p += r.nbytes;
		if (r.wrong || p > end ||
		    (kind == REPLY_HIT &&
			!reply_tail_ok(pl, op, p - r.tail, r.tail)))
			fail("a value is not what was stored");
	}
	if (p != end)
		fail("there is more than was asked for");
	return n;
}

static void
fill(struct thread *t, const struct plan_config *c)
{
	uint32_t next = 0;

	while (next < c->keys) {
		struct plan pl;

		if (plan_fill(&pl, c, next, c->keys, &next) != 0)
			fail("out of memory");
		for (uint32_t i = 0; i < pl.nbatches; i++)
			serve_checked(t, &pl, &pl.batches[i]);
		plan_fini(&pl);
	}
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;
	uint32_t at = 0;
	double began, cpu;

	while (!atomic_load(t->go))
		;
	began = seconds_of(CLOCK_MONOTONIC);
	cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	while (!atomic_load_explicit(t->stop, memory_order_relaxed)) {
		const struct batch *b = &t->plan.batches[at];

		if (serve(t, &t->plan, b) != t->lengths[at])
			fail("an answer is not as long as before");
		t->ops += b->nkeys;
		if (++at == t->plan.nbatches)
			at = 0;
		if (t->quota != 0 && t->ops >= t->quota)
			break;
	}
	t->seconds = seconds_of(CLOCK_MONOTONIC) - began;
	t->cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

static void
prepare(
    struct thread *t, struct server *srv, const struct options *o, unsigned i)
{
	struct plan_config c = o->plan;

	c.seed += i;
	t->server = srv;
	t->host = host_new(srv);
	if (t->host == NULL || plan_build(&t->plan, &c) != 0)
		fail("out of memory");
	t->host->caller.now = CLOCK_FIRST_SECOND;
	t->lengths = calloc(t->plan.nbatches, sizeof(*t->lengths));
	if (t->lengths == NULL)
		fail("out of memory");
	session_init(&t->session, PROTO_AUTO);
	t->quota = o->ops;
}

static double
run(struct thread *threads, unsigned n, double seconds, double base)
{
	_Atomic bool go = false, stop = false;
	double per_second = 0, cpu = 0, ops = 0;
	struct timespec ts = {.tv_sec = (time_t)seconds};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	for (unsigned i = 0; i < n; i++) {
		threads[i].go = &go;
		threads[i].stop = &stop;
		threads[i].ops = 0;
		if (pthread_create(
			&threads[i].id, NULL, thread_main, &threads[i]) != 0)
			fail("no thread");
	}
	atomic_store(&go, true);
	if (threads[0].quota == 0) {
		nanosleep(&ts, NULL);
		atomic_store(&stop, true);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i].id, NULL);
		per_second += (double)threads[i].ops / threads[i].seconds;
		cpu += threads[i].cpu;
		ops += (double)threads[i].ops;
	}
	printf("threads=%u ops=%.0f ops_per_s=%.0f cpu_ns=%.1f gain=%.2f\n", n,
	    ops, per_second, cpu * 1e9 / ops,
	    base > 0 ? per_second / base : 1.0);
	fflush(stdout);
	return per_second;
}

static void
read_options(struct options *o, int argc, char **argv)
{
	const struct option table[] = {
	    OPTIONS_OF_PLAN(&o->plan),
	    {"--threads", "-t", OPTION_UINT, &o->threads, NULL,
		"measure with 1, 2, ... of them"},
	    {"--time", NULL, OPTION_FLOAT, &o->seconds, NULL, "seconds, each"},
	    {"--ops", NULL, OPTION_U64, &o->ops, NULL,
		"so many keys a thread instead"},
	    {"--memory", "-m", OPTION_TEXT, &o->memory, NULL, "megabytes"},
	    {"--apart", NULL, OPTION_FLAG, &o->apart, NULL,
		"a cache for each of them"},
	    {NULL, NULL, OPTION_FLAG, NULL, NULL, NULL},
	};

	/* Large values leave by reference, beside the output. */
	if (options_read(table, argc, argv) != 0 ||
	    !options_plan_ok(&o->plan) || o->threads < 1 ||
	    o->threads > THREADS_MAX ||
	    o->plan.sizes[0] > CACHE_SMALL_MAX - CACHE_KEY_MAX) {
		fprintf(stderr, "usage: engine [options]\n");
		options_help(table);
		exit(2);
	}
}

static void
engine_open(struct engine *e, const struct options *o)
{
	char count[16];
	char *args[] = {"engine", "-m", (char *)o->memory, "-t", count, NULL};
	const char *why = "no reason given";

	snprintf(count, sizeof(count), "%u", o->threads);
	if (config_read(&e->config, 5, args, stdout, stderr) != CONFIG_RUN ||
	    server_init(&e->server, &e->config, &why) != 0)
		fail(why);
	e->supply = supply_start(e->server.cache);
}

static void
engine_close(struct engine *e)
{
	e->server.nhosts = 0;
	supply_stop(&e->supply);
	server_fini(&e->server);
	config_fini(&e->config);
}

/* Fills the caches, and asks for all that will be asked for. */
static void
rehearse(struct thread *threads, const struct options *o)
{
	for (unsigned i = 0; i < o->threads; i++)
		if (i == 0 || o->apart)
			fill(&threads[i], &o->plan);
	for (unsigned i = 0; i < o->threads; i++) {
		struct thread *t = &threads[i];

		for (uint32_t j = 0; j < t->plan.nbatches; j++)
			t->lengths[j] = serve_checked(t, &t->plan,
			    &t->plan.batches[j]);
	}
}

int
main(int argc, char **argv)
{
	/* large: not on the stack */
	static struct thread threads[THREADS_MAX];
	static struct engine engines[THREADS_MAX];
	struct options o = {
	    .plan = options_plan(),
	    .threads = 1,
	    .seconds = 2,
	    .memory = "1024",
	};
	unsigned nengines;
	double base = 0;

	o.plan.depth = 50;
	read_options(&o, argc, argv);
	nengines = o.apart ? o.threads : 1;
	for (unsigned i = 0; i < nengines; i++)
		engine_open(&engines[i], &o);
	for (unsigned i = 0; i < o.threads; i++) {
		struct server *srv = &engines[i % nengines].server;

		prepare(&threads[i], srv, &o, i);
		srv->hosts[srv->nhosts++] = threads[i].host;
	}
	rehearse(threads, &o);
	for (unsigned n = 1; n <= o.threads; n++) {
		double rate = run(threads, n, o.seconds, base);

		base = n == 1 ? rate : base;
	}
	for (unsigned i = 0; i < o.threads; i++) {
		session_fini(&threads[i].session, threads[i].host);
		host_free(&threads[i].host);
		plan_fini(&threads[i].plan);
		free(threads[i].lengths);
	}
	for (unsigned i = 0; i < nengines; i++)
		engine_close(&engines[i]);
	return 0;
}
