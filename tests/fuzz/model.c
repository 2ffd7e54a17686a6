/* model.c - see model.h: what a server answers. */
#include "tests/fuzz/model.h"

#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAYS_30 = 60 * 60 * 24 * 30 };

enum done { STORED, NOT_STORED, EXISTS, NOT_FOUND, TOO_LARGE, NOT_NUMBER,
	NUMBER, DELETED, TOUCHED };

/* ------------------------------------------------------------ the map */

static void
forget(struct entry *e)
{
	e->there = e->cas_known = false;
	e->value.n = 0;
	e->changes++;
}

/* The entry as it is now; what has expired is gone. */
static struct entry *
find(struct model *m, unsigned key)
{
	struct entry *e = &m->keys[key];

	if (e->there && e->deadline != 0 && e->deadline <= m->now)
		forget(e);
	return e;
}

static int64_t
deadline_of(const struct model *m, int64_t exptime)
{
	if (exptime == 0)
		return 0;
	if (exptime < 0)
		return 1;
	if (exptime > DAYS_30)
		return exptime > m->start ? exptime - m->start : 1;
	return m->now + exptime;
}

/* Another cas number: chosen, or not known yet. */
static void
renumber(struct entry *e, uint64_t chosen)
{
	e->changes++;
	e->cas_known = chosen != 0;
	if (chosen != 0)
		e->cas = chosen;
}

static void
clear_marks(struct entry *e)
{
	e->fetched = e->stale = e->win_sent = e->base64 = false;
}

/* Whether a number that somebody named is the item's.  What is not known yet
 * was named by nobody. */
static bool
is_cas(const struct entry *e, uint64_t cas)
{
	return e->cas_known && cas != 0 && e->cas == cas;
}

static bool
is_older(const struct entry *e, uint64_t cas)
{
	if (!e->cas_known)
		return cas != 0 && cas < CHOSEN_CAS;
	return cas != 0 && cas < e->cas;
}

static const struct flag *
flag(const struct order *o, char letter)
{
	return order_flag(o, letter);
}

static uint64_t
number(const struct order *o, char letter)
{
	return flag(o, letter) != NULL ?
	    (uint64_t)flag(o, letter)->number : 0;
}

/* The time of what N creates: N's, or that of a T behind it. */
static int64_t
created_exptime(const struct order *o)
{
	const struct flag *n = flag(o, 'N'), *t = flag(o, 'T');

	return t != NULL && t > n ? t->number : n->number;
}

/* Does R ask for more time than there is?  Behind T it looks at T's. */
static bool
is_short(const struct model *m, const struct order *o, int64_t deadline)
{
	const struct flag *r = flag(o, 'R'), *t = flag(o, 'T');

	if (r != NULL && t != NULL && t < r)
		deadline = deadline_of(m, t->number);
	return r != NULL && deadline != 0 &&
	    (deadline > m->now ? deadline - m->now : 0) < r->number;
}

/* The flag before which t shows the old time. */
static char
timer_of(const struct order *o)
{
	return flag(o, 'T') != NULL ? 'T' : 'N';
}

/* ------------------------------------------------------------ storing */

struct terms {
	enum kind how; /* SET .. PREPEND */
	bool compare, vivify, invalidate, base64;
	uint64_t cas, chosen;
	int64_t exptime, vivify_exptime;
	uint32_t flags;
};

static void
join(const struct order *o, struct entry *e, bool append)
{
	struct bytes all = { 0 };

	if (append)
		bytes_add(&all, e->value.at, e->value.n);
	order_value(o, &all);
	if (!append)
		bytes_add(&all, e->value.at, e->value.n);
	free(e->value.at);
	e->value = all;
}

static enum done
judge(const struct entry *e, const struct terms *t, bool *stale)
{
	bool swap = t->compare && (t->how == SET || t->how == REPLACE);

	*stale = false;
	if (!e->there) {
		if (swap)
			return NOT_FOUND;
		if (t->how == SET || t->how == ADD)
			return STORED;
		return t->how != REPLACE && t->vivify ? STORED : NOT_STORED;
	}
	if (t->how == ADD)
		return NOT_STORED;
	if (!t->compare || is_cas(e, t->cas))
		return STORED;
	*stale = swap && t->invalidate && is_older(e, t->cas);
	return *stale ? STORED : EXISTS;
}

