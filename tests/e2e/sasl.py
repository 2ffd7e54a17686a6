"""sasl.py - the binary protocol and the ways to log in, for tests."""
import base64
import hashlib
import hmac
import os
import pathlib
import shutil
import socket
import struct
import subprocess

import harness

PASSWD = str(pathlib.Path(harness.BINARY).with_name("slabd-passwd"))
MECHANISM = b"SCRAM-SHA-256"


def packet(op, key=b"", value=b"", extras=b"", opaque=7):
    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0,
                       len(key) + len(extras) + len(value), opaque,
                       0) + extras + key + value


def reply(c):
    """Status and body."""
    head = c.read(24)
    status, n = struct.unpack(">6xHI12x", head)
    return status, c.read(n)


def ask(c, *args, **kw):
    c.send(packet(*args, **kw))
    return reply(c)


def plain(c, user, password):
    return ask(c, 0x21, b"PLAIN", b"\0%s\0%s" % (user, password))[0]


def scram(c, user, password):
    """All of the dialogue; the status of its last reply."""
    first = b"n=%s,r=rOprNGfwEbeRWgbNEkqO" % user
    status, challenge = ask(c, 0x21, MECHANISM, b"n,," + first)
    if status != 0x21:
        return status
    nonce, salt, rounds = [part[2:] for part in challenge.split(b",", 2)]
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(salt),
                                 int(rounds))

    def sign(key, what):
        return hmac.new(key, what, "sha256").digest()
    key = sign(salted, b"Client Key")
    final = b"c=biws,r=" + nonce
    said = b",".join((first, challenge, final))
    signature = sign(hashlib.sha256(key).digest(), said)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    status, last = ask(c, 0x22, MECHANISM,
                       final + b",p=" + base64.b64encode(proof))
    if status != 0x21:
        return status
    if last != b"v=" + base64.b64encode(
            sign(sign(salted, b"Server Key"), said)):
        raise AssertionError("the server's signature is wrong")
    return ask(c, 0x22, MECHANISM)[0]


def text(c, user, password):
    token = user + b" " + password
    return c.ask(b"set x 0 0 %d\r\n%s\r\n" % (len(token), token))


def passwd(*args, password=None, want=0):
    p = subprocess.run([PASSWD, *args], input=password or b"",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=harness.BOUND)
    if want is not None and p.returncode != want:
        raise AssertionError("slabd-passwd %s: %d %s" % (
            " ".join(args), p.returncode, p.stdout))
    return p.stdout


def from_address(server, source):
    """A connection of another address of this machine."""
    s = socket.socket()
    s.settimeout(harness.BOUND)
    s.bind((source, 0))
    s.connect(("127.0.0.1", server.port))
    c = harness.Conn.__new__(harness.Conn)
    c.sock, c.buf = s, b""
    return c


class Site:
    """For a TestCase: servers with a user file of their own."""

    def site(self, args=(), users=((b"joe", b"pass word"),), lines=b"", **kw):
        """A server that has these users, already started."""
        d = harness.tempfile.mkdtemp(prefix="slabd-users.")
        self.addCleanup(shutil.rmtree, d, True)
        self.file = os.path.join(d, "users")
        for name, password, *options in users:
            passwd("add", *options, self.file, name.decode(),
                   password=password + b"\n")
        if lines:
            with open(self.file, "ab") as f:
                f.write(lines)
        s = harness.Server(["-Y", self.file, *args], **kw)
        self.addCleanup(s.stop)
        return s

    def connect(self, server, **kw):
        c = server.connect(**kw)
        self.addCleanup(c.close)
        return c
