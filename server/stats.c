/* stats.c - see stats.h. */
#include "server/stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "proto/token.h"
#include "server/detail.h"
#include "server/tls.h"
#include "server/watch.h"
#include "server/words.h"

/* ------------------------------------------------------------ sums */

static uint64_t
peek(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void
add(_Atomic uint64_t *to, uint64_t n)
{
	count_up(to, n);
}

static void
add_all(struct server *srv, struct totals *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < srv->nhosts; i++) {
		const struct host *h = srv->hosts[i];

		if (h == NULL)
			continue;
		cache_tally_add(&t->tally, &h->tally);
#define X(name) add(&t->counters.name, peek(&h->counters.name));
		COUNTERS(X)
#undef X
	}
	t->connections = peek(&srv->total_connections);
	t->rejected = peek(&srv->rejected_connections);
	t->listen_disabled = peek(&srv->listen_disabled);
	t->listen_disabled_us = peek(&srv->listen_disabled_us);
}

static void
take(_Atomic uint64_t *from, const _Atomic uint64_t *n)
{
	add(from, -peek(n));
}

static void
take_all(struct totals *t, const struct totals *base)
{
#define X(name) take(&t->counters.name, &base->counters.name);
	COUNTERS(X)
#undef X
#define X(name) take(&t->tally.name, &base->tally.name);
	CACHE_TALLY(X)
#undef X
	for (unsigned i = 0; i < CACHE_CLASSES; i++) {
		struct cache_class_tally *c = &t->tally.of_class[i];
		const struct cache_class_tally *b = &base->tally.of_class[i];

#define X(name) take(&c->name, &b->name);
		CACHE_CLASS_TALLY(X)
#undef X
	}
	t->connections -= base->connections;
	t->rejected -= base->rejected;
	t->listen_disabled -= base->listen_disabled;
	t->listen_disabled_us -= base->listen_disabled_us;
}

void
stats_sum(struct server *srv, struct totals *t)
{
	add_all(srv, t);
	pthread_mutex_lock(&srv->runtime->lock);
	take_all(t, &srv->runtime->base);
	pthread_mutex_unlock(&srv->runtime->lock);
}

void
stats_reset(struct server *srv)
{
	struct totals t;

	add_all(srv, &t);
	pthread_mutex_lock(&srv->runtime->lock);
	memcpy(&srv->runtime->base, &t, sizeof(t));
	srv->runtime->crawler_starts = 0;
	pthread_mutex_unlock(&srv->runtime->lock);
	cache_stats_reset(srv->cache);
	detail_reset(srv->detail);
	watch_reset(srv->watch);
}

/* ------------------------------------------------------------ general */

/* Everything that the table below may ask for. */
struct view {
	const struct config *config;
	struct server *srv;
	struct totals sum;
	struct cache_class_tally of_classes;
	struct cache_stats cache;
	struct watch_counts watch;
	struct rusage usage;
	uint64_t crawler_starts, now, uptime, connections;
	bool crawler, maintainer, reassign, tls;
};

/* Those of the start were there before the clock. */
static uint64_t
since_certificates(const struct view *v)
{
	uint32_t loaded = tls_loaded(v->srv->tls);

	return loaded != 0 ? v->now - loaded : v->uptime;
}

/*
 * N(name, when, number), T(name, when, format, ...): in memcached's order.
 * What slabd has no counterpart for is 0.  The whole stays below 4096 bytes
 * even if every counter is as long as it can be: collectd reads no more.
 */
