/* command.c - see command.h: the commands that read and write items. */
#include "server/command.h"

#include <string.h>

#include "proto/plain.h"
#include "server/detail.h"

#define X(op, word, shape, needs, handler)                                    \
	[OP_##op] = { word, SHAPE_##shape, NEEDS_##needs, cmd_##handler },
const struct command COMMANDS[OP_COUNT] = { OPS(X) };
#undef X

/* ------------------------------------------------------------ outcomes */

static enum status
status_of(enum cache_status status)
{
	switch (status) {
	case CACHE_FOUND:
		return STATUS_FOUND;
	case CACHE_STORED:
		return STATUS_STORED;
	case CACHE_DELETED:
		return STATUS_DELETED;
	case CACHE_NOT_FOUND:
		return STATUS_NOT_FOUND;
	case CACHE_NOT_STORED:
		return STATUS_NOT_STORED;
	case CACHE_EXISTS:
		return STATUS_EXISTS;
	case CACHE_TOO_LARGE:
		return STATUS_TOO_LARGE;
	case CACHE_NO_MEMORY:
		return STATUS_NO_MEMORY;
	case CACHE_NOT_NUMBER:
		return STATUS_NOT_NUMBER;
	}
	return STATUS_ERROR;
}

static uint32_t
deadline_of(const struct call *c, int64_t exptime)
{
	return clock_deadline(&c->host->server->clock, c->host->caller.now,
	    exptime);
}

static int64_t
seconds_left(uint32_t deadline, uint32_t now)
{
	if (deadline == 0)
		return -1;
	return deadline > now ? deadline - now : 0;
}

void
command_view(const struct call *c, const struct cache_view *view,
    struct result *res)
{
	uint32_t now = c->host->caller.now;

	res->client_flags = view->client_flags;
	res->nvalue = view->nvalue;
	res->cas = view->cas;
	res->fetched = view->fetched;
	res->stale = view->stale;
	res->won = view->won;
	res->win_sent = view->win_sent;
	res->binary_key = view->binary_key;
	res->class_id = view->class_id;
	res->size = view->size;
	res->ttl = seconds_left(view->deadline, now);
	res->ttl_before = seconds_left(view->old_deadline, now);
	res->idle = now > view->accessed ? now - view->accessed : 0;
}

static inline void
observe(const struct call *c, enum detail_what what)
{
	struct server *srv = c->host->server;

	if (atomic_load_explicit(&srv->observing, memory_order_relaxed) &
	    OBSERVE_DETAIL)
		detail_count(srv->detail, c->req->key, c->req->nkey, what);
}

/* ------------------------------------------------------------ reading */

/* Flags of mg that only show what cache_read() says. */
#define PLAIN_FLAGS                                                           \
	(META_BIT('v') | META_BIT('k') | META_BIT('f') | META_BIT('s') |      \
	    META_BIT('t') | META_BIT('c') | META_BIT('h') | META_BIT('l') |   \
	    META_BIT('O') | META_BIT('q'))

static inline bool
is_plain(const struct request *req)
{
	return req->op <= OP_GETS || ((req->meta.has & ~PLAIN_FLAGS) == 0 &&
	    (req->meta.has & META_BIT('v')));
}

static void
show_meta(const struct host *h, const struct cache_hit *hit,
    struct result *res)
{
	uint32_t now = h->caller.now;

	res->ttl = res->ttl_before = seconds_left(hit->deadline, now);
	res->idle = now > hit->accessed ? now - hit->accessed : 0;
	res->fetched = hit->fetched;
	res->stale = res->won = res->win_sent = res->binary_key = false;
}

bool
command_read(struct host *h, enum proto_name proto, const struct request *req,
    const struct cache_key *key, uint16_t *lead)
{
	struct cache_hit hit;
	struct result res;
	char *out = output_at(h->out), *value = out + *lead + req->nkey;
	size_t nhead;

	if (!is_plain(req))
		return false;
	switch (cache_read(h->cache, &h->caller, key, value, &hit)) {
	case CACHE_READ_ELSE:
		return false;
	case CACHE_READ_MISS:
		res.status = STATUS_NOT_FOUND;
		res.has_value = false;
		out = proto_compose(proto, out, req, &res);
		break;
	case CACHE_READ_HIT:
		res.status = STATUS_FOUND;
		res.has_value = true;
		res.client_flags = hit.client_flags;
		res.nvalue = hit.nvalue;
		res.cas = hit.cas;
		if (req->op == OP_MG)
			show_meta(h, &hit, &res);
		out = plain_hit(proto, out, req, &res, value, &nhead);
		command_learn(lead, nhead, req->nkey);
		break;
	}
	output_to(h->out, out);
	return true;
}

static bool
is_gat(enum op op)
{
	return op == OP_GAT || op == OP_GATS;
}

void
cmd_get(struct call *c, struct result *res)
{
	struct cache_want want = { .dst = c->dst, .room = CACHE_SMALL_MAX };
	struct cache_view view;
	enum cache_status status;

	if (is_gat(c->req->op)) {
		want.touch = want.gat = true;
		want.touch_deadline = deadline_of(c, c->req->exptime);
	}
	status = cache_get(c->host->cache, &c->host->caller, c->key, &want,
	    &view);
	if (status != CACHE_FOUND) {
		res->status = status_of(status);
		observe(c, DETAIL_GET_MISS);
		return;
	}
	res->status = STATUS_FOUND;
	res->has_value = true;
	res->client_flags = view.client_flags;
	res->nvalue = view.nvalue;
	res->cas = view.cas;
	c->pinned = view.pinned;
	observe(c, DETAIL_GET_HIT);
}

void
cmd_touch(struct call *c, struct result *res)
{
	struct cache_want want = {
		.no_value = true,
		.touch = true,
		.gat = true,
		.touch_deadline = deadline_of(c, c->req->exptime),
	};
	struct cache_view view;
	enum cache_status status;

	status = cache_get(c->host->cache, &c->host->caller, c->key, &want,
	    &view);
	if (status != CACHE_FOUND) {
		res->status = status_of(status);
		return;
	}
	res->status = STATUS_TOUCHED;
	res->client_flags = view.client_flags;
	res->cas = view.cas;
}

/* ------------------------------------------------------------ storing */

static enum cache_mode
mode_of(enum op op)
{
	switch (op) {
	case OP_ADD:
		return CACHE_ADD;
	case OP_REPLACE:
		return CACHE_REPLACE;
	case OP_APPEND:
		return CACHE_APPEND;
	case OP_PREPEND:
		return CACHE_PREPEND;
	default:
		return CACHE_SET;
	}
}

/* A set that fails for its size takes the old value with it, so that nobody
 * reads what the client meant to replace; meta sets do so in every mode. */
static void
drop_old(struct host *h, enum op op, const struct cache_key *key)
{
	if (op == OP_SET || op == OP_MS)
		cache_delete(h->cache, &h->caller, key,
		    &(struct cache_drop){ .quiet = true }, NULL);
}

static bool
has_flag(const struct request *req, char letter)
{
	return req->meta.has & META_BIT(letter);
}

/* Client flags and deadline of what a request stores. */
static void
terms_of(const struct host *h, const struct request *req,
    uint32_t *client_flags, uint32_t *deadline)
{
	int64_t exptime = req->exptime;

	*client_flags = req->client_flags;
	if (req->op == OP_MS) {
		*client_flags = has_flag(req, 'F') ? req->meta.F : 0;
		exptime = has_flag(req, 'T') ? req->meta.T : 0;
	}
	*deadline = clock_deadline(&h->server->clock, h->caller.now, exptime);
}

enum status
command_reserve(struct host *h, const struct request *req,
    const struct cache_key *key, struct cache_item **item)
{
	uint32_t client_flags, deadline;
	enum cache_status status;

	terms_of(h, req, &client_flags, &deadline);
	status = cache_reserve(h->cache, &h->caller, key, client_flags,
	    deadline, req->nvalue, item);
	if (status == CACHE_TOO_LARGE || status == CACHE_NO_MEMORY)
		drop_old(h, req->op, key);
	return status_of(status);
}

/* Stores what put says, with the request's value and terms. */
static inline enum cache_status
store(struct host *h, const struct request *req, const struct cache_key *key,
    struct cache_put *put, struct cache_view *view)
{
	enum cache_status status;

	terms_of(h, req, &put->client_flags, &put->deadline);
	put->value = req->value;
	put->nvalue = req->nvalue;
	status = cache_store(h->cache, &h->caller, key, put, view);
	if (status == CACHE_TOO_LARGE || status == CACHE_NO_MEMORY)
		drop_old(h, req->op, key);
	return status;
}

/* How many stores ahead what another core has written is sent for: the time of
 * one is not enough, and in that of four it may be gone again. */
enum { SOON = 2 };

static inline void
write_one(struct host *h, enum proto_name proto, const struct request *req,
    const struct cache_key *key)
{
	static const char stored[] = "STORED\r\n", done[] = "HD\r\n";
	struct cache_put put = {
		.compare = req->has_cas,
		.compare_cas = req->cas,
	};
	struct cache_view view;
	enum cache_status status = store(h, req, key, &put, &view);
	char *out = output_at(h->out);
	struct result res;

	if (status == CACHE_STORED && proto == PROTO_TEXT) {
		if (req->quiet)
			return;
		if (req->op == OP_MS) {
			memcpy(out, done, sizeof(done) - 1);
			output_to(h->out, out + sizeof(done) - 1);
			return;
		}
		memcpy(out, stored, sizeof(stored) - 1);
		output_to(h->out, out + sizeof(stored) - 1);
		return;
	}
	res.status = status_of(status);
	res.has_value = false;
	res.nvalue = req->nvalue;
	res.cas = status == CACHE_STORED ? view.cas : 0;
	output_to(h->out, proto_compose(proto, out, req, &res));
}

unsigned
command_writes(struct host *h, enum proto_name proto,
    const struct request *reqs, const struct cache_key *keys, unsigned n)
{
	unsigned writes = 1;

	while (writes < n && command_is_write(&reqs[writes]))
		writes++;
	for (unsigned i = 0; i < writes; i++) {
		if (i + SOON < writes)
			cache_store_soon(h->cache, &keys[i + SOON]);
		write_one(h, proto, &reqs[i], &keys[i]);
	}
	return writes;
}

void
cmd_store(struct call *c, struct result *res)
{
	struct cache_put put = {
		.mode = mode_of(c->req->op),
		.compare = c->req->has_cas,
		.compare_cas = c->req->cas,
		.reserved = c->reserved,
	};
	struct cache_view view;
	enum cache_status status = store(c->host, c->req, c->key, &put, &view);

	res->status = status_of(status);
	if (status == CACHE_STORED)
		res->cas = view.cas;
	observe(c, DETAIL_SET);
}

/* ------------------------------------------------------------ the rest */

void
cmd_delete(struct call *c, struct result *res)
{
	struct cache_drop drop = {
		.compare = c->req->has_cas,
		.compare_cas = c->req->cas,
		.quiet_exists = true, /* unlike md */
	};

	res->status = status_of(cache_delete(c->host->cache, &c->host->caller,
	    c->key, &drop, NULL));
	observe(c, DETAIL_DELETE);
}

void
cmd_delta(struct call *c, struct result *res)
{
	const struct request *req = c->req;
	struct cache_delta delta = {
		.decrement = req->op == OP_DECR,
		.delta = req->delta,
		.compare = req->has_cas,
		.compare_cas = req->cas,
	};
	struct cache_view view;
	enum cache_status status;

	if (!req->no_create) {
		delta.vivify = true;
		delta.initial = req->initial;
		delta.vivify_deadline = deadline_of(c, req->exptime);
	}
	status = cache_delta(c->host->cache, &c->host->caller, c->key, &delta,
	    &res->number, &view);
	res->status = status == CACHE_STORED ? STATUS_NUMBER :
	    status_of(status);
	if (status == CACHE_STORED)
		res->cas = view.cas;
}

/* ------------------------------------------------------------ meta */

void
cmd_meta_get(struct call *c, struct result *res)
{
	const struct meta *m = &c->req->meta;
	struct cache_want want = {
		.dst = c->dst,
		.room = CACHE_SMALL_MAX,
		.no_value = !has_flag(c->req, 'v'),
		.no_bump = has_flag(c->req, 'u'),
		.touch = has_flag(c->req, 'T'),
		.gat = has_flag(c->req, 'T'),
		.vivify = has_flag(c->req, 'N'),
		.recache = has_flag(c->req, 'R'),
		.withhold = has_flag(c->req, 'C'),
		.marks = true,
		.binary_key = has_flag(c->req, 'b'),
		.withhold_cas = m->C,
		.new_cas = has_flag(c->req, 'E') ? m->E : 0,
	};
	struct cache_view view;
	enum cache_status status;

	if (want.touch)
		want.touch_deadline = deadline_of(c, m->T);
	if (want.vivify)
		want.vivify_deadline = deadline_of(c, m->N);
	if (want.recache) {
		want.recache_ttl = m->R > 0 ? (uint32_t)m->R : 0;
		want.recache_touched = m->touched;
	}
	status = cache_get(c->host->cache, &c->host->caller, c->key, &want,
	    &view);
	res->status = status_of(status);
	observe(c, status == CACHE_FOUND ? DETAIL_GET_HIT : DETAIL_GET_MISS);
	if (status != CACHE_FOUND)
		return;
	command_view(c, &view, res);
	c->pinned = view.pinned;
	res->has_value = view.copied || view.pinned != NULL;
}

void
cmd_meta_set(struct call *c, struct result *res)
{
	const struct meta *m = &c->req->meta;
	struct cache_put put = {
		.compare = has_flag(c->req, 'C') && m->mode != 'E',
		.allow_stale = has_flag(c->req, 'I'),
		.vivify = has_flag(c->req, 'N'),
		.binary_key = has_flag(c->req, 'b'),
		.compare_cas = m->C,
		.new_cas = has_flag(c->req, 'E') ? m->E : 0,
		.reserved = c->reserved,
	};
	struct cache_view view;
	enum cache_status status;

	switch (m->mode) {
	case 'E':
		put.mode = CACHE_ADD;
		break;
	case 'R':
		put.mode = CACHE_REPLACE;
		break;
	case 'A':
		put.mode = CACHE_APPEND;
		break;
	case 'P':
		put.mode = CACHE_PREPEND;
		break;
	default:
		put.mode = CACHE_SET;
		break;
	}
	if (put.vivify)
		put.vivify_deadline = deadline_of(c, m->N);
	status = store(c->host, c->req, c->key, &put, &view);
	observe(c, DETAIL_SET);
	res->status = status_of(status);
	res->cas = 0;
	res->nvalue = c->req->nvalue;
	if (status == CACHE_STORED) {
		res->cas = view.cas;
		res->nvalue = view.nvalue;
	}
}

void
cmd_meta_delete(struct call *c, struct result *res)
{
	const struct meta *m = &c->req->meta;
	struct cache_drop drop = {
		.compare = has_flag(c->req, 'C'),
		.stale = has_flag(c->req, 'I'),
		.drop_value = has_flag(c->req, 'x'),
		.touch = has_flag(c->req, 'T'),
		.client_flags = has_flag(c->req, 'F') ? m->F : 0,
		.compare_cas = m->C,
		.new_cas = has_flag(c->req, 'E') ? m->E : 0,
	};

	if (drop.touch)
		drop.deadline = deadline_of(c, m->T);
	res->status = status_of(cache_delete(c->host->cache, &c->host->caller,
	    c->key, &drop, NULL));
	observe(c, DETAIL_DELETE);
}

void
cmd_meta_arithmetic(struct call *c, struct result *res)
{
	const struct meta *m = &c->req->meta;
	struct cache_delta delta = {
		.decrement = m->mode == 'D' || m->mode == '-',
		/* unlike others, ma takes 0 for no number */
		.compare = has_flag(c->req, 'C') && m->C != 0,
		.vivify = has_flag(c->req, 'N'),
		.touch = has_flag(c->req, 'T'),
		.set_cas = has_flag(c->req, 'E'),
		.binary_key = has_flag(c->req, 'b'),
		.delta = has_flag(c->req, 'D') ? m->D : 1,
		.initial = has_flag(c->req, 'J') ? m->J : 0,
		.compare_cas = m->C,
		.new_cas = has_flag(c->req, 'E') ? m->E : 0,
	};
	struct cache_view view;
	enum cache_status status;

	if (delta.vivify)
		delta.vivify_deadline = deadline_of(c, m->N);
	if (delta.touch)
		delta.touch_deadline = deadline_of(c, m->T);
	status = cache_delta(c->host->cache, &c->host->caller, c->key, &delta,
	    &res->number, &view);
	res->status = status == CACHE_STORED ? STATUS_NUMBER :
	    status_of(status);
	if (status == CACHE_STORED)
		command_view(c, &view, res);
}

void
cmd_meta_debug(struct call *c, struct result *res)
{
	struct cache_want want = { .no_value = true, .no_bump = true };
	struct cache_view view;
	enum cache_status status;

	count_up(&c->host->counters.cmd_meta, 1);
	status = cache_get(c->host->cache, &c->host->caller, c->key, &want,
	    &view);
	res->status = status_of(status);
	if (status == CACHE_FOUND)
		command_view(c, &view, res);
}
