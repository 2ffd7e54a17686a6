/*
 * plain.h - the short way of what nearly all traffic consists of: gets.
 *
 * proto_parse() hands out one key a call and proto_compose() asks which of all
 * replies it is; of the 300 instructions that a key of a multiget may cost
 * that would be half.  Here many keys are read in one call, and a hit is
 * written in one.  The requests and the bytes are the same (tested), so
 * whoever does not use this file misses nothing but speed.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   plain_gets() by returning fewer requests; proto_parse() says what
 *          the next bytes are then.
 * Cost:    about 40 instructions a key, 60 a hit.
 */
#ifndef PROTO_PLAIN_H
#define PROTO_PLAIN_H

#include "proto/proto.h"

/*
 * As many requests as stand at in, one after another, of the text lines `get
 * key' and of the keys that are left of a get or gets line; at most max, into
 * batch.  Returns how many, and in *used their bytes.
 */
unsigned plain_gets(struct parser *, const char *in, size_t n,
    struct request *batch, unsigned max, size_t *used);

/*
 * The whole reply to a read that hit, of whatever protocol, at out: head, value
 * and tail.  The value stands at value, behind out: where the head would end
 * if it were as long as the last one; else it is moved there.  Returns the
 * end of the reply, and in *nhead the length of the head.
 */
char *plain_hit(enum proto_name, char *out, const struct request *,
    const struct result *, char *value, size_t *nhead);

#endif
