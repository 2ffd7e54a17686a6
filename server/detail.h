/*
 * detail.h - stats detail: what is done to the keys of each prefix.
 *
 * The prefix of a key ends before its first delimiter (-D); keys without one
 * are not counted.
 *
 * Owns:    the prefixes, at most DETAIL_PREFIXES; once there are so many,
 *          keys of further ones are not counted, so that clients who make up
 *          prefixes cannot eat the memory.
 * Threads: any; locked by a part of the prefix's hash.
 * Fails:   detail_new() returns NULL; without memory for another prefix it is
 *          not counted.
 * Cost:    a hash and a short lock for each request while it is on.
 */
#ifndef SERVER_DETAIL_H
#define SERVER_DETAIL_H

#include <stddef.h>
#include <stdint.h>

struct detail;

enum detail_what {
	DETAIL_GET_MISS,
	DETAIL_GET_HIT,
	DETAIL_SET,
	DETAIL_DELETE,
	DETAIL_WHATS
};

enum { DETAIL_PREFIXES = 16384 };

struct detail *detail_new(char delimiter);
void detail_free(struct detail **);

void detail_count(struct detail *, const char *key, uint32_t nkey,
    enum detail_what);

/* Forgets all prefixes. */
void detail_reset(struct detail *);

/* A line per prefix, malloc()ed, without END; *n bytes.  NULL: no memory. */
char *detail_dump(struct detail *, size_t *n);

#endif
