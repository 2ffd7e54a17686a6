/* stream.c - see stream.h. */
#include "server/stream.h"

#include <stdlib.h>
#include <string.h>

struct bytes_stream {
	struct stream stream;
	char *bytes;
	size_t n, sent;
};

static enum stream_state
step_bytes(struct stream *stream, struct host *h)
{
	struct bytes_stream *t = (struct bytes_stream *)stream;
	size_t n = t->n - t->sent;

	if (n > HOST_BATCH_MAX)
		n = HOST_BATCH_MAX;
	memcpy(output_at(h->out), t->bytes + t->sent, n);
	output_to(h->out, output_at(h->out) + n);
	t->sent += n;
	return t->sent < t->n ? STREAM_MORE : STREAM_DONE;
}

static void
end_bytes(struct stream *stream, struct host *h)
{
	struct bytes_stream *t = (struct bytes_stream *)stream;

	(void)h;
	free(t->bytes);
	free(t);
}

struct stream *
stream_of_bytes(char *bytes, size_t n)
{
	struct bytes_stream *t = malloc(sizeof(*t));

	if (t == NULL) {
		free(bytes);
		return NULL;
	}
	*t = (struct bytes_stream){ { step_bytes, end_bytes }, bytes, n, 0 };
	return &t->stream;
}
