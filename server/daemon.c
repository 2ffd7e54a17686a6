/* daemon.c - see daemon.h. */
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config.h"
#include "server/confine.h"
#include "server/log.h"
#include "server/service.h"

enum {
	FAILED = 1,
	OS_ERROR = 71,
	/* Beside the connections: listeners, files, standard streams; and for
	 * each worker its loop. */
	SPARE_FDS = 64,
	WORKER_FDS = 8,
	THREAD_SPACE = 128 * 1024 * 1024,
};

void
daemon_init(struct daemon *d)
{
	*d = (struct daemon){ .report = -1, .null = -1 };
}

void
daemon_fini(struct daemon *d)
{
	if (d->pid_file != NULL && unlink(d->pid_file) != 0)
		log_warn("remove the pid file %s: %s", d->pid_file,
		    strerror(errno));
	free(d->pid_file);
	d->pid_file = NULL;
}

/* ------------------------------------------------------------ detaching */

static int
wait_for_verdict(int from)
{
	unsigned char status = FAILED;
	ssize_t n;

	do {
		n = read(from, &status, 1);
	} while (n < 0 && errno == EINTR);
	close(from);
	return n == 1 ? status : FAILED;
}

int
daemon_detach(struct daemon *d)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		log_error("-d: cannot detach: %s", strerror(errno));
		return OS_ERROR;
	}
	if (pid > 0) {
		close(ends[1]);
		return wait_for_verdict(ends[0]);
	}
	close(ends[0]);
	d->report = ends[1];
	/* Now, for later nothing is opened to be written. */
	d->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (setsid() < 0 || (pid = fork()) < 0) {
		log_error("-d: cannot detach: %s", strerror(errno));
		daemon_release(d, OS_ERROR, NULL);
		_exit(OS_ERROR);
	}
	/* No session leader remains, so no terminal can become ours. */
	if (pid > 0)
		_exit(0);
	return CONFIG_RUN;
}

static void
silence(struct daemon *d, const struct config *config)
{
	if (d->null >= 0) {
		dup2(d->null, STDIN_FILENO);
		dup2(d->null, STDOUT_FILENO);
		dup2(d->null, STDERR_FILENO);
		if (d->null > STDERR_FILENO)
			close(d->null);
		d->null = -1;
	}
	/* A core file is to be found where the server was started. */
	if (!config->core_dumps && chdir("/") != 0)
		log_warn("-d: chdir /: %s", strerror(errno));
}

void
daemon_release(struct daemon *d, int status, const struct config *config)
{
	unsigned char verdict =
	    status == CONFIG_RUN ? 0 : (unsigned char)status;

	if (d->report < 0)
		return;
	if (status == CONFIG_RUN) {
		silence(d, config);
		log_to_syslog(false);
	}
	/* If the parent is gone, nobody asked. */
	if (write(d->report, &verdict, 1) != 1)
		errno = 0;
	close(d->report);
	d->report = -1;
}

/* ------------------------------------------------------------ limits */

static int
raise_open_files(const struct config *config)
{
	rlim_t want = (rlim_t)config->conn_limit + SPARE_FDS +
	    (rlim_t)config->threads * WORKER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return CONFIG_RUN;
	if (limit.rlim_cur >= want)
		return CONFIG_RUN;
	limit.rlim_cur = want;
	if (limit.rlim_max < want)
		limit.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return CONFIG_RUN;
	log_error("-c %u: needs %llu open files, more than the limit; raise "
	    "it (ulimit -n, LimitNOFILE=) or lower -c",
	    config->conn_limit, (unsigned long long)want);
	return OS_ERROR;
}

static void
raise_core_size(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return;
	if (limit.rlim_max != RLIM_INFINITY) {
		struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };

		if (setrlimit(RLIMIT_CORE, &most) == 0)
			return;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0)
		log_warn("-r: the limit of core files cannot be raised");
}

/*
 * Pages are locked as they are touched, so that an empty cache stays small;
 * but address space counts, and once the limit is reached every mmap() fails.
 * So lock nothing rather than run into it.
 */
static void
lock_memory(const struct config *config)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	/* a thread's stack and its malloc arena */
	rlim_t want = config->memory_limit +
	    (rlim_t)(config->threads + 2) * THREAD_SPACE;

	/* Refused to all but root; what is allowed may still be enough. */
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur < want) {
		log_warn("-k: memory is not locked: the limit of locked "
		    "memory is below %llu MB; raise it (ulimit -l, "
		    "LimitMEMLOCK=)", (unsigned long long)want >> 20);
		return;
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		log_warn("-k: memory is not locked: %s", strerror(errno));
}

int
daemon_raise_limits(const struct config *config)
{
	if (config->core_dumps)
		raise_core_size();
	if (config->lock_memory)
		lock_memory(config);
	return raise_open_files(config);
}

/* ------------------------------------------------------------ user */

/* -u, or the first of the usual ones; NULL if there is none. */
static const struct passwd *
choose_user(const struct config *config)
{
	static const char *const usual[] = { "memcache", "nobody" };
	const struct passwd *user = NULL;

	if (config->user != NULL)
		return getpwnam(config->user);
	for (unsigned i = 0; user == NULL && i < 2; i++)
		user = getpwnam(usual[i]);
	return user;
}

