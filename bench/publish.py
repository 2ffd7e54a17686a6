"""Puts the tables of a run into bench/README.md and its plots beside it.

By itself, with the arguments that the run had, it takes the last run's; for
when instructions were counted after it.
"""

import os
import shlex
import shutil
import sys

from servers import OUT, ROOT

BEGIN, END = "<!-- run -->\n", "<!-- end -->\n"
PLOTS = [("cpu.svg", "CPU of the server per operation"),
         ("throughput.svg", "operations a second"),
         ("latency-get.svg", "latency of GET at half load"),
         ("latency-mixed.svg", "latency of 9:1 at half load"),
         ("curve.svg", "latency over throughput")]


def publish(text, args):
    here = os.path.join(ROOT, "bench")
    path = os.path.join(here, "README.md")
    lines = [BEGIN, "## The latest run\n", "\n", "    make bench ARGS='%s'\n" %
             shlex.join(a for a in args if a != "--publish"), "\n"]
    for line in text.split("\n")[1:]:
        lines.append("#" + line + "\n" if line.startswith("##") else
                     line + "\n")
    instructions = os.path.join(OUT, "instructions.md")
    if os.path.exists(instructions):
        with open(instructions, encoding="utf-8") as f:
            lines += ["### Instructions per operation, callgrind\n", "\n",
                      f.read(), "\n"]
    for name, what in PLOTS:
        if os.path.exists(os.path.join(OUT, name)):
            shutil.copy(os.path.join(OUT, name), os.path.join(here, name))
            lines += ["![%s](%s)\n" % (what, name), "\n"]
    with open(path, encoding="utf-8") as f:
        old = f.read()
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + "".join(lines).rstrip("\n") + "\n" + END + after)


if __name__ == "__main__":
    with open(os.path.join(OUT, "table.md"), encoding="utf-8") as table:
        publish(table.read(), sys.argv[1:])
