/* login.c - see login.h. */
#include "server/login.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/meta.h"
#include "proto/token.h"

enum {
	TOKEN_MAX = 16384, /* of the value that carries name and password */
	LINE_LEAST = 6,	   /* memcached closes at shorter ones */
	SET_WORDS = 5,
	MECHANISM_MAX = 32,
};

enum state { OUT, BUSY, IN };

/* The reply to an attempt in text, composed while the request is there. */
struct text_reply {
	size_t n;
	char bytes[PROTO_REPLY_MAX];
};

/* SCRAM between its messages; in locked memory. */
struct dialogue {
	struct scram scram;
	struct users *users;
	struct user_claim claim;
	bool proved; /* the signature was sent: the client has the last word */
};

struct login {
	struct auth *auth;
	uint64_t peer;
	uint8_t state; /* enum state; one writer: enter() */
	bool in_text;  /* BUSY: what the attempt came by */
	uint8_t opcode;
	uint32_t opaque;
	uint8_t invited; /* enum auth_mechanism: to say its first in a step */
	enum op op;
	struct text_reply *success; /* BUSY, in_text */
	struct attempt *attempt;    /* BUSY, until taken */
	struct dialogue *dialogue;
	struct users *users; /* IN */
	const struct user *user;
};

/* ------------------------------------------------------------ life */

static void
enter(struct login *l, enum state state)
{
	assert(l->state != state && (l->state != IN || state != BUSY));
	l->state = (uint8_t)state;
}

struct login *
login_new(struct auth *auth, int fd)
{
	struct login *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->auth = auth;
	l->peer = auth_peer(auth, fd);
	return l;
}

static void
end_dialogue(struct login *l)
{
	if (l->dialogue == NULL)
		return;
	if (l->dialogue->users != NULL)
		users_release(&l->dialogue->users);
	sodium_free(l->dialogue);
	l->dialogue = NULL;
}

/* What failed was the dialogue, if there is one. */
static void
tell_failed(const struct login *l)
{
	const struct dialogue *d = l->dialogue;

	if (d != NULL)
		auth_failed(l->auth, l->peer, d->scram.name, d->scram.nname);
	else
		auth_failed(l->auth, l->peer, NULL, 0);
}

/* Whoever asks for challenges and leaves them has guessed, or kept hashers
 * busy. */
static void
abandon_dialogue(struct login *l)
{
	if (l->dialogue != NULL)
		tell_failed(l);
	end_dialogue(l);
}

/* Nobody any more. */
static void
withdraw(struct login *l)
{
	if (l->users != NULL)
		users_release(&l->users);
	l->user = NULL;
	if (l->state == IN)
		enter(l, OUT);
}

void
login_free(struct login **lp)
{
	struct login *l = *lp;

	*lp = NULL;
	withdraw(l);
	abandon_dialogue(l);
	if (l->attempt != NULL)
		attempt_free(&l->attempt);
	free(l->success);
	free(l);
}

bool
login_is_in(const struct login *l)
{
	return l->state == IN;
}

const struct user *
login_restricted(const struct login *l)
{
	return l->user != NULL && !user_is_free(l->user) ? l->user : NULL;
}

/* Takes the reference over. */
static void
let_in(struct login *l, struct users **users, const struct user *user)
{
	withdraw(l);
	l->users = *users;
	*users = NULL;
	l->user = user;
	enter(l, IN);
}

static void
count(struct host *h, bool good)
{
	count_up(&h->counters.auth_cmds, 1);
	if (!good)
		count_up(&h->counters.auth_errors, 1);
}

struct attempt *
login_take(struct login *l)
{
	struct attempt *a = l->attempt;

	l->attempt = NULL;
	return a;
}

/* ------------------------------------------------------------ replies */

static void
put(struct host *h, const char *bytes, size_t n)
{
	memcpy(output_at(h->out), bytes, n);
	output_to(h->out, output_at(h->out) + n);
}

static enum login_verdict
say(struct host *h, const char *line)
{
	put(h, line, strlen(line));
	return LOGIN_DONE;
}

static void
answer(struct host *h, enum proto_name proto, const struct request *req,
    const struct result *res)
{
	output_to(h->out, proto_compose(proto, output_at(h->out), req, res));
}

static void
answer_status(struct host *h, const struct request *req, enum status status)
{
	struct result res = { .status = status };

	answer(h, PROTO_BINARY, req, &res);
}

static void
answer_text(struct host *h, const struct request *req, enum status status,
    const char *text, size_t n)
{
	struct result res = { .status = status, .text = text, .ntext = n };

	answer(h, PROTO_BINARY, req, &res);
}

/* ------------------------------------------------------------ text */

