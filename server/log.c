/* log.c - see log.h. */
#include "server/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* See Owns. */
static _Atomic unsigned verbosity;
static _Atomic bool to_syslog;

void
log_start(unsigned level)
{
	log_set_verbosity(level);
	atomic_store(&to_syslog, false);
}

void
log_set_verbosity(unsigned level)
{
	atomic_store_explicit(&verbosity, level, memory_order_relaxed);
}

void
log_to_syslog(bool both)
{
	openlog("slabd", LOG_PID | LOG_NDELAY | (both ? LOG_PERROR : 0),
	    LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

/* A level is said from this verbosity on. */
static unsigned
needed(enum log_level level)
{
	switch (level) {
	case LOG_SAY_ERROR:
	case LOG_SAY_WARN:
		return 0;
	case LOG_SAY_INFO:
		return 1;
	case LOG_SAY_DEBUG:
		return 2;
	}
	return 0;
}

static int
priority(enum log_level level)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
		LOG_DEBUG };

	return priorities[level];
}

void
log_line(enum log_level level, const char *format, ...)
{
	static const char head[] = "slabd: ";
	enum { NHEAD = sizeof(head) - 1 };
	char line[NHEAD + LOG_LINE_MAX + 1];
	int saved = errno, n;
	va_list args;

	if (atomic_load_explicit(&verbosity, memory_order_relaxed) <
	    needed(level))
		return;
	memcpy(line, head, NHEAD);
	va_start(args, format);
	n = vsnprintf(line + NHEAD, LOG_LINE_MAX, format, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if (n >= LOG_LINE_MAX)
		n = LOG_LINE_MAX - 1;
	if (atomic_load(&to_syslog)) {
		syslog(priority(level), "%s", line + NHEAD);
	} else {
		line[NHEAD + n] = '\n';
		/* Nobody is left to be told of a failure. */
		if (write(STDERR_FILENO, line, (size_t)(NHEAD + n + 1)) < 0)
			errno = 0;
	}
	errno = saved;
}
