"""What a server that serves has given up, and what still works then."""
import array
import os
import pwd
import re
import signal
import unittest

import harness
from harness import Solo, until

ROOT = os.geteuid() == 0
SECRET = b"correct horse battery staple"
VALUE = b"seven of clubs, four of hearts"


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def threads(pid):
    return [status(int(t)) for t in os.listdir("/proc/%d/task" % pid)]


def in_a_core_file(pid, needle):
    """Whether a core file of the process would hold the bytes: all that is
    writable and not marked as MADV_DONTDUMP does."""
    with open("/proc/%d/smaps" % pid) as f:
        maps = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*?^VmFlags: ([^\n]*)",
                          f.read(), re.M | re.S)
    with open("/proc/%d/mem" % pid, "rb", 0) as mem, \
            open("/proc/%d/pagemap" % pid, "rb", 0) as pagemap:
        for start, end, rights, flags in maps:
            if "dd" in flags.split() or not rights.startswith("rw"):
                continue
            for at, n in in_memory(pagemap, int(start, 16), int(end, 16)):
                mem.seek(at)
                if needle in mem.read(n):
                    return True
    return False


def in_memory(pagemap, start, end):
    """The parts of a mapping that were ever touched."""
    page = os.sysconf("SC_PAGE_SIZE")
    pagemap.seek(start // page * 8)
    left, at, run = (end - start) // page, start, None
    while left > 0:
        entries = array.array("Q", pagemap.read(min(left, 1 << 16) * 8))
        left -= len(entries)
        for e in entries:
            if e >> 63 and run is None:
                run = at
            elif not e >> 63 and run is not None:
                yield run, at - run
                run = None
            at += page
    if run is not None:
        yield run, at - run


@unittest.skipIf(harness.ORACLE, "of slabd's confinement")
class Confined(Solo):
    def check_threads(self, server, **wanted):
        for t in threads(server.pid):
            for name, value in wanted.items():
                self.assertEqual(t[name], value, name)

    @unittest.skipUnless(ROOT, "not root")
    def test_root_becomes_nobody_with_nothing(self):
        s = self.start(["-u", "nobody"], user=False)
        none = "0" * 16
        nobody = pwd.getpwnam("nobody")
        self.check_threads(
            s, NoNewPrivs="1", CapEff=none, CapPrm=none, CapInh=none,
            CapBnd=none, CapAmb=none,
            Uid="\t".join([str(nobody.pw_uid)] * 4),
            Gid="\t".join([str(nobody.pw_gid)] * 4))
        groups = [int(g) for g in status(s.pid)["Groups"].split()]
        self.assertEqual(sorted(groups), sorted(
            os.getgrouplist("nobody", nobody.pw_gid)))
        self.works(s)

    @unittest.skipIf(harness.SANITIZED, "sanitizers need more calls")
    def test_the_filter_is_on_unless_told_otherwise(self):
        for args, mode in (([], "2"), (["-o", "drop_privileges"], "2"),
                           (["-o", "no_drop_privileges"], "0")):
            s = self.start(args)
            self.check_threads(s, Seccomp=mode, NoNewPrivs="1")
            self.works(s)

    @unittest.skipUnless(ROOT, "not root")
    def test_a_confined_daemon_does_all_it_did(self):
        """-d, -P, -s, a reload of users and a clean end, as nobody."""
        s = harness.Server(["-d", "-P", "{DIR}/pid", "-s", "{DIR}/sock", "-Y",
                            "{DIR}/users", "-u", "nobody"], user=False,
                           wait=False)
        self.addCleanup(s.stop)
        with open(s.path("users"), "wb") as f:
            f.write(b"joe:%s\n" % SECRET)
        for name in (s.path("users"), s.dir):
            os.chown(name, pwd.getpwnam("nobody").pw_uid, -1)
        s.start()
        self.assertEqual(s.wait(), 0)
        with open(s.path("pid")) as f:
            pid = int(f.read())
        try:
            if not harness.SANITIZED:
                self.assertEqual(status(pid)["Seccomp"], "2")
            self.log_in(s, b"joe", SECRET, b"STORED\r\n")
            with open(s.path("users"), "ab") as f:
                f.write(b"ann:another one\n")
            os.kill(pid, signal.SIGHUP)

            def ann():
                with s.connect() as c:
                    return c.ask(b"set x 0 0 15\r\nann another one\r\n") == \
                        b"STORED\r\n"
            until(ann, "the users are read again")
        finally:
            os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists("/proc/%d" % pid), "it ends")
        self.assertFalse(os.path.exists(s.path("sock")))
        self.assertFalse(os.path.exists(s.path("pid")))

    def log_in(self, server, user, password, want):
        c = self.connect(server)
        token = user + b" " + password
        self.assertEqual(c.ask(b"set x 0 0 %d\r\n%s\r\n" % (len(token), token)),
                         want)
        return c

    @unittest.skipIf(harness.SANITIZED, "sanitizers remember what was freed")
    def test_a_core_file_has_no_secrets(self):
        """Neither passwords nor the memory of items."""
        s = harness.Server(["-r", "-t", "1", "-Y", "{DIR}/users"], wait=False)
        self.addCleanup(s.stop)
        with open(s.path("users"), "wb") as f:
            f.write(b"joe:%s\n" % SECRET)
        s.start()
        s.wait_for_port()
        c = self.log_in(s, b"joe", SECRET, b"STORED\r\n")
        self.log_in(s, b"joe", SECRET[:-1], b"CLIENT_ERROR authentication "
                    b"failure\r\n")
        c.send(b"set card 0 0 %d\r\n%s\r\nget card\r\n" % (len(VALUE), VALUE))
        c.until(b"END\r\n")
        # What passes through buffers is overwritten by what passes next.
        c.send(b"set y 0 0 %d\r\n%s\r\n" % (900, b"y" * 900) +
               b"get y\r\n" * 500 + b"mn\r\n")
        c.until(b"MN\r\n")
        try:
            for secret in (SECRET[:-1], VALUE):
                self.assertFalse(in_a_core_file(s.pid, secret), secret)
            # The search finds what is there to be found.
            self.assertTrue(in_a_core_file(s.pid, s.dir.encode()))
        except PermissionError:
            self.skipTest("may not read the memory of another process")
        self.assertNotIn(SECRET.decode(), s.output())

    def test_what_it_says_has_no_secrets(self):
        s = harness.Server(["-vvv", "-Y", "{DIR}/users"], wait=False)
        self.addCleanup(s.stop)
        with open(s.path("users"), "wb") as f:
            f.write(b"joe:%s\n" % SECRET)
        s.start()
        s.wait_for_port()
        self.log_in(s, b"joe", SECRET, b"STORED\r\n")
        s.signal(signal.SIGHUP)
        until(lambda: "read again" in s.output(), "the reload")
        self.assertNotIn(SECRET.decode(), s.output())


if __name__ == "__main__":
    unittest.main()
