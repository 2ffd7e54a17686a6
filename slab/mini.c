/* mini.c - see mini.h. */
#include "slab/mini.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	FETCHED = 1,
	ACTIVE = 2,
	WARM = 4,
	EXPECTED = 8, /* a store that is none of this cache's will come */

	UNIT = 256,  /* of what does not fit in the first chunk */
	REACH = 40,  /* second chances for one victim */
	TURNS = 4,   /* victims of a class between two looks at all */
	CROWD = 16,  /* entries of a class that can bear that */
	STEP = 2,    /* entries that a sweep looks at */
};

static uint32_t
power_of_two(uint32_t least)
{
	uint32_t n = 1;

	while (n < least)
		n *= 2;
	return n;
}

static size_t
head_bytes(uint32_t max)
{
	return power_of_two(max) * sizeof(uint16_t);
}

static uint32_t
ghost_buckets(uint32_t max)
{
	return power_of_two(max / GHOST_SLOTS);
}

size_t
mini_bytes(uint32_t max)
{
	return (max + 1) * sizeof(struct mini_entry) + head_bytes(max) +
	    ghost_buckets(max) * sizeof(struct ghost_bucket);
}

bool
mini_init(struct mini *m, const struct mini_shape *shape, uint32_t max)
{
	size_t ghost_bytes = ghost_buckets(max) * sizeof(struct ghost_bucket);

	assert(max > 0 && max <= MINI_ENTRIES_MAX);
	memset(m, 0, sizeof(*m));
	m->shape = shape;
	m->max = max;
	m->mask = power_of_two(max) - 1;
	m->entries = calloc(max + 1, sizeof(*m->entries));
	m->heads = calloc(1, head_bytes(max));
	m->ghost_buckets = aligned_alloc(_Alignof(struct ghost_bucket),
	    ghost_bytes);
	if (m->entries == NULL || m->heads == NULL ||
	    m->ghost_buckets == NULL) {
		mini_fini(m);
		return false;
	}
	memset(m->ghost_buckets, 0, ghost_bytes);
	ghosts_init(&m->ghosts, m->ghost_buckets, ghost_buckets(max),
	    shape->charge);
	return true;
}

void
mini_fini(struct mini *m)
{
	free(m->entries);
	free(m->heads);
	free(m->ghost_buckets);
	memset(m, 0, sizeof(*m));
}

/* ------------------------------------------------------------ entries */

static struct mini_entry *
at(const struct mini *m, uint16_t n)
{
	return &m->entries[n];
}

static uint32_t
sample_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static uint16_t *
head_of(const struct mini *m, uint16_t tag, uint32_t sample)
{
	return &m->heads[(tag ^ sample) & m->mask];
}

static uint16_t
find(const struct mini *m, uint64_t hash)
{
	uint16_t n = *head_of(m, (uint16_t)hash, sample_of(hash));

	while (n != 0 && (at(m, n)->sample != sample_of(hash) ||
	    at(m, n)->tag != (uint16_t)hash))
		n = at(m, n)->chain;
	return n;
}

static uint64_t
size_of(const struct mini *m, const struct mini_entry *e)
{
	return m->shape->chunks[e->class_id] + (uint64_t)e->units * UNIT;
}

static struct mini_queue *
queue_of(struct mini *m, const struct mini_entry *e)
{
	return &m->queues[e->class_id][e->bits & WARM ? MINI_WARM :
							MINI_PROBATION];
}

static void
push(struct mini *m, uint16_t n)
{
	struct mini_entry *e = at(m, n);
	struct mini_queue *q = queue_of(m, e);

	e->newer = 0;
	e->older = q->newest;
	if (q->newest != 0)
		at(m, q->newest)->newer = n;
	else
		q->oldest = n;
	q->newest = n;
	q->n++;
	m->bytes += size_of(m, e);
}

static void
drop(struct mini *m, uint16_t n)
{
	struct mini_entry *e = at(m, n);
	struct mini_queue *q = queue_of(m, e);

	if (e->newer != 0)
		at(m, e->newer)->older = e->older;
	else
		q->newest = e->older;
	if (e->older != 0)
		at(m, e->older)->newer = e->newer;
	else
		q->oldest = e->newer;
	q->n--;
	m->bytes -= size_of(m, e);
}

