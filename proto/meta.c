/* meta.c - see meta.h. */
#include "proto/meta.h"

#include <assert.h>
#include <string.h>

#include "proto/scan.h"
#include "proto/token.h"

enum {
	WORDS_SEEN = 23,    /* what follows them is not looked at */
	WORDS_MAX = 20,	    /* more of them are refused */
	OPAQUE_MAX = 31,    /* bytes */
	VALUE_MAX = 2147483645,
};

#define BIT META_BIT
#define KNOWN                                                                 \
	(BIT('b') | BIT('c') | BIT('f') | BIT('h') | BIT('k') | BIT('l') |    \
	    BIT('q') | BIT('s') | BIT('t') | BIT('u') | BIT('v') |            \
	    BIT('x') | BIT('C') | BIT('D') | BIT('E') | BIT('F') |            \
	    BIT('I') | BIT('J') | BIT('L') | BIT('M') | BIT('N') |            \
	    BIT('O') | BIT('P') | BIT('R') | BIT('T'))
/* Those whose token must be read. */
#define TOKENS                                                                \
	(BIT('b') | BIT('C') | BIT('D') | BIT('E') | BIT('F') | BIT('J') |    \
	    BIT('M') | BIT('N') | BIT('R') | BIT('T'))
/* Those that are shown, by command and outcome. */
#define SHOWN_ALWAYS (BIT('O') | BIT('k'))
#define SHOWN_MG                                                              \
	(SHOWN_ALWAYS | BIT('c') | BIT('f') | BIT('h') | BIT('l') |           \
	    BIT('s') | BIT('t') | BIT('T') | BIT('N'))
#define SHOWN_MS (SHOWN_ALWAYS | BIT('c') | BIT('s'))
#define SHOWN_MA (SHOWN_ALWAYS | BIT('c') | BIT('t') | BIT('T') | BIT('N'))

/* ------------------------------------------------------------ parse */

static inline bool
has(const struct request *req, char letter)
{
	return (req->meta.has & META_BIT(letter)) != 0;
}

static enum parse
refuse(struct request *req, enum status problem, uint32_t swallow)
{
	req->quiet = false;
	req->problem = problem;
	req->close = false;
	req->swallow = swallow;
	return PARSE_REFUSE;
}

/*
 * Splits the words behind the fixed ones.  False if one of them cannot begin
 * a flag.  What is wrong with the letters goes to *problem, the first wins.
 */
static bool
split_flags(struct meta *m, const char *p, const char *end, unsigned room,
    enum status *problem)
{
	m->nflags = 0;
	m->has = 0;
	m->mode = 0;
	while (p < end) {
		unsigned at;
		uint64_t bit = 0;
		struct meta_flag *f;

		if (*p == ' ') {
			p++;
			continue;
		}
		if (m->nflags == room)
			break;
		at = (unsigned)(unsigned char)*p - 'A';
		if (at <= 'z' - 'A')
			bit = (UINT64_C(1) << at) & KNOWN;
		else if (*p < '0' || *p > '9')
			return false;
		f = &m->flags[m->nflags++];
		f->letter = *p++;
		f->at = p;
		while (p < end && *p != ' ')
			p++;
		f->n = p - f->at < UINT16_MAX ? (uint16_t)(p - f->at) :
		    UINT16_MAX;
		if ((bit & ~m->has) == 0 && *problem == STATUS_OK)
			*problem = bit == 0 ? STATUS_BAD_FLAG :
			    STATUS_DUPLICATE_FLAG;
		m->has |= bit;
	}
	return true;
}

static bool
decode_key(struct request *req)
{
	int n = token_base64_decode(req->key, req->nkey, req->scratch,
	    PROTO_SCRATCH);

	if (n <= 0)
		return false;
	req->key = req->scratch;
	req->nkey = (uint32_t)n;
	return true;
}

