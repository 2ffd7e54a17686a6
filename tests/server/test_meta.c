/* test_meta.c - meta commands stay in step, whatever their flags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "proto/token.h"
#include "tests/server/talk.h"

/* ------------------------------------------------------------ flags */

#define FORMAT "CLIENT_ERROR bad command line format\r\n"
#define TOKEN "CLIENT_ERROR bad token in command line format\r\n"
#define TWICE "CLIENT_ERROR duplicate flag\r\n"
#define FLAG "CLIENT_ERROR invalid flag\r\n"
#define MANY "CLIENT_ERROR options flags are too long\r\n"
#define OF_MA "CLIENT_ERROR invalid or duplicate flag\r\n"

static const char KNOWN[] = "bcfhklqstuvxCDEFIJLMNOPRT";
enum { NCOMMANDS = 4, KEY_DECODES = 0, KEY_IS_NO_BASE64 = 1 };

/* Key and what follows it; an item of that name is there and a number. */
static const char *const HEADS[][NCOMMANDS] = {
	{ "mg a2V5", "ms a2V5 2", "md a2V5", "ma a2V5" },
	{ "mg key", "ms key 2", "md key", "ma key" },
};

/* Sends a line as it is and the value of ms, then asks for something else.
 * Returns what came before that answer. */
static const char *
replies(struct talk *t, unsigned cmd, const char *line, size_t n)
{
	static const char fence[] = "mg fence v O77\r\nmn\r\n";
	static const char tail[] = "VA 5 O77\r\nsteps\r\nMN\r\n";
	size_t ntail = sizeof(tail) - 1;

	talk_again(t);
	talk_send(t, line, n);
	if (cmd == 1)
		talk_send(t, "42\r\n", 4);
	talk_send(t, fence, sizeof(fence) - 1);
	ck_assert_msg(t->nout >= ntail &&
	    memcmp(t->out + t->nout - ntail, tail, ntail) == 0,
	    "out of step after %.*s: %s", (int)n, line, t->out);
	t->nout -= ntail;
	t->out[t->nout] = 0;
	return t->out;
}

static struct talk *
talk_with_items(void)
{
	struct talk *t = talk_new("-m 64");

	talk_expect(t, "set fence 0 0 5\r\nsteps\r\n", "STORED\r\n");
	return t;
}

static void
refresh(struct talk *t)
{
	talk_again(t);
	talk_expect(t, "set key 0 0 2\r\n41\r\n", "STORED\r\n");
}

/* The error of a flag whose token is missing; NULL if it needs none. */
static const char *
without_token(unsigned cmd, char letter)
{
	switch (letter) {
	case 'T':
	case 'N':
	case 'R':
	case 'C':
	case 'E':
		return cmd == 3 ? OF_MA : TOKEN;
	case 'F':
		return cmd == 3 ? OF_MA : FORMAT;
	case 'D':
		return cmd == 3 ? OF_MA :
		    "CLIENT_ERROR invalid numeric delta value\r\n";
	case 'J':
		return cmd == 3 ? OF_MA :
		    "CLIENT_ERROR invalid numeric initial value\r\n";
	case 'M':
		if (cmd == 1)
			return "CLIENT_ERROR invalid mode for ms M token\r\n";
		if (cmd == 3)
			return "CLIENT_ERROR invalid mode for ma M token\r\n";
		return NULL;
	default:
		return NULL;
	}
}

/* One reply or, of q, none; and no error. */
static void
check_one_reply(const char *line, const char *got)
{
	const char *end = strstr(got, "\r\n");

	ck_assert_msg(strstr(got, "ERROR") == NULL, "%s: %s", line, got);
	if (strchr(line + 6, 'q') != NULL && got[0] == 0)
		return;
	ck_assert_msg(end != NULL, "%s: no reply", line);
	end += 2;
	if (strncmp(got, "VA ", 3) == 0) {
		size_t n = (size_t)atoi(got + 3);

		ck_assert_msg(strlen(end) == n + 2, "%s: %s", line, got);
	} else {
		ck_assert_msg(*end == 0, "%s: two replies: %s", line, got);
	}
}

