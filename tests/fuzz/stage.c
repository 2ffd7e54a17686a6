/* stage.c - see stage.h. */
#include "tests/fuzz/stage.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slab/door.h"

enum {
	/* What a session may leave unused: a line, and a small value. */
	UNUSED_MAX = PROTO_LINE_WHOLE + CACHE_SMALL_MAX + 2,
	OUTPUT_MAX = 32 << 20,
	IDLE_MAX = 4,
	FILL_EVERY = 1024,
	CHECK_EVERY = 256,
	COMPARED_MAX = 1900, /* beyond it a line in one piece may be served
				that in many is too long */
};

/* ------------------------------------------------------------ the server */

void
stage_open(struct stage *s, int argc, char **argv)
{
	const char *why = "";

	assert(config_read(&s->config, argc, argv, stdout, stderr) ==
	    CONFIG_RUN);
	if (server_init(&s->server, &s->config, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	s->host = host_new(&s->server);
	assert(s->host != NULL);
	s->server.hosts[0] = s->host;
	s->server.nhosts = 1;
}

void
stage_close(struct stage *s)
{
	host_free(&s->host);
	server_fini(&s->server);
	config_fini(&s->config);
}

static void
store(struct stage *s, unsigned i, uint32_t nvalue)
{
	static const char value[4000];
	char name[32];
	int n = snprintf(name, sizeof(name), "fill-%u", i);
	struct cache_key key = cache_key(s->host->cache, name, (uint32_t)n);
	struct cache_put put = { .value = value, .nvalue = nvalue };

	cache_store(s->host->cache, &s->host->caller, &key, &put, NULL);
}

/* So that whoever stores something evicts something. */
static void
fill(struct stage *s)
{
	static unsigned salt;

	for (unsigned i = 0; i < 4000; i++)
		store(s, salt++, i % 8 == 0 ? 3900 : 17 * i % 3000);
}

static void
flush(struct stage *s)
{
	cache_flush(s->host->cache, &s->host->caller, 0);
}

/* The one that is full, or the one whose replies are compared. */
static struct stage *
stage(bool full)
{
	static struct stage stages[2];
	char *argv[] = { "slabd", "-m", full ? "8" : "64", "-I", "128k" };
	struct stage *s = &stages[full];

	if (s->host == NULL) {
		stage_open(s, 5, argv);
		fill(s);
	}
	return s;
}

/* ------------------------------------------------------------ clients */

void
party_join(struct party *p, struct stage *s, enum proto_name proto)
{
	(void)s;
	memset(p, 0, sizeof(*p));
	session_init(&p->session, proto);
}

void
party_leave(struct party *p, struct stage *s)
{
	session_fini(&p->session, s->host);
	free(p->in);
	free(p->out);
	p->in = p->out = NULL;
}

static void
take_replies(struct party *p, struct stage *s)
{
	struct output *o = s->host->out;
	struct iovec iov[8];

	assert(o->used <= o->size && o->npins <= OUTPUT_PINS);
	while (!output_empty(o)) {
		unsigned n = output_iov(o, s->host->cache, iov, 8);

		assert(n > 0);
		for (unsigned i = 0; i < n; i++) {
			size_t len = iov[i].iov_len;

			if (p->room < p->nout + len) {
				p->room = 2 * (p->nout + len);
				p->out = realloc(p->out, p->room);
				assert(p->out != NULL);
			}
			memcpy(p->out + p->nout, iov[i].iov_base, len);
			p->nout += len;
			output_sent(o, s->host->cache, len);
		}
	}
	assert(p->nout < OUTPUT_MAX);
}

static void
hang_up(struct party *p, struct stage *s)
{
	session_fini(&p->session, s->host);
	session_init(&p->session, PROTO_AUTO);
	free(p->in);
	p->in = NULL;
	p->nin = 0;
	p->closed = true;
}

/* Each run sees a block of its own size, so that ASan sees both its ends. */
static void
serve(struct party *p, struct stage *s)
{
	enum session_verdict verdict;
	unsigned idle = 0;

	do {
		char *block = malloc(p->nin > 0 ? p->nin : 1);
		size_t used = SIZE_MAX, nout;

		assert(block != NULL);
		if (p->nin > 0)
			memcpy(block, p->in, p->nin);
		verdict = session_run(&p->session, s->host, block, p->nin,
		    &used);
		free(block);
		assert(used <= p->nin);
		memmove(p->in, p->in + used, p->nin - used);
		p->nin -= used;
		if (verdict == SESSION_DROP)
			output_clear(s->host->out, s->host->cache);
		nout = p->nout;
		take_replies(p, s);
		/* A dump may find nothing for long. */
		idle = used > 0 || p->nout > nout ||
		    p->session.stream != NULL ? 0 : idle + 1;
		assert(idle < IDLE_MAX);
	} while (verdict == SESSION_FULL);
	assert(verdict != SESSION_WAIT);
	if (verdict != SESSION_MORE)
		hang_up(p, s);
	else
		assert(p->nin <= UNUSED_MAX);
}

/* What of it belongs into a reserved item; returns how much. */
static size_t
sink_value(struct party *p, struct stage *s, const char *bytes, size_t n)
{
	struct iovec iov[8];
	unsigned count = session_sink(&p->session, s->host, iov, 8);
	size_t done = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t len = iov[i].iov_len < n - done ? iov[i].iov_len :
		    n - done;

		memcpy(iov[i].iov_base, bytes + done, len);
		done += len;
	}
	if (done > 0) {
		assert(p->nin == 0);
		session_sunk(&p->session, s->host, done);
	}
	return done;
}

void
party_send(struct party *p, struct stage *s, const char *bytes, size_t n,
    bool sink)
{
	if (p->closed || n == 0)
		return;
	if (sink) {
		size_t done = sink_value(p, s, bytes, n);

		bytes += done;
		n -= done;
		take_replies(p, s);
	}
	p->in = realloc(p->in, p->nin + n + 1);
	assert(p->in != NULL);
	memcpy(p->in + p->nin, bytes, n);
	p->nin += n;
	serve(p, s);
}

/* ------------------------------------------------------------ scripts */

struct script *
script_new(enum proto_name proto)
{
	static struct script script;

	script.proto = proto;
	script.n = 0;
	script.nturns = 1;
	script.turns[0] = (struct turn){ 0 };
	return &script;
}

void
script_say(struct script *x, const void *bytes, size_t n)
{
	if (n > SCRIPT_BYTES - x->n)
		n = SCRIPT_BYTES - x->n;
	memcpy(x->bytes + x->n, bytes, n);
	x->n += n;
	x->turns[x->nturns - 1].n += n;
}

void
script_repeat(struct script *x, int byte, size_t n)
{
	if (n > SCRIPT_BYTES - x->n)
		n = SCRIPT_BYTES - x->n;
	memset(x->bytes + x->n, byte, n);
	x->n += n;
	x->turns[x->nturns - 1].n += n;
}

void
script_turn(struct script *x, unsigned who, unsigned seconds)
{
	if (x->nturns == SCRIPT_TURNS)
		return;
	x->turns[x->nturns++] = (struct turn){ who % STAGE_PARTIES,
		seconds, 0 };
}

/* piece = 0: a turn at once. */
static void
play(const struct script *x, struct stage *s, unsigned piece, bool sink,
    struct party *parties)
{
	size_t at = 0;
	uint32_t state = piece;

	for (unsigned i = 0; i < STAGE_PARTIES; i++)
		party_join(&parties[i], s, x->proto);
	for (unsigned i = 0; i < x->nturns; i++) {
		const struct turn *t = &x->turns[i];
		size_t end = at + t->n;

		s->host->caller.now += t->seconds;
		if (t->seconds > 0)
			cache_upkeep(s->host->cache, s->host->caller.now);
		while (at < end) {
			size_t n = end - at;

			state = state * 1664525 + 1013904223;
			if (piece > 0 && n > 1 + (state >> 8) % piece)
				n = 1 + (state >> 8) % piece;
			party_send(&parties[t->who], s, x->bytes + at, n,
			    sink);
			at += n;
		}
	}
}

static void
leave_all(struct party *parties, struct stage *s)
{
	for (unsigned i = 0; i < STAGE_PARTIES; i++)
		party_leave(&parties[i], s);
}

static bool
says(const struct script *x, const char *word)
{
	return memmem(x->bytes, x->n, word, strlen(word)) != NULL;
}

/* Numbers differ, for cas numbers do: each becomes a 0. */
static size_t
squeeze_text(char *out, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		bool digit = isdigit((unsigned char)out[i]);

		if (digit && to > 0 && out[to - 1] == '0')
			continue;
		out[to++] = digit ? '0' : out[i];
	}
	return to;
}