/* Reads the token of one flag: STATUS_OK, or what is wrong with it. */
static enum status
read_token(struct request *req, const struct meta_flag *f)
{
	struct meta *m = &req->meta;
	struct word w = { f->at, f->n };
	bool good = true;

	switch (f->letter) {
	case 'b':
		return decode_key(req) ? STATUS_OK : STATUS_BAD_KEY_CODE;
	case 'C':
		good = token_uint64(w, &m->C);
		break;
	case 'D':
		return token_uint64(w, &m->D) ? STATUS_OK :
		    STATUS_BAD_META_DELTA;
	case 'E':
		good = token_uint64(w, &m->E);
		break;
	case 'F':
		return token_uint32(w, &m->F) ? STATUS_OK : STATUS_BAD_FORMAT;
	case 'J':
		return token_uint64(w, &m->J) ? STATUS_OK :
		    STATUS_BAD_META_INITIAL;
	case 'M':
		m->mode = f->n > 0 ? *f->at : 0;
		break;
	case 'N':
		good = token_int32(w, &m->N);
		break;
	case 'R':
		good = token_int32(w, &m->R);
		break;
	case 'T':
		good = token_int32(w, &m->T);
		break;
	default:
		break;
	}
	return good ? STATUS_OK : STATUS_BAD_TOKEN;
}

/* Of several bad tokens memcached names the last. */
static enum status
read_tokens(struct request *req)
{
	struct meta *m = &req->meta;
	enum status problem = STATUS_OK, one;
	bool vivifies = false, touches = false;

	m->touched = false;
	for (unsigned i = 0; i < m->nflags; i++) {
		char letter = m->flags[i].letter;

		if ((META_BIT(letter) & TOKENS) == 0)
			continue;
		one = read_token(req, &m->flags[i]);
		if (one != STATUS_OK)
			problem = one;
		if (letter == 'R')
			m->touched = touches;
		touches |= letter == 'T';
		/* What N creates is given the time of a later T. */
		vivifies |= letter == 'N';
		if (letter == 'T' && vivifies && req->op != OP_MS)
			m->N = m->T;
	}
	return problem;
}

static bool
is_one_of(char mode, const char *modes)
{
	return mode != '\0' && strchr(modes, mode) != NULL;
}

/* What the command itself, rather than the grammar, objects to. */
static enum status
check_command(const struct request *req)
{
	const struct meta *m = &req->meta;

	if (has(req, 'M') && req->op == OP_MS && !is_one_of(m->mode, "SERAP"))
		return STATUS_BAD_MS_MODE;
	if (has(req, 'M') && req->op == OP_MA && !is_one_of(m->mode, "ID+-"))
		return STATUS_BAD_MA_MODE;
	if (has(req, 'O'))
		for (unsigned i = 0; i < m->nflags; i++)
			if (m->flags[i].letter == 'O' &&
			    m->flags[i].n > OPAQUE_MAX)
				return STATUS_LONG_OPAQUE;
	return STATUS_OK;
}

/* me looks at nothing but a b right behind the key. */
static enum parse
parse_me(struct request *req, const char *p, const char *end)
{
	enum status ignored = STATUS_OK;

	if (req->nkey > PROTO_KEY_MAX)
		return refuse(req, STATUS_BAD_FORMAT, 0);
	split_flags(&req->meta, p, end, 1, &ignored);
	if (req->meta.nflags == 0 || req->meta.flags[0].letter != 'b' ||
	    req->meta.flags[0].n > 0) {
		req->meta.nflags = 0;
		req->meta.has = 0;
	} else if (!decode_key(req))
		return refuse(req, STATUS_BAD_FORMAT, 0);
	return PARSE_REQUEST;
}

/* The length of ms; returns the end of its word, NULL if it is none. */
static const char *
read_length(struct request *req, const char *p, const char *end)
{
	struct word w;
	int32_t n;

	while (p < end && *p == ' ')
		p++;
	w.at = p;
	while (p < end && *p != ' ')
		p++;
	w.n = (uint32_t)(p - w.at);
	if (!token_int32(w, &n) || n < 0 || n > VALUE_MAX)
		return NULL;
	req->nvalue = (uint32_t)n;
	req->follow = (uint32_t)n + 2;
	return p;
}

/* ms in the terms of a classic set, for whoever reserves the room. */
static void
fill_store(struct request *req)
{
	req->client_flags = has(req, 'F') ? req->meta.F : 0;
	req->exptime = has(req, 'T') ? req->meta.T : 0;
	req->has_cas = has(req, 'C');
	req->cas = req->has_cas ? req->meta.C : 0;
}

