/*
 * dump.h - lru_crawler metadump and mgdump: every live item, as a stream.
 *
 * Owns:    a buffer for the items of one step.
 * Threads: the session's.
 * Fails:   dump_new() returns NULL without memory.
 * Cost:    a step looks at a bounded number of items; never the whole dump in
 *          memory.  The client's reading sets the pace.
 */
#ifndef SERVER_DUMP_H
#define SERVER_DUMP_H

#include <stdint.h>

#include "server/stream.h"

struct user;

enum dump_form {
	DUMP_META, /* key=... exp=... a line */
	DUMP_MG,   /* mg key */
};

/* Bit n of classes: the items of class n.  Not NULL: only keys of that user. */
struct stream *dump_new(enum dump_form, uint64_t classes,
    const struct user *);

#endif
