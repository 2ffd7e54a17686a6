"""soak.py - everything at once, for as long as one likes.

    /usr/bin/python3 tests/e2e/soak.py SECONDS      (make soak T=600)

Writers and readers whose values prove themselves, text, meta and binary, more
than the memory holds, with short lives; and at the same time dumps, watchers,
statistics, flushes, page moves, changes of the memory limit and of the LRU,
users reloaded while clients log in, and clients that die half way.  Whatever
is read must be what was written under that key; the server must neither die
nor complain, and end with status 0.

Every thread has a seed of its own, so that a failure can be tried again.
"""
import os
import pathlib
import random
import signal
import struct
import sys
import threading
import time

import harness
from harness import until

KEYS = 6000
SIZES = (10, 10, 60, 60, 300, 300, 1000, 3000, 5000, 20000, 70000, 200000)
PASSWORD = "open sesame"


def value_of(key, size):
    """Says which key it belongs to and how long it is, all through."""
    word = b"<%s:%d>" % (key, size)
    return (word * (size // len(word) + 1))[:size]


class Soak:
    def __init__(self, seconds, args=()):
        self.seconds = seconds
        self.wrong = []
        self.done = {}
        self.stop = threading.Event()
        self.server = harness.Server(
            ["-m", "16", "-t", "4", "-c", "500", "-Y", "{DIR}/users",
             "-l", "noauth:127.0.0.1:-1", "-o", "idle_timeout=30", *args],
            env={"MEMCACHED_PORT_FILENAME": "{DIR}/ports"}, wait=False)

    # ------------------------------------------------------------ the talk

    def connect(self):
        """On the port where nobody has to log in."""
        return harness.Conn(("127.0.0.1", self.open_port))

    def find_port(self):
        def ports():
            try:
                text = pathlib.Path(self.server.path("ports")).read_text()
            except OSError:
                return None
            return [int(n) for n in text.split() if n.isdigit()]
        numbers = until(ports, "the port file")
        self.open_port = next(n for n in numbers if n != self.server.port)

    def count(self, what, n=1):
        self.done[what] = self.done.get(what, 0) + n

    def writer(self, r):
        with self.connect() as c:
            while not self.stop.is_set():
                out = []
                for _ in range(r.randrange(1, 40)):
                    key = b"k%d" % r.randrange(KEYS)
                    value = value_of(key, r.choice(SIZES))
                    ttl = r.choice((0, 0, 0, 1, 2, 5))
                    if r.random() < .5:
                        out.append(b"set %s 7 %d %d noreply\r\n%s\r\n" %
                                   (key, ttl, len(value), value))
                    elif r.random() < .5:
                        out.append(b"ms %s %d T%d F7 q\r\n%s\r\n" %
                                   (key, len(value), ttl, value))
                    else:
                        out.append(b"delete %s noreply\r\n" % key)
                c.send(b"".join(out) + b"mn\r\n")
                line = c.line()
                while line != b"MN\r\n":
                    if not line.startswith(b"SERVER_ERROR"):
                        raise AssertionError("a writer got %r" % line)
                    line = c.line()
                self.count("writes", len(out))

    def check(self, key, value):
        if value != value_of(key, len(value)):
            raise AssertionError("%r holds %r" % (key, value[:60]))

    def reader(self, r):
        with self.connect() as c:
            while not self.stop.is_set():
                keys = [b"k%d" % r.randrange(KEYS) for _ in range(50)]
                c.send(b"get %s\r\n" % b" ".join(keys))
                line = c.line()
                while line != b"END\r\n":
                    word, key, flags, size = line.split()
                    if word != b"VALUE" or flags != b"7":
                        raise AssertionError("a reader got %r" % line)
                    self.check(key, c.read(int(size) + 2)[:-2])
                    line = c.line()
                self.count("reads", len(keys))

    def meta_reader(self, r):
        with self.connect() as c:
            while not self.stop.is_set():
                keys = [b"k%d" % r.randrange(KEYS) for _ in range(30)]
                c.send(b"".join(b"mg %s v k t f %s\r\n" % (
                    k, r.choice((b"", b"T60", b"R1", b"u"))) for k in keys))
                for key in keys:
                    line = c.line()
                    if not line.startswith(b"EN"):
                        size = int(line.split()[1])
                        self.check(key, c.read(size + 2)[:-2])
                self.count("meta reads", len(keys))

    def binary(self, r):
        """getkq, and a touch now and then."""
        with self.connect() as c:
            while not self.stop.is_set():
                out = []
                for _ in range(30):
                    key = b"k%d" % r.randrange(KEYS)
                    out.append(struct.pack(">BBHBBHIIQ", 0x80, 0x0d, len(key),
                                           0, 0, 0, len(key), 7, 0) + key)
                c.send(b"".join(out) + struct.pack(
                    ">BBHBBHIIQ", 0x80, 0x0a, 0, 0, 0, 0, 0, 9, 0))
                while True:
                    _, op, nkey, extras, _, _, body, _, _ = struct.unpack(
                        ">BBHBBHIIQ", c.read(24))
                    text = c.read(body)
                    if op == 0x0a:
                        break
                    self.check(text[extras:extras + nkey],
                               text[extras + nkey:])
                self.count("binary reads", 30)

    # ------------------------------------------------------------ operators

    def ask(self, c, line, *ends):
        """Sends a line; reads until one of the ends."""
        c.send(line + b"\r\n")
        got = b""
        while not got.endswith(ends or (b"\n",)):
            got += c.line()
        self.count(line.split()[0].decode())
        return got

    def operator(self, r):
        with self.connect() as c:
            while not self.stop.wait(.05):
                self.ask(c, r.choice((
                    b"slabs reassign -1 %d" % r.randrange(1, 20),
                    b"slabs reassign %d %d" % (r.randrange(1, 40),
                                               r.randrange(1, 40)),
                    b"slabs automove %d" % r.randrange(3),
                    b"cache_memlimit %d" % r.randrange(8, 24),
                    b"lru mode flat", b"lru mode segmented",
                    b"lru temp_ttl %d" % r.randrange(-1, 5),
                    b"lru tune %d %d 0.2 2.0" % (r.randrange(1, 40),
                                                 r.randrange(1, 40)),
                    b"lru_crawler crawl all", b"stats detail on",
                    b"stats detail off", b"verbosity 0")))
                if r.random() < .02:
                    self.tally(c)
                    self.ask(c, b"stats reset")

    def tally(self, c):
        """Adds what the server has counted since its last reset."""
        text = self.ask(c, b"stats", b"END\r\n").decode()
        for name in ("evictions", "slabs_moved", "expired_unfetched"):
            self.count(name, int(text.split("STAT %s " % name)[1].split()[0]))

    def flusher(self, r):
        """Seldom enough for the cache to fill between two of them."""
        with self.connect() as c:
            while not self.stop.wait(2 + r.random() * 28):
                self.ask(c, r.choice((b"flush_all", b"flush_all 1",
                                      b"flush_all 2")))

    def dumper(self, r):
        with self.connect() as c:
            while not self.stop.wait(.02):
                what = r.choice((b"lru_crawler metadump all",
                                 b"lru_crawler mgdump all",
                                 b"lru_crawler metadump hash",
                                 b"stats cachedump %d 100" % r.randrange(1, 40),
                                 b"stats", b"stats slabs", b"stats items",
                                 b"stats conns", b"stats settings",
                                 b"stats detail dump", b"stats sizes"))
                self.ask(c, what, b"END\r\n", b"EN\r\n", b"BUSY currently "
                         b"processing crawler request\r\n",
                         b"NOTSTARTED no items to crawl\r\n")

    def watcher(self, r):
        while not self.stop.is_set():
            with self.connect() as c:
                c.send(b"watch fetchers mutations evictions deletions "
                       b"connevents\r\n")
                for _ in range(r.randrange(2000)):
                    if self.stop.is_set():
                        break
                    c.line()
                self.count("watch")

    def reloader(self, r):
        """Two files in turn; the one user is in both."""
        for i in range(1 << 30):
            if self.stop.wait(.05):
                return
            self.write_users("zoe%d:secret\n" % i)
            self.server.signal(signal.SIGHUP)
            self.count("reloads")

    def login(self, r):
        address = ("127.0.0.1", self.server.port)
        while not self.stop.wait(.01):
            word = r.choice((PASSWORD, PASSWORD, "wrong")).encode()
            pair = b"joe " + word
            with harness.Conn(address) as c:
                want = b"STORED\r\n" if word != b"wrong" else \
                    b"CLIENT_ERROR authentication failure\r\n"
                got = c.ask(b"set a 0 0 %d\r\n%s\r\n" % (len(pair), pair))
                if got != want:
                    raise AssertionError("a login got %r" % got)
                self.count("logins")

    def dying(self, r):
        while not self.stop.wait(.005):
            c = self.connect()
            c.send(r.choice((
                b"get k%d k%d k1 k2" % (r.randrange(KEYS), r.randrange(KEYS)),
                b"set half 0 0 %d\r\nabc" % r.choice((9, 9000, 900000)),
                b"get " + b" ".join(b"k%d" % r.randrange(KEYS)
                                    for _ in range(200)) + b"\r\n",
                b"lru_crawler metadump all\r\n", b"watch\r\n", b"\x80\x01",
                b"stats\r\n" * 50)))
            if r.random() < .8:
                c.reset()
            else:
                c.close()
            self.count("deaths")

    # ------------------------------------------------------------ the run

    def write_users(self, more=""):
        new = pathlib.Path(self.server.path("new"))
        new.write_text("joe:%s\n%s" % (PASSWORD, more))
        os.replace(new, self.server.path("users"))

    def guarded(self, work, seed):
        try:
            work(random.Random(seed))
        except (OSError, AssertionError, ValueError, struct.error) as e:
            if not self.stop.is_set():
                self.wrong.append("%s, seed %d: %r" % (
                    work.__name__, seed, e))
                self.stop.set()

    def run(self):
        """Raises AssertionError with what was wrong; returns counts."""
        self.write_users()
        self.server.start()
        try:
            self.server.wait_for_port()
            self.find_port()
            works = [self.writer] * 3 + [self.reader] * 3 + [
                self.meta_reader, self.binary, self.operator, self.flusher,
                self.dumper, self.watcher, self.reloader, self.login,
                self.dying]
            threads = [threading.Thread(target=self.guarded, args=(w, i))
                       for i, w in enumerate(works)]
            for t in threads:
                t.start()
            self.stop.wait(self.seconds)
            self.stop.set()
            for t in threads:
                t.join(harness.BOUND)
            if any(t.is_alive() for t in threads):
                self.wrong.append("a client hangs")
            if self.wrong:
                raise AssertionError("; ".join(self.wrong))
            with self.connect() as c:
                self.tally(c)
        finally:
            self.stop.set()
            self.server.stop()
        return self.done


if __name__ == "__main__":
    begun = time.monotonic()
    counts = Soak(float(sys.argv[1]) if len(sys.argv) > 1 else 60).run()
    for what, n in sorted(counts.items()):
        print("  %-16s %d" % (what, n))
    print("soak: %.0f s, 1 passed, 0 failed" % (time.monotonic() - begun))