static enum parse
parse_flags(struct request *req, const char *p, const char *end,
    unsigned nfixed)
{
	struct meta *m = &req->meta;
	enum status problem = STATUS_OK, other;

	if (!split_flags(m, p, end, WORDS_SEEN - nfixed, &problem))
		return refuse(req, STATUS_BAD_FORMAT, 0);
	if (req->nkey > PROTO_KEY_MAX)
		problem = STATUS_BAD_FORMAT;
	else if (m->nflags > WORDS_MAX - nfixed)
		problem = STATUS_TOO_MANY_FLAGS;
	else if (problem == STATUS_OK && (m->has & TOKENS) != 0)
		problem = read_tokens(req);
	if (problem != STATUS_OK)
		return refuse(req, req->op == OP_MA ? STATUS_BAD_MA_FLAG :
		    problem, req->follow);
	if ((m->has & (BIT('M') | BIT('O'))) != 0 &&
	    (other = check_command(req)) != STATUS_OK)
		return refuse(req, other, req->follow);
	req->quiet = has(req, 'q');
	return PARSE_REQUEST;
}

/*
 * The flags of a plain line, from behind the key on.  Returns where they end,
 * which may be anywhere, or NULL.
 */
static inline const char *
split_plain(struct meta *m, const char *p, const char *end, unsigned nfixed)
{
	uint64_t seen = 0;
	unsigned n = 0;

	while (*p == ' ') {
		struct meta_flag *f = &m->flags[n];
		unsigned at;

		if (++p == end)
			return NULL;
		at = (unsigned)(unsigned char)*p - 'A';
		if (at > 'z' - 'A' || n++ == WORDS_MAX - nfixed ||
		    ((UINT64_C(1) << at) & KNOWN & ~seen) == 0)
			return NULL;
		seen |= UINT64_C(1) << at;
		f->letter = *p++;
		f->at = p;
		while (p < end && (unsigned char)*p > ' ')
			p++;
		if (p == end || p - f->at > OPAQUE_MAX)
			return NULL;
		f->n = (uint16_t)(p - f->at);
	}
	m->nflags = n;
	m->has = seen;
	m->mode = 0;
	return p;
}

/* Looks into the tokens; false if any is not as it must be. */
static bool __attribute__((noinline))
accepts_tokens(struct request *req)
{
	return read_tokens(req) == STATUS_OK &&
	    check_command(req) == STATUS_OK;
}

/* What most lines of mg end in. */
static inline bool
is_v_alone(const char *p)
{
	return memcmp(p, " v\r\n", 4) == 0;
}

static inline void
ask_value(struct meta *m, const char *at)
{
	m->nflags = 1;
	m->has = BIT('v');
	m->mode = 0;
	m->flags[0] = (struct meta_flag){ 'v', 0, at };
}

bool
meta_parse_plain(enum op op, const char *in, size_t n, struct request *req,
    size_t *used)
{
	const char *p = in + 3, *end = in + n;
	size_t left = n - 3;
	size_t nkey = scan_key_end(p, left, 256);

	if (nkey == left)
		return false;
	req->op = op;
	req->key = p;
	if (left - nkey >= 4 && is_v_alone(p + nkey)) {
		ask_value(&req->meta, p + nkey + 2);
		req->nkey = (uint32_t)nkey;
		req->quiet = false;
		req->nvalue = req->follow = 0;
		*used = 3 + nkey + 4;
		return nkey - 1 < PROTO_KEY_MAX;
	}
	p = split_plain(&req->meta, p + nkey, end, 2);
	if (p == NULL)
		return false;
	/* Without flags the key ran into the line end. */
	if (p[-1] == '\r' && req->meta.nflags == 0)
		nkey--;
	else if (*p == '\r' && ++p == end)
		return false;
	if (*p != '\n' || nkey - 1 >= PROTO_KEY_MAX)
		return false;
	req->nkey = (uint32_t)nkey;
	if ((req->meta.has & TOKENS) != 0 && !accepts_tokens(req))
		return false;
	req->quiet = has(req, 'q');
	req->nvalue = req->follow = 0;
	*used = (size_t)(p - in) + 1;
	return true;
}

bool
meta_parse_plain_store(const char *in, size_t n, struct request *req,
    size_t *used)
{
	const char *p = in + 3, *end = in + n, *digits;
	size_t left = n - 3;
	size_t nkey = scan_key_end(p, left, 256);
	uint32_t nvalue = 0;

	/* Ten bytes of length at most, and one behind them. */
	if (nkey - 1 >= PROTO_KEY_MAX || left - nkey < 12 || p[nkey] != ' ')
		return false;
	req->op = OP_MS;
	req->key = p;
	req->nkey = (uint32_t)nkey;
	digits = p += nkey + 1;
	for (; (unsigned)(unsigned char)*p - '0' <= 9; p++) {
		if (p - digits == 9)
			return false;
		nvalue = nvalue * 10 + (unsigned)(*p - '0');
	}
	if (p == digits)
		return false;
	req->nvalue = nvalue;
	req->follow = nvalue + 2;
	p = split_plain(&req->meta, p, end, 3);
	if (p == NULL || (*p == '\r' && ++p == end) || *p != '\n')
		return false;
	if ((req->meta.has & TOKENS) != 0 && !accepts_tokens(req))
		return false;
	req->quiet = has(req, 'q');
	fill_store(req);
	*used = (size_t)(p - in) + 1;
	return true;
}

