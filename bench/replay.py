"""Replays traces against both servers at equal -m; prints miss ratios.

Both servers are replayed to at the same time, each from a fresh start, so
that background threads, which go by the wall clock, have the same of it.
"""

import argparse
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import NAMES, OUT, Server, program

QUICK = ["scarab:64", "metakv:64", "write40:64", "tiny25:64", "ttlmix:256",
         "calcify:128"]
ALL = {
    "scarab": (64, 96, 192), "ormbusy": (72, 180, 360),
    "web12": (64, 160, 320), "oltp": (72, 180, 360), "cdn": (80, 200, 400),
    "metakv": (64, 120, 240), "ttl4": (64, 128, 256),
    "ttlmix": (128, 192, 256), "write40": (64, 96, 180),
    "calcify": (64, 128, 256), "tiny25": (64, 96, 160),
}


def trace_of(name):
    path = os.path.join(os.environ["TRACES"], name + ".gz")
    return path if os.path.exists(path) else "gen:%s:1" % name


def start(server, name, options):
    args = [os.path.join(OUT, "replay"), trace_of(name), "--port",
            str(server.port), "--pid", str(server.pid)]
    if options.secs is not None:
        args += ["--secs", str(options.secs)]
    if options.requests:
        args += ["--n", str(options.requests)]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


def cell(name, memory, options):
    """Figures of both servers."""
    figures = {}
    with Server("slabd", memory=memory, cores="", threads=2) as a, \
            Server("memcached", memory=memory, cores="", threads=2) as b:
        running = [(s, start(s, name, options)) for s in (a, b)]
        try:
            for server, process in running:
                out, _ = process.communicate(timeout=options.limit)
                figures[server.name] = json.loads(out)
                if process.returncode == 3:
                    print("bench: %s returned wrong bytes on %s" % (
                        server.name, name), file=sys.stderr)
        finally:
            for _, process in running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
    return figures


def main():
    p = argparse.ArgumentParser(prog="replay", description=__doc__)
    p.add_argument("cells", nargs="*", metavar="TRACE:MEGABYTES")
    p.add_argument("--all", action="store_true")
    p.add_argument("--secs", type=float, help="pace; 0 = as fast as it goes")
    p.add_argument("--requests", type=int, help="only the first so many")
    p.add_argument("--limit", type=float, default=900,
                   help="seconds that one trace may take at most")
    o = p.parse_args()
    os.makedirs(OUT, exist_ok=True)
    cells = o.cells or QUICK
    if o.all:
        cells = ["%s:%d" % (n, m) for n in ALL for m in ALL[n]]
    for n in NAMES:
        if not os.access(program(n), os.X_OK):
            sys.exit("bench: there is no %s" % program(n))
    lines = ["| trace | -m | slabd, misses | memcached, misses | ratio | "
             "slabd, bytes hit | memcached, bytes hit | slabd, peak MB | "
             "memcached, peak MB |", "|---|" + "--:|" * 8]
    print("\n".join(lines), flush=True)
    logs = []
    for text in cells:
        name, memory = text.split(":")
        f = cell(name, int(memory), o)
        a, b = f["slabd"], f["memcached"]
        ratio = a["miss_ratio"] / b["miss_ratio"]
        logs.append(math.log(ratio))
        lines.append("| %s | %s | %.4f | %.4f | %.3f%s | %.4f | %.4f | %.0f "
                     "| %.0f |" % (
                         name, memory, a["miss_ratio"], b["miss_ratio"],
                         ratio, " OVER" if ratio > 1 else "",
                         a["byte_hit_ratio"], b["byte_hit_ratio"],
                         a["hwm_kb"] / 1024, b["hwm_kb"] / 1024))
        print(lines[-1], flush=True)
    lines.append("| geometric mean | | | | %.3f | | | | |" % (
        math.exp(sum(logs) / len(logs))))
    print(lines[-1])
    with open(os.path.join(OUT, "replay.md"), "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, KeyError, ValueError,
            subprocess.SubprocessError) as e:
        sys.exit("bench: %s" % e)
