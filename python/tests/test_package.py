"""The package as it is installed."""

import json
import pickle
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT, peer

import sibyl
from sibyl import _sibyl, errors


def test_version():
    assert sibyl.__version__ == metadata.version("sibyl")
    assert re.search(rf"project\(sibyl\s+VERSION\s+{re.escape(sibyl.__version__)}\b", (ROOT / "CMakeLists.txt").read_text())


def test_the_extension_keeps_to_the_stable_abi():
    assert Path(_sibyl.__file__).name == "_sibyl.abi3.so"
    tags = (metadata.distribution("sibyl").read_text("WHEEL") or "").splitlines()
    assert not tags or any(line.startswith("Tag: cp311-abi3-") for line in tags)


def test_types_are_shipped():
    folder = Path(sibyl.__file__).parent
    assert (folder / "py.typed").is_file() and (folder / "_sibyl.pyi").is_file()
    stub = (folder / "_sibyl.pyi").read_text()
    for name in dir(_sibyl):
        assert name.startswith("__") or re.search(rf"\b{name}\b", stub), name


def test_all_names_exist():
    assert all(hasattr(sibyl, name) for name in sibyl.__all__)


def test_the_reference_has_all_names():
    page = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in sibyl.__all__ if not re.search(rf"\b{name}\b", page)] == ["__version__"]


def test_importing_sibyl_imports_no_peer():
    code = "import sys, sibyl; print([m for m in ('torch', 'librosa', 'whisper', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_errors_have_codes_and_built_in_kinds():
    kinds = {"argument": ValueError, "value": ValueError, "memory": MemoryError, "io": OSError}
    for name, number in _sibyl.codes.items():
        error = errors.from_code(number, "what happened", 7)
        assert isinstance(error, sibyl.SibylError) and isinstance(error, RuntimeError)
        assert error.code == name and error.offset == 7 and str(error) == "what happened"
        assert isinstance(error, kinds.get(name, RuntimeError))
        assert all(isinstance(error, kind) == (kinds.get(name) is kind) for kind in set(kinds.values()))
    assert errors.from_code(99, "what happened", None).code == "unknown"
    again = pickle.loads(pickle.dumps(errors.from_code(_sibyl.codes["value"], "what happened", None)))
    assert again.code == "value" and str(again) == "what happened"


def bench(*arguments, prologue=""):
    code = f"import sys, runpy\n{prologue}\nsys.argv[1:] = {list(arguments)!r}\n"
    code += "runpy.run_module('sibyl.bench', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_bench_says_so_where_torch_is_not_there():
    done = bench("--seconds", "1", "--repeat", "1", prologue="sys.modules['torch'] = None")
    assert done.returncode == 0, done.stderr
    assert "torch is not installed" in done.stdout and "log-mel, 80 bands" in done.stdout


def test_bench_compares_with_torch():
    peer("torch")
    done = bench("--seconds", "2", "--repeat", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": ok") == 4 and "x torch's time" in done.stdout
    found = json.loads(bench("--seconds", "2", "--repeat", "1", "--json").stdout)
    assert found["ok"] and found["threads"] == 1 and len(found["rows"]) == 4
    assert all(row["seconds"]["sibyl"] > 0 and row["seconds"]["torch"] > 0 for row in found["rows"])


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--repeat", "0"], ["--seconds", "nan"], ["--nosuch"]])
def test_bench_refuses_what_it_cannot_do(arguments):
    done = bench(*arguments)
    assert done.returncode == 2 and "usage" in done.stderr
