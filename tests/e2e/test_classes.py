"""Classes of bad input, each behind a hole that memcached had, and the tests
that hold it shut.  A test named test_N_... belongs to class N; those below
without a number are older.  The last test here sees that all of them exist.

 N  class                 text, meta                     binary
 1  length fields         test_hostile.Lengths           Binary.test_1_*
 2  headers that lie      -                              test_holes.Hole2
 3  framing of lines      test_hostile.Framing,          Binary.test_3_*
                          Meta.test_3_*
 4  missing, extra words  test_hostile.FewWords,         Binary.test_4_*
                          .ManyWords, .Admin,
                          Words.test_4_*
 5  meta flags            test_hostile.Meta              -
 6  keys                  test_hostile.Keys,             Binary.test_6_*
                          Meta.test_6_*
 7  reference counting    test_siege.Blocked, .Many,     Binary.test_7_*
                          Meta.test_7_*
 8  half-open clients     test_siege.HalfOpen,           Binary.test_8_*
                          test_tls.Handshake
 9  states of a login     test_holes.Hole9,              test_holes.Hole9
                          test_siege.AuthFile
10  the user file         test_holes.Hole10, test_siege.AuthFile
11  timing                test_holes.Hole11
12  numbers               test_hostile.Numbers,          Binary.test_12_*
                          Meta.test_12_*
13  exhaustion            test_siege.Many,               Binary.test_13_*
                          Meta.test_13_*, test_faults.Memory
14  amplification         Datagrams.test_14_*            Datagrams.test_14_*
15  slabs under load      test_siege.Limits, test_soak.Short
16  files from disk       Files.test_16_*, test_service.ConfigFile,
                          test_restart.Hostile
17  what leaks            test_holes.Hole17              test_holes.Hole17
18  which reply is whose  every row of test_hostile,     Binary.test_18_*
                          Meta.test_18_*

There are no tags yet: their part of 13 has nothing to be tried on.
"""
import base64
import pathlib
import re
import socket
import struct
import threading
import unittest

import harness
from harness import slabd_only

MIB = 1 << 20
NOOP = 0x0a


def packet(op, key=b"", value=b"", extras=b"", opaque=7, cas=0):
    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0,
                       len(key) + len(extras) + len(value), opaque,
                       cas) + extras + key + value


def put(key, value, op=0x01, flags=0, exptime=0, **kw):
    return packet(op, key, value, struct.pack(">II", flags, exptime), **kw)


def count(op, key, delta, initial=0, exptime=0, **kw):
    return packet(op, key, extras=struct.pack(">QQI", delta, initial,
                                              exptime), **kw)


class Reply:
    def __init__(self, c):
        (magic, self.op, nkey, nextras, kind, self.status, n, self.opaque,
         self.cas) = struct.unpack(">BBHBBHIIQ", c.read(24))
        assert magic == 0x81 and kind == 0
        body = c.read(n)
        self.extras, self.key = body[:nextras], body[nextras:nextras + nkey]
        self.value = body[nextras + nkey:]


class Talk(harness.Case):
    ARGS = ["-m", "64"]

    def replies(self, data, c=None):
        """All that is answered to it; a noop ends it."""
        c = c or self.connect()
        c.send(data + packet(NOOP, opaque=0x99887766))
        got = []
        while True:
            r = Reply(c)
            if r.op == NOOP and r.opaque == 0x99887766:
                return got
            got.append(r)

    def said(self, data, **kw):
        """Opcode and status of each."""
        return [(r.op, r.status) for r in self.replies(data, **kw)]


