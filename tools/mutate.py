#!/usr/bin/env python3
"""Mutates the sources in seeded places, one at a time, and runs the tests of the room that each lies in: do they notice? Works on a
copy of the tree in a temporary folder. A place is an operator, a constant, a condition or a call that is dropped; one that does not
compile is drawn anew, as one of whose object file nothing changes is. Prints a line for each and the share that was caught.

    tools/mutate.py --count 30 --seed 1 --rooms base,tensor,graph
"""

import argparse
import collections
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-", "-": "+", "*": "+",
         "/": "*", "%": "/", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "+=": "-=", "-=": "+="}
OPERATOR = re.compile(r"(?<= )(" + "|".join(re.escape(o) for o in sorted(SWAPS, key=len, reverse=True)) + r")(?= )")
CONSTANT = re.compile(r"(?<![\w.\"'])(\d+)(?![\w.])")
CONDITION = re.compile(r"\b(if|while) \((?=.*\)(?: \{)?$)")
CALL = re.compile(r"^\s+(?!return\b|if\b|for\b|while\b|switch\b|else\b|SIB_ASSERT\b|va_\w+|UNUSED)[a-z]\w*\(.*\);$")

Mutant = collections.namedtuple("Mutant", "file line kind before after")


def code_lines(text):
    """Numbers of the lines inside functions, without comments, directives and assertions."""
    bare = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    inside = False
    for number, line in enumerate(bare.split("\n")):
        if line == "{":
            inside = True
        elif line == "}":
            inside = False
        elif inside and not line.startswith("#") and not line.endswith("\\") and "SIB_ASSERT" not in line and "static const" not in line:
            yield number, re.sub(r'"(\\.|[^"\\])*"', lambda m: '"' + "_" * (len(m.group()) - 2) + '"', line)


def places(path):
    """All mutants of a file."""
    text = path.read_text()
    lines = text.split("\n")
    for number, line in code_lines(text):
        def mutant(kind, begin, end, new):
            return Mutant(path, number, kind, lines[number], lines[number][:begin] + new + lines[number][end:])
        for m in OPERATOR.finditer(line):
            if not re.search(r"(?:\w|\)) $", line[:m.start()]) or re.match(r"\s*(const )?\w+ $", line[:m.start()]) and m.group() in "*&":
                continue  # a pointer's declaration
            yield mutant("operator", *m.span(), SWAPS[m.group()])
        for m in CONSTANT.finditer(line):
            if not re.search(r"\[$|case $", line[:m.start()]):
                yield mutant("constant", *m.span(), str(int(m.group()) + 1))
        for m in CONDITION.finditer(line):
            end = line.rindex(")")
            yield mutant("condition", m.end(), end, f"!({lines[number][m.end():end]})")
        if CALL.match(line):
            yield mutant("call", len(line) - len(line.lstrip()), len(line), ";")


def run(command, folder, seconds=None):
    """The exit code; None where it took too long, and was ended with all that it started."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except BaseException as stopped:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(stopped, subprocess.TimeoutExpired):
                return None
            raise


class Tree:
    """A copy of the sources, built."""

    def __init__(self, folder, preset, jobs):
        self.folder, self.preset, self.jobs = folder, preset, jobs
        self.build = folder / "build" / preset
        for name in subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        data = os.environ.get("SIBYL_DATA") or str((ROOT / "../shared/data").resolve())
        os.environ["SIBYL_DATA"] = data
        subprocess.run(["cmake", "--preset", preset], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def make(self, room):
        targets = [t for t in self.targets() if re.fullmatch(rf"tests_{room}(_\w+)?", t)]
        return run(["cmake", "--build", "--preset", self.preset, "-j", str(self.jobs), "--target", *targets], self.folder)

    def targets(self):
        if not hasattr(self, "known"):
            text = subprocess.run(["ninja", "-C", self.build, "-t", "targets", "all"], capture_output=True, text=True, check=True).stdout
            self.known = re.findall(r"^(tests_\w+): phony", text, re.M)
        return self.known

    def test(self, room, seconds):
        """0 where the room's tests pass. The limit is held here: a test's own, of ten minutes, counts more than ctest's."""
        return run(["ctest", "--test-dir", str(self.build), "-R", f"^{room}_", "-j", str(self.jobs), "--stop-on-failure",
                    "--no-tests=error"], self.folder, seconds)

    def object_of(self, path):
        found = list(self.build.rglob(f"{path.relative_to(self.folder)}.o"))
        return hashlib.sha256(found[0].read_bytes()).digest() if found else None


def attempt(tree, m, limits):
    """caught, survived, or why it is none. limits: seconds that the tests of a room may take."""
    text = m.file.read_text()
    lines = text.split("\n")
    lines[m.line] = m.after
    room = m.file.relative_to(tree.folder / "src").parts[0]
    before = tree.object_of(m.file)
    m.file.write_text("\n".join(lines))
    try:
        if tree.make(room) != 0:
            return "not compiled"
        if before and tree.object_of(m.file) == before:
            return "the same code"
        return "survived" if tree.test(room, limits[room]) == 0 else "caught"
    finally:
        m.file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30, help="places (30)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", help="folders of src/, with commas between them (all that have tests)")
    parser.add_argument("--preset", default="release")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=int, default=60, help="that the tests of a room may take beyond what they take without a mutation (60)")
    parser.add_argument("--json", type=Path, help="file for all mutants and what came of them")
    given = parser.parse_args()
    rooms = given.rooms.split(",") if given.rooms else sorted(p.name for p in (ROOT / "src").iterdir() if (ROOT / "tests" / p.name).is_dir())
    with tempfile.TemporaryDirectory(prefix="sibyl-mutate-") as folder:
        tree = Tree(Path(folder).resolve(), given.preset, given.jobs)
        limits = {}
        for room in rooms:
            built, begin = tree.make(room) == 0, time.monotonic()
            if not built or tree.test(room, None) != 0:
                sys.exit(f"mutate: the tests of {room} do not pass without a mutation")
            limits[room] = given.seconds + 2 * (time.monotonic() - begin)
        files = [p for room in rooms for p in sorted((tree.folder / "src" / room).rglob("*.c"))]
        drawn = [m for p in files for m in places(p)]
        random.Random(given.seed).shuffle(drawn)
        counts, found = collections.Counter(), []
        for m in drawn:
            if counts["caught"] + counts["survived"] == given.count:
                break
            what = attempt(tree, m, limits)
            counts[what] += 1
            name = f"{m.file.relative_to(tree.folder)}:{m.line + 1}"
            found.append({"place": name, "kind": m.kind, "before": m.before.strip(), "after": m.after.strip(), "result": what})
            if what in ("caught", "survived"):
                print(f"{what:9} {name} {m.kind}: {m.before.strip()}  ->  {m.after.strip()}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    tried = counts["caught"] + counts["survived"]
    print(f"{counts['caught']} of {tried} caught ({100 * counts['caught'] / max(tried, 1):.0f} %), of {len(drawn)} places in {', '.join(rooms)}; "
          f"left out: {counts['not compiled']} not compiled, {counts['the same code']} the same code")


if __name__ == "__main__":
    main()
