/*
 * load.c - asks a memcached server a great many things and says what it cost.
 *
 *      load -p 11211 -P PID --fill --op get --depth 16 --time 5
 *
 * prints one line of name=value pairs: throughput, latency percentiles, what
 * the replies were, and the processor time that the server (PID) and the
 * generator itself spent per operation in the measured phase.  Exit status 1:
 * the server hung up, or a reply was not what it must be.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/conn.h"
#include "bench/options.h"

enum { THREADS_MAX = 64 };

struct options {
	struct plan_config plan;
	struct sockaddr_storage peer;
	socklen_t npeer;
	unsigned port;
	const char *path; /* of a unix socket, instead */
	unsigned pid;
	unsigned threads, conns;
	double warm, time;
	uint64_t ops; /* instead of time: so many keys */
	double rate;  /* keys a second; 0 = closed loop */
	bool fill, churn, no_run, may_miss;
	const char *hist;
	const char *label;
};

struct cpu {
	double user, sys; /* seconds */
};

struct thread {
	pthread_t id;
	struct lane lane;
	struct plan plan;
};

static void
aim(struct options *o)
{
	if (o->path != NULL) {
		struct sockaddr_un *un = (struct sockaddr_un *)&o->peer;

		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s", o->path);
		o->npeer = sizeof(*un);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&o->peer;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)o->port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		o->npeer = sizeof(*in);
	}
}

static void
read_options(struct options *o, int argc, char **argv)
{
	const struct option table[] = {
	    {"--port", "-p", OPTION_UINT, &o->port, NULL, "on 127.0.0.1"},
	    {"--socket", "-s", OPTION_TEXT, &o->path, NULL, "or a unix socket"},
	    {"--pid", "-P", OPTION_UINT, &o->pid, NULL,
		"measure this server's processor time"},
	    OPTIONS_OF_PLAN(&o->plan),
	    {"--conns", "-c", OPTION_UINT, &o->conns, NULL, "of each thread"},
	    {"--threads", "-t", OPTION_UINT, &o->threads, NULL, ""},
	    {"--warm", NULL, OPTION_FLOAT, &o->warm, NULL, "seconds before"},
	    {"--time", NULL, OPTION_FLOAT, &o->time, NULL, "seconds measured"},
	    {"--ops", NULL, OPTION_U64, &o->ops, NULL, "so many keys instead"},
	    {"--rate", NULL, OPTION_FLOAT, &o->rate, NULL,
		"keys a second; 0 = as fast as replies come"},
	    {"--churn", NULL, OPTION_FLAG, &o->churn, NULL,
		"connect, one batch, close"},
	    {"--fill", NULL, OPTION_FLAG, &o->fill, NULL,
		"set every key first"},
	    {"--no-run", NULL, OPTION_FLAG, &o->no_run, NULL, "only that"},
	    {"--may-miss", NULL, OPTION_FLAG, &o->may_miss, NULL,
		"a miss is no failure"},
	    {"--hist", NULL, OPTION_TEXT, &o->hist, NULL,
		"file for the distribution of latency"},
	    {"--label", NULL, OPTION_TEXT, &o->label, NULL, "printed"},
	    {NULL, NULL, OPTION_FLAG, NULL, NULL, NULL},
	};

	if (options_read(table, argc, argv) != 0 ||
	    (o->port == 0) == (o->path == NULL) || o->threads < 1 ||
	    o->threads > THREADS_MAX || o->conns < 1 ||
	    !options_plan_ok(&o->plan)) {
		fprintf(stderr, "usage: load -p PORT | -s PATH [options]\n");
		options_help(table);
		exit(2);
	}
	aim(o);
}

/* ------------------------------------------------------------ the times */

/* The kernel counts in ticks but divides the exact run time of all threads,
 * so user + sys is good to a tick. */
