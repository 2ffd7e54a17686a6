/* test_binary.c - packets to requests, results to packets. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/binary.h"

enum { ROOM = 1 << 17 };

/* A packet, as it is put together for a test. */
struct packet {
	unsigned opcode, nkey, extlen;
	uint32_t body;
	uint64_t cas;
};

static void
put_be(char *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (char)(v >> 8 * (bytes - 1 - i));
}

static void
make_head(char *out, struct packet p)
{
	memset(out, 0, BINARY_HEAD);
	out[0] = (char)0x80;
	out[1] = (char)p.opcode;
	put_be(out + 2, p.nkey, 2);
	out[4] = (char)p.extlen;
	out[5] = 0x55; /* data type and vbucket do not matter */
	put_be(out + 6, 0xabcd, 2);
	put_be(out + 8, p.body, 4);
	memcpy(out + 12, "\1\2\3\4", 4);
	put_be(out + 16, p.cas, 8);
}

/* Parses n bytes that lie in a block of their own. */
static enum parse
parse(const char *in, size_t n, struct request *req, size_t *used)
{
	static char *block;
	char *copy = malloc(n > 0 ? n : 1);

	/* what req points to lives until the next call */
	free(block);
	block = copy;
	memcpy(block, in, n);
	memset(req, 0xa5, sizeof(*req));
	*used = SIZE_MAX;
	return binary_parse(block, n, req, used);
}

/* ------------------------------------------------------------ headers */

/*
 * What the fact sheet allows each opcode: the lengths of its extras, whether
 * a key must (k) or can (?) be there, whether a value can (v).
 */
static const struct law {
	unsigned opcode;
	enum op op;
	bool quiet;
	unsigned extlen, extlen_or;
	const char *has;
} LAWS[] = {
	{ 0x00, OP_GET, false, 0, 0, "k" },
	{ 0x09, OP_GET, true, 0, 0, "k" },
	{ 0x0c, OP_GET, false, 0, 0, "k" },
	{ 0x0d, OP_GET, true, 0, 0, "k" },
	{ 0x01, OP_SET, false, 8, 8, "kv" },
	{ 0x02, OP_ADD, false, 8, 8, "kv" },
	{ 0x03, OP_REPLACE, false, 8, 8, "kv" },
	{ 0x11, OP_SET, true, 8, 8, "kv" },
	{ 0x12, OP_ADD, true, 8, 8, "kv" },
	{ 0x13, OP_REPLACE, true, 8, 8, "kv" },
	{ 0x04, OP_DELETE, false, 0, 0, "k" },
	{ 0x14, OP_DELETE, true, 0, 0, "k" },
	{ 0x05, OP_INCR, false, 20, 20, "k" },
	{ 0x06, OP_DECR, false, 20, 20, "k" },
	{ 0x15, OP_INCR, true, 20, 20, "k" },
	{ 0x16, OP_DECR, true, 20, 20, "k" },
	{ 0x07, OP_QUIT, false, 0, 0, "" },
	{ 0x17, OP_QUIT, true, 0, 0, "" },
	{ 0x08, OP_FLUSH_ALL, false, 0, 4, "" },
	{ 0x18, OP_FLUSH_ALL, true, 0, 4, "" },
	{ 0x0a, OP_MN, false, 0, 0, "" },
	{ 0x0b, OP_VERSION, false, 0, 0, "" },
	{ 0x0e, OP_APPEND, false, 0, 0, "kv" },
	{ 0x0f, OP_PREPEND, false, 0, 0, "kv" },
	{ 0x19, OP_APPEND, true, 0, 0, "kv" },
	{ 0x1a, OP_PREPEND, true, 0, 0, "kv" },
	{ 0x10, OP_STATS, false, 0, 0, "?" },
	{ 0x1c, OP_TOUCH, false, 4, 4, "k" },
	{ 0x1d, OP_GAT, false, 4, 4, "k" },
	{ 0x1e, OP_GAT, true, 4, 4, "k" },
	{ 0x23, OP_GAT, false, 4, 4, "k" },
	{ 0x24, OP_GAT, true, 4, 4, "k" },
	{ 0x20, OP_SASL_LIST, false, 0, 0, "" },
	{ 0x21, OP_SASL_AUTH, false, 0, 0, "kv" },
	{ 0x22, OP_SASL_STEP, false, 0, 0, "kv" },
};

