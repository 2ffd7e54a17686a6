/*
 * confine.h - what the process gives up for good, so that whoever takes it
 * over has little: capabilities, new privileges, system calls.
 *
 * The filter has three answers.  What slabd, libuv and libc use while serving
 * is allowed.  What only an intruder would want (to run a program, to fork, to
 * trace, to look into other processes, to load code) ends the process with
 * SIGSYS, and the kernel logs which call it was.  Anything else is
 * answered with ENOSYS, as by an older kernel: a libc that is newer than this
 * list then does it the old way, and a cache does not die of an update.
 *
 * Files are opened for reading only, sockets are made for syslog only, no
 * memory becomes executable, signals go to the process itself only.
 *
 * A new feature that needs another call adds it to the lists in confine.c;
 * `strace -f` names what is missing.
 *
 * Owns:    nothing.
 * Threads: the main thread; confine_drop() before there are others, while
 *          confine_calls() holds for all that there are.
 * Fails:   with a sentence in *why; the process is as it was before.
 * Cost:    start-up, and a few nanoseconds for each system call.
 */
#ifndef SERVER_CONFINE_H
#define SERVER_CONFINE_H

#include <stdbool.h>

/* Takes away what this process and its heirs could ever be granted.  As root,
 * before it becomes another user; without privileges it has no effect. */
void confine_bound(void);

/* No capability, and none to be gained by running a program. */
bool confine_drop(const char **why);

/* Nothing is gained by running a program; root stays what it is. */
void confine_no_new_privileges(void);

/* No core file, and no other process of this user looks in.  Not under a
 * sanitizer, which does. */
void confine_memory(void);

/* The filter.  saves: it ends by writing and renaming a file that is open.
 * Under a sanitizer, which has calls of its own, it does nothing
 * and says so by false with *why = NULL. */
bool confine_calls(bool saves, const char **why);

#endif
