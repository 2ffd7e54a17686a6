"""harness.py - starts a server, talks to it, and sees that it ends well.

    class Something(harness.Case):
        ARGS = ["-m", "64"]             # one server for the class

        def test_hello(self):
            c = self.server.connect()
            c.ask(b"version\r\n")

A server is build/slabd, or what the environment's SLABD names:

    SLABD=/usr/bin/memcached /usr/bin/python3 tests/e2e/run.py

checks the tests themselves against memcached.  Debian 12's is 1.6.18 and
differs in places; tests that know of it are marked @slabd_only("why").

When a server is stopped, the test fails if it had crashed, if it does not end
in time with status 0, or if it said that an assertion, a sanitizer or a leak
check failed.  Nothing sleeps: what takes time is waited for, with a bound.
"""
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SLABD") or str(ROOT / "build" / "slabd")
ORACLE = os.path.basename(BINARY) == "memcached"
BOUND = 20.0            # seconds that anything may take; more when sanitized


def _image():
    try:
        return pathlib.Path(BINARY).read_bytes()
    except OSError:
        return b""


# A sanitizer takes memory and time of its own.
SANITIZED = any(s in _image() for s in (b"__asan_init", b"__tsan_init"))
if SANITIZED:
    BOUND *= 4

COMPLAINT = re.compile(
    r"Assertion|AddressSanitizer|LeakSanitizer|ThreadSanitizer|"
    r"runtime error:|double free|corrupted|stack smashing")

NEWER = "memcached 1.6.18 differs; 1.6.45 is what counts"


def slabd_only(why=NEWER):
    return unittest.skipIf(ORACLE, why)


def until(claim, what, bound=BOUND):
    """Waits for claim() to be true and returns what it returned."""
    end = time.monotonic() + bound
    pause = 0.001
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (bound, what))
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def free_port():
    """None of those that the kernel gives to clients: a server that ends and
    begins again finds it free still."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first = int(f.read().split()[0])
    for _ in range(100):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(10000, first)
                        if first > 20000 else 0))
                return s.getsockname()[1]
            except OSError:
                pass
    raise AssertionError("no free port")


class Conn:
    """A connection.  Reads are bounded; a reply is bytes, as on the wire."""

    def __init__(self, address, bound=BOUND, rcvbuf=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(bound)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST, as a client that died."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        data = self.sock.recv(1 << 20)
        self.buf += data
        return data

    def read(self, n):
        parts, have = [self.buf], len(self.buf)
        while have < n:
            data = self.sock.recv(1 << 20)
            if not data:
                self.buf = b"".join(parts)
                raise AssertionError("closed after %r, wanted %d bytes" %
                                     (self.buf[-80:], n))
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buf = whole[n:]
        return whole[:n]

    def line(self):
        while b"\n" not in self.buf:
            if not self.more():
                raise AssertionError("closed after %r" % self.buf[-80:])
        line, _, self.buf = self.buf.partition(b"\n")
        return line + b"\n"

    def ask(self, request):
        """Sends a request whose reply is one line; returns the line."""
        self.send(request)
        return self.line()

    def until(self, end):
        """Reads until the reply ends with the bytes given."""
        at = 0
        while True:
            found = self.buf.find(end, max(0, at - len(end)))
            if found >= 0:
                found += len(end)
                whole, self.buf = self.buf[:found], self.buf[found:]
                return whole
            at = len(self.buf)
            if not self.more():
                raise AssertionError("closed; wanted %r after %r" %
                                     (end, self.buf[-200:]))

    def rest(self):
        """Everything until the server closes."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        data, self.buf = self.buf, b""
        return data

    def is_closed(self):
        """Waits for the server to close; nothing may come before."""
        return self.rest() == b""

    def is_silent(self, seconds=0.2):
        """Nothing comes and the connection stays open."""
        return not self.buf and \
            not select.select([self.sock], [], [], seconds)[0]


