/* cluster.c - see cluster.h. */
#include "server/cluster.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/address.h"
#include "server/config.h"

/* The first address of a name; empty if there is none: then clients look. */
static void
look_up(const char *host, char *text, socklen_t room)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	*text = '\0';
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return;
	if (getnameinfo(found->ai_addr, found->ai_addrlen, text, room, NULL, 0,
	    NI_NUMERICHOST) != 0)
		*text = '\0';
	freeaddrinfo(found);
}

static bool
print_nodes(FILE *out, const struct config *config, char *why, size_t room)
{
	const char *list = config->cluster, *node, *wrong;
	const char *between = "";
	struct address a;
	char numeric[64];
	size_t n;

	while ((node = address_next(&list, &n)) != NULL) {
		if (!address_parse(node, n, &a, &wrong)) {
			snprintf(why, room, "-o cluster: %.*s: %s", (int)n,
			    node, wrong);
			return false;
		}
		if (*a.host == '\0' || strchr(a.host, '|') != NULL ||
		    a.port == 0 || a.port > 65535) {
			snprintf(why, room, "-o cluster: %.*s: must be a host "
			    "and a port, as in 10.0.0.1:11211", (int)n, node);
			return false;
		}
		look_up(a.host, numeric, sizeof(numeric));
		fprintf(out, "%s%s|%s|%u", between, a.host, numeric, a.port);
		between = " ";
	}
	snprintf(why, room, "-o cluster: there is no node");
	return *between != '\0';
}

char *
cluster_print(const struct config *config, char *why, size_t room)
{
	char *nodes = NULL, *reply = NULL;
	char version[16];
	FILE *out;
	size_t n;
	bool ok;

	snprintf(version, sizeof(version), "%u", config->cluster_version);
	out = open_memstream(&nodes, &n);
	ok = out != NULL && print_nodes(out, config, why, room);
	if (out != NULL && fclose(out) != 0)
		ok = false;
	if (ok && asprintf(&reply, "CONFIG cluster 0 %zu\r\n%s\n%s\n\r\n"
	    "END\r\n", strlen(version) + n + 2, version, nodes) < 0) {
		snprintf(why, room, "out of memory at the start");
		reply = NULL;
	}
	free(nodes);
	return reply;
}
