"""php-memcached: client.php's calls over both protocols, and sessions."""
import pathlib
import shutil
import subprocess
import unittest

import harness

HERE = pathlib.Path(__file__).resolve().parent


@unittest.skipUnless(shutil.which("php"), "php-cli, php-memcached")
class Php(harness.Case):
    def php(self, script, *args):
        p = subprocess.run(
            ["php", str(HERE / script), str(self.server.port), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode("utf-8", "replace")
        self.assertEqual(p.returncode, 0, text)
        self.assertRegex(text, r"^ok\b")
        self.works()
        return text

    def test_text(self):
        self.assertGreater(int(self.php("client.php").split()[1]), 50)

    def test_binary(self):
        self.assertGreater(
            int(self.php("client.php", "binary").split()[1]), 50)

    def test_sessions(self):
        self.php("session.php")
