/*
 * talk.h - what a parser makes of a conversation, written down.
 *
 * talk() feeds bytes to a parser in pieces and notes each outcome on a line:
 *
 *      get a                           more keys follow
 *      get b last
 *      set k f=1 e=-1 n=3 quiet {abc} whole       {value} ends well, or bad
 *      refuse set BAD_FORMAT swallow=5
 *      close                           or: close, no line end
 *      rest 3                          bytes left when the input ended
 *
 * Bytes outside of printable ASCII are written \xHH.  On its way it asserts
 * what proto.h promises.  Each call of the parser sees a block of exactly the
 * bytes that it is given, so that a sanitizer notices one too many.
 *
 * Owns:    the log of a struct talk, from talk_init() to talk_fini().
 * Threads: a talk belongs to one.
 * Fails:   by assert.
 * Cost:    beside the point.
 */
#ifndef TESTS_PROTO_TALK_H
#define TESTS_PROTO_TALK_H

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

struct talk {
	char *log;
	size_t n, room;
	bool too_long; /* it ended with: close, no line end */
	size_t calls;
};

/* How many bytes come next; never 0. */
typedef size_t talk_split_fn(void *arg, size_t left);

static const char *const TALK_OPS[] = {
#define X(op, word, shape, needs, handler) #op,
	OPS(X)
#undef X
};

static const char *const TALK_STATUSES[] = {
#define X(status, text, meta, code, body) #status,
	STATUSES(X)
#undef X
};

static inline void
talk_init(struct talk *t)
{
	*t = (struct talk){ .room = 4096 };
	t->log = malloc(t->room);
	assert(t->log != NULL);
	t->log[0] = '\0';
}

static inline void
talk_fini(struct talk *t)
{
	free(t->log);
}

static inline void __attribute__((format(printf, 2, 3)))
talk_note(struct talk *t, const char *format, ...)
{
	va_list ap;
	int n;

	if (t->room - t->n < 512) {
		t->room *= 2;
		t->log = realloc(t->log, t->room);
		assert(t->log != NULL);
	}
	va_start(ap, format);
	n = vsnprintf(t->log + t->n, t->room - t->n, format, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < t->room - t->n);
	t->n += (size_t)n;
}

/* By hand: a fuzzer has no time to print each byte. */
static inline void
talk_bytes(struct talk *t, const char *at, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	if (t->room - t->n < 4 * n + 512) {
		t->room = 2 * (t->room + 4 * n);
		t->log = realloc(t->log, t->room);
		assert(t->log != NULL);
	}
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c > ' ' && c < 0x7f)
			t->log[t->n++] = (char)c;
		else {
			t->log[t->n++] = '\\';
			t->log[t->n++] = 'x';
			t->log[t->n++] = hex[c >> 4];
			t->log[t->n++] = hex[c & 15];
		}
	}
	t->log[t->n] = '\0';
}

static inline bool
talk_within(const char *at, size_t n, const char *in, size_t nin)
{
	return at >= in && n <= nin && at - in <= (ptrdiff_t)(nin - n);
}

static inline void
talk_note_meta(struct talk *t, const struct request *req, const char *in,
    size_t nin)
{
	const struct meta *m = &req->meta;
	const struct meta_flag *f;
	unsigned i;

	assert(m->nflags <= PROTO_WORDS_MAX);
	for (i = 0; i < m->nflags; i++) {
		f = &m->flags[i];
		assert(f->n == 0 || talk_within(f->at, f->n, in, nin));
		talk_note(t, " %c", f->letter);
		talk_bytes(t, f->at, f->n);
		if (strchr("TNRFCEDJ", f->letter) != NULL)
			assert((m->has & META_BIT(f->letter)) != 0);
	}
	if ((m->has & META_BIT('M')) != 0)
		talk_note(t, " mode=%c", m->mode);
}

