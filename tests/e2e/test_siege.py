"""Clients that stop half way, never read, or come in crowds."""
import os
import pathlib
import signal
import subprocess
import threading
import unittest

import harness
from harness import slabd_only, until

CROWD = 200
MIB = 1 << 20


def chatter(server, stop, wrong, request, reply):
    """A client that works on while others attack."""
    try:
        with server.connect() as c:
            while not stop.is_set():
                c.send(request)
                got = b""
                while got != reply:
                    c.more()
                    got, c.buf = got + c.buf, b""
                    if not got or not reply.startswith(got):
                        wrong.append(got or "closed")
                        return
    except (OSError, AssertionError) as e:
        wrong.append(repr(e))


class Busy:
    """with Busy(server): a well-behaved client is served all the while."""

    def __init__(self, case, request=b"set busy 0 0 3\r\nyes\r\nget busy\r\n",
                 reply=b"STORED\r\nVALUE busy 0 3\r\nyes\r\nEND\r\n"):
        self.case = case
        self.stop = threading.Event()
        self.wrong = []
        self.thread = threading.Thread(
            target=chatter,
            args=(case.server, self.stop, self.wrong, request, reply))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join(harness.BOUND)
        if kind is None:
            self.case.assertFalse(self.thread.is_alive())
            self.case.assertEqual(self.wrong, [])


