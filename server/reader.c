/* reader.c - see reader.h. */
#include "server/reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/address.h"
#include "server/config.h"

/* ------------------------------------------------------------ telling */

/* memcached warns from here on, too. */
enum { MANY_THREADS = 64 };

/* As the user may have written it: "-p 99", "-o hashpower=99". */
static void
name_option(struct reader *r)
{
	const struct row *row = r->row;

	if (row_is_suboption(row))
		fprintf(r->err, "-o %s", row->name);
	else if (row->letter == '-')
		fprintf(r->err, "--%s", row->name);
	else
		fprintf(r->err, "-%c", row->letter);
	if (r->value != NULL)
		fprintf(r->err, "%s%s", row_is_suboption(row) ? "=" : " ",
		    r->value);
	fprintf(r->err, ": ");
}

static void
tell(struct reader *r, const char *format, va_list args)
{
	fprintf(r->err, "slabd: ");
	if (r->file != NULL)
		fprintf(r->err, "%s: ", r->file);
	if (r->row != NULL)
		name_option(r);
	vfprintf(r->err, format, args);
	fputc('\n', r->err);
}

int
reader_complain(struct reader *r, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(r, format, args);
	va_end(args);
	return status;
}

int
reader_reject(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(r, format, args);
	va_end(args);
	return READER_BAD_VALUE;
}

/* ------------------------------------------------------------ values */

static void *
field(struct reader *r)
{
	return (char *)r->config + r->row->offset;
}

static void
store(struct reader *r, double value)
{
	switch (r->row->stored) {
	case ROW_BOOL:
		*(bool *)field(r) = value != 0;
		break;
	case ROW_UNSIGNED:
		*(unsigned *)field(r) = (unsigned)value;
		break;
	case ROW_SIZE:
		*(size_t *)field(r) = (size_t)value;
		break;
	case ROW_DOUBLE:
		*(double *)field(r) = value;
		break;
	case ROW_OTHER:
		break;
	}
}

/* Decimal digits and nothing else; beyond 2^53 nobody has limits. */
static bool
parse_whole(const char *text, double *value, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = (double)strtoull(text, &stop, 10);
	*end = stop;
	return errno == 0;
}

/* In units of 1, k or m if it has no suffix of its own. */
static bool
parse_size(const char *text, double unit, double *value)
{
	const char *end;

	if (!parse_whole(text, value, &end))
		return false;
	switch (tolower((unsigned char)*end)) {
	case 'k':
		unit = 1024;
		end++;
		break;
	case 'm':
		unit = 1024 * 1024;
		end++;
		break;
	case 'g':
		unit = 1024 * 1024 * 1024;
		end++;
		break;
	case 't':
		unit = 1024.0 * 1024 * 1024 * 1024;
		end++;
		break;
	}
	*value *= unit;
	return *end == '\0';
}

const char *
reader_show_size(double bytes, char *text, size_t room)
{
	static const char suffix[] = { 0, 'k', 'm', 'g', 't' };
	unsigned i = 0;

	while (i + 1 < sizeof(suffix) && bytes >= 1024 &&
	    bytes == 1024 * (double)(uint64_t)(bytes / 1024)) {
		bytes /= 1024;
		i++;
	}
	snprintf(text, room, "%.0f%c", bytes, suffix[i]);
	return text;
}

static int
store_size(struct reader *r, double unit, int bad_status)
{
	char least[32], most[32];
	double value;

	if (!parse_size(r->value, unit, &value))
		return reader_complain(r, bad_status, "not a size; write a "
		    "whole number, with k, m, g or t behind it if you like");
	if (value < r->row->least || value > r->row->most)
		return reader_complain(r, bad_status, "must be %s to %s",
		    reader_show_size(r->row->least, least, sizeof(least)),
		    reader_show_size(r->row->most, most, sizeof(most)));
	store(r, value);
	return CONFIG_RUN;
}

/* ------------------------------------------------------------ readers */

int
reader_on(struct reader *r)
{
	store(r, 1);
	return CONFIG_RUN;
}

