/*
 * conn.h - the connections of one load thread and what they have seen.
 *
 *      idle --lane_run()--> sending --> waiting for replies --> idle ...
 *
 * A connection has one batch under way at a time.  In a closed loop the next
 * one follows the last reply at once; at a fixed rate it follows when its time
 * has come, and latency counts from that time, not from the sending, so a
 * server that stalls is charged with all that it kept waiting.
 *
 * Owns:    the sockets, the epoll descriptor, the counters.
 * Threads: one thread runs a lane; stop, epoch and quota are atomics that
 *          others write.
 * Fails:   lane_run() ends the process with a message when the peer hangs up
 *          or speaks nonsense: a figure from such a run would be worthless.
 * Cost:    one send() and one recv() a batch, epoll_wait() shared.
 */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bench/hist.h"
#include "bench/plan.h"

enum { LANE_BUFFER = 256 << 10, LANE_EVENTS = 256, LANE_WHOLE = 8192 };

struct counts {
	uint64_t ops; /* keys answered */
	uint64_t batches;
	uint64_t hits, misses, stored, refused, wrong;
	uint64_t sent, received; /* bytes */
	uint64_t connects;
};

struct conn {
	int fd;
	bool busy;
	const struct batch *batch;
	uint32_t op, end; /* next reply to come, in plan.ops */
	const char *out;  /* of the batch, not sent yet */
	size_t nout;
	size_t skip; /* bytes of a large value still to be ignored */
	size_t tail; /* then so many to be compared */
	char *part;  /* LANE_WHOLE bytes: the beginning of a reply */
	size_t npart;
	uint64_t since;   /* latency counts from here */
	uint64_t due;     /* fixed rate: when the next batch should go */
	unsigned waiting; /* fixed rate: batches due but not sent */
};

struct lane {
	/* fixed before lane_run() */
	const struct plan *plan;
	struct sockaddr_storage peer;
	socklen_t npeer;
	unsigned nconns;
	bool churn;  /* a new connection for every batch */
	bool once;   /* each batch of the plan once, then end */
	double rate; /* batches a second; 0 = closed loop */
	_Atomic bool *stop;
	_Atomic unsigned *epoch; /* counters start anew when it changes */
	uint64_t quota;          /* batches to send in all; 0 = no limit */
	/* private */
	struct conn *conns;
	int poll_fd;
	char *buffer;
	uint32_t next_batch;
	uint64_t started, sent_batches;
	unsigned seen_epoch, active;
	uint64_t clock_start, clock_next;
	unsigned turn;
	/* results */
	struct counts counts;
	struct hist hist;
	const char *tag;
};

int lane_open(struct lane *);
void lane_run(struct lane *);
void lane_close(struct lane *);

uint64_t clock_ns(void);

#endif
