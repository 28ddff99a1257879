#!/usr/bin/env python3
"""Writes docs/operators.md: every operator with the opsets and dtypes that passing cases show, and every milli-op.

    tools/operators.py [--build build/release] [--jobs N]

Reads src/ops/ops.def and src/milli/milli.def; runs the project's own operator cases (tests/ops/*.cases) and the
official ones: $SIBYL_DATA/onnx-conformance, else ../shared/data/onnx-conformance beside the sources, else those that
Debian packages as libonnx-testdata. Exits 1 where there are none, since the table would lose what they show.

    tools/operators.py --check

runs nothing and checks instead that the page has the rows of ops.def and milli.def in their order, and that every
lowering stands in the file that ops.def names, under a comment with the operator's source ("ONNX Relu-6/13/14"). Prints
a line per breach and exits 1 where there is one.
"""
import argparse
import collections
import concurrent.futures
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operators.md"
CASES = ROOT / "tests" / "ops"

DOMAINS = {  # as ops.def writes them: (as files write them, as the page does)
    "ONNX": ("", "ai.onnx"),
    "ML": ("ai.onnx.ml", "ai.onnx.ml"),
    "TRAINING": ("ai.onnx.preview.training", "ai.onnx.preview.training"),
    "PREVIEW": ("ai.onnx.preview", "ai.onnx.preview"),
    "MS": ("com.microsoft", "com.microsoft"),
    "SIBYL": ("ai.sibyl", "ai.sibyl"),
    "QONNX": ("qonnx.custom_op.general", "qonnx"),
    "CONTRIB": ("ai.onnx.contrib", "ai.onnx.contrib"),
}
SHORT = {  # dtypes as `sibyl inspect` names them, and as the page does; in the page's order
    "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "bool": "bool", "string": "str", "complex64": "c64", "complex128": "c128",
    "float8_e4m3fn": "f8e4m3fn", "float8_e4m3fnuz": "f8e4m3fnuz", "float8_e5m2": "f8e5m2",
    "float8_e5m2fnuz": "f8e5m2fnuz", "float8_e8m0": "f8e8m0", "float4_e2m1": "f4e2m1",
    "int4": "i4", "uint4": "u4", "int2": "i2", "uint2": "u2",
}
GROUPS = [  # one word where all of them are there
    ("floats", ["f16", "bf16", "f32", "f64"]),
    ("ints", ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]),
    ("complex", ["c64", "c128"]),
    ("f8", ["f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz"]),
    ("small ints", ["i4", "u4", "i2", "u2"]),
]
ELSEWHERE = {  # operators that a line of cases cannot hold, since they have graphs or read the nodes before them
    "Gradient": "tests/ops/test_gradient.c",
    "GreedySearch": "tests/run/test_search.c",
    "Sampling": "tests/run/test_search.c",
    "BeamSearch": "tests/run/test_search.c",
    "WhisperBeamSearch": "tests/run/test_search.c",
}
OFFICIAL = [  # (folder, what the page calls it)
    (pathlib.Path(os.environ.get("SIBYL_DATA") or ROOT.parent / "shared" / "data") / "onnx-conformance",
     "the ONNX backend tests, with their newest opsets"),
    (pathlib.Path("/usr/share/libonnx-testdata/data"), "the backend tests of ONNX 1.12, as Debian packages them"),
]

Operator = collections.namedtuple("Operator", "domain name family file since inputs outputs")
Milli = collections.namedtuple("Milli", "section name inputs outputs meaning")


class Seen:
    """What cases showed of one operator."""

    def __init__(self):
        self.versions, self.dtypes = set(), set()
        self.own = self.own_passed = self.official = self.official_passed = 0
        self.ran = self.on_cpu = 0  # own cases that give outputs, and those whose node the backend cpu runs alone


# ---- What the sources say --------------------------------------------------------------------------------------

