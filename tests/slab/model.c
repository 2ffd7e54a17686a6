/*
 * model.c - a million random operations against a naive map.
 *
 * The map is a table of values in plain C that obeys slab/cache.h to the
 * letter.  Without memory pressure cache and map must agree in every outcome
 * and every byte.  With it a key may be missing, but only if the statistics
 * say that something was evicted; what is found must be right.
 *
 * A failure prints the seed and the number of the operation.
 */
#include "tests/slab/caches.h"

enum {
	KEYS = 600,
	VALUE_MAX = 40000,
	CHECK_EVERY = 1000,
};

struct model {
	bool there, fetched, stale, win_sent, binary;
	uint32_t flags, deadline, nvalue;
	uint64_t cas;
	char *value;
};

struct run {
	uint64_t seed, state;
	unsigned n;
	bool pressure;
	uint32_t value_most; /* of most values */
	uint32_t flush_at;
	struct model keys[KEYS];
	char scratch[VALUE_MAX];
};

static struct run r;

#define agree(x)                                                              \
	((x) ? (void)0 : ck_abort_msg("seed %llu, operation %u: %s",          \
	    (unsigned long long)r.seed, r.n, #x))

static uint32_t
below(uint32_t n)
{
	return (uint32_t)(rnd(&r.state) % n);
}

static bool
maybe(uint32_t one_in)
{
	return below(one_in) == 0;
}

/* ------------------------------------------------------------ the map */

static void
forget(struct model *m)
{
	free(m->value);
	*m = (struct model){ 0 };
}

static void
expire(struct model *m)
{
	if (m->there && m->deadline != 0 && m->deadline <= w.now)
		forget(m);
}

static void
assign(struct model *m, const char *value, uint32_t nvalue)
{
	char *copy = malloc(nvalue + 1);

	memcpy(copy, value, nvalue);
	free(m->value);
	m->value = copy;
	m->nvalue = nvalue;
	m->there = true;
}

static void
clear_marks(struct model *m)
{
	m->fetched = m->stale = m->win_sent = m->binary = false;
}

static void
flush_map(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		forget(&r.keys[i]);
}

/* ------------------------------------------------------------ chance */

static struct cache_key
random_key(struct model **m)
{
	static char name[CACHE_KEY_MAX];
	unsigned i = below(KEYS);
	int n = snprintf(name, sizeof(name), "key-%u-", i);

	/* of all lengths, but always the same for one */
	memset(name + n, 'k', sizeof(name) - (size_t)n);
	*m = &r.keys[i];
	expire(*m);
	return cache_key(c, name, (uint32_t)n + (i * 7) % 200);
}

static uint32_t
random_deadline(void)
{
	if (maybe(3))
		return w.now + 1 + below(60);
	return maybe(50) ? CACHE_DEAD : 0;
}

static uint32_t
random_value(void)
{
	uint32_t n = below(maybe(40) ? VALUE_MAX : r.value_most);
	char byte = (char)('a' + below(26));

	if (maybe(4)) /* a number */
		return (uint32_t)snprintf(r.scratch, VALUE_MAX, "%llu",
		    (unsigned long long)(rnd(&r.state) >> below(64)));
	for (uint32_t i = 0; i < n; i++)
		r.scratch[i] = (char)(byte + i % 7);
	return n;
}

/* A number that is the item's, or was, or never. */
static uint64_t
random_cas(const struct model *m)
{
	uint32_t n = below(4);

	return n == 0 ? below(3) : m->cas + n - 1 - (m->cas > 0 && maybe(3));
}

/* Under pressure what is not found was evicted, and evictions are counted. */
static bool
lost(struct model *m, bool missing)
{
	if (!r.pressure || !missing || !m->there)
		return false;
	agree(stats().sum.evicted > 0);
	forget(m);
	return true;
}

/* ------------------------------------------------------------ get */

static void
compare_value(const struct model *m, const struct cache_want *wanted)
{
	struct cache_cursor cur = { 0 };
	uint32_t at = 0;
	char *bytes;
	size_t n;

	if (view.copied) {
		agree(memcmp(wanted->dst, m->value, m->nvalue) == 0);
		agree(view.pinned == NULL);
		return;
	}
	agree(view.pinned != NULL);
	while ((n = cache_span(c, view.pinned, &cur, 1 + below(70000),
	    &bytes)) > 0) {
		agree(memcmp(bytes, m->value + at, n) == 0);
		at += (uint32_t)n;
	}
	agree(at == m->nvalue);
	cache_unpin(c, &view.pinned);
}

static void
compare_view(const struct model *m, const struct cache_want *wanted)
{
	uint32_t end = wanted->touch && wanted->recache_touched ?
	    wanted->touch_deadline : m->deadline;
	bool wins = (wanted->marks && m->stale) || (wanted->recache &&
	    end != 0 && (end > w.now ? end - w.now : 0) < wanted->recache_ttl);

	agree(view.fetched == m->fetched);
	agree(view.stale == m->stale);
	agree(view.win_sent == m->win_sent);
	agree(view.won == (wins && !m->win_sent));
	agree(view.binary_key == m->binary);
	agree(view.old_deadline == m->deadline);
	agree(view.deadline == (wanted->touch ? wanted->touch_deadline :
	    m->deadline));
}

static void
model_hit(struct model *m, const struct cache_want *wanted)
{
	bool plain = !(wanted->marks || wanted->recache || wanted->touch ||
	    wanted->no_value || wanted->no_bump || wanted->vivify ||
	    wanted->withhold);

	agree(view.nvalue == m->nvalue);
	agree(view.client_flags == m->flags);
	agree(view.cas == m->cas);
	if (!plain) {
		compare_view(m, wanted);
		m->win_sent |= view.won;
	}
	if (wanted->no_value || (wanted->withhold &&
	    wanted->withhold_cas == m->cas))
		agree(!view.copied && view.pinned == NULL);
	else
		compare_value(m, wanted);
	if (wanted->touch)
		m->deadline = wanted->touch_deadline;
	if (!wanted->no_bump)
		m->fetched = true;
}

static struct cache_value last_put;

static char *
put_nothing(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	agree(value == cache_frame_value(f, at, k->nbytes));
	last_put = *v;
	return value + v->nvalue;
}

/* What it does not tell is left as it is. */
static enum cache_read
run_of_one(const struct cache_key *k, char *room, struct cache_hit *hit)
{
	struct cache_frame f = { .key = maybe(2) ? UINT32_MAX : 0,
		.nvalue = UINT32_MAX, .at = room, .put = put_nothing };
	char *value = cache_frame_value(&f, room, k->nbytes);

	if (cache_read_run(c, &w, k, 1, &f) == 0)
		return f.odd;
	agree(f.odd == CACHE_READ_HIT);
	agree(f.at == value + last_put.nvalue);
	if (f.key != 0)
		agree(memcmp(room, k->bytes, k->nbytes) == 0);
	hit->nvalue = last_put.nvalue;
	hit->client_flags = last_put.client_flags;
	hit->cas = last_put.cas;
	/* Once more, like the one before. */
	f.nvalue = hit->nvalue;
	f.client_flags = hit->client_flags;
	f.at = room;
	agree(cache_read_run(c, &w, k, 1, &f) == 1);
	agree(f.at == value + hit->nvalue);
	memmove(room, value, hit->nvalue);
	return CACHE_READ_HIT;
}

/* false: it says that cache_get() is needed. */
static bool
short_read(struct model *m, const struct cache_key *k, char *room)
{
	struct cache_hit hit = { .deadline = m->deadline,
		.fetched = m->fetched };
	enum cache_read found;

	if (maybe(2))
		found = cache_read(c, &w, k, room, &hit);
	else
		found = run_of_one(k, room, &hit);
	switch (found) {
	case CACHE_READ_ELSE:
		return false;
	case CACHE_READ_MISS:
		lost(m, true);
		agree(!m->there);
		return true;
	case CACHE_READ_HIT:
		break;
	}
	agree(m->there && hit.nvalue == m->nvalue);
	agree(memcmp(room, m->value, m->nvalue) == 0);
	agree(hit.client_flags == m->flags && hit.cas == m->cas);
	agree(hit.deadline == m->deadline && hit.fetched == m->fetched);
	m->fetched = true;
	return true;
}

static void
do_get(void)
{
	static char room[VALUE_MAX];
	struct model *m;
	struct cache_key k = random_key(&m);
	struct cache_want wanted = { .dst = room,
		.room = maybe(4) ? VALUE_MAX : CACHE_SMALL_MAX };
	enum cache_status status;

	if (maybe(2)) {
		wanted.marks = maybe(2);
		wanted.no_value = maybe(8);
		wanted.no_bump = maybe(4);
		wanted.touch = maybe(8);
		wanted.gat = maybe(2);
		wanted.vivify = maybe(6);
		wanted.recache = maybe(6);
		wanted.recache_touched = maybe(2);
		wanted.withhold = maybe(8);
		wanted.binary_key = maybe(2);
		wanted.touch_deadline = random_deadline();
		wanted.vivify_deadline = w.now + 1 + below(50);
		wanted.recache_ttl = below(80);
		wanted.withhold_cas = random_cas(m);
	}
	if (maybe(3) && short_read(m, &k, room))
		return;
	status = cache_get(c, &w, &k, &wanted, &view);
	if (status == CACHE_FOUND && wanted.vivify && view.won &&
	    view.nvalue == 0 && !view.stale && !view.fetched)
		lost(m, view.cas != m->cas);
	else
		lost(m, status == CACHE_NOT_FOUND);
	if (m->there) {
		agree(status == CACHE_FOUND);
		model_hit(m, &wanted);
	} else if (wanted.vivify) {
		agree(status == CACHE_FOUND && view.won && !view.win_sent);
		agree(view.deadline == wanted.vivify_deadline);
		assign(m, "", 0);
		m->deadline = wanted.vivify_deadline;
		m->win_sent = true;
		m->fetched = !wanted.no_bump;
		m->binary = wanted.binary_key;
		m->cas = view.cas;
	} else {
		agree(status == CACHE_NOT_FOUND);
	}
}

/* ------------------------------------------------------------ store */

static enum cache_status
model_judge(const struct model *m, const struct cache_put *p, bool *stale)
{
	bool swap = p->compare && (p->mode == CACHE_SET ||
	    p->mode == CACHE_REPLACE);

	*stale = false;
	if (!m->there) {
		if (swap)
			return CACHE_NOT_FOUND;
		if (p->mode == CACHE_SET || p->mode == CACHE_ADD)
			return CACHE_STORED;
		return p->mode != CACHE_REPLACE && p->vivify ? CACHE_STORED :
							   CACHE_NOT_STORED;
	}
	if (p->mode == CACHE_ADD)
		return CACHE_NOT_STORED;
	if (!p->compare || (p->compare_cas != 0 && p->compare_cas == m->cas))
		return CACHE_STORED;
	*stale = swap && p->allow_stale && p->compare_cas != 0 &&
	    p->compare_cas < m->cas;
	return *stale ? CACHE_STORED : CACHE_EXISTS;
}

static void
model_store(struct model *m, const struct cache_put *p, const char *value,
    uint32_t nvalue, bool stale)
{
	bool joined = m->there && p->mode >= CACHE_APPEND;
	bool win_sent = m->win_sent;
	static char all[64 * VALUE_MAX];

	clear_marks(m);
	if (joined) {
		bool append = p->mode == CACHE_APPEND;

		memcpy(all + (append ? 0 : nvalue), m->value, m->nvalue);
		memcpy(all + (append ? m->nvalue : 0), value, nvalue);
		assign(m, all, m->nvalue + nvalue);
		return;
	}
	if (!stale)
		m->deadline = m->there || p->mode < CACHE_APPEND ?
		    p->deadline : p->vivify_deadline;
	m->stale = stale;
	m->win_sent = stale && win_sent;
	m->flags = p->client_flags;
	m->binary = p->binary_key;
	assign(m, value, nvalue);
}

static void
random_put(struct cache_put *p, const struct model *m)
{
	*p = (struct cache_put){ .mode = maybe(2) ? CACHE_SET : below(5),
		.client_flags = maybe(3) ? below(9) : 0,
		.deadline = random_deadline(),
		.compare = maybe(6), .allow_stale = maybe(3),
		.vivify = maybe(3), .binary_key = maybe(8),
		.vivify_deadline = random_deadline(),
		.compare_cas = random_cas(m),
		.new_cas = maybe(10) ? 1 + below(1000000) : 0 };
}

/* By reservation: written in pieces of any length. */
static struct cache_item *
reserved(const struct cache_key *k, const struct cache_put *p,
    uint32_t nvalue)
{
	struct cache_cursor cur = { 0 };
	struct cache_item *item;
	uint32_t at = 0;
	char *bytes;
	size_t n;

	agree(cache_reserve(c, &w, k, p->client_flags, p->deadline, nvalue,
	    &item) == CACHE_STORED);
	while ((n = cache_span(c, item, &cur, 1 + below(20000), &bytes)) > 0) {
		memcpy(bytes, r.scratch + at, n);
		at += (uint32_t)n;
	}
	agree(at == nvalue);
	return item;
}

static void
do_store(void)
{
	struct model *m;
	struct cache_key k = random_key(&m);
	enum cache_status status, expected;
	struct cache_put p;
	uint32_t nvalue = random_value();
	bool stale;

	random_put(&p, m);
	if (p.mode >= CACHE_APPEND && m->nvalue > 10 * VALUE_MAX)
		p.mode = CACHE_SET;
	/* What is joined to nothing looks like what is created. */
	if (r.pressure && m->there && m->nvalue == 0)
		p.vivify = false;
	if (cache_is_large(k.nbytes, nvalue) && maybe(2)) {
		p.reserved = reserved(&k, &p, nvalue);
		if (maybe(10)) {
			cache_abandon(c, &p.reserved);
			return;
		}
	} else {
		p.value = r.scratch;
		p.nvalue = nvalue;
	}
	status = cache_store(c, &w, &k, &p, &view);
	expected = model_judge(m, &p, &stale);
	if (status != expected && r.pressure) {
		lost(m, true);
		expected = model_judge(m, &p, &stale);
	}
	agree(status == expected);
	if (status != CACHE_STORED)
		return;
	/* A join under pressure may have begun anew where nothing was. */
	if (m->there && p.mode >= CACHE_APPEND &&
	    view.nvalue != m->nvalue + nvalue)
		agree(lost(m, true) && p.vivify);
	model_store(m, &p, r.scratch, nvalue, stale);
	agree(view.nvalue == m->nvalue);
	agree(p.new_cas == 0 || view.cas == p.new_cas);
	m->cas = view.cas;
	expire(m);
}

/* ------------------------------------------------------------ delta */

enum { VALUE_DIGITS = CACHE_SMALL_MAX };

static bool
number_of(const struct model *m, uint32_t nkey, uint64_t *number)
{
	char text[VALUE_DIGITS + 1] = { 0 }, *end;
	uint32_t i = 0, n = 0;

	if (cache_is_large(nkey, m->nvalue))
		return false;
	while (i < m->nvalue && m->value[i] == ' ')
		i++;
	for (; i < m->nvalue && m->value[i] >= '0' && m->value[i] <= '9' &&
	    n < VALUE_DIGITS; i++)
		text[n++] = m->value[i];
	if (n == 0 || (i < m->nvalue && m->value[i] != ' '))
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0;
}

static enum cache_status
model_delta(struct model *m, uint32_t nkey, const struct cache_delta *d,
    uint64_t *number)
{
	char text[64];
	uint32_t n, old = m->nvalue;

	if (!m->there) {
		if (!d->vivify)
			return CACHE_NOT_FOUND;
		*number = d->initial;
		m->deadline = d->vivify_deadline;
		m->binary = d->binary_key;
	} else {
		if (m->nvalue == 0)
			return CACHE_NOT_NUMBER;
		if (d->compare && (d->compare_cas == 0 ||
		    d->compare_cas != m->cas))
			return CACHE_EXISTS;
		if (!number_of(m, nkey, number))
			return CACHE_NOT_NUMBER;
		if (!d->decrement)
			*number += d->delta;
		else
			*number -= *number < d->delta ? *number : d->delta;
		if (d->touch)
			m->deadline = d->touch_deadline;
	}
	n = (uint32_t)snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)*number);
	if (m->there && n > old)
		m->fetched = m->stale = m->win_sent = false;
	memset(r.scratch, ' ', old > n ? old : n);
	memcpy(r.scratch, text, n);
	assign(m, r.scratch, old > n ? old : n);
	return CACHE_STORED;
}

