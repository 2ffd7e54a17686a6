#!/usr/bin/python3
"""What a server takes while nobody asks it for anything.

    python3 bench/rest.py [--seconds 60] [--memory 256]

A server for each state, side by side: empty; full; filled with small items,
then with so many large ones that half of the memory, or all of it, is in
another class; full of what has expired since.  Measured from a while after
the last request on: percent of a core by /proc/PID/stat, which counts ticks,
and by its threads' schedstat, which counts nanoseconds; times that a thread
woke; and steps of upkeep.
"""
import argparse
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import NAMES, OUT, Server, run_load

# Bytes of values, times that they fill the memory, length of the keys, TTL.
SMALL = (100, 2, 16, 0)
STATES = {
    "empty": (),
    "full": (SMALL,),
    "half shifted": (SMALL, (1000, 0.5, 17, 0)),
    "shifted": (SMALL, (1000, 2, 17, 0)),
    "expired": ((100, 2, 16, 5),),
}
SETTLE = 10
TICKS = os.sysconf("SC_CLK_TCK")


def ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ran(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def look(server):
    return (time.monotonic(), ticks(server.pid), ran(server.pid),
            server.switches(),
            int(server.stats().get("lru_maintainer_juggles", 0)))


def fill(server, turns, memory):
    for nvalue, times, nkey, ttl in turns:
        keys = int(times * (memory << 20) / (nvalue + nkey + 50))
        run_load(server, [
            "--value", str(nvalue), "--keys", str(keys), "--key-len",
            str(nkey), "--ttl", str(ttl), "--fill", "--no-run"], cores="")


def measure(name, o):
    with contextlib.ExitStack() as stack:
        runs = {state: stack.enter_context(Server(
            name, memory=o.memory, threads=4, cores="")) for state in STATES}
        for state, server in runs.items():
            fill(server, STATES[state], o.memory)
        time.sleep(SETTLE)
        before = {state: look(server) for state, server in runs.items()}
        time.sleep(o.seconds)
        for state, server in runs.items():
            now = look(server)
            t, tick, run, woken, steps = (
                x - y for x, y in zip(now, before[state]))
            print("| %s | %s | %s | %.2f | %.3f | %.1f | %.1f |" % (
                name, state, server.stats()["curr_items"], 100 * tick / t,
                100 * run / t, woken / t, steps / t), flush=True)


def main():
    p = argparse.ArgumentParser(prog="rest", description=__doc__)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--memory", type=int, default=256)
    o = p.parse_args()
    os.makedirs(OUT, exist_ok=True)
    print("| server | state | items | by ticks, % of a core | by schedstat | "
          "wake-ups a second | steps of upkeep a second |\n|---|---|" +
          "--:|" * 5)
    for name in NAMES:
        measure(name, o)


if __name__ == "__main__":
    main()
