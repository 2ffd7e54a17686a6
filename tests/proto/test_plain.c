/* test_plain.c - the short way reads what the long way reads. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plain.h"

enum {
	BATCH = 8,
	MOST = 20,
	ANY = 1000, /* the short way may, or may not */
};

#define ROWS(a) ((int)(sizeof(a) / sizeof(*(a))))
#define BYTES(s) (s), sizeof(s) - 1
#define HEAD(opcode, nkey, extlen, body)                                      \
	"\x80" opcode "\0" nkey extlen "\0\0\0\0\0\0" body                    \
	"\1\2\3\4\0\0\0\0\0\0\0\0"
#define TEN "0123456789"
#define KEY_250                                                               \
	TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN  \
	TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
	const char *what;
	enum proto_name proto;
	const char *in;
	size_t n;
	unsigned first; /* what the short way reads of it at once */
	unsigned all;	/* and of all that is left, whenever it is asked */
} talks[] = {
	{ "gets, one line each", PROTO_TEXT,
	    BYTES("get a\r\nget bb\nget " KEY_250 "\r\nget d\r\nget e\r\n"), 5,
	    5 },
	{ "more gets than fit", PROTO_TEXT,
	    BYTES("get a\r\nget b\r\nget c\r\nget d\r\nget e\r\nget f\r\n"
	    "get g\r\nget h\r\nget i\r\nget j\r\n"), BATCH, 10 },
	{ "keys of a line", PROTO_TEXT,
	    BYTES("get a bb ccc " KEY_250 " e\r\nget f\r\n"), 0, 5 },
	{ "keys of a gets", PROTO_TEXT, BYTES("gets a b c\r\n"), 0, 2 },
	{ "blanks", PROTO_TEXT, BYTES("get  a\r\nget a \r\nget a  b\r\n"
	    "get a b \r\nget a\r\n"), 0, 2 },
	{ "no key", PROTO_TEXT, BYTES("get \r\nget\r\nget a\r\n"), 0, 1 },
	{ "a key too long", PROTO_TEXT,
	    BYTES("get " KEY_250 "x\r\nget a " KEY_250 "x b\r\nget c\r\n"), 0,
	    1 },
	{ "others between", PROTO_TEXT,
	    BYTES("get a\r\ngat 0 b\r\nget c\r\nincr d 1\r\nget e\r\n"), 1,
	    3 },
	{ "sets", PROTO_TEXT,
	    BYTES("set a 1 2 3\r\nxyz\r\nset bb 77 3600 0\r\n\r\n"
	    "set c 0 0 2\r\nxy\r\n"), 3, 3 },
	{ "sets that are rare", PROTO_TEXT,
	    BYTES("set bb 4294967295 -1 1\r\nx\r\nset c 0 0 1 noreply\r\n"
	    "x\r\nset d 0 0 2\nxy\r\nset  e 0 0 2 \r\nxy\r\n"), ANY, ANY },
	{ "a set as long as may be", PROTO_TEXT,
	    BYTES("set a 0 0 19\r\n0123456789012345678\r\n"
	    "set a 0 0 20\r\n01234567890123456789\r\n"), 1, 1 },
	{ "a value without its end", PROTO_TEXT,
	    BYTES("set a 0 0 3\r\nxyzz\nset b 0 0 3\r\nxyz\r\n"
	    "set c 0 0 3\r\nxyz\rzset d 0 0 3\r\nxyz\r\n"), 0, 2 },
	{ "sets that are none", PROTO_TEXT,
	    BYTES("set a b 0 1\r\nset a 0 0 -1\r\nset a 0 0\r\n"
	    "set a 0 0 99999999999\r\nset a 4294967296 0 1\r\nx\r\n"), 0, 0 },
	{ "metas", PROTO_TEXT,
	    BYTES("mg aaaaaaaaaa v\r\nmg bbbbbbbbbb v q\r\n"
	    "mg cccccccc v t f\r\nmg dddddddddddd v\r\n"), 4, 4 },
	{ "metas that need a look", PROTO_TEXT,
	    BYTES("mg aaaaaaaaaaaa v v\r\nmg YWFhYWFhYQ== v b\r\n"
	    "mg aaaaaaaaaaaaa v Oabc k\r\nmg aaaaaaaaaaaaaa T30 v\r\n"
	    "mg aaaaaaaaaaaaaa !\r\n"), ANY, ANY },
	{ "meta sets", PROTO_TEXT,
	    BYTES("ms aaaaaaaaaa 1\r\nx\r\nms bbbbbbbbbb 2 T30 q\r\nxy\r\n"
	    "ms cccccccc 03 F7 k O12 I T0\r\nxyz\r\nms dddddd 0\r\n\r\n"
	    "mg aaaaaaaaaaa v\r\n"), 5, 5 },
	{ "meta sets that need a look", PROTO_TEXT,
	    BYTES("ms aaaaaaaaaa 2\r\nx\r\nms bbbbbbbbb 1 T\r\nx\r\n"
	    "ms cccccccccc -1\r\nms dddddddddd 4294967297\r\nx\r\n"
	    "ms YWFhYWFhYQ== 1 b\r\nx\r\nms eeeeeee 1 C5 ME\r\nx\r\n"
	    "ms ffffffffff 1x\r\nx\r\nms gggggggggg\r\n"), ANY, ANY },
	{ "words that begin alike", PROTO_TEXT,
	    BYTES("mgxaaaaaaaaaaaaaa v\r\nsetxa 0 0 1 00000\r\ngetx a\r\n"
	    "m gaaaaaaaaaaaaaa v\r\nmg\taaaaaaaaaaaaaa v\r\nma aaaaaaaaaaaaaa"
	    " v\r\nge a\r\nsettt 0 0 1 00000\r\n"), 0, 0 },
	{ "all in turn", PROTO_TEXT,
	    BYTES("get a\r\nset b 0 0 1\r\nx\r\nmg cccccccccc v\r\nget d\r\n"),
	    4, 4 },
	{ "in no protocol yet", PROTO_AUTO, BYTES("get a\r\n"), 0, 0 },
	{ "binary gets", PROTO_BINARY,
	    BYTES(HEAD("\0", "\1", "\0", "\1") "a" HEAD("\x9", "\2", "\0",
	    "\2") "bb" HEAD("\xc", "\1", "\0", "\1") "c" HEAD("\xd", "\3",
	    "\0", "\3") "ddd"), 4, 4 },
	{ "more binary gets than fit", PROTO_BINARY,
	    BYTES(HEAD("\0", "\1", "\0", "\1") "a" HEAD("\0", "\1", "\0", "\1")
	    "b" HEAD("\0", "\1", "\0", "\1") "c" HEAD("\0", "\1", "\0", "\1")
	    "d" HEAD("\0", "\1", "\0", "\1") "e" HEAD("\0", "\1", "\0", "\1")
	    "f" HEAD("\0", "\1", "\0", "\1") "g" HEAD("\0", "\1", "\0", "\1")
	    "h" HEAD("\0", "\1", "\0", "\1") "i"), BATCH, 9 },
	{ "binary gets that are none", PROTO_BINARY,
	    BYTES(HEAD("\0", "\0", "\0", "\0") HEAD("\0", "\1", "\0", "\2")
	    "ab" HEAD("\0", "\1", "\4", "\5") "0000a" HEAD("\0", "\xfb", "\0",
	    "\xfb") KEY_250 "x" HEAD("\xa", "\0", "\0", "\0")), 0, 0 },
	{ "binary gets with others between", PROTO_BINARY,
	    BYTES(HEAD("\x9", "\1", "\0", "\1") "a" HEAD("\xa", "\0", "\0",
	    "\0") HEAD("\0", "\1", "\0", "\1") "b" HEAD("\x1d", "\1", "\4",
	    "\5") "0000c" HEAD("\0", "\xfa", "\0", "\xfa") KEY_250), 1, 3 },
};