/* Replies are whole packets; their cas numbers become 0. */
static size_t
squeeze_binary(char *out, size_t n)
{
	size_t at = 0;

	while (at < n) {
		uint32_t body;

		assert(n - at >= 24 && (uint8_t)out[at] == 0x81);
		memcpy(&body, out + at + 8, sizeof(body));
		body = __builtin_bswap32(body);
		assert(body <= n - at - 24);
		memset(out + at + 16, 0, 8);
		at += 24 + body;
	}
	return n;
}

/* The client's first byte has chosen, if the script did not. */
static void
squeeze(struct party *p)
{
	if (p->nout > 0)
		p->nout = (uint8_t)*p->out == 0x81 ?
		    squeeze_binary(p->out, p->nout) :
		    squeeze_text(p->out, p->nout);
}

/* Nothing in it whose answer depends on the time, or on other talks. */
static bool
is_comparable(const struct script *x)
{
	static const char *const words[] = { "stat", "lru", "watch", "slab",
		"cache", "verb", "\x80\x10" };

	if (x->n > COMPARED_MAX)
		return false;
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (says(x, words[i]))
			return false;
	return true;
}

/* What is dropped with its connection may have been sent when it came in
 * pieces. */
static bool
is_same(const struct party *whole, const struct party *split)
{
	if (whole->closed != split->closed)
		return false;
	if (whole->closed ? whole->nout > split->nout :
	    whole->nout != split->nout)
		return false;
	return whole->nout == 0 ||
	    memcmp(whole->out, split->out, whole->nout) == 0;
}