static enum done
do_store(struct model *m, const struct order *o, const struct terms *t)
{
	struct entry *e = find(m, o->keys[0]);
	bool joins = t->how == APPEND || t->how == PREPEND, stale;
	bool win_sent = e->win_sent, was = e->there;
	enum done done = judge(e, t, &stale);

	if (o->nvalue == VALUE_HUGE) {
		if (o->kind == SET || o->kind == MS)
			forget(e);
		return TOO_LARGE;
	}
	if (done != STORED)
		return done;
	clear_marks(e);
	renumber(e, t->chosen);
	if (was && joins) {
		join(o, e, t->how == APPEND);
		return STORED;
	}
	if (!stale)
		e->deadline = deadline_of(m, joins ? t->vivify_exptime :
		    t->exptime);
	e->there = true;
	e->stale = stale;
	e->win_sent = stale && win_sent;
	e->flags = t->flags;
	e->base64 = t->base64;
	e->value.n = 0;
	order_value(o, &e->value);
	return STORED;
}

static enum done
store(struct model *m, const struct order *o)
{
	struct terms t = { .how = o->kind, .compare = o->compare,
		.cas = o->cas, .exptime = o->exptime,
		.flags = o->client_flags };

	/* with a cas number all of them are the same in binary */
	if (o->kind == CAS || (o->binary && o->compare && o->kind <= REPLACE))
		t.how = SET;
	return do_store(m, o, &t);
}

static enum done
meta_store(struct model *m, const struct order *o)
{
	static const char modes[] = "SERAP";
	struct terms t = {
		.how = flag(o, 'M') ? SET + (enum kind)(strchr(modes,
		    o->mode) - modes) : SET,
		.compare = flag(o, 'C') != NULL,
		.vivify = flag(o, 'N') != NULL,
		.invalidate = flag(o, 'I') != NULL,
		.base64 = flag(o, 'b') != NULL,
		.cas = number(o, 'C'), .chosen = number(o, 'E'),
		.exptime = (int64_t)number(o, 'T'),
		.vivify_exptime = (int64_t)number(o, 'N'),
		.flags = (uint32_t)number(o, 'F'),
	};

	if (t.how == ADD)
		t.compare = false;
	return do_store(m, o, &t);
}

/* ------------------------------------------------------------ counting */

/* White space, digits, white space or the end; below 2^64. */
static bool
number_of(const struct entry *e, uint64_t *v)
{
	const char *p = e->value.at, *end;
	__int128 all = 0;
	bool any = false;

	if (e->value.n == 0 || e->value.n > 4000)
		return false;
	end = p + e->value.n;
	while (p < end && isspace((unsigned char)*p))
		p++;
	for (; p < end && isdigit((unsigned char)*p); p++, any = true)
		if (all <= UINT64_MAX)
			all = all * 10 + (*p - '0');
	*v = (uint64_t)all;
	return any && all <= UINT64_MAX &&
	    (p == end || isspace((unsigned char)*p));
}

