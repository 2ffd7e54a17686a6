/*
 * fuzz_token.c - words, numbers and base64, against readers that are slow and
 * plain.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef __int128 wide;

/* The rules of PROTOCOL.md: a sign or none, only digits, at most so many
 * characters, within these bounds. */
static bool
plain_number(const char *at, size_t n, bool sign, size_t most, wide low,
    wide high, wide *out)
{
	bool minus = sign && n > 0 && at[0] == '-';
	wide v = 0;

	if (n > most || n == (size_t)minus)
		return false;
	for (size_t i = minus; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		v = v * 10 + (at[i] - '0');
	}
	*out = minus ? -v : v;
	return *out >= low && *out <= high;
}

static void
check_numbers(struct word w)
{
	int32_t i32 = 77;
	uint32_t u32 = 77;
	uint64_t u64 = 77;
	wide v;
	bool ok;

	ok = plain_number(w.at, w.n, true, 11, INT32_MIN, INT32_MAX, &v);
	assert(token_int32(w, &i32) == ok);
	assert(i32 == (ok ? (int32_t)v : 77));
	ok = plain_number(w.at, w.n, false, 11, 0, UINT32_MAX, &v);
	assert(token_uint32(w, &u32) == ok);
	assert(u32 == (ok ? (uint32_t)v : 77));
	ok = plain_number(w.at, w.n, false, 22, 0, UINT64_MAX, &v);
	assert(token_uint64(w, &u64) == ok);
	assert(u64 == (ok ? (uint64_t)v : 77));
}

/* What libc makes of it; false if there is no number, or one beyond 64 bits,
 * or something behind it. */
static bool
libc_number(struct word w, bool *minus, uint64_t *magnitude)
{
	char text[64], *p = text, *end;
	unsigned long long v;

	memcpy(text, w.at, w.n);
	text[w.n] = '\0';
	while (isspace((unsigned char)*p))
		p++;
	*minus = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	if (!isdigit((unsigned char)*p))
		return false;
	v = strtoull(p, &end, 10);
	*magnitude = v;
	/* a maximum that was not said is an overflow */
	if (v == UINT64_MAX) {
		while (*p == '0')
			p++;
		if (strncmp(p, "18446744073709551615", 20) != 0 ||
		    isdigit((unsigned char)p[20]))
			return false;
	}
	return *end == '\0' || isspace((unsigned char)*end);
}

static void
check_loose_numbers(struct word w)
{
	bool minus, ok;
	uint64_t v = 0;
	uint32_t flags = 77;
	int64_t exptime = 77;

	if (w.n >= 60)
		return;
	ok = libc_number(w, &minus, &v);
	if (minus)
		v = -v;
	assert(token_flags(w, &flags) == (ok && !(minus && v >> 63)));
	if (ok && !(minus && v >> 63))
		assert(flags == (uint32_t)v);
	if (minus)
		v = -v;
	ok = ok && v <= (uint64_t)INT64_MAX + minus;
	assert(token_exptime(w, &exptime) == ok);
	if (ok)
		assert(exptime == (int32_t)(minus ? -v : v));
	else
		assert(exptime == 77);
}

static void
check_words(const char *in, size_t n)
{
	struct word words[PROTO_WORDS_MAX], slow[PROTO_WORDS_MAX];
	unsigned most = n > 0 ? (uint8_t)in[0] % PROTO_WORDS_MAX + 1 : 1;
	unsigned count = 0;
	size_t i = 0;

	while (i < n && count < most) {
		if (in[i] == ' ') {
			i++;
			continue;
		}
		slow[count].at = in + i;
		while (i < n && in[i] != ' ')
			i++;
		slow[count].n = (uint32_t)(in + i - slow[count].at);
		count++;
	}
	assert(token_words(in, n, words, most) == count);
	for (i = 0; i < count; i++) {
		assert(words[i].at == slow[i].at && words[i].n == slow[i].n);
		assert(token_is(words[i], "incr") == (words[i].n == 4 &&
		    memcmp(words[i].at, "incr", 4) == 0));
	}
}

static int
value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	if (c == '=')
		return 0;
	return at != NULL ? (int)(at - digits) : -1;
}

/* Junk left out, a multiple of four, the first padded block the last. */
static int
slow_decode(const char *in, size_t n, char *out, size_t room)
{
	char *clean = malloc(n + 1);
	size_t count = 0, done = 0;
	int status = -1;

	assert(clean != NULL);
	for (size_t i = 0; i < n; i++)
		if (value_of(in[i]) >= 0)
			clean[count++] = in[i];
	if (count == 0 || count % 4 != 0)
		goto end;
	for (size_t i = 0; i < count; i += 4) {
		uint32_t bits = 0;
		size_t pads = 0, bytes;

		for (size_t j = 0; j < 4; j++) {
			bits = bits << 6 | (uint32_t)value_of(clean[i + j]);
			pads += clean[i + j] == '=';
		}
		bytes = 3 - pads;
		if (pads > 2 || room - done < bytes)
			goto end;
		for (size_t j = 0; j < bytes; j++)
			out[done++] = (char)(bits >> (16 - 8 * j));
		if (pads > 0)
			break;
	}
	status = (int)done;
end:
	free(clean);
	return status;
}

static void
check_base64(const char *in, size_t n)
{
	size_t room = n > 0 ? (uint8_t)in[n - 1] : 0, len;
	char *fast = malloc(room + 1), *slow = malloc(room + 1);
	char *text = malloc(n / 3 * 4 + 5), *back = malloc(n + 1);
	int nfast, nslow;

	assert(fast != NULL && slow != NULL && text != NULL && back != NULL);
	nslow = slow_decode(in, n, slow, room);
	nfast = token_base64_decode(in, n, fast, room);
	assert(nfast == nslow);
	assert(nfast <= 0 || memcmp(fast, slow, (size_t)nfast) == 0);
	len = token_base64_encode(in, n, text);
	assert(len == (n + 2) / 3 * 4);
	if (n > 0) {
		assert(token_base64_decode(text, len, back, n) == (int)n);
		assert(memcmp(back, in, n) == 0);
	}
	free(fast);
	free(slow);
	free(text);
	free(back);
}

static void
check_digits(const uint8_t *data, size_t n)
{
	uint64_t v = 0;
	char text[24], want[24];
	char *end;

	memcpy(&v, data, n < 8 ? n : 8);
	if (n > 8)
		v >>= data[8] & 63;
	end = token_put_uint64(text, v);
	*end = '\0';
	snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
	assert(strcmp(text, want) == 0);
	assert(token_digits(v) == strlen(want));
	if (v < 10000) {
		end = token_put_short(text, (unsigned)v);
		assert(end == text + strlen(want));
		assert(memcmp(text, want, strlen(want)) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct word w = { (const char *)data, (uint32_t)n };
	double ignored;

	check_numbers(w);
	check_loose_numbers(w);
	token_double(w, &ignored);
	check_words((const char *)data, n);
	check_base64((const char *)data, n);
	check_digits(data, n);
	return 0;
}
