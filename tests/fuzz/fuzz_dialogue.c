/*
 * fuzz_dialogue.c - long conversations that mean something, on three
 * connections at once, text, meta and binary; every reply is compared with
 * what a map in plain C says (model.h).
 *
 * Input is read as orders.  A request may be sent in two pieces, with others'
 * requests between them, or behind others of its connection at once.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/model.h"
#include "tests/fuzz/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	CLIENTS = 3, /* the last speaks binary */
	QUEUE = 8,
	LARGE_BYTES = 120000, /* of a dialogue: nothing is evicted */
};

struct client {
	struct party party;
	struct order queue[QUEUE];
	unsigned queued;
	struct bytes said; /* of the queue; .sent bytes are sent */
	size_t sent;
};

struct dialogue {
	const uint8_t *at, *end;
	struct stage *stage;
	struct model model;
	struct client clients[CLIENTS];
	uint32_t large; /* bytes of large values that may still be stored */
};

static unsigned
next(struct dialogue *d)
{
	return d->at < d->end ? *d->at++ : 0;
}

/* ------------------------------------------------------------ orders */

static void
choose_value(struct dialogue *d, struct order *o, bool in_parts)
{
	static const char *const numbers[] = { "0", "1", "17", "99", "  5",
		"12 z", "-1", "18446744073709551615", "18446744073709551616",
		"1x", "", " ", "9 ", "00", "7\r\nget a\r\n", "999999999999" };
	unsigned how = next(d);

	o->fill = (char)('a' + how % 26);
	o->nvalue = how;
	if (how < 100) {
		o->value = numbers[how % 16];
		o->nvalue = (uint32_t)strlen(o->value);
	} else if (how >= 255 && !in_parts)
		o->nvalue = VALUE_HUGE;
	else if (how >= 240)
		o->nvalue = how < 250 ? 5000 : 40000;
	if (o->nvalue > 255 && o->nvalue != VALUE_HUGE) {
		if (o->nvalue > d->large)
			o->nvalue = 3;
		else
			d->large -= o->nvalue;
	}
}

static int64_t
choose_exptime(struct dialogue *d, bool binary)
{
	unsigned how = next(d);

	if (how < 120)
		return 0;
	if (how < 240)
		return 1 + how % 40;
	if (how < 244)
		return 2147483647;
	if (how < 248)
		return 2592001;
	return binary ? 2592000 : -1;
}

/* The item's as far as known, or what it was, or what it never was. */
static uint64_t
choose_cas(struct dialogue *d, unsigned key)
{
	const struct entry *e = &d->model.keys[key];
	unsigned how = next(d);

	if (how < 150 && e->cas != 0)
		return e->cas;
	if (how < 200 && e->high != 0)
		return e->high;
	return how < 205 ? 0 : (uint64_t)CHOSEN_CAS + how % 8;
}

static uint64_t
choose_number(struct dialogue *d)
{
	static const uint64_t numbers[] = { 0, 1, 2, 9, 10, 99, 100, 1000,
		UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 1ull << 32 };
	unsigned how = next(d);

	return how < 128 ? how : numbers[how % 12];
}

static void
add_flag(struct order *o, char letter, int64_t number)
{
	if (order_flag(o, letter) == NULL && o->nflags < ORDER_FLAGS)
		o->flags[o->nflags++] = (struct flag){ letter, number };
}

/* A flag that the command knows what to do with, or that does nothing. */
static void
choose_flag(struct dialogue *d, struct order *o)
{
	static const char *const letters[] = { "vsftckOhuTCNRqbE", /* mg */
		"kOcsbFTMNCEIqqkb", "kOqbITxFCEkOqbIx", "vctTOkqbMNDJECqv" };
	char letter = letters[o->kind - MG][next(d) % 16];
	const struct flag *f;

	switch (letter) {
	case 'O':
		add_flag(o, letter, next(d));
		break;
	case 'C':
		add_flag(o, letter, (int64_t)choose_cas(d, o->keys[0]));
		f = order_flag(o, 'C');
		o->compare = true;
		o->cas = (uint64_t)f->number;
		break;
	case 'E':
		add_flag(o, letter, CHOSEN_CAS + next(d) % 8);
		break;
	case 'T': case 'N':
		add_flag(o, letter, choose_exptime(d, false));
		break;
	case 'R':
		add_flag(o, letter, next(d) % 64);
		break;
	case 'F':
		add_flag(o, letter, next(d));
		break;
	case 'M':
		if (order_flag(o, 'M') != NULL)
			break;
		add_flag(o, letter, 0);
		o->mode = o->kind == MS ? "SERAP"[next(d) % 5] :
		    "ID"[next(d) % 2];
		break;
	case 'D': case 'J':
		if (order_flag(o, letter) != NULL)
			break;
		add_flag(o, letter, next(d));
		break;
	default:
		add_flag(o, letter, 0);
	}
}

