"""Classes of bad input behind holes that memcached had, by their numbers:
2 headers that lie, 9 the login's state machine, 10 the user file, 11 timing,
17 what leaks.  (The others are in test_hostile.py.)"""
import os
import re
import socket
import statistics
import struct
import time
import unittest

import harness
import sasl
from sasl import MECHANISM, ask, from_address, packet, passwd, plain, scram

EXTRAS = {0x00: 0, 0x01: 8, 0x02: 8, 0x03: 8, 0x04: 0, 0x05: 20, 0x06: 20,
          0x07: 0, 0x09: 0, 0x0a: 0, 0x0b: 0, 0x0c: 0, 0x0d: 0, 0x0e: 0,
          0x0f: 0, 0x10: 0, 0x11: 8, 0x12: 8, 0x13: 8, 0x14: 0, 0x15: 20,
          0x16: 20, 0x17: 0, 0x19: 0, 0x1a: 0, 0x1c: 4, 0x1d: 4, 0x1e: 4,
          0x23: 4, 0x24: 4, 0x08: 4, 0x18: 4}
NO_KEY = {0x07, 0x08, 0x0a, 0x0b, 0x17, 0x18, 0x20}
SASL = {0x20, 0x21, 0x22}


def head(op, nkey=0, nextras=0, body=0, magic=0x80, kind=0, opaque=7):
    return struct.pack(">BBHBBHIIQ", magic, op, nkey, nextras, kind, 0, body,
                       opaque, 0)


def packets(data):
    """Status by status; whatever is not a whole reply fails."""
    got = []
    while data:
        assert len(data) >= 24, data
        status, n, opaque = struct.unpack(">HII", data[6:16])
        assert data[0] == 0x81 and len(data) >= 24 + n, data
        got.append((data[1], status, opaque))
        data = data[24 + n:]
    return got


@unittest.skipIf(harness.ORACLE, "memcached waits for what was announced")
class Hole2(harness.Case):
    """The answer comes, or the end; nothing is read or waited for that is
    not there."""

    def tell(self, data, wants, ends):
        """Sends it, and a noop if the connection is to live on."""
        with self.server.connect() as c:
            c.send(data if ends else data + head(0x0a, opaque=99))
            if ends:
                got = packets(c.rest())
            else:
                got = []
                while not got or got[-1][2] != 99:
                    got.append(self.one(c))
                got.pop()
            self.assertIn([status for _, status, _ in got], wants, data[:24])

    @staticmethod
    def one(c):
        data = c.read(24)
        status, n, opaque = struct.unpack(">HII", data[6:16])
        assert data[0] == 0x81
        c.read(n)
        return data[1], status, opaque

    def test_2_body_shorter_than_key_and_extras(self):
        for op in (0x00, 0x01, 0x05, 0x0e, 0x10, 0x1c, 0x04, 0x7f):
            e = EXTRAS.get(op, 0)
            for body in range(e + 3):
                # The answer does not wait for what is not in the packet.
                self.tell(head(op, 3, e, body) + b"x" * body, [[0x81]], True)
                self.tell(head(op, 3, e, body), [[0x81]], True)
        self.works()

    def test_2_body_lengths(self):
        """Only the head is sent: the answer must not wait for the rest, and
        no memory be taken for it."""
        before = self.server.resident()
        for body in (0x7fffffff, 0x80000000, 0xffffffff, 0x40000001):
            for op in (0x01, 0x11, 0x02, 0x0e, 0x19):
                with self.server.connect() as c:
                    e = EXTRAS[op]
                    c.send(head(op, 1, e, body) + b"\0" * e + b"k")
                    self.assertEqual(packets(c.rest()), [(op, 4, 7)])
            for op in (0x00, 0x04, 0x0a, 0x10, 0x1c, 0x7f):
                with self.server.connect() as c:
                    e = EXTRAS.get(op, 0)
                    c.send(head(op, 1, e, body) + b"\0" * e + b"k" +
                           b"x" * 100)
                    c.sock.shutdown(socket.SHUT_WR)
                    c.rest()
        waiting = []
        for body in (0x3fffffff, 0x10000000, 2000000):
            for _ in range(20):
                c = self.connect()
                c.send(head(0x01, 1, 8, body) + b"\0" * 8 + b"k" * 100)
                waiting.append(c)
        self.works()
        self.assertLess(self.server.resident() - before, 16 << 20)

    def test_2_key_lengths(self):
        for op in sorted(set(EXTRAS) - NO_KEY - {0x10}):
            e = EXTRAS[op]
            for n in (0, 251, 1000):
                self.tell(head(op, n, e, e + n) + b"\0" * e + b"k" * n, [[4]],
                          True)
            with self.server.connect() as c:
                c.send(head(op, 0xffff, e, e + 0xffff) + b"\0" * e)
                # More than is read for any request: no answer is owed.
                self.assertIn(packets(c.rest()), ([], [(op, 4, 7)]))
        for op in sorted(NO_KEY - SASL):
            self.tell(head(op, 1, 0, 1) + b"k", [[4]], True)
        self.works()

    def test_2_extras_lengths_of_every_opcode(self):
        for op in range(256):
            for e in (0, 1, 21, 255):
                n = 0 if op in NO_KEY else 1
                data = head(op, n, e, e + n) + b"\0" * e + b"k" * n
                if op in SASL:
                    self.tell(data, [[4]] if e else [[0x81]], e)
                elif op not in EXTRAS:
                    # What memcached swallows then is more than there is.
                    with self.server.connect() as c:
                        c.send(data)
                        self.assertEqual(self.one(c), (op, 0x81, 7))
                elif e != EXTRAS[op] and not (op in (8, 0x18) and e == 0):
                    self.tell(data, [[4]], True)
        self.works()

    def test_2_magic(self):
        for magic in (0x81, 0x00, 0xff, 0x7f, 0x82):
            with self.server.connect() as c:
                c.send(head(0x0a) + head(0x0a, magic=magic) + head(0x0a))
                self.assertIn(packets(c.rest()), ([], [(0x0a, 0, 7)]))
        with self.server.connect() as c:
            c.send(head(0x0a, magic=0x81) + b"\r\n")
            c.sock.shutdown(socket.SHUT_WR)
            self.assertNotIn(b"\x81", c.rest())
        self.works()

    def test_2_data_type(self):
        with self.server.connect() as c:
            for kind in (1, 0x80, 0xff):
                c.send(head(0x0a, kind=kind))
                self.assertEqual(c.read(24)[5:8], b"\0\0\0")


