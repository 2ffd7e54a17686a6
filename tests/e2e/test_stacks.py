"""Whole stacks: proxies, rings of nodes, PHP, Django and nginx on slabd."""
import gzip
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import Solo, until

try:
    import pylibmc
except ImportError:
    pylibmc = None

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = harness.ROOT / "build" / "tools"


def tool(name):
    """A program, installed or unpacked by the Makefile."""
    unpacked = TOOLS / "usr" / "sbin" / name
    return shutil.which(name, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/sbin") or \
        (str(unpacked) if unpacked.exists() else None)


class Stack(Solo):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="slabd-e2e.")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, name, text=None):
        name = os.path.join(self.dir, name)
        if text is not None:
            with open(name, "w") as f:
                f.write(text)
        return name

    def run_beside(self, argv, port, **kw):
        """Starts a program and waits until it listens."""
        log = open(self.path("log.%d" % port), "w+b")
        self.addCleanup(log.close)
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, start_new_session=True, **kw)

        def end():
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGTERM)
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(p.pid, signal.SIGKILL)
            p.wait()
        self.addCleanup(end)

        def listens():
            if p.poll() is not None:
                with open(log.name) as f:
                    raise AssertionError("%s ended: %s" % (argv, f.read()))
            try:
                harness.Conn(("127.0.0.1", port)).close()
                return True
            except OSError:
                return False
        until(listens, "%s listens" % argv[0])
        return p


class Ring(Stack):
    """Three nodes; one is killed and brought back while clients work."""
    KEYS = 200

    def nodes(self):
        return [self.start(["-t", "1", "-m", "64"]) for _ in range(3)]

    def kill(self, node):
        node.signal(signal.SIGKILL)
        node.proc.wait()
        node.ended = True

    def revive(self, node):
        node.start()
        node.ended = False
        node.wait_for_port()

    def work(self, client, over, name, tally):
        """One client and its keys: what is read is what was written last, or
        a later try whose end is unknown, or nothing."""
        may = {}                # key -> values that it may have
        n = 0
        while not over.is_set():
            key = "%s-%d" % (name, n % self.KEYS)
            n += 1
            value = "%s=%d" % (key, n)
            try:
                got = client.get(key)
                if got is not None:
                    tally["hits"] += 1
                    if got not in may.get(key, ()):
                        tally["wrong"].append((key, got, may.get(key)))
                        return
                may.setdefault(key, set()).add(value)
                client.set(key, value)
                may[key] = {value}
                tally["sets"] += 1
            except Exception as e:      # the node is down
                tally["errors"] += 1
                tally["last"] = repr(e)
                over.wait(0.002)

    def storm(self, make_client):
        nodes = self.nodes()
        over, tallies, crowd = threading.Event(), [], []
        for i in range(4):
            tally = {"hits": 0, "sets": 0, "errors": 0, "wrong": []}
            tallies.append(tally)
            client = make_client(nodes)
            crowd.append(threading.Thread(target=self.work, args=(
                client, over, "c%d" % i, tally)))
        for t in crowd:
            t.start()

        def all_go_on(what, least=2 * self.KEYS):
            before = [dict(t) for t in tallies]
            until(lambda: any(t["wrong"] for t in tallies) or all(
                t["sets"] > b["sets"] + least for t, b in
                zip(tallies, before)), what)
        try:
            all_go_on("all work")
            for turn in range(2):
                victim = nodes[turn]
                self.kill(victim)
                all_go_on("they go on without a node")
                self.revive(victim)
                until(lambda: int(victim.stats()["cmd_set"]) > 50 or any(
                    t["wrong"] for t in tallies), "the node is used again")
                all_go_on("they go on with it")
                # Its keys have all been written where they belong by now.
        finally:
            over.set()
            for t in crowd:
                t.join()
        self.assertEqual([t["wrong"] for t in tallies], [[]] * 4)
        self.assertTrue(all(t["hits"] > self.KEYS for t in tallies), tallies)
        used = [int(n.stats()["curr_items"]) for n in nodes]
        self.assertTrue(all(used), used)


