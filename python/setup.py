"""Builds the package into a folder, for tests of a checkout: setup.py build --build-lib FOLDER. It runs CMake on the checkout
that this folder lies in, without the command. What is installed is built by pyproject.toml of the checkout.

SIBYL_CMAKE_ARGS holds further arguments for CMake, such as -DSIBYL_SIMD=OFF.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent


def version() -> str:
    """The version of the library, as its CMakeLists.txt says."""
    lists = CHECKOUT / "CMakeLists.txt"
    if not lists.is_file():
        raise SystemExit(f"{lists} is missing: the Python package is built from a whole checkout of Sibyl")
    found = re.search(r"project\(sibyl\s+VERSION\s+([0-9.]+)", lists.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{lists} names no version")
    return found[1]


def make_models(extension: Path, folder: Path) -> None:
    """Imports the models whose weights the checkout has, assets/NAME/NAME.pt, to folder/NAME/NAME.onnx.

    The extension that was just built does so, without the package around it, which needs NumPy.
    """
    shutil.rmtree(folder, ignore_errors=True)
    weights = [path for path in sorted((CHECKOUT / "assets").glob("*/*.pt")) if path.stem == path.parent.name]
    if not weights:
        return
    errors = types.ModuleType("sibyl.errors")
    errors.from_code = lambda number, message, offset: RuntimeError(message)  # what a failure is made of
    sys.modules.update({"sibyl": types.ModuleType("sibyl"), "sibyl.errors": errors})
    spec = importlib.util.spec_from_file_location("sibyl._sibyl", extension)
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    for path in weights:
        out = folder / path.stem / f"{path.stem}.onnx"
        out.parent.mkdir(parents=True)
        tokenizer = path.with_suffix(".tiktoken")
        beside = os.fsencode(tokenizer) if tokenizer.is_file() else None
        library.import_model([os.fsencode(path)], os.fsencode(out), None, "float32", 0, False, beside, 0)


class CMakeBuild(build_ext):
    """One extension, one CMake build below build_temp."""

    def build_extension(self, ext: Extension) -> None:
        cmake = shutil.which("cmake")
        if not cmake:
            raise SystemExit("cmake is missing: install CMake 3.25 or newer")
        build = CHECKOUT / "build" / "extension"
        build.mkdir(parents=True, exist_ok=True)
        includes = {sysconfig.get_path(name) for name in ("include", "platinclude")}
        configure = [cmake, "-S", str(CHECKOUT), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release",
                     "-DSIBYL_PYTHON=ON", "-DSIBYL_CLI=OFF", "-DSIBYL_TESTS=OFF",
                     f"-DSIBYL_UNITS={CHECKOUT / 'build' / 'units'}",  # those of the library's own builds
                     f"-DSIBYL_PYTHON_INCLUDE={';'.join(sorted(includes))}"]  # fmt: skip
        if shutil.which("ninja") and not (build / "Makefile").exists():
            configure += ["-G", "Ninja"]
        configure += shlex.split(os.environ.get("SIBYL_CMAKE_ARGS", ""))
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))
        for command in (configure, [cmake, "--build", str(build), "--target", "_sibyl", "--parallel", jobs]):
            if subprocess.run(command).returncode != 0:
                raise SystemExit(
                    f"{shlex.join(command[:2])} failed, see above; it needs a C compiler and the development "
                    "packages that tools/setup.sh names"
                )
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.copy_file(str(build / "module" / "_sibyl.abi3.so"), str(target))
        make_models(target, target.parent / "models")


setup(
    name="sibyl",
    version=version(),
    packages=find_packages("src"),
    package_dir={"": "src"},
    package_data={"sibyl": ["py.typed", "*.pyi"]},
    ext_modules=[Extension("sibyl._sibyl", sources=[], py_limited_api=True)],
    cmdclass={"build_ext": CMakeBuild},
    # Everything that is built goes below build/ of the checkout, and is found again by the next call.
    options={"bdist_wheel": {"py_limited_api": "cp311"}, "build": {"build_base": str(CHECKOUT / "build" / "python")}},
)