static void
make_meta(struct dialogue *d, struct order *o, unsigned how)
{
	o->kind = MG + how % 4;
	for (unsigned n = how / 4 % 8; n > 0; n--)
		choose_flag(d, o);
	o->quiet = order_flag(o, 'q') != NULL;
	o->create = order_flag(o, 'N') != NULL;
	o->delta = order_flag(o, 'D') ?
	    (uint64_t)order_flag(o, 'D')->number : 1;
	o->initial = order_flag(o, 'J') ?
	    (uint64_t)order_flag(o, 'J')->number : 0;
	if (o->kind == MS)
		choose_value(d, o, false);
}

/* What has only one answer, whatever the items are. */
static void
make_fixed(struct order *o, unsigned how)
{
#define FORMAT "CLIENT_ERROR bad command line format\r\n"
#define EXPTIME "CLIENT_ERROR invalid exptime argument\r\n"
	static const char *const lines[][2] = {
		{ "foo\r\n", "ERROR\r\n" }, { "get\r\n", FORMAT },
		{ "foo noreply\r\n", "" }, { "\r\n", FORMAT },
		{ " version\r\n", "ERROR\r\n" }, { "delete\r\n", FORMAT },
		{ "set a 0 0 -1\r\n", FORMAT },
		{ "set a x 0 2\r\nmn\r\n", FORMAT },
		{ "set a 0 0 2\r\nabcd", "CLIENT_ERROR bad data chunk\r\n" },
		{ "cas a 0 0 2 x\r\nmn\r\n", FORMAT },
		{ "incr a x\r\n",
		    "CLIENT_ERROR invalid numeric delta argument\r\n" },
		{ "touch a x\r\n", EXPTIME }, { "gat x a\r\n", EXPTIME },
		{ "flush_all x\r\n", EXPTIME },
		{ "mg a y\r\n", "CLIENT_ERROR invalid flag\r\n" },
		{ "mg a v v\r\n", "CLIENT_ERROR duplicate flag\r\n" },
		{ "mg a T\r\n",
		    "CLIENT_ERROR bad token in command line format\r\n" },
		{ "mg !! b\r\n", "CLIENT_ERROR error decoding key\r\n" },
		{ "ms a 2 MZ\r\nmn\r\n",
		    "CLIENT_ERROR invalid mode for ms M token\r\n" },
		{ "ms a 2 y\r\nmn\r\n", "CLIENT_ERROR invalid flag\r\n" },
		{ "verbosity 0\r\n", "OK\r\n" },
		{ "lru mode foo\r\n", "ERROR\r\n" },
	};
	unsigned i = how % (sizeof(lines) / sizeof(*lines));

	o->kind = FIXED;
	o->line = lines[i][0];
	o->reply = lines[i][1];
}

static void
make_text(struct dialogue *d, struct order *o, unsigned how)
{
	o->kind = how % 16;
	o->quiet = how & 0x40 && o->kind >= SET && o->kind <= FLUSH;
	if (o->kind <= GATS)
		for (o->nkeys = 1; o->nkeys < 1 + how / 16 % 4; o->nkeys++)
			o->keys[o->nkeys] = next(d) % MODEL_KEYS;
	if (o->kind == NOOP || o->kind == FLUSH)
		o->nkeys = 0;
	if (o->kind == GAT || o->kind == GATS || o->kind == TOUCH ||
	    (o->kind >= SET && o->kind <= CAS))
		o->exptime = choose_exptime(d, false);
	if (o->kind >= SET && o->kind <= CAS) {
		o->client_flags = how & 0x20 ? how : 0;
		choose_value(d, o, false);
	}
	if (o->kind == CAS) {
		o->compare = true;
		o->cas = choose_cas(d, o->keys[0]);
	}
	if (o->kind == INCR || o->kind == DECR)
		o->delta = choose_number(d);
}

static void
make_binary(struct dialogue *d, struct order *o, unsigned how)
{
	static const enum kind kinds[] = { BGET, BGETK, BGAT, BGATK, SET, ADD,
		REPLACE, APPEND, PREPEND, DELETE, INCR, DECR, TOUCH, FLUSH,
		NOOP, UNKNOWN };

	o->binary = true;
	o->kind = kinds[how % 16];
	o->opaque = next(d) * 0x01020304u;
	if (o->kind == NOOP || o->kind == FLUSH || o->kind == UNKNOWN)
		o->nkeys = 0;
	o->quiet = how & 0x40 && o->kind != NOOP && o->kind != UNKNOWN &&
	    o->kind != TOUCH;
	if ((how & 0x20) && o->kind >= SET && o->kind <= DECR) {
		o->cas = choose_cas(d, o->keys[0]);
		o->compare = o->cas != 0;
	}
	if (o->kind >= SET && o->kind <= PREPEND)
		choose_value(d, o, false);
	if (o->kind >= SET && o->kind <= REPLACE) {
		o->client_flags = how;
		o->exptime = choose_exptime(d, true);
	}
	if (o->kind >= BGET || o->kind == TOUCH)
		o->exptime = choose_exptime(d, true);
	if (o->kind == INCR || o->kind == DECR) {
		o->delta = choose_number(d);
		o->initial = choose_number(d);
		o->create = how & 0x10;
		o->exptime = choose_exptime(d, true);
	}
}

