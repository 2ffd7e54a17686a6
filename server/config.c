/* config.c - see config.h; the table is in options.h. */
#include "server/config.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "server/conffile.h"
#include "server/conflict.h"
#include "server/options.h"
#include "server/reader.h"
#include "server/usage.h"

/* A text that lives as long as the config. */
struct kept {
	struct kept *next;
	char text[];
};

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

static read_fn reader_help, reader_list, reader_extended, reader_completion;

/* ------------------------------------------------------------ the tables */

#define STORED(field)                                                         \
	_Generic(((struct config *)0)->field, bool: ROW_BOOL,                 \
	    unsigned: ROW_UNSIGNED, size_t: ROW_SIZE, double: ROW_DOUBLE,     \
	    default: ROW_OTHER)
#define TITLE(title) { .help = title },
#define ROW(letter, name, argument, how, field, least, most, usual, note,     \
    help)                                                                     \
	{ letter, name, argument, reader_##how,                               \
	    offsetof(struct config, field), STORED(field), least, most,       \
	    usual, note, help },

static const struct row options[] = { OPTIONS(TITLE, ROW) };
static const struct row suboptions[] = { SUBOPTIONS(TITLE, ROW) };

enum {
	NOPTIONS = sizeof(options) / sizeof(*options),
	NSUBOPTIONS = sizeof(suboptions) / sizeof(*suboptions),
};

static const struct rows all_options = { options, NOPTIONS };
static const struct rows all_suboptions = { suboptions, NSUBOPTIONS };

static int
reader_completion(struct reader *r)
{
	usage_completion(r->out, &all_options, &all_suboptions);
	return READER_DONE;
}

static int
reader_help(struct reader *r)
{
	usage_help(r->out, &all_options, &all_suboptions);
	return READER_DONE;
}

static int
reader_list(struct reader *r)
{
	usage_list(r->out, &all_options, &all_suboptions);
	return READER_DONE;
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
		reader_complain(r, 0, "accepted, no effect: %s", row->note);
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

		if (row_is_title(row) || strcmp(row->name, word) != 0)
			continue;
		r->row = row;
		r->value = value;
		if (row->argument == NULL && value != NULL)
			return reader_reject(r, "takes no value");
		if (row->argument != NULL && !row_is_optional(row) &&
		    (value == NULL || *value == '\0'))
			return reader_reject(r, "needs a value, as in -o "
			    "%s=%s", row->name, row->argument);
		return read_row(r, row, value);
	}
	r->row = NULL;
	return reader_reject(r, "-o %s: unknown; slabd -h lists what -o "
	    "takes", word);
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
reader_extended(struct reader *r)
{
	char *copy = keep(r->config, r->value), *rest = copy, *word;
	int status = CONFIG_RUN;

	if (copy == NULL)
		return reader_reject(r, "out of memory");
	while (status == CONFIG_RUN && (word = strsep(&rest, ",")) != NULL) {
		word += strspn(word, " ");
		rejoin(word, &rest);
		if (*word != '\0')
			status = read_suboption(r, word);
	}
	return status;
}

static void
set_defaults(struct reader *r, const struct rows *rows)
{
	for (unsigned i = 0; i < rows->count; i++) {
		const struct row *row = &rows->row[i];

		if (row_is_title(row) || row->usual == NULL)
			continue;
		r->row = row;
		r->value = row->usual;
		(void)row->read(r);
	}
}

/* getopt's two descriptions of the table. */
static void
describe(char *letters, struct option *names)
{
	*letters++ = ':'; /* tell a missing argument from an unknown option */
	for (unsigned i = 0; i < NOPTIONS; i++) {
		const struct row *row = &options[i];
		bool wants = row->argument != NULL && !row_is_optional(row);

		if (row_is_title(row))
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
		if (!row_is_title(&options[i]) && options[i].letter == found)
			return &options[i];
	return NULL;
}

/* The long options that begin like word, and how many there are. */
static unsigned
find_names(const char *word, char *text, size_t room)
{
	size_t n = strcspn(word, "="), used = 0;
	unsigned count = 0;

	*text = '\0';
	for (unsigned i = 0; i < NOPTIONS; i++) {
		const struct row *row = &options[i];

		if (row_is_title(row) || row->help == NULL ||
		    row->name == NULL || strncmp(row->name, word, n) != 0)
			continue;
		if (used < room)
			used += (size_t)snprintf(text + used, room - used,
			    " --%s", row->name);
		count++;
	}
	return count;
}

/* getopt_long(), and whose the option is: the words of a file come first. */
static int
next_option(struct reader *r, int argc, char **argv, const char *letters,
    const struct option *names)
{
	const struct conffile *file = &r->config->file;

	r->row = NULL;
	r->file = (optind > 0 ? optind : 1) <= file->n ? file->path : NULL;
	return getopt_long(argc, argv, letters, names, NULL);
}

/* argv as getopt left it after an error. */
static int
refuse(struct reader *r, int found, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = { '-', (char)optopt, '\0' }, names[256];

	if (optopt > 0 && optopt <= CHAR_MAX)
		word = letter;
	if (found == ':')
		return reader_reject(r, "%s needs an argument", word);
	if (optopt > CHAR_MAX)
		return reader_reject(r, "%s: --%s takes no value", word,
		    find_row(optopt)->name);
	if (strncmp(word, "--", 2) == 0 &&
	    find_names(word + 2, names, sizeof(names)) > 1)
		return reader_reject(r, "%s may be one of%s", word, names);
	return reader_reject(r, "unknown option %s; slabd -h lists them",
	    word);
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
	while ((found = next_option(r, argc, argv, letters, names)) != -1) {
		if (found == '?' || found == ':')
			return refuse(r, found, argv);
		status = read_row(r, find_row(found), optarg);
		if (status != CONFIG_RUN)
			return status;
	}
	/* Those of the file were moved behind all options. */
	r->file = NULL;
	if (optind < argc)
		return reader_reject(r, "%s is not an option; slabd -h lists "
		    "them", argv[optind]);
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
	set_defaults(&r, &all_options);
	set_defaults(&r, &all_suboptions);
	r.defaults = false;
	status = conffile_merge(&c->file, argc, argv, err) ?
	    read_argv(&r, c->file.argc, c->file.argv) : READER_BAD_VALUE;
	/* As memcached has it: one number for both, unless both are given. */
	if (c->udp_port != 0 && !c->has_port)
		c->port = c->udp_port;
	if (status == CONFIG_RUN && conflict_find(c, conflict))
		status = reader_complain(&r, CONFIG_USAGE, "%s", conflict);
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
