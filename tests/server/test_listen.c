/* test_listen.c - sockets bound, files written and removed again. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/daemon.h"
#include "server/listen.h"
#include "server/server.h"

static char folder[64], path[100];
static struct config config;
static struct server server;

static void
set_up(void)
{
	char *argv[] = { "slabd", "-p", "-1", NULL };

	snprintf(folder, sizeof(folder), "/tmp/slabd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	ck_assert_int_eq(config_read(&config, 3, argv, stdout, stderr),
	    CONFIG_RUN);
	server.config = &config;
	/* The complaints are expected. */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

/* Fails if a file was left behind. */
static void
tear_down(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
	config_fini(&config);
}

static struct listening *
bind_all(void)
{
	struct listening *all = listen_new(&server);

	ck_assert_int_eq(listen_bind_tcp(all), CONFIG_RUN);
	ck_assert_int_eq(listen_bind_unix(all), CONFIG_RUN);
	return all;
}

static unsigned
port_of(const struct listener *l)
{
	return (unsigned)atoi(strrchr(l->name, ':') + 1);
}

static bool
can_connect(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool can = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	close(fd);
	return can;
}

START_TEST(test_any_port_is_the_same_for_both)
{
	struct listening *all = bind_all();
	unsigned port = port_of(listen_at(all, 0));

	ck_assert_uint_ge(listen_count(all), 1);
	ck_assert_uint_ne(port, 0);
	ck_assert(can_connect(port));
	if (listen_count(all) > 1)
		ck_assert_uint_eq(port_of(listen_at(all, 1)), port);
	listen_free(&all);
	ck_assert_ptr_null(all);
	ck_assert(!can_connect(port));
}
END_TEST

START_TEST(test_a_port_that_is_taken)
{
	struct listening *all = bind_all(), *other = listen_new(&server);

	config.port = port_of(listen_at(all, 0));
	ck_assert_int_eq(listen_bind_tcp(other), CONFIG_NO_BIND);
	listen_free(&other);
	listen_free(&all);
}
END_TEST

START_TEST(test_tags_and_protocols)
{
	struct listening *all;

	config.listen = "proto[binary]:tag[api]:127.0.0.1,127.0.0.1:-1";
	all = bind_all();
	ck_assert_uint_eq(listen_count(all), 2);
	ck_assert_int_eq(listen_at(all, 0)->protocol, PROTO_BINARY);
	ck_assert_str_eq(listen_at(all, 0)->tag, "api");
	ck_assert_int_eq(listen_at(all, 1)->protocol, PROTO_AUTO);
	ck_assert_str_eq(listen_at(all, 1)->tag, "");
	listen_free(&all);
}
END_TEST

/* TCP speaks TLS if the server does, but for those that say otherwise. */
START_TEST(test_tls)
{
	static const enum address_tls expected[] = { ADDRESS_TLS_USUAL,
		ADDRESS_TLS_NOT, ADDRESS_TLS_BASIC, ADDRESS_TLS_MUTUAL,
		ADDRESS_TLS_NOT };
	struct listening *all;

	config.listen = "127.0.0.1,notls:127.0.0.1,btls:127.0.0.1,"
			"mtls:127.0.0.1";
	config.unix_socket = path;
	config.ssl = true;
	server.tls = (struct tls *)&config; /* any */
	all = bind_all();
	ck_assert_uint_eq(listen_count(all), 5);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(listen_at(all, i)->tls, expected[i]);
	listen_free(&all);
	server.tls = NULL;
	config.ssl = false;
	config.listen = NULL;
	all = bind_all();
	for (unsigned i = 0; i < listen_count(all); i++)
		ck_assert_int_eq(listen_at(all, i)->tls, ADDRESS_TLS_NOT);
	listen_free(&all);
}
END_TEST

static const struct {
	const char *listen;
	unsigned port;
	int status;
} bad[] = {
	{ "mtls:127.0.0.1", CONFIG_PORT_ANY, CONFIG_USAGE },
	{ "btls:127.0.0.1", CONFIG_PORT_ANY, CONFIG_USAGE },
	{ "notls:127.0.0.1", CONFIG_PORT_ANY, CONFIG_USAGE },
	{ "127.0.0.1:0", 1, CONFIG_USAGE },
	{ "192.0.2.1", CONFIG_PORT_ANY, CONFIG_NO_BIND }, /* not ours */
	{ "127.0.0.1,192.0.2.1", CONFIG_PORT_ANY, CONFIG_NO_BIND },
};

START_TEST(test_bad_addresses)
{
	struct listening *all = listen_new(&server);

	config.listen = bad[_i].listen;
	config.port = bad[_i].port;
	ck_assert_int_eq(listen_bind_tcp(all), bad[_i].status);
	listen_free(&all);
}
END_TEST

/* As memcached: it starts, and nobody comes. */
START_TEST(test_no_port_at_all)
{
	struct listening *all = listen_new(&server);

	config.port = 0;
	ck_assert_int_eq(listen_bind_tcp(all), CONFIG_RUN);
	ck_assert_uint_eq(listen_count(all), 0);
	setenv("MEMCACHED_PORT_FILENAME", path, 1);
	ck_assert_int_eq(listen_write_ports(all, NULL), CONFIG_RUN);
	ck_assert_int_eq(unlink(path), 0);
	listen_free(&all);
}
END_TEST