class HalfOpen(harness.Case):
    """200 at a time; memory stays bounded and others are served."""
    ARGS = ["-m", "64", "-c", "2000"]
    # What the arena may take, and half a megabyte for each of the crowd:
    # sockets that never read hold a batch of replies each.
    BOUND = 64 * MIB + CROWD * MIB // 2 + 32 * MIB

    def crowd(self, data, n=CROWD, **kw):
        crowd = []
        for _ in range(n):
            c = self.connect(**kw)
            if data:
                c.send(data)
            crowd.append(c)
        return crowd

    def bounded(self):
        # memcached keeps what it has read and not yet answered.
        if not harness.SANITIZED and not harness.ORACLE:
            self.assertLess(self.server.resident(), self.BOUND)
        self.works()

    def test_silent_clients(self):
        with Busy(self):
            self.crowd(b"")
            self.bounded()

    def test_half_a_line(self):
        with Busy(self):
            self.crowd(b"get " + b"x" * 200)
            self.bounded()

    def test_half_a_value(self):
        with Busy(self):
            self.crowd(b"set half 0 0 1000000\r\n" + b"x" * 500000)
            self.bounded()

    def test_half_a_swallowed_value(self):
        with Busy(self):
            self.crowd(b"set half 0 0 100000000\r\n" + b"x" * 500000)
            self.bounded()

    def test_ask_for_much_and_never_read(self):
        c = self.connect()
        self.assertEqual(c.ask(b"set large 0 0 100000\r\n" + b"v" * 100000 +
                               b"\r\n"), b"STORED\r\n")
        with Busy(self):
            for one in self.crowd(b"", rcvbuf=4096):
                one.sock.setblocking(False)
                try:
                    one.sock.send(b"get large\r\n" * 200)
                except BlockingIOError:
                    pass
            self.bounded()

    def test_ask_for_little_very_often_and_never_read(self):
        c = self.connect()
        self.assertEqual(c.ask(b"set small 0 0 1000\r\n" + b"v" * 1000 +
                               b"\r\n"), b"STORED\r\n")
        with Busy(self):
            for one in self.crowd(b"", rcvbuf=4096):
                one.sock.setblocking(False)
                try:
                    one.sock.send(b"get small\r\n" * 5000)
                except BlockingIOError:
                    pass
            self.bounded()

    def test_a_huge_multiget_of_one_key_never_read(self):
        c = self.connect()
        self.assertEqual(c.ask(b"set k 0 0 1000\r\n" + b"v" * 1000 + b"\r\n"),
                         b"STORED\r\n")
        with Busy(self):
            for one in self.crowd(b"", n=4, rcvbuf=4096):
                one.sock.setblocking(False)
                try:
                    one.sock.send(b"get" + b" k" * 70000 + b"\r\n")
                except BlockingIOError:
                    pass
            self.bounded()

    def test_dumps_and_stats_never_read(self):
        c = self.connect()
        for i in range(100):
            c.send(b"".join(b"set dump%d-%d 0 0 10 noreply\r\n0123456789\r\n" %
                            (i, j) for j in range(500)))
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        with Busy(self):
            for one in self.crowd(b"", n=20, rcvbuf=4096):
                one.send(b"lru_crawler metadump all\r\n")
            for one in self.crowd(b"", n=20, rcvbuf=4096):
                one.sock.setblocking(False)
                try:
                    one.sock.send(b"stats settings\r\n" * 5000)
                except BlockingIOError:
                    pass
            self.bounded()

    def test_watchers_never_read(self):
        for one in self.crowd(b"watch fetchers mutations\r\n", n=10,
                              rcvbuf=4096):
            self.assertEqual(one.line(), b"OK\r\n")
        with Busy(self):
            c = self.connect()
            for _ in range(100):
                c.send(b"get nothing\r\n" * 1000)
                self.assertEqual(len(c.read(5000)), 5000)
            self.bounded()

    def test_close_during_a_dump(self):
        for _ in range(20):
            c = self.connect()
            c.send(b"lru_crawler metadump all\r\n")
            c.line()
            c.reset()
        self.bounded()

    def test_die_in_the_middle_of_everything(self):
        with Busy(self):
            for data in (b"get", b"set k 0 0 5\r\nab", b"ms k 900000\r\nxx",
                         b"get " + b"k " * 1000, b"set k 0 0 5\r\nabcde\r",
                         b"gat 0 k k k\r\n" * 100, b"stats\r\n" * 100,
                         b"watch\r\n", b"set k 0 0 100000000\r\n"):
                for _ in range(20):
                    c = self.connect()
                    c.send(data)
                    c.reset()
            self.bounded()

    def test_reconnect_storm(self):
        with Busy(self):
            for i in range(3000):
                c = self.server.connect()
                if i % 3 == 0:
                    c.reset()
                else:
                    c.close()
            self.bounded()

    def test_slowloris(self):
        crowd = self.crowd(b"g", n=50)
        with Busy(self):
            for b in b"et slow\r":
                for c in crowd:
                    c.send(b"%c" % b)
            self.bounded()
        for c in crowd:
            self.assertEqual(c.ask(b"\n"), b"END\r\n")

    @classmethod
    def tearDownClass(cls):
        # What the crowds held is given back: their connections are gone.
        try:
            until(lambda: int(cls.server.stats()["curr_connections"]) <= 5,
                  "connections of the dead are closed")
        finally:
            super().tearDownClass()