/* A value that a line announces. */
struct token {
	const char *at;
	uint32_t n;
};

static bool
is_blank(char c)
{
	return c == ' ';
}

/* name, blanks, password.  false: there are no two words. */
static bool
split(struct token token, struct word *name, struct word *password)
{
	const char *at = token.at, *end = token.at + token.n;

	while (at < end && is_blank(*at))
		at++;
	name->at = at;
	while (at < end && !is_blank(*at))
		at++;
	name->n = (uint32_t)(at - name->at);
	while (at < end && is_blank(*at))
		at++;
	password->at = at;
	password->n = (uint32_t)(end - at);
	return name->n > 0 && password->n > 0;
}

/* What a storage command would be told. */
static struct text_reply *
compose_success(const struct request *req)
{
	struct text_reply *r = malloc(sizeof(*r));
	struct result res = { .status = STATUS_STORED };

	if (r != NULL)
		r->n = (size_t)(proto_compose(PROTO_TEXT, r->bytes, req,
		    &res) - r->bytes);
	return r;
}

static enum login_verdict
begin_text(struct login *l, struct host *h, const struct request *req,
    struct token token)
{
	struct word name, password;

	if (memcmp(token.at + token.n, "\r\n", 2) != 0)
		return say(h, "CLIENT_ERROR bad command line termination\r\n");
	if (!split(token, &name, &password))
		return say(h, "CLIENT_ERROR bad authentication token "
			      "format\r\n");
	l->success = compose_success(req);
	l->attempt = attempt_new(l->auth, l->peer, name.at, name.n,
	    password.at, password.n);
	if (l->success == NULL || l->attempt == NULL) {
		count_up(&h->counters.malloc_fails, 1);
		return LOGIN_DROP;
	}
	l->in_text = true;
	enter(l, BUSY);
	return LOGIN_WAIT;
}

/* The line's word that says how many bytes follow; false: this is no login. */
static bool
read_line(const char *line, size_t n, struct request *req)
{
	struct word words[PROTO_WORDS_MAX];
	unsigned count = token_words(line, n, words, PROTO_WORDS_MAX);

	if (count >= SET_WORDS && token_is(words[0], "set")) {
		req->op = OP_SET;
		req->quiet = false;
		return token_uint32(words[4], &req->nvalue);
	}
	return count >= 1 && token_is(words[0], "ms") &&
	    meta_parse(OP_MS, line, n, req) == PARSE_REQUEST;
}

/* What may be asked before login by all clients of a lenient server. */
static enum login_verdict
serve_open(struct host *h, const char *line, size_t n)
{
	struct word words[2];

	if (token_words(line, n, words, 2) == 0 || line[0] == ' ')
		return say(h, "CLIENT_ERROR unauthenticated\r\n");
	if (token_is(words[0], "version"))
		return say(h, "VERSION " SLABD_WIRE_VERSION "\r\n");
	if (token_is(words[0], "mn"))
		return say(h, "MN\r\n");
	if (token_is(words[0], "quit"))
		return LOGIN_CLOSE;
	return say(h, "CLIENT_ERROR unauthenticated\r\n");
}

static enum login_verdict
serve_text(struct login *l, struct host *h, const char *in, size_t n,
    size_t *used)
{
	const char *lf = memchr(in, '\n', n);
	struct request *req = &h->batch[0];
	bool strict = auth_is_strict(l->auth);
	size_t nline;

	if (lf == NULL)
		return n > PROTO_LINE_MAX ? LOGIN_DROP : LOGIN_MORE;
	nline = (size_t)(lf - in);
	if (strict && nline < LINE_LEAST)
		return LOGIN_DROP;
	*used = nline + 1;
	if (nline > 0 && in[nline - 1] == '\r')
		nline--;
	if (!read_line(in, nline, req))
		return strict ? say(h, "CLIENT_ERROR unauthenticated\r\n") :
		    serve_open(h, in, nline);
	if (req->nvalue > TOKEN_MAX)
		return say(h, "CLIENT_ERROR auth token too long\r\n");
	if (n - *used < req->nvalue + 2) {
		*used = 0;
		return LOGIN_MORE;
	}
	*used += req->nvalue + 2;
	return begin_text(l, h, req,
	    (struct token){ lf + 1, req->nvalue });
}

static void
finish_text(struct login *l, struct host *h, struct attempt *a)
{
	if (a->good) {
		put(h, l->success->bytes, l->success->n);
		let_in(l, &a->users, a->claim.user);
	} else {
		say(h, "CLIENT_ERROR authentication failure\r\n");
		enter(l, OUT);
	}
	free(l->success);
	l->success = NULL;
}

/* ------------------------------------------------------------ SASL */

