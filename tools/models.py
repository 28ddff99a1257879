#!/usr/bin/env python3
"""Writes the table of docs/models.md from what the tests of imports measured.

    tools/models.py LINES     # which SIBYL_MODELS=LINES pytest tests/test_import*.py has written: `make models`
"""
import json
import pathlib
import sys

DOC = pathlib.Path(__file__).resolve().parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- Made by tools/models.py (`make models`). -->\n", "<!-- end -->\n"


def table(lines):
    worst = {}  # of each family, in the tests' order by name: layout -> error
    for layout, family, error in map(json.loads, lines):
        errors = worst.setdefault(family, {})
        errors[layout] = max(error, errors.get(layout, 0))
    yield "| family, as transformers names it | error, Hugging Face's folder | error, GGUF |\n| --- | --- | --- |\n"
    for family, errors in sorted(worst.items(), key=lambda row: row[0].lower()):
        cells = [f"{errors[layout]:.1e}".replace("e-0", "e-") if layout in errors else "" for layout in ("folder", "gguf")]
        yield f"| {family} | {cells[0]} | {cells[1]} |\n"


def main():
    before, rest = DOC.read_text().split(BEGIN)
    made = "".join(table(open(sys.argv[1]).read().splitlines()))
    DOC.write_text(before + BEGIN + "\n" + made + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
