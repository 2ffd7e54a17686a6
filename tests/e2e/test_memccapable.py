"""libmemcached's own acceptance test of a server, both protocols."""
import re
import shutil
import subprocess
import unittest

import harness


@unittest.skipUnless(shutil.which("memccapable"), "libmemcached-tools")
class Memccapable(harness.Case):
    # It wants `delete a b` refused, as 1.6.18 does; 1.6.45 ignores the word.
    EXPECTED = set() if harness.ORACLE else {"ascii delete",
                                             "ascii delete noreply"}

    def capable(self, flag, least, expected=frozenset()):
        p = subprocess.run(
            ["memccapable", flag, "-t", "10", "-h", "127.0.0.1", "-p",
             str(self.server.port)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode()
        failed = set(re.findall(r"^(.*?)\s+\[FAIL\]", text, re.M))
        self.assertEqual(failed, expected, text)
        self.assertEqual(p.returncode, 1 if expected else 0, text)
        passed = len(re.findall(r"\[pass\]", text))
        self.assertGreaterEqual(passed, least, text)
        self.works()

    def test_ascii(self):
        self.capable("-a", 27 - len(self.EXPECTED), self.EXPECTED)

    def test_binary(self):
        self.capable("-b", 20)
