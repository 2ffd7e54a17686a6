"""What the machine does to it: no memory, no descriptors, no disk, no time.

Only the connection that is concerned may suffer, and the reason is said once.
"""
import errno
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
import unittest

import harness
from harness import slabd_only, until
from test_siege import chatter
from trouble import Troubled, troubled

SAID = re.compile(r"^slabd: .*accept.*$", re.M)
TALK = (b"set a 5 0 3\r\nabc\r\nget a b a\r\nset big 0 0 9000\r\n" +
        b"v" * 9000 + b"\r\nget big\r\nms m 2 T60 F1 c\r\nhi\r\n"
        b"mg m v t f\r\nincr a 1\r\nset n 0 0 1\r\n9\r\nincr n 1\r\n"
        b"delete n\r\ntouch a 9\r\nset k 0 0 -1\r\nfoo\r\nappend a 0 0 1\r\n"
        b"d\r\ngats 60 a\r\nset a 0 0 2\r\nlong\r\nstats settings\r\nmn\r\n")
REPLY = re.compile(
    rb"(?s)STORED\r\nVALUE a 5 3\r\nabc\r\nVALUE a 5 3\r\nabc\r\nEND\r\n"
    rb"STORED\r\nVALUE big 0 9000\r\nv{9000}\r\nEND\r\nHD c\d+\r\n"
    rb"VA 2 t\d+ f1\r\nhi\r\nCLIENT_ERROR [^\n]*\nSTORED\r\n10\r\nDELETED\r\n"
    rb"TOUCHED\r\nCLIENT_ERROR [^\n]*\nERROR\r\nSTORED\r\n"
    rb"VALUE a 5 4 \d+\r\nabcd\r\nEND\r\nCLIENT_ERROR bad data chunk\r\n"
    rb"(ERROR\r\n)?(CLIENT_ERROR [^\n]*\n)?STAT maxbytes .*END\r\nMN\r\n")


class Faults(harness.Solo):
    def busy(self, server, seconds=None):
        """A well-behaved client meanwhile; call what is returned to end it."""
        stop, wrong = threading.Event(), []
        t = threading.Thread(target=chatter, args=(
            server, stop, wrong, b"set busy 0 0 3\r\nyes\r\nget busy\r\n",
            b"STORED\r\nVALUE busy 0 3\r\nyes\r\nEND\r\n"))
        t.start()

        def end():
            stop.set()
            t.join(harness.BOUND)
            self.assertFalse(t.is_alive())
            self.assertEqual(wrong, [])
        self.addCleanup(stop.set)
        return end