static enum done
count(struct model *m, const struct order *o, bool down, uint64_t *v)
{
	struct entry *e = find(m, o->keys[0]);
	bool meta = o->kind == MA;
	const struct flag *t = meta ? flag(o, 'T') : NULL;
	char text[24];
	size_t n;

	if (e->there) {
		if (e->value.n == 0)
			return NOT_NUMBER;
		/* to ma, C0 is no number at all */
		if (o->compare && o->cas != 0 && !is_cas(e, o->cas))
			return EXISTS;
		if (!number_of(e, v))
			return NOT_NUMBER;
		*v = down ? *v - (o->delta < *v ? o->delta : *v) :
		    *v + o->delta;
	} else {
		if (!o->create)
			return NOT_FOUND;
		*v = o->initial;
		clear_marks(e);
		e->flags = 0;
		e->deadline = deadline_of(m, meta ? created_exptime(o) :
		    o->exptime);
		e->base64 = meta && flag(o, 'b') != NULL;
	}
	n = (size_t)snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)*v);
	if (e->there && n <= e->value.n) {
		memset(e->value.at, ' ', e->value.n);
		memcpy(e->value.at, text, n);
	} else {
		e->fetched = e->stale = e->win_sent = false;
		e->value.n = 0;
		bytes_add(&e->value, text, n);
	}
	if (e->there && t != NULL)
		e->deadline = deadline_of(m, t->number);
	e->there = true;
	renumber(e, meta ? number(o, 'E') : 0);
	return NUMBER;
}

/* ------------------------------------------------------------ replies */

static void
put_slot(struct expected *x, unsigned key, const struct entry *e, bool binary)
{
	uint64_t cas = htobe64(e->cas);

	if (e->cas_known && binary)
		bytes_add(&x->bytes, &cas, 8);
	else if (e->cas_known)
		bytes_print(&x->bytes, "%llu", (unsigned long long)e->cas);
	else {
		assert(x->nslots < MODEL_SLOTS);
		x->slots[x->nslots++] = (struct slot){ x->bytes.n, key,
			e->changes, binary };
	}
}

static void
put_packet(struct expected *x, const struct order *o, unsigned status,
    struct entry *e, const struct bytes *extras, const char *key,
    const struct bytes *value)
{
	struct bytes said = { 0 };
	uint32_t nkey = (uint32_t)strlen(key);
	uint32_t body = htobe32((uint32_t)(extras->n + nkey + value->n));
	char head[16] = { (char)0x81 };

	order_say(o, &said);
	head[1] = said.at[1];
	free(said.at);
	head[3] = (char)nkey;
	head[4] = (char)extras->n;
	head[7] = (char)status;
	memcpy(head + 8, &body, 4);
	memcpy(head + 12, &o->opaque, 4);
	bytes_add(&x->bytes, head, 16);
	if (e != NULL)
		put_slot(x, o->keys[0], e, true);
	else
		bytes_add(&x->bytes, "\0\0\0\0\0\0\0", 8);
	bytes_add(&x->bytes, extras->at, extras->n);
	bytes_add(&x->bytes, key, nkey);
	bytes_add(&x->bytes, value->at, value->n);
}

static void
put_status(struct expected *x, const struct order *o, unsigned status,
    const char *text)
{
	struct bytes none = { 0 }, body = { (char *)text, strlen(text), 0 };

	put_packet(x, o, status, NULL, &none, "", &body);
}

/* A binary reply to anything but a read. */
static void
put_done(struct model *m, const struct order *o, enum done done, uint64_t v,
    struct expected *x)
{
	struct entry *e = &m->keys[o->keys[0]];
	struct bytes none = { 0 }, body = { (char *)&v, 8, 0 };

	v = htobe64(v);
	if (done == NOT_STORED && o->kind == ADD)
		done = EXISTS;
	if (done == NOT_STORED && o->kind == REPLACE)
		done = NOT_FOUND;
	if (done == NOT_FOUND)
		put_status(x, o, 1, "Not found");
	else if (done == EXISTS)
		put_status(x, o, 2, "Data exists for key.");
	else if (done == TOO_LARGE)
		put_status(x, o, 3, "Too large.");
	else if (done == NOT_STORED)
		put_status(x, o, 5, "Not stored.");
	else if (done == NOT_NUMBER)
		put_status(x, o, 6, "Non-numeric server-side value for incr "
		    "or decr");
	else if (!o->quiet)
		put_packet(x, o, 0, done == DELETED ? NULL : e, &none, "",
		    done == NUMBER ? &body : &none);
}

static const char *
line_of(enum done done)
{
	static const char *const lines[] = { "STORED", "NOT_STORED", "EXISTS",
		"NOT_FOUND", "SERVER_ERROR object too large for cache",
		"CLIENT_ERROR cannot increment or decrement non-numeric value",
		"", "DELETED", "TOUCHED" };

	return lines[done];
}