static void
do_delta(void)
{
	struct model *m;
	struct cache_key k = random_key(&m);
	struct cache_delta d = { .decrement = maybe(2), .compare = maybe(6),
		.vivify = maybe(4), .touch = maybe(6), .set_cas = maybe(20),
		.binary_key = maybe(2), .delta = rnd(&r.state) >> below(64),
		.initial = rnd(&r.state) >> below(64),
		.compare_cas = random_cas(m), .new_cas = below(3),
		.vivify_deadline = w.now + 1 + below(50),
		.touch_deadline = w.now + 1 + below(50) };
	enum cache_status status, expected;
	uint64_t number = 0, wanted = 0;

	/* What is created looks like what was changed: look before. */
	if (r.pressure && d.vivify)
		lost(m, cache_get(c, &w, &k, &(struct cache_want){
		    .no_value = true, .no_bump = true }, &view) ==
		    CACHE_NOT_FOUND);
	status = cache_delta(c, &w, &k, &d, &number, &view);
	lost(m, status == CACHE_NOT_FOUND);
	expected = model_delta(m, k.nbytes, &d, &wanted);
	agree(status == expected);
	if (status != CACHE_STORED)
		return;
	agree(number == wanted);
	agree(view.nvalue == m->nvalue && view.deadline == m->deadline);
	agree(view.client_flags == m->flags);
	agree(!d.set_cas || view.cas == d.new_cas);
	m->cas = view.cas;
}

