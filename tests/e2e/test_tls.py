"""test_tls.py - TLS (-Z): what it protects, and what it must not disturb.

Certificates are made here with openssl, as an operator would.  A client is
Python's ssl module, either on a socket or, where each byte of a handshake
counts, on memory; then pymemcache and openssl s_client.
"""
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import ORACLE, slabd_only, until
from trouble import Troubled

DIR = None


def path(name):
    return os.path.join(DIR, name)


def openssl(*args):
    subprocess.run(["openssl"] + list(args), check=True, cwd=DIR,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", name + ".key", "-out", name + ".crt",
            "-subj", "/CN=" + name)


def make_certificate(name, authority="ca", algorithm=("ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256")):
    openssl("req", "-newkey", *algorithm, "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", "/CN=" + name)
    with open(path("ext"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".crt",
            "-CAkey", authority + ".key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", name + ".crt")


def setUpModule():
    global DIR
    DIR = tempfile.mkdtemp(prefix="slabd-tls.")
    os.chmod(DIR, 0o755)
    make_authority("ca")
    make_authority("foreign")
    make_certificate("server")
    make_certificate("other")
    make_certificate("rsa", algorithm=("rsa:2048",))
    make_certificate("client")
    make_certificate("stranger", "foreign")
    openssl("pkey", "-in", "server.key", "-outform", "DER", "-out",
            "server.der")
    openssl("pkey", "-in", "server.key", "-aes128", "-passout", "pass:secret",
            "-out", "locked.key")


def tearDownModule():
    shutil.rmtree(DIR)


def options(cert="server", key=None, more=""):
    """-Z and the files of a certificate."""
    return ["-Z", "-o", "ssl_chain_cert=%s,ssl_key=%s%s" % (
        path(cert + ".crt"), path(key or cert + ".key"), more)]


def with_ca(more=""):
    return options(more=",ssl_ca_cert=" + path("ca.crt") + more)


def context(cert=None, version=None):
    """What a client trusts, and what it shows."""
    c = ssl.create_default_context(cafile=path("ca.crt"))
    if cert:
        c.load_cert_chain(path(cert + ".crt"), path(cert + ".key"))
    if version:
        c.minimum_version = c.maximum_version = version
    return c


class Secure(harness.Conn):
    """A connection by TLS."""

    def __init__(self, address, tls=None, session=None, **kw):
        super().__init__(address, **kw)
        try:
            self.sock = (tls or context()).wrap_socket(
                self.sock, server_hostname="localhost", session=session)
        except OSError:
            self.sock.close()
            raise

    def is_silent(self, seconds=0.2):
        return not self.sock.pending() and super().is_silent(seconds)

    def name(self):
        """Of the server, as its certificate says."""
        subject = dict(x[0] for x in self.sock.getpeercert()["subject"])
        return subject["commonName"]


class Server(harness.Server):
    """One that speaks TLS on its port."""

    def connect(self, **kw):
        return Secure(("127.0.0.1", self.port), **kw)


class Starved(Troubled, Server):
    """The same on an unkind machine."""


class Case(harness.Case):
    MORE = []

    @classmethod
    def setUpClass(cls):
        cls.server = Server(options() + cls.MORE)

    def start(self, args=(), **kw):
        s = Server(args, **kw)
        self.addCleanup(s.stop)
        return s


class Solo(harness.Solo):
    start = Case.start


class Machine:
    """A client's side of TLS in memory, and its socket."""

    def __init__(self, port, tls=None):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(harness.BOUND)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (tls or context()).wrap_bio(
            self.inward, self.outward, server_hostname="localhost")

    def talk(self, request=b"version\r\n"):
        """Yields the bytes to be sent, flight by flight; the caller sends."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                yield self.outward.read()
                self.hear()
        self.tls.write(request)
        yield self.outward.read()

    def hear(self):
        data = self.sock.recv(1 << 16)
        if data:
            self.inward.write(data)
        else:
            self.inward.write_eof()

    def reply(self, end=b"\r\n"):
        got = b""
        while not got.endswith(end):
            try:
                got += self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.hear()
        return got

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()


def first_flight():
    """A whole ClientHello."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(inward, outward, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outward.read()


# ------------------------------------------------------------ start


class Start(Solo):
    def refused(self, args, *words, status=64):
        s = harness.Server(args, wait=False)
        s.start()
        self.assertEqual(s.wait(), status)
        said = s.output()
        s.stop()
        if not ORACLE:
            for w in words:
                self.assertIn(w, said)
        self.assertNotIn("PRIVATE", said)

    @unittest.skipIf(harness.SANITIZED, "sanitizers look into the process")
    @unittest.skipUnless(os.geteuid() == 0, "only root becomes another")
    @slabd_only("memcached's core files have the key")
    def test_no_core_file_has_the_key(self):
        """There is none: what must not be dumped belongs to root."""
        for kind, args, owner in (
                (harness.Server, [], pwd.getpwnam("nobody").pw_uid),
                (Server, options(), 0)):
            s = kind(["-r", "-u", "nobody"] + args)     # answers as nobody
            self.addCleanup(s.stop)
            self.assertEqual(os.stat("/proc/%d/environ" % s.pid).st_uid,
                             owner, args)

    def test_what_is_missing(self):
        self.refused(["-Z"], "-Z: a certificate and its key are needed")
        self.refused(options(cert="nowhere"), "loading the certificate chain",
                     path("nowhere.crt"), "No such file")
        self.refused(options(key="nowhere.key"), "loading the key",
                     path("nowhere.key"), "No such file")
        self.refused(options(more=",ssl_ca_cert=/nowhere"), "/nowhere",
                     "loading the CA certificate", "No such file")

    def test_what_is_wrong(self):
        self.refused(options(key="other.key"), "key values mismatch")
        self.refused(options(key="server.crt"), "loading the key")
        self.refused(options(cert="server", key="server.der"),
                     "loading the key", "ssl_keyformat=2")
        self.refused(options(more=",ssl_ciphers=NONE-SUCH"), "cipher(s)",
                     "NONE-SUCH")

    @slabd_only("it asks at the terminal")
    def test_a_key_with_a_passphrase(self):
        self.refused(options(key="locked.key"), "without a passphrase")

    def test_no_port(self):
        s = harness.Server(options() + ["-p", "0"], wait=False)
        s.start()
        self.assertEqual(s.wait(), 64)
        s.stop()

    def test_prefixes_without_tls(self):
        for prefix in ("notls:",) if ORACLE else ("notls:", "btls:", "mtls:"):
            self.refused(["-l", prefix + "127.0.0.1"], prefix, "-Z",
                         status=71 if ORACLE else 64)

    def test_der(self):
        s = self.start(options(key="server.der", more=",ssl_keyformat=2"))
        self.works(s)

    @slabd_only("memcached wants to be told both")
    def test_the_key_in_the_same_file(self):
        with open(path("both.crt"), "w") as f:
            for name in ("server.crt", "server.key"):
                with open(path(name)) as part:
                    f.write(part.read())
        s = self.start(["-Z", "-o", "ssl_chain_cert=" + path("both.crt")])
        self.works(s)

    def test_rsa(self):
        s = self.start(options("rsa"))
        with s.connect() as c:
            self.assertEqual(c.name(), "rsa")
        self.works(s)

    @slabd_only("it says nothing")
    def test_without_z(self):
        s = harness.Server(options()[1:])
        self.addCleanup(s.stop)
        harness.Case.works(self, s)
        self.assertIn("without -Z there is no TLS", s.output())
        with s.connect() as c:
            self.assertEqual(c.ask(b"refresh_certs\r\n"),
                             b"Error TLS not enabled\r\n")
        self.assertFalse([k for k in s.stats() if "ssl" in k or "cert" in k])

    @slabd_only("it has no health check")
    def test_health(self):
        ca = path("ca.crt")
        for prefix, says in (("", "answers: 1.6"), ("notls:", "answers: 1.6"),
                             ("mtls:", "wants a client certificate")):
            s = Server(with_ca() + ["-l", prefix + "127.0.0.1"], listen=False,
                       wait=False)
            self.addCleanup(s.stop)
            s.argv += ["-p", str(s.port)]
            s.start()
            s.decision()
            p = subprocess.run(s.argv + ["--healthcheck"], text=True,
                               capture_output=True)
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertIn(says, p.stdout)
            self.assertTrue(os.path.exists(ca))


# ------------------------------------------------------------ what is said


class Inside(Case):
    MORE = ["-I", "8m", "-m", "256", "-t", "2"]

    def test_text(self):
        self.works()

    def test_meta_and_binary(self):
        c = self.connect()
        self.assertEqual(c.ask(b"ms meta 2 T0\r\nhi\r\n"), b"HD\r\n")
        self.assertEqual(c.ask(b"mg meta v\r\n"), b"VA 2\r\n")
        self.assertEqual(c.line(), b"hi\r\n")
        c = self.connect()
        head = struct.pack(">BBHBBHIIQ", 0x80, 0, 4, 0, 0, 0, 4, 7, 0)
        c.send(head + b"meta")
        reply = c.read(24 + 4 + 2)
        self.assertEqual(reply[-2:], b"hi")
        self.assertEqual(reply[12:16], head[12:16])

    def test_large_values_both_ways(self):
        c = self.connect()
        for n in (0, 1, 16383, 16384, 16385, 65536, 1 << 20, 7 << 20):
            value = os.urandom(n)
            self.assertEqual(c.ask(b"set large 0 0 %d\r\n%s\r\n" % (n, value)),
                             b"STORED\r\n")
            c.send(b"get large\r\n")
            self.assertEqual(c.line(), b"VALUE large 0 %d\r\n" % n)
            self.assertEqual(c.read(n + 7), value + b"\r\nEND\r\n")

    @slabd_only("1.6.18 forgets what it has decrypted already")
    def test_pipelines(self):
        """Requests in records of all sizes, answered in order."""
        c = self.connect()
        for step in (1, 7, 100, 16384, 1 << 20):
            want, data = b"", b""
            for i in range(60 if step == 1 else 600):
                value = b"%d" % i * (i % 50)
                data += b"set p%d 0 0 %d\r\n%s\r\nget p%d\r\n" % (
                    i, len(value), value, i)
                want += b"STORED\r\nVALUE p%d 0 %d\r\n%s\r\nEND\r\n" % (
                    i, len(value), value)
            for at in range(0, len(data), step):
                c.send(data[at:at + step])
            self.assertEqual(c.read(len(want)), want)

    @slabd_only("1.6.18 forgets what it has decrypted already")
    def test_large_values_in_a_pipeline(self):
        """What comes behind one is decrypted with its last record."""
        c = self.connect()
        value = os.urandom(300000)
        data = b"".join(b"set q%d 0 0 300000\r\n%s\r\nmn\r\n" % (i, value)
                        for i in range(10))
        # By one thread: Python locks no TLS socket.
        c.send(data)
        want = b"STORED\r\nMN\r\n" * 10
        self.assertEqual(c.read(len(want)), want)

    def test_a_reader_that_waits(self):
        """Megabytes of replies for one who takes them late."""
        c = self.connect(rcvbuf=4096)
        value = os.urandom(100000)
        self.assertEqual(c.ask(b"set slow 0 0 100000\r\n" + value + b"\r\n"),
                         b"STORED\r\n")
        small = self.connect()
        c.send(b"get slow\r\n" * 200 + b"mn\r\n")
        for _ in range(20):
            self.assertEqual(small.ask(b"mn\r\n"), b"MN\r\n")
        one = b"VALUE slow 0 100000\r\n" + value + b"\r\nEND\r\n"
        for _ in range(200):
            self.assertEqual(c.read(len(one)), one)
        self.assertEqual(c.line(), b"MN\r\n")

    def test_dump_and_watch(self):
        c = self.connect()
        for i in range(500):
            c.send(b"set d%d 0 0 1 noreply\r\nx\r\n" % i)
        self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        d = self.connect()
        d.send(b"lru_crawler metadump all\r\n")
        keys = set(re.findall(rb"key=(d\d+) ", d.until(b"END\r\n")))
        self.assertEqual(len(keys), 500)
        w = self.connect()
        self.assertEqual(w.ask(b"watch mutations\r\n"), b"OK\r\n")
        c.send(b"set seen 0 0 1\r\nx\r\n")
        self.assertIn(b"key=seen", w.until(b"key=seen "))

    def test_stats(self):
        stats = self.server.stats()
        for name in ["ssl_handshake_errors", "time_since_server_cert_refresh"
                     ] + ([] if ORACLE else ["ssl_proto_errors"]):
            self.assertIn(name, stats)
        self.assertNotIn("ssl_new_sessions", stats)
        s = self.server.stats(b"settings")
        self.assertEqual({k: v for k, v in s.items() if "ssl" in k}, {
            "ssl_enabled": "yes", "ssl_chain_cert": path("server.crt"),
            "ssl_key": path("server.key"), "ssl_verify_mode": "0",
            "ssl_keyformat": "1", "ssl_ciphers": "NULL",
            "ssl_ca_cert": "NULL", "ssl_wbuf_size": "16384",
            "ssl_session_cache": "no", "ssl_kernel_tls": "no",
            "ssl_min_version": "tlsv1.2"})

    def test_quit(self):
        c = self.connect()
        c.send(b"version\r\nquit\r\n")
        self.assertIn(b"VERSION", c.rest())

    def test_half_closed(self):
        """A client that says all and then that it is through."""
        m = Machine(self.server.port)
        for flight in m.talk(b"version\r\n" * 3):
            m.sock.sendall(flight)
        try:
            m.tls.unwrap()
        except ssl.SSLError:
            pass
        m.sock.sendall(m.outward.read())
        m.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(m.reply().count(b"VERSION"), 3)
        m.sock.close()

    def test_pymemcache(self):
        try:
            from pymemcache.client.base import Client
        except ImportError:
            self.skipTest("no pymemcache")
        # localhost may be ::1 first
        c = Client(("127.0.0.1", self.server.port), tls_context=context(),
                   timeout=harness.BOUND)
        self.assertTrue(c.set("py", b"v" * 100000, noreply=False))
        self.assertEqual(c.get("py"), b"v" * 100000)
        self.assertEqual(c.get_many(["py", "none"]), {"py": b"v" * 100000})
        c.close()

    def test_s_client(self):
        def ask(*args, data=b"version\nquit\n"):
            p = subprocess.run(
                ["openssl", "s_client", "-connect", "127.0.0.1:%d" %
                 self.server.port, "-CAfile", path("ca.crt"), "-crlf",
                 "-verify_return_error"] + list(args), input=data,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=harness.BOUND)
            return p.stdout
        self.assertIn(b"VERSION 1.6", ask("-quiet"))
        self.assertIn(b"VERSION 1.6", ask("-quiet", "-tls1_2"))
        self.assertNotIn(b"VERSION", ask("-quiet", "-tls1_1"))
        # Renegotiation is refused, and nothing else happens.
        said = ask("-tls1_2", data=b"R\n")
        self.assertRegex(said, b"RENEGOTIATING(?s:.*)no renegotiation")
        self.works()


class Login(Solo):
    def test_auth_file(self):
        with open(path("users"), "w") as f:
            f.write("joe:secret\n")
        s = Server(options() + ["-Y", path("users")], wait=False)
        self.addCleanup(s.stop)
        s.start()
        s.decision()
        c = self.connect(s)
        self.assertIn(b"unauthenticated", c.ask(b"get a\r\n"))
        self.assertEqual(c.ask(b"set a 0 0 10\r\njoe secret\r\n"),
                         b"STORED\r\n")
        self.assertEqual(c.ask(b"get a\r\n"), b"END\r\n")
        self.assertNotIn("secret", s.output())

    @slabd_only("without Cyrus's configuration")
    def test_sasl(self):
        with open(path("pwdb"), "w") as f:
            f.write("joe:secret\n")
        s = Server(options() + ["-S"], wait=False,
                   env={"MEMCACHED_SASL_PWDB": path("pwdb")})
        self.addCleanup(s.stop)
        s.start()
        s.decision()
        c = self.connect(s)

        def ask(op, key, value=b""):
            c.send(struct.pack(">BBHBBHIIQ", 0x80, op, len(key), 0, 0, 0,
                               len(key) + len(value), 0, 0) + key + value)
            head = c.read(24)
            c.read(struct.unpack(">I", head[8:12])[0])
            return struct.unpack(">H", head[6:8])[0]
        self.assertEqual(ask(0x21, b"PLAIN", b"\0joe\0wrong"), 0x20)
        self.assertEqual(ask(0x21, b"PLAIN", b"\0joe\0secret"), 0)
        self.assertEqual(ask(0x00, b"a"), 1)


# ------------------------------------------------------------ handshakes


class Handshake(Case):
    MORE = ["-c", "4000", "-t", "2"]

    def connections(self):
        return int(self.server.stats()["curr_connections"])

    def all_gone(self):
        # 1.6.18 counts its listener, and one more.
        until(lambda: self.connections() <= (3 if ORACLE else 1),
              "the others are gone")
        self.works()

    def test_one_byte_at_a_time(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            m = Machine(self.server.port, context(version=version))
            for flight in m.talk():
                for i in range(len(flight)):
                    m.sock.send(flight[i:i + 1])
            self.assertIn(b"VERSION", m.reply())
            m.sock.close()

    def test_cut_off_everywhere(self):
        """After each of so many bytes: reset, closed, half closed."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = context(version=version)
            m = Machine(self.server.port, tls)
            sizes = []
            for flight in m.talk():
                sizes.append(len(flight))
                m.sock.sendall(flight)
            m.reply()
            m.sock.close()
            cuts, at = {0, 1, 3, 5, 6, 9, 50}, 0
            for n in sizes:
                cuts |= {at + n // 2, at + n - 1, at + n}
                at += n
            for cut in sorted(cuts):
                for end in ("reset", "close", "half"):
                    self.cut(tls, cut, end)
        self.all_gone()

    def cut(self, tls, cut, end):
        m = Machine(self.server.port, tls)
        left = cut
        for flight in m.talk():
            m.sock.sendall(flight[:left])
            left -= len(flight)
            if left <= 0:
                break
        if end == "reset":
            m.reset()
            return
        if end == "half":
            m.sock.shutdown(socket.SHUT_WR)
            try:
                while m.sock.recv(1 << 16):
                    pass
            except ConnectionResetError:
                pass
        m.sock.close()

    def test_rubbish(self):
        for data in (b"version\r\n", b"GET / HTTP/1.0\r\n\r\n",
                     b"\x80" + bytes(23), b"\x16\x03\x01\xff\xff" + b"x" * 99,
                     b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
                     b"\x16\x03\x01\x00\x00" * 100, b"\x15\x03\x03\x00\x02\x02"
                     b"\x28", os.urandom(1000), bytes(100000),
                     first_flight()[:100] + os.urandom(1000)):
            with self.server.plain() as c:
                try:
                    c.send(data)
                    c.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self.assertNotIn(b"VERSION", c.rest())
        self.all_gone()

    def test_rubbish_after_the_handshake(self):
        before = self.server.stats()
        for data in (b"version\r\n", b"\x17\x03\x03\x00\x20" + bytes(32),
                     b"\x17\x03\x03\xff\xff" + bytes(100)):
            m = Machine(self.server.port)
            for flight in m.talk():
                m.sock.sendall(flight)
            self.assertIn(b"VERSION", m.reply())
            m.sock.sendall(data)
            try:
                m.sock.shutdown(socket.SHUT_WR)
                while m.sock.recv(1 << 16):
                    pass
            except OSError:
                pass
            m.sock.close()
        self.all_gone()
        if not ORACLE:
            after = self.server.stats()
            self.assertEqual(int(after["ssl_proto_errors"]) -
                             int(before["ssl_proto_errors"]), 3)

    @slabd_only("1.6.18 counts those that fail at once")
    def test_errors_are_counted_and_told(self):
        before = int(self.server.stats()["ssl_handshake_errors"])
        w = self.connect()
        self.assertEqual(w.ask(b"watch connevents\r\n"), b"OK\r\n")
        with self.server.plain() as c:
            c.send(b"version\r\n")
            c.rest()
        line = w.until(b"type=conntlserr ") + w.line()
        self.assertRegex(line, rb"ts=\d+\.\d+ gid=\d+ type=conntlserr "
                         rb"fd=\d+ msg=error:\w+:SSL routines:.*wrong version")
        self.assertRegex(w.line(), rb"type=conn_close .* reason=error")
        self.assertEqual(int(self.server.stats()["ssl_handshake_errors"]),
                         before + 1)

    @slabd_only("its handshakes are one thread's")
    def test_thousands_that_never_finish(self):
        count = 400 if harness.SANITIZED else 2000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (min(hard, 3 * count + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        hello = first_flight()
        talker = self.connect()
        self.works()
        before = self.server.resident()
        stalled = []
        for i in range(count):
            s = socket.create_connection(("127.0.0.1", self.server.port))
            self.addCleanup(s.close)
            stalled.append(s)
            s.sendall((b"", hello[:20], hello)[i % 3])
            if i % 50 == 0:     # others are served meanwhile
                self.assertEqual(talker.ask(b"mn\r\n"), b"MN\r\n")
                self.works()
        until(lambda: self.connections() > count, "all are there")
        for _ in range(20):
            self.works()
        each = (self.server.resident() - before) / count
        if not harness.SANITIZED:
            self.assertLess(each, 60000)
        for s in stalled:
            s.close()
        talker.close()
        self.all_gone()


class Storm(Solo):
    @slabd_only("its handshakes are one thread's")
    def test_handshakes_let_others_in_between(self):
        """All come at once, and before the one who only asks: he is answered
        after a few of them."""
        clear = harness.free_port()
        s = self.start(["-l", "notls:127.0.0.1:%d" % clear, "-t", "1"] +
                       options())
        asks = s.plain(clear)
        self.addCleanup(asks.close)
        self.assertEqual(asks.ask(b"mn\r\n"), b"MN\r\n")
        many = [s.plain() for _ in range(200)]
        for c in many:
            self.addCleanup(c.close)
        count = "curr_connections"
        until(lambda: int(s.stats()[count]) > 200, "all are there")
        s.signal(signal.SIGSTOP)
        until(lambda: all(
            "State:\tT" in p.read_text() for p in pathlib.Path(
                "/proc/%d/task" % s.pid).glob("*/status")), "it is stopped")
        for c in many:
            c.send(b"version\r\n")      # as good as one of a handshake
        asks.send(b"stats\r\n")
        s.signal(signal.SIGCONT)
        reply = asks.until(b"END\r\n")
        errors = int(reply.split(b"ssl_handshake_errors ")[1].split()[0])
        self.assertLess(errors, 100)
        for c in many:
            c.rest()
        self.assertEqual(int(s.stats()["ssl_handshake_errors"]), 200)

    @slabd_only("it drops what it has not read")
    def test_handshakes_as_it_ends(self):
        """However many: what has arrived behind them is answered."""
        s = self.start(options() + ["-t", "1"])
        clients = [Machine(s.port) for _ in range(60)]
        talks = [m.talk() for m in clients]
        for m, talk in zip(clients, talks):
            self.addCleanup(m.sock.close)
            m.sock.sendall(next(talk))
        flights = [next(talk) for talk in talks]
        s.signal(signal.SIGSTOP)
        for m, flight in zip(clients, flights):
            m.sock.sendall(flight)
        s.signal(signal.SIGTERM)
        s.signal(signal.SIGCONT)
        for m in clients:
            self.assertIn(b"VERSION", m.reply())
        self.assertEqual(s.wait(), 0)

    @slabd_only("the text comes in clear, but only to one that asks so")
    def test_limit(self):
        s = self.start(options() + ["-c", "5"])
        held = [self.connect(s) for _ in range(4)]
        until(lambda: len(held) == 4, "all are in")
        raw = [s.plain() for _ in range(1)]
        with s.plain() as c:
            self.assertEqual(c.rest(),
                             b"ERROR Too many open connections\r\n")
        with self.assertRaises(OSError):
            s.connect()
        for c in raw:
            c.reset()

        def again():
            try:
                with s.connect() as c:
                    return c.ask(b"mn\r\n") == b"MN\r\n"
            except OSError:
                return False
        until(again, "there is room again")

    @slabd_only("it is loaded into slabd")
    def test_no_memory(self):
        """Whichever allocation of a handshake fails, others are served."""
        s = Starved(["-t", "1"] + options(more=",ssl_session_cache"))
        self.addCleanup(s.stop)
        lost = 0
        for n in range(1, 120):
            with s.plain() as c:
                s.trouble.countdown = n
                try:
                    c.sock = context().wrap_socket(
                        c.sock, server_hostname="localhost")
                    if c.ask(b"mn\r\n") != b"MN\r\n":
                        lost += 1
                except (OSError, AssertionError):
                    lost += 1
                s.trouble.countdown = 0
        self.assertGreater(lost, 10)
        with s.connect() as c:
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")

    def test_idle(self):
        """Who stalls in the handshake is idle, too."""
        s = self.start(options() + ["-o", "idle_timeout=1"])
        quiet, half, done = s.plain(), s.plain(), s.connect()
        half.send(first_flight()[:40])
        self.assertEqual(done.ask(b"mn\r\n"), b"MN\r\n")
        for c in (quiet, half, done):
            c.rest()
            c.close()
        self.assertGreaterEqual(int(s.stats()["idle_kicks"]), 3)

    def test_reconnects(self):
        s = self.start(options())
        failed = []

        def client():
            try:
                for _ in range(30):
                    with s.connect() as c:
                        assert c.ask(b"mn\r\n") == b"MN\r\n"
            except Exception as e:      # told below
                failed.append(e)
        threads = [threading.Thread(target=client) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertFalse(failed)

    @slabd_only("it drops what it has not sent")
    def test_end(self):
        """Replies that are on their way arrive; then it is said that this was
        all."""
        s = self.start(options())
        c = self.connect(s, rcvbuf=4096)
        value = os.urandom(500000)
        self.assertEqual(c.ask(b"set a 0 0 500000\r\n" + value + b"\r\n"),
                         b"STORED\r\n")
        c.send(b"get a\r\n" * 4)
        c.read(10)
        half, quiet = s.plain(), s.plain()
        self.addCleanup(half.close)
        self.addCleanup(quiet.close)
        half.send(first_flight())
        half.more()
        s.signal(signal.SIGTERM)
        want = (b"VALUE a 0 500000\r\n" + value + b"\r\nEND\r\n") * 4
        self.assertEqual(c.rest(), want[10:])
        half.rest()
        quiet.rest()
        self.assertEqual(s.wait(), 0)


# ------------------------------------------------------------ listeners


class Listeners(Solo):
    def serve(self, prefixes, more=()):
        """A server with a listener for each prefix; their ports."""
        ports = [harness.free_port() for _ in prefixes]
        s = Server(list(more) + ["-p", str(ports[0]), "-l", ",".join(
            "%s127.0.0.1:%d" % x for x in zip(prefixes, ports))],
            listen=False, wait=False)
        self.addCleanup(s.stop)
        s.port = ports[0]
        s.start()
        s.decision()
        return [s] + ports

    def asks(self, port, tls=None):
        """The reply of a listener, or why there is none."""
        try:
            c = Secure(("127.0.0.1", port), tls=tls)
        except OSError as e:
            return str(e)
        try:
            return c.ask(b"version\r\n").decode()
        except (OSError, AssertionError) as e:
            return str(e)
        finally:
            c.close()

    def test_in_clear(self):
        s, tls, plain = self.serve(["", "notls:"], options())
        self.assertIn("VERSION 1", self.asks(tls))
        with s.plain(plain) as c:
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        with s.plain(tls) as c:
            c.send(b"version\r\n")
            self.assertNotIn(b"VERSION", c.rest())
        self.assertNotIn("VERSION 1", self.asks(plain))

    @slabd_only("1.6.18 has none of them")
    def test_both_kinds(self):
        _, usual, basic, mutual = self.serve(
            ["", "btls:", "mtls:tag_a_:"], with_ca(",ssl_verify_mode=1"))
        none, good, bad = context(), context("client"), context("stranger")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for tls in (none, good, bad):
                tls.minimum_version = tls.maximum_version = version
            for port, tls, served in (
                    (usual, none, True), (usual, good, True),
                    (usual, bad, False), (basic, none, True),
                    (basic, good, True), (basic, bad, True),
                    (mutual, none, False), (mutual, good, True),
                    (mutual, bad, False)):
                with self.subTest(port=port, served=served):
                    self.assertEqual("VERSION 1" in self.asks(port, tls),
                                     served)

    def test_verify_modes(self):
        for mode in ("2", "3"):
            s, port = self.serve([""], with_ca(",ssl_verify_mode=" + mode))
            self.assertNotIn("VERSION 1", self.asks(port))
            self.assertNotIn("VERSION 1", self.asks(port, context("stranger")))
            self.assertIn("VERSION 1", self.asks(port, context("client")))
            with Secure(("127.0.0.1", port), tls=context("client")) as c:
                c.send(b"stats settings\r\n")
                self.assertIn(b"ssl_verify_mode %d\r\n" % (
                    3 if mode == "2" else 7), c.until(b"END\r\n"))

    @slabd_only("1.6.18 has no mtls:")
    def test_a_session_does_not_open_another_door(self):
        """What began without a certificate is not resumed where one is
        asked for."""
        for more in ("", ",ssl_session_cache"):
            _, basic, mutual = self.serve(["btls:", "mtls:"], with_ca(more))
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                tls = context(version=version)
                with Secure(("127.0.0.1", basic), tls=tls) as c:
                    c.ask(b"mn\r\n")
                    session = c.sock.session
                with Secure(("127.0.0.1", basic), tls=tls,
                            session=session) as c:
                    c.ask(b"mn\r\n")
                    self.assertTrue(c.sock.session_reused)
                    session = c.sock.session
                with self.assertRaises((OSError, AssertionError)):
                    with Secure(("127.0.0.1", mutual), tls=tls,
                                session=session) as c:
                        c.ask(b"mn\r\n")

    @slabd_only("memcached takes a unix socket instead of TCP")
    def test_unix_and_udp_are_in_clear(self):
        s = self.start(options() + ["-s", "{DIR}/sock", "-U", "-1"],
                       env={"MEMCACHED_PORT_FILENAME": "{DIR}/ports"})
        with harness.Conn(s.path("sock")) as c:
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        self.works(s)
        with open(s.path("ports")) as f:
            port = int(re.search(r"UDP INET: (\d+)", f.read()).group(1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.settimeout(harness.BOUND)
            u.sendto(b"\0\7\0\0\0\1\0\0mn\r\n", ("127.0.0.1", port))
            self.assertEqual(u.recv(2000), b"\0\7\0\0\0\1\0\0MN\r\n")

    def test_versions(self):
        s = self.start(options(more=",ssl_min_version=3"))
        self.assertIn("VERSION 1", self.asks(s.port))
        self.assertNotIn("VERSION 1", self.asks(s.port, context(
            version=ssl.TLSVersion.TLSv1_2)))
        self.assertEqual(s.stats(b"settings")["ssl_min_version"], "tlsv1.3")
        s = self.start(options(
            more=",ssl_ciphers=ECDHE-ECDSA-AES256-GCM-SHA384"))
        tls = context(version=ssl.TLSVersion.TLSv1_2)
        with Secure(("127.0.0.1", s.port), tls=tls) as c:
            self.assertEqual(c.sock.cipher()[0],
                             "ECDHE-ECDSA-AES256-GCM-SHA384")
        tls.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        self.assertNotIn("VERSION 1", self.asks(s.port, tls))

    def test_sessions(self):
        s = self.start(options(more=",ssl_session_cache"))
        tls = context(version=ssl.TLSVersion.TLSv1_2)
        tls.options |= ssl.OP_NO_TICKET
        with Secure(("127.0.0.1", s.port), tls=tls) as c:
            c.ask(b"mn\r\n")
            session = c.sock.session
            c.sock = c.sock.unwrap()
        before = int(s.stats()["ssl_new_sessions"])
        self.assertGreater(before, 0)
        with Secure(("127.0.0.1", s.port), tls=tls, session=session) as c:
            self.assertTrue(c.sock.session_reused)
            c.send(b"stats\r\n")
            self.assertIn(b"ssl_new_sessions %d\r\n" % before if ORACLE else
                          b"ssl_new_sessions ", c.until(b"END\r\n"))

    def test_kernel(self):
        s = self.start(options(more=",ssl_kernel_tls") + ["-I", "4m"])
        self.works(s)
        value = os.urandom(3 << 20)
        with s.connect() as c:
            self.assertEqual(c.ask(b"set k 0 0 %d\r\n%s\r\n" % (
                len(value), value)), b"STORED\r\n")
            c.send(b"get k\r\n")
            self.assertEqual(c.line(), b"VALUE k 0 %d\r\n" % len(value))
            self.assertEqual(c.read(len(value) + 7), value + b"\r\nEND\r\n")


# ------------------------------------------------------------ reload


class Reload(Solo):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="slabd-tls.")
        os.chmod(self.dir, 0o755)
        self.addCleanup(shutil.rmtree, self.dir)
        self.install("server")

    def install(self, name, what=("crt", "key")):
        for x in what:
            shutil.copy(path("%s.%s" % (name, x)), self.file(x) + ".new")
            os.chmod(self.file(x) + ".new", 0o644)
            os.rename(self.file(x) + ".new", self.file(x))

    def file(self, x):
        return os.path.join(self.dir, x)

    def args(self):
        return ["-Z", "-o", "ssl_chain_cert=%s,ssl_key=%s" % (
            self.file("crt"), self.file("key"))]

    def name(self, s):
        with s.connect() as c:
            return c.name()

    def test_command(self):
        s = self.start(self.args())
        old = self.connect(s)
        self.assertEqual(old.ask(b"set a 0 0 1\r\nx\r\n"), b"STORED\r\n")
        self.install("other")
        self.assertEqual(self.name(s), "server")
        self.assertEqual(old.ask(b"refresh_certs\r\n"), b"OK\r\n")
        self.assertEqual(self.name(s), "other")
        self.assertEqual(old.name(), "server")
        old.send(b"get a\r\n")
        self.assertEqual(old.until(b"END\r\n"), b"VALUE a 0 1\r\nx\r\nEND\r\n")
        self.assertLess(int(s.stats()["time_since_server_cert_refresh"]), 10)

    def test_broken(self):
        s = self.start(self.args() + ["-v"])
        c = self.connect(s)
        self.install("other", ["crt"])      # its key is not there yet
        reply = c.ask(b"refresh_certs\r\n")
        self.assertRegex(reply, rb"^Error .*key values mismatch")
        self.assertTrue(reply.endswith(b"\r\n"))
        # 1.6.18 serves neither now.
        if not ORACLE:
            self.assertEqual(self.name(s), "server")
            self.works(s)
            self.assertIn("certificates of before stay", s.output())
        os.unlink(self.file("crt"))
        self.assertRegex(c.ask(b"refresh_certs\r\n"), rb"^Error loading the "
                         rb"certificate chain: .*crt : .*No such file")
        self.install("other")
        self.assertEqual(c.ask(b"refresh_certs\r\n"), b"OK\r\n")
        self.assertEqual(self.name(s), "other")

    @slabd_only("1.6.18 reads no certificates then")
    def test_hangup(self):
        s = self.start(self.args() + ["-v"])
        self.install("other")
        s.signal(signal.SIGHUP)
        until(lambda: self.name(s) == "other", "the new one is shown")
        with open(self.file("key"), "w") as f:
            f.write("rubbish")
        s.signal(signal.SIGHUP)
        until(lambda: "Could not reload TLS certificates on SIGHUP" in
              s.output(), "it is said")
        self.assertEqual(self.name(s), "other")
        self.works(s)

    @slabd_only("it loads them one by one into what it serves with")
    def test_under_load(self):
        s = self.start(self.args() + ["-t", "2"])
        failed, names, over = [], set(), threading.Event()

        def client():
            try:
                while not over.is_set():
                    with s.connect() as c:
                        names.add(c.name())
                        for _ in range(5):
                            assert c.ask(b"mn\r\n") == b"MN\r\n"
            except Exception as e:      # told below
                failed.append(e)
        threads = [threading.Thread(target=client) for _ in range(4)]
        for t in threads:
            t.start()
        with s.connect() as c:
            for i in range(60):
                self.install(("server", "other")[i % 2])
                if i % 5 == 4:
                    self.install("rsa", ["crt"])    # not the key's
                reply = c.ask(b"refresh_certs\r\n")
                self.assertEqual(reply.startswith(b"Error"), i % 5 == 4)
                s.signal(signal.SIGHUP)
        over.set()
        for t in threads:
            t.join()
        self.assertFalse(failed)
        self.assertEqual(names, {"server", "other"})

    @slabd_only("it says nothing")
    @unittest.skipIf(os.geteuid() != 0, "only root can become another")
    def test_another_user(self):
        os.chmod(self.file("key"), 0o600)
        s = self.start(self.args() + ["-u", "nobody"], user=False)
        self.works(s)
        self.assertIn("may not be read by the user", s.output())
        with s.connect() as c:
            self.assertRegex(c.ask(b"refresh_certs\r\n"),
                             rb"Error loading the key.*Permission denied")
        self.works(s)
        os.chmod(self.file("key"), 0o644)
        with s.connect() as c:
            self.assertEqual(c.ask(b"refresh_certs\r\n"), b"OK\r\n")


if __name__ == "__main__":
    unittest.main()
