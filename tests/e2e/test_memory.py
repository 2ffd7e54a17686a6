"""Resident memory at full load: never above -m, the index and 32 MiB.  And how
seldom a server wakes that nobody asks for anything."""
import time

import harness

MIB = 1 << 20
LIMIT = 64 * MIB
OVER = 32 * MIB


@harness.unittest.skipIf(harness.SANITIZED, "sanitizers take memory, too")
class Full(harness.Solo):
    """Each server is filled twice over, then measured."""

    def fill(self, c, size, total, key=b"%014d"):
        value = b"v" * size
        per = 1000 if size < 2000 else 1 + 2 * MIB // size
        count = 2 * total // (size + 40)
        for at in range(0, count, per):
            c.send(b"".join(
                b"set %s 0 0 %d noreply\r\n%s\r\n" % (key % i, size, value)
                for i in range(at, min(at + per, count))))
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    def check(self, s, what):
        stats = s.stats()
        index = int(stats["hash_bytes"])
        most = LIMIT + index + OVER
        resident = s.resident()
        self.assertLessEqual(
            resident, most, "%s: %d MiB resident; index %d MiB" % (
                what, resident // MIB, index // MIB))
        self.assertGreater(int(stats["evictions"]), 0, what)
        self.works(s)

    def full(self, *sizes):
        s = self.start(["-m", "64", "-t", "4"])
        with s.connect() as c:
            for size in sizes:
                self.fill(c, size, LIMIT)
            self.check(s, "values of %s" % (sizes,))
        return s

    def test_10_bytes(self):
        self.full(10)

    def test_100_bytes(self):
        self.full(100)

    def test_1000_bytes(self):
        self.full(1000)

    def test_8_kilobytes(self):
        self.full(8000)

    def test_500_kilobytes(self):
        self.full(500000)

    def test_sizes_that_change(self):
        self.full(1000, 50, 20000, 300, 300000)

    def test_a_thousand_connections(self):
        s = self.start(["-m", "64", "-c", "2000"])
        crowd = [self.connect(s) for _ in range(1000)]
        with s.connect() as c:
            self.fill(c, 100, LIMIT)
        for c in crowd:
            c.send(b"get nothing\r\nget nothing\r\n")
        for c in crowd:
            self.assertEqual(c.read(10), b"END\r\nEND\r\n")
        self.check(s, "1000 connections")

    def test_idle_server_is_small(self):
        s = self.start(["-m", "1024"])
        self.works(s)
        self.assertLess(s.resident(), 16 * MIB)


def steps(s):
    return int(s.stats()["lru_maintainer_juggles"])


class Rest(harness.Solo):
    """Upkeep comes once a second; once a millisecond while it finds work."""
    STEPS = 3

    def rests(self, s):
        """Within a while STEPS steps take as many seconds, nearly."""
        def slow():
            before, began = steps(s), time.monotonic()
            harness.until(lambda: steps(s) - before >= self.STEPS, "steps")
            return time.monotonic() - began > self.STEPS - 1.5
        harness.until(slow, "it rests")

    def fill(self, c, nkeys, size, key):
        value = b"v" * size
        for at in range(0, nkeys, 1000):
            c.send(b"".join(
                b"set %s%d 0 0 %d noreply\r\n%s\r\n" % (key, i, size, value)
                for i in range(at, at + 1000)))
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    @harness.slabd_only("it wakes for more than one reason")
    def test_whatever_it_holds(self):
        s = self.start(["-m", "32"])
        self.rests(s)
        with s.connect() as c:
            self.fill(c, 400000, 60, b"a")
            self.rests(s)
            self.fill(c, 20000, 1000, b"b")
        self.rests(s)
        self.assertGreater(int(s.stats()["evictions"]), 0)