static void
same_meta(const struct meta *a, const struct meta *b)
{
	ck_assert(a->has == b->has);
	ck_assert_uint_eq(a->nflags, b->nflags);
	for (unsigned i = 0; i < a->nflags; i++) {
		ck_assert_int_eq(a->flags[i].letter, b->flags[i].letter);
		ck_assert_uint_eq(a->flags[i].n, b->flags[i].n);
	}
	ck_assert((a->has & META_BIT('T')) == 0 || a->T == b->T);
	ck_assert((a->has & META_BIT('E')) == 0 || a->E == b->E);
}

static void
same(enum proto_name proto, const struct request *a, const struct request *b)
{
	ck_assert_int_eq(a->op, b->op);
	ck_assert(a->quiet == b->quiet);
	ck_assert_uint_eq(a->nkey, b->nkey);
	ck_assert_mem_eq(a->key, b->key, a->nkey);
	ck_assert_uint_eq(a->follow, b->follow);
	if (proto == PROTO_BINARY) {
		ck_assert_uint_eq(a->opcode, b->opcode);
		ck_assert_uint_eq(a->opaque, b->opaque);
		return;
	}
	if (a->op == OP_GET || a->op == OP_GETS) {
		ck_assert(a->last == b->last);
	} else if (a->op == OP_SET || a->op == OP_MS) {
		ck_assert_uint_eq(a->client_flags, b->client_flags);
		ck_assert(a->exptime == b->exptime);
		ck_assert_uint_eq(a->nvalue, b->nvalue);
		ck_assert(a->has_cas == b->has_cas);
	}
	if (a->op == OP_MG || a->op == OP_MS)
		same_meta(&a->meta, &b->meta);
}