static void
discard(struct mini *m, uint16_t n)
{
	struct mini_entry *e = at(m, n);
	uint16_t *link = head_of(m, e->tag, e->sample);

	drop(m, n);
	while (*link != n)
		link = &at(m, *link)->chain;
	*link = e->chain;
	e->class_id = 0;
	e->chain = m->free;
	m->free = n;
	m->n--;
}

/* ------------------------------------------------------------ going */

/* Neither half of the hash is used as it is: those of a sample are alike. */
static uint64_t
ghost_hash(const struct mini_entry *e)
{
	uint64_t both = (uint64_t)e->sample << 16 | e->tag;

	return both * 0x9e3779b97f4a7c15;
}

static uint32_t
age(const struct mini *m, uint16_t n, uint32_t clock)
{
	return n != 0 ? clock - at(m, n)->accessed : 0;
}

static uint64_t
tail_age(const struct mini *m, const struct mini_queue *queues, uint32_t clock)
{
	uint32_t warm = age(m, queues[MINI_WARM].oldest, clock);
	uint32_t other = age(m, queues[MINI_PROBATION].oldest, clock);

	return (uint64_t)(warm > other ? warm : other) + 1;
}

static bool
is_wanted(const struct mini_entry *e)
{
	return e->bits & (e->bits & WARM ? ACTIVE : FETCHED | ACTIVE);
}

/* The tail has its second chance, if it has earned one: who was read a moment
 * ago must not hide how idle those behind it are. */
static void
advance(struct mini *m, uint16_t n)
{
	struct mini_entry *e = at(m, n);

	if (n == 0 || !is_wanted(e))
		return;
	drop(m, n);
	e->bits = (uint8_t)((e->bits & ~ACTIVE) | WARM);
	push(m, n);
}

static unsigned
entries_of(const struct mini *m, unsigned k)
{
	return m->queues[k][MINI_WARM].n + m->queues[k][MINI_PROBATION].n;
}

/* The class whose tail is the oldest for its size; 0 if all are empty. */
static unsigned
oldest(struct mini *m, uint32_t clock)
{
	uint64_t best = 0;
	unsigned found = 0;

	for (unsigned k = 1; k <= m->shape->nclasses; k++) {
		const struct mini_queue *queues = m->queues[k];
		uint64_t worth;

		if (entries_of(m, k) == 0)
			continue;
		advance(m, queues[MINI_WARM].oldest);
		advance(m, queues[MINI_PROBATION].oldest);
		worth = tail_age(m, queues, clock) * m->shape->roots[k];
		if (worth > best) {
			best = worth;
			found = k;
		}
	}
	return found;
}

/* The same, but looked for only now and then. */
static unsigned
giver(struct mini *m, uint32_t clock)
{
	if (m->turns == 0 || entries_of(m, m->giver) == 0) {
		m->giver = oldest(m, clock);
		m->turns = entries_of(m, m->giver) >= CROWD ? TURNS : 1;
	}
	return m->giver;
}

static uint16_t
tail_of(const struct mini *m, unsigned k)
{
	const struct mini_queue *warm = &m->queues[k][MINI_WARM];
	const struct mini_queue *other = &m->queues[k][MINI_PROBATION];

	if (warm->n == 0 ||
	    other->n > (warm->n + other->n) * m->shape->probation)
		return other->oldest;
	return warm->oldest;
}

/* false: nothing is left to go. */
static bool
evict(struct mini *m, uint32_t clock)
{
	uint16_t n = 0;

	for (unsigned tries = 0; tries < REACH; tries++) {
		unsigned k = giver(m, clock);

		if (k == 0)
			return false;
		n = tail_of(m, k);
		if (!is_wanted(at(m, n)))
			break;
		advance(m, n);
	}
	m->turns--;
	ghosts_add(&m->ghosts, ghost_hash(at(m, n)), m->n);
	discard(m, n);
	return true;
}

void
mini_resize(struct mini *m, uint64_t budget, uint32_t clock)
{
	m->budget = budget;
	while (m->bytes > m->budget && evict(m, clock))
		;
}

void
mini_sweep(struct mini *m, uint32_t now)
{
	for (unsigned i = 0; i < STEP && m->touched > 0; i++) {
		const struct mini_entry *e;

		if (m->swept >= m->touched)
			m->swept = 0;
		e = at(m, ++m->swept);
		if (e->class_id != 0 && e->deadline != 0 && e->deadline <= now)
			discard(m, m->swept);
	}
}

void
mini_thin(struct mini *m, uint32_t below)
{
	for (uint32_t n = 1; n <= m->touched; n++)
		if (at(m, (uint16_t)n)->class_id != 0 &&
		    at(m, (uint16_t)n)->sample >= below)
			discard(m, (uint16_t)n);
}