@unittest.skipUnless(tool("nutcracker"), "nutcracker is not to be had")
@unittest.skipUnless(pylibmc, "python3-pylibmc")
class Twemproxy(Ring):
    def test_a_node_dies_under_load(self):
        port, stats = harness.free_port(), harness.free_port()

        def client(nodes):
            if not os.path.exists(self.path("conf")):
                self.path("conf", "pool:\n  listen: 127.0.0.1:%d\n"
                          "  hash: fnv1a_64\n  distribution: ketama\n"
                          "  auto_eject_hosts: true\n"
                          "  server_retry_timeout: 300\n"
                          "  server_failure_limit: 1\n  timeout: 20000\n"
                          "  servers:\n%s" % (port, "".join(
                              "   - 127.0.0.1:%d:1 n%d\n" % (n.port, i)
                              for i, n in enumerate(nodes))))
                self.run_beside([tool("nutcracker"), "-c", self.path("conf"),
                                 "-a", "127.0.0.1", "-s", str(stats),
                                 "-o", self.path("proxy.log")], port)
            return Plain(port)
        self.storm(client)


class Plain:
    """get and set of text, and nothing clever: a proxy is between."""

    def __init__(self, port):
        self.port, self.c = port, None

    def ask(self, request, end):
        try:
            if self.c is None:
                self.c = harness.Conn(("127.0.0.1", self.port))
            self.c.send(request)
            return end(self.c)
        except (OSError, AssertionError):
            if self.c is not None:
                self.c.close()
            self.c = None
            raise

    def get(self, key):
        def read(c):
            line = c.line()
            if line == b"END\r\n":
                return None
            if not line.startswith(b"VALUE %s " % key.encode()):
                raise OSError(line)     # the proxy's error
            value = c.read(int(line.split()[3]) + 2)[:-2]
            if c.line() != b"END\r\n":
                raise OSError("no END")
            return value.decode()
        return self.ask(b"get %s\r\n" % key.encode(), read)

    def set(self, key, value):
        line = self.ask(b"set %s 0 0 %d\r\n%s\r\n" % (
            key.encode(), len(value), value.encode()), lambda c: c.line())
        if line != b"STORED\r\n":
            raise OSError(line)


@unittest.skipUnless(pylibmc, "python3-pylibmc")
class Ketama(Ring):
    def test_a_node_dies_under_load(self):
        def client(nodes):
            c = pylibmc.Client(["127.0.0.1:%d" % n.port for n in nodes])
            c.behaviors = {"ketama": True, "remove_failed": 1,
                           "retry_timeout": 1, "dead_timeout": 1,
                           "connect_timeout": 2000, "tcp_nodelay": True}
            return c
        self.storm(client)

    def test_keys_are_spread(self):
        nodes = self.nodes()
        c = pylibmc.Client(["127.0.0.1:%d" % n.port for n in nodes],
                           behaviors={"ketama": True})
        keys = {"spread-%d" % i: "v%d" % i for i in range(3000)}
        self.assertEqual(c.set_multi(keys), [])
        self.assertEqual(c.get_multi(list(keys)), keys)
        each = [int(n.stats()["curr_items"]) for n in nodes]
        self.assertEqual(sum(each), 3000)
        self.assertGreater(min(each), 500)


SESSION = """<?php
ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', '127.0.0.1:' . getenv('CACHE'));
ini_set('memcached.sess_locking', '1');
ini_set('memcached.sess_lock_wait_min', '5');
ini_set('memcached.sess_lock_wait_max', '20');
ini_set('memcached.sess_lock_retries', '2000');
session_id($_GET['id']);
session_start() or die('no session');
$n = $_SESSION['n'] ?? 0;
// What a page does meanwhile, long enough for others to come in between.
$cache = new Memcached();
$cache->addServer('127.0.0.1', (int)getenv('CACHE'));
for ($i = 0; $i < 300; $i++)
    $cache->get("part-$i");
$_SESSION['n'] = $n + 1;
$_SESSION['cart'][] = str_repeat('x', 100);
session_write_close();
echo $n;
"""


