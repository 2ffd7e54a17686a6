/* session.c - see session.h. */
#include "server/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plain.h"
#include "server/command.h"
#include "server/hits.h"
#include "server/login.h"
#include "server/note.h"
#include "server/rights.h"

/* A request whose value is still arriving, or is being thrown away. */
struct held {
	struct request req;
	struct cache_key key;
	struct cache_item *item; /* VALUE: reserved */
	struct cache_cursor cursor;
	uint32_t left;	/* VALUE: bytes of the value still to come */
	uint64_t skip;	/* SKIP: bytes still to come */
	uint8_t ntail;	/* of the line end after the value */
	char tail[2];
	char scratch[PROTO_SCRATCH];
	char head[]; /* the request's line or packet head */
};

/* Why a batch ends. */
enum stop {
	STOP_FULL,   /* a batch's requests, or one that must be the last */
	STOP_MORE,   /* the input holds no further one */
	STOP_VALUE,  /* the next one's value is large */
	STOP_REFUSE, /* the next one is refused */
	STOP_DROP,
};

/* Keys of a batch that have no requests. */
struct run {
	unsigned first, n;
	enum plain_form form;
	bool ends;
};

struct batch {
	unsigned n, nruns;
	enum stop stop;
	const char *head; /* STOP_VALUE, STOP_REFUSE: of the next request */
	size_t nhead;
	size_t used; /* bytes of input, the next request's head included */
	struct run runs[HOST_BATCH];
};

void
session_init(struct session *s, enum proto_name proto)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	parser_init(&s->parser, proto);
}

void
session_guard(struct session *s, struct login *login)
{
	s->login = login;
}

static void
enter(struct session *s, enum session_phase phase)
{
	assert((s->phase == SESSION_HEAD) != (phase == SESSION_HEAD));
	s->phase = phase;
}

static void
drop_held(struct session *s, struct host *h)
{
	if (s->held == NULL)
		return;
	if (s->held->item != NULL)
		cache_abandon(h->cache, &s->held->item);
	free(s->held);
	s->held = NULL;
}

void
session_fini(struct session *s, struct host *h)
{
	drop_held(s, h);
	if (s->stream != NULL) {
		s->stream->end(s->stream, h);
		s->stream = NULL;
	}
	s->user = NULL;
	if (s->login != NULL)
		login_free(&s->login);
}

/* ------------------------------------------------------------ replies */

static void
reply_value(struct session *s, struct call *c, const struct result *res)
{
	struct output *o = c->host->out;
	enum proto_name proto = s->parser.proto;
	char *out = output_at(o);
	size_t nhead;

	if (c->pinned != NULL) {
		output_to(o, proto_compose(proto, out, c->req, res));
		output_pin(o, c->pinned, res->nvalue);
		out = proto_tail(proto, output_at(o), c->req, res);
	} else {
		out = plain_hit(proto, out, c->req, res, c->dst, &nhead);
		command_learn(&s->lead, nhead, c->req->nkey);
	}
	output_to(o, out);
}

static void
reply(struct session *s, struct call *c, const struct result *res)
{
	struct output *o = c->host->out;

	if (res->has_value)
		reply_value(s, c, res);
	else
		output_to(o, proto_compose(s->parser.proto, output_at(o),
		    c->req, res));
}

static void
run_request(struct session *s, struct host *h, struct request *req,
    const struct cache_key *key, struct cache_item *reserved)
{
	struct call call = {
		.host = h,
		.proto = s->parser.proto,
		.req = req,
		.key = key,
		.dst = output_at(h->out) + s->lead + req->nkey,
		.reserved = reserved,
		.fd = s->fd,
		.first = s->fresh,
		.user = s->user,
	};
	struct result res;

	res.status = STATUS_NOTHING;
	res.has_value = false;
	if (atomic_load_explicit(&h->server->observing,
	    memory_order_relaxed) & OBSERVE_ITEMS)
		note_run(&call, &res);
	else
		COMMANDS[req->op].run(&call, &res);
	reply(s, &call, &res);
	s->fresh = false;
	s->closing |= call.close;
	if (call.stream != NULL)
		s->stream = call.stream;
}

/* Answers with a status alone. */
static void
answer_status(struct session *s, struct host *h, struct request *req,
    enum status status)
{
	struct call call = { .host = h, .req = req };
	struct result res = { .status = status };

	reply(s, &call, &res);
	s->fresh = false;
}

/* ------------------------------------------------------------ held requests */