START_TEST(test_port_file)
{
	char text[256] = "", expected[256];
	struct listening *all = bind_all();
	unsigned port = port_of(listen_at(all, 0));
	FILE *file;

	setenv("MEMCACHED_PORT_FILENAME", path, 1);
	ck_assert_int_eq(listen_write_ports(all, NULL), CONFIG_RUN);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	snprintf(expected, sizeof(expected), listen_count(all) > 1 ?
	    "TCP INET: %u\nTCP INET6: %u\n" : "TCP INET: %u\n", port, port);
	ck_assert_str_eq(text, expected);
	unlink(path);
	listen_free(&all);
}
END_TEST

/* ------------------------------------------------------------ unix */

static void
only_unix(void)
{
	config.unix_socket = path;
	config.has_port = false;
}

START_TEST(test_unix_socket_alone)
{
	struct listening *all;
	struct stat st;

	only_unix();
	config.unix_mask = 0750;
	all = bind_all();
	ck_assert_uint_eq(listen_count(all), 1);
	ck_assert(listen_at(all, 0)->is_unix);
	ck_assert_str_eq(listen_at(all, 0)->name, path);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0750);
	setenv("MEMCACHED_PORT_FILENAME", "/nonexistent/ports", 1);
	ck_assert_int_eq(listen_write_ports(all, NULL), CONFIG_RUN);
	listen_free(&all);
	ck_assert_int_ne(lstat(path, &st), 0);
}
END_TEST

START_TEST(test_unix_socket_beside_tcp)
{
	struct listening *all;
	unsigned count;

	config.unix_socket = path; /* and -p was given */
	all = bind_all();
	count = listen_count(all);
	ck_assert_uint_ge(count, 2);
	ck_assert(!listen_at(all, 0)->is_unix);
	ck_assert(listen_at(all, count - 1)->is_unix);
	listen_free(&all);
}
END_TEST

START_TEST(test_stale_unix_socket_is_replaced)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct listening *all;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	only_unix();
	all = bind_all();
	listen_free(&all);
}
END_TEST

START_TEST(test_living_unix_socket_is_kept)
{
	struct listening *all, *other = listen_new(&server);

	only_unix();
	all = bind_all();
	ck_assert_int_eq(listen_bind_unix(other), CONFIG_NO_BIND);
	listen_free(&other);
	ck_assert_int_eq(access(path, F_OK), 0);
	listen_free(&all);
}
END_TEST

START_TEST(test_other_file_is_kept)
{
	struct listening *all = listen_new(&server);

	fclose(fopen(path, "w"));
	only_unix();
	ck_assert_int_eq(listen_bind_unix(all), CONFIG_NO_BIND);
	listen_free(&all);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(test_replaced_socket_is_left_alone)
{
	struct listening *all;

	only_unix();
	all = bind_all();
	unlink(path);
	fclose(fopen(path, "w")); /* somebody else's */
	listen_free(&all);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(test_unix_name_too_long)
{
	struct listening *all = listen_new(&server);
	char name[200];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	config.unix_socket = name;
	ck_assert_int_eq(listen_bind_unix(all), CONFIG_NO_BIND);
	listen_free(&all);
}
END_TEST

/* ------------------------------------------------------------ daemon.h */

START_TEST(test_pid_file)
{
	bool daemonize = _i != 0;
	struct daemon d;
	FILE *file;
	long pid;
	char end;

	daemon_init(&d);
	config.pid_file = path;
	config.daemonize = daemonize;
	ck_assert_int_eq(daemon_write_pid(&d, &config), CONFIG_RUN);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld%c", &pid, &end), 2);
	ck_assert_int_eq(fgetc(file), EOF);
	fclose(file);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(end, '\n');
	daemon_fini(&d);
	ck_assert_int_eq(access(path, F_OK) == 0, !daemonize);
	unlink(path);
}
END_TEST

START_TEST(test_pid_file_that_cannot_be)
{
	struct daemon d;

	daemon_init(&d);
	config.pid_file = "/nonexistent/pid";
	ck_assert_int_eq(daemon_write_pid(&d, &config), 1);
	daemon_fini(&d);
}
END_TEST

START_TEST(test_open_files_are_raised)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	config.conn_limit = 200;
	ck_assert_int_eq(daemon_raise_limits(&config), CONFIG_RUN);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_gt(limit.rlim_cur, 200);
}
END_TEST

START_TEST(test_unknown_user)
{
	config.user = "no-such-user";
	ck_assert_int_eq(daemon_switch_user(&config),
	    geteuid() == 0 ? CONFIG_NO_USER : CONFIG_RUN);
}
END_TEST

Suite *listen_suite(void);

Suite *
listen_suite(void)
{
	Suite *s = suite_create("listen");
	TCase *t = tcase_create("listen");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_any_port_is_the_same_for_both);
	tcase_add_test(t, test_a_port_that_is_taken);
	tcase_add_test(t, test_tags_and_protocols);
	tcase_add_test(t, test_tls);
	tcase_add_loop_test(t, test_bad_addresses, 0,
	    sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, test_no_port_at_all);
	tcase_add_test(t, test_port_file);
	tcase_add_test(t, test_unix_socket_alone);
	tcase_add_test(t, test_unix_socket_beside_tcp);
	tcase_add_test(t, test_stale_unix_socket_is_replaced);
	tcase_add_test(t, test_living_unix_socket_is_kept);
	tcase_add_test(t, test_other_file_is_kept);
	tcase_add_test(t, test_replaced_socket_is_left_alone);
	tcase_add_test(t, test_unix_name_too_long);
	tcase_add_loop_test(t, test_pid_file, 0, 2);
	tcase_add_test(t, test_pid_file_that_cannot_be);
	tcase_add_test(t, test_open_files_are_raised);
	tcase_add_test(t, test_unknown_user);
	suite_add_tcase(s, t);
	return s;
}
