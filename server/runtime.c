/* runtime.c - see runtime.h. */
#include "server/runtime.h"

#include <stdlib.h>

struct runtime *
runtime_new(const struct config *config)
{
	struct runtime *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	a->tuning = (struct tuning){
		.hot_pct = config->hot_lru_pct,
		.warm_pct = config->warm_lru_pct,
		.hot_factor = config->hot_max_factor,
		.warm_factor = config->warm_max_factor,
		.segmented = config->lru_maintainer,
		.temp_lru = config->temp_lru,
		.temporary_ttl = config->temporary_ttl,
		.crawler = config->lru_crawler,
		.crawler_sleep = config->lru_crawler_sleep,
		.crawler_tocrawl = config->lru_crawler_tocrawl,
		.automove = config->slab_automove,
		.automove_window = config->slab_automove_window,
		.automove_ratio = config->slab_automove_ratio,
		.automove_freeratio = config->slab_automove_freeratio,
	};
	return a;
}

void
runtime_free(struct runtime **ap)
{
	struct runtime *a = *ap;

	*ap = NULL;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

struct tuning
runtime_tuning(struct runtime *a)
{
	struct tuning copy;

	pthread_mutex_lock(&a->lock);
	copy = a->tuning;
	pthread_mutex_unlock(&a->lock);
	return copy;
}