@unittest.skipIf(harness.ORACLE, "slabd's own user file")
class Hole9(sasl.Site, unittest.TestCase):
    """Whatever is said, nobody gets in without the password."""
    maxDiff = 4000
    sources = 20

    def client(self):
        """From an address that has not failed yet."""
        Hole9.sources += 1
        c = from_address(self.server, "127.0.0.%d" % (self.sources % 250))
        self.addCleanup(c.close)
        return c

    def setUp(self):
        self.server = self.site()

    def out(self, c):
        """Nobody is logged in; the connection ends."""
        self.assertEqual(ask(c, 0x0a)[0], 0x20)
        self.assertTrue(c.is_closed())

    def test_9_mechanisms(self):
        for i, name in enumerate((
                b"ANONYMOUS", b"EXTERNAL", b"LOGIN", b"NTLM", b"CRAM-MD5",
                b"DIGEST-MD5", b"GSSAPI", b"SCRAM-SHA-1",
                b"SCRAM-SHA-256-PLUS", b"plain", b"PLAIN ", b"PLAIN\0",
                b"x" * 32, b"x" * 33, b"x" * 250)):
            if i % 3 == 0:
                c = self.client()
            status = 0x20 if len(name) <= 32 else 4     # as memcached
            for value in (b"", b"joe", b"\0joe\0pass word"):
                self.assertEqual(ask(c, 0x21, name, value)[0], status, name)
        self.out(c)
        self.assertEqual(ask(self.client(), 0x20),
                         (0, b"SCRAM-SHA-256 PLAIN"))

    def test_9_lengths_of_a_mechanism(self):
        for n in (0, 251, 255):
            c = self.client()
            self.assertEqual(ask(c, 0x21, b"P" * n, b"\0joe\0pass word")[0],
                             4)
            self.assertTrue(c.is_closed())
        c = self.client()
        c.send(head(0x21, 0xffff, 0, 0xffff))
        for _ in range(8):
            try:
                c.send(b"P" * 8192)
            except OSError:
                break
        self.assertNotIn(b"Authenticated", c.rest())

    def test_9_step_before_auth(self):
        c = self.client()
        for name in (b"PLAIN", MECHANISM):
            self.assertEqual(ask(c, 0x22, name, b"\0joe\0pass word")[0], 0x20)
        self.out(c)

    def test_9_twice(self):
        c = self.client()
        self.assertEqual(plain(c, b"joe", b"pass word"), 0)
        self.assertEqual(plain(c, b"joe", b"pass word"), 0)
        self.assertEqual(scram(c, b"joe", b"pass word"), 0)
        self.assertEqual(ask(c, 0x0a)[0], 0)

    def test_9_wrong_then_wrong(self):
        c = self.client()
        self.assertEqual(plain(c, b"joe", b"wrong"), 0x20)
        self.assertEqual(scram(c, b"joe", b"wrong"), 0x20)
        self.out(c)

    def test_9_right_then_wrong(self):
        for wrong in (plain, scram):
            c = self.client()
            self.assertEqual(plain(c, b"joe", b"pass word"), 0)
            self.assertEqual(ask(c, 0x0a)[0], 0)
            self.assertEqual(wrong(c, b"joe", b"wrong"), 0x20)
            self.out(c)

    def test_9_plain(self):
        c = self.client()
        for i, value in enumerate((
                b"joe", b"joe pass word", b"\0joe", b"\0joe\0", b"\0\0", b"\0",
                b"\0\0pass word", b"\0joe\0pass word\0",
                b"\0joe\0pass word\0\0", b"\0joe\0pass\0word",
                b"\0\0joe\0pass word", b"root\0joe\0pass word",
                b"\0joe\0" + b"x" * 1025, b"\0" + b"x" * 300 + b"\0pass word",
                b"\0joe\0pass word\n", b"\0jo\0e pass word")):
            if i % 4 == 0:
                c = self.client()
            self.assertEqual(ask(c, 0x21, b"PLAIN", value)[0], 0x20, value)
        self.out(c)

    def test_9_scram(self):
        """The client's first; then its last, with everything wrong in turn."""
        for i, first in enumerate((
                b"", b"n", b"n,", b"n,,", b"n,,n=joe", b"n,,r=abc",
                b"n,,n=,r=abc", b"n,,n=joe,r=", b"n,,n=jo=e,r=abc",
                b"n,,n=joe,r=a\0c", b"n,a=root,n=joe,r=abc",
                b"p=tls-unique,,n=joe,r=abc", b"n,,m=x,n=joe,r=abc",
                b"n,,n=joe,r=" + b"a" * 200, b"\xff" * 100, b"x" * 15000)):
            if i % 4 == 0:
                c = self.client()
            want = 0x20 if first else 0x21  # nothing: it is asked for it
            self.assertEqual(ask(c, 0x21, MECHANISM, first)[0], want, first)
        zeros = b"A" * 43 + b"="
        for i, last in enumerate((
                "c=biws,r={nonce},p=!!!!", "c=biws,r={nonce},p=",
                "c=biws,r={nonce},p=AAAA", "c=biws,r={nonce},p={zeros}",
                "c=biws,r={nonce},p={zeros}AAAA", "c=biws,r={nonce}",
                "c=biws,r=abc,p={zeros}", "c=biws,r=x{nonce},p={zeros}",
                "c=biws,r={nonce}x,p={zeros}", "c=eSws,r={nonce},p={zeros}",
                "c=,r={nonce},p={zeros}", "r={nonce},c=biws,p={zeros}",
                "", "p={zeros}", "e=other-error")):
            if i % 4 == 0:
                c = self.client()
            status, challenge = ask(c, 0x21, MECHANISM, b"n,,n=joe,r=abc")
            self.assertEqual(status, 0x21)
            nonce = challenge[2:].split(b",")[0].decode()
            self.assertTrue(nonce.startswith("abc") and len(nonce) > 20)
            value = last.format(nonce=nonce, zeros=zeros.decode()).encode()
            self.assertEqual(ask(c, 0x22, MECHANISM, value)[0], 0x20, last)
            self.assertEqual(ask(c, 0x22, MECHANISM, b"")[0], 0x20)
        self.out(c)

    def test_9_replay(self):
        """What was right in one dialogue is nothing in the next."""
        said = []

        class Spy:
            def __init__(self, c):
                self.c = c

            def send(self, data):
                said.append(data)
                self.c.send(data)

            def read(self, n):
                return self.c.read(n)
        self.assertEqual(scram(Spy(self.client()), b"joe", b"pass word"), 0)
        c = self.client()
        got = []
        for data in said:
            c.send(data)
            got.append(sasl.reply(c)[0])
        self.assertEqual(got, [0x21, 0x20, 0x20])
        self.out(c)

    def test_9_commands_between_steps(self):
        for op in (0x00, 0x01, 0x0a, 0x10, 0x07, 0x08, 0x09, 0x11, 0x17):
            c = self.client()
            self.assertEqual(ask(c, 0x21, MECHANISM, b"n,,n=joe,r=abc")[0],
                             0x21)
            self.assertEqual(ask(c, 0x0b)[0], 0)
            self.assertEqual(ask(c, op)[0], 0x20)
            self.assertTrue(c.is_closed())

    def test_9_one_connection_is_no_other(self):
        """Whoever is in lets nobody else in, on whichever thread."""
        inside = [self.client() for _ in range(8)]
        outside = [self.client() for _ in range(8)]
        for c in inside:
            self.assertEqual(plain(c, b"joe", b"pass word"), 0)
        for c in outside:
            self.out(c)
        for c in inside:
            self.assertEqual(ask(c, 0x0a)[0], 0)

    def test_9_quiet_before_login(self):
        for op in (0x09, 0x0d, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
                   0x19, 0x1a, 0x1e, 0x24):
            e = EXTRAS[op]
            c = self.client()
            c.send(packet(op, b"" if op in NO_KEY else b"k", b"",
                          b"\0" * e) + packet(0x0a))
            self.assertEqual(sasl.reply(c)[0], 0x20, op)
            self.assertTrue(c.is_closed())
        with self.client() as c:
            plain(c, b"joe", b"pass word")
            self.assertEqual(ask(c, 0x00, b"k")[0], 1)

    def test_9_udp(self):
        """It has no logins: such a server does not start."""
        for how in (["-Y", self.file], ["-S", "-Y", self.file]):
            s = harness.Server([*how, "-U", "11211"], wait=False)
            self.addCleanup(s.stop)
            s.start()
            self.assertEqual(s.wait(), 64)

    def test_9_text_where_sasl_is_asked(self):
        s = harness.Server(["-S"], env={"MEMCACHED_SASL_PWDB": self.file})
        self.addCleanup(s.stop)
        for line in (b"get k\r\n", b"version\r\n", b"stats\r\n",
                     b"set x 0 0 13\r\njoe pass word\r\n"):
            with s.connect() as c:
                c.send(line)
                self.assertRegex(c.rest(), b"^CLIENT_ERROR [ -~]*\r\n$")


