/* site.c - see site.h. */
#include "tests/server/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>
#include <sodium.h>

#include "server/users.h"

void
site_fill(struct site *s, const char *users)
{
	FILE *file = fopen(s->path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(users, file);
	ck_assert_int_eq(fclose(file), 0);
}

void
site_open(struct site *s, const char *users, const char *options)
{
	int fd;

	strcpy(s->path, "/tmp/slabd-auth-XXXXXX");
	fd = mkstemp(s->path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	site_fill(s, users);
	snprintf(s->options, sizeof(s->options), "-Y %s %s", s->path,
	    options);
	s->t = talk_new(s->options);
}

void
site_close(struct site *s)
{
	talk_free(&s->t);
	unlink(s->path);
}

/* A line of slabd's own form, which costs no time to check. */
const char *
site_line(const char *name, const char *password, const char *bounds)
{
	static char line[1024];
	struct scram_verifier v = { .rounds = 4096, .nsalt = 16 };
	char hash[USERS_HASH_MAX], scram[SCRAM_TEXT_MAX];

	ck_assert_int_ge(sodium_init(), 0);
	ck_assert_int_eq(crypto_pwhash_str(hash, password, strlen(password),
	    crypto_pwhash_OPSLIMIT_MIN, 8192), 0);
	scram_derive(&v, password, strlen(password));
	scram_print(&v, scram);
	snprintf(line, sizeof(line), "%s:%s %s %s\n", name, hash, scram,
	    bounds);
	return line;
}

void
site_packet(struct talk *t, uint8_t opcode, const char *extras,
    size_t nextras, const char *key, size_t nkey, const char *value,
    size_t nvalue)
{
	size_t body = nextras + nkey + nvalue;
	char *p = calloc(1, 24 + body);

	p[0] = (char)0x80;
	p[1] = (char)opcode;
	p[2] = (char)(nkey >> 8);
	p[3] = (char)nkey;
	p[4] = (char)nextras;
	for (unsigned i = 0; i < 4; i++)
		p[8 + i] = (char)(body >> (24 - 8 * i));
	memcpy(p + 12, "opaq", 4);
	if (nextras > 0)
		memcpy(p + 24, extras, nextras);
	if (nkey > 0)
		memcpy(p + 24 + nextras, key, nkey);
	if (nvalue > 0)
		memcpy(p + 24 + nextras + nkey, value, nvalue);
	t->nout = 0;
	talk_send(t, p, 24 + body);
	free(p);
}

/* The status of the reply, whose body is compared with text; -1: none. */
int
site_status(struct talk *t, uint8_t opcode, const char *text)
{
	const uint8_t *out = (const uint8_t *)t->out;

	if (t->nout < 24)
		return -1;
	ck_assert_uint_eq(out[0], 0x81);
	ck_assert_uint_eq(out[1], opcode);
	ck_assert_int_eq(memcmp(out + 12, "opaq", 4), 0);
	if (text != NULL) {
		ck_assert_uint_eq(t->nout - 24, strlen(text));
		ck_assert_int_eq(memcmp(out + 24, text, strlen(text)), 0);
	}
	return out[6] << 8 | out[7];
}

int
site_sasl(struct talk *t, uint8_t opcode, const char *mechanism,
    const char *data, size_t n)
{
	site_packet(t, opcode, NULL, 0, mechanism, strlen(mechanism), data,
	    n);
	return site_status(t, opcode, NULL);
}

int
site_ask(struct talk *t, uint8_t opcode)
{
	site_packet(t, opcode, NULL, 0, NULL, 0, NULL, 0);
	return site_status(t, opcode, NULL);
}
