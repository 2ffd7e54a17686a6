/* dump.c - see dump.h. */
#include "server/dump.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/token.h"
#include "server/stats.h"
#include "server/uri.h"
#include "server/users.h"
#include "server/words.h"

enum {
	STEP_ITEMS = 160,
	/* A key in %XX and the numbers of a metadump line. */
	NUMBERS_MAX = 224,
	LINE_MAX_BYTES = CACHE_KEY_MAX * URI_EXPANSION + 32 + NUMBERS_MAX,
};
_Static_assert(STEP_ITEMS * LINE_MAX_BYTES + 16 <= HOST_BATCH_MAX,
    "a step fits in the output");
_Static_assert((int)STEP_ITEMS >= (int)CACHE_WALK_LEAST,
    "no item is left out");

struct dump {
	struct stream stream;
	enum dump_form form;
	const struct user *user;
	uint64_t classes;
	uint64_t place; /* of cache_walk() */
	bool begun;
	struct cache_listed list[STEP_ITEMS];
};

static char *
put_number(char *out, const char *name, uint64_t n)
{
	return token_put_uint64(token_put_text(out, name), n);
}

/* Without printf, which would take most of the time of a dump. */
static char *
put_meta(char *out, const struct cache_listed *it, const struct clock *clock)
{
	out = token_put_text(out, "key=");
	out = uri_encode(out, it->key, it->nkey);
	if (it->deadline == 0)
		out = token_put_text(out, " exp=-1");
	else
		out = put_number(out, " exp=", clock_unix(clock, it->deadline));
	out = put_number(out, " la=", clock_unix(clock, it->accessed));
	out = put_number(out, " cas=", it->cas);
	out = token_put_text(out, it->fetched ? " fetch=yes" : " fetch=no");
	out = put_number(out, " cls=", it->class_id);
	out = put_number(out, " size=", it->size);
	out = put_number(out, " flags=", it->client_flags);
	return token_put_text(out, " \n");
}

/* Keys that no line could carry go out as those stored in base64. */
static bool
needs_base64(const struct cache_listed *it)
{
	if (it->binary_key)
		return true;
	for (unsigned i = 0; i < it->nkey; i++)
		if (uri_breaks((unsigned char)it->key[i]))
			return true;
	return false;
}

static char *
put_mg(char *out, const struct cache_listed *it)
{
	out = token_put_text(out, "mg ");
	if (needs_base64(it)) {
		out += token_base64_encode(it->key, it->nkey, out);
		return token_put_text(out, " b\r\n");
	}
	memcpy(out, it->key, it->nkey);
	return token_put_text(out + it->nkey, "\r\n");
}

static bool
is_shown(const struct user *user, const struct cache_listed *it)
{
	return user == NULL || user_covers(user, it->key, it->nkey);
}

static enum stream_state
step_dump(struct stream *stream, struct host *h)
{
	struct dump *d = (struct dump *)stream;
	char *out = output_at(h->out);
	size_t n;

	if (!d->begun)
		out = token_put_text(out, "OK\r\n");
	d->begun = true;
	n = cache_walk(h->cache, h->caller.now, &d->place, d->list,
	    STEP_ITEMS);
	for (size_t i = 0; i < n; i++) {
		const struct cache_listed *it = &d->list[i];

		if (!(d->classes >> it->class_id & 1) ||
		    !is_shown(d->user, it))
			continue;
		out = d->form == DUMP_MG ? put_mg(out, it) :
		    put_meta(out, it, &h->server->clock);
	}
	if (d->place == UINT64_MAX)
		out = token_put_text(out, d->form == DUMP_MG ? "EN\r\n" :
		    "END\r\n");
	output_to(h->out, out);
	return d->place == UINT64_MAX ? STREAM_DONE : STREAM_MORE;
}

static void
end_dump(struct stream *stream, struct host *h)
{
	(void)h;
	free(stream);
}

struct stream *
dump_new(enum dump_form form, uint64_t classes, const struct user *user)
{
	struct dump *d = malloc(sizeof(*d));

	if (d == NULL)
		return NULL;
	d->stream = (struct stream){ step_dump, end_dump };
	d->form = form;
	d->user = user;
	d->classes = classes;
	d->place = 0;
	d->begun = false;
	return &d->stream;
}