static const struct law *
law_of(unsigned opcode)
{
	for (unsigned i = 0; i < sizeof(LAWS) / sizeof(LAWS[0]); i++)
		if (LAWS[i].opcode == opcode)
			return &LAWS[i];
	return NULL;
}

static bool
lawful(const struct law *law, unsigned nkey, unsigned extlen, uint32_t nvalue)
{
	if (extlen != law->extlen && extlen != law->extlen_or)
		return false;
	if (strchr(law->has, '?') == NULL &&
	    (nkey > 0) != (strchr(law->has, 'k') != NULL))
		return false;
	return nvalue == 0 || strchr(law->has, 'v') != NULL;
}

static void
check_refused(enum parse got, const struct request *req, enum status problem,
    bool close, uint64_t swallow)
{
	ck_assert_int_eq(got, PARSE_REFUSE);
	ck_assert_int_eq(req->problem, problem);
	ck_assert_int_eq(req->close, close);
	ck_assert_uint_eq(req->swallow, swallow);
	ck_assert(!req->quiet);
	/* whatever is answered, it does not echo a key */
	ck_assert_uint_eq(req->nkey, 0);
}

static void
check_packet(const char *in, struct packet p)
{
	const struct law *law = law_of(p.opcode);
	uint32_t frame = BINARY_HEAD + p.nkey + p.extlen;
	uint32_t nvalue = p.body - p.nkey - p.extlen;
	bool sasl = law != NULL && strchr("\x21\x22", (int)p.opcode) != NULL;
	struct request req;
	size_t used;
	enum parse got;

	if (frame > BINARY_FRAME_MAX) {
		/* told from the header alone */
		ck_assert_int_eq(parse(in, BINARY_HEAD, &req, &used),
		    PARSE_CLOSE);
		return;
	}
	/* and so is that key and extras are not in it */
	if (p.nkey + p.extlen > p.body)
		frame = BINARY_HEAD;
	if (frame > BINARY_HEAD)
		ck_assert_int_eq(parse(in, frame - 1, &req, &used),
		    PARSE_MORE);
	got = parse(in, frame, &req, &used);
	if (got == PARSE_MORE) {
		/* only SASL waits for its data */
		ck_assert(sasl && nvalue > 0);
		ck_assert_int_eq(parse(in, frame + nvalue - 1, &req, &used),
		    PARSE_MORE);
		got = parse(in, frame + nvalue, &req, &used);
		ck_assert_int_eq(got, PARSE_REQUEST);
		ck_assert_uint_eq(used, frame + nvalue);
		ck_assert_uint_eq(req.nvalue, nvalue);
		ck_assert_mem_eq(req.value, in + frame, nvalue);
		used = frame;
	}
	ck_assert_uint_eq(used, frame);
	ck_assert_uint_eq(req.opcode, p.opcode);
	ck_assert_mem_eq(&req.opaque, "\1\2\3\4", 4);
	ck_assert_int_eq(req.op, law == NULL ? OP_UNKNOWN : law->op);
	if (p.nkey + p.extlen > p.body)
		check_refused(got, &req, STATUS_ERROR, true, 0);
	else if (p.nkey > 250 || p.body > 1U << 30)
		check_refused(got, &req, STATUS_BAD_FORMAT, true, 0);
	else if (law == NULL)
		check_refused(got, &req, STATUS_ERROR, false, nvalue);
	else if (!lawful(law, p.nkey, p.extlen, nvalue))
		check_refused(got, &req, STATUS_BAD_FORMAT, true, 0);
	else if (sasl && got == PARSE_REFUSE)
		check_refused(got, &req, STATUS_ERROR, false, nvalue);
	else {
		ck_assert_int_eq(got, PARSE_REQUEST);
		ck_assert_int_eq(req.quiet, law->quiet);
		ck_assert_uint_eq(req.nkey, p.nkey);
		ck_assert_mem_eq(req.key, in + BINARY_HEAD + p.extlen,
		    p.nkey);
		if (!sasl) {
			ck_assert_uint_eq(req.nvalue, nvalue);
			ck_assert_uint_eq(req.follow, nvalue);
		} else
			ck_assert_uint_eq(req.follow, 0);
	}
}