class Binary(Talk):
    # ------------------------------------------------------------ lengths

    def test_1_values_about_the_limit(self):
        for size, want in ((MIB, 3), (MIB - 24, 3), (2 * MIB, 3), (0, 0),
                           (MIB - 2048, 0), (3 * MIB, 3)):
            self.assertEqual(self.said(put(b"k", b"x" * size)), [(1, want)])
        self.assertEqual(self.said(put(b"k", b"x" * (5 * MIB), op=0x11)),
                         [(0x11, 3)])

    def test_1_a_set_too_large_takes_the_old_value(self):
        self.said(put(b"old", b"1"))
        self.assertEqual(self.said(put(b"old", b"x" * 2 * MIB) +
                                   packet(0, b"old")), [(1, 3), (0, 1)])
        self.said(put(b"old", b"1"))
        self.assertEqual(self.said(put(b"old", b"x" * 2 * MIB, op=0x02) +
                                   packet(0, b"old")), [(2, 3), (0, 0)])

    def test_1_joins_beyond_the_limit(self):
        part = b"p" * 600000
        self.said(put(b"join", part))
        for op in (0x0e, 0x0f):
            self.assertEqual(self.said(packet(op, b"join", part)), [(op, 5)])
        self.assertEqual(len(self.replies(packet(0, b"join"))[0].value),
                         600000)

    @slabd_only("memcached waits for what was announced")
    def test_1_announced_and_never_sent(self):
        head = struct.pack(">BBHBBHIIQ", 0x80, 0x01, 1, 8, 0, 0, 0x3fffffff,
                           7, 0) + b"\0" * 8 + b"k"
        for _ in range(50):
            c = self.connect()
            c.send(head + b"x" * 1000)
            c.close()
        self.works()

    # ------------------------------------------------------------ framing

    TALK = (put(b"a", b"abc", flags=5) + packet(0, b"a") + packet(0x0c, b"a") +
            count(5, b"n", 1, 41) + packet(0x0e, b"a", b"d") +
            packet(0x1d, b"a", extras=b"\0\0\0\x3c") + packet(4, b"n") +
            packet(0x0b) + packet(9, b"none"))
    SAID = [(1, 0), (0, 0), (0x0c, 0), (5, 0), (0x0e, 0), (0x1d, 0), (4, 0),
            (0x0b, 0)]

    def test_3_one_byte_a_packet(self):
        c = self.connect()
        for b in self.TALK:
            c.send(b"%c" % b)
        self.assertEqual(self.said(b"", c=c), self.SAID)

    def test_3_two_pieces_at_every_place(self):
        for i in range(1, len(self.TALK)):
            c = self.connect()
            c.send(self.TALK[:i])
            self.assertEqual(self.said(self.TALK[i:], c=c), self.SAID)
            c.close()

    def test_3_ten_thousand_then_a_slow_reader(self):
        c = self.connect(rcvbuf=4096)
        c.send(put(b"slow", b"v" * 1000))
        self.assertEqual(Reply(c).status, 0)
        t = threading.Thread(target=c.send, args=(b"".join(
            packet(0, b"slow", opaque=i) for i in range(10000)),))
        t.start()
        self.works()
        for i in range(10000):
            r = Reply(c)
            self.assertEqual((r.opaque, len(r.value)), (i, 1000))
        t.join()

    def test_3_text_on_a_binary_connection(self):
        c = self.connect()
        self.assertEqual(self.said(packet(NOOP), c=c), [(NOOP, 0)])
        c.send(b"get a\r\n" + b"x" * 24)
        self.assertTrue(c.is_closed())

    def test_3_binary_on_a_text_connection(self):
        c = self.connect()
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        c.send(packet(0, b"a") + b"\r\n")
        self.assertEqual(c.line(), b"ERROR\r\n")
        self.works()

    # ------------------------------------------------------------ words

    def test_4_groups_of_stat(self):
        for group, last in (
                (b"", 0), (b"items", 0), (b"slabs", 0), (b"settings", 0),
                (b"reset", 0), (b"foo", 1), (b"detail", 1),
                (b"detail foo", 1), (b"items more words", 0),
                (b"x" * 250, 1), (b" ", 0), (b"\0", 1), (b"a\r\nb", 1)):
            got = self.replies(packet(0x10, group))
            self.assertEqual({r.op for r in got}, {0x10}, group)
            if not harness.ORACLE:
                self.assertIn(got[-1].status, (last, 4), group)
            self.works()

    # ------------------------------------------------------------ keys

    def test_6_every_length_and_byte(self):
        for key in [b"k" * 250] + [b"a%cb" % b for b in range(256)] + \
                [b"a b", b"a\r\nb", b"\0", b"%s%n"]:
            got = self.replies(put(key, b"v") + packet(0x0c, key) +
                               packet(4, key))
            self.assertEqual([r.status for r in got], [0, 0, 0], key)
            self.assertEqual((got[1].key, got[1].value), (key, b"v"))

    def test_6_no_key_and_too_long_a_key(self):
        for op in (0x00, 0x04, 0x09, 0x0c):
            for key in (b"", b"k" * 251):
                c = self.connect()
                c.send(packet(op, key))
                r = Reply(c)
                self.assertEqual(r.status, 4)
                self.assertEqual(c.rest(), b"")

    def test_6_what_text_cannot_say_is_escaped_in_dumps(self):
        self.said(put(b"x y\r\nEND\r\n", b"v"))
        c = self.connect()

        def dump():
            c.send(b"lru_crawler metadump all\r\n")
            first = c.line()
            if first.startswith((b"BUSY", b"NOTSTARTED")):
                return None
            return first + c.until(b"END\r\n")
        self.assertIn(b"key=x%20y%0D%0AEND%0D%0A ",
                      harness.until(dump, "the crawler is free"))
        self.said(packet(4, b"x y\r\nEND\r\n"))

    # ------------------------------------------------------------ counting

    def test_7_one_key_often_unread_then_changed(self):
        """The reader holds references while the item goes."""
        for change in (packet(4, b"big"), put(b"big", b"n" * 90000),
                       packet(8)):
            self.assertEqual(self.said(put(b"big", b"o" * 90000)), [(1, 0)])
            c = self.connect(rcvbuf=4096)
            t = threading.Thread(target=c.send, args=(b"".join(
                packet(0x0d, b"big", opaque=i) for i in range(300)),))
            t.start()
            first = Reply(c)
            self.assertEqual(first.value, b"o" * 90000)
            self.said(change)
            seen = 1
            for r in self.replies(b"", c=c):
                self.assertIn(r.value, (b"o" * 90000, b"n" * 90000))
                seen += 1
            t.join()
            self.assertLessEqual(seen, 300)
        self.works()

    def test_7_seventy_thousand_quiet_gets(self):
        self.said(put(b"hot", b"1"))
        c = self.connect()
        n = 70000
        t = threading.Thread(target=c.send, args=(
            packet(0x0d, b"hot") * n,))
        t.start()
        self.assertEqual(len(c.read(n * (24 + 4 + 3 + 1))), n * 32)
        t.join()
        self.assertEqual(self.said(packet(4, b"hot"), c=c), [(4, 0)])

    # ------------------------------------------------------------ halves

    def test_8_stop_half_way(self):
        for n in range(1, len(self.TALK), 7):
            for dies in (False, True):
                c = self.connect()
                c.send(self.TALK[:n])
                if dies:
                    c.reset()
        crowd = [self.connect() for _ in range(200)]
        for c in crowd:
            c.send(put(b"half", b"x" * 900000)[:400000])
        if not harness.SANITIZED and not harness.ORACLE:
            self.assertLess(self.server.resident(), 200 * MIB)
        self.works()

    # ------------------------------------------------------------ numbers

    def test_12_counting(self):
        top = (1 << 64) - 1
        for start, op, delta, want in (
                (top, 5, 1, 0), (1, 5, top, 0), (5, 6, 6, 0), (5, 6, top, 0),
                (top, 6, 1, top - 1), (0, 5, top, top), (99, 5, 1, 100)):
            self.said(packet(4, b"n"))
            got = self.replies(count(5, b"n", 7, start) + count(op, b"n",
                                                                delta))
            self.assertEqual([struct.unpack(">Q", r.value)[0] for r in got],
                             [start, want])

    def test_12_what_is_no_number(self):
        for value in (b"", b"-1", b"abc", b"1" * 30, b"18446744073709551616",
                      b"1" * 100000, b"\0", b"1.5"):
            got = self.replies(put(b"n", value) + count(5, b"n", 1))
            self.assertEqual([r.status for r in got], [0, 6], value[:20])

    def test_12_a_miss_that_shall_not_create(self):
        self.said(packet(4, b"n"))
        self.assertEqual(self.said(count(5, b"n", 1, 1, 0xffffffff) +
                                   packet(0, b"n")), [(5, 1), (0, 1)])

    def test_12_cas_numbers(self):
        self.said(put(b"c", b"1"))
        for cas in (1 << 63, (1 << 64) - 1):
            for data in (put(b"c", b"2", cas=cas),
                         put(b"c", b"2", op=3, cas=cas),
                         packet(0x0e, b"c", b"2", cas=cas),
                         packet(4, b"c", cas=cas)):
                self.assertEqual(self.replies(data)[0].status, 2)
        now = self.replies(packet(0, b"c"))[0]
        self.assertEqual(now.value, b"1")
        self.assertEqual(self.replies(put(b"c", b"3", cas=now.cas))[0].status,
                         0)
        self.assertEqual(self.replies(put(b"none", b"3", cas=now.cas))[0]
                         .status, 1)

    def test_12_times(self):
        for exptime, lives in ((0, True), (2592000, True), (2592001, False),
                               (0x7fffffff, True), (0x80000000, None),
                               (0xffffffff, None)):
            got = self.replies(put(b"t", b"1", exptime=exptime) +
                               packet(0, b"t"))
            self.assertEqual(got[0].status, 0)
            if lives is not None:
                self.assertEqual(got[1].status == 0, lives, exptime)

    # ------------------------------------------------------------ floods

    def test_13_noops_and_quiet_ones(self):
        c = self.connect()
        n = 100000
        t = threading.Thread(target=c.send, args=(
            packet(9, b"none") * n + packet(NOOP) * n,))
        t.start()
        self.assertEqual(c.read(24 * n)[-24:-22], b"\x81\x0a")
        t.join()
        for _ in range(10):
            c.send((put(b"q", b"1", op=0x11) + packet(0x14, b"q")) * 2000)
        self.assertEqual(self.said(b"", c=c), [])

    # ------------------------------------------------------------ order

    def test_18_every_error_then_the_next(self):
        """Opaques tell which reply is whose, whatever went wrong before."""
        self.said(put(b"s", b"x") + put(b"s2", b"y"))
        errors = (
            (packet(0x1b), 0x81), (packet(0x80), 0x81), (packet(0xff), 0x81),
            (put(b"s", b"z", op=2), 2), (put(b"none", b"z", op=3), 1),
            (packet(0x0e, b"none", b"z"), 5), (count(5, b"s", 1), 6),
            (put(b"s3", b"z" * 2 * MIB), 3), (packet(0, b"none"), 1),
            (packet(0x0c, b"none"), 1), (packet(4, b"none"), 1),
            (packet(0x1c, b"none", extras=b"\0\0\0\0"), 1),
            (packet(0x20), 0x81), (packet(0x21, b"PLAIN", b"\0a\0b"), 0x81),
            (packet(0x10, b"foo"), 1),
        )
        for error, status in errors:
            error = error[:12] + b"\0\0\0\x11" + error[16:]
            for after in (packet(0, b"s2", opaque=0x22),
                          packet(9, b"none", opaque=0x21) +
                          packet(0, b"s2", opaque=0x22)):
                got = self.replies(error + after)
                if harness.ORACLE and error[1] in (0x20, 0x21):
                    continue
                self.assertEqual([(r.opaque, r.status) for r in got],
                                 [(0x11, status), (0x22, 0)], error[:30])
                self.assertEqual(got[1].value, b"y")

    def test_18_errors_in_a_batch_of_quiet_ones(self):
        data = b"".join(
            put(b"b%d" % (i % 7), b"v", op=0x12, opaque=i) for i in range(70))
        self.said(packet(8))
        got = self.replies(data)
        self.assertEqual([(r.opaque, r.status) for r in got],
                         [(i, 2) for i in range(7, 70)])