int
reader_off(struct reader *r)
{
	store(r, 0);
	return CONFIG_RUN;
}

/* It was read before the others. */
int
reader_config(struct reader *r)
{
	const char *path = r->config->file.path;

	if (path == NULL || strcmp(path, r->value) != 0)
		return reader_reject(r, "stands on the command line, once, "
		    "and not abbreviated");
	return CONFIG_RUN;
}

int
reader_confine(struct reader *r)
{
	store(r, CONFIG_CONFINE_MUST);
	return CONFIG_RUN;
}

int
reader_none(struct reader *r)
{
	(void)r;
	return CONFIG_RUN;
}

int
reader_text(struct reader *r)
{
	if (*r->value == '\0')
		return reader_reject(r, "must not be empty");
	*(const char **)field(r) = r->value;
	return CONFIG_RUN;
}

int
reader_number(struct reader *r)
{
	const struct row *row = r->row;
	const char *end;
	double value;

	if (!parse_whole(r->value, &value, &end) || *end != '\0' ||
	    value < row->least || value > row->most)
		return reader_reject(r, "must be a number from %.0f to %.0f",
		    row->least, row->most);
	store(r, value);
	return CONFIG_RUN;
}

int
reader_threads(struct reader *r)
{
	int status = reader_number(r);

	return status != CONFIG_RUN || r->config->threads <= MANY_THREADS ?
	    status : reader_complain(r, CONFIG_RUN, "more threads than the "
	    "machine has processors make it slower");
}

int
reader_kilobytes(struct reader *r)
{
	return store_size(r, 1024, READER_BAD_VALUE);
}

int
reader_megabytes(struct reader *r)
{
	return store_size(r, 1024 * 1024, READER_BAD_VALUE);
}

int
reader_item_size(struct reader *r)
{
	return store_size(r, 1, CONFIG_USAGE);
}

/* Above least, which is not allowed itself. */
int
reader_factor(struct reader *r)
{
	double value;
	char *end;

	errno = 0;
	value = strtod(r->value, &end);
	if (end == r->value || *end != '\0' || errno != 0 ||
	    !(value > r->row->least) || value > r->row->most)
		return reader_reject(r, "must be a number greater than %.0f "
		    "and at most %.0f", r->row->least, r->row->most);
	store(r, value);
	return CONFIG_RUN;
}

int
reader_growth(struct reader *r)
{
	int status = reader_factor(r);

	if (status == CONFIG_RUN && !r->defaults)
		r->config->has_growth_factor = true;
	return status;
}

int
reader_udp(struct reader *r)
{
	if (strcmp(r->value, "-1") != 0)
		return reader_number(r);
	store(r, CONFIG_PORT_ANY);
	return CONFIG_RUN;
}

int
reader_port(struct reader *r)
{
	int status = reader_udp(r);

	if (!r->defaults)
		r->config->has_port = true;
	return status;
}

int
reader_mode(struct reader *r)
{
	unsigned long value;
	char *end;

	value = strtoul(r->value, &end, 8);
	if (!isdigit((unsigned char)*r->value) || *end != '\0' ||
	    value > r->row->most)
		return reader_reject(r, "must be an octal mode, 0 to 777");
	store(r, (double)value);
	return CONFIG_RUN;
}

/* -l accumulates. */
int
reader_listen(struct reader *r)
{
	struct config *c = r->config;
	char *joined;

	if (r->value[strspn(r->value, ADDRESS_BETWEEN)] == '\0')
		return reader_reject(r, "names no address; * is all of them");
	if (asprintf(&joined, "%s%s%s", c->joined ? c->joined : "",
	    c->joined ? "," : "", r->value) < 0)
		return reader_reject(r, "out of memory");
	free(c->joined);
	c->joined = joined;
	c->listen = joined;
	return CONFIG_RUN;
}

