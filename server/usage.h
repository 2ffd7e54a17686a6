/*
 * usage.h - what is printed of the table of options (options.h).
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   never.
 * Cost:    a printf for each option.
 */
#ifndef SERVER_USAGE_H
#define SERVER_USAGE_H

#include <stdio.h>

struct rows;

/* -h */
void usage_help(FILE *out, const struct rows *options,
    const struct rows *suboptions);

/* One line per option, for the check of the manual page: its letter or -, then
 * its long name or -; suboptions follow, each after the letter o. */
void usage_list(FILE *out, const struct rows *options,
    const struct rows *suboptions);

/* What bash wants in order to complete a command line. */
void usage_completion(FILE *out, const struct rows *options,
    const struct rows *suboptions);

#endif