@unittest.skipIf(harness.ORACLE, "slabd's own user file")
class Hole10(sasl.Site, unittest.TestCase):
    """User files; their change under load is test_auth.py's."""

    def starts(self, content, *logins, status=None, says=""):
        d = harness.tempfile.mkdtemp(prefix="slabd-users.")
        self.addCleanup(harness.shutil.rmtree, d, True)
        path = os.path.join(d, "users")
        with open(path, "wb") as f:
            f.write(content)
        if status is None:
            s = harness.Server(["-Y", path])
            self.addCleanup(s.stop)
            for i, (user, password, good) in enumerate(logins):
                with from_address(s, "127.0.0.%d" % (i + 2)) as c:
                    self.assertEqual(
                        sasl.text(c, user, password) == b"STORED\r\n", good,
                        (user, password))
            return
        s = harness.Server(["-Y", path], wait=False)
        self.addCleanup(s.stop)
        s.start()
        self.assertEqual(s.wait(), status)
        self.assertIn(path + ":" + says, s.output())

    def test_10_no_newline_at_the_end(self):
        self.starts(b"a:b\nc:d", (b"a", b"b", True), (b"c", b"d", True))

    def test_10_crlf(self):
        self.starts(b"a:b\r\nc:d\r\n", (b"a", b"b", True), (b"c", b"d", True),
                    (b"a", b"b\r", False))

    def test_10_empty(self):
        self.starts(b"", status=1, says="0: there is no user in the file")
        self.starts(b"\n\n", status=1, says="2: there is no user")

    def test_10_a_line_of_a_megabyte(self):
        for line in (b"x" * (1 << 20), b"a:" + b"x" * (1 << 20)):
            self.starts(b"a:b\n" + line, status=1, says="2: the line has")

    def test_10_missing_colon(self):
        self.starts(b"a:b\nnothing\n", status=1, says="2: there is no colon")

    def test_10_nul(self):
        self.starts(b"a:b\nc:\0d\n", status=1, says="2: there is a byte 0")
        self.starts(b"\0", status=1, says="1: there is a byte 0")

    def test_10_a_user_twice(self):
        """Accepted as memcached does, which tries each line."""
        self.starts(b"a:one\nb:x\na:two\n", (b"a", b"one", True),
                    (b"a", b"two", True), (b"a", b"x", False),
                    (b"b", b"one", False))
        passwd("add", self.path(), "joe", password=b"x\n")
        with open(self.path(), "ab") as f:
            f.write(b"joe:y\n")
        s = harness.Server(["-Y", self.path()], wait=False)
        self.addCleanup(s.stop)
        s.start()
        self.assertEqual(s.wait(), 1)
        self.assertIn(":4: joe has a line already, 3", s.output())

    def path(self):
        if not hasattr(self, "where"):
            self.where = harness.tempfile.mkdtemp(prefix="slabd-users.")
            self.addCleanup(harness.shutil.rmtree, self.where, True)
        return os.path.join(self.where, "users")

    def test_10_rounds_of_nothing(self):
        passwd("add", self.path(), "joe", password=b"x\n")
        with open(self.path(), "rb") as f:
            text = f.read()
        for rounds in (b"0", b"1", b"4095", b"-1", b"99999999999", b""):
            self.starts(text.replace(b"$10000:", b"$%s:" % rounds), status=1,
                        says="3: the SCRAM-SHA-256 verifier is damaged")

    def test_10_unreadable(self):
        s = []
        for path in ("/", "/nonexistent/users", "/dev/null"):
            s.append(harness.Server(["-Y", path], wait=False))
            self.addCleanup(s[-1].stop)
            s[-1].start()
            self.assertEqual(s[-1].wait(), 1)
            self.assertIn(path + ": ", s[-1].output())
        if os.geteuid() == 0:
            return
        with open(self.path(), "w") as f:
            f.write("a:b\n")
        os.chmod(self.path(), 0)
        self.starts_not = harness.Server(["-Y", self.path()], wait=False)
        self.addCleanup(self.starts_not.stop)
        self.starts_not.start()
        self.assertEqual(self.starts_not.wait(), 1)


