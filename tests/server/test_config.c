/* test_config.c - argv to settings, and every refusal by name. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/address.h"
#include "server/config.h"

enum { WORDS_MAX = 64 };

struct told {
	char *out, *err;
	int status;
};

/* Splits a line at blanks, as a shell would, and reads it. */
static struct config config;
static char line_copy[512];

static struct told
read_line(const char *line)
{
	char *argv[WORDS_MAX] = { "slabd" }, *rest = line_copy, *word;
	struct told told = { 0 };
	size_t nout, nerr;
	FILE *out = open_memstream(&told.out, &nout);
	FILE *err = open_memstream(&told.err, &nerr);
	int argc = 1;

	ck_assert_uint_lt(strlen(line), sizeof(line_copy));
	strcpy(line_copy, line);
	while ((word = strsep(&rest, " ")) != NULL)
		if (argc < WORDS_MAX && *word != '\0')
			argv[argc++] = word;
	ck_assert_int_lt(argc, WORDS_MAX); /* argv ends with NULL */
	told.status = config_read(&config, argc, argv, out, err);
	fclose(out);
	fclose(err);
	return told;
}

static void
forget(struct told *told)
{
	if (told->status == CONFIG_RUN)
		config_fini(&config);
	free(told->out);
	free(told->err);
}

static void
accept_line(const char *line)
{
	struct told told = read_line(line);

	ck_assert_msg(told.status == CONFIG_RUN, "%s: %s", line, told.err);
	ck_assert_msg(*told.err == '\0', "%s: %s", line, told.err);
	free(told.out);
	free(told.err);
}

START_TEST(test_defaults)
{
	accept_line("");
	ck_assert_uint_eq(config.memory_limit, 64 << 20);
	ck_assert_uint_eq(config.conn_limit, 1024);
	ck_assert_uint_eq(config.threads, 4);
	ck_assert_uint_eq(config.item_max, 1 << 20);
	ck_assert_uint_eq(config.chunk_min, 48);
	ck_assert_double_eq(config.growth_factor, 1.25);
	ck_assert(!config.has_growth_factor);
	ck_assert_uint_eq(config.reqs_per_event, 20);
	ck_assert_uint_eq(config.listen_backlog, 1024);
	ck_assert_uint_eq(config.port, 11211);
	ck_assert(!config.has_port);
	ck_assert_uint_eq(config.udp_port, 0);
	ck_assert_uint_eq(config.unix_mask, 0700);
	ck_assert_uint_eq(config.hot_lru_pct, 20);
	ck_assert_uint_eq(config.warm_lru_pct, 40);
	ck_assert_double_eq(config.hot_max_factor, 0.2);
	ck_assert_double_eq(config.warm_max_factor, 2.0);
	ck_assert_uint_eq(config.temporary_ttl, 61);
	ck_assert(!config.temp_lru);
	ck_assert(config.maxconns_fast);
	ck_assert(config.lru_maintainer);
	ck_assert(config.lru_crawler);
	ck_assert(config.slab_reassign);
	ck_assert_uint_eq(config.slab_automove, 1);
	ck_assert_uint_eq(config.slab_chunk_max, 524288);
	ck_assert_uint_eq(config.watcher_logbuf, 262144);
	ck_assert_uint_eq(config.worker_logbuf, 65536);
	ck_assert_str_eq(config.prefix_delimiter, ":");
	ck_assert(!config.detail_enabled);
	ck_assert_int_eq(config.protocol, PROTO_AUTO);
	ck_assert_uint_eq(config.slab_sizes[0], 0);
	ck_assert_ptr_null(config.listen);
	ck_assert_str_eq(config.inter, "127.0.0.1,::1");
	config_fini(&config);
}
END_TEST

