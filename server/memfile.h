/*
 * memfile.h - the memory file of -e, and what is kept beside it over a restart.
 *
 *      FILE        the items (slab/arena.h), locked by the server that has it
 *      FILE.meta   only between two servers: the settings, the time and what
 *                  cache_save() returned, under a checksum
 *
 * FILE.meta is text but for the bytes of the cache:
 *
 *      Tmain
 *      Kformat 1
 *      Kmaxbytes 67108864             ... and the other settings
 *      Kcurrent_time 1234             the server's clock, and then the world's
 *      Kstop_time 1790000000
 *      Kslabs 1352
 *      (so many bytes)
 *      Kchecksum 0123456789abcdef     XXH3 of all before this line
 *
 * The file that will be FILE.meta is made at the start: later the process may
 * open none.  It is FILE.meta.new while the server serves; where the user that
 * the server has become may not rename it, it stands under its own name and
 * says only that the server serves, until it is overwritten.
 *
 * Somebody may remove or replace the files meanwhile, and start a second server
 * on new ones: then the first one keeps nothing, and touches nothing that is
 * not its own.
 *
 * Owns:    both files' descriptors, and FILE.meta.new.
 * Threads: the main thread, while there is no worker.
 * Fails:   memfile_open() and memfile_begin() with a sentence for the operator;
 *          what cannot be restored is not, and the log says why.
 * Cost:    see slab/cache.h, restart.
 */
#ifndef SERVER_MEMFILE_H
#define SERVER_MEMFILE_H

#include <stdbool.h>

struct cache;
struct clock;
struct config;
struct memfile;

enum { MEMFILE_WHY_MAX = 512 }; /* a sentence */

/* Opens and locks the file.  The settings must outlive it.  why has room for
 * MEMFILE_WHY_MAX bytes. */
struct memfile *memfile_open(const struct config *, char *why);
int memfile_descriptor(const struct memfile *);

/* The cache is there: fills it, and sets the clock, with what is left of
 * the last server.  false: this server cannot be one of -e. */
bool memfile_begin(struct memfile *, struct cache *, struct clock *, char *why);

/* The user is the one who will end it. */
void memfile_hide(struct memfile *);

/* All has ended that could use the cache. */
void memfile_save(struct memfile *, struct cache *, const struct clock *);
/* Did memfile_begin() find anything? */
bool memfile_was_restored(const struct memfile *);

void memfile_close(struct memfile **);

#endif
