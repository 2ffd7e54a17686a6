/*
 * note.h - runs a request for those who watch: what it looked up, stored,
 * deleted and evicted.
 *
 * Owns:    nothing.
 * Threads: the host's.
 * Fails:   never.
 * Cost:    a second look at the item before, and after a store a third; only
 *          while somebody watches (OBSERVE_ITEMS).
 */
#ifndef SERVER_NOTE_H
#define SERVER_NOTE_H

#include "server/command.h"

/* In place of the handler, which it calls. */
void note_run(struct call *, struct result *);

/* A large value was given up before its command could run: too_large and
 * no_memory. */
void note_refused(struct host *, int fd, const struct request *, enum status);

#endif