START_TEST(test_short_options)
{
	accept_line("-m 128 -c 500 -t 2 -I 2m -M -C -F -X -W -b 99 "
	    "-f 1.50 -n 64 -A -B ascii -D / -vv -u root -P /p -k -L -r -d");
	ck_assert_uint_eq(config.memory_limit, 128 << 20);
	ck_assert_uint_eq(config.conn_limit, 500);
	ck_assert_uint_eq(config.threads, 2);
	ck_assert_uint_eq(config.item_max, 2 << 20);
	ck_assert(config.no_evictions && config.no_cas);
	ck_assert(config.disable_flush_all && config.disable_dumping);
	ck_assert(config.disable_watch && config.enable_shutdown);
	ck_assert_uint_eq(config.listen_backlog, 99);
	ck_assert_double_eq(config.growth_factor, 1.5);
	ck_assert(config.has_growth_factor);
	ck_assert_uint_eq(config.chunk_min, 64);
	ck_assert_int_eq(config.protocol, PROTO_TEXT);
	ck_assert_str_eq(config.prefix_delimiter, "/");
	ck_assert(config.detail_enabled);
	ck_assert_uint_eq(config.verbosity, 2);
	ck_assert_str_eq(config.user, "root");
	ck_assert_str_eq(config.pid_file, "/p");
	ck_assert(config.lock_memory && config.large_pages);
	ck_assert(config.core_dumps && config.daemonize);
	config_fini(&config);
}
END_TEST

START_TEST(test_long_options)
{
	accept_line("--port=5 --listen=10.0.0.1 --memory-limit=1g --threads=3 "
	    "--conn-limit 300 --max-item-size=512k --disable-cas "
	    "--protocol=binary --verbose --listen=::1 --unix-socket=/s "
	    "--unix-mask=0766");
	ck_assert_uint_eq(config.port, 5);
	ck_assert(config.has_port);
	ck_assert_str_eq(config.listen, "10.0.0.1,::1");
	ck_assert_str_eq(config.inter, "10.0.0.1,::1");
	ck_assert_uint_eq(config.memory_limit, 1u << 30);
	ck_assert_uint_eq(config.threads, 3);
	ck_assert_uint_eq(config.conn_limit, 300);
	ck_assert_uint_eq(config.item_max, 512 << 10);
	ck_assert(config.no_cas);
	ck_assert_int_eq(config.protocol, PROTO_BINARY);
	ck_assert_uint_eq(config.verbosity, 1);
	ck_assert_str_eq(config.unix_socket, "/s");
	ck_assert_uint_eq(config.unix_mask, 0766);
	config_fini(&config);
	accept_line("-m 2"); /* half of it is an item's already */
	config_fini(&config);
	/* The kernel takes what it can; there are files that ask for this. */
	accept_line("-b 100000 --max-i=2m -m 1t");
	ck_assert(config.memory_limit == (size_t)1 << 40);
	ck_assert_uint_eq(config.listen_backlog, 100000);
	ck_assert_uint_eq(config.item_max, 2 << 20);
	config_fini(&config);
}
END_TEST

START_TEST(test_last_one_wins)
{
	accept_line("-m 100 -m 200 -o maxconns_fast,no_maxconns_fast -p 1 "
	    "-p -1");
	ck_assert_uint_eq(config.memory_limit, 200 << 20);
	ck_assert(!config.maxconns_fast);
	ck_assert_uint_eq(config.port, CONFIG_PORT_ANY);
	config_fini(&config);
}
END_TEST

START_TEST(test_suboptions)
{
	accept_line("-o idle_timeout=30,hot_lru_pct=30,,warm_lru_pct=50,"
	    "no_maxconns_fast,temporary_ttl=20,hashpower=18,"
	    "watcher_logbuf_size=128,track_sizes "
	    "-o slab_sizes=96-192-384,no_lru_crawler,no_lru_maintainer,"
	    "hot_max_factor=0.5,warm_max_factor=3");
	ck_assert_uint_eq(config.idle_timeout, 30);
	ck_assert_uint_eq(config.hot_lru_pct, 30);
	ck_assert_uint_eq(config.warm_lru_pct, 50);
	ck_assert(!config.maxconns_fast);
	ck_assert_uint_eq(config.temporary_ttl, 20);
	ck_assert(config.temp_lru);
	ck_assert_uint_eq(config.hashpower, 18);
	ck_assert_uint_eq(config.watcher_logbuf, 128 << 10);
	ck_assert(config.track_sizes);
	ck_assert_uint_eq(config.slab_sizes[0], 96);
	ck_assert_uint_eq(config.slab_sizes[2], 384);
	ck_assert_uint_eq(config.slab_sizes[3], 0);
	ck_assert(!config.lru_crawler && !config.lru_maintainer);
	ck_assert_double_eq(config.hot_max_factor, 0.5);
	ck_assert_double_eq(config.warm_max_factor, 3);
	config_fini(&config);
}
END_TEST

