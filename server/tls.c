/* tls.c - see tls.h. */
#include "server/tls.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/config.h"
#include "server/host.h"
#include "server/log.h"
#include "server/openssl.h"
#include "server/poller.h"
#include "server/watch.h"

enum {
	RECORD = SSL3_RT_MAX_PLAIN_LENGTH,
	/* Taken by one call at most, however much there is: others want their
	 * turn.  Not all of them need bring data. */
	RECORDS = 64,
	MESSAGE_MAX = 200,
};

struct tls {
	const struct config *config;
	/* Of the files, from the root on: a daemon leaves its folder. */
	char *chain, *key, *authorities; /* the last: or NULL */
	pthread_mutex_t lock; /* guards: */
	SSL_CTX *context;
	_Atomic uint32_t loaded;
};

/* ------------------------------------------------------------ the context */

const char *
tls_version_name(unsigned number)
{
	static const char *const names[] = { "tlsv1.0", "tlsv1.1", "tlsv1.2",
		"tlsv1.3" };

	return number < 4 ? names[number] : "unknown";
}

/* By the number of -o ssl_min_version. */
static int
version(unsigned number)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION,
		TLS1_2_VERSION, TLS1_3_VERSION };

	return versions[number < 4 ? number : 3];
}

unsigned
tls_verify_mode(unsigned number)
{
	static const unsigned modes[] = { SSL_VERIFY_NONE, SSL_VERIFY_PEER,
		SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT |
		    SSL_VERIFY_CLIENT_ONCE };

	return modes[number < 4 ? number : 3];
}

/* memcached's words, and the first cause that OpenSSL has. */
static bool
fail(char *why, const char *what, const char *file)
{
	unsigned long e = ERR_get_error();
	const char *reason = ERR_SYSTEM_ERROR(e) ?
	    strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

	snprintf(why, TLS_WHY_MAX, "Error %s: %.300s : %s", what, file,
	    reason != NULL ? reason : "unknown reason");
	ERR_clear_error();
	return false;
}

