/*
 * trouble.c - makes the machine unkind to a process that is started with it:
 *
 *      cc -shared -fPIC -o trouble.so tests/e2e/trouble.c -ldl
 *      TROUBLE=FILE LD_PRELOAD=./trouble.so build/slabd
 *
 * FILE holds a struct trouble, which the test maps and changes at will.
 * trouble.py is the other half of this file.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct trouble {
	_Atomic int64_t countdown; /* to the allocation that fails; 0: none */
	_Atomic int64_t repeat;	   /* ... and as many after it */
	_Atomic int64_t failed;	   /* allocations that did */
	_Atomic int64_t counted;   /* allocations in all */
	_Atomic int64_t accepting; /* errno of accept(), or 0 */
	_Atomic int64_t accepts;   /* that failed */
	_Atomic int64_t bytes;	   /* that a send or receive does; 0: all */
	_Atomic int64_t seconds;   /* the wall clock is off by */
	_Atomic int64_t syncing;   /* errno of msync(), or 0 */
	_Atomic int64_t holding;   /* what is closed stays open elsewhere */
	_Atomic int64_t held;	   /* so many were closed */
};

static struct trouble quiet, *the = &quiet;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("TROUBLE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*the), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	close(fd);
	if (at != MAP_FAILED)
		the = at;
}

/* ------------------------------------------------------------ memory */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* Within glibc, which cannot do without in places. */
static _Thread_local int sheltered;

static int
fails(void)
{
	int64_t left;

	if (sheltered)
		return 0;
	atomic_fetch_add(&the->counted, 1);
	if (atomic_load(&the->countdown) == 0)
		return 0;
	left = atomic_fetch_sub(&the->countdown, 1);
	if (left > 1)
		return 0;
	if (atomic_fetch_sub(&the->repeat, 1) > 0)
		atomic_store(&the->countdown, 1);
	else
		atomic_store(&the->countdown, 0);
	atomic_fetch_add(&the->failed, 1);
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t m)
{
	return fails() ? NULL : __libc_calloc(n, m);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}

int
posix_memalign(void **p, size_t align, size_t n)
{
	if (fails())
		return ENOMEM;
	*p = __libc_memalign(align, n);
	return *p == NULL ? ENOMEM : 0;
}

void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	if (the != &quiet && fails())
		return MAP_FAILED;
	return (void *)(intptr_t)syscall(SYS_mmap, at, n, prot, flags, fd,
	    off);
}

int
msync(void *at, size_t n, int flags)
{
	if (the->syncing != 0) {
		errno = (int)the->syncing;
		return -1;
	}
	return (int)syscall(SYS_msync, at, n, flags);
}

/* Debian 12's dies of a failed allocation. */
struct passwd *
getpwnam(const char *name)
{
	struct passwd *(*next)(const char *);
	struct passwd *found;

	next = (struct passwd *(*)(const char *))dlsym(RTLD_NEXT, "getpwnam");
	sheltered = 1;
	found = next(name);
	sheltered = 0;
	return found;
}

/* So does its libseccomp, where it makes the filter. */
int
seccomp_load(void *filter)
{
	int (*next)(void *) = (int (*)(void *))dlsym(RTLD_NEXT,
	    "seccomp_load");
	int status;

	sheltered = 1;
	status = next(filter);
	sheltered = 0;
	return status;
}

/* ------------------------------------------------------------ sockets */

static size_t
most(size_t n)
{
	size_t bytes = (size_t)atomic_load(&the->bytes);

	return bytes > 0 && bytes < n ? bytes : n;
}

long
syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list args;

	if (next == NULL)
		next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_sendto || number == SYS_recvfrom)
		a[2] = (long)most((size_t)a[2]);
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The first vector alone, and not all of that. */
static struct iovec
piece(const struct iovec *iov, size_t n)
{
	struct iovec one = { NULL, 0 };

	for (size_t i = 0; i < n && one.iov_len == 0; i++)
		one = iov[i];
	one.iov_len = most(one.iov_len);
	return one;
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr copy = *msg;
	struct iovec one;

	if (atomic_load(&the->bytes) > 0 && msg->msg_name == NULL) {
		one = piece(msg->msg_iov, msg->msg_iovlen);
		copy.msg_iov = &one;
		copy.msg_iovlen = 1;
	}
	return syscall(SYS_sendmsg, fd, &copy, flags);
}

ssize_t
readv(int fd, const struct iovec *iov, int n)
{
	struct iovec one;

	if (atomic_load(&the->bytes) == 0)
		return syscall(SYS_readv, fd, iov, n);
	one = piece(iov, (size_t)n);
	return syscall(SYS_readv, fd, &one, 1);
}

int
accept4(int fd, struct sockaddr *name, socklen_t *n, int flags)
{
	int error = (int)atomic_load(&the->accepting);

	if (error != 0) {
		atomic_fetch_add(&the->accepts, 1);
		errno = error;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, name, n, flags);
}

/* As if a thread were in a system call with the socket for ever. */
int
close(int fd)
{
	if (atomic_load(&the->holding) != 0) {
		(void)dup(fd);
		atomic_fetch_add(&the->held, 1);
	}
	return (int)syscall(SYS_close, fd);
}

/* ------------------------------------------------------------ clocks */

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	int status = (int)syscall(SYS_clock_gettime, clock, t);

	if (status == 0 && (clock == CLOCK_REALTIME ||
	    clock == CLOCK_REALTIME_COARSE))
		t->tv_sec += atomic_load(&the->seconds);
	return status;
}

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *to)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (to != NULL)
		*to = now.tv_sec;
	return now.tv_sec;
}
