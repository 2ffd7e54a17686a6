/* conns.c - see stats.h: the group `stats conns`. */
#include <stdlib.h>
#include <string.h>

#include "server/peer.h"
#include "server/stats.h"

/* The kernel is asked twice for each, so of ten thousand it is a matter of tens
 * of milliseconds; in one turn there are no more than these. */
enum {
	STEP_TOLD = 64,
	STEP_LOOKED = 4096,
	NAME_MOST = 48,
	TOLD_MOST = 5 * (NAME_MOST + PEER_TEXT + 64), /* bytes */
};
_Static_assert((int)STEP_TOLD * TOLD_MOST + 64 <= (int)HOST_BATCH_MAX,
    "a step has room in the output");

struct listing {
	struct stream stream;
	int asks;	/* the descriptor of who wants to know */
	unsigned next;
};

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
put_conn(struct answer *a, int fd, bool asks, enum conn_state state,
    uint32_t idle)
{
	struct peer own, client;
	bool has_client = state != CONN_LISTENING && state != CONN_UDP;
	char name[NAME_MOST];

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
	answer_number(a, name, idle);
}

/* Those of the next descriptors, and the end behind the last. */
static void
put_some(struct listing *l, const struct host *h, struct answer *a)
{
	const struct server *srv = h->server;
	unsigned told = 0;

	for (unsigned looked = 0; l->next < srv->nconns &&
	    told < STEP_TOLD && looked < STEP_LOOKED; looked++) {
		int fd = (int)l->next++;
		const struct conn_info *i = &srv->conns[fd];
		enum conn_state state = atomic_load_explicit(&i->state,
		    memory_order_relaxed);
		uint32_t last = atomic_load_explicit(&i->last_request,
		    memory_order_relaxed);

		if (state == CONN_NONE)
			continue;
		told++;
		put_conn(a, fd, fd == l->asks, state,
		    h->caller.now > last ? h->caller.now - last : 0);
	}
	if (l->next == srv->nconns)
		answer_end(a);
}

static enum stream_state
step_conns(struct stream *stream, struct host *h)
{
	struct listing *l = (struct listing *)stream;
	struct answer a = { .proto = PROTO_TEXT }; /* binary has none */
	struct result res = { .status = STATUS_NO_MEMORY };
	struct request req = { .op = OP_STATS };
	char *out = output_at(h->out);

	put_some(l, h, &a);
	if (a.failed) {
		count_up(&h->counters.malloc_fails, 1);
		l->next = h->server->nconns;
		out = proto_compose(PROTO_TEXT, out, &req, &res);
	} else if (a.used > 0) {
		memcpy(out, a.bytes, a.used);
		out += a.used;
	}
	output_to(h->out, out);
	answer_drop(&a);
	return l->next == h->server->nconns ? STREAM_DONE : STREAM_MORE;
}

static void
end_conns(struct stream *stream, struct host *h)
{
	(void)h;
	free(stream);
}

void
stats_conns(struct call *call, struct result *res)
{
	struct listing *l = malloc(sizeof(*l));

	if (l == NULL) {
		count_up(&call->host->counters.malloc_fails, 1);
		res->status = STATUS_NO_MEMORY;
		return;
	}
	*l = (struct listing){ { step_conns, end_conns }, call->fd, 0 };
	call->stream = &l->stream;
	res->status = STATUS_NOTHING;
}
