"""Cache::Memcached::Fast, the Perl client: client.pl's calls."""
import pathlib
import subprocess
import unittest

import harness

HERE = pathlib.Path(__file__).resolve().parent


def installed():
    return subprocess.run(
        ["/usr/bin/perl", "-MCache::Memcached::Fast", "-e", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(installed(), "libcache-memcached-fast-perl")
class Fast(harness.Case):
    def test_calls(self):
        p = subprocess.run(
            ["/usr/bin/perl", str(HERE / "client.pl"), str(self.server.port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        text = p.stdout.decode("utf-8", "replace")
        self.assertEqual(p.returncode, 0, text)
        self.assertRegex(text, r"(?m)^ok \d+$")
        self.works()
