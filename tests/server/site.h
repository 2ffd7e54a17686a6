/*
 * site.h - a server that has users, and a client that speaks binary.
 *
 * Owns:    the user file and the talk, from site_open() to site_close().
 * Threads: one.
 * Fails:   by aborting the test.
 * Cost:    whatever.
 */
#ifndef TESTS_SERVER_SITE_H
#define TESTS_SERVER_SITE_H

#include "tests/server/talk.h"

struct site {
	char path[32];
	char options[128];
	struct talk *t;
};

enum { OP_GETB = 0x00, OP_SETB = 0x01, OP_NOOP = 0x0a, OP_VER = 0x0b,
	OP_STAT = 0x10, OP_LIST = 0x20, OP_AUTH = 0x21, OP_NEXT = 0x22 };

/* users: what the file holds; options: beside -Y. */
void site_open(struct site *, const char *users, const char *options);
void site_close(struct site *);
void site_fill(struct site *, const char *users);

/* A line of slabd's own form, which costs no time to check; until the next
 * call. */
const char *site_line(const char *name, const char *password,
    const char *bounds);

/* Sends a packet; its replies are all that is in t->out then. */
void site_packet(struct talk *, uint8_t opcode, const char *extras,
    size_t nextras, const char *key, size_t nkey, const char *value,
    size_t nvalue);
/* The status of the reply, whose body is compared with text unless that is
 * NULL; -1: there is none. */
int site_status(struct talk *, uint8_t opcode, const char *text);

/* Both in one, for packets with nothing but an opcode, and for SASL's. */
int site_ask(struct talk *, uint8_t opcode);
int site_sasl(struct talk *, uint8_t opcode, const char *mechanism,
    const char *data, size_t n);

#endif
