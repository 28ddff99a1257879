#!/usr/bin/env python3
"""What the fixed-point kernel takes of memory, measured: constants and variables from the sections of the compiled
objects, stack from -fstack-usage summed along the call graph, code at -O2. Each must be at most what
src/tile/tile_memory.h says, within the project's bars (5 KB of constants and state, 4.5 KB of stack for 80 bands), and
the header may not say much more than is measured.

    memory.py SOURCES
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

COMPILERS = [
    ("gcc", []),
    ("arm-none-eabi-gcc", ["-mcpu=cortex-m4", "-mthumb"]),
    ("arm-none-eabi-gcc", ["-mcpu=cortex-m33", "-mthumb"]),
    ("aarch64-linux-gnu-gcc", []),
]
LEVELS = ["-Os", "-O2", "-O3"]
BANKS = ["80", "128"]
BAR_CONSTANTS, BAR_STACK = 5 * 1024, 4608
SECTION = re.compile(r"^\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+)\s+\S+\s+(\S+)")


def said(sources: pathlib.Path) -> dict:
    text = (sources / "tile/tile_memory.h").read_text()
    return {name: int(value) for name, value in re.findall(r"#define (TILE_\w+_BYTES\w*)\s+(\d+)", text)}


def data_bytes(obj: pathlib.Path) -> int:
    """Bytes of constants and variables: sections that are loaded, hold no code and are not for unwinding."""
    out = subprocess.run(["readelf", "-SW", obj], check=True, capture_output=True, text=True).stdout
    total = 0
    for line in out.splitlines():
        found = SECTION.match(line)
        if found and "A" in found[3] and "X" not in found[3] and not re.match(r"\.(eh_frame|note|ARM\.)", found[1]):
            total += int(found[2], 16)
    return total


def code_bytes(obj: pathlib.Path) -> int:
    """Bytes of sections that hold code."""
    out = subprocess.run(["readelf", "-SW", obj], check=True, capture_output=True, text=True).stdout
    return sum(int(m[2], 16) for m in map(SECTION.match, out.splitlines()) if m and "X" in m[3])


def deepest(graph: str, entry: str) -> int:
    """Largest sum of stack along calls from `entry`; -fcallgraph-info lists nodes with their stack, and edges."""
    own, calls = {}, {}
    for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', graph):
        size = re.search(r"(\d+) bytes \((\w+)\)", label)
        own[title] = int(size[1]) if size else 0
        assert not size or size[2] == "static", f"{title} has no fixed stack"
    for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
        calls.setdefault(source, set()).add(target)

    def depth(node: str, above: tuple) -> int:
        assert node not in above, f"{node} calls itself"
        return own.get(node, 0) + max((depth(c, above + (node,)) for c in calls.get(node, ())), default=0)

    return depth(next(n for n in own if n.endswith(entry)), ())


def measure(sources: pathlib.Path, command: str, flags: list, level: str, folder: pathlib.Path) -> dict:
    found, code = {}, {}
    for name in ["kernel", "tables", "bank_80", "bank_128"]:
        subprocess.run([command, "-std=c11", "-ffreestanding", level, *flags, "-fstack-usage", "-fcallgraph-info=su",
                        f"-I{sources}", "-c", sources / f"tile/tile_{name}.c", "-o", folder / f"{name}.o"],
                       check=True, cwd=folder)
        found[name] = data_bytes(folder / f"{name}.o")
        code[name] = code_bytes(folder / f"{name}.o")
    graph = (folder / "kernel.ci").read_text()
    result = {f"TILE_CONSTANT_BYTES_{b}": found["kernel"] + found["tables"] + found[f"bank_{b}"] for b in BANKS}
    if level == "-O2":  # as build.sh compiles
        result["TILE_PROGRAM_BYTES"] = sum(code.values())
    for width in ["int16", "int8"]:
        result[f"TILE_STACK_BYTES_{width.upper()}"] = deepest(graph, f"tile_frames_{width}")
    return result


def main() -> int:
    sources = pathlib.Path(sys.argv[1]).resolve()
    claims, most, bad = said(sources), {}, 0
    for command, flags in COMPILERS:
        if not shutil.which(command):
            print(f"skipped for want of {command}")
            continue
        for level in LEVELS:
            with tempfile.TemporaryDirectory() as folder:
                got = measure(sources, command, flags, level, pathlib.Path(folder))
            print(command, *flags, level, *(f"{k.removeprefix('TILE_')} {v}" for k, v in got.items()))
            most = {k: max(v, most.get(k, 0)) for k, v in got.items()}
    for name, value in most.items():
        if not value <= claims[name] <= 1.15 * value + 64:
            print(f"{name}: tile_memory.h says {claims[name]}, measured is {value}")
            bad += 1
    constants = most["TILE_CONSTANT_BYTES_80"] + claims["TILE_STATE_BYTES"]
    stack = most["TILE_STACK_BYTES_INT8"]
    print(f"80 bands: constants and state {constants} of {BAR_CONSTANTS}, stack {stack} of {BAR_STACK}")
    return 1 if bad or constants > BAR_CONSTANTS or stack > BAR_STACK else 0


if __name__ == "__main__":
    sys.exit(main())