/* A path, behind a tag of -l's kind. */
int
reader_unix(struct reader *r)
{
	static const char noauth[] = "noauth:", auth[] = "auth:";
	struct config *c = r->config;

	c->unix_noauth = strncmp(r->value, noauth, sizeof(noauth) - 1) == 0;
	if (c->unix_noauth)
		r->value += sizeof(noauth) - 1;
	else if (strncmp(r->value, auth, sizeof(auth) - 1) == 0)
		r->value += sizeof(auth) - 1;
	return reader_text(r);
}

int
reader_protocol(struct reader *r)
{
	r->config->has_protocol = true;
	if (strcmp(r->value, "auto") == 0)
		r->config->protocol = PROTO_AUTO;
	else if (strcmp(r->value, "ascii") == 0)
		r->config->protocol = PROTO_TEXT;
	else if (strcmp(r->value, "binary") == 0)
		r->config->protocol = PROTO_BINARY;
	else
		return reader_complain(r, CONFIG_USAGE, "must be auto, "
		    "ascii or binary");
	return CONFIG_RUN;
}

int
reader_delimiter(struct reader *r)
{
	if (*r->value == '\0')
		return reader_reject(r, "must be a character");
	r->config->prefix_delimiter[0] = *r->value;
	r->config->detail_enabled = true;
	return r->value[1] == '\0' ? CONFIG_RUN : reader_complain(r,
	    CONFIG_RUN, "only the first character counts");
}

int
reader_verbose(struct reader *r)
{
	if (r->value != NULL)
		return reader_number(r);
	r->config->verbosity++;
	return CONFIG_RUN;
}

int
reader_automove(struct reader *r)
{
	if (r->value != NULL)
		return reader_number(r);
	store(r, 1);
	return CONFIG_RUN;
}

int
reader_temporary_ttl(struct reader *r)
{
	int status = reader_number(r);

	if (status == CONFIG_RUN && !r->defaults)
		r->config->temp_lru = true;
	return status;
}

int
reader_hash(struct reader *r)
{
	static const char *const known[] = { "jenkins", "murmur3", "xxh3" };

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(r->value, known[i]) == 0) {
			r->config->hash_algorithm = known[i];
			return CONFIG_RUN;
		}
	}
	return reader_reject(r, "must be jenkins, murmur3 or xxh3");
}

/* 96-192-384: rising, no two within the 8 bytes that chunks are aligned to. */
int
reader_slab_sizes(struct reader *r)
{
	const char *text = r->value, *end;
	struct config *c = r->config;
	unsigned count = 0;
	double value, before = 0;

	for (;;) {
		if (!parse_whole(text, &value, &end) ||
		    (*end != '-' && *end != '\0'))
			return reader_reject(r, "must be numbers with - "
			    "between them, as in 96-192-384");
		if (value < r->row->least || value > r->row->most ||
		    value < before + 8)
			return reader_reject(r, "%.0f does not fit: sizes "
			    "must rise, by 8 at least", value);
		if (count == CONFIG_SLAB_SIZES - 2)
			return reader_reject(r, "more than %d sizes",
			    CONFIG_SLAB_SIZES - 2);
		c->slab_sizes[count++] = (unsigned)value;
		before = value;
		if (*end == '\0')
			break;
		text = end + 1;
	}
	c->slab_sizes[count] = 0;
	return CONFIG_RUN;
}

int
reader_no_modern(struct reader *r)
{
	struct config *c = r->config;

	c->lru_crawler = false;
	c->lru_maintainer = false;
	c->slab_reassign = false;
	c->slab_automove = 0;
	c->maxconns_fast = false;
	return CONFIG_RUN;
}

int
reader_version(struct reader *r)
{
	fprintf(r->out, "slabd " SLABD_VERSION " (speaks the protocols of "
	    "memcached 1.6.45)\n");
	return READER_DONE;
}

int
reader_license(struct reader *r)
{
	fprintf(r->out, "slabd " SLABD_VERSION " is free software; its terms "
	    "are in the file LICENSE\nof the source.  It comes without any "
	    "warranty.\n");
	return READER_DONE;
}
