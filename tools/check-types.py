#!/usr/bin/env python3
"""The Python examples of README.md, python/README.md and docs/ pass `mypy --strict` and pyright: a document's blocks are one program.

Run by build/venv's Python, which has both (make setup FOR=check). What is checked stays in build/types.
usage: check-types.py
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "types"
SOURCES = ROOT / "python" / "src"
# torch and transformers are no requirements, and reading them takes mypy a minute
MYPY = f"[mypy]\nstrict = True\nmypy_path = {SOURCES}\nfollow_imports = silent\n[mypy-torch.*,transformers.*]\nfollow_imports = skip\nignore_missing_imports = True\n"
# Options that there are not: where mypy takes one, its comment is unused, which is an error.
REFUSED = """import sibyl
import sibyl.whisper

sibyl.load_model("a", "speech-to-text").transcribe("b", nosuch=1)  # type: ignore[call-arg]
sibyl.load_model("a", "text-generation").generate("b", top_k="c")  # type: ignore[arg-type]
sibyl.load_model("a", "voice-activity").transcribe  # type: ignore[attr-defined]
sibyl.load_model("a", "text-to-speech")("b", speed="c")  # type: ignore[arg-type]
sibyl.whisper.load_model("a").transcribe("b", nosuch=1)  # type: ignore[call-arg]
sibyl.LogMel("kaldi", nosuch=1)  # type: ignore[call-arg]
"""
PYRIGHT = {"extraPaths": [str(SOURCES)], "reportMissingImports": "warning"}


def programs():
    """A program for each document that has blocks of Python, whose lines are at the document's numbers."""
    for page in [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        lines = [""] * text.count("\n")
        for block in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            begin = text.count("\n", 0, block.start(1))
            code = block[1].splitlines()
            lines[begin : begin + len(code)] = code
        if any(lines):
            yield re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix(""))) + ".py", "\n".join(lines) + "\n"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.py"):
        old.unlink()
    names = []
    for name, text in programs():
        (FOLDER / name).write_text(text, encoding="utf-8")
        names.append(name)
    (FOLDER / "refused.py").write_text(REFUSED)
    (FOLDER / "mypy.ini").write_text(MYPY)
    (FOLDER / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    checks = [["mypy", "--config-file", "mypy.ini", *names, "refused.py"], ["pyright", "--pythonpath", sys.executable, *names]]
    failed = [check[0] for check in checks if subprocess.run([sys.executable, "-m", *check], cwd=FOLDER).returncode]
    if failed or len(names) < 5:
        sys.exit(f"check-types: {', '.join(failed) or 'documents are missing'}: {len(names)} documents in {FOLDER}")


main()