/* Nodes have commas between them, as suboptions have. */
START_TEST(test_cluster)
{
	accept_line("-o cluster=a:1,b:2,[::1]:3,track_sizes,hashpower=18");
	ck_assert_str_eq(config.cluster, "a:1,b:2,[::1]:3");
	ck_assert(config.track_sizes);
	ck_assert_uint_eq(config.hashpower, 18);
	config_fini(&config);
	accept_line("-o cluster=a:1;b:2,cluster_version=9,idle_timeout=7");
	ck_assert_str_eq(config.cluster, "a:1;b:2");
	ck_assert_uint_eq(config.cluster_version, 9);
	ck_assert_uint_eq(config.idle_timeout, 7);
	config_fini(&config);
}
END_TEST

START_TEST(test_tls)
{
	accept_line("-Z -o ssl_chain_cert=/c");
	ck_assert(config.ssl);
	ck_assert_str_eq(config.ssl_chain_cert, "/c");
	ck_assert_ptr_null(config.ssl_key);
	ck_assert_ptr_null(config.ssl_ca_cert);
	ck_assert_ptr_null(config.ssl_ciphers);
	ck_assert_uint_eq(config.ssl_verify_mode, 0);
	ck_assert_uint_eq(config.ssl_keyformat, 1);
	ck_assert_uint_eq(config.ssl_min_version, 2);
	ck_assert_uint_eq(config.ssl_wbuf_size, 16384);
	ck_assert(!config.ssl_session_cache && !config.ssl_kernel_tls);
	config_fini(&config);
	accept_line("--enable-ssl -o ssl_chain_cert=/c,ssl_key=/k,"
		    "ssl_verify_mode=3,ssl_keyformat=2,ssl_ciphers=A:!B,"
		    "ssl_ca_cert=/a,ssl_session_cache,ssl_kernel_tls,"
		    "ssl_min_version=3");
	ck_assert(config.ssl);
	ck_assert_str_eq(config.ssl_key, "/k");
	ck_assert_str_eq(config.ssl_ca_cert, "/a");
	ck_assert_str_eq(config.ssl_ciphers, "A:!B");
	ck_assert_uint_eq(config.ssl_verify_mode, 3);
	ck_assert_uint_eq(config.ssl_keyformat, 2);
	ck_assert_uint_eq(config.ssl_min_version, 3);
	ck_assert(config.ssl_session_cache && config.ssl_kernel_tls);
	config_fini(&config);
	/* As with memcached: of no use, but no error. */
	accept_line("-o ssl_chain_cert=/c,ssl_verify_mode=2");
	ck_assert(!config.ssl);
	config_fini(&config);
	/* It asks; it needs no certificate. */
	accept_line("-Z --healthcheck");
	config_fini(&config);
}
END_TEST

/* What slabd has no use for, or would advise against, is taken, kept for stats,
 * and said so once. */
