"""Draws throughput and latency with gnuplot, as SVG in build/bench/."""

import os
import shutil
import subprocess

from servers import NAMES, OUT, median

HEAD = """set terminal svg size 900,420 font "sans,12" background "white"
set output "%s"
set grid ytics
set key top left
"""


def gnuplot(name, script):
    path = os.path.join(OUT, name)
    subprocess.run(["gnuplot"], input=HEAD % path + script, text=True,
                   check=False, timeout=60)


def throughput(bench):
    names = [n for n, s in bench.runs if s == "slabd" and
             not n.startswith("latency") and (n, "memcached") in bench.runs]
    if not names:
        return
    data = os.path.join(OUT, "throughput.txt")
    with open(data, "w") as f:
        for n in names:
            f.write('"%s"' % n)
            for s in NAMES:
                f.write(" %.1f %.1f" % tuple(
                    median([x[k] for x in bench.runs[(n, s)]])
                    for k in ("ops_per_s", "server_ns")))
            f.write("\n")
    for name, column, what in (("throughput.svg", 2, "operations a second"),
                               ("cpu.svg", 3, "server CPU, ns/operation")):
        gnuplot(name, """set style data histogram
set style fill solid 0.8 noborder
set boxwidth 0.9
set logscale y
set xtics rotate by -35 font "sans,9"
set ylabel "%s"
plot "%s" using %d:xtic(1) title "slabd", \\
     "" using %d title "memcached"
""" % (what, data, column, column + 2))


def latency():
    for kind in ("get", "mixed"):
        files = [os.path.join(OUT, "latency-%s-%s.txt" % (kind, s))
                 for s in NAMES]
        if all(map(os.path.exists, files)):
            gnuplot("latency-%s.svg" % kind, """set logscale xy
set xlabel "percentile"
set ylabel "latency, us"
set xtics ("50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 10000)
set xrange [1:20000]
plot "%s" using 3:1 with lines lw 2 title "slabd", \\
     "%s" using 3:1 with lines lw 2 title "memcached"
""" % tuple(files))
    files = [os.path.join(OUT, "curve-%s.txt" % s) for s in NAMES]
    if all(map(os.path.exists, files)):
        gnuplot("curve.svg", """set logscale y
set xlabel "GET a second, asked for"
set ylabel "latency, us"
plot "%s" using 1:3 with linespoints title "slabd p50", \\
     "" using 1:4 with linespoints title "slabd p99", \\
     "%s" using 1:3 with linespoints title "memcached p50", \\
     "" using 1:4 with linespoints title "memcached p99"
""" % tuple(files))


def draw(bench):
    if shutil.which("gnuplot"):
        throughput(bench)
        latency()
