/* flush.c - see flush.h. */
#include "server/flush.h"

#include <stdlib.h>

#include "server/users.h"

enum { STEP_ITEMS = 128 };
_Static_assert((int)STEP_ITEMS >= (int)CACHE_WALK_LEAST, "see cache_walk()");

struct flush {
	struct stream stream;
	const struct user *user;
	uint32_t at;
	uint64_t place; /* of cache_walk() */
	unsigned shard; /* of cache_flush_step() */
	enum proto_name proto;
	/* of the request, for the reply */
	bool quiet;
	uint8_t opcode;
	uint32_t opaque;
	struct cache_listed list[STEP_ITEMS];
};

/* Only what was seen: an item that was stored since is younger. */
static void
take_out(struct host *h, const struct cache_listed *it,
    const struct cache_key *key)
{
	struct cache_drop drop = {
		.quiet = true,
		.compare = it->cas != 0 && !h->server->config->no_cas,
		.compare_cas = it->cas,
	};

	cache_delete(h->cache, &h->caller, key, &drop, NULL);
}

static void
shorten(struct host *h, const struct cache_listed *it,
    const struct cache_key *key, uint32_t at)
{
	struct cache_want want = {
		.no_value = true,
		.no_bump = true,
		.touch = true,
		.touch_deadline = at,
	};
	struct cache_view view;

	if (it->deadline == 0 || it->deadline > at)
		cache_get(h->cache, &h->caller, key, &want, &view);
}

static void
reply(const struct flush *f, struct host *h)
{
	struct request req = { .op = OP_FLUSH_ALL, .quiet = f->quiet,
		.opcode = f->opcode, .opaque = f->opaque };
	struct result res = { .status = STATUS_OK };

	output_to(h->out, proto_compose(f->proto, output_at(h->out), &req,
	    &res));
}

static enum stream_state
step_flush(struct stream *stream, struct host *h)
{
	struct flush *f = (struct flush *)stream;
	size_t n = cache_walk(h->cache, h->caller.now, &f->place, f->list,
	    STEP_ITEMS);

	for (size_t i = 0; i < n; i++) {
		const struct cache_listed *it = &f->list[i];
		struct cache_key key;

		if (!user_covers(f->user, it->key, it->nkey))
			continue;
		key = cache_key(h->cache, it->key, it->nkey);
		if (f->at == 0)
			take_out(h, it, &key);
		else
			shorten(h, it, &key, f->at);
	}
	if (f->place != UINT64_MAX)
		return STREAM_MORE;
	reply(f, h);
	return STREAM_DONE;
}

static enum stream_state
step_rest(struct stream *stream, struct host *h)
{
	struct flush *f = (struct flush *)stream;

	if (!cache_flush_step(h->cache, &h->caller, &f->shard))
		return STREAM_MORE;
	reply(f, h);
	return STREAM_DONE;
}

static void
end_flush(struct stream *stream, struct host *h)
{
	(void)h;
	free(stream);
}

static struct flush *
make(const struct call *call)
{
	struct flush *f = malloc(sizeof(*f));

	if (f == NULL)
		return NULL;
	f->stream = (struct stream){ step_flush, end_flush };
	f->user = call->user;
	f->at = 0;
	f->place = 0;
	f->shard = 0;
	f->proto = call->proto;
	f->quiet = call->req->quiet;
	f->opcode = call->req->opcode;
	f->opaque = call->req->opaque;
	return f;
}

struct stream *
flush_new(const struct call *call, uint32_t at)
{
	struct flush *f = make(call);

	if (f == NULL)
		return NULL;
	f->at = at;
	return &f->stream;
}

struct stream *
flush_rest(const struct call *call, unsigned shard)
{
	struct flush *f = make(call);

	if (f == NULL)
		return NULL;
	f->stream.step = step_rest;
	f->shard = shard;
	return &f->stream;
}