@slabd_only("it is slabd's word")
@unittest.skipIf(harness.SANITIZED, "sanitizers allocate for themselves")
class Memory(Faults):
    """Each allocation fails once: at the start, and in a conversation."""

    def start_failing_at(self, n):
        """True if it served in spite of it."""
        s = Troubled(["-t", "2", "-m", "8", "-Y", "{DIR}/users", "-U", "0"],
                     wait=False)
        try:
            pathlib.Path(s.path("users")).write_text("joe:x\n")
            s.trouble.countdown = n
            s.start()
            if s.decision() is None:
                return s.trouble.failed == 0
            status = s.wait()
            self.assertGreater(status, 0, "killed by a signal without "
                               "allocation %d: %s" % (n, s.output()))
            self.assertIn("slabd", s.output(), "nothing said, %d" % n)
            return False
        finally:
            s.stop()

    def test_each_allocation_of_the_start(self):
        """Until there is none left to fail."""
        n = 1
        while not self.start_failing_at(n):
            n += 1 if n < 60 else 1 + n // 30
            self.assertLess(n, 5000)
        self.assertGreater(n, 20)

    def conversation(self, s):
        """Whatever can be said that takes memory; may be cut short."""
        answered = 0
        for data, end in (
                (TALK, b"MN\r\n"), (b"stats\r\nmn\r\n", b"MN\r\n"),
                (b"stats detail dump\r\nmn\r\n", b"MN\r\n"),
                (b"stats conns\r\nmn\r\n", b"MN\r\n"),
                (b"lru_crawler metadump all\r\n", b"\r\n"),
                (b"lru_crawler mgdump all\r\n", b"\r\n"),
                (b"stats cachedump 1 0\r\n", b"\r\n"),
                (b"watch fetchers\r\n", b"\r\n"),
                (b"set part 0 0 9000\r\n" + b"x" * 5000, None),
                (b"get" + b" big" * 3000 + b"\r\n", None)):
            try:
                with s.connect(rcvbuf=4096) as c:
                    c.send(data)
                    if end is not None:
                        c.until(end)
                        answered += 1
            except (OSError, AssertionError):
                pass
        return answered

    def test_each_allocation_of_a_conversation(self):
        s = troubled(self, ["-t", "1", "-m", "8", "-D", ":"])
        kept = self.connect(s)
        self.assertEqual(kept.ask(b"set kept 0 0 1\r\n1\r\n"), b"STORED\r\n")
        before = s.trouble.counted
        self.assertEqual(self.conversation(s), 8)
        total = s.trouble.counted - before
        self.assertGreater(total, 10)
        for n in range(1, total + 1):
            s.trouble.countdown = n
            self.conversation(s)
            s.trouble.countdown = 0
            kept.send(b"get kept\r\n")
            self.assertEqual(kept.until(b"END\r\n"),
                             b"VALUE kept 0 1\r\n1\r\nEND\r\n")
        self.assertGreater(s.trouble.failed, total // 2)
        self.assertEqual(self.conversation(s), 8)
        until(lambda: int(s.stats()["curr_connections"]) <= 2,
              "connections without memory are gone")
        self.assertLess(len(s.output().splitlines()), 50)

    def test_no_memory_at_all_for_a_while(self):
        s = troubled(self, ["-t", "1", "-m", "8"])
        kept = self.connect(s)
        self.assertEqual(kept.ask(b"set kept 0 0 1\r\n1\r\n"), b"STORED\r\n")
        s.trouble.repeat = 1 << 40
        s.trouble.countdown = 1
        self.conversation(s)
        kept.send(b"get kept\r\nset kept 0 0 1\r\n2\r\n")
        self.assertEqual(kept.until(b"STORED\r\n"),
                         b"VALUE kept 0 1\r\n1\r\nEND\r\nSTORED\r\n")
        s.trouble.repeat = s.trouble.countdown = 0
        self.assertEqual(self.conversation(s), 8)
        self.assertLess(len(s.output().splitlines()), 50)


@slabd_only("it is slabd's word")
class Descriptors(Faults):
    """accept() has no descriptor to give: it rests, says so once, and comes
    back."""

    def said(self, s):
        return SAID.findall(s.output())

    def out_of_room(self, error):
        s = troubled(self, ["-t", "2"])
        end = self.busy(s)
        s.trouble.accepting = error
        c = self.connect(s)
        c.send(b"mn\r\n")
        until(lambda: s.trouble.accepts >= 3, "it tries again")
        began, tries = time.monotonic(), s.trouble.accepts
        until(lambda: s.trouble.accepts >= tries + 8, "it goes on trying")
        # two workers, each no more than twenty times a second
        rate = (s.trouble.accepts - tries) / (time.monotonic() - began)
        self.assertLess(rate, 200, "it does not rest")
        self.assertTrue(c.is_silent(0))
        s.trouble.accepting = 0
        self.assertEqual(c.line(), b"MN\r\n")
        end()
        self.assertEqual(len(self.said(s)), 1, s.output())
        self.assertIn(os.strerror(error), s.output())
        self.assertGreater(int(s.stats()["listen_disabled_num"]), 0)

    def test_emfile(self):
        self.out_of_room(errno.EMFILE)

    def test_enfile(self):
        self.out_of_room(errno.ENFILE)

    def test_enobufs(self):
        self.out_of_room(errno.ENOBUFS)

    def test_enomem(self):
        self.out_of_room(errno.ENOMEM)

    def test_the_client_is_gone_before_it_is_accepted(self):
        s = troubled(self, ["-t", "2"])
        for error in (errno.ECONNABORTED, errno.EPROTO, errno.EPERM,
                      errno.EINTR):
            s.trouble.accepting = error
            c = self.connect(s)
            tries = s.trouble.accepts
            until(lambda: s.trouble.accepts > tries, "it tries")
            s.trouble.accepting = 0
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        self.assertEqual(self.said(s), [])

    def test_a_socket_that_outlives_its_connection(self):
        """Who asks for stats conns keeps the sockets of other threads for a
        moment; the kernel tells of them until the last one lets go."""
        s = troubled(self, ["-t", "1"], env={"MALLOC_PERTURB_": "165"})
        s.trouble.holding = 1
        for i in range(5):
            c = self.connect(s)
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
            c.reset()
            until(lambda: s.trouble.held > i, "it is closed")
        s.trouble.holding = 0
        self.works(s)

    def test_the_limit_of_the_process(self):
        """The real one, with clients that come and go at it."""
        s = self.start(["-t", "2", "-c", "200"])
        kept = self.connect(s)
        self.assertEqual(kept.ask(b"mn\r\n"), b"MN\r\n")
        used = len(os.listdir("/proc/%d/fd" % s.pid))
        hard = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (used + 5, hard))
        crowd = [self.connect(s) for _ in range(20)]
        for c in crowd:
            c.send(b"mn\r\n")
        for c in crowd[:5]:
            self.assertEqual(c.line(), b"MN\r\n")
        until(lambda: self.said(s), "it says why")
        for i, c in enumerate(crowd):
            self.assertEqual(kept.ask(b"mn\r\n"), b"MN\r\n")
            if i >= 5:
                self.assertEqual(c.line(), b"MN\r\n")
            c.close()
        self.assertEqual(len(self.said(s)), 1, s.output())
        self.works(s)