class Server:
    def __init__(self, args=(), env=None, listen=True, user=True, wait=True,
                 want_exit=None, fast=False):
        self.dir = tempfile.mkdtemp(prefix="slabd-e2e.")
        self.port = free_port()
        self.argv = [BINARY]
        if listen:
            self.argv += ["-l", "127.0.0.1", "-p", str(self.port)]
        if user and os.geteuid() == 0:
            self.argv += ["-u", "root"]
        self.argv += [a.replace("{DIR}", self.dir) for a in args]
        self.env = dict(os.environ)
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.env.setdefault("TSAN_OPTIONS", "suppressions=%s" %
                            (ROOT / "tests" / "e2e" / "tsan.supp"))
        for k, v in (env or {}).items():
            self.env[k] = v.replace("{DIR}", self.dir)
        self.out = open(os.path.join(self.dir, "output"), "w+b")
        self.proc = None
        self.ended = False
        self.inherit = ()       # descriptors that it shall find open
        if wait:
            self.start()
            if listen:
                self.wait_for_port()

    def start(self):
        self.proc = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=self.out,
            stderr=self.out, env=self.env, cwd=self.dir,
            pass_fds=self.inherit)
        self.pid = self.proc.pid

    def wait_for_port(self):
        def answers():
            if self.proc.poll() is not None:
                raise AssertionError("%s ended at once, status %s: %s" % (
                    " ".join(self.argv), self.proc.returncode, self.output()))
            # A connection alone proves nothing: the kernel accepts it for a
            # server that is not ready for signals yet.
            try:
                with self.connect() as c:
                    return c.ask(b"version\r\n") != b""
            except (OSError, AssertionError):
                return False
        until(answers, "%s answers" % " ".join(self.argv))

    def path(self, name):
        return os.path.join(self.dir, name)

    def output(self):
        self.out.flush()
        with open(self.path("output"), "rb") as f:
            return f.read().decode("utf-8", "replace")

    def connect(self, **kw):
        return Conn(("127.0.0.1", self.port), **kw)

    def plain(self, port=None):
        """Without what a subclass's connect() may put around it."""
        return Conn(("127.0.0.1", port or self.port))

    def stats(self, group=b""):
        with self.connect() as c:
            c.send(b"stats %s\r\n" % group if group else b"stats\r\n")
            reply = c.until(b"END\r\n").decode()
        return dict(line.split(" ", 2)[1:3] for line in reply.splitlines()
                    if line.startswith("STAT "))

    def resident(self):
        """Bytes of memory that the process holds now."""
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) << 10

    def decision(self):
        """Waits until it serves or has ended; None, or its status."""
        def decided():
            if self.proc.poll() is not None:
                return True
            try:
                self.plain().close()
                return True
            except OSError:
                return False
        until(decided, "%s serves or ends" % " ".join(self.argv))
        return self.proc.returncode

    def wait(self, bound=BOUND):
        """Waits for the end of the process; returns its status."""
        try:
            status = self.proc.wait(bound)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end within %g s" %
                                 (" ".join(self.argv), bound)) from None
        self.ended = True
        return status

    def signal(self, sig):
        os.kill(self.pid, sig)

    def stop(self):
        """Ends it, and complains of what was not as it should be."""
        try:
            if self.proc is None or self.ended:
                self.check_output()
                return
            status = self.proc.poll()
            if status is not None:
                raise AssertionError("the server died, status %s: %s" % (
                    status, self.output()[-4000:]))
            self.proc.terminate()
            try:
                status = self.wait()
            except AssertionError:
                self.proc.kill()
                self.proc.wait()
                raise
            if status != 0:
                raise AssertionError("SIGTERM, then status %s: %s" % (
                    status, self.output()[-4000:]))
            self.check_output()
        finally:
            self.out.close()
            shutil.rmtree(self.dir, ignore_errors=True)

    def check_output(self):
        text = self.output()
        if COMPLAINT.search(text):
            raise AssertionError("the server complained: %s" % text[-6000:])


class Case(unittest.TestCase):
    """Tests that share one server, started with ARGS."""
    ARGS = []
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.ARGS)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        # A server that an earlier test killed fails this one by name, too.
        self.assertIsNone(self.server.proc.poll(), "the server is dead")

    def start(self, args=(), **kw):
        """One more server, for this test alone."""
        s = Server(args, **kw)
        self.addCleanup(s.stop)
        return s

    def connect(self, server=None, **kw):
        c = (server or self.server).connect(**kw)
        self.addCleanup(c.close)
        return c

    def works(self, server=None):
        """A fresh connection is served."""
        with (server or self.server).connect() as c:
            c.send(b"set works 0 0 3\r\nyes\r\nget works\r\nmn\r\n")
            self.assertEqual(
                c.until(b"MN\r\n"),
                b"STORED\r\nVALUE works 0 3\r\nyes\r\nEND\r\nMN\r\n")


class Solo(Case):
    """Tests that start servers of their own."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass


def ends(server, sig=signal.SIGTERM):
    server.signal(sig)
    return server.wait()