static void
make_order(struct dialogue *d, struct order *o, unsigned who)
{
	unsigned how = next(d);

	*o = (struct order){ .nkeys = 1 };
	o->keys[0] = next(d) % MODEL_KEYS;
	if (who == CLIENTS - 1)
		make_binary(d, o, how);
	else if (how >= 240)
		make_fixed(o, next(d));
	else if (how >= 120)
		make_meta(d, o, how);
	else
		make_text(d, o, how);
}

/* ------------------------------------------------------------ talking */

static void
show(const char *name, const char *bytes, size_t n)
{
	fprintf(stderr, "%s: ", name);
	for (size_t i = 0; i < n && i < 600; i++)
		fprintf(stderr, bytes[i] >= ' ' && bytes[i] < 127 ? "%c" :
		    "\\x%02x", (unsigned char)bytes[i]);
	fputc('\n', stderr);
}

/* All that is queued is said, answered and compared. */
static void
deliver(struct dialogue *d, struct client *c)
{
	struct expected x = { 0 };

	if (c->queued == 0)
		return;
	for (unsigned i = 0; i < c->queued; i++)
		model_answer(&d->model, &c->queue[i], &x);
	party_send(&c->party, d->stage, c->said.at + c->sent,
	    c->said.n - c->sent, c->sent > 0);
	if (c->party.closed || !model_agrees(&d->model, &x, c->party.out,
	    c->party.nout)) {
		show("said", c->said.at, c->said.n);
		show("answered", c->party.out, c->party.nout);
		show("expected", x.bytes.at, x.bytes.n);
		abort();
	}
	free(x.bytes.at);
	c->party.nout = 0;
	c->queued = 0;
	c->said.n = c->sent = 0;
}

/* A part of a request alone; nothing may be answered to it. */
static void
begin(struct dialogue *d, struct client *c)
{
	size_t n = c->said.n * (1 + next(d)) / 257;

	if (c->queued != 1 || c->queue[0].kind == FIXED ||
	    c->queue[0].nvalue == VALUE_HUGE || n == 0)
		return;
	party_send(&c->party, d->stage, c->said.at, n, false);
	assert(c->party.nout == 0 && !c->party.closed);
	c->sent = n;
}

static void
pass_time(struct dialogue *d)
{
	unsigned seconds = next(d) % 45;

	for (unsigned i = 0; i < CLIENTS; i++)
		deliver(d, &d->clients[i]);
	d->model.now += seconds;
	d->stage->host->caller.now += seconds;
	cache_upkeep(d->stage->host->cache, d->stage->host->caller.now);
}

static void
talk(struct dialogue *d)
{
	while (d->at < d->end) {
		unsigned what = next(d);
		struct client *c = &d->clients[what % CLIENTS];

		if (what >= 248) {
			pass_time(d);
			continue;
		}
		if (c->sent > 0 || c->queued == QUEUE)
			deliver(d, c);
		make_order(d, &c->queue[c->queued++], what % CLIENTS);
		order_say(&c->queue[c->queued - 1], &c->said);
		if (what >= 160)
			begin(d, c);
		else if (what >= 60)
			deliver(d, c);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		deliver(d, &d->clients[i]);
}

/* Nothing is left behind, so the cache never fills. */
static void
clean_up(struct dialogue *d)
{
	struct host *h = d->stage->host;
	struct cache_drop drop = { 0 };

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		struct cache_key key = cache_key(h->cache, order_key(i),
		    (uint32_t)strlen(order_key(i)));

		cache_delete(h->cache, &h->caller, &key, &drop, NULL);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		party_leave(&d->clients[i].party, d->stage);
		free(d->clients[i].said.at);
	}
	model_forget(&d->model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct stage stage;
	static struct dialogue d;
	char *argv[] = { "slabd", "-m", "64", "-I", "128k" };

	if (stage.host == NULL)
		stage_open(&stage, 5, argv);
	memset(&d, 0, sizeof(d));
	d.at = data;
	d.end = data + n;
	d.stage = &stage;
	d.large = LARGE_BYTES;
	d.model.now = stage.host->caller.now;
	d.model.start = stage.server.clock.start_unix;
	for (unsigned i = 0; i < CLIENTS; i++)
		party_join(&d.clients[i].party, &stage, i == CLIENTS - 1 ?
		    PROTO_BINARY : PROTO_TEXT);
	talk(&d);
	clean_up(&d);
	return 0;
}
