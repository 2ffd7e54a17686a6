/*
 * text.h - the text protocol: lines to requests, results to lines.
 *
 * The words of the meta commands are recognised here; meta.h has the rest of
 * their grammar.
 *
 * Owns:    nothing.
 * Threads: any; a parser belongs to one connection.
 * Fails:   by PARSE_REFUSE and PARSE_CLOSE.
 * Cost:    get of one key of 16 bytes, parsed and its head composed, through
 *          proto.h: 140 instructions; a further key of the line the same; set,
 *          parsed: 180.  Other lines three to five hundred.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "proto/proto.h"

/* See proto_parse(), proto_compose(). */
enum parse text_parse(struct parser *, const char *in, size_t n,
    struct request *, size_t *used);
char *text_compose(char *out, const struct request *, const struct result *);

/*
 * `key flags exptime bytes [noreply]' from in + at on, as clients write it:
 * single blanks, plain numbers.  true, as PARSE_REQUEST.  Whatever else it may
 * be, false: text_parse() has a closer look.
 */
bool text_parse_plain_store(enum op, const char *in, size_t n, size_t at,
    struct request *, size_t *used);

/* The line of a status that has one, with its end, in spite of quiet. */
char *text_put_status(char *out, enum status);

char *text_stat(char *out, const char *name, size_t nname, const char *value,
    size_t nvalue);
char *text_stat_end(char *out);

#endif
