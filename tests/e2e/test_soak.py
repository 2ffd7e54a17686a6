"""A short soak: soak.py for some seconds; `make soak` is the long one."""
import unittest

import harness
from soak import Soak


@harness.slabd_only("its -l knows no tags, its commands less")
class Short(unittest.TestCase):
    def test_everything_at_once(self):
        counts = Soak(6).run()
        for what in ("reads", "writes", "binary reads", "logins", "reloads",
                     "deaths", "evictions"):
            self.assertGreater(counts.get(what, 0), 0, what)


if __name__ == "__main__":
    unittest.main()