static const struct {
	const char *line;
	const char *warning; /* begins so */
} moot[] = {
	{ "-N 4", "slabd: -N 4: accepted, no effect: " },
	{ "-o hash_algorithm=jenkins",
	    "slabd: -o hash_algorithm=jenkins: accepted, no effect: " },
	{ "-o modern", "slabd: -o modern: accepted, no effect: " },
	{ "-o worker_logbuf_size=32",
	    "slabd: -o worker_logbuf_size=32: accepted, no effect: " },
	{ "-o slab_automove", "slabd: -o slab_automove: accepted" },
	{ "-o slab_automove=2", "slabd: -o slab_automove=2: accepted" },
	{ "-o tail_repair_time=60", "slabd: -o tail_repair_time=60: accepted" },
	{ "-o lru_crawler_sleep=7", "slabd: -o lru_crawler_sleep=7: accepted" },
	{ "-I 16k -o slab_chunk_max=16", "slabd: -o slab_chunk_max=16: " },
	{ "-o ext_path=/f:1G", "slabd: -o ext_path=/f:1G: accepted" },
	{ "-o ssl_wbuf_size=64", "slabd: -o ssl_wbuf_size=64: accepted" },
	{ "-o no_hashexpand", "slabd: -o no_hashexpand: accepted" },
	{ "-o resp_obj_mem_limit=1", "slabd: -o resp_obj_mem_limit=1: " },
	{ "-o proxy_config=x", "slabd: -o proxy_config=x: accepted" },
	{ "-D ab", "slabd: -D ab: only the first character counts\n" },
	{ "-t 65", "slabd: -t 65: more threads than " },
};

START_TEST(test_moot)
{
	struct told told = read_line(moot[_i].line);

	ck_assert_int_eq(told.status, CONFIG_RUN);
	ck_assert_msg(strncmp(told.err, moot[_i].warning,
	    strlen(moot[_i].warning)) == 0, "%s", told.err);
	ck_assert_msg(strchr(told.err, '\n') == strrchr(told.err, '\n'),
	    "one line: %s", told.err);
	forget(&told);
}
END_TEST

