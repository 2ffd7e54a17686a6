/*
 * rights.h - what a user may ask for: the one place where that is decided.
 *
 *      op's needs    the user has
 *      OPEN          anything
 *      READ          read; mg that creates or touches: read and write
 *      WRITE         write; gat, gats: read and write
 *      ADMIN         admin
 *
 * stats is open to readers, but for what shows keys, clients or settings, or
 * changes something: that is admin's.  To a user with prefixes a key of others
 * does not exist: reads miss, all else is denied.  Of the operator's commands
 * such a user has, if it is an admin, flush_all and dumps, which keep to the
 * prefixes, and stats settings; nothing that shows or changes what is others'.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   never.
 * Cost:    a few branches, and a comparison for each prefix.
 */
#ifndef SERVER_RIGHTS_H
#define SERVER_RIGHTS_H

#include "proto/message.h"
#include "server/users.h"

/* FOUND: go on.  Else that is the answer: NOT_FOUND or DENIED. */
enum status rights_check(const struct user *, const struct request *);

#endif