static void
put_classic(struct model *m, const struct order *o, enum done done,
    uint64_t v, struct expected *x)
{
	if (o->binary)
		put_done(m, o, done, v, x);
	else if (o->quiet)
		return;
	else if (done == NUMBER)
		bytes_print(&x->bytes, "%llu\r\n", (unsigned long long)v);
	else
		bytes_print(&x->bytes, "%s\r\n", line_of(done));
}

/* What all meta commands may show; true if the letter was one of those. */
static bool
put_common(struct expected *x, const struct order *o, const struct flag *f,
    bool base64)
{
	if (f->letter == 'O')
		bytes_print(&x->bytes, " O%lld", (long long)f->number);
	else if (f->letter == 'k' && base64)
		bytes_print(&x->bytes, " k%s b", order_key64(o->keys[0]));
	else if (f->letter == 'k')
		bytes_print(&x->bytes, " k%s", order_key(o->keys[0]));
	else
		return false;
	return true;
}

static void
put_ttl(struct expected *x, const struct model *m, int64_t deadline)
{
	int64_t left = deadline > m->now ? deadline - m->now : 0;

	bytes_print(&x->bytes, " t%lld", deadline == 0 ? -1LL :
	    (long long)left);
}

static void
put_code(struct expected *x, const struct order *o, const char *code,
    const struct entry *e, bool stored)
{
	bytes_print(&x->bytes, "%s", code);
	for (unsigned i = 0; i < o->nflags; i++) {
		const struct flag *f = &o->flags[i];

		if (put_common(x, o, f, flag(o, 'b') != NULL))
			continue;
		if (o->kind != MS)
			continue;
		if (f->letter == 's')
			bytes_print(&x->bytes, " s%zu",
			    stored ? e->value.n : (size_t)o->nvalue);
		if (f->letter == 'c') {
			bytes_print(&x->bytes, " c");
			if (stored)
				put_slot(x, o->keys[0], e, false);
			else
				bytes_print(&x->bytes, "0");
		}
	}
	bytes_print(&x->bytes, "\r\n");
}

static void
put_meta(struct model *m, const struct order *o, enum done done,
    struct expected *x)
{
	static const char *const codes[] = { "HD", "NS", "EX", "NF", NULL,
		NULL, NULL, "HD" };
	bool nominal = done == STORED || done == DELETED;

	if (codes[done] == NULL)
		bytes_print(&x->bytes, "%s\r\n", line_of(done));
	else if (!(nominal && o->quiet))
		put_code(x, o, codes[done], &m->keys[o->keys[0]],
		    done == STORED);
}

/* ------------------------------------------------------------ reading */

static void
get_text(struct model *m, const struct order *o, struct expected *x)
{
	bool touches = o->kind == GAT || o->kind == GATS;

	for (unsigned i = 0; i < o->nkeys; i++) {
		struct entry *e = find(m, o->keys[i]);

		if (!e->there)
			continue;
		bytes_print(&x->bytes, "VALUE %s %u %zu",
		    order_key(o->keys[i]), e->flags, e->value.n);
		if (o->kind == GETS || o->kind == GATS) {
			bytes_print(&x->bytes, " ");
			put_slot(x, o->keys[i], e, false);
		}
		bytes_print(&x->bytes, "\r\n");
		bytes_add(&x->bytes, e->value.at, e->value.n);
		bytes_print(&x->bytes, "\r\n");
		e->fetched = true;
		if (touches)
			e->deadline = deadline_of(m, o->exptime);
	}
	bytes_print(&x->bytes, "END\r\n");
}

