/* config.c - see config.h; the table is in options.h. */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/conffile.h"
#include "server/conflict.h"
#include "server/options.h"
#include "server/usage.h"

enum { BAD_VALUE = 1, DONE = 0 };

struct row;

/* What the readers need: where to put a value, whom to tell. */
struct reader {
	struct config *config;
	const struct row *row; /* the one being read */
	const char *value;     /* its argument, or NULL */
	bool defaults;	       /* not argv's, but the table's */
	FILE *out, *err;
};

/* A text that lives as long as the config. */
struct kept {
	struct kept *next;
	char text[];
};

/* How the field behind a row is declared in struct config. */
enum stored { AS_BOOL, AS_UNSIGNED, AS_SIZE, AS_DOUBLE, AS_TEXT, AS_OTHER };

/* CONFIG_RUN, or a status with which to exit. */
typedef int read_fn(struct reader *);

struct row {
	char letter;
	const char *name;
	const char *argument;
	read_fn *read; /* NULL: a group's title, which is in help */
	size_t offset;
	enum stored stored;
	double least, most;
	const char *usual;
	const char *note;
	const char *help;
};

/* ------------------------------------------------------------ telling */

static bool
is_suboption(const struct row *row)
{
	return row->letter == 0;
}

/* As the user may have written it: "-p 99", "-o hashpower=99". */
static void
name_option(struct reader *r)
{
	const struct row *row = r->row;

	fprintf(r->err, "slabd: ");
	if (is_suboption(row))
		fprintf(r->err, "-o %s", row->name);
	else if (row->letter == '-')
		fprintf(r->err, "--%s", row->name);
	else
		fprintf(r->err, "-%c", row->letter);
	if (r->value != NULL)
		fprintf(r->err, "%s%s", is_suboption(row) ? "=" : " ",
		    r->value);
	fprintf(r->err, ": ");
}

__attribute__((format(printf, 3, 4))) static int
complain(struct reader *r, int status, const char *format, ...)
{
	va_list args;

	if (r->row != NULL)
		name_option(r);
	else
		fprintf(r->err, "slabd: ");
	va_start(args, format);
	vfprintf(r->err, format, args);
	va_end(args);
	fputc('\n', r->err);
	return status;
}

/* A copy that config_fini() frees; NULL without memory. */
static char *
keep(struct config *c, const char *text)
{
	size_t n = strlen(text) + 1;
	struct kept *k = malloc(sizeof(*k) + n);

	if (k == NULL)
		return NULL;
	memcpy(k->text, text, n);
	k->next = c->kept;
	c->kept = k;
	return k->text;
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
	case AS_BOOL:
		*(bool *)field(r) = value != 0;
		break;
	case AS_UNSIGNED:
		*(unsigned *)field(r) = (unsigned)value;
		break;
	case AS_SIZE:
		*(size_t *)field(r) = (size_t)value;
		break;
	case AS_DOUBLE:
		*(double *)field(r) = value;
		break;
	case AS_TEXT:
	case AS_OTHER:
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

static int
store_number(struct reader *r, double value)
{
	const struct row *row = r->row;

	if (value < row->least || value > row->most)
		return complain(r, BAD_VALUE, "must be %.0f to %.0f",
		    row->least, row->most);
	store(r, value);
	return CONFIG_RUN;
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
	}
	*value *= unit;
	return *end == '\0';
}

static const char *
show_size(double bytes, char *text, size_t room)
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
		return complain(r, bad_status, "not a size; write a number, "
		    "with k, m or g behind it if you like");
	if (value < r->row->least || value > r->row->most)
		return complain(r, bad_status, "must be %s to %s",
		    show_size(r->row->least, least, sizeof(least)),
		    show_size(r->row->most, most, sizeof(most)));
	store(r, value);
	return CONFIG_RUN;
}

/* ------------------------------------------------------------ readers */

static int
read_on(struct reader *r)
{
	store(r, 1);
	return CONFIG_RUN;
}

static int
read_off(struct reader *r)
{
	store(r, 0);
	return CONFIG_RUN;
}

/* It was read before the others. */
static int
read_config(struct reader *r)
{
	const char *path = r->config->file.path;

	if (path == NULL || strcmp(path, r->value) != 0)
		return complain(r, BAD_VALUE, "stands on the command line, "
		    "once, and not abbreviated");
	return CONFIG_RUN;
}

static int
read_confine(struct reader *r)
{
	store(r, CONFIG_CONFINE_MUST);
	return CONFIG_RUN;
}

static int
read_none(struct reader *r)
{
	(void)r;
	return CONFIG_RUN;
}

static int
read_refused(struct reader *r)
{
	return complain(r, CONFIG_USAGE, "%s", r->row->note);
}

