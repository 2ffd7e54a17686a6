/* options.c - see options.h. */
#include "bench/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const plan_protos[] = {"text", "meta", "binary", NULL};
const char *const plan_loads[] = {"get", "set", "mixed", "multiget", NULL};

static int
read_sizes(struct plan_config *c, const char *text)
{
	char *end;

	for (c->nsizes = 0; c->nsizes < PLAN_SIZES; text = end + 1) {
		unsigned i = c->nsizes++;

		c->sizes[i] = (uint32_t)strtoul(text, &end, 10);
		c->shares[i] = 100;
		if (*end == ':')
			c->shares[i] = (unsigned)strtoul(end + 1, &end, 10);
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -1;
	}
	return -1;
}

static int
read_word(const struct option *o, const char *text)
{
	for (unsigned i = 0; o->words[i] != NULL; i++)
		if (strcmp(text, o->words[i]) == 0) {
			*(unsigned *)o->to = i;
			return 0;
		}
	return -1;
}

static int
read_value(const struct option *o, const char *text)
{
	char *end = "";

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->to = true;
		break;
	case OPTION_UINT:
		*(unsigned *)o->to = (unsigned)strtoul(text, &end, 10);
		break;
	case OPTION_U32:
		*(uint32_t *)o->to = (uint32_t)strtoul(text, &end, 10);
		break;
	case OPTION_U64:
		*(uint64_t *)o->to = strtoull(text, &end, 10);
		break;
	case OPTION_FLOAT:
		*(double *)o->to = strtod(text, &end);
		break;
	case OPTION_TEXT:
		*(const char **)o->to = text;
		break;
	case OPTION_WORD:
		return read_word(o, text);
	case OPTION_SIZES:
		return read_sizes(o->to, text);
	}
	return *end == '\0' ? 0 : -1;
}

static const struct option *
find(const struct option *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(name, table->name) == 0 ||
		    (table->brief != NULL && strcmp(name, table->brief) == 0))
			return table;
	return NULL;
}

int
options_read(const struct option *table, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct option *o = find(table, argv[i]);
		const char *text = NULL;

		if (o == NULL)
			return -1;
		if (o->kind != OPTION_FLAG && (text = argv[++i]) == NULL)
			return -1;
		if (read_value(o, text) != 0)
			return -1;
	}
	return 0;
}

void
options_help(const struct option *table)
{
	for (; table->name != NULL; table++)
		fprintf(stderr, "  %-14s %-3s %s\n", table->name,
		    table->brief != NULL ? table->brief : "", table->help);
}

struct plan_config
options_plan(void)
{
	return (struct plan_config){
	    .depth = 1,
	    .multi = 50,
	    .keys = 1000000,
	    .key_len = 16,
	    .nsizes = 1,
	    .sizes = {100},
	    .shares = {100},
	    .set_percent = 10,
	    .seed = 1,
	};
}

bool
options_plan_ok(const struct plan_config *c)
{
	return c->depth >= 1 && c->multi >= 1 && c->keys >= 1 &&
	       c->key_len >= PLAN_KEY_MIN && c->key_len <= PLAN_KEY_MAX;
}
