"""Logging in: real clients, listeners, reloads under load, guessers.

RELOADS=n in the environment makes the reloads under load so many.
"""
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import sasl
from harness import until
from sasl import (MECHANISM, PASSWD, ask, from_address, packet, passwd, plain,
                  reply, scram, text)

try:
    import pylibmc
except ImportError:
    pylibmc = None

HERE = pathlib.Path(__file__).resolve().parent
def has_memjs():
    """npm's, where NODE_PATH says."""
    return bool(shutil.which("node")) and subprocess.run(
        ["node", "-e", "require.resolve('memjs')"], cwd=HERE,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=60).returncode == 0


@unittest.skipIf(harness.ORACLE, "slabd's own user file")
class Auth(sasl.Site, unittest.TestCase):
    maxDiff = 4000

    # ------------------------------------------------------------ clients

    @unittest.skipUnless(shutil.which("memccat"), "libmemcached-tools")
    def test_libmemcached_tools(self):
        s = self.site()
        path = s.path("value")
        with open(path, "w") as f:
            f.write("of a file")

        def run(tool, *args, password="pass word"):
            return subprocess.run(
                [tool, "--servers=127.0.0.1:%d" % s.port, "--binary",
                 "--username=joe", "--password=" + password, *args],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, timeout=harness.BOUND)
        p = run("memccp", path)
        self.assertEqual(p.returncode, 0, p.stdout)
        p = run("memccat", "value")
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertIn(b"of a file", p.stdout)
        self.assertNotEqual(run("memccat", "value",
                                password="x").returncode, 0)

    @unittest.skipUnless(shutil.which("memccat"), "libmemcached-tools")
    def test_tools_pick_scram(self):
        """With nothing else on offer they would fail if they did not."""
        conf = harness.tempfile.mkdtemp(prefix="slabd-conf.")
        self.addCleanup(shutil.rmtree, conf, True)
        with open(os.path.join(conf, "memcached.conf"), "w") as f:
            f.write("mech_list: scram-sha-256 cram-md5 anonymous\n")
        s = self.site(env={"SASL_CONF_PATH": conf})
        c = self.connect(s)
        self.assertEqual(ask(c, 0x20), (0, MECHANISM))
        self.assertEqual(plain(c, b"joe", b"pass word"), 0x20)
        p = subprocess.run(
            ["memccat", "--servers=127.0.0.1:%d" % s.port, "--binary",
             "--username=joe", "--password=pass word", "none"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=harness.BOUND)
        self.assertNotIn(b"AUTH", p.stdout)
        with self.connect(s) as c:
            text(c, b"joe", b"pass word")
            c.send(b"stats\r\n")
            self.assertIn(b"STAT auth_errors 1\r\n", c.until(b"END\r\n"))

    @unittest.skipIf(pylibmc is None, "python3-pylibmc")
    def test_pylibmc(self):
        s = self.site()
        c = pylibmc.Client(["127.0.0.1:%d" % s.port], binary=True,
                           username="joe", password="pass word")
        self.addCleanup(c.disconnect_all)
        self.assertTrue(c.set("k", {"a": 1}))
        self.assertEqual(c.get("k"), {"a": 1})
        c = pylibmc.Client(["127.0.0.1:%d" % s.port], binary=True,
                           username="joe", password="wrong")
        self.addCleanup(c.disconnect_all)
        with self.assertRaises(pylibmc.Error):
            c.get("k")

    @unittest.skipUnless(shutil.which("php"), "php-cli, php-memcached")
    def test_php(self):
        s = self.site()
        p = subprocess.run(
            ["php", str(HERE / "sasl.php"), str(s.port), "joe", "pass word"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertRegex(p.stdout.decode(), r"^ok\b")

    @unittest.skipUnless(shutil.which("php"), "php-cli, php-memcached")
    def test_php_sessions_wait_for_each_other(self):
        """No count is lost, whoever counts; of a user that has nothing but
        the sessions."""
        for login in ([], ["joe", "pass word"]):
            port = harness.free_port()
            s = self.site(["-l", "noauth:127.0.0.1:%d" % port],
                          users=[(b"joe", b"pass word", "-r", "read,write",
                                  "-p", "memc.sess.key.")])
            clients = [subprocess.Popen(
                ["php", str(HERE / "lock.php"),
                 str(s.port if login else port), "40", *login],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT) for _ in range(3)]
            said = [p.communicate(timeout=60)[0] for p in clients]
            for text_of in said:
                self.assertRegex(text_of, rb"^ok \d+\n$")
            self.assertIn(b"ok 120\n", said)
        p = subprocess.run(
            ["php", str(HERE / "lock.php"), str(s.port), "1", "joe", "x"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertNotIn(b"ok", p.stdout.split(b"\n"))

    @unittest.skipUnless(has_memjs(), "memjs, which is not Debian's")
    def test_memjs(self):
        s = self.site()
        for password, want in (("pass word", b"ok\n"), ("x", b"FAIL ")):
            p = subprocess.run(
                ["node", str(HERE / "client.js"), str(s.port), "joe",
                 password], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            self.assertEqual(p.stdout[:len(want)], want, p.stdout)

    @unittest.skipUnless(shutil.which("memccapable"), "libmemcached-tools")
    def test_memccapable_where_nobody_logs_in(self):
        port = harness.free_port()
        s = self.site(["-l", "noauth:127.0.0.1:%d" % port])
        p = subprocess.run(
            ["memccapable", "-b", "-t", "10", "-h", "127.0.0.1", "-p",
             str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertEqual(ask(self.connect(s), 0x0a)[0], 0x20)

    # ------------------------------------------------------------ listeners

    def test_unix_socket_exempt(self):
        s = self.site(["-s", "noauth:{DIR}/free"])
        c = harness.Conn(s.path("free"))
        self.addCleanup(c.close)
        self.assertEqual(c.ask(b"get k\r\n"), b"END\r\n")
        self.assertEqual(self.connect(s).ask(b"get k\r\n"),
                         b"CLIENT_ERROR unauthenticated\r\n")

    def test_unix_socket_is_not_exempt_by_itself(self):
        s = self.site(["-s", "{DIR}/sock"])
        c = harness.Conn(s.path("sock"))
        self.addCleanup(c.close)
        self.assertEqual(c.ask(b"get k\r\n"),
                         b"CLIENT_ERROR unauthenticated\r\n")
        self.assertEqual(text(c, b"joe", b"pass word"), b"STORED\r\n")

    def refused(self, args, status, says, env=None):
        s = harness.Server(args, wait=False, env=env)
        self.addCleanup(s.stop)
        s.start()
        self.assertEqual(s.wait(), status, s.output())
        self.assertIn(says, s.output())

    def test_refused_starts(self):
        self.site()
        gone = self.file + ".gone"
        self.refused(["-S"], 1, "MEMCACHED_SASL_PWDB")
        self.refused(["-Y", gone], 1, gone + ": No such file")
        self.refused(["-Y", self.file, "-B", "binary"], 64, "-S")
        self.refused(["-S", "-B", "ascii"], 64, "-S")
        self.refused(["-Y", self.file, "-U", "11211"], 64, "-U")
        self.refused(["-S", "-U", "11211"], 64, "-U")
        self.refused(["-l", "auth:127.0.0.1"], 64, "-Y")
        self.refused(["-Y", self.file, "-l", "proto[binary]:127.0.0.1"], 64,
                     "proto[binary]")
        with open(self.file, "ab") as f:
            f.write(b"nothing\n")
        self.refused(["-Y", self.file], 1, self.file + ":4: there is no colon")

    def test_sasl_only_tells_text_clients(self):
        self.site()
        s = harness.Server(["-S"], env={"MEMCACHED_SASL_PWDB": self.file})
        self.addCleanup(s.stop)
        c = self.connect(s)
        self.assertRegex(c.ask(b"version\r\n"), b"^CLIENT_ERROR .*binary")
        self.assertTrue(c.is_closed())
        self.assertEqual(plain(self.connect(s), b"joe", b"pass word"), 0)

    def test_pwdb_is_followed(self):
        path = os.path.join(harness.tempfile.mkdtemp(), "pwdb")
        self.addCleanup(shutil.rmtree, os.path.dirname(path), True)

        def write(line):
            with open(path + ".new", "w") as f:
                f.write(line)
            os.rename(path + ".new", path)
        write("joe@here:one\n")
        port = harness.free_port()
        s = harness.Server(
            ["-S", "-l", "127.0.0.1:%d,noauth:127.0.0.1:%d" % (
                harness.free_port(), port)],
            env={"MEMCACHED_SASL_PWDB": path}, listen=False)
        self.addCleanup(s.stop)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        until(listens, "listens")
        bound = int(s.argv[s.argv.index("-l") + 1].split(",")[0]
                    .split(":")[1])
        c = harness.Conn(("127.0.0.1", bound))
        self.addCleanup(c.close)
        self.assertEqual(plain(c, b"joe@here", b"one"), 0)
        write("joe@here:two\n")
        self.assertEqual(plain(c, b"joe@here", b"one"), 0x20)
        self.assertEqual(plain(c, b"joe@here", b"two"), 0)
        write("broken")
        self.assertEqual(plain(c, b"joe@here", b"two"), 0)
        self.assertIn("pwdb:1: there is no colon", s.output())

    # ------------------------------------------------------------ reload

    @unittest.skipUnless(os.geteuid() == 0, "root alone becomes others")
    def test_root_is_told_that_it_cannot_reload(self):
        s = self.site(["-u", "nobody"], user=False)
        self.assertIn("changes will not be seen", s.output())
        os.chmod(os.path.dirname(self.file), 0o755)
        os.chown(self.file, 65534, -1)
        t = harness.Server(["-v", "-Y", self.file, "-u", "nobody"],
                           user=False)
        self.addCleanup(t.stop)
        self.assertNotIn("will not be seen", t.output())
        t.signal(signal.SIGHUP)
        until(lambda: "read again" in t.output(), "read again")

    def test_broken_reload(self):
        s = self.site(["-v"])
        with open(self.file, "ab") as f:
            f.write(b"x:y\njoe:z\n")
        s.signal(signal.SIGHUP)
        until(lambda: ":5: joe has a line already" in s.output(), "says so")
        self.assertEqual(text(self.connect(s), b"joe", b"pass word"),
                         b"STORED\r\n")

    def test_reload_under_load(self):
        """Whoever logs in meanwhile gets in, whoever is in is served."""
        s = self.site(["-t", "4", "-v"], users=[
            (b"joe", b"one"), (b"ben", b"two", "-r", "read,write", "-p",
                               "b:")])
        with open(self.file, "ab") as f:
            f.write(b"amy:three\n")
        lines = pathlib.Path(self.file).read_bytes()
        s.signal(signal.SIGHUP)
        until(lambda: "read again" in s.output(), "read again")
        stop = threading.Event()
        failures = []

        def expect(what, got, want):
            if got != want:
                failures.append("%s: %r" % (what, got))

        def repeat(once):
            def run():
                try:
                    while not stop.is_set():
                        once()
                except Exception as e:
                    failures.append("%s: %r" % (once.__name__, e))
            return threading.Thread(target=run)

        def by_text():
            with s.connect() as c:
                expect("text", text(c, b"joe", b"one"), b"STORED\r\n")
            with s.connect() as c:
                expect("in clear", text(c, b"amy", b"three"), b"STORED\r\n")

        def by_plain():
            with s.connect() as c:
                expect("plain", plain(c, b"joe", b"one"), 0)
                expect("again", plain(c, b"ben", b"two"), 0)

        def by_scram():
            with s.connect() as c:
                expect("scram", scram(c, b"joe", b"one"), 0)
                expect("scram in clear", scram(c, b"amy", b"three"), 0)

        def work():
            with s.connect() as c:
                expect("text", text(c, b"ben", b"two"), b"STORED\r\n")
                for _ in range(50):
                    expect("set", c.ask(b"set b:1 0 0 1\r\n1\r\n"),
                           b"STORED\r\n")
                    expect("get", c.ask(b"get k\r\n"), b"END\r\n")
                    expect("set", c.ask(b"set k 0 0 1\r\n1\r\n"),
                           b"CLIENT_ERROR permission denied\r\n")

        def guess():
            source = "127.0.0.%d" % (10 + len(guessed) % 240)
            guessed.append(source)
            with from_address(s, source) as c:
                expect("guess", text(c, b"joe", b"wrong"),
                       b"CLIENT_ERROR authentication failure\r\n")
            with from_address(s, source) as c:
                expect("guess", scram(c, b"eve", b"wrong"), 0x20)
            c = from_address(s, source)
            c.send(packet(0x21, b"PLAIN", b"\0amy\0wrong") +
                   packet(0x21, MECHANISM, b"n,,n=amy,r=x"))
            c.reset()

        guessed = []
        threads = [repeat(f) for f in (by_text, by_text, by_plain, by_scram,
                                       work, work, guess)]
        for t in threads:
            t.start()
        for i in range(int(os.environ.get("RELOADS", 40))):
            extra = b"".join(b"u%d:p%d\n" % (n, i) for n in range(i % 100))
            with open(self.file + ".next", "wb") as f:
                f.write(b"broken" if i % 5 == 4 else lines + extra)
            os.rename(self.file + ".next", self.file)
            s.signal(signal.SIGHUP)
            until(lambda: s.output().count("read again") - 1 +
                  s.output().count("users of before stay") == i + 1,
                  "reload %d" % i)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertTrue(guessed)

    # ------------------------------------------------------------ hostile

    def test_gone_while_hashing(self):
        s = self.site()
        for i in range(60):
            c = s.connect()
            c.send(b"set x 0 0 9\r\njoe wrong\r\n" if i % 2 else
                   packet(0x21, b"PLAIN", b"\0joe\0wrong") + packet(0x0a))
            (c.reset if i % 3 else c.close)()
        with from_address(s, "127.0.0.9") as c:
            self.assertEqual(text(c, b"joe", b"pass word"), b"STORED\r\n")

    def test_stop_while_hashing(self):
        s = self.site()
        for i in range(20):
            self.connect(s).send(b"set x 0 0 9\r\njoe wrong\r\n")
        # Case.stop() sees that it ends well.

    def test_guessers_starve_nobody(self):
        s = self.site()
        inside = from_address(s, "127.0.0.2")
        self.addCleanup(inside.close)
        self.assertEqual(text(inside, b"joe", b"pass word"), b"STORED\r\n")
        guessers = [self.connect(s) for _ in range(200)]
        for i, c in enumerate(guessers):
            c.send(b"set x 0 0 9\r\nu%03d wron\r\n" % i)
        begin = time.monotonic()
        with from_address(s, "127.0.0.3") as c:
            self.assertEqual(text(c, b"joe", b"pass word"), b"STORED\r\n")
        self.assertLess(time.monotonic() - begin, 4)
        for _ in range(100):
            self.assertEqual(inside.ask(b"get k\r\n"), b"END\r\n")
        # Of a crowd that only fails, few were worked on.
        self.assertLess(int(dict(
            line.split(" ")[1:] for line in self.stats(inside).splitlines()
            if line.startswith("STAT auth"))["auth_cmds"]), 100)

    def stats(self, c):
        c.send(b"stats\r\n")
        return c.until(b"END\r\n").decode()

    def test_commands_wait_for_the_verdict(self):
        """What is pipelined behind a login is served after it, in order."""
        s = self.site()
        c = self.connect(s)
        c.send(b"get k\r\nset x 0 0 13\r\njoe pass word\r\n"
               b"set k 0 0 1\r\n1\r\nget k\r\n")
        self.assertEqual(c.until(b"END\r\n"), b"CLIENT_ERROR unauthenticated"
                         b"\r\nSTORED\r\nSTORED\r\nVALUE k 0 1\r\n1\r\n"
                         b"END\r\n")
        c = self.connect(s)
        c.send(packet(0x21, b"PLAIN", b"\0joe\0pass word", opaque=1) +
               packet(0x0a, opaque=2) +
               packet(0x21, b"PLAIN", b"\0joe\0wrong", opaque=3) +
               packet(0x0a, opaque=4))
        self.assertEqual([reply(c)[0] for _ in range(4)], [0, 0, 0x20, 0x20])
        self.assertTrue(c.is_closed())

    def test_secrets_are_not_logged(self):
        s = self.site(["-vvv"])
        text(self.connect(s), b"joe", b"geheim")
        plain(self.connect(s), b"joe", b"geheim")
        self.assertNotIn("geheim", s.output())

    # ------------------------------------------------------------ the tool

    def test_passwd(self):
        self.site()
        self.assertEqual(passwd("list", self.file),
                         b"joe read,write,admin\n")
        passwd("verify", self.file, "joe", password=b"pass word\n")
        passwd("verify", self.file, "joe", password=b"x\n", want=1)
        passwd("verify", self.file, "eve", password=b"x\n", want=1)
        passwd("add", self.file, "joe", password=b"x\n", want=1)
        passwd("change", self.file, "eve", password=b"x\n", want=1)
        passwd("remove", self.file, "eve", want=1)
        passwd("add", "-r", "read", "-p", "a:", "-p", "b:", self.file, "eve",
               password=b"y")
        passwd("change", self.file, "joe", password=b"new\n")
        passwd("verify", self.file, "joe", password=b"new\n")
        passwd("change", "-n", "-r", "write", self.file, "eve")
        passwd("verify", self.file, "eve", password=b"y\n")
        self.assertEqual(passwd("list", self.file),
                         b"eve write a: b:\njoe read,write,admin\n")
        passwd("change", "-n", "-P", self.file, "eve")
        passwd("remove", self.file, "joe")
        self.assertEqual(passwd("list", self.file), b"eve write\n")
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        for bad in ([], ["dance", self.file, "eve"], ["add", self.file],
                    ["add", "-r", "fly", self.file, "x"],
                    ["add", "-p", "", self.file, "x"],
                    ["add", self.file, "a:b"], ["verify", "-n", self.file,
                                                "eve"]):
            passwd(*bad, want=64)
        for word in (b"\n", b" x\n", b"a\x07b\n", b"a\0b\n", b"", b"x" * 1025):
            passwd("add", self.file, "x", password=word, want=1)
        self.assertEqual(os.listdir(os.path.dirname(self.file)), ["users"])

    def test_passwd_at_a_terminal(self):
        self.site()
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(PASSWD, [PASSWD, "add", self.file, "tty"])
        seen = b""
        for _ in range(2):
            while not seen.endswith(b": "):
                self.assertTrue(harness.select.select(
                    [fd], [], [], harness.BOUND)[0], seen)
                seen += os.read(fd, 100)
            os.write(fd, b"geheim\n")
            seen += b" "
        try:
            while True:
                seen += os.read(fd, 100)
        except OSError:
            pass
        os.close(fd)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertNotIn(b"geheim", seen)
        passwd("verify", self.file, "tty", password=b"geheim\n")


if __name__ == "__main__":
    unittest.main()
