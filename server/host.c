/* host.c - see host.h. */
#include "server/host.h"

#include <stdlib.h>

#include <sodium.h>

#include "server/hits.h"

struct host *
host_new(struct server *srv)
{
	struct host *h = aligned_alloc(64, (sizeof(*h) + 63) / 64 * 64);

	if (h == NULL)
		return NULL;
	h->server = srv;
	h->cache = srv->cache;
	h->caller.now = CLOCK_FIRST_SECOND;
	h->turn = srv->config->reqs_per_event != CONFIG_REQS_PER_EVENT ?
	    srv->config->reqs_per_event : 0;
	h->batch_most = h->turn != 0 && h->turn < HOST_BATCH ? h->turn :
	    HOST_BATCH;
	h->caller.tally = &h->tally;
	hits_init(h->frames);
	h->places = (struct plain_keys){ &h->keys->bytes, &h->keys->nbytes,
		sizeof(*h->keys) };
	h->handshakes = 0;
	h->wake = NULL;
	h->waker = NULL;
	h->counters = (struct counters){ 0 };
	h->tally = (struct cache_tally){ 0 };
	for (unsigned i = 0; i < HOST_BATCH; i++)
		h->batch[i].scratch = h->scratch[i];
	h->out = output_new(HOST_OUTPUT);
	if (h->out == NULL) {
		free(h);
		return NULL;
	}
	h->caller.reader = cache_join(h->cache);
	return h;
}

void
host_free(struct host **hp)
{
	struct host *h = *hp;

	*hp = NULL;
	cache_leave(h->cache, &h->caller.reader);
	output_free(&h->out, h->cache);
	free(h);
}

void
host_random(void *bytes, size_t n)
{
	randombytes_buf(bytes, n);
}