/* ------------------------------------------------------------ the rest */

static void
do_delete(void)
{
	struct model *m;
	struct cache_key k = random_key(&m);
	struct cache_drop d = { .compare = maybe(4), .stale = maybe(3),
		.drop_value = maybe(4), .touch = maybe(3), .quiet = maybe(5),
		.client_flags = maybe(2) ? 7 : 0,
		.deadline = w.now + 1 + below(50),
		.compare_cas = random_cas(m),
		.new_cas = maybe(4) ? 1 + below(100000) : 0 };
	enum cache_status status = cache_delete(c, &w, &k, &d, &view);

	lost(m, status == CACHE_NOT_FOUND);
	if (!m->there) {
		agree(status == CACHE_NOT_FOUND);
		return;
	}
	if (d.compare && (d.compare_cas == 0 || d.compare_cas != m->cas)) {
		agree(status == CACHE_EXISTS);
		return;
	}
	agree(status == CACHE_DELETED);
	if (!d.stale && !d.drop_value) {
		forget(m);
		return;
	}
	if (d.drop_value) {
		bool binary = m->binary;

		clear_marks(m);
		assign(m, "", 0);
		m->binary = binary;
		m->flags = d.client_flags;
		m->deadline = d.deadline;
	} else if (d.touch) {
		m->deadline = d.deadline;
	}
	if (d.stale) {
		m->stale = true;
		m->win_sent = false;
	}
	agree(d.new_cas == 0 || view.cas == d.new_cas);
	agree(d.stale || d.new_cas != 0 || view.cas == m->cas);
	m->cas = view.cas;
}

