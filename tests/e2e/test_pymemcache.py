"""pymemcache: the calls that applications make, and the client's own tests."""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import unittest

import harness

try:
    from pymemcache.client.base import Client, PooledClient
    from pymemcache.exceptions import MemcacheIllegalInputError
except ImportError:
    Client = None


@unittest.skipIf(Client is None, "python3-pymemcache")
class Pymemcache(harness.Case):
    def setUp(self):
        super().setUp()
        self.c = Client(("127.0.0.1", self.server.port), timeout=10,
                        connect_timeout=10, default_noreply=False)
        self.addCleanup(self.c.close)
        self.c.flush_all()

    def test_set_get(self):
        self.assertTrue(self.c.set("k", b"value"))
        self.assertEqual(self.c.get("k"), b"value")
        self.assertIsNone(self.c.get("none"))
        self.assertEqual(self.c.get("none", b"other"), b"other")

    def test_every_byte(self):
        value = bytes(range(256)) * 16 + b"\r\nEND\r\nVALUE k 0 1\r\n"
        self.c.set("k", value)
        self.assertEqual(self.c.get("k"), value)
        self.c.set("k", b"")
        self.assertEqual(self.c.get("k"), b"")

    def test_sizes(self):
        for n in (1, 100, 1000, 4095, 4096, 4097, 16384, 65536, 500000,
                  1000000):
            value = (b"0123456789" * (n // 10 + 1))[:n]
            self.assertTrue(self.c.set("big", value), n)
            self.assertEqual(self.c.get("big"), value, n)

    def test_many(self):
        items = {"key%d" % i: b"%d" % i for i in range(1000)}
        self.assertEqual(self.c.set_many(items), [])
        self.assertEqual(self.c.get_many(list(items)), items)
        self.assertEqual(len(self.c.gets_many(list(items)[:50])), 50)
        self.assertTrue(self.c.delete_many(list(items)))
        self.assertEqual(self.c.get_many(list(items)), {})

    def test_add_replace(self):
        self.assertTrue(self.c.add("k", b"1"))
        self.assertFalse(self.c.add("k", b"2"))
        self.assertTrue(self.c.replace("k", b"3"))
        self.assertFalse(self.c.replace("none", b"3"))
        self.assertEqual(self.c.get("k"), b"3")

    def test_append_prepend(self):
        self.assertFalse(self.c.append("k", b"x"))
        self.c.set("k", b"b")
        self.assertTrue(self.c.append("k", b"c"))
        self.assertTrue(self.c.prepend("k", b"a"))
        self.assertEqual(self.c.get("k"), b"abc")

    def test_cas(self):
        self.c.set("k", b"1")
        value, cas = self.c.gets("k")
        self.assertEqual(value, b"1")
        self.assertTrue(self.c.cas("k", b"2", cas))
        self.assertFalse(self.c.cas("k", b"3", cas))
        self.assertIsNone(self.c.cas("none", b"3", cas))
        self.assertEqual(self.c.get("k"), b"2")

    def test_incr_decr(self):
        self.assertIsNone(self.c.incr("n", 1))
        self.c.set("n", b"10")
        self.assertEqual(self.c.incr("n", 5), 15)
        self.assertEqual(self.c.decr("n", 20), 0)

    def test_delete_touch(self):
        self.c.set("k", b"1")
        self.assertTrue(self.c.touch("k", 100))
        self.assertTrue(self.c.delete("k"))
        self.assertFalse(self.c.delete("k"))
        self.assertFalse(self.c.touch("k", 100))

    def test_noreply_keeps_step(self):
        for i in range(200):
            self.c.set("k", b"%d" % i, noreply=True)
            self.assertEqual(self.c.get("k"), b"%d" % i)
            self.c.delete("k", noreply=True)
            self.c.delete("k", noreply=True)
            self.assertIsNone(self.c.get("k"))

    def test_flags(self):
        def dump(key, value):
            return (value, 0) if isinstance(value, bytes) else \
                (repr(value).encode(), 4294967295)

        def load(key, value, flags):
            return value if flags == 0 else eval(value)
        c = Client(("127.0.0.1", self.server.port), timeout=10,
                   serializer=dump, deserializer=load)
        self.addCleanup(c.close)
        c.set("k", {"a": [1, 2]}, noreply=False)
        self.assertEqual(c.get("k"), {"a": [1, 2]})

    def test_stats_and_version(self):
        self.c.set("k", b"1")
        self.c.get("k")
        stats = self.c.stats()
        self.assertGreaterEqual(stats[b"cmd_get"], 1)
        self.assertGreaterEqual(stats[b"get_hits"], 1)
        self.assertEqual(stats[b"limit_maxbytes"], 64 << 20)
        self.assertIn(b"evictions", self.c.stats("settings"))
        self.assertRegex(self.c.version(), rb"^1\.6\.\d+")
        self.assertTrue(self.c.cache_memlimit(64))

    def test_expiry(self):
        self.c.set("k", b"1", expire=-1)
        self.assertIsNone(self.c.get("k"))
        self.c.set("k", b"1", expire=1)
        harness.until(lambda: self.c.get("k") is None, "k expires")

    def test_too_large(self):
        from pymemcache.exceptions import MemcacheServerError
        self.c.set("k", b"old")
        with self.assertRaises(MemcacheServerError):
            self.c.set("k", b"x" * (2 << 20))
        self.assertIsNone(self.c.get("k"))
        self.assertTrue(self.c.set("k", b"new"))

    def test_illegal_key(self):
        with self.assertRaises(MemcacheIllegalInputError):
            self.c.set("k" * 251, b"1")
        self.assertTrue(self.c.set("k" * 250, b"1"))
        self.assertEqual(self.c.get("k" * 250), b"1")

    def test_pool(self):
        import threading
        pool = PooledClient(("127.0.0.1", self.server.port), timeout=10,
                            max_pool_size=8)
        wrong = []

        def work(me):
            for i in range(200):
                pool.set("t%d" % me, b"%d" % i, noreply=False)
                if pool.get("t%d" % me) != b"%d" % i:
                    wrong.append((me, i))
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(harness.BOUND)
            self.assertFalse(t.is_alive())
        pool.close()
        self.assertEqual(wrong, [])


@unittest.skipIf(Client is None, "python3-pymemcache")
@unittest.skipUnless(importlib.util.find_spec("pytest"), "python3-pytest")
class OwnTests(harness.Case):
    """What pymemcache's authors run against a memcached; Debian ships it."""

    def test_integration(self):
        spec = importlib.util.find_spec("pymemcache")
        path = pathlib.Path(spec.origin).parent / "test" / \
            "test_integration.py"
        p = subprocess.run(
            [sys.executable, "-m", "pytest", str(path), "-q",
             "-p", "no:cacheprovider", "-k", "not test_tls",
             "--server=127.0.0.1", "--port=%d" % self.server.port],
            cwd=self.server.dir, stdin=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        text = p.stdout.decode("utf-8", "replace")
        self.assertEqual(p.returncode, 0, text)
        passed = re.search(r"(\d+) passed", text)
        self.assertGreaterEqual(int(passed.group(1)), 46, text)
        self.works()
