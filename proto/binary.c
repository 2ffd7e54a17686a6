/* binary.c - see binary.h. */
#include "proto/binary.h"

#include "proto/token.h"

enum {
	OPCODES = 256,
	/* places in a request's header */
	AT_OPCODE = 1,
	AT_NKEY = 2,
	AT_EXTLEN = 4,
	AT_BODY = 8,
	AT_OPAQUE = 12,
	AT_CAS = 16,
};

/* What a packet may and must have, beside its header. */
enum layout {
	LAYOUT_UNKNOWN, /* anything, to be skipped */
	LAYOUT_BARE,	/* nothing */
	LAYOUT_KEY,	/* a key */
	LAYOUT_EXPTIME, /* exptime, key */
	LAYOUT_STORE,	/* flags and exptime, key, value */
	LAYOUT_CONCAT,	/* key, value */
	LAYOUT_DELTA,	/* delta, initial and exptime, key */
	LAYOUT_FLUSH,	/* exptime or nothing */
	LAYOUT_STAT,	/* a key or nothing */
	LAYOUT_SASL,	/* key, value */
	LAYOUTS
};

static const struct rule {
	uint8_t extlen;
	uint8_t extlen_or; /* may be this long as well */
	uint8_t nkey_min, nkey_max;
	uint32_t nvalue_max;
} RULES[LAYOUTS] = {
	[LAYOUT_BARE] = { 0, 0, 0, 0, 0 },
	[LAYOUT_KEY] = { 0, 0, 1, PROTO_KEY_MAX, 0 },
	[LAYOUT_EXPTIME] = { 4, 4, 1, PROTO_KEY_MAX, 0 },
	[LAYOUT_STORE] = { 8, 8, 1, PROTO_KEY_MAX, BINARY_BODY_MAX },
	[LAYOUT_CONCAT] = { 0, 0, 1, PROTO_KEY_MAX, BINARY_BODY_MAX },
	[LAYOUT_DELTA] = { 20, 20, 1, PROTO_KEY_MAX, 0 },
	[LAYOUT_FLUSH] = { 0, 4, 0, 0, 0 },
	[LAYOUT_STAT] = { 0, 0, 0, PROTO_KEY_MAX, 0 },
	[LAYOUT_SASL] = { 0, 0, 1, PROTO_KEY_MAX, BINARY_BODY_MAX },
};

static const struct opcode {
	uint8_t op;
	uint8_t layout;
	bool quiet;
} TABLE[OPCODES] = { /* the rest is unknown */
	[0x00] = { OP_GET, LAYOUT_KEY, false },
	[0x01] = { OP_SET, LAYOUT_STORE, false },
	[0x02] = { OP_ADD, LAYOUT_STORE, false },
	[0x03] = { OP_REPLACE, LAYOUT_STORE, false },
	[0x04] = { OP_DELETE, LAYOUT_KEY, false },
	[0x05] = { OP_INCR, LAYOUT_DELTA, false },
	[0x06] = { OP_DECR, LAYOUT_DELTA, false },
	[0x07] = { OP_QUIT, LAYOUT_BARE, false },
	[0x08] = { OP_FLUSH_ALL, LAYOUT_FLUSH, false },
	[0x09] = { OP_GET, LAYOUT_KEY, true },
	[0x0a] = { OP_MN, LAYOUT_BARE, false },
	[0x0b] = { OP_VERSION, LAYOUT_BARE, false },
	[0x0c] = { OP_GET, LAYOUT_KEY, false },
	[0x0d] = { OP_GET, LAYOUT_KEY, true },
	[0x0e] = { OP_APPEND, LAYOUT_CONCAT, false },
	[0x0f] = { OP_PREPEND, LAYOUT_CONCAT, false },
	[0x10] = { OP_STATS, LAYOUT_STAT, false },
	[0x11] = { OP_SET, LAYOUT_STORE, true },
	[0x12] = { OP_ADD, LAYOUT_STORE, true },
	[0x13] = { OP_REPLACE, LAYOUT_STORE, true },
	[0x14] = { OP_DELETE, LAYOUT_KEY, true },
	[0x15] = { OP_INCR, LAYOUT_DELTA, true },
	[0x16] = { OP_DECR, LAYOUT_DELTA, true },
	[0x17] = { OP_QUIT, LAYOUT_BARE, true },
	[0x18] = { OP_FLUSH_ALL, LAYOUT_FLUSH, true },
	[0x19] = { OP_APPEND, LAYOUT_CONCAT, true },
	[0x1a] = { OP_PREPEND, LAYOUT_CONCAT, true },
	[0x1c] = { OP_TOUCH, LAYOUT_EXPTIME, false },
	[0x1d] = { OP_GAT, LAYOUT_EXPTIME, false },
	[0x1e] = { OP_GAT, LAYOUT_EXPTIME, true },
	[0x20] = { OP_SASL_LIST, LAYOUT_BARE, false },
	[0x21] = { OP_SASL_AUTH, LAYOUT_SASL, false },
	[0x22] = { OP_SASL_STEP, LAYOUT_SASL, false },
	[0x23] = { OP_GAT, LAYOUT_EXPTIME, false },
	[0x24] = { OP_GAT, LAYOUT_EXPTIME, true },
};

