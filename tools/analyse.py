#!/usr/bin/env python3
"""Static analysis of the library, the command and the server by clang-tidy, GCC's analyzer and cppcheck: nothing may be found.

A false finding is suppressed where it stands, with its reason. A check that finds nothing else is left out with its
reason: clang-tidy's in .clang-tidy, the others' here. A file is read again only when it, a header that it includes,
its command or the rules changed since it was clean; so the build must be up to date.

usage: analyse.py [--nodes N] [BUILD]          default: build/release
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CPPCHECK_LEFT_OUT = {
    "invalidPointerCast": "kernels see the bytes of tensors, which are aligned, as their elements",
    "internalAstError": "cppcheck 2.10 cannot parse a compound literal within a conditional",
    "missingIncludeSystem": "headers of the system are not read",
    "legacyUninitvar:*.inc.h": "the vector words that store are not known to write",
    "uninitvar:*.inc.h": "as legacyUninitvar",
    "ctuuninitvar:*observe.h": "a span is written where it is opened, and its flag alone where it is not; comments do not reach this check",
}

EMBEDDED = re.compile(r"/src/(gpu/(cuda|spirv)/|server/page_files\.c$)")

# GCC's analyzer follows paths too, within one function mostly: it reads the rooms that own what comes from files and users.
GCC_ROOMS = re.compile(r"/(cli|src/(audio|base|import|job|onnx|tensor|text))/")
# cppcheck takes over five minutes of a processor for all kernels of GPUs in one source, whose loops are unrolled by macros.
CPPCHECK_NOT = re.compile(r"/src/gpu/host\.c$")
GCC_LEFT_OUT = {
    "null-argument": "as null-dereference",
    "null-dereference": "GCC 12 takes for NULL what a call sets that fails in no such way",
    "use-of-uninitialized-value": "GCC 12 takes what a called function sets through a pointer as not set",
}

# States that clang's path checks visit in a function, and its own limit, which takes seven times as long for all sources. Of
# seven sources that earlier commits mended, all 11 findings are found with 5,000 as well, and two are lost with 2,500. What
# called functions do is no longer followed where they have more: what is found for that reason is looked at again.
NODES, ALL_NODES = 5_000, 225_000


def clang_tidy(unit):
    return ["clang-tidy", "--quiet", unit.source, "--", *unit.flags, "-Wno-unknown-warning-option",
            "-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={unit.nodes}"]


def gcc(unit):
    return ["gcc", *unit.flags, "-O0", "-S", "-o", "/dev/null", "-fanalyzer", "-fdiagnostics-plain-output",
            *(f"-Wno-analyzer-{name}" for name in GCC_LEFT_OUT), unit.source]


def cppcheck(unit):
    return ["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--quiet", "--std=c11",
            "--max-configs=1", *(f for f in unit.flags if re.match(r"-[DI](?!/usr/)", f)),
            *(f"--suppress={name}" for name in CPPCHECK_LEFT_OUT),
            "--template={file}:{line}:{column}: {severity}: {message} [{id}]", unit.source]


TOOLS = {"clang-tidy": clang_tidy, "gcc": gcc, "cppcheck": cppcheck}

Unit = collections.namedtuple("Unit", "source flags output nodes")


def units(build: pathlib.Path, nodes: int) -> list[Unit]:
    """The sources of the library, the command and the server, but for what is embedded as arrays of bytes. Of a kernel that is
    compiled for several CPU levels, the first."""
    found, seen = [], set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        output = words[words.index("-o") + 1]
        source = pathlib.Path(entry["file"])
        if not re.search(r"sibyl_(objects|command|server)\.dir/", output) or EMBEDDED.search(str(source)):
            continue
        kernel = re.sub(r"_[a-z0-9]+$", "", str(source.with_suffix("")))
        if "units" in source.parts:
            if kernel in seen:
                continue
            seen.add(kernel)
        flags = [w for w in words if re.match("-(D|I|f|m|std=)", w)]
        for i, word in enumerate(words):
            if word == "-isystem":
                flags += words[i:i + 2]
        # assertions tell the tools what holds
        found.append(Unit(str(source), (*flags, "-DSIBYL_ASSERTIONS=1"), output, nodes))
    return found


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def keys(build: pathlib.Path, all_units: list[Unit]) -> dict[Unit, str]:
    """What the findings of each unit depend on, as a hash: the tools, the rules, the command and the files it reads."""
    rules = pathlib.Path(__file__).read_bytes()
    for path in [ROOT / ".clang-tidy", *sorted((ROOT / "src").rglob(".clang-tidy"))]:
        rules += path.read_bytes()
    for tool in TOOLS:
        rules += subprocess.run([tool, "--version"], check=True, capture_output=True).stdout
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, text=True, capture_output=True).stdout
    reads, output = collections.defaultdict(list), None
    for line in listing.splitlines():
        if line.startswith("    "):
            reads[output].append(build / line.strip())
        elif line:
            output = line.split(": ")[0]
    digests = {}
    for path in {path for unit in all_units for path in reads[unit.output]}:
        digests[path] = digest(path.read_bytes()) if path.exists() else ""
    return {unit: digest("\n".join([digest(rules), str(unit.nodes), *unit.flags, *(f"{p} {digests[p]}" for p in reads[unit.output])])
                         .encode()) for unit in all_units if reads[unit.output]}


def findings(tool: str, unit: Unit) -> list[str]:
    """Texts of one or more lines: what was found, then how it comes about."""
    if (tool == "gcc" and not GCC_ROOMS.search(unit.source)) or (tool == "cppcheck" and CPPCHECK_NOT.search(unit.source)):
        return []
    done = subprocess.run(TOOLS[tool](unit), cwd=ROOT, text=True, capture_output=True)
    found = []
    for line in (done.stdout if tool == "clang-tidy" else done.stderr).splitlines():
        if re.match(r"\S+:\d+:\d+: (fatal error|error|warning|portability|performance)", line):
            found.append(line.replace(f"{ROOT}/", ""))
        elif found and tool != "cppcheck":
            found[-1] += "\n  " + line.replace(f"{ROOT}/", "")
    if done.returncode and not found:
        found = [f"{unit.source}: {tool} failed\n{done.stdout}{done.stderr}"]
    if found and tool == "clang-tidy" and unit.nodes < ALL_NODES:
        return findings(tool, unit._replace(nodes=ALL_NODES))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--nodes", type=int, default=NODES, help="states of a function that path checks visit")
    args = parser.parse_args()
    build = args.build.resolve()
    key_of = keys(build, units(build, args.nodes))
    clean_file = build / "analysed"  # the keys of clean units
    clean = set(clean_file.read_text().split()) if clean_file.exists() else set()
    todo = [unit for unit, key in key_of.items() if key not in clean]
    shown = set()
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool, clean_file.open("a") as file:
        for unit, found in zip(todo, pool.map(lambda u: [f for tool in TOOLS for f in findings(tool, u)], todo)):
            if not found:
                print(key_of[unit], file=file, flush=True)
            for text in found:
                if text not in shown:  # in a header, perhaps
                    print(text, flush=True)
                shown.add(text)
    print(f"static analysis: {len(shown) or 'nothing'} found in {len(key_of)} sources, "
          f"{len(todo)} of them new or changed")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main())