/* What the short way read, one after the other the long way. */
static void
agree(struct parser p, const struct parser *after, const char *in, size_t n,
    const struct request *batch, unsigned count, size_t used)
{
	char scratch[PROTO_SCRATCH];
	struct request req;
	size_t at = 0, some;

	for (unsigned i = 0; i < count; i++) {
		memset(&req, 0xa5, sizeof(req));
		req.scratch = scratch;
		ck_assert_int_eq(proto_parse(&p, in + at, n - at, &req, &some),
		    PARSE_REQUEST);
		same(p.proto, &batch[i], &req);
		at += some;
		if (req.op == OP_SET || req.op == OP_MS) {
			ck_assert_ptr_eq(batch[i].value, in + at);
			ck_assert_int_eq(batch[i].problem, STATUS_FOUND);
			ck_assert_uint_le(n - at, n);
			ck_assert_uint_le(req.follow, n - at);
			ck_assert(proto_value_ends(p.proto, &req,
			    in + at + req.nvalue));
			ck_assert_uint_le(req.nkey + req.nvalue, MOST);
			at += req.follow;
		}
	}
	ck_assert_uint_eq(at, used);
	ck_assert(p.in_keys == after->in_keys);
	ck_assert(!p.in_keys || p.op == after->op);
}

/* A key as its owner may keep it. */
struct slot {
	uint64_t before;
	uint32_t n;
	const char *key;
};

/* A run, as requests. */
static unsigned
read_run(struct parser *p, const char *in, size_t n, struct request *batch,
    unsigned max, size_t *used)
{
	struct slot slots[BATCH + 3], untouched;
	const struct plain_keys places = { &slots[1].key, &slots[1].n,
		sizeof(*slots) };
	bool begins = plain_begins_keys(p, in, n);
	struct plain_run run;

	memset(slots, 0xa5, sizeof(slots));
	untouched = slots[0];
	run = plain_keys(p, in, n, &places, 1, max);
	ck_assert_uint_le(run.n, max);
	ck_assert(run.n == 0 || begins);
	for (unsigned i = 0; i < run.n; i++)
		plain_request(&batch[i], run.form, slots[i + 2].key,
		    slots[i + 2].n, run.ends && i == run.n - 1);
	ck_assert_mem_eq(&slots[1], &untouched, sizeof(untouched));
	ck_assert_mem_eq(&slots[run.n + 2], &untouched, sizeof(untouched));
	*used = run.used;
	return run.n;
}