@unittest.skipIf(harness.ORACLE, "slabd's own user file")
class Hole11(sasl.Site, unittest.TestCase):
    """Unknown name or wrong password: the time does not tell.  (The work is
    counted in the unit tests; here it is only that nobody forgot it.)"""

    def medians(self, server, attempt, names, rounds=9):
        times = {name: [] for name in names}
        for i in range(rounds):
            for k, name in enumerate(names):
                with from_address(server, "127.0.%d.%d" % (
                        i + 1, k + 2)) as c:
                    begin = time.monotonic()
                    attempt(c, name)
                    times[name].append(time.monotonic() - begin)
        return {name: statistics.median(t) for name, t in times.items()}

    def alike(self, server, attempt, *names):
        for _ in range(5):
            m = self.medians(server, attempt, names)
            if max(m.values()) < 4 * min(m.values()):
                return
        self.fail(m)

    def test_11_timing(self):
        s = self.site(lines=b"amy:geheim\n")

        def by_text(c, name):
            self.assertEqual(sasl.text(c, name, b"wrong"),
                             b"CLIENT_ERROR authentication failure\r\n")

        def by_plain(c, name):
            self.assertEqual(plain(c, name, b"wrong"), 0x20)

        def by_scram(c, name):
            status, challenge = ask(c, 0x21, MECHANISM,
                                    b"n,,n=%s,r=abc" % name)
            self.assertEqual(status, 0x21)
            self.assertRegex(challenge, rb"^r=abc[^,]{24},s=[^,]{24},i=10000$")
        for attempt in (by_text, by_plain, by_scram):
            # joe has a hash, amy a password in clear, nobody nothing.
            self.alike(s, attempt, b"joe", b"amy", b"nobody", b"eve")


