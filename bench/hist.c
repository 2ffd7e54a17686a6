/* hist.c - see hist.h. */
#include "bench/hist.h"

#include <stdio.h>
#include <string.h>

void
hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void
hist_merge(struct hist *into, const struct hist *from)
{
	for (unsigned i = 0; i < HIST_SLOTS; i++)
		into->slots[i] += from->slots[i];
	into->total += from->total;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}

static uint64_t
slot_top(unsigned slot)
{
	unsigned power;

	if (slot < 2 * HIST_STEPS)
		return slot;
	power = (slot >> HIST_STEP_BITS) - 1;
	return (((uint64_t)(slot & (HIST_STEPS - 1)) + HIST_STEPS + 1)
		   << power) -
	       1;
}

uint64_t
hist_at(const struct hist *h, double fraction)
{
	uint64_t want = (uint64_t)(fraction * (double)h->total + 0.5);
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_SLOTS; i++) {
		seen += h->slots[i];
		if (seen >= want && seen > 0)
			return slot_top(i) < h->max ? slot_top(i) : h->max;
	}
	return h->max;
}

int
hist_write(const struct hist *h, const char *path)
{
	FILE *f = fopen(path, "w");
	uint64_t seen = 0;

	if (f == NULL)
		return -1;
	for (unsigned i = 0; i < HIST_SLOTS && seen < h->total; i++) {
		double us = (double)slot_top(i) / 1e3;
		double part = (double)seen / (double)h->total;

		if (h->slots[i] == 0)
			continue;
		seen += h->slots[i];
		fprintf(f, "%.3f %.8f %.3f\n", us, part, 1 / (1 - part));
	}
	return fclose(f) == 0 ? 0 : -1;
}
