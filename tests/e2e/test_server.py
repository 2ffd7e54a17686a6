"""The process: options, sockets, signals, files, exit codes."""
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import harness
from harness import BINARY, Conn, ORACLE, Server, Solo, slabd_only, until

ROOT = os.geteuid() == 0
AS_ROOT = ["-u", "root"] if ROOT else []


def run(*args, user=True):
    """Runs the program to its end; returns its status and all it said."""
    p = subprocess.run([BINARY, *(AS_ROOT if user else []), *args],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=harness.BOUND)
    return p.returncode, p.stdout.decode("utf-8", "replace")


class Start(Solo):
    def test_help(self):
        for option in ("-h", "--help"):
            status, text = run(option)
            self.assertEqual(status, 0)
            for word in ("-p", "--memory-limit", "--conn-limit", "-o",
                         "idle_timeout"):
                self.assertIn(word, text)

    def test_version(self):
        for option in ("-V", "--version"):
            status, text = run(option)
            self.assertEqual(status, 0)
            self.assertRegex(text, r"^(memcached|slabd) \S")

    def test_licence(self):
        for option in ("-i", "--license"):
            status, text = run(option)
            self.assertEqual(status, 0)
            self.assertRegex(text, "Redistribution|LICENSE")

    def test_unknown_options_are_refused_by_name(self):
        for args, name in ((["-y"], "y"), (["--frobnicate"], "frobnicate"),
                           (["-o", "frobnicate"], "frobnicate"),
                           (["-o", "modern,frobnicate=1"], "frobnicate")):
            status, text = run("-p", "0", *args)
            self.assertGreater(status, 0, args)
            self.assertIn(name, text)

    def test_bad_values_are_refused(self):
        for args in (["-f", "0.5"], ["-t", "0"], ["-t", "x"], ["-c", "0"],
                     ["-I", "2048m"], ["-n", "0"], ["-B", "foo"],
                     ["-R", "0"], ["-o", "hashpower=99"],
                     ["-o", "tail_repair_time=1"], ["-a", "9999999"],
                     ["-o", "slab_sizes=10"], ["-m"],
                     ["-p"], ["-o", "hot_lru_pct=90"]):
            if ORACLE and args[0] in ("-a", "-R", "-c"):
                continue        # takes them
            status, text = run("-l", "127.0.0.1", "-p",
                               str(harness.free_port()), *args)
            self.assertGreater(status, 0, args)
            self.assertNotEqual(text.strip(), "", args)

    @slabd_only("memcached takes whatever atoi() makes of it")
    def test_nonsense_numbers_are_refused(self):
        for args in (["-p", "70000"], ["-p", "x"], ["-p", "-2"], ["-m", "x"],
                     ["-m", "-1"], ["-m", "99999999999999999999"],
                     ["-c", "-5"], ["-c", "5x"], ["-t", "99999999999"],
                     ["-o", "idle_timeout=-1"], ["-o", "idle_timeout=x"]):
            status, text = run(*args)
            self.assertGreater(status, 0, args)
            self.assertNotEqual(text.strip(), "", args)

    def test_options_of_every_kind_start(self):
        for args in (
                ["-m", "100", "-c", "50", "-t", "2", "-R", "5", "-b", "10"],
                ["-I", "2m", "-f", "1.5", "-n", "64", "-D", "/", "-C"],
                ["--memory-limit=100", "--conn-limit=50", "--threads=2"],
                ["--memory-limit", "100", "--verbose", "-M"],
                ["-o", "hashpower=18,no_hashexpand,lru_crawler,"
                 "lru_maintainer,hot_lru_pct=10,warm_lru_pct=30"],
                ["-o", "no_lru_maintainer", "-o", "no_lru_crawler"],
                ["-o", "slab_reassign,slab_automove=2,idle_timeout=100"],
                ["-o", "modern"], ["-o", "no_modern"],
                ["-o", "temporary_ttl=10,track_sizes"],
                ["-o", "slab_sizes=100-200-300-400-500"],
                ["-vv"], ["-v", "-v"], ["-r"], ["-B", "ascii"], ["-F", "-X"],
                ["-o", "maxconns_fast"], ["-o", "no_maxconns_fast"]):
            s = Server(args)
            try:
                self.works(s)
            finally:
                s.stop()

    def test_settings_follow_options(self):
        s = self.start(["-m", "100", "-c", "77", "-t", "3", "-I", "2m", "-D",
                        "/", "-o", "idle_timeout=99,hot_lru_pct=11"])
        got = s.stats(b"settings")
        for name, value in (
                ("maxbytes", "104857600"), ("maxconns", "77"),
                ("num_threads", "3"), ("item_size_max", "2097152"),
                ("stat_key_prefix", "/"), ("detail_enabled", "yes"),
                ("idle_timeout", "99"), ("hot_lru_pct", "11"),
                ("evictions", "on"), ("cas_enabled", "yes")):
            self.assertEqual(got.get(name), value, name)

    def test_the_last_of_an_option_wins(self):
        s = self.start(["-m", "100", "-m", "80"])
        self.assertEqual(s.stats()["limit_maxbytes"], str(80 << 20))

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            status, text = run("-l", "127.0.0.1", "-p", port)
            self.assertEqual(status, 71)
            self.assertRegex(text, port if not ORACLE else ".")

    def test_unknown_user(self):
        if not ROOT:
            self.skipTest("not root")
        status, text = run("-l", "127.0.0.1", "-p", str(harness.free_port()),
                           "-u", "no-such-user", user=False)
        self.assertEqual(status, 67)
        self.assertIn("no-such-user", text)

    def test_runs_as_the_user(self):
        if not ROOT:
            self.skipTest("not root")
        s = self.start(["-u", "nobody"], user=False)
        with open("/proc/%d/status" % s.pid) as f:
            uids = re.search(r"Uid:\s+(\d+)\s+(\d+)\s+(\d+)", f.read())
        self.assertEqual(set(uids.groups()),
                         {str(pwd.getpwnam("nobody").pw_uid)})
        self.works(s)

    @slabd_only("memcached refuses to start")
    def test_root_does_not_stay_root(self):
        if not ROOT:
            self.skipTest("not root")
        s = self.start([], user=False)
        with open("/proc/%d/status" % s.pid) as f:
            self.assertNotIn("Uid:\t0\t", f.read())
        self.works(s)

    @slabd_only("of slabd, as long as it is so")
    def test_what_is_not_there_is_refused(self):
        """Asked for protection that it lacks, the server does not start."""
        for args in (["-S"], ["-Y", "/dev/null"], ["-Z"]):
            status, text = run("-l", "127.0.0.1", "-p",
                               str(harness.free_port()), *args)
            self.assertGreater(status, 0)
            self.assertIn("slabd", text)

    def test_sasl_conflicts(self):
        self.assertEqual(run("-S", "-B", "ascii")[0] in (1, 64), True)

    @slabd_only("memcached listens to the world")
    def test_loopback_is_the_default(self):
        port = harness.free_port()
        s = self.start(["-p", str(port)], listen=False)
        s.port = port
        s.wait_for_port()
        text = subprocess.run(
            ["cat", "/proc/%d/net/tcp" % s.pid], stdout=subprocess.PIPE,
            timeout=10).stdout.decode()
        local = re.findall(r"^\s*\d+: ([0-9A-F]{8}):%04X \S+ 0A" % port, text,
                           re.M)
        self.assertEqual(local, ["0100007F"])


