"""pylibmc, which is libmemcached: text and binary protocol."""
import unittest

import harness

try:
    import pylibmc
except ImportError:
    pylibmc = None


class Calls:
    BINARY = False

    def setUp(self):
        super().setUp()
        self.c = self.client()
        self.c.flush_all()

    def client(self, **behaviors):
        c = pylibmc.Client(["127.0.0.1:%d" % self.server.port],
                           binary=self.BINARY,
                           behaviors=dict(behaviors, cas=True))
        self.addCleanup(c.disconnect_all)
        return c

    def test_types(self):
        for value in (b"bytes", "text \u20ac", 1, 2 ** 40, True, None,
                      {"a": [1, (2, 3)]}, b"", b"x" * 100000):
            self.assertTrue(self.c.set("k", value))
            self.assertEqual(self.c.get("k"), value)

    def test_multi(self):
        items = {"k%d" % i: i for i in range(500)}
        self.assertEqual(self.c.set_multi(items), [])
        self.assertEqual(self.c.get_multi(list(items)), items)
        self.assertEqual(self.c.get_multi(["k1", "none"]), {"k1": 1})
        self.assertTrue(self.c.delete_multi(list(items)))
        self.assertEqual(self.c.get_multi(list(items)), {})

    def test_add_replace(self):
        self.assertTrue(self.c.add("k", 1))
        self.assertFalse(self.c.add("k", 2))
        self.assertTrue(self.c.replace("k", 3))
        if self.BINARY:
            with self.assertRaises(pylibmc.NotFound):
                self.c.replace("none", 3)
        else:
            self.assertFalse(self.c.replace("none", 3))
        self.assertEqual(self.c.get("k"), 3)

    def test_append_prepend(self):
        self.c.set("k", b"b")
        self.assertTrue(self.c.append("k", b"c"))
        self.assertTrue(self.c.prepend("k", b"a"))
        self.assertEqual(self.c.get("k"), b"abc")

    def test_cas(self):
        self.c.set("k", 1)
        value, cas = self.c.gets("k")
        self.assertEqual(value, 1)
        self.assertTrue(self.c.cas("k", 2, cas))
        self.assertFalse(self.c.cas("k", 3, cas))

    def test_incr_decr(self):
        self.c.set("n", 10)
        self.assertEqual(self.c.incr("n", 5), 15)
        self.assertEqual(self.c.decr("n", 14), 1)
        self.assertEqual(self.c.decr("n", 14), 0)
        with self.assertRaises(pylibmc.NotFound):
            self.c.incr("none")

    def test_touch_delete(self):
        self.c.set("k", 1)
        self.assertTrue(self.c.touch("k", 100))
        self.assertTrue(self.c.delete("k"))
        self.assertFalse(self.c.delete("k"))
        self.assertIsNone(self.c.get("k"))

    def test_expiry(self):
        self.c.set("k", 1, time=1)
        harness.until(lambda: self.c.get("k") is None, "k expires")

    def test_too_large(self):
        with self.assertRaises(pylibmc.Error):
            self.c.set("k", b"x" * (2 << 20))
        c = self.client()
        self.assertTrue(c.set("k", b"x" * 1000000))
        self.assertEqual(len(c.get("k")), 1000000)

    def test_stats(self):
        self.c.set("k", 1)
        (_, stats), = self.c.get_stats()
        self.assertEqual(int(stats["limit_maxbytes"]), 64 << 20)
        self.assertGreaterEqual(int(stats["curr_items"]), 1)

    def test_nonblocking(self):
        c = self.client(no_block=True, tcp_nodelay=True)
        for i in range(300):
            c.set("b%d" % i, i)
        self.assertEqual(c.get("b299"), 299)


    def test_ketama(self):
        c = self.client(ketama=True)
        self.assertEqual(c.set_multi({"1": b"a"}, key_prefix="p:"), [])
        self.assertEqual(c.get("p:1"), b"a")


@unittest.skipIf(pylibmc is None, "python3-pylibmc")
class Text(Calls, harness.Case):
    pass


@unittest.skipIf(pylibmc is None, "python3-pylibmc")
class Binary(Calls, harness.Case):
    BINARY = True
