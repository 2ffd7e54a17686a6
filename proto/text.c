/* text.c - see text.h. */
#include "proto/text.h"

#include <assert.h>
#include <string.h>

#include "proto/meta.h"
#include "proto/scan.h"
#include "proto/token.h"

enum {
	LINE_MIN = 4,	      /* with its LF; less is a format error */
	LINE_BLANKS_MAX = 100, /* before the get of a line without limit */
	WORDS_SEEN = PROTO_WORDS_MAX - 1,
	VALUE_MAX = INT32_MAX - 2,
};

/* Keeps what is rare out of the frame of what is not. */
#define NOINLINE __attribute__((noinline))

/* ------------------------------------------------------------ vocabulary */

enum shape {
	SHAPE_KEYS,
	SHAPE_TKEYS,
	SHAPE_STORE,
	SHAPE_CAS,
	SHAPE_KEY,
	SHAPE_NUMBER,
	SHAPE_TOUCH,
	SHAPE_META, /* and MSET: meta.h knows */
	SHAPE_WORDS,
};

struct command {
	char word[16];
	uint8_t n;
	uint8_t op;
	uint8_t shape;
};

#define ROW(op, word, shape)                                                  \
	{ word, sizeof(word) - 1, OP_##op, shape },
#define ROW_KEYS(op, word) ROW(op, word, SHAPE_KEYS)
#define ROW_TKEYS(op, word) ROW(op, word, SHAPE_TKEYS)
#define ROW_STORE(op, word) ROW(op, word, SHAPE_STORE)
#define ROW_CAS(op, word) ROW(op, word, SHAPE_CAS)
#define ROW_KEY(op, word) ROW(op, word, SHAPE_KEY)
#define ROW_NUMBER(op, word) ROW(op, word, SHAPE_NUMBER)
#define ROW_TOUCH(op, word) ROW(op, word, SHAPE_TOUCH)
#define ROW_META(op, word) ROW(op, word, SHAPE_META)
#define ROW_MSET(op, word) ROW(op, word, SHAPE_META)
#define ROW_WORDS(op, word) ROW(op, word, SHAPE_WORDS)
#define ROW_OTHER(op, word)

static const struct command COMMANDS[] = {
#define X(op, word, shape, needs, handler) ROW_##shape(op, word)
	OPS(X)
#undef X
};

static const struct command *
find_command(const char *at, size_t n)
{
	const struct command *c;
	const struct command *end =
	    COMMANDS + sizeof(COMMANDS) / sizeof(COMMANDS[0]);

	for (c = COMMANDS; c < end; c++)
		if (c->n == n && c->word[0] == at[0] &&
		    memcmp(c->word, at, n) == 0)
			return c;
	return NULL;
}

static uint32_t
four(const char *word)
{
	return (uint32_t)(unsigned char)word[0] |
	    (uint32_t)(unsigned char)word[1] << 8 |
	    (uint32_t)(unsigned char)word[2] << 16 |
	    (uint32_t)(unsigned char)word[3] << 24;
}

/* ------------------------------------------------------------ refusals */

/* A line without its end, and the bytes with it. */
struct line {
	const char *at;
	size_t n;
	size_t used;
};

static enum parse
refuse(struct request *req, enum op op, enum status problem)
{
	req->op = op;
	req->quiet = false;
	req->last = true;
	req->key = NULL;
	req->nkey = 0;
	req->follow = 0;
	req->problem = problem;
	req->close = false;
	req->swallow = 0;
	return PARSE_REFUSE;
}

static enum parse
refuse_quietly(struct request *req, enum op op, enum status problem,
    bool quiet)
{
	refuse(req, op, problem);
	req->quiet = quiet;
	return PARSE_REFUSE;
}

/* Bytes that mean nothing: consumed, and no answer. */
static enum parse
skip(struct request *req, enum op op)
{
	return refuse(req, op, STATUS_NOTHING);
}

/* The very last word is noreply, and not the first. */
static bool
ends_noreply(const struct line *l)
{
	size_t n = l->n;

	while (n > 0 && l->at[n - 1] == ' ')
		n--;
	return n > 8 && memcmp(l->at + n - 8, " noreply", 8) == 0;
}

static enum parse
parse_unknown(const struct line *l, struct request *req)
{
	struct word words[WORDS_SEEN];
	unsigned n = token_words(l->at, l->n, words, WORDS_SEEN);

	/* A browser or worse: let it go. */
	if (n > 0 && words[n - 1].n >= 5 &&
	    memcmp(words[n - 1].at, "HTTP/", 5) == 0)
		return PARSE_CLOSE;
	return refuse_quietly(req, OP_UNKNOWN, STATUS_ERROR,
	    ends_noreply(l));
}

/* ------------------------------------------------------------ get and gat */

static inline enum parse
deliver_key(struct request *req, enum op op, const char *key, size_t nkey,
    bool last)
{
	req->op = op;
	req->quiet = false;
	req->last = last;
	req->key = key;
	req->nkey = (uint32_t)nkey;
	req->follow = 0;
	return PARSE_REQUEST;
}

/*
 * The key at in, of a line that was seen whole and found good: its end is
 * there, and no key in it is too long.
 */
static NOINLINE enum parse
next_key(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	size_t nkey = scan_word_end(in, n), i = nkey + 1;
	bool last = true;

	req->exptime = p->exptime; /* means something to gat only */
	/* Most often one blank and another key. */
	if (i < n && in[nkey] == ' ' && (unsigned char)in[i] > ' ') {
		assert(nkey - 1 < PROTO_KEY_MAX);
		p->in_keys = true;
		*used = i;
		return deliver_key(req, p->op, in, nkey, false);
	}
	if (nkey == n)
		return PARSE_MORE;
	if (in[nkey] == '\n') {
		nkey -= in[nkey - 1] == '\r';
	} else {
		while (i < n && in[i] == ' ')
			i++;
		if (i < n && in[i] == '\n')
			i++;
		else if (i + 1 < n && in[i] == '\r' && in[i + 1] == '\n')
			i += 2;
		else
			last = false;
	}
	assert(nkey - 1 < PROTO_KEY_MAX);
	p->in_keys = !last;
	*used = i;
	return deliver_key(req, p->op, in, nkey, last);
}

/*
 * True if a word of the line is longer than a key may be.  A blank in every
 * window of that length is all the proof that is needed, so of a line of
 * short words few bytes are looked at.
 */
static bool
has_long_key(const char *at, size_t n)
{
	size_t i = 0, j;
	unsigned blanks;

	while (n - i > PROTO_KEY_MAX) {
		for (j = PROTO_KEY_MAX - 15;
		    (blanks = scan_either16(at + i + j, ' ', ' ')) == 0;
		    j = j > 16 ? j - 16 : 0)
			if (j == 0)
				return true;
		i += j + 32 - (unsigned)__builtin_clz(blanks);
	}
	return false;
}

static enum parse
parse_keys(struct parser *p, enum op op, const struct line *l, size_t off,
    struct request *req, size_t *used)
{
	enum parse parse;

	while (off < l->n && l->at[off] == ' ')
		off++;
	if (off == l->n || has_long_key(l->at + off, l->n - off))
		return refuse(req, op, STATUS_BAD_FORMAT);
	p->op = op;
	p->long_line = false;
	parse = next_key(p, l->at + off, l->used - off, req, used);
	*used += off;
	return parse;
}

static enum parse
parse_tkeys(struct parser *p, enum op op, const struct line *l,
    struct request *req, size_t *used)
{
	struct word words[3];
	int32_t exptime;

	if (token_words(l->at, l->n, words, 3) < 3)
		return refuse(req, op, STATUS_BAD_FORMAT);
	if (!token_int32(words[1], &exptime))
		return refuse(req, op, STATUS_BAD_EXPTIME);
	p->exptime = exptime;
	return parse_keys(p, op, l, (size_t)(words[2].at - l->at), req,
	    used);
}

/* ------------------------------------------------------------ long gets */

/* What is left of a refused long line is dropped. */
static enum parse
drop_line(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	const char *lf = memchr(in, '\n', n);

	if (n == 0)
		return PARSE_MORE;
	*used = n;
	if (lf != NULL) {
		*used = (size_t)(lf - in) + 1;
		p->in_keys = p->skip_line = false;
	}
	return skip(req, p->op);
}

static enum parse
refuse_long(struct parser *p, struct request *req, enum op op,
    enum status problem)
{
	p->in_keys = true;
	p->long_line = true;
	p->skip_line = true;
	p->op = op;
	return refuse(req, op, problem);
}

/* The end of a long line; `last' could not be said of its last key. */
static enum parse
end_keys(struct parser *p, struct request *req)
{
	p->in_keys = false;
	if (!p->seen_key)
		return refuse(req, p->op, STATUS_BAD_FORMAT);
	req->op = OP_END;
	req->quiet = false;
	req->last = true;
	req->key = NULL;
	req->nkey = 0;
	req->follow = 0;
	return PARSE_REQUEST;
}

/*
 * The next key of a line whose end need not be there.  Only what the bytes
 * say decides, never how many of them have come: a key is handed out when
 * what ends it is there.
 */
static enum parse
next_long_key(struct parser *p, const char *in, size_t n, size_t off,
    struct request *req, size_t *used)
{
	enum { KEY_AND_END = PROTO_KEY_MAX + 2 };
	size_t end, left, nkey;

	for (; off < n && in[off] == ' '; off++)
		;
	left = n - off;
	end = scan_word_end(in + off, left < KEY_AND_END ? left : KEY_AND_END);
	*used = off;
	if (end == left) {
		/* Blanks are let go, however many of them there are. */
		return off > 0 ? skip(req, p->op) : PARSE_MORE;
	}
	nkey = end;
	if (end < KEY_AND_END && in[off + end] == '\n')
		nkey -= end > 0 && in[off + end - 1] == '\r';
	if (nkey > PROTO_KEY_MAX) {
		*used = off + end;
		return refuse_long(p, req, p->op, STATUS_BAD_FORMAT);
	}
	*used = off + end + 1;
	if (nkey == 0)
		return end_keys(p, req);
	p->seen_key = true;
	p->in_keys = in[off + end] != '\n';
	return deliver_key(req, p->op, in + off, nkey, !p->in_keys);
}

static NOINLINE enum parse
resume_long(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	if (p->skip_line)
		return drop_line(p, in, n, req, used);
	return next_long_key(p, in, n, 0, req, used);
}

/* No line end among the bytes that may be looked at. */
static enum parse
parse_unfinished(struct parser *p, const char *in, size_t n,
    struct request *req, size_t *used)
{
	size_t i = 0;

	if (n <= PROTO_LINE_MAX)
		return PARSE_MORE;
	while (i < LINE_BLANKS_MAX && in[i] == ' ')
		i++;
	if (memcmp(in + i, "get ", 4) != 0 && memcmp(in + i, "gets ", 5) != 0)
		return PARSE_CLOSE;
	if (n < PROTO_LINE_WHOLE)
		return PARSE_MORE;
	*used = i;
	if (i > 0)
		return refuse_long(p, req, OP_UNKNOWN, STATUS_ERROR);
	p->op = in[3] == 's' ? OP_GETS : OP_GET;
	p->in_keys = true;
	p->long_line = true;
	p->skip_line = false;
	p->seen_key = false;
	return next_long_key(p, in, n, in[3] == 's' ? 5 : 4, req, used);
}

/* ------------------------------------------------------------ storage */

static enum parse
refuse_value(struct request *req, enum op op, int32_t nvalue, bool quiet)
{
	refuse_quietly(req, op, STATUS_BAD_FORMAT, quiet);
	req->swallow = (uint64_t)nvalue + 2;
	return PARSE_REFUSE;
}

static enum parse
parse_store(enum op op, const struct line *l, struct request *req)
{
	struct word words[6];
	unsigned n = token_words(l->at, l->n, words, 6);
	int32_t nvalue;
	bool quiet;

	/* Not recognised so far, hence answered in spite of noreply. */
	if (n < 5 || !token_int32(words[4], &nvalue) || nvalue < 0 ||
	    nvalue > VALUE_MAX)
		return refuse(req, op, STATUS_BAD_FORMAT);
	quiet = ends_noreply(l);
	if (words[1].n > PROTO_KEY_MAX ||
	    !token_flags(words[2], &req->client_flags) ||
	    !token_exptime(words[3], &req->exptime))
		return refuse_value(req, op, nvalue, quiet);
	req->has_cas = op == OP_CAS;
	if (op == OP_CAS && (n < 6 || !token_uint64(words[5], &req->cas)))
		return refuse_value(req, op, nvalue, quiet);
	req->op = op;
	req->quiet = quiet;
	req->key = words[1].at;
	req->nkey = words[1].n;
	req->nvalue = (uint32_t)nvalue;
	req->follow = (uint32_t)nvalue + 2;
	return PARSE_REQUEST;
}

/* One to ten digits at p; NULL if there are none, or more. */
static inline const char *
read_short(const char *p, const char *end, uint64_t *out)
{
	const char *start = p;
	uint64_t v = 0;
	unsigned digit;

	for (; p < end; p++) {
		digit = (unsigned)(unsigned char)*p - '0';
		if (digit > 9)
			break;
		v = v * 10 + digit;
	}
	*out = v;
	return (size_t)(p - start) - 1 < 10 && p < end ? p : NULL;
}

bool
text_parse_plain_store(enum op op, const char *in, size_t n, size_t at,
    struct request *req, size_t *used)
{
	const char *key = in + at, *end = in + n, *p;
	size_t left = n - at;
	size_t nkey = scan_key_end(key, left, 256);
	uint64_t flags, exptime, nvalue;

	p = key + nkey;
	if (nkey - 1 >= PROTO_KEY_MAX || left - nkey < 8)
		return false;
	if (scan_load32(p) == four(" 0 0") && p[4] == ' ') {
		flags = exptime = 0;
		p += 4;
	} else {
		if (*p != ' ')
			return false;
		p = read_short(p + 1, end, &flags);
		if (p == NULL || *p != ' ' || flags > UINT32_MAX)
			return false;
		p = read_short(p + 1, end, &exptime);
		if (p == NULL || *p != ' ' || exptime > INT32_MAX)
			return false;
	}
	p = read_short(p + 1, end, &nvalue);
	if (p == NULL || nvalue > VALUE_MAX)
		return false;
	req->quiet = false;
	if (*p == ' ') {
		if (end - p < 10 || memcmp(p, " noreply\r\n", 10) != 0)
			return false;
		req->quiet = true;
		p += 8;
	}
	if (*p == '\r' && end - p > 1)
		p++;
	if (*p != '\n')
		return false;
	*used = (size_t)(p - in) + 1;
	req->op = op;
	req->has_cas = false;
	req->key = key;
	req->nkey = (uint32_t)nkey;
	req->client_flags = (uint32_t)flags;
	req->exptime = (int64_t)exptime;
	req->nvalue = (uint32_t)nvalue;
	req->follow = (uint32_t)nvalue + 2;
	return true;
}

/* ------------------------------------------------------------ the others */

/* key; key and number; key and exptime */
static enum parse
parse_one_key(const struct command *c, const struct line *l,
    struct request *req)
{
	enum op op = c->op;
	unsigned want = c->shape == SHAPE_KEY ? 2 : 3;
	struct word words[3];
	unsigned n = token_words(l->at, l->n, words, 3);
	int32_t exptime;
	bool quiet;

	if (n < want)
		return refuse(req, op, STATUS_BAD_FORMAT);
	/* One may delete a key of that name, and hear of it. */
	quiet = n == 3 && ends_noreply(l);
	if (words[1].n > PROTO_KEY_MAX)
		return refuse_quietly(req, op, STATUS_BAD_FORMAT, quiet);
	if (c->shape == SHAPE_NUMBER) {
		if (!token_uint64(words[2], &req->delta))
			return refuse_quietly(req, op, STATUS_BAD_DELTA,
			    quiet);
		req->no_create = true;
		req->initial = 0;
	} else if (c->shape == SHAPE_TOUCH) {
		if (!token_int32(words[2], &exptime))
			return refuse_quietly(req, op, STATUS_BAD_EXPTIME,
			    quiet);
		req->exptime = exptime;
	}
	req->op = op;
	req->quiet = quiet;
	req->has_cas = false;
	req->key = words[1].at;
	req->nkey = words[1].n;
	req->follow = 0;
	return PARSE_REQUEST;
}

/* The handler reads the words; to some of them noreply is but a word. */
static enum parse
parse_words(enum op op, const struct line *l, struct request *req)
{
	req->op = op;
	req->quiet = op != OP_VERSION && op != OP_STATS &&
	    op != OP_SHUTDOWN && ends_noreply(l);
	req->key = NULL;
	req->nkey = 0;
	req->follow = 0;
	req->words.n = token_words(l->at, l->n, req->words.at, WORDS_SEEN);
	return PARSE_REQUEST;
}

static enum parse
parse_command(struct parser *p, const struct command *c, const struct line *l,
    struct request *req, size_t *used)
{
	switch ((enum shape)c->shape) {
	case SHAPE_KEYS:
		return parse_keys(p, c->op, l, c->n, req, used);
	case SHAPE_TKEYS:
		return parse_tkeys(p, c->op, l, req, used);
	case SHAPE_STORE:
		if (text_parse_plain_store(c->op, l->at, l->used, c->n + 1U,
		    req, used))
			return PARSE_REQUEST;
		return parse_store(c->op, l, req);
	case SHAPE_CAS:
		return parse_store(c->op, l, req);
	case SHAPE_KEY:
	case SHAPE_NUMBER:
	case SHAPE_TOUCH:
		return parse_one_key(c, l, req);
	case SHAPE_META:
		return meta_parse(c->op, l->at, l->n, req);
	case SHAPE_WORDS:
		if (meta_is(c->op))
			return meta_parse(c->op, l->at, l->n, req);
		return parse_words(c->op, l, req);
	}
	assert(false);
}

static NOINLINE enum parse
parse_line(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	const char *lf =
	    memchr(in, '\n', n < PROTO_LINE_WHOLE ? n : PROTO_LINE_WHOLE);
	const struct command *c;
	struct line l;
	size_t nword;

	if (lf == NULL)
		return parse_unfinished(p, in, n, req, used);
	l.at = in;
	l.n = (size_t)(lf - in);
	l.used = l.n + 1;
	if (l.n > 0 && in[l.n - 1] == '\r')
		l.n--;
	*used = l.used;
	if (l.used < LINE_MIN)
		return refuse(req, OP_UNKNOWN, STATUS_BAD_FORMAT);
	nword = scan_word_end(in, l.n);
	/* A leading blank makes an empty command, which is unknown. */
	c = nword > 0 ? find_command(in, nword) : NULL;
	if (c == NULL)
		return parse_unknown(&l, req);
	return parse_command(p, c, &l, req, used);
}

/* Lines that begin otherwise than with get, in the order of their number. */
static NOINLINE enum parse
parse_other(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	uint32_t head;

	if (n >= 16) {
		head = scan_load32(in);
		if (head == four("set ") &&
		    text_parse_plain_store(OP_SET, in, n, 4, req, used))
			return PARSE_REQUEST;
		if ((head & 0xffffff) == (four("mg ") & 0xffffff) &&
		    meta_parse_plain(OP_MG, in, n, req, used))
			return PARSE_REQUEST;
	}
	return parse_line(p, in, n, req, used);
}

/*
 * All but a get of one key leaves by a jump, so that this needs no registers
 * of the caller's.
 */
enum parse
text_parse(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	size_t end, nkey;

	if (p->in_keys)
		return p->long_line ? resume_long(p, in, n, req, used) :
				       next_key(p, in, n, req, used);
	if (n < 5 || scan_load32(in) != four("get "))
		return parse_other(p, in, n, req, used);
	end = 4 + scan_word_end(in + 4, n - 4);
	if (end == n || in[end] != '\n')
		return parse_line(p, in, n, req, used);
	nkey = end - 4 - (in[end - 1] == '\r');
	if (nkey - 1 >= PROTO_KEY_MAX)
		return parse_line(p, in, n, req, used);
	*used = end + 1;
	return deliver_key(req, OP_GET, in + 4, nkey, true);
}

/* ------------------------------------------------------------ replies */

static const struct {
	const char *text;
	size_t n; /* of no meaning without a text */
} STATUS_LINES[STATUS_COUNT] = {
#define X(status, text, meta, code, body) { text, sizeof(text) - 1 },
	STATUSES(X)
#undef X
};

char *
text_put_status(char *out, enum status status)
{
	size_t n = STATUS_LINES[status].n;

	if (status == STATUS_STORED) {
		memcpy(out, "STORED\r\n", 8);
		return out + 8;
	}
	if (STATUS_LINES[status].text == NULL)
		return out;
	memcpy(out, STATUS_LINES[status].text, n);
	memcpy(out + n, "\r\n", 2);
	return out + n + 2;
}

/* memcpy() of 1 to 250 bytes, most often 8 to 32, without the call. */
static inline char *
put_key(char *out, const char *key, size_t n)
{
	size_t i;

	if (n >= 16) {
		for (i = 0; i < n - 16; i += 16)
			memcpy(out + i, key + i, 16);
		memcpy(out + n - 16, key + n - 16, 16);
	} else if (n >= 8) {
		memcpy(out, key, 8);
		memcpy(out + n - 8, key + n - 8, 8);
	} else {
		for (i = 0; i < n; i++)
			out[i] = key[i];
	}
	return out + n;
}

static char *
put_number(char *out, uint64_t v)
{
	*out++ = ' ';
	return token_put_uint64(out, v);
}

static char *
put_value_head(char *out, const struct request *req, const struct result *res)
{
	memcpy(out, "VALUE ", 6);
	out = put_key(out + 6, req->key, req->nkey);
	out = put_number(out, res->client_flags);
	out = put_number(out, res->nvalue);
	if (req->op == OP_GETS || req->op == OP_GATS)
		out = put_number(out, res->cas);
	memcpy(out, "\r\n", 2);
	return out + 2;
}

static NOINLINE char *
compose_other(char *out, const struct request *req, const struct result *res)
{
	bool keys = req->op <= OP_GATS || req->op == OP_END;

	if (req->op <= OP_GATS && res->status == STATUS_FOUND)
		return put_value_head(out, req, res);
	if (req->quiet)
		return out;
	/* One answer to a line, however many keys it has. */
	if (keys && !req->last)
		return out;
	switch (res->status) {
	case STATUS_NUMBER:
		out = token_put_uint64(out, res->number);
		memcpy(out, "\r\n", 2);
		return out + 2;
	case STATUS_TEXT:
		memcpy(out, res->text, res->ntext);
		return out + res->ntext;
	case STATUS_OK:
	case STATUS_NOT_FOUND:
		return keys ? text_stat_end(out) :
			       text_put_status(out, res->status);
	default:
		return text_put_status(out, res->status);
	}
}

/*
 * Hits of get and gat with small numbers here, without a call; all else
 * leaves by a jump.
 */
char *
text_compose(char *out, const struct request *req, const struct result *res)
{
	if (res->status != STATUS_FOUND ||
	    (req->op != OP_GET && req->op != OP_GAT) ||
	    (res->client_flags | res->nvalue) >= 8192)
		return compose_other(out, req, res);
	memcpy(out, "VALUE ", 6);
	out = put_key(out + 6, req->key, req->nkey);
	*out++ = ' ';
	out = token_put_short(out, res->client_flags);
	*out++ = ' ';
	out = token_put_short(out, res->nvalue);
	memcpy(out, "\r\n", 2);
	return out + 2;
}

char *
text_stat(char *out, const char *name, size_t nname, const char *value,
    size_t nvalue)
{
	memcpy(out, "STAT ", 5);
	memcpy(out + 5, name, nname);
	out += 5 + nname;
	*out++ = ' ';
	memcpy(out, value, nvalue);
	memcpy(out + nvalue, "\r\n", 2);
	return out + nvalue + 2;
}

char *
text_stat_end(char *out)
{
	memcpy(out, "END\r\n", 5);
	return out + 5;
}
