"""What watches the server: /metrics, /healthz, --healthcheck, syslog."""
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest

import harness
from harness import BINARY, Solo, until

# memcached_exporter's families, without memcached_ before them.
FAMILIES = """
up version uptime_seconds time_seconds process_user_cpu_seconds_total
process_system_cpu_seconds_total read_bytes_total written_bytes_total
current_connections max_connections connections_total
connections_rejected_total connections_yielded_total
connections_listener_disabled_total accepting_connections current_bytes
limit_bytes malloced_bytes commands_total current_items items_total
items_evicted_total items_reclaimed_total item_too_large_total
item_no_memory_total lru_crawler_enabled lru_crawler_sleep lru_crawler_to_crawl
lru_maintainer_thread lru_hot_percent lru_warm_percent lru_hot_max_factor
lru_warm_max_factor lru_crawler_starts_total lru_crawler_reclaimed_total
lru_crawler_items_checked_total lru_crawler_moves_to_cold_total
lru_crawler_moves_to_warm_total lru_crawler_moves_within_lru_total
slab_current_items slab_items_age_seconds slab_items_crawler_reclaimed_total
slab_items_evicted_total slab_items_evicted_nonzero_total
slab_items_evicted_time_seconds slab_items_evicted_unfetched_total
slab_items_expired_unfetched_total slab_items_outofmemory_total
slab_items_reclaimed_total slab_items_tailrepairs_total
slab_items_moves_to_cold slab_items_moves_to_warm slab_items_moves_within_lru
slab_hot_items slab_warm_items slab_cold_items slab_hot_age_seconds
slab_warm_age_seconds slab_lru_hits_total slab_chunk_size_bytes
slab_chunks_per_page slab_current_pages slab_current_chunks slab_chunks_used
slab_chunks_free slab_chunks_free_end slab_mem_requested_bytes
slab_commands_total
""".split()
MAYBE = ["slab_temporary_items"]

SAMPLE = re.compile(r'^(memcached_[a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)*)\})? '
                    r'([0-9]+(?:\.[0-9]+)?)$')


def parse(text):
    """Every line of the exposition format, strictly: name and labels to value,
    and which families had samples."""
    samples, seen, family, kinds = {}, [], None, {}
    for line in text.splitlines():
        m = re.match(r"^# (HELP|TYPE) memcached_(\w+) (.+)$", line)
        if m and m.group(1) == "HELP":
            family = m.group(2)
            if family in kinds:
                raise AssertionError("twice: " + family)
            kinds[family] = None
            continue
        if m:
            if m.group(2) != family or m.group(3) not in ("counter", "gauge"):
                raise AssertionError(line)
            kinds[family] = m.group(3)
            continue
        m = SAMPLE.match(line)
        if not m or m.group(1) != "memcached_" + family or \
                kinds[family] is None:
            raise AssertionError("%s after %s" % (line, family))
        key = (family, m.group(2) or "")
        if key in samples:
            raise AssertionError("twice: " + line)
        samples[key] = float(m.group(3))
        if family not in seen:
            seen.append(family)
    return samples, seen, kinds


