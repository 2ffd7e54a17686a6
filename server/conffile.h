/*
 * conffile.h - options from a file: Debian's /etc/memcached.conf as it stands.
 *
 * An option a line, or several, as on the command line:
 *
 *      # a comment, also behind an option
 *      -m 64
 *      -l 127.0.0.1
 *      --conn-limit=2048 -o idle_timeout=300
 *
 * Words may be quoted as in a shell ('', "", \), which Debian's script left to
 * one.  As by that script, lines that begin with -d or -h are skipped, for the
 * service manager decides about that, and so is `logfile`.
 *
 * The file of --config comes before the command line, which may correct it.
 *
 * Owns:    the words, until conffile_free().
 * Threads: any.
 * Fails:   false, having said FILE:LINE: why.
 * Cost:    start-up only.
 */
#ifndef SERVER_CONFFILE_H
#define SERVER_CONFFILE_H

#include <stdbool.h>
#include <stdio.h>

enum { CONFFILE_WORDS_MAX = 4096 };

struct conffile {
	/* the command line with the file's words before its own */
	int argc;
	char **argv;
	const char *path; /* of --config, or NULL */
	/* conffile.c's own */
	char **words;
	int n;
};

/* Looks for --config, the first of them.  What it put there is to be freed in
 * any case. */
bool conffile_merge(struct conffile *, int argc, char **argv, FILE *err);
void conffile_free(struct conffile *);

#endif