static void
get_binary(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);
	bool named = o->kind == BGETK || o->kind == BGATK;
	const char *key = named ? order_key(o->keys[0]) : "";
	struct bytes none = { 0 }, extras = { 0 };
	uint32_t flags = htobe32(e->flags);

	if (!e->there) {
		if (o->quiet)
			return;
		if (named)
			put_packet(x, o, 1, NULL, &none, key, &none);
		else
			put_status(x, o, 1, "Not found");
		return;
	}
	bytes_add(&extras, &flags, 4);
	put_packet(x, o, 0, e, &extras, key,
	    o->kind == TOUCH ? &none : &e->value);
	free(extras.at);
	e->fetched = true;
	if (o->kind != BGET && o->kind != BGETK)
		e->deadline = deadline_of(m, o->exptime);
}

static void
put_shown(struct model *m, const struct order *o, const struct entry *e,
    int64_t before, struct expected *x)
{
	bool touched = flag(o, timer_of(o)) == NULL;

	for (unsigned i = 0; i < o->nflags; i++) {
		const struct flag *f = &o->flags[i];

		if (put_common(x, o, f, flag(o, 'b') != NULL || e->base64))
			continue;
		if (f->letter == timer_of(o))
			touched = true;
		else if (f->letter == 't')
			put_ttl(x, m, touched ? e->deadline : before);
		else if (f->letter == 's')
			bytes_print(&x->bytes, " s%zu", e->value.n);
		else if (f->letter == 'f')
			bytes_print(&x->bytes, " f%u", e->flags);
		else if (f->letter == 'h')
			bytes_print(&x->bytes, " h%d", e->fetched);
		else if (f->letter == 'c') {
			bytes_print(&x->bytes, " c");
			put_slot(x, o->keys[0], e, false);
		}
	}
}

static void
vivify(struct model *m, const struct order *o, struct entry *e)
{
	clear_marks(e);
	e->there = true;
	e->flags = 0;
	e->value.n = 0;
	e->deadline = deadline_of(m, created_exptime(o));
	e->base64 = flag(o, 'b') != NULL;
	renumber(e, number(o, 'E'));
}

static void
get_meta(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);
	int64_t before = e->deadline;
	bool made = false, wins, shows;

	if (!e->there && flag(o, 'N') != NULL) {
		vivify(m, o, e);
		made = true;
		before = 0;
	}
	if (!e->there) {
		if (!o->quiet)
			put_code(x, o, "EN", e, false);
		return;
	}
	wins = made || e->stale || is_short(m, o, before);
	shows = flag(o, 'v') != NULL &&
	    !(flag(o, 'C') != NULL && is_cas(e, number(o, 'C')) && !made);
	if (flag(o, 'T') != NULL && !made)
		e->deadline = deadline_of(m, flag(o, 'T')->number);
	if (shows)
		bytes_print(&x->bytes, "VA %zu", e->value.n);
	else
		bytes_print(&x->bytes, "HD");
	put_shown(m, o, e, before, x);
	if (e->win_sent)
		bytes_print(&x->bytes, " Z");
	if (e->stale)
		bytes_print(&x->bytes, " X");
	if (wins && !e->win_sent)
		bytes_print(&x->bytes, " W");
	bytes_print(&x->bytes, "\r\n");
	if (shows) {
		bytes_add(&x->bytes, e->value.at, e->value.n);
		bytes_print(&x->bytes, "\r\n");
	}
	e->win_sent |= wins;
	if (flag(o, 'u') == NULL)
		e->fetched = true;
}

/* ------------------------------------------------------------ the rest */

static void
delete_meta(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);
	enum done done = DELETED;
	bool stale = flag(o, 'I') != NULL, empty = flag(o, 'x') != NULL;
	bool base64 = e->base64;

	if (!e->there)
		done = NOT_FOUND;
	else if (flag(o, 'C') != NULL && !is_cas(e, number(o, 'C')))
		done = EXISTS;
	else if (!stale && !empty)
		forget(e);
	else {
		if (empty) {
			clear_marks(e);
			e->value.n = 0;
			e->base64 = base64;
			e->flags = (uint32_t)number(o, 'F');
			e->deadline = 0;
		}
		if (flag(o, 'T') != NULL)
			e->deadline = deadline_of(m, flag(o, 'T')->number);
		if (stale) {
			e->stale = true;
			e->win_sent = false;
		}
		if (stale || number(o, 'E') != 0)
			renumber(e, number(o, 'E'));
	}
	put_meta(m, o, done, x);
}