/* clang-format off */
#define GENERAL(N, T)                                                         \
	N(pid, true, getpid())                                                \
	N(uptime, true, v->uptime)                                            \
	N(time, true, clock_unix(&v->srv->clock, v->now))                  \
	T(version, true, "%s", SLABD_WIRE_VERSION)                            \
	T(libevent, true, "libuv-%s", uv_version_string())                    \
	N(pointer_size, true, 8 * sizeof(void *))                             \
	T(rusage_user, true, "%ld.%06ld", (long)v->usage.ru_utime.tv_sec,     \
	    (long)v->usage.ru_utime.tv_usec)                                  \
	T(rusage_system, true, "%ld.%06ld", (long)v->usage.ru_stime.tv_sec,   \
	    (long)v->usage.ru_stime.tv_usec)                                  \
	N(max_connections, true, v->config->conn_limit)                       \
	N(curr_connections, true, v->connections)                             \
	N(total_connections, true, v->sum.connections)                        \
	N(rejected_connections, v->config->maxconns_fast, v->sum.rejected)    \
	N(connection_structures, true, v->connections)                        \
	N(response_obj_oom, true, 0)                                          \
	N(response_obj_count, true, 0)                                        \
	N(response_obj_bytes, true, 0)                                        \
	N(read_buf_count, true, v->srv->nhosts)                               \
	N(read_buf_bytes, true, 0)                                            \
	N(read_buf_bytes_free, true, 0)                                       \
	N(read_buf_oom, true, 0)                                              \
	N(reserved_fds, true, 0)                                              \
	N(cmd_get, true, v->sum.tally.cmd_get)                                \
	N(cmd_set, true, v->of_classes.cmd_set)                               \
	N(cmd_flush, true, v->sum.counters.cmd_flush)                         \
	N(cmd_touch, true, v->sum.tally.cmd_touch)                            \
	N(cmd_meta, true, v->sum.counters.cmd_meta)                           \
	N(get_hits, true, v->of_classes.get_hits)                             \
	N(get_misses, true, v->sum.tally.get_misses)                          \
	N(get_expired, true, v->sum.tally.get_expired)                        \
	N(get_flushed, true, v->sum.tally.get_flushed)                        \
	N(delete_misses, true, v->sum.tally.delete_misses)                    \
	N(delete_hits, true, v->of_classes.delete_hits)                       \
	N(incr_misses, true, v->sum.tally.incr_misses)                        \
	N(incr_hits, true, v->of_classes.incr_hits)                           \
	N(decr_misses, true, v->sum.tally.decr_misses)                        \
	N(decr_hits, true, v->of_classes.decr_hits)                           \
	N(cas_misses, true, v->sum.tally.cas_misses)                          \
	N(cas_hits, true, v->of_classes.cas_hits)                             \
	N(cas_badval, true, v->of_classes.cas_badval)                         \
	N(touch_hits, true, v->of_classes.touch_hits)                         \
	N(touch_misses, true, v->sum.tally.touch_misses)                      \
	N(store_too_large, true, v->sum.tally.store_too_large)                \
	N(store_no_memory, true, v->sum.tally.store_no_memory)                \
	N(auth_cmds, true, v->sum.counters.auth_cmds)                         \
	N(auth_errors, true, v->sum.counters.auth_errors)                     \
	N(idle_kicks, v->config->idle_timeout > 0, v->sum.counters.idle_kicks) \
	N(bytes_read, true, v->sum.counters.bytes_read)                       \
	N(bytes_written, true, v->sum.counters.bytes_written)                 \
	N(limit_maxbytes, true, v->cache.limit)                               \
	N(accepting_conns, true, atomic_load(&v->srv->accepting))             \
	N(listen_disabled_num, true, v->sum.listen_disabled)                  \
	N(time_in_listen_disabled_us, true, v->sum.listen_disabled_us)        \
	N(threads, true, v->config->threads)                                  \
	N(conn_yields, true, v->sum.counters.conn_yields)                     \
	N(hash_power_level, true, v->cache.index_power)                       \
	N(hash_bytes, true, v->cache.index_bytes)                             \
	N(hash_is_expanding, true, 0)                                         \
	N(slab_reassign_rescues, v->reassign, v->cache.items_moved)           \
	N(slab_reassign_chunk_rescues, v->reassign, v->cache.parts_moved)     \
	N(slab_reassign_inline_reclaim, v->reassign, 0)                       \
	N(slab_reassign_busy_items, v->reassign, v->cache.moves_refused)      \
	N(slab_reassign_busy_deletes, v->reassign, 0)                         \
	N(slab_reassign_busy_nomem, v->reassign, v->cache.moves_cramped)      \
	T(slab_reassign_last_busy_status, v->reassign, "none")                \
	N(slab_reassign_running, v->reassign, 0)                              \
	N(slabs_moved, v->reassign, v->cache.pages_moved)                     \
	N(lru_crawler_running, v->crawler, 0)                                 \
	N(lru_crawler_starts, v->crawler, v->crawler_starts)                  \
	N(lru_maintainer_juggles, v->maintainer, v->cache.upkeeps)            \
	N(malloc_fails, true, v->sum.counters.malloc_fails)                   \
	N(log_worker_dropped, true, 0)                                        \
	N(log_worker_written, true, v->watch.noted)                           \
	N(log_watcher_skipped, true, v->watch.skipped)                        \
	N(log_watcher_sent, true, v->watch.sent)                              \
	N(log_watchers, true, v->watch.watchers)                              \
	N(ssl_new_sessions, v->tls && v->config->ssl_session_cache,           \
	    v->sum.counters.ssl_new_sessions)                                 \
	N(ssl_handshake_errors, v->tls,                                       \
	    v->sum.counters.ssl_handshake_errors)                             \
	N(ssl_proto_errors, v->tls, v->sum.counters.ssl_proto_errors)         \
	N(time_since_server_cert_refresh, v->tls,                             \
	    since_certificates(v))                                            \
	N(unexpected_napi_ids, true, 0)                                       \
	N(round_robin_fallback, true, 0)                                      \
	N(bytes, true, v->cache.bytes)                                        \
	N(curr_items, true, v->cache.items)                                   \
	N(total_items, true, v->cache.total_items)                            \
	N(slab_global_page_pool, true, v->cache.pages_free)                   \
	N(expired_unfetched, true, v->cache.sum.expired_unfetched)            \
	N(evicted_unfetched, true, v->cache.sum.evicted_unfetched)            \
	N(evicted_active, v->maintainer, v->cache.sum.evicted_active)         \
	N(evictions, true, v->cache.sum.evicted)                              \
	N(reclaimed, true, v->cache.sum.reclaimed)                            \
	N(crawler_reclaimed, true, v->cache.sum.crawler_reclaimed)            \
	N(crawler_items_checked, true, v->cache.sum.crawler_items_checked)    \
	N(lrutail_reflocked, true, v->cache.sum.lrutail_reflocked)            \
	N(moves_to_cold, v->maintainer, v->cache.sum.moves_to_cold)           \
	N(moves_to_warm, v->maintainer, v->cache.sum.moves_to_warm)           \
	N(moves_within_lru, v->maintainer, v->cache.sum.moves_within_lru)     \
	N(direct_reclaims, v->maintainer, v->cache.sum.direct_reclaims)       \
	N(lru_bumps_dropped, v->maintainer, 0)
