#!/usr/bin/env python3
"""Runs the C tests in the build that counts (preset coverage), and says which lines and branches of src/ they reach, by room.
Prints a table; writes every region that no test reaches to build/coverage/unreached.txt, and lines with counts as JSON beside
it. With --rooms, the tests of these rooms alone, and what they reach of these. Ends with 1 below a limit.

    tools/report_coverage.py --rooms base,tensor
"""

import argparse
import collections
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/coverage"
LINES, BRANCHES = 92, 82  # per cent, of each room and of all


def run(command, **given):
    return subprocess.run([str(word) for word in command], cwd=ROOT, **given).returncode


def test(rooms, jobs):
    """Builds and runs the tests; whether all passed."""
    if not (BUILD / "build.ninja").is_file() and run(["cmake", "--preset", "coverage"]) != 0:
        sys.exit("coverage: the preset could not be configured")
    for counts in BUILD.rglob("*.gcda"):
        counts.unlink()
    one_of = "|".join(room.replace("/", "_") for room in rooms)
    text = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], capture_output=True, text=True, check=True).stdout
    targets = re.findall(rf"^(tests_(?:{one_of})(?:_\w+)?): phony", text, re.M) if rooms else ["all"]
    if run(["cmake", "--build", "--preset", "coverage", "-j", jobs, "--target", *targets]) != 0:
        sys.exit("coverage: the tests could not be built")
    which = ["-R", f"^({one_of})_"] if rooms else []
    return run(["ctest", "--preset", "coverage", "-j", jobs + 2, "--no-tests=error", *which]) == 0


def counted(rooms, jobs):
    """Files of src/ with their lines, as gcovr has them."""
    out = BUILD / "coverage.json"
    under = [f"src/{room}/" for room in rooms] or ["src/"]
    gcovr = shutil.which("gcovr", path=f"{ROOT}/build/venv/bin{os.pathsep}{os.environ['PATH']}")
    if not gcovr:
        sys.exit("coverage: gcovr is missing; `make setup FOR=coverage` installs it")
    command = [gcovr, "-r", ".", "-j", jobs, "--json", out, "--exclude-unreachable-branches",
               "--gcov-ignore-parse-errors=negative_hits.warn_once_per_file", *(w for u in under for w in ("--filter", u)), BUILD]
    if run(command) != 0:
        sys.exit("coverage: gcovr failed")
    return json.loads(out.read_text())["files"]


def merged(lines):
    """Lines in order with their counts and those of their branches: of text that is compiled several times, the largest."""
    found = {}
    for line in lines:
        if not line.get("gcovr/noncode"):
            count, branches = found.get(line["line_number"], (0, []))
            taken = [b["count"] for b in line.get("branches", [])]
            both = [max(pair) for pair in itertools.zip_longest(branches, taken, fillvalue=0)]
            found[line["line_number"]] = max(count, line["count"]), both
    return [(number, *found[number]) for number in sorted(found)]


def regions(lines):
    """Of lines without a count, those next to each other as first and last; a line without code is in no gap."""
    found, last = [], None
    for number, count, _ in lines:
        if count == 0:
            if last == 0:
                found[-1][1] = number
            else:
                found.append([number, number])
        last = count
    return found


def report(files, rooms):
    """Prints the table, writes what is not reached; whether a limit is not met."""
    sums = collections.defaultdict(collections.Counter)
    unreached = []
    for file in sorted(files, key=lambda f: f["file"]):
        room = next((r for r in rooms if file["file"].startswith(f"src/{r}/")), file["file"].split("/")[1])
        lines = merged(file["lines"])
        for _, count, branches in lines:
            for key in (room, "all"):
                sums[key].update(lines=1, reached=count > 0, branches=len(branches), taken=sum(b > 0 for b in branches))
        source = (ROOT / file["file"]).read_text().split("\n")
        unreached += [f"{file['file']}:{a}{f'-{b}' if b > a else ''}: {source[a - 1].strip()}" for a, b in regions(lines)]
    (BUILD / "unreached.txt").write_text("\n".join(unreached) + "\n")
    print(f"{'room':10} {'lines':>7} {'reached':>8} {'branches':>9} {'taken':>7}")
    low = []
    for room in sorted(sums, key=lambda r: (r == "all", r)):
        n = sums[room]
        shares = [100 * n[part] / max(n[total], 1) for part, total in (("reached", "lines"), ("taken", "branches"))]
        print(f"{room:10} {n['lines']:7} {shares[0]:6.1f} % {n['branches']:9} {shares[1]:5.1f} %")
        if shares[0] < LINES or shares[1] < BRANCHES:
            low.append(room)
    print(f"{len(unreached)} regions that no test reaches: {(BUILD / 'unreached.txt').relative_to(ROOT)}")
    if low:
        print(f"below {LINES} % of lines or {BRANCHES} % of branches: {', '.join(low)}")
    return bool(low)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", help="folders of src/, such as base or import/read, with commas between them (all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true", help="of the tests that ran before, without running them again")
    given = parser.parse_args()
    rooms = given.rooms.split(",") if given.rooms else []
    passed = given.report or test(rooms, given.jobs)
    low = report(counted(rooms, given.jobs), rooms)
    if not passed:
        print("coverage: tests failed")
    sys.exit(low or not passed)


if __name__ == "__main__":
    main()