class Words(Talk):
    """Every command with any number of words; what it changes, it changes in
    a server that nobody else has."""
    ARGS = ["-m", "64"]
    STORE = "set add replace append prepend cas ms".split()
    OTHER = ("get gets gat gats incr decr delete touch mg md ma me mn "
             "flush_all verbosity version stats lru lru_crawler slabs "
             "cache_memlimit config refresh_certs shutdown watch extstore "
             "debugtime misbehave").split()

    def answers(self, line, data=b""):
        c = self.server.connect()
        with c:
            c.send(line + b"\r\n" + data + b"mn\r\n")
            got = c.until(b"MN\r\n")
            self.assertRegex(got, rb"\A([A-Z][^\n]*\r\n|[0-9]+ *\r\n)*MN\r\n\Z",
                             line)

    @slabd_only()
    def test_4_every_command_with_none_to_nine(self):
        for word in self.STORE + self.OTHER:
            for n in range(10):
                for arg in (b" 1", b" k", b" noreply", b" 0 -1"):
                    if n == 0 and (word == "watch" or arg != b" 1"):
                        continue
                    self.answers(word.encode() + arg * n,
                                 b"1\r\n" if word in self.STORE else b"")
        self.works()


@slabd_only()
class Meta(Talk):
    def lines(self, data):
        c = self.connect()
        c.send(data + b"mn\r\n")
        return c.until(b"MN\r\n")[:-4]

    def test_3_bytes_between_words(self):
        for line, want in (
                (b"mg\tk v\r\n", b"ERROR\r\n"), (b"mg k\0 v\r\n", b"EN\r\n"),
                (b"mg  k   v  \r\n", b"EN\r\n"), (b" mg k\r\n", b"ERROR\r\n"),
                (b"mg k v\n", b"EN\r\n"), (b"mg k v\r\r\n", None),
                (b"mg" + b" " * 1000 + b"k v\r\n", b"EN\r\n"),
                (b"MG k v\r\n", b"ERROR\r\n"),
                (b"mgx k v\r\n", b"ERROR\r\n")):
            got = self.lines(line)
            if want is None:
                self.assertEqual(got.count(b"\n"), 1, line)
            else:
                self.assertEqual(got, want, line)

    def test_3_one_byte_a_packet(self):
        c = self.connect()
        for b in b"ms one 4 T60\r\nx\r\ny\r\nmg one v t k\r\nma one\r\nmd one q" \
                 b"\r\nmg one\r\nmn\r\n":
            c.send(b"%c" % b)
        self.assertRegex(c.until(b"MN\r\n"),
                         rb"(?s)^HD\r\nVA 4 t\d+ kone\r\nx\r\ny\r\n"
                         rb"CLIENT_ERROR [^\n]*\nEN\r\nMN\r\n$")

    def test_3_lines_that_never_end(self):
        for n in (2049, 65536, MIB):
            c = self.connect()
            try:
                c.send(b"mg " + b"k" * n)
                self.assertEqual(c.rest(), b"")
            except (ConnectionResetError, BrokenPipeError):
                pass
        self.works()

    def test_6_lengths_in_base64(self):
        for n, ok in ((1, True), (186, True), (187, False), (250, False),
                      (251, False), (1000, False)):
            word = base64.b64encode(b"k" * n)
            got = self.lines(b"ms %s 1 b\r\nx\r\nmg %s v b k\r\n" %
                             (word, word))
            if ok:
                self.assertEqual(got, b"HD\r\nVA 1 k%s b\r\nx\r\n" % word)
            else:
                self.assertEqual(got.count(b"CLIENT_ERROR "), 2, n)
            self.assertIn(got.count(b"\n"), (2, 3))

    def test_6_every_byte_in_base64(self):
        for b in range(256):
            word = base64.b64encode(b"z%c" % b)
            self.assertEqual(
                self.lines(b"ms %s 1 b\r\nx\r\nmg %s b k\r\nmd %s b\r\n" %
                           (word, word, word)),
                b"HD\r\nHD k%s b\r\nHD\r\n" % word)

    def test_7_a_hundred_thousand_readers_of_one(self):
        c = self.connect()
        self.assertEqual(c.ask(b"ms hot 1\r\nx\r\n"), b"HD\r\n")
        n = 100000
        t = threading.Thread(target=c.send, args=(b"mg hot v\r\n" * n,))
        t.start()
        self.assertEqual(c.read(9 * n), b"VA 1\r\nx\r\n" * n)
        t.join()

    def test_7_marked_stale_while_a_reader_is_blocked(self):
        self.assertEqual(self.lines(b"ms big 90000\r\n%s\r\n" %
                                    (b"o" * 90000)), b"HD\r\n")
        c = self.connect(rcvbuf=4096)
        c.send(b"mg big v\r\n" * 100)
        head = c.read(2000)
        self.assertEqual(self.lines(b"md big I T30\r\nmd big x\r\nmd big\r\n"),
                         b"HD\r\n" * 3)
        c.buf = head + c.buf
        for _ in range(100):
            line = c.line()
            if line.startswith(b"VA 90000"):
                self.assertEqual(c.read(90002), b"o" * 90000 + b"\r\n")
            elif line.startswith(b"VA 0"):
                self.assertEqual(c.read(2), b"\r\n")
            else:
                self.assertEqual(line, b"EN\r\n")
        self.works()

    def test_12_numbers(self):
        top = b"18446744073709551615"
        for line, want in (
                (b"ma n N0 J%s D1 v" % top, b"VA 20\r\n%s\r\n" % top),
                (b"ma n D1 v", b"VA 1\r\n0\r\n"),
                (b"ma n D%s v" % top, b"VA 20\r\n%s\r\n" % top),
                (b"ma n MD D%s v" % top, b"VA 1\r\n0\r\n"),
                (b"ma n MD D9 v", b"VA 1\r\n0\r\n"),
                (b"ma n T2147483647", b"HD\r\n"),
                (b"ma n T2147483648", None), (b"ma n D-1", None),
                (b"ma n D18446744073709551616", None), (b"ma n J-1", None),
                (b"ma n N-1 t", b"HD t2147"),
                (b"mg n C%s v" % top, b"VA"), (b"mg n C-1", None),
                (b"mg n E18446744073709551616", None),
                (b"mg n T-2147483648 t", b"HD t"), (b"mg n", b"EN\r\n"),
                (b"ms n 1 T2147483648\r\nx", None),
                (b"ms n 1 F4294967295\r\nx", b"HD\r\n"),
                (b"mg n f", b"HD f4294967295\r\n"),
                (b"ms n 1 F4294967296\r\nx", None),
                (b"ms n 1 E%s c\r\nx" % top, b"HD c%s\r\n" % top),
                (b"ms n 1 C%s c\r\ny" % top, b"HD c"),
                (b"md n C%s" % top, b"EX\r\n"), (b"md n C0", b"EX\r\n"),
                (b"md n", b"HD\r\n")):
            got = self.lines(line + b"\r\n")
            if want is None:
                self.assertTrue(got.startswith(b"CLIENT_ERROR "), (line, got))
                self.assertEqual(got.count(b"\n"), 1, line)
            elif line == b"ma n N-1 t":
                self.assertRegex(got, rb"^HD t\d+\r\n$")
            else:
                self.assertTrue(got.startswith(want), (line, got))

    def test_13_quiet_floods(self):
        c = self.connect()
        for _ in range(20):
            c.send(b"ms q 1 q\r\nx\r\nmg none q v\r\nmd q q\r\n" * 5000)
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    def test_18_opaques_after_errors(self):
        for error in (b"mg k T O9\r\n", b"mg k v v O9\r\n", b"ma k Dx O9\r\n",
                      b"ms k 2 MZ O9\r\nmn\r\n", b"ms k 2 O9\r\nmnxx",
                      b"mg %s O9\r\n" % (b"k" * 251), b"mg !! b O9\r\n",
                      b"ms k 3000000 O9\r\n%s\r\n" % (b"x" * 3000000)):
            got = self.lines(error + b"mg none O1\r\nmg none q O2\r\n"
                             b"ms yes 1 O3\r\nx\r\nmd yes O4\r\n")
            self.assertTrue(got.endswith(
                b"EN O1\r\nHD O3\r\nHD O4\r\n"), (error[:40], got))