static const char *
moved(const char *p, const char *from, size_t n, const char *to)
{
	return p >= from && p < from + n ? to + (p - from) : p;
}

/* Copies a request so that it outlives the input. */
static struct held *
hold(struct session *s, struct host *h, const struct request *req,
    const char *head, size_t nhead)
{
	struct held *held = malloc(sizeof(*held) + nhead);
	enum command_shape shape = COMMANDS[req->op].shape;
	struct request *r;

	if (held == NULL) {
		count_up(&h->counters.malloc_fails, 1);
		return NULL;
	}
	r = &held->req;
	*r = *req;
	memcpy(held->head, head, nhead);
	memcpy(held->scratch, req->scratch, PROTO_SCRATCH);
	r->scratch = held->scratch;
	if (command_has_key(r->op)) {
		r->key = moved(req->key, head, nhead, held->head);
		r->key = moved(r->key, req->scratch, PROTO_SCRATCH,
		    held->scratch);
	}
	if (shape == SHAPE_META || shape == SHAPE_MSET)
		for (unsigned i = 0; i < r->meta.nflags; i++)
			r->meta.flags[i].at = moved(req->meta.flags[i].at,
			    head, nhead, held->head);
	held->item = NULL;
	held->ntail = 0;
	s->held = held;
	return held;
}

/*
 * Throws away what follows a request and answers then.  false: no memory even
 * for that, the connection must go.
 */
static bool
begin_skip(struct session *s, struct host *h, struct request *req,
    const char *head, size_t nhead)
{
	struct held *held;

	if (req->swallow == 0) {
		answer_status(s, h, req, req->problem);
		s->closing |= req->close;
		return true;
	}
	held = hold(s, h, req, head, nhead);
	if (held == NULL)
		return false;
	held->skip = req->swallow;
	enter(s, SESSION_SKIP);
	return true;
}

static void
end_skip(struct session *s, struct host *h)
{
	struct held *held = s->held;

	enter(s, SESSION_HEAD);
	answer_status(s, h, &held->req, held->req.problem);
	s->closing |= held->req.close;
	drop_held(s, h);
}

static bool
begin_value(struct session *s, struct host *h, struct request *req,
    const char *head, size_t nhead)
{
	struct cache_key key = cache_key(h->cache, req->key, req->nkey);
	struct cache_item *item = NULL;
	struct held *held;
	enum status problem = STATUS_FOUND;

	if (s->user != NULL)
		problem = rights_check(s->user, req);
	if (problem == STATUS_FOUND)
		problem = command_reserve(h, req, &key, &item);
	if (problem != STATUS_STORED) {
		if (atomic_load_explicit(&h->server->observing,
		    memory_order_relaxed) & OBSERVE_MUTATIONS)
			note_refused(h, s->fd, req, problem);
		req->problem = problem;
		req->swallow = req->follow;
		req->close = false;
		return begin_skip(s, h, req, head, nhead);
	}
	held = hold(s, h, req, head, nhead);
	if (held == NULL) {
		cache_abandon(h->cache, &item);
		return false;
	}
	held->key = key;
	held->key.bytes = held->req.key;
	held->item = item;
	held->cursor = (struct cache_cursor){ 0 };
	held->left = req->nvalue;
	enter(s, SESSION_VALUE);
	return true;
}

/* The value and its line end are there. */
static void
end_value(struct session *s, struct host *h)
{
	struct held *held = s->held;
	struct cache_item *item = held->item;

	enter(s, SESSION_HEAD);
	if (!proto_value_ends(s->parser.proto, &held->req, held->tail)) {
		answer_status(s, h, &held->req, STATUS_BAD_CHUNK);
	} else {
		held->item = NULL;
		held->req.value = NULL;
		run_request(s, h, &held->req, &held->key, item);
	}
	drop_held(s, h);
}

/* Takes what there is of the held value; returns the bytes used. */
static size_t
feed_value(struct session *s, struct host *h, const char *in, size_t n)
{
	struct held *held = s->held;
	uint32_t ntail = held->req.follow - held->req.nvalue;
	size_t used = 0;
	char *to;

	while (held->left > 0 && used < n) {
		size_t got = cache_span(h->cache, held->item, &held->cursor,
		    n - used, &to);

		memcpy(to, in + used, got);
		used += got;
		held->left -= (uint32_t)got;
	}
	if (held->left > 0)
		return used;
	while (held->ntail < ntail && used < n)
		held->tail[held->ntail++] = in[used++];
	if (held->ntail == ntail)
		end_value(s, h);
	return used;
}

