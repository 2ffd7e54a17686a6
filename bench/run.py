"""make bench: slabd and memcached over the same workloads, interleaved.

Each round runs every workload on both servers, one after the other, in
changing order; the table shows medians over the rounds, and half the distance
between the extremes in percent.  The servers run on core 0, the load on core
1.  Nothing is written outside build/bench/.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plots
import publish
import stalls
from servers import (LOAD, NAMES, OUT, Server, median, program, run_load,
                     spread)

# Debian's 1.6.18 sends one packet per reply of a pipelined text get; 1.6.45,
# against which the budgets are, does not: it costs 2.4 times less there.
OLD_GET = 2.4

# name, options of load, budget relative to memcached, and whether that is to
# 1.6.45 where 1.6.18 is slower.
WORKLOADS = [
    ("GET", "--op get", 0.77, False),
    ("SET", "--op set", 0.75, False),
    ("9:1", "--op mixed", 0.75, False),
    ("GET, 16 pipelined", "--op get --depth 16", 0.26, True),
    ("SET, 16 pipelined", "--op set --depth 16", 0.27, False),
    ("9:1, 16 pipelined", "--op mixed --depth 16", 0.25, True),
    ("GET, 50 pipelined", "--op get --depth 50", 0.15, True),
    ("get of 50 keys", "--op multiget --multi 50", 0.15, False),
    ("mg, 50 pipelined", "--proto meta --op get --depth 50", 0.15, False),
    ("binary GETQ x 50", "--proto binary --op multiget --multi 50", 0.15,
     False),
    ("ms, 16 pipelined", "--proto meta --op set --depth 16", None, False),
    ("binary SET, 16 pipelined", "--proto binary --op set --depth 16", None,
     False),
    ("9:1 Zipf 0.99, 16 pipelined",
     "--op mixed --depth 16 --zipf 0.99 --ttl 3600", None, True),
    ("connect, GET, close", "--op get --churn", 0.9, False),
]

# Workloads with servers of their own: (name, load, fill, memory, budget).
SPECIAL = [
    ("GET of 100 KB", "--op get -c 10 --keys 1000 --value 100000", True, 1024,
     1.0),
    ("GET of 1 MB", "--op get -c 10 --keys 100 --value 1000000", True, 1024,
     1.0),
    ("SET of 100 KB", "--op set -c 10 --keys 1000 --value 100000", True, 1024,
     1.0),
    ("SET of 1 MB", "--op set -c 10 --keys 100 --value 1000000", True, 1024,
     1.0),
    ("SET, 16 pipelined, full cache",
     "--op set --depth 16 --keys 3000000", True, 64, 0.35),
]

MEMORY = [
    ("10 B", "--value 10", 8000000, 1.40, 72),
    ("100 B", "--value 100", 4000000, 1.20, 165),
    ("1000 B", "--value 1000", 600000, 1.12, 1090),
    ("mix", "--value 50:50,200:30,1000:15,8000:5", 1000000, 1.12, 740),
]


PARTS = ["cpu", "workers", "special", "latency", "stalls", "pauses",
         "engine", "memory", "idle"]


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.only = options.only
        self.stall_keys = options.stall_keys
        self.runs = {}  # (workload, server) -> list of figures
        self.values = {}  # (row, server) -> list of numbers

    def wanted(self, name):
        return not self.only or any(w in name for w in self.only)

    def note(self, row, server, value):
        self.values.setdefault((row, server), []).append(value)

    def measure(self, name, server, args, cores="1"):
        figures = run_load(server, args + ["--time", str(self.seconds),
                                           "--warm", "0.3"], cores)
        if figures.get("ops"):
            self.runs.setdefault((name, server.name), []).append(figures)
        return figures

    def both(self, name, pair, args, rounds, cores="1"):
        for i in range(rounds):
            for server in pair if i % 2 == 0 else pair[::-1]:
                self.measure(name, server, args, cores)

    def common(self, threads=1, cores="0", load_cores="1"):
        """The workloads on a million keys of 100 bytes."""
        suffix = "" if threads == 1 else ", %d workers" % threads
        rows = [(n + suffix, a.split()) for n, a, _, _ in WORKLOADS
                if threads == 1 or n.startswith(("GET", "SET", "get of"))]
        rows = [r for r in rows if self.wanted(r[0])]
        if not rows:
            return
        with Server("slabd", threads=threads, cores=cores) as a, \
                Server("memcached", threads=threads, cores=cores) as b:
            self.versions = {s.name: s.version for s in (a, b)}
            for server in (a, b):
                run_load(server, ["--fill", "--no-run"])
            if threads > 1:
                rows = [(n, x + ["-t", "2", "-c", "25"]) for n, x in rows]
            for i in range(self.rounds):
                say("round %d of %d%s" % (i + 1, self.rounds, suffix))
                for name, args in rows:
                    for server in ((a, b), (b, a))[i % 2]:
                        self.measure(name, server, args, load_cores)

    def special(self):
        for name, args, fill, memory, _ in SPECIAL:
            if not self.wanted(name):
                continue
            say(name)
            args = args.split() + ["--may-miss"]
            extra = ("-I", "2m") if "1 MB" in name else ()
            with Server("slabd", memory=memory, extra=extra) as a, \
                    Server("memcached", memory=memory, extra=extra) as b:
                if fill:
                    for server in (a, b):
                        run_load(server, args + ["--fill", "--no-run"])
                self.both(name, (a, b), args, self.rounds)

    def latency(self):
        """Percentiles at half of memcached's best throughput."""
        if not self.wanted("latency"):
            return
        say("latency at a fixed rate")
        with Server("slabd") as a, Server("memcached") as b:
            for server in (a, b):
                run_load(server, ["--fill", "--no-run"])
            for name, args in (("GET", ["--op", "get"]),
                               ("9:1", ["--op", "mixed"])):
                most = max(run_load(b, args + ["--time", "2"]).get(
                    "ops_per_s", 0) for _ in range(2))
                if not most:
                    continue
                self.note("half of memcached's most, %s" % name, "memcached",
                          most / 2)
                for i in range(self.rounds):
                    for server in ((a, b), (b, a))[i % 2]:
                        path = os.path.join(OUT, "latency-%s-%s.txt" % (
                            "get" if name == "GET" else "mixed", server.name))
                        self.measure("latency of %s at half load" % name,
                                     server, args + ["--rate", str(most / 2),
                                                     "--hist", path])
            self.curve(a, b)

    def curve(self, a, b):
        """Latency over throughput, for a plot."""
        for server in (a, b):
            with open(os.path.join(OUT, "curve-%s.txt" % server.name),
                      "w") as f:
                for rate in (10, 20, 40, 60, 80, 100, 120, 140, 160):
                    x = run_load(server, ["--op", "get", "--rate",
                                          str(rate * 1000), "--time", "1"])
                    if x.get("ops"):
                        f.write("%d %.0f %.1f %.1f %.1f\n" % (
                            rate * 1000, x["ops_per_s"], x["p50_us"],
                            x["p99_us"], x["p999_us"]))

    def memory(self):
        for name, args, keys, _, _ in MEMORY:
            if not self.wanted("memory"):
                continue
            say("items of %s at -m 256" % name)
            for which in NAMES:
                with Server(which, memory=256) as server:
                    run_load(server, args.split() + [
                        "--keys", str(keys), "--fill", "--no-run"])
                    items = int(server.stats()["curr_items"])
                    self.note("items " + name, which, items)
                    self.note("bytes " + name, which,
                              server.resident() / max(items, 1))
                    self.note("resident " + name, which, server.resident())

    def idle(self):
        if not self.wanted("idle"):
            return
        say("idle servers")
        for which in NAMES:
            for _ in range(9):
                with Server(which, memory=64, threads=4, cores="") as s:
                    self.note("start", which, s.started_ms)
            with Server(which, memory=64, threads=4, cores="0,1",
                        conns=12000) as server:
                time.sleep(1)
                self.note("idle resident", which, server.resident())
                before = server.switches()
                time.sleep(10)
                self.note("wake-ups", which,
                          (server.switches() - before) / 10)
                self.note("connection", which, per_connection(server))

    def stalls(self):
        if self.wanted("stalls"):
            say("stalls, with %d keys" % self.stall_keys)
            stalls.measure(self, NAMES, min(self.rounds, 2), self.stall_keys)

    def pauses(self):
        """The longest call of the cache, in the thread's own time."""
        if not self.wanted("pauses"):
            return
        say("pauses")
        p = subprocess.run([os.path.join(OUT, "pauses"), "--memory", "64"],
                           stdout=subprocess.PIPE, check=True, text=True)
        for line in p.stdout.splitlines():
            name = line[:36].strip()
            for word in line[36:].split():
                field, number = word.split("=")
                self.note("pauses " + field, name, float(number))

    def engine(self):
        """The engine alone, no sockets, by one thread and by two."""
        for name, args in (
                ("GET, 50 pipelined", "--op get --depth 50"),
                ("SET, 50 pipelined", "--op set --depth 50"),
                ("9:1, 50 pipelined", "--op mixed --depth 50")):
            if not self.wanted("engine"):
                continue
            say("the engine alone: " + name)
            for _ in range(self.rounds):
                self.engine_round("engine", name, args)
                self.engine_round("apart", name, args + " --apart")

    def engine_round(self, how, name, args):
        done = subprocess.run(
            [os.path.join(OUT, "engine"), "--threads", "2", "--time",
             str(self.seconds), *args.split()],
            stdout=subprocess.PIPE, text=True, check=True, timeout=120)
        for line in done.stdout.splitlines():
            x = dict(p.split("=") for p in line.split())
            self.note("%s %s" % (how, name), x["threads"],
                      float(x["cpu_ns"]))
            self.note("%s gain %s" % (how, name), x["threads"],
                      float(x["gain"]))