class Blocked(harness.Case):
    """An item changes while a reader of it is blocked."""
    ARGS = ["-m", "64"]
    SIZE = 200000

    def blocked(self, change):
        old = b"o" * self.SIZE
        new = b"n" * self.SIZE
        c = self.connect()
        self.assertEqual(c.ask(b"set big 0 0 %d\r\n%s\r\n" % (self.SIZE, old)),
                         b"STORED\r\n")
        r = self.connect(rcvbuf=4096)
        r.send(b"get big\r\n" * 100)
        hit = b"VALUE big 0 %d\r\n" % self.SIZE
        head = r.read(len(hit) + 1000)
        self.assertTrue(head.startswith(hit))
        change(c, new)
        self.works()
        r.buf = head + r.buf
        r.send(b"mn\r\n")
        seen = 0
        while True:
            line = r.line()
            if line == b"MN\r\n":
                break
            if line == b"END\r\n":
                seen += 1
                continue
            self.assertEqual(line, hit)
            value = r.read(self.SIZE + 2)
            self.assertIn(value, (old + b"\r\n", new + b"\r\n"))
        self.assertEqual(seen, 100)

    def test_replaced(self):
        def change(c, new):
            self.assertEqual(c.ask(b"set big 0 0 %d\r\n%s\r\n" %
                                   (self.SIZE, new)), b"STORED\r\n")
        self.blocked(change)

    def test_deleted(self):
        def change(c, new):
            self.assertEqual(c.ask(b"delete big\r\n"), b"DELETED\r\n")
        self.blocked(change)

    def test_flushed(self):
        def change(c, new):
            self.assertEqual(c.ask(b"flush_all\r\n"), b"OK\r\n")
        self.blocked(change)

    def test_evicted(self):
        def change(c, new):
            for i in range(1000):
                c.send(b"set fill%d 0 0 %d noreply\r\n%s\r\n" %
                       (i, self.SIZE, new))
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        self.blocked(change)

    def test_reader_dies(self):
        c = self.connect()
        for i in range(50):
            self.assertEqual(
                c.ask(b"set big 0 0 %d\r\n%s\r\n" %
                      (self.SIZE, b"%c" % (65 + i % 26) * self.SIZE)),
                b"STORED\r\n")
            r = self.connect(rcvbuf=4096)
            r.send(b"get big\r\n" * 20)
            r.read(100)
            r.reset()
        self.works()


class Many(harness.Case):
    """References, prefixes and requests by the million."""

    @slabd_only("memcached 1.6.18 needs half a minute")
    def test_one_key_a_hundred_thousand_times(self):
        c = self.connect()
        self.assertEqual(c.ask(b"set k 0 0 1\r\na\r\n"), b"STORED\r\n")
        n = 100000
        threading.Thread(
            target=c.send, args=(b"get" + b" k" * n + b"\r\n",)).start()
        hit = b"VALUE k 0 1\r\na\r\n"
        self.assertEqual(c.read(len(hit) * n + 5), hit * n + b"END\r\n")
        self.assertEqual(c.ask(b"delete k\r\n"), b"DELETED\r\n")

    def test_mn_flood(self):
        c = self.connect()
        n = 300000
        t = threading.Thread(target=c.send, args=(b"mn\r\n" * n,))
        t.start()
        self.assertEqual(c.read(4 * n), b"MN\r\n" * n)
        t.join()

    def test_noreply_flood(self):
        c = self.connect()
        for _ in range(20):
            c.send(b"set k 0 0 1 noreply\r\na\r\ndelete k noreply\r\n" * 5000)
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    @slabd_only("memcached keeps every prefix")
    def test_a_million_prefixes(self):
        c = self.connect()
        self.assertEqual(c.ask(b"stats detail on\r\n"), b"OK\r\n")
        before = self.server.resident()
        for i in range(1000):
            c.send(b"get" + b"".join(b" %d-%d:x" % (i, j) for j in range(1000))
                   + b"\r\n")
            self.assertEqual(c.line(), b"END\r\n")
        self.assertEqual(c.ask(b"stats detail off\r\n"), b"OK\r\n")
        if not harness.SANITIZED:
            self.assertLess(self.server.resident() - before, 64 * MIB)
        c.send(b"stats detail dump\r\n")
        c.until(b"END\r\n")
        self.works()


