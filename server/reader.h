/*
 * reader.h - a row of the table of options, and how its value is read.
 *
 * options.h has the rows as text; config.c makes arrays of them, and here are
 * the functions that take a value from the command line, check it against the
 * row's limits and put it into the field of struct config that the row names.
 *
 *      r.row = row;
 *      r.value = "64m";
 *      status = row->read(&r);
 *
 * Owns:    -l's texts, joined, in the config (config_fini() frees them).
 * Threads: the main thread, before there is another one.
 * Fails:   a reader says what is wrong, and what would be right, on r->err,
 *          and returns the status with which to exit.
 * Cost:    start-up only.
 */
#ifndef SERVER_READER_H
#define SERVER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	READER_DONE = 0, /* it was asked for something to print */
	READER_BAD_VALUE = 1,
};

struct config;
struct row;

/* What the readers need: where to put a value, whom to tell. */
struct reader {
	struct config *config;
	const struct row *row; /* the one being read; NULL: none */
	const char *value;     /* its argument, or NULL */
	bool defaults;	       /* not argv's, but the table's */
	const char *file;      /* of --config, if it stands there, or NULL */
	FILE *out, *err;
};

/* CONFIG_RUN, or a status with which to exit. */
typedef int read_fn(struct reader *);

/* How the field behind a row is declared in struct config. */
enum row_stored {
	ROW_BOOL,
	ROW_UNSIGNED,
	ROW_SIZE,
	ROW_DOUBLE,
	ROW_OTHER, /* its reader knows */
};

struct row {
	char letter;
	const char *name;
	const char *argument;
	read_fn *read; /* NULL: a group's title, which is in help */
	size_t offset;
	enum row_stored stored;
	double least, most;
	const char *usual;
	const char *note;
	const char *help;
};

struct rows {
	const struct row *row;
	unsigned count;
};

static inline bool
row_is_title(const struct row *row)
{
	return row->read == NULL;
}

/* Its argument may be left out. */
static inline bool
row_is_optional(const struct row *row)
{
	return row->argument != NULL && *row->argument == '[';
}

/* One of -o. */
static inline bool
row_is_suboption(const struct row *row)
{
	return row->letter == 0;
}

/* Say what is wrong with the option that is being read.  One returns status,
 * the other READER_BAD_VALUE. */
__attribute__((format(printf, 3, 4)))
int reader_complain(struct reader *, int status, const char *format, ...);
__attribute__((format(printf, 2, 3)))
int reader_reject(struct reader *, const char *format, ...);

/* As one would write it: "64m". */
const char *reader_show_size(double bytes, char *text, size_t room);

/* One for each word under "how" in options.h that is not config.c's own. */
read_fn reader_on;
read_fn reader_off;
read_fn reader_config;
read_fn reader_confine;
read_fn reader_none;
read_fn reader_text;
read_fn reader_number;
read_fn reader_threads;
read_fn reader_kilobytes;
read_fn reader_megabytes;
read_fn reader_item_size;
read_fn reader_factor;
read_fn reader_growth;
read_fn reader_udp;
read_fn reader_port;
read_fn reader_mode;
read_fn reader_listen;
read_fn reader_unix;
read_fn reader_protocol;
read_fn reader_delimiter;
read_fn reader_verbose;
read_fn reader_automove;
read_fn reader_temporary_ttl;
read_fn reader_hash;
read_fn reader_slab_sizes;
read_fn reader_no_modern;
read_fn reader_version;
read_fn reader_license;

#endif