static enum login_verdict
fail(struct login *l, struct host *h, const struct request *req)
{
	l->invited = 0;
	tell_failed(l);
	end_dialogue(l);
	withdraw(l);
	count(h, false);
	answer_status(h, req, STATUS_AUTH_FAILURE);
	return LOGIN_DONE;
}

static enum login_verdict
begin_sasl(struct login *l, struct host *h, const struct request *req,
    struct attempt *a)
{
	if (a == NULL) {
		count_up(&h->counters.malloc_fails, 1);
		return LOGIN_DROP;
	}
	l->attempt = a;
	l->in_text = false;
	l->op = req->op;
	l->opcode = req->opcode;
	l->opaque = req->opaque;
	enter(l, BUSY);
	return LOGIN_WAIT;
}

/* [authzid] 0 user 0 password; to be somebody else than who one is is not
 * for anyone here. */
static enum login_verdict
begin_plain(struct login *l, struct host *h, const struct request *req)
{
	const char *in = req->value, *end = in + req->nvalue;
	const char *user = memchr(in, '\0', req->nvalue), *password;
	size_t nuser, nauthzid;

	if (user == NULL)
		return fail(l, h, req);
	nauthzid = (size_t)(user++ - in);
	password = memchr(user, '\0', (size_t)(end - user));
	if (password == NULL)
		return fail(l, h, req);
	nuser = (size_t)(password++ - user);
	if (memchr(password, '\0', (size_t)(end - password)) != NULL ||
	    (nauthzid > 0 && (nauthzid != nuser ||
	    memcmp(in, user, nuser) != 0)))
		return fail(l, h, req);
	return begin_sasl(l, h, req, attempt_new(l->auth, l->peer, user,
	    nuser, password, (size_t)(end - password)));
}

static enum login_verdict
begin_scram(struct login *l, struct host *h, const struct request *req)
{
	struct dialogue *d =
	    sodium_malloc((sizeof(*d) + 15) & ~(size_t)15);
	struct attempt *a;

	if (d == NULL)
		return LOGIN_DROP;
	memset(d, 0, sizeof(*d));
	l->dialogue = d;
	if (!scram_first(&d->scram, req->value, req->nvalue))
		return fail(l, h, req);
	a = attempt_new(l->auth, l->peer, d->scram.name, d->scram.nname, NULL,
	    0);
	if (a != NULL)
		a->wants_verifier = true;
	return begin_sasl(l, h, req, a);
}

static void
challenge(struct login *l, struct host *h, const struct request *req,
    struct attempt *a)
{
	struct dialogue *d = l->dialogue;
	char ours[SCRAM_NONCE], text[SCRAM_MESSAGE_MAX];

	scram_nonce(ours);
	answer_text(h, req, STATUS_AUTH_CONTINUE, text,
	    scram_challenge(&d->scram, &a->verifier, ours, text));
	d->users = a->users;
	a->users = NULL;
	d->claim = a->claim;
}

/* The proof; or, when that was right, the last word. */
static enum login_verdict
step_scram(struct login *l, struct host *h, const struct request *req)
{
	struct dialogue *d = l->dialogue;
	char text[SCRAM_MESSAGE_MAX];
	bool good;
	size_t n;

	if (d->proved) {
		if (req->nvalue > 0)
			return fail(l, h, req);
		let_in(l, &d->users, d->claim.user);
		auth_succeeded(l->auth, l->peer, d->scram.name,
		    d->scram.nname);
		end_dialogue(l);
		count(h, true);
		answer_text(h, req, STATUS_TEXT, "Authenticated", 13);
		return LOGIN_DONE;
	}
	good = scram_final(&d->scram, req->value, req->nvalue, text, &n);
	if (!good || !d->claim.known)
		return fail(l, h, req);
	d->proved = true;
	answer_text(h, req, STATUS_AUTH_CONTINUE, text, n);
	return LOGIN_DONE;
}

/* The client has sent what its mechanism begins with; or nothing, then it is
 * asked for that, as Cyrus does. */
static enum login_verdict
begin(struct login *l, struct host *h, const struct request *req,
    unsigned mechanism)
{
	bool invites = mechanism != 0 && req->nvalue == 0 &&
	    req->op == OP_SASL_AUTH;

	l->invited = invites ? (uint8_t)mechanism : 0;
	if (invites) {
		answer_text(h, req, STATUS_AUTH_CONTINUE, "", 0);
		return LOGIN_DONE;
	}
	if (mechanism == AUTH_SCRAM)
		return begin_scram(l, h, req);
	if (mechanism == AUTH_PLAIN)
		return begin_plain(l, h, req);
	return fail(l, h, req);
}

