/* confine.c - see confine.h. */
#include "server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

/* ------------------------------------------------------------ privileges */

void
confine_bound(void)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* The kernel knows where its capabilities end. */
	for (int i = 0; i < 64; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
			break;
}

void
confine_no_new_privileges(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

bool
confine_drop(const char **why)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct
	    none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	confine_no_new_privileges();
	if (syscall(SYS_capset, &head, none) == 0)
		return true;
	*why = "cannot drop the capabilities";
	return false;
}

/* ------------------------------------------------------------ the lists */

/* Without conditions: the kernel keeps these in a table and asks no filter.
 * The first are those of every request. */
static const int allowed[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(readv), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(futex),
	SCMP_SYS(accept4), SCMP_SYS(close), SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(writev),
	SCMP_SYS(sendfile),
	/* sockets that are there; syslog */
	SCMP_SYS(accept), SCMP_SYS(connect), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(mlock2),
	SCMP_SYS(mremap), SCMP_SYS(munlock), SCMP_SYS(munmap),
	/* time and chance */
	SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom),
	SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(time),
	/* waiting, threads, signals */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(membarrier),
	SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(pselect6), SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield), SCMP_SYS(select), SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address), SCMP_SYS(sigaltstack),
	/* what it is, and how it does */
	SCMP_SYS(getcwd), SCMP_SYS(getegid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getppid),
	SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(sysinfo), SCMP_SYS(times),
	SCMP_SYS(uname),
	/* files: to look, to leave, to remove what is its own */
	SCMP_SYS(access), SCMP_SYS(chdir), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(fstatfs),
	SCMP_SYS(lseek), SCMP_SYS(lstat),
	SCMP_SYS(newfstatat), SCMP_SYS(pread64), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(statx),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat),
};

/* What the end of a server with a memory file needs. */
static const int saving[] = {
	SCMP_SYS(fdatasync), SCMP_SYS(msync), SCMP_SYS(pwrite64),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
};

/* Nothing that slabd, libuv or libc could come to do.  Not io_uring_setup:
 * libuv from 1.45 on tries it for each loop, and goes without when refused. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid),
	SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(chroot),
	SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf),
	SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(keyctl),
	SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(memfd_create),
};

/* Where one argument decides: allowed if (argument & mask) == value. */
struct condition {
	int call;
	unsigned argument;
	uint64_t mask, value;
};

enum { ALL_BITS = 0xffffffff };

static const struct condition conditions[] = {
	/* a thread, not a process */
	{ SCMP_SYS(clone), 0, CLONE_THREAD | CLONE_VM,
	    CLONE_THREAD | CLONE_VM },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(open), 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	{ SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	{ SCMP_SYS(socket), 0, ALL_BITS, AF_UNIX },
	{ SCMP_SYS(ioctl), 1, ALL_BITS, FIONBIO },
	{ SCMP_SYS(ioctl), 1, ALL_BITS, FIONREAD },
	{ SCMP_SYS(ioctl), 1, ALL_BITS, TCGETS },
	{ SCMP_SYS(ioctl), 1, ALL_BITS, SIOCOUTQ },
	/* to look, not to change */
	{ SCMP_SYS(prlimit64), 2, UINT64_MAX, 0 },
	{ SCMP_SYS(prctl), 0, ALL_BITS, PR_SET_NAME },
};

static const struct condition forking = {
	.call = SCMP_SYS(clone), .mask = CLONE_THREAD,
};

/* ------------------------------------------------------------ the filter */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int
add_condition(scmp_filter_ctx filter, uint32_t answer,
    const struct condition *c)
{
	struct scmp_arg_cmp claim = SCMP_CMP64(c->argument, SCMP_CMP_MASKED_EQ,
	    c->mask, c->value);

	return seccomp_rule_add_array(filter, answer, c->call, 1, &claim);
}

/* What goes to the process itself.  Fork would make this another one. */
static int
add_own_signals(scmp_filter_ctx filter)
{
	static const int calls[] = { SCMP_SYS(kill), SCMP_SYS(tgkill),
		SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo) };
	struct condition own = {
		.mask = ALL_BITS,
		.value = (uint64_t)getpid(),
	};
	int error = 0;

	for (unsigned i = 0; error == 0 && i < COUNT(calls); i++) {
		own.call = calls[i];
		error = add_condition(filter, SCMP_ACT_ALLOW, &own);
	}
	return error;
}

static int
add_rules(scmp_filter_ctx filter, bool saves)
{
	int error = 0;

	for (unsigned i = 0; error == 0 && i < COUNT(allowed); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
		    allowed[i], 0, NULL);
	for (unsigned i = 0; saves && error == 0 && i < COUNT(saving); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
		    saving[i], 0, NULL);
	for (unsigned i = 0; error == 0 && i < COUNT(conditions); i++)
		error = add_condition(filter, SCMP_ACT_ALLOW,
		    &conditions[i]);
	if (error == 0)
		error = add_own_signals(filter);
	for (unsigned i = 0; error == 0 && i < COUNT(deadly); i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS,
		    deadly[i], 0, NULL);
	if (error == 0)
		error = add_condition(filter, SCMP_ACT_KILL_PROCESS, &forking);
	return error;
}

static int
set_up(scmp_filter_ctx filter, bool saves)
{
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (error == 0)
		error = add_rules(filter, saves);
	/* A tree instead of a list; older libraries have none. */
	if (error == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return error;
}

/* Every sanitizer has it, and their runtimes ask for more than slabd does. */
extern void __sanitizer_print_stack_trace(void) __attribute__((weak));

void
confine_memory(void)
{
	if (__sanitizer_print_stack_trace == NULL)
		(void)prctl(PR_SET_DUMPABLE, 0);
}

bool
confine_calls(bool saves, const char **why)
{
	scmp_filter_ctx filter;
	int error;

	*why = NULL;
	if (__sanitizer_print_stack_trace != NULL)
		return false;
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL) {
		*why = "out of memory for the filter of system calls";
		return false;
	}
	error = set_up(filter, saves);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	if (error == 0)
		return true;
	*why = "this kernel takes no filter of system calls";
	return false;
}