/* ------------------------------------------------------------ bytes */

static inline uint16_t
read16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t
read32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
read64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* ------------------------------------------------------------ parse */

static enum parse
refuse(struct request *req, enum status problem, bool close, uint32_t swallow)
{
	req->quiet = false;
	req->nkey = 0; /* it may be longer than any reply */
	req->problem = problem;
	req->close = close;
	req->swallow = swallow;
	return PARSE_REFUSE;
}

static inline bool
keeps_rule(const struct rule *rule, uint32_t extlen, uint32_t nkey,
    uint32_t nvalue)
{
	return (extlen == rule->extlen || extlen == rule->extlen_or) &&
	    nkey >= rule->nkey_min && nkey <= rule->nkey_max &&
	    nvalue <= rule->nvalue_max;
}

/* What the handlers of word commands read. */
static void
fill_words(struct request *req, const char *name, uint32_t nname)
{
	struct word *words = req->words.at;

	words[0] = (struct word){ name, nname };
	req->words.n = 1 + token_words(req->key, req->nkey, words + 1,
	    PROTO_WORDS_MAX - 1);
}

/*
 * The data is part of the packet here: it is short, and no handler wants it
 * piece by piece.
 */
static enum parse
take_data(const char *in, size_t n, size_t frame, uint32_t nvalue,
    struct request *req, size_t *used)
{
	if (nvalue > BINARY_FRAME_MAX - frame)
		return refuse(req, STATUS_ERROR, false, nvalue);
	if (n - frame < nvalue)
		return PARSE_MORE;
	req->value = in + frame;
	req->nvalue = nvalue;
	*used = frame + nvalue;
	return PARSE_REQUEST;
}

static void
fill_delta(struct request *req, const char *extras)
{
	uint32_t exptime = read32(extras + 16);

	req->delta = read64(extras);
	req->initial = read64(extras + 8);
	req->exptime = exptime;
	req->no_create = exptime == UINT32_MAX;
}

/* The fields of the layout, from a packet that keeps its rule. */
static void
fill(struct request *req, enum layout layout, const char *extras,
    uint8_t extlen, uint32_t nvalue)
{
	switch (layout) {
	case LAYOUT_STORE:
		req->client_flags = read32(extras);
		req->exptime = read32(extras + 4);
		req->nvalue = req->follow = nvalue;
		/* To compare means that the item must be there. */
		if (req->has_cas && req->op != OP_SET)
			req->op = OP_CAS;
		break;
	case LAYOUT_CONCAT:
		req->client_flags = 0;
		req->exptime = 0;
		req->nvalue = req->follow = nvalue;
		break;
	case LAYOUT_EXPTIME:
		req->exptime = read32(extras);
		break;
	case LAYOUT_DELTA:
		fill_delta(req, extras);
		break;
	case LAYOUT_FLUSH:
		req->exptime = extlen > 0 ? read32(extras) : 0;
		fill_words(req, "flush_all", 9);
		break;
	case LAYOUT_STAT:
		fill_words(req, "stats", 5);
		break;
	case LAYOUT_BARE:
		fill_words(req, "", 0);
		break;
	case LAYOUT_KEY:
	case LAYOUT_SASL:
	case LAYOUT_UNKNOWN:
	case LAYOUTS:
		break;
	}
}

