/* proto.c - see proto.h. */
#include "proto/proto.h"

#include <string.h>

#include "proto/binary.h"
#include "proto/meta.h"
#include "proto/text.h"

enum { BINARY_MAGIC = 0x80 };

void
parser_init(struct parser *p, enum proto_name proto)
{
	*p = (struct parser){ .proto = proto };
}

static __attribute__((noinline)) enum parse
parse_other(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	if (p->proto == PROTO_BINARY)
		return binary_parse(in, n, req, used);
	if (n == 0)
		return PARSE_MORE;
	p->proto = (unsigned char)in[0] == BINARY_MAGIC ? PROTO_BINARY :
							  PROTO_TEXT;
	return proto_parse(p, in, n, req, used);
}

enum parse
proto_parse(struct parser *p, const char *in, size_t n, struct request *req,
    size_t *used)
{
	if (p->proto == PROTO_TEXT)
		return text_parse(p, in, n, req, used);
	return parse_other(p, in, n, req, used);
}

bool
proto_value_ends(enum proto_name proto, const struct request *req,
    const char *after)
{
	(void)req;
	return proto == PROTO_BINARY ||
	    (after[0] == '\r' && after[1] == '\n');
}

char *
proto_compose(enum proto_name proto, char *out, const struct request *req,
    const struct result *res)
{
	if (proto == PROTO_BINARY)
		return binary_compose(out, req, res);
	if (meta_is(req->op))
		return meta_compose(out, req, res);
	return text_compose(out, req, res);
}

char *
proto_tail(enum proto_name proto, char *out, const struct request *req,
    const struct result *res)
{
	(void)res;
	if (proto == PROTO_BINARY)
		return out;
	memcpy(out, "\r\nEND\r\n", 7);
	if (req->op <= OP_GATS && req->last)
		return out + 7;
	return out + 2;
}

char *
proto_stat(enum proto_name proto, char *out, const struct request *req,
    const char *name, size_t nname, const char *value, size_t nvalue)
{
	if (proto == PROTO_BINARY)
		return binary_stat(out, req, name, nname, value, nvalue);
	return text_stat(out, name, nname, value, nvalue);
}

char *
proto_stat_end(enum proto_name proto, char *out, const struct request *req)
{
	if (proto == PROTO_BINARY)
		return binary_stat_end(out, req);
	return text_stat_end(out);
}