static void
do_flush(void)
{
	uint32_t at = maybe(2) ? 0 : w.now + below(4);

	if (!maybe(200))
		return;
	cache_flush(c, &w, at);
	r.flush_at = at > w.now ? at : 0;
	if (at <= w.now)
		flush_map();
}

static void
pass_time(void)
{
	w.now += maybe(20);
	if (r.flush_at != 0 && w.now >= r.flush_at) {
		flush_map();
		r.flush_at = 0;
	}
	if (maybe(10))
		cache_upkeep(c, w.now);
}

/* Everything the walk finds is in the map; and, but for what was evicted, the
 * other way round. */
static void
walk_all(void)
{
	static struct cache_listed list[50];
	uint64_t place = 0;
	unsigned found = 0, there = 0;

	while (place != UINT64_MAX) {
		size_t n = cache_walk(c, w.now, &place, list,
		    1 + below(50));

		for (size_t i = 0; i < n; i++) {
			unsigned at = (unsigned)atoi(list[i].key + 4);
			struct model *m = &r.keys[at];

			expire(m);
			agree(at < KEYS && m->there);
			agree(list[i].cas == m->cas);
			agree(list[i].nvalue == m->nvalue);
			agree(list[i].deadline == m->deadline);
			agree(list[i].client_flags == m->flags);
			agree(list[i].fetched == m->fetched);
			agree(list[i].binary_key == m->binary);
		}
		found += (unsigned)n;
	}
	for (unsigned i = 0; i < KEYS; i++) {
		expire(&r.keys[i]);
		there += r.keys[i].there;
	}
	agree(r.pressure ? found <= there : found == there);
}

