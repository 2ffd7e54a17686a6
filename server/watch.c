/* watch.c - see watch.h. */
#include "server/watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/token.h"
#include "server/peer.h"
#include "server/uri.h"

enum {
	WATCH_ALL = OBSERVE_ITEMS | OBSERVE_CONNEVENTS | OBSERVE_SYSEVENTS,
	/* A key in %XX, the other words, a time stamp. */
	WORDS_MOST = 160,
	STAMP_MOST = 64,
	LINE_MOST = CACHE_KEY_MAX * URI_EXPANSION + 32 + WORDS_MOST +
	    STAMP_MOST,
	SKIPPED_MOST = 40,
	STEP_BYTES = 32 * 1024, /* copied under the lock at once */
	RING_LEAST = 4096,
};

struct watcher {
	struct stream stream; /* first: the session knows it by this */
	/* fixed after watch_open() */
	struct watch *watch;
	struct host *host;
	unsigned kinds;
	size_t size;
	/* its session's */
	bool greeted;
	/* the lock's, from here ... */
	bool idle; /* has seen everything; to be woken */
	uint64_t skipped;
	size_t head, used;
	char ring[];
	/* ... to here */
};

struct watch {
	/* fixed after watch_new() */
	size_t ring;
	_Atomic unsigned *observing;
	pthread_mutex_t lock; /* guards from here ... */
	struct watcher *watchers[WATCH_MOST];
	struct watch_counts counts;
	uint64_t gid;
	/* ... to here */
};

struct watch *
watch_new(size_t ring, _Atomic unsigned *observing)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->ring = ring > RING_LEAST ? ring : RING_LEAST;
	w->observing = observing;
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	*wp = NULL;
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* What anybody watches is what is to be observed.  Under the lock, so that
 * the last to come or go has the last word. */
static void
observe(struct watch *w, struct cache *cache)
{
	unsigned was = atomic_load(w->observing), kinds = 0;

	for (unsigned i = 0; i < w->counts.watchers; i++)
		kinds |= w->watchers[i]->kinds;
	atomic_fetch_and(w->observing, ~(unsigned)WATCH_ALL | kinds);
	atomic_fetch_or(w->observing, kinds);
	if ((was ^ kinds) & OBSERVE_EVICTIONS)
		cache_watch_evictions(cache, kinds & OBSERVE_EVICTIONS);
}

/* ------------------------------------------------------------ rings */

static void
push(struct watcher *r, const char *bytes, size_t n)
{
	size_t tail = (r->head + r->used) % r->size;
	size_t first = r->size - tail < n ? r->size - tail : n;

	memcpy(r->ring + tail, bytes, first);
	memcpy(r->ring, bytes + first, n - first);
	r->used += n;
}

static size_t
pop(struct watcher *r, char *out, size_t most)
{
	size_t n = r->used < most ? r->used : most;
	size_t first = r->size - r->head < n ? r->size - r->head : n;

	memcpy(out, r->ring + r->head, first);
	memcpy(out + first, r->ring, n - first);
	r->head = (r->head + n) % r->size;
	r->used -= n;
	return n;
}

/* A line, and before it what was missed. */
static bool
offer(struct watcher *r, const char *line, size_t n)
{
	char skipped[SKIPPED_MOST];
	size_t m = 0;

	if (r->skipped > 0)
		m = (size_t)snprintf(skipped, sizeof(skipped),
		    "skipped=%" PRIu64 "\n", r->skipped);
	if (r->size - r->used < m + n) {
		r->skipped++;
		return false;
	}
	push(r, skipped, m);
	push(r, line, n);
	r->skipped = 0;
	return true;
}

/*
 * Adds the number and the time, which have to agree with the order of lines,
 * and hands the line to whom it concerns.
 */
static void
publish(struct watch *w, unsigned kind, const char *text, size_t ntext)
{
	struct host *sleepers[WATCH_MOST];
	char line[LINE_MOST];
	unsigned n = 0;
	struct timespec now;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&w->lock);
	len = (size_t)snprintf(line, STAMP_MOST,
	    "ts=%lld.%06ld gid=%" PRIu64 " type=", (long long)now.tv_sec,
	    now.tv_nsec / 1000, ++w->gid);
	memcpy(line + len, text, ntext);
	len += ntext;
	w->counts.noted++;
	for (unsigned i = 0; i < w->counts.watchers; i++) {
		struct watcher *r = w->watchers[i];

		if (!(r->kinds & kind))
			continue;
		if (offer(r, line, len))
			w->counts.sent++;
		else
			w->counts.skipped++;
		if (r->idle)
			sleepers[n++] = r->host;
		r->idle = false;
	}
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < n; i++)
		if (sleepers[i]->wake != NULL)
			sleepers[i]->wake(sleepers[i]);
}

void
watch_miss(struct watch *w, enum observing kind, uint64_t n)
{
	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->counts.watchers; i++) {
		if (!(w->watchers[i]->kinds & kind))
			continue;
		w->watchers[i]->skipped += n;
		w->counts.skipped += n;
	}
	pthread_mutex_unlock(&w->lock);
}

/* ------------------------------------------------------------ lines */