def per_connection(server, count=4000):
    """Bytes that a connection takes that has asked once and fell silent."""
    sockets = []
    try:
        for i in range(count + 200):
            s = server.connect()
            sockets.append(s)
            s.sendall(b"get nothing\r\n")
            if s.recv(64) != b"END\r\n":
                raise RuntimeError("no END from " + server.name)
            if i == 199:
                before = server.resident()
        return (server.resident() - before) / count
    finally:
        for s in sockets:
            s.close()


# ---------------------------------------------------------------- the table

def verdict(value, budget):
    if budget is None:
        return ""
    return "ok" if value <= budget else "OVER"


class Table:
    def __init__(self, bench):
        self.b = bench
        self.lines = []

    def add(self, *cells):
        self.lines.append("| " + " | ".join(cells) + " |")

    def head(self, title, *cells):
        self.lines += ["", "## " + title, ""]
        self.add(*cells)
        self.add(*["---" if i == 0 else "--:" for i in range(len(cells))])

    def figures(self, name, server, field):
        return [x[field] for x in self.b.runs.get((name, server), [])
                if field in x]

    def row(self, name, budget, old_get):
        ours = self.figures(name, "slabd", "server_ns")
        theirs = self.figures(name, "memcached", "server_ns")
        if not ours or not theirs:
            return
        ratio = median(ours) / median(theirs)
        fair = ratio * OLD_GET if old_get else ratio
        rate = median(self.figures(name, "slabd", "ops_per_s"))
        rate2 = median(self.figures(name, "memcached", "ops_per_s"))
        failed = any(self.figures(name, s, "failed") for s in NAMES)
        self.add(
            name + (" (replies failed!)" if failed else ""),
            "%.0f ±%.0f %%" % (median(ours), 100 * spread(ours)),
            "%.0f ±%.0f %%" % (median(theirs), 100 * spread(theirs)),
            "%.2f" % ratio,
            "%.2f" % fair if old_get else "",
            "%.2f" % budget if budget else "",
            verdict(fair, budget),
            "%.1f k" % (rate / 1e3), "%.1f k" % (rate2 / 1e3),
            "%.2f" % (rate / rate2))

    def generator(self):
        """That the generator is cheaper than what it measures."""
        names = [n for n, _, _, _ in WORKLOADS if (n, "slabd") in self.b.runs]
        if not names:
            return
        self.head("What the load generator itself takes per operation, ns",
                  "workload", "load, in user space", "slabd, in user space",
                  "memcached, in user space", "load, in all",
                  "slabd, in all", "memcached, in all")
        for name in names:
            self.add(name, *("%.0f" % median(self.figures(name, who, what))
                             for who, what in (
                                 ("slabd", "load_user_ns"),
                                 ("slabd", "server_user_ns"),
                                 ("memcached", "server_user_ns"),
                                 ("slabd", "load_ns"),
                                 ("slabd", "server_ns"),
                                 ("memcached", "server_ns"))))

    def cpu(self):
        self.head("CPU of the server per operation, and throughput",
                  "workload", "slabd, ns", "memcached, ns", "ratio",
                  "to 1.6.45*", "budget", "", "slabd, op/s",
                  "memcached, op/s", "ratio")
        for name, _, budget, old in WORKLOADS:
            self.row(name, budget, old)
        for name, _, _, _, budget in SPECIAL:
            self.row(name, budget, False)
        for name, _, budget, old in WORKLOADS:
            self.row(name + ", 2 workers", budget, old)
        self.lines += ["", "\\* Debian's 1.6.18 sends a packet per reply of a "
                       "pipelined text get and costs about %.1f times "
                       "1.6.45 there (BUDGETS.md); this column is the ratio "
                       "times that, and is what the budget is held against."
                       % OLD_GET]

    def latency(self):
        rows = [n for n, s in self.b.runs
                if n.startswith("latency") and s == "slabd"]
        if not rows:
            return
        self.head("Latency at half of memcached's best throughput, us",
                  "workload", "percentile", "slabd", "memcached", "ratio",
                  "")
        for name in rows:
            for point in ("p50", "p99", "p999", "max"):
                a = median(self.figures(name, "slabd", point + "_us"))
                b = median(self.figures(name, "memcached", point + "_us"))
                self.add(name, point, "%.0f" % a, "%.0f" % b,
                         "%.2f" % (a / b),
                         verdict(a, b) if point in ("p99", "p999") else "")

    def stalls(self):
        if ("stall: nothing", "slabd") not in self.b.runs:
            return
        self.head("Latency at %d requests a second while ..., us; %d keys" % (
            stalls.RATE, self.b.stall_keys), "...", "slabd, p99", "p99.9",
            "longest", "of all runs", "", "memcached, p99", "p99.9",
            "longest", "of all runs")
        for name, _, _, _ in stalls.EVENTS:
            cells = []
            for server in NAMES:
                x = [self.figures("stall: " + name, server, p + "_us")
                     for p in ("p99", "p999", "max")]
                if not x[2]:
                    break
                cells += ["%.0f" % median(v) for v in x]
                cells.append("%.0f" % max(x[2]))
                if server == "slabd":
                    cells.append(verdict(median(x[2]), 5000))
            else:
                self.add(name, *cells)

    def pauses(self):
        rows = [n for r, n in self.b.values if r == "pauses longest_ms"]
        if not rows:
            return
        self.head("The longest call of the cache, CPU time of the thread; "
                  "each done three times alike, the shortest counts",
                  "calls of a row of bench/pauses.c", "how many", "mean, us",
                  "99.99 %, ms", "longest, ms", "above 1 ms", "budget, ms",
                  "", "s/GB")
        for row in rows:
            def get(field, row=row):
                return self.value("pauses " + field, row)
            swept = self.b.values.get(("pauses s_per_GB", row))
            self.add(row, "%.0f" % get("calls"), "%.2f" % get("mean_us"),
                     "%.3f" % get("p9999_ms"), "%.3f" % get("longest_ms"),
                     "%.0f" % get("above_1_ms"), "1",
                     verdict(get("longest_ms"), 1),
                     "%.3f" % median(swept) if swept else "")

    def engine(self):
        rows = [r for r, n in self.b.values
                if r.startswith("engine ") and "gain" not in r and n == "1"]
        if not rows:
            return
        self.head("The engine alone, no sockets", "workload",
                  "1 thread, ns", "2 threads, ns of each",
                  "throughput of 2 to that of 1", "budget", "",
                  "the same, a cache for each")
        for row in rows:
            gain = self.value(row.replace("engine", "engine gain"), "2")
            apart = self.value(row.replace("engine", "apart gain"), "2")
            self.add(row[7:], "%.0f" % self.value(row, "1"),
                     "%.0f" % self.value(row, "2"), "%.2f" % gain, "1.9",
                     verdict(1.9, gain), "%.2f" % apart)

    def value(self, row, server):
        return median(self.b.values.get((row, server), []))

    def memory(self):
        if ("items 10 B", "slabd") not in self.b.values:
            return
        self.head("Items held at -m 256, filled twice over", "values",
                  "slabd", "memcached", "ratio", "budget", "",
                  "slabd, resident B per item", "memcached", "budget", "",
                  "slabd, resident MB", "memcached")
        for name, _, _, budget, size in MEMORY:
            a = self.value("items " + name, "slabd")
            b = self.value("items " + name, "memcached")
            per = self.value("bytes " + name, "slabd")
            self.add(name, "%.0f k" % (a / 1e3), "%.0f k" % (b / 1e3),
                     "%.2f" % (a / b), "%.2f" % budget,
                     verdict(budget, a / b), "%.0f" % per,
                     "%.0f" % self.value("bytes " + name, "memcached"),
                     "%d" % size, verdict(per, size),
                     "%.0f" % (self.value("resident " + name, "slabd") / 1e6),
                     "%.0f" % (self.value("resident " + name,
                                          "memcached") / 1e6))

    def idle(self):
        if ("start", "slabd") not in self.b.values:
            return
        self.head("Idle, at -m 64 with 4 workers", "what", "slabd",
                  "memcached", "budget", "")
        for name, row, scale, unit, budget in (
                ("resident", "idle resident", 1e-6, "MB", 5),
                ("wake-ups a second", "wake-ups", 1, "", 2),
                ("start to first answer", "start", 1, "ms", 5),
                ("an idle connection, resident", "connection", 1, "B", 600)):
            a = self.value(row, "slabd") * scale
            b = self.value(row, "memcached") * scale
            self.add(name, "%.1f %s" % (a, unit), "%.1f %s" % (b, unit),
                     "%g %s" % (budget, unit), verdict(a, budget))

    def text(self):
        cpu = "?"
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    cpu = line.split(":", 1)[1].strip()
        versions = getattr(self.b, "versions", {})
        self.lines = [
            "# slabd beside memcached",
            "",
            "%s; %d cores, %s, Linux %s; slabd %s, memcached %s; %d rounds "
            "of %g s; medians ± half the distance of the extremes." % (
                time.strftime("%Y-%m-%d %H:%M"), os.cpu_count(), cpu,
                platform.release(), versions.get("slabd", "?"),
                versions.get("memcached", "?"), self.b.rounds,
                self.b.seconds),
        ]
        self.cpu()
        self.latency()
        self.stalls()
        self.pauses()
        self.engine()
        self.memory()
        self.idle()
        self.generator()
        return "\n".join(self.lines) + "\n"