START_TEST(flag_without_argument)
{
	struct talk *t = talk_with_items();
	char line[128];

	for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++)
		for (const char *f = KNOWN; *f != 0; f++)
			for (unsigned last = 0; last < 2; last++) {
				const char *want = without_token(cmd, *f);
				const char *got;

				refresh(t);
				snprintf(line, sizeof(line), "%s %s%c%s\r\n",
				    HEADS[KEY_DECODES][cmd], last ? "v " : "",
				    *f, last || *f == 'v' ? "" : " v");
				if (last && *f == 'v')
					continue;
				got = replies(t, cmd, line, strlen(line));
				if (want != NULL)
					ck_assert_msg(strcmp(got, want) == 0,
					    "%s: %s", line, got);
				else
					check_one_reply(line, got);
			}
	talk_free(&t);
}
END_TEST

START_TEST(flag_twice)
{
	struct talk *t = talk_with_items();
	char line[128];

	for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++)
		for (const char *f = KNOWN; *f != 0; f++) {
			refresh(t);
			snprintf(line, sizeof(line), "%s %c1 v0 %c1\r\n",
			    HEADS[KEY_DECODES][cmd], *f, *f);
			ck_assert_str_eq(replies(t, cmd, line, strlen(line)),
			    cmd == 3 ? OF_MA : TWICE);
		}
	talk_free(&t);
}
END_TEST

/* More words than are looked at; of them all the value of ms is none. */
START_TEST(flag_two_hundred_times)
{
	static const char *const tokens[] = { "", "1", "30", "abcdefg" };
	struct talk *t = talk_with_items();
	char line[2048];

	for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++)
		for (const char *f = KNOWN; *f != 0; f++)
			for (unsigned k = 0; k < 4; k++) {
				int n = snprintf(line, sizeof(line), "%s",
				    HEADS[KEY_DECODES][cmd]);

				for (unsigned i = 0; i < 200; i++)
					n += snprintf(line + n,
					    sizeof(line) - n, " %c%s", *f,
					    tokens[k]);
				n += snprintf(line + n, sizeof(line) - n,
				    "\r\n");
				refresh(t);
				ck_assert_str_eq(replies(t, cmd, line, n),
				    cmd == 3 ? OF_MA : MANY);
			}
	talk_free(&t);
}
END_TEST

/* Any byte may stand where a flag does. */
START_TEST(any_byte_as_a_flag)
{
	struct talk *t = talk_with_items();

	for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++)
		for (unsigned byte = 0; byte < 256; byte++) {
			bool flag = (byte >= '0' && byte <= '9') ||
			    (byte >= 'A' && byte <= 'z');
			char line[64], want[128];
			int n;

			if (byte == '\n' || byte == ' ' || (byte != 0 &&
			    strchr(KNOWN, (int)byte) != NULL))
				continue;
			n = snprintf(line, sizeof(line), "%s s ",
			    HEADS[KEY_DECODES][cmd]);
			line[n++] = (char)byte;
			memcpy(line + n, "1\r\n", 3);
			/* What cannot be a flag: the line is no ms, and its
			 * value no value. */
			snprintf(want, sizeof(want), "%s%s", !flag ? FORMAT :
			    cmd == 3 ? OF_MA : FLAG,
			    !flag && cmd == 1 ? "ERROR\r\n" : "");
			refresh(t);
			ck_assert_str_eq(replies(t, cmd, line, n + 3),
			    !flag && cmd == 3 ? FORMAT : want);
		}
	talk_free(&t);
}
END_TEST

START_TEST(opaque_and_base64_at_their_limits)
{
	struct talk *t = talk_with_items();
	static const unsigned lengths[] = { 0, 1, 30, 31, 32, 33, 1000 };
	char line[1200], want[1200];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++) {
			int n = snprintf(line, sizeof(line), "%s O",
			    HEADS[KEY_IS_NO_BASE64][cmd]);

			memset(line + n, 'o', lengths[i]);
			strcpy(line + n + lengths[i], "\r\n");
			refresh(t);
			if (lengths[i] > 31)
				strcpy(want, "CLIENT_ERROR opaque token too "
					     "long\r\n");
			else
				snprintf(want, sizeof(want), "HD O%.*s\r\n",
				    (int)lengths[i], line + n);
			ck_assert_str_eq(replies(t, cmd, line, strlen(line)),
			    want);
		}
	for (unsigned cmd = 0; cmd < NCOMMANDS; cmd++) {
		snprintf(line, sizeof(line), "%s b\r\n",
		    HEADS[KEY_IS_NO_BASE64][cmd]);
		ck_assert_str_eq(replies(t, cmd, line, strlen(line)),
		    cmd == 3 ? OF_MA : "CLIENT_ERROR error decoding key\r\n");
	}
	talk_free(&t);
}
END_TEST

