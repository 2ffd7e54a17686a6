/*
 * fuzz_session_meta.c - whatever meta commands two clients send, mixed with
 * classic ones.
 *
 * The first byte is script_play()'s.  The rest are orders of which lines are
 * made: a command, a key out of a few, and flags with their tokens; so that
 * most of them mean something.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct orders {
	const uint8_t *at, *end;
};

static unsigned
next(struct orders *o)
{
	return o->at < o->end ? *o->at++ : 0;
}

static void
say(struct script *x, const char *text)
{
	script_say(x, text, strlen(text));
}

static void
say_number(struct script *x, unsigned how)
{
	static const char *const odd[] = { "-1", "0", "4294967295",
		"18446744073709551615", "2147483647", "-2147483648", "",
		"99999999999999999999", "1x", "60", "2592001", "+1" };
	char text[16];

	if (how >= 256 - 12)
		say(x, odd[how - (256 - 12)]);
	else {
		snprintf(text, sizeof(text), "%u", how);
		say(x, text);
	}
}

static void
say_key(struct script *x, unsigned which)
{
	static const char *const keys[] = { "a", "b", "key", "Zm9v", "AAECAw==",
		"k\x01\xff", "!!", "" };

	if (which < 240)
		say(x, keys[which % 7]);
	else if (which == 240)
		script_repeat(x, 'k', 250);
	else if (which == 241)
		script_repeat(x, 'k', 251);
	else
		say(x, keys[7]);
}

static void
say_flag(struct script *x, struct orders *o)
{
	static const char letters[] = "bcfhklqstuvxCDEFIJLMNOPRTyz!";
	unsigned byte = next(o);
	char letter = letters[byte % (sizeof(letters) - 1)];

	script_say(x, " ", 1);
	script_say(x, &letter, 1);
	if (letter == 'M')
		script_say(x, &"SERAPIDZ+-"[next(o) % 10], 1);
	else if (letter == 'O')
		script_repeat(x, 'o', next(o) % 40);
	else if (memchr("CDEFJNRT", letter, 8) != NULL && byte < 240)
		say_number(x, next(o));
}

static void
say_value(struct script *x, unsigned n, unsigned byte)
{
	script_repeat(x, "0 9a"[byte % 4], n);
	say(x, byte < 250 ? "\r\n" : "\rx");
}

static void
say_line(struct script *x, struct orders *o, unsigned what)
{
	static const char *const words[] = { "mg ", "mg ", "ms ", "md ", "ma ",
		"me ", "mn ", "get ", "set ", "add ", "append ", "delete ",
		"incr ", "touch ", "gat 5 ", "mz " };
	unsigned word = what % 16, flags = what / 16 % 8;
	unsigned n = 0;
	char text[32];

	say(x, words[word]);
	say_key(x, next(o));
	if (word == 2 || (word >= 8 && word <= 10)) {
		n = next(o);
		n = n < 200 ? n / 4 : (n - 199) * (n - 199) * 20;
		snprintf(text, sizeof(text), word == 2 ? " %u" : " 0 0 %u", n);
		say(x, text);
	} else if (word == 12 || word == 13)
		say(x, " 7");
	for (; flags > 0 && word < 7; flags--)
		say_flag(x, o);
	say(x, what < 128 ? "\r\n" : "\n");
	if (word == 2 || (word >= 8 && word <= 10))
		say_value(x, n, next(o));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct script *x = script_new(PROTO_AUTO);
	struct orders o = { data + 1, data + n };
	unsigned who = 0;

	if (n < 2)
		return 0;
	while (o.at < o.end) {
		unsigned what = next(&o);

		if (what == 255)
			script_turn(x, who, next(&o));
		else if (what == 254)
			script_turn(x, who ^= 1, 0);
		else if (what == 253)
			say(x, "flush_all\r\n");
		else
			say_line(x, &o, what);
	}
	script_play(x, data[0]);
	return 0;
}
