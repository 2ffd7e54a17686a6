/* test_confine.c - what a confined process can still do, and what not.  Each
 * try is made by a child, for what is given up is given up for good. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "server/confine.h"

enum { DONE, REFUSED, OTHER, NO_FILTER, KILLED };

/* DONE if it returned 0 or more, REFUSED if by the filter. */
typedef long try_fn(void);

static int
verdict(long result)
{
	if (result >= 0)
		return DONE;
	return errno == ENOSYS ? REFUSED : OTHER;
}

static int
become_confined(void)
{
	const char *why;

	if (!confine_drop(&why))
		return OTHER;
	if (confine_calls(false, &why))
		return DONE;
	return why == NULL ? NO_FILTER : OTHER;
}

/* What became of a child that tries it under the filter. */
static int
outcome(try_fn *try)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		int confined = become_confined();

		_exit(confined != DONE ? confined : verdict(try()));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : OTHER;
	return WEXITSTATUS(status);
}

/* ------------------------------------------------------------ tries */

static long
try_execve(void)
{
	char *argv[] = { "true", NULL };

	return execv("/bin/true", argv);
}

static long
try_fork(void)
{
	return fork();
}

static long
try_raw_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long
try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long
try_setuid(void)
{
	return setuid(0);
}

static long
try_memfd(void)
{
	return (long)syscall(SYS_memfd_create, "x", 0);
}

/* As libuv does from 1.45 on, for each loop. */
static long
try_io_uring(void)
{
	char params[120] = { 0 };

	return (long)syscall(SYS_io_uring_setup, 64, params);
}

static long
try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long
try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long
try_write_file(void)
{
	return open("/tmp/slabd-test-confine", O_WRONLY | O_CREAT, 0600);
}

static long
try_write_append(void)
{
	return open("/dev/null", O_RDWR | O_APPEND);
}

static long
try_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long
try_make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long
try_signal_init(void)
{
	return kill(1, 0);
}

static long
try_signal_all(void)
{
	return kill(-1, 0);
}

static long
try_raise_limit(void)
{
	struct rlimit limit = { 1, 1 };

	return setrlimit(RLIMIT_CORE, &limit);
}

static long
try_rename(void)
{
	return rename("/tmp/slabd-test-no-such", "/tmp/slabd-test-neither");
}

static long
try_unknown_call(void)
{
	return syscall(9999);
}

/* -- and what must go on */

static long
try_read_file(void)
{
	char text[16];
	FILE *file = fopen("/proc/self/status", "re");
	bool read = file != NULL && fgets(text, sizeof(text), file) != NULL;

	if (file != NULL)
		fclose(file);
	return read ? 0 : -1;
}

static void *
idle(void *arg)
{
	char *p = malloc(1 << 20);

	memset(p, 1, 1 << 20);
	free(p);
	return arg;
}

static long
try_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, idle, NULL) == 0 &&
	    pthread_join(thread, NULL) == 0 ? 0 : -1;
}

static long
try_syslog(void)
{
	openlog("slabd-test", LOG_NDELAY, LOG_USER);
	syslog(LOG_DEBUG, "a test");
	closelog();
	return 0;
}

static long
try_signal_itself(void)
{
	return kill(getpid(), 0);
}

static long
try_stdio(void)
{
	return printf(" \n") == 2 && fflush(stdout) == 0 ? 0 : -1;
}

static const struct {
	const char *name;
	try_fn *try;
	int wanted;
} tries[] = {
	{ "execve", try_execve, KILLED },
	{ "fork", try_fork, KILLED },
	{ "clone", try_raw_fork, KILLED },
	{ "ptrace", try_ptrace, KILLED },
	{ "setuid", try_setuid, KILLED },
	{ "memfd_create", try_memfd, KILLED },
	{ "io_uring_setup", try_io_uring, REFUSED },
	{ "socket(AF_PACKET)", try_packet, REFUSED },
	{ "socket(AF_INET)", try_inet, REFUSED },
	{ "a file to write", try_write_file, REFUSED },
	{ "a file to append", try_write_append, REFUSED },
	{ "mmap(PROT_EXEC)", try_executable, REFUSED },
	{ "mprotect(PROT_EXEC)", try_make_executable, REFUSED },
	{ "kill(1)", try_signal_init, REFUSED },
	{ "kill(-1)", try_signal_all, REFUSED },
	{ "setrlimit", try_raise_limit, REFUSED },
	{ "rename", try_rename, REFUSED },
	{ "call 9999", try_unknown_call, REFUSED },
	{ "a file to read", try_read_file, DONE },
	{ "a thread", try_thread, DONE },
	{ "syslog", try_syslog, DONE },
	{ "kill(itself)", try_signal_itself, DONE },
	{ "printf", try_stdio, DONE },
};

extern void __sanitizer_print_stack_trace(void) __attribute__((weak));

static int
or_none(int wanted)
{
	return __sanitizer_print_stack_trace != NULL ? NO_FILTER : wanted;
}

START_TEST(calls)
{
	int got = outcome(tries[_i].try);

	ck_assert_msg(got == or_none(tries[_i].wanted), "%s: %d, not %d",
	    tries[_i].name, got, or_none(tries[_i].wanted));
}
END_TEST

/* A thread that was there before is under it, too. */
static int gate[2];

static void *
try_later(void *arg)
{
	char byte;
	long *result = arg;

	if (read(gate[0], &byte, 1) != 1)
		return NULL;
	*result = verdict(socket(AF_INET, SOCK_STREAM, 0));
	return NULL;
}

static long
try_in_older_thread(void)
{
	pthread_t thread;
	long result = OTHER;
	int confined;

	if (pipe(gate) != 0 ||
	    pthread_create(&thread, NULL, try_later, &result) != 0)
		return OTHER;
	confined = become_confined();
	if (write(gate[1], "", 1) != 1 || pthread_join(thread, NULL) != 0)
		return OTHER;
	return confined != DONE ? confined : result;
}

START_TEST(all_threads)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit((int)try_in_older_thread());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), or_none(REFUSED));
}
END_TEST

START_TEST(privileges)
{
	const char *why;

	confine_bound();
	ck_assert(confine_drop(&why));
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	/* Root without capabilities cannot even this.  (libc's setuid() would
	 * ask a sanitizer's own thread, too, which has kept them.) */
	ck_assert_int_eq(syscall(SYS_setuid, geteuid() + 1), -1);
	if (geteuid() == 0)
		ck_assert_int_eq(prctl(PR_CAPBSET_READ, 0, 0, 0, 0), 0);
}
END_TEST

Suite *
confine_suite(void)
{
	Suite *s = suite_create("confine");
	TCase *t = tcase_create("confine");

	tcase_add_loop_test(t, calls, 0, sizeof(tries) / sizeof(*tries));
	tcase_add_test(t, all_threads);
	tcase_add_test(t, privileges);
	suite_add_tcase(s, t);
	return s;
}