static inline void
fill_head(struct request *req, const char *in, const struct opcode *code)
{
	req->op = code->op;
	req->opcode = (uint8_t)in[AT_OPCODE];
	req->quiet = code->quiet;
	req->last = true;
	memcpy(&req->opaque, in + AT_OPAQUE, sizeof(req->opaque));
	req->cas = read64(in + AT_CAS);
	req->has_cas = req->cas != 0;
	req->nvalue = req->follow = 0;
}

/* A header that does not say what its opcode wants. */
static enum parse
refuse_packet(struct request *req, uint32_t extlen, uint32_t body)
{
	if (req->nkey + extlen > body)
		return refuse(req, STATUS_ERROR, true, 0);
	if (req->nkey > PROTO_KEY_MAX || body > BINARY_BODY_MAX ||
	    req->op != OP_UNKNOWN)
		return refuse(req, STATUS_BAD_FORMAT, true, 0);
	return refuse(req, STATUS_ERROR, false, body - req->nkey - extlen);
}

enum parse
binary_parse(const char *in, size_t n, struct request *req, size_t *used)
{
	const struct opcode *code;
	uint32_t nkey, extlen, body, nvalue, frame;

	if (n < BINARY_HEAD)
		return PARSE_MORE;
	if ((unsigned char)in[0] != BINARY_REQUEST)
		return PARSE_CLOSE;
	nkey = read16(in + AT_NKEY);
	extlen = (unsigned char)in[AT_EXTLEN];
	body = read32(in + AT_BODY);
	frame = BINARY_HEAD + extlen + nkey;
	if (frame > BINARY_FRAME_MAX)
		return PARSE_CLOSE;
	/* What is not part of the packet is not waited for. */
	if (nkey + extlen > body)
		frame = BINARY_HEAD;
	if (n < frame)
		return PARSE_MORE;
	*used = frame;
	code = &TABLE[(unsigned char)in[AT_OPCODE]];
	fill_head(req, in, code);
	req->key = in + BINARY_HEAD + extlen;
	req->nkey = nkey;
	nvalue = body - nkey - extlen; /* of a lie, more than any may be */
	if (code->layout == LAYOUT_UNKNOWN)
		req->op = OP_UNKNOWN;
	if (code->layout == LAYOUT_UNKNOWN || body > BINARY_BODY_MAX ||
	    !keeps_rule(&RULES[code->layout], extlen, nkey, nvalue))
		return refuse_packet(req, extlen, body);
	if (code->layout == LAYOUT_KEY)
		return PARSE_REQUEST;
	if (code->layout == LAYOUT_SASL)
		return take_data(in, n, frame, nvalue, req, used);
	fill(req, code->layout, in + BINARY_HEAD, (uint8_t)extlen, nvalue);
	return PARSE_REQUEST;
}

/* ------------------------------------------------------------ compose */

struct reply {
	uint32_t nkey, extlen, nvalue;
	uint32_t status;
	uint64_t cas;
};

/* A header; returns where the body begins. */
static inline char *
put_head(char *out, const struct request *req, struct reply r)
{
	uint64_t start = (uint64_t)BINARY_REPLY << 56 |
	    (uint64_t)req->opcode << 48 | (uint64_t)r.nkey << 32 |
	    (uint64_t)r.extlen << 24 | r.status;
	uint32_t body = htobe32(r.extlen + r.nkey + r.nvalue);

	start = htobe64(start);
	memcpy(out, &start, sizeof(start));
	memcpy(out + 8, &body, sizeof(body));
	memcpy(out + 12, &req->opaque, sizeof(req->opaque));
	r.cas = htobe64(r.cas);
	memcpy(out + 16, &r.cas, sizeof(r.cas));
	return out + BINARY_HEAD;
}

static inline char *
put(char *out, const char *bytes, size_t n)
{
	memcpy(out, bytes, n);
	return out + n;
}

static inline char *
put_flags(char *out, uint32_t flags)
{
	flags = htobe32(flags);
	return put(out, (const char *)&flags, sizeof(flags));
}

