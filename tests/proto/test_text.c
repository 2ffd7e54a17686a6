/* test_text.c - lines of the text protocol: what is asked, what is refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/text.h"
#include "tests/proto/talk.h"

#define K50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define K250 K50 K50 K50 K50 K50
#define K251 K250 "k"
#define W10 "w w w w w w w w w w "

struct row {
	const char *in;
	const char *out; /* see talk.h */
};

static const struct row gets[] = {
	{ "get a\r\n", "GET a last\n" },
	{ "get a\n", "GET a last\n" },
	{ "get 0123456789abcdef\r\n", "GET 0123456789abcdef last\n" },
	{ "get " K250 "\r\n", "GET " K250 " last\n" },
	{ "get " K250 "\n", "GET " K250 " last\n" },
	{ "get a b c\r\n", "GET a\nGET b\nGET c last\n" },
	{ "get a a\r\n", "GET a\nGET a last\n" },
	{ "get   a   b   \r\n", "GET a\nGET b last\n" },
	{ "get a \n", "GET a last\n" },
	{ "gets a b\r\n", "GETS a\nGETS b last\n" },
	{ "gets a\n", "GETS a last\n" },
	{ "get a noreply\r\n", "GET a\nGET noreply last\n" },
	{ "get HTTP/1.1\r\n", "GET HTTP/1.1 last\n" },
	{ "get a\tb\r\n", "GET a\\x09b last\n" },
	{ "get \x01\x7f\x80\xff\r\n", "GET \\x01\\x7f\\x80\\xff last\n" },
	/* one CR belongs to the line end, but only there */
	{ "get a\r\r\n", "GET a\\x0d last\n" },
	{ "get \r\r\n", "GET \\x0d last\n" },
	{ "get a\rb\r\n", "GET a\\x0db last\n" },
	{ "get a\r b\r\n", "GET a\\x0d\nGET b last\n" },
	{ "get a \r b\r\n", "GET a\nGET \\x0d\nGET b last\n" },
	{ "get a \r\r\n", "GET a\nGET \\x0d last\n" },
	{ "gat 10 a\r\n", "GAT a last e=10\n" },
	{ "gat -1 a b\r\n", "GAT a e=-1\nGAT b last e=-1\n" },
	{ "gats 2147483647 a\r\n", "GATS a last e=2147483647\n" },
	{ "gat  0  a  \n", "GAT a last e=0\n" },
	{ "gat 0 noreply\r\n", "GAT noreply last e=0\n" },
	/* words without number */
	{ "get " W10 W10 W10 "x\r\n",
	    "GET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\n"
	    "GET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\n"
	    "GET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\nGET w\n"
	    "GET w\nGET w\nGET w\nGET x last\n" },
	{ "get\r\n", "refuse GET BAD_FORMAT\n" },
	{ "get\n", "refuse GET BAD_FORMAT\n" },
	{ "get \r\n", "refuse GET BAD_FORMAT\n" },
	{ "get \n", "refuse GET BAD_FORMAT\n" },
	{ "get     \r\n", "refuse GET BAD_FORMAT\n" },
	{ "gets\r\n", "refuse GETS BAD_FORMAT\n" },
	{ "gets  \r\n", "refuse GETS BAD_FORMAT\n" },
	{ "gat\r\n", "refuse GAT BAD_FORMAT\n" },
	{ "gat 0\r\n", "refuse GAT BAD_FORMAT\n" },
	{ "gat x\r\n", "refuse GAT BAD_FORMAT\n" },
	{ "gats 0 \r\n", "refuse GATS BAD_FORMAT\n" },
	{ "gat x k\r\n", "refuse GAT BAD_EXPTIME\n" },
	{ "gat 1x k\r\n", "refuse GAT BAD_EXPTIME\n" },
	{ "gat +1 k\r\n", "refuse GAT BAD_EXPTIME\n" },
	{ "gat 2147483648 k\r\n", "refuse GAT BAD_EXPTIME\n" },
	{ "gat x " K251 "\r\n", "refuse GAT BAD_EXPTIME\n" },
	/* one key too long: the whole line is refused, nothing is answered */
	{ "get " K251 "\r\n", "refuse GET BAD_FORMAT\n" },
	{ "get " K251 "\n", "refuse GET BAD_FORMAT\n" },
	{ "get " K251 " a\r\n", "refuse GET BAD_FORMAT\n" },
	{ "get a " K251 "\r\nget b\r\n",
	    "refuse GET BAD_FORMAT\nGET b last\n" },
	{ "get a b " K250 " c " K251 " d\r\n", "refuse GET BAD_FORMAT\n" },
	{ "get " K250 " " K250 "  " K250 "\r\n",
	    "GET " K250 "\nGET " K250 "\nGET " K250 " last\n" },
	{ "gets a " K251 " b\r\n", "refuse GETS BAD_FORMAT\n" },
	{ "gat 0 a " K251 "\r\n", "refuse GAT BAD_FORMAT\n" },
};

