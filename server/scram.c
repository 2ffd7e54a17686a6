/* scram.c - see scram.h. */
#include "server/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

_Static_assert(SCRAM_KEY == crypto_auth_hmacsha256_BYTES &&
    SCRAM_KEY == crypto_hash_sha256_BYTES, "SHA-256");

static const char SCHEME[] = "SCRAM-SHA-256$";

/* A part of a message. */
struct part {
	const char *at;
	size_t n;
};

static void
hmac(uint8_t out[SCRAM_KEY], const void *key, size_t nkey, const void *text,
    size_t ntext)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, nkey);
	crypto_auth_hmacsha256_update(&state, text, ntext);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

static void
mix(uint8_t to[SCRAM_KEY], const uint8_t from[SCRAM_KEY])
{
	for (unsigned i = 0; i < SCRAM_KEY; i++)
		to[i] ^= from[i];
}

/* Hi() of RFC 5802, which is PBKDF2 of one block.  The state that the key
 * makes is kept: half of the work of each round. */
static void
salted_password(uint8_t out[SCRAM_KEY], const struct scram_verifier *v,
    const char *password, size_t n)
{
	static const uint8_t one[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed, state;
	uint8_t round[SCRAM_KEY];

	crypto_auth_hmacsha256_init(&keyed, (const uint8_t *)password, n);
	state = keyed;
	crypto_auth_hmacsha256_update(&state, v->salt, v->nsalt);
	crypto_auth_hmacsha256_update(&state, one, sizeof(one));
	crypto_auth_hmacsha256_final(&state, round);
	memcpy(out, round, SCRAM_KEY);
	for (uint32_t i = 1; i < v->rounds; i++) {
		state = keyed;
		crypto_auth_hmacsha256_update(&state, round, sizeof(round));
		crypto_auth_hmacsha256_final(&state, round);
		mix(out, round);
	}
	sodium_memzero(&keyed, sizeof(keyed));
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(round, sizeof(round));
}

void
scram_derive(struct scram_verifier *v, const char *password, size_t n)
{
	uint8_t salted[SCRAM_KEY], client[SCRAM_KEY];

	salted_password(salted, v, password, n);
	hmac(client, salted, SCRAM_KEY, "Client Key", 10);
	crypto_hash_sha256(v->stored, client, SCRAM_KEY);
	hmac(v->server, salted, SCRAM_KEY, "Server Key", 10);
	sodium_memzero(salted, sizeof(salted));
	sodium_memzero(client, sizeof(client));
}

/* ------------------------------------------------------------ reading */

/* The bytes up to the next comma, and past it.  false: there is no comma. */
static bool
take_part(struct part *rest, struct part *part)
{
	const char *comma = memchr(rest->at, ',', rest->n);

	if (comma == NULL)
		return false;
	part->at = rest->at;
	part->n = (size_t)(comma - rest->at);
	rest->n -= part->n + 1;
	rest->at = comma + 1;
	return true;
}

/* The attribute of that letter: x=value, up to a comma or the end. */
static bool
take_value(struct part *rest, char letter, struct part *value)
{
	if (rest->n < 2 || rest->at[0] != letter || rest->at[1] != '=')
		return false;
	if (!take_part(rest, value)) {
		*value = *rest;
		rest->at += rest->n;
		rest->n = 0;
	}
	value->at += 2;
	value->n -= 2;
	return true;
}

/* saslname: =2C and =3D stand for comma and equals sign.  0: it is none. */
static size_t
read_name(struct part from, char to[SCRAM_NAME_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < from.n; i++) {
		char c = from.at[i];

		if (c == '=') {
			if (from.n - i < 3)
				return 0;
			if (memcmp(from.at + i, "=2C", 3) == 0)
				c = ',';
			else if (memcmp(from.at + i, "=3D", 3) != 0)
				return 0;
			i += 2;
		}
		if (c == '\0' || n == SCRAM_NAME_MAX)
			return 0;
		to[n++] = c;
	}
	to[n] = '\0';
	return n;
}

/* printable of RFC 5802: what a nonce is made of. */
static bool
is_printable(struct part p)
{
	for (size_t i = 0; i < p.n; i++)
		if (p.at[i] < 0x21 || p.at[i] > 0x7e || p.at[i] == ',')
			return false;
	return p.n > 0;
}

/* n,, or y,, and between the commas perhaps a=name: to whose rights the user
 * wants to come, which is nobody's but its own. */
static bool
take_header(struct part *rest, struct part *authzid)
{
	struct part flag;

	if (!take_part(rest, &flag) || flag.n != 1 ||
	    (flag.at[0] != 'n' && flag.at[0] != 'y') ||
	    !take_part(rest, authzid))
		return false;
	if (authzid->n == 0)
		return true;
	if (authzid->n < 3 || memcmp(authzid->at, "a=", 2) != 0)
		return false;
	authzid->at += 2;
	authzid->n -= 2;
	return true;
}

bool
scram_first(struct scram *s, const char *in, size_t n)
{
	struct part rest = { in, n }, authzid, name, nonce, bare;
	char other[SCRAM_NAME_MAX + 1];
	size_t nother = 0;

	if (n > SCRAM_MESSAGE_MAX / 2 || !take_header(&rest, &authzid))
		return false;
	bare = rest;
	s->nheader = (uint32_t)(rest.at - in);
	if (s->nheader > sizeof(s->header) ||
	    !take_value(&rest, 'n', &name) ||
	    !take_value(&rest, 'r', &nonce) || !is_printable(nonce) ||
	    nonce.n > SCRAM_NONCE_MAX)
		return false;
	s->nname = (uint32_t)read_name(name, s->name);
	if (s->nname == 0)
		return false;
	if (authzid.n > 0) {
		nother = read_name(authzid, other);
		if (nother != s->nname || memcmp(other, s->name, nother) != 0)
			return false;
	}
	memcpy(s->header, in, s->nheader);
	memcpy(s->nonce, nonce.at, nonce.n);
	s->nnonce = (uint32_t)nonce.n;
	memcpy(s->said, bare.at, bare.n);
	s->nsaid = (uint32_t)bare.n;
	return true;
}

/* ------------------------------------------------------------ answering */

void
scram_nonce(char *ours)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t bytes[SCRAM_NONCE];

	randombytes_buf(bytes, sizeof(bytes));
	for (unsigned i = 0; i < SCRAM_NONCE; i++)
		ours[i] = digits[bytes[i] & 63];
}

