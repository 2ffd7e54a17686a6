/* test_tls.c - certificates read and read again, bytes over a pair of sockets.
 *
 * Both ends are of this thread: what is said over one is read from the other,
 * so that each step of a handshake can be looked at. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "server/config.h"
#include "server/host.h"
#include "server/poller.h"
#include "server/tls.h"

enum { RECORD = 16384, STEPS = 1000 };

static char folder[64], cert[100], key[100], why[TLS_WHY_MAX];
static struct config config;
static struct server server;
static struct host *host;

/* A certificate for itself, and its key, in their files. */
static void
write_certificate(const char *name)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);
	FILE *f;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, n);
	X509_set_pubkey(x, pair);
	ck_assert_int_gt(X509_sign(x, pair, EVP_sha256()), 0);
	f = fopen(cert, "w");
	ck_assert_int_eq(PEM_write_X509(f, x), 1);
	fclose(f);
	f = fopen(key, "w");
	ck_assert_int_eq(PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL,
	    NULL), 1);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(pair);
}

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static void
set_up(void)
{
	char *argv[] = { "slabd", NULL };
	const char *wrong;

	snprintf(folder, sizeof(folder), "/tmp/slabd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(cert, sizeof(cert), "%s/cert", folder);
	snprintf(key, sizeof(key), "%s/key", folder);
	ck_assert_int_eq(config_read(&config, 1, argv, stdout, stderr),
	    CONFIG_RUN);
	config.ssl = true;
	config.ssl_chain_cert = cert;
	config.ssl_key = key;
	config.conn_limit = 10;
	write_certificate("one");
	ck_assert_int_eq(server_init(&server, &config, &wrong), 0);
	host = host_new(&server);
	ck_assert_ptr_nonnull(host);
}

static void
tear_down(void)
{
	host_free(&host);
	server_fini(&server);
	config_fini(&config);
	unlink(cert);
	unlink(key);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* ------------------------------------------------------------ two ends */

struct pair {
	struct tls *tls;
	struct tls_conn conn;
	SSL_CTX *context;
	SSL *client;
	int fds[2];
	bool owned;
};

/* tls: of whom the client asks; NULL: of one of its own. */
static void
open_pair_of(struct pair *p, struct tls *tls)
{
	memset(p, 0, sizeof(*p));
	p->owned = tls == NULL;
	p->tls = p->owned ? tls_new(&config, why) : tls;
	ck_assert_msg(p->tls != NULL, "%s", why);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    p->fds), 0);
	tls_begin(&p->conn, p->tls, host, p->fds[0], ADDRESS_TLS_USUAL);
	p->context = SSL_CTX_new(TLS_client_method());
	p->client = SSL_new(p->context);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_connect_state(p->client);
}

static void
open_pair(struct pair *p)
{
	open_pair_of(p, NULL);
}

static void
close_pair(struct pair *p)
{
	tls_end(&p->conn);
	SSL_free(p->client);
	SSL_CTX_free(p->context);
	close(p->fds[0]);
	close(p->fds[1]);
	if (p->owned)
		tls_free(&p->tls);
}

