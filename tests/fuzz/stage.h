/*
 * stage.h - a small server for fuzzers, and a few clients that talk to it.
 *
 * Inputs become scripts: who says what, and when time passes.  A script is
 * played either on a cache that is full, so that it evicts, where only the
 * promises of session.h are asserted; or, in one piece and in many, on one
 * that is empty, and then the replies must be the same.
 *
 * Server and cache live as long as the process: a fuzzer has no time to make
 * new ones.
 *
 * Owns:    two servers, from the first script on.
 * Threads: one.
 * Fails:   by aborting.
 * Cost:    some 20 us a script.
 */
#ifndef TESTS_FUZZ_STAGE_H
#define TESTS_FUZZ_STAGE_H

#include "server/host.h"
#include "server/session.h"

enum {
	STAGE_PARTIES = 2,
	SCRIPT_TURNS = 64,
	SCRIPT_BYTES = 64 * 1024,
};

struct stage {
	struct config config;
	struct server server;
	struct host *host;
};

/* A server with these options; argv[0] included. */
void stage_open(struct stage *, int argc, char **argv);
void stage_close(struct stage *);

/* A client. */
struct party {
	struct session session;
	char *in, *out; /* not yet served; replies */
	size_t nin, nout, room;
	bool closed;
};

void party_join(struct party *, struct stage *, enum proto_name);
void party_leave(struct party *, struct stage *);
/* Sends n bytes, as one read; if sink, large values go straight into their
 * items, as conn.c does it. */
void party_send(struct party *, struct stage *, const char *bytes, size_t n,
    bool sink);

struct turn {
	unsigned who;
	unsigned seconds; /* that pass before */
	size_t n;	  /* bytes of the script */
};

struct script {
	enum proto_name proto;
	unsigned nturns;
	struct turn turns[SCRIPT_TURNS];
	size_t n;
	char bytes[SCRIPT_BYTES];
};

/* The one script of the process, empty. */
struct script *script_new(enum proto_name);
/* Bytes for the party whose turn it is; what does not fit is left out. */
void script_say(struct script *, const void *bytes, size_t n);
void script_repeat(struct script *, int byte, size_t n);
void script_turn(struct script *, unsigned who, unsigned seconds);

/* mode chooses cache, pieces and sink: any byte will do. */
void script_play(struct script *, uint8_t mode);

#endif