static void
count_meta(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);
	int64_t before = e->there ? e->deadline : 0;
	bool touched = flag(o, timer_of(o)) == NULL;
	uint64_t v;
	enum done done = count(m, o, flag(o, 'M') && o->mode == 'D', &v);

	if (done != NUMBER) {
		put_meta(m, o, done, x);
		return;
	}
	if (o->quiet)
		return;
	bytes_print(&x->bytes, flag(o, 'v') ? "VA %d" : "HD",
	    snprintf(NULL, 0, "%llu", (unsigned long long)v));
	for (unsigned i = 0; i < o->nflags; i++) {
		const struct flag *f = &o->flags[i];

		if (put_common(x, o, f, flag(o, 'b') != NULL))
			continue;
		if (f->letter == timer_of(o))
			touched = true;
		else if (f->letter == 't')
			put_ttl(x, m, touched ? e->deadline : before);
		else if (f->letter == 'c') {
			bytes_print(&x->bytes, " c");
			put_slot(x, o->keys[0], e, false);
		}
	}
	if (flag(o, 'v') != NULL)
		bytes_print(&x->bytes, "\r\n%llu", (unsigned long long)v);
	bytes_print(&x->bytes, "\r\n");
}

static void
do_delete(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);
	enum done done = DELETED;

	if (!e->there)
		done = NOT_FOUND;
	else if (o->compare && !is_cas(e, o->cas))
		done = EXISTS;
	else
		forget(e);
	put_classic(m, o, done, 0, x);
}

static void
do_touch(struct model *m, const struct order *o, struct expected *x)
{
	struct entry *e = find(m, o->keys[0]);

	if (o->binary) {
		get_binary(m, o, x);
		return;
	}
	put_classic(m, o, e->there ? TOUCHED : NOT_FOUND, 0, x);
	if (e->there) {
		e->fetched = true;
		e->deadline = deadline_of(m, o->exptime);
	}
}

static void
do_flush(struct model *m, const struct order *o, struct expected *x)
{
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		forget(&m->keys[i]);
	if (o->quiet)
		return;
	if (o->binary)
		put_status(x, o, 0, "");
	else
		bytes_print(&x->bytes, "OK\r\n");
}

void
model_answer(struct model *m, const struct order *o, struct expected *x)
{
	uint64_t v = 0;
	enum done done;

	switch (o->kind) {
	case GET: case GETS: case GAT: case GATS:
		get_text(m, o, x);
		break;
	case SET: case ADD: case REPLACE: case APPEND: case PREPEND: case CAS:
		put_classic(m, o, store(m, o), 0, x);
		break;
	case DELETE:
		do_delete(m, o, x);
		break;
	case INCR: case DECR:
		done = count(m, o, o->kind == DECR, &v);
		put_classic(m, o, done, v, x);
		break;
	case TOUCH:
		do_touch(m, o, x);
		break;
	case FLUSH:
		do_flush(m, o, x);
		break;
	case NOOP:
		if (o->binary)
			put_status(x, o, 0, "");
		else
			bytes_print(&x->bytes, "MN\r\n");
		break;
	case MG:
		get_meta(m, o, x);
		break;
	case MS:
		put_meta(m, o, meta_store(m, o), x);
		break;
	case MD:
		delete_meta(m, o, x);
		break;
	case MA:
		count_meta(m, o, x);
		break;
	case BGET: case BGETK: case BGAT: case BGATK:
		get_binary(m, o, x);
		break;
	case UNKNOWN:
		put_status(x, o, 0x81, "Unknown command");
		break;
	case FIXED:
		bytes_print(&x->bytes, "%s", o->reply);
		break;
	}
}

void
model_forget(struct model *m)
{
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		free(m->keys[i].value.at);
		m->keys[i] = (struct entry){ 0 };
	}
}
