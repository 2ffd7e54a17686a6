/* test_memfile.c - tests of memfile.h: what the clock and FILE.meta say. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/memfile.h"
#include "server/server.h"

enum { SUM_LINE = 27, META_MOST = 65536 };

static char folder[64], path[96], meta[96];
static struct config config;
static struct server srv;
static struct cache_tally tally;
static char text[META_MOST];
static size_t ntext;

static void
open_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/slabd-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/mem", folder);
	snprintf(meta, sizeof(meta), "%s/mem.meta", folder);
}

static void
close_folder(void)
{
	unlink(meta);
	unlink(path);
	rmdir(folder);
}

static void
begin(void)
{
	char *argv[] = { "slabd", "-m", "4", "-e", path, NULL };
	const char *why = "";

	ck_assert_int_eq(config_read(&config, 5, argv, stdout, stderr),
	    CONFIG_RUN);
	ck_assert_msg(server_init(&srv, &config, &why) == 0, "%s", why);
	memfile_hide(srv.memfile);
}

static void
end(bool keep)
{
	if (keep)
		memfile_save(srv.memfile, srv.cache, &srv.clock);
	server_fini(&srv);
	config_fini(&config);
}

static uint32_t
now(void)
{
	return clock_read(&srv.clock);
}

static void
store(uint32_t deadline)
{
	struct cache_caller w = { .now = now(), .tally = &tally };
	struct cache_key k = cache_key(srv.cache, "key", 3);
	struct cache_put put = { .value = "v", .nvalue = 1,
		.deadline = deadline };

	ck_assert_int_eq(cache_store(srv.cache, &w, &k, &put, NULL),
	    CACHE_STORED);
}

static uint64_t
items(void)
{
	struct cache_stats s;

	cache_stats(srv.cache, now(), &s);
	return s.items;
}

static void
read_meta(void)
{
	FILE *f = fopen(meta, "rb");

	ck_assert_ptr_nonnull(f);
	ntext = fread(text, 1, sizeof(text), f);
	fclose(f);
	ck_assert_uint_gt(ntext, SUM_LINE);
	ck_assert_uint_lt(ntext, sizeof(text));
}

/* With a checksum that is right. */
static void
write_meta(void)
{
	FILE *f = fopen(meta, "wb");

	ck_assert_ptr_nonnull(f);
	ntext -= SUM_LINE;
	fwrite(text, 1, ntext, f);
	fprintf(f, "Kchecksum %016llx\n",
	    (unsigned long long)XXH3_64bits(text, ntext));
	ck_assert_int_eq(fclose(f), 0);
}

/* The number of a line becomes another one. */
static void
set_number(const char *name, long long value)
{
	char *at = memmem(text, ntext, name, strlen(name)), *lf, line[64];
	size_t n, old;

	ck_assert_ptr_nonnull(at);
	lf = memchr(at, '\n', ntext - (size_t)(at - text));
	ck_assert_ptr_nonnull(lf);
	old = (size_t)(lf - at);
	n = (size_t)snprintf(line, sizeof(line), "%s %lld", name, value);
	ck_assert_uint_lt(ntext + n, sizeof(text));
	memmove(at + n, lf, ntext - (size_t)(lf - text));
	memcpy(at, line, n);
	ntext += n - old;
}

/* What the next server makes of it. */
static const struct {
	const char *name;
	long long value; /* of stop_time: more than now */
	uint64_t items;
	uint32_t passed; /* at least */
} cases[] = {
	{ "Kstop_time", 0, 1, 0 },
	{ "Kstop_time", -1000, 1, 1000 },
	{ "Kstop_time", -100000, 0, 100000 }, /* it has died */
	{ "Kstop_time", 1000, 0, 0 }, /* the clock went back */
	{ "Kcurrent_time", 5000, 1, 5000 - 2 },
	{ "Kcurrent_time", 60000, 0, 60000 - 2 },
	{ "Kcurrent_time", 1, 0, 0 },
	{ "Kcurrent_time", -1, 0, 0 },
	{ "Kcurrent_time", 1LL << 40, 0, 0 },
	{ "Kslabs", 1, 0, 0 },
	{ "Kslabs", 1LL << 60, 0, 0 },
	{ "Kformat", 2, 0, 0 },
	{ "Kmaxbytes", 1, 0, 0 },
};

START_TEST(a_meta)
{
	bool stop = strcmp(cases[_i].name, "Kstop_time") == 0;

	begin();
	store(50000);
	end(true);
	read_meta();
	set_number(cases[_i].name, cases[_i].value + (stop ? time(NULL) : 0));
	write_meta();
	begin();
	ck_assert_uint_eq(items(), cases[_i].items);
	ck_assert_uint_ge(srv.clock.resumed, cases[_i].passed);
	ck_assert_uint_le(srv.clock.resumed, cases[_i].passed + 60);
	ck_assert_uint_ge(now(), srv.clock.resumed + CLOCK_FIRST_SECOND);
	ck_assert_int_lt(llabs(srv.clock.start_unix + now() - time(NULL)), 3);
	store(0);
	end(false);
}
END_TEST

START_TEST(files)
{
	struct stat st;

	begin();
	ck_assert_int_ne(stat(meta, &st), 0);
	end(true);
	ck_assert_int_eq(stat(meta, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(st.st_size, (4 << 20) + 65536);
	begin();
	ck_assert_int_ne(stat(meta, &st), 0);
	ck_assert(memfile_was_restored(srv.memfile));
	end(false);
	ck_assert_int_ne(stat(meta, &st), 0);
	ck_assert_int_ne(rmdir(folder), 0);
	unlink(path);
	/* nothing else is in there */
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

Suite *
memfile_suite(void)
{
	Suite *s = suite_create("memfile");
	TCase *t = tcase_create("memfile");

	tcase_add_checked_fixture(t, open_folder, close_folder);
	tcase_add_loop_test(t, a_meta, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, files);
	suite_add_tcase(s, t);
	return s;
}
