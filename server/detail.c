/* detail.c - see detail.h. */
#include "server/detail.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/uri.h"

enum {
	PARTS = 16,
	PART_BUCKETS = 256,
	PART_PREFIXES = DETAIL_PREFIXES / PARTS,
	/* "PREFIX  get  hit  set  del \r\n" and four numbers */
	LINE_FIXED = 32 + 4 * 20,
};

struct prefix {
	struct prefix *next;
	uint64_t counts[DETAIL_WHATS];
	uint32_t nbytes;
	char bytes[];
};

struct part {
	pthread_mutex_t lock; /* guards from here ... */
	unsigned count;
	struct prefix *buckets[PART_BUCKETS];
	/* ... to here */
};

struct detail {
	/* fixed after detail_new() */
	char delimiter;
	/* The hash is keyed so that nobody can aim at one bucket. */
	unsigned char seed[crypto_shorthash_KEYBYTES];
	struct part parts[PARTS];
};

struct detail *
detail_new(char delimiter)
{
	struct detail *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->delimiter = delimiter;
	randombytes_buf(d->seed, sizeof(d->seed));
	for (unsigned i = 0; i < PARTS; i++)
		pthread_mutex_init(&d->parts[i].lock, NULL);
	return d;
}

void
detail_free(struct detail **dp)
{
	struct detail *d = *dp;

	*dp = NULL;
	detail_reset(d);
	for (unsigned i = 0; i < PARTS; i++)
		pthread_mutex_destroy(&d->parts[i].lock);
	free(d);
}

void
detail_reset(struct detail *d)
{
	for (unsigned i = 0; i < PARTS; i++) {
		struct part *part = &d->parts[i];

		pthread_mutex_lock(&part->lock);
		for (unsigned b = 0; b < PART_BUCKETS; b++) {
			struct prefix *p = part->buckets[b], *next;

			for (; p != NULL; p = next) {
				next = p->next;
				free(p);
			}
			part->buckets[b] = NULL;
		}
		part->count = 0;
		pthread_mutex_unlock(&part->lock);
	}
}

/* The entry, made if need be; NULL: there shall not be one. */
static struct prefix *
find_prefix(struct part *part, unsigned bucket, const char *bytes, uint32_t n)
{
	struct prefix **head = &part->buckets[bucket];
	struct prefix *p;

	for (p = *head; p != NULL; p = p->next)
		if (p->nbytes == n && memcmp(p->bytes, bytes, n) == 0)
			return p;
	if (part->count == PART_PREFIXES)
		return NULL;
	p = calloc(1, sizeof(*p) + n);
	if (p == NULL)
		return NULL;
	p->nbytes = n;
	memcpy(p->bytes, bytes, n);
	p->next = *head;
	*head = p;
	part->count++;
	return p;
}

void
detail_count(struct detail *d, const char *key, uint32_t nkey,
    enum detail_what what)
{
	const char *end = memchr(key, d->delimiter, nkey);
	unsigned char hash[crypto_shorthash_BYTES];
	struct part *part;
	struct prefix *p;
	uint32_t n;

	if (end == NULL)
		return;
	n = (uint32_t)(end - key);
	crypto_shorthash(hash, (const unsigned char *)key, n, d->seed);
	part = &d->parts[hash[0] % PARTS];
	pthread_mutex_lock(&part->lock);
	p = find_prefix(part, hash[1], key, n);
	if (p != NULL)
		p->counts[what]++;
	pthread_mutex_unlock(&part->lock);
}

/* ------------------------------------------------------------ the dump */

struct text {
	char *bytes;
	size_t used, size;
};

static int
put_prefix(struct text *t, const struct prefix *p)
{
	size_t need = LINE_FIXED + (size_t)p->nbytes * URI_EXPANSION;
	char *bytes;

	if (t->size - t->used < need) {
		bytes = realloc(t->bytes, t->size * 2 + need);
		if (bytes == NULL)
			return -1;
		t->bytes = bytes;
		t->size = t->size * 2 + need;
	}
	bytes = t->bytes + t->used;
	memcpy(bytes, "PREFIX ", 7);
	bytes = uri_escape(bytes + 7, p->bytes, p->nbytes);
	bytes += snprintf(bytes, LINE_FIXED,
	    " get %llu hit %llu set %llu del %llu\r\n",
	    (unsigned long long)(p->counts[DETAIL_GET_MISS] +
	    p->counts[DETAIL_GET_HIT]),
	    (unsigned long long)p->counts[DETAIL_GET_HIT],
	    (unsigned long long)p->counts[DETAIL_SET],
	    (unsigned long long)p->counts[DETAIL_DELETE]);
	t->used = (size_t)(bytes - t->bytes);
	return 0;
}

static int
put_part(struct text *t, struct part *part)
{
	int rc = 0;

	pthread_mutex_lock(&part->lock);
	for (unsigned b = 0; b < PART_BUCKETS && rc == 0; b++)
		for (struct prefix *p = part->buckets[b]; p != NULL && rc == 0;
		    p = p->next)
			rc = put_prefix(t, p);
	pthread_mutex_unlock(&part->lock);
	return rc;
}

char *
detail_dump(struct detail *d, size_t *n)
{
	struct text t = { .size = LINE_FIXED };

	t.bytes = malloc(t.size);
	for (unsigned i = 0; i < PARTS && t.bytes != NULL; i++)
		if (put_part(&t, &d->parts[i]) != 0) {
			free(t.bytes);
			return NULL;
		}
	*n = t.used;
	return t.bytes;
}
