/* order.c - see model.h: what a client sends. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <assert.h>
#include <endian.h>

#include "tests/fuzz/model.h"

void
bytes_add(struct bytes *b, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	if (b->room - b->n < n) {
		b->room = 2 * (b->n + n);
		b->at = realloc(b->at, b->room);
		assert(b->at != NULL);
	}
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

void
bytes_print(struct bytes *b, const char *format, ...)
{
	char text[600];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert(n >= 0 && n < (int)sizeof(text));
	bytes_add(b, text, (size_t)n);
}

static const char *const KEYS[MODEL_KEYS][2] = {
	{ "a", "YQ==" }, { "bb", "YmI=" }, { "key", "a2V5" },
	{ "n1", "bjE=" }, { "n2", "bjI=" }, { "\x01\xff", "Af8=" },
	{ "a:b", "YTpi" }, { "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
	    "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2traw==" },
};

const char *
order_key(unsigned key)
{
	return KEYS[key][0];
}

const char *
order_key64(unsigned key)
{
	return KEYS[key][1];
}

void
order_value(const struct order *o, struct bytes *b)
{
	char block[1000];
	uint32_t left = o->nvalue;

	if (o->value != NULL) {
		bytes_add(b, o->value, o->nvalue);
		return;
	}
	memset(block, o->fill, sizeof(block));
	for (; left > sizeof(block); left -= sizeof(block))
		bytes_add(b, block, sizeof(block));
	bytes_add(b, block, left);
}

static const char *
noreply(const struct order *o)
{
	return o->quiet ? " noreply" : "";
}

static void
say_text(const struct order *o, struct bytes *b)
{
	static const char *const words[] = { "get", "gets", "gat", "gats",
		"set", "add", "replace", "append", "prepend", "cas", "delete",
		"incr", "decr", "touch", "flush_all", "mn" };

	bytes_print(b, "%s", words[o->kind]);
	if (o->kind == GAT || o->kind == GATS)
		bytes_print(b, " %lld", (long long)o->exptime);
	for (unsigned i = 0; i < o->nkeys; i++)
		bytes_print(b, " %s", order_key(o->keys[i]));
	if (o->kind >= SET && o->kind <= CAS)
		bytes_print(b, " %u %lld %u", o->client_flags,
		    (long long)o->exptime, o->nvalue);
	if (o->kind == CAS)
		bytes_print(b, " %llu", (unsigned long long)o->cas);
	if (o->kind == INCR || o->kind == DECR)
		bytes_print(b, " %llu", (unsigned long long)o->delta);
	if (o->kind == TOUCH)
		bytes_print(b, " %lld", (long long)o->exptime);
	bytes_print(b, "%s\r\n", noreply(o));
	if (o->kind >= SET && o->kind <= CAS) {
		order_value(o, b);
		bytes_add(b, "\r\n", 2);
	}
}

static void
say_meta(const struct order *o, struct bytes *b)
{
	static const char *const words[] = { "mg", "ms", "md", "ma" };

	bytes_print(b, "%s %s", words[o->kind - MG], order_flag(o, 'b') ?
	    order_key64(o->keys[0]) : order_key(o->keys[0]));
	if (o->kind == MS)
		bytes_print(b, " %u", o->nvalue);
	for (unsigned i = 0; i < o->nflags; i++) {
		const struct flag *f = &o->flags[i];

		bytes_print(b, " %c", f->letter);
		if (f->letter == 'M')
			bytes_print(b, "%c", o->mode);
		else if (strchr("OTNRCEFDJ", f->letter) != NULL)
			bytes_print(b, "%lld", (long long)f->number);
	}
	bytes_add(b, "\r\n", 2);
	if (o->kind == MS) {
		order_value(o, b);
		bytes_add(b, "\r\n", 2);
	}
}

static uint8_t
opcode_of(const struct order *o)
{
	switch (o->kind) {
	case BGET:
		return o->quiet ? 0x09 : 0x00;
	case BGETK:
		return o->quiet ? 0x0d : 0x0c;
	case BGAT:
		return o->quiet ? 0x1e : 0x1d;
	case BGATK:
		return o->quiet ? 0x24 : 0x23;
	case SET:
		return o->quiet ? 0x11 : 0x01;
	case ADD:
		return o->quiet ? 0x12 : 0x02;
	case REPLACE:
		return o->quiet ? 0x13 : 0x03;
	case APPEND:
		return o->quiet ? 0x19 : 0x0e;
	case PREPEND:
		return o->quiet ? 0x1a : 0x0f;
	case DELETE:
		return o->quiet ? 0x14 : 0x04;
	case INCR:
		return o->quiet ? 0x15 : 0x05;
	case DECR:
		return o->quiet ? 0x16 : 0x06;
	case TOUCH:
		return 0x1c;
	case FLUSH:
		return o->quiet ? 0x18 : 0x08;
	case NOOP:
		return 0x0a;
	default:
		return 0x1b;
	}
}

static uint8_t
put_extras(const struct order *o, char *extras)
{
	uint32_t flags = htobe32(o->client_flags);
	uint32_t exptime = htobe32((uint32_t)o->exptime);
	uint64_t delta = htobe64(o->delta), initial = htobe64(o->initial);

	switch (o->kind) {
	case SET:
	case ADD:
	case REPLACE:
		memcpy(extras, &flags, 4);
		memcpy(extras + 4, &exptime, 4);
		return 8;
	case INCR:
	case DECR:
		if (!o->create)
			exptime = UINT32_MAX;
		memcpy(extras, &delta, 8);
		memcpy(extras + 8, &initial, 8);
		memcpy(extras + 16, &exptime, 4);
		return 20;
	case TOUCH:
	case BGAT:
	case BGATK:
		memcpy(extras, &exptime, 4);
		return 4;
	default:
		return 0;
	}
}

static void
say_binary(const struct order *o, struct bytes *b)
{
	char head[24] = { (char)0x80, (char)opcode_of(o) }, extras[20];
	uint8_t nextras = put_extras(o, extras);
	const char *key = o->nkeys > 0 ? order_key(o->keys[0]) : "";
	bool stores = o->kind >= SET && o->kind <= PREPEND;
	uint32_t body = (uint32_t)(nextras + strlen(key)) +
	    (stores ? o->nvalue : 0);
	uint64_t cas = o->compare ? htobe64(o->cas) : 0;

	body = htobe32(body);
	head[3] = (char)strlen(key);
	head[4] = (char)nextras;
	memcpy(head + 8, &body, 4);
	memcpy(head + 12, &o->opaque, 4);
	memcpy(head + 16, &cas, 8);
	bytes_add(b, head, sizeof(head));
	bytes_add(b, extras, nextras);
	bytes_add(b, key, strlen(key));
	if (stores)
		order_value(o, b);
}

void
order_say(const struct order *o, struct bytes *b)
{
	if (o->kind == FIXED)
		bytes_print(b, "%s", o->line);
	else if (o->binary)
		say_binary(o, b);
	else if (o->kind >= MG && o->kind <= MA)
		say_meta(o, b);
	else
		say_text(o, b);
}