class Limits(harness.Solo):
    def test_admin_under_load(self):
        s = self.server = self.start(["-m", "64"])
        stop, wrong = threading.Event(), []
        value = b"v" * 3000
        t = [threading.Thread(target=chatter, args=(
            s, stop, wrong, b"set load%d 0 0 3000\r\n%s\r\nmn\r\n" % (i, value),
            b"STORED\r\nMN\r\n")) for i in range(4)]
        for one in t:
            one.start()
        try:
            c = self.connect(s)
            for i in range(40):
                for size in (10, 1000, 8000, 60000):
                    c.send(b"".join(
                        b"set f%d-%d-%d 0 0 %d noreply\r\n%s\r\n" %
                        (size, i, j, size, b"x" * size) for j in range(20)))
                for line in (b"slabs reassign -1 %d" % (i % 40 + 1),
                             b"slabs reassign %d %d" % (i % 40 + 1, i % 7 + 1),
                             b"slabs automove %d" % (i % 3),
                             b"cache_memlimit %d" % (8 + i * 3),
                             b"lru_crawler crawl all", b"flush_all"):
                    self.assertRegex(c.ask(line + b"\r\n"),
                                     rb"^[A-Z_]+\b.*\r\n$")
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        finally:
            stop.set()
            for one in t:
                one.join(harness.BOUND)
        self.assertEqual(wrong, [])
        self.works(s)

    def test_what_is_forbidden(self):
        s = self.start(["-X", "-F", "-W"])
        c = self.connect(s)
        c.send(b"set k 0 0 1\r\na\r\n")
        self.assertEqual(c.line(), b"STORED\r\n")
        for line, reply in (
                (b"flush_all", b"CLIENT_ERROR flush_all not allowed\r\n"),
                (b"flush_all 10", b"CLIENT_ERROR flush_all not allowed\r\n"),
                (b"stats cachedump 1 0",
                 b"CLIENT_ERROR stats cachedump not allowed\r\n"),
                (b"lru_crawler metadump all",
                 b"ERROR metadump not allowed\r\n"),
                (b"watch fetchers",
                 b"CLIENT_ERROR watch commands not allowed\r\n")):
            self.assertEqual(c.ask(line + b"\r\n"), reply)
        if not harness.ORACLE:
            self.assertEqual(c.ask(b"stats detail dump\r\n"),
                             b"CLIENT_ERROR stats detail not allowed\r\n")
        c.send(b"get k\r\n")
        self.assertEqual(c.until(b"END\r\n"), b"VALUE k 0 1\r\na\r\nEND\r\n")


