/* admin.c - see command.h: commands that touch no item. */
#include "server/command.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/token.h"
#include "server/answer.h"
#include "server/dump.h"
#include "server/flush.h"
#include "server/log.h"
#include "server/runtime.h"
#include "server/tls.h"
#include "server/users.h"
#include "server/watch.h"
#include "server/words.h"

enum {
	MAX_VERBOSITY = 2,
	MEMLIMIT_LEAST_MB = 8,
	MEMLIMIT_MOST_MB = 1000000000,
	LRU_MOST_PCT = 80,
	CRAWLER_MOST_SLEEP = 1000000, /* microseconds */
	WINDOW_LEAST = 3,
	WINDOW_MOST = 1800,
};

/* How the handlers of sub-words look; words[0] is the first after them. */
typedef void sub_fn(struct call *, const struct word *words, unsigned n,
    struct result *);

/* ------------------------------------------------------------ words */

/* Runs the handler that the second word names. */
static void
run_sub(struct call *call, struct result *res, const char *const *names,
    sub_fn *const *subs, unsigned nsubs)
{
	const struct word *words = call->req->words.at;
	unsigned n = words_count(call);
	int i = n < 2 ? -1 : words_choose(words[1], names, nsubs);

	res->status = STATUS_ERROR;
	if (i >= 0)
		subs[i](call, words + 2, n - 2, res);
}

static bool
is_binary(const struct call *call)
{
	return call->proto == PROTO_BINARY;
}

static const struct config *
config_of(const struct call *call)
{
	return call->host->server->config;
}

static struct runtime *
runtime_of(const struct call *call)
{
	return call->host->server->runtime;
}

/* ------------------------------------------------------------ short ones */

static void
flush(struct call *call, struct result *res, uint32_t at)
{
	struct host *h = call->host;
	unsigned shard = 0;

	res->status = STATUS_OK;
	if (call->user != NULL && call->user->nprefixes > 0) {
		call->stream = flush_new(call, at);
	} else if (at != 0) {
		cache_flush(h->cache, &h->caller, at);
		return;
	} else if (cache_flush_step(h->cache, &h->caller, &shard)) {
		return;
	} else {
		call->stream = flush_rest(call, shard);
	}
	res->status = call->stream != NULL ? STATUS_NOTHING :
	    STATUS_NO_MEMORY;
}

void
cmd_flush_all(struct call *call, struct result *res)
{
	struct host *h = call->host;
	int32_t exptime = 0;
	uint32_t at;

	count_up(&h->counters.cmd_flush, 1);
	if (is_binary(call))
		exptime = (int32_t)call->req->exptime;
	if (h->server->config->disable_flush_all) {
		if (is_binary(call))
			res->status = STATUS_AUTH_FAILURE;
		else
			words_say(res,
			    "CLIENT_ERROR flush_all not allowed\r\n");
		return;
	}
	if (!is_binary(call) && words_count(call) > 1 &&
	    !token_int32(call->req->words.at[1], &exptime)) {
		res->status = STATUS_BAD_EXPTIME;
		return;
	}
	at = clock_deadline(&h->server->clock, h->caller.now, exptime);
	/* memcached flushes one tick before the delay is over. */
	at = at <= h->caller.now + 1 ? 0 : at - 1;
	flush(call, res, at);
}

void
cmd_version(struct call *call, struct result *res)
{
	call->req->quiet = false;
	words_say(res, is_binary(call) ? SLABD_WIRE_VERSION :
	    "VERSION " SLABD_WIRE_VERSION "\r\n");
}

