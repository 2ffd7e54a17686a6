/*
 * edit.h - a user file, line by line, to be changed and written back.
 *
 * Lines that are not changed stay as they are, comments too.  The file is
 * replaced as a whole, so that a server that reads it sees the old or the new
 * one; two who change it at once do not lose each other's work.
 *
 * Owns:    the text, in locked memory that is wiped; the lock on the file.
 * Threads: one.
 * Fails:   false, or -1, with a sentence in why (USERS_WHY_MAX bytes).
 * Cost:    that of a small file.
 */
#ifndef PASSWD_EDIT_H
#define PASSWD_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct edit {
	const char *path;
	char *beside; /* the lock, and then the new file */
	int fd;	      /* of it, -1: only to be read */
	bool is_new;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char *text;
	size_t n;
};

/* to_write: others wait, rather fail.  may_create: if it is not there, an
 * empty one. */
bool edit_open(struct edit *, const char *path, bool to_write,
    bool may_create, char *why);
/* Leaves the file as it was, unless it was saved. */
void edit_close(struct edit *);

/* The user's line, without its end; NULL: there is none. */
const char *edit_find(const struct edit *, const char *name, size_t *n);
/* A line, with its end, in the place of the user's, or at the end; NULL: the
 * user's goes. */
bool edit_put(struct edit *, const char *name, const char *line, char *why);

bool edit_save(struct edit *, char *why);

#endif
