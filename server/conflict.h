/*
 * conflict.h - options that contradict each other, each being fine alone.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   never.
 * Cost:    start-up only.
 */
#ifndef SERVER_CONFLICT_H
#define SERVER_CONFLICT_H

#include <stdbool.h>

#include "server/config.h"

enum { CONFLICT_MAX = 256 };

/* true: text says which options, and what to do about it. */
bool conflict_find(const struct config *, char text[CONFLICT_MAX]);

#endif
