/* plan.c - see plan.h. */
#include "bench/plan.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BINARY_HEADER = 24,
	BIN_GET = 0,
	BIN_SET = 1,
	BIN_GETQ = 9,
	BIN_NOOP = 10
};

/* Zipf by rejection inversion (Hormann and Derflinger 1996): O(1) a draw and
 * no table, for any exponent. */
struct zipf {
	double s, n;
	double area_one, area_all, short_cut;
};

static double
zipf_area(const struct zipf *z, double x)
{
	double l = log(x);
	double t = (1 - z->s) * l;

	return (fabs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2) * l;
}

static double
zipf_area_inverse(const struct zipf *z, double a)
{
	double t = a * (1 - z->s);

	if (t < -1)
		t = -1;
	return exp((fabs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2) * a);
}

static void
zipf_init(struct zipf *z, double s, uint32_t n)
{
	z->s = s;
	z->n = n;
	z->area_one = zipf_area(z, 1.5) - 1;
	z->area_all = zipf_area(z, n + 0.5);
	z->short_cut = 2 - zipf_area_inverse(z, zipf_area(z, 2.5) - pow(2, -s));
}

static double
draw_unit(uint64_t *rng)
{
	return (double)(plan_mix((*rng)++) >> 11) * 0x1p-53;
}

/* A rank from 1 on. */
static uint32_t
zipf_draw(const struct zipf *z, uint64_t *rng)
{
	for (;;) {
		double u =
		    z->area_all + draw_unit(rng) * (z->area_one - z->area_all);
		double x = zipf_area_inverse(z, u);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > z->n)
			k = z->n;
		if (k - x <= z->short_cut ||
		    u >= zipf_area(z, k + 0.5) - pow(k, -z->s))
			return (uint32_t)k;
	}
}

/* Popular keys must not be neighbours, in number or in time of birth. */
static uint32_t
scatter(uint32_t rank, uint32_t keys)
{
	enum { PRIME = 2147483647 };

	return (uint32_t)((uint64_t)rank * PRIME % keys);
}

static uint32_t
draw_key(const struct plan_config *c, const struct zipf *z, uint64_t *rng)
{
	if (c->zipf == 0)
		return (uint32_t)((plan_mix((*rng)++) >> 32) * c->keys >> 32);
	return scatter(zipf_draw(z, rng), c->keys);
}

static uint8_t
size_of(const struct plan_config *c, uint32_t key)
{
	unsigned part = plan_mix(key ^ 0x5bd1e995u) % 100;
	unsigned i = 0;

	while (i + 1 < c->nsizes && part >= c->shares[i])
		part -= c->shares[i++];
	return (uint8_t)i;
}

/* ------------------------------------------------------------ writing */

static char *
put(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

static char *
put_key(char *p, const struct plan_config *c, uint32_t key)
{
	unsigned at = c->key_len;

	memset(p, '0', c->key_len);
	p[0] = 'k';
	do
		p[--at] = (char)('0' + key % 10);
	while ((key /= 10) != 0);
	return p + c->key_len;
}

static char *
put_value(char *p, uint32_t key, uint32_t n)
{
	for (uint32_t at = 0; at < n; at += 8) {
		uint64_t word = plan_value_word(key, at / 8);

		memcpy(p + at, &word, n - at < 8 ? n - at : 8);
	}
	return p + n;
}

static char *
put_header(char *p, unsigned opcode, unsigned nkey, unsigned nextras,
    uint32_t nvalue, uint32_t opaque)
{
	uint32_t body = htonl(nkey + nextras + nvalue);

	memset(p, 0, BINARY_HEADER);
	p[0] = (char)0x80;
	p[1] = (char)opcode;
	p[3] = (char)nkey;
	p[4] = (char)nextras;
	memcpy(p + 8, &body, 4);
	memcpy(p + 12, &opaque, 4);
	return p + BINARY_HEADER;
}

/* The most that one key can add to bytes. */
static size_t
key_room(const struct plan_config *c)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < c->nsizes; i++)
		most = c->sizes[i] > most ? c->sizes[i] : most;
	if (c->load == PLAN_GET || c->load == PLAN_MULTIGET)
		most = 0;
	return c->key_len + most + 64;
}

static char *
note(struct plan *pl, char *p, enum owed_kind kind, uint32_t key)
{
	struct owed *op = &pl->ops[pl->nops++];

	op->kind = (uint8_t)kind;
	op->key = key;
	op->size = size_of(&pl->config, key);
	op->name = (uint32_t)(p - pl->bytes);
	return kind == OWED_END ? p : put_key(p, &pl->config, key);
}

static char *
put_get(struct plan *pl, char *p, uint32_t key, enum owed_kind kind)
{
	const struct plan_config *c = &pl->config;

	switch (c->proto) {
	case PLAN_TEXT:
		p = note(pl, put(p, "get "), kind, key);
		return put(p, "\r\n");
	case PLAN_META:
		p = note(pl, put(p, "mg "), kind, key);
		return put(p, kind == OWED_QUIET ? " k v q\r\n" : " v\r\n");
	case PLAN_BINARY:
		p = put_header(p, kind == OWED_QUIET ? BIN_GETQ : BIN_GET,
		    c->key_len, 0, 0, key);
		return note(pl, p, kind, key);
	}
	return p;
}

