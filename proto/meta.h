/*
 * meta.h - the meta commands mg ms md ma me mn of the text protocol.
 *
 * text.c finds the line and its first word; the rest of the line is read here.
 *
 *      if (word is one of the six)
 *              return meta_parse(op, line, n, req);    *used = the whole line
 *      ...
 *      if (meta_is(req->op))
 *              return meta_compose(out, req, result);
 *
 * A hit of mg with a value (result.has_value) is followed by the value and
 * CR LF; every other reply is complete.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   by PARSE_REFUSE, with problem, close and swallow set.  A refusal of
 *          ms swallows the data block, unless the line could not even be split.
 * Cost:    mg of a short key with v, parsed and its head composed: about 150
 *          instructions if plain, and 20 for each further flag.
 */
#ifndef PROTO_META_H
#define PROTO_META_H

#include "proto/proto.h"

static inline bool
meta_is(enum op op)
{
	return op >= OP_MG && op <= OP_MN;
}

/*
 * Reads the line, without its end, that starts with the two letters of op.
 * PARSE_REQUEST or PARSE_REFUSE.  Sets op, quiet, key, nkey, meta; of ms also
 * nvalue and follow (0 for the others); of mn nothing but op and quiet.  With
 * b the key is decoded into req->scratch.
 */
enum parse meta_parse(enum op, const char *line, size_t n, struct request *);

/*
 * The lines that clients write, single blanks and nothing wrong, in one pass
 * from the first letter to the line end: true, as PARSE_REQUEST of
 * meta_parse(), and the length of the line.  False says nothing: the line may
 * be unfinished, in error, or just unusual.  op is MG, MD or MA; n is at
 * least 4 and in[2] a blank.
 */
bool meta_parse_plain(enum op, const char *in, size_t n, struct request *,
    size_t *used);

/* The same of ms, whose value is at most 999999999 bytes.  12 bytes of it are
 * there, in[2] is a blank. */
bool meta_parse_plain_store(const char *in, size_t n, struct request *,
    size_t *used);

/*
 * At most PROTO_REPLY_MAX bytes; returns the end.  Quiet hides only the
 * nominal reply: EN of mg, HD (and VA of ma) of the others.
 */
char *meta_compose(char *out, const struct request *, const struct result *);

#endif
