/* hits.c - see hits.h. */
#include "server/hits.h"

#include <string.h>

#include "server/host.h"

/* ------------------------------------------------------------ around values */

static inline char *
put_text(struct cache_frame *f, const char *line, size_t nline, char *value,
    uint32_t nvalue)
{
	char *to = value - f->nline + nline;

	if (to != value)
		memmove(to, value, nvalue);
	memcpy(to - nline, line, nline);
	memcpy(to + nvalue, f->next, CACHE_NEXT_MAX);
	f->nline = (uint32_t)nline;
	return to + nvalue + f->nnext;
}

/* The frame is true for it from now on. */
static inline char *
put_learning(struct cache_frame *f, enum plain_form form,
    const struct cache_value *v, char *value)
{
	size_t n = plain_line(f->line, form, v->client_flags, v->nvalue, 0);

	f->nvalue = v->nvalue;
	f->client_flags = v->client_flags;
	return put_text(f, f->line, n, value, v->nvalue);
}

static char *
put_get(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	(void)k;
	(void)at;
	return put_learning(f, PLAIN_KEYS, v, value);
}

static char *
put_meta(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	(void)k;
	(void)at;
	return put_learning(f, PLAIN_META, v, value);
}

/* No two are alike. */
static char *
put_gets(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	(void)k;
	(void)at;
	char line[PLAIN_LINE_MAX];
	size_t n = plain_line(line, PLAIN_GETS, v->client_flags, v->nvalue,
	    v->cas);

	return put_text(f, line, n, value, v->nvalue);
}

static char *
put_packet(struct cache_frame *f, const struct cache_key *k,
    const struct cache_value *v, char *at, char *value)
{
	binary_put_hit(at - BINARY_HIT, k->bytes, k->nbytes & f->key,
	    v->client_flags, v->cas, v->nvalue);
	return value + v->nvalue + BINARY_HIT;
}

/* No value is that long: the first one of each form is put(). */
void
hits_init(struct cache_frame frames[PLAIN_FORMS])
{
	static const struct cache_frame FRAMES[PLAIN_FORMS] = {
		[PLAIN_LINES] = { .next = "\r\nEND\r\nVALUE ", .nnext = 13,
		    .key = UINT32_MAX, .put = put_get },
		[PLAIN_KEYS] = { .next = "\r\nVALUE ", .nnext = 8,
		    .key = UINT32_MAX, .put = put_get },
		[PLAIN_GETS] = { .next = "\r\nVALUE ", .nnext = 8,
		    .key = UINT32_MAX, .put = put_gets },
		[PLAIN_META] = { .next = "\r\n", .nnext = 2,
		    .put = put_meta },
		[PLAIN_BINARY] = { .put = put_packet },
	};

	for (unsigned i = 0; i < PLAIN_FORMS; i++) {
		frames[i] = FRAMES[i];
		frames[i].nvalue = UINT32_MAX;
	}
}

/* ------------------------------------------------------------ serving */

/* Of a reply, what stands before that which the frame begins with; behind
 * another one it is part of next. */
static inline size_t
put_before(char *out, enum plain_form form)
{
	if (form == PLAIN_BINARY)
		return BINARY_HIT; /* put() knows it */
	if (form == PLAIN_META)
		return 0;
	memcpy(out, "VALUE ", 6);
	return 6;
}

static char *
put_miss(struct host *h, enum plain_form form, unsigned i, bool last, char *out)
{
	struct request *req = &h->batch[i];

	if (form != PLAIN_META)
		plain_request(req, form, h->keys[i].bytes, h->keys[i].nbytes,
		    last);
	return proto_compose(form == PLAIN_BINARY ? PROTO_BINARY : PROTO_TEXT,
	    out, req, &(struct result){ .status = STATUS_NOT_FOUND });
}

unsigned
hits_serve(struct host *h, enum plain_form form, bool ends, unsigned i,
    unsigned n)
{
	struct cache_frame *f = &h->frames[form];
	char *out = output_at(h->out);
	unsigned done = 0;

	if (form == PLAIN_BINARY)
		f->key = binary_echoes(binary_opcode(h->keys[i].bytes)) ?
		    UINT32_MAX : 0;
	do {
		size_t nbefore = put_before(out, form);

		f->at = out + nbefore;
		done += cache_read_run(h->cache, &h->caller,
		    &h->keys[i + done], n - done, f);
		out = f->at - nbefore;
		if (f->odd == CACHE_READ_MISS) {
			out = put_miss(h, form, i + done,
			    ends && done == n - 1, out);
			done++;
		}
	} while (done < n && f->odd == CACHE_READ_MISS);
	if (ends && f->odd == CACHE_READ_HIT) {
		memcpy(out, "END\r\n", 5);
		out += 5;
	}
	output_to(h->out, out);
	return done;
}