static struct cpu
cpu_of(unsigned pid)
{
	struct cpu cpu = {0, 0};
	unsigned long user, sys;
	char path[64], line[1024];
	const char *p;
	FILE *f;

	if (pid == 0)
		return cpu;
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
	    (p = strrchr(line, ')')) == NULL ||
	    sscanf(p + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
		"%lu %lu",
		&user, &sys) != 2) {
		fprintf(stderr, "load: cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	cpu.user = (double)user / (double)sysconf(_SC_CLK_TCK);
	cpu.sys = (double)sys / (double)sysconf(_SC_CLK_TCK);
	return cpu;
}

static struct cpu
cpu_of_self(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (struct cpu){
	    (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec / 1e6,
	    (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec / 1e6,
	};
}

static struct cpu
cpu_minus(struct cpu a, struct cpu b)
{
	return (struct cpu){a.user - b.user, a.sys - b.sys};
}

static void
sleep_for(double seconds)
{
	struct timespec ts = {.tv_sec = (time_t)seconds};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

/* ------------------------------------------------------------ running */

static _Noreturn void
out_of_memory(void)
{
	fprintf(stderr, "load: out of memory\n");
	exit(1);
}

static struct lane
lane_for(const struct options *o, const struct plan *pl, _Atomic bool *stop,
    _Atomic unsigned *epoch)
{
	return (struct lane){
	    .plan = pl,
	    .peer = o->peer,
	    .npeer = o->npeer,
	    .nconns = o->conns,
	    .stop = stop,
	    .epoch = epoch,
	};
}

/* Sets every key once, over few connections; returns what was refused. */
static uint64_t
fill(const struct options *o)
{
	_Atomic bool stop = false;
	_Atomic unsigned epoch = 0;
	uint64_t refused = 0;
	uint32_t next = 0;

	while (next < o->plan.keys) {
		struct plan plan;
		struct lane lane;

		if (plan_fill(&plan, &o->plan, next, o->plan.keys, &next) != 0)
			out_of_memory();
		lane = lane_for(o, &plan, &stop, &epoch);
		lane.nconns = o->conns < 4 ? o->conns : 4;
		lane.once = true;
		if (lane_open(&lane) != 0)
			out_of_memory();
		lane_run(&lane);
		refused += lane.counts.refused;
		lane_close(&lane);
		plan_fini(&plan);
	}
	return refused;
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;

	prctl(PR_SET_TIMERSLACK, 1000UL);
	lane_run(&t->lane);
	return NULL;
}

static void
prepare(struct thread *t, const struct options *o, unsigned i,
    _Atomic bool *stop, _Atomic unsigned *epoch)
{
	struct plan_config c = o->plan;
	double per_batch;

	c.seed += i;
	if (plan_build(&t->plan, &c) != 0)
		out_of_memory();
	per_batch = t->plan.batches[0].nkeys;
	t->lane = lane_for(o, &t->plan, stop, epoch);
	t->lane.churn = o->churn;
	t->lane.rate = o->rate / per_batch / o->threads;
	t->lane.quota = (uint64_t)((double)o->ops / per_batch / o->threads);
	if (lane_open(&t->lane) != 0)
		out_of_memory();
}

struct outcome {
	struct counts counts;
	struct hist hist;
	double seconds;
	struct cpu server, self;
};

static void
run(const struct options *o, struct outcome *out)
{
	static struct thread threads[THREADS_MAX]; /* large: not on the stack */
	_Atomic bool stop = false;
	_Atomic unsigned epoch = 0;
	struct cpu server, self;
	uint64_t began;

	for (unsigned i = 0; i < o->threads; i++)
		prepare(&threads[i], o, i, &stop, &epoch);
	began = clock_ns();
	server = cpu_of(o->pid);
	self = cpu_of_self();
	for (unsigned i = 0; i < o->threads; i++)
		if (pthread_create(
			&threads[i].id, NULL, thread_main, &threads[i]) != 0)
			out_of_memory();
	if (o->ops == 0) {
		sleep_for(o->warm);
		atomic_store(&epoch, 1);
		began = clock_ns();
		server = cpu_of(o->pid);
		self = cpu_of_self();
		sleep_for(o->time);
		out->server = cpu_minus(cpu_of(o->pid), server);
		out->seconds = (double)(clock_ns() - began) / 1e9;
		atomic_store(&stop, true);
	}
	for (unsigned i = 0; i < o->threads; i++)
		pthread_join(threads[i].id, NULL);
	if (o->ops != 0) {
		out->server = cpu_minus(cpu_of(o->pid), server);
		out->seconds = (double)(clock_ns() - began) / 1e9;
	}
	out->self = cpu_minus(cpu_of_self(), self);
	for (unsigned i = 0; i < o->threads; i++) {
		uint64_t *to = (uint64_t *)&out->counts;
		const uint64_t *from =
		    (const uint64_t *)&threads[i].lane.counts;

		for (size_t j = 0; j < sizeof(out->counts) / sizeof(*to); j++)
			to[j] += from[j];
		hist_merge(&out->hist, &threads[i].lane.hist);
		lane_close(&threads[i].lane);
		plan_fini(&threads[i].plan);
	}
}

static void
print_cpu(const char *who, struct cpu cpu, double ops)
{
	printf(" %s_ns=%.1f %s_user_ns=%.1f %s_sys_ns=%.1f", who,
	    (cpu.user + cpu.sys) * 1e9 / ops, who, cpu.user * 1e9 / ops, who,
	    cpu.sys * 1e9 / ops);
}

static void
report(const struct options *o, const struct outcome *out)
{
	const struct counts *n = &out->counts;
	double ops = n->ops > 0 ? (double)n->ops : 1;
	static const struct {
		const char *name;
		double at;
	} points[] = {
	    {"p50", 0.5},
	    {"p90", 0.9},
	    {"p99", 0.99},
	    {"p999", 0.999},
	    {"p9999", 0.9999},
	};

	if (o->label != NULL)
		printf("label=%s ", o->label);
	printf("ops=%llu seconds=%.3f ops_per_s=%.0f",
	    (unsigned long long)n->ops, out->seconds,
	    (double)n->ops / out->seconds);
	if (o->pid != 0) {
		print_cpu("server", out->server, ops);
		printf(" server_busy=%.3f",
		    (out->server.user + out->server.sys) / out->seconds);
	}
	print_cpu("load", out->self, ops);
	printf(" hits=%llu misses=%llu stored=%llu refused=%llu wrong=%llu",
	    (unsigned long long)n->hits, (unsigned long long)n->misses,
	    (unsigned long long)n->stored, (unsigned long long)n->refused,
	    (unsigned long long)n->wrong);
	printf(" connects=%llu sent=%llu received=%llu",
	    (unsigned long long)n->connects, (unsigned long long)n->sent,
	    (unsigned long long)n->received);
	for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		printf(" %s_us=%.1f", points[i].name,
		    (double)hist_at(&out->hist, points[i].at) / 1e3);
	printf(" max_us=%.1f\n", (double)out->hist.max / 1e3);
}

int
main(int argc, char **argv)
{
	static struct outcome out;
	struct options o = {
	    .plan = options_plan(),
	    .threads = 1,
	    .conns = 50,
	    .warm = 0.5,
	    .time = 3,
	};
	uint64_t refused;

	read_options(&o, argc, argv);
	if (o.fill && (refused = fill(&o)) != 0)
		fprintf(stderr, "load: %llu of %u keys were refused\n",
		    (unsigned long long)refused, o.plan.keys);
	if (o.no_run)
		return 0;
	run(&o, &out);
	report(&o, &out);
	if (o.hist != NULL && hist_write(&out.hist, o.hist) != 0) {
		fprintf(stderr, "load: cannot write %s\n", o.hist);
		return 1;
	}
	if (out.counts.wrong != 0 ||
	    (!o.may_miss && out.counts.misses + out.counts.refused != 0))
		return 1;
	return 0;
}
