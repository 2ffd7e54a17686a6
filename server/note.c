/* note.c - see note.h. */
#include "server/note.h"

#include "server/watch.h"

/* What is there, without a trace of having looked. */
static bool
look(const struct call *call, struct cache_view *view)
{
	struct cache_want want = { .no_value = true, .no_bump = true };

	return cache_get(call->host->cache, &call->host->caller, call->key,
	    &want, view) == CACHE_FOUND;
}

static bool
stores(enum op op)
{
	return (op >= OP_SET && op <= OP_CAS) || op == OP_MS;
}

/* Of these only what makes an item is told, as an add. */
static bool
may_create(enum op op)
{
	return op == OP_INCR || op == OP_DECR || op == OP_MA;
}

/* md with I or x keeps the item. */
static bool
removes(const struct request *req)
{
	return req->op == OP_DELETE || (req->op == OP_MD &&
	    !(req->meta.has & (META_BIT('I') | META_BIT('x'))));
}

static const char *
meta_mode(const struct meta *meta)
{
	switch (meta->mode) {
	case 'E':
		return "add";
	case 'R':
		return "replace";
	case 'A':
		return "append";
	case 'P':
		return "prepend";
	default:
		return meta->has & META_BIT('C') ? "cas" : "set";
	}
}

static const char *
name_of(const struct request *req)
{
	if (may_create(req->op))
		return "add";
	return req->op == OP_MS ? meta_mode(&req->meta) :
	    COMMANDS[req->op].word;
}

static const char *
outcome(enum status status)
{
	switch (status) {
	case STATUS_STORED:
		return "stored";
	case STATUS_EXISTS:
		return "exists";
	case STATUS_NOT_FOUND:
		return "not_found";
	case STATUS_TOO_LARGE:
		return "too_large";
	case STATUS_NO_MEMORY:
		return "no_memory";
	default:
		return "not_stored";
	}
}

static int64_t
left(uint32_t deadline, uint32_t now)
{
	return deadline > now ? deadline - now : 0;
}

static int64_t
exptime_of(const struct request *req)
{
	if (req->op != OP_MS)
		return req->exptime;
	return req->meta.has & META_BIT('T') ? req->meta.T : 0;
}

static const char *
finding(bool found, const struct cache_view *view)
{
	if (found)
		return "found";
	switch (view->death) {
	case CACHE_EXPIRED:
		return "expired";
	case CACHE_FLUSHED:
		return "flushed";
	default:
		return "not_found";
	}
}

static void
note_lookup(const struct call *call, bool found,
    const struct cache_view *view)
{
	watch_note(call->host->server->watch, &(struct watch_event){
	    .kind = OBSERVE_FETCHERS,
	    .key = call->req->key,
	    .nkey = call->req->nkey,
	    .status = finding(found, view),
	    .class_id = found ? view->class_id : 0,
	    .size = found ? view->nvalue : 0,
	    .fd = call->fd });
}

static void
note_store(const struct call *call, enum status status)
{
	const struct request *req = call->req;
	struct host *h = call->host;
	struct cache_view view;
	struct watch_event e = {
		.kind = OBSERVE_MUTATIONS,
		.key = req->key,
		.nkey = req->nkey,
		.status = outcome(status),
		.cmd = name_of(req),
		.fd = call->fd,
		.size = req->nvalue,
	};

	if (status == STATUS_STORED && look(call, &view)) {
		e.ttl = left(view.deadline, h->caller.now);
		e.class_id = view.class_id;
		e.size = view.nvalue;
	} else {
		e.ttl = left(clock_deadline(&h->server->clock, h->caller.now,
		    exptime_of(req)), h->caller.now);
	}
	watch_note(h->server->watch, &e);
}

static void
note_delete(const struct call *call, const struct cache_view *view)
{
	watch_note(call->host->server->watch, &(struct watch_event){
	    .kind = OBSERVE_DELETIONS,
	    .key = call->req->key,
	    .nkey = call->req->nkey,
	    .cmd = COMMANDS[call->req->op].word,
	    .class_id = view->class_id,
	    .size = view->nvalue });
}

void
note_refused(struct host *h, int fd, const struct request *req,
    enum status status)
{
	watch_note(h->server->watch, &(struct watch_event){
	    .kind = OBSERVE_MUTATIONS,
	    .key = req->key,
	    .nkey = req->nkey,
	    .status = outcome(status),
	    .cmd = name_of(req),
	    .fd = fd });
}

static void
note_eviction(struct host *h, const struct cache_listed *it)
{
	uint32_t now = h->caller.now;

	watch_note(h->server->watch, &(struct watch_event){
	    .kind = OBSERVE_EVICTIONS,
	    .key = it->key,
	    .nkey = it->nkey,
	    .fetched = it->fetched,
	    .ttl = it->deadline == 0 ? -1 : left(it->deadline, now),
	    .idle = now > it->accessed ? now - it->accessed : 0,
	    .class_id = it->class_id,
	    .size = it->nvalue });
}

/* Whoever made room, be it upkeep: a storing request comes by soon. */
static void
note_evictions(struct host *h)
{
	enum { AT_ONCE = 16, TURNS = 64 };
	struct cache_listed list[AT_ONCE];
	uint64_t lost = 0;
	size_t n = AT_ONCE;

	for (unsigned turn = 0; turn < TURNS && n == AT_ONCE; turn++) {
		n = cache_take_evicted(h->cache, list, AT_ONCE, &lost);
		for (size_t i = 0; i < n; i++)
			note_eviction(h, &list[i]);
	}
	if (lost > 0)
		watch_miss(h->server->watch, OBSERVE_EVICTIONS, lost);
}

void
note_run(struct call *call, struct result *res)
{
	enum op op = call->req->op;
	unsigned observing = atomic_load_explicit(
	    &call->host->server->observing, memory_order_relaxed);
	struct cache_view before;
	bool found = false;

	if (command_has_key(op)) {
		found = look(call, &before);
		if (observing & OBSERVE_FETCHERS)
			note_lookup(call, found, &before);
	}
	COMMANDS[op].run(call, res);
	if (stores(op) && observing & OBSERVE_MUTATIONS)
		note_store(call, res->status);
	else if (may_create(op) && !found &&
	    res->status == STATUS_NUMBER && observing & OBSERVE_MUTATIONS)
		note_store(call, STATUS_STORED);
	if (removes(call->req) && found && res->status == STATUS_DELETED &&
	    observing & OBSERVE_DELETIONS)
		note_delete(call, &before);
	if (observing & OBSERVE_EVICTIONS)
		note_evictions(call->host);
}