class Sockets(Faults):
    def test_one_byte_at_a_time(self):
        """Every send and receive of the server does a few bytes."""
        for n in (1, 2, 7):
            s = troubled(self, ["-t", "1"])
            s.trouble.bytes = n
            c = self.connect(s)
            c.send(TALK)
            got = c.until(b"MN\r\n")
            self.assertTrue(REPLY.fullmatch(got), got[-600:])
            c.send(b"\x80")
            s.trouble.bytes = 0

    def test_small_buffers_and_a_slow_reader(self):
        s = self.start(["-t", "1"])
        end = self.busy(s)
        c = self.connect(s, rcvbuf=2048)
        n = 40
        sender = threading.Thread(target=c.send, args=(TALK * n,))
        sender.start()
        for _ in range(n):
            got = c.until(b"MN\r\n")
            self.assertTrue(REPLY.fullmatch(got), got[-600:])
        sender.join()
        end()

    def resets(self, talk, step):
        s = self.start(["-t", "2"])
        end = self.busy(s)
        for i in range(0, len(talk) + 1, step):
            c = s.connect()
            c.send(talk[:i])
            c.reset()
        end()
        until(lambda: int(s.stats()["curr_connections"]) <= 1,
              "the dead are gone")
        self.works(s)

    def test_reset_at_every_byte(self):
        self.resets(TALK.replace(b"v" * 9000, b"v" * 40)
                    .replace(b" 9000", b" 40"), 1)

    def test_reset_at_every_byte_of_binary(self):
        key = b"\x80\x00\x00\x01" + b"\0" * 7 + b"\1" + b"\0" * 12 + b"k"
        put = b"\x80\x01\x00\x01\x08" + b"\0" * 6 + b"\x0c" + b"\0" * 20 + \
            b"kabc"
        self.resets(put + key + b"\x80\x0a" + b"\0" * 22 +
                    b"\x80\x10" + b"\0" * 22, 1)

    def test_reset_within_large_values(self):
        self.resets(TALK * 3, 397)

    def test_reset_while_it_answers(self):
        """The client dies after it has read so much."""
        s = self.start(["-t", "2"])
        with s.connect() as c:
            c.send(TALK)
            size = len(c.until(b"MN\r\n"))
        end = self.busy(s)
        for i in range(0, size, 23):
            c = s.connect(rcvbuf=2048)
            c.send(TALK * 20)
            c.read(i)
            c.reset()
        end()
        self.works(s)


