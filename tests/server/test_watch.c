/* test_watch.c - dumps and watchers: answers that go on. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/peer.h"
#include "server/watch.h"
#include "tests/server/talk.h"

static const char *
ask(struct talk *t, const char *text)
{
	t->nout = 0;
	t->out[0] = 0;
	talk_send(t, text, strlen(text));
	return t->out;
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

/* A second client of the same host. */
struct other {
	struct session session;
	char out[1 << 20];
	size_t nout;
};

static const char *
say(struct talk *t, struct other *o, const char *text)
{
	struct output *out = t->host->out;
	size_t used;

	o->nout = 0;
	session_run(&o->session, t->host, text, strlen(text), &used);
	while (!output_empty(out)) {
		struct iovec iov;

		ck_assert_uint_eq(output_iov(out, t->host->cache, &iov, 1), 1);
		ck_assert_uint_lt(o->nout + iov.iov_len, sizeof(o->out));
		memcpy(o->out + o->nout, iov.iov_base, iov.iov_len);
		o->nout += iov.iov_len;
		output_sent(out, t->host->cache, iov.iov_len);
	}
	o->out[o->nout] = 0;
	return o->out;
}

static struct other *
other_new(void)
{
	struct other *o = calloc(1, sizeof(*o));

	session_init(&o->session, PROTO_AUTO);
	return o;
}

static void
other_free(struct talk *t, struct other *o)
{
	session_fini(&o->session, t->host);
	free(o);
}

/* ------------------------------------------------------------ dumps */

START_TEST(dump_shows_all_items_once)
{
	enum { N = 3000 };
	struct talk *t = talk_new(NULL);
	char text[64];

	talk_expect(t, "lru_crawler metadump all\r\n", "OK\r\nEND\r\n");
	talk_expect(t, "lru_crawler mgdump hash\r\n", "OK\r\nEN\r\n");
	for (unsigned i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "set key%u 7 0 1 noreply\r\nx\r\n",
		    i);
		talk_send(t, text, strlen(text));
	}
	ask(t, "lru_crawler metadump all\r\n");
	ck_assert_uint_eq(count(t->out, "key=key"), N);
	ck_assert_uint_eq(count(t->out, " exp=-1 la="), N);
	ck_assert_uint_eq(count(t->out, " flags=7 \n"), N);
	ck_assert_str_eq(t->out + t->nout - 6, "\nEND\r\n");
	ask(t, "lru_crawler mgdump all\r\n");
	for (unsigned i = 0; i < N; i += 97) {
		snprintf(text, sizeof(text), "mg key%u\r\n", i);
		ck_assert_uint_eq(count(t->out, text), 1);
	}
	ck_assert_uint_eq(count(t->out, "mg "), N);
	ck_assert_str_eq(t->out + t->nout - 4, "EN\r\n");
	/* And the connection goes on. */
	talk_expect(t, "mn\r\n", "MN\r\n");
	talk_free(&t);
}
END_TEST

START_TEST(dump_of_classes)
{
	struct talk *t = talk_new(NULL);
	unsigned id;
	char text[64];

	ask(t, "set foo 0 0 3\r\nbar\r\nstats items\r\n");
	ck_assert_int_eq(sscanf(strstr(t->out, "STAT"), "STAT items:%u:", &id),
	    1);
	snprintf(text, sizeof(text), "lru_crawler mgdump %u\r\n", id);
	talk_expect(t, text, "OK\r\nmg foo\r\nEN\r\n");
	snprintf(text, sizeof(text), "lru_crawler mgdump %u\r\n", id + 1);
	talk_expect(t, text, "OK\r\nEN\r\n");
	snprintf(text, sizeof(text), "lru_crawler mgdump %u,%u\r\n", id + 1,
	    id);
	talk_expect(t, text, "OK\r\nmg foo\r\nEN\r\n");
	talk_expect(t, "lru_crawler mgdump 1,\r\n",
	    "BADCLASS invalid class id\r\n");
	talk_expect(t, "lru_crawler mgdump 64\r\n",
	    "BADCLASS invalid class id\r\n");
	talk_expect(t, "lru_crawler mgdump 0\r\n",
	    "BADCLASS invalid class id\r\n");
	talk_expect(t, "version\r\nlru_crawler mgdump all\r\n",
	    "VERSION " SLABD_WIRE_VERSION "\r\n"
	    "ERROR cannot pipeline other commands before mgdump\r\n");
	talk_free(&t);
}
END_TEST