/* A server has nobody to ask for it. */
static int
no_passphrase(char *to, int room, int writing, void *arg)
{
	(void)to;
	(void)room;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
load_key(SSL_CTX *x, const struct tls *tls, char *why)
{
	SSL_CTX_set_default_passwd_cb(x, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(x, tls->chain) != 1)
		return fail(why, "loading the certificate chain", tls->chain);
	if (SSL_CTX_use_PrivateKey_file(x, tls->key,
	    (int)tls->config->ssl_keyformat) != 1)
		return fail(why, "loading the key (PEM, or DER with "
		    "ssl_keyformat=2, without a passphrase)", tls->key);
	if (SSL_CTX_check_private_key(x) != 1)
		return fail(why, "validating the certificate", tls->chain);
	return true;
}

static bool
load_authorities(SSL_CTX *x, const char *file, char *why)
{
	if (file == NULL)
		return true;
	if (SSL_CTX_load_verify_locations(x, file, NULL) != 1)
		return fail(why, "loading the CA certificate", file);
	SSL_CTX_set_client_CA_list(x, SSL_load_client_CA_file(file));
	return true;
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *c = SSL_get_app_data(ssl);

	(void)session;
	count_up(&c->host->counters.ssl_new_sessions, 1);
	return 0;
}

static void
set_manners(SSL_CTX *x, const struct config *c)
{
	SSL_CTX_set_min_proto_version(x, version(c->ssl_min_version));
	/* Requests say themselves where they end: that a client closes without
	 * saying so cuts nothing off. */
	SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (c->sasl || c->auth_file != NULL) /* passwords pass */
		SSL_CTX_set_options(x, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Who sends nothing but records without data must come to an end. */
	SSL_CTX_clear_mode(x, SSL_MODE_AUTO_RETRY);
	if (c->ssl_kernel_tls)
		SSL_CTX_set_options(x, SSL_OP_ENABLE_KTLS);
	else /* a record by one system call */
		SSL_CTX_set_read_ahead(x, 1);
	SSL_CTX_set_session_cache_mode(x, c->ssl_session_cache ?
	    SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
	if (c->ssl_session_cache)
		SSL_CTX_sess_set_new_cb(x, on_session);
}

static SSL_CTX *
make(const struct tls *tls, char *why)
{
	const struct config *c = tls->config;
	SSL_CTX *x;

	ERR_clear_error();
	x = SSL_CTX_new(TLS_server_method());
	if (x == NULL) {
		fail(why, "starting TLS", "OpenSSL");
		return NULL;
	}
	set_manners(x, c);
	if (load_key(x, tls, why) &&
	    load_authorities(x, tls->authorities, why) &&
	    (c->ssl_ciphers == NULL ||
	    SSL_CTX_set_cipher_list(x, c->ssl_ciphers) == 1 ||
	    fail(why, "setting the provided cipher(s)", c->ssl_ciphers)))
		return x;
	SSL_CTX_free(x);
	return NULL;
}

/* As long as the name is; links stay links, for they may come to lead
 * elsewhere.  NULL: no memory. */
static char *
from_root(const char *path)
{
	char *folder = *path == '/' ? NULL : getcwd(NULL, 0), *whole;
	int n = asprintf(&whole, "%s%s%s", folder != NULL ? folder : "",
	    folder != NULL ? "/" : "", path);

	free(folder);
	return n < 0 ? NULL : whole;
}

static bool
name_files(struct tls *tls, const struct config *c)
{
	tls->chain = from_root(c->ssl_chain_cert);
	tls->key = from_root(c->ssl_key != NULL ? c->ssl_key :
	    c->ssl_chain_cert);
	if (c->ssl_ca_cert != NULL)
		tls->authorities = from_root(c->ssl_ca_cert);
	return tls->chain != NULL && tls->key != NULL &&
	    (c->ssl_ca_cert == NULL || tls->authorities != NULL);
}

struct tls *
tls_new(const struct config *config, char *why)
{
	struct tls *tls;

	if (!openssl_load()) {
		snprintf(why, TLS_WHY_MAX, "-Z: needs OpenSSL 3 (on "
		    "Debian: apt-get install libssl3)");
		return NULL;
	}
	snprintf(why, TLS_WHY_MAX, "out of memory for TLS");
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return NULL;
	if (pthread_mutex_init(&tls->lock, NULL) != 0)
		abort();
	tls->config = config;
	if (name_files(tls, config))
		tls->context = make(tls, why);
	if (tls->context == NULL) {
		tls_free(&tls);
		return NULL;
	}
	if (config->ssl_verify_mode > 0 && config->ssl_ca_cert == NULL)
		log_warn("-o ssl_verify_mode: without -o ssl_ca_cert no "
		    "client's certificate is good");
	return tls;
}

void
tls_free(struct tls **tp)
{
	struct tls *tls = *tp;

	*tp = NULL;
	SSL_CTX_free(tls->context);
	pthread_mutex_destroy(&tls->lock);
	free(tls->chain);
	free(tls->key);
	free(tls->authorities);
	free(tls);
}

bool
tls_reload(struct tls *tls, uint32_t now, char *why)
{
	SSL_CTX *fresh = make(tls, why), *old;

	if (fresh == NULL)
		return false;
	pthread_mutex_lock(&tls->lock);
	old = tls->context;
	tls->context = fresh;
	pthread_mutex_unlock(&tls->lock);
	atomic_store_explicit(&tls->loaded, now, memory_order_relaxed);
	SSL_CTX_free(old);
	return true;
}

bool
tls_may_reload(const struct tls *tls)
{
	return access(tls->chain, R_OK) == 0 && access(tls->key, R_OK) == 0 &&
	    (tls->authorities == NULL || access(tls->authorities, R_OK) == 0);
}

uint32_t
tls_loaded(const struct tls *tls)
{
	return atomic_load_explicit(&tls->loaded, memory_order_relaxed);
}

/* ------------------------------------------------------------ trouble */

/* The first error is the cause.  Nothing in it comes from the client. */
static void
tell(struct tls_conn *c, int error, int system)
{
	struct counters *counters = &c->host->counters;
	struct server *srv = c->host->server;
	char text[MESSAGE_MAX];
	unsigned long e = ERR_get_error();

	if (e != 0)
		ERR_error_string_n(e, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s", error == SSL_ERROR_SYSCALL &&
		    system != 0 ? strerror(system) : "unexpected end");
	if (!c->open)
		count_up(&counters->ssl_handshake_errors, 1);
	else if (error == SSL_ERROR_SSL)
		count_up(&counters->ssl_proto_errors, 1);
	log_debug("connection %d: TLS: %s", c->fd, text);
	if (atomic_load_explicit(&srv->observing, memory_order_relaxed) &
	    OBSERVE_CONNEVENTS)
		watch_tls_error(srv->watch, c->fd, text);
}

/* What a call that returned r without success means, as recv() and send()
 * would have it; *awaits is set if it may yet succeed. */
static ssize_t
judge(struct tls_conn *c, int r, uint8_t *awaits)
{
	int system = errno, error = SSL_get_error(c->ssl, r);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		*awaits = error == SSL_ERROR_WANT_READ ? POLLER_READ :
		    POLLER_WRITE;
		errno = EAGAIN;
		return -1;
	}
	*awaits = POLLER_WRITE; /* it will be told again */
	if (error == SSL_ERROR_ZERO_RETURN && c->open)
		return 0;
	tell(c, error, system);
	ERR_clear_error();
	c->broken = true;
	errno = EPROTO;
	return -1;
}

/* ------------------------------------------------------------ a connection */

void
tls_begin(struct tls_conn *c, struct tls *tls, struct host *h, int fd,
    enum address_tls listener)
{
	c->tls = tls;
	c->host = h;
	c->fd = fd;
	c->listener = (uint8_t)listener;
	c->to_read = POLLER_READ;
	c->to_write = POLLER_WRITE;
}

static SSL *
open_session(struct tls *tls)
{
	SSL_CTX *x;
	SSL *ssl;

	pthread_mutex_lock(&tls->lock);
	x = tls->context;
	SSL_CTX_up_ref(x);
	pthread_mutex_unlock(&tls->lock);
	ssl = SSL_new(x);
	SSL_CTX_free(x);
	return ssl;
}

/* 1, or what recv() says as long as the client has sent nothing. */
static ssize_t
start(struct tls_conn *c)
{
	const struct config *config = c->tls->config;
	unsigned char demand = c->listener == ADDRESS_TLS_BASIC ? 0 :
	    c->listener == ADDRESS_TLS_MUTUAL ? 2 :
	    (unsigned char)config->ssl_verify_mode;
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK);

	if (n <= 0)
		return n;
	ERR_clear_error();
	c->ssl = open_session(c->tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
	    SSL_set_app_data(c->ssl, c) != 1 ||
	    SSL_set_session_id_context(c->ssl, &demand, 1) != 1) {
		count_up(&c->host->counters.malloc_fails, 1);
		c->broken = true;
		errno = ENOMEM;
		return -1;
	}
	SSL_set_verify(c->ssl, (int)tls_verify_mode(demand), NULL);
	SSL_set_accept_state(c->ssl);
	return 1;
}

/* 1, or what to return at once. */
static ssize_t
ready(struct tls_conn *c)
{
	if (c->broken) {
		errno = EPROTO;
		return -1;
	}
	return c->ssl != NULL ? 1 : start(c);
}

/* A record without data was read, and there are bytes of the next. */
static bool
goes_on(const struct tls_conn *c, int r)
{
	return errno != EAGAIN && SSL_has_pending(c->ssl) &&
	    SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ;
}

/* The socket will be told of again, behind those who are there now. */
static bool
must_wait(struct tls_conn *c)
{
	if (c->open || c->broken)
		return false;
	return c->host->handshakes++ >= TLS_HANDSHAKES;
}

ssize_t
tls_receive(struct tls_conn *c, void *to, size_t n)
{
	ssize_t first, verdict;
	size_t have = 0;
	int r = 0;

	if (must_wait(c)) {
		errno = EAGAIN;
		return -1;
	}
	first = ready(c);
	if (first <= 0)
		return first;
	for (int i = 0; i < RECORDS && have < n; i++) {
		int most = n - have < RECORDS * RECORD ? (int)(n - have) :
		    RECORDS * RECORD;

		ERR_clear_error();
		errno = 0;
		r = SSL_read(c->ssl, (char *)to + have, most);
		c->open = c->open || SSL_is_init_finished(c->ssl);
		if (r > 0)
			have += (size_t)r;
		/* A full one is not the last. */
		if (r > 0 ? r < RECORD && !SSL_has_pending(c->ssl) :
		    !goes_on(c, r))
			break;
	}
	if (r > 0 || goes_on(c, r)) {
		c->to_read = SSL_has_pending(c->ssl) ? POLLER_WRITE :
		    POLLER_READ;
		verdict = -1;
		errno = EAGAIN;
	} else {
		verdict = judge(c, r, &c->to_read);
	}
	return have > 0 ? (ssize_t)have : verdict;
}

ssize_t
tls_receive_all(struct tls_conn *c, const struct iovec *iov, unsigned n)
{
	size_t have = 0;

	for (unsigned i = 0; i < n; i++) {
		ssize_t got = tls_receive(c, iov[i].iov_base, iov[i].iov_len);

		if (got <= 0)
			return have > 0 ? (ssize_t)have : got;
		have += (size_t)got;
		if ((size_t)got < iov[i].iov_len || have >= RECORDS * RECORD)
			break;
	}
	return (ssize_t)have;
}

ssize_t
tls_transmit(struct tls_conn *c, const void *from, size_t n)
{
	ssize_t first = ready(c);
	int r;

	if (first <= 0)
		return first < 0 ? first : (errno = EPIPE, -1);
	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, from, n < RECORDS * RECORD ? (int)n :
	    RECORDS * RECORD);
	if (r > 0) {
		c->to_write = POLLER_WRITE;
		return r;
	}
	return judge(c, r, &c->to_write) < 0 ? -1 : (errno = EPIPE, -1);
}

/*
 * A record for what is small, lest each reply before a large value have its
 * own.  One that was refused is of at most RECORD bytes, so that it is offered
 * in full again, whether or not it is put together this time.
 */
ssize_t
tls_transmit_all(struct tls_conn *c, const struct iovec *iov, unsigned n)
{
	char together[RECORD];
	size_t have = 0;

	if (n == 0 || iov[0].iov_len >= RECORD)
		return n == 0 ? 0 :
		    tls_transmit(c, iov[0].iov_base, iov[0].iov_len);
	for (unsigned i = 0; i < n && have < RECORD; i++) {
		size_t m = iov[i].iov_len < RECORD - have ? iov[i].iov_len :
		    RECORD - have;

		memcpy(together + have, iov[i].iov_base, m);
		have += m;
	}
	return tls_transmit(c, together, have);
}

void
tls_bye(struct tls_conn *c)
{
	if (c->ssl == NULL || !c->open || c->broken)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
	ERR_clear_error();
}

void
tls_end(struct tls_conn *c)
{
	tls_bye(c);
	SSL_free(c->ssl);
	c->ssl = NULL;
	c->broken = true;
}