def arity(low, high):
    low, high = int(low), int(high)
    return f"{low}" if low == high else f"{low}+" if high < 0 else f"{low}–{high}"


def read_operators():
    text = (ROOT / "src/ops/ops.def").read_text()
    row = re.compile(r"/\* ---- ([\w ]+) ---- \*/|^SIB_(?:OP|CONTROL)\(([^)]*)\)", re.M)
    operators, heading = [], None
    for found in row.finditer(text):
        if found[1]:
            heading = found[1]
            continue
        domain, name, file, since, *counts = [word.strip() for word in found[2].split(",")]
        operators.append(Operator(domain, name, heading, file, int(since), arity(*counts[0:2]), arity(*counts[2:4])))
    return operators


def read_milli():
    text = (ROOT / "src/milli/milli.def").read_text()
    row = re.compile(r'^/\* (.*?)\*/$|^SIB_MILLI\((\w+), (-?\d+), (-?\d+), "((?:[^"\\]|\\.)*)"\)$', re.M | re.S)
    rows, section = [], None
    for found in row.finditer(text):
        if found[2]:
            meaning = re.sub(r"\\(.)", r"\1", found[5])
            rows.append(Milli(section, found[2], "1+" if found[3] == "-1" else found[3], found[4], meaning))
        else:
            section = " ".join(found[1].split())
    return rows


# ---- What the cases show ---------------------------------------------------------------------------------------

def count_own(build, seen):
    command = [str(build / "tests/ops/test_ops_cases"), "--verdicts"]
    done = subprocess.run(command + [str(path) for path in sorted(CASES.glob("*.cases"))],
                          stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        fields = line.split("\t")
        if len(fields) != 8:
            sys.exit(f"test_ops_cases: {line}")
        verdict, claim, domain, name, version, taken, given, _ = fields
        it = seen[domain, name]
        it.own += 1
        if verdict != "pass":
            continue
        it.own_passed += 1
        if given != "error":
            it.ran += 1
            it.on_cpu += claim in ("whole", "milli")
            it.versions.add(int(version))
            it.dtypes.update(word for word in (taken + "," + given).split(",") if word not in ("_", "?", ""))


def dtypes_of(types):
    words = (word for text in types if text for word in re.findall(r"[a-z]+[0-9]*(?:_[a-z0-9]+)?", text.split("[")[0]))
    return {SHORT[word] for word in words if word in SHORT}


def inspect(command, model):
    done = subprocess.run([command, "inspect", "--json", model], stdout=subprocess.PIPE)
    return json.loads(done.stdout)["nodes"] if done.returncode == 0 else []


def count_official(build, folder, jobs, seen):
    """Returns how many cases there are and how many passed."""
    command = str(build / "cli/sibyl")
    models = {path.parent.name: str(path) for path in sorted(folder.rglob("model.onnx"))}
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        words = [command, "conform", str(folder), "--backend", "ref", "--json", str(report), "-j", str(jobs)]
        if "libonnx-testdata" in str(folder):
            words += ["--manifest", str(ROOT / "tests/conform/onnx-1.12.manifest")]
        subprocess.run(words, stdout=subprocess.DEVNULL)
        cases = json.loads(report.read_text())["cases"]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        nodes = pool.map(lambda case: inspect(command, models[case["case"]]), cases)
        for case, list_of_nodes in zip(cases, nodes):
            passed = case["verdict"] == "passed"
            for key in {(node["domain"], node["type"]) for node in list_of_nodes}:
                seen[key].official += 1
                seen[key].official_passed += passed
            for node in list_of_nodes if passed else []:
                it = seen[node["domain"], node["type"]]
                it.versions.add(node["version"])
                it.dtypes |= dtypes_of(node["input_types"] + node["output_types"])
    return len(cases), sum(case["verdict"] == "passed" for case in cases)


# ---- The page --------------------------------------------------------------------------------------------------

def runs(numbers):
    """1, 6, 7, 8 as "1, 6–8"."""
    parts = []
    for n in sorted(numbers):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in parts) or "none"


