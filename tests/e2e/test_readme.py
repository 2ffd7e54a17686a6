"""The conversation that README.md shows, typed anew."""
import re

import harness


class Readme(harness.Case):
    def test_telnet_session(self):
        text = (harness.ROOT / "README.md").read_text()
        (session,) = re.findall(r"```telnet\n\$ telnet [^\n]*\n(.*?)```", text,
                                re.S)
        c = self.connect()
        c.sock.settimeout(5)
        typed, lines = 0, iter(session.splitlines())
        for line in lines:
            word = line.split()[0]
            if word in ("set", "get", "incr", "decr", "mg", "ms", "delete",
                        "quit"):
                c.send(line.encode() + b"\r\n")
                if word in ("set", "ms"):
                    c.send(next(lines).encode() + b"\r\n")
                typed += 1
            else:
                self.assertEqual(c.line().decode().rstrip("\r\n"), line)
        self.assertGreater(typed, 5)
        self.assertEqual(c.rest(), b"")
