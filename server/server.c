/* server.c - see server.h. */
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/auth.h"
#include "server/cluster.h"
#include "server/detail.h"
#include "server/host.h"
#include "server/memfile.h"
#include "server/runtime.h"
#include "server/watch.h"

/* Descriptors beyond the connections: listeners, files, and each worker's
 * loop. */
enum { SPARE_FDS = 256, WORKER_FDS = 8 };

/* Items for which the index is made.  With a memory file, whose memory is all
 * allocated at once, as many as memcached's hash table: 65536, but no more than
 * one a kilobyte. */
static uint32_t
index_start(const struct config *config)
{
	size_t kilobytes = config->memory_limit >> 10;

	if (config->hashpower != 0)
		return 1u << config->hashpower;
	if (config->memory_file == NULL)
		return 0;
	return kilobytes < 1 << 16 ? (uint32_t)kilobytes : 1 << 16;
}

static struct cache_config
cache_settings(const struct server *srv, const struct config *config,
    uint64_t seed)
{
	return (struct cache_config){
		.memory_limit = config->memory_limit,
		.fixed_limit = config->lock_memory || config->large_pages,
		.memory_file = srv->memfile != NULL ?
		    memfile_descriptor(srv->memfile) : 0,
		.growth_factor = config->has_growth_factor ?
		    config->growth_factor : 0,
		.chunk_min = config->chunk_min,
		.item_max = config->item_max,
		.slab_sizes = config->slab_sizes[0] != 0 ?
		    config->slab_sizes : NULL,
		.shards = 0,
		.seed = seed,
		.index_start = index_start(config),
		.no_evictions = config->no_evictions,
		.no_cas = config->no_cas,
		.flat_lru = !config->lru_maintainer,
		.hot_pct = config->hot_lru_pct,
		.warm_pct = config->warm_lru_pct,
		.hot_factor = config->hot_max_factor,
		.warm_factor = config->warm_max_factor,
		.temporary_ttl = config->temp_lru ? config->temporary_ttl : 0,
	};
}

/* Enough to keep every core busy without two workers meeting often. */
static unsigned
shards_for(unsigned threads)
{
	unsigned shards = 16;

	while (shards < 256 && shards < threads * 4)
		shards *= 2;
	return shards;
}

/* With what the last server left in the memory file, if there is one. */
static int
make_cache(struct server *srv, const char **why)
{
	const struct config *config = srv->config;
	struct cache_config settings;
	const char *fault;
	uint64_t seed;

	*why = srv->why;
	if (config->memory_file != NULL) {
		_Static_assert((int)SERVER_WHY_MAX >= (int)MEMFILE_WHY_MAX,
		    "a sentence");
		srv->memfile = memfile_open(config, srv->why);
		if (srv->memfile == NULL)
			return -1;
	}
	host_random(&seed, sizeof(seed));
	settings = cache_settings(srv, config, seed);
	settings.shards = shards_for(config->threads);
	srv->cache = cache_new(&settings, &fault);
	if (srv->cache != NULL)
		return srv->memfile == NULL ||
		    memfile_begin(srv->memfile, srv->cache, &srv->clock,
			srv->why) ? 0 : -1;
	if (srv->memfile != NULL)
		snprintf(srv->why, sizeof(srv->why), "-e %s: %s",
		    config->memory_file, fault);
	else
		*why = fault;
	return -1;
}

int
server_init(struct server *srv, const struct config *config, const char **why)
{
	memset(srv, 0, sizeof(*srv));
	srv->config = config;
	clock_start(&srv->clock);
	atomic_store(&srv->verbosity, config->verbosity);
	atomic_store(&srv->accepting, true);
	srv->nconns = config->conn_limit + SPARE_FDS +
	    config->threads * WORKER_FDS;
	srv->conns = calloc(srv->nconns, sizeof(*srv->conns));
	srv->hosts = calloc(config->threads + 1, sizeof(*srv->hosts));
	if (srv->conns == NULL || srv->hosts == NULL) {
		*why = "out of memory for the table of connections; "
		       "lower -c or -t";
		server_fini(srv);
		return -1;
	}
	srv->runtime = runtime_new(config);
	srv->detail = detail_new(config->prefix_delimiter[0]);
	srv->watch = watch_new(config->watcher_logbuf, &srv->observing);
	if (srv->runtime == NULL || srv->detail == NULL || srv->watch == NULL) {
		*why = "out of memory for the statistics";
		server_fini(srv);
		return -1;
	}
	if (auth_is_wanted(config)) {
		_Static_assert((int)SERVER_WHY_MAX >= (int)USERS_WHY_MAX,
		    "a sentence");
		*why = srv->why;
		srv->auth = auth_new(config, srv->why);
		if (srv->auth == NULL) {
			server_fini(srv);
			return -1;
		}
	}
	if (config->cluster != NULL) {
		srv->cluster = cluster_print(config, srv->why,
		    sizeof(srv->why));
		*why = srv->why;
		if (srv->cluster == NULL) {
			server_fini(srv);
			return -1;
		}
	}
	if (config->detail_enabled)
		atomic_store(&srv->observing, OBSERVE_DETAIL);
	if (make_cache(srv, why) != 0) {
		server_fini(srv);
		return -1;
	}
	return 0;
}

void
server_fini(struct server *srv)
{
	if (srv->cache != NULL)
		cache_free(&srv->cache);
	if (srv->memfile != NULL)
		memfile_close(&srv->memfile);
	if (srv->watch != NULL)
		watch_free(&srv->watch);
	if (srv->detail != NULL)
		detail_free(&srv->detail);
	if (srv->runtime != NULL)
		runtime_free(&srv->runtime);
	if (srv->auth != NULL)
		auth_free(&srv->auth);
	free(srv->cluster);
	srv->cluster = NULL;
	free(srv->conns);
	free(srv->hosts);
	srv->conns = NULL;
	srv->hosts = NULL;
}
