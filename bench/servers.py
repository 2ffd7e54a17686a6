"""Starts the two servers that are compared, and reads what /proc knows."""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
OUT = os.path.join(BUILD, "bench")
LOAD = os.path.join(OUT, "load")
NAMES = ("slabd", "memcached")
START_SECONDS = 20


def program(name):
    """Where a server's program is: SLABD and MEMCACHED name other ones."""
    given = os.environ.get(name.upper())
    if given:
        return given
    if name == "slabd":
        return os.path.join(BUILD, "slabd")
    return shutil.which("memcached") or "/usr/bin/memcached"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One server on a free loopback port; a context manager."""

    def __init__(self, name, memory=1024, threads=1, cores="0", conns=4096,
                 wrap=(), extra=()):
        self.name = name
        self.port = free_port()
        args = [program(name), "-l", "127.0.0.1", "-p", str(self.port),
                "-U", "0", "-m", str(memory), "-t", str(threads),
                "-c", str(conns), *extra]
        if os.geteuid() == 0:
            args += ["-u", "root"]
        pin = ["taskset", "-c", cores] if cores else []
        self.log = open(os.path.join(OUT, name + ".log"), "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            pin + list(wrap) + args, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        try:
            self.wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def wait_for_answer(self):
        while time.monotonic() - self.began < START_SECONDS:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended at its start; see %s" % (
                    self.name, self.log.name))
            try:
                self.version = self.ask("version")[0].split(" ", 1)[1]
                self.started_ms = (time.monotonic() - self.began) * 1e3
                return
            except ConnectionError:
                time.sleep(0.0002)
        raise RuntimeError(self.name + " does not answer")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, line):
        """The lines of an answer, up to END or the only one."""
        with self.connect() as s, s.makefile("rb") as f:
            s.sendall(line.encode() + b"\r\n")
            lines = []
            while True:
                text = f.readline().decode("latin-1").rstrip("\r\n")
                if text in ("END", ""):
                    return lines
                lines.append(text)
                if not text.startswith("STAT "):
                    return lines

    def stats(self, group=""):
        answer = {}
        for line in self.ask(("stats " + group).strip()):
            word = line.split(" ", 2)
            if len(word) == 3:
                answer[word[1]] = word[2]
        return answer

    def resident(self):
        return status(self.pid, "VmRSS") * 1024

    def switches(self):
        """Times that its threads went to sleep or were put aside."""
        n = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            for name in ("voluntary_ctxt_switches",
                         "nonvoluntary_ctxt_switches"):
                n += status(self.pid, name, task)
        return n

    def stop(self):
        """By its process id, politely first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def status(pid, field, task=None):
    path = "/proc/%d/status" % pid
    if task:
        path = "/proc/%d/task/%s/status" % (pid, task)
    with open(path) as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def run_load(server, args, cores="1", seconds=600, prefix=()):
    """One run of the load generator: its figures as a dict of floats."""
    pin = list(prefix) + (["taskset", "-c", cores] if cores else [])
    done = subprocess.run(
        pin + [LOAD, "-p", str(server.port), "-P", str(server.pid)] + args,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", timeout=seconds, check=False)
    figures = {}
    for pair in done.stdout.split():
        name, value = pair.split("=")
        figures[name] = float(value)
    if done.returncode != 0:
        sys.stderr.write("bench: %s, %s: %s %s\n" % (
            server.name, " ".join(args), done.stderr.strip(),
            "misses=%d refused=%d wrong=%d" % (
                figures.get("misses", 0), figures.get("refused", 0),
                figures.get("wrong", 0)) if figures else ""))
        figures["failed"] = 1.0
    return figures


def median(values):
    return statistics.median(values) if values else float("nan")


def spread(values):
    """Half the distance of the extremes, relative to the median."""
    mid = median(values)
    return (max(values) - min(values)) / 2 / mid if values and mid else 0.0