/* ------------------------------------------------------------ pipelines */

/*
 * A pipeline of quiet commands and the answers that a simple model of the
 * cache expects of it.  The same key is meant whether it comes in base64 or
 * not.
 */
enum { KEYS = 6, VALUE_MAX = 96, STEPS = 80, SEEDS = 150 };

struct slot {
	bool there;
	unsigned n;
	uint32_t flags;
	char value[VALUE_MAX];
};

struct pipeline {
	unsigned seed, serial;
	struct slot slots[KEYS];
	size_t nin, nout;
	char in[STEPS * 256];
	char out[STEPS * 256];
};

static unsigned
pick(struct pipeline *p, unsigned n)
{
	return (unsigned)rand_r(&p->seed) / 7 % n;
}

#define SAY(p, where, ...)                                                    \
	((p)->n##where += (size_t)snprintf((p)->where + (p)->n##where,        \
	     sizeof((p)->where) - (p)->n##where, __VA_ARGS__))

/* A command on a key: how it is written, and what comes back with a reply. */
struct line {
	unsigned key;
	bool quiet, value; /* q, v */
	bool size;	   /* s */
	char shown[96];	   /* return flags but s and f */
	char words[96];	   /* flags of the request */
	char name[16];	   /* the key as sent */
};

static void
add_word(struct line *l, const char *word, bool shown)
{
	strcat(strcat(l->words, " "), word);
	if (shown)
		strcat(strcat(l->shown, " "), word);
}

/* b, k, O and q in any order. */
static struct line
make_line(struct pipeline *p)
{
	struct line l = { .key = pick(p, KEYS) };
	bool encoded = pick(p, 3) == 0;
	char raw[8], word[32];
	int n = snprintf(raw, sizeof(raw), "key%u", l.key);

	strcpy(l.name, raw);
	if (encoded) {
		add_word(&l, "b", false);
		n = (int)token_base64_encode(raw, n, l.name);
		l.name[n] = 0;
	}
	if (pick(p, 4) != 0) {
		snprintf(word, sizeof(word), "O%u", ++p->serial);
		add_word(&l, word, true);
	}
	l.quiet = pick(p, 4) != 0;
	if (l.quiet)
		add_word(&l, "q", false);
	/* Only with b: an item that came with it remembers that it did. */
	if (encoded && pick(p, 2) == 0) {
		strcat(l.words, " k");
		strcat(strcat(strcat(l.shown, " k"), l.name), " b");
	}
	return l;
}

static void
step_get(struct pipeline *p)
{
	struct line l = make_line(p);
	const struct slot *s = &p->slots[l.key];
	bool value = pick(p, 3) != 0;

	SAY(p, in, "mg %s%s%s s f\r\n", l.name, l.words, value ? " v" : "");
	if (!s->there) {
		if (!l.quiet)
			SAY(p, out, "EN%s\r\n", l.shown);
		return;
	}
	if (value)
		SAY(p, out, "VA %u", s->n);
	else
		SAY(p, out, "HD");
	SAY(p, out, "%s s%u f%u\r\n", l.shown, s->n, s->flags);
	if (value)
		SAY(p, out, "%.*s\r\n", (int)s->n, s->value);
}

/* True if it was stored. */
static bool
put(struct slot *s, char mode, const char *value, unsigned n, uint32_t flags)
{
	if (mode == 'E' ? s->there : mode != 'S' && !s->there)
		return false;
	if (mode == 'A') {
		memcpy(s->value + s->n, value, n);
		s->n += n;
	} else if (mode == 'P') {
		memmove(s->value + n, s->value, s->n);
		memcpy(s->value, value, n);
		s->n += n;
	} else {
		memcpy(s->value, value, n);
		s->n = n;
		s->flags = flags;
		s->there = true;
	}
	return true;
}

static void
step_set(struct pipeline *p)
{
	struct line l = make_line(p);
	struct slot *s = &p->slots[l.key];
	char mode = "SERAP"[pick(p, 5)], value[16];
	uint32_t flags = pick(p, 3) * 1000;
	unsigned n;
	bool stored;

	if (pick(p, 2) == 0)
		n = (unsigned)snprintf(value, sizeof(value), "%u",
		    pick(p, 200));
	else
		n = (unsigned)snprintf(value, sizeof(value), "text%u",
		    pick(p, 99));
	if (s->n + n > VALUE_MAX)
		mode = 'S';
	SAY(p, in, "ms %s %u%s M%c F%u s\r\n%s\r\n", l.name, n, l.words, mode,
	    flags, value);
	stored = put(s, mode, value, n, flags);
	if (!stored)
		SAY(p, out, "NS%s s%u\r\n", l.shown, n);
	else if (!l.quiet)
		SAY(p, out, "HD%s s%u\r\n", l.shown, s->n);
}

static void
step_delete(struct pipeline *p)
{
	struct line l = make_line(p);
	struct slot *s = &p->slots[l.key];

	SAY(p, in, "md %s%s\r\n", l.name, l.words);
	if (!s->there)
		SAY(p, out, "NF%s\r\n", l.shown);
	else if (!l.quiet)
		SAY(p, out, "HD%s\r\n", l.shown);
	s->there = false;
	s->n = 0;
}

/* Digits, after blanks or none, up to a blank or the end. */
static bool
read_number(const struct slot *s, uint64_t *number)
{
	unsigned i = 0, from;

	while (i < s->n && s->value[i] == ' ')
		i++;
	for (from = i, *number = 0; i < s->n && s->value[i] >= '0' &&
	    s->value[i] <= '9'; i++)
		*number = *number * 10 + (unsigned)(s->value[i] - '0');
	return i > from && i - from < 19 && (i == s->n || s->value[i] == ' ');
}

static void
step_count(struct pipeline *p)
{
	struct line l = make_line(p);
	struct slot *s = &p->slots[l.key];
	bool down = pick(p, 2), create = pick(p, 2), value = pick(p, 2);
	unsigned delta = pick(p, 120), initial = pick(p, 50);
	uint64_t number = initial;
	char digits[24];
	unsigned n;

	SAY(p, in, "ma %s%s M%s D%u%s", l.name, l.words, down ? "D" : "+",
	    delta, value ? " v" : "");
	if (create)
		SAY(p, in, " N0 J%u", initial);
	SAY(p, in, "\r\n");
	if (!s->there && !create) {
		SAY(p, out, "NF%s\r\n", l.shown);
		return;
	}
	if (s->there) {
		if (!read_number(s, &number)) {
			SAY(p, out, "CLIENT_ERROR cannot increment or "
				    "decrement non-numeric value\r\n");
			return;
		}
		if (down)
			number = number < delta ? 0 : number - delta;
		else
			number += delta;
	} else {
		s->n = s->flags = 0;
	}
	n = (unsigned)snprintf(digits, sizeof(digits), "%llu",
	    (unsigned long long)number);
	if (n > s->n)
		s->n = n;
	memset(s->value, ' ', s->n);
	memcpy(s->value, digits, n);
	s->there = true;
	if (l.quiet)
		return;
	if (value)
		SAY(p, out, "VA %u%s\r\n%s\r\n", n, l.shown, digits);
	else
		SAY(p, out, "HD%s\r\n", l.shown);
}

static void
step_error(struct pipeline *p)
{
	static const struct {
		const char *in, *out;
	} errors[] = {
		{ "mg\r\n", FORMAT },
		{ "mg key1 q q\r\n", TWICE },
		{ "mg key1 q Tx\r\n", TOKEN },
		{ "ms key1 2 q T\r\nxx\r\n", TOKEN },
		{ "ms key1 2 q !\r\nxx\r\n", FORMAT "ERROR\r\n" },
		{ "ms key1 2 q\r\nxxxxxx\r\n",
		    "CLIENT_ERROR bad data chunk\r\nERROR\r\n" },
		{ "ms key1 x q\r\n", FORMAT },
		{ "ma key1 q MX\r\n",
		    "CLIENT_ERROR invalid mode for ma M token\r\n" },
		{ "md key1 q Z\r\n", FLAG },
		{ "mn\r\n", "MN\r\n" },
		{ "mx key1\r\n", "ERROR\r\n" },
	};
	unsigned i = pick(p, sizeof(errors) / sizeof(errors[0]));

	SAY(p, in, "%s", errors[i].in);
	SAY(p, out, "%s", errors[i].out);
}

static void
make_pipeline(struct pipeline *p, unsigned seed)
{
	static void (*const steps[])(struct pipeline *) = { step_get, step_get,
		step_set, step_set, step_delete, step_count, step_count,
		step_error };

	memset(p, 0, sizeof(*p));
	p->seed = seed;
	for (unsigned i = 0; i < STEPS - 1; i++)
		steps[pick(p, 8)](p);
	SAY(p, in, "mn\r\n");
	SAY(p, out, "MN\r\n");
	ck_assert_uint_lt(p->nin, sizeof(p->in) - 1);
	ck_assert_uint_lt(p->nout, sizeof(p->out) - 1);
}

START_TEST(quiet_pipelines_in_pieces)
{
	struct pipeline *p = malloc(sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct talk *t = talk_new("-m 64");
		/* all at once, byte by byte, and anything between */
		unsigned most = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 1 << 20 :
		    1 + seed;
		size_t at = 0;

		make_pipeline(p, seed);
		while (at < p->nin) {
			size_t n = 1 + pick(p, most);

			if (n > p->nin - at)
				n = p->nin - at;
			talk_send(t, p->in + at, n);
			at += n;
		}
		ck_assert_msg(strcmp(t->out, p->out) == 0,
		    "seed %u\nsent:\n%s\ngot:\n%s\nwanted:\n%s", seed, p->in,
		    t->out, p->out);
		talk_free(&t);
	}
	free(p);
}
END_TEST

/* ------------------------------------------------------------ clients */

/* The lines that Dalli, a Ruby client, writes. */
START_TEST(time_left_before_and_after_it_is_set)
{
	static const char *const says[][2] = {
		{ "mg a t N30", "HD t-1 W" },
		{ "mg b N30 t", "HD t30 W" },
		{ "mg c N-1 T40 t", "HD t40 W" },
		{ "mg c t", "HD t40 Z" },
		{ "mg d T40 N60 t", "HD t60 W" },
		{ "mg d t T9", "HD t60 Z" },
		{ "ma e t N30", "HD t-1" },
		{ "ma e t T60", "HD t30" },
		{ "ma e T90 t v", "VA 1 t90\r\n2" },
		{ "ma f N30 T60 t", "HD t60" },
	};
	struct talk *t = talk_new("-m 64");
	char line[64], answer[64];

	for (unsigned i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		snprintf(line, sizeof(line), "%s\r\n", says[i][0]);
		snprintf(answer, sizeof(answer), "%s\r\n", says[i][1]);
		talk_expect(t, line, answer);
	}
	talk_free(&t);
}
END_TEST

/* Flags are heeded in their order, as by memcached. */
START_TEST(rebuilt_by_the_time_it_is_given)
{
	static const char *const says[][2] = {
		{ "mg a N300", "HD W" },
		{ "ms a 1\r\n1", "HD" },
		{ "mg a R30 T5", "HD" },
		{ "mg a T300 R30", "HD" },
		{ "mg a T5 k R30", "HD ka W" },
		{ "mg a R30", "HD Z" },
		{ "ms b 1 T10\r\n1", "HD" },
		{ "mg b R30 T300 t", "HD t300 W" },
		{ "ms c 1 T10\r\n1", "HD" },
		{ "mg c T-1 R30", "HD W" },
		{ "ms d 1 T10\r\n1", "HD" },
		{ "mg d T0 R30", "HD" },
	};
	struct talk *t = talk_new("-m 64");
	char line[64], answer[64];

	for (unsigned i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		snprintf(line, sizeof(line), "%s\r\n", says[i][0]);
		snprintf(answer, sizeof(answer), "%s\r\n", says[i][1]);
		talk_expect(t, line, answer);
	}
	talk_free(&t);
}
END_TEST

/* C0 is none to ma; to others no item has it. */
START_TEST(arithmetic_without_a_number)
{
	struct talk *t = talk_new("-m 64");

	talk_expect(t, "ms n 1 E7\r\n1\r\n", "HD\r\n");
	talk_expect(t, "ma n C0 v\r\n", "VA 1\r\n2\r\n");
	talk_expect(t, "ma n C7 v\r\n", "EX\r\n");
	talk_expect(t, "md n C0\r\n", "EX\r\n");
	talk_expect(t, "ms n 1 C0\r\n1\r\n", "EX\r\n");
	talk_expect(t, "ms e 0 E7\r\n\r\nma e C8\r\n", "HD\r\n"
	    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
	talk_free(&t);
}
END_TEST

START_TEST(as_dalli_speaks)
{
	struct talk *t = talk_new("-m 64");

	talk_expect(t, "ms key 5 c F1 E1 T300 MS\r\nvalue\r\n",
	    "HD c1\r\n");
	talk_expect(t, "mg key v f\r\n", "VA 5 f1\r\nvalue\r\n");
	talk_expect(t, "mg key v f c\r\n", "VA 5 f1 c1\r\nvalue\r\n");
	talk_expect(t, "mg key v f T100\r\n", "VA 5 f1\r\nvalue\r\n");
	talk_expect(t, "mg a2V5 b v f\r\n", "VA 5 f1\r\nvalue\r\n");
	/* several keys: quiet gets and a fence */
	talk_expect(t, "mg key v f k q s\r\nmg none v f k q s\r\n"
		       "mg w6k= b v f k q s\r\nmn\r\n",
	    "VA 5 f1 kkey s5\r\nvalue\r\nMN\r\n");
	talk_expect(t, "ms key 5 c F1 C1 E2 T300 MS\r\nother\r\n",
	    "HD c2\r\n");
	talk_expect(t, "ms key 5 c F1 C1 T300 MS\r\nlates\r\n", "EX c0\r\n");
	talk_expect(t, "ms key 1 c F0 T0 ME q\r\nx\r\nmn\r\n",
	    "NS c0\r\nMN\r\n");
	talk_expect(t, "ma count v D1 J10 N300 MI\r\n", "VA 2\r\n10\r\n");
	talk_expect(t, "ma count v D5 J10 N300 MI\r\n", "VA 2\r\n15\r\n");
	talk_expect(t, "ma count v D6 MD\r\n", "VA 1\r\n9\r\n");
	talk_expect(t, "ma count t T32 D0\r\n", "HD t300\r\n");
	talk_expect(t, "ma nobody v D1 MI\r\n", "NF\r\n");
	talk_expect(t, "ms key 2 MA q\r\n++\r\nms key 2 MP q\r\n--\r\nmn\r\n",
	    "MN\r\n");
	talk_expect(t, "mg key v\r\n", "VA 9\r\n--other++\r\n");
	talk_expect(t, "md key q\r\nmd nobody q\r\nmn\r\n", "NF\r\nMN\r\n");
	talk_expect(t, "flush_all 0 noreply\r\nmn\r\n", "MN\r\n");
	talk_free(&t);
}
END_TEST

Suite *
meta_suite(void)
{
	Suite *s = suite_create("meta");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, flag_without_argument);
	tcase_add_test(tc, flag_twice);
	tcase_add_test(tc, flag_two_hundred_times);
	tcase_add_test(tc, any_byte_as_a_flag);
	tcase_add_test(tc, opaque_and_base64_at_their_limits);
	tcase_add_test(tc, quiet_pipelines_in_pieces);
	tcase_add_test(tc, rebuilt_by_the_time_it_is_given);
	tcase_add_test(tc, arithmetic_without_a_number);
	tcase_add_test(tc, as_dalli_speaks);
	tcase_add_test(tc, time_left_before_and_after_it_is_set);
	suite_add_tcase(s, tc);
	return s;
}
