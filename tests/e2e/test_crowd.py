"""A small siege: siege.py with 600 clients; `make siege` is the large one.

How much slower the well-behaved get is not asserted here, for the machine may
be busy with other things: that they are all answered, that nobody is thrown
out, and that memory stays within its bound.
"""
import os
import unittest

import harness
import siege


@unittest.skipUnless(os.path.exists(siege.LOAD), "no bench/load beside it")
@harness.slabd_only("what it promises of memory")
class Small(unittest.TestCase):
    def test_slow_readers_and_writers(self):
        results, bound = siege.Siege(small=True).run()
        siege.verdict(results, bound)
        self.assertGreater(results[0]["conns"], 600)


if __name__ == "__main__":
    unittest.main()