START_TEST(every_opcode)
{
	static const unsigned extlens[] = { 0, 1, 4, 8, 20, 21, 255 };
	static const unsigned nkeys[] = { 0, 1, 250, 251, 16360, 65535 };
	char *in = malloc(ROOM);

	for (unsigned i = BINARY_HEAD; i < ROOM; i++)
		in[i] = (char)('A' + i % 26);
	for (unsigned e = 0; e < 7; e++)
		for (unsigned k = 0; k < 6; k++) {
			unsigned n = extlens[e] + nkeys[k];
			const uint32_t bodies[] = { n, n + 5, n - 1, 0,
				n + 100000, n + 16384 - BINARY_HEAD - n,
				n + 16384 - BINARY_HEAD - n + 1, 1U << 30,
				(1U << 30) + 1, 0x7fffffff, 0x80000000,
				0xffffffff };

			for (unsigned b = 0; b < 12; b++) {
				struct packet p = { (unsigned)_i, nkeys[k],
					extlens[e], bodies[b], 0 };

				make_head(in, p);
				check_packet(in, p);
			}
		}
	free(in);
}
END_TEST

/* Every first byte but one closes, once a header is there. */
START_TEST(magic)
{
	char in[BINARY_HEAD];
	struct request req;
	size_t used;

	make_head(in, (struct packet){ .opcode = 0x0a });
	for (unsigned n = 0; n < BINARY_HEAD; n++)
		ck_assert_int_eq(parse(in, n, &req, &used), PARSE_MORE);
	for (unsigned c = 0; c < 256; c++) {
		in[0] = (char)c;
		ck_assert_int_eq(parse(in, BINARY_HEAD, &req, &used),
		    c == 0x80 ? PARSE_REQUEST : PARSE_CLOSE);
	}
}
END_TEST

/* ------------------------------------------------------------ fields */

/* A packet of extras, key and value, all told; returns its length. */
static size_t
make(char *out, unsigned opcode, uint64_t cas, const char *extras,
    unsigned extlen, const char *key, const char *value)
{
	unsigned nkey = (unsigned)strlen(key);
	unsigned nvalue = (unsigned)strlen(value);

	make_head(out, (struct packet){ opcode, nkey, extlen,
	    extlen + nkey + nvalue, cas });
	out += BINARY_HEAD;
	if (extlen > 0)
		memcpy(out, extras, extlen);
	memcpy(out + extlen, key, nkey);
	memcpy(out + extlen + nkey, value, nvalue);
	return BINARY_HEAD + extlen + nkey + nvalue;
}

static struct request
request(unsigned opcode, uint64_t cas, const char *extras, unsigned extlen,
    const char *key, const char *value)
{
	char in[1024];
	struct request req;
	size_t used, n = make(in, opcode, cas, extras, extlen, key, value);

	ck_assert_int_eq(parse(in, n, &req, &used), PARSE_REQUEST);
	ck_assert_uint_eq(used + req.follow, n);
	return req;
}

START_TEST(store_fields)
{
	static const char extras[] = "\xde\xad\xbe\xef\xff\xff\xff\xfe";
	struct request req = request(0x01, 0, extras, 8, "foo", "bar");

	ck_assert_uint_eq(req.client_flags, 0xdeadbeef);
	/* an unsigned field: not a negative time */
	ck_assert_int_eq(req.exptime, 0xfffffffe);
	ck_assert(!req.has_cas);
	ck_assert_uint_eq(req.nvalue, 3);
	ck_assert_uint_eq(req.follow, 3);
	req = request(0x01, 0x0102030405060708, extras, 8, "foo", "bar");
	ck_assert_int_eq(req.op, OP_SET);
	ck_assert(req.has_cas);
	ck_assert_uint_eq(req.cas, 0x0102030405060708);
	req = request(0x12, 5, extras, 8, "foo", "bar");
	ck_assert_int_eq(req.op, OP_CAS);
	ck_assert(req.has_cas && req.quiet);
	req = request(0x03, 5, extras, 8, "foo", "");
	ck_assert_int_eq(req.op, OP_CAS);
	req = request(0x0e, 5, NULL, 0, "foo", "tail");
	ck_assert_int_eq(req.op, OP_APPEND);
	ck_assert(req.has_cas);
	ck_assert_uint_eq(req.nvalue, 4);
	ck_assert_int_eq(req.exptime, 0);
	ck_assert_uint_eq(req.client_flags, 0);
}
END_TEST

