"""Hostile text: bad lines, numbers, keys and flags, each answered in step.

Which class of bad input is tried where is told by test_classes.py.
"""
import base64
import re
import unittest

import harness
from hostile import (ANY, CHUNK, CLOSED, ERROR, FORMAT, NEW, SOME_ERROR, Talk,
                     tests_of)

R = re.compile

LENGTHS = [
    ("set with length %s" % w, b"set k 0 0 %s\r\n" % w.encode(), FORMAT, NEW)
    for w in ("-1", "-2147483648", "2147483646", "2147483647", "2147483648",
              "4294967295", "4294967296", "99999999999999999999", "+5", "0x10",
              "5abc", "", "1e3", "-0x1", "1.5", "18446744073709551615",
              "00000000000000000005")
] + [
    ("ms with length %s" % w, b"ms k %s\r\n" % w.encode(), FORMAT, NEW)
    for w in ("-1", "-2147483648", "2147483646", "2147483647", "2147483648",
              "4294967295", "4294967296", "18446744073709551615",
              "99999999999999999999", "+5", "0x10", "5abc", "S100")
] + [
    ("append beyond the item limit",
     b"set k 0 0 600000\r\n" + b"x" * 600000 + b"\r\nappend k 0 0 600000\r\n" +
     b"x" * 600000 + b"\r\nmg k s\r\n",
     b"STORED\r\nNOT_STORED\r\nHD s600000\r\n", NEW),
    ("prepend beyond the item limit",
     b"set k 0 0 600000\r\n" + b"x" * 600000 +
     b"\r\nprepend k 0 0 600000\r\n" + b"x" * 600000 + b"\r\nmg k s\r\n",
     b"STORED\r\nNOT_STORED\r\nHD s600000\r\n", NEW),
    ("a value too large is swallowed and the old one gone",
     b"set k 0 0 1\r\na\r\nset k 0 0 3000000\r\n" + b"x" * 3000000 +
     b"\r\nget k\r\n",
     b"STORED\r\nSERVER_ERROR object too large for cache\r\nEND\r\n"),
    ("data longer than said", b"set k 0 0 3\r\nabcdef\r\n", CHUNK + FORMAT,
     NEW),
    ("data shorter than said", b"set k 0 0 9\r\nabc\r\nget k\r\n",
     R(rb"CLIENT_ERROR bad data chunk\r\n(.*\r\n)*"), NEW),
    ("data ended by LF LF", b"set k 0 0 3\r\nabc\n\n", CHUNK, NEW),
    ("length zero", b"set k 0 0 0\r\n\r\nget k\r\n",
     b"STORED\r\nVALUE k 0 0\r\n\r\nEND\r\n"),
    ("minus zero", b"set k 0 0 -0\r\n\r\n", ANY),
]

