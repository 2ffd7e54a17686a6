"""How long the longest request waits while a server does something big.

A light load at a fixed rate (so that a stall is charged with all that it kept
waiting) runs beside: sets that make the index grow; values of another size,
for which pages move; a dump of all keys; flush_all.  The light load is given
the scheduler's preference where that is allowed, or the figure would be of
who else wants its core.
"""

import shutil
import subprocess
import threading
import time

from servers import LOAD, Server, run_load

RATE = 4000
SECONDS = 4
LIGHT = ["--op", "get", "-c", "50", "--rate", str(RATE), "--warm", "0.3",
         "--keys", "10000", "--key-len", "12", "--value", "10", "--may-miss"]


def preferred():
    """chrt, if it may."""
    if not shutil.which("chrt"):
        return []
    prefix = ["chrt", "-f", "10"]
    if subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        return []
    return prefix


def sets(server, *args):
    """Sets at a rate that a server bears easily."""
    subprocess.run(["taskset", "-c", "1", LOAD, "-p", str(server.port),
                    "--op", "set", "--may-miss", "--warm", "0",
                    "--time", str(SECONDS), *args],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False, timeout=120)


def talk(server, line):
    """Sends a line and reads until its answer ends; returns the bytes."""
    n, tail = 0, b""
    with server.connect() as s:
        s.settimeout(120)
        s.sendall(line)
        while not tail.endswith((b"END\r\n", b"OK\r\n")) or tail == b"OK\r\n":
            part = s.recv(1 << 18)
            if not part:
                break
            n += len(part)
            tail = (tail + part)[-6:]
            if line.startswith(b"flush") and tail.endswith(b"OK\r\n"):
                break
    return n


def dump(server):
    talk(server, b"lru_crawler metadump all\r\n")


def cachedump(server):
    """Of the class that has the most."""
    items = {}
    for name, value in server.stats("items").items():
        words = name.split(":")
        if len(words) == 3 and words[2] == "number":
            items[words[1]] = int(value)
    most = max(items, key=items.get)
    talk(server, b"stats cachedump %s 0\r\n" % most.encode())


# name, megabytes, fill, what happens in the midst
EVENTS = [
    ("nothing", 1024, None, lambda s: None),
    ("the index grows", 1024, None, lambda s: sets(
        s, "--depth", "16", "--rate", "150000", "--keys", "4000000",
        "--value", "10")),
    ("pages move to another class", 64,
     ["--keys", "600000", "--value", "100"], lambda s: sets(
         s, "--depth", "4", "--rate", "20000", "--keys", "100000",
         "--value", "1000")),
    ("all keys are dumped", 1024, "many", dump),
    ("stats cachedump", 1024, "many", cachedump),
    ("flush_all", 1024, "many", lambda s: talk(s, b"flush_all\r\n")),
]


def observe(server, event):
    """Figures of the light load while the event happens."""
    def happen():
        time.sleep(0.8)
        event(server)
    prefix = preferred()
    done = threading.Thread(target=happen)
    done.start()
    figures = run_load(server, LIGHT + ["--time", str(SECONDS)],
                       prefix=prefix)
    done.join()
    return figures


def measure(bench, names, rounds, keys):
    for name, memory, fill, event in EVENTS:
        for i in range(rounds):
            for which in names if i % 2 == 0 else names[::-1]:
                with Server(which, memory=memory) as server:
                    if fill == "many":
                        fill = ["--keys", str(keys), "--value", "10"]
                    if fill:
                        run_load(server, fill + ["--fill", "--no-run"])
                    run_load(server, LIGHT + ["--fill", "--no-run"])
                    figures = observe(server, event)
                    if figures.get("ops"):
                        bench.runs.setdefault(("stall: " + name, which),
                                              []).append(figures)
