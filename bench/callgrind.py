"""Reads what callgrind wrote: instructions of each line, without callees."""

import re

NAME = re.compile(r"^(fl|fi|fe|fn|cfn|cfi|cfl|ob|cob)=\((\d+)\)(?: (.*))?$")
COST = re.compile(r"^([+\-*]?)(\d*) (\d+)$")


class Profile:
    """total, and lines: (function, file, line) -> instructions."""

    def __init__(self, path):
        self.total = 0
        self.lines = {}
        self.names = {"fn": {}, "fl": {}, "ob": {}}
        self.now = {"fn": "?", "fl": "?", "ob": "?"}
        self.line = 0
        self.callee = False  # the next cost is what a call took
        with open(path) as f:
            for text in f:
                self.take(text.rstrip("\n"))

    def take(self, text):
        m = NAME.match(text)
        if m:
            self.rename(*m.groups())
            return
        if text.startswith("calls="):
            self.callee = True
            return
        m = COST.match(text)
        if not m:
            return
        sign, n, cost = m.groups()
        if sign == "+":
            self.line += int(n)
        elif sign == "-":
            self.line -= int(n)
        elif not sign:
            self.line = int(n)
        if self.callee:
            self.callee = False
            return
        where = (self.now["fn"] + self.library(), self.now["fl"], self.line)
        self.lines[where] = self.lines.get(where, 0) + int(cost)
        self.total += int(cost)

    def rename(self, key, number, name):
        kind = {"cfn": "fn", "fi": "fl", "fe": "fl", "cfi": "fl",
                "cfl": "fl", "cob": "ob"}.get(key, key)
        if name:
            self.names[kind][number] = name
        if key in ("fn", "fl", "fi", "fe", "ob"):
            self.now[kind] = self.names[kind][number]

    def library(self):
        name = self.now["ob"].rsplit("/", 1)[-1]
        return " [%s]" % name if ".so" in name else ""

    def functions(self):
        found = {}
        for (function, _, _), n in self.lines.items():
            found[function] = found.get(function, 0) + n
        return found