@slabd_only("1.6.18 answers what is too much")
class Datagrams(harness.Solo):
    """Whoever forges an address must gain nothing by it."""

    def setUp(self):
        self.server = harness.Server(["-U", str(harness.free_port())],
                                     wait=False)
        self.addCleanup(self.server.stop)
        self.server.start()
        self.server.wait_for_port()
        port = int(self.server.argv[self.server.argv.index("-U") + 1])
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sock.close)
        self.sock.settimeout(harness.BOUND)
        self.sock.connect(("127.0.0.1", port))

    def ask(self, data, ident=1, count=1, number=0):
        """Bytes of all datagrams before that of a marker."""
        self.sock.send(struct.pack(">HHHH", ident, number, count, 0) + data)
        self.sock.send(struct.pack(">HHHH", 77, 0, 1, 0) + b"mn\r\n")
        total = 0
        while True:
            d = self.sock.recv(65536)
            if d[:2] == b"\0\x4d":
                return total
            total += len(d)

    def test_14_large_replies_are_refused(self):
        with self.server.connect() as c:
            self.assertEqual(c.ask(b"set big 0 0 900000\r\n%s\r\n" %
                                   (b"y" * 900000)), b"STORED\r\n")
        self.assertLess(self.ask(b"get big\r\n"), 100)
        self.assertLess(self.ask(packet(0, b"big")), 100)
        self.assertLess(self.ask(b"get" + b" big" * 300 + b"\r\n"), 1400 * 64)

    def test_14_requests_in_parts_are_dropped(self):
        for data in (b"set a 0 0 3\r\nabc\r\n", b"get a\r\n", packet(0x0b)):
            for count, number in ((2, 0), (2, 1), (0, 0), (65535, 65534)):
                self.assertEqual(self.ask(data, 5, count, number), 0)

    def test_14_what_takes_no_end_is_refused(self):
        for line in (b"watch\r\n", b"lru_crawler metadump all\r\n",
                     b"stats cachedump 1 0\r\n", b"get"):
            self.assertLess(self.ask(line), 1400)