@unittest.skipUnless(shutil.which("php"), "php-cli, php-memcached")
class PhpSessions(Stack):
    def get(self, port, query):
        c = http.client.HTTPConnection("127.0.0.1", port,
                                       timeout=harness.BOUND)
        try:
            c.request("GET", "/index.php?" + query)
            r = c.getresponse()
            return r.read().decode()
        finally:
            c.close()

    def test_requests_of_one_session_take_turns(self):
        s = self.start()
        self.path("index.php", SESSION)
        port = harness.free_port()
        self.run_beside(["php", "-S", "127.0.0.1:%d" % port, "-t", self.dir],
                        port, env=dict(os.environ, CACHE=str(s.port),
                                       PHP_CLI_SERVER_WORKERS="6"))
        got, lock = [], threading.Lock()

        def visit(who):
            for _ in range(6):
                text = self.get(port, "id=" + who)
                with lock:
                    got.append((who, text))
        crowd = [threading.Thread(target=visit, args=(who,))
                 for who in ("anna", "anna", "anna", "berta")]
        for t in crowd:
            t.start()
        for t in crowd:
            t.join()
        # None was lost: each request saw what the one before had written.
        for who, n in (("anna", 18), ("berta", 6)):
            self.assertEqual(sorted(int(text) for w, text in got if w == who),
                             list(range(n)))
        self.assertEqual(self.get(port, "id=anna"), "18")
        self.assertGreater(int(s.stats()["cmd_set"]), 25)


@unittest.skipUnless(subprocess.run(
    ["/usr/bin/python3", "-c", "import django, pymemcache, pylibmc"],
    stderr=subprocess.DEVNULL).returncode == 0, "python3-django and clients")