/* Keys that would break a line: a blank and a newline. */
START_TEST(dumps_of_odd_keys)
{
	struct talk *t = talk_new(NULL);
	unsigned id;
	char text[64];

	talk_expect(t, "ms YSBiCmM= 1 b\r\nx\r\n", "HD\r\n");
	talk_expect(t, "set p%q 0 0 1\r\nx\r\n", "STORED\r\n");
	ask(t, "lru_crawler metadump all\r\n");
	ck_assert_uint_eq(count(t->out, "key=a%20b%0Ac exp="), 1);
	ck_assert_uint_eq(count(t->out, "key=p%25q exp="), 1);
	ask(t, "lru_crawler mgdump all\r\n");
	ck_assert_uint_eq(count(t->out, "mg YSBiCmM= b\r\n"), 1);
	ck_assert_uint_eq(count(t->out, "mg p%q\r\n"), 1);
	ask(t, "stats items\r\n");
	ck_assert_int_eq(sscanf(t->out, "STAT items:%u:", &id), 1);
	snprintf(text, sizeof(text), "stats cachedump %u 0\r\n", id);
	talk_expect(t, text, "ITEM p%q [1 b; 0 s]\r\nEND\r\n");
	snprintf(text, sizeof(text), "stats cachedump %u 0\r\n", id + 1);
	talk_expect(t, text, "END\r\n");
	talk_free(&t);
}
END_TEST

START_TEST(dump_that_nobody_reads_to_the_end)
{
	struct talk *t = talk_new(NULL);
	struct other *o = other_new();
	size_t used;

	for (unsigned i = 0; i < 5000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "set key%u 0 0 1 noreply\r\nx\r\n",
		    i);
		talk_send(t, text, strlen(text));
	}
	ck_assert_int_eq(session_run(&o->session, t->host,
	    "lru_crawler metadump all\r\n", 26, &used), SESSION_FULL);
	ck_assert_ptr_nonnull(o->session.stream);
	output_clear(t->host->out, t->host->cache);
	other_free(t, o);
	talk_expect(t, "mn\r\n", "MN\r\n");
	talk_free(&t);
}
END_TEST

/* ------------------------------------------------------------ watchers */

START_TEST(watcher_sees_its_kinds)
{
	struct talk *t = talk_new(NULL);
	struct other *o = other_new();
	const char *line;

	ck_assert_str_eq(say(t, o, "watch mutations deletions\r\n"),
	    "OK\r\n");
	talk_expect(t, "set a%b 0 0 3\r\nfoo\r\nget a%b\r\ndelete a%b\r\n"
		       "delete a%b\r\n",
	    "STORED\r\nVALUE a%b 0 3\r\nfoo\r\nEND\r\nDELETED\r\n"
	    "NOT_FOUND\r\n");
	line = say(t, o, "");
	ck_assert_uint_eq(count(line, "\n"), 2);
	ck_assert_uint_eq(count(line, "ts="), 2);
	ck_assert_ptr_nonnull(strstr(line, " gid=1 type=item_store key=a%25b "
	    "status=stored cmd=set ttl=0 clsid="));
	ck_assert_ptr_nonnull(strstr(line,
	    " gid=2 type=deleted key=a%25b cmd=delete clsid="));
	ck_assert_str_eq(say(t, o, ""), "");
	/* What a watcher says is not heard. */
	ck_assert_str_eq(say(t, o, "version\r\n"), "");
	other_free(t, o);
	ck_assert_uint_eq(t->server.observing, 0);
	talk_free(&t);
}
END_TEST

