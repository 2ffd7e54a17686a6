/*
 * options.h - argv into variables, by a table.
 *
 * Owns:    nothing; texts point into argv.
 * Threads: for start-up.
 * Fails:   options_read() returns -1 for what it does not understand.
 * Cost:    none.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "bench/plan.h"

enum option_kind {
	OPTION_FLAG, /* bool, takes no value */
	OPTION_UINT, /* unsigned */
	OPTION_U32,
	OPTION_U64,
	OPTION_FLOAT, /* double */
	OPTION_TEXT,  /* const char * */
	OPTION_WORD,  /* unsigned, the place in words */
	OPTION_SIZES, /* struct plan_config: 100 or 50:50,200:50 */
};

struct option {
	const char *name;  /* "--time" */
	const char *brief; /* "-t", or NULL */
	enum option_kind kind;
	void *to;
	const char *const *words; /* of OPTION_WORD, ended by NULL */
	const char *help;
};

/* A table ends with a NULL name. */
int options_read(const struct option *, int argc, char **argv);
void options_help(const struct option *);

/* The part of a table that says what a plan is made of. */
#define OPTIONS_OF_PLAN(c)                                                     \
	{"--proto", NULL, OPTION_WORD, &(c)->proto, plan_protos,               \
	    "text, meta or binary"},                                           \
	    {"--op", NULL, OPTION_WORD, &(c)->load, plan_loads,                \
		"get, set, mixed or multiget"},                                \
	    {"--set-percent", NULL, OPTION_UINT, &(c)->set_percent, NULL,      \
		"sets in a mixed load"},                                       \
	    {"--depth", NULL, OPTION_UINT, &(c)->depth, NULL,                  \
		"requests pipelined"},                                         \
	    {"--multi", NULL, OPTION_UINT, &(c)->multi, NULL,                  \
		"keys of a multiget"},                                         \
	    {"--keys", NULL, OPTION_U32, &(c)->keys, NULL, "different keys"},  \
	    {"--key-len", NULL, OPTION_UINT, &(c)->key_len, NULL,              \
		"their length"},                                               \
	    {"--value", NULL, OPTION_SIZES, (c), NULL,                         \
		"bytes, or bytes:percent,bytes:percent,..."},                  \
	    {"--zipf", NULL, OPTION_FLOAT, &(c)->zipf, NULL,                   \
		"exponent of popularity; 0 = uniform"},                        \
	    {"--ttl", NULL, OPTION_U32, &(c)->ttl, NULL,                       \
		"seconds, of what is set"},                                    \
	{                                                                      \
		"--seed", NULL, OPTION_U64, &(c)->seed, NULL, ""               \
	}

extern const char *const plan_protos[];
extern const char *const plan_loads[];

/* The configuration when no option is given, and whether it makes sense. */
struct plan_config options_plan(void);
bool options_plan_ok(const struct plan_config *);

#endif
