/* test_meta.c - mg ms md ma me mn: lines to requests, results to replies. */
#include <check.h>

#include "proto/meta.h"
#include "tests/proto/talk.h"

#define KEY50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY250 KEY50 KEY50 KEY50 KEY50 KEY50
#define O31 "Ooooooooooooooooooooooooooooooo" "o"
#define ENC40 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ENC240 ENC40 ENC40 ENC40 ENC40 ENC40 ENC40
#define NUL30 "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"       \
	"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"   \
	"\\x00\\x00\\x00\\x00\\x00\\x00"

struct sample {
	const char *in, *want;
};

static const char LETTERS[] = "bcfhklqstuvxCDEFIJLMNOPRT";

static void
check_sample(const struct sample *s)
{
	struct talk t;

	talk_init(&t);
	talk(&t, PROTO_TEXT, s->in, strlen(s->in), talk_whole, NULL);
	ck_assert_msg(strcmp(t.log, s->want) == 0, "%s\ngot:  %s\nwant: %s",
	    s->in, t.log, s->want);
	talk_fini(&t);
}

/* ------------------------------------------------------------ parse */

static const struct sample REQUESTS[] = {
	{ "mn\r\n", "MN\n" },
	{ "mn with words\r\n", "MN\n" },
	{ "mg k\r\n", "MG k\n" },
	{ "mg k\n", "MG k\n" },
	{ "mg   k   v    t  \r\n", "MG k v t\n" },
	{ "mg k s v f t\r\n", "MG k s v f t\n" },
	{ "mg k Oxyz q k\r\n", "MG k Oxyz q k quiet\n" },
	{ "mg k O\r\n", "MG k O\n" },
	{ "mg k " O31 "\r\n", "MG k " O31 "\n" },
	{ "mg k T-1 N2147483647 R-2147483648\r\n",
	    "MG k T-1 N2147483647 R-2147483648\n" },
	{ "mg k C18446744073709551615 E0 F4294967295\r\n",
	    "MG k C18446744073709551615 E0 F4294967295\n" },
	{ "mg k vxx sff k1\r\n", "MG k vxx sff k1\n" },
	{ "mg k Pproxy L1 v\r\n", "MG k Pproxy L1 v\n" },
	{ "mg k MX\r\n", "MG k MX mode=X\n" },
	{ "mg " KEY250 " v\r\n", "MG " KEY250 " v\n" },
	{ "mg Zm9v b v\r\n", "MG foo b v\n" },
	{ "mg YSBiDQoAYw== k b\r\n", "MG a\\x20b\\x0d\\x0a\\x00c k b\n" },
	{ "mg Y*m-Fy b\r\n", "MG bar b\n" },
	{ "mg " ENC240 "AAAAAAAA b\r\n", "MG " NUL30 NUL30 NUL30 NUL30 NUL30
	    NUL30 "\\x00\\x00\\x00\\x00\\x00\\x00 b\n" },
	{ "mg k c f h k l q s t u v x O1 C1 E1 R1 T1 I L\r\n",
	    "MG k c f h k l q s t u v x O1 C1 E1 R1 T1 I L quiet\n" },
	{ "mg \x01\x80\t v\r\n", "MG \\x01\\x80\\x09 v\n" },
	{ "md k q C5 I x T30\r\n", "MD k q C5 I x T30 quiet\n" },
	{ "ma k MINCR D0 J1 N60\r\n", "MA k MINCR D0 J1 N60 mode=I\n" },
	{ "ma k M- q\r\n", "MA k M- q mode=- quiet\n" },
	{ "ma k MD\r\nma k M+\r\n", "MA k MD mode=D\nMA k M+ mode=+\n" },
	{ "ms k 2\r\nhi\r\n", "MS k n=2 {hi} whole\n" },
	{ "ms k 0\r\n\r\n", "MS k n=0 {} whole\n" },
	{ "ms k 2\r\nabcd\r\n", "MS k n=2 {ab} bad\n"
	    "refuse UNKNOWN BAD_FORMAT\n" },
	{ "ms k 2 MSET q F7 T-1 C1 I\r\nhi\r\n",
	    "MS k n=2 MSET q F7 T-1 C1 I mode=S quiet {hi} whole\n" },
	{ "ms k 1 ME\r\na\r\nms k 1 MR\r\na\r\nms k 1 MA\r\na\r\n"
	  "ms k 1 MP\r\na\r\n",
	    "MS k n=1 ME mode=E {a} whole\nMS k n=1 MR mode=R {a} whole\n"
	    "MS k n=1 MA mode=A {a} whole\nMS k n=1 MP mode=P {a} whole\n" },
	{ "ms Zm9v 1 b\r\nx\r\n", "MS foo n=1 b {x} whole\n" },
	{ "ms k 2147483645\r\nx", "MS k n=2147483645\nrest 1\n" },
	{ "me k\r\n", "ME k\n" },
	{ "me k z z ?\r\n", "ME k\n" },
	{ "me k q b\r\n", "ME k\n" },
	{ "me k bb\r\n", "ME k\n" },
	{ "me Zm9v b\r\n", "ME foo b\n" },
	{ "me Zm9v b x\r\n", "ME foo b\n" },
};