/* clang-format on */

static void
look(struct call *call, struct view *v)
{
	struct server *srv = call->host->server;
	struct tuning tuning = runtime_tuning(srv->runtime);

	memset(v, 0, sizeof(*v));
	v->srv = srv;
	v->config = srv->config;
	v->now = call->host->caller.now;
	v->uptime = v->now - srv->clock.resumed;
	v->connections = atomic_load_explicit(&srv->curr_connections,
	    memory_order_relaxed);
	v->crawler = tuning.crawler;
	v->maintainer = srv->config->lru_maintainer;
	v->tls = srv->tls != NULL;
	v->reassign = srv->config->slab_reassign;
	stats_sum(srv, &v->sum);
	for (unsigned i = 0; i < CACHE_CLASSES; i++) {
#define X(name)                                                               \
	add(&v->of_classes.name, v->sum.tally.of_class[i].name);
		CACHE_CLASS_TALLY(X)
#undef X
	}
	pthread_mutex_lock(&srv->runtime->lock);
	v->crawler_starts = srv->runtime->crawler_starts;
	pthread_mutex_unlock(&srv->runtime->lock);
	cache_stats(srv->cache, call->host->caller.now, &v->cache);
	watch_count(srv->watch, &v->watch);
	getrusage(RUSAGE_SELF, &v->usage);
}