START_TEST(delta_fields)
{
	static const char extras[] = "\0\0\0\0\0\0\0\1"
				     "\xff\xff\xff\xff\xff\xff\xff\xff"
				     "\xff\xff\xff\xfe";
	static const char never[] = "\1\2\3\4\5\6\7\x8\0\0\0\0\0\0\0\0"
				    "\xff\xff\xff\xff";
	struct request req = request(0x05, 0, extras, 20, "n", "");

	ck_assert_uint_eq(req.delta, 1);
	ck_assert_uint_eq(req.initial, UINT64_MAX);
	ck_assert_int_eq(req.exptime, 0xfffffffe);
	ck_assert(!req.no_create);
	req = request(0x16, 9, never, 20, "n", "");
	ck_assert_uint_eq(req.delta, 0x0102030405060708);
	ck_assert_uint_eq(req.initial, 0);
	ck_assert(req.no_create && req.has_cas && req.quiet);
}
END_TEST

START_TEST(other_fields)
{
	struct request req = request(0x1c, 0, "\0\0\0\x64", 4, "a", "");

	ck_assert_int_eq(req.exptime, 100);
	req = request(0x24, 0, "\xff\xff\xff\xff", 4, "a", "");
	ck_assert_int_eq(req.exptime, 0xffffffff);
	req = request(0x04, 7, NULL, 0, "a", "");
	ck_assert(req.has_cas);
	req = request(0x08, 0, NULL, 0, "", "");
	ck_assert_int_eq(req.exptime, 0);
	req = request(0x18, 0, "\0\0\1\0", 4, "", "");
	ck_assert_int_eq(req.exptime, 256);
	ck_assert_uint_eq(req.words.n, 1);
	req = request(0x10, 0, NULL, 0, "", "");
	ck_assert_uint_eq(req.words.n, 1);
	req = request(0x10, 0, NULL, 0, "detail  on", "");
	ck_assert_uint_eq(req.words.n, 3);
	ck_assert_uint_eq(req.words.at[1].n, 6);
	ck_assert_mem_eq(req.words.at[1].at, "detail", 6);
	ck_assert_mem_eq(req.words.at[2].at, "on", 2);
	req = request(0x21, 0, NULL, 0, "PLAIN", "-u-p");
	ck_assert_mem_eq(req.key, "PLAIN", 5);
	ck_assert_mem_eq(req.value, "-u-p", 4);
	ck_assert_uint_eq(req.nvalue, 4);
}
END_TEST

/* ------------------------------------------------------------ splits */

/* Notes what a stream that arrives in pieces asks for. */
static void
listen(const char *in, size_t n, const size_t *cuts, unsigned ncuts, char *log,
    size_t room)
{
	size_t pos = 0, have, noted = 0, used;
	struct request req;

	log[0] = '\0';
	for (unsigned i = 0; i <= ncuts; i++) {
		have = i < ncuts ? cuts[i] : n;
		while (pos < have) {
			enum parse got = parse(in + pos, have - pos, &req,
			    &used);

			if (got == PARSE_MORE || (got == PARSE_REQUEST &&
			    req.follow > have - pos - used))
				break;
			ck_assert_int_ne(got, PARSE_CLOSE);
			pos += used + (got == PARSE_REFUSE ?
			    (size_t)req.swallow : req.follow);
			noted += (size_t)snprintf(log + noted, room - noted,
			    "%d %02x %u %.*s q=%d c=%" PRIu64 "\n", got,
			    req.opcode, req.op, (int)req.nkey, req.key,
			    req.quiet, req.cas);
			ck_assert_uint_lt(noted, room);
		}
	}
	ck_assert_uint_eq(pos, n);
}

/* One of each, and some that are refused but do not close. */
static size_t
make_stream(char *out)
{
	static const char extras[20] = "12345678123456781234";
	size_t n = 0;

	for (unsigned i = 0; i < sizeof(LAWS) / sizeof(LAWS[0]); i++) {
		const struct law *law = &LAWS[i];

		n += make(out + n, law->opcode, i % 3, extras,
		    law->extlen_or, strpbrk(law->has, "k?") != NULL ?
		    "a key" : "", strchr(law->has, 'v') != NULL ?
		    "\x80 value" : "");
		if (i % 7 == 0)
			n += make(out + n, 0x40 + i, 0, extras, i % 20,
			    "key", "swallowed");
	}
	return n;
}

