/*
 * service.h - what a service manager and its service say to each other:
 * sockets that it made, and that the service is ready (sd_listen_fds(3),
 * sd_notify(3)).
 *
 * These two protocols are documented to be spoken without libsystemd, which
 * would bring a compressor and a crypto library along.
 *
 * Owns:    nothing; what is taken from the environment goes.
 * Threads: the main thread.
 * Fails:   silently: who is not managed has nobody to tell.
 * Cost:    start and end only.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <stdbool.h>

enum { SERVICE_FIRST_SOCKET = 3 };

/* How many sockets there are for this process, from the first on. */
unsigned service_sockets(void);

/* Somebody wants to be told. */
bool service_is_managed(void);

/* "READY=1", "STOPPING=1" */
void service_tell(const char *state);

#endif
