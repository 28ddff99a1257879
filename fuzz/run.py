#!/usr/bin/env python3
"""Runs the fuzz targets at once and reports what they tried, reached and found (docs/fuzzing.md).

    run.py [--seconds 600] [--jobs N] [--build build/fuzz] [--rooms] [TARGET...]

All targets together take the seconds, JOBS of them at a time. Inputs that reached something new are kept in
build/fuzz-corpus/TARGET, which the next run begins with beside the seeds; findings in build/fuzz-findings/TARGET. Exits 1
where there is a finding.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = re.compile(r"^FUZZ_TARGET\((\w+), \w+, \w+, (\d+)\)", re.M)
MAX_FINDINGS = 8  # of a target, before it is left
# The limits of an input: seconds, and MiB of the process and of one allocation.
LIMITS = ["-timeout=20", "-rss_limit_mb=2560", "-malloc_limit_mb=1024"]
ENVIRONMENT = {"ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=0:abort_on_error=1",
               "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1"}


def seeds(build: pathlib.Path) -> pathlib.Path:
    """Makes those that are not in the repository, once."""
    folder = ROOT / "build/fuzz-seeds"
    if not folder.exists():
        cases = sorted(map(str, (ROOT / "tests/ops").glob("*.cases")))
        subprocess.run([build / "fuzz/fuzz_seeds", folder, *cases], check=True)
        subprocess.run([sys.executable, "-B", ROOT / "fuzz/seeds.py", folder], check=True)
        official = pathlib.Path(os.environ.get("SIBYL_DATA", ROOT / "../shared/data")) / "onnx-conformance"
        for number, path in enumerate(sorted(official.glob("*/*/model.onnx"))):
            if path.stat().st_size < 4000:
                (folder / "onnx" / f"official_{number}").write_bytes(path.read_bytes())
    return folder


class Run:
    """A target's figures."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self.name, self.max_bytes = name, max_bytes
        self.executions = self.seconds = 0
        self.edges = self.features = self.inputs = "-"
        self.findings: list[str] = []

    def take(self, log: str) -> None:
        counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
        last = re.findall(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)", log, re.M)
        if last:
            self.edges, self.features, self.inputs = last[-1][1:]
        self.executions += int(counted[1]) if counted else int(last[-1][0]) if last else 0


def first_words(log: str) -> str:
    said = re.search(r"^(fuzz: .*|.*runtime error: .*|.*ERROR: (?:AddressSanitizer|libFuzzer): .*|.*: Assertion .*)$", log, re.M)
    return said[1][:200] if said else "ended"


def run(target: Run, seconds: float, build: pathlib.Path, made: pathlib.Path) -> Run:
    """Runs a target for some seconds; after a finding again, with other random numbers."""
    corpus, found = ROOT / "build/fuzz-corpus" / target.name, ROOT / "build/fuzz-findings" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    folders = [f for f in (ROOT / "fuzz/corpus" / target.name, made / target.name) if f.is_dir()]
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 1 and len(target.findings) < MAX_FINDINGS:
        command = [build / "fuzz" / f"fuzz_{target.name}", corpus, *folders, *LIMITS, f"-max_total_time={int(left)}",
                   f"-max_len={target.max_bytes}", "-print_final_stats=1", "-reload=0", f"-artifact_prefix={found}/"]
        done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, errors="replace", check=False)
        target.take(done.stderr)
        if done.returncode == 0:
            break
        kept = re.search(r"Test unit written to (\S+)", done.stderr)
        target.findings.append(f"{kept[1] if kept else '-'}: {first_words(done.stderr)}")
        if kept:
            pathlib.Path(kept[1] + ".log").write_text(done.stderr)
    target.seconds = time.monotonic() - began
    return target


FUNCTION = re.compile(r"^(?:UN)?COVERED_FUNC: hits: \d+ edges: (\d+)/(\d+) (\S+) \S*/src/(\S+):\d+", re.M)


def reached(target: Run, build: pathlib.Path) -> list:
    """Edges reached, edges, name and file of each function that the target is linked with, on the inputs kept."""
    command = [build / "fuzz" / f"fuzz_{target.name}", ROOT / "build/fuzz-corpus" / target.name, ROOT / "fuzz/corpus" / target.name,
               "-runs=0", "-print_coverage=1", *LIMITS]
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, errors="replace", check=False)
    return FUNCTION.findall(done.stderr)


def print_rooms(functions: list) -> None:
    """Of each function counts the target that reaches the most of it, so that a room is reached at least so far."""
    best: dict[tuple, tuple] = {}
    for some, every, name, path in functions:
        best[path, name] = max(best.get((path, name), (0, 0)), (int(some), int(every)))
    rooms: dict[str, list] = {}
    for (path, _), edges in best.items():
        rooms.setdefault("/".join(path.split("/")[:-1][:2]), []).append(edges)
    print(f"{'folder of src/':24} {'functions':>9} {'reached':>8} {'edges':>7} {'reached':>8}")
    for room, edges in sorted(rooms.items()):
        some, every = map(sum, zip(*edges))
        entered = sum(some > 0 for some, _ in edges)
        print(f"{room:24} {len(edges):9} {100 * entered / len(edges):7.0f}% {every:7} {100 * some / every:7.0f}%")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/fuzz")
    options.add_argument("--rooms", action="store_true", help="the edges reached in each folder, of the inputs kept; runs nothing else")
    options.add_argument("targets", nargs="*")
    given = options.parse_args()
    rows = TARGET.findall((ROOT / "fuzz/targets.def").read_text())
    unknown = set(given.targets) - {name for name, _ in rows}
    if unknown:
        options.error(f"no such target: {', '.join(sorted(unknown))}")
    targets = [Run(name, int(size)) for name, size in rows if not given.targets or name in given.targets]
    if given.rooms:
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            print_rooms([f for some in pool.map(lambda t: reached(t, given.build), targets) for f in some])
        return 0
    each = given.seconds * min(given.jobs, len(targets)) / len(targets)
    made = seeds(given.build)
    print(f"{len(targets)} targets, {each:.0f} s each, {given.jobs} at a time", flush=True)
    print(f"{'target':14} {'executions':>11} {'per s':>7} {'edges':>7} {'features':>9} {'inputs':>7} {'findings':>9}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for t in concurrent.futures.as_completed([pool.submit(run, t, each, given.build, made) for t in targets]):
            r = t.result()
            print(f"{r.name:14} {r.executions:11} {r.executions / max(r.seconds, 1):7.0f} {r.edges:>7} {r.features:>9} "
                  f"{r.inputs:>7} {len(r.findings):9}", flush=True)
            for line in r.findings:
                print(f"    {line}", flush=True)
    print(f"{sum(r.executions for r in targets)} executions, {sum(len(r.findings) for r in targets)} findings")
    return any(r.findings for r in targets)


sys.exit(main())
