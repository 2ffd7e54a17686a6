"""What memcached's own tests of its binary protocol expect (testapp.c,
t/binary.t, t/binary-sasl.t), written anew: each reply's header is checked as
they check it."""
import os
import random
import signal
import struct
import threading
import unittest

import harness
import sasl

(GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION,
 GETK, GETKQ, APPEND, PREPEND, STAT, SETQ, ADDQ, REPLACEQ, DELETEQ, INCRQ,
 DECRQ, QUITQ, FLUSHQ, APPENDQ, PREPENDQ) = range(27)
TOUCH, GAT, GATQ, GATK, GATKQ = 0x1c, 0x1d, 0x1e, 0x23, 0x24
QUIET = {SETQ, ADDQ, REPLACEQ, DELETEQ, INCRQ, DECRQ, QUITQ, FLUSHQ, APPENDQ,
         PREPENDQ}
OK, ENOENT, EEXISTS, E2BIG, EINVAL, NOT_STORED, DELTA_BADVAL = range(7)
UNKNOWN = 0x81
OPAQUE = 0xdeadbeef


def request(op, key=b"", value=b"", extras=b"", cas=0):
    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0,
                       len(key) + len(extras) + len(value), OPAQUE,
                       cas) + extras + key + value


def store(op, key, value=b"value", flags=0, expires=0, cas=0):
    extras = b"" if op in (APPEND, PREPEND, APPENDQ, PREPENDQ) else \
        struct.pack(">II", flags, expires)
    return request(op, key, value, extras, cas)


def arithmetic(op, key, delta, initial, expires=0):
    return request(op, key, b"", struct.pack(">QQI", delta, initial, expires))


class Reply:
    def __init__(self, c):
        head = c.read(24)
        (self.magic, self.op, self.nkey, self.nextras, self.type, self.status,
         self.nbody, self.opaque, self.cas) = struct.unpack(">BBHBBHIIQ", head)
        body = c.read(self.nbody)
        self.extras = body[:self.nextras]
        self.key = body[self.nextras:self.nextras + self.nkey]
        self.value = body[self.nextras + self.nkey:]