def dtype_names(dtypes):
    left, words = set(dtypes), []
    for word, members in GROUPS:
        if left.issuperset(members):
            left.difference_update(members)
            words.append(word)
    return " ".join(words + [word for word in SHORT.values() if word in left]) or "–"


def tally(passed, n):
    return "none" if n == 0 else str(n) if passed == n else f"{passed} of {n}"


def own_words(operator, it):
    if it.own == 0 and operator.name in ELSEWHERE:
        path = pathlib.PurePath(ELSEWHERE[operator.name])
        return f"`{path}`"
    return tally(it.own_passed, it.own)


def cpu_words(it):
    return f"{100 * it.on_cpu // it.ran}%" if it.on_cpu else "–"


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


FIRST = """{count} operators, each one function of `src/ops/` that is its definition, its type check and its shape
inference, written in {milli} [milli-ops](#milli-ops). {official} and {own} of {own_all} operator cases of the project's
own (`tests/ops/*.cases`) pass."""
HEAD = """# Operators

<!-- Made by tools/operators.py (`make operators`): what it says comes from src/ops/ops.def, src/milli/milli.def and tests. -->

{first}

**How to read it.** *since* is the first opset of the operator's domain that has it; from there on every opset is
covered. *inputs* and *outputs* are how many a node may have, `1+` for one or more. *opsets* are those that nodes in
passing cases ran under, *dtypes* those of the inputs and outputs of such nodes; both are what was shown, not a limit: an
operator takes what the specification allows and refuses the rest by name. *official* counts the official cases with the
operator in their main graph, *own* the project's cases of the operator, each of which runs with concrete dims, with
symbolic dims, with its inputs as constants, and on the fast backend; where some fail it says `3 of 4`, and `none` means
that there is none. *cpu* is the share of the own cases whose node the backend `cpu` runs alone, whole or in milli-ops.
`floats` are f16 bf16 f32 f64, `ints` the signed and unsigned integers of 8 to 64 bits, `complex` c64 and c128, `f8` the
four float8 types beside f8e8m0, `small ints` those of 4 and 2 bits.
"""
TABLE = """
## {title}

| operator | since | inputs | outputs | opsets | dtypes | official | own | cpu |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
MILLI = """
## Milli-ops

