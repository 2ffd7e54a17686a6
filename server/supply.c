/* supply.c - see supply.h. */
#include "server/supply.h"

#include <stdlib.h>

#include <uv.h>

struct supply {
	uv_thread_t thread;
	struct cache *cache;
};

static void
run(void *arg)
{
	struct supply *s = arg;

	cache_provide(s->cache);
}

struct supply *
supply_start(struct cache *cache)
{
	struct supply *s = malloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->cache = cache;
	if (uv_thread_create(&s->thread, run, s) == 0)
		return s;
	free(s);
	return NULL;
}

void
supply_stop(struct supply **sp)
{
	struct supply *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	cache_provide_end(s->cache);
	uv_thread_join(&s->thread);
	free(s);
}
