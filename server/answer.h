/*
 * answer.h - a long answer put together in memory: lines, or stats in
 * whichever protocol was asked.
 *
 *      struct answer a;
 *      answer_begin(&a, call);
 *      answer_number(&a, "threads", 4);               STAT threads 4
 *      answer_stat(&a, "version", "%s", version);
 *      answer_end(&a);                                END
 *      answer_send(&a, call, result);
 *
 * What has no bound of its own (a dump of all items) is a stream instead.
 *
 * Owns:    the bytes until answer_send() or answer_drop().
 * Threads: one.
 * Fails:   without memory it goes on and answer_send() says NO_MEMORY.
 * Cost:    a printf a line; not for the way of an item.
 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/command.h"

struct answer {
	enum proto_name proto;
	const struct request *req;
	char *bytes;
	size_t used, size;
	bool failed;
};

/* Names and values are at most so long together; longer ones are cut. */
enum { ANSWER_STAT_MAX = 680 };

void answer_begin(struct answer *, const struct call *);
void answer_drop(struct answer *);

/* One stat, then their end. */
void answer_stat(struct answer *, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void answer_number(struct answer *, const char *name, uint64_t value);
void answer_end(struct answer *);

/* stats detail dump: lines as they are, or in binary one packet, and the
 * end. */
void answer_detail(struct answer *, const char *lines, size_t n);

/* As they stand. */
void answer_bytes(struct answer *, const char *bytes, size_t n);

/* The session takes the bytes; noreply is not heeded. */
void answer_send(struct answer *, struct call *, struct result *);

#endif