START_TEST(splits)
{
	static char in[8192], whole[16384], cut[16384];
	size_t n = make_stream(in), each[8192];
	size_t lines = 0;

	listen(in, n, NULL, 0, whole, sizeof(whole));
	for (const char *p = whole; *p != '\0'; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, 35 + 5);
	for (size_t i = 0; i < n; i++) {
		each[i] = i;
		listen(in, n, &each[i], 1, cut, sizeof(cut));
		ck_assert_str_eq(cut, whole);
	}
	listen(in, n, each, (unsigned)n, cut, sizeof(cut));
	ck_assert_str_eq(cut, whole);
}
END_TEST

/* ------------------------------------------------------------ replies */

static const struct {
	unsigned opcode;
	uint64_t cas; /* of the request */
	struct result res;
	const char *want; /* hex of all but magic and opcode; "" is silence */
	const char *text; /* and the end of it, as it stands */
} REPLIES[] = {
#define HIT .status = STATUS_FOUND, .client_flags = 0xdeadbeef, .cas = 5,     \
	.has_value = true, .nvalue = 3
#define S(name) .status = STATUS_##name
#define OPAQUE "01020304"
#define CAS0 "0000000000000000"
#define CAS5 "0000000000000005"
	{ 0x00, 0, { HIT }, "0000 04 00 0000 00000007" OPAQUE CAS5
	    "deadbeef", "" },
	{ 0x09, 0, { HIT }, "0000 04 00 0000 00000007" OPAQUE CAS5
	    "deadbeef", "" },
	{ 0x0c, 0, { HIT }, "0003 04 00 0000 0000000a" OPAQUE CAS5
	    "deadbeef", "foo" },
	{ 0x0d, 0, { HIT }, "0003 04 00 0000 0000000a" OPAQUE CAS5
	    "deadbeef", "foo" },
	{ 0x1d, 0, { HIT }, "0000 04 00 0000 00000007" OPAQUE CAS5
	    "deadbeef", "" },
	{ 0x24, 0, { HIT }, "0003 04 00 0000 0000000a" OPAQUE CAS5
	    "deadbeef", "foo" },
	{ 0x00, 0, { S(FOUND), .has_value = true },
	    "0000 04 00 0000 00000004" OPAQUE CAS0 "00000000", "" },
	{ 0x00, 0, { S(NOT_FOUND) }, "0000 00 00 0001 00000009" OPAQUE CAS0,
	    "Not found" },
	{ 0x0c, 0, { S(NOT_FOUND) }, "0003 00 00 0001 00000003" OPAQUE CAS0,
	    "foo" },
	{ 0x23, 0, { S(NOT_FOUND) }, "0003 00 00 0001 00000003" OPAQUE CAS0,
	    "foo" },
	{ 0x09, 0, { S(NOT_FOUND) }, "", "" },
	{ 0x0d, 0, { S(NOT_FOUND) }, "", "" },
	{ 0x1e, 0, { S(NOT_FOUND) }, "", "" },
	{ 0x24, 0, { S(NOT_FOUND) }, "", "" },
	{ 0x09, 0, { S(NO_MEMORY) }, "0000 00 00 0082 0000001d" OPAQUE CAS0,
	    "Out of memory allocating item" },
	{ 0x01, 0, { S(STORED), .cas = 5 },
	    "0000 00 00 0000 00000000" OPAQUE CAS5, "" },
	{ 0x11, 0, { S(STORED), .cas = 5 }, "", "" },
	{ 0x19, 0, { S(STORED), .cas = 5 }, "", "" },
	{ 0x12, 0, { S(NOT_STORED) },
	    "0000 00 00 0002 00000014" OPAQUE CAS0, "Data exists for key." },
	{ 0x03, 0, { S(NOT_STORED) },
	    "0000 00 00 0001 00000009" OPAQUE CAS0, "Not found" },
	{ 0x0e, 0, { S(NOT_STORED) },
	    "0000 00 00 0005 0000000b" OPAQUE CAS0, "Not stored." },
	{ 0x1a, 0, { S(NOT_STORED) },
	    "0000 00 00 0005 0000000b" OPAQUE CAS0, "Not stored." },
	{ 0x11, 9, { S(EXISTS), .cas = 5 },
	    "0000 00 00 0002 00000014" OPAQUE CAS0, "Data exists for key." },
	{ 0x13, 9, { S(NOT_FOUND) },
	    "0000 00 00 0001 00000009" OPAQUE CAS0, "Not found" },
	{ 0x01, 0, { S(TOO_LARGE) },
	    "0000 00 00 0003 0000000a" OPAQUE CAS0, "Too large." },
	{ 0x04, 0, { S(DELETED), .cas = 5 },
	    "0000 00 00 0000 00000000" OPAQUE CAS0, "" },
	{ 0x14, 0, { S(DELETED) }, "", "" },
	{ 0x14, 0, { S(NOT_FOUND) },
	    "0000 00 00 0001 00000009" OPAQUE CAS0, "Not found" },
	{ 0x05, 0, { S(NUMBER), .number = 0x1122334455667788, .cas = 5 },
	    "0000 00 00 0000 00000008" OPAQUE CAS5 "1122334455667788", "" },
	{ 0x15, 0, { S(NUMBER), .number = 1 }, "", "" },
	{ 0x15, 0, { S(NOT_NUMBER) },
	    "0000 00 00 0006 0000002e" OPAQUE CAS0,
	    "Non-numeric server-side value for incr or decr" },
	{ 0x1c, 0, { S(TOUCHED), .client_flags = 7, .cas = 5 },
	    "0000 04 00 0000 00000004" OPAQUE CAS5 "00000007", "" },
	{ 0x1c, 0, { S(NOT_FOUND) },
	    "0000 00 00 0001 00000009" OPAQUE CAS0, "Not found" },
	{ 0x0a, 0, { S(OK) }, "0000 00 00 0000 00000000" OPAQUE CAS0, "" },
	{ 0x07, 0, { S(OK) }, "0000 00 00 0000 00000000" OPAQUE CAS0, "" },
	{ 0x17, 0, { S(OK) }, "", "" },
	{ 0x18, 0, { S(OK) }, "", "" },
	{ 0x18, 0, { S(UNAUTHENTICATED) },
	    "0000 00 00 0020 0000000d" OPAQUE CAS0, "Auth failure." },
	{ 0x0b, 0, { S(TEXT), .text = "1.6.45", .ntext = 6 },
	    "0000 00 00 0000 00000006" OPAQUE CAS0, "1.6.45" },
	{ 0x20, 0, { S(TEXT) }, "0000 00 00 0000 00000000" OPAQUE CAS0, "" },
	{ 0x21, 0, { S(AUTH_CONTINUE), .text = "more", .ntext = 4 },
	    "0000 00 00 0021 00000004" OPAQUE CAS0, "more" },
	{ 0x22, 0, { S(AUTH_FAILURE) },
	    "0000 00 00 0020 0000000d" OPAQUE CAS0, "Auth failure." },
	{ 0x21, 0, { S(ERROR) }, "0000 00 00 0081 0000000f" OPAQUE CAS0,
	    "Unknown command" },
	{ 0x00, 0, { S(NOTHING) }, "", "" },
};