static const struct row stores[] = {
	{ "set k 1 2 3\r\nabc\r\n", "SET k f=1 e=2 n=3 {abc} whole\n" },
	{ "set k 1 2 3\nabc\r\n", "SET k f=1 e=2 n=3 {abc} whole\n" },
	{ "set k 0 0 0\r\n\r\n", "SET k f=0 e=0 n=0 {} whole\n" },
	{ "add k 1 2 3\r\nabc\r\n", "ADD k f=1 e=2 n=3 {abc} whole\n" },
	{ "replace k 1 2 3\r\nabc\r\n",
	    "REPLACE k f=1 e=2 n=3 {abc} whole\n" },
	{ "append k 1 2 3\r\nabc\r\n", "APPEND k f=1 e=2 n=3 {abc} whole\n" },
	{ "prepend k 1 2 3\r\nabc\r\n",
	    "PREPEND k f=1 e=2 n=3 {abc} whole\n" },
	{ "cas k 1 2 3 18446744073709551615\r\nabc\r\n",
	    "CAS k f=1 e=2 n=3 c=18446744073709551615 {abc} whole\n" },
	{ "set   k  3   0    2  \r\nhi\r\n",
	    "SET k f=3 e=0 n=2 {hi} whole\n" },
	{ "set " K250 " 0 0 1\r\nx\r\n",
	    "SET " K250 " f=0 e=0 n=1 {x} whole\n" },
	/* surplus words */
	{ "set k 0 0 1 x y z\r\nx\r\n", "SET k f=0 e=0 n=1 {x} whole\n" },
	{ "cas k 0 0 1 5 x\r\nx\r\n", "CAS k f=0 e=0 n=1 c=5 {x} whole\n" },
	{ "set k 0 0 1 " W10 W10 W10 "\r\nx\r\n",
	    "SET k f=0 e=0 n=1 {x} whole\n" },
	/* noreply */
	{ "set k 0 0 1 noreply\r\nx\r\n",
	    "SET k f=0 e=0 n=1 quiet {x} whole\n" },
	{ "set k 0 0 1 noreply\nx\r\n",
	    "SET k f=0 e=0 n=1 quiet {x} whole\n" },
	{ "set k 0 0 1  noreply \r\nx\r\n",
	    "SET k f=0 e=0 n=1 quiet {x} whole\n" },
	{ "set k 0 0 1 noreply x\r\nx\r\n",
	    "SET k f=0 e=0 n=1 {x} whole\n" },
	{ "set k 0 0 1 xnoreply\r\nx\r\n", "SET k f=0 e=0 n=1 {x} whole\n" },
	{ "cas k 0 0 1 9 noreply\r\nx\r\n",
	    "CAS k f=0 e=0 n=1 c=9 quiet {x} whole\n" },
	{ "append k 0 0 1 noreply\r\nx\r\n",
	    "APPEND k f=0 e=0 n=1 quiet {x} whole\n" },
	/* the numbers at their limits */
	{ "set k 4294967295 2147483647 1\r\nx\r\n",
	    "SET k f=4294967295 e=2147483647 n=1 {x} whole\n" },
	{ "set k 4294967296 4294967296 1\r\nx\r\n",
	    "SET k f=0 e=0 n=1 {x} whole\n" },
	{ "set k 0 4294967295 1\r\nx\r\n",
	    "SET k f=0 e=-1 n=1 {x} whole\n" },
	{ "set k 0 2147483648 1\r\nx\r\n",
	    "SET k f=0 e=-2147483648 n=1 {x} whole\n" },
	{ "set k +5 +6 1\r\nx\r\n", "SET k f=5 e=6 n=1 {x} whole\n" },
	{ "set k 00000000000005 -1 0000000001\r\nx\r\n",
	    "SET k f=5 e=-1 n=1 {x} whole\n" },
	{ "set k 0 0 2147483645\r\nx\r\n",
	    "SET k f=0 e=0 n=2147483645\nrest 3\n" },
	{ "set k 0 0 -0\r\n\r\n", "SET k f=0 e=0 n=0 {} whole\n" },
	/* the two bytes behind the value */
	{ "set k 0 0 3\r\nabcdef\r\n",
	    "SET k f=0 e=0 n=3 {abc} bad\nrefuse UNKNOWN BAD_FORMAT\n" },
	{ "set k 0 0 1\r\nx\n\n", "SET k f=0 e=0 n=1 {x} bad\n" },
	{ "set k 0 0 1\r\nx\r\r", "SET k f=0 e=0 n=1 {x} bad\n" },
	{ "set bin 5 0 14\r\na\r\nb\n#\xff\x80" "c\r\nEND\r\n",
	    "SET bin f=5 e=0 n=14 {a\\x0d\\x0ab\\x0a#\\xff\\x80c\\x0d\\x0aEND}"
	    " whole\n" },
	/* too few words, or a bad length: at once, in spite of noreply */
	{ "set\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set \r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 noreply\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 -1 noreply\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 -1\r\nget a\r\n",
	    "refuse SET BAD_FORMAT\nGET a last\n" },
	{ "set k 0 0 abc\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 1x\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 5abc\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 +1\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 0x10\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 1\r\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 1\t\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 -2147483648\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 2147483646\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 2147483647\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 2147483648\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 4294967295\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 4294967296\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 18446744073709551615\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set k 0 0 99999999999999999999\r\n", "refuse SET BAD_FORMAT\n" },
	{ "set " K251 " x y z\r\n", "refuse SET BAD_FORMAT\n" },
	{ "append\r\n", "refuse APPEND BAD_FORMAT\n" },
	{ "cas k 0 0 x 1\r\n", "refuse CAS BAD_FORMAT\n" },
	/* all else swallows the block, and heeds noreply */
	{ "set " K251 " 0 0 3\r\nfoo\r\nget a\r\n",
	    "refuse SET BAD_FORMAT swallow=5\nGET a last\n" },
	{ "set k abc 0 3\r\nfoo\r\n", "refuse SET BAD_FORMAT swallow=5\n" },
	{ "set k 0 abc 3\r\nfoo\r\n", "refuse SET BAD_FORMAT swallow=5\n" },
	{ "set k -1 0 3\r\nfoo\r\n", "refuse SET BAD_FORMAT swallow=5\n" },
	{ "set k 1.5 0 3\r\nfoo\r\n", "refuse SET BAD_FORMAT swallow=5\n" },
	{ "set k 0 99999999999999999999 1\r\nx\r\n",
	    "refuse SET BAD_FORMAT swallow=3\n" },
	{ "set k z 0 1 noreply\r\nx\r\n",
	    "refuse SET BAD_FORMAT swallow=3 quiet\n" },
	{ "cas k 0 0 3\r\nfoo\r\n", "refuse CAS BAD_FORMAT swallow=5\n" },
	{ "cas k 0 0 3 noreply\r\nfoo\r\n",
	    "refuse CAS BAD_FORMAT swallow=5 quiet\n" },
	{ "cas k 0 0 3 abc\r\nfoo\r\n", "refuse CAS BAD_FORMAT swallow=5\n" },
	{ "cas k 0 0 3 -1\r\nfoo\r\n", "refuse CAS BAD_FORMAT swallow=5\n" },
	{ "cas k 0 0 3 99999999999999999999\r\nfoo\r\n",
	    "refuse CAS BAD_FORMAT swallow=5\n" },
	{ "cas k 0 0 3 abc noreply\r\nfoo\r\n",
	    "refuse CAS BAD_FORMAT swallow=5 quiet\n" },
	{ "set k z 0 2147483645\r\nx\r\n",
	    "refuse SET BAD_FORMAT swallow=2147483647\nrest in swallow\n" },
};

