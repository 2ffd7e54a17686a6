/*
 * fuzz_config.c - whatever stands in argv, it is refused with a sentence, or
 * gives settings that lie within their bounds; it never exits, nor leaks.
 *
 * Each line of the input is an argument.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/address.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ARGS_MAX = 40 };

/* Blocks of their own, so that ASan sees their ends; NULL at the end. */
static int
split(const char *in, size_t n, char **argv)
{
	const char *end = in + n;
	int argc = 0;

	argv[argc++] = strdup("slabd");
	while (in < end && argc < ARGS_MAX) {
		const char *lf = memchr(in, '\n', (size_t)(end - in));
		size_t len = (size_t)((lf != NULL ? lf : end) - in);

		argv[argc] = strndup(in, len);
		assert(argv[argc] != NULL);
		argc++;
		in += len + 1;
	}
	argv[argc] = NULL;
	return argc;
}

static void
check_bounds(const struct config *c)
{
	assert(c->memory_limit >= 1 << 20);
	assert(c->item_max >= 1024 && c->item_max <= 1 << 30);
	assert(c->growth_factor > 1);
	assert(c->threads >= 1 && c->threads <= 256);
	assert(c->conn_limit >= 1);
	assert(c->port <= CONFIG_PORT_ANY && c->udp_port <= CONFIG_PORT_ANY);
	assert(c->hot_lru_pct + c->warm_lru_pct <= 80);
	assert(c->hot_max_factor > 0 && c->warm_max_factor > 0);
	assert(c->prefix_delimiter[0] != 0 && c->prefix_delimiter[1] == 0);
	assert(c->hashpower == 0 || (c->hashpower >= 12 &&
	    c->hashpower <= 32));
	assert(c->reqs_per_event >= 1);
	assert(c->unix_mask <= 0777);
	for (unsigned i = 1; i < CONFIG_SLAB_SIZES &&
	    c->slab_sizes[i] != 0; i++)
		assert(c->slab_sizes[i] > c->slab_sizes[i - 1]);
}

static void
check_listen(const char *list)
{
	struct address a;
	const char *text, *why;
	size_t n;

	while (list != NULL && (text = address_next(&list, &n)) != NULL) {
		why = NULL;
		if (!address_parse(text, n, &a, &why)) {
			assert(why != NULL && *why != '\0');
			continue;
		}
		assert(strlen(a.host) <= ADDRESS_HOST_MAX);
		assert(strlen(a.tag) <= ADDRESS_TAG_MAX);
		assert(a.port <= CONFIG_PORT_ANY);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static FILE *null;
	static char said[4096];
	char *argv[ARGS_MAX + 1];
	int argc = split((const char *)data, n, argv), status;
	char *kept[ARGS_MAX + 1];
	struct config c;
	FILE *err;

	if (null == NULL)
		null = fopen("/dev/null", "w");
	err = fmemopen(said, sizeof(said), "w");
	assert(null != NULL && err != NULL);
	memcpy(kept, argv, sizeof(kept));
	said[0] = '\0';
	status = config_read(&c, argc, argv, null, err);
	fclose(err);
	if (status == CONFIG_RUN) {
		check_bounds(&c);
		check_listen(c.listen);
	} else if (status != 0)
		assert(said[0] != '\0');
	config_fini(&c);
	for (int i = 0; i < argc; i++)
		free(kept[i]);
	return 0;
}
