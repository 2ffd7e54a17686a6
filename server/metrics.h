/*
 * metrics.h - the statistics as Prometheus reads them.
 *
 * Names, types, labels and help are those of memcached_exporter, so that
 * dashboards and alarms made for it serve on.  Each number is one of `stats`,
 * `stats settings`, `stats items` or `stats slabs`: see the table.
 *
 * Owns:    nothing.
 * Threads: any, with a host of the caller's own.
 * Fails:   metrics_print() returns NULL without memory.
 * Cost:    a few milliseconds and 100 KB for each.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stddef.h>

struct host;

/* The text, n bytes, to be freed; the host's time is set by the caller. */
char *metrics_print(struct host *, size_t *n);

#endif
