/*
 * scram.h - SCRAM-SHA-256 as a server speaks it (RFC 5802, RFC 7677).
 *
 *      client  n,,n=user,r=NONCE                       scram_first()
 *      server  r=NONCE+OURS,s=SALT,i=ROUNDS            scram_challenge()
 *      client  c=biws,r=NONCE+OURS,p=PROOF             scram_final()
 *      server  v=SIGNATURE
 *
 * No channel binding, with TLS or without: memcached's clients know none.
 * Names and passwords are compared as they come, not normalised, which is the
 * same for ASCII.
 *
 * Owns:    nothing; struct scram is the caller's, who wipes it.
 * Threads: any; pure.
 * Fails:   false: the client does not speak SCRAM, or has not proved that it
 *          knows the password.
 * Cost:    scram_derive() two blocks of SHA-256 a round; the rest is cheap.
 */
#ifndef SERVER_SCRAM_H
#define SERVER_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCRAM_KEY = 32, /* of SHA-256 */
	SCRAM_SALT_MAX = 64,
	SCRAM_ROUNDS_LEAST = 4096, /* RFC 7677 */
	SCRAM_ROUNDS_MOST = 10000000,
	SCRAM_NAME_MAX = 255,
	SCRAM_NONCE_MAX = 128, /* the client's */
	SCRAM_NONCE = 24,      /* ours */
	SCRAM_HEADER_MAX = 2 * SCRAM_NAME_MAX + 8, /* of GS2: n,a=name, */
	SCRAM_MESSAGE_MAX = 2048,
};

/* What a server keeps instead of a password. */
struct scram_verifier {
	uint32_t rounds;
	uint32_t nsalt;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored[SCRAM_KEY]; /* StoredKey */
	uint8_t server[SCRAM_KEY]; /* ServerKey */
};

/* A conversation. */
struct scram {
	char name[SCRAM_NAME_MAX + 1]; /* from scram_first() on */
	uint32_t nname;
	uint32_t nheader;
	uint32_t nnonce; /* the client's; after the challenge the whole */
	uint32_t nsaid;
	char header[SCRAM_HEADER_MAX];
	char nonce[SCRAM_NONCE_MAX + SCRAM_NONCE];
	char said[SCRAM_MESSAGE_MAX]; /* AuthMessage as far as it goes */
	uint8_t stored[SCRAM_KEY], server[SCRAM_KEY];
};

/* From salt and rounds, which are set, and the password. */
void scram_derive(struct scram_verifier *, const char *password, size_t n);

/* Reads the client's first message. */
bool scram_first(struct scram *, const char *in, size_t n);

/* The challenge, at most SCRAM_MESSAGE_MAX bytes, to out; returns its length.
 * ours: SCRAM_NONCE printable bytes, random, no comma. */
size_t scram_challenge(struct scram *, const struct scram_verifier *,
    const char *ours, char *out);

/* Random bytes fit for ours. */
void scram_nonce(char *ours);

/* Judges the client's last message; on true, the signature is in out. */
bool scram_final(struct scram *, const char *in, size_t n, char *out,
    size_t *nout);

/* The verifier as text, for a user file:
 * SCRAM-SHA-256$ROUNDS:SALT$STORED:SERVER, the last three in base64. */
enum { SCRAM_TEXT_MAX = 256 };
void scram_print(const struct scram_verifier *, char text[SCRAM_TEXT_MAX]);
bool scram_read(struct scram_verifier *, const char *text);

#endif