static int
read_text(struct reader *r)
{
	if (*r->value == '\0')
		return complain(r, BAD_VALUE, "must not be empty");
	*(const char **)field(r) = r->value;
	return CONFIG_RUN;
}

static int
read_number(struct reader *r)
{
	const char *end;
	double value;

	if (!parse_whole(r->value, &value, &end) || *end != '\0')
		return complain(r, BAD_VALUE, "not a number");
	return store_number(r, value);
}

static int
read_kilobytes(struct reader *r)
{
	return store_size(r, 1024, BAD_VALUE);
}

static int
read_megabytes(struct reader *r)
{
	return store_size(r, 1024 * 1024, BAD_VALUE);
}

static int
read_item_size(struct reader *r)
{
	return store_size(r, 1, CONFIG_USAGE);
}

/* Above least, which is not allowed itself. */
static int
read_factor(struct reader *r)
{
	double value;
	char *end;

	errno = 0;
	value = strtod(r->value, &end);
	if (end == r->value || *end != '\0' || errno != 0)
		return complain(r, BAD_VALUE, "not a number");
	if (!(value > r->row->least) || value > r->row->most)
		return complain(r, BAD_VALUE, "must be greater than %g and "
		    "at most %g", r->row->least, r->row->most);
	store(r, value);
	return CONFIG_RUN;
}

static int
read_growth(struct reader *r)
{
	int status = read_factor(r);

	if (status == CONFIG_RUN && !r->defaults)
		r->config->has_growth_factor = true;
	return status;
}

static int
read_udp(struct reader *r)
{
	if (strcmp(r->value, "-1") != 0)
		return read_number(r);
	store(r, CONFIG_PORT_ANY);
	return CONFIG_RUN;
}

static int
read_port(struct reader *r)
{
	int status = read_udp(r);

	if (!r->defaults)
		r->config->has_port = true;
	return status;
}

static int
read_mode(struct reader *r)
{
	unsigned long value;
	char *end;

	value = strtoul(r->value, &end, 8);
	if (!isdigit((unsigned char)*r->value) || *end != '\0' ||
	    value > r->row->most)
		return complain(r, BAD_VALUE, "must be an octal mode, "
		    "0 to 777");
	store(r, (double)value);
	return CONFIG_RUN;
}

/* -l accumulates. */
static int
read_listen(struct reader *r)
{
	struct config *c = r->config;
	char *joined;

	if (asprintf(&joined, "%s%s%s", c->joined ? c->joined : "",
	    c->joined ? "," : "", r->value) < 0)
		return complain(r, BAD_VALUE, "out of memory");
	free(c->joined);
	c->joined = joined;
	c->listen = joined;
	return CONFIG_RUN;
}

/* A path, behind a tag of -l's kind. */
static int
read_unix(struct reader *r)
{
	static const char noauth[] = "noauth:", auth[] = "auth:";
	struct config *c = r->config;

	c->unix_noauth = strncmp(r->value, noauth, sizeof(noauth) - 1) == 0;
	if (c->unix_noauth)
		r->value += sizeof(noauth) - 1;
	else if (strncmp(r->value, auth, sizeof(auth) - 1) == 0)
		r->value += sizeof(auth) - 1;
	return read_text(r);
}

static int
read_protocol(struct reader *r)
{
	r->config->has_protocol = true;
	if (strcmp(r->value, "auto") == 0)
		r->config->protocol = PROTO_AUTO;
	else if (strcmp(r->value, "ascii") == 0)
		r->config->protocol = PROTO_TEXT;
	else if (strcmp(r->value, "binary") == 0)
		r->config->protocol = PROTO_BINARY;
	else
		return complain(r, CONFIG_USAGE, "must be auto, ascii or "
		    "binary");
	return CONFIG_RUN;
}

static int
read_delimiter(struct reader *r)
{
	if (strlen(r->value) != 1)
		return complain(r, BAD_VALUE, "must be one character");
	r->config->prefix_delimiter[0] = *r->value;
	r->config->detail_enabled = true;
	return CONFIG_RUN;
}

static int
read_verbose(struct reader *r)
{
	if (r->value != NULL)
		return read_number(r);
	r->config->verbosity++;
	return CONFIG_RUN;
}

static int
read_automove(struct reader *r)
{
	if (r->value != NULL)
		return read_number(r);
	store(r, 1);
	return CONFIG_RUN;
}

static int
read_temporary_ttl(struct reader *r)
{
	int status = read_number(r);

	if (status == CONFIG_RUN && !r->defaults)
		r->config->temp_lru = true;
	return status;
}

