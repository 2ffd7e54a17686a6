/* dump.c - see dump.h. */
#include "server/dump.h"

#include <inttypes.h>
#include <stdio.h>
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
put_text(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return out + n;
}

static char *
put_meta(char *out, const struct cache_listed *it, const struct server *srv)
{
	int64_t exp = it->deadline == 0 ? -1 :
	    srv->start_unix + it->deadline;

	out = put_text(out, "key=");
	out = uri_encode(out, it->key, it->nkey);
	return out + snprintf(out, NUMBERS_MAX, " exp=%" PRId64 " la=%" PRId64
	    " cas=%" PRIu64 " fetch=%s cls=%u size=%" PRIu32
	    " flags=%" PRIu32 " \n", exp, srv->start_unix + it->accessed,
	    it->cas, it->fetched ? "yes" : "no", it->class_id, it->size,
	    it->client_flags);
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
	out = put_text(out, "mg ");
	if (needs_base64(it)) {
		out += token_base64_encode(it->key, it->nkey, out);
		return put_text(out, " b\r\n");
	}
	memcpy(out, it->key, it->nkey);
	return put_text(out + it->nkey, "\r\n");
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
		out = put_text(out, "OK\r\n");
	d->begun = true;
	n = cache_walk(h->cache, h->caller.now, &d->place, d->list,
	    STEP_ITEMS);
	for (size_t i = 0; i < n; i++) {
		const struct cache_listed *it = &d->list[i];

		if (!(d->classes >> it->class_id & 1) ||
		    !is_shown(d->user, it))
			continue;
		out = d->form == DUMP_MG ? put_mg(out, it) :
		    put_meta(out, it, h->server);
	}
	if (d->place == UINT64_MAX)
		out = put_text(out, d->form == DUMP_MG ? "EN\r\n" :
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
};

static void
put_listed(struct answer *a, const struct cache_listed *it,
    const struct server *srv)
{
	char line[CACHEDUMP_LINE];
	char *out = put_text(line, "ITEM ");

	out = uri_escape(out, it->key, it->nkey);
	out += snprintf(out, LISTED_MAX, " [%" PRIu32 " b; %" PRId64 " s]\r\n",
	    it->nvalue,
	    it->deadline == 0 ? 0 : srv->start_unix + it->deadline);
	answer_bytes(a, line, (size_t)(out - line));
}

static void
list_class(struct call *call, struct answer *a, unsigned class_id,
    size_t items, size_t limit)
{
	struct host *h = call->host;
	/* Of somebody's own, any may be among the last. */
	size_t most = call->user != NULL ? CACHEDUMP_ITEMS : limit;
	size_t max = items < most ? items : most;
	struct cache_listed *list = malloc(max * sizeof(*list));
	size_t n, shown = 0;

	if (list == NULL) {
		a->failed = true;
		return;
	}
	n = cache_list_class(h->cache, class_id, h->caller.now, true, list,
	    max);
	for (size_t i = 0; i < n && shown < limit &&
	    a->used < CACHEDUMP_BYTES; i++) {
		if (!is_shown(call->user, &list[i]))
			continue;
		shown++;
		if (!list[i].binary_key)
			put_listed(a, &list[i], h->server);
	}
	free(list);
}

void
stats_cachedump(struct call *call, struct result *res)
{
	const struct word *words = call->req->words.at;
	struct cache_class_stats stats;
	struct host *h = call->host;
	uint32_t class_id, limit;
	struct answer a;

	if (h->server->config->disable_dumping) {
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
	answer_begin(&a, call);
	if (limit == 0 || limit > CACHEDUMP_ITEMS)
		limit = CACHEDUMP_ITEMS;
	if (class_id > 0 && cache_class_stats(h->cache, class_id,
	    h->caller.now, &stats) && stats.items > 0)
		list_class(call, &a, class_id, stats.items, limit);
	answer_end(&a);
	answer_send(&a, call, res);
}
