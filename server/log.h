/*
 * log.h - what the operator is told: one line, to stderr or to syslog.
 *
 *      log_warn("bind %s: %s", name, strerror(errno));
 *              -> slabd: bind 10.0.0.1:11211: Cannot assign requested address
 *
 * Owns:    how much is said, and whether to syslog: the only state of the
 *          process that is not handed around, for every line would need it.
 * Threads: any; a line is one write(2), so lines do not mix.
 * Fails:   never; errno is kept.  A line beyond LOG_LINE_MAX bytes is cut.
 * Cost:    a load when it is not said; never called on the way of a request.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>

enum { LOG_LINE_MAX = 1024 };

enum log_level {
	LOG_SAY_ERROR, /* always: what was asked for cannot be done */
	LOG_SAY_WARN,  /* always: it is done, but not as one may think */
	LOG_SAY_INFO,  /* -v */
	LOG_SAY_DEBUG, /* -vv */
};

void log_start(unsigned verbosity);
/* From now on, to syslog; both: to stderr, too, as while it starts. */
void log_to_syslog(bool both);
void log_set_verbosity(unsigned);

void log_line(enum log_level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_SAY_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_SAY_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_SAY_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_SAY_DEBUG, __VA_ARGS__)

#endif
