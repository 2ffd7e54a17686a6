#!/usr/bin/python3
"""stampede.py - many clients, one of which rebuilds.

A page is dear to make and fifty processes want it.  When it is missing, or
out of date, or about to be, all of them would make it at once: a stampede.
Two meta commands prevent that.  The server picks one of the askers and tells
it so; nobody needs a lock, and nobody waits who can be given an old value.

    mg KEY v c N30 R10      read; and, among all who read this key, tell one
                            (W) to rebuild it, if there is no value (N: an
                            empty one is put there for 30 seconds) or if it
                            lives for less than 10 seconds (R)
    ms KEY SIZE C<cas> T300 I
                            the rebuilt value, if nobody invalidated it in the
                            meantime; if somebody did (I), it is stored all
                            the same but stays stale
    md KEY I T30            the value is out of date: keep it for 30 seconds
                            for those who cannot wait, tell one to rebuild it

What mg answers:

    VA 9 c7                 the value, fresh
    VA 9 c7 W               the value, and you rebuild it: it expires soon
    VA 9 c7 Z               the value; somebody is rebuilding it
    VA 9 c8 X W, VA 9 c8 Z X    likewise, the value is stale
    VA 0 c9 W               nothing there, and you build it
    VA 0 c9 Z               nothing there yet; ask again in a moment

Without one more message a winner that dies is replaced: the empty or stale
value goes after the 30 seconds, and the next one to ask wins.

    /usr/bin/python3 tests/e2e/stampede.py 127.0.0.1:11211
"""
import socket
import sys
import threading
import time


CLIENTS = 50


class Cache:
    """One connection, and the two things that a page needs."""

    BUILD = 30          # seconds that a winner has
    EARLY = 10          # ... before the end rebuilding begins
    LIVES = 300
    PAUSE = 0.005       # before asking again for what is being built

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def ask(self, request):
        """Returns the words of the reply and the value, if there is one."""
        self.sock.sendall(request)
        words = self.file.readline().decode().split()
        value = None
        if words[0] == "VA":
            value = self.file.read(int(words[1]) + 2)[:-2]
            del words[1]
        return words, value

    def fetch(self, key, build, bound=20.0):
        """
        The value of key.  build() makes it, if this client is the one that
        is told to.  Returns value and what it is: built, fresh or stale.
        """
        end = time.monotonic() + bound
        while True:
            words, value = self.ask(b"mg %s v c N%d R%d\r\n" % (
                key, self.BUILD, self.EARLY))
            if "W" in words:
                cas = next(w[1:] for w in words[1:] if w[0] == "c")
                value = build()
                self.ask(b"ms %s %d C%s T%d I\r\n%s\r\n" % (
                    key, len(value), cas.encode(), self.LIVES, value))
                return value, "built"
            if "X" in words:
                return value, "stale"
            # Somebody is building the first value ever: its place is empty.
            if "Z" not in words or value:
                return value, "fresh"
            if time.monotonic() > end:
                raise TimeoutError("nobody builds %r" % key)
            time.sleep(self.PAUSE)

    def gets(self):
        """How many reads the server has had."""
        self.sock.sendall(b"stats\r\n")
        count = 0
        for line in iter(self.file.readline, b"END\r\n"):
            if line.startswith(b"STAT cmd_get "):
                count = int(line.split()[2])
        return count

    def invalidate(self, key):
        """The value is out of date; one of the next readers rebuilds it."""
        words, _ = self.ask(b"md %s I T%d\r\n" % (key, self.BUILD))
        return words[0] == "HD"


def stampede(host, port, key, build, clients=CLIENTS):
    """
    That many clients ask at once.  build() is called by those that are told
    to.  Returns what each got: (value, built, fresh or stale).
    """
    barrier = threading.Barrier(clients)
    got = [None] * clients

    def client(i):
        cache = Cache(host, port)
        try:
            barrier.wait(20)
            got[i] = cache.fetch(key, build)
        finally:
            cache.close()

    threads = [threading.Thread(target=client, args=(i,))
               for i in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


def main():
    host, _, port = sys.argv[1].rpartition(":")
    key = b"stampede:page"
    first = Cache(host, int(port))
    first.ask(b"md %s\r\n" % key)
    for turn, what in enumerate(("nothing there", "out of date")):
        def build(turn=turn, all_asked=first.gets() + CLIENTS):
            end = time.monotonic() + 20
            while first.gets() < all_asked and time.monotonic() < end:
                pass
            return b"page %d" % turn
        got = stampede(host, int(port), key, build)
        print("%s: %s" % (what, ", ".join("%d %s" % (
            sum(1 for _, how in got if how == kind), kind)
            for kind in ("built", "fresh", "stale"))))
        first.invalidate(key)
    first.close()


if __name__ == "__main__":
    main()
