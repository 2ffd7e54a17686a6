"""trouble.py - a server on a machine that one can make unkind.

    s = Troubled(["-t", "1"])
    s.trouble.accepting = errno.EMFILE

See trouble.c, which is loaded into the server.
"""
import mmap
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import harness

SOURCE = pathlib.Path(__file__).with_name("trouble.c")
FIELDS = ("countdown", "repeat", "failed", "counted", "accepting", "accepts",
          "bytes", "seconds", "syncing", "holding", "held")

_library = None


def library():
    """Built once; skips the test where there is no compiler."""
    global _library
    if _library is None:
        directory = tempfile.TemporaryDirectory(prefix="slabd-e2e.")
        path = os.path.join(directory.name, "trouble.so")
        try:
            subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC",
                            "-fno-builtin", "-o", path, str(SOURCE), "-ldl"],
                           check=True, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise unittest.SkipTest("no compiler") from None
        _library = (directory, path)
    return _library[1]


class Trouble:
    """struct trouble, shared with the server."""

    def __init__(self, path):
        pathlib.Path(path).write_bytes(bytes(8 * len(FIELDS)))
        with open(path, "r+b") as f:
            object.__setattr__(self, "map", mmap.mmap(f.fileno(), 0))

    def __getattr__(self, name):
        return struct.unpack_from("q", self.map, 8 * FIELDS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("q", self.map, 8 * FIELDS.index(name), value)


class Troubled(harness.Server):
    def __init__(self, args=(), wait=True, **kw):
        if harness.SANITIZED:
            raise unittest.SkipTest("a sanitizer takes malloc for itself")
        super().__init__(args, wait=False, env={
            "LD_PRELOAD": library(), "TROUBLE": "{DIR}/trouble",
            **kw.pop("env", {})}, **kw)
        self.trouble = Trouble(self.path("trouble"))
        if wait:
            self.start()
            self.wait_for_port()


def troubled(case, *args, **kw):
    """One for this test alone."""
    s = Troubled(*args, **kw)
    case.addCleanup(s.stop)
    return s
