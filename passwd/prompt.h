/*
 * prompt.h - a password from whoever types it, or from standard input.
 *
 * Owns:    nothing; what was typed lies in the caller's locked memory.
 * Threads: one.
 * Fails:   false, having said why.
 * Cost:    the time of the one who types.
 */
#ifndef PASSWD_PROMPT_H
#define PASSWD_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A terminal is asked without echo, twice if it is to be confirmed; else one
 * line of standard input is taken.  room: of the password and a 0 behind it.
 */
bool prompt_password(const char *user, bool confirm, char *password,
    size_t room);

#endif
