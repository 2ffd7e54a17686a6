/* talk.c - see talk.h. */
#include "tests/server/talk.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "server/login.h"

enum { ARGS_MAX = 32 };

/* A client that just came. */
static void
greet(struct talk *t)
{
	enum proto_name proto = t->config.protocol;

	if (t->server.auth != NULL)
		proto = auth_protocol(t->server.auth, proto);
	session_init(&t->session, proto);
	if (t->server.auth != NULL)
		session_guard(&t->session, login_new(t->server.auth, -1));
}

struct talk *
talk_new(const char *options)
{
	struct talk *t = calloc(1, sizeof(*t));
	static char words[1024];
	char *argv[ARGS_MAX] = { "slabd" };
	int argc = 1;
	const char *why = "";

	ck_assert_ptr_nonnull(t);
	snprintf(words, sizeof(words), "%s", options != NULL ? options : "");
	for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
		argv[argc++] = w;
	ck_assert_int_eq(config_read(&t->config, argc, argv, stdout, stderr),
	    CONFIG_RUN);
	ck_assert_msg(server_init(&t->server, &t->config, &why) == 0, "%s",
	    why);
	t->host = host_new(&t->server);
	ck_assert_ptr_nonnull(t->host);
	t->server.hosts[0] = t->host;
	t->server.nhosts = 1;
	greet(t);
	t->out = calloc(1, 1);
	return t;
}

void
talk_free(struct talk **tp)
{
	struct talk *t = *tp;

	*tp = NULL;
	session_fini(&t->session, t->host);
	host_free(&t->host);
	server_fini(&t->server);
	config_fini(&t->config);
	free(t->in);
	free(t->out);
	free(t);
}

void
talk_again(struct talk *t)
{
	session_fini(&t->session, t->host);
	greet(t);
	t->nin = t->nout = 0;
	t->out[0] = 0;
	t->verdict = SESSION_MORE;
}

static void
collect(struct talk *t)
{
	struct output *o = t->host->out;
	struct iovec iov[4];

	while (!output_empty(o)) {
		unsigned n = output_iov(o, t->host->cache, iov, 4);

		for (unsigned i = 0; i < n; i++) {
			t->out = realloc(t->out, t->nout + iov[i].iov_len + 1);
			memcpy(t->out + t->nout, iov[i].iov_base,
			    iov[i].iov_len);
			t->nout += iov[i].iov_len;
			t->out[t->nout] = 0;
			output_sent(o, t->host->cache, iov[i].iov_len);
		}
	}
}

void
talk_send(struct talk *t, const char *bytes, size_t n)
{
	size_t used, done = 0;

	if (t->verdict == SESSION_CLOSE || t->verdict == SESSION_DROP)
		return;
	t->in = realloc(t->in, t->nin + n + 1);
	memcpy(t->in + t->nin, bytes, n);
	t->nin += n;
	do {
		t->verdict = session_run(&t->session, t->host, t->in + done,
		    t->nin - done, &used);
		done += used;
		if (t->verdict == SESSION_DROP)
			output_clear(t->host->out, t->host->cache);
		collect(t);
		if (t->verdict == SESSION_WAIT) {
			struct attempt *a = session_attempt(&t->session);

			attempt_work(a);
			session_resume(&t->session, t->host, a);
			collect(t);
		}
	} while (t->verdict == SESSION_FULL || t->verdict == SESSION_WAIT);
	memmove(t->in, t->in + done, t->nin - done);
	t->nin -= done;
}

void
talk_expect(struct talk *t, const char *text, const char *reply)
{
	t->nout = 0;
	t->out[0] = 0;
	talk_send(t, text, strlen(text));
	ck_assert_str_eq(t->out, reply);
}
