/* answer.c - see answer.h. */
#include "server/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SIZE = 4096, /* a plain `stats` fits */
	STAT_ROOM = 64,	   /* what a protocol puts around name and value */
};

void
answer_begin(struct answer *a, const struct call *call)
{
	*a = (struct answer){
		.proto = call->proto,
		.req = call->req,
	};
}

void
answer_drop(struct answer *a)
{
	free(a->bytes);
	a->bytes = NULL;
}

/* Room for n more bytes; NULL after a failure. */
static char *
reserve(struct answer *a, size_t n)
{
	size_t size = a->size == 0 ? FIRST_SIZE : a->size;
	char *bytes;

	if (a->failed)
		return NULL;
	if (a->size - a->used >= n)
		return a->bytes + a->used;
	while (size - a->used < n)
		size *= 2;
	bytes = realloc(a->bytes, size);
	if (bytes == NULL) {
		a->failed = true;
		return NULL;
	}
	a->bytes = bytes;
	a->size = size;
	return bytes + a->used;
}

static void
put_stat(struct answer *a, const char *name, const char *value, size_t nvalue)
{
	size_t nname = strlen(name);
	char *out = reserve(a, nname + nvalue + STAT_ROOM);

	if (out == NULL)
		return;
	out = proto_stat(a->proto, out, a->req, name, nname, value, nvalue);
	a->used = (size_t)(out - a->bytes);
}

void
answer_stat(struct answer *a, const char *name, const char *format, ...)
{
	char value[ANSWER_STAT_MAX];
	size_t room = sizeof(value) - strlen(name);
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(value, room, format, args);
	va_end(args);
	if (n < 0)
		return;
	put_stat(a, name, value, (size_t)n < room ? (size_t)n : room - 1);
}

void
answer_number(struct answer *a, const char *name, uint64_t value)
{
	answer_stat(a, name, "%" PRIu64, value);
}

void
answer_end(struct answer *a)
{
	char *out = reserve(a, STAT_ROOM);

	if (out != NULL)
		a->used = (size_t)(proto_stat_end(a->proto, out, a->req) -
		    a->bytes);
}

void
answer_detail(struct answer *a, const char *lines, size_t n)
{
	static const char end[] = "END\r\n";
	char *out;

	if (a->proto != PROTO_BINARY) {
		answer_bytes(a, lines, n);
		answer_bytes(a, end, sizeof(end) - 1);
		return;
	}
	/* Composed with its end first, so that one packet holds both. */
	out = malloc(n + sizeof(end));
	if (out == NULL) {
		a->failed = true;
		return;
	}
	if (n > 0)
		memcpy(out, lines, n);
	memcpy(out + n, end, sizeof(end));
	put_stat(a, "detailed", out, n + sizeof(end) - 1);
	free(out);
	answer_end(a);
}

void
answer_bytes(struct answer *a, const char *bytes, size_t n)
{
	char *out = n > 0 ? reserve(a, n) : NULL;

	if (out == NULL)
		return;
	memcpy(out, bytes, n);
	a->used += n;
}

void
answer_send(struct answer *a, struct call *call, struct result *res)
{
	if (a->failed || a->used == 0) {
		answer_drop(a);
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
		return;
	}
	res->status = STATUS_NOTHING;
	call->stream = stream_of_bytes(a->bytes, a->used);
	a->bytes = NULL;
	if (call->stream == NULL) {
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
	}
}