/* A number that the input guessed may be a cas number of one run and not of
 * the other: then it is not so again. */
static void
compare(const struct script *x, struct stage *s, unsigned piece, bool sink)
{
	for (unsigned tries = 0;; tries++) {
		struct party whole[STAGE_PARTIES], split[STAGE_PARTIES];
		bool same = true;

		flush(s);
		play(x, s, 0, false, whole);
		flush(s);
		play(x, s, piece, sink, split);
		for (unsigned i = 0; i < STAGE_PARTIES; i++) {
			squeeze(&whole[i]);
			squeeze(&split[i]);
			same = same && is_same(&whole[i], &split[i]);
		}
		leave_all(whole, s);
		leave_all(split, s);
		if (same)
			return;
		assert(tries < 3);
	}
}

static void
check(struct stage *s)
{
	cache_check(s->host->cache);
	assert(check_strays(s->host->cache) == 0);
}

void
script_play(struct script *x, uint8_t mode)
{
	static unsigned count;
	bool full = (mode & 1) || !is_comparable(x), sink = mode & 2;
	/* Pieces of one byte now and then; most often a few in all. */
	unsigned piece = mode >= 240 && x->n < 100 ? 1 :
	    1 + (unsigned)x->n * (1 + (mode >> 2 & 15)) / 32;
	struct stage *s = stage(full);
	struct party parties[STAGE_PARTIES];

	count++;
	if (full) {
		if (count % FILL_EVERY == 0)
			fill(s);
		play(x, s, mode & 64 ? 0 : piece, sink, parties);
		leave_all(parties, s);
		/* To lower it leaves a full cache. */
		cache_set_limit(s->host->cache, 8 << 20);
	} else
		compare(x, s, piece, sink);
	if (count % CHECK_EVERY == 1)
		check(s);
}