@unittest.skipIf(harness.ORACLE, "of slabd")
class Monitor(Solo):
    def site(self, args=(), **kw):
        self.http = harness.free_port()
        return self.start(["-o", "metrics=127.0.0.1:%d" % self.http, *args],
                          **kw)

    def get(self, path, method="GET", body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.http,
                                       timeout=harness.BOUND)
        try:
            c.request(method, path, body)
            r = c.getresponse()
            return r.status, r.read().decode(), r.headers
        finally:
            c.close()

    def metrics(self):
        status, text, headers = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith(
            "text/plain; version=0.0.4"))
        return parse(text)

    def test_names_are_the_exporters(self):
        s = self.site()
        self.works(s)
        samples, seen, kinds = self.metrics()
        self.assertEqual(sorted(set(FAMILIES) - set(seen)), [])
        self.assertEqual(sorted(set(seen) - set(FAMILIES) - set(MAYBE)), [])
        for name, kind in kinds.items():
            if name.endswith("_total"):
                self.assertEqual(kind, "counter", name)
        self.assertEqual(samples["version", 'version="%s"' %
                                 s.stats()["version"]], 1)

    def test_numbers_are_those_of_stats(self):
        s = self.site(["-m", "64", "-c", "77"])
        c = self.connect(s)
        c.send(b"set a 0 0 1\r\na\r\nget a\r\nget b\r\nget b\r\nincr b 1\r\n"
               b"set n 0 0 1\r\n1\r\nincr n 1\r\ndecr n 1\r\ntouch n 0\r\n"
               b"delete a\r\ndelete a\r\ngets n\r\ncas n 0 0 1 999\r\n1\r\n"
               b"flush_all\r\nmn\r\n")
        c.until(b"MN\r\n")
        got, _, _ = self.metrics()
        stats = s.stats()
        for command, result, want in (
                ("set", "hit", 2), ("get", "hit", 2), ("get", "miss", 2),
                ("incr", "hit", 1), ("incr", "miss", 1), ("decr", "hit", 1),
                ("decr", "miss", 0), ("touch", "hit", 1),
                ("delete", "hit", 1), ("delete", "miss", 1),
                ("cas", "badval", 1), ("cas", "hit", 0), ("flush", "hit", 1)):
            self.assertEqual(got["commands_total", 'command="%s",status="%s"' %
                                 (command, result)], want, (command, result))
        for name, stat in (
                ("current_items", "curr_items"), ("current_bytes", "bytes"),
                ("limit_bytes", "limit_maxbytes"),
                ("items_total", "total_items"),
                ("max_connections", "max_connections"),
                ("items_evicted_total", "evictions")):
            self.assertEqual(got[name, ""], float(stats[stat]), name)
        slabs = [(k, v) for k, v in got.items() if k[0] ==
                 "slab_current_items"]
        self.assertEqual(sum(v for _, v in slabs), got["current_items", ""])
        self.assertEqual(
            sum(v for k, v in got.items() if k[0] == "slab_commands_total" and
                'command="get"' in k[1]), 2)

    def test_every_class_at_once(self):
        s = self.site(["-m", "128"])
        c = self.connect(s)
        sizes = [int(64 * 1.2 ** i) for i in range(54)]
        for i, n in enumerate(sizes):
            c.send(b"set k%d 0 0 %d\r\n%s\r\n" % (i, n, b"v" * n))
            self.assertEqual(c.line(), b"STORED\r\n")
        got, _, _ = self.metrics()
        classes = [k for k in got if k[0] == "slab_chunk_size_bytes"]
        self.assertGreater(len(classes), 10)
        self.assertEqual(sum(v for k, v in got.items() if k[0] ==
                             "slab_current_items"), len(sizes))

    def test_other_requests(self):
        s = self.site()
        self.assertEqual(self.get("/healthz")[:2], (200, "ok\n"))
        self.assertEqual(self.get("/")[0], 404)
        self.assertEqual(self.get("/metrics/x")[0], 404)
        self.assertEqual(self.get("/metrics", "HEAD")[:2], (200, ""))
        self.assertEqual(self.get("/metrics", "POST", b"x" * 100000)[0], 405)
        self.assertEqual(self.get("/healthz", "DELETE")[0], 405)
        for noise in (b"\0" * 1000, b"GET " + b"/" * 100000, b"set a 0 0 1\r\n"
                      b"a\r\n", b"GET /metrics HTTP/1.1\r\n"):
            with socket.create_connection(("127.0.0.1", self.http)) as c:
                c.settimeout(harness.BOUND)
                try:
                    c.sendall(noise)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.get("/healthz")[0], 200)
        self.works(s)

    def test_many_ask_while_it_works(self):
        s = self.site()
        failures = []

        def ask():
            try:
                for _ in range(20):
                    self.metrics()
            except Exception as e:      # told in the main thread
                failures.append(e)
        crowd = [threading.Thread(target=ask) for _ in range(4)]
        for t in crowd:
            t.start()
        c = self.connect(s)
        for i in range(2000):
            c.send(b"set k%d 0 0 9\r\n123456789\r\nget k%d\r\n" % (i, i))
            c.until(b"END\r\n")
        for t in crowd:
            t.join()
        self.assertEqual(failures, [])

    def test_healthz_while_it_ends(self):
        """A client that does not read keeps it from ending for a while."""
        s = self.site()
        slow = self.connect(s, rcvbuf=4096)
        slow.send(b"set big 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n")
        slow.line()
        slow.send(b"get big\r\n" * 20)
        until(lambda: "conn_mwrite" in s.stats(b"conns").values(),
              "replies wait")
        s.signal(signal.SIGTERM)

        def says_503():
            try:
                return self.get("/healthz")[0] == 503
            except OSError:
                return s.proc.poll() is not None
        until(says_503, "it says that it ends")
        self.assertIsNone(s.proc.poll())
        slow.close()
        self.assertEqual(s.wait(), 0)

    def test_bad_places(self):
        for where, status in (("127.0.0.1", 64), ("127.0.0.1:x", 64),
                              ("127.0.0.1:99999", 64), ("192.0.2.1:9150", 71)):
            p = subprocess.run([BINARY, "-p", "-1", "-u", "root", "-o",
                                "metrics=" + where], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               timeout=harness.BOUND)
            self.assertEqual(p.returncode, status, p.stdout)
            self.assertIn(where.encode(), p.stdout)

    def test_a_taken_port(self):
        self.site()
        p = subprocess.run([BINARY, "-p", "-1", "-u", "root", "-o",
                            "metrics=%d" % self.http],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=harness.BOUND)
        self.assertEqual(p.returncode, 71)
        self.assertIn(b"in use", p.stdout)