class Hole17(harness.Solo):
    """What was forbidden is so in every protocol; replies hold nothing that
    does not belong there."""

    def binary(self, s, op, key=b"", n=1):
        c = self.connect(s)
        c.send(packet(op, key))
        return [sasl.reply(c) for _ in range(n)]

    def test_17_dumps_are_forbidden(self):
        s = self.start(["-X"])
        c = self.connect(s)
        c.ask(b"set k 0 0 1\r\n1\r\n")
        for line in (b"stats cachedump 1 0", b"stats detail on",
                     b"stats detail dump", b"lru_crawler metadump all",
                     b"lru_crawler metadump hash", b"lru_crawler mgdump all"):
            if harness.ORACLE and (b"detail" in line or b"mgdump" in line):
                continue
            self.assertRegex(self.connect(s).ask(line + b"\r\n"),
                             rb"^(CLIENT_)?ERROR .*not allowed\r\n$", line)
        if harness.ORACLE:
            return
        for key in (b"detail on", b"detail dump", b"detail off",
                    b"cachedump 1 0"):
            self.assertEqual(self.binary(s, 0x10, key)[0][0],
                             1 if key[:1] == b"c" else 0x20, key)

    def test_17_flushes_are_forbidden(self):
        s = self.start(["-F"])
        c = self.connect(s)
        self.assertEqual(c.ask(b"set k 0 0 1\r\n1\r\n"), b"STORED\r\n")
        for line in (b"flush_all", b"flush_all 0", b"flush_all -1",
                     b"flush_all 1"):
            self.assertEqual(c.ask(line + b"\r\n"),
                             b"CLIENT_ERROR flush_all not allowed\r\n")
        c.send(b"flush_all noreply\r\n")
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        for op in (0x08, 0x18):
            for extras in (b"", b"\0\0\0\0", b"\0\0\0\1"):
                b = self.connect(s)
                b.send(packet(op, extras=extras) + packet(0x0a))
                self.assertEqual([sasl.reply(b)[0] for _ in range(2)],
                                 [0x20, 0])
        c.send(b"get k\r\n")
        self.assertEqual(c.until(b"END\r\n"), b"VALUE k 0 1\r\n1\r\nEND\r\n")

    def test_17_watching_is_forbidden(self):
        s = self.start(["-W"])
        for line in (b"watch", b"watch fetchers", b"watch mutations",
                     b"watch connevents"):
            self.assertEqual(self.connect(s).ask(line + b"\r\n"),
                             b"CLIENT_ERROR watch commands not allowed\r\n")

    def test_17_replies_hold_nothing_else(self):
        """Memory is filled with a byte that no reply has, and passes through
        every buffer on its way out; then each opcode is answered."""
        s = self.start()
        marked = b"\xaa" * 900
        c = self.connect(s)
        for i in range(100):
            c.send(b"set m%d 0 0 900\r\n%s\r\n" % (i, marked))
            self.assertEqual(c.line(), b"STORED\r\n")
        c.send(b"get " + b" ".join(b"m%d" % i for i in range(100)) + b"\r\n")
        c.until(b"END\r\n")
        for i in range(100):
            c.ask(b"delete m%d\r\n" % i)
        # A short value in a long one's place.
        c.ask(b"set s 0 0 3\r\nabc\r\n")
        for op in range(256):
            for key in (b"", b"s", b"none"):
                for n in (0, 4, 8, 20):
                    with s.connect() as b:
                        b.send(packet(op, key, extras=b"\0" * n))
                        b.sock.shutdown(socket.SHUT_WR)
                        got = b.rest()
                        # A cas number may have any low byte.
                        self.assertLess(int.from_bytes(got[16:24], "big"),
                                        1 << 32)
                        self.assertNotIn(b"\xaa",
                                         got[:1] + got[2:16] + got[24:],
                                         (op, key, n))
        for line in (b"get s", b"mg s v t f c h l k O1 s", b"me s", b"stats",
                     b"stats items", b"stats slabs", b"stats settings",
                     b"stats conns", b"lru_crawler metadump all"):
            with s.connect() as t:
                t.send(line + b"\r\n")
                t.sock.shutdown(socket.SHUT_WR)
                self.assertNotIn(b"\xaa", t.rest(), line)

    def test_17_long_names_of_unix_peers(self):
        if harness.ORACLE:
            return              # with -s it has no TCP
        s = self.start(["-s", "{DIR}/s"])
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        name = b"\0" + b"n" * 107
        peer.bind(name)         # abstract, all of sun_path
        peer.connect(s.path("s"))
        with self.connect(s) as c:
            c.send(b"stats conns\r\n")
            for line in c.until(b"END\r\n").splitlines():
                self.assertLess(len(line), 400)
                self.assertTrue(re.fullmatch(rb"[ -~]*", line), line)
        self.works(s)


if __name__ == "__main__":
    unittest.main()
