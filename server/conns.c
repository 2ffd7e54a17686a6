/* conns.c - see stats.h: the group `stats conns`. */
#include <string.h>

#include "server/peer.h"
#include "server/stats.h"

static const char *
state_name(enum conn_state state)
{
	switch (state) {
	case CONN_LISTENING:
		return "conn_listening";
	case CONN_UDP:
	case CONN_READ:
		return "conn_read";
	case CONN_NREAD:
		return "conn_nread";
	case CONN_SWALLOW:
		return "conn_swallow";
	case CONN_MWRITE:
		return "conn_mwrite";
	case CONN_WATCH:
		return "conn_watch";
	case CONN_CLOSING:
		return "conn_closing";
	case CONN_NONE:
	case CONN_NEW_CMD:
		break;
	}
	return "conn_new_cmd";
}

static void
put_conn(struct call *call, struct answer *a, int fd, enum conn_state state,
    uint32_t last_request)
{
	struct peer own, client;
	uint32_t now = call->host->caller.now;
	bool asks = fd == call->fd;
	bool has_client = state != CONN_LISTENING && state != CONN_UDP;
	char name[48];

	/* Closed meanwhile; what the kernel says is what is. */
	if (!peer_own(fd, &own) || (has_client && !peer_client(fd, &client)))
		return;
	if (state == CONN_UDP) {
		snprintf(name, sizeof(name), "%d:UDP", fd);
		answer_stat(a, name, "UDP");
		memcpy(own.text, "udp", 3); /* for tcp */
	}
	snprintf(name, sizeof(name), "%d:addr", fd);
	answer_stat(a, name, "%s", has_client ? client.text : own.text);
	if (has_client) {
		snprintf(name, sizeof(name), "%d:listen_addr", fd);
		answer_stat(a, name, "%s", own.text);
	}
	snprintf(name, sizeof(name), "%d:state", fd);
	answer_stat(a, name, "%s", asks ? "conn_parse_cmd" :
	    state_name(state));
	snprintf(name, sizeof(name), "%d:secs_since_last_cmd", fd);
	answer_number(a, name, now > last_request ? now - last_request : 0);
}

void
stats_conns(struct call *call, struct answer *a)
{
	const struct server *srv = call->host->server;

	for (unsigned fd = 0; fd < srv->nconns; fd++) {
		const struct conn_info *i = &srv->conns[fd];
		enum conn_state state = atomic_load_explicit(&i->state,
		    memory_order_relaxed);

		if (state != CONN_NONE)
			put_conn(call, a, (int)fd, state,
			    atomic_load_explicit(&i->last_request,
			    memory_order_relaxed));
	}
}