static inline bool
is_read(enum op op)
{
	return op == OP_GET || op == OP_GAT;
}

/* A body of nothing but text. */
static char *
put_text(char *out, const struct request *req, unsigned status,
    const char *text, size_t n)
{
	out = put_head(out, req, (struct reply){
	    .status = status, .nvalue = (uint32_t)n });
	return n > 0 ? put(out, text, n) : out;
}

/* A failure, or a success that has nothing to tell. */
static char *
put_status(char *out, const struct request *req, enum status status)
{
	static const struct {
		uint16_t code;
		uint16_t n;
		const char *text;
	} bodies[STATUS_COUNT] = {
#define X(status, text, meta, code, body) { code, sizeof(body) - 1, body },
		STATUSES(X)
#undef X
	};

	return put_text(out, req, bodies[status].code, bodies[status].text,
	    bodies[status].n);
}

static char *
put_hit(char *out, const struct request *req, const struct result *res)
{
	uint32_t nkey = binary_echoes(req->opcode) ? req->nkey : 0;

	out = put_head(out, req, (struct reply){ .nkey = nkey, .extlen = 4,
	    .nvalue = res->has_value ? res->nvalue : 0, .cas = res->cas });
	out = put_flags(out, res->client_flags);
	return put(out, req->key, nkey);
}

static char *
put_miss(char *out, const struct request *req)
{
	if (is_read(req->op) && req->quiet)
		return out;
	if (!binary_echoes(req->opcode))
		return put_status(out, req, STATUS_NOT_FOUND);
	out = put_head(out, req, (struct reply){ .nkey = req->nkey,
	    .status = 1 });
	return put(out, req->key, req->nkey);
}

static char *
put_not_stored(char *out, const struct request *req)
{
	enum status status = STATUS_NOT_STORED;

	if (req->op == OP_ADD)
		status = STATUS_EXISTS;
	else if (req->op == OP_REPLACE)
		status = STATUS_NOT_FOUND;
	return put_status(out, req, status);
}

static char *
put_number(char *out, const struct request *req, const struct result *res)
{
	uint64_t number = htobe64(res->number);

	out = put_head(out, req, (struct reply){
	    .nvalue = sizeof(number), .cas = res->cas });
	return put(out, (const char *)&number, sizeof(number));
}

static char *
put_success(char *out, const struct request *req, const struct result *res)
{
	switch (res->status) {
	case STATUS_STORED:
		return put_head(out, req, (struct reply){ .cas = res->cas });
	case STATUS_NUMBER:
		return put_number(out, req, res);
	case STATUS_TOUCHED:
		out = put_head(out, req, (struct reply){
		    .extlen = 4, .cas = res->cas });
		return put_flags(out, res->client_flags);
	default:
		return put_head(out, req, (struct reply){ 0 });
	}
}

char *
binary_compose(char *out, const struct request *req, const struct result *res)
{
	switch (res->status) {
	case STATUS_FOUND:
		return put_hit(out, req, res);
	case STATUS_NOT_FOUND:
		return put_miss(out, req);
	case STATUS_STORED:
	case STATUS_DELETED:
	case STATUS_TOUCHED:
	case STATUS_NUMBER:
	case STATUS_OK:
		return req->quiet ? out : put_success(out, req, res);
	case STATUS_NOTHING:
		return out;
	case STATUS_TEXT:
		return put_text(out, req, 0, res->text, res->ntext);
	case STATUS_AUTH_CONTINUE:
		return put_text(out, req, 0x21, res->text, res->ntext);
	case STATUS_NOT_STORED:
		return put_not_stored(out, req);
	default:
		return put_status(out, req, res->status);
	}
}

char *
binary_stat(char *out, const struct request *req, const char *name,
    size_t nname, const char *value, size_t nvalue)
{
	out = put_head(out, req, (struct reply){
	    .nkey = (uint32_t)nname, .nvalue = (uint32_t)nvalue });
	return put(put(out, name, nname), value, nvalue);
}

char *
binary_stat_end(char *out, const struct request *req)
{
	return put_head(out, req, (struct reply){ 0 });
}
