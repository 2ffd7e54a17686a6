"""hostile.py - tables of bad input, made into named tests.

    @tests_of(LENGTHS)
    class Lengths(Talk): pass

A row is (name, bytes to send, what must come back[, NEW]).  After the bytes
goes `mn`; what came before its `MN` must be what the row says, so that every
row also proves that replies stay in step.  Then a fresh connection must work.

What must come back: bytes, a compiled pattern that matches it whole, or
CLOSED (nothing more, and the server closes), or ANY.  NEW marks what
memcached 1.6.18 answers otherwise than 1.6.45; against it the row only
demands that the server survives.
"""
import re

import harness

CLOSED = object()
ANY = re.compile(rb"(?s).*")
NEW = "new"

ERROR = b"ERROR\r\n"
FORMAT = b"CLIENT_ERROR bad command line format\r\n"
CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
SOME_ERROR = re.compile(rb"((CLIENT_|SERVER_)?ERROR[ -~]*\r\n)+")


class Talk(harness.Case):
    def talk(self, send, want, new=None):
        sloppy = new and harness.ORACLE
        with self.server.connect() as c:
            try:
                c.send(send)
                if want is CLOSED and not sloppy:
                    self.assertEqual(c.rest(), b"")
                elif not sloppy:
                    c.send(b"mn\r\n")
                    got = c.until(b"MN\r\n")[:-4]
                    if isinstance(want, bytes):
                        self.assertEqual(got, want)
                    else:
                        self.assertRegex(got, want)
                        self.assertTrue(want.fullmatch(got), got)
            except (ConnectionResetError, BrokenPipeError):
                if want is not CLOSED and not sloppy:
                    raise
        self.works()


def tests_of(rows):
    """Gives the class a test for each row."""
    def add(cls):
        for name, send, want, *new in rows:
            for sign, word in ("-", " minus "), ("+", " plus "), (".", " dot "):
                name = name.replace(sign, word)
            name = "test_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            assert not hasattr(cls, name), name

            def test(self, send=send, want=want, new=new):
                self.talk(send, want, *new)
            test.__doc__ = None
            setattr(cls, name, test)
        return cls
    return add