static void
shake(struct pair *p)
{
	char byte;

	for (int i = 0; i < STEPS && !p->conn.open; i++) {
		(void)SSL_do_handshake(p->client);
		/* Not in this round any more. */
		host->handshakes = TLS_HANDSHAKES;
		ck_assert_int_eq(tls_receive(&p->conn, &byte, 1), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_eq(tls_awaits(&p->conn, false), POLLER_READ);
		host->handshakes = 0;
		ck_assert_int_eq(tls_receive(&p->conn, &byte, 1), -1);
		ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert(p->conn.open);
	ck_assert_int_eq(SSL_do_handshake(p->client), 1);
}

START_TEST(test_nothing_is_made_before_the_first_byte)
{
	struct pair p;
	char byte;

	open_pair(&p);
	ck_assert_int_eq(tls_receive(&p.conn, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_ptr_null(p.conn.ssl);
	ck_assert_int_eq(tls_awaits(&p.conn, false), POLLER_READ);
	shutdown(p.fds[1], SHUT_WR);
	ck_assert_int_eq(tls_receive(&p.conn, &byte, 1), 0);
	ck_assert_uint_eq(host->counters.ssl_handshake_errors, 0);
	close_pair(&p);
}
END_TEST

/* Epoll does not know of them. */
START_TEST(test_decrypted_bytes_are_not_forgotten)
{
	static char said[3 * RECORD], heard[sizeof(said)];
	struct pair p;
	size_t have = 0;

	open_pair(&p);
	shake(&p);
	for (size_t i = 0; i < sizeof(said); i++)
		said[i] = (char)(i * 7);
	ck_assert_int_eq(SSL_write(p.client, said, sizeof(said)),
	    (int)sizeof(said));
	for (int i = 0; i < STEPS && have < sizeof(said); i++) {
		ssize_t got = tls_receive(&p.conn, heard + have, 100);

		ck_assert_int_gt(got, 0);
		have += (size_t)got;
		/* To be asked again at once, as long as there is more. */
		if (SSL_has_pending(p.conn.ssl))
			ck_assert_int_eq(tls_awaits(&p.conn, false),
			    POLLER_WRITE);
	}
	ck_assert_uint_eq(have, sizeof(said));
	ck_assert_int_eq(memcmp(said, heard, sizeof(said)), 0);
	ck_assert_int_eq(tls_receive(&p.conn, heard, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(tls_awaits(&p.conn, false), POLLER_READ);
	close_pair(&p);
}
END_TEST

START_TEST(test_several_buffers)
{
	static char said[100], heard[2][60];
	struct iovec out[3] = { { said, 10 }, { said + 10, 1 },
		{ said + 11, 89 } };
	struct iovec in[2] = { { heard[0], 60 }, { heard[1], 60 } };
	char back[100];
	struct pair p;

	open_pair(&p);
	shake(&p);
	memset(said, 'x', sizeof(said));
	ck_assert_int_eq(SSL_write(p.client, said, 100), 100);
	ck_assert_int_eq(tls_receive_all(&p.conn, in, 2), 100);
	ck_assert_int_eq(memcmp(heard[0], said, 60), 0);
	ck_assert_int_eq(memcmp(heard[1], said, 40), 0);
	ck_assert_int_eq(tls_transmit_all(&p.conn, out, 3), 100);
	ck_assert_int_eq(SSL_read(p.client, back, 100), 100);
	ck_assert_int_eq(memcmp(back, said, 100), 0);
	close_pair(&p);
}
END_TEST

/* The client reads nothing for a while; the bytes may move meanwhile, and be
 * put together otherwise. */
START_TEST(test_a_full_socket)
{
	enum { ALL = 4 << 20 };
	char *said = malloc(ALL), *heard = malloc(ALL), *moved;
	size_t sent = 0, have = 0;
	bool was_full = false;
	struct pair p;

	open_pair(&p);
	shake(&p);
	for (size_t i = 0; i < ALL; i++)
		said[i] = (char)(i >> 8 ^ i);
	while (have < ALL) {
		size_t part = sent % 3 == 0 ? ALL : 5000;
		struct iovec iov[2];
		ssize_t n;
		int got;

		/* What is offered again is as much or more. */
		moved = malloc(ALL - sent + 1);
		memcpy(moved, said + sent, ALL - sent);
		iov[0] = (struct iovec){ moved, ALL - sent < part ?
		    ALL - sent : part };
		iov[1] = (struct iovec){ moved + iov[0].iov_len,
			ALL - sent - iov[0].iov_len };
		n = sent < ALL ? tls_transmit_all(&p.conn, iov, 2) : 0;
		free(moved);
		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		ck_assert(n == 0 || errno == EAGAIN);
		was_full = was_full || n < 0;
		ck_assert_int_eq(tls_awaits(&p.conn, true), POLLER_WRITE);
		got = SSL_read(p.client, heard + have, 20000);
		ck_assert_int_gt(got, 0);
		have += (size_t)got;
	}
	ck_assert(was_full);
	ck_assert_int_eq(memcmp(said, heard, ALL), 0);
	close_pair(&p);
	free(said);
	free(heard);
}
END_TEST

START_TEST(test_key_updates)
{
	char text[8];
	struct pair p;

	open_pair(&p);
	shake(&p);
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(SSL_key_update(p.client,
		    SSL_KEY_UPDATE_REQUESTED), 1);
		ck_assert_int_eq(SSL_do_handshake(p.client), 1);
	}
	ck_assert_int_eq(SSL_write(p.client, "after", 5), 5);
	for (int i = 0; ; i++) {
		ssize_t n = tls_receive(&p.conn, text, sizeof(text));

		ck_assert_int_lt(i, STEPS);
		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			continue;
		}
		ck_assert_int_eq(n, 5);
		break;
	}
	ck_assert_int_eq(tls_transmit(&p.conn, "reply", 5), 5);
	ck_assert_int_eq(SSL_read(p.client, text, sizeof(text)), 5);
	close_pair(&p);
}
END_TEST

START_TEST(test_the_end)
{
	char text[8];
	struct pair p;

	open_pair(&p);
	shake(&p);
	ck_assert_int_eq(SSL_write(p.client, "last", 4), 4);
	SSL_shutdown(p.client);
	ck_assert_int_eq(tls_receive(&p.conn, text, sizeof(text)), 4);
	/* It came with the last bytes, and epoll will not tell of it. */
	ck_assert_int_eq(tls_awaits(&p.conn, false), POLLER_WRITE);
	ck_assert_int_eq(tls_receive(&p.conn, text, sizeof(text)), 0);
	ck_assert_int_eq(tls_transmit(&p.conn, "too", 3), 3);
	tls_bye(&p.conn);
	ck_assert_int_eq(SSL_read(p.client, text, sizeof(text)), 3);
	ck_assert_int_eq(SSL_read(p.client, text, sizeof(text)), 0);
	ck_assert_int_eq(SSL_get_error(p.client, 0), SSL_ERROR_ZERO_RETURN);
	close_pair(&p);
	ck_assert_uint_eq(host->counters.ssl_proto_errors, 0);
}
END_TEST

START_TEST(test_rubbish)
{
	char text[64];
	struct pair p;

	open_pair(&p);
	ck_assert_int_eq(write(p.fds[1], "get plain\r\n", 11), 11);
	ck_assert_int_eq(tls_receive(&p.conn, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_int_eq(tls_receive(&p.conn, text, sizeof(text)), -1);
	ck_assert_int_eq(tls_transmit(&p.conn, "x", 1), -1);
	close_pair(&p);
	ck_assert_uint_eq(host->counters.ssl_handshake_errors, 1);
	open_pair(&p);
	shake(&p);
	ck_assert_int_eq(write(p.fds[1], "get plain\r\n", 11), 11);
	ck_assert_int_eq(tls_receive(&p.conn, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EPROTO);
	close_pair(&p);
	ck_assert_uint_eq(host->counters.ssl_handshake_errors, 1);
	ck_assert_uint_eq(host->counters.ssl_proto_errors, 1);
}
END_TEST

/* ------------------------------------------------------------ files */

/* Of which certificate a new client sees the name. */
static void
name_of(struct tls *tls, char *name, size_t room)
{
	struct pair p;

	open_pair_of(&p, tls);
	shake(&p);
	X509_NAME_get_text_by_NID(X509_get_subject_name(
	    SSL_get0_peer_certificate(p.client)), NID_commonName, name,
	    (int)room);
	close_pair(&p);
}

START_TEST(test_reload)
{
	struct tls *tls = tls_new(&config, why);
	char name[16];

	ck_assert_ptr_nonnull(tls);
	ck_assert(tls_may_reload(tls));
	ck_assert_uint_eq(tls_loaded(tls), 0);
	name_of(tls, name, sizeof(name));
	ck_assert_str_eq(name, "one");
	write_certificate("two");
	ck_assert(tls_reload(tls, 77, why));
	ck_assert_uint_eq(tls_loaded(tls), 77);
	name_of(tls, name, sizeof(name));
	ck_assert_str_eq(name, "two");
	tls_free(&tls);
}
END_TEST

/* A daemon leaves the folder where it was started; and the files may be links
 * that lead elsewhere later. */
START_TEST(test_names_that_are_not_whole)
{
	char here[1024], name[16], other[sizeof(cert) + 8];
	struct tls *tls;

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	snprintf(other, sizeof(other), "%s.1", cert);
	ck_assert_int_eq(rename(cert, other), 0);
	ck_assert_int_eq(symlink("cert.1", cert), 0);
	ck_assert_int_eq(chdir(folder), 0);
	config.ssl_chain_cert = "cert";
	config.ssl_key = "key";
	tls = tls_new(&config, why);
	ck_assert_msg(tls != NULL, "%s", why);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert(tls_may_reload(tls));
	ck_assert_int_eq(unlink(cert), 0);
	write_certificate("two");
	ck_assert_msg(tls_reload(tls, 5, why), "%s", why);
	config.ssl_chain_cert = cert;
	name_of(tls, name, sizeof(name));
	ck_assert_str_eq(name, "two");
	tls_free(&tls);
	unlink(other);
	ck_assert_int_eq(chdir(here), 0);
}
END_TEST

/* The half of a change must not be served. */
START_TEST(test_a_reload_that_fails)
{
	struct tls *tls = tls_new(&config, why);
	char name[16], old[sizeof(key) + 4];

	ck_assert_ptr_nonnull(tls);
	snprintf(old, sizeof(old), "%s.old", key);
	ck_assert_int_eq(rename(key, old), 0);
	write_certificate("two");
	ck_assert_int_eq(rename(old, key), 0);
	ck_assert(!tls_reload(tls, 77, why));
	ck_assert_msg(strstr(why, "key values mismatch") != NULL, "%s", why);
	ck_assert_uint_eq(tls_loaded(tls), 0);
	name_of(tls, name, sizeof(name));
	ck_assert_str_eq(name, "one");
	tls_free(&tls);
}
END_TEST

static const struct {
	const char *cert, *key, *ca, *ciphers; /* NULL: as it is */
	const char *says[2];
} broken[] = {
	{ "/nowhere", NULL, NULL, NULL,
	    { "loading the certificate chain: /nowhere", "No such file" } },
	{ "/dev/null", NULL, NULL, NULL,
	    { "loading the certificate chain: /dev/null", "no start line" } },
	{ NULL, "/nowhere", NULL, NULL,
	    { "loading the key", "/nowhere : No such file" } },
	{ NULL, "/", NULL, NULL, { "loading the key", "/ : " } },
	{ NULL, NULL, "/nowhere", NULL,
	    { "loading the CA certificate: /nowhere", "No such file" } },
	{ NULL, NULL, NULL, "NONE-SUCH",
	    { "setting the provided cipher(s): NONE-SUCH", "no cipher" } },
};

START_TEST(test_broken_files)
{
	struct tls *tls;

	if (broken[_i].cert != NULL)
		config.ssl_chain_cert = broken[_i].cert;
	if (broken[_i].key != NULL)
		config.ssl_key = broken[_i].key;
	config.ssl_ca_cert = broken[_i].ca;
	config.ssl_ciphers = broken[_i].ciphers;
	tls = tls_new(&config, why);
	ck_assert_ptr_null(tls);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_msg(strstr(why, broken[_i].says[i]) != NULL, "%s",
		    why);
}
END_TEST

/* It would be asked for at the terminal. */
START_TEST(test_a_key_with_a_passphrase)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	FILE *f = fopen(key, "w");

	ck_assert_int_eq(PEM_write_PrivateKey(f, pair, EVP_aes_128_cbc(),
	    (const unsigned char *)"secret", 6, NULL, NULL), 1);
	fclose(f);
	EVP_PKEY_free(pair);
	ck_assert_ptr_null(tls_new(&config, why));
	ck_assert_msg(strstr(why, "without a passphrase") != NULL, "%s", why);
	write_text(key, "-----BEGIN PRIVATE KEY-----\nrubbish\n");
	ck_assert_ptr_null(tls_new(&config, why));
}
END_TEST

START_TEST(test_key_in_the_same_file)
{
	char both[8192];
	FILE *f = fopen(key, "r");
	size_t n = fread(both, 1, sizeof(both), f);
	struct tls *tls;

	fclose(f);
	f = fopen(cert, "a");
	fwrite(both, 1, n, f);
	fclose(f);
	config.ssl_key = NULL;
	tls = tls_new(&config, why);
	ck_assert_msg(tls != NULL, "%s", why);
	tls_free(&tls);
}
END_TEST

START_TEST(test_numbers)
{
	ck_assert_str_eq(tls_version_name(0), "tlsv1.0");
	ck_assert_str_eq(tls_version_name(2), "tlsv1.2");
	ck_assert_str_eq(tls_version_name(3), "tlsv1.3");
	ck_assert_uint_eq(tls_verify_mode(0), 0);
	ck_assert_uint_eq(tls_verify_mode(1), 1);
	ck_assert_uint_eq(tls_verify_mode(2), 3);
	ck_assert_uint_eq(tls_verify_mode(3), 7);
}
END_TEST

Suite *
tls_suite(void)
{
	Suite *s = suite_create("tls");
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_nothing_is_made_before_the_first_byte);
	tcase_add_test(t, test_decrypted_bytes_are_not_forgotten);
	tcase_add_test(t, test_several_buffers);
	tcase_add_test(t, test_a_full_socket);
	tcase_add_test(t, test_key_updates);
	tcase_add_test(t, test_the_end);
	tcase_add_test(t, test_rubbish);
	tcase_add_test(t, test_reload);
	tcase_add_test(t, test_names_that_are_not_whole);
	tcase_add_test(t, test_a_reload_that_fails);
	tcase_add_loop_test(t, test_broken_files, 0,
	    sizeof(broken) / sizeof(*broken));
	tcase_add_test(t, test_a_key_with_a_passphrase);
	tcase_add_test(t, test_key_in_the_same_file);
	tcase_add_test(t, test_numbers);
	suite_add_tcase(s, t);
	return s;
}
