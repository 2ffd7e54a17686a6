/* pressure.c - see stats.h: how many more hits another memory would give. */
#include <stdlib.h>

#include "server/stats.h"

/* Where twice the memory gains less than a hundredth, it does not hurt. */
#define HURTS 0.01

static double
within(double ratio)
{
	return ratio < 0 ? 0 : ratio > 1 ? 1 : ratio;
}

static uint64_t
hits_of(const struct cache_tally *t)
{
	uint64_t hits = 0;

	for (unsigned i = 0; i < CACHE_CLASSES; i++)
		hits += t->of_class[i].get_hits;
	return hits;
}

void
stats_pressure(struct call *call, struct answer *a)
{
	struct host *h = call->host;
	struct cache_pressure p;
	struct cache_stats s;
	struct totals sum;
	double gets, hits, half, twice;
	bool hurts;

	stats_sum(h->server, &sum);
	cache_stats(h->cache, h->caller.now, &s);
	cache_pressure(h->cache, h->caller.now, &p);
	gets = (double)sum.tally.cmd_get;
	hits = (double)hits_of(&sum.tally);
	if (gets == 0)
		gets = 1;
	half = within((hits - p.lost_by_half) / gets);
	twice = within((hits + p.won_by_twice) / gets);
	hurts = p.evicting && twice - hits / gets >= HURTS;
	answer_number(a, "evicting", p.evicting);
	answer_number(a, "hurts", hurts);
	answer_number(a, "evictions", s.sum.evicted);
	answer_number(a, "limit_maxbytes", s.limit);
	answer_number(a, "free_bytes", s.pages_free * s.page_size);
	answer_number(a, "gets", sum.tally.cmd_get);
	answer_stat(a, "hit_ratio_half", "%.4f", half);
	answer_stat(a, "hit_ratio", "%.4f", within(hits / gets));
	answer_stat(a, "hit_ratio_twice", "%.4f", twice);
	answer_stat(a, "sample_rate", "%.6f", p.rate);
	answer_number(a, "sample_gets", p.gets);
	answer_number(a, "sample_items", p.items);
	answer_number(a, "sample_bytes", p.bytes);
}