START_TEST(watcher_sees_numbers_made)
{
	struct talk *t = talk_new(NULL);
	struct other *o = other_new();
	const char *line;

	say(t, o, "watch mutations\r\n");
	talk_expect(t, "incr n 1\r\nma n\r\nma n N0 J99\r\nma n N0\r\n"
		       "incr n 1\r\n",
	    "NOT_FOUND\r\nNF\r\nHD\r\nHD\r\n101\r\n");
	line = say(t, o, "");
	ck_assert_uint_eq(count(line, "\n"), 1);
	ck_assert_ptr_nonnull(strstr(line, "key=n status=stored cmd=add ttl=0 "
	    "clsid="));
	ck_assert_ptr_nonnull(strstr(line, " size=2\n"));
	/* What could not be stored has no size, and was of no class. */
	ask(t, "set k 0 30 2000000\r\n");
	line = say(t, o, "");
	ck_assert_ptr_nonnull(strstr(line, "key=k status=too_large cmd=set "
	    "ttl=0 clsid=0 cfd=-1 size=0\n"));
	other_free(t, o);
	talk_free(&t);
}
END_TEST

START_TEST(watcher_sees_lookups)
{
	struct talk *t = talk_new(NULL);
	struct other *o = other_new();
	const char *line;

	ck_assert_str_eq(say(t, o, "watch\r\n"), "OK\r\n");
	ask(t, "get k\r\nset k 0 0 2\r\nhi\r\nmg k v\r\n");
	line = say(t, o, "");
	ck_assert_uint_eq(count(line, "type=item_get key=k status=not_found "
	    "clsid=0 cfd=-1 size=0\n"), 2);
	ck_assert_uint_eq(count(line, "key=k status=found clsid="), 1);
	ck_assert_uint_eq(count(line, " size=2\n"), 1);
	ask(t, "set e 0 -1 1\r\nx\r\nget e\r\n");
	line = say(t, o, "");
	ck_assert_ptr_nonnull(strstr(line, "key=e status=expired clsid=0 "));
	ask(t, "flush_all\r\nget k\r\n");
	line = say(t, o, "");
	ck_assert_ptr_nonnull(strstr(line, "key=k status=flushed clsid=0 "));
	/* Looking on leaves no trace. */
	ask(t, "stats\r\n");
	ck_assert_ptr_nonnull(strstr(t->out, "STAT cmd_get 4\r\n"));
	ck_assert_ptr_nonnull(strstr(t->out, "STAT get_misses 3\r\n"));
	ck_assert_ptr_nonnull(strstr(t->out, "STAT get_expired 1\r\n"));
	ck_assert_ptr_nonnull(strstr(t->out, "STAT get_flushed 1\r\n"));
	other_free(t, o);
	talk_free(&t);
}
END_TEST

START_TEST(watcher_sees_evictions)
{
	enum { N = 5000, SIZE = 4000 };
	struct talk *t = talk_new("-m 8");
	struct other *o = other_new();
	char *text = malloc(SIZE + 100);
	unsigned seen = 0;

	say(t, o, "watch evictions\r\n");
	for (unsigned i = 0; i < N; i++) {
		int head = sprintf(text, "set key%u 0 0 %u noreply\r\n", i,
		    SIZE);

		memset(text + head, 'v', SIZE);
		memcpy(text + head + SIZE, "\r\n", 2);
		talk_send(t, text, (size_t)head + SIZE + 2);
		seen += count(say(t, o, ""), " type=eviction key=key");
	}
	ask(t, "stats\r\n");
	snprintf(text, 100, "STAT evictions %u\r\n", seen);
	ck_assert_uint_gt(seen, N / 2);
	ck_assert_ptr_nonnull(strstr(t->out, text));
	other_free(t, o);
	free(text);
	talk_free(&t);
}
END_TEST