class Django(Stack):
    def check(self, backend):
        s = self.start(["-m", "64"])
        p = subprocess.run(["/usr/bin/python3", str(HERE / "django_calls.py"),
                            backend, str(s.port)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=120)
        text = p.stdout.decode()
        self.assertEqual(p.returncode, 0, text)
        self.assertGreater(int(text.split()[-1]), 40, text)
        self.works(s)

    def test_pymemcache(self):
        self.check("PyMemcacheCache")

    def test_pylibmc(self):
        self.check("PyLibMCCache")


NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr;
pid {DIR}/pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path {DIR}/t1; proxy_temp_path {DIR}/t2;
    fastcgi_temp_path {DIR}/t3; uwsgi_temp_path {DIR}/t4;
    scgi_temp_path {DIR}/t5;
    upstream cache { server 127.0.0.1:{CACHE}; keepalive 4; }
    server {
        listen 127.0.0.1:{PORT};
        location / {
            set $memcached_key "$uri?$args";
            memcached_pass cache;
            memcached_gzip_flag 2;
            default_type text/html;
            error_page 404 502 504 = @made;
        }
        location @made { return 200 "made: $uri"; }
    }
}
"""


@unittest.skipUnless(tool("nginx"), "nginx is not to be had")
class Nginx(Stack):
    def get(self, c, path, **headers):
        c.request("GET", path, headers=headers)
        r = c.getresponse()
        return r.status, r.read(), r.headers

    def test_pages_come_from_the_cache(self):
        s = self.start()
        port = harness.free_port()
        conf = self.path("conf", NGINX.replace("{DIR}", self.dir).replace(
            "{PORT}", str(port)).replace("{CACHE}", str(s.port)))
        self.run_beside([tool("nginx"), "-p", self.dir, "-e", "stderr", "-c",
                         conf], port)
        c = http.client.HTTPConnection("127.0.0.1", port,
                                       timeout=harness.BOUND)
        self.addCleanup(c.close)
        cache = self.connect(s)

        def put(key, value, flags=0):
            self.assertEqual(cache.ask(b"set %s %d 0 %d\r\n%s\r\n" % (
                key, flags, len(value), value)), b"STORED\r\n")
        big = os.urandom(500000)
        put(b"/page?a=1", b"<b>page</b>")
        put(b"/big?", big)
        put(b"/empty?", b"")
        put(b"/packed?", gzip.compress(b"unpacked"), flags=2)
        for _ in range(50):
            self.assertEqual(self.get(c, "/page?a=1")[:2],
                             (200, b"<b>page</b>"))
            self.assertEqual(self.get(c, "/none")[:2], (200, b"made: /none"))
        self.assertEqual(self.get(c, "/big")[:2], (200, big))
        self.assertEqual(self.get(c, "/empty")[:2], (200, b""))
        status, body, headers = self.get(c, "/packed",
                                         **{"Accept-Encoding": "gzip"})
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(body), b"unpacked")
        # nginx keeps its connections.
        self.assertLess(int(s.stats()["total_connections"]), 20)
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)
        self.assertEqual(self.get(c, "/page?a=1")[:2], (200, b"made: /page"))
        s.start()
        s.ended = False
        s.wait_for_port()
        with s.connect() as again:
            again.ask(b"set /back? 0 0 2\r\nhi\r\n")
        until(lambda: self.get(c, "/back")[1] == b"hi", "nginx comes back")


@harness.slabd_only("memcached has no such command")
class Discovery(Solo):
    def test_the_list(self):
        s = self.start(["-o", "cluster=127.0.0.1:11211,localhost:11212,"
                        "[::1]:11213,track_sizes,cluster_version=7"])
        c = self.connect(s)
        nodes = b"7\n127.0.0.1|127.0.0.1|11211 localhost|127.0.0.1|11212 " \
            b"::1|::1|11213\n"
        c.send(b"config get cluster\r\nmn\r\n")
        got = c.until(b"MN\r\n")
        if b"localhost|::1|" in got:    # as the machine's hosts file has it
            nodes = nodes.replace(b"localhost|127.0.0.1", b"localhost|::1")
        self.assertEqual(got, b"CONFIG cluster 0 %d\r\n%s\r\nEND\r\nMN\r\n" %
                         (len(nodes), nodes))
        self.assertTrue(c.ask(b"config\r\n").startswith(b"CLIENT_ERROR"))
        self.assertTrue(c.ask(b"config set cluster 0 1\r\n").startswith(
            b"CLIENT_ERROR"))
        # The suboption behind the list is one of its own.
        self.assertEqual(s.stats(b"settings")["track_sizes"], "yes")

    def test_a_client_finds_its_nodes(self):
        """As clients of ElastiCache do: ask one, use all."""
        nodes = [self.start() for _ in range(2)]
        s = self.start(["-o", "cluster=" + ";".join(
            "127.0.0.1:%d" % n.port for n in nodes)])
        c = self.connect(s)
        self.assertTrue(c.ask(b"version\r\n").startswith(b"VERSION 1.6."))
        c.send(b"config get cluster\r\n")
        head = c.line().split()
        self.assertEqual(head[:3], [b"CONFIG", b"cluster", b"0"])
        version, lines = c.read(int(head[3])).decode().split("\n", 1)
        self.assertEqual((version, c.line(), c.line()),
                         ("1", b"\r\n", b"END\r\n"))
        for host, address, port in (n.split("|") for n in lines.split()):
            with harness.Conn((address, int(port))) as node:
                self.assertEqual(node.ask(b"mn\r\n"), b"MN\r\n")

    def test_without_a_list(self):
        c = self.connect(self.start())
        self.assertEqual(c.ask(b"config get cluster\r\n"), b"ERROR\r\n")

    def test_bad_lists(self):
        for nodes in ("nohost", "127.0.0.1", "127.0.0.1:0", ":5", ";",
                      "a|b:5", "127.0.0.1:70000"):
            p = subprocess.run([harness.BINARY, "-p", "-1", "-u", "root",
                                "-o", "cluster=" + nodes],
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               timeout=harness.BOUND)
            self.assertEqual(p.returncode, 1, nodes)
            self.assertIn(b"cluster", p.stdout)


if __name__ == "__main__":
    unittest.main()
