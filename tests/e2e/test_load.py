"""At full load: dumps, watchers, a smaller memory; values of all sizes."""
import collections
import random
import re
import select
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

import harness

KIB, MIB = 1 << 10, 1 << 20
KEYS = 20000 if harness.SANITIZED else 200000

# A client of its own process that sets all keys again and again.
WRITER = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
n, at = int(sys.argv[2]), 0
print("begun", flush=True)
while True:
    s.sendall(b"".join(b"set key:%07d 0 0 8\\r\\nrewrites\\r\\n" % (i % n)
                       for i in range(at, at + 50)))
    want = 50 * len(b"STORED\\r\\n")
    while want > 0:
        got = len(s.recv(want))
        if got == 0:
            sys.exit()
        want -= got
    # Far from the last ones, all over the index.
    at = (at + 7919 * 50) % n
"""


def fill(c, n, value=b"12345678", key=b"key:%07d"):
    for at in range(0, n, 1000):
        c.send(b"".join(b"set " + key % i + b" 0 0 %d noreply\r\n%s\r\n" % (
            len(value), value) for i in range(at, min(n, at + 1000))))
    assert c.ask(b"mn\r\n") == b"MN\r\n"


class Dumps(harness.Case):
    # One worker, so that whoever asks shares it with the dump.
    ARGS = ["-t", "1", "-m", "256"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.connect() as c:
            fill(c, KEYS)

    def rewrite(self):
        p = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(self.server.port), str(KEYS)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def end():
            p.kill()
            p.wait()
            p.stdout.close()
        self.addCleanup(end)
        self.assertEqual(p.stdout.readline(), b"begun\n")

    def dump(self, form, last):
        """
        Reads a dump as fast as it comes, and asks for something else all the
        time.  Returns the dump, the most of it that came between a question
        and its answer, the longest wait, and the most memory.
        """
        d, c = self.connect(), self.connect()
        parts, tail = [], b""
        most = since = memory = 0
        longest = 0.0
        d.send(b"lru_crawler %s all\r\n" % form)
        c.send(b"get nobody\r\n")
        asked = time.monotonic()
        end = asked + 5 * harness.BOUND
        while not tail.endswith(last):
            self.assertLess(time.monotonic(), end, "the dump does not end")
            ready = select.select([d.sock, c.sock], [], [], harness.BOUND)[0]
            self.assertTrue(ready, "silence")
            if d.sock in ready:
                got = d.sock.recv(MIB)
                self.assertTrue(got, "closed")
                parts.append(got)
                tail = (tail + got)[-8:]
                since += len(got)
            most = max(most, since)
            if c.sock in ready:
                self.assertEqual(c.line(), b"END\r\n")
                longest = max(longest, time.monotonic() - asked)
                memory = max(memory, self.server.resident())
                since = 0
                asked = time.monotonic()
                c.send(b"get nobody\r\n")
        return b"".join(parts), most, longest, memory

    def check(self, form, last, pattern):
        self.rewrite()
        self.dump(form, last)   # whatever is allocated once
        before = self.server.resident()
        text, most, longest, memory = self.dump(form, last)
        counts = collections.Counter(
            urllib.parse.unquote(k.decode())
            for k in re.findall(pattern, text, re.M))
        missing = [i for i in range(KEYS) if "key:%07d" % i not in counts]
        self.assertEqual(missing, [], "keys that are not in the dump")
        # What is rewritten may come twice, but rarely.
        self.assertLess(sum(counts.values()), KEYS * 1.02)
        self.assertLess(most, len(text) // 2, "others wait for the dump")
        self.assertLess(longest, harness.BOUND / 4)
        if not harness.SANITIZED:
            self.assertLess(memory - before, 4 * MIB,
                            "a dump of %d KiB" % (len(text) // KIB))

    def test_metadump(self):
        self.check(b"metadump", b"END\r\n", rb"^key=(\S+) exp=-1 la=\d+ "
                   rb"cas=\d+ fetch=\w+ cls=\d+ size=\d+ flags=0 $")

    def test_mgdump(self):
        self.check(b"mgdump", b"EN\r\n", rb"^mg (\S+)\r$")

    def test_dumps_that_nobody_reads(self):
        """The answer waits in the index, not in memory."""
        before = self.server.resident()
        crowd = [self.connect(rcvbuf=4096) for _ in range(20)]
        for d in crowd:
            d.send(b"lru_crawler metadump all\r\n")
        for d in crowd:
            self.assertEqual(d.line(), b"OK\r\n")
        with self.server.connect() as c:
            for _ in range(1000):
                self.assertEqual(c.ask(b"get nobody\r\n"), b"END\r\n")
        if not harness.SANITIZED:
            # 20 answers would be 300 MiB; each may hold what its socket
            # did not take of one turn.
            self.assertLess(self.server.resident() - before, 20 * MIB)
        for d in crowd[::2]:
            d.reset()
        for d in crowd[1::2]:
            d.close()
        harness.until(lambda: int(self.server.stats()["curr_connections"])
                      <= 2, "the connections are gone")

    def test_commands_behind_a_dump(self):
        with self.server.connect() as c:
            c.send(b"lru_crawler mgdump all\r\nget nobody\r\nmn\r\n")
            text = c.until(b"MN\r\n")
        self.assertTrue(text.endswith(b"\r\nEN\r\nEND\r\nMN\r\n"), text[-99:])


class Watchers(harness.Case):
    ARGS = ["-t", "2"]
    REQUESTS = 30000 if harness.SANITIZED else 100000
    # Their lines are more than the kernel keeps for a socket.
    GET = b"get " + b"k" * 200 + b":%07d\r\n"

    def run_requests(self, c):
        begun = time.monotonic()
        for at in range(0, self.REQUESTS, 500):
            c.send(b"".join(self.GET % i for i in range(at, at + 500)))
            self.assertEqual(c.read(500 * 5), b"END\r\n" * 500)
        return time.monotonic() - begun

    def test_watcher_that_never_reads(self):
        c = self.connect()
        alone = self.run_requests(c)
        before = self.server.resident()
        w = self.connect(rcvbuf=4096)
        self.assertEqual(w.ask(b"watch fetchers\r\n"), b"OK\r\n")
        watched = self.run_requests(c)
        # A line costs time, waiting for the watcher would cost ages.
        self.assertLess(watched, 20 * alone + 1)
        if not harness.SANITIZED:
            self.assertLess(self.server.resident() - before, 4 * MIB)
        stats = self.server.stats()
        self.assertEqual(int(stats["log_worker_written"]), self.REQUESTS)
        self.assertGreater(int(stats["log_watcher_skipped"]), 0)
        self.assertEqual(int(stats["log_watcher_skipped"]) +
                         int(stats["log_watcher_sent"]), self.REQUESTS)
        self.works()
        self.account(w, c)

    def account(self, w, c):
        """It reads after all: every request is a line, or was skipped."""
        lines = skipped = 0
        done = False
        while not done:
            if not w.buf and not select.select([w.sock], [], [], 0.1)[0]:
                # All was read; one more request brings the number.
                c.ask(b"get last\r\n")
            line = w.line()
            if line.startswith(b"skipped="):
                skipped += int(line[8:])
                continue
            self.assertRegex(line, rb"^ts=\d+\.\d{6} gid=\d+ type=item_get "
                             rb"key=\S+ status=\w+ clsid=\d+ cfd=\d+ "
                             rb"size=\d+\n$")
            done = b"key=last " in line
            lines += not done and b"key=works " not in line
        self.assertGreater(skipped, 0)
        # works() makes a few lookups of its own, seen or skipped.
        self.assertLessEqual(0, lines + skipped - self.REQUESTS)
        self.assertLess(lines + skipped - self.REQUESTS, 10)


@unittest.skipIf(harness.SANITIZED, "sanitizers keep what is freed")
class Sizes(harness.Case):
    """How much is read at once depends on what came before."""
    ARGS = ["-t", "1", "-m", "256"]
    SIZES = (0, 10, 4000, 4096, 5000, 60000, 65500, 65536, 70000, 131072,
             300000)
    PIECES = (1, 3, 100, 4096, 5000, 65536, 200000, 1000000)

    def talk(self, r):
        """Sets and gets of a few keys; and what has to be answered."""
        values, asked, answered = {}, b"", b""
        for _ in range(40):
            key = b"k%d" % r.randrange(5)
            if r.random() < 0.5:
                v = values[key] = r.randbytes(r.choice(self.SIZES))
                asked += b"set %s 0 0 %d\r\n%s\r\n" % (key, len(v), v)
                answered += b"STORED\r\n"
                continue
            asked += b"get %s\r\n" % key
            if key in values:
                answered += b"VALUE %s 0 %d\r\n%s\r\n" % (
                    key, len(values[key]), values[key])
            answered += b"END\r\n"
        return asked, answered

    def test_small_and_large_in_turn(self):
        for seed in range(10):
            r = random.Random(seed)
            asked, answered = self.talk(r)
            c = self.connect()
            self.assertEqual(c.ask(b"flush_all\r\n"), b"OK\r\n")

            def send():
                at = 0
                while at < len(asked):
                    n = r.choice(self.PIECES)
                    c.send(asked[at:at + n])
                    at += n

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            got = c.read(len(answered))
            sender.join(harness.BOUND)
            self.assertTrue(got == answered, "seed %d" % seed)
            c.close()


class Memlimit(harness.Solo):
    def test_down_gives_back_and_up_takes(self):
        s = self.start(["-m", "256"])
        with s.connect() as c:
            fill(c, 100000, b"v" * 2000)
            full = s.resident()
            self.assertGreater(full, 190 * MIB)
            self.assertEqual(c.ask(b"cache_memlimit 64\r\n"), b"OK\r\n")

            def smaller():
                # It goes on while requests come.
                c.send(b"set x 0 0 1\r\nx\r\n")
                c.line()
                return s.resident() < full - 120 * MIB and \
                    int(s.stats()["bytes"]) <= 64 * MIB
            harness.until(smaller, "memory goes back to the system")
            stats = s.stats()
            self.assertEqual(int(stats["limit_maxbytes"]), 64 * MIB)
            self.assertGreater(int(stats["curr_items"]), 20000)
            fill(c, 100000, b"w" * 2000)
            self.assertLess(s.resident(), full - 120 * MIB)
            self.assertEqual(c.ask(b"cache_memlimit 256\r\n"), b"OK\r\n")
            fill(c, 100000, b"x" * 2000)
            self.assertGreater(s.resident(), 180 * MIB)
            self.assertGreater(int(s.stats()["curr_items"]), 90000)
            self.works(s)


if __name__ == "__main__":
    unittest.main()
