#!/usr/bin/env python3
"""Writes src/text/chars/classes.inc.h: where letters and numbers stand in Unicode, as tiktoken's regular expressions see them.

Needs tiktoken (tools/requirements-peers.txt). The Unicode version is that of the tiktoken that is installed.
"""
import pathlib

import tiktoken

BYTES = {bytes([i]): i for i in range(256)}
OUT = pathlib.Path(__file__).resolve().parent.parent / "src/text/chars/classes.inc.h"


def members(pattern):
    """The characters that the pattern matches: those whose text gives any token at all."""
    found = tiktoken.Encoding("one", pat_str=pattern, mergeable_ranks=BYTES, special_tokens={})
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and found.encode_ordinary(chr(c))]


def ranges(characters):
    out = []
    for c in characters:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def main():
    lines = ["/* General categories L* and N* of Unicode 16, first and last of each range: tools/unicode-ranges.py. */",
             "// clang-format off"]  # fmt: skip
    for name, pattern in (("LETTERS", r"\p{L}"), ("NUMBERS", r"\p{N}")):
        words = [f"{{0x{lo:X}, 0x{hi:X}}}," for lo, hi in ranges(members(pattern))]
        lines.append(f"static const uint32_t {name}[][2] = {{")
        lines += ["    " + " ".join(words[i : i + 6]) for i in range(0, len(words), 6)] + ["};"]
    OUT.write_text("\n".join(lines) + "\n")


main()