class Files(harness.Solo):
    """What is read at the start may be anything: a server that serves, or a
    reason; never a crash."""

    def survives(self, args, content, name="file"):
        s = harness.Server(args, wait=False)
        try:
            pathlib.Path(s.path(name)).write_bytes(content)
            s.start()
            if s.decision() is not None:
                self.assertGreater(s.wait(), 0, s.output())
                self.assertNotEqual(s.output().strip(), "")
        finally:
            s.stop()

    FILES = (b"", b"\0" * 4096, b"\n" * 1000, b"x" * MIB, bytes(range(256)),
             b"-m\n", b"-m 64", b"-l\r\n", b"#" * 5000 + b"\n-vvvvvvvvv\n",
             b"-Y {DIR}/file\n", b"\xff\xfe-\0m\0", b"-m 64\n-m\n64\n",
             b"-o " + b"a," * 50000)

    @slabd_only("it takes no --config")
    def test_16_the_configuration(self):
        for content in self.FILES:
            self.survives(["--config", "{DIR}/file"], content)

    @slabd_only("it reads what it likes of it")
    def test_16_the_users(self):
        for content in self.FILES:
            self.survives(["-Y", "{DIR}/file"], content)

    @slabd_only("it reads what it likes of it")
    def test_16_a_directory_a_device_nothing(self):
        for path in ("/", "/dev/full", "/nowhere/at/all", "/dev/null"):
            s = harness.Server(["-Y", path], wait=False)
            s.start()
            self.assertGreater(s.wait(), 0)
            s.stop()