static const struct {
	const char *line;
	int status;
	const char *says; /* somewhere */
} refused[] = {
	{ "--nosuchoption", 1, "--nosuchoption" },
	{ "-Q", 1, "-Q" },
	{ "-p", 1, "-p needs an argument" },
	{ "--port", 1, "--port needs an argument" },
	{ "stray", 1, "stray" },
	{ "-p 65536", 1, "-p 65536: must be a number from 0 to 65535" },
	{ "-p 1x", 1, "-p 1x" },
	{ "-p -2", 1, "-p -2: must be a number from 0" },
	{ "-p x", 1, "-p x: must be a number from 0" },
	{ "-c 0", 1, "-c 0" },
	{ "-c 99999999999999999999", 1, "-c 9999" },
	{ "-t 0", 1, "-t 0" },
	{ "-t 257", 1, "-t 257" },
	{ "-R 0", 1, "-R 0" },
	{ "-n 0", 1, "-n 0" },
	{ "-f 1.0", 1, "-f 1.0: must be a number greater than 1" },
	{ "-f nan", 1, "-f nan" },
	{ "-f 1.5x", 1, "-f 1.5x" },
	{ "-m 0", 1, "-m 0" },
	{ "-m -1", 1, "-m -1" },
	{ "-m 64q", 1, "-m 64q" },
	{ "-m 64mm", 1, "-m 64mm" },
	{ "-a 888", 1, "-a 888" },
	{ "-a 1000", 1, "-a 1000" },
	{ "-I 100", 64, "-I 100: must be 1k to 1g" },
	{ "-I 1025m", 64, "-I 1025m" },
	{ "-I 33m", 64, "-I 33m: an item may take at most half of the memory, "
	    "and -m is 64m" },
	{ "-m 1", 64, "and -m is 1m" },
	{ "-I 32769k", 64, "-I 32769k: an item may" },
	{ "--max=1", 1, "--max=1 may be one of --max-reqs-per-event "
	    "--max-item-size\n" },
	{ "--enable", 1, "--enable may be one of --enable-largepages" },
	{ "--disable-cas=1", 1, "--disable-cas=1: --disable-cas takes no "
	    "value" },
	{ "--daem=yes", 1, "--daem=yes: --daemon takes no value" },
	{ "-l ,", 1, "-l ,: names no address" },
	{ "-b 2147483648", 1, "-b 2147483648" },
	{ "-B morse", 64, "-B morse" },
	{ "-S -B ascii", 64, "-S: SASL is of the binary protocol" },
	{ "-S -B auto", 64, "-S: SASL is of the binary protocol" },
	{ "-Y /f -S -B ascii", 64, "-S: SASL is of the binary protocol" },
	{ "-Y /f -B binary", 64, "add -S" },
	{ "-Y", 1, "-Y needs an argument" },
	{ "-Z", 64, "-Z: a certificate and its key are needed: -o ssl_ch" },
	{ "-Z -o ssl_key=/k", 64, "-Z: a certificate" },
	{ "-Z -p 0 -o ssl_chain_cert=/c", 64, "-Z: TLS is for TCP" },
	{ "-o ssl_chain_cert", 1, "needs a value" },
	{ "-o ssl_verify_mode=4", 1, "must be a number from 0 to 3" },
	{ "-o ssl_verify_mode=x", 1, "ssl_verify_mode=x" },
	{ "-o ssl_keyformat=0", 1, "must be a number from 1 to 2" },
	{ "-o ssl_keyformat=PEM", 1, "ssl_keyformat=PEM" },
	{ "-o ssl_min_version=4", 1, "must be a number from 0 to 3" },
	{ "-o ssl_wbuf_size=0", 1, "ssl_wbuf_size=0" },
	{ "-o ssl_session_cache=1", 1, "takes no value" },
	{ "-U 65536", 1, "-U 65536" },
	{ "-U 5 -Y /f", 64, "-U: nobody can log in by UDP" },
	{ "-o nosuch", 1, "-o nosuch: unknown" },
	{ "-o nosuch=5", 1, "-o nosuch" },
	{ "-o idle_timeout", 1, "needs a value" },
	{ "-o idle_timeout=", 1, "needs a value" },
	{ "-o maxconns_fast=1", 1, "takes no value" },
	{ "-o hashpower=11", 1, "12 to 31" },
	{ "-o hash_algorithm=md5", 1, "md5" },
	{ "-o tail_repair_time=9", 1, "tail_repair_time=9" },
	{ "-o lru_crawler_sleep=1000001", 1, "lru_crawler_sleep" },
	{ "-o hot_max_factor=0", 1, "hot_max_factor=0" },
	{ "-o hot_lru_pct=50,warm_lru_pct=50", 64, "at most 80" },
	{ "-o slab_sizes=96-90", 1, "90 does not fit" },
	{ "-o slab_sizes=96-", 1, "must be numbers" },
	{ "-o slab_sizes=0", 1, "0 does not fit" },
};

START_TEST(test_refused)
{
	struct told told = read_line(refused[_i].line);

	ck_assert_msg(told.status == refused[_i].status, "%s: %d %s",
	    refused[_i].line, told.status, told.err);
	ck_assert_msg(strstr(told.err, refused[_i].says) != NULL, "%s: %s",
	    refused[_i].line, told.err);
	ck_assert_str_eq(told.out, "");
	forget(&told);
}
END_TEST

/* What is wrong is said of the file where it stands in the file, only. */
START_TEST(test_whose_option)
{
	static const struct {
		const char *file, *rest, *says;
	} rows[] = {
		{ "-p 5\n-x\n", "", "FILE: unknown option -x;" },
		{ "-p 5\n-vt 0\n", "-vv", "FILE: -t 0: must be" },
		{ "-p 5\n-o modern\n", "", "FILE: -o modern: accepted" },
		{ "-p 5\n", "-x", "slabd: unknown option -x;" },
		{ "-p 5\n", "-vt 0", "slabd: -t 0: must be" },
		{ "-p 5\n-v\n", "-o modern", "slabd: -o modern: accepted" },
		{ "-p 5 stray\n", "-v", "slabd: stray is not an option" },
		{ "-m 1\n", "-v", "slabd: -I 1m: an item may" },
	};
	char path[] = "/tmp/slabd-test-XXXXXX", line[128], says[128];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *want = rows[i].says;
		struct told told;

		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, rows[i].file,
		    strlen(rows[i].file), 0), (int)strlen(rows[i].file));
		snprintf(line, sizeof(line), "--config %s %s", path,
		    rows[i].rest);
		snprintf(says, sizeof(says), "slabd: %s%s",
		    *want == 'F' ? path : "", want + (*want == 'F' ? 4 : 7));
		told = read_line(line);
		ck_assert_msg(strncmp(told.err, says, strlen(says)) == 0,
		    "%s: %s", line, told.err);
		forget(&told);
	}
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_too_many_slab_sizes)
{
	char line[512] = "-o slab_sizes=96";
	struct told told;

	for (unsigned i = 1; i < CONFIG_SLAB_SIZES; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
		    "-%u", 96 + i * 8);
	told = read_line(line);
	ck_assert_int_eq(told.status, 1);
	ck_assert_ptr_nonnull(strstr(told.err, "more than 62 sizes"));
	forget(&told);
}
END_TEST

