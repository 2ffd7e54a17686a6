/*
 * words.h - reading what an operator typed, and saying a line to it.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   never.
 * Cost:    not on the way of an item.
 */
#ifndef SERVER_WORDS_H
#define SERVER_WORDS_H

#include "server/command.h"

/* The words of a text line without its noreply. */
unsigned words_count(const struct call *);

/*
 * Which of the names the word is or begins; the first one if several, -1 if
 * none.  memcached lets all words after the first be cut short.
 */
int words_choose(struct word, const char *const *names, unsigned nnames);

/* The answer is this text, line end included; it must outlive the call. */
void words_say(struct result *, const char *text);

#endif