void
stats_general(struct call *call, struct answer *a)
{
	struct view view, *v = &view;

	look(call, v);
#define N(name, when, number)                                                 \
	if (when)                                                             \
		answer_number(a, #name, (uint64_t)(number));
#define T(name, when, ...)                                                    \
	if (when)                                                             \
		answer_stat(a, #name, __VA_ARGS__);
	GENERAL(N, T)
#undef N
#undef T
}

/* ------------------------------------------------------------ by class */

/* N(name, when, number) of c, a struct cache_class_stats; t, its tally. */
/* clang-format off */
#define ITEMS(N)                                                              \
	N(number, true, c->items)                                             \
	N(number_hot, v->segmented, c->queue_items[CACHE_HOT])                \
	N(number_warm, v->segmented, c->queue_items[CACHE_WARM])              \
	N(number_cold, v->segmented, c->queue_items[CACHE_COLD])              \
	N(number_temp, v->segmented && v->temp, c->queue_items[CACHE_TEMP])   \
	N(age_hot, v->segmented, c->age_hot)                                  \
	N(age_warm, v->segmented, c->age_warm)                                \
	N(age, true, c->age)                                                  \
	N(mem_requested, true, c->mem_requested)                              \
	N(evicted, true, c->evicted)                                          \
	N(evicted_nonzero, true, c->evicted_nonzero)                          \
	N(evicted_time, true, c->evicted_time)                                \
	N(outofmemory, true, c->outofmemory)                                  \
	N(tailrepairs, true, 0)                                               \
	N(reclaimed, true, c->reclaimed)                                      \
	N(expired_unfetched, true, c->expired_unfetched)                      \
	N(evicted_unfetched, true, c->evicted_unfetched)                      \
	N(evicted_active, v->segmented, c->evicted_active)                    \
	N(crawler_reclaimed, true, c->crawler_reclaimed)                      \
	N(crawler_items_checked, true, c->crawler_items_checked)              \
	N(lrutail_reflocked, true, c->lrutail_reflocked)                      \
	N(moves_to_cold, v->segmented, c->moves_to_cold)                      \
	N(moves_to_warm, v->segmented, c->moves_to_warm)                      \
	N(moves_within_lru, v->segmented, c->moves_within_lru)                \
	N(direct_reclaims, v->segmented, c->direct_reclaims)                  \
	N(hits_to_hot, v->segmented, t->hits_to_hot)                          \
	N(hits_to_warm, v->segmented, t->hits_to_warm)                        \
	N(hits_to_cold, v->segmented, t->hits_to_cold)                        \
	N(hits_to_temp, v->segmented, t->hits_to_temp)

#define SLABS(N)                                                              \
	N(chunk_size, true, c->chunk_size)                                    \
	N(chunks_per_page, true, c->chunks_per_page)                          \
	N(total_pages, true, c->pages)                                        \
	N(total_chunks, true, c->chunks)                                      \
	N(used_chunks, true, c->used_chunks)                                  \
	N(free_chunks, true, c->free_chunks)                                  \
	N(free_chunks_end, true, 0)                                           \
	N(get_hits, true, t->get_hits)                                        \
	N(cmd_set, true, t->cmd_set)                                          \
	N(delete_hits, true, t->delete_hits)                                  \
	N(incr_hits, true, t->incr_hits)                                      \
	N(decr_hits, true, t->decr_hits)                                      \
	N(cas_hits, true, t->cas_hits)                                        \
	N(cas_badval, true, t->cas_badval)                                    \
	N(touch_hits, true, t->touch_hits)
/* clang-format on */

struct class_view {
	bool segmented, temp;
	struct totals sum;
};

static void
put_of_class(struct answer *a, const char *group, unsigned id,
    const char *name, uint64_t number)
{
	char full[64];

	snprintf(full, sizeof(full), "%s%u:%s", group, id, name);
	answer_number(a, full, number);
}

static void
put_items(struct answer *a, const struct class_view *v, unsigned id,
    const struct cache_class_stats *c)
{
	const struct cache_class_tally *t = &v->sum.tally.of_class[id];

#define N(name, when, number)                                                 \
	if (when)                                                             \
		put_of_class(a, "items:", id, #name, number);
	ITEMS(N)
#undef N
}

static void
put_slabs(struct answer *a, const struct class_view *v, unsigned id,
    const struct cache_class_stats *c)
{
	const struct cache_class_tally *t = &v->sum.tally.of_class[id];

#define N(name, when, number)                                                 \
	if (when)                                                             \
		put_of_class(a, "", id, #name, number);
	SLABS(N)
#undef N
}

void
stats_items(struct call *call, struct answer *a)
{
	struct host *h = call->host;
	struct cache_class_stats c;
	struct class_view v = {
		.segmented = h->server->config->lru_maintainer,
		.temp = runtime_tuning(h->server->runtime).temp_lru,
	};

	stats_sum(h->server, &v.sum);
	for (unsigned id = 1; id < CACHE_CLASSES; id++)
		if (cache_class_stats(h->cache, id, h->caller.now, &c) &&
		    c.items > 0)
			put_items(a, &v, id, &c);
}

void
stats_slabs(struct call *call, struct answer *a)
{
	struct host *h = call->host;
	struct cache_class_stats c;
	struct cache_stats all;
	struct class_view v;
	uint64_t pages = 0;
	unsigned active = 0;

	stats_sum(h->server, &v.sum);
	cache_stats(h->cache, h->caller.now, &all);
	for (unsigned id = 1; id < CACHE_CLASSES; id++) {
		const struct cache_class_tally *t = &v.sum.tally.of_class[id];

		cache_class_stats(h->cache, id, h->caller.now, &c);
		/* What was counted stays, though the last page goes. */
		if (c.pages == 0 && t->cmd_set == 0 && t->get_hits == 0)
			continue;
		put_slabs(a, &v, id, &c);
		pages += c.pages;
		active += c.pages > 0;
	}
	answer_number(a, "active_slabs", active);
	answer_number(a, "total_malloced", pages * all.page_size);
}

/* ------------------------------------------------------------ the command */

typedef void group_fn(struct call *, struct answer *);

static void
answer_group(struct call *call, struct result *res, group_fn *group)
{
	struct answer a;

	answer_begin(&a, call);
	group(call, &a);
	answer_end(&a);
	answer_send(&a, call, res);
}

static bool
is_binary(const struct call *call)
{
	return call->proto == PROTO_BINARY;
}

/* In binary a stat that says nothing but OK is the terminator alone. */
static void
answer_done(struct call *call, struct result *res, const char *text)
{
	struct answer a;

	if (!is_binary(call)) {
		words_say(res, text);
		return;
	}
	answer_begin(&a, call);
	answer_end(&a);
	answer_send(&a, call, res);
}

static void
run_reset(struct call *call, struct result *res)
{
	stats_reset(call->host->server);
	answer_done(call, res, "RESET\r\n");
}

static void
dump_detail(struct call *call, struct result *res)
{
	struct answer a;
	size_t n;
	char *text = detail_dump(call->host->server->detail, &n);

	answer_begin(&a, call);
	if (text == NULL)
		a.failed = true;
	else
		answer_detail(&a, text, n);
	free(text);
	answer_send(&a, call, res);
}

static void
run_detail(struct call *call, struct result *res)
{
	static const char *const names[] = { "on", "off", "dump" };
	struct server *srv = call->host->server;
	unsigned n = call->req->words.n;
	int what = n < 3 ? -1 :
	    words_choose(call->req->words.at[2], names, 3);

	if (srv->config->disable_dumping) {
		if (is_binary(call))
			res->status = STATUS_DENIED;
		else
			words_say(res, "CLIENT_ERROR stats detail not "
				       "allowed\r\n");
		return;
	}
	switch (what) {
	case 0:
		atomic_fetch_or(&srv->observing, OBSERVE_DETAIL);
		answer_done(call, res, "OK\r\n");
		break;
	case 1:
		atomic_fetch_and(&srv->observing, ~(unsigned)OBSERVE_DETAIL);
		answer_done(call, res, "OK\r\n");
		break;
	case 2:
		dump_detail(call, res);
		break;
	default:
		if (is_binary(call))
			res->status = STATUS_NOT_FOUND;
		else
			words_say(res, "CLIENT_ERROR usage: stats detail "
				       "on|off|dump\r\n");
	}
}

static void
run_extstore(struct call *call, struct answer *a)
{
	(void)call;
	(void)a;
}

void
cmd_stats(struct call *call, struct result *res)
{
	/* In the order in which an abbreviation is matched. */
	static const char *const names[] = { "reset", "detail", "settings",
		"items", "slabs", "sizes", "pressure", "cachedump", "conns",
		"extstore" };
	static group_fn *const groups[] = { NULL, NULL, stats_settings,
		stats_items, stats_slabs, NULL, stats_pressure, NULL,
		NULL, run_extstore };
	enum { RESET, DETAIL, SIZES = 5, CACHEDUMP = 7, CONNS = 8 };
	int what;

	call->req->quiet = false;
	if (call->req->words.n < 2) {
		answer_group(call, res, stats_general);
		return;
	}
	what = words_choose(call->req->words.at[1], names,
	    is_binary(call) ? CACHEDUMP :
	    sizeof(names) / sizeof(names[0]));
	if (what < 0)
		res->status = is_binary(call) ? STATUS_NOT_FOUND :
		    STATUS_ERROR;
	else if (what == RESET)
		run_reset(call, res);
	else if (what == DETAIL)
		run_detail(call, res);
	else if (what == SIZES)
		stats_sizes(call, res);
	else if (what == CACHEDUMP)
		stats_cachedump(call, res);
	else if (what == CONNS)
		stats_conns(call, res);
	else
		answer_group(call, res, groups[what]);
}