class Sockets(Solo):
    def wait_for_socket(self, path):
        def answers():
            try:
                with Conn(path) as c:
                    return c.ask(b"mn\r\n") == b"MN\r\n"
            except OSError:
                return False
        until(answers, "%s answers" % path)

    def test_unix_socket(self):
        s = self.start(["-s", "{DIR}/sock"], listen=False)
        path = s.path("sock")
        self.wait_for_socket(path)
        with Conn(path) as c:
            self.assertEqual(c.ask(b"set k 0 0 1\r\na\r\n"), b"STORED\r\n")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)

    def test_unix_socket_mode(self):
        s = self.start(["-s", "{DIR}/sock", "-a", "0766"], listen=False)
        path = s.path("sock")
        self.wait_for_socket(path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o766)

    def test_stale_unix_socket_is_replaced(self):
        s = Server(["-s", "{DIR}/sock"], listen=False, wait=False)
        self.addCleanup(s.stop)
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(s.path("sock"))
        s.start()
        self.wait_for_socket(s.path("sock"))

    @slabd_only("memcached has one or the other")
    def test_unix_socket_next_to_tcp(self):
        s = self.start(["-s", "{DIR}/sock"])
        path = s.path("sock")
        with Conn(path) as u, s.connect() as t:
            self.assertEqual(u.ask(b"set k 0 0 1\r\na\r\n"), b"STORED\r\n")
            t.send(b"get k\r\n")
            self.assertEqual(t.until(b"END\r\n"),
                             b"VALUE k 0 1\r\na\r\nEND\r\n")

    @slabd_only("memcached leaves it")
    def test_unix_socket_is_removed(self):
        s = self.start(["-s", "{DIR}/sock"])
        self.assertTrue(os.path.exists(s.path("sock")))
        self.assertEqual(harness.ends(s), 0)
        self.assertFalse(os.path.exists(s.path("sock")))

    def test_several_addresses(self):
        a, b = harness.free_port(), harness.free_port()
        s = self.start(["-l", "127.0.0.1:%d,127.0.0.1:%d" % (a, b)],
                       listen=False)
        for port in a, b:
            s.port = port
            s.wait_for_port()
            self.works(s)

    def test_any_port_and_the_port_file(self):
        s = self.start(["-l", "127.0.0.1", "-p", "-1"], listen=False,
                       env={"MEMCACHED_PORT_FILENAME": "{DIR}/ports"})
        until(lambda: os.path.exists(s.path("ports")), "the port file")
        with open(s.path("ports")) as f:
            m = re.search(r"^TCP INET: (\d+)$", f.read(), re.M)
        self.assertTrue(m)
        s.port = int(m.group(1))
        s.wait_for_port()
        self.works(s)

    def test_connection_limit(self):
        s = self.start(["-c", "100", "-o", "maxconns_fast"])
        held = []
        refusal = None
        for _ in range(150):
            c = self.connect(s)
            try:
                c.send(b"mn\r\n")
                line = c.line()
            except (AssertionError, OSError):
                line = b""      # closed before our bytes: RST may eat it
            if line != b"MN\r\n":
                refusal = line
                break
            held.append(c)
        self.assertIn(refusal, (b"ERROR Too many open connections\r\n", b""))
        self.assertLessEqual(len(held), 100)
        if not ORACLE:          # which counts descriptors
            self.assertEqual(len(held), 100)
        for c in held:          # they are served on
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        for c in held[:10]:
            c.close()

        def served():
            with s.connect() as c:
                try:
                    return c.ask(b"mn\r\n") == b"MN\r\n"
                except (AssertionError, OSError):
                    return False
        until(served, "a place is free again")
        self.assertGreaterEqual(int(s.stats()["rejected_connections"]), 1)

    @slabd_only("memcached takes its own from -c")
    def test_many_threads_leave_room_for_few_connections(self):
        """A worker's own descriptors are nobody's connections."""
        # One more than three: who asked before is perhaps not closed yet.
        s = self.start(["-t", "100", "-c", "4"])

        def three_are_served():
            clients = [self.connect(s) for _ in range(3)]
            said = [c.ask(b"mn\r\n") for c in clients]
            for c in clients:
                c.close()
            return said == [b"MN\r\n"] * 3
        until(three_are_served, "room for three")

    @slabd_only("memcached takes its own from -c")
    def test_inherited_descriptors_take_no_connection_away(self):
        """A process that starts it may have left any number of them open."""
        held = [os.dup(0) for _ in range(600)]
        self.addCleanup(lambda: [os.close(fd) for fd in held])
        s = harness.Server(["-c", "20", "-t", "1"], wait=False)
        self.addCleanup(s.stop)
        s.inherit = held
        s.start()
        s.wait_for_port()
        self.works(s)

    def test_refusal_is_said(self):
        """Without a request of its own the client reads the reason."""
        s = self.start(["-c", "80", "-o", "maxconns_fast"])
        held, said = [], []
        for _ in range(100):
            c = self.connect(s)
            if not c.is_silent(0.02):
                said.append(c.rest())
            held.append(c)
        self.assertGreaterEqual(len(said), 10)
        self.assertIn(b"ERROR Too many open connections\r\n", said)

    def test_idle_timeout(self):
        s = self.start(["-o", "idle_timeout=1"])
        idle = self.connect(s)
        self.assertEqual(idle.ask(b"mn\r\n"), b"MN\r\n")
        busy = self.connect(s)
        stop = threading.Event()
        wrong = []

        def talk():
            while not stop.wait(0.2):
                try:
                    if busy.ask(b"mn\r\n") != b"MN\r\n":
                        wrong.append("reply")
                except (OSError, AssertionError) as e:
                    wrong.append(e)
                    return
        t = threading.Thread(target=talk)
        t.start()
        try:
            self.assertTrue(idle.is_closed())
        finally:
            stop.set()
            t.join(harness.BOUND)
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(int(s.stats()["idle_kicks"]), 1)