static void
operate(void)
{
	switch (below(16)) {
	case 0: case 1: case 2: case 3: case 4: case 5:
		do_get();
		break;
	case 6: case 7: case 8: case 9: case 10: case 11:
		do_store();
		break;
	case 12: case 13:
		do_delta();
		break;
	case 14:
		do_delete();
		break;
	case 15:
		if (maybe(20))
			pass_time();
		do_flush();
	}
}

static void
run(uint64_t seed, unsigned operations, struct cache_config config,
    uint32_t value_most)
{
	memset(&r, 0, sizeof(r));
	r.seed = seed;
	r.state = seed * 0x9e3779b97f4a7c15u + 1;
	r.value_most = value_most;
	config.item_max = 8 * MB;
	config.seed = seed;
	open_with(&config);
	r.pressure = config.memory_limit < 64 * MB;
	for (r.n = 1; r.n <= operations; r.n++) {
		operate();
		if (r.n % CHECK_EVERY == 0) {
			cache_check(c);
			agree(check_strays(c) == 0);
			if (maybe(10))
				walk_all();
		}
	}
	if (!r.pressure) {
		agree(stats().sum.evicted == 0);
		agree(ONE(store_no_memory) == 0);
	} else {
		agree(stats().sum.evicted > 0);
	}
	flush_map();
	close_cache();
}

START_TEST(agrees_exactly)
{
	run((uint64_t)_i + 1, 250000, (struct cache_config){
	    .memory_limit = 512 * MB, .shards = _i % 2 ? 1 : 16,
	    .temporary_ttl = _i == 1 ? 30 : 0, .flat_lru = _i == 2,
	    .growth_factor = _i == 2 ? 1.25 : 0 }, 300);
}
END_TEST

START_TEST(agrees_under_pressure)
{
	run((uint64_t)_i + 101, 250000, (struct cache_config){
	    .memory_limit = _i % 2 ? 3 * MB : 2 * MB,
	    .shards = _i % 2 ? 4 : 16,
	    .temporary_ttl = _i == 1 ? 30 : 0 }, 5000);
}
END_TEST

Suite *
model_suite(void)
{
	Suite *s = suite_create("model");
	TCase *t = tcase_create("model");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, agrees_exactly, 0, 3);
	tcase_add_loop_test(t, agrees_under_pressure, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
