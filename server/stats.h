/*
 * stats.h - the groups of `stats`.
 *
 * Names, order and conditions are memcached's, from tables in stats.c and
 * settings.c; the manual slabd-stats(7) explains each.
 *
 * Owns:    nothing.
 * Threads: any; reads what others write, relaxed.
 * Fails:   never.
 * Cost:    a sum over all workers for each answer.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include "server/runtime.h"
#include "server/answer.h"

/* What all workers counted since the last reset. */
void stats_sum(struct server *, struct totals *);

/* All counters to 0; what is stored stays. */
void stats_reset(struct server *);

/* The groups, without their end. */
void stats_general(struct call *, struct answer *);
void stats_settings(struct call *, struct answer *);
void stats_items(struct call *, struct answer *);
void stats_slabs(struct call *, struct answer *);
void stats_pressure(struct call *, struct answer *); /* pressure.c */

/* Their own answers. */
void stats_cachedump(struct call *, struct result *); /* dump.c */
void stats_sizes(struct call *, struct result *);     /* sizes.c */
void stats_conns(struct call *, struct result *);     /* conns.c */

#endif
