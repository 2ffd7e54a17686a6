#!/usr/bin/python3
"""Miss ratio against memory: simulates slabd on each trace, draws curves.

    sh bench/replay.sh --curves [-j 2] [TRACE ...]

slabd's points are bench/sim's, in virtual time: the cache itself, minutes
instead of hours.  memcached's were measured, by paced replays of the same
requests to memcached 1.6.45 at the same -m.  The figures go to
build/bench/misses.txt, the curves to build/bench/misses.svg.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from replay import trace_of
from servers import OUT

# Copies of the key space, seconds of the replay, and of the trace's own time
# where TTLs count; as the replayer has them.
TRACES = {
    "scarab": (6, 60, 0), "ormbusy": (3, 60, 0), "web12": (12, 60, 0),
    "oltp": (4, 60, 0), "cdn": (3, 60, 0), "metakv": (4, 60, 0),
    "ttl4": (1, 120, 2400), "ttlmix": (1, 120, 2400), "write40": (4, 60, 0),
    "calcify": (4, 120, 0), "tiny25": (6, 60, 0),
}

# memcached 1.6.45, paced replays of 2026-11-22: -m and miss ratio.
MEMCACHED = {
    "calcify": ((64, 0.6223), (128, 0.5588), (256, 0.5112)),
    "cdn": ((80, 0.6680), (200, 0.6409)),
    "metakv": ((64, 0.3419), (120, 0.2561), (240, 0.2087)),
    "oltp": ((72, 0.3414), (180, 0.2716)),
    "ormbusy": ((72, 0.1409), (180, 0.0911)),
    "scarab": ((64, 0.3714), (96, 0.3201), (192, 0.2473)),
    "tiny25": ((64, 0.2881), (96, 0.2607)),
    "ttl4": ((64, 0.2410),),
    "web12": ((64, 0.3144), (160, 0.2284)),
    "write40": ((64, 0.4910), (96, 0.4358)),
}
SIZES = {
    "scarab": (48, 64, 96, 136, 192), "ormbusy": (48, 72, 112, 180, 260),
    "web12": (48, 64, 100, 160, 220), "oltp": (48, 72, 112, 180, 260),
    "cdn": (56, 80, 126, 200, 300), "metakv": (48, 64, 120, 170, 240),
    "ttl4": (48, 64, 90, 128), "write40": (48, 64, 96, 130),
    "calcify": (48, 64, 128, 180, 256), "tiny25": (48, 64, 96, 130),
}


def dump(trace):
    path = os.path.join(OUT, trace + ".bin")
    if not os.path.exists(path):
        subprocess.run([os.path.join(OUT, "replay"), trace_of(trace),
                        "--dump", path], check=True,
                       stderr=subprocess.DEVNULL)
    return path


def simulate(trace, memory):
    copies, seconds, virtual = TRACES[trace]
    args = [os.path.join(OUT, "sim"), "--trace", dump(trace), "--copies",
            str(copies), "--memory", str(memory), "--seconds", str(seconds)]
    if virtual:
        args += ["--virtual", str(virtual)]
    said = subprocess.run(args, check=True, capture_output=True, text=True)
    return float(re.search(r"\bmiss ([0-9.]+)", said.stdout).group(1))


def panel(trace, points):
    blocks = []
    for name, lines in (("slabd", points), ("memcached",
                                            MEMCACHED.get(trace, ()))):
        blocks.append("$%s%s << E\n%s\nE\n" % (trace, name, "\n".join(
            "%g %g" % p for p in lines)))
    return "".join(blocks) + """set title "%s"
plot $%smemcached with linespoints lw 2 pt 7 ps 0.6 lc rgb "#888888" \\
    title "memcached", $%sslabd with linespoints lw 2 pt 7 ps 0.6 \\
    lc rgb "#c03020" title "slabd"
""" % (trace, trace, trace)


def draw(curves, name="misses.svg"):
    rows = (len(curves) + 2) // 3
    script = """set terminal svg size 900,%d font "sans,11" \\
    background "white"
set output "%s"
set multiplot layout %d,3
set key bottom left samplen 1
set xtics 0,100
set xrange [0:*]
set xlabel "-m, megabytes"
set ylabel "miss ratio"
set yrange [0:*]
set grid
""" % (230 * rows, os.path.join(OUT, name), rows)
    script += "".join(panel(t, curves[t]) for t in curves)
    subprocess.run(["gnuplot"], input=script, text=True, check=True,
                   timeout=60)


def main():
    p = argparse.ArgumentParser(prog="misses", description=__doc__)
    p.add_argument("traces", nargs="*", default=list(SIZES))
    p.add_argument("-j", type=int, default=1, help="at a time")
    o = p.parse_args()
    for trace in o.traces:
        dump(trace)
    cells = [(t, m) for t in o.traces for m in SIZES[t]]
    with concurrent.futures.ThreadPoolExecutor(o.j) as pool:
        ratios = list(pool.map(lambda c: simulate(*c), cells))
    with open(os.path.join(OUT, "misses.txt"), "w") as f:
        for (trace, memory), ratio in zip(cells, ratios):
            f.write("%s %g %.4f %s\n" % (trace, memory, ratio, dict(
                MEMCACHED.get(trace, ())).get(memory, "-")))
    draw({t: [(m, r) for (n, m), r in zip(cells, ratios) if n == t]
          for t in o.traces})


if __name__ == "__main__":
    main()