/* By the one or the other short way, as long as there is one. */
static unsigned
read_short(struct parser *p, const char *in, size_t n, struct request *batch,
    unsigned max, size_t *used)
{
	unsigned count = 0, got;
	size_t some;

	*used = 0;
	do {
		if (count == max || *used == n)
			break;
		got = read_run(p, in + *used, n - *used, batch + count,
		    max - count, &some);
		if (got == 0) {
			bool begins = plain_begins(p, in + *used, n - *used);

			got = plain_parse(p, in + *used, n - *used,
			    batch + count, max - count, MOST, &some);
			ck_assert(got == 0 || begins);
		}
		count += got;
		*used += some;
	} while (got > 0);
	return count;
}

/* Looks at the n bytes at in, which lie in a block of their own, with room
 * for max requests.  Returns how many it read. */
static unsigned
look(const struct parser *p, const char *bytes, size_t n, unsigned max)
{
	static char scratch[BATCH + 1][PROTO_SCRATCH];
	struct request batch[BATCH + 1], untouched;
	struct parser mine = *p;
	char *in = malloc(n);
	size_t used = ANY;
	unsigned count;

	ck_assert_ptr_nonnull(in);
	memcpy(in, bytes, n);
	memset(batch, 0xa5, sizeof(batch));
	for (unsigned i = 0; i <= BATCH; i++)
		batch[i].scratch = scratch[i];
	untouched = batch[max];
	count = read_short(&mine, in, n, batch, max, &used);
	ck_assert_uint_le(count, max);
	ck_assert_mem_eq(&batch[max], &untouched, sizeof(untouched));
	agree(*p, &mine, in, n, batch, count, used);
	free(in);
	return count;
}

/* One step the long way, over a value and over what is refused, too. */
static size_t
step(struct parser *p, const char *in, size_t n)
{
	char scratch[PROTO_SCRATCH];
	struct request req = { .scratch = scratch };
	size_t used = 0;

	switch (proto_parse(p, in, n, &req, &used)) {
	case PARSE_REQUEST:
		used += req.follow;
		break;
	case PARSE_REFUSE:
		used += (size_t)req.swallow;
		break;
	default:
		return n;
	}
	return used < n ? used : n;
}

START_TEST(as_the_long_way)
{
	const char *in = talks[_i].in;
	size_t n = talks[_i].n, at = 0;
	unsigned found = 0, first;
	struct parser p;

	parser_init(&p, talks[_i].proto);
	first = look(&p, in, n, BATCH);
	ck_assert_msg(first == talks[_i].first || talks[_i].first == ANY,
	    "%s: %u at once", talks[_i].what, first);
	while (at < n) {
		for (size_t some = 1; some <= n - at; some++)
			for (unsigned max = 1; max <= BATCH; max++)
				look(&p, in + at, some, max);
		found += look(&p, in + at, n - at, 1);
		at += step(&p, in + at, n - at);
	}
	ck_assert_msg(found == talks[_i].all || talks[_i].all == ANY,
	    "%s: %u in all", talks[_i].what, found);
}
END_TEST

/* Both ways, request by request.  Returns how many the short way read. */
static unsigned
walk(const char *in, size_t n)
{
	struct parser p;
	unsigned found = 0;
	size_t at = 0, used;

	parser_init(&p, PROTO_TEXT);
	while (at < n) {
		found += look(&p, in + at, n - at, BATCH);
		used = step(&p, in + at, n - at);
		if (used == 0)
			break;
		at += used;
	}
	return found;
}

/* Behind each of these, every text that is short. */
static const char *const beginnings[] = {
	"get ",
	"get a",
	"get a b",
	"gets a ",
	"mg ",
	"mg aaaaaaaaaaaa",
	"mg aaaaaaaaaaaaa v",
	"ms aaaaaaaaaaa",
	"ms aaaaaaaaaa 1",
	"ms aaaaaaaaa 1 T1",
	"set aaaaaaaaaa",
	"set aaaaaaaa 0 0 ",
	"set aaaaaaaa 0 0 1",
	"set aaaaaaaa 12 34 1",
};
static const char *const endings[] = {
	"",
	"\r\nx\r\nget b\r\n",
	"\nx\r\nget b c\r\n",
};