/* Reads hex, blanks skipped; returns the bytes written. */
static size_t
unhex(const char *hex, char *out)
{
	size_t n = 0;
	unsigned byte;

	while (*hex != '\0') {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
		out[n++] = (char)byte;
		hex += 2;
	}
	return n;
}

/* The request that an opcode makes, with the key foo where one belongs. */
static struct request
request_of(unsigned opcode, uint64_t cas)
{
	static const char extras[20] = "";
	const struct law *law = law_of(opcode);

	return request(opcode, cas, extras, law->extlen,
	    strchr(law->has, 'k') != NULL ? "foo" : "", "");
}

START_TEST(replies)
{
	char want[PROTO_REPLY_MAX], *out = malloc(PROTO_REPLY_MAX);
	struct request req = request_of(REPLIES[_i].opcode, REPLIES[_i].cas);
	size_t n = unhex(REPLIES[_i].want, want + 2), got;

	got = (size_t)(binary_compose(out, &req, &REPLIES[_i].res) - out);
	if (n == 0) {
		ck_assert_uint_eq(got, 0);
	} else {
		want[0] = (char)0x81;
		want[1] = (char)REPLIES[_i].opcode;
		n += 2;
		memcpy(want + n, REPLIES[_i].text, strlen(REPLIES[_i].text));
		n += strlen(REPLIES[_i].text);
		ck_assert_uint_eq(got, n);
		ck_assert_mem_eq(out, want, n);
	}
	free(out);
}
END_TEST

