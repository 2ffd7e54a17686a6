/* sizes.c - see stats.h: the group `stats sizes`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/stats.h"

enum {
	WIDTH = 32, /* bytes of a bucket, as memcached's */
	MOST = 1 << 20,
	STEP_ITEMS = 256,
};

/* All items are counted, a bounded number in a turn, before anything can be
 * said. */
struct sizes {
	struct stream stream;
	struct stream *rest; /* the answer, when it is known */
	uint64_t place;	     /* of cache_walk() */
	enum proto_name proto;
	struct request req; /* without words: they are gone */
	struct cache_listed list[STEP_ITEMS];
	size_t ncounts;
	uint64_t counts[];
};

static void
count_some(struct sizes *s, struct host *h)
{
	size_t n = cache_walk(h->cache, h->caller.now, &s->place, s->list,
	    STEP_ITEMS);

	for (size_t i = 0; i < n; i++) {
		size_t at = (s->list[i].size - 1) / WIDTH;

		s->counts[at < s->ncounts ? at : s->ncounts - 1]++;
	}
}

/* NULL without memory. */
static struct stream *
answer(const struct sizes *s)
{
	struct answer a = { .proto = s->proto, .req = &s->req };
	char size[24];

	for (size_t i = 0; i < s->ncounts; i++) {
		if (s->counts[i] == 0)
			continue;
		snprintf(size, sizeof(size), "%zu", (i + 1) * WIDTH);
		answer_number(&a, size, s->counts[i]);
	}
	answer_end(&a);
	if (!a.failed)
		return stream_of_bytes(a.bytes, a.used);
	answer_drop(&a);
	return NULL;
}

static enum stream_state
step_sizes(struct stream *stream, struct host *h)
{
	struct sizes *s = (struct sizes *)stream;
	struct result res = { .status = STATUS_NO_MEMORY };

	if (s->rest != NULL)
		return s->rest->step(s->rest, h);
	count_some(s, h);
	if (s->place != UINT64_MAX)
		return STREAM_MORE;
	s->rest = answer(s);
	if (s->rest != NULL)
		return STREAM_MORE;
	count_up(&h->counters.malloc_fails, 1);
	output_to(h->out, proto_compose(s->proto, output_at(h->out), &s->req,
	    &res));
	return STREAM_DONE;
}

static void
end_sizes(struct stream *stream, struct host *h)
{
	struct sizes *s = (struct sizes *)stream;

	if (s->rest != NULL)
		s->rest->end(s->rest, h);
	free(s);
}

void
stats_sizes(struct call *call, struct result *res)
{
	const struct config *config = call->host->server->config;
	size_t n = config->item_max / WIDTH + 2;
	struct sizes *s;
	struct answer a;

	if (!config->track_sizes) {
		answer_begin(&a, call);
		answer_stat(&a, "sizes_status", "disabled");
		answer_end(&a);
		answer_send(&a, call, res);
		return;
	}
	if (n > MOST)
		n = MOST;
	s = calloc(1, sizeof(*s) + n * sizeof(*s->counts));
	if (s == NULL) {
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
		return;
	}
	s->stream = (struct stream){ step_sizes, end_sizes };
	s->proto = call->proto;
	s->req = *call->req;
	s->req.words.n = 0;
	s->ncounts = n;
	call->stream = &s->stream;
	res->status = STATUS_NOTHING;
}
