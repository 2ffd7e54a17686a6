"""What memcached's own test scripts (t/*.t) look at, and clients seldom do.
`make memcached-tests` runs the scripts themselves."""
import os
import re
import socket
import unittest

import harness
from harness import until


@harness.slabd_only()
class Scripts(harness.Solo):
    def test_help_tells_what_is_built_in(self):
        text = harness.subprocess.run(
            [harness.BINARY, "-h"], check=True,
            stdout=harness.subprocess.PIPE).stdout.decode()
        for word in ("ext_path", "proxy_config"):
            self.assertNotIn(word, text)
        for word in ("sasl", "unix-socket", "no_drop_privileges"):
            self.assertIn(word, text)

    def ports(self, args):
        s = self.start(args, listen=False,
                       env={"MEMCACHED_PORT_FILENAME": "{DIR}/ports"})
        until(lambda: os.path.exists(s.path("ports")), "the port file")
        with open(s.path("ports")) as f:
            return dict(line.split(": ") for line in f.read().splitlines())

    def test_port_file(self):
        """issue_67.t"""
        ports = self.ports(["-p", "-1", "-U", "-1"])
        self.assertLessEqual({"TCP INET", "UDP INET"}, set(ports))
        if "UDP INET6" in ports:
            self.assertEqual(ports["UDP INET6"], ports["UDP INET"])
        ports = self.ports(["-p", "-1", "-U", "0"])
        self.assertNotIn("UDP INET", ports)
        ports = self.ports(["-U", "-1"])
        self.assertIn("TCP INET", ports)
        ports = self.ports(["-p", "0", "-U", "-1"])
        self.assertNotIn("TCP INET", ports)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.settimeout(harness.BOUND)
            u.connect(("127.0.0.1", int(ports["UDP INET"])))
            u.send(b"\0\7\0\0\0\1\0\0mn\r\n")
            self.assertEqual(u.recv(100)[8:], b"MN\r\n")
        self.assertEqual(self.ports(["-p", "0"]), {})

    def conns(self, c):
        c.send(b"stats conns\r\nmn\r\n")
        return c.until(b"MN\r\n").decode()

    def test_states(self):
        """stats-conns.t: what a connection is at."""
        s = self.start(["-U", str(harness.free_port()), "-t", "1"])
        asks = s.connect()
        self.addCleanup(asks.close)
        for data, reply, state in (
                (b"", b"", "conn_new_cmd"),
                (b"mn\r\n", b"MN\r\n", "conn_read"),
                (b"get a", b"", "conn_read"),
                (b"set a 0 0 5\r\n", b"", "conn_nread"),
                (b"mn\r\nms a 5\r\nab", b"MN\r\n", "conn_nread"),
                (b"set a 0 0 500000\r\nab", b"", "conn_nread"),
                (b"set a 0 0 9000000\r\nab", b"", "conn_swallow")):
            c = s.connect()
            c.send(data)
            if reply:
                self.assertEqual(c.line(), reply)
            port = c.sock.getsockname()[1]
            until(lambda: re.search(
                r":addr tcp:127.0.0.1:%d\r\n.*\r\nSTAT \d+:state %s\r\n" %
                (port, state), self.conns(asks)), (data, state))
            c.close()
        self.assertRegex(self.conns(asks),
                         r"STAT (\d+):UDP UDP\r\nSTAT \1:addr udp:127.0.0.1:"
                         r"\d+\r\nSTAT \1:state conn_read\r\n")

    def test_many_connections(self):
        """Each is told of once, and after some of them others have turns."""
        s = self.start(["-t", "1"])
        crowd = [s.connect() for _ in range(300)]
        for c in crowd:
            self.addCleanup(c.close)
            self.assertEqual(c.ask(b"mn\r\n"), b"MN\r\n")
        yields = int(s.stats()["conn_yields"])
        lines = self.conns(crowd[0]).splitlines()
        told = [line.split(":")[-1] for line in lines if ":addr " in line]
        ports = [str(c.sock.getsockname()[1]) for c in crowd]
        self.assertEqual(sorted(told), sorted(ports + [str(s.port)]))
        self.assertEqual(lines[-2:], ["END", "MN"])
        self.assertGreaterEqual(int(s.stats()["conn_yields"]), yields + 4)

    def test_yields(self):
        """issue_61.t"""
        s = self.start(["-R", "1"])
        c = s.connect()
        self.addCleanup(c.close)
        c.send(b"set foobar 0 0 5\r\nBubba\r\n" * 6)
        for _ in range(6):
            self.assertEqual(c.line(), b"STORED\r\n")
        self.assertGreaterEqual(int(s.stats()["conn_yields"]), 5)

    def test_cas_numbers_differ(self):
        """cas.t"""
        s = self.start()
        c = s.connect()
        self.addCleanup(c.close)
        seen = set()
        for i in range(200):
            c.send(b"set k%d 0 0 1\r\n1\r\ngets k%d\r\n" % (i, i))
            self.assertEqual(c.line(), b"STORED\r\n")
            seen.add(c.line().split()[-1])
            self.assertEqual(c.line() + c.line(), b"1\r\nEND\r\n")
        self.assertEqual(len(seen), 200)

    def test_clock(self):
        """expirations.t: debugtime, which memcached-debug has; and what an
        item that died is counted as (issue_183.t, lru-maintainer.t)."""
        s = self.start(["-o", "relaxed_privileges"])
        c = s.connect()
        self.addCleanup(c.close)
        for i in range(10):
            self.assertEqual(c.ask(b"set k%d 0 3 1\r\n1\r\n" % i),
                             b"STORED\r\n")
        for bad in b"", b" x", b" -5", b" 99999999999":
            self.assertEqual(c.ask(b"debugtime%s\r\n" % bad), b"ERROR\r\n")
        self.assertEqual(c.ask(b"debugtime 2\r\n"), b"OK\r\n")
        self.assertIn(b"VALUE", c.ask(b"get k0\r\n"))
        self.assertEqual(c.until(b"END\r\n")[-5:], b"END\r\n")
        c.send(b"debugtime p\r\ndebugtime 60\r\nget k0\r\ndebugtime r\r\n")
        self.assertEqual([c.line() for _ in range(4)],
                         [b"OK\r\n", b"OK\r\n", b"END\r\n", b"OK\r\n"])
        until(lambda: s.stats()["reclaimed"] == "10", "the sweep")
        self.assertEqual(s.stats()["crawler_reclaimed"], "9")
        # the class is still told of, for what it has counted
        self.assertEqual(s.stats(b"slabs")["1:used_chunks"], "0")

    def test_no_clock(self):
        c = self.start().connect()
        self.addCleanup(c.close)
        self.assertEqual(c.ask(b"debugtime 2\r\n"), b"ERROR\r\n")


if __name__ == "__main__":
    unittest.main()
