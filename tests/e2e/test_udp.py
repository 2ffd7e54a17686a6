"""Requests in datagrams (-U), and datagrams that are none."""
import random
import socket
import unittest

import harness

HEAD = 8


@harness.slabd_only()
class Udp(harness.Case):
    def setUp(self):
        super().setUp()
        self.udp_port = harness.free_port()
        self.server = self.start(["-U", str(self.udp_port), "-t", "1"])
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sock.close)
        self.sock.connect(("127.0.0.1", self.udp_port))
        self.sock.settimeout(harness.BOUND)

    def send(self, request, ident=7, count=1):
        self.sock.send(ident.to_bytes(2, "big") + b"\0\0" +
                       count.to_bytes(2, "big") + b"\0\0" + request)

    def reply(self, ident=7):
        """The payload of all datagrams of a reply."""
        parts, count = {}, 1
        while len(parts) < count:
            d = self.sock.recv(65536)
            if int.from_bytes(d[:2], "big") != ident:
                continue
            self.assertLessEqual(len(d), 1400)
            count = int.from_bytes(d[4:6], "big")
            parts[int.from_bytes(d[2:4], "big")] = d[HEAD:]
        return b"".join(parts[i] for i in range(count))

    def ask(self, request):
        self.send(request)
        return self.reply()

    def test_conversation(self):
        self.assertEqual(self.ask(b"set a 5 0 3\r\nabc\r\n"), b"STORED\r\n")
        self.assertEqual(self.ask(b"get a b a\r\n"),
                         b"VALUE a 5 3\r\nabc\r\n" * 2 + b"END\r\n")
        self.assertEqual(self.ask(b"bogus\r\nversion\r\n")[:14],
                         b"ERROR\r\nVERSION")
        value = b"x" * 20000
        self.assertEqual(self.ask(b"set b 0 0 20000\r\n" + value + b"\r\n"),
                         b"STORED\r\n")
        self.assertEqual(self.ask(b"get b\r\n"),
                         b"VALUE b 0 20000\r\n" + value + b"\r\nEND\r\n")

    def test_a_port_of_its_own(self):
        """As memcached: an address with a port has it for UDP, too."""
        ports = harness.free_port(), harness.free_port()
        s = harness.Server(["-l", "127.0.0.1:%d,127.0.0.1:%d" % ports,
                            "-U", str(harness.free_port())], listen=False)
        self.addCleanup(s.stop)
        s.port = ports[0]
        s.wait_for_port()
        for port in ports:
            self.sock.connect(("127.0.0.1", port))
            self.assertEqual(self.ask(b"mn\r\n"), b"MN\r\n")

    def test_what_is_dropped(self):
        c = self.connect()
        big = b"y" * 900000
        self.assertEqual(c.ask(b"set big 0 0 900000\r\n" + big + b"\r\n"),
                         b"STORED\r\n")
        rng = random.Random(5)
        for i in range(500):
            self.send(bytes(rng.randrange(256)
                            for _ in range(rng.randrange(60))), 1, 2)
            # The kernel drops what a slow server has no room for.
            if i % 50 == 49:
                self.assertEqual(self.ask(b"get none\r\n"), b"END\r\n")
        self.sock.send(b"short")
        self.send(b"get big\r\n", 1)          # a reply that would flood
        self.send(b"set half 0 0 10\r\nabc", 1)
        self.send(b"quit\r\n", 1)
        self.send(b"watch\r\n", 1)
        self.assertEqual(self.ask(b"get half\r\n"), b"END\r\n")
        self.assertEqual(c.ask(b"get half\r\n"), b"END\r\n")


if __name__ == "__main__":
    unittest.main()