enum login_verdict
login_sasl(struct login *l, struct host *h, const struct request *req)
{
	const char *names = auth_mechanisms(l->auth);
	unsigned mechanism;

	assert(l->state != BUSY);
	if (req->op == OP_SASL_LIST) {
		answer_text(h, req, STATUS_TEXT, names, strlen(names));
		return LOGIN_DONE;
	}
	/* As memcached: no attempt, and whoever is in stays in. */
	if (req->nkey > MECHANISM_MAX) {
		answer_status(h, req, STATUS_BAD_MECHANISM);
		return LOGIN_DONE;
	}
	mechanism = auth_mechanism(l->auth, req->key, req->nkey);
	withdraw(l);
	if (req->op == OP_SASL_AUTH) {
		abandon_dialogue(l);
		return begin(l, h, req, mechanism);
	}
	if (mechanism == AUTH_SCRAM && l->dialogue != NULL)
		return step_scram(l, h, req);
	if (mechanism != 0 && mechanism == l->invited)
		return begin(l, h, req, mechanism);
	return fail(l, h, req);
}

static void
finish_sasl(struct login *l, struct host *h, struct attempt *a)
{
	struct request *req = &h->batch[0];

	req->op = l->op;
	req->opcode = l->opcode;
	req->opaque = l->opaque;
	req->quiet = false;
	req->nkey = 0;
	enter(l, OUT);
	if (l->dialogue != NULL && a->users != NULL) {
		challenge(l, h, req, a);
	} else if (a->good) {
		let_in(l, &a->users, a->claim.user);
		answer_text(h, req, STATUS_TEXT, "Authenticated", 13);
	} else {
		end_dialogue(l);
		answer_status(h, req, STATUS_AUTH_FAILURE);
	}
}

/* ------------------------------------------------------------ binary */

static bool
is_sasl(enum op op)
{
	return op == OP_SASL_LIST || op == OP_SASL_AUTH || op == OP_SASL_STEP;
}

static enum login_verdict
serve_refused(struct host *h, const struct request *req)
{
	enum status status = req->problem;

	/* A header that lies is told so first, as memcached does. */
	if (!is_sasl(req->op) && req->op != OP_VERSION &&
	    !(status == STATUS_ERROR && req->close))
		status = STATUS_AUTH_FAILURE;
	answer_status(h, req, status);
	return LOGIN_CLOSE;
}

static enum login_verdict
serve_binary(struct login *l, struct parser *p, struct host *h,
    const char *in, size_t n, size_t *used)
{
	struct request *req = &h->batch[0];

	if ((unsigned char)in[0] < 0x80 && !auth_is_strict(l->auth)) {
		say(h, "CLIENT_ERROR this address speaks the binary protocol "
		       "only\r\n");
		return LOGIN_CLOSE;
	}
	switch (proto_parse(p, in, n, req, used)) {
	case PARSE_MORE:
		return LOGIN_MORE;
	case PARSE_CLOSE:
		return LOGIN_DROP;
	case PARSE_REFUSE:
		return serve_refused(h, req);
	case PARSE_REQUEST:
		break;
	}
	if (is_sasl(req->op))
		return login_sasl(l, h, req);
	if (req->op == OP_VERSION) {
		answer_text(h, req, STATUS_TEXT, SLABD_WIRE_VERSION,
		    sizeof(SLABD_WIRE_VERSION) - 1);
		return LOGIN_DONE;
	}
	answer_status(h, req, STATUS_AUTH_FAILURE);
	return LOGIN_CLOSE;
}

/* ------------------------------------------------------------ both */

enum login_verdict
login_serve(struct login *l, struct parser *p, struct host *h,
    const char *in, size_t n, size_t *used)
{
	assert(l->state == OUT && n > 0);
	*used = 0;
	if (p->proto == PROTO_AUTO)
		p->proto = (unsigned char)in[0] == 0x80 ? PROTO_BINARY :
		    PROTO_TEXT;
	if (p->proto == PROTO_BINARY)
		return serve_binary(l, p, h, in, n, used);
	return serve_text(l, h, in, n, used);
}

void
login_finish(struct login *l, struct host *h, struct attempt *a)
{
	bool scram = !l->in_text && l->dialogue != NULL && a->users != NULL;

	assert(l->state == BUSY);
	/* A challenge is no verdict yet. */
	if (!scram) {
		count(h, a->good);
		/* Nobody has looked at what was refused. */
		if (a->good)
			auth_succeeded(l->auth, l->peer, a->name, a->nname);
		else if (!a->refused)
			auth_failed(l->auth, l->peer, a->name, a->nname);
	}
	if (l->in_text)
		finish_text(l, h, a);
	else
		finish_sasl(l, h, a);
	attempt_free(&a);
}