static size_t
feed_skip(struct session *s, struct host *h, size_t n)
{
	struct held *held = s->held;
	size_t used = n < held->skip ? n : (size_t)held->skip;

	held->skip -= used;
	if (held->skip == 0)
		end_skip(s, h);
	return used;
}

bool
session_sinks(const struct session *s)
{
	return s->phase == SESSION_VALUE && s->held->left > 0;
}

unsigned
session_sink(struct session *s, struct host *h, struct iovec *iov,
    unsigned max)
{
	struct cache_cursor cursor;
	unsigned n = 0;
	char *to;

	if (!session_sinks(s))
		return 0;
	cursor = s->held->cursor;
	while (n < max && (iov[n].iov_len = cache_span(h->cache,
	    s->held->item, &cursor, SIZE_MAX, &to)) > 0)
		iov[n++].iov_base = to;
	return n;
}

void
session_sunk(struct session *s, struct host *h, size_t n)
{
	struct held *held = s->held;
	char *to;

	while (n > 0) {
		size_t got = cache_span(h->cache, held->item, &held->cursor,
		    n, &to);

		n -= got;
		held->left -= (uint32_t)got;
	}
	/* In binary nothing follows the value. */
	if (held->left == 0 && held->req.follow == held->req.nvalue)
		end_value(s, h);
}

/* ------------------------------------------------------------ batches */

/*
 * Takes a storage request's value if it is there.  true: it joins the batch.
 */
static bool
take_value(struct session *s, struct request *req, const char *in, size_t n,
    size_t *len, struct batch *b)
{
	if (cache_is_large(req->nkey, req->nvalue)) {
		b->stop = STOP_VALUE;
		b->head = in;
		b->nhead = *len;
		b->used += *len;
		return false;
	}
	if (n - *len < req->follow) {
		s->wants_value = true;
		b->stop = STOP_MORE;
		return false;
	}
	req->value = in + *len;
	*len += req->follow;
	req->problem = proto_value_ends(s->parser.proto, req,
	    req->value + req->nvalue) ? STATUS_FOUND : STATUS_BAD_CHUNK;
	return true;
}

static bool
takes_value(enum op op)
{
	enum command_shape shape = COMMANDS[op].shape;

	return shape == SHAPE_STORE || shape == SHAPE_CAS ||
	    shape == SHAPE_MSET;
}

static inline __attribute__((always_inline)) void
add_run(struct batch *b, enum plain_form form, unsigned n, bool ends)
{
	struct run *last = b->nruns > 0 ? &b->runs[b->nruns - 1] : NULL;

	if (last != NULL && last->first + last->n == b->n &&
	    last->form == form && !last->ends && form != PLAIN_BINARY) {
		last->n += n;
		last->ends = ends;
	} else {
		b->runs[b->nruns++] = (struct run){ b->n, n, form, ends };
	}
	b->n += n;
}

/* By the short ways.  false: there is nothing for them. */
static bool
gather_plain(struct session *s, struct host *h, const char *in, size_t n,
    struct batch *b)
{
	const unsigned most = h->batch_most - b->n;

	if (plain_begins_keys(&s->parser, in, n)) {
		struct plain_run run = plain_keys(&s->parser, in, n,
		    &h->places, b->n, most);

		if (run.n > 0)
			add_run(b, run.form, run.n, run.ends);
		b->used += run.used;
		return run.n > 0;
	}
	if (plain_begins(&s->parser, in, n)) {
		size_t used;
		unsigned got = plain_parse(&s->parser, in, n, &h->batch[b->n],
		    most, CACHE_SMALL_MAX, &used);

		b->used += used;
		for (unsigned i = b->n; i < b->n + got; i++) {
			h->keys[i].bytes = h->batch[i].key;
			h->keys[i].nbytes = h->batch[i].nkey;
		}
		b->n += got;
		return got > 0;
	}
	return false;
}

/* One of any kind.  false: the batch ends with it, or before it. */
static bool
gather_one(struct session *s, struct host *h, const char *in, size_t n,
    struct batch *b)
{
	struct request *req = &h->batch[b->n];
	size_t len;