class Binary(harness.Case):
    def setUp(self):
        super().setUp()
        self.c = self.connect()

    # testapp.c's validate_response_header()
    def valid(self, r, op, status):
        self.assertEqual((r.magic, r.op, r.type, r.opaque),
                         (0x81, op, 0, OPAQUE))
        self.assertEqual(r.status, status)
        shape = (r.nkey, r.nextras, r.nbody)
        if status != OK:
            self.assertEqual((r.cas, r.nextras), (0, 0))
            if op not in (GETK, GATK):
                self.assertEqual(r.nkey, 0)
            return
        self.assertNotIn(op, QUIET)
        if op in (ADD, REPLACE, SET, APPEND, PREPEND):
            self.assertEqual(shape, (0, 0, 0))
            self.assertNotEqual(r.cas, 0)
        elif op in (FLUSH, NOOP, QUIT, DELETE):
            self.assertEqual(shape, (0, 0, 0))
            self.assertEqual(r.cas, 0)
        elif op in (INCR, DECR):
            self.assertEqual(shape, (0, 0, 8))
            self.assertNotEqual(r.cas, 0)
        elif op == STAT:
            self.assertEqual((r.nextras, r.cas), (0, 0))
        elif op == VERSION:
            self.assertEqual((r.nkey, r.nextras, r.cas), (0, 0, 0))
            self.assertNotEqual(r.nbody, 0)
        elif op in (GET, GETQ, GAT, GATQ, TOUCH):
            self.assertEqual((r.nkey, r.nextras), (0, 4))
            self.assertNotEqual(r.cas, 0)
        elif op in (GETK, GETKQ, GATK, GATKQ):
            self.assertNotEqual(r.nkey, 0)
            self.assertEqual(r.nextras, 4)
            self.assertNotEqual(r.cas, 0)

    def ask(self, data, status=OK):
        self.c.send(data)
        r = Reply(self.c)
        self.valid(r, data[1], status)
        return r

    def silent(self, data):
        """Nothing comes before the answer of the noop behind it."""
        self.c.send(data)
        self.ask(request(NOOP))

    def store(self, op, *args, **kw):
        """In whichever form: success."""
        data = store(op, *args, **kw)
        return self.silent(data) if op in QUIET else self.ask(data)

    # ------------------------------------------------------------ testapp.c

    def test_noop(self):
        self.ask(request(NOOP))

    def test_quit(self):
        self.ask(request(QUIT))
        self.assertTrue(self.c.is_closed())

    def test_quitq(self):
        self.c.send(request(QUITQ))
        self.assertTrue(self.c.is_closed())

    def test_set_setq(self):
        for op in (SET, SETQ):
            for _ in range(10):
                self.store(op, b"test_binary_set", flags=0xcafefeed)
            cas = self.ask(request(GET, b"test_binary_set")).cas
            self.ask(store(op, b"test_binary_set", cas=cas - 1), EEXISTS)
            self.store(op, b"test_binary_set", cas=cas)

    def test_add_addq(self):
        for op, key in ((ADD, b"test_binary_add"), (ADDQ, b"test_addq")):
            self.store(op, key)
            for _ in range(9):
                self.ask(store(op, key), EEXISTS)

    def test_replace_replaceq(self):
        for op, key in ((REPLACE, b"test_rep"), (REPLACEQ, b"test_repq")):
            self.ask(store(op, key), ENOENT)
            self.store(ADD, key)
            for _ in range(10):
                self.store(op, key)

    def test_delete_deleteq(self):
        for op, key in ((DELETE, b"test_del"), (DELETEQ, b"test_delq")):
            self.ask(request(op, key), ENOENT)
            self.store(ADD, key)
            (self.silent if op in QUIET else self.ask)(request(op, key))
            self.ask(request(op, key), ENOENT)

    def test_get_getk_gat_gatk_touch(self):
        for op in (GET, GETK, GAT, GATK, TOUCH):
            key = b"test_binary_get_%d" % op
            extras = b"" if op in (GET, GETK) else struct.pack(">I", 300)
            r = self.ask(request(op, key, extras=extras), ENOENT)
            if op in (GETK, GATK):
                self.assertEqual(r.key, key)
            self.store(ADD, key, b"some value", flags=0x12345678)
            for _ in range(10):
                r = self.ask(request(op, key, extras=extras))
                self.assertEqual(r.extras, b"\x12\x34\x56\x78")
                self.assertEqual(r.value,
                                 b"" if op == TOUCH else b"some value")
                if op in (GETK, GATK):
                    self.assertEqual(r.key, key)

    def test_getq_getkq_gatq_gatkq(self):
        for op in (GETQ, GETKQ, GATQ, GATKQ):
            key = b"test_binary_getq_%d" % op
            extras = b"" if op in (GETQ, GETKQ) else b"\0\0\1\0"
            self.store(ADD, key)
            self.c.send(request(op, b"test_missing", extras=extras) +
                        request(op, key, extras=extras) +
                        request(op, b"test_missing", extras=extras))
            r = Reply(self.c)
            self.valid(r, op, OK)
            self.assertEqual(r.value, b"value")
            self.ask(request(NOOP))

    def test_incr_incrq(self):
        for i in range(10):
            r = self.ask(arithmetic(INCR, b"test_incr", 1, 0))
            self.assertEqual(r.value, struct.pack(">Q", i))
            self.silent(arithmetic(INCRQ, b"test_incrq", 1, 0))
        self.assertEqual(self.ask(request(GET, b"test_incrq")).value, b"9")

    def test_decr_decrq(self):
        for i in range(9, -1, -1):
            r = self.ask(arithmetic(DECR, b"test_decr", 1, 9))
            self.assertEqual(r.value, struct.pack(">Q", i))
            self.silent(arithmetic(DECRQ, b"test_decrq", 1, 9))
        for op, key in ((DECR, b"test_decr"), (DECR, b"test_decrq")):
            r = self.ask(arithmetic(op, key, 1, 9))
            self.assertEqual(r.value, struct.pack(">Q", 0))

    def test_incr_wraps(self):
        top = 2 ** 64 - 1
        self.store(SET, b"wrap", b"%d" % (top - 1))
        r = self.ask(arithmetic(INCR, b"wrap", 1, 0))
        self.assertEqual(r.value, struct.pack(">Q", top))
        r = self.ask(arithmetic(INCR, b"wrap", 1, 0))
        self.assertEqual(r.value, struct.pack(">Q", 0))

    def test_version(self):
        self.assertRegex(self.ask(request(VERSION)).value, rb"^1\.6\.\d+")

    def test_flush_flushq(self):
        for op in (FLUSH, FLUSHQ):
            key = b"test_flush_%d" % op
            flush = self.silent if op in QUIET else self.ask
            self.store(ADD, key)
            flush(request(op, extras=struct.pack(">I", 2)))
            self.ask(request(GET, key))

            def gone():
                self.c.send(request(GET, key))
                return Reply(self.c).status == ENOENT
            harness.until(gone, "the flush comes")
            for _ in range(10):
                self.store(ADD, key)
                flush(request(op))
                self.ask(request(GET, key), ENOENT)

    def test_concat(self):
        for op, key, value, more in (
                (APPEND, b"test_append", b"hello", b" world"),
                (APPENDQ, b"test_appendq", b"hello", b" world"),
                (PREPEND, b"test_prepend", b" world", b"hello"),
                (PREPENDQ, b"test_prependq", b" world", b"hello")):
            self.ask(store(op, key, more), NOT_STORED)
            self.store(ADD, key, value)
            self.store(op, key, more)
            self.assertEqual(self.ask(request(GETK, key)).value,
                             b"hello world")

    def test_stat(self):
        for group in (b"", b"settings", b"items", b"slabs", b"reset"):
            r = self.ask(request(STAT, group))
            while r.nkey:
                self.assertTrue(r.key)
                r = Reply(self.c)
                self.valid(r, STAT, OK)
            self.assertEqual(r.nbody, 0)
        self.ask(request(STAT, b"no such group"), ENOENT)

    def test_illegal(self):
        for op in [0x1b, 0x1f, *range(0x25, 256)]:
            self.ask(request(op), UNKNOWN)
        self.ask(request(NOOP))

    def pipelined(self, chance):
        """Bytes, and the opcodes of which each will be answered."""
        keys = [b"hickup_%d" % i for i in range(10)]
        data, ops = [], []
        for _ in range(3000):
            op = chance.choice([SET, ADD, REPLACE, APPEND, PREPEND, DELETE,
                                INCR, DECR, GET, GETK, NOOP, VERSION, TOUCH,
                                GAT, SETQ, GETQ, STAT])
            key = chance.choice(keys)
            if op in (SET, ADD, REPLACE, APPEND, PREPEND, SETQ):
                data.append(store(op, key, b"1" * chance.choice(
                    [1, 20, 3000])))
            elif op in (INCR, DECR):
                data.append(arithmetic(op, b"n" + key, 1, 1))
            elif op in (NOOP, VERSION):
                data.append(request(op))
            elif op == STAT:
                data.append(request(op, b"reset"))
            else:
                data.append(request(op, key, extras=b"\0\0\1\0" if op in
                                    (TOUCH, GAT) else b""))
            ops.append(op)
        return b"".join(data) + request(NOOP), ops + [NOOP]

    def test_pipeline_hickup(self):
        """Cut anywhere; the replies are the requests', in their order."""
        for seed in range(4):
            chance = random.Random(seed)
            data, ops = self.pipelined(chance)

            def send():
                at = 0
                while at < len(data):
                    n = chance.choice([1, 3, 23, 24, 25, 900, 8191, 65000])
                    self.c.send(data[at:at + n])
                    at += n
            t = threading.Thread(target=send)
            t.start()
            for i, op in enumerate(ops):
                if op in (SETQ, GETQ):
                    continue
                r = Reply(self.c)
                while r.op in (SETQ, GETQ):
                    self.assertIn(r.op, ops[max(0, i - 100):i])
                    r = Reply(self.c)
                self.valid(r, op, r.status)
            t.join()

    # ------------------------------------------------------------ binary.t

    def test_arithmetic_of_nothing(self):
        forever = 0xffffffff
        self.ask(arithmetic(INCR, b"none", 1, 0, forever), ENOENT)
        self.ask(arithmetic(DECR, b"none", 1, 0, forever), ENOENT)
        self.ask(arithmetic(INCRQ, b"none", 1, 0, forever), ENOENT)
        self.store(SET, b"letters", b"n")
        for op in (INCR, DECR, INCRQ, DECRQ):
            self.ask(arithmetic(op, b"letters", 1, 0), DELTA_BADVAL)

    def test_too_large(self):
        self.store(SET, b"toobig", b"not too big")
        r = self.ask(store(SET, b"toobig", b"x" * (1 << 20)), E2BIG)
        self.assertEqual(r.value, b"Too large.")
        self.ask(request(GET, b"toobig"), ENOENT)
        self.ask(store(SETQ, b"toobig", b"x" * (2 << 20)), E2BIG)
        self.ask(store(ADDQ, b"toobig", b"x" * (2 << 20)), E2BIG)

    def test_cas(self):
        self.ask(store(SET, b"x", cas=1), ENOENT)
        first = self.store(ADD, b"x", b"original").cas
        second = self.ask(store(SET, b"x", b"broken", cas=first)).cas
        self.assertNotEqual(first, second)
        self.ask(store(SET, b"x", b"replay", cas=first), EEXISTS)
        self.ask(store(REPLACE, b"x", b"replay", cas=first), EEXISTS)
        self.ask(store(APPEND, b"x", b"replay", cas=first), EEXISTS)
        self.ask(request(DELETE, b"x", cas=first), EEXISTS)
        self.assertEqual(self.ask(request(GET, b"x")).cas, second)
        self.ask(request(DELETE, b"x", cas=second))

    def test_multiget(self):
        for i in range(3):
            self.store(SET, b"multi%d" % i, b"%d" % i)
        self.c.send(b"".join(request(GETKQ, k) for k in
                             (b"multi0", b"none", b"multi1", b"multi2")) +
                    request(NOOP))
        got = [Reply(self.c) for _ in range(4)]
        self.assertEqual([(r.op, r.key, r.value) for r in got], [
            (GETKQ, b"multi0", b"0"), (GETKQ, b"multi1", b"1"),
            (GETKQ, b"multi2", b"2"), (NOOP, b"", b"")])

    def test_shapes_that_end_the_connection(self):
        for data in (request(GET), request(GET, b"k" * 251),
                     request(SET, b"k"), request(NOOP, b"k"),
                     request(GET, b"k", b"value"),
                     request(INCR, b"k", extras=b"1234"),
                     request(STAT, b"k", extras=b"1234"),
                     request(FLUSH, extras=b"12345678"),
                     request(TOUCH, b"k"), request(VERSION, b"", b"x")):
            with self.connect() as c:
                c.send(data)
                r = Reply(c)
                self.valid(r, data[1], EINVAL)
                self.assertTrue(c.is_closed())