START_TEST(test_where_defaults)
{
	accept_line("-s /s");
	ck_assert_str_eq(config.inter, "NULL");
	config_fini(&config);
	accept_line("-s /s -p 5");
	ck_assert_str_eq(config.inter, "127.0.0.1,::1");
	config_fini(&config);
	accept_line("-s /s -p 0");
	config_fini(&config);
	accept_line("-U 0");
	config_fini(&config);
}
END_TEST

START_TEST(test_no_modern)
{
	accept_line("-o no_modern,lru_crawler");
	ck_assert(!config.lru_maintainer && !config.maxconns_fast);
	ck_assert(!config.slab_reassign && config.slab_automove == 0);
	ck_assert(config.lru_crawler);
	config_fini(&config);
}
END_TEST

/* Nothing else ties the one to the other. */
START_TEST(test_wire_version)
{
	unsigned major, minor, fourth;

	ck_assert_int_eq(sscanf(SLABD_VERSION, "%u.%u", &major, &minor), 2);
	ck_assert_int_eq(sscanf(SLABD_WIRE_VERSION, "1.6.45.%u", &fourth), 1);
	ck_assert_uint_eq(fourth, 100 * major + minor);
}
END_TEST

START_TEST(test_printers)
{
	struct told told = read_line("-V");

	ck_assert_int_eq(told.status, 0);
	ck_assert_str_eq(told.out, "slabd " SLABD_VERSION
	    " (speaks the protocols of memcached 1.6.45)\n");
	forget(&told);
	told = read_line("-m 100 --help -Q");
	ck_assert_int_eq(told.status, 0);
	ck_assert_ptr_nonnull(strstr(told.out, "-m, --memory-limit=<num> "));
	ck_assert_ptr_nonnull(strstr(told.out, "(default: 64)"));
	ck_assert_ptr_nonnull(strstr(told.out, "--verbose[=num] "));
	ck_assert_ptr_nonnull(strstr(told.out, "  slab_automove[=0-2] "));
	ck_assert_ptr_nonnull(strstr(told.out, "  -D <char> "));
	/* One default is enough. */
	ck_assert_ptr_null(strstr(told.out, ") (default: "));
	ck_assert_ptr_null(strstr(told.out, "(default: 61)"));
	ck_assert_ptr_nonnull(strstr(told.out, "idle_timeout=<sec>"));
	ck_assert_ptr_null(strstr(told.out, "list-options"));
	/* By these scripts would know that they were built in. */
	ck_assert_ptr_null(strstr(told.out, "ext_path"));
	ck_assert_ptr_null(strstr(told.out, "proxy_config"));
	ck_assert_ptr_nonnull(strstr(told.out, "no_drop_privileges"));
	ck_assert_ptr_nonnull(strstr(told.out, "sasl"));
	forget(&told);
	told = read_line("-i");
	ck_assert_int_eq(told.status, 0);
	ck_assert_str_ne(told.out, "");
	forget(&told);
}
END_TEST

/* ------------------------------------------------------------ the manual */