What every operator is made of, from `src/milli/milli.def`: a backend is a set of kernels for these. Each computes as if
in double or wider, integers as in 64 bits, and rounds once to the dtype of its output. Unless a row says otherwise all
inputs have one dtype, which the output has too, and dims broadcast as in NumPy. Attributes stand in braces: `name:i` an
int, `name:is` ints, `name:s` a string. In a row with "dynamic" the dims of outputs depend on the data.
"""


def table_row(columns):
    return "| " + " | ".join(str(column) for column in columns) + " |"


def said_of(operator):
    """The columns that ops.def gives."""
    name = operator.name if operator.domain == "ONNX" else f"{DOMAINS[operator.domain][1]}:{operator.name}"
    return [name, operator.since, operator.inputs, operator.outputs]


def milli_lines(milli):
    heading, lines = None, []
    for m in milli:
        if m.section != heading:
            heading = m.section
            lines += ["", heading, "", "| milli-op | inputs | outputs | meaning |", "| --- | --- | --- | --- |"]
        lines.append(table_row([m.name, m.inputs, m.outputs, cell(m.meaning)]))
    return lines


def page(operators, milli, seen, official):
    """official: how many official cases pass, in words."""
    first = FIRST.format(count=len(operators), milli=len(milli), official=official,
                         own=sum(it.own_passed for it in seen.values()), own_all=sum(it.own for it in seen.values()))
    text, heading = HEAD.format(first=textwrap.fill(" ".join(first.split()), 120)), None
    for o in operators:
        if o.family != heading:
            heading = o.family
            text += TABLE.format(title=heading)
        it = seen[DOMAINS[o.domain][0], o.name]
        text += table_row(said_of(o) + [runs(it.versions), dtype_names(it.dtypes),
                                        tally(it.official_passed, it.official), own_words(o, it), cpu_words(it)]) + "\n"
    return text + MILLI + "\n".join(milli_lines(milli)) + "\n"


def write_page(build, jobs):
    seen = collections.defaultdict(Seen)
    found = next(((folder, words) for folder, words in OFFICIAL if folder.is_dir()), None)
    if not found:
        sys.exit("no official cases: neither onnx-conformance in $SIBYL_DATA or ../shared/data nor libonnx-testdata")
    count_own(build, seen)
    n, passed = count_official(build, found[0], jobs, seen)
    operators = read_operators()
    PAGE.write_text(page(operators, read_milli(), seen, f"{passed} of {n} official cases ({found[1]})"))
    for o in operators:
        it = seen[DOMAINS[o.domain][0], o.name]
        if not it.own and o.name not in ELSEWHERE:
            print(f"no case of its own: {DOMAINS[o.domain][1]}:{o.name}")
    print(f"{PAGE.relative_to(ROOT)}: {len(operators)} operators, {passed} of {n} official cases passed")


# ---- Checks ----------------------------------------------------------------------------------------------------

def comment_over(text, domain, name):
    """The comment right above lower_<domain>_<name>, or the last one before its row in a macro's list; else None."""
    comment = r"/\*((?:(?!\*/).)*)\*/"
    function = re.search(comment + rf"\s*void lower_{domain}_{name}\(lowering \*", text, re.S)
    if function:
        return function[1]
    for macro in re.findall(rf"#define (\w+)\((?:[^\n]*\\\n)*[^\n]*lower_{domain}_##", text):
        row = re.search(rf"^{macro}\({name}\b", text, re.M)
        if row:
            return (re.findall(comment, text[:row.start()], re.S) or [None])[-1]
    return None


def check_rows():
    """Breaches of the page: its rows without what cases showed must be those of the two lists."""
    expected, heading = [], None
    for o in read_operators():
        if o.family != heading:
            heading = o.family
            expected.append(f"## {heading}")
        expected.append(table_row(said_of(o)))
    expected += ["## Milli-ops"] + [line for line in milli_lines(read_milli()) if line]
    said, in_milli = [], False
    for line in PAGE.read_text().splitlines()[1:]:
        in_milli |= line == "## Milli-ops"
        if in_milli and line or line.startswith("## "):
            said.append(line)
        elif line.startswith("| ") and not line.startswith(("| operator |", "| --- |")):
            said.append(table_row(line[2:-2].split(" | ")[:4]))
    intro = [line for line in MILLI.splitlines()[1:] if line]
    said = [line for line in said if line not in intro[1:]]
    return [line for line in difflib.unified_diff(said, expected, "docs/operators.md", "src/*/*.def", "", "", 0, "")]


def check_comments():
    breaches = []
    for o in read_operators():
        path = next((ROOT / "src/ops").glob(f"*/{o.file}.c"))
        comment = comment_over(path.read_text(), o.domain, o.name)
        if comment is None:
            breaches.append(f"{path.relative_to(ROOT)}: no lower_{o.domain}_{o.name} under a comment")
        elif not re.search(rf"\b{o.name}-\d", comment):
            breaches.append(f"{path.relative_to(ROOT)}: the comment over lower_{o.domain}_{o.name} does not say "
                            f"{o.name}-<opset>")
    return breaches


def check():
    rows, comments = check_rows(), check_comments()
    for line in rows + comments:
        print(line)
    if rows:
        print("`make operators` writes docs/operators.md again")
    return 1 if rows or comments else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true", help="run nothing; check the page and the comments over lowerings")
    words = parser.parse_args()
    if words.check:
        return check()
    write_page(words.build, words.jobs)
    return 0


sys.exit(main())
