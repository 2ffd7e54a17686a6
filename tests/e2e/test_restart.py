"""-e: what the next server has of the last one's, and when it begins empty."""
import errno
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import time
import unittest

import harness
from harness import until
from trouble import troubled

MIB = 1 << 20


class Files(harness.Solo):
    def begin(self, args=(), **kw):
        return self.start(["-v", "-e", "{DIR}/mem", *args], **kw)

    def again(self, s, sig=signal.SIGUSR1, change=None, status=0):
        """Ends it, and starts the next one on the same file."""
        s.signal(sig)
        self.assertEqual(s.wait(), status)
        return self.go_on(s, change)

    def go_on(self, s, change=None):
        if change:
            s.argv = change(list(s.argv))
        s.ended = False
        s.start()
        s.wait_for_port()
        return self.connect(s)

    def is_empty(self, s, why):
        self.assertIn(why, s.output())
        self.assertEqual(s.stats()["curr_items"], "0")
        self.works(s)

    def fill(self, s, n=1000, size=100):
        with s.connect() as c:
            c.send(b"".join(b"set k%d 0 0 %d noreply\r\n%s\r\n" % (
                i, size, b"%d" % i * (size // len(b"%d" % i)) +
                b"x" * (size % len(b"%d" % i))) for i in range(n)))
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    def get(self, c, key):
        """The value, or None."""
        c.send(b"get %s\r\n" % key)
        head = c.line()
        if head == b"END\r\n":
            return None
        n = int(head.split()[3])
        value = c.read(n + 2)[:n]
        self.assertEqual(c.line(), b"END\r\n")
        return value


@harness.slabd_only("1.6.18 begins empty within a second of the end")
class Kept(Files):
    def test_text_and_meta(self):
        s = self.begin()
        c = self.connect(s)
        for line in (b"set a 7 0 3\r\nabc", b"set b 4294967295 100 1\r\nx",
                     b"set n 0 0 2\r\n41", b"set e 0 0 0\r\n"):
            self.assertEqual(c.ask(line + b"\r\n"), b"STORED\r\n")
        c.send(b"ms YmFzZTY0 2 b T300\r\nhi\r\n")
        self.assertEqual(c.line(), b"HD\r\n")
        self.assertEqual(c.ask(b"mg a c\r\n")[:4], b"HD c")
        cas = c.ask(b"mg a c\r\n")
        c.ask(b"ms stale 1 c\r\nv\r\n")
        self.assertEqual(c.ask(b"md stale I T60\r\n"), b"HD\r\n")
        self.assertTrue(os.path.exists(s.path("mem")))
        self.assertFalse(os.path.exists(s.path("mem.meta")))
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        with open(s.path("mem.meta"), "rb") as f:
            self.assertEqual(f.readline(), b"Tmain\n")
        c = self.go_on(s)
        self.assertFalse(os.path.exists(s.path("mem.meta")))
        self.assertEqual(c.ask(b"mg a c\r\n"), cas)
        self.assertEqual(c.ask(b"mg a f s\r\n"), b"HD f7 s3\r\n")
        self.assertEqual(c.ask(b"mg b f\r\n"), b"HD f4294967295\r\n")
        self.assertEqual(self.get(c, b"e"), b"")
        self.assertEqual(c.ask(b"incr n 1\r\n"), b"42\r\n")
        self.assertRegex(c.ask(b"mg YmFzZTY0 b k t\r\n"),
                         rb"HD kYmFzZTY0 b t(300|29\d)\r\n")
        self.assertRegex(c.ask(b"mg stale c\r\n"), rb"HD c\d+ X W\r\n")
        # greater than any before
        self.assertEqual(c.ask(b"set z 0 0 1\r\n1\r\n"), b"STORED\r\n")
        self.assertGreater(int(c.ask(b"mg z c\r\n").split()[1][1:]),
                           int(cas.split()[1][1:]))
        stats = s.stats()
        self.assertEqual(stats["curr_items"], "7")
        self.assertLess(int(stats["uptime"]), 60)
        self.assertLess(abs(int(stats["time"]) - time.time()), 10)
        self.assertEqual(s.stats(b"settings")["memory_file"], s.path("mem"))

    def test_binary(self):
        s = self.begin()

        def ask(c, op, key, value=b"", extras=b""):
            c.send(struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras),
                               0, 0, len(key) + len(extras) + len(value), 7,
                               0) + extras + key + value)
            head = c.read(24)
            return head, c.read(struct.unpack(">I", head[8:12])[0])

        c = self.connect(s)
        key, value = b"bin\0\n key", bytes(range(256)) * 40
        self.assertEqual(ask(c, 1, key, value, struct.pack(">II", 9, 0))[0]
                         [6:8], b"\0\0")
        before = ask(c, 0, key)
        self.assertEqual(before[1], b"\0\0\0\x09" + value)
        self.assertEqual(ask(self.again(s), 0, key), before)

    def test_large_values(self):
        s = self.begin(["-I", "8m"])
        values = {b"v%d" % n: random.Random(n).randbytes(n) for n in (
            1, 4000, 4096, 4097, 65536, 100000, MIB - 100, 5 * MIB)}
        c = self.connect(s)
        for k, v in values.items():
            c.send(b"set %s 3 0 %d\r\n%s\r\n" % (k, len(v), v))
            self.assertEqual(c.line(), b"STORED\r\n")
        for _ in range(2):
            c = self.again(s)
            for k, v in values.items():
                self.assertEqual(self.get(c, k), v)
        self.assertEqual(c.ask(b"append v65536 0 0 1\r\n!\r\n"), b"STORED\r\n")
        self.assertEqual(self.get(c, b"v65536"), values[b"v65536"] + b"!")
        for k in values:
            self.assertEqual(c.ask(b"delete %s\r\n" % k), b"DELETED\r\n")
        self.assertEqual(s.stats()["bytes"], "0")

    def test_100000_items_after_evictions(self):
        s = self.begin(["-m", "16"])
        self.fill(s, 250000, 60)
        before = s.stats()
        self.assertGreater(int(before["evictions"]), 0)
        # another number of threads, thus of shards
        c = self.again(s, change=lambda a: a + ["-t", "8"])
        after = s.stats()
        for name in "curr_items", "bytes", "hash_power_level":
            self.assertEqual(after[name], before[name])
        self.assertEqual(after["evictions"], "0")
        found = 0
        for i in range(0, 250000, 101):
            value = self.get(c, b"k%d" % i)
            if value is not None:
                self.assertTrue(value.startswith(b"%d" % i))
                self.assertEqual(len(value), 60)
                found += 1
        self.assertGreater(found, 300)
        self.fill(s, 100000, 300)
        self.works(s)

    def test_time_goes_on(self):
        """What dies while there is no server is dead."""
        s = self.begin()
        c = self.connect(s)
        c.send(b"set short 0 1 1\r\na\r\nset long 0 1000 1\r\nb\r\n")
        self.assertEqual(c.line() + c.line(), b"STORED\r\n" * 2)
        left = int(c.ask(b"mg long t\r\n").split()[1][1:])
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        end = time.time()
        until(lambda: time.time() - end > 2.1, "two seconds have passed")
        c = self.go_on(s)
        self.assertIsNone(self.get(c, b"short"))
        t = int(c.ask(b"mg long t\r\n").split()[1][1:])
        self.assertIn(t, range(left - 30, left - 1))

    def test_flushed(self):
        s = self.begin()
        self.fill(s, 100)
        c = self.connect(s)
        self.assertEqual(c.ask(b"flush_all\r\n"), b"OK\r\n")
        self.assertEqual(c.ask(b"ms new 1\r\nv\r\n"), b"HD\r\n")
        c = self.again(s)
        self.assertIsNone(self.get(c, b"k1"))
        self.assertEqual(c.ask(b"flush_all 1000\r\n"), b"OK\r\n")
        c = self.again(s)
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    def test_by_command(self):
        s = self.begin(["-A"])
        self.fill(s, 10)
        with s.connect() as c:
            c.send(b"shutdown graceful\r\n")
            c.rest()
        self.assertEqual(s.wait(), 0)
        self.go_on(s)
        self.assertEqual(s.stats()["curr_items"], "10")

    def test_clients_in_the_midst(self):
        """A value that is arriving, one that is being sent."""
        s = self.begin(["-I", "8m", "-t", "1"])
        self.fill(s, 10)
        reader = self.connect(s, rcvbuf=4096)
        reader.send(b"set big 0 0 %d\r\n" % (4 * MIB) + b"b" * 4 * MIB +
                    b"\r\nget big\r\n")
        self.assertEqual(reader.line(), b"STORED\r\n")
        writer = self.connect(s)
        writer.send(b"set half 0 0 1000000\r\n" + b"h" * 500000)
        watcher = self.connect(s)
        self.assertEqual(watcher.ask(b"watch fetchers mutations\r\n"),
                         b"OK\r\n")
        c = self.again(s)
        self.assertIsNone(self.get(c, b"half"))
        self.assertEqual(self.get(c, b"big"), b"b" * 4 * MIB)
        self.assertEqual(s.stats()["curr_items"], "11")

    def test_asked_twice(self):
        """While it waits for a client that does not read."""
        s = self.begin(["-I", "8m"])
        self.fill(s, 10)
        reader = self.connect(s, rcvbuf=4096)
        reader.send(b"set big 0 0 %d\r\n" % (7 * MIB) + b"b" * 7 * MIB +
                    b"\r\n" + b"get big\r\n" * 2)
        self.assertEqual(reader.line(), b"STORED\r\n")
        s.signal(signal.SIGUSR1)
        until(lambda: "Gracefully" in s.output(), "the first one")
        self.again(s)
        self.assertEqual(s.stats()["curr_items"], "11")

    def test_port_is_taken(self):
        """A start that fails does not cost the cache."""
        s = self.begin()
        self.fill(s, 10)
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", s.port))
            taken.listen()
            s.start()
            self.assertEqual(s.wait(), 71)
        self.go_on(s)
        self.assertEqual(s.stats()["curr_items"], "10")

    def test_no_place_for_the_rest(self):
        """Nor does one that cannot write what comes beside it."""
        s = self.begin()
        self.fill(s, 10)
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        os.mkdir(s.path("mem.meta.new"))
        s.start()
        self.assertEqual(s.wait(), 1)
        os.rmdir(s.path("mem.meta.new"))
        self.go_on(s)
        self.assertEqual(s.stats()["curr_items"], "10")

    def test_daemon(self):
        """It leaves the folder that its relative path starts from."""
        s = harness.Server(["-d", "-P", "{DIR}/pid", "-e", "mem"], wait=False)
        try:
            for items in "0", "10":
                s.start()
                self.assertEqual(s.wait(), 0)
                pid = int(pathlib.Path(s.path("pid")).read_text())
                self.assertEqual(s.stats()["curr_items"], items)
                self.fill(s, 10)
                os.kill(pid, signal.SIGUSR1)
                until(lambda: not os.path.exists("/proc/%d" % pid), "the end")
                self.assertTrue(os.path.exists(s.path("mem.meta")))
        finally:
            s.stop()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another")
    def test_another_user(self):
        """In a folder where he may not write."""
        s = self.begin(["-u", "nobody"], user=False)
        for items in "0", "10", "10":
            self.assertEqual(s.stats()["curr_items"], items)
            self.fill(s, 10)
            self.again(s)
        # Nothing is taken from a server that did not end well.
        self.again(s, signal.SIGKILL, status=-9)
        self.is_empty(s, "did not end gracefully")
        self.again(s, signal.SIGTERM)
        self.assertEqual(s.stats()["curr_items"], "0")