static char *
read_manual(void)
{
	FILE *file = fopen("man/slabd.1", "r");
	char *text;
	size_t n;

	if (file == NULL)
		return NULL;
	text = calloc(1, 256 * 1024);
	n = fread(text, 1, 256 * 1024 - 1, file);
	ck_assert_uint_lt(n, 256 * 1024 - 1);
	fclose(file);
	return text;
}

/* The word, and not only the beginning of a longer one. */
static bool
has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		if (strchr(" \n,", at[n]) != NULL)
			return true;
	return false;
}

START_TEST(test_manual_has_every_option)
{
	char *manual = read_manual(), *rest, *row, word[64];
	struct told told;
	unsigned rows = 0;

	if (manual == NULL)
		return; /* not run from the root of the project */
	told = read_line("--list-options");
	rest = told.out;
	while ((row = strsep(&rest, "\n")) != NULL && *row != '\0') {
		bool is_sub = *row == 'o' && strcmp(row + 2, "extended") != 0;

		if (is_sub)
			snprintf(word, sizeof(word), ".It Cm %s", row + 2);
		else if (*row != '-')
			snprintf(word, sizeof(word), ".It Fl %c", *row);
		else
			snprintf(word, sizeof(word), ".It Fl -%s", row + 2);
		ck_assert_msg(has_word(manual, word), "%s", word);
		rows++;
		if (is_sub || row[2] == '-')
			continue;
		snprintf(word, sizeof(word), "Fl -%s", row + 2);
		ck_assert_msg(has_word(manual, word), "%s", word);
	}
	ck_assert_uint_gt(rows, 90);
	forget(&told);
	free(manual);
}
END_TEST

/* ------------------------------------------------------------ addresses */

static const struct {
	const char *text;
	const char *host;
	unsigned port;
	int protocol; /* -1: none */
	const char *tag;
} addresses[] = {
	{ "127.0.0.1", "127.0.0.1", 0, -1, "" },
	{ "127.0.0.1:11212", "127.0.0.1", 11212, -1, "" },
	{ "127.0.0.1:-1", "127.0.0.1", CONFIG_PORT_ANY, -1, "" },
	{ "cache.local:1", "cache.local", 1, -1, "" },
	{ "*", "", 0, -1, "" },
	{ "*:5", "", 5, -1, "" },
	{ "::1", "::1", 0, -1, "" },
	{ "[::1]", "::1", 0, -1, "" },
	{ "[::1]:65535", "::1", 65535, -1, "" },
	{ "fe80::1:2", "fe80::1:2", 0, -1, "" },
	{ "proto[ascii]:::1", "::1", 0, PROTO_TEXT, "" },
	{ "proto[binary]:[::1]:7", "::1", 7, PROTO_BINARY, "" },
	{ "proto[negotiating]:a", "a", 0, PROTO_AUTO, "" },
	{ "tag[api]:a:7", "a", 7, -1, "api" },
	{ "tag_api_:a:7", "a", 7, -1, "api" },
	{ "proto[ascii]:tag_12345678_:*", "", 0, PROTO_TEXT,
	    "12345678" },
};

START_TEST(test_address)
{
	const char *text = addresses[_i].text, *why;
	struct address a;

	ck_assert_msg(address_parse(text, strlen(text), &a, &why), "%s", why);
	ck_assert_str_eq(a.host, addresses[_i].host);
	ck_assert_uint_eq(a.port, addresses[_i].port);
	ck_assert_int_eq(a.has_protocol, addresses[_i].protocol >= 0);
	if (a.has_protocol)
		ck_assert_int_eq((int)a.protocol, addresses[_i].protocol);
	ck_assert_str_eq(a.tag, addresses[_i].tag);
}
END_TEST

static const char *const no_addresses[] = { "", ":", ":5", "[::1", "[::1]x",
	"[::1]5", "[]", "a:", "a:0", "a:65536", "a:5x", "a:-2", "a:+5",
	"proto[proxy]:a", "proto[morse]:a", "proto[ascii",
	"tag[]:a", "tag[123456789]:a", "tag_:a", "tag_123456789_:a", "tag_a:b",
	"notls:", "mtls:", "btls:" };