def main():
    p = argparse.ArgumentParser(prog="bench", description=__doc__)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=1.5,
                   help="measured, of each run (1.5)")
    p.add_argument("--only", action="append",
                   help="rows whose name has this; also memory, idle, "
                   "latency, stalls, pauses, engine")
    p.add_argument("--part", action="append",
                   choices=PARTS, help="only these parts")
    p.add_argument("--stall-keys", type=int, default=2000000,
                   help="held while dumps and flush_all are watched (2000000)")
    p.add_argument("--publish", action="store_true",
                   help="table and plots into bench/README.md and beside it")
    options = p.parse_args()
    os.makedirs(OUT, exist_ok=True)
    for path in (LOAD, program("slabd"), program("memcached")):
        if not os.access(path, os.X_OK):
            sys.exit("bench: there is no %s; run make all benches" % path)
    bench = Bench(options)
    parts = options.part or PARTS
    steps = {
        "cpu": bench.common,
        "workers": lambda: bench.common(2, "0,1", "0,1"),
        "special": bench.special, "latency": bench.latency,
        "stalls": bench.stalls, "pauses": bench.pauses, "engine": bench.engine,
        "memory": bench.memory, "idle": bench.idle,
    }
    failed = 0
    for part in parts:
        try:
            steps[part]()
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            say("%s: %s" % (part, e))
            failed = 1
    text = Table(bench).text()
    print(text)
    with open(os.path.join(OUT, "table.md"), "w") as f:
        f.write(text)
    with open(os.path.join(OUT, "results.json"), "w") as f:
        json.dump({"runs": [[n, s, r] for (n, s), r in bench.runs.items()],
                   "values": [[n, s, v]
                              for (n, s), v in bench.values.items()]}, f)
    plots.draw(bench)
    if options.publish:
        publish.publish(text, sys.argv[1:])
    return failed


if __name__ == "__main__":
    sys.exit(main())