static const struct row others[] = {
	{ "delete k\r\n", "DELETE k\n" },
	{ "delete    k   \r\n", "DELETE k\n" },
	{ "delete k 0\r\n", "DELETE k\n" },
	{ "delete k 10 junk\n", "DELETE k\n" },
	{ "delete k noreply\r\n", "DELETE k quiet\n" },
	{ "delete k 0 noreply\r\n", "DELETE k quiet\n" },
	{ "delete k noreply 0\r\n", "DELETE k\n" },
	{ "delete noreply\r\n", "DELETE noreply\n" },
	{ "delete noreply noreply\r\n", "DELETE noreply quiet\n" },
	{ "incr k noreply\r\n", "refuse INCR BAD_DELTA quiet\n" },
	{ "touch k noreply\r\n", "refuse TOUCH BAD_EXPTIME quiet\n" },
	{ "delete\r\n", "refuse DELETE BAD_FORMAT\n" },
	{ "delete " K251 "\r\n", "refuse DELETE BAD_FORMAT\n" },
	{ "delete " K251 " noreply\r\n", "refuse DELETE BAD_FORMAT quiet\n" },
	{ "incr k 1\r\n", "INCR k d=1\n" },
	{ "decr k 18446744073709551615\r\n",
	    "DECR k d=18446744073709551615\n" },
	{ "incr k 1 junk\r\n", "INCR k d=1\n" },
	{ "incr k 1 noreply\r\n", "INCR k d=1 quiet\n" },
	{ "incr k\r\n", "refuse INCR BAD_FORMAT\n" },
	{ "decr\r\n", "refuse DECR BAD_FORMAT\n" },
	{ "incr noreply\r\n", "refuse INCR BAD_FORMAT\n" },
	{ "incr k z\r\n", "refuse INCR BAD_DELTA\n" },
	{ "incr k -1\r\n", "refuse INCR BAD_DELTA\n" },
	{ "incr k +1\r\n", "refuse INCR BAD_DELTA\n" },
	{ "incr k 18446744073709551616\r\n", "refuse INCR BAD_DELTA\n" },
	{ "incr k z noreply\r\n", "refuse INCR BAD_DELTA quiet\n" },
	{ "incr " K251 " z\r\n", "refuse INCR BAD_FORMAT\n" },
	{ "incr " K250 " 1\r\n", "INCR " K250 " d=1\n" },
	{ "touch k 10\r\n", "TOUCH k e=10\n" },
	{ "touch k -1\r\n", "TOUCH k e=-1\n" },
	{ "touch k 0 " W10 W10 W10 "\r\n", "TOUCH k e=0\n" },
	{ "touch k 0 noreply\r\n", "TOUCH k e=0 quiet\n" },
	{ "touch k\r\n", "refuse TOUCH BAD_FORMAT\n" },
	{ "touch k abc\r\n", "refuse TOUCH BAD_EXPTIME\n" },
	{ "touch k +1\r\n", "refuse TOUCH BAD_EXPTIME\n" },
	{ "touch k 2147483648\r\n", "refuse TOUCH BAD_EXPTIME\n" },
	{ "touch k 99999999999\r\n", "refuse TOUCH BAD_EXPTIME\n" },
	{ "touch k z noreply\r\n", "refuse TOUCH BAD_EXPTIME quiet\n" },
	{ "touch " K251 " z\r\n", "refuse TOUCH BAD_FORMAT\n" },
	/* words for the handler */
	{ "flush_all\r\n", "FLUSH_ALL\n" },
	{ "flush_all 10\r\n", "FLUSH_ALL 10\n" },
	{ "flush_all noreply\r\n", "FLUSH_ALL noreply quiet\n" },
	{ "flush_all 0 noreply\r\n", "FLUSH_ALL 0 noreply quiet\n" },
	{ "verbosity 0 noreply\r\n", "VERBOSITY 0 noreply quiet\n" },
	{ "verbosity\r\n", "VERBOSITY\n" },
	{ "version\r\n", "VERSION\n" },
	{ "version noreply\r\n", "VERSION noreply\n" },
	{ "stats\r\n", "STATS\n" },
	{ "stats noreply\r\n", "STATS noreply\n" },
	{ "stats cachedump 1 0\r\n", "STATS cachedump 1 0\n" },
	{ "config get cluster\r\n", "CONFIG get cluster\n" },
	{ "quit\r\n", "QUIT\n" },
	{ "quit now\r\n", "QUIT now\n" },
	{ "shutdown graceful\r\n", "SHUTDOWN graceful\n" },
	{ "shutdown noreply\r\n", "SHUTDOWN noreply\n" },
	{ "watch x noreply\r\n", "WATCH x noreply quiet\n" },
	{ "cache_memlimit 64 noreply\r\n",
	    "CACHE_MEMLIMIT 64 noreply quiet\n" },
	{ "slabs reassign 1 2\r\n", "SLABS reassign 1 2\n" },
	{ "slabs\r\n", "SLABS\n" },
	{ "lru tune 10 25 0.1 2.0\r\n", "LRU tune 10 25 0.1 2.0\n" },
	{ "lru_crawler crawl all\r\n", "LRU_CRAWLER crawl all\n" },
	{ "watch fetchers\r\n", "WATCH fetchers\n" },
	{ "extstore item_size 512\r\n", "EXTSTORE item_size 512\n" },
	{ "refresh_certs\r\n", "REFRESH_CERTS\n" },
	/* 23 words are looked at */
	{ "stats " W10 W10 "a b c d\r\n",
	    "STATS w w w w w w w w w w w w w w w w w w w w a b\n" },
	{ "mn\r\n", "MN\n" },
	{ "mg k v\r\n", "MG k v\n" },
	{ "ms k 2 T0\r\nhi\r\n", "MS k n=2 T0 {hi} whole\n" },
};

