/*
 * proto.h - the three protocols behind one face: parse and compose.
 *
 *      struct parser p;                        per connection
 *      parser_init(&p, PROTO_AUTO);
 *      switch (proto_parse(&p, in, n, &req, &used)) ...
 *      out = proto_compose(p.proto, out, &req, &result);     head, or it all
 *      (result.has_value: result.nvalue bytes of value here)
 *      out = proto_tail(p.proto, out, &req, &result);
 *
 * Parsers are pure: no allocation, lock, clock or socket.  Any split of the
 * input gives the same requests: called with a prefix, a parser says
 * PARSE_MORE until what it needs is there.  The caller passes the unconsumed
 * bytes again, from the first one on, with more behind them.
 *
 * `get a b c` is three requests, the last marked so.  A get line is looked at
 * as a whole if it fits PROTO_LINE_WHOLE; of a longer one the keys are handed
 * out as they come, so that it costs no memory.  If blanks stand behind the
 * last key of such a line, an OP_END closes it; bytes of it that mean nothing
 * are a PARSE_REFUSE with STATUS_NOTHING.
 *
 * A request with a value to follow changes nothing in the parser: the caller
 * may come back to its first byte when the value is there.
 *
 * Owns:    nothing.
 * Threads: any; a parser belongs to one connection.
 * Fails:   by PARSE_REFUSE and PARSE_CLOSE.
 * Cost:    one pass over the bytes, no copies (base64 keys: request.scratch).
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include "proto/message.h"

enum proto_name { PROTO_AUTO, PROTO_TEXT, PROTO_BINARY };

enum {
	PROTO_LINE_MAX = 2048,	  /* without a line end, memcached closes */
	PROTO_LINE_WHOLE = 16384, /* its read buffer: a longer line that is
				     complete within it is parsed */
};

enum parse {
	PARSE_MORE,    /* nothing consumed */
	PARSE_REQUEST, /* *used bytes consumed; req.follow bytes of value,
			  if any, come next and are the caller's to take */
	PARSE_REFUSE,  /* *used consumed; req.swallow bytes to be skipped,
			  then the answer req.problem */
	PARSE_CLOSE,   /* close without a word */
};

struct parser {
	enum proto_name proto; /* AUTO until the first byte */
	/* inside a get line whose keys are being handed out */
	bool in_keys;
	bool long_line;	 /* ... PROTO_LINE_WHOLE or more: its end not seen */
	bool skip_line;	 /* ... refused: drop the rest of it */
	bool seen_key;	 /* ... it had one */
	enum op op;
	int64_t exptime;
};

void parser_init(struct parser *, enum proto_name);

enum parse proto_parse(struct parser *, const char *in, size_t n,
    struct request *, size_t *used);

/* The two bytes after a text value: true if they are what they must be. */
bool proto_value_ends(enum proto_name, const struct request *,
    const char *after);

/*
 * Writes the head of a hit, or the whole of any other reply, at out, where
 * PROTO_REPLY_MAX bytes must be free (and ntext more for TEXT); returns the
 * end.  A suppressed reply (noreply, quiet) writes nothing.
 */
char *proto_compose(enum proto_name, char *out, const struct request *,
    const struct result *);

/* What follows the value of a hit: at most 8 bytes. */
char *proto_tail(enum proto_name, char *out, const struct request *,
    const struct result *);

/* One line of stats (name and value), and their end.  nvalue and nname
 * together at most 700. */
char *proto_stat(enum proto_name, char *out, const struct request *,
    const char *name, size_t nname, const char *value, size_t nvalue);
char *proto_stat_end(enum proto_name, char *out, const struct request *);

#endif
