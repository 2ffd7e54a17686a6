#!/usr/bin/python3
"""run.py - runs the end-to-end tests: each file a process, two at a time.

    /usr/bin/python3 tests/e2e/run.py [-v] [NAME ...]

NAME is a file's (hostile for test_hostile.py).  SLABD=path names the server.
The last line says how many tests passed and failed.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 600             # seconds for one file


def run(path):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    try:
        p = subprocess.run(
            [sys.executable, "-B", "-m", "unittest", "-v", path.stem],
            cwd=HERE, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
        text, status = p.stdout.decode("utf-8", "replace"), p.returncode
    except subprocess.TimeoutExpired as e:
        text = (e.stdout or b"").decode("utf-8", "replace")
        text += "\nFAIL: stopped after %d s\n" % LIMIT
        status = 1
    m = re.search(r"^Ran (\d+) tests? in", text, re.M)
    ran = int(m.group(1)) if m else 0
    last = text.rstrip().rsplit("\n", 1)[-1]

    def tally(word):
        m = re.search(word + r"=(\d+)", last)
        return int(m.group(1)) if m else 0
    failed = tally("failures") + tally("errors")
    skipped = tally("skipped")
    if status != 0 and failed == 0:
        failed = 1
    return path.stem, max(0, ran - failed - skipped), failed, skipped, text


def main():
    args = [a for a in sys.argv[1:] if a != "-v"]
    verbose = "-v" in sys.argv
    files = sorted(HERE.glob("test_*.py"))
    if args:
        files = [f for f in files if f.stem in args or f.stem[5:] in args]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, p, f, s, text in pool.map(run, files):
            passed += p
            failed += f
            print("%-18s %4d ok, %d failed%s" % (
                name, p, f, ", %d skipped" % s if s else ""), flush=True)
            if f or verbose:
                print("".join("    %s\n" % line for line in text.splitlines()
                              if verbose or not line.endswith("... ok")),
                      flush=True)
    print("end-to-end: %d passed, %d failed" % (passed, failed))
    return failed != 0 or passed == 0


sys.exit(main())