static int
drop(void)
{
	const char *why;

	if (confine_drop(&why))
		return CONFIG_RUN;
	log_error("%s: %s", why, strerror(errno));
	return OS_ERROR;
}

static int
become(const struct config *config, const struct passwd *user)
{
	const uid_t uid = user->pw_uid;
	const gid_t gid = user->pw_gid;

	confine_bound();
	/* The groups of that user and no others: what root's gave is gone. */
	if (initgroups(user->pw_name, gid) != 0 ||
	    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
		log_error("cannot become the user %s: %s", user->pw_name,
		    strerror(errno));
		return OS_ERROR;
	}
	/* The switch takes the right to dump core away. */
	if (config->core_dumps)
		(void)prctl(PR_SET_DUMPABLE, 1);
	return drop();
}

int
daemon_switch_user(const struct config *config)
{
	const struct passwd *user;

	if (geteuid() != 0 && getuid() != 0) {
		user = getpwuid(geteuid());
		if (config->user != NULL &&
		    (user == NULL || strcmp(user->pw_name, config->user) != 0))
			log_warn("-u %s: accepted, no effect: only root can "
			    "become another user", config->user);
		return drop();
	}
	user = choose_user(config);
	if (user == NULL && config->user != NULL) {
		log_error("-u %s: there is no such user; create it, or name "
		    "another one", config->user);
		return CONFIG_NO_USER;
	}
	if (user == NULL) {
		log_error("will not serve as root, and there is no user "
		    "memcache or nobody; name one with -u (-u root insists)");
		return CONFIG_USAGE;
	}
	if (user->pw_uid == 0) {
		confine_no_new_privileges();
		return CONFIG_RUN;
	}
	if (config->user == NULL)
		log_warn("started as root without -u: serving as the user %s "
		    "(-u root insists)", user->pw_name);
	return become(config, user);
}

/* OpenSSL has the private key in ordinary memory. */
static void
forbid_core_files(const struct config *config)
{
	if (config->core_dumps)
		log_warn("-r: with -Z there are no core files, for the key "
		    "of the certificate would be in them");
	confine_memory();
}

int
daemon_confine(const struct config *config)
{
	const char *why;

	if (config->ssl)
		forbid_core_files(config);
	if (config->confine == CONFIG_CONFINE_NOT ||
	    confine_calls(config->memory_file != NULL, &why))
		return CONFIG_RUN;
	if (why == NULL) {
		log_debug("no filter of system calls under a sanitizer");
		return CONFIG_RUN;
	}
	if (config->confine == CONFIG_CONFINE_MUST) {
		log_error("-o drop_privileges: %s", why);
		return OS_ERROR;
	}
	log_warn("%s: serving without one (-o no_drop_privileges: so be it)",
	    why);
	return CONFIG_RUN;
}

/* ------------------------------------------------------------ pid file */

static void
warn_of_another(const char *path)
{
	FILE *file = fopen(path, "r");
	long pid;

	if (file == NULL)
		return;
	if (fscanf(file, "%ld", &pid) == 1 && pid > 0 &&
	    pid != (long)getpid() && kill((pid_t)pid, 0) == 0)
		log_warn("-P %s: it names a process that runs, %ld; "
		    "replaced", path, pid);
	fclose(file);
}

/* Whole or not at all: written beside, then renamed. */
static bool
write_whole(const char *path, const char *text)
{
	char beside[4096];
	FILE *file;
	bool ok;

	if (snprintf(beside, sizeof(beside), "%s.tmp", path) >=
	    (int)sizeof(beside)) {
		errno = ENAMETOOLONG;
		return false;
	}
	file = fopen(beside, "w");
	if (file == NULL)
		return false;
	ok = fputs(text, file) >= 0;
	ok = fclose(file) == 0 && ok;
	ok = ok && rename(beside, path) == 0;
	if (!ok)
		(void)unlink(beside);
	return ok;
}

int
daemon_write_pid(struct daemon *d, const struct config *config)
{
	char text[32];

	if (config->pid_file == NULL)
		return CONFIG_RUN;
	if (!d->pid_denied)
		warn_of_another(config->pid_file);
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (!write_whole(config->pid_file, text)) {
		d->pid_denied = errno == EACCES && !d->pid_denied &&
		    geteuid() == 0;
		if (d->pid_denied)
			return CONFIG_RUN;
		/* That of a memcached.conf, which nobody reads there. */
		if (service_is_managed()) {
			log_warn("-P %s: cannot write the pid file: %s; the "
			    "service manager needs none", config->pid_file,
			    strerror(errno));
			return CONFIG_RUN;
		}
		log_error("-P %s: cannot write the pid file: %s; %s",
		    config->pid_file, strerror(errno), errno == EISDIR ?
		    "name a file in that folder" :
		    "its folder must be writable");
		return FAILED;
	}
	/* Absolute, for a daemon leaves its folder. */
	if (config->daemonize)
		d->pid_file = realpath(config->pid_file, NULL);
	return CONFIG_RUN;
}

int
daemon_write_pid_late(struct daemon *d, const struct config *config)
{
	return d->pid_denied ? daemon_write_pid(d, config) : CONFIG_RUN;
}