@unittest.skipIf(harness.ORACLE, "of slabd")
class Health(Solo):
    def check(self, *args):
        p = subprocess.run([BINARY, "--healthcheck", *args],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=harness.BOUND)
        text = p.stdout.decode()
        self.assertEqual(text.count("\n"), 1, text)
        return p.returncode, text

    def test_it_answers(self):
        s = self.start(["-s", "{DIR}/sock"])
        port = str(s.port)
        for args in (["-p", port], ["-l", "127.0.0.1:" + port],
                     ["-l", "*", "-p", port], ["-s", s.path("sock")],
                     ["-l", "tag[a]:127.0.0.1", "-p", port]):
            status, text = self.check(*args)
            self.assertEqual(status, 0, text)
            self.assertIn("1.6.45.", text)
            self.assertIn(args[-1].rsplit(":", 1)[-1] if args[0] == "-l" else
                          args[-1], text)

    def test_nobody_answers(self):
        port = str(harness.free_port())
        status, text = self.check("-p", port)
        self.assertEqual(status, 1)
        self.assertIn(port, text)
        self.assertIn("refused", text)
        self.assertEqual(self.check("-s", "/nonexistent/sock")[0], 1)

    def test_one_that_wants_a_login_lives(self):
        s = harness.Server(["-Y", "{DIR}/users"], wait=False)
        self.addCleanup(s.stop)
        with open(s.path("users"), "w") as f:
            f.write("joe:secret\n")
        s.start()
        s.wait_for_port()
        self.assertEqual(self.check("-p", str(s.port), "-Y",
                                    s.path("users"))[0], 0)

    def test_binary_only(self):
        s = harness.Server(["-B", "binary"], wait=False)
        self.addCleanup(s.stop)
        s.start()

        def answers():
            return self.check("-B", "binary", "-p", str(s.port))[0] == 0
        until(answers, "it answers in binary")
        self.assertIn("1.6.45", self.check("-B", "binary", "-p",
                                           str(s.port))[1])

    def test_a_full_one_lives(self):
        s = self.start(["-c", "1"])

        def alone():
            c = s.connect()
            if c.ask(b"mn\r\n") == b"MN\r\n":
                return c
            c.close()
        c = until(alone, "others left")
        self.addCleanup(c.close)
        self.assertEqual(self.check("-p", str(s.port))[0], 0)

    def test_a_stopped_one_does_not(self):
        s = self.start()
        s.signal(signal.SIGSTOP)

        def state(task):
            with open("/proc/%s/stat" % task) as f:
                return f.read().rsplit(")", 1)[1].split()[0]

        def stands():
            return {state(t) for t in os.listdir("/proc/%d/task" % s.pid)} \
                == {"T"}
        until(stands, "all its threads stop")
        try:
            status, text = self.check("-p", str(s.port))
            self.assertEqual(status, 1)
            self.assertIn("timed out", text)
        finally:
            s.signal(signal.SIGCONT)
        until(lambda: self.check("-p", str(s.port))[0] == 0, "it goes on")

    def test_strangers(self):
        for words in (b"", b"220 mail.example ESMTP\r\n", b"\x81\0\0\0"):
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()

                def serve():
                    c, _ = listener.accept()
                    with c:
                        c.recv(100)
                        c.sendall(words)
                t = threading.Thread(target=serve)
                t.start()
                status, _ = self.check("-p", str(listener.getsockname()[1]))
                t.join()
                self.assertEqual(status, 1, words)


