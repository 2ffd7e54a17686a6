/*
 * daemon.h - the process as the system sees it: limits, user, detaching, its
 * pid file.
 *
 *      status = daemon_detach(&d);             the parent waits here ...
 *      if (status != CONFIG_RUN)
 *              return status;                  ... and passes on the verdict
 *      status = start();                       errors still reach the terminal
 *      daemon_release(&d, status);             the parent may go
 *
 * Owns:    struct daemon is the caller's; the pid file until daemon_fini().
 * Threads: the main thread, before it starts others (daemon_fini(): after
 *          they ended), since fork() and the switch of the user need that.
 * Fails:   by the exit status to end with, having said why; CONFIG_RUN if all
 *          is well.
 * Cost:    start-up only.
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include <stdbool.h>

struct config;

struct daemon {
	int report;	     /* a pipe to the waiting parent, or -1 */
	int null;	     /* where the standard streams are to lead, or -1 */
	char *pid_file;	     /* absolute, or NULL */
	bool pid_denied;     /* to root: the user shall try */
};

void daemon_init(struct daemon *);
void daemon_fini(struct daemon *); /* removes the pid file if -d */

/*
 * Forks twice.  The first process does not return CONFIG_RUN but waits, and
 * returns the status that the last one gave to daemon_release() (0 if it
 * serves), or 1 if that one died before.
 */
int daemon_detach(struct daemon *);
/* CONFIG_RUN: it serves; then stdin, stdout and stderr lead nowhere and the
 * log goes to syslog (if it was detached at all). */
void daemon_release(struct daemon *, int status, const struct config *);

/* Open files for -c, core files for -r, locked memory for -k. */
int daemon_raise_limits(const struct config *);
/* As root: to -u, or if that was not given to an unprivileged user, who keeps
 * no capability and no group of root's.  Nobody gains a privilege any more. */
int daemon_switch_user(const struct config *);
/* To be called before that and after it: a root without capabilities, as some
 * units of systemd have it, may not write where the user may. */
int daemon_write_pid(struct daemon *, const struct config *);
int daemon_write_pid_late(struct daemon *, const struct config *);
/* The filter of system calls, if it is wanted; all that is to be opened for
 * writing is open. */
int daemon_confine(const struct config *);

#endif