@slabd_only("it has fewer words for it")
class Clock(Faults):
    """The wall clock jumps; what lives so many seconds goes on living."""

    def jump(self, seconds):
        s = troubled(self, ["-t", "1"])
        c = self.connect(s)
        c.send(b"set a 0 1000 1\r\n1\r\nset n 0 0 1\r\n2\r\n")
        self.assertEqual(c.read(16), b"STORED\r\n" * 2)
        s.trouble.seconds = seconds
        up = int(s.stats()["uptime"])
        self.assertLess(up, 200)
        line = c.ask(b"mg a t\r\n")
        left = int(re.fullmatch(rb"HD t(\d+)\r\n", line).group(1))
        self.assertTrue(900 < left <= 1000, left)
        c.send(b"set b 0 1000 1\r\n3\r\nget a n b\r\nlru_crawler metadump "
               b"all\r\n")
        c.until(b"VALUE b 0 1\r\n3\r\nEND\r\n")
        # two ticks later all is as it was
        until(lambda: int(s.stats()["uptime"]) >= up + 2, "two seconds")
        with s.connect() as d:
            d.send(b"get a n b\r\n")
            self.assertEqual(d.until(b"END\r\n").count(b"VALUE"), 3)
        s.trouble.seconds = 0
        self.works(s)

    def test_a_day_forward(self):
        self.jump(86400)

    def test_a_day_back(self):
        self.jump(-86400)

    def test_forty_years_forward(self):
        self.jump(40 * 366 * 86400)

    def test_back_to_1970(self):
        self.jump(-int(time.time()))


class Disk(Faults):
    """The pid file, the port file and the log find the disk full."""

    def full_disk(self, args):
        """A server whose directory holds no byte more, or None."""
        if shutil.which("unshare") is None or os.geteuid() != 0:
            raise unittest.SkipTest("not root")
        if subprocess.run(["unshare", "-m", "true"],
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise unittest.SkipTest("no mounts of its own here")
        s = harness.Server(args, wait=False)
        self.addCleanup(s.stop)
        os.mkdir(s.path("full"))
        s.argv = ["unshare", "-m", "sh", "-c",
                  "mount -t tmpfs -o size=4k none full || exit 99; "
                  "dd if=/dev/zero of=full/x bs=4k count=1 2>/dev/null; "
                  "exec \"$@\"", "sh"] + s.argv
        return s

    def decided(self, s):
        if s.decision() == 99:
            s.ended = True
            raise unittest.SkipTest("cannot mount")

    def test_pid_file(self):
        s = self.full_disk(["-P", "{DIR}/full/pid"])
        s.start()
        self.decided(s)
        self.told(s, "pid")

    def told(self, s, what):
        """Serves or gives up, but says why, once."""
        lines = until(lambda: [one for one in s.output().splitlines()
                               if what in one], "it says why")
        self.assertEqual(len(lines), 1, s.output())
        self.assertRegex(lines[0], "No space left|too large|[Nn]o room")
        self.serves_or_ends(s)

    def serves_or_ends(self, s):
        """It is bound already when it finds that it cannot go on."""
        if s.proc.poll() is None:
            try:
                return self.works(s)
            except (OSError, AssertionError):
                pass
        self.assertGreater(s.wait(), 0)

    def test_port_file(self):
        s = self.full_disk([])
        s.env["MEMCACHED_PORT_FILENAME"] = s.path("full/ports")
        s.start()
        self.decided(s)
        self.told(s, "ports")

    def test_no_file_may_grow(self):
        """As by ulimit -f 0."""
        s = harness.Server(["-P", "{DIR}/pid", "-vv"], wait=False)
        self.addCleanup(s.stop)
        s.argv = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
                  "sh"] + s.argv
        s.start()
        self.decided(s)
        self.serves_or_ends(s)

    def test_log_on_a_full_disk(self):
        s = harness.Server(["-vvv"], wait=False)
        self.addCleanup(s.stop)
        s.argv = ["sh", "-c", "exec \"$@\" 2>/dev/full >/dev/full",
                  "sh"] + s.argv
        s.start()
        s.wait_for_port()
        for _ in range(50):
            self.works(s)

    def test_log_that_nobody_reads(self):
        """A pipe that is full, or closed: it must not wait, nor die."""
        s = harness.Server(["-vvv"], wait=False)
        self.addCleanup(s.stop)
        s.argv = ["sh", "-c", "exec \"$@\" 2>&1 | true", "sh"] + s.argv
        s.argv = ["bash", "-c", "exec \"$@\" 2> >(true)", "bash"] + \
            s.argv[4:]
        s.start()
        s.wait_for_port()
        for _ in range(50):
            self.works(s)