/* ------------------------------------------------------------ cachedump */

enum {
	CACHEDUMP_BYTES = 2 << 20, /* where memcached stops */
	CACHEDUMP_ITEMS = 65536,
	/* " [4294967295 b; 9223372036854775807 s]\r\n" */
	LISTED_MAX = 56,
	CACHEDUMP_LINE = CACHE_KEY_MAX * URI_EXPANSION + 8 + LISTED_MAX,
	CACHEDUMP_TAIL = 64,
};
_Static_assert(STEP_ITEMS * CACHEDUMP_LINE + CACHEDUMP_TAIL <= HOST_BATCH_MAX,
    "a step fits in the output");

struct listing {
	struct stream stream;
	const struct user *user;
	unsigned class_id;
	size_t limit, seen, shown, bytes;
	struct cache_list_place place;
	char tail[CACHEDUMP_TAIL]; /* the end, as the protocol has it */
	size_t ntail;
	struct cache_listed list[STEP_ITEMS];
};

static char *
put_listed(char *out, const struct cache_listed *it, const struct clock *clock)
{
	out = token_put_text(out, "ITEM ");
	out = uri_escape(out, it->key, it->nkey);
	out = put_number(out, " [", it->nvalue);
	out = put_number(out, " b; ", it->deadline == 0 ? 0 :
	    clock_unix(clock, it->deadline));
	return token_put_text(out, " s]\r\n");
}

static enum stream_state
step_listing(struct stream *stream, struct host *h)
{
	struct listing *l = (struct listing *)stream;
	char *start = output_at(h->out), *out = start;
	size_t n = cache_list_class(h->cache, l->class_id, h->caller.now, true,
	    &l->place, l->list, STEP_ITEMS);

	for (size_t i = 0; i < n && l->shown < l->limit; i++) {
		if (!is_shown(l->user, &l->list[i]))
			continue;
		l->shown++;
		if (!l->list[i].binary_key)
			out = put_listed(out, &l->list[i],
			    &h->server->clock);
	}
	l->seen += n;
	l->bytes += (size_t)(out - start);
	if (l->shown == l->limit || l->bytes >= CACHEDUMP_BYTES ||
	    l->seen >= CACHEDUMP_ITEMS)
		l->place.done = true;
	if (l->place.done) {
		memcpy(out, l->tail, l->ntail);
		out += l->ntail;
	}
	output_to(h->out, out);
	return l->place.done ? STREAM_DONE : STREAM_MORE;
}

static void
list_class(struct call *call, struct result *res, unsigned class_id,
    size_t limit)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct answer a;

	answer_begin(&a, call);
	answer_end(&a);
	if (l == NULL || a.failed) {
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
		free(l);
		answer_drop(&a);
		return;
	}
	assert(a.used <= sizeof(l->tail));
	memcpy(l->tail, a.bytes, a.used);
	l->ntail = a.used;
	answer_drop(&a);
	l->stream = (struct stream){ step_listing, end_dump };
	l->user = call->user;
	l->class_id = class_id;
	l->limit = limit == 0 ? SIZE_MAX : limit;
	res->status = STATUS_NOTHING;
	call->stream = &l->stream;
}

void
stats_cachedump(struct call *call, struct result *res)
{
	const struct word *words = call->req->words.at;
	uint32_t class_id, limit;

	if (call->host->server->config->disable_dumping) {
		words_say(res,
		    "CLIENT_ERROR stats cachedump not allowed\r\n");
		return;
	}
	if (call->req->words.n < 4) {
		words_say(res, "CLIENT_ERROR bad command line\r\n");
		return;
	}
	if (!token_uint32(words[2], &class_id) ||
	    !token_uint32(words[3], &limit)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (class_id >= CACHE_CLASSES) {
		words_say(res, "CLIENT_ERROR Illegal slab id\r\n");
		return;
	}
	list_class(call, res, class_id, limit);
}