@unittest.skipIf(harness.ORACLE, "of slabd")
class Syslog(Solo):
    def test_errors_of_the_start_are_shown(self):
        p = subprocess.run([BINARY, "-o", "syslog", "-u", "root", "-l",
                            "192.0.2.1"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=harness.BOUND)
        self.assertEqual(p.returncode, 71)
        self.assertIn(b"192.0.2.1", p.stdout)

    def test_later_lines_are_not_on_stderr(self):
        for args, there in (([], True), (["-o", "syslog"], False)):
            s = self.start(["-v", *args])
            self.assertEqual(harness.ends(s), 0)
            self.assertEqual("Terminated: ending" in s.output(), there,
                             s.output())

    # A /dev of its own, in which log is a socket of the test's.
    OWN_DEV = """
    mkdir dev && mount -t tmpfs none dev || exit 99
    for f in null zero random urandom; do
        touch dev/$f && mount --bind /dev/$f dev/$f || exit 99
    done
    ln -s "$PWD/log" dev/log && mount --rbind dev /dev || exit 99
    exec "$@"
    """

    def daemon(self, s):
        """Takes the place of syslogd; what comes is read from it."""
        d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(d.close)
        d.settimeout(harness.BOUND)
        d.bind(s.path("log"))
        return d

    def test_the_daemon_is_told_also_after_it_began_anew(self):
        if shutil.which("unshare") is None or os.geteuid() != 0 or \
                subprocess.run(["unshare", "-m", "true"],
                               stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mounts of its own here")
        s = harness.Server(["-v", "-o", "syslog"], wait=False)
        self.addCleanup(s.stop)
        s.argv = ["unshare", "-m", "sh", "-c", self.OWN_DEV, "sh"] + s.argv
        first = self.daemon(s)
        s.start()
        if s.decision() == 99:
            s.ended = True
            self.skipTest("cannot mount")
        # <30>: daemon.info
        line = rb"^<30>.* slabd\[%d\]: " % s.pid
        again = line + rb"SIGHUP: there is nothing to read again"
        self.works(s)
        s.signal(signal.SIGHUP)
        self.assertRegex(self.next_of(first, b"SIGHUP"), again)
        first.close()
        os.unlink(s.path("log"))
        second = self.daemon(s)
        s.signal(signal.SIGHUP)
        self.assertRegex(self.next_of(second, b"SIGHUP"), again)
        self.assertEqual(harness.ends(s), 0)
        self.assertRegex(self.next_of(second, b"end"),
                         line + rb"Terminated: ending")

    @staticmethod
    def next_of(daemon, word):
        while True:
            line = daemon.recv(8192)
            if word in line:
                return line


if __name__ == "__main__":
    unittest.main()
