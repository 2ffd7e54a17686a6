/*
 * tls.h - TLS: who the server is, and one connection's encryption.
 *
 *      tls_new(config) ──▶ tls_reload() ...           certificate, key, CAs
 *      tls_begin(conn) ──▶ tls_receive() / tls_transmit() ──▶ tls_end()
 *
 * tls_receive() and tls_transmit() stand where recv() and send() would: bytes
 * or -1 and errno, 0 at the end of what the client sends.  The handshake is
 * made on the way, by the worker that owns the connection, step by step as the
 * client's part comes in; nobody waits for it.  OpenSSL's object of a
 * connection is made when the client has sent its first byte, so that one that
 * never does costs nothing.
 *
 * A step of a handshake may take a millisecond.  Those who make them shall not
 * let the others wait for all of theirs: in one round of a worker there are
 * few, and the next ones are left for the next round (EAGAIN).
 *
 * Who wants to be told when to go on asks tls_awaits(): bytes that were read
 * from the socket and decrypted, of which epoll knows nothing, a handshake
 * that has to write before it can be read on, and the like.
 *
 * A reload makes all anew and then takes the place of the old: a connection
 * keeps what it began with, and a broken file changes nothing.
 *
 * A session is resumed only by a listener that asks the same of clients as
 * the one where it began: else a ticket of btls: would open mtls:.
 *
 * Owns:    the context; a connection's OpenSSL object, until tls_end().
 * Threads: tls_new(), tls_free() the main thread; tls_reload(), tls_begin()
 *          and the others any, a connection's being its worker's.
 * Fails:   tls_new(), tls_reload() with a sentence.  No memory for a
 *          connection: ENOMEM.
 * Cost:    a lock for each handshake, a copy for values behind small replies.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "server/address.h"

struct config;
struct host;
struct ssl_st;
struct tls;

enum {
	TLS_WHY_MAX = 512,
	TLS_HANDSHAKES = 8, /* steps of them, then others have their turn */
};

/* NULL: why, TLS_WHY_MAX bytes, has a sentence. */
struct tls *tls_new(const struct config *, char *why);
void tls_free(struct tls **);

/* Reads the files again, at that server second.  false: all is as it was. */
bool tls_reload(struct tls *, uint32_t now, char *why);
/* To be asked when root has become another user: false, no reload will do. */
bool tls_may_reload(const struct tls *);
/* The server second when the files were last read; 0: at the start. */
uint32_t tls_loaded(const struct tls *);

/* Of -o ssl_min_version=2 "tlsv1.2", of -o ssl_verify_mode=2 OpenSSL's 3. */
const char *tls_version_name(unsigned number);
unsigned tls_verify_mode(unsigned number);

/* ------------------------------------------------------------ a connection */

/* Zeroed before tls_begin(). */
struct tls_conn {
	struct tls *tls;
	struct host *host;  /* whose counters, and who is told of errors */
	struct ssl_st *ssl; /* NULL: the client has sent nothing yet */
	int fd;
	uint8_t listener; /* enum address_tls */
	uint8_t to_read, to_write; /* enum of poller.h: see tls_awaits() */
	bool open;   /* the handshake is done */
	bool broken; /* nothing can be said any more */
};

/* fd: nonblocking, and closed after tls_end() by whoever opened it. */
void tls_begin(struct tls_conn *, struct tls *, struct host *, int fd,
    enum address_tls);
/* Tells the client that this was all, if that can still be told. */
void tls_end(struct tls_conn *);
void tls_bye(struct tls_conn *);

ssize_t tls_receive(struct tls_conn *, void *to, size_t n);
ssize_t tls_receive_all(struct tls_conn *, const struct iovec *, unsigned n);
/* What was refused (EAGAIN) has to be offered again, as much or more of it. */
ssize_t tls_transmit(struct tls_conn *, const void *from, size_t n);
ssize_t tls_transmit_all(struct tls_conn *, const struct iovec *, unsigned n);

/* Which of POLLER_READ and POLLER_WRITE the socket has to be ready for before
 * reading, or writing, can go on.  A socket that need not be waited for is
 * ready to be written, or its client does not read. */
static inline int
tls_awaits(const struct tls_conn *c, bool writing)
{
	return writing ? c->to_write : c->to_read;
}

#endif
