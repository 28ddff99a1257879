#!/usr/bin/env python3
"""Writes the built page as a C file, for src/server/page.h: tools/embed.py FOLDER OUTPUT.c

Every file is compressed with gzip once, here. Files below assets/ have names with a hash of their content.
"""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}


def c_bytes(data: bytes) -> str:
    lines = (data[i:i + 24] for i in range(0, len(data), 24))
    return ",\n".join("    " + ", ".join(map(str, line)) for line in lines)


def main() -> None:
    folder, output = map(pathlib.Path, sys.argv[1:])
    if not (folder / "index.html").is_file():
        sys.exit(f"embed.py: {folder} has no index.html; `make page` builds it")
    arrays, rows = [], []
    for i, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        name = "/" + path.relative_to(folder).as_posix()
        if path.suffix not in TYPES:
            sys.exit(f"embed.py: {path}: no content type is known for '{path.suffix}'; add it to TYPES")
        data = path.read_bytes()
        packed = gzip.compress(data, 9, mtime=0)
        arrays.append(f"static const unsigned char file_{i}[] = {{\n{c_bytes(packed)}}};\n")
        hashed = "true" if name.startswith("/assets/") else "false"
        rows.append(f'    {{"{name}", "{TYPES[path.suffix]}", "{hashlib.sha256(data).hexdigest()[:32]}", {hashed}, file_{i}, '
                    f"{len(packed)}, {len(data)}}},\n")
    output.write_text('/* Made by tools/embed.py. */\n#include "server/page.h"\n\n' + "".join(arrays) +
                      f"\nconst page_file page_files[] = {{\n{''.join(rows)}}};\nconst size_t n_page_files = {len(rows)};\n")


main()