static inline void
talk_note_request(struct talk *t, const struct request *req, const char *in,
    size_t nin)
{
	enum op op = req->op;
	unsigned i;

	assert(op < OP_COUNT);
	talk_note(t, "%s", TALK_OPS[op]);
	if (op <= OP_ME) {
		assert(req->nkey > 0 && req->nkey <= PROTO_KEY_MAX);
		assert(talk_within(req->key, req->nkey, in, nin) ||
		    talk_within(req->key, req->nkey, req->scratch,
		    PROTO_SCRATCH));
		talk_note(t, " ");
		talk_bytes(t, req->key, req->nkey);
	}
	if (op <= OP_GATS && req->last)
		talk_note(t, " last");
	if ((op >= OP_GAT && op <= OP_GATS) || op == OP_TOUCH)
		talk_note(t, " e=%" PRId64, req->exptime);
	if (op >= OP_SET && op <= OP_CAS)
		talk_note(t, " f=%" PRIu32 " e=%" PRId64, req->client_flags,
		    req->exptime);
	if ((op >= OP_SET && op <= OP_CAS) || op == OP_MS) {
		assert(req->follow == req->nvalue + 2);
		talk_note(t, " n=%" PRIu32, req->nvalue);
	} else
		assert(req->follow == 0 || op > OP_ME);
	if (op == OP_CAS)
		talk_note(t, " c=%" PRIu64, req->cas);
	if (op >= OP_SET && op <= OP_TOUCH)
		assert(req->has_cas == (op == OP_CAS));
	if (op == OP_INCR || op == OP_DECR) {
		assert(req->no_create);
		talk_note(t, " d=%" PRIu64, req->delta);
	}
	if (op >= OP_MG && op <= OP_ME)
		talk_note_meta(t, req, in, nin);
	if (op >= OP_FLUSH_ALL && op <= OP_REFRESH_CERTS) {
		assert(req->words.n > 0 && req->words.n < PROTO_WORDS_MAX);
		for (i = 1; i < req->words.n; i++) {
			assert(talk_within(req->words.at[i].at,
			    req->words.at[i].n, in, nin));
			talk_note(t, " ");
			talk_bytes(t, req->words.at[i].at,
			    req->words.at[i].n);
		}
	}
	if (req->quiet)
		talk_note(t, " quiet");
}

static inline void
talk_note_refusal(struct talk *t, const struct request *req)
{
	assert(req->op < OP_COUNT && req->problem < STATUS_COUNT);
	talk_note(t, "refuse %s %s", TALK_OPS[req->op],
	    TALK_STATUSES[req->problem]);
	if (req->swallow > 0)
		talk_note(t, " swallow=%" PRIu64, req->swallow);
	talk_note(t, "%s%s\n", req->close ? " close" : "",
	    req->quiet ? " quiet" : "");
}

/* A whole conversation; notes follow the input to its end, or to a close. */
static inline void
talk(struct talk *t, enum proto_name proto, const char *in, size_t n,
    talk_split_fn *split, void *arg)
{
	struct parser p;
	struct request req;
	char scratch[PROTO_SCRATCH], *block;
	size_t pos = 0, have = 0, used, left, need = 0;
	enum parse parse;

	parser_init(&p, proto);
	for (;;) {
		/* need: what the caller, not the parser, is waiting for */
		while (have < n && (have == pos || have - pos < need))
			have += split(arg, n - have);
		need = 0;
		left = have - pos;
		block = malloc(left > 0 ? left : 1);
		assert(block != NULL);
		memcpy(block, in + pos, left);
		memset(&req, 0xa5, sizeof(req));
		req.scratch = scratch;
		used = SIZE_MAX;
		t->calls++;
		parse = proto_parse(&p, block, left, &req, &used);
		if (parse == PARSE_MORE && have < n) {
			need = left + 1;
			free(block);
			continue;
		}
		if (parse == PARSE_MORE || parse == PARSE_CLOSE)
			break;
		assert(used > 0 && used <= left);
		if (parse == PARSE_REFUSE && req.problem != STATUS_NOTHING)
			talk_note_refusal(t, &req);
		if (parse == PARSE_REFUSE) {
			free(block);
			if (req.swallow > n - pos - used) {
				talk_note(t, "rest in swallow\n");
				return;
			}
			pos += used + (size_t)req.swallow;
			if (req.close)
				return;
			while (have < pos)
				have += split(arg, n - have);
			continue;
		}
		if (req.follow > left - used && have < n) {
			need = left + 1;
			free(block);
			continue;
		}
		talk_note_request(t, &req, block, left);
		if (req.follow > left - used) {
			talk_note(t, "\nrest %zu\n", left - used);
			free(block);
			return;
		}
		if (req.follow > 0) {
			talk_note(t, " {");
			talk_bytes(t, block + used, req.nvalue);
			talk_note(t, "} %s", proto_value_ends(p.proto, &req,
			    block + used + req.nvalue) ? "whole" : "bad");
			used += req.follow;
		}
		talk_note(t, "\n");
		free(block);
		pos += used;
	}
	left = have - pos;
	t->too_long = parse == PARSE_CLOSE && left > PROTO_LINE_MAX &&
	    memchr(in + pos, '\n',
	    left < PROTO_LINE_WHOLE ? left : PROTO_LINE_WHOLE) == NULL;
	if (parse == PARSE_CLOSE)
		talk_note(t, "close%s\n", t->too_long ? ", no line end" : "");
	else if (left > 0)
		talk_note(t, "rest %zu\n", left);
	free(block);
}

static inline size_t
talk_whole(void *arg, size_t left)
{
	(void)arg;
	return left;
}

/* For what is large: each piece is copied with every key that it holds. */
static inline size_t
talk_buffers(void *arg, size_t left)
{
	(void)arg;
	return left < PROTO_LINE_WHOLE ? left : PROTO_LINE_WHOLE;
}

#endif