START_TEST(requests)
{
	check_sample(&REQUESTS[_i]);
}
END_TEST

static const struct sample REFUSALS[] = {
	/* no key, none of the words is a flag */
	{ "mg\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg \r\n", "refuse MG BAD_FORMAT\n" },
	{ "md\r\n", "refuse MD BAD_FORMAT\n" },
	{ "ma   \r\n", "refuse MA BAD_FORMAT\n" },
	{ "me\r\n", "refuse ME BAD_FORMAT\n" },
	{ "ms\r\n", "refuse MS BAD_FORMAT\n" },
	{ "mg k ?\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg k v v -\r\n", "refuse MG BAD_FORMAT\n" },
	{ "md k =\r\n", "refuse MD BAD_FORMAT\n" },
	{ "ma k .\r\n", "refuse MA BAD_FORMAT\n" },
	{ "mg k \x80\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg k {\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg k @\r\n", "refuse MG BAD_FORMAT\n" },
	/* letters */
	{ "mg k z\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k S100\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k 1\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k [\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k \\\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k `\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k q z\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k z z\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k v v\r\n", "refuse MG DUPLICATE_FLAG\n" },
	{ "mg k v v z\r\n", "refuse MG DUPLICATE_FLAG\n" },
	{ "mg k z v v\r\n", "refuse MG BAD_FLAG\n" },
	{ "mg k O1 O2\r\n", "refuse MG DUPLICATE_FLAG\n" },
	{ "mg k Tx z\r\n", "refuse MG BAD_FLAG\n" },
	/* tokens; of several bad ones the last is named */
	{ "mg k Tabc\r\n", "refuse MG BAD_TOKEN\n" },
	{ "md k T1.5\r\n", "refuse MD BAD_TOKEN\n" },
	{ "mg k T+1\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg k N2147483648\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg k C-1\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg k E18446744073709551616\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg k Fx\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg k F4294967296\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg k Dx\r\n", "refuse MG BAD_META_DELTA\n" },
	{ "mg k J\r\n", "refuse MG BAD_META_INITIAL\n" },
	{ "mg k Fx Tx\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg k Tx Fx\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg *** b Tx\r\n", "refuse MG BAD_TOKEN\n" },
	{ "mg *** Tx b\r\n", "refuse MG BAD_KEY_CODE\n" },
	/* keys */
	{ "mg " KEY250 "k v\r\n", "refuse MG BAD_FORMAT\n" },
	{ "mg " KEY250 "k z\r\n", "refuse MG BAD_FORMAT\n" },
	{ "me " KEY250 "k\r\n", "refuse ME BAD_FORMAT\n" },
	{ "mg Zm9 b\r\n", "refuse MG BAD_KEY_CODE\n" },
	{ "mg Z=== b\r\n", "refuse MG BAD_KEY_CODE\n" },
	{ "mg ==== b\r\n", "refuse MG BAD_KEY_CODE\n" },
	{ "md Zm9 b\r\n", "refuse MD BAD_KEY_CODE\n" },
	{ "mg " ENC240 "AAAAAAAAAAAA b\r\n", "refuse MG BAD_FORMAT\n" },
	{ "me *** b\r\n", "refuse ME BAD_FORMAT\n" },
	/* opaque, mode */
	{ "mg k " O31 "o\r\n", "refuse MG LONG_OPAQUE\n" },
	{ "ma k " O31 "o\r\n", "refuse MA LONG_OPAQUE\n" },
	{ "ma k M\r\n", "refuse MA BAD_MA_MODE\n" },
	{ "ma k Mi\r\n", "refuse MA BAD_MA_MODE\n" },
	{ "ma k MS\r\n", "refuse MA BAD_MA_MODE\n" },
	{ "ma k MX " O31 "o\r\n", "refuse MA BAD_MA_MODE\n" },
	/* how many */
	{ "mg k c f h k l q s t u v x O1 C1 E1 R1 T1 I L P\r\n",
	    "refuse MG TOO_MANY_FLAGS\n" },
	{ "mg k c c c c c c c c c c c c c c c c c c c\r\n",
	    "refuse MG TOO_MANY_FLAGS\n" },
	/* the 23rd word is still looked at, the 24th is not */
	{ "mg k c c c c c c c c c c c c c c c c c c c c ?\r\n",
	    "refuse MG BAD_FORMAT\n" },
	{ "mg k c c c c c c c c c c c c c c c c c c c c c ?\r\n",
	    "refuse MG TOO_MANY_FLAGS\n" },
	/* ma has one answer to all of it */
	{ "ma k z\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k v v\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k Dabc\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k D\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k Jx\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k Fx\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma Zm9 b\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma " KEY250 "k\r\n", "refuse MA BAD_MA_FLAG\n" },
	{ "ma k c f h k l q s t u v x O1 C1 E1 R1 T1 I L P\r\n",
	    "refuse MA BAD_MA_FLAG\n" },
	/* ms: a line that cannot be split swallows nothing ... */
	{ "ms k\r\n", "refuse MS BAD_FORMAT\n" },
	{ "ms k abc\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k -1\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k +1\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k 0x10\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k 2147483646\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k 4294967296\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k S100\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k 2 !\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	{ "ms k 2 z !\r\nmn\r\n", "refuse MS BAD_FORMAT\nMN\n" },
	/* ... all else the data block */
	{ "ms k 4 z\r\nmn\r\n\r\nmn\r\n",
	    "refuse MS BAD_FLAG swallow=6\nMN\n" },
	{ "ms k 0 T\r\n\r\nmn\r\n", "refuse MS BAD_TOKEN swallow=2\nMN\n" },
	{ "ms k 2 T0 T1\r\nhi\r\n", "refuse MS DUPLICATE_FLAG swallow=4\n" },
	{ "ms k 2 Fx\r\nhi\r\n", "refuse MS BAD_FORMAT swallow=4\n" },
	{ "ms k 2 " O31 "o\r\nhi\r\n", "refuse MS LONG_OPAQUE swallow=4\n" },
	{ "ms k 1 M\r\na\r\n", "refuse MS BAD_MS_MODE swallow=3\n" },
	{ "ms k 1 Me\r\na\r\n", "refuse MS BAD_MS_MODE swallow=3\n" },
	{ "ms k 1 MI\r\na\r\n", "refuse MS BAD_MS_MODE swallow=3\n" },
	{ "ms k 1 MX Tx\r\na\r\n", "refuse MS BAD_TOKEN swallow=3\n" },
	{ "ms Zm9 2 b\r\nhi\r\n", "refuse MS BAD_KEY_CODE swallow=4\n" },
	{ "ms " KEY250 "k 2\r\nhi\r\n", "refuse MS BAD_FORMAT swallow=4\n" },
	{ "ms k 2 c f h k l q s t u v x O1 C1 E1 R1 T1 I L\r\nhi\r\n",
	    "refuse MS TOO_MANY_FLAGS swallow=4\n" },
	{ "ms k 2147483645 z\r\nhi\r\n",
	    "refuse MS BAD_FLAG swallow=2147483647\nrest in swallow\n" },
};

START_TEST(refusals)
{
	check_sample(&REFUSALS[_i]);
}
END_TEST

static const struct {
	const char *name;
	const char *before, *after; /* the flags stand between */
	unsigned words;
} COMMANDS[] = {
	{ "MG", "mg k", "\r\n", 2 },
	{ "MD", "md k", "\r\n", 2 },
	{ "MA", "ma k", "\r\n", 2 },
	{ "MS", "ms k 2", "\r\nhi\r\n", 3 },
};
enum { NCOMMANDS = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

/* The log of a command with a letter so many times. */
static void
say_flags(struct talk *t, unsigned command, char letter, const char *token,
    unsigned times)
{
	char in[2048];
	size_t n = (size_t)snprintf(in, sizeof(in), "%s",
	    COMMANDS[command].before);

	for (unsigned i = 0; i < times; i++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, " %c%s",
		    letter, token);
	n += (size_t)snprintf(in + n, sizeof(in) - n, "%s",
	    COMMANDS[command].after);
	talk_init(t);
	talk(t, PROTO_TEXT, in, n, talk_whole, NULL);
}

static bool
known(char letter)
{
	return letter != '\0' && strchr(LETTERS, letter) != NULL;
}

/* Every byte that can stand alone as a last word. */
START_TEST(each_flag_bare)
{
	for (unsigned c = 1; c < 256; c++) {
		char letter = (char)c;
		bool class = (letter >= '0' && letter <= '9') ||
		    (letter >= 'A' && letter <= 'z');
		bool numbered = known(letter) &&
		    strchr("TNRFCEDJM", letter) != NULL;
		struct talk t;
		const char *want;

		if (c == ' ' || c == '\n' || c == '\r')
			continue;
		say_flags(&t, (unsigned)_i, letter, "", 1);
		/* M's mode counts for two of them, b wants base64 */
		if (letter == 'M' && COMMANDS[_i].words == 2 && _i != 2)
			numbered = false;
		if (letter == 'b')
			numbered = true;
		want = class && known(letter) && !numbered ? COMMANDS[_i].name :
		    "refuse ";
		ck_assert_msg(strncmp(t.log, want, strlen(want)) == 0,
		    "%s %c: %s", COMMANDS[_i].before, letter, t.log);
		if (!class)
			ck_assert_ptr_nonnull(strstr(t.log, "BAD_FORMAT\n"));
		talk_fini(&t);
	}
}
END_TEST

/* Twice, and far too often. */
START_TEST(each_flag_again)
{
	static const char *const twice[] = { "DUPLICATE_FLAG",
		"DUPLICATE_FLAG", "BAD_MA_FLAG", "DUPLICATE_FLAG swallow=4" };
	static const char *const often[] = { "TOO_MANY_FLAGS",
		"TOO_MANY_FLAGS", "BAD_MA_FLAG", "TOO_MANY_FLAGS swallow=4" };

	for (const char *l = LETTERS; *l != '\0'; l++) {
		struct talk t;
		char want[100];

		say_flags(&t, (unsigned)_i, *l, "1", 2);
		snprintf(want, sizeof(want), "refuse %s %s\n",
		    COMMANDS[_i].name, twice[_i]);
		ck_assert_str_eq(t.log, want);
		talk_fini(&t);
		say_flags(&t, (unsigned)_i, *l, "", 200);
		snprintf(want, sizeof(want), "refuse %s %s\n",
		    COMMANDS[_i].name, often[_i]);
		ck_assert_str_eq(t.log, want);
		talk_fini(&t);
	}
}
END_TEST

/* What the flags of a line mean, as numbers. */
START_TEST(numbers)
{
	static const char line[] = "ms k 5 T-7 N9 R30 F4294967295 C1 E2 D3 J4";
	struct request req;

	memset(&req, 0xa5, sizeof(req));
	ck_assert_int_eq(meta_parse(OP_MS, line, sizeof(line) - 1, &req),
	    PARSE_REQUEST);
	ck_assert_int_eq(req.meta.T, -7);
	ck_assert_int_eq(req.meta.N, 9);
	ck_assert_int_eq(req.meta.R, 30);
	ck_assert_uint_eq(req.meta.F, 4294967295);
	ck_assert_uint_eq(req.meta.C, 1);
	ck_assert_uint_eq(req.meta.E, 2);
	ck_assert_uint_eq(req.meta.D, 3);
	ck_assert_uint_eq(req.meta.J, 4);
	/* the same for who only reserves */
	ck_assert_int_eq(req.exptime, -7);
	ck_assert_uint_eq(req.client_flags, 4294967295);
	ck_assert(req.has_cas);
	ck_assert_uint_eq(req.cas, 1);
	memset(&req, 0xa5, sizeof(req));
	ck_assert_int_eq(meta_parse(OP_MS, "ms k 5", 6, &req), PARSE_REQUEST);
	ck_assert_uint_eq(req.meta.has, 0);
	ck_assert_int_eq(req.exptime, 0);
	ck_assert_uint_eq(req.client_flags, 0);
	ck_assert(!req.has_cas);
}
END_TEST

/* ------------------------------------------------------------ compose */

struct reply {
	const char *line;
	struct result res;
	const char *want;
};

#define HIT .status = STATUS_FOUND
#define ITEM                                                                  \
	HIT, .ttl = -1, .ttl_before = -1, .client_flags = 5, .nvalue = 3,     \
	.cas = 77, .idle = 9

static const struct reply REPLIES[] = {
	{ "mn", { .status = STATUS_OK }, "MN\r\n" },
	{ "mg k", { ITEM }, "HD\r\n" },
	{ "mg k v", { ITEM, .has_value = true }, "VA 3\r\n" },
	{ "mg k v", { HIT, .has_value = true }, "VA 0\r\n" },
	{ "mg k f s", { ITEM }, "HD f5 s3\r\n" },
	{ "mg k s f", { ITEM }, "HD s3 f5\r\n" },
	{ "mg k k s v f t", { ITEM, .has_value = true },
	    "VA 3 kk s3 f5 t-1\r\n" },
	{ "mg k c l h O123", { ITEM }, "HD c77 l9 h0 O123\r\n" },
	{ "mg k h O", { ITEM, .fetched = true }, "HD h1 O\r\n" },
	/* flags that return nothing, and what is glued to those that do */
	{ "mg k b1 u x q C1 D1 E1 F1 I J1 L1 M1 N1 P1 R1 kxx sxx",
	    { .status = STATUS_FOUND, .nvalue = 1 }, NULL },
	{ "mg k u x q C1 D1 E1 F1 I J1 L1 M1 N1 P1 R1 kxx sxx", { ITEM },
	    "HD kk s3\r\n" },
	/* t before and after T */
	{ "mg k t", { HIT, .ttl = 99 }, "HD t99\r\n" },
	{ "mg k t", { HIT, .ttl = 0 }, "HD t0\r\n" },
	{ "mg k T50 t", { HIT, .ttl = 50, .ttl_before = 100 }, "HD t50\r\n" },
	{ "mg k t T50", { HIT, .ttl = 50, .ttl_before = 100 }, "HD t100\r\n" },
	{ "mg k t T50", { HIT, .ttl = 50, .ttl_before = -1 }, "HD t-1\r\n" },
	{ "mg k t f T0 s", { ITEM }, "HD t-1 f5 s3\r\n" },
	/* marks, after the flags */
	{ "mg k v", { ITEM, .has_value = true, .won = true }, "VA 3 W\r\n" },
	{ "mg k", { ITEM, .stale = true, .won = true }, "HD X W\r\n" },
	{ "mg k s", { ITEM, .stale = true, .win_sent = true },
	    "HD s3 Z X\r\n" },
	{ "mg k", { ITEM, .win_sent = true }, "HD Z\r\n" },
	/* quiet hides no hit */
	{ "mg k q v", { ITEM, .has_value = true }, "VA 3\r\n" },
	{ "mg k v s f t c h l", { .status = STATUS_NOT_FOUND }, "EN\r\n" },
	{ "mg k Oabc k v s", { .status = STATUS_NOT_FOUND },
	    "EN Oabc kk\r\n" },
	{ "mg k q O1 k", { .status = STATUS_NOT_FOUND }, "" },
	{ "mg k q N5", { .status = STATUS_NO_MEMORY },
	    "SERVER_ERROR out of memory storing object\r\n" },
	/* b right behind the key */
	{ "mg Zm9v b k v", { ITEM, .has_value = true },
	    "VA 3 kZm9v b\r\n" },
	{ "mg Zm9v k O5 b", { ITEM }, "HD kZm9v b O5\r\n" },
	{ "mg Zm9v b s", { ITEM }, "HD s3\r\n" },
	{ "mg Z*m9v k b", { .status = STATUS_NOT_FOUND },
	    "EN kZm9v b\r\n" },
	{ "mg foo k", { ITEM, .binary_key = true }, "HD kZm9v b\r\n" },
	{ "md Zm9v b k", { .status = STATUS_DELETED }, "HD kZm9v b\r\n" },
	{ "ma Zm9v k b", { .status = STATUS_NOT_FOUND }, "NF kZm9v b\r\n" },
	{ "ms Zm9v 1 k b MR", { .status = STATUS_NOT_STORED },
	    "NS kZm9v b\r\n" },
	{ "ma bnVt b v k O7", { .status = STATUS_NUMBER, .number = 8 },
	    "VA 1 kbnVt b O7\r\n8\r\n" },
	/* ms */
	{ "ms k 3", { .status = STATUS_STORED }, "HD\r\n" },
	{ "ms k 3 c s O7 k", { .status = STATUS_STORED, .cas = 9,
	    .nvalue = 7 }, "HD c9 s7 O7 kk\r\n" },
	{ "ms k 3 t f h l", { .status = STATUS_STORED }, "HD\r\n" },
	{ "ms k 3 q c", { .status = STATUS_STORED }, "" },
	{ "ms k 3 q k O1", { .status = STATUS_NOT_STORED }, "NS kk O1\r\n" },
	{ "ms k 3 c s C1", { .status = STATUS_EXISTS, .cas = 9 },
	    "EX c0 s3\r\n" },
	{ "ms k 3 q s k C1", { .status = STATUS_NOT_FOUND },
	    "NF s3 kk\r\n" },
	{ "ms k 3 q", { .status = STATUS_BAD_CHUNK },
	    "CLIENT_ERROR bad data chunk\r\n" },
	{ "ms k 3 q", { .status = STATUS_TOO_LARGE },
	    "SERVER_ERROR object too large for cache\r\n" },
	/* md */
	{ "md k k O12 s c t", { .status = STATUS_DELETED },
	    "HD kk O12\r\n" },
	{ "md k q", { .status = STATUS_DELETED }, "" },
	{ "md k q O1", { .status = STATUS_NOT_FOUND }, "NF O1\r\n" },
	{ "md k C1 O3 k q", { .status = STATUS_EXISTS }, "EX O3 kk\r\n" },
	/* ma */
	{ "ma n", { .status = STATUS_NUMBER, .number = 12 }, "HD\r\n" },
	{ "ma n v t c O1 k s f", { .status = STATUS_NUMBER, .cas = 6,
	    .number = UINT64_MAX, .ttl = 60 },
	    "VA 20 t60 c6 O1 kn\r\n18446744073709551615\r\n" },
	{ "ma n v", { .status = STATUS_NUMBER }, "VA 1\r\n0\r\n" },
	{ "ma n t T5", { .status = STATUS_NUMBER, .ttl = 5,
	    .ttl_before = 60 }, "HD t60\r\n" },
	{ "ma n q v", { .status = STATUS_NUMBER }, "" },
	{ "ma n v t c k O1", { .status = STATUS_NOT_FOUND },
	    "NF kn O1\r\n" },
	{ "ma n q k O1 v", { .status = STATUS_EXISTS }, "EX kn O1\r\n" },
	{ "ma n q O1", { .status = STATUS_NOT_NUMBER }, "CLIENT_ERROR cannot "
	    "increment or decrement non-numeric value\r\n" },
	/* me */
	{ "me key", { ITEM, .class_id = 4, .size = 100 },
	    "ME key exp=-1 la=9 cas=77 fetch=no cls=4 size=100\r\n" },
	{ "me key", { HIT, .ttl = 30, .fetched = true },
	    "ME key exp=30 la=0 cas=0 fetch=yes cls=0 size=0\r\n" },
	{ "me foo", { ITEM, .binary_key = true },
	    "ME Zm9v exp=-1 la=9 cas=77 fetch=no cls=0 size=0\r\n" },
	{ "me Zm9v b", { ITEM },
	    "ME Zm9v exp=-1 la=9 cas=77 fetch=no cls=0 size=0\r\n" },
	{ "me k q O1", { .status = STATUS_NOT_FOUND }, "EN\r\n" },
	{ "me Zm9v b", { .status = STATUS_NOT_FOUND }, "EN\r\n" },
	{ "mg k", { .status = STATUS_NOTHING }, "" },
	{ "mg k q", { .status = STATUS_UNAUTHENTICATED },
	    "CLIENT_ERROR unauthenticated\r\n" },
};

static enum op
op_of(const char *line)
{
	static const char names[] = "mgmsmdmamemn";

	for (unsigned i = 0; i < 6; i++)
		if (memcmp(line, names + 2 * i, 2) == 0)
			return (enum op)(OP_MG + i);
	abort();
}

START_TEST(replies)
{
	const struct reply *r = &REPLIES[_i];
	struct request req;
	char scratch[PROTO_SCRATCH], *out = malloc(PROTO_REPLY_MAX), *end;
	enum parse parse;

	memset(&req, 0xa5, sizeof(req));
	req.scratch = scratch;
	parse = meta_parse(op_of(r->line), r->line, strlen(r->line), &req);
	ck_assert_int_eq(parse, r->want == NULL ? PARSE_REFUSE :
	    PARSE_REQUEST);
	if (r->want != NULL) {
		end = meta_compose(out, &req, &r->res);
		*end = '\0';
		ck_assert_str_eq(out, r->want);
	}
	free(out);
}
END_TEST

/* A refused line is answered even if it had a q. */
START_TEST(refusals_are_never_quiet)
{
	char out[PROTO_REPLY_MAX];
	struct request req;

	memset(&req, 0xa5, sizeof(req));
	ck_assert_int_eq(meta_parse(OP_MG, "mg k q z", 8, &req),
	    PARSE_REFUSE);
	*meta_compose(out, &req, &(struct result){ .status = req.problem }) =
	    '\0';
	ck_assert_str_eq(out, "CLIENT_ERROR invalid flag\r\n");
}
END_TEST

/* The longest there is. */
START_TEST(longest_reply)
{
	static const char line[] = "mg " KEY250 " v s f t c h l k " O31;
	struct result res = { .status = STATUS_FOUND, .has_value = true,
		.client_flags = UINT32_MAX, .nvalue = UINT32_MAX,
		.cas = UINT64_MAX, .ttl = INT64_MAX, .idle = UINT32_MAX,
		.stale = true, .won = true, .win_sent = true,
		.binary_key = true };
	struct request req;
	char *out = malloc(PROTO_REPLY_MAX);

	ck_assert_int_eq(meta_parse(OP_MG, line, sizeof(line) - 1, &req),
	    PARSE_REQUEST);
	ck_assert_int_le(meta_compose(out, &req, &res) - out,
	    PROTO_REPLY_MAX);
	free(out);
}
END_TEST

Suite *meta_suite(void);

Suite *
meta_suite(void)
{
	Suite *s = suite_create("meta");
	TCase *t = tcase_create("meta");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, requests, 0,
	    sizeof(REQUESTS) / sizeof(REQUESTS[0]));
	tcase_add_loop_test(t, refusals, 0,
	    sizeof(REFUSALS) / sizeof(REFUSALS[0]));
	tcase_add_loop_test(t, each_flag_bare, 0, NCOMMANDS);
	tcase_add_loop_test(t, each_flag_again, 0, NCOMMANDS);
	tcase_add_test(t, numbers);
	tcase_add_loop_test(t, replies, 0,
	    sizeof(REPLIES) / sizeof(REPLIES[0]));
	tcase_add_test(t, refusals_are_never_quiet);
	tcase_add_test(t, longest_reply);
	suite_add_tcase(s, t);
	return s;
}