void
cmd_verbosity(struct call *call, struct result *res)
{
	uint32_t level;

	if (words_count(call) < 2 ||
	    !token_uint32(call->req->words.at[1], &level)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (level > MAX_VERBOSITY)
		level = MAX_VERBOSITY;
	atomic_store_explicit(&call->host->server->verbosity, (int)level,
	    memory_order_relaxed);
	log_set_verbosity(level);
	res->status = STATUS_OK;
}

/* Auto discovery; without a list it is unknown, as to memcached. */
void
cmd_config(struct call *call, struct result *res)
{
	const struct word *words = call->req->words.at;
	const char *cluster = call->host->server->cluster;

	if (is_binary(call) || cluster == NULL)
		res->status = STATUS_ERROR;
	else if (words_count(call) == 3 && token_is(words[1], "get") &&
	    token_is(words[2], "cluster"))
		words_say(res, cluster);
	else
		words_say(res, "CLIENT_ERROR usage: config get cluster\r\n");
}

void
cmd_quit(struct call *call, struct result *res)
{
	call->close = true;
	res->status = is_binary(call) ? STATUS_OK : STATUS_NOTHING;
}

void
cmd_shutdown(struct call *call, struct result *res)
{
	unsigned n = words_count(call);
	bool graceful;

	if (!config_of(call)->enable_shutdown) {
		words_say(res, "SERVER_ERROR: shutdown not enabled\r\n");
		return;
	}
	graceful = n == 2 && token_is(call->req->words.at[1], "graceful");
	if (n > 1 && !graceful) {
		words_say(res, "CLIENT_ERROR invalid shutdown mode\r\n");
		return;
	}
	/* The same way as from outside: one way to end is enough. */
	kill(getpid(), graceful ? SIGUSR1 : SIGINT);
	call->close = true;
	res->status = STATUS_NOTHING;
}

/*
 * debugtime <seconds>: the clock goes on by so many; p, it stops; r, it runs
 * again.  It never goes back, which items could not bear.  The commands after
 * it see it at once, those of other workers with their next input.
 */
void
cmd_debugtime(struct call *call, struct result *res)
{
	struct server *srv = call->host->server;
	uint32_t *now = &call->host->caller.now, seconds;
	struct word word;

	res->status = STATUS_ERROR;
	if (!srv->config->debug || words_count(call) < 2)
		return;
	word = call->req->words.at[1];
	if (token_is(word, "p"))
		clock_stop(&srv->clock, *now);
	else if (token_is(word, "r"))
		clock_go(&srv->clock);
	else if (token_uint32(word, &seconds) &&
	    clock_advance(&srv->clock, seconds))
		*now += seconds;
	else
		return;
	res->status = STATUS_OK;
}

void
cmd_noop(struct call *call, struct result *res)
{
	if (is_binary(call)) {
		res->status = STATUS_OK;
		return;
	}
	call->req->quiet = false;
	words_say(res, "MN\r\n");
}

void
cmd_end(struct call *call, struct result *res)
{
	(void)call;
	res->status = STATUS_NOT_FOUND;
}

void
cmd_unknown(struct call *call, struct result *res)
{
	(void)call;
	res->status = STATUS_ERROR;
}

/* Without -S these are as unknown as any other. */
void
cmd_sasl_list(struct call *call, struct result *res)
{
	cmd_unknown(call, res);
}

void
cmd_sasl_auth(struct call *call, struct result *res)
{
	cmd_unknown(call, res);
}

void
cmd_sasl_step(struct call *call, struct result *res)
{
	cmd_unknown(call, res);
}

void
cmd_refresh_certs(struct call *call, struct result *res)
{
	struct host *h = call->host;
	char why[TLS_WHY_MAX];
	struct answer a;

	if (h->server->tls == NULL) {
		words_say(res, "Error TLS not enabled\r\n");
		return;
	}
	res->status = STATUS_OK;
	if (tls_reload(h->server->tls, h->caller.now, why))
		return;
	log_error("refresh_certs: %s; the certificates of before stay", why);
	answer_begin(&a, call);
	answer_bytes(&a, why, strlen(why));
	answer_bytes(&a, "\r\n", 2);
	answer_send(&a, call, res);
}

/* ------------------------------------------------------------ memory */

void
cmd_cache_memlimit(struct call *call, struct result *res)
{
	uint32_t mb;

	res->status = STATUS_ERROR;
	if (words_count(call) < 2 ||
	    !token_uint32(call->req->words.at[1], &mb))
		return;
	if (mb < MEMLIMIT_LEAST_MB)
		words_say(res, "MEMLIMIT_TOO_SMALL cannot set maxbytes to "
			       "less than 8m\r\n");
	else if (mb > MEMLIMIT_MOST_MB)
		words_say(res, "MEMLIMIT_ADJUST_FAILED input value is "
			       "megabytes not bytes\r\n");
	else if (!cache_set_limit(call->host->cache, (size_t)mb << 20))
		words_say(res, "MEMLIMIT_ADJUST_FAILED out of bounds or "
			       "unable to adjust\r\n");
	else
		res->status = STATUS_OK;
}

static void
say_moved(struct result *res, enum cache_status status)
{
	if (status == CACHE_DELETED)
		res->status = STATUS_OK;
	else if (status == CACHE_NOT_FOUND)
		words_say(res,
		    "NOSPARE source class has no spare pages\r\n");
	else
		words_say(res,
		    "BUSY currently processing reassign request\r\n");
}

static void
slabs_reassign(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	int32_t from, to;

	if (n != 2)
		return;
	if (!config_of(call)->slab_reassign) {
		words_say(res, "CLIENT_ERROR slab reassignment disabled\r\n");
		return;
	}
	if (!token_int32(words[0], &from) || !token_int32(words[1], &to)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (from == to)
		words_say(res, "SAME src and dst class are identical\r\n");
	else if (from < -1 || from >= CACHE_CLASSES || to < 0 ||
	    to >= CACHE_CLASSES)
		words_say(res, "BADCLASS invalid src or dst class id\r\n");
	else
		say_moved(res, cache_reassign(call->host->cache,
		    &call->host->caller, from < 0 ? 0 : (unsigned)from,
		    (unsigned)to));
}

static void
automove_ratio(struct call *call, const struct word *words, bool free,
    struct result *res)
{
	struct runtime *a = runtime_of(call);
	double ratio;

	if (!token_double(words[1], &ratio))
		return;
	pthread_mutex_lock(&a->lock);
	*(free ? &a->tuning.automove_freeratio : &a->tuning.automove_ratio) =
	    ratio;
	pthread_mutex_unlock(&a->lock);
	res->status = STATUS_OK;
}

static void
automove_window(struct call *call, const struct word *words,
    struct result *res)
{
	struct runtime *a = runtime_of(call);
	int32_t window;

	if (!token_int32(words[1], &window)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (window < WINDOW_LEAST || window > WINDOW_MOST) {
		words_say(res, "CLIENT_ERROR automove window too low or too "
			       "high\r\n");
		return;
	}
	pthread_mutex_lock(&a->lock);
	a->tuning.automove_window = (uint32_t)window;
	pthread_mutex_unlock(&a->lock);
	res->status = STATUS_OK;
}

static void
slabs_automove(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	static const char *const names[] = { "ratio", "freeratio", "window" };
	struct runtime *a = runtime_of(call);
	uint32_t level;
	int what;

	if (n == 0)
		return;
	what = words_choose(words[0], names, 3);
	if (what >= 0) {
		if (n < 2)
			return;
		if (what == 2)
			automove_window(call, words, res);
		else
			automove_ratio(call, words, what == 1, res);
		return;
	}
	if (!token_uint32(words[0], &level)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (level > 2)
		return;
	pthread_mutex_lock(&a->lock);
	a->tuning.automove = level;
	pthread_mutex_unlock(&a->lock);
	res->status = STATUS_OK;
}

void
cmd_slabs(struct call *call, struct result *res)
{
	static const char *const names[] = { "reassign", "automove" };
	static sub_fn *const subs[] = { slabs_reassign, slabs_automove };

	run_sub(call, res, names, subs, 2);
}

void
cmd_extstore(struct call *call, struct result *res)
{
	static const char *const names[] = { "free_memchunks", "item_size",
		"item_age", "low_ttl", "recache_rate", "compact_under",
		"drop_under", "max_sleep", "max_frag", "drop_unread" };
	unsigned n = words_count(call), want = 3;
	const struct word *words = call->req->words.at;
	double number;
	int what;

	res->status = STATUS_ERROR;
	if (n < 3)
		return;
	what = words_choose(words[1], names,
	    sizeof(names) / sizeof(names[0]));
	if (what == 0)
		want = 4;
	if (what >= 0 && n >= want &&
	    token_double(words[want - 1], &number) && number >= 0)
		res->status = STATUS_OK;
}

/* ------------------------------------------------------------ LRU */

static void
lru_tune(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	struct runtime *a = runtime_of(call);
	double hot_factor, warm_factor;
	uint32_t hot, warm;

	if (n < 4 || !token_uint32(words[0], &hot) ||
	    !token_uint32(words[1], &warm) ||
	    !token_double(words[2], &hot_factor) ||
	    !token_double(words[3], &warm_factor))
		return;
	if ((uint64_t)hot + warm > LRU_MOST_PCT) {
		words_say(res,
		    "ERROR hot and warm pcts must not exceed 80\r\n");
		return;
	}
	if (hot_factor <= 0 || warm_factor <= 0) {
		words_say(res, "ERROR hot/warm age factors must be greater "
			       "than 0\r\n");
		return;
	}
	pthread_mutex_lock(&a->lock);
	a->tuning.hot_pct = hot;
	a->tuning.warm_pct = warm;
	a->tuning.hot_factor = hot_factor;
	a->tuning.warm_factor = warm_factor;
	pthread_mutex_unlock(&a->lock);
	cache_tune_lru(call->host->cache, hot, warm, hot_factor, warm_factor);
	res->status = STATUS_OK;
}

static void
lru_mode(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	static const char *const names[] = { "flat", "segmented" };
	struct runtime *a = runtime_of(call);
	int mode;

	if (n < 1 || !config_of(call)->lru_maintainer)
		return;
	mode = words_choose(words[0], names, 2);
	if (mode < 0)
		return;
	pthread_mutex_lock(&a->lock);
	a->tuning.segmented = mode == 1;
	pthread_mutex_unlock(&a->lock);
	cache_set_flat_lru(call->host->cache, mode == 0);
	res->status = STATUS_OK;
}

static void
lru_temp_ttl(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	struct runtime *a = runtime_of(call);
	int32_t ttl;

	if (n < 1 || !config_of(call)->lru_maintainer ||
	    !token_int32(words[0], &ttl))
		return;
	pthread_mutex_lock(&a->lock);
	a->tuning.temp_lru = ttl >= 0;
	if (ttl >= 0)
		a->tuning.temporary_ttl = (uint32_t)ttl;
	pthread_mutex_unlock(&a->lock);
	cache_set_temporary_ttl(call->host->cache, ttl > 0 ? (uint32_t)ttl :
	    0);
	res->status = STATUS_OK;
}

void
cmd_lru(struct call *call, struct result *res)
{
	static const char *const names[] = { "tune", "mode", "temp_ttl" };
	static sub_fn *const subs[] = { lru_tune, lru_mode, lru_temp_ttl };

	run_sub(call, res, names, subs, 3);
}

/* ------------------------------------------------------------ crawler */

/* The classes that a word names: "all", "hash" or numbers between commas. */
static bool
read_classes(struct word w, bool may_hash, uint64_t *classes)
{
	struct word id = { w.at, 0 };
	uint64_t seen = 0;
	uint32_t n;

	*classes = UINT64_MAX;
	if (token_is(w, "all") || (may_hash && token_is(w, "hash")))
		return true;
	for (uint32_t i = 0; i <= w.n; i++) {
		if (i < w.n && w.at[i] != ',') {
			id.n++;
			continue;
		}
		if (!token_uint32(id, &n) || n == 0 || n >= CACHE_CLASSES)
			return false;
		seen |= UINT64_C(1) << n;
		id = (struct word){ w.at + i + 1, 0 };
	}
	*classes = seen;
	return true;
}

static bool
crawler_enabled(struct call *call, struct result *res)
{
	if (runtime_tuning(runtime_of(call)).crawler)
		return true;
	words_say(res, "CLIENT_ERROR lru crawler disabled\r\n");
	return false;
}

/* Expired items are swept anyway, so this has only to be well-formed. */
static void
crawler_crawl(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	struct runtime *a = runtime_of(call);
	uint64_t classes;

	if (n != 1 || !crawler_enabled(call, res))
		return;
	if (!read_classes(words[0], false, &classes)) {
		words_say(res, "BADCLASS invalid class id\r\n");
		return;
	}
	pthread_mutex_lock(&a->lock);
	a->crawler_starts++;
	pthread_mutex_unlock(&a->lock);
	res->status = STATUS_OK;
}

static void
crawler_dump(struct call *call, const struct word *words, unsigned n,
    enum dump_form form, struct result *res)
{
	const char *refusal = form == DUMP_META ?
	    "ERROR metadump not allowed\r\n" :
	    "ERROR key dump not allowed\r\n";
	const char *behind = form == DUMP_META ?
	    "ERROR cannot pipeline other commands before metadump\r\n" :
	    "ERROR cannot pipeline other commands before mgdump\r\n";
	uint64_t classes;
	struct stream *stream;

	if (n != 1 || !crawler_enabled(call, res))
		return;
	if (config_of(call)->disable_dumping) {
		words_say(res, refusal);
	} else if (!call->first) {
		words_say(res, behind);
	} else if (!read_classes(words[0], true, &classes)) {
		words_say(res, "BADCLASS invalid class id\r\n");
	} else if (call->req->quiet) {
		res->status = STATUS_NOTHING;
	} else if ((stream = dump_new(form, classes,
	    call->user)) == NULL) {
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
	} else {
		call->stream = stream;
		res->status = STATUS_NOTHING;
	}
}

static void
crawler_metadump(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	crawler_dump(call, words, n, DUMP_META, res);
}

static void
crawler_mgdump(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	crawler_dump(call, words, n, DUMP_MG, res);
}

static void
crawler_set(struct call *call, const struct word *words, unsigned n,
    bool sleep, struct result *res)
{
	struct runtime *a = runtime_of(call);
	uint32_t number;

	if (n != 1)
		return;
	if (!token_uint32(words[0], &number)) {
		res->status = STATUS_BAD_FORMAT;
		return;
	}
	if (sleep && number > CRAWLER_MOST_SLEEP) {
		words_say(res, "CLIENT_ERROR sleep must be one second or "
			       "less\r\n");
		return;
	}
	pthread_mutex_lock(&a->lock);
	*(sleep ? &a->tuning.crawler_sleep : &a->tuning.crawler_tocrawl) =
	    number;
	pthread_mutex_unlock(&a->lock);
	res->status = STATUS_OK;
}

static void
crawler_tocrawl(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	crawler_set(call, words, n, false, res);
}

static void
crawler_sleep(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	crawler_set(call, words, n, true, res);
}

static void
crawler_switch(struct call *call, bool on, struct result *res)
{
	struct runtime *a = runtime_of(call);
	bool was;

	pthread_mutex_lock(&a->lock);
	was = a->tuning.crawler;
	a->tuning.crawler = on;
	pthread_mutex_unlock(&a->lock);
	if (on && was)
		words_say(res,
		    "ERROR failed to start lru crawler thread\r\n");
	else
		res->status = STATUS_OK;
}

static void
crawler_enable(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	(void)words;
	if (n == 0)
		crawler_switch(call, true, res);
}

static void
crawler_disable(struct call *call, const struct word *words, unsigned n,
    struct result *res)
{
	(void)words;
	if (n == 0)
		crawler_switch(call, false, res);
}

void
cmd_lru_crawler(struct call *call, struct result *res)
{
	static const char *const names[] = { "crawl", "metadump", "mgdump",
		"tocrawl", "sleep", "enable", "disable" };
	static sub_fn *const subs[] = { crawler_crawl, crawler_metadump,
		crawler_mgdump, crawler_tocrawl, crawler_sleep, crawler_enable,
		crawler_disable };

	run_sub(call, res, names, subs, 7);
}

/* ------------------------------------------------------------ watch */

/* The kinds that the words name; 0: there is an unknown one. */
static unsigned
read_kinds(const struct word *words, unsigned n)
{
	static const char *const names[] = { "fetchers", "mutations",
		"evictions", "connevents", "deletions", "sysevents",
		"proxyreqs", "proxyevents", "proxyuser", "rawcmds" };
	/* slabd is no proxy: nothing of that kind ever happens. */
	static const unsigned kinds[] = { OBSERVE_FETCHERS, OBSERVE_MUTATIONS,
		OBSERVE_EVICTIONS, OBSERVE_CONNEVENTS, OBSERVE_DELETIONS,
		OBSERVE_SYSEVENTS, OBSERVE_SYSEVENTS, OBSERVE_SYSEVENTS,
		OBSERVE_SYSEVENTS, OBSERVE_SYSEVENTS };
	unsigned seen = n == 0 ? OBSERVE_FETCHERS : 0;

	for (unsigned i = 0; i < n; i++) {
		int kind = words_choose(words[i], names,
		    sizeof(names) / sizeof(names[0]));

		if (kind < 0)
			return 0;
		seen |= kinds[kind];
	}
	return seen;
}

void
cmd_watch(struct call *call, struct result *res)
{
	struct host *h = call->host;
	/* noreply is but one more kind that there is not. */
	unsigned kinds = read_kinds(call->req->words.at + 1,
	    call->req->words.n - 1);
	struct stream *stream;
	const char *why;

	if (h->server->config->disable_watch) {
		words_say(res, "CLIENT_ERROR watch commands not allowed\r\n");
	} else if (!call->first) {
		words_say(res, "ERROR cannot pipeline other commands before "
			       "watch\r\n");
	} else if (kinds == 0) {
		res->status = STATUS_ERROR;
	} else if ((stream = watch_open(h->server->watch, h, kinds, &why)) ==
	    NULL) {
		words_say(res, why);
	} else {
		call->stream = stream;
		res->status = STATUS_NOTHING;
	}
}
