#!/usr/bin/env python3
"""Builds the wheel that is published: build.py FFMPEG [CMAKE-DEFINE=VALUE ...], in the root of the sources.

The package built by pyproject.toml with FFMPEG's libraries (ffmpeg.sh), the other libraries put into it by auditwheel, and
the licences of all of them; into build/wheel. The C library of this machine sets the tag: Debian 12's glibc is 2.36, so the wheel
is for manylinux_2_36 or what older one its symbols allow.
"""

import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import zipfile

OUT = pathlib.Path("build/wheel")
MAX_BYTES = 60 * 10**6


def build(ffmpeg: pathlib.Path, defines: list[str], folder: str) -> pathlib.Path:
    units = pathlib.Path("build/units").resolve()  # those of the library's own builds
    settings = [f"--config-settings=cmake.define.{define}" for define in (f"SIBYL_FFMPEG={ffmpeg.resolve()}", f"SIBYL_UNITS={units}", *defines)]
    settings.append("--config-settings=build-dir=build/wheel-objects")
    # Not the compiler of Python, which another name would keep a compiler's cache from.
    environment = {"CC": "cc", **os.environ}
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", folder, *settings, "."]
    subprocess.run(command, check=True, env=environment)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    return wheel


def repair(wheel: pathlib.Path, folder: str) -> pathlib.Path:
    subprocess.run([sys.executable, "-m", "auditwheel", "repair", "--strip", "-w", folder, str(wheel)], check=True)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    return wheel


def licence_of(library: str) -> tuple[str, bytes]:
    """The Debian package that a library of a wheel is from, and its copyright file. auditwheel adds a hash: libzip-1a2b3c4d.so.4.0."""
    name = re.sub(r"-[0-9a-f]{8}(?=\.so)", "", library)
    found = subprocess.run(["dpkg-query", "-S", f"*/{name}"], capture_output=True, text=True, check=True).stdout
    package = found.split(":")[0]
    return package, pathlib.Path("/usr/share/doc", package, "copyright").read_bytes()


def new_file(name: str) -> zipfile.ZipInfo:
    """An entry of the commit's time, so that two builds of a commit give the same bytes."""
    entry = zipfile.ZipInfo(name, time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6])
    entry.external_attr = 0o100644 << 16
    return entry


def with_licences(wheel: pathlib.Path, out: pathlib.Path) -> None:
    """Copies a wheel, adding the licences of the libraries in it to its metadata."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        names = old.namelist()
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        folder = record.removesuffix("RECORD") + "licenses/libraries"
        libraries = [pathlib.PurePath(name).name for name in names if ".libs/" in name and not name.endswith("/")]
        added = {f"{folder}/{package}": text for package, text in map(licence_of, sorted(libraries))}
        rows = old.read(record).decode().splitlines()
        for name, text in added.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text)}")
        for item in old.infolist():
            if item.filename != record:
                new.writestr(item, old.read(item), zipfile.ZIP_DEFLATED, 9)
        for name, text in added.items():
            new.writestr(new_file(name), text, zipfile.ZIP_DEFLATED, 9)
        new.writestr(new_file(record), "\n".join(rows) + "\n", zipfile.ZIP_DEFLATED, 9)


def main() -> None:
    ffmpeg, defines = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if "SOURCE_DATE_EPOCH" not in os.environ:  # heeded by scikit-build-core and auditwheel too
        commit = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True)
        os.environ["SOURCE_DATE_EPOCH"] = commit.stdout.strip()
    with tempfile.TemporaryDirectory() as plain, tempfile.TemporaryDirectory() as repaired:
        wheel = repair(build(ffmpeg, defines, plain), repaired)
        for old in OUT.glob("*.whl"):
            old.unlink()
        out = OUT / wheel.name
        with_licences(wheel, out)
    size = out.stat().st_size
    print(f"{out}: {size / 1e6:.1f} MB")
    if size > MAX_BYTES:
        sys.exit(f"{out} is larger than {MAX_BYTES // 10**6} MB")


if __name__ == "__main__":
    main()