static int
read_hash(struct reader *r)
{
	static const char *const known[] = { "jenkins", "murmur3", "xxh3" };

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(r->value, known[i]) == 0) {
			r->config->hash_algorithm = known[i];
			return CONFIG_RUN;
		}
	}
	return complain(r, BAD_VALUE, "must be jenkins, murmur3 or xxh3");
}

/* 96-192-384: rising, no two within the 8 bytes that chunks are aligned to. */
static int
read_slab_sizes(struct reader *r)
{
	const char *text = r->value, *end;
	struct config *c = r->config;
	unsigned count = 0;
	double value, before = 0;

	for (;;) {
		if (!parse_whole(text, &value, &end) ||
		    (*end != '-' && *end != '\0'))
			return complain(r, BAD_VALUE, "must be numbers with - "
			    "between them, as in 96-192-384");
		if (value < r->row->least || value > r->row->most ||
		    value < before + 8)
			return complain(r, BAD_VALUE, "%.0f does not fit: "
			    "sizes must rise, by 8 at least", value);
		if (count == CONFIG_SLAB_SIZES - 2)
			return complain(r, BAD_VALUE, "more than %d sizes",
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

static int
read_no_modern(struct reader *r)
{
	struct config *c = r->config;

	c->lru_crawler = false;
	c->lru_maintainer = false;
	c->slab_reassign = false;
	c->slab_automove = 0;
	c->maxconns_fast = false;
	return CONFIG_RUN;
}

static int
read_version(struct reader *r)
{
	fprintf(r->out, "slabd " SLABD_VERSION " (speaks the protocols of "
	    "memcached 1.6.45)\n");
	return DONE;
}

static int
read_license(struct reader *r)
{
	fprintf(r->out, "slabd " SLABD_VERSION " is free software; its terms "
	    "are in the file LICENSE\nof the source.  It comes without any "
	    "warranty.\n");
	return DONE;
}

static read_fn read_help, read_list, read_extended, read_completion;

/* ------------------------------------------------------------ the tables */

#define STORED(field)                                                         \
	_Generic(((struct config *)0)->field, bool: AS_BOOL,                  \
	    unsigned: AS_UNSIGNED, size_t: AS_SIZE, double: AS_DOUBLE,        \
	    const char *: AS_TEXT, default: AS_OTHER)
#define TITLE(title) { .help = title },
#define ROW(letter, name, argument, how, field, least, most, usual, note,     \
    help)                                                                     \
	{ letter, name, argument, read_##how, offsetof(struct config, field), \
	    STORED(field), least, most, usual, note, help },

static const struct row options[] = { OPTIONS(TITLE, ROW) };
static const struct row suboptions[] = { SUBOPTIONS(TITLE, ROW) };

enum {
	NOPTIONS = sizeof(options) / sizeof(*options),
	NSUBOPTIONS = sizeof(suboptions) / sizeof(*suboptions),
};

static bool
is_title(const struct row *row)
{
	return row->read == NULL;
}

static bool
is_optional(const struct row *row)
{
	return row->argument != NULL && *row->argument == '[';
}

static int
read_completion(struct reader *r)
{
	usage_completion(r->out);
	return DONE;
}

static int
read_help(struct reader *r)
{
	usage_help(r->out);
	return DONE;
}

static int
read_list(struct reader *r)
{
	usage_list(r->out);
	return DONE;
}

/* ------------------------------------------------------------ reading */

static int
read_row(struct reader *r, const struct row *row, const char *value)
{
	int status;

	r->row = row;
	r->value = value;
	status = row->read(r);
	if (status == CONFIG_RUN && row->note != NULL)
		complain(r, 0, "accepted, no effect: %s", row->note);
	return status;
}

static int
read_suboption(struct reader *r, char *word)
{
	char *value = strchr(word, '=');

	if (value != NULL)
		*value++ = '\0';
	for (unsigned i = 0; i < NSUBOPTIONS; i++) {
		const struct row *row = &suboptions[i];

		if (is_title(row) || strcmp(row->name, word) != 0)
			continue;
		r->row = row;
		r->value = value;
		if (row->argument == NULL && value != NULL)
			return complain(r, BAD_VALUE, "takes no value");
		if (row->argument != NULL && !is_optional(row) &&
		    (value == NULL || *value == '\0'))
			return complain(r, BAD_VALUE, "needs a value, as in "
			    "-o %s=%s", row->name, row->argument);
		return read_row(r, row, value);
	}
	r->row = NULL;
	return complain(r, BAD_VALUE, "-o %s: unknown; slabd -h lists what "
	    "-o takes", word);
}

/* The nodes of a cluster have commas between them, too. */
static void
rejoin(const char *word, char **rest)
{
	static const char cluster[] = "cluster=";

	if (strncmp(word, cluster, sizeof(cluster) - 1) != 0)
		return;
	while (*rest != NULL && (*rest)[strcspn(*rest, ":=,")] == ':') {
		(*rest)[-1] = ',';
		(void)strsep(rest, ",");
	}
}

static int
read_extended(struct reader *r)
{
	char *copy = keep(r->config, r->value), *rest = copy, *word;
	int status = CONFIG_RUN;

	if (copy == NULL)
		return complain(r, BAD_VALUE, "out of memory");
	while (status == CONFIG_RUN && (word = strsep(&rest, ",")) != NULL) {
		rejoin(word, &rest);
		if (*word != '\0')
			status = read_suboption(r, word);
	}
	return status;
}

static void
set_defaults(struct reader *r, const struct row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (is_title(&rows[i]) || rows[i].usual == NULL)
			continue;
		r->row = &rows[i];
		r->value = rows[i].usual;
		(void)rows[i].read(r);
	}
}

/* getopt's two descriptions of the table. */
static void
describe(char *letters, struct option *names)
{
	*letters++ = ':'; /* tell a missing argument from an unknown option */
	for (unsigned i = 0; i < NOPTIONS; i++) {
		const struct row *row = &options[i];
		bool wants = row->argument != NULL && !is_optional(row);

		if (is_title(row))
			continue;
		if (row->letter != '-') {
			*letters++ = row->letter;
			if (wants)
				*letters++ = ':';
		}
		if (row->name != NULL)
			*names++ = (struct option){ row->name,
				row->argument == NULL ? no_argument :
				wants		      ? required_argument :
							optional_argument,
				NULL, CHAR_MAX + 1 + (int)i };
	}
	*letters = '\0';
	*names = (struct option){ 0 };
}

static const struct row *
find_row(int found)
{
	if (found > CHAR_MAX)
		return &options[found - CHAR_MAX - 1];
	for (unsigned i = 0; i < NOPTIONS; i++)
		if (!is_title(&options[i]) && options[i].letter == found)
			return &options[i];
	return NULL;
}

/* argv as getopt left it after an error. */
static int
refuse(struct reader *r, int found, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = { '-', (char)optopt, '\0' };

	r->row = NULL;
	if (optopt > 0 && optopt <= CHAR_MAX)
		word = letter;
	if (found == ':')
		return complain(r, BAD_VALUE, "%s needs an argument", word);
	return complain(r, BAD_VALUE, "unknown option %s; slabd -h lists "
	    "them", word);
}

static int
read_argv(struct reader *r, int argc, char **argv)
{
	struct option names[NOPTIONS + 1];
	char letters[2 * NOPTIONS + 2];
	int found, status;

	describe(letters, names);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((found = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (found == '?' || found == ':')
			return refuse(r, found, argv);
		status = read_row(r, find_row(found), optarg);
		if (status != CONFIG_RUN)
			return status;
	}
	r->row = NULL;
	if (optind < argc)
		return complain(r, BAD_VALUE, "%s is not an option; slabd -h "
		    "lists them", argv[optind]);
	return CONFIG_RUN;
}

int
config_read(struct config *c, int argc, char **argv, FILE *out, FILE *err)
{
	struct reader r = { .config = c, .out = out, .err = err };
	char conflict[CONFLICT_MAX];
	int status;

	memset(c, 0, sizeof(*c));
	c->prefix_delimiter[0] = ':';
	c->confine = CONFIG_CONFINE_CAN;
	r.defaults = true;
	set_defaults(&r, options, NOPTIONS);
	set_defaults(&r, suboptions, NSUBOPTIONS);
	r.defaults = false;
	status = conffile_merge(&c->file, argc, argv, err) ?
	    read_argv(&r, c->file.argc, c->file.argv) : BAD_VALUE;
	/* As memcached has it: one number for both, unless both are given. */
	if (c->udp_port != 0 && !c->has_port)
		c->port = c->udp_port;
	if (status == CONFIG_RUN && conflict_find(c, conflict))
		status = complain(&r, CONFIG_USAGE, "%s", conflict);
	if (c->listen != NULL)
		c->inter = c->listen;
	else if (c->unix_socket != NULL && !c->has_port)
		c->inter = "NULL";
	else
		c->inter = "127.0.0.1,::1";
	if (status != CONFIG_RUN)
		config_fini(c);
	return status;
}

void
config_fini(struct config *c)
{
	while (c->kept != NULL) {
		struct kept *k = c->kept;

		c->kept = k->next;
		free(k);
	}
	conffile_free(&c->file);
	free(c->joined);
	c->joined = NULL;
	c->listen = NULL;
	c->inter = NULL;
}