static char *
put_set(struct plan *pl, char *p, uint32_t key)
{
	const struct plan_config *c = &pl->config;
	uint32_t n = c->sizes[size_of(c, key)];
	uint32_t ttl = htonl(c->ttl);

	switch (c->proto) {
	case PLAN_TEXT:
		p = note(pl, put(p, "set "), OWED_SET, key);
		p += sprintf(p, " 0 %u %u\r\n", c->ttl, n);
		return put(put_value(p, key, n), "\r\n");
	case PLAN_META:
		p = note(pl, put(p, "ms "), OWED_SET, key);
		p += c->ttl ? sprintf(p, " %u T%u\r\n", n, c->ttl)
			    : sprintf(p, " %u\r\n", n);
		return put(put_value(p, key, n), "\r\n");
	case PLAN_BINARY:
		p = put_header(p, BIN_SET, c->key_len, 8, n, key);
		memset(p, 0, 4);
		memcpy(p + 4, &ttl, 4);
		return put_value(note(pl, p + 8, OWED_SET, key), key, n);
	}
	return p;
}

static char *
put_multiget(struct plan *pl, char *p, const struct zipf *z, uint64_t *rng)
{
	const struct plan_config *c = &pl->config;

	if (c->proto == PLAN_TEXT)
		p = put(p, "get");
	for (unsigned i = 0; i < c->multi; i++) {
		uint32_t key = draw_key(c, z, rng);

		if (c->proto == PLAN_TEXT)
			p = note(pl, put(p, " "), OWED_QUIET, key);
		else
			p = put_get(pl, p, key, OWED_QUIET);
	}
	if (c->proto == PLAN_TEXT)
		p = put(p, "\r\n");
	else if (c->proto == PLAN_META)
		p = put(p, "mn\r\n");
	else
		p = put_header(p, BIN_NOOP, 0, 0, 0, 0);
	return note(pl, p, OWED_END, 0);
}

static char *
put_request(struct plan *pl, char *p, const struct zipf *z, uint64_t *rng)
{
	const struct plan_config *c = &pl->config;
	bool set = c->load == PLAN_SET;

	if (c->load == PLAN_MULTIGET)
		return put_multiget(pl, p, z, rng);
	if (c->load == PLAN_MIXED)
		set = plan_mix((*rng)++) % 100 < c->set_percent;
	if (set)
		return put_set(pl, p, draw_key(c, z, rng));
	return put_get(pl, p, draw_key(c, z, rng), OWED_GET);
}

/* ------------------------------------------------------------ building */

static int
reserve(struct plan *pl, size_t nbatches, size_t keys_per_batch)
{
	/* At least one batch, whatever it takes. */
	size_t batch_bytes = keys_per_batch * key_room(&pl->config) + 64;
	size_t most = PLAN_BYTES / batch_bytes;

	if (nbatches > most)
		nbatches = most;
	if (nbatches == 0)
		nbatches = 1;
	pl->room_batches = nbatches;
	pl->room_bytes = nbatches * batch_bytes;
	pl->room_ops = nbatches * (keys_per_batch + pl->config.depth);
	pl->bytes = malloc(pl->room_bytes);
	pl->ops = calloc(pl->room_ops, sizeof(*pl->ops));
	pl->batches = calloc(nbatches, sizeof(*pl->batches));
	if (pl->bytes == NULL || pl->ops == NULL || pl->batches == NULL ||
	    pl->room_bytes > UINT32_MAX) {
		plan_fini(pl);
		return -1;
	}
	return 0;
}

static struct batch *
batch_open(struct plan *pl)
{
	struct batch *b = &pl->batches[pl->nbatches++];

	b->start = pl->nbytes;
	b->op = pl->nops;
	return b;
}

static void
batch_close(struct plan *pl, struct batch *b, const char *p, uint32_t nkeys)
{
	pl->nbytes = (uint32_t)(p - pl->bytes);
	b->len = pl->nbytes - b->start;
	b->nops = pl->nops - b->op;
	b->nkeys = nkeys;
}

int
plan_build(struct plan *pl, const struct plan_config *c)
{
	uint32_t per_request = c->load == PLAN_MULTIGET ? c->multi : 1;
	uint32_t per_batch = per_request * c->depth;
	uint64_t rng = plan_mix(c->seed) << 20;
	struct zipf z;

	memset(pl, 0, sizeof(*pl));
	pl->config = *c;
	zipf_init(&z, c->zipf, c->keys);
	if (reserve(pl, PLAN_OPS / per_batch, per_batch) != 0)
		return -1;
	while (pl->nbatches < pl->room_batches) {
		struct batch *b = batch_open(pl);
		char *p = pl->bytes + b->start;

		for (unsigned i = 0; i < c->depth; i++)
			p = put_request(pl, p, &z, &rng);
		batch_close(pl, b, p, per_batch);
	}
	return 0;
}

int
plan_fill(struct plan *pl, const struct plan_config *c, uint32_t first,
    uint32_t last, uint32_t *next)
{
	enum { FILL_BYTES = 64 << 10 }; /* of one batch, so no peer chokes */

	memset(pl, 0, sizeof(*pl));
	pl->config = *c;
	pl->config.load = PLAN_SET;
	pl->config.depth = (unsigned)(FILL_BYTES / key_room(&pl->config));
	if (pl->config.depth == 0)
		pl->config.depth = 1;
	if (reserve(pl, (last - first) / pl->config.depth + 1,
		pl->config.depth) != 0)
		return -1;
	while (pl->nbatches < pl->room_batches && first < last) {
		struct batch *b = batch_open(pl);
		char *p = pl->bytes + b->start;
		uint32_t n = 0;

		for (; n < pl->config.depth && first < last; n++)
			p = put_set(pl, p, first++);
		batch_close(pl, b, p, n);
	}
	*next = first;
	return 0;
}

void
plan_fini(struct plan *pl)
{
	free(pl->bytes);
	free(pl->ops);
	free(pl->batches);
	memset(pl, 0, sizeof(*pl));
}
