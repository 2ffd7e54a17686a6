/*
 * health.h - slabd --healthcheck: does the server of these options answer?
 *
 * Owns:    nothing.
 * Threads: one; there is no server in this process.
 * Fails:   by its status, with a line that says what is wrong.
 * Cost:    a connection and a request; at most a few seconds.
 */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include <stdio.h>

struct config;

/* 0: it answers, said on out; 1: it does not, said on err. */
int health_check(const struct config *, FILE *out, FILE *err);

#endif