static char *
put_event(char *out, const struct watch_event *e)
{
	switch (e->kind) {
	case OBSERVE_FETCHERS:
		return out + snprintf(out, WORDS_MOST,
		    " status=%s clsid=%u cfd=%d size=%" PRIu32 "\n",
		    e->status, e->class_id, e->fd, e->size);
	case OBSERVE_MUTATIONS:
		return out + snprintf(out, WORDS_MOST,
		    " status=%s cmd=%s ttl=%" PRId64 " clsid=%u cfd=%d "
		    "size=%" PRIu32 "\n", e->status, e->cmd, e->ttl,
		    e->class_id, e->fd, e->size);
	case OBSERVE_EVICTIONS:
		return out + snprintf(out, WORDS_MOST,
		    " fetch=%s ttl=%" PRId64 " la=%" PRIu32 " clsid=%u "
		    "size=%" PRIu32 "\n",
		    e->fetched ? "yes" : "no", e->ttl, e->idle, e->class_id,
		    e->size);
	default:
		return out + snprintf(out, WORDS_MOST,
		    " cmd=%s clsid=%u size=%" PRIu32 "\n", e->cmd,
		    e->class_id, e->size);
	}
}

void
watch_note(struct watch *w, const struct watch_event *e)
{
	char text[LINE_MOST - STAMP_MOST];
	char *out = text;

	switch (e->kind) {
	case OBSERVE_FETCHERS:
		out = token_put_text(out, "item_get key=");
		break;
	case OBSERVE_MUTATIONS:
		out = token_put_text(out, "item_store key=");
		break;
	case OBSERVE_EVICTIONS:
		out = token_put_text(out, "eviction key=");
		break;
	default:
		out = token_put_text(out, "deleted key=");
		break;
	}
	out = uri_encode(out, e->key, e->nkey);
	out = put_event(out, e);
	publish(w, e->kind, text, (size_t)(out - text));
}

void
watch_connection(struct watch *w, int fd, const char *reason)
{
	struct peer p;
	char text[256];
	int n;

	/* Reset by the client: the kernel has forgotten who it was. */
	if (!peer_client(fd, &p))
		p = (struct peer){ .host = "?" };
	n = snprintf(text, sizeof(text), "conn_%s rip=%s rport=%u "
	    "transport=%s%s%s cfd=%d\n", reason == NULL ? "new" : "close",
	    p.host, p.port, p.local ? "local" : "tcp",
	    reason == NULL ? "" : " reason=", reason == NULL ? "" : reason,
	    fd);
	publish(w, OBSERVE_CONNEVENTS, text, (size_t)n);
}

/* memcached says fd here, and cfd elsewhere. */
void
watch_tls_error(struct watch *w, int fd, const char *why)
{
	char text[LINE_MOST - STAMP_MOST];
	int n = snprintf(text, sizeof(text), "conntlserr fd=%d msg=%.300s\n",
	    fd, why);

	publish(w, OBSERVE_CONNEVENTS, text, (size_t)n);
}

/* ------------------------------------------------------------ watchers */

static enum stream_state
step_watcher(struct stream *stream, struct host *h)
{
	struct watcher *r = (struct watcher *)stream;
	char *out = output_at(h->out);
	size_t n;

	if (!r->greeted)
		out = token_put_text(out, "OK\r\n");
	r->greeted = true;
	pthread_mutex_lock(&r->watch->lock);
	n = pop(r, out, STEP_BYTES);
	r->idle = r->used == 0;
	pthread_mutex_unlock(&r->watch->lock);
	output_to(h->out, out + n);
	return n < STEP_BYTES ? STREAM_IDLE : STREAM_MORE;
}

static void
end_watcher(struct stream *stream, struct host *h)
{
	struct watcher *r = (struct watcher *)stream;
	struct watch *w = r->watch;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->counts.watchers; i++) {
		if (w->watchers[i] != r)
			continue;
		w->watchers[i] = w->watchers[--w->counts.watchers];
		break;
	}
	observe(w, h->cache);
	pthread_mutex_unlock(&w->lock);
	free(r);
}

struct stream *
watch_open(struct watch *w, struct host *h, unsigned kinds, const char **why)
{
	struct watcher *r = malloc(sizeof(*r) + w->ring);
	bool full;

	if (r == NULL) {
		*why = "WATCHER_FAILED failed to add log watcher\r\n";
		return NULL;
	}
	memset(r, 0, sizeof(*r));
	r->stream = (struct stream){ step_watcher, end_watcher };
	r->watch = w;
	r->host = h;
	r->kinds = kinds;
	r->size = w->ring;
	pthread_mutex_lock(&w->lock);
	full = w->counts.watchers == WATCH_MOST;
	if (!full) {
		w->watchers[w->counts.watchers++] = r;
		observe(w, h->cache);
	}
	pthread_mutex_unlock(&w->lock);
	if (!full)
		return &r->stream;
	free(r);
	*why = "WATCHER_TOO_MANY log watcher limit reached\r\n";
	return NULL;
}

void
watch_count(struct watch *w, struct watch_counts *counts)
{
	pthread_mutex_lock(&w->lock);
	*counts = w->counts;
	pthread_mutex_unlock(&w->lock);
}

void
watch_reset(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->counts = (struct watch_counts){ .watchers = w->counts.watchers };
	pthread_mutex_unlock(&w->lock);
}