START_TEST(test_no_address)
{
	const char *text = no_addresses[_i], *why = NULL;
	struct address a;

	ck_assert_msg(!address_parse(text, strlen(text), &a, &why), "%s",
	    text);
	ck_assert_ptr_nonnull(why);
}
END_TEST

static const struct {
	const char *text;
	enum address_tls tls;
} tls_tags[] = {
	{ "a", ADDRESS_TLS_USUAL },
	{ "notls:a", ADDRESS_TLS_NOT },
	{ "btls:a", ADDRESS_TLS_BASIC },
	{ "mtls:a", ADDRESS_TLS_MUTUAL },
	{ "mtls:proto[ascii]:tag_tools_:a:11212", ADDRESS_TLS_MUTUAL },
	{ "tag[t]:btls:noauth:a", ADDRESS_TLS_BASIC },
	{ "notls:[::1]:1", ADDRESS_TLS_NOT },
};

START_TEST(test_tls_tags)
{
	const char *text = tls_tags[_i].text, *why;
	struct address a;

	ck_assert_msg(address_parse(text, strlen(text), &a, &why), "%s", why);
	ck_assert_int_eq(a.tls, tls_tags[_i].tls);
	ck_assert_msg(strcmp(a.host, "a") == 0 || strcmp(a.host, "::1") == 0,
	    "%s", a.host);
}
END_TEST

START_TEST(test_long_address)
{
	char text[1024];
	struct address a;
	const char *why;

	memset(text, 'a', sizeof(text));
	ck_assert(address_parse(text, ADDRESS_HOST_MAX, &a, &why));
	for (size_t n = ADDRESS_HOST_MAX + 1; n <= sizeof(text); n++)
		ck_assert(!address_parse(text, n, &a, &why));
}
END_TEST

START_TEST(test_address_list)
{
	const char *list = ",a:1;; [::1]:2 ,b;", *text;
	size_t n;

	text = address_next(&list, &n);
	ck_assert(n == 3 && memcmp(text, "a:1", n) == 0);
	text = address_next(&list, &n);
	ck_assert(n == 7 && memcmp(text, "[::1]:2", n) == 0);
	text = address_next(&list, &n);
	ck_assert(n == 1 && *text == 'b');
	ck_assert_ptr_null(address_next(&list, &n));
	ck_assert_ptr_null(address_next(&list, &n));
}
END_TEST

enum {
	NMOOT = sizeof(moot) / sizeof(*moot),
	NREFUSED = sizeof(refused) / sizeof(*refused),
	NADDRESSES = sizeof(addresses) / sizeof(*addresses),
	NNO_ADDRESSES = sizeof(no_addresses) / sizeof(*no_addresses),
};

Suite *config_suite(void);

Suite *
config_suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_short_options);
	tcase_add_test(t, test_long_options);
	tcase_add_test(t, test_last_one_wins);
	tcase_add_test(t, test_suboptions);
	tcase_add_test(t, test_cluster);
	tcase_add_test(t, test_tls);
	tcase_add_loop_test(t, test_moot, 0, NMOOT);
	tcase_add_loop_test(t, test_refused, 0, NREFUSED);
	tcase_add_test(t, test_whose_option);
	tcase_add_test(t, test_too_many_slab_sizes);
	tcase_add_test(t, test_where_defaults);
	tcase_add_test(t, test_no_modern);
	tcase_add_test(t, test_wire_version);
	tcase_add_test(t, test_printers);
	tcase_add_test(t, test_manual_has_every_option);
	tcase_add_loop_test(t, test_address, 0, NADDRESSES);
	tcase_add_loop_test(t, test_no_address, 0, NNO_ADDRESSES);
	tcase_add_loop_test(t, test_tls_tags, 0,
	    sizeof(tls_tags) / sizeof(*tls_tags));
	tcase_add_test(t, test_long_address);
	tcase_add_test(t, test_address_list);
	suite_add_tcase(s, t);
	return s;
}