enum parse
meta_parse(enum op op, const char *line, size_t n, struct request *req)
{
	const char *p = line + 2, *end = line + n;
	enum parse verdict;

	assert(meta_is(op) && n >= 2);
	req->op = op;
	req->quiet = false;
	req->nvalue = req->follow = 0;
	if (op == OP_MN)
		return PARSE_REQUEST;
	while (p < end && *p == ' ')
		p++;
	if (p == end)
		return refuse(req, STATUS_BAD_FORMAT, 0);
	req->key = p;
	p += scan_word_end(p, (size_t)(end - p));
	req->nkey = (uint32_t)(p - req->key);
	if (op == OP_ME)
		return parse_me(req, p, end);
	if (op != OP_MS)
		return parse_flags(req, p, end, 2);
	p = read_length(req, p, end);
	if (p == NULL)
		return refuse(req, STATUS_BAD_FORMAT, 0);
	verdict = parse_flags(req, p, end, 3);
	if (verdict == PARSE_REQUEST)
		fill_store(req);
	return verdict;
}

/* ------------------------------------------------------------ compose */

static inline char *
put(char *out, const char *bytes, size_t n)
{
	memcpy(out, bytes, n);
	return out + n;
}

/* Most numbers are small. */
static inline char *
put_digits(char *out, uint64_t v)
{
	return v < 10000 ? token_put_short(out, (unsigned)v) :
	    token_put_uint64(out, v);
}

static inline char *
put_number(char *out, char letter, uint64_t v)
{
	*out++ = ' ';
	*out++ = letter;
	return put_digits(out, v);
}

static char *
put_ttl(char *out, int64_t ttl)
{
	if (ttl < 0)
		return put(out, "-1", 2);
	return token_put_uint64(out, (uint64_t)ttl);
}

static char *
put_key(char *out, const struct request *req, bool encoded)
{
	if (encoded)
		return out + token_base64_encode(req->key, req->nkey, out);
	return put(out, req->key, req->nkey);
}

/* The numbers that the return flags c and s show. */
struct shown {
	uint64_t letters;
	uint64_t cas;
	uint32_t size;
	bool encoded; /* the key is one that came, or is kept, as base64 */
};

static char *
put_flag(char *out, const struct meta_flag *f, const struct request *req,
    const struct result *res, const struct shown *shown)
{
	switch (f->letter) {
	case 'c':
		return put_number(out, 'c', shown->cas);
	case 'f':
		return put_number(out, 'f', res->client_flags);
	case 'h':
		return put(out, res->fetched ? " h1" : " h0", 3);
	case 'k':
		out = put_key(put(out, " k", 2), req, shown->encoded);
		return shown->encoded ? put(out, " b", 2) : out;
	case 'l':
		return put_number(out, 'l', res->idle);
	case 'O':
		out = put(out, " O", 2);
		return put(out, f->at, f->n);
	case 's':
		return put_number(out, 's', shown->size);
	default:
		return out;
	}
}

/* The return flags, in the order of the request. */
static char *
put_flags(char *out, const struct request *req, const struct result *res,
    const struct shown *shown)
{
	const struct meta *m = &req->meta;
	/* What stands before it still sees the old time. */
	char timer = has(req, 'T') ? 'T' : 'N';
	bool touched = !has(req, timer);

	for (unsigned i = 0; i < m->nflags; i++) {
		const struct meta_flag *f = &m->flags[i];

		if ((META_BIT(f->letter) & shown->letters) == 0)
			continue;
		if (f->letter == timer)
			touched = true;
		else if (f->letter == 't')
			out = put_ttl(put(out, " t", 2),
			    touched ? res->ttl : res->ttl_before);
		else
			out = put_flag(out, f, req, res, shown);
	}
	return out;
}

static char *
put_end(char *out)
{
	return put(out, "\r\n", 2);
}

