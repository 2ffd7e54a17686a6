/*
 * supply.h - the thread that waits for memory, so that no worker has to.
 *
 * It does cache_provide() (slab/cache.h), and sleeps while nothing grows.
 *
 * Owns:    the thread.
 * Threads: the main thread calls.
 * Fails:   supply_start() returns NULL without memory or threads; the server
 *          serves without it.
 * Cost:    a thread that sleeps.
 */
#ifndef SERVER_SUPPLY_H
#define SERVER_SUPPLY_H

#include "slab/cache.h"

struct supply;

struct supply *supply_start(struct cache *);
void supply_stop(struct supply **); /* may be NULL */

#endif