FRAMING = [
    ("no newline for 4 KB", b"x" * 4096, CLOSED),
    ("no newline for 64 KB", b"x" * 65536, CLOSED),
    ("no newline for 2 MB", b"x" * (2 << 20), CLOSED),
    ("bare LF", b"set k 0 0 1\na\r\nget k\n",
     b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n"),
    ("CR CR LF", b"version\r\r\n", ERROR, NEW),
    ("CR in the middle", b"vers\rion\r\n", ERROR),
    ("NUL in a command", b"vers\0ion\r\n", ERROR, NEW),
    ("NUL as a command", b"\0\0\0\0\0\0\r\n", ERROR, NEW),
    ("NUL after a command", b"get\0 k\r\n", ERROR, NEW),
    ("NUL in a key", b"get a\0b\r\n", b"END\r\n", NEW),
    ("NUL in a length", b"set k 0 0 1\0\r\n", ANY, NEW),
    ("empty line", b"\r\n", FORMAT, NEW),
    ("one letter", b"a\r\n", FORMAT, NEW),
    ("blanks only", b"        \r\n", ERROR),
    ("get and 200 blanks", b"get" + b" " * 200 + b"\r\n", FORMAT, NEW),
    ("get and 100000 blanks", b"get" + b" " * 100000 + b"\r\n", FORMAT, NEW),
    ("get, 100000 blanks and a key",
     b"get" + b" " * 100000 + b"nokey\r\n", b"END\r\n"),
    ("blanks between all words", b"set  k   0  0   1 \r\na\r\nget   k \r\n",
     b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n"),
    ("leading blank", b" version\r\n", ERROR, NEW),
    ("tab is no blank", b"get\tk\r\n", ERROR),
    ("tab in a key", b"get a\tb\r\n", b"END\r\n"),
    ("high bytes as a command", bytes(range(0x81, 0xa0)) + b"\r\n", ERROR),
    ("capitals", b"GET k\r\n", ERROR),
    ("command and more", b"getx k\r\n", ERROR),
    ("beginning of a command", b"gatx\r\n", ERROR),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", CLOSED),
    ("HTTP POST", b"POST /x HTTP/1.0\r\nContent-Length: 9\r\n\r\nset k 0 0",
     CLOSED),
]

GET = R(rb"(VALUE k \d+ \d+( \d+)?\r\n.*\r\n)?END\r\n")
FEW = [
    ("few words: %s" % w, w.encode() + b"\r\n", FORMAT, NEW)
    for w in ("get", "gets", "gat", "gats", "gat 0", "gats 0",
              "set", "set k", "set k 0", "set k 0 0", "add", "add k",
              "replace k 0", "append k 0 0", "prepend", "cas", "cas k",
              "cas k 0", "cas k 0 0", "delete", "incr", "incr k", "decr",
              "decr k", "touch", "touch k", "mg", "ms", "ms k", "md", "me",
              "verbosity")
] + [
    ("ma without key", b"ma\r\n", SOME_ERROR),
    ("cas without number swallows", b"cas k 0 0 7\r\nmn\r\nmn\r\r\n", FORMAT,
     NEW),
    ("bad flags swallow", b"set k x 0 4\r\nmn\r\n\r\n", FORMAT, NEW),
    ("bad exptime swallows", b"set k 0 x 4\r\nmn\r\n\r\n", FORMAT, NEW),
]
MANY = [
    ("more words: set", b"set k 0 0 1 x y z\r\na\r\n", b"STORED\r\n", NEW),
    ("more words: noreply not last", b"set k 0 0 1 noreply x\r\na\r\n",
     b"STORED\r\n", NEW),
    ("more words: delete", b"delete none 0 1 2 3\r\n", b"NOT_FOUND\r\n", NEW),
    ("more words: incr", b"incr none 1 2 3 4\r\n", b"NOT_FOUND\r\n", NEW),
    ("more words: touch", b"touch none 1 2 3 4\r\n", b"NOT_FOUND\r\n", NEW),
    ("more words: version", b"version a b c\r\n", R(rb"VERSION 1\.6\.\S+\r\n")),
    ("more words: flush_all", b"flush_all 0 1 2 3\r\n", b"OK\r\n", NEW),
    ("more words: 500 of an unknown command", b"foo" + b" x" * 500 + b"\r\n",
     ERROR),
    ("more words: 500 of set", b"set k 0 0" + b" 1" * 500 + b"\r\na\r\n",
     b"STORED\r\n", NEW),
    ("noreply of an unknown command", b"foo noreply\r\n", b"", NEW),
]

ADMIN = [
    (w, w.encode() + b"\r\n", want, *new) for w, want, *new in (
        ("lru", ERROR), ("lru mode", ERROR), ("lru mode foo", ERROR),
        ("lru tune 1", ERROR), ("lru tune 90 90 1 1", SOME_ERROR),
        ("lru tune a b c d", SOME_ERROR), ("lru tune 10 10 -1 -1", SOME_ERROR),
        ("lru tune 10 10 nan inf", ANY),
        ("lru temp_ttl", ERROR), ("lru temp_ttl x", SOME_ERROR),
        ("lru foo bar", ERROR),
        ("slabs", ERROR), ("slabs foo", ERROR), ("slabs reassign", ERROR),
        ("slabs reassign 1", ERROR),
        ("slabs reassign 255 1", R(rb"BADCLASS .*\r\n")),
        ("slabs reassign 1 255", R(rb"BADCLASS .*\r\n")),
        ("slabs reassign -2 1", R(rb"BADCLASS .*\r\n"), NEW),
        ("slabs reassign 63 64", R(rb"BADCLASS .*\r\n")),
        ("slabs reassign 5 5", R(rb"SAME .*\r\n")),
        ("slabs reassign a b", FORMAT),
        ("slabs reassign 99999999999999999999 1", SOME_ERROR),
        ("slabs automove", ERROR), ("slabs automove 0", b"OK\r\n"),
        ("slabs automove 7", ERROR), ("slabs automove x", FORMAT),
        ("slabs automove -1", SOME_ERROR),
        ("slabs automove 1", b"OK\r\n"),
        ("slabs automove ratio", ERROR), ("slabs automove ratio x", ERROR),
        ("lru_crawler", ERROR), ("lru_crawler foo", ERROR),
        ("lru_crawler sleep", ERROR), ("lru_crawler sleep x", FORMAT),
        ("lru_crawler sleep -1", SOME_ERROR),
        ("lru_crawler sleep 1000001",
         b"CLIENT_ERROR sleep must be one second or less\r\n"),
        ("lru_crawler tocrawl", ERROR), ("lru_crawler tocrawl x", FORMAT),
        ("lru_crawler crawl", ERROR),
        ("lru_crawler crawl 0", R(rb"BADCLASS .*\r\n")),
        ("lru_crawler crawl 64", R(rb"BADCLASS .*\r\n")),
        ("lru_crawler crawl 1,2,999", R(rb"BADCLASS .*\r\n")),
        ("lru_crawler crawl x", R(rb"BADCLASS .*\r\n")),
        ("lru_crawler metadump", ERROR),
        ("lru_crawler metadump 999", R(rb"BADCLASS .*\r\n"), NEW),
        ("cache_memlimit", ERROR), ("cache_memlimit x", ERROR),
        ("cache_memlimit -1", ANY),
        ("cache_memlimit 0",
         b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"),
        ("cache_memlimit 99999999999999999999", ANY),
        ("cache_memlimit 1000000001", R(rb"MEMLIMIT_ADJUST_FAILED .*\r\n")),
        ("cache_memlimit 64", b"OK\r\n"),
        ("verbosity foo", ANY), ("verbosity -1", ANY),
        ("verbosity 99999999999", ANY),
        ("verbosity 0", b"OK\r\n", NEW),
        ("watch foo", ERROR), ("watch fetchers foo", ERROR),
        ("stats foo", ERROR), ("stats cachedump",
                               b"CLIENT_ERROR bad command line\r\n"),
        ("stats cachedump 1", b"CLIENT_ERROR bad command line\r\n"),
        ("stats cachedump a b", FORMAT),
        ("stats cachedump 64 0", b"CLIENT_ERROR Illegal slab id\r\n"),
        ("stats cachedump 999 0", b"CLIENT_ERROR Illegal slab id\r\n"),
        ("stats cachedump -1 0", SOME_ERROR),
        ("stats cachedump 63 0", b"END\r\n"),
        ("stats cachedump 1 4294967295", R(rb"(ITEM .*\r\n)*END\r\n")),
        ("stats detail",
         b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
        ("stats detail foo",
         b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
        ("stats sizes", R(rb"STAT sizes_status disabled\r\nEND\r\n")),
        ("shutdown", SOME_ERROR, NEW), ("shutdown x", SOME_ERROR, NEW),
        ("shutdown graceful now", SOME_ERROR, NEW),
        ("extstore", ERROR), ("extstore foo 1", ERROR),
        ("refresh_certs", ANY), ("debugtime p", ERROR), ("misbehave", ERROR),
        ("config get cluster", ERROR),
        ("flush_all x", b"CLIENT_ERROR invalid exptime argument\r\n", NEW),
        ("flush_all 99999999999999999999",
         b"CLIENT_ERROR invalid exptime argument\r\n", NEW),
        ("flush_all -1", b"OK\r\n"),
    )
]

BAD_TOKEN = b"CLIENT_ERROR bad token in command line format\r\n"
META = [
    ("mg %s without its number" % f, b"mg k %s\r\n" % f.encode(), BAD_TOKEN,
     NEW) for f in "TNRCE"
] + [
    ("mg %s" % f, b"mg k %s\r\n" % f.encode(), BAD_TOKEN, NEW)
    for f in ("Tx", "T99999999999", "T+1", "N2147483648", "R--1",
              "C18446744073709551616", "C-1", "E1x")
] + [
    ("ms %s without its number swallows" % f,
     b"ms k 4 %s\r\nmn\r\n\r\n" % f.encode(), want, NEW)
    for f, want in (("T", BAD_TOKEN), ("C", BAD_TOKEN), ("F", SOME_ERROR),
                    ("E", BAD_TOKEN))
] + [
    ("ma %s" % (f or "no letter"), b"ma k %s\r\n" % f.encode(), SOME_ERROR)
    for f in ("N", "J", "D", "D-1", "D18446744073709551616", "T", "C", "MX",
              "M", "q q")
] + [
    ("md %s" % f, b"md k %s\r\n" % f.encode(), BAD_TOKEN, NEW)
    for f in ("T", "C", "E", "Tx", "C-1", "C18446744073709551616", "E1x")
] + [
    ("me %s" % f, b"me none %s\r\n" % f.encode(), ANY)
    for f in ("b", "v", "T", "O", "q q")
] + [
    ("duplicate flags", b"mg k v v\r\n", SOME_ERROR),
    ("duplicate flags of ms swallow", b"ms k 4 T0 T0\r\nmn\r\n\r\n",
     SOME_ERROR, NEW),
    ("empty opaque", b"mg none O\r\n", R(rb"EN O?\r\n"), NEW),
    ("opaque of 31 bytes", b"mg none O" + b"o" * 31 + b"\r\n",
     R(rb"EN(\r\n| Oo{31}\r\n)")),
    ("opaque of 32 bytes", b"mg none O" + b"o" * 32 + b"\r\n",
     b"CLIENT_ERROR opaque token too long\r\n"),
    ("opaque of 33 bytes", b"mg none O" + b"o" * 33 + b"\r\n",
     b"CLIENT_ERROR opaque token too long\r\n"),
    ("opaque of 1900 bytes", b"mg none O" + b"o" * 1900 + b"\r\n",
     b"CLIENT_ERROR opaque token too long\r\n"),
    ("opaque of 8192 bytes", b"mg none O" + b"o" * 8192 + b"\r\n",
     b"CLIENT_ERROR opaque token too long\r\n", NEW),
    ("opaque of ms too long swallows",
     b"ms k 4 O" + b"o" * 40 + b"\r\nmn\r\n\r\n",
     b"CLIENT_ERROR opaque token too long\r\n"),
    ("not base64", b"mg !!!! b\r\n", b"CLIENT_ERROR error decoding key\r\n",
     NEW),
    ("base64 without padding", b"mg Zm9 b\r\n",
     b"CLIENT_ERROR error decoding key\r\n", NEW),
    ("base64 that is nothing", b"mg ==== b\r\n", SOME_ERROR),
    ("base64 with a hole", b"mg Z=9v b\r\n", ANY),
    ("base64 of ms swallows", b"ms !!!! 4 b\r\nmn\r\n\r\n",
     b"CLIENT_ERROR error decoding key\r\n", NEW),
    ("base64 of 251 bytes",
     b"mg " + base64.b64encode(b"k" * 251) + b" b\r\n", FORMAT, NEW),
    ("base64 of every byte",
     b"ms AAECAw0KIP8= 2 b\r\nhi\r\nmg AAECAw0KIP8= b v k\r\n",
     b"HD\r\nVA 2 kAAECAw0KIP8= b\r\nhi\r\n"),
    ("ms in its old form", b"ms k S100\r\n", FORMAT, NEW),
    ("ms with a bad mode swallows", b"ms k 4 MZ\r\nmn\r\n\r\nmg k\r\n",
     b"CLIENT_ERROR invalid mode for ms M token\r\nEN\r\n"),
    ("ms without mode letter swallows", b"ms k 4 M\r\nmn\r\n\r\n", SOME_ERROR,
     NEW),
    ("ms with a bad chunk", b"ms k 2\r\nabcd", CHUNK, NEW),
    ("mg with 200 flags", b"mg k" + b" v" * 200 + b"\r\n", SOME_ERROR),
    ("mg with 20 different flags",
     b"mg none " + b" ".join(b"%c" % c for c in b"bcfhkqstuvP") +
     b" L x I S q D1 J1 FX M\r\n", ANY),
    ("unknown letter", b"mg k y\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    ("flag that is no letter", b"mg k !\r\n", FORMAT, NEW),
    ("flag of high bytes", b"mg k \xff\xfe\r\n", ANY),
    ("flag of control bytes", b"mg k \x01\r\n", ANY),
    ("quiet does not hide errors", b"mg k q T\r\n", SOME_ERROR),
    ("me of nothing", b"me none\r\n", b"EN\r\n"),
]

LONG = b"k" * 251
KEYS = [
    ("key of 250 bytes",
     b"set " + LONG[1:] + b" 0 0 1\r\na\r\nget " + LONG[1:] + b"\r\n",
     b"STORED\r\nVALUE " + LONG[1:] + b" 0 1\r\na\r\nEND\r\n"),
    ("key of 251 bytes: set swallows",
     b"set " + LONG + b" 0 0 4\r\nmn\r\n\r\n", FORMAT, NEW),
    ("key of 251 bytes: ms swallows", b"ms " + LONG + b" 4\r\nmn\r\n\r\n",
     FORMAT, NEW),
    ("key of 251 bytes: get", b"get " + LONG + b"\r\n",
     R(re.escape(FORMAT) + rb"(\r\n)?"), NEW),
    ("key of 251 bytes, the second", b"get k " + LONG + b"\r\n",
     R(rb"(?s).*" + re.escape(FORMAT) + rb"(\r\n)?"), NEW),
    ("key of 251 bytes: gat", b"gat 0 " + LONG + b"\r\n",
     R(re.escape(FORMAT) + rb"(\r\n)?"), NEW),
] + [
    ("key of 251 bytes: %s" % w.split()[0],
     w.encode().replace(b"K", LONG) + b"\r\n", FORMAT, NEW)
    for w in ("delete K", "incr K 1", "decr K 1", "touch K 0", "mg K", "md K",
              "me K")
] + [
    ("key of 1900 bytes: %s" % w.split()[0],
     w.encode().replace(b"K", b"k" * 1900) + b"\r\n", SOME_ERROR, NEW)
    for w in ("get K", "delete K", "incr K 1", "mg K", "ma K", "touch K 0")
] + [
    ("key of byte 0x%02x" % b,
     b"set a%cb 1 0 1\r\nx\r\nget a%cb\r\ndelete a%cb\r\n" % (b, b, b),
     b"STORED\r\nVALUE a%cb 1 1\r\nx\r\nEND\r\nDELETED\r\n" % b)
    for b in (0x01, 0x07, 0x08, 0x09, 0x0b, 0x0d, 0x1b, 0x25, 0x7f, 0x80, 0xc3,
              0xfe, 0xff)
] + [
    ("key of NUL",
     b"set a\0b 1 0 1\r\nx\r\nget a\0b\r\nget a\0c\r\nget a\r\n",
     b"STORED\r\nVALUE a\0b 1 1\r\nx\r\nEND\r\nEND\r\nEND\r\n", NEW),
]

NOT_NUMBER = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"


def number(value, command, want):
    return (b"set n 0 0 %d\r\n%s\r\n%s\r\n" % (len(value), value, command),
            b"STORED\r\n" + want)


NUMBERS = [
    ("incr wraps", *number(b"18446744073709551615", b"incr n 1", b"0\r\n")),
    ("incr by all", *number(b"1", b"incr n 18446744073709551615", b"0\r\n")),
    ("decr stops at zero", *number(b"5", b"decr n 6", b"0\r\n")),
    ("decr by all",
     *number(b"5", b"decr n 18446744073709551615", b"0\r\n")),
    ("incr grows", *number(b"99", b"incr n 1\r\nget n",
                           b"100\r\nVALUE n 0 3\r\n100\r\nEND\r\n")),
    ("decr pads", *number(b"10", b"decr n 1\r\nget n",
                          b"9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n")),
    ("incr of -1", *number(b"-1", b"incr n 1", NOT_NUMBER)),
    ("incr of a word", *number(b"abc", b"incr n 1", NOT_NUMBER)),
    ("incr of nothing", *number(b"", b"incr n 1", NOT_NUMBER)),
    ("incr of 2^64", *number(b"18446744073709551616", b"incr n 1",
                             NOT_NUMBER)),
    ("incr of 30 digits", *number(b"1" * 30, b"incr n 1", NOT_NUMBER)),
    ("incr of 1000 digits", *number(b"1" * 1000, b"incr n 1", NOT_NUMBER)),
    ("incr of leading blanks", *number(b"  5", b"incr n 1", b"6\r\n")),
    ("incr of 100 KB", *number(b"1" * 100000, b"incr n 1", NOT_NUMBER)),
] + [
    ("delta %s" % w, b"set n 0 0 1\r\n1\r\nincr n %s\r\n" % w.encode(),
     b"STORED\r\n" + DELTA, *new)
    for w, *new in (("-1",), ("x",), ("18446744073709551616",), ("1x",),
                    ("99999999999999999999999999", ), ("+1", NEW),
                    ("1.5",), ("0x1",))
] + [
    ("cas 0", b"set k 0 0 1\r\na\r\ncas k 0 0 1 0\r\nb\r\n",
     b"STORED\r\nEXISTS\r\n"),
    ("cas 2^64-1",
     b"set k 0 0 1\r\na\r\ncas k 0 0 1 18446744073709551615\r\nb\r\n",
     b"STORED\r\nEXISTS\r\n"),
    ("cas 2^64 swallows",
     b"cas k 0 0 4 18446744073709551616\r\nmn\r\n\r\n", FORMAT, NEW),
    ("cas -1 swallows", b"cas k 0 0 4 -1\r\nmn\r\n\r\n", FORMAT, NEW),
    ("cas of a word swallows", b"cas k 0 0 4 x\r\nmn\r\n\r\n", FORMAT, NEW),
    ("flags of 2^32-1",
     b"set k 4294967295 0 1\r\na\r\nget k\r\n",
     b"STORED\r\nVALUE k 4294967295 1\r\na\r\nEND\r\n"),
    ("flags of -1 swallow", b"set k -1 0 4\r\nmn\r\n\r\n", FORMAT, NEW),
    ("exptime -1", b"set k 0 -1 1\r\na\r\nget k\r\n", b"STORED\r\nEND\r\n"),
    ("exptime 2592000", b"set k 0 2592000 1\r\na\r\nget k\r\n",
     b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n"),
    ("exptime 2592001", b"set k 0 2592001 1\r\na\r\nget k\r\n",
     b"STORED\r\nEND\r\n"),
    ("exptime 2^31-1", b"set k 0 2147483647 1\r\na\r\nget k\r\n",
     b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n"),
    ("exptime 2^31", b"set k 0 2147483648 1\r\na\r\n", b"STORED\r\n"),
    ("exptime 2^32", b"set k 0 4294967296 1\r\na\r\n", b"STORED\r\n"),
    ("exptime -2^31", b"set k 0 -2147483648 1\r\na\r\nget k\r\n",
     b"STORED\r\nEND\r\n"),
    ("exptime of 100 digits",
     b"set k 0 " + b"9" * 100 + b" 1\r\na\r\n", ANY, NEW),
    ("touch 2^31", b"touch k 2147483648\r\n",
     b"CLIENT_ERROR invalid exptime argument\r\n", NEW),
    ("touch of a word", b"touch k x\r\n",
     b"CLIENT_ERROR invalid exptime argument\r\n"),
    ("gat of a word", b"gat x k\r\n",
     b"CLIENT_ERROR invalid exptime argument\r\n"),
    ("gat of 2^32", b"gat 4294967296 k\r\n",
     b"CLIENT_ERROR invalid exptime argument\r\n", NEW),
]


@tests_of(LENGTHS)
class Lengths(Talk):
    def test_announce_two_gigabytes_and_leave(self):
        for n in (2147483645, 1 << 30, 100 << 20):
            c = self.connect()
            c.send(b"set huge 0 0 %d\r\n" % n + b"x" * 100000)
            c.close()
            self.works()


@tests_of(FRAMING)
class Framing(Talk):
    def test_a_line_that_does_not_end_yet(self):
        c = self.connect()
        c.send(b"x" * 1024)
        self.assertTrue(c.is_silent())
        self.assertEqual(c.ask(b"\r\n"), ERROR)

    def test_cr_and_lf_in_two_packets(self):
        c = self.connect()
        for piece in (b"version\r", b"\n", b"set k 0 0 1\r", b"\na", b"\r",
                      b"\nget k\r", b"\n"):
            c.send(piece)
            self.works()
        self.assertRegex(c.line(), rb"VERSION .*")
        self.assertEqual(c.until(b"END\r\n"),
                         b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n")

    def test_one_byte_a_packet(self):
        c = self.connect()
        for b in b"set one 5 0 10 \r\nx123\r\n6789\r\ngets one none one\r\n" \
                 b"mg one v k\r\nincr one 1\r\ndelete one noreply\r\n" \
                 b"get one\r\nmn\r\n":
            c.send(b"%c" % b)
        got = c.until(b"MN\r\n")
        self.assertRegex(got, rb"(?s)^STORED\r\n"
                         rb"(VALUE one 5 10 \d+\r\nx123\r\n6789\r\n){2}END\r\n"
                         rb"VA 10 kone\r\nx123\r\n6789\r\n"
                         rb"CLIENT_ERROR cannot [^\n]*\n"
                         rb"END\r\nMN\r\n$")

    def test_a_hundred_thousand_empty_lines(self):
        c = self.connect()
        reply = ERROR if harness.ORACLE else FORMAT
        for _ in range(100):
            c.send(b"\r\n" * 1000)
            self.assertEqual(c.read(1000 * len(reply)), reply * 1000)
        self.works()

    def test_ten_thousand_requests_then_read(self):
        c = self.connect(rcvbuf=4096)
        c.send(b"set k 0 0 1000\r\n" + b"v" * 1000 + b"\r\n")
        self.assertEqual(c.line(), b"STORED\r\n")
        # More than the sockets hold: the server must stop and go on.
        hit = b"VALUE k 0 1000\r\n" + b"v" * 1000 + b"\r\nEND\r\n"
        c.send(b"get k\r\n" * 10000)
        self.works()
        for _ in range(100):
            self.assertEqual(c.read(len(hit) * 100), hit * 100)
        self.assertTrue(c.is_silent(0.05))

    def test_a_multiget_of_a_megabyte(self):
        c = self.connect()
        c.send(b"set last 0 0 1\r\na\r\n")
        self.assertEqual(c.line(), b"STORED\r\n")
        c.send(b"get " + b" ".join(b"missing%d" % i for i in range(80000)) +
               b" last\r\n")
        self.assertEqual(c.until(b"END\r\n"),
                         b"VALUE last 0 1\r\na\r\nEND\r\n")

    def test_pipelined_halves(self):
        """The end of one request and the beginning of the next."""
        c = self.connect()
        c.send(b"set k 0 0 6\r\nabc")
        self.works()
        c.send(b"def\r\nget k\r\nset k 0 0 2\r")
        self.works()
        c.send(b"\nhi\r\nget k\r\nmn\r\n")
        self.assertEqual(
            c.until(b"MN\r\n"),
            b"STORED\r\nVALUE k 0 6\r\nabcdef\r\nEND\r\nSTORED\r\n"
            b"VALUE k 0 2\r\nhi\r\nEND\r\nMN\r\n")


@tests_of(FEW)
class FewWords(Talk):
    pass


@tests_of(MANY)
class ManyWords(Talk):
    pass


@tests_of(ADMIN)
class Admin(Talk):
    pass


@tests_of(META)
class Meta(Talk):
    pass


@tests_of(KEYS)
class Keys(Talk):
    def test_control_bytes_are_escaped_in_dumps(self):
        c = self.connect()
        self.assertEqual(c.ask(b"set a\x01%\x1b\xff 0 0 1\r\nx\r\n"),
                         b"STORED\r\n")

        def dump():
            c.send(b"lru_crawler metadump all\r\n")
            first = c.line()
            if first.startswith((b"BUSY", b"NOTSTARTED")):
                return None
            return first + c.until(b"END\r\n")
        text = harness.until(dump, "the crawler is free")
        self.assertIn(b"key=a%01%25%1B%FF ", text)
        self.assertNotIn(b"\x1b", text)

    def test_control_bytes_are_escaped_for_watchers(self):
        w = self.connect()
        self.assertEqual(w.ask(b"watch mutations\r\n"), b"OK\r\n")
        c = self.connect()
        self.assertEqual(c.ask(b"set w\x02\x1b\x80 0 0 1\r\nx\r\n"),
                         b"STORED\r\n")
        line = w.until(b"\n")
        while b"item_store" not in line:
            line = w.until(b"\n")
        self.assertIn(b"key=w%02%1B%80 ", line)


@tests_of(NUMBERS)
class Numbers(Talk):
    pass


if __name__ == "__main__":
    unittest.main()