@harness.slabd_only()
class Old(harness.Solo):
    """testapp.c's old bugs of memcached, by their numbers."""

    def test_issue_44(self):
        """A daemon outlives SIGHUP."""
        s = harness.Server(["-d", "-P", "{DIR}/pid"], wait=False)
        self.addCleanup(s.stop)
        s.start()
        self.assertEqual(s.wait(), 0)   # the parent; it serves then
        with open(s.path("pid")) as f:
            pid = int(f.read())
        try:
            os.kill(pid, signal.SIGHUP)
            with s.connect() as c:
                c.send(request(NOOP))
                self.assertEqual(Reply(c).status, OK)
        finally:
            os.kill(pid, signal.SIGTERM)
        harness.until(lambda: not os.path.exists(s.path("pid")), "it ends")

    def test_issue_92(self):
        with self.start().connect() as c:
            self.assertEqual(c.ask(b"stats cachedump 1 0 0\r\n"), b"END\r\n")
            self.assertEqual(c.ask(b"stats cachedump 200 0 0\r\n")[:12],
                             b"CLIENT_ERROR")

    def test_issue_101(self):
        """Who asks and asks and never reads keeps nobody else waiting."""
        s = self.start(["-t", "1"])
        deaf = [s.connect() for _ in range(2)]
        for c in deaf:
            self.addCleanup(c.close)
            c.sock.setblocking(False)
            try:
                while True:
                    c.sock.send(b"stats\r\n" * 5)
            except BlockingIOError:
                pass
        with s.connect() as c:
            c.send(request(NOOP))
            self.assertEqual(Reply(c).status, OK)

    def test_issue_102(self):
        """Long lines: of gets they are served, of nothing they are not."""
        s = self.start()
        for text in b" " * 4095, b" " * 101 + b"gets foo" + b" " * 3987:
            with s.connect() as c:
                c.send(text)
                self.assertTrue(c.is_closed())
        keys = b"".join(b"%010u " % i for i in range(5, 4000, 11))
        with s.connect() as c:
            for word in b"gets ", b"get  ":
                c.send(word + keys)
                self.assertTrue(c.is_silent(0.01))
                self.assertEqual(c.ask(b"\r\n"), b"END\r\n")

    def test_shutdown(self):
        s = self.start(["-A"])
        with s.connect() as c:
            c.send(b"shutdown\r\n")
            self.assertTrue(c.is_closed())
        self.assertEqual(s.wait(), 0)


