"""Counts user instructions per operation under callgrind, for both servers.

A server is filled and asked for some operations, then started anew, filled
and asked for more of them: the difference, in the thread that did the work,
divided by the difference in operations, is what an operation costs.  Unlike
time, it is the same every time.
"""

import argparse
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from callgrind import Profile
from servers import LOAD, NAMES, OUT, ROOT, Server, program, run_load

FEW = 10000
WORKLOADS = [
    # name, options of load, operations, budget
    ("GET, 50 pipelined", "--op get --depth 50", 100000, 450),
    ("GET, 16 pipelined", "--op get --depth 16", 100000, None),
    ("get of 50 keys", "--op multiget --multi 50", 100000, 300),
    ("mg, 50 pipelined", "--proto meta --op get --depth 50", 100000, 500),
    ("SET, 50 pipelined", "--op set --depth 50", 100000, 700),
    ("SET, 16 pipelined", "--op set --depth 16", 100000, None),
    ("ms, 50 pipelined", "--proto meta --op set --depth 50", 100000, None),
    ("binary GETQ x 50", "--proto binary --op multiget --multi 50", 100000,
     350),
    ("binary SET, 50 pipelined", "--proto binary --op set --depth 50", 100000,
     None),
    ("GET, one at a time", "--op get", 30000, 1200),
    ("SET, one at a time", "--op set", 30000, None),
]


LIMIT = ["prlimit", "--nofile=1024:1024"]


def descriptors():
    """How many valgrind leaves its client; memcached insists on exactly its
    -c, which valgrind grants only if it is just this many."""
    text = subprocess.run(
        LIMIT + ["valgrind", "-q", "--tool=none", "sh", "-c", "ulimit -Hn"],
        stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    return int(text)


def run(which, args, ops, keys):
    """(a profile of each thread, operations done)."""
    base = os.path.join(OUT, "callgrind.%s.%d" % (which, ops))
    for old in glob.glob(base + "*"):
        os.unlink(old)
    wrap = LIMIT + ["valgrind", "--tool=callgrind", "--separate-threads=yes",
            "--fair-sched=yes", "--callgrind-out-file=" + base]
    with Server(which, wrap=wrap, cores="0", memory=256,
                conns=256 if which == "slabd" else descriptors()) as server:
        done = run_load(server, args + ["--keys", str(keys), "--fill",
                                        "--ops", str(ops)])
    if "ops" not in done:
        raise RuntimeError("no figures of " + which)
    threads = {path.rsplit("-", 1)[1]: Profile(path)
               for path in glob.glob(base + "-*")}
    return threads, done["ops"]


def cost(few, many, ops):
    """Differences per operation, the largest first."""
    costs = {k: (n - few.get(k, 0)) / ops for k, n in many.items()}
    return sorted(costs.items(), key=lambda x: -x[1])


def source(path, line):
    try:
        with open(os.path.join(ROOT, path)) as f:
            return f.read().split("\n")[line - 1].strip()[:60]
    except (OSError, IndexError):
        return ""


def compare(which, args, options, ops):
    """(instructions per operation, lines to print about them)."""
    few, done1 = run(which, args, FEW, options.keys)
    many, done2 = run(which, args, FEW + ops, options.keys)
    gain = {t: many[t].total - (few[t].total if t in few else 0)
            for t in many}
    worker = max(gain, key=gain.get)
    a, b, n = few[worker], many[worker], done2 - done1
    text = ["%8.1f  %s" % (c, f) for f, c in cost(
        a.functions(), b.functions(), n)[:options.profile]]
    text += ["%8.1f  %s %s:%d  %s" % (
        c, f, os.path.relpath(path, ROOT) if path.startswith(ROOT) else path,
        line, source(path, line)) for (f, path, line), c in cost(
            a.lines, b.lines, n)[:options.lines]]
    return gain[worker] / n, text


def main():
    p = argparse.ArgumentParser(prog="instructions", description=__doc__)
    p.add_argument("--only", action="append", help="rows named so")
    p.add_argument("--server", action="append", choices=NAMES)
    p.add_argument("--keys", type=int, default=20000)
    p.add_argument("--profile", type=int, default=0, metavar="N",
                   help="also the N most expensive functions")
    p.add_argument("--lines", type=int, default=0, metavar="N",
                   help="also the N most expensive lines")
    o = p.parse_args()
    os.makedirs(OUT, exist_ok=True)
    which = o.server or NAMES
    for path in [LOAD] + [program(n) for n in which]:
        if not os.access(path, os.X_OK):
            sys.exit("bench: there is no %s; run make all benches" % path)
    lines = ["| workload | %s | ratio | budget | |" % " | ".join(which),
             "|---|" + "--:|" * (len(which) + 3)]
    for name, args, ops, budget in WORKLOADS:
        if o.only and not any(w in name for w in o.only):
            continue
        counts = {}
        for s in which:
            counts[s], top = compare(s, args.split(), o, ops)
            for text in top:
                print("%-10s %-24s %s" % (s, name, text), flush=True)
        ours = counts.get("slabd")
        both = ours and counts.get("memcached")
        lines.append("| %s | %s | %s | %s | %s |" % (
            name, " | ".join("%.0f" % counts[s] for s in which),
            "%.2f" % (ours / counts["memcached"]) if both else "",
            budget or "",
            ("ok" if ours <= budget else "OVER") if budget and ours else ""))
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    with open(os.path.join(OUT, "instructions.md"), "w") as f:
        f.write(text)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.SubprocessError) as e:
        sys.exit("bench: %s" % e)
