/*
 * users.h - who may come in, and what for: the user file.
 *
 * A line per user, as slabd-passwd writes it:
 *
 *      name:$argon2id$... SCRAM-SHA-256$... [rights [prefix...]]
 *
 * rights are words of read, write, admin with commas between them; without
 * them, all.  Prefixes bound the keys that the user sees and touches.  A line
 * of any other form is memcached's, name:password, with all rights; of those
 * a name may have several, as in memcached: then each password is right, in
 * a PWDB that of the first.  Lines that begin with # are comments, empty ones
 * are skipped.
 *
 * What is read is a snapshot that does not change: a reload makes another
 * one, and whoever logged in by the old one keeps it until it lets go.
 *
 * Somebody unknown is given the secrets of somebody else to work on, so that
 * it takes as long to be refused as a user with a wrong password, and a salt
 * that is always the same for that name.  In a file with both forms of lines a
 * wrong password costs a hash whatever the user's line is.
 *
 * Owns:    the users and their secrets, in locked memory that is wiped when
 *          the last reference goes.
 * Threads: any; the count of references and what is cached have a lock.
 * Fails:   users_read(), users_parse() return NULL and say FILE:LINE: why.
 * Cost:    users_check() about 15 ms and 19 MB the first time, and then as
 *          long as the password is wrong.  users_verifier() is cheap, but in
 *          a file with lines of memcached's form: a few ms for each of them
 *          the first time, or, if they are many, a few ms each time.
 */
#ifndef SERVER_USERS_H
#define SERVER_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/scram.h"

struct users;

enum user_rights {
	USER_READ = 1,
	USER_WRITE = 2,
	USER_ADMIN = 4,
	USER_ALL = 7
};

enum {
	USERS_NAME_MAX = SCRAM_NAME_MAX,
	USERS_PASSWORD_MAX = 1024,
	USERS_LINE_MAX = 65536,
	USERS_FILE_MAX = 64 << 20,
	USERS_WHY_MAX = 512,
	USERS_SALT = 16, /* bytes, where nobody chose */
	USERS_DERIVED_MOST = 64, /* verifiers that are made and kept */
	USERS_HASH_MAX = 128, /* crypto_pwhash_STRBYTES */
	/* Argon2id as OWASP has it: 19 MiB, twice. */
	USERS_HASH_OPS = 2,
	USERS_HASH_BYTES = 19456 * 1024,
};

/* The bytes stay those of the snapshot. */
struct user_prefix {
	const char *bytes;
	uint32_t n;
};

struct user {
	const char *name;
	uint32_t nname;
	unsigned rights; /* enum user_rights */
	unsigned nprefixes; /* 0: all keys */
	const struct user_prefix *prefixes;
	/* users.c's own */
	unsigned line;
	const char *hash;     /* Argon2id, or */
	const char *password; /* as it stands in a file of memcached's form */
	uint32_t npassword;
	bool has_good;
	uint8_t good[32]; /* digest of the password that was right */
	struct scram_verifier verifier; /* with hash, or once it is derived */
};

/* Whom a name stands for: known, or somebody else to work on. */
struct user_claim {
	struct user *user;
	bool known;
	uint8_t salt[SCRAM_SALT_MAX]; /* of the unknown */
};

enum users_form {
	USERS_FILE, /* passwords go to the end of the line */
	USERS_PWDB, /* MEMCACHED_SASL_PWDB: or to any further colon */
};

/* NULL: refused, why (USERS_WHY_MAX bytes) says where and for what. */
struct users *users_read(const char *path, enum users_form, char *why);
struct users *users_parse(const char *path, enum users_form,
    const char *bytes, size_t n, char *why);

struct users *users_acquire(struct users *);
/* Nulls *u. */
void users_release(struct users **);

unsigned users_count(const struct users *);
const struct user *users_at(const struct users *, unsigned i);
/* No line is slabd's own: memcached wrote, or would have read, this file. */
bool users_are_memcacheds(const struct users *);

/* Without @, the name is tried with the host's behind it, too. */
struct user_claim users_find(const struct users *, const char *name,
    size_t n);

/* Slow; true: that is the user's password. */
bool users_check(struct users *, const struct user_claim *,
    const char *password, size_t n);

/* What SCRAM needs to challenge whoever claims to be that user. */
void users_verifier(struct users *, const struct user_claim *,
    struct scram_verifier *);

/* The user may see and touch the key. */
bool user_covers(const struct user *, const char *key, size_t n);

/* Nothing is forbidden to it. */
static inline bool
user_is_free(const struct user *u)
{
	return u->rights == USER_ALL && u->nprefixes == 0;
}

/* ------------------------------------------------------------ for a file */

/* What a line may hold; a NULL is a valid one, else it says what is wrong. */
const char *users_bad_name(const char *name, size_t n);
const char *users_bad_prefix(const char *prefix, size_t n);
/* Words with commas between them; 0: there is one that is no right. */
unsigned users_parse_rights(const char *text, size_t n);

#endif