/* A refusal answers with the opcode that nobody knows, and its text. */
START_TEST(refusals)
{
	static const struct {
		struct packet p;
		const char *want, *text;
	} cases[] = {
		{ { 0xff, 0, 0, 0, 0 }, "81ff 0000 00 00 0081 0000000f" OPAQUE
		    CAS0, "Unknown command" },
		{ { 0x11, 0, 0, 5, 0 }, "8111 0000 00 00 0004 00000011" OPAQUE
		    CAS0, "Invalid arguments" },
		{ { 0x0d, 3, 0, 2, 0 }, "810d 0000 00 00 0081 0000000f" OPAQUE
		    CAS0, "Unknown command" },
	};
	char in[64] = "", want[64], out[PROTO_REPLY_MAX];
	struct request req;
	size_t used, n, got;

	make_head(in, cases[_i].p);
	ck_assert_int_eq(parse(in, sizeof(in), &req, &used), PARSE_REFUSE);
	got = (size_t)(binary_compose(out, &req,
	    &(struct result){ .status = req.problem }) - out);
	n = unhex(cases[_i].want, want);
	ck_assert_uint_eq(got, n + strlen(cases[_i].text));
	ck_assert_mem_eq(out, want, n);
	ck_assert_mem_eq(out + n, cases[_i].text, got - n);
}
END_TEST

START_TEST(stat_packets)
{
	char want[64], out[1024];
	struct request req = request(0x10, 0, NULL, 0, "", "");
	size_t n = unhex("8110 0003 00 00 0000 00000007" OPAQUE CAS0, want);

	ck_assert_ptr_eq(binary_stat(out, &req, "pid", 3, "1234", 4),
	    out + n + 7);
	ck_assert_mem_eq(out, want, n);
	ck_assert_mem_eq(out + n, "pid1234", 7);
	n = unhex("8110 0000 00 00 0000 00000000" OPAQUE CAS0, want);
	ck_assert_ptr_eq(binary_stat_end(out, &req), out + n);
	ck_assert_mem_eq(out, want, n);
}
END_TEST

/* Every status has bytes for every opcode, and the lengths are true. */
START_TEST(every_status)
{
	char out[PROTO_REPLY_MAX];

	for (unsigned i = 0; i < sizeof(LAWS) / sizeof(LAWS[0]); i++) {
		struct request req = request_of(LAWS[i].opcode, 0);
		struct result res = { .status = (enum status)_i,
			.text = "x", .ntext = 1 };
		size_t n = (size_t)(binary_compose(out, &req, &res) - out);
		uint32_t body;

		if (n == 0) {
			ck_assert(req.quiet || _i == STATUS_NOTHING);
			continue;
		}
		memcpy(&body, out + 8, 4);
		ck_assert_uint_eq(n, BINARY_HEAD + __builtin_bswap32(body));
		ck_assert_uint_eq((unsigned char)out[0], 0x81);
		ck_assert_uint_eq((unsigned char)out[1], LAWS[i].opcode);
		ck_assert_mem_eq(out + 12, "\1\2\3\4", 4);
	}
}
END_TEST

Suite *binary_suite(void);

Suite *
binary_suite(void)
{
	Suite *s = suite_create("binary");
	TCase *t = tcase_create("binary");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_opcode, 0, 256);
	tcase_add_test(t, magic);
	tcase_add_test(t, store_fields);
	tcase_add_test(t, delta_fields);
	tcase_add_test(t, other_fields);
	tcase_add_test(t, splits);
	tcase_add_loop_test(t, replies, 0,
	    sizeof(REPLIES) / sizeof(REPLIES[0]));
	tcase_add_loop_test(t, refusals, 0, 3);
	tcase_add_test(t, stat_packets);
	tcase_add_loop_test(t, every_status, 0, STATUS_COUNT);
	suite_add_tcase(s, t);
	return s;
}
