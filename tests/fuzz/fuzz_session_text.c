/*
 * fuzz_session_text.c - whatever text two clients send, the session keeps its
 * promises on a cache that evicts, and says the same in one piece and in many.
 *
 * The first byte is script_play()'s.  The rest is what is said, but for
 *
 *      fe B N  the byte B, N * N / 2 times     fc    the other client's turn
 *      fd S    S seconds pass
 */
#include "tests/fuzz/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct script *
write_script(const uint8_t *data, size_t n)
{
	struct script *x = script_new(PROTO_AUTO);
	unsigned who = 0;

	for (size_t i = 0; i < n; i++) {
		if (data[i] == 0xfe && n - i >= 3) {
			script_repeat(x, data[i + 1],
			    (size_t)data[i + 2] * data[i + 2] / 2);
			i += 2;
		} else if (data[i] == 0xfd && n - i >= 2)
			script_turn(x, who, data[++i]);
		else if (data[i] == 0xfc)
			script_turn(x, who ^= 1, 0);
		else
			script_say(x, &data[i], 1);
	}
	return x;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 1)
		script_play(write_script(data + 1, n - 1), data[0]);
	return 0;
}
