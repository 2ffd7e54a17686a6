"""libmemcached's own acceptance test of a server, both protocols."""
import re
import shutil
import subprocess
import unittest

import harness


@unittest.skipUnless(shutil.which("memccapable"), "libmemcached-tools")
class Memccapable(harness.Case):
    def capable(self, flag, least):
        p = subprocess.run(
            ["memccapable", flag, "-t", "10", "-h", "127.0.0.1", "-p",
             str(self.server.port)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode()
        self.assertEqual(p.returncode, 0, text)
        self.assertIn("All tests passed", text)
        passed = len(re.findall(r"\[pass\]", text))
        self.assertGreaterEqual(passed, least, text)
        self.works()

    def test_ascii(self):
        self.capable("-a", 27)

    def test_binary(self):
        self.capable("-b", 20)
