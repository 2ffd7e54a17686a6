/*
 * config.h - the settings of a server, and how they are read from argv.
 *
 * The options stand in one table (options.h).  From it come the reading of
 * argv, the defaults, the help text and the check of the manual page.
 *
 *      struct config c;
 *      status = config_read(&c, argc, argv, stdout, stderr);
 *      if (status != CONFIG_RUN)
 *              return status;
 *
 * Owns:    the texts that it had to put together (config_fini() frees them);
 *          all others are argv's and must outlive it.
 * Threads: read and checked by the main thread before there is another one;
 *          fixed afterwards, so any thread may read it.  What a command can
 *          change later (verbosity, detail, LRU settings) is a start value
 *          here and lives elsewhere.
 * Fails:   config_read() says what is wrong on err and returns the status
 *          with which to exit: 64 a conflict, 1 another bad value.
 * Cost:    start-up only.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/proto.h"
#include "server/conffile.h"

#define SLABD_VERSION "0.1"
/* What `version` answers.  Clients gate features by the first three numbers;
 * the fourth, which memcached does not have, is slabd's: 100 times the major
 * one, and the minor.  No word: Perl's version->parse dies of one, to
 * PHP's version_compare it is older than 1.6.45. */
#define SLABD_WIRE_VERSION "1.6.45.1"

enum {
	CONFIG_REQS_PER_EVENT = 20, /* -R, and what is taken for no -R */
	CONFIG_RUN = -1,    /* no exit status: go on and serve */
	CONFIG_USAGE = 64,  /* options that contradict each other */
	CONFIG_NO_USER = 67,
	CONFIG_NO_BIND = 71,
	CONFIG_SLAB_SIZES = 64,
	CONFIG_PORT_ANY = 65536, /* -p -1: whichever is free */
};

/* The filter of system calls. */
enum config_confine {
	CONFIG_CONFINE_NOT,  /* -o no_drop_privileges */
	CONFIG_CONFINE_CAN,  /* where the kernel has one: the default */
	CONFIG_CONFINE_MUST, /* -o drop_privileges */
};

struct kept;

struct config {
	/* memory */
	size_t memory_limit;	/* -m, in bytes */
	bool no_evictions;	/* -M */
	unsigned item_max;	/* -I, bytes */
	unsigned chunk_min;	/* -n */
	double growth_factor;	/* -f; 1.25 if not given */
	bool has_growth_factor; /* -f was given */
	unsigned slab_sizes[CONFIG_SLAB_SIZES]; /* -o slab_sizes, ended by 0;
						   [0] = 0: not given */
	unsigned slab_chunk_max; /* -o, bytes; echoed only */
	unsigned hashpower;	 /* -o; 0 = not given */
	bool large_pages;	 /* -L: the memory limit is fixed, too */
	bool lock_memory;	 /* -k */
	const char *memory_file; /* -e, or NULL */

	/* what clients may do */
	bool no_cas;		/* -C */
	bool enable_shutdown;	/* -A */
	bool disable_flush_all; /* -F */
	bool disable_dumping;	/* -X */
	bool disable_watch;	/* -W */
	bool sasl;		/* -S */
	const char *auth_file;	/* -Y, or NULL: the users */

	/* connections and threads */
	unsigned threads;	/* -t */
	unsigned conn_limit;	/* -c */
	bool maxconns_fast;	/* -o; no_: stop accepting instead */
	bool debug; /* -o relaxed_privileges */
	unsigned reqs_per_event; /* -R */
	unsigned listen_backlog; /* -b */
	unsigned idle_timeout;	 /* -o, seconds; 0 = never */
	enum proto_name protocol; /* -B */
	bool has_protocol;	/* -B was given */
	unsigned napi_ids;	 /* -N; echoed only */

	/* where */
	unsigned port;		/* -p; 0 = no TCP, or CONFIG_PORT_ANY */
	bool has_port;		/* -p was given */
	unsigned udp_port;	/* -U; 0 = off, or CONFIG_PORT_ANY */
	const char *listen;	/* all -l texts joined by commas, or NULL */
	const char *inter;	/* what stats settings shows of it */
	const char *unix_socket; /* -s, or NULL */
	bool unix_noauth;	/* -s noauth:FILE */
	unsigned unix_mask;	/* -a, the mode of the socket file */

	/* encryption */
	bool ssl;		/* -Z */
	const char *ssl_chain_cert, *ssl_key, *ssl_ca_cert; /* files or NULL */
	const char *ssl_ciphers; /* or NULL */
	unsigned ssl_keyformat, ssl_verify_mode, ssl_min_version;
	bool ssl_session_cache, ssl_kernel_tls;
	unsigned ssl_wbuf_size; /* bytes; echoed only */

	const char *cluster;	/* -o, host:port,..., or NULL */
	unsigned cluster_version; /* -o */

	/* the process */
	unsigned verbosity;	/* how many -v */
	bool daemonize;		/* -d */
	const char *pid_file;	/* -P, or NULL */
	const char *user;	/* -u, or NULL */
	bool core_dumps;	/* -r */
	unsigned confine;	/* -o drop_privileges: enum config_confine */

	/* statistics and logs */
	const char *metrics;	    /* -o, ADDRESS:PORT, or NULL */
	bool syslog;		    /* -o */
	bool healthcheck;	    /* --healthcheck: do not serve, ask */
	char prefix_delimiter[2];   /* -D, as a text */
	bool detail_enabled;	    /* -D was given */
	bool track_sizes;	    /* -o */
	unsigned watcher_logbuf;    /* -o watcher_logbuf_size, bytes */
	unsigned worker_logbuf;	    /* -o worker_logbuf_size, bytes */

	/* LRU */
	bool lru_maintainer;	/* false: flat LRU */
	unsigned hot_lru_pct;
	unsigned warm_lru_pct;
	double hot_max_factor;
	double warm_max_factor;
	unsigned temporary_ttl; /* 61 if not given, and then not used */
	bool temp_lru;		/* temporary_ttl was given */
	bool lru_crawler;
	unsigned lru_crawler_sleep;  /* microseconds; echoed only */
	unsigned lru_crawler_tocrawl;	    /* echoed only */

	/* only echoed by stats settings; slabd has no use for them */
	bool slab_reassign;
	unsigned slab_automove;
	double slab_automove_ratio;
	unsigned slab_automove_window;
	double slab_automove_freeratio;
	unsigned tail_repair_time;
	const char *hash_algorithm;
	size_t read_buf_mem_limit; /* bytes */
	bool inline_ascii_response;

	/* config.c's own */
	char *joined; /* what listen points to, to be freed */
	struct kept *kept; /* texts that options point into */
	struct conffile file; /* likewise: the words of --config */
	const char *unused; /* where options without effect leave their value */
};

/* Defaults, then argv.  Help and version go to out, complaints to err. */
int config_read(struct config *, int argc, char **argv, FILE *out, FILE *err);
void config_fini(struct config *);

#endif
