"""The server as a service: its file of options, its manager, its end."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import BINARY, Solo, until

AS_ROOT = ["-u", "root"] if os.geteuid() == 0 else []

# Debian 12's, but for the port and the pid file.
MEMCACHED_CONF = """\
# memcached default config file
# 2003 - Jay Bonci <jaybonci@debian.org>
# This configuration file is read by the start-memcached script provided as
# part of the Debian GNU/Linux distribution.

# Run memcached as a daemon. This command is implied, and is not needed for the
# daemon to run. See the README.Debian that comes with this package for more
# information.
-d

# Log memcached's output to /var/log/memcached
logfile /var/log/memcached.log

# Be verbose
# -v

# Start with a cap of 64 megs of memory. It's reasonable, and the daemon default
-m 64

# Default connection port is 11211
-p %d

# Run the daemon as root. The start-memcached will default to running as root if no
# -u command is present in this config file
-u %s

# Specify which IP address to listen on. The default is to listen on all IP addresses
-l 127.0.0.1

# Limit the number of simultaneous incoming connections. The daemon default is 1024
-c 512

# Use a pidfile
-P %s
"""


@unittest.skipIf(harness.ORACLE, "of slabd")
class ConfigFile(Solo):
    def site(self, text, args=()):
        """A server of that file and nothing else."""
        s = harness.Server(listen=False, user=False, wait=False)
        self.addCleanup(s.stop)
        with open(s.path("conf"), "w") as f:
            f.write(text.replace("{PORT}", str(s.port)))
        s.argv += ["--config", s.path("conf"), *args]
        return s

    def serve(self, *args, **kw):
        s = self.site(*args, **kw)
        s.start()
        s.wait_for_port()
        return s

    def test_debians_own(self):
        s = self.site("")
        with open(s.path("conf"), "w") as f:
            f.write(MEMCACHED_CONF % (s.port, "root", s.path("pid")))
        s.start()
        s.wait_for_port()
        with open(s.path("pid")) as f:
            self.assertEqual(int(f.read()), s.pid)      # it did not detach
        got = s.stats(b"settings")
        self.assertEqual(got["maxconns"], "512")
        self.assertEqual(got["inter"], "127.0.0.1")
        self.works(s)

    def test_the_command_line_corrects_the_file(self):
        s = self.serve("-p {PORT}\n-c 50 -m 100\n-u root\n", ["-c", "60"])
        got = s.stats(b"settings")
        self.assertEqual((got["maxconns"], got["maxbytes"]),
                         ("60", str(100 << 20)))

    def test_errors_name_the_place(self):
        for text, words in (("-m 64\nbogus 1\n", ["conf:2", "bogus"]),
                            ("-p 'x\n", ["conf:1", "quote"]),
                            ("-p 70000\n", ["-p 70000"]),
                            ("--frobnicate\n", ["--frobnicate"]),
                            ("--config other\n", ["--config"])):
            s = self.site(text)
            s.start()
            self.assertEqual(s.wait(), 1, text)
            for w in words:
                self.assertIn(w, s.output())
        p = subprocess.run([BINARY, "--config=/nonexistent/conf"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=harness.BOUND)
        self.assertEqual(p.returncode, 1)
        self.assertIn(b"/nonexistent/conf", p.stdout)

    def test_the_packaged_one(self):
        with open(harness.ROOT / "packaging" / "slabd.conf") as f:
            text = f.read()
        self.assertIn("\n-p 11211\n", text)
        s = self.serve(text.replace("11211", "{PORT}", 1), AS_ROOT)
        self.assertEqual(s.stats()["limit_maxbytes"], str(64 << 20))


@unittest.skipIf(harness.ORACLE, "of slabd")
class Manager(Solo):
    def notified(self, name):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.settimeout(harness.BOUND)
        sock.bind(name)
        self.addCleanup(sock.close)
        return sock

    def test_it_tells_when_it_is_ready_and_when_it_ends(self):
        folder = tempfile.mkdtemp(prefix="slabd-e2e.")
        self.addCleanup(shutil.rmtree, folder)
        for name in (os.path.join(folder, "notify"),
                     "\0slabd-e2e.%d" % os.getpid()):
            sock = self.notified(name)
            s = harness.Server(env={"NOTIFY_SOCKET":
                                    name.replace("\0", "@")}, wait=False)
            self.addCleanup(s.stop)
            s.start()
            self.assertEqual(sock.recv(100), b"READY=1")
            self.works(s)       # at once
            s.signal(signal.SIGTERM)
            self.assertEqual(sock.recv(100), b"STOPPING=1")
            self.assertEqual(s.wait(), 0)

    def test_one_that_cannot_start_is_never_ready(self):
        name = "\0slabd-e2e-no.%d" % os.getpid()
        sock = self.notified(name)
        p = subprocess.run([BINARY, "-l", "192.0.2.1", *AS_ROOT],
                           env=dict(os.environ, NOTIFY_SOCKET="@" + name[1:]),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=harness.BOUND)
        self.assertEqual(p.returncode, 71)
        sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            sock.recv(100)

    def test_a_pid_file_that_nobody_needs(self):
        sock = self.notified("\0slabd-e2e-pid.%d" % os.getpid())
        s = self.start(["-P", "/nonexistent/pid"], env={
            "NOTIFY_SOCKET": "@slabd-e2e-pid.%d" % os.getpid()})
        self.assertEqual(sock.recv(100), b"READY=1")
        self.assertIn("/nonexistent/pid", s.output())

    def activated(self, sockets, *args, n=None):
        """A server that finds the sockets at descriptors 3, 4 ..."""
        fds = [s.fileno() for s in sockets]
        with open(os.path.join(tempfile.gettempdir(), "slabd-e2e.out"),
                  "w+b") as out:
            pid = os.fork()
            if pid == 0:
                try:
                    copies = [os.dup(fd) for fd in fds]
                    high = [os.dup2(fd, 100 + i)
                            for i, fd in enumerate(copies)]
                    os.dup2(out.fileno(), 1)
                    os.dup2(out.fileno(), 2)
                    for i, fd in enumerate(high):
                        os.dup2(fd, 3 + i)
                    os.environ["LISTEN_FDS"] = str(n or len(fds))
                    os.environ["LISTEN_PID"] = str(os.getpid())
                    os.execv(BINARY, [BINARY, *AS_ROOT, *args])
                finally:
                    os._exit(99)
            os.unlink(out.name)
        return pid

    def ends(self, pid):
        os.kill(pid, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def listener(self, family=socket.AF_INET, where=("127.0.0.1", 0)):
        s = socket.socket(family)
        self.addCleanup(s.close)
        s.bind(where)
        s.listen()
        return s

    def test_sockets_of_the_manager(self):
        """A client may come before there is a server; -p has no effect."""
        folder = tempfile.mkdtemp(prefix="slabd-e2e.")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "sock")
        tcp = self.listener()
        unix = self.listener(socket.AF_UNIX, path)
        early = harness.Conn(tcp.getsockname())
        self.addCleanup(early.close)
        early.send(b"version\r\n")
        pid = self.activated([tcp, unix], "-p", str(tcp.getsockname()[1]))
        self.assertTrue(early.line().startswith(b"VERSION"))
        with harness.Conn(path) as c:
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        self.assertEqual(self.ends(pid), 0)
        self.assertTrue(os.path.exists(path), "it is the manager's")

    def test_no_sockets(self):
        """What is no listening socket ends it, with a word."""
        idle = socket.socket()
        self.addCleanup(idle.close)
        pid = self.activated([idle])
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 71)

    def test_sockets_of_another_process(self):
        s = self.start(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
        self.works(s)

    def test_units_are_well_formed(self):
        analyze = shutil.which("systemd-analyze")
        if not analyze:
            self.skipTest("no systemd-analyze")
        folder = tempfile.mkdtemp(prefix="slabd-e2e.")
        self.addCleanup(shutil.rmtree, folder)
        p = subprocess.run(
            ["make", "install", "DESTDIR=" + folder, "PREFIX=/usr"],
            cwd=harness.ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual(p.returncode, 0, p.stdout)
        units = folder + "/usr/lib/systemd/system"
        with open(units + "/slabd.service") as f:
            text = f.read()
        self.assertIn("\nExecStart=/usr/bin/slabd --config /etc/slabd.conf",
                      text)
        self.assertNotIn("@", text.replace("@system-service", "").replace(
            "@resources", "").replace("@privileged", ""))
        # The program is not in its place here.
        with open(units + "/slabd.service", "w") as f:
            f.write(text.replace("/usr/bin/slabd", BINARY))
        p = subprocess.run(
            [analyze, "verify", "--man=no", units + "/slabd.service",
             units + "/slabd.socket"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        ours = [line for line in p.stdout.decode().splitlines()
                if "slabd" in line]
        self.assertEqual(ours, [])


@unittest.skipIf(harness.ORACLE, "of slabd")
class Completion(Solo):
    def complete(self, *words):
        script = subprocess.run([BINARY, "--completion"], check=True,
                                stdout=subprocess.PIPE).stdout.decode()
        script += "compopt() { :; }; COMP_WORDS=(slabd %s); COMP_CWORD=%d\n" \
            "_slabd; echo \"${COMPREPLY[@]}\"" % (
                " ".join("'%s'" % w for w in words), len(words))
        return subprocess.run(["bash", "-c", script], check=True,
                              stdout=subprocess.PIPE).stdout.decode().split()

    def test_words(self):
        self.assertEqual(self.complete("--memory-l"), ["--memory-limit"])
        self.assertEqual(self.complete("-o", "hot_l"), ["hot_lru_pct="])
        self.assertEqual(self.complete("-o", "modern,hot_l"),
                         ["modern,hot_lru_pct="])
        self.assertEqual(self.complete("-B", "a"), ["auto", "ascii"])
        self.assertIn("root", self.complete("-u", "roo"))
        self.assertIn("/etc/passwd",
                      self.complete("--config", "=", "/etc/passw"))


class End(Solo):
    """SIGTERM: what was read, or had arrived, is answered."""

    @harness.slabd_only("memcached closes at once")
    def test_what_has_arrived_is_answered(self):
        """The server is stopped while the requests arrive, so that they and
        the signal are there when it goes on."""
        s = self.start(["-t", "2"])
        clients = [self.connect(s) for _ in range(10)]
        for c in clients:
            c.ask(b"mn\r\n")
        s.signal(signal.SIGSTOP)
        burst = b"".join(b"set k%d 0 0 4\r\nabcd\r\nget k%d\r\n" % (i, i)
                         for i in range(1000))
        reply = b"".join(b"STORED\r\nVALUE k%d 0 4\r\nabcd\r\nEND\r\n" % i
                         for i in range(1000))
        for c in clients:
            c.send(burst)
        s.signal(signal.SIGTERM)
        s.signal(signal.SIGCONT)
        for c in clients:
            self.assertEqual(c.rest(), reply)
        self.assertEqual(s.wait(), 0)

    @harness.slabd_only("memcached closes at once")
    def test_a_burst_that_goes_on(self):
        """Replies are whole and without a gap, to what was sent before the
        signal at least."""
        s = self.start(["-t", "2"])
        clients = [self.connect(s) for _ in range(4)]
        sent = [0] * len(clients)
        over = threading.Event()

        def burst(i, c):
            c.send(b"set n%d 0 0 1\r\n0\r\n" % i)
            try:
                while not over.is_set():
                    if sent[i] - taken[i] < 5000:
                        c.send(b"incr n%d 1\r\n" % i * 50)
                        sent[i] += 50
                    else:       # what a socket holds is bounded
                        over.wait(0.001)
            except OSError:
                pass
        taken = [0] * len(clients)
        got = [b""] * len(clients)

        def listen(i, c):
            try:
                while c.more():
                    taken[i] = c.buf.count(b"\n")
            except ConnectionResetError:
                pass
            got[i] = c.buf
        crowd = [threading.Thread(target=f, args=(i, c))
                 for i, c in enumerate(clients) for f in (burst, listen)]
        for t in crowd:
            t.start()
        until(lambda: min(sent) > 2000, "all are busy")
        before = list(sent)
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)
        over.set()
        for t in crowd:
            t.join()
        for i, text in enumerate(got):
            lines = text.split(b"\r\n")
            self.assertEqual(lines.pop(0), b"STORED")
            self.assertEqual(lines.pop(), b"", "half a reply")
            self.assertEqual(lines, [b"%d" % n for n in
                                     range(1, len(lines) + 1)])
            self.assertGreaterEqual(len(lines), before[i])

    @harness.slabd_only("of slabd's logins")
    def test_a_login_under_way_is_answered(self):
        s = harness.Server(["-Y", "{DIR}/users"], wait=False)
        self.addCleanup(s.stop)
        passwd = os.path.join(os.path.dirname(BINARY), "slabd-passwd")
        subprocess.run([passwd, "add", s.path("users"), "joe"],
                       input=b"secret\n", check=True,
                       stdout=subprocess.DEVNULL)
        s.start()
        s.wait_for_port()
        c = self.connect(s)
        c.send(b"set x 0 0 10\r\njoe secret\r\nmn\r\n")
        s.signal(signal.SIGTERM)
        text = c.rest()
        # Not read, or both.
        self.assertIn(text, (b"", b"STORED\r\nMN\r\n"))
        self.assertEqual(s.wait(), 0)


if __name__ == "__main__":
    unittest.main()