class Signals(Solo):
    def ends_with(self, sig):
        s = self.start(["-v"])
        c = self.connect(s)
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        half = self.connect(s)
        half.send(b"set k 0 0 100\r\nabc")
        s.signal(sig)
        self.assertEqual(s.wait(), 0)
        self.assertEqual(c.rest(), b"")
        self.assertEqual(half.rest(), b"")
        with self.assertRaises(OSError):
            s.connect()
        return s

    def test_term(self):
        self.ends_with(signal.SIGTERM)

    def test_int(self):
        self.ends_with(signal.SIGINT)

    def test_usr1(self):
        s = self.ends_with(signal.SIGUSR1)
        self.assertIn("Gracefully stopping", s.output())

    def test_hup_and_pipe_do_not_end_it(self):
        s = self.start()
        for sig in signal.SIGHUP, signal.SIGPIPE, signal.SIGHUP:
            s.signal(sig)
            self.works(s)

    @slabd_only("memcached does not wait for clients")
    def test_hup_while_it_ends(self):
        s = self.start(["-v"])
        c = self.connect(s, rcvbuf=4096)
        c.ask(b"set k 0 0 1000000\r\n" + b"v" * 1000000 + b"\r\n")
        c.send(b"get k\r\n" * 16)     # more than a socket takes
        until(lambda: int(s.stats()["cmd_get"]) >= 16, "all are served")
        s.signal(signal.SIGTERM)
        until(lambda: "ending" in s.output(), "the end has begun")
        s.signal(signal.SIGHUP)
        self.assertEqual(s.wait(), 0)

    def test_replies_given_are_delivered(self):
        """What was answered before the signal reaches a client that reads."""
        s = self.start()
        c = self.connect(s)
        c.send(b"set k 0 0 1000\r\n" + b"v" * 1000 + b"\r\n" +
               b"get k\r\n" * 100)
        reply = b"STORED\r\n" + (b"VALUE k 0 1000\r\n" + b"v" * 1000 +
                                 b"\r\nEND\r\n") * 100
        self.assertEqual(c.read(8), reply[:8])
        until(lambda: int(s.stats()["cmd_get"]) >= 100, "all are served")
        self.assertEqual(harness.ends(s), 0)
        self.assertEqual(c.rest(), reply[8:])

    @slabd_only("memcached does not wait for clients")
    def test_a_slow_reader_has_all_its_replies(self):
        """It takes some for three seconds: nothing is cut off."""
        s = self.start()
        c = self.connect(s, rcvbuf=4096)
        value = b"v" * 900000
        c.ask(b"set k 0 0 900000\r\n" + value + b"\r\n")
        reply = b"VALUE k 0 900000\r\n" + value + b"\r\nEND\r\n"
        c.send(b"get k\r\n" * 30)
        until(lambda: int(s.stats()["cmd_get"]) >= 1, "they are being served")
        s.signal(signal.SIGTERM)
        begin = time.monotonic()
        for i in range(1, 30):
            self.assertEqual(c.read(len(reply)), reply)
            # It does not end before the client has had its time.
            with self.assertRaises(subprocess.TimeoutExpired):
                s.proc.wait(max(0, begin + i / 10 - time.monotonic()))
        self.assertEqual(c.rest(), reply)
        self.assertEqual(s.wait(), 0)

    @slabd_only("memcached does not wait for clients")
    def test_a_client_that_goes_on_and_on(self):
        """It has whole replies, in order, then an end, not a reset."""
        s = self.start()
        c = self.connect(s)
        ended = threading.Event()

        def send():
            try:
                for i in range(100):        # 100 MB, if they are taken
                    c.send(b"mn\r\nget a\r\n" * 90000)
                    if ended.is_set():
                        return
            except OSError:
                pass
        t = threading.Thread(target=send)
        t.start()
        try:
            first = c.read(9 * 10000)
            s.signal(signal.SIGTERM)
            while c.more():
                pass
            rest = c.buf
        finally:
            ended.set()
            t.join(harness.BOUND)
        self.assertEqual(s.wait(), 0)
        n = len(first + rest) // 9
        self.assertEqual((first + rest)[:9 * n], b"MN\r\nEND\r\n" * n)
        self.assertIn((first + rest)[9 * n:], (b"", b"MN\r\n"))

    @slabd_only("memcached does not wait for clients")
    def test_who_reads_nothing_is_given_up(self):
        s = self.start()
        c = self.connect(s, rcvbuf=4096)
        c.ask(b"set k 0 0 900000\r\n" + b"v" * 900000 + b"\r\n")
        c.send(b"get k\r\n" * 30)
        until(lambda: int(s.stats()["cmd_get"]) >= 1, "they are being served")
        self.assertEqual(harness.ends(s), 0)

    def test_ends_under_load(self):
        s = self.start()
        stop = threading.Event()

        def load(i):
            try:
                with s.connect() as c:
                    while not stop.is_set():
                        c.send(b"set k%d 0 0 1000\r\n%s\r\nget k%d\r\n" %
                               (i, b"v" * 1000, i))
                        c.until(b"END\r\n")
            except (OSError, AssertionError):
                pass
        threads = [threading.Thread(target=load, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        until(lambda: int(s.stats()["cmd_get"]) > 500, "there is load")
        try:
            self.assertEqual(harness.ends(s), 0)
        finally:
            stop.set()
            for t in threads:
                t.join(harness.BOUND)

    def test_shutdown_command(self):
        for word in b"shutdown", b"shutdown graceful":
            s = self.start(["-A"])
            c = self.connect(s)
            c.send(word + b"\r\n")
            self.assertEqual(c.rest(), b"")
            self.assertEqual(s.wait(), 0)


class Files(Solo):
    def test_pid_file(self):
        s = self.start(["-P", "{DIR}/pid"])
        until(lambda: os.path.exists(s.path("pid")), "the pid file")
        with open(s.path("pid")) as f:
            self.assertEqual(int(f.read()), s.pid)

    @slabd_only("memcached serves without it")
    def test_pid_file_that_cannot_be(self):
        status, text = run("-l", "127.0.0.1", "-p", str(harness.free_port()),
                           "-P", "/no/such/folder/pid")
        self.assertGreater(status, 0)
        self.assertIn("/no/such/folder/pid", text)

    @slabd_only("memcached writes it as the user, always")
    @unittest.skipUnless(ROOT and shutil.which("setpriv"),
                         "not root")
    def test_pid_file_where_only_the_user_may_write(self):
        """As by Debian's memcached.service: root has no capability for it."""
        s = Server(["-P", "{DIR}/run/pid", "-u", "nobody"], user=False,
                   wait=False)
        self.addCleanup(s.stop)
        s.argv = ["setpriv", "--bounding-set",
                  "-all,+setuid,+setgid,+sys_resource"] + s.argv
        os.chmod(s.path(""), 0o755)
        os.mkdir(s.path("run"))
        nobody = pwd.getpwnam("nobody").pw_uid
        os.chown(s.path("run"), nobody, -1)
        s.start()
        s.wait_for_port()
        with open(s.path("run/pid")) as f:
            self.assertEqual(int(f.read()), s.pid)
        self.assertEqual(os.stat(s.path("run/pid")).st_uid, nobody)

    def test_daemon(self):
        s = Server(["-d", "-P", "{DIR}/pid"], wait=False)
        self.addCleanup(s.stop)
        s.start()
        self.assertEqual(s.wait(), 0)       # the parent
        until(lambda: os.path.exists(s.path("pid")) and
              os.path.getsize(s.path("pid")), "the pid file")
        with open(s.path("pid")) as f:
            pid = int(f.read())
        try:
            def answers():
                try:
                    self.works(s)
                    return True
                except OSError:
                    return False
            until(answers, "the daemon answers")
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            self.assertNotEqual(int(fields[3]), os.getsid(0))   # own session
            self.assertEqual(s.stats()["pid"], str(pid))
        finally:
            os.kill(pid, signal.SIGTERM)

        def gone():
            try:
                with open("/proc/%d/stat" % pid) as f:
                    # Where nobody reaps orphans a zombie is as good as gone.
                    return f.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                return True
        until(gone, "the daemon ends")
        until(lambda: not os.path.exists(s.path("pid")),
              "the pid file is removed")

    @slabd_only("memcached's parent leaves before it knows")
    def test_daemon_says_why_it_did_not_start(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            status, text = run("-d", "-l", "127.0.0.1", "-p",
                               str(taken.getsockname()[1]))
        self.assertEqual(status, 71)
        self.assertNotEqual(text.strip(), "")