@harness.slabd_only("1.6.18 begins empty within a second of the end")
class Empty(Files):
    def test_other_ends(self):
        s = self.begin()
        self.is_empty(s, "mem.meta: there is no such file")
        for sig in signal.SIGTERM, signal.SIGINT, signal.SIGKILL:
            self.fill(s, 10)
            self.again(s, sig, status=-9 if sig == signal.SIGKILL else 0)
            self.assertEqual(s.stats()["curr_items"], "0")
            self.assertFalse(os.path.exists(s.path("mem.meta")))

    def test_other_settings(self):
        s = self.begin(["-m", "16"])
        for more, why in (
                (["-m", "17"], "maxbytes was 16777216, now it is 17825792"),
                (["-I", "2m"], "item_size_max was 1048576"),
                (["-n", "96"], "chunk_size was 48"),
                (["-f", "1.5"], "slab_config was own, now it is 1.5"),
                (["-o", "slab_sizes=100-1000"], "slab_config was"),
                (["-o", "slab_chunk_max=16"], "slab_chunk_max was 524288"),
                (["-C"], "use_cas was yes, now it is no"),
                (["-o", "no_slab_reassign"], "slab_reassign was yes")):
            self.fill(s, 10)
            before = s.argv
            self.again(s, change=lambda a: a + more)
            self.is_empty(s, why)
            s.argv = before
            self.again(s, signal.SIGTERM)

    def test_memory_limit_is_fixed(self):
        c = self.connect(self.begin())
        for mb in b"32", b"64", b"128":
            self.assertEqual(
                c.ask(b"cache_memlimit %s\r\n" % mb),
                b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n")
        self.assertEqual(c.ask(b"cache_memlimit 4\r\n"),
                         b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less "
                         b"than 8m\r\n")


@harness.slabd_only("1.6.18 dies of some of them")
class Hostile(Files):
    """Whatever stands in the files: empty, or what is sound of it."""

    def refuses(self, s, text):
        s.start()
        self.assertGreater(s.wait(), 0)
        self.assertIn(text, s.output())

    def test_meta(self):
        s = self.begin(["-m", "8"])
        self.fill(s, 1000)
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        meta = pathlib.Path(s.path("mem.meta"))
        sound = meta.read_bytes()
        chance = random.Random(1)
        bad = [sound[:n] for n in (1, 5, 6, 40, len(sound) // 2,
                                   len(sound) - 28, len(sound) - 1)]
        bad += [b"Tmain\n", b"\n", b"\0" * 5000, sound + b"\n", sound * 2,
                chance.randbytes(3000), chance.randbytes(3 * MIB),
                sound.replace(b"Kformat 1", b"Kformat 2"),
                sound.replace(b"Kstop_time", b"Kstop_time 1\nK")]
        for _ in range(10):
            at = chance.randrange(len(sound))
            bad.append(sound[:at] + bytes([sound[at] ^ 1 << chance.randrange(8)
                                           ]) + sound[at + 1:])
        for content in bad:
            meta.write_bytes(content)
            self.go_on(s)
            self.assertEqual(s.stats()["curr_items"], "0", content[:200])
            self.assertFalse(meta.exists())
            self.works(s)
            s.signal(signal.SIGTERM)
            self.assertEqual(s.wait(), 0)
        self.assertIn("another version", s.output())
        self.assertIn("corrupt", s.output())
        meta.write_bytes(b"")
        self.refuses(s, "mem.meta is empty")
        meta.unlink()
        meta.mkdir()
        self.refuses(s, "cannot make")
        meta.rmdir()

    def test_of_another_file(self):
        """What belongs to a file as it was before."""
        s = self.begin()
        self.fill(s, 10)
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        meta = pathlib.Path(s.path("mem.meta"))
        old = meta.read_bytes()
        self.go_on(s)
        s.signal(signal.SIGKILL)
        self.assertEqual(s.wait(), -9)
        meta.write_bytes(old)
        self.go_on(s)
        self.is_empty(s, "does not belong to the memory file")

    def test_memory(self):
        s = self.begin(["-m", "8"])
        mem = pathlib.Path(s.path("mem"))
        chance = random.Random(2)
        page = 65536
        for what in range(8):
            self.fill(s, 20000, 100)
            self.fill(s, 5, 200000)
            s.signal(signal.SIGUSR1)
            self.assertEqual(s.wait(), 0)
            image = bytearray(mem.read_bytes())
            if what < 5:
                for _ in range(10 ** what):
                    image[chance.randrange(page, len(image))] ^= \
                        1 << chance.randrange(8)
            elif what == 5:
                image[page:] = chance.randbytes(len(image) - page)
            elif what == 6:
                image = image[:len(image) // 2]
            else:
                image = image * 2
            mem.write_bytes(image)
            self.go_on(s)
            if what < 5:
                self.assertGreater(int(s.stats()["curr_items"]),
                                   10000 if what < 4 else 0)
            self.assertEqual(mem.stat().st_size, 8 * MIB + page)
            self.fill(s, 30000, 200)
            with s.connect() as c:
                for i in range(0, 30000, 100):
                    self.get(c, b"k%d" % i)
            self.works(s)

    def test_file_that_cannot_be(self):
        s = self.begin()
        other = harness.Server(["-e", s.path("mem")], wait=False)
        self.addCleanup(other.stop)
        self.refuses(other, "another slabd is using it")
        self.works(s)
        for path, why in (("/", "directory"), ("/no/where/mem", "No such file"),
                          ("/dev/null", "no ordinary file"),
                          (s.dir + "/fifo", "no ordinary file")):
            if path.endswith("fifo"):
                os.mkfifo(path)
            other = harness.Server(["-e", path], wait=False)
            self.addCleanup(other.stop)
            self.refuses(other, why)

    def test_file_removed_meanwhile(self):
        """Another server may have its name by now, and loses nothing."""
        s = self.begin()
        mem = s.path("mem")
        self.fill(s, 10)
        for end in signal.SIGUSR1, signal.SIGTERM:
            os.unlink(mem)
            other = self.start(["-v", "-e", mem])
            self.fill(other, 20)
            third = harness.Server(["-e", mem], wait=False)
            self.addCleanup(third.stop)
            self.refuses(third, "another slabd is using it")
            self.works(s)
            s.signal(end)
            self.assertEqual(s.wait(), 0)
            self.assertEqual("mem: cannot be saved: it was removed or replaced"
                             in s.output(), end == signal.SIGUSR1)
            self.assertFalse(os.path.exists(mem + ".meta"))
            self.again(other)
            self.assertEqual(other.stats()["curr_items"], "20")
            s = other

    def test_what_lies_beside_it_removed(self):
        s = self.begin()
        for put in None, b"another's":
            self.fill(s, 10)
            beside = pathlib.Path(s.path("mem.meta.new"))
            beside.unlink()
            if put:
                beside.write_bytes(put)
            self.again(s)
            self.assertIn("what lies beside it was removed", s.output())
            self.is_empty(s, "there is no such file")

    def test_file_renamed(self):
        """It may come back before the end."""
        s = self.begin()
        self.fill(s, 10)
        os.rename(s.path("mem"), s.path("else"))
        self.works(s)
        os.rename(s.path("else"), s.path("mem"))
        items = s.stats()["curr_items"]
        self.again(s)
        self.assertEqual(s.stats()["curr_items"], items)

    def test_a_disk_that_fails(self):
        """What it may not have taken is not trusted."""
        s = troubled(self, ["-v", "-e", "{DIR}/mem"])
        self.fill(s, 10)
        s.trouble.syncing = errno.EIO
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        self.assertIn("cannot be saved: Input/output error", s.output())
        s.trouble.syncing = 0
        self.go_on(s)
        self.is_empty(s, "no such file")
        self.fill(s, 10)
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        # that the old mark is gone from the disk
        s.trouble.syncing = errno.EIO
        self.go_on(s)
        self.is_empty(s, "does not belong")

    def no_room_at_the_start(self, s):
        """Somebody else has filled the disk meanwhile."""
        s.signal(signal.SIGUSR1)
        self.assertEqual(s.wait(), 0)
        with open(s.path("small/other"), "wb", 0) as f:
            with self.assertRaises(OSError):
                while f.write(bytes(4096)) == 4096:
                    pass
        s.start()
        self.assertEqual(s.wait(), 1)
        os.unlink(s.path("small/other"))
        self.go_on(s)

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount")
    def test_file_system_is_too_small(self):
        """A message at the start, no SIGBUS later."""
        s = harness.Server(["-m", "64", "-e", "{DIR}/small/mem"], wait=False)
        os.mkdir(s.path("small"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m",
                               "slabd-test", s.path("small")],
                              stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            s.stop()
            self.skipTest("no mount here")
        try:
            self.refuses(s, "has no room for the memory limit")
            s.argv[s.argv.index("-m") + 1] = "16"
            s.ended = False
            s.start()
            s.wait_for_port()
            self.fill(s, 100000, 400)
            self.again(s)
            items = s.stats()["curr_items"]
            self.assertGreater(int(items), 10000)
            self.no_room_at_the_start(s)
            self.assertEqual(s.stats()["curr_items"], items)
            s.signal(signal.SIGTERM)
            s.wait()
        finally:
            subprocess.run(["umount", s.path("small")], check=True)
            s.stop()


if __name__ == "__main__":
    unittest.main()