def has_auth():
    """Whether the server knows -Y at all: a missing file is what it minds."""
    p = subprocess.run([harness.BINARY, "-u", "root", "-Y", "/no/such/file"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=harness.BOUND)
    return b"not there yet" not in p.stdout


USERS = b"ann:secret one\nbob:x\n"


@unittest.skipUnless(has_auth(), "-Y is not there yet")
class AuthFile(harness.Solo):
    """Files of users, good and bad, and what is said before login."""

    def server_with(self, content, wait=True):
        s = harness.Server(["-Y", "{DIR}/users"], wait=False)
        self.addCleanup(s.stop)
        pathlib.Path(s.path("users")).write_bytes(content)
        s.start()
        if wait:
            s.wait_for_port()
        return s

    def login(self, s, pair, want):
        c = self.connect(s)
        self.assertRegex(c.ask(b"set a 0 0 %d\r\n%s\r\n" %
                               (len(pair), pair)), b"^%s$" % want)
        return c

    OK = b"STORED\r\n"
    NO = b"CLIENT_ERROR authentication failure\r\n"
    REFUSED = rb"CLIENT_ERROR (authentication failure|" \
              rb"bad authentication token format)\r\n"

    def test_states(self):
        s = self.server_with(USERS)
        c = self.connect(s)
        un = b"CLIENT_ERROR unauthenticated\r\n"
        for line in (b"get abc", b"version", b"stats settings", b"flush_all",
                     b"mg abc v", b"lru_crawler metadump all", b"shutdown"):
            self.assertEqual(c.ask(line + b"\r\n"), un, line)
        self.assertEqual(c.ask(b"set a 0 0 5\r\nbob y\r\n"), self.NO)
        self.assertEqual(c.ask(b"get abc\r\n"), un)
        self.assertEqual(c.ask(b"set a 0 0 5\r\nbob x\r\n"), self.OK)
        c.send(b"get a\r\n")
        self.assertEqual(c.line(), b"END\r\n")      # nothing was stored
        # Authenticated: an ordinary set.
        self.assertEqual(c.ask(b"set a 0 0 5\r\nbob y\r\n"), b"STORED\r\n")
        c.send(b"get a\r\n")
        self.assertEqual(c.until(b"END\r\n"),
                         b"VALUE a 0 5\r\nbob y\r\nEND\r\n")

    def test_bad_tokens(self):
        s = self.server_with(USERS)
        for pair in (b"bob ", b" x", b"bob xx", b"bo x", b"bob X",
                     b"bob x\0", b"\0bob x", b"ann secret", b"ann x",
                     b"bob:x x", b"nobody x"):
            self.login(s, pair, self.REFUSED)
        self.login(s, b"bob x", self.OK)
        if not harness.ORACLE:
            self.login(s, b"ann secret one", self.OK)
        c = self.connect(s)
        self.assertEqual(
            c.ask(b"set a 0 0 3\r\nbob\r\n"),
            b"CLIENT_ERROR bad authentication token format\r\n")
        c = self.connect(s)
        self.assertRegex(c.ask(b"set a 0 0 -1\r\n"), rb"^CLIENT_ERROR ")
        if not harness.ORACLE:
            c = self.connect(s)
            self.assertEqual(c.ask(b"set a 0 0 16385\r\n"),
                             b"CLIENT_ERROR auth token too long\r\n")
        for data in (b"quit\r\n", b"x" * 100000):
            c = self.connect(s)
            try:
                c.send(data)
                if not harness.ORACLE:
                    self.assertEqual(c.rest(), b"")
            except OSError:
                pass
        self.login(s, b"bob x", self.OK)

    def test_no_final_newline(self):
        self.login(self.server_with(b"ann:a\nbob:x"), b"bob x", self.OK)

    def test_duplicate_users(self):
        # Refused with the line, or one of the two: memcached takes both.
        self.survives(b"bob:x\nbob:y\n")

    def survives(self, content):
        """Starts and lets nobody wrong in, or does not start and says why."""
        s = self.server_with(content, wait=False)
        if s.decision() is not None:
            self.assertGreater(s.wait(), 0)     # not by a signal
            self.assertNotEqual(s.output().strip(), "")
            return
        for pair in (b"bob ", b" ", b"a b", b"\0 \0"):
            self.login(s, pair, self.REFUSED)

    def test_crlf(self):
        self.survives(b"bob:x\r\nann:y\r\n")

    def test_empty(self):
        self.survives(b"")

    def test_a_line_of_a_megabyte(self):
        self.survives(b"bob:" + b"x" * MIB + b"\n")

    def test_a_user_of_a_megabyte(self):
        self.survives(b"x" * MIB + b":x\n")

    def test_no_colon(self):
        self.survives(b"bob\n")

    def test_nul(self):
        self.survives(b"bo\0b:x\0y\n\0\0\0\n")

    def test_empty_lines(self):
        self.survives(b"\n\n\nbob:x\n")

    def test_missing_file(self):
        s = harness.Server(["-Y", "{DIR}/none"], wait=False)
        self.addCleanup(s.stop)
        s.start()
        self.assertGreater(s.wait(), 0)
        self.assertIn("none", s.output())

    def test_reload_under_load(self):
        s = self.server = self.server_with(USERS)
        c = self.login(s, b"bob x", self.OK)
        for i in range(30):
            pathlib.Path(s.path("new")).write_bytes(
                b"bob:x\n" if i % 2 else b"bob:x\ncarol:p%d\n" % i)
            os.replace(s.path("new"), s.path("users"))
            s.signal(signal.SIGHUP)
            for _ in range(10):
                self.login(s, b"bob x", self.OK).close()
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        pathlib.Path(s.path("users")).write_bytes(b"dora:new\n")
        s.signal(signal.SIGHUP)
        until(lambda: self.connect(s).ask(b"set a 0 0 8\r\ndora new\r\n") ==
              self.OK, "the new file is read")
        self.login(s, b"bob x", self.NO)


if __name__ == "__main__":
    unittest.main()
