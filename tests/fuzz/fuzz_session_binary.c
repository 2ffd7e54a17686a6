/*
 * fuzz_session_binary.c - whatever packets two clients send.
 *
 * The first byte is script_play()'s.  If the second is odd, what follows is
 * said as it stands; else it is orders of which packets are made: opcode, how
 * the header lies, a key out of a few, the length of a value.
 */
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

/* Extras of an opcode, as they should be. */
static unsigned
extras_of(unsigned opcode)
{
	static const uint8_t by_opcode[0x25] = {
		[0x01] = 8, [0x02] = 8, [0x03] = 8, [0x05] = 20, [0x06] = 20,
		[0x08] = 4, [0x11] = 8, [0x12] = 8, [0x13] = 8, [0x15] = 20,
		[0x16] = 20, [0x18] = 4, [0x1c] = 4, [0x1d] = 4, [0x1e] = 4,
		[0x23] = 4, [0x24] = 4 };

	return opcode < sizeof(by_opcode) ? by_opcode[opcode] : 0;
}

static bool
has_value(unsigned opcode)
{
	unsigned loud = opcode & 0x0f;

	return opcode < 0x20 && ((loud >= 1 && loud <= 3) || opcode == 0x0e ||
	    opcode == 0x0f || opcode == 0x19 || opcode == 0x1a);
}

static unsigned
value_of(unsigned how)
{
	return how < 200 ? how / 4 : (how - 199) * (how - 199) * 20;
}

/* What is said of the packet may be wrong. */
static void
tell_lies(uint8_t *head, unsigned how, struct orders *o)
{
	static const uint8_t where[] = { 0, 2, 3, 4, 5, 8, 9, 10, 11, 16 };

	if (how >= 246)
		head[where[how - 246]] = (uint8_t)next(o);
	else if (how >= 230)
		head[23] = (uint8_t)(how - 230); /* compare */
}

static void
say_packet(struct script *x, struct orders *o, unsigned opcode)
{
	static const char *const keys[] = { "a", "b", "key", "n", "", "items" };
	uint8_t head[24] = { 0x80, (uint8_t)opcode }, extras[20] = { 0 };
	unsigned how = next(o), which = next(o);
	const char *key = keys[which % 6];
	unsigned nkey = (unsigned)strlen(key), nextras = extras_of(opcode);
	unsigned nvalue = has_value(opcode) ? value_of(next(o)) : 0;
	unsigned body = nkey + nextras + nvalue;

	head[3] = (uint8_t)nkey;
	head[4] = (uint8_t)nextras;
	head[9] = (uint8_t)(body >> 16);
	head[10] = (uint8_t)(body >> 8);
	head[11] = (uint8_t)body;
	head[15] = (uint8_t)how;
	tell_lies(head, how, o);
	if (nextras > 0 && (which & 0x40))
		extras[nextras - 1] = (uint8_t)next(o);
	if (which & 0x80)
		memset(extras, (int)next(o), nextras);
	script_say(x, head, sizeof(head));
	script_say(x, extras, nextras);
	script_say(x, key, nkey);
	script_repeat(x, "1 a9"[which % 4], nvalue);
}

static void
follow_orders(struct script *x, struct orders *o)
{
	unsigned who = 0;

	while (o->at < o->end) {
		unsigned what = next(o);

		if (what == 255)
			script_turn(x, who, next(o));
		else if (what == 254)
			script_turn(x, who ^= 1, 0);
		else
			say_packet(x, o, what % 0x28);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct script *x = script_new(PROTO_BINARY);
	struct orders o = { data + 2, data + n };

	if (n < 3)
		return 0;
	if (data[1] & 1)
		script_say(x, data + 2, n - 2);
	else
		follow_orders(x, &o);
	script_play(x, data[0]);
	return 0;
}