	switch (proto_parse(&s->parser, in, n, req, &len)) {
	case PARSE_MORE:
		b->stop = STOP_MORE;
		return false;
	case PARSE_CLOSE:
		b->stop = STOP_DROP;
		return false;
	case PARSE_REFUSE:
		b->stop = STOP_REFUSE;
		b->head = in;
		b->nhead = len;
		b->used += len;
		return false;
	case PARSE_REQUEST:
		break;
	}
	if (takes_value(req->op) && !take_value(s, req, in, n, &len, b))
		return false;
	b->used += len;
	h->keys[b->n].bytes = req->key;
	h->keys[b->n].nbytes = req->nkey;
	if (command_has_key(req->op) || req->op == OP_END) {
		enum plain_form form = plain_opens(&s->parser, req);

		if (form != PLAIN_FORMS)
			add_run(b, form, 1, false);
		else
			b->n++;
		return true;
	}
	/* It may change what the next bytes mean. */
	h->keys[b->n].bytes = "";
	h->keys[b->n++].nbytes = 0;
	return false;
}

/* Parses as many requests as may be looked at ahead; n > 0. */
static void
gather(struct session *s, struct host *h, const char *in, size_t n,
    struct batch *b)
{
	do {
		const char *at = in + b->used;
		size_t left = n - b->used;

		if (!gather_plain(s, h, at, left, b) &&
		    !gather_one(s, h, at, left, b))
			return;
		if (b->used == n) {
			b->stop = STOP_MORE;
			return;
		}
	} while (b->n < h->batch_most);
}

/* What a step on the way in leads to. */
static void
heed_login(struct session *s, enum login_verdict verdict)
{
	s->user = login_restricted(s->login);
	s->waiting = verdict == LOGIN_WAIT;
	s->closing |= verdict == LOGIN_CLOSE || verdict == LOGIN_DROP;
}

/* All that has no short way: what somebody observes, what the user may not,
 * and what most requests are not. */
static void
run_checked(struct session *s, struct host *h, struct request *req,
    const struct cache_key *key)
{
	bool sasl = req->op >= OP_SASL_LIST && req->op <= OP_SASL_STEP;
	enum status status = STATUS_FOUND;

	if (s->login != NULL && sasl) {
		heed_login(s, login_sasl(s->login, h, req));
		return;
	}
	if (s->user != NULL)
		status = rights_check(s->user, req);
	if (status == STATUS_FOUND)
		run_request(s, h, req, key, NULL);
	else
		answer_status(s, h, req, status);
}

static inline void
run_one(struct session *s, struct host *h, struct request *req,
    const struct cache_key *key, bool unobserved)
{
	if (unobserved && command_is_read(req->op) &&
	    command_read(h, s->parser.proto, req, key, &s->lead))
		;
	else if (takes_value(req->op) && req->problem != STATUS_FOUND)
		answer_status(s, h, req, req->problem);
	else
		run_checked(s, h, req, key);
}

/* Those of the first kind, if that has a short way.  Returns how many. */
static inline unsigned
run_alike(struct host *h, enum proto_name proto, unsigned i, unsigned n)
{
	const struct request *req = &h->batch[i];
	unsigned metas = 0;

	if (command_is_write(req))
		return command_writes(h, proto, req, &h->keys[i], n);
	while (metas < n && plain_is_meta(&req[metas]))
		metas++;
	return metas > 0 ? hits_serve(h, PLAIN_META, false, i, metas) : 0;
}

static void
run_requests(struct session *s, struct host *h, unsigned i, unsigned end,
    bool unobserved)
{
	while (i < end && !s->closing) {
		unsigned served = unobserved ?
		    run_alike(h, s->parser.proto, i, end - i) : 0;

		if (served == 0) {
			run_one(s, h, &h->batch[i], &h->keys[i], unobserved);
			served = 1;
		}
		s->fresh = false;
		i += served;
	}
}

static void
run_keys(struct session *s, struct host *h, const struct run *run,
    bool unobserved)
{
	const unsigned end = run->first + run->n;
	unsigned i = run->first;

	while (i < end && !s->closing) {
		unsigned served = unobserved ?
		    hits_serve(h, run->form, run->ends, i, end - i) : 0;

		if (served == 0) {
			plain_request(&h->batch[i], run->form, h->keys[i].bytes,
			    h->keys[i].nbytes, run->ends && i == end - 1);
			run_one(s, h, &h->batch[i], &h->keys[i], unobserved);
			served = 1;
		}
		s->fresh = false;
		i += served;
	}
}