@unittest.skipIf(harness.ORACLE, "Debian's has no MEMCACHED_SASL_PWDB")
class Sasl(sasl.Site, unittest.TestCase):
    """binary-sasl.t"""

    def test_sasl(self):
        d = harness.tempfile.mkdtemp(prefix="slabd-sasl.")
        self.addCleanup(harness.shutil.rmtree, d, True)
        with open(os.path.join(d, "memcached.conf"), "w") as f:
            f.write("mech_list: plain\n")
        with open(os.path.join(d, "pwdb"), "w") as f:
            f.write("testuser:testpass:\nuser2:a:b\n")
        s = harness.Server(["-S"], env={
            "SASL_CONF_PATH": d,
            "MEMCACHED_SASL_PWDB": os.path.join(d, "pwdb")}, wait=False)
        self.addCleanup(s.stop)
        s.start()

        def answers():
            try:
                with s.connect() as c:
                    return sasl.ask(c, VERSION)[0] == 0
            except (OSError, AssertionError):
                return False
        harness.until(answers, "answers")
        c = self.connect(s)
        self.assertEqual(sasl.ask(c, 0x20), (0, b"PLAIN"))
        self.assertEqual(sasl.ask(c, VERSION)[0], 0)
        self.assertEqual(sasl.ask(c, 0x21, b"NOSUCH", b"x")[0], 0x20)
        self.assertEqual(sasl.plain(c, b"testuser", b"wrongpass"), 0x20)
        self.assertEqual(sasl.plain(c, b"wronguser", b"testpass"), 0x20)
        self.assertEqual(sasl.plain(c, b"testuser", b"testpass"), 0)
        self.assertEqual(sasl.plain(c, b"user2", b"a"), 0)
        c.send(store(SET, b"x", b"somevalue"))
        self.assertEqual(Reply(c).status, OK)
        c.send(request(GET, b"x"))
        self.assertEqual(Reply(c).value, b"somevalue")
        c.send(request(STAT))
        stats = {}
        r = Reply(c)
        while r.nkey:
            stats[r.key] = r.value
            r = Reply(c)
        self.assertEqual((stats[b"auth_cmds"], stats[b"auth_errors"]),
                         (b"5", b"3"))
        for op in (GET, GETQ, SET, SETQ, NOOP, STAT, FLUSH, QUIT):
            with self.connect(s) as c:
                self.assertEqual(sasl.ask(c, op, b"x")[0], 0x20)
                self.assertTrue(c.is_closed())
        # CVE-2013-7239: what was allowed, and then failed again.
        c = self.connect(s)
        self.assertEqual(sasl.plain(c, b"testuser", b"testpass"), 0)
        self.assertEqual(sasl.plain(c, b"testuser", b"wrongpass"), 0x20)
        self.assertEqual(sasl.ask(c, GET, b"x")[0], 0x20)
        self.assertTrue(c.is_closed())


if __name__ == "__main__":
    unittest.main()
