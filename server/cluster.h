/*
 * cluster.h - `config get cluster`: the nodes that clients of ElastiCache's
 * auto discovery are to use, a list that the operator gave.
 *
 *      CONFIG cluster 0 LENGTH \r\n
 *      VERSION \n
 *      host|address|port host|address|port \n
 *      \r\n END \r\n
 *
 * Clients use a list whose version is higher than that of the one they have.
 *
 * Owns:    nothing.
 * Threads: the main thread, at the start; then the text is fixed.
 * Fails:   NULL with *why, which speaks of the node.
 * Cost:    the addresses of names are looked up, once.
 */
#ifndef SERVER_CLUSTER_H
#define SERVER_CLUSTER_H

#include <stddef.h>

struct config;

/* The whole reply, to be freed.  config->cluster is not NULL; why has room. */
char *cluster_print(const struct config *, char *why, size_t room);

#endif
