#!/usr/bin/env python3
"""Looks for cycles of calls, as the linker sees them: between the folders of src/, and between files of one folder.

A room's own files count as a folder beside those of the room: they are the table above these (text/kinds.c) or what
these share (kernel/kernel.c), not both.

Reads the symbols of the objects of the library and of the server with nm: an object depends on those that define what it leaves undefined.
Errors are a cycle between rooms or between the folders of a room; one of files in several folders; one of files in one
folder that KNOWN doesn't list with its reason; and a row of KNOWN that is no cycle any more.

usage: check-links.py [BUILD]                  default: build/release
       check-links.py [BUILD] --why FROM TO    the symbols that one folder or file takes from another
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

from cycles import cycles, folder_edge

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Files of one folder that call each other, and why.
KNOWN = {
    frozenset(("import/read/weight.c", "import/read/weight_codes.c")):
        "a weight of codes reads its elements and scales as weights",
    frozenset(("backend/gpu/claim.c", "backend/gpu/elementwise.c")):
        "a group is claimed by what runs its first node",
    frozenset(("job/call/call.c", "job/call/draft.c", "job/call/guess.c")):
        "a call whose tokens a draft guesses calls the draft's model, which is a call too",
    frozenset(("milli/build.c", "milli/elements.c")):
        "the builder follows elements of each node that it adds; they fail as the builder does",
    frozenset(("milli/build_constant.c", "milli/build_element.c", "milli/build_layout.c")):
        "milli-ops built of milli-ops",
    frozenset(("onnx/functions.c", "onnx/read_attribute.c", "onnx/read_graph.c")):
        "graphs hold attributes and calls, both of which hold graphs",
    frozenset(("text/constrain/schema.c", "text/constrain/schema_lists.c")):
        "objects and arrays hold schemas",
    frozenset(("text/template/evaluate.c", "text/template/execute.c")):
        "expressions call macros, which hold statements, which hold expressions",
    frozenset(("text/template/filters.c", "text/template/list_filters.c")):
        "map takes a filter by name from the tables that list map",
}


def objects(build: pathlib.Path) -> dict[str, str]:
    """The source of each object of the two libraries, by the object's path: below src/ for the project's own."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        output = build / re.search(r" -o (\S+)", entry["command"])[1]
        source = pathlib.Path(entry["file"])
        if {"sibyl_objects.dir", "sibyl_server.dir"} & set(output.parts) and output.exists():
            # sources that CMake makes stand in these folders as their rooms do in src/
            made = ROOT / "src", ROOT / "build/units", build / "units", build / "src"
            found[str(output)] = str(source.relative_to(next(room for room in made if source.is_relative_to(room))))
    return found


def dependencies(source_of: dict[str, str]) -> dict[tuple[str, str], set[str]]:
    """The symbols that a file takes from another, by (file, other)."""
    listing = subprocess.run(["nm", "-A", "-P", "-g", *source_of], check=True, text=True, capture_output=True).stdout
    defined, wanted = {}, collections.defaultdict(list)
    for line in listing.splitlines():
        path, rest = line.split(": ", 1)
        symbol, kind = rest.split()[:2]
        if kind in "Uwv":
            wanted[symbol].append(source_of[path])
        else:
            defined[symbol] = source_of[path]
    edges = collections.defaultdict(set)
    for symbol, sources in wanted.items():
        for source in sources:
            if symbol in defined and defined[symbol] != source:
                edges[source, defined[symbol]].add(symbol)
    return edges


def folder(source: str) -> str:
    return str(pathlib.PurePath(source).parent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--why", nargs=2, metavar=("FROM", "TO"))
    arguments = parser.parse_args()
    edges = dependencies(objects(arguments.build.resolve()))
    if arguments.why:
        for (a, b), symbols in sorted(edges.items()):
            if arguments.why in ([a, b], [folder(a), folder(b)]):
                print(f"{a} -> {b}: {' '.join(sorted(symbols))}")
        return 0
    across = collections.defaultdict(list)
    for a, b in sorted(edges):
        if folder_edge(a, b):
            across[folder_edge(a, b)].append(f"{a} -> {b}")
    between = cycles(across)
    for cycle in between:
        print(f"cycle between folders: {' '.join(cycle)}")
        for (a, b), pairs in sorted(across.items()):
            if a in cycle and b in cycle:
                print(f"  {a} -> {b}: {len(pairs)} pairs of files, as {pairs[0]}")
    files = {frozenset(c) for c in cycles(edges)}
    for cycle in sorted(sorted(c) for c in files - KNOWN.keys()):
        print(f"cycle of {len(cycle)} files: {' '.join(cycle)}")
    for cycle in KNOWN.keys() - files:
        print(f"no cycle any more, drop its row: {' '.join(sorted(cycle))}")
    far = [c for c in files if len({folder(f) for f in c}) > 1]
    print(f"calls: {len(between)} cycles between folders, {len(far)} of files in several folders, "
          f"{len(files - KNOWN.keys())} of files without a reason, {len(files & KNOWN.keys())} with one")
    return 1 if between or far or files != KNOWN.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