START_TEST(slow_watcher_is_told_what_it_missed)
{
	struct talk *t = talk_new("-o watcher_logbuf_size=8");
	struct other *o = other_new();
	unsigned seen, skipped;
	const char *line;

	say(t, o, "watch fetchers\r\n");
	for (unsigned i = 0; i < 1000; i++)
		talk_send(t, "get key\r\n", 9);
	line = say(t, o, "");
	seen = count(line, "type=item_get");
	ck_assert_uint_gt(seen, 10);
	ck_assert_uint_lt(seen, 1000);
	ck_assert_ptr_null(strstr(line, "skipped="));
	talk_send(t, "get key\r\n", 9);
	line = say(t, o, "");
	ck_assert_int_eq(sscanf(line, "skipped=%u\n", &skipped), 1);
	ck_assert_uint_eq(seen + skipped, 1000);
	ck_assert_uint_eq(count(line, "type=item_get"), 1);
	ask(t, "stats\r\n");
	ck_assert_ptr_nonnull(strstr(t->out, "STAT log_watchers 1\r\n"));
	ck_assert_ptr_nonnull(strstr(t->out,
	    "STAT log_worker_written 1001\r\n"));
	other_free(t, o);
	talk_free(&t);
}
END_TEST

START_TEST(watchers_are_bounded)
{
	struct talk *t = talk_new(NULL);
	struct other *others[WATCH_MOST + 1];

	for (unsigned i = 0; i <= WATCH_MOST; i++) {
		others[i] = other_new();
		ck_assert_str_eq(say(t, others[i], "watch fetchers\r\n"),
		    i < WATCH_MOST ? "OK\r\n" :
		    "WATCHER_TOO_MANY log watcher limit reached\r\n");
	}
	other_free(t, others[3]);
	ck_assert_str_eq(say(t, others[WATCH_MOST], "watch fetchers\r\n"),
	    "OK\r\n");
	for (unsigned i = 0; i <= WATCH_MOST; i++)
		if (i != 3)
			other_free(t, others[i]);
	ck_assert_uint_eq(t->server.observing, 0);
	talk_free(&t);
}
END_TEST

START_TEST(watch_refused)
{
	struct talk *t = talk_new(NULL);

	talk_expect(t, "watch bogus\r\n", "ERROR\r\n");
	talk_expect(t, "watch fetchers bogus\r\n", "ERROR\r\n");
	talk_expect(t, "version\r\nwatch fetchers\r\n",
	    "VERSION " SLABD_WIRE_VERSION "\r\n"
	    "ERROR cannot pipeline other commands before watch\r\n");
	talk_free(&t);
	t = talk_new("-W");
	talk_expect(t, "watch fetchers\r\n",
	    "CLIENT_ERROR watch commands not allowed\r\n");
	talk_free(&t);
}
END_TEST

START_TEST(connections_are_named)
{
	struct talk *t = talk_new(NULL);
	struct other *o = other_new();
	struct peer p;
	const char *line;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	say(t, o, "watch connevents\r\n");
	watch_connection(t->server.watch, fds[0], NULL);
	watch_connection(t->server.watch, fds[0], "idle_timeout");
	line = say(t, o, "");
	ck_assert_ptr_nonnull(strstr(line, "type=conn_new rip=unix rport=0 "
	    "transport=local cfd="));
	ck_assert_ptr_nonnull(strstr(line, "type=conn_close rip=unix rport=0 "
	    "transport=local reason=idle_timeout cfd="));
	ck_assert(peer_own(fds[1], &p));
	ck_assert_str_eq(p.text, "unix:?");
	close(fds[0]);
	close(fds[1]);
	ck_assert(!peer_own(fds[1], &p));
	other_free(t, o);
	talk_free(&t);
}
END_TEST

Suite *
watch_suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("watch");

	tcase_add_test(tc, dump_shows_all_items_once);
	tcase_add_test(tc, dump_of_classes);
	tcase_add_test(tc, dumps_of_odd_keys);
	tcase_add_test(tc, dump_that_nobody_reads_to_the_end);
	tcase_add_test(tc, watcher_sees_its_kinds);
	tcase_add_test(tc, watcher_sees_numbers_made);
	tcase_add_test(tc, watcher_sees_lookups);
	tcase_add_test(tc, watcher_sees_evictions);
	tcase_add_test(tc, slow_watcher_is_told_what_it_missed);
	tcase_add_test(tc, watchers_are_bounded);
	tcase_add_test(tc, watch_refused);
	tcase_add_test(tc, connections_are_named);
	suite_add_tcase(s, tc);
	return s;
}