@slabd_only("it is about this file")
class Table(unittest.TestCase):
    def test_every_class_has_its_tests(self):
        """Whatever the table names is there, and has tests."""
        here = pathlib.Path(__file__).parent
        texts = {p.stem: p.read_text() for p in here.glob("test_*.py")}
        module = None
        names = re.findall(r"((?:test_[a-z]+)?)\.?([A-Z][A-Za-z0-9]+)"
                           r"(?:\.(test_\d+_)\*)?", __doc__.split("exist.")[1]
                           .split("There are no tags")[0])
        self.assertGreater(len(names), 30)
        for file, cls, prefix in names:
            if file:
                module = file
            where = "test_classes" if prefix else module
            body = re.search(r"(?ms)^class %s\(.*?(?=^class |\Z)" % cls,
                             texts[where])
            self.assertTrue(body, "%s.%s is gone" % (where, cls))
            decorated = where == "test_hostile"
            self.assertTrue(decorated or ("def %s" % (prefix or "test_")) in
                            body.group(0), "%s.%s has no %s" % (
                                where, cls, prefix))
        numbers = re.findall(r"(?m)^ ?(\d+)  ", __doc__)
        self.assertEqual([int(n) for n in numbers], list(range(1, 19)))


if __name__ == "__main__":
    unittest.main()