/* Goes on with the AuthMessage; there is room by the limits of its parts. */
static void
say(struct scram *s, const char *text, size_t n)
{
	s->said[s->nsaid++] = ',';
	memcpy(s->said + s->nsaid, text, n);
	s->nsaid += (uint32_t)n;
}

size_t
scram_challenge(struct scram *s, const struct scram_verifier *v,
    const char *ours, char *out)
{
	char salt[sodium_base64_ENCODED_LEN(SCRAM_SALT_MAX,
	    sodium_base64_VARIANT_ORIGINAL)];
	size_t n;

	memcpy(s->nonce + s->nnonce, ours, SCRAM_NONCE);
	s->nnonce += SCRAM_NONCE;
	sodium_bin2base64(salt, sizeof(salt), v->salt, v->nsalt,
	    sodium_base64_VARIANT_ORIGINAL);
	n = (size_t)snprintf(out, SCRAM_MESSAGE_MAX, "r=%.*s,s=%s,i=%u",
	    (int)s->nnonce, s->nonce, salt, v->rounds);
	say(s, out, n);
	memcpy(s->stored, v->stored, SCRAM_KEY);
	memcpy(s->server, v->server, SCRAM_KEY);
	return n;
}

static bool
decodes_to(struct part text, const char *bytes, size_t n)
{
	char decoded[SCRAM_HEADER_MAX];
	size_t got;

	return sodium_base642bin((uint8_t *)decoded, sizeof(decoded), text.at,
	    text.n, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    got == n && memcmp(decoded, bytes, n) == 0;
}

/* c=header,r=nonce[,extensions],p=proof; *nhead is what stands before the
 * comma of p. */
static bool
read_final(const struct scram *s, const char *in, size_t n, size_t *nhead,
    uint8_t proof[SCRAM_KEY])
{
	struct part rest = { in, n }, header, nonce, skipped;
	size_t got;

	if (n > SCRAM_MESSAGE_MAX / 2 || !take_value(&rest, 'c', &header) ||
	    !decodes_to(header, s->header, s->nheader) ||
	    !take_value(&rest, 'r', &nonce) || nonce.n != s->nnonce ||
	    memcmp(nonce.at, s->nonce, nonce.n) != 0)
		return false;
	while (take_part(&rest, &skipped))
		;
	if (rest.n < 2 || memcmp(rest.at, "p=", 2) != 0)
		return false;
	*nhead = (size_t)(rest.at - in) - 1;
	return sodium_base642bin(proof, SCRAM_KEY, rest.at + 2, rest.n - 2,
	    NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    got == SCRAM_KEY;
}

bool
scram_final(struct scram *s, const char *in, size_t n, char *out,
    size_t *nout)
{
	uint8_t proof[SCRAM_KEY], key[SCRAM_KEY], signature[SCRAM_KEY];
	char text[sodium_base64_ENCODED_LEN(SCRAM_KEY,
	    sodium_base64_VARIANT_ORIGINAL)];
	size_t nhead;
	bool good;

	if (!read_final(s, in, n, &nhead, proof) ||
	    s->nsaid + 1 + nhead > sizeof(s->said))
		return false;
	say(s, in, nhead);
	hmac(signature, s->stored, SCRAM_KEY, s->said, s->nsaid);
	mix(proof, signature);
	crypto_hash_sha256(key, proof, SCRAM_KEY);
	good = sodium_memcmp(key, s->stored, SCRAM_KEY) == 0;
	hmac(signature, s->server, SCRAM_KEY, s->said, s->nsaid);
	sodium_bin2base64(text, sizeof(text), signature, SCRAM_KEY,
	    sodium_base64_VARIANT_ORIGINAL);
	*nout = (size_t)snprintf(out, SCRAM_MESSAGE_MAX, "v=%s", text);
	sodium_memzero(proof, sizeof(proof));
	sodium_memzero(key, sizeof(key));
	return good;
}

/* ------------------------------------------------------------ as text */

void
scram_print(const struct scram_verifier *v, char text[SCRAM_TEXT_MAX])
{
	enum { FORM = sodium_base64_VARIANT_ORIGINAL };
	char salt[sodium_base64_ENCODED_LEN(SCRAM_SALT_MAX, FORM)];
	char stored[sodium_base64_ENCODED_LEN(SCRAM_KEY, FORM)];
	char server[sizeof(stored)];

	sodium_bin2base64(salt, sizeof(salt), v->salt, v->nsalt, FORM);
	sodium_bin2base64(stored, sizeof(stored), v->stored, SCRAM_KEY, FORM);
	sodium_bin2base64(server, sizeof(server), v->server, SCRAM_KEY, FORM);
	snprintf(text, SCRAM_TEXT_MAX, "%s%u:%s$%s:%s", SCHEME, v->rounds,
	    salt, stored, server);
}

/* Base64 up to the mark, or to the end if that is 0. */
static bool
read_bytes(const char **text, char mark, uint8_t *to, size_t room, size_t *n)
{
	const char *end = strchr(*text, mark);

	if (end == NULL ||
	    sodium_base642bin(to, room, *text, (size_t)(end - *text), NULL, n,
	    NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	*text = end + (mark != '\0');
	return true;
}

bool
scram_read(struct scram_verifier *v, const char *text)
{
	unsigned long rounds;
	size_t nsalt, nstored, nserver;
	char *end;

	if (strncmp(text, SCHEME, sizeof(SCHEME) - 1) != 0)
		return false;
	text += sizeof(SCHEME) - 1;
	if (*text < '0' || *text > '9')
		return false;
	rounds = strtoul(text, &end, 10);
	if (*end != ':' || rounds < SCRAM_ROUNDS_LEAST ||
	    rounds > SCRAM_ROUNDS_MOST)
		return false;
	text = end + 1;
	v->rounds = (uint32_t)rounds;
	if (!read_bytes(&text, '$', v->salt, sizeof(v->salt), &nsalt) ||
	    !read_bytes(&text, ':', v->stored, SCRAM_KEY, &nstored) ||
	    !read_bytes(&text, '\0', v->server, SCRAM_KEY, &nserver))
		return false;
	v->nsalt = (uint32_t)nsalt;
	return nsalt > 0 && nstored == SCRAM_KEY && nserver == SCRAM_KEY;
}