void
mini_clear(struct mini *m)
{
	mini_thin(m, 0);
}

/* ------------------------------------------------------------ requests */

bool
mini_get(struct mini *m, uint64_t hash, uint32_t clock, uint32_t now,
    bool truly_hit)
{
	uint16_t n = find(m, hash);
	struct mini_entry *e = at(m, n);
	unsigned more;

	if (n == 0)
		return false;
	if (e->deadline != 0 && e->deadline <= now) {
		discard(m, n);
		return false;
	}
	more = e->bits & (FETCHED | WARM) ? FETCHED | ACTIVE : FETCHED;
	e->bits = (uint8_t)((e->bits & ~EXPECTED) | more |
	    (truly_hit ? 0 : EXPECTED));
	e->accessed = clock;
	return true;
}

/* Its bytes beyond the first chunk. */
static uint16_t
units_of(const struct mini *m, const struct mini_item *item)
{
	uint32_t chunk = m->shape->chunks[item->class_id];
	uint32_t over = item->nbytes > chunk ? item->nbytes - chunk : 0;
	uint32_t units = over / UNIT + (over % UNIT != 0);

	return units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
}

static uint16_t
new_entry(struct mini *m, uint64_t hash)
{
	uint16_t n = m->free, *head;
	struct mini_entry *e;

	if (n != 0)
		m->free = at(m, n)->chain;
	else if (m->touched < m->max)
		n = (uint16_t)++m->touched;
	else
		return 0;
	e = at(m, n);
	memset(e, 0, sizeof(*e));
	e->sample = sample_of(hash);
	e->tag = (uint16_t)hash;
	head = head_of(m, e->tag, e->sample);
	e->chain = *head;
	*head = n;
	m->n++;
	if (ghosts_take(&m->ghosts, ghost_hash(e)))
		e->bits = WARM;
	return n;
}

bool
mini_put(struct mini *m, const struct mini_item *item, uint32_t clock)
{
	uint16_t known = find(m, item->hash), n = known;
	uint16_t units = units_of(m, item);
	struct mini_entry *e = at(m, n);

	if (n != 0 && (e->bits & EXPECTED)) {
		e->bits &= (uint8_t)~EXPECTED;
		return true;
	}
	if (n != 0 && e->class_id == item->class_id) {
		m->bytes -= size_of(m, e);
		e->units = units;
		m->bytes += size_of(m, e);
	} else {
		if (n != 0)
			drop(m, n);
		else if ((n = new_entry(m, item->hash)) == 0)
			return false;
		e = at(m, n);
		e->class_id = (uint8_t)item->class_id;
		e->units = units;
		push(m, n);
	}
	e->bits |= n == known ? ACTIVE : 0;
	e->deadline = item->deadline;
	e->accessed = clock;
	mini_resize(m, m->budget, clock);
	return true;
}

void
mini_touch(struct mini *m, uint64_t hash, uint32_t deadline)
{
	uint16_t n = find(m, hash);

	if (n != 0)
		at(m, n)->deadline = deadline;
}

void
mini_drop(struct mini *m, uint64_t hash)
{
	uint16_t n = find(m, hash);

	if (n != 0)
		discard(m, n);
}

/* ------------------------------------------------------------ check */

void
mini_check(const struct mini *m)
{
	uint64_t bytes = 0;
	uint32_t queued = 0, used = 0;

	for (unsigned k = 0; k < CACHE_CLASSES; k++)
		for (unsigned q = 0; q < MINI_QUEUES; q++) {
			const struct mini_queue *queue = &m->queues[k][q];
			uint16_t newer = 0;
			uint32_t count = 0;

			for (uint16_t n = queue->newest; n != 0;
			     n = at(m, n)->older) {
				const struct mini_entry *e = at(m, n);

				assert(e->class_id == k && k != 0);
				assert(e->newer == newer);
				assert(((e->bits & WARM) != 0) ==
				    (q == MINI_WARM));
				bytes += size_of(m, e);
				newer = n;
				count++;
			}
			assert(queue->oldest == newer);
			assert(queue->n == count);
			queued += count;
		}
	for (uint32_t n = 1; n <= m->touched; n++)
		used += m->entries[n].class_id != 0;
	assert(queued == m->n && used == m->n && bytes == m->bytes);
	ghosts_check(&m->ghosts);
}