class Stopped(Faults):
    def test_sigstop_and_sigcont(self):
        s = self.start(["-t", "2"])
        crowd = [self.connect(s) for _ in range(20)]
        for c in crowd:
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        s.signal(signal.SIGSTOP)
        self.addCleanup(s.signal, signal.SIGCONT)
        until(lambda: all(") T" in p.read_text() for p in pathlib.Path(
            "/proc/%d/task" % s.pid).glob("*/stat")), "it is stopped")
        late = [self.connect(s) for _ in range(20)]    # the kernel accepts
        for c in crowd + late:
            c.send(TALK)
        crowd[0].reset()
        self.assertTrue(crowd[1].is_silent(.05))
        s.signal(signal.SIGCONT)
        for c in crowd[1:] + late:
            got = c.until(b"MN\r\n")
            self.assertEqual(got.count(b"VALUE big 0 9000\r\n"), 1)
        self.works(s)

    def test_starved(self):
        """A worker that gets the processor in bursts, now and then."""
        s = self.start(["-t", "2"])
        ends = [self.busy(s) for _ in range(3)]
        for i in range(40):
            s.signal(signal.SIGSTOP)
            c = s.connect()
            c.send(TALK if i % 2 else b"get half")
            s.signal(signal.SIGCONT)
            if i % 2:
                c.until(b"MN\r\n")
            c.reset()
        for end in ends:
            end()
        self.works(s)

    def test_hardly_any_processor(self):
        """At the lowest priority, on a processor that others keep busy."""
        s = self.start(["-t", "2"])
        one = min(os.sched_getaffinity(0))
        hogs = []
        for task in os.listdir("/proc/%d/task" % s.pid):
            os.sched_setaffinity(int(task), {one})
            os.setpriority(os.PRIO_PROCESS, int(task), 19)
        try:
            for _ in range(2):
                hog = subprocess.Popen(["sh", "-c", "while :; do :; done"])
                os.sched_setaffinity(hog.pid, {one})
                hogs.append(hog)
            end = self.busy(s)
            for _ in range(20):
                with s.connect() as c:
                    c.send(TALK)
                    c.until(b"MN\r\n")
            end()
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        self.works(s)


@slabd_only("it leaks at exit on purpose")
class Leaks(Faults):
    """What it took it gives back at the end, after every kind of trouble."""

    @unittest.skipIf(harness.SANITIZED, "LeakSanitizer looks itself")
    @unittest.skipIf(shutil.which("valgrind") is None, "no valgrind")
    def test_valgrind(self):
        s = harness.Server(["-t", "2", "-m", "8", "-D", ":"], wait=False)
        self.addCleanup(s.stop)
        s.argv = ["valgrind", "-q", "--leak-check=full",
                  "--show-leak-kinds=definite,possible",
                  "--errors-for-leak-kinds=definite",
                  "--error-exitcode=9"] + s.argv
        s.start()
        until(lambda: self.answers(s), "it answers", 4 * harness.BOUND)
        for data in (TALK, b"stats\r\nstats conns\r\nstats detail dump\r\n",
                     b"lru_crawler metadump all\r\n", b"watch\r\n",
                     b"set half 0 0 90000\r\nabc", b"get half"):
            for dies in (False, True):
                c = s.connect(bound=4 * harness.BOUND)
                c.send(data)
                if dies:
                    c.reset()
                else:
                    self.addCleanup(c.close)
        with s.connect(bound=4 * harness.BOUND) as c:
            c.send(TALK)
            c.until(b"MN\r\n")
        s.proc.terminate()
        self.assertEqual(s.wait(4 * harness.BOUND), 0, s.output())

    def answers(self, s):
        if s.proc.poll() is not None:
            self.skipTest("valgrind cannot run it: %s" % s.output()[-300:])
        try:
            with s.connect() as c:
                return c.ask(b"mn\r\n") == b"MN\r\n"
        except (OSError, AssertionError):
            return False


if __name__ == "__main__":
    unittest.main()
