/* settings.c - see stats.h: the group `stats settings`. */
#include "server/stats.h"
#include "server/tls.h"

static const char *
yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static const char *
or_text(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static const char *
binding_protocol(enum proto_name proto)
{
	switch (proto) {
	case PROTO_TEXT:
		return "ascii";
	case PROTO_BINARY:
		return "binary";
	case PROTO_AUTO:
		break;
	}
	return "auto-negotiate";
}

struct view {
	struct server *srv;
	const struct config *c;
	struct tuning now; /* in force */
	uint64_t limit;
};

/* S(name, text)  F(name, fraction)  B(name, claim)  N(name, number)
 * O(name, number): octal.  In memcached's order. */
/* clang-format off */
#define SETTINGS(S, F, B, N, O)                                               \
	N(maxbytes, v->limit)                                                 \
	N(maxconns, v->c->conn_limit)                                         \
	N(tcpport, v->c->port)                                                \
	N(udpport, v->c->udp_port)                                            \
	S(inter, or_text(v->c->inter, "NULL"))                                \
	N(verbosity, atomic_load(&v->srv->verbosity))                         \
	N(oldest, 0)                                                          \
	S(evictions, v->c->no_evictions ? "off" : "on")                       \
	S(domain_socket, or_text(v->c->unix_socket, "NULL"))                  \
	O(umask, v->c->unix_mask)                                             \
	B(shutdown_command, v->c->enable_shutdown)                            \
	F(growth_factor, v->c->growth_factor)                                 \
	N(chunk_size, v->c->chunk_min)                                        \
	N(num_threads, v->c->threads)                                         \
	N(num_threads_per_udp, v->c->threads)                                 \
	S(stat_key_prefix, v->c->prefix_delimiter)                            \
	B(detail_enabled, atomic_load(&v->srv->observing) & OBSERVE_DETAIL)   \
	N(reqs_per_event, v->c->reqs_per_event)                               \
	B(cas_enabled, !v->c->no_cas)                                         \
	N(tcp_backlog, v->c->listen_backlog)                                  \
	S(binding_protocol, binding_protocol(v->c->protocol))                 \
	B(auth_enabled_sasl, v->c->sasl)                                      \
	S(auth_enabled_ascii, or_text(v->c->auth_file, "no"))                 \
	N(item_size_max, v->c->item_max)                                      \
	B(maxconns_fast, v->c->maxconns_fast)                                 \
	N(hashpower_init, v->c->hashpower)                                    \
	B(slab_reassign, v->c->slab_reassign)                                 \
	N(slab_automove, v->now.automove)                                     \
	F(slab_automove_ratio, v->now.automove_ratio)                         \
	N(slab_automove_window, v->now.automove_window)                       \
	N(slab_chunk_max, v->c->slab_chunk_max)                               \
	B(lru_crawler, v->now.crawler)                                        \
	N(lru_crawler_sleep, v->now.crawler_sleep)                            \
	N(lru_crawler_tocrawl, v->now.crawler_tocrawl)                        \
	N(tail_repair_time, v->c->tail_repair_time)                           \
	B(flush_enabled, !v->c->disable_flush_all)                            \
	B(dump_enabled, !v->c->disable_dumping)                               \
	S(hash_algorithm, v->c->hash_algorithm)                               \
	B(lru_maintainer_thread, v->c->lru_maintainer)                        \
	B(lru_segmented, v->now.segmented)                                    \
	N(hot_lru_pct, v->now.hot_pct)                                        \
	N(warm_lru_pct, v->now.warm_pct)                                      \
	F(hot_max_factor, v->now.hot_factor)                                  \
	F(warm_max_factor, v->now.warm_factor)                                \
	B(temp_lru, v->now.temp_lru)                                          \
	N(temporary_ttl, v->now.temporary_ttl)                                \
	N(idle_timeout, v->c->idle_timeout)                                   \
	N(watcher_logbuf_size, v->c->watcher_logbuf)                          \
	N(worker_logbuf_size, v->c->worker_logbuf)                            \
	N(read_buf_mem_limit, v->c->read_buf_mem_limit)                       \
	B(track_sizes, v->c->track_sizes)                                     \
	B(inline_ascii_response, v->c->inline_ascii_response)

/* With -Z only. */
#define TLS_SETTINGS(S, F, B, N, O)                                           \
	B(ssl_enabled, v->c->ssl)                                             \
	S(ssl_chain_cert, or_text(v->c->ssl_chain_cert, "(null)"))            \
	S(ssl_key, or_text(v->c->ssl_key, "(null)"))                          \
	N(ssl_verify_mode, tls_verify_mode(v->c->ssl_verify_mode))            \
	N(ssl_keyformat, v->c->ssl_keyformat)                                 \
	S(ssl_ciphers, or_text(v->c->ssl_ciphers, "NULL"))                    \
	S(ssl_ca_cert, or_text(v->c->ssl_ca_cert, "NULL"))                    \
	N(ssl_wbuf_size, v->c->ssl_wbuf_size)                                 \
	B(ssl_session_cache, v->c->ssl_session_cache)                         \
	B(ssl_kernel_tls, v->c->ssl_kernel_tls)                               \
	S(ssl_min_version, tls_version_name(v->c->ssl_min_version))

#define LAST_SETTINGS(S, F, B, N, O)                                          \
	N(num_napi_ids, v->c->napi_ids)                                       \
	S(memory_file, or_text(v->c->memory_file, "(null)"))                  \
	N(client_flags_size, CACHE_FLAGS_SIZE)
/* clang-format on */

void
stats_settings(struct call *call, struct answer *a)
{
	struct server *srv = call->host->server;
	struct view view = {
		.srv = srv,
		.c = srv->config,
		.now = runtime_tuning(srv->runtime),
	};
	const struct view *v = &view;
	struct cache_stats cache;

	cache_stats(srv->cache, call->host->caller.now, &cache);
	view.limit = cache.limit;
#define S(name, text) answer_stat(a, #name, "%s", text);
#define F(name, fraction) answer_stat(a, #name, "%.2f", fraction);
#define B(name, claim) answer_stat(a, #name, "%s", yes_no(claim));
#define N(name, number) answer_number(a, #name, (uint64_t)(number));
#define O(name, number) answer_stat(a, #name, "%o", number);
	SETTINGS(S, F, B, N, O)
	if (v->c->ssl) {
		TLS_SETTINGS(S, F, B, N, O)
	}
	LAST_SETTINGS(S, F, B, N, O)
#undef S
#undef F
#undef B
#undef N
#undef O
}