START_TEST(whatever_is_short)
{
	static const char letters[] = { ' ', '\r', '\n', '0', '1', '-', 'v' };
	enum { SHORT = 4 };
	unsigned all = 1, found = 0;

	for (int i = 0; i < SHORT; i++)
		all *= sizeof(letters);
	for (unsigned text = 0; text < all; text++) {
		for (int e = 0; e < ROWS(endings); e++) {
			char in[64] = "", *to;
			unsigned left = text;

			to = stpcpy(in, beginnings[_i]);
			for (int i = 0; i < SHORT; i++) {
				*to++ = letters[left % sizeof(letters)];
				left /= sizeof(letters);
			}
			to = stpcpy(to, endings[e]);
			found += walk(in, (size_t)(to - in));
		}
	}
	ck_assert_uint_gt(found, all / 4);
}
END_TEST

/* Lines put together from what lines are made of, and a byte changed. */
static const struct {
	const char *at;
	size_t n;
} pieces[] = {
	{ BYTES("get ") }, { BYTES("gets ") }, { BYTES("set ") },
	{ BYTES("mg ") }, { BYTES("ms ") },
	{ BYTES("ms kkkkkkkkkkk 1\r\nx\r\n") },
	{ BYTES("ms kkkkkkkkkkk 2 T30 q\r\nxy\r\n") },
	{ BYTES("get kkkkkkkk\r\n") },
	{ BYTES("set kkkkkkkk 0 0 1\r\nx\r\n") },
	{ BYTES("set kkkkkkkk 5 60 2\r\nxy\r\n") },
	{ BYTES("mg kkkkkkkkkkk v\r\n") },
	{ BYTES("mg kkkkkkkkkkk s v q Oab\r\n") }, { BYTES("key ") },
	{ BYTES("key16bytes_long_ ") }, { BYTES("a") }, { BYTES("k\r\n") },
	{ BYTES(KEY_250) }, { BYTES(TEN TEN TEN) }, { BYTES("0 0 3\r\n") },
	{ BYTES("4294967295 ") }, { BYTES("4294967296 ") }, { BYTES("-1 ") },
	{ BYTES("0 ") }, { BYTES("3") }, { BYTES("noreply") }, { BYTES("v ") },
	{ BYTES("t ") }, { BYTES("T30 ") }, { BYTES("xyz\r\n") },
	{ BYTES(" ") }, { BYTES("\r") }, { BYTES("\n") }, { BYTES("\r\n") },
	{ BYTES("\0") }, { BYTES("\t") }, { BYTES("\x80") },
};

static unsigned
rnd(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(*seed >> 33);
}

START_TEST(whatever_is_random)
{
	enum { TEXTS = 2000, PIECES = 12 };
	uint64_t seed = (uint64_t)_i + 1;
	unsigned found = 0;

	for (int text = 0; text < TEXTS; text++) {
		char in[PIECES * 260];
		size_t n = 0;

		for (unsigned i = 1 + rnd(&seed) % PIECES; i > 0; i--) {
			unsigned k = rnd(&seed) % ROWS(pieces);

			memcpy(in + n, pieces[k].at, pieces[k].n);
			n += pieces[k].n;
		}
		if (rnd(&seed) % 2 == 0)
			in[rnd(&seed) % n] ^= (char)(1 << rnd(&seed) % 8);
		found += walk(in, n);
	}
	ck_assert_uint_gt(found, TEXTS / 4);
}
END_TEST

Suite *
plain_suite(void)
{
	Suite *s = suite_create("plain");
	TCase *t = tcase_create("plain");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, as_the_long_way, 0, ROWS(talks));
	tcase_add_loop_test(t, whatever_is_short, 0, ROWS(beginnings));
	tcase_add_loop_test(t, whatever_is_random, 0, 10);
	suite_add_tcase(s, t);
	return s;
}