static void
run_batch(struct session *s, struct host *h, const struct batch *b)
{
	bool unobserved = s->user == NULL &&
	    atomic_load_explicit(&h->server->observing,
	    memory_order_relaxed) == 0;
	unsigned done = 0;

	cache_look_ahead(h->cache, h->keys, b->n);
	for (const struct run *r = b->runs; !s->closing; r++) {
		bool is_last = r == b->runs + b->nruns;
		unsigned end = is_last ? b->n : r->first;

		if (done < end)
			run_requests(s, h, done, end, unobserved);
		if (is_last || s->closing)
			return;
		run_keys(s, h, r, unobserved);
		done = end + r->n;
	}
}

/* A batch and what ended it.  Returns false when the input is used up. */
static bool
serve(struct session *s, struct host *h, const char *in, size_t n,
    size_t *used, enum session_verdict *verdict)
{
	struct batch b;
	bool held = true;

	b.used = b.n = b.nruns = 0;
	b.stop = STOP_FULL;
	gather(s, h, in, n, &b);
	run_batch(s, h, &b);
	s->served += b.n;
	*used += b.used;
	if (s->closing)
		return true;
	if (s->waiting) {
		*verdict = SESSION_WAIT;
		return false;
	}
	switch (b.stop) {
	case STOP_FULL:
		return true;
	case STOP_MORE:
		*verdict = SESSION_MORE;
		return s->stream != NULL;
	case STOP_DROP:
		*verdict = SESSION_DROP;
		return false;
	case STOP_VALUE:
		held = begin_value(s, h, &h->batch[b.n], b.head, b.nhead);
		break;
	case STOP_REFUSE:
		held = begin_skip(s, h, &h->batch[b.n], b.head, b.nhead);
		break;
	}
	*verdict = SESSION_CLOSE;
	return held;
}

/* Likewise, of a client that has to log in. */
static bool
serve_login(struct session *s, struct host *h, const char *in, size_t n,
    size_t *used, enum session_verdict *verdict)
{
	size_t len;
	enum login_verdict v = login_serve(s->login, &s->parser, h, in, n,
	    &len);

	if (v == LOGIN_MORE || v == LOGIN_DROP) {
		*verdict = v == LOGIN_MORE ? SESSION_MORE : SESSION_DROP;
		return false;
	}
	*used += len;
	s->served++;
	s->fresh = false;
	heed_login(s, v);
	*verdict = SESSION_WAIT;
	return v != LOGIN_WAIT;
}

bool
session_is_private(const struct session *s)
{
	return s->login != NULL && !login_is_in(s->login);
}

struct attempt *
session_attempt(struct session *s)
{
	assert(s->waiting);
	return login_take(s->login);
}

void
session_resume(struct session *s, struct host *h, struct attempt *attempt)
{
	assert(s->waiting);
	login_finish(s->login, h, attempt);
	heed_login(s, LOGIN_DONE);
}

static bool
has_room(const struct output *o)
{
	return output_room(o) >= HOST_BATCH_MAX &&
	    o->npins + HOST_BATCH <= OUTPUT_PINS;
}

static enum stream_state
run_stream(struct session *s, struct host *h)
{
	enum stream_state state = s->stream->step(s->stream, h);

	if (state == STREAM_DONE) {
		s->stream->end(s->stream, h);
		s->stream = NULL;
	}
	return state;
}

enum session_verdict
session_run(struct session *s, struct host *h, const char *in, size_t n,
    size_t *used)
{
	enum session_verdict verdict = SESSION_MORE;
	bool stepped = false, more;

	*used = 0;
	s->served = 0;
	s->wants_value = false;
	s->fresh = output_empty(h->out);
	for (;;) {
		if (s->closing)
			return SESSION_CLOSE;
		if (!has_room(h->out))
			return SESSION_FULL;
		if (s->stream != NULL) {
			/* One piece, then others have their turn: who asks
			 * for a get would wait for the whole dump else. */
			if (stepped)
				return SESSION_FULL;
			stepped = true;
			if (run_stream(s, h) == STREAM_IDLE) {
				*used = n;
				return SESSION_MORE;
			}
			continue;
		}
		if (*used == n)
			return SESSION_MORE;
		if (h->turn != 0 && s->served >= h->turn)
			return SESSION_FULL;
		switch (s->phase) {
		case SESSION_VALUE:
			*used += feed_value(s, h, in + *used, n - *used);
			break;
		case SESSION_SKIP:
			*used += feed_skip(s, h, n - *used);
			break;
		case SESSION_HEAD:
			if (__builtin_expect(session_is_private(s), 0))
				more = serve_login(s, h, in + *used,
				    n - *used, used, &verdict);
			else
				more = serve(s, h, in + *used, n - *used,
				    used, &verdict);
			if (!more)
				return verdict;
			break;
		}
	}
}
