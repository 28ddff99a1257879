#!/usr/bin/env python3
"""Enforces who may include whom: the table of docs/architecture.md, as data.

A room may include itself, `base`, the public headers, and the rooms or files listed for it here, each of which it must
use. Rooms, and the folders of a room, include each other in no cycle. The server and the folders that hold faces (cli,
python, js, examples) may include public headers only, and their own. Attributes of nodes are read by src/spec and few others. Exits 1 with a line per breach.
"""
import pathlib
import re
import sys

from cycles import cycles, folder_edge

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAY_INCLUDE = {
    "base": [],
    "tensor": [],
    "simd": [],
    "kernel": ["tensor", "simd", "spec/enums.h", "spec/resize_axis.h"],
    "audio": [],
    "drawing": [],
    "features": ["simd", "drawing"],
    "tile": [],
    "gpu": [],
    "graph": [],
    "onnx": ["tensor", "graph"],
    "spec": ["graph"],
    "milli": ["tensor", "graph", "spec"],
    "ops": ["tensor", "milli", "spec"],
    "backend": ["graph", "milli", "spec"],
    "backend/cpu": ["tensor", "backend/backend.h", "kernel", "features/compute.h"],
    "backend/ref": ["tensor", "milli", "backend/backend.h"],
    "backend/gpu": ["tensor", "backend/backend.h", "gpu"],
    "extend": ["tensor", "graph", "milli", "spec", "onnx/onnx.h", "onnx/text_function.h", "ops", "backend/backend.h"],
    "run": ["tensor", "graph", "onnx", "spec", "milli", "ops", "backend/backend.h", "extend/registry.h"],
    "text": [],
    "import": [],
    "import/read": ["tensor", "graph"],
    "import/model": ["tensor", "graph", "onnx", "import/read"],
    "import/recipe": ["import/model"],
    "batch": ["graph", "spec", "kernel/attention/attention.h", "run/model.h"],
    "job": ["text/constrain/constraint.h", "text/stream.h", "text/vocab/token_ids.h", "text/chars/chars.h",
            "text/chars/utf8.h", "batch/batch.h", "batch/buffered.h"],
    "live": [],
    "diff": ["tensor/float_formats.h"],
    "conform": [],
    "server": [],
    "server/http": ["server/handlers.h"],
    "server/values": ["server/http"],
    "server/models": ["server/handlers.h", "server/http", "server/values"],
    "server/speech": ["server/handlers.h", "server/http", "server/models", "server/values"],
    "server/openai": ["server/handlers.h", "server/http", "server/models", "server/speech", "server/values"],
    "server/inference": ["server/handlers.h", "server/http", "server/models", "server/values"],
    "server/runs": ["server/handlers.h", "server/http", "server/models", "server/speech", "server/values"],
}
WITHOUT_BASE = ["server"]  # stands on the public headers
PUBLIC_ONLY = ["include", "cli", "python", "js", "examples"]
TAKEN_ALONE = ["tile/tile_kernel.h"]  # freestanding files that chips' programs are built with (docs/microcontrollers.md)
THIRD_PARTY = {  # who may see a library's headers
    "vulkan/": ["gpu"],
    "libav": ["audio"],
    "libsw": ["audio"],
    "zip.h": ["tensor"],
    "png.h": ["drawing", "backend/ref"],
    "pcre2": ["backend/ref", "text"],
    "utf8proc": ["backend/ref", "text"],
    "jansson.h": ["text", "import", "import/read", "import/recipe", "job", "server"],
    "zlib.h": ["job", "server/http"],
    "libwebsockets.h": ["server/http"],
    "jpeglib.h": ["backend/ref"],
    "jerror.h": ["backend/ref"],
    "webp/": ["backend/ref"],
    "tiff": ["backend/ref"],
    "openjpeg": ["backend/ref"],
}
ATTRIBUTE = re.compile(r"\bnode_attribute\(")
READS_ATTRIBUTES = ["graph", "spec", "extend/node.c", "run/describe.c", "run/passes/same.c"]  # others take a spec's struct
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def room_of(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT / "src").parts
    nested = "/".join(parts[:2])
    return nested if nested in MAY_INCLUDE else parts[0]


def top(room: str) -> str:
    return room.split("/")[0]


def allowed(room: str, target: str) -> bool:
    if target.startswith(room + "/") or (target.startswith("base/") and top(room) not in WITHOUT_BASE):
        return True
    return any((target + "/").startswith(entry + "/") for entry in MAY_INCLUDE[room])


def private_of_family(path: pathlib.Path, target: str) -> bool:
    """kernel/<family>/ shows <family>.h to others; the table takes its other headers."""
    parts = target.split("/")
    if parts[0] != "kernel" or len(parts) != 3 or parts[2] == parts[1] + ".h":
        return False
    folder = path.parent.relative_to(ROOT / "src").as_posix()
    return folder not in (f"kernel/{parts[1]}", "kernel")


def breaches():
    unused = {(room, entry) for room, entries in MAY_INCLUDE.items() for entry in entries}
    folders = set()
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        room = room_of(path)
        if room not in MAY_INCLUDE:
            yield path, f"room '{room}' is not in the table"
            continue
        name = path.relative_to(ROOT / "src").as_posix()
        if ATTRIBUTE.search(path.read_text()) and not any((name + "/").startswith(e + "/") for e in READS_ATTRIBUTES):
            yield path, "reads an attribute; src/spec does, with a row in spec.def"
        for kind, target in INCLUDE.findall(path.read_text()):
            if kind == '"' and not allowed(room, target):
                yield path, f'includes "{target}", which {room} may not'
            if kind == '"' and private_of_family(path, target):
                yield path, f'includes "{target}", which is for the files beside it'
            if kind == '"' and (ROOT / "src" / target).exists():
                folders.add(folder_edge(str(path.relative_to(ROOT / "src")), target))
                unused -= {(room, entry) for entry in MAY_INCLUDE[room] if (target + "/").startswith(entry + "/")}
            for prefix, rooms in THIRD_PARTY.items():
                if kind == "<" and target.startswith(prefix) and not {room, top(room)} & set(rooms):
                    yield path, f"includes <{target}>, which is for {', '.join(rooms)}"
    for room, entry in sorted(unused):
        yield ROOT / "src" / room, f"may include {entry} and doesn't"
    # a room's own headers describe the table above its folders and what these share: check-links.py tells calls apart
    for cycle in cycles({e for e in folders - {None} if not any(end.endswith("/.") for end in e)}):
        yield ROOT / "src" / cycle[0], f"includes in a cycle: {' '.join(cycle)}"
    for folder in PUBLIC_ONLY:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            if "build" in path.relative_to(ROOT).parts:
                continue
            for kind, target in INCLUDE.findall(path.read_text()):
                beside = (path.parent / target).exists() or not (ROOT / "src" / target).exists()
                if kind == '"' and not beside and target not in TAKEN_ALONE:
                    yield path, f'includes "{target}"; here only public headers are'


def main() -> int:
    found = list(breaches())
    for path, words in found:
        print(f"{path.relative_to(ROOT)}: {words}")
    print(f"include table: {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