static const struct row errors[] = {
	{ "foo\r\n", "refuse UNKNOWN ERROR\n" },
	{ "foo bar baz\r\n", "refuse UNKNOWN ERROR\n" },
	{ "GET foo\r\n", "refuse UNKNOWN ERROR\n" },
	{ "Set foo 0 0 3\r\n", "refuse UNKNOWN ERROR\n" },
	{ "setx k 0 0 1\r\n", "refuse UNKNOWN ERROR\n" },
	{ "ge k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "getss k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "get\tk\r\n", "refuse UNKNOWN ERROR\n" },
	{ "get\r k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "mx k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "mgx k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "m k\r\n", "refuse UNKNOWN ERROR\n" },
	{ "end\r\n", "refuse UNKNOWN ERROR\n" },
	{ "unknown\r\n", "refuse UNKNOWN ERROR\n" },
	{ "\x01\x02\x03\xff\xfe\r\n", "refuse UNKNOWN ERROR\n" },
	{ "ab\r\n", "refuse UNKNOWN ERROR\n" },
	{ "abc\n", "refuse UNKNOWN ERROR\n" },
	{ "foo " W10 W10 W10 "\r\n", "refuse UNKNOWN ERROR\n" },
	/* a leading blank makes the command empty */
	{ " get a\r\n", "refuse UNKNOWN ERROR\n" },
	{ "   get   k   nokey   k  \r\n", "refuse UNKNOWN ERROR\n" },
	{ "   \r\n", "refuse UNKNOWN ERROR\n" },
	{ "    \n", "refuse UNKNOWN ERROR\n" },
	{ "\r\r\r\n", "refuse UNKNOWN ERROR\n" },
	/* under four bytes */
	{ "\r\n", "refuse UNKNOWN BAD_FORMAT\n" },
	{ "\n", "refuse UNKNOWN BAD_FORMAT\n" },
	{ "a\r\n", "refuse UNKNOWN BAD_FORMAT\n" },
	{ "ab\n", "refuse UNKNOWN BAD_FORMAT\n" },
	{ "mn\n", "refuse UNKNOWN BAD_FORMAT\n" },
	{ "  \n", "refuse UNKNOWN BAD_FORMAT\n" },
	/* noreply silences even this */
	{ "bogus noreply\r\n", "refuse UNKNOWN ERROR quiet\n" },
	{ "bogus word noreply\r\n", "refuse UNKNOWN ERROR quiet\n" },
	{ "bogus noreply word\r\n", "refuse UNKNOWN ERROR\n" },
	{ "bogus xnoreply\r\n", "refuse UNKNOWN ERROR\n" },
	{ "noreply\r\n", "refuse UNKNOWN ERROR\n" },
	/* a browser */
	{ "GET / HTTP/1.1\r\nget a\r\n", "close\n" },
	{ "foo HTTP/\r\n", "close\n" },
	{ "HTTP/1.1\r\n", "close\n" },
	{ "foo HTTP/1.1 x\r\n", "refuse UNKNOWN ERROR\n" },
	{ "foo xHTTP/1.1\r\n", "refuse UNKNOWN ERROR\n" },
	{ "foo HTTP\r\n", "refuse UNKNOWN ERROR\n" },
};

static const struct row unfinished[] = {
	{ "", "" },
	{ "\r", "rest 1\n" },
	{ "g", "rest 1\n" },
	{ "get", "rest 3\n" },
	{ "get ", "rest 4\n" },
	{ "get a", "rest 5\n" },
	{ "get a\r", "rest 6\n" },
	{ "get a b", "rest 7\n" },
	{ "set k 0 0 1", "rest 11\n" },
	{ "set k 0 0 1\r", "rest 12\n" },
	{ "set k 0 0 1 noreply\r", "rest 20\n" },
	{ "set k 0 0 5\r\nabc", "SET k f=0 e=0 n=5\nrest 3\n" },
	{ "get a\r\nget b", "GET a last\nrest 5\n" },
};

static void
check_row(const struct row *row)
{
	struct talk t;

	talk_init(&t);
	talk(&t, PROTO_TEXT, row->in, strlen(row->in), talk_whole, NULL);
	ck_assert_msg(strcmp(t.log, row->out) == 0,
	    "\n%s\nis taken as\n%s\nbut is\n%s", row->in, t.log, row->out);
	talk_fini(&t);
}

#define TABLE_TEST(table)                                                     \
	START_TEST(line_of_##table)                                           \
	{                                                                     \
		check_row(&table[_i]);                                        \
	}                                                                     \
	END_TEST

TABLE_TEST(gets)
TABLE_TEST(stores)
TABLE_TEST(others)
TABLE_TEST(errors)
TABLE_TEST(unfinished)

/* ------------------------------------------------------------ NUL, lengths */

START_TEST(nul_is_a_byte_like_others)
{
	static const char in[] =
	    "get a\0b\0\r\nset \0 0 0 1\r\n\0\r\n\0\0\0\0\n";
	struct talk t;

	talk_init(&t);
	talk(&t, PROTO_TEXT, in, sizeof(in) - 1, talk_whole, NULL);
	ck_assert_str_eq(t.log, "GET a\\x00b\\x00 last\n"
	    "SET \\x00 f=0 e=0 n=1 {\\x00} whole\n"
	    "refuse UNKNOWN ERROR\n");
	talk_fini(&t);
}
END_TEST

/* prefix, then `fill' over and over up to n bytes, then suffix */
static void
check_long(const char *prefix, const char *fill, size_t n, const char *suffix,
    const char *want)
{
	size_t nprefix = strlen(prefix), nfill = strlen(fill);
	size_t nsuffix = strlen(suffix), i;
	char *in = malloc(n + nsuffix);
	struct talk t;

	ck_assert_ptr_nonnull(in);
	memcpy(in, prefix, nprefix);
	for (i = nprefix; i < n; i++)
		in[i] = fill[(i - nprefix) % nfill];
	memcpy(in + n, suffix, nsuffix);
	talk_init(&t);
	talk(&t, PROTO_TEXT, in, n + nsuffix, talk_buffers, NULL);
	ck_assert_msg(strcmp(t.log, want) == 0, "%s x %zu: %s", prefix, n,
	    t.log);
	talk_fini(&t);
	free(in);
}

START_TEST(lines_without_end)
{
	check_long("", "a", 2048, "", "rest 2048\n");
	check_long("", "a", 2049, "", "close, no line end\n");
	check_long("", "a", 2048, "\r\n", "refuse UNKNOWN ERROR\n");
	check_long("", "a", 16383, "\n", "refuse UNKNOWN ERROR\n");
	check_long("", "a", 16384, "\n", "close, no line end\n");
	check_long("gat 0 ", "k ", 2049, "", "close, no line end\n");
	check_long("set ", "k ", 2049, "", "close, no line end\n");
	check_long("getx ", "k ", 2049, "", "close, no line end\n");
	check_long("get ", "k ", 2049, "", "rest 2049\n");
	check_long("gets ", "k ", 2049, "", "rest 2049\n");
	check_long("", "\r\n", 6, "", "refuse UNKNOWN BAD_FORMAT\n"
	    "refuse UNKNOWN BAD_FORMAT\nrefuse UNKNOWN BAD_FORMAT\n");
}
END_TEST

/* n blanks, then a get that fills 2049 bytes */
static void
check_blanks(unsigned n, const char *want)
{
	char prefix[128];

	memset(prefix, ' ', n);
	strcpy(prefix + n, "get ");
	check_long(prefix, "k ", 2049, "", want);
}

START_TEST(blanks_before_an_unfinished_get)
{
	check_blanks(0, "rest 2049\n");
	check_blanks(1, "rest 2049\n");
	check_blanks(100, "rest 2049\n");
	check_blanks(101, "close, no line end\n");
}
END_TEST

/* ------------------------------------------------------------ long lines */

/* Notes only how many keys were handed out, and what else happened. */
static void
check_keys(const char *in, size_t n, size_t keys, const char *rest)
{
	struct talk t;
	const char *p, *next;
	size_t got = 0;

	talk_init(&t);
	talk(&t, PROTO_TEXT, in, n, talk_buffers, NULL);
	for (p = t.log; strncmp(p, "GET key\n", 8) == 0; p = next, got++)
		next = p + 8;
	ck_assert_uint_eq(got, keys);
	ck_assert_msg(strcmp(p, rest) == 0, "%.300s", p);
	talk_fini(&t);
}

/* "get " and so many "key ", then the suffix */
static void
check_multiget(size_t keys, const char *suffix, size_t got, const char *rest)
{
	size_t n = 4 + 4 * keys, i;
	char *in = malloc(n + strlen(suffix) + 1);

	ck_assert_ptr_nonnull(in);
	memcpy(in, "get ", 4);
	for (i = 0; i < keys; i++)
		memcpy(in + 4 + 4 * i, "key ", 4);
	strcpy(in + n, suffix);
	check_keys(in, n + strlen(suffix), got, rest);
	free(in);
}

START_TEST(multigets_of_any_length)
{
	/* 4 + 4 * 4094 + 4 is 16384 */
	check_multiget(4094, "ab\r\n", 4094, "GET ab last\n");
	check_multiget(4094, "abc\r\n", 4094, "GET abc last\n");
	check_multiget(4094, "abc \r\n", 4094, "GET abc\nEND\n");
	check_multiget(20000, "abc\n", 20000, "GET abc last\n");
	check_multiget(20000, "abc  \n", 20000, "GET abc\nEND\n");
	check_multiget(20000, "\r\nget b\r\n", 20000, "END\nGET b last\n");
	check_multiget(20000, K250 "\r\nget b\r\n", 20000,
	    "GET " K250 " last\nGET b last\n");
	check_multiget(20000, "\r\r\n", 20000, "GET \\x0d last\n");
	/* an over-long key spoils the rest of a long line, all of a short */
	check_multiget(20000, K251 " a b\r\nget b\r\n", 20000,
	    "refuse GET BAD_FORMAT\nGET b last\n");
	check_multiget(20000, K251 "\r\nget b\r\n", 20000,
	    "refuse GET BAD_FORMAT\nGET b last\n");
	check_multiget(3000, K251 " a b\r\nget b\r\n", 0,
	    "refuse GET BAD_FORMAT\nGET b last\n");
}
END_TEST

START_TEST(lines_of_blanks)
{
	check_long("get ", " ", 100000, "\r\nget b\r\n",
	    "refuse GET BAD_FORMAT\nGET b last\n");
	check_long("gets ", " ", 100000, "k\r\n", "GETS k last\n");
	check_long("gets k", " ", 100000, "k\r\n", "GETS k\nGETS k last\n");
	check_long(" get ", "k ", 100000, "\r\nget b\r\n",
	    "refuse UNKNOWN ERROR\nGET b last\n");
	check_long(" ", " ", 16000, "\r\n", "refuse UNKNOWN ERROR\n");
	check_long(" ", " ", 20000, "\r\n", "close, no line end\n");
	check_long("get ", "k", 100000, "\r\nget b\r\n",
	    "refuse GET BAD_FORMAT\nGET b last\n");
	/* and without an end: nothing of them need be kept */
	check_long("get ", " ", 100000, "", "");
	check_long("get ", "k", 100000, "", "refuse GET BAD_FORMAT\n");
	check_long(" get ", "k", 100000, "", "refuse UNKNOWN ERROR\n");
}
END_TEST

/* ------------------------------------------------------------ by first byte */

START_TEST(first_byte_chooses)
{
	struct parser p;
	struct request req;
	size_t used;

	parser_init(&p, PROTO_AUTO);
	ck_assert_int_eq(proto_parse(&p, "", 0, &req, &used), PARSE_MORE);
	ck_assert_int_eq(p.proto, PROTO_AUTO);
	ck_assert_int_eq(proto_parse(&p, "\x80", 1, &req, &used), PARSE_MORE);
	ck_assert_int_eq(p.proto, PROTO_BINARY);

	parser_init(&p, PROTO_AUTO);
	ck_assert_int_eq(proto_parse(&p, "\x81", 1, &req, &used), PARSE_MORE);
	ck_assert_int_eq(p.proto, PROTO_TEXT);

	/* the choice, or the listener's, is final */
	ck_assert_int_eq(proto_parse(&p, "\x80\x0b\r\n", 4, &req, &used),
	    PARSE_REFUSE);
	ck_assert_int_eq(req.problem, STATUS_ERROR);
	parser_init(&p, PROTO_TEXT);
	ck_assert_int_eq(proto_parse(&p, "\x80\x0b\r\n", 4, &req, &used),
	    PARSE_REFUSE);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

Suite *
text_suite(void)
{
	Suite *s = suite_create("text");
	TCase *c = tcase_create("lines");

	tcase_add_loop_test(c, line_of_gets, 0, ROWS(gets));
	tcase_add_loop_test(c, line_of_stores, 0, ROWS(stores));
	tcase_add_loop_test(c, line_of_others, 0, ROWS(others));
	tcase_add_loop_test(c, line_of_errors, 0, ROWS(errors));
	tcase_add_loop_test(c, line_of_unfinished, 0, ROWS(unfinished));
	tcase_add_test(c, nul_is_a_byte_like_others);
	tcase_add_test(c, lines_without_end);
	tcase_add_test(c, blanks_before_an_unfinished_get);
	suite_add_tcase(s, c);

	c = tcase_create("long lines");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, multigets_of_any_length);
	tcase_add_test(c, lines_of_blanks);
	suite_add_tcase(s, c);

	c = tcase_create("choice");
	tcase_add_test(c, first_byte_chooses);
	suite_add_tcase(s, c);
	return s;
}
