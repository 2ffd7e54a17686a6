"""stampede.py's promise: of fifty clients that need a value one builds it."""
import threading
import unittest

import harness
import stampede

CLIENTS = 50
ROUNDS = 10


class Stampede(harness.Case):
    ARGS = ["-t", "4"]

    def storm(self, key, value, ready=None):
        """Fifty clients at once; returns what they got.  build() ends when
        ready() says so."""
        builds = []
        lock = threading.Lock()

        def build():
            with lock:
                builds.append(1)
            if ready is not None:
                harness.until(ready, "the others are served")
            return value

        got = stampede.stampede("127.0.0.1", self.server.port, key, build,
                                CLIENTS)
        self.assertNotIn(None, got, "a client failed")
        self.assertEqual(len(builds), 1, "clients told to build it")
        return got

    def count(self, got, how):
        return sum(1 for _, h in got if h == how)

    def gets(self):
        return int(self.server.stats()["cmd_get"])

    def test_missing(self):
        for i in range(ROUNDS):
            value = b"value %d" % i
            before = self.gets()
            # All have asked before there is anything to be had.
            got = self.storm(b"missing:%d" % i, value,
                             lambda: self.gets() - before >= CLIENTS)
            self.assertEqual({v for v, _ in got}, {value})
            self.assertEqual(self.count(got, "built"), 1)
            self.assertEqual(self.count(got, "fresh"), CLIENTS - 1)

    def test_stale(self):
        c = stampede.Cache("127.0.0.1", self.server.port)
        self.addCleanup(c.close)
        old = b"value 0"
        c.ask(b"ms page %d T300\r\n%s\r\n" % (len(old), old))
        for i in range(1, ROUNDS):
            self.assertTrue(c.invalidate(b"page"))
            before = self.gets()
            new = b"value %d" % i
            # The winner takes its time: all others are served meanwhile.
            got = self.storm(b"page", new,
                             lambda: self.gets() - before >= CLIENTS)
            self.assertEqual(self.count(got, "built"), 1)
            self.assertEqual(self.count(got, "stale"), CLIENTS - 1)
            for value, how in got:
                self.assertEqual(value, new if how == "built" else old)
            old = new
            self.assertEqual(c.fetch(b"page", self.fail), (new, "fresh"))

    def test_expires_soon(self):
        c = stampede.Cache("127.0.0.1", self.server.port)
        self.addCleanup(c.close)
        for i in range(ROUNDS):
            key = b"soon:%d" % i
            c.ask(b"ms %s 3 T%d\r\nold\r\n" % (key, c.EARLY - 2))
            before = self.gets()
            got = self.storm(key, b"new",
                             lambda: self.gets() - before >= CLIENTS)
            # It is not over yet, so nobody calls it stale.
            self.assertEqual(self.count(got, "fresh"), CLIENTS - 1)
            for value, how in got:
                self.assertEqual(value, b"new" if how == "built" else b"old")

    def test_invalidated_while_being_built(self):
        """The late writer's value is kept, but it is as stale as before."""
        a = stampede.Cache("127.0.0.1", self.server.port)
        b = stampede.Cache("127.0.0.1", self.server.port)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        a.ask(b"ms late 3 T300\r\none\r\n")
        a.invalidate(b"late")

        def build():
            b.invalidate(b"late")
            return b"two"
        self.assertEqual(a.fetch(b"late", build), (b"two", "built"))
        words, value = b.ask(b"mg late v c N30 R10\r\n")
        self.assertIn("X", words)
        self.assertEqual(value, b"two")

    def test_winner_that_dies(self):
        """Its empty place goes, and the next one wins."""
        a = stampede.Cache("127.0.0.1", self.server.port)
        self.addCleanup(a.close)
        words, value = a.ask(b"mg dies v N1\r\n")
        self.assertEqual((words, value), (["VA", "W"], b""))

        def wins():
            return "W" in a.ask(b"mg dies v N1\r\n")[0]
        harness.until(wins, "another one wins")


if __name__ == "__main__":
    unittest.main()
