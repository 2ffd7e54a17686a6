/*
 * fuzz_login.c - whatever a client sends before it is in, it does not get in
 * without the password, stores nothing and reads nothing; in any split.
 *
 * The first byte chooses the server's user file and the size of the pieces.
 * If the second is odd, what follows are orders from which packets are made:
 * opcode, length of the key, length of the value, and both; so that the state
 * machine of SASL is reached without luck.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/auth.h"
#include "server/host.h"
#include "server/login.h"
#include "server/session.h"
#include "tests/fuzz/locked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char PASSWORD[] = "jL3kZ8qPw0";

/* joe, whose password it is, at a cost of nothing. */
static const char OWN[] = "joe:"
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "
    "SCRAM-SHA-256$4096:AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

struct site {
	char path[32]; /* the config refers to it */
	struct config config;
	struct server server;
	struct host *host;
};

static void
open_site(struct site *s, const char *users)
{
	char *argv[] = { "slabd", "-S", "-Y", s->path, "-m", "8" };
	const char *why = "";
	int fd;

	strcpy(s->path, "/tmp/slabd-fuzz-XXXXXX");
	fd = mkstemp(s->path);
	assert(fd >= 0);
	assert(write(fd, users, strlen(users)) == (ssize_t)strlen(users));
	close(fd);
	assert(config_read(&s->config, 6, argv, stdout, stderr) ==
	    CONFIG_RUN);
	if (server_init(&s->server, &s->config, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	unlink(s->path);
	s->host = host_new(&s->server);
	assert(s->host != NULL);
}

/* One for each form of file, for the life of the process. */
static struct site *
site(unsigned which)
{
	static struct site sites[2];
	char plain[64];

	if (sites[which].host == NULL) {
		snprintf(plain, sizeof(plain), "joe:%s\n", PASSWORD);
		open_site(&sites[which], which == 0 ? plain : OWN);
	}
	return &sites[which];
}

static void
resume(struct session *s, struct host *h)
{
	struct attempt *a = session_attempt(s);

	attempt_work(a);
	session_resume(s, h, a);
}

static void
converse(struct site *site, const char *in, size_t n, size_t piece,
    bool knows, bool goes_on)
{
	struct host *h = site->host;
	struct session s;
	size_t have = 0, done = 0, used;
	enum session_verdict v = SESSION_MORE;
	/* What this host counts of the cache's work: nothing. */
	struct cache_tally before = h->tally;

	session_init(&s, auth_protocol(site->server.auth, PROTO_AUTO));
	session_guard(&s, login_new(site->server.auth, -1));
	while (v == SESSION_FULL || v == SESSION_WAIT || have < n) {
		if (v == SESSION_MORE)
			have = n - have < piece ? n : have + piece;
		v = session_run(&s, h, in + done, have - done, &used);
		done += used;
		assert(done <= have);
		if (v == SESSION_WAIT)
			resume(&s, h);
		output_clear(h->out, h->cache);
		assert(knows || !login_is_in(s.login));
		if (v == SESSION_CLOSE || v == SESSION_DROP ||
		    (login_is_in(s.login) && !goes_on))
			break;
	}
	session_fini(&s, h);
	assert(knows || memcmp(&h->tally, &before, sizeof(before)) == 0);
}

/* Packets out of orders; returns their bytes. */
static size_t
make_packets(const uint8_t *data, size_t n, char *out)
{
	static const uint8_t opcodes[] = { 0x20, 0x21, 0x22, 0x21, 0x22, 0x0b,
		0x0a, 0x01 };
	static const char *const names[] = { "PLAIN", "SCRAM-SHA-256" };
	size_t at = 0, len = 0;

	while (n - at >= 3) {
		uint8_t op = opcodes[data[at] & 7];
		const char *name = names[data[at] >> 3 & 1];
		bool named = op >= 0x21 && op <= 0x22 && data[at + 1] < 250;
		size_t nkey = named ? strlen(name) : data[at + 1] & 63;
		size_t nvalue = data[at + 2];

		at += 3;
		if (nvalue > n - at)
			nvalue = n - at;
		memset(out + len, 0, 24);
		out[len] = (char)0x80;
		out[len + 1] = (char)op;
		out[len + 3] = (char)nkey;
		out[len + 10] = (char)((nkey + nvalue) >> 8);
		out[len + 11] = (char)(nkey + nvalue);
		len += 24;
		if (named)
			memcpy(out + len, name, nkey);
		else
			memset(out + len, 'k', nkey);
		len += nkey;
		memcpy(out + len, data + at, nvalue);
		len += nvalue;
		at += nvalue;
	}
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct site *s;
	char *packets;
	bool knows;

	if (n < 2)
		return 0;
	s = site(data[0] & 1);
	knows = memmem(data, n, PASSWORD, sizeof(PASSWORD) - 1) != NULL;
	/* Twenty-four bytes of head and 63 of key to three of input. */
	packets = malloc(n * 30 + 1);
	assert(packets != NULL);
	if (data[1] & 1) {
		size_t len = make_packets(data + 2, n - 2, packets);

		/* In, it may log in again. */
		converse(s, packets, len, 1 + data[0] / 2, knows, true);
		converse(s, packets, len, len + 1, knows, true);
	} else {
		/* In, it is fuzz_session_*.c's. */
		converse(s, (const char *)data + 2, n - 2, 1 + data[0] / 2,
		    knows, false);
		converse(s, (const char *)data + 2, n - 2, n, knows, false);
	}
	free(packets);
	return 0;
}