static char * __attribute__((noinline))
put_hit_flags(char *out, const struct request *req, const struct result *res)
{
	struct shown shown = {
		.letters = SHOWN_MG,
		.cas = res->cas,
		.size = res->nvalue,
		.encoded = has(req, 'b') || res->binary_key,
	};

	return put_flags(out, req, res, &shown);
}

static char *
put_hit(char *out, const struct request *req, const struct result *res)
{
	if (res->has_value)
		out = put_digits(put(out, "VA ", 3), res->nvalue);
	else
		out = put(out, "HD", 2);
	if ((req->meta.has & SHOWN_MG) != 0)
		out = put_hit_flags(out, req, res);
	if (res->win_sent)
		out = put(out, " Z", 2);
	if (res->stale)
		out = put(out, " X", 2);
	if (res->won)
		out = put(out, " W", 2);
	return put_end(out);
}

/* ma's number is short, so it goes out with the head. */
static char *
put_arithmetic(char *out, const struct request *req, const struct result *res)
{
	struct shown shown = {
		.letters = SHOWN_MA,
		.cas = res->cas,
		.encoded = has(req, 'b'),
	};

	if (!has(req, 'v'))
		return put_end(
		    put_flags(put(out, "HD", 2), req, res, &shown));
	out = token_put_uint64(put(out, "VA ", 3), token_digits(res->number));
	out = put_end(put_flags(out, req, res, &shown));
	return put_end(token_put_uint64(out, res->number));
}

static char *
put_item(char *out, const struct request *req, const struct result *res)
{
	out = put(out, "ME ", 3);
	out = put_key(out, req, has(req, 'b') || res->binary_key);
	out = put_ttl(put(out, " exp=", 5), res->ttl);
	out = token_put_uint64(put(out, " la=", 4), res->idle);
	out = token_put_uint64(put(out, " cas=", 5), res->cas);
	out = put(out, " fetch=", 7);
	out = res->fetched ? put(out, "yes", 3) : put(out, "no", 2);
	out = token_put_uint64(put(out, " cls=", 5), res->class_id);
	out = token_put_uint64(put(out, " size=", 6), res->size);
	return put_end(out);
}

/* Two letters and the return flags. */
static char *
put_code(char *out, const char *code, const struct request *req,
    const struct result *res)
{
	bool stored = res->status == STATUS_STORED;
	struct shown shown = {
		.letters = req->op == OP_MS ? SHOWN_MS : SHOWN_ALWAYS,
		.cas = stored ? res->cas : 0,
		.size = stored ? res->nvalue : req->nvalue,
		.encoded = has(req, 'b'),
	};

	out = put(out, code, 2);
	if (req->op != OP_ME)
		out = put_flags(out, req, res, &shown);
	return put_end(out);
}

/* Errors say what they say of classic commands, q or not. */
static char *
put_error(char *out, enum status status)
{
	static const struct {
		const char *text;
		size_t n;
	} lines[STATUS_COUNT] = {
#define X(status, text, meta, code, body) { text, sizeof(text) - 1 },
		STATUSES(X)
#undef X
	};

	assert(lines[status].text != NULL);
	return put_end(put(out, lines[status].text, lines[status].n));
}

static char *
put_other(char *out, const struct request *req, const struct result *res)
{
	bool reads = req->op == OP_MG || req->op == OP_ME;

	switch (res->status) {
	case STATUS_NOTHING:
		return out;
	case STATUS_FOUND:
		return put_item(out, req, res);
	case STATUS_NUMBER:
		return req->quiet ? out : put_arithmetic(out, req, res);
	case STATUS_STORED:
	case STATUS_DELETED:
		return req->quiet ? out : put_code(out, "HD", req, res);
	case STATUS_NOT_FOUND:
		if (reads && req->quiet)
			return out;
		return put_code(out, reads ? "EN" : "NF", req, res);
	case STATUS_EXISTS:
		return put_code(out, "EX", req, res);
	case STATUS_NOT_STORED:
		return put_code(out, "NS", req, res);
	case STATUS_OK:
		return put(out, "MN\r\n", 4);
	case STATUS_TEXT:
		return put(out, res->text, res->ntext);
	default:
		return put_error(out, res->status);
	}
}

char *
meta_compose(char *out, const struct request *req, const struct result *res)
{
	if (res->status == STATUS_FOUND && req->op == OP_MG)
		return put_hit(out, req, res);
	return put_other(out, req, res);
}
