"""Recipes for package managers: they can be read, have the version, and name every library that CMake looks for."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGING = CHECKOUT / "packaging"
VERSION = re.search(r"^project\(sibyl VERSION ([0-9.]+) ", (CHECKOUT / "CMakeLists.txt").read_text(), re.M)[1]
# What conda-forge and vcpkg call the libraries of cmake/dependencies.cmake.
CONDA = {"JPEG": "libjpeg-turbo", "WEBP": "libwebp-base", "TIFF": "libtiff", "OPENJPEG": "openjpeg", "UTF8PROC": "libutf8proc",
         "PNG": "libpng", "WEBSOCKETS": "libwebsockets", "EDIT": "libedit"}  # fmt: skip
VCPKG = CONDA | {"WEBP": "libwebp", "TIFF": "tiff", "UTF8PROC": "utf8proc"}


def libraries() -> dict[str, list[str]]:
    """Of each library of the table: modules, packages of Debian, of Fedora, of Homebrew."""
    text = (CHECKOUT / "cmake" / "dependencies.cmake").read_text()
    rows = re.findall(r'^ +(?:list\(APPEND SIBYL_LIBRARIES )?"([A-Z0-9]+)\|(.*)"', text, re.M)
    return {name: row.split("|") for name, row in rows}


def named(table: dict[str, str]) -> set[str]:
    return {table.get(name, name.lower()) for name in libraries()}


def test_the_table_is_read():
    assert {"FFMPEG", "ZLIB", "WEBSOCKETS"} < set(libraries()) and all(len(row) == 4 for row in libraries().values())


@pytest.mark.parametrize("file", ["tools/setup.sh", "packaging/debian/control"])
def test_debian_packages_are_installed(file):
    text = (CHECKOUT / file).read_text()
    wanted = {package for row in libraries().values() for package in row[1].split()}
    assert {package for package in wanted if not re.search(rf"(?<![\w-]){package}(?![\w-])", text)} == set()


def test_homebrew():
    formula = PACKAGING / "homebrew" / "sibyl.rb"
    assert {row[3] for row in libraries().values()} <= set(re.findall(r'depends_on "([^"]+)"$', formula.read_text(), re.M))
    if shutil.which("ruby"):
        assert "Syntax OK" in subprocess.run(["ruby", "-c", formula], capture_output=True, text=True, check=True).stdout


def test_conda():
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == VERSION
    assert named(CONDA) <= {row.split()[0] for row in recipe["requirements"]["host"]}


def test_vcpkg():
    port = json.loads((PACKAGING / "vcpkg" / "vcpkg.json").read_text())
    assert port["version"] == VERSION
    rows = port["dependencies"] + port["features"]["tools"]["dependencies"]
    assert named(VCPKG) <= {row if isinstance(row, str) else row["name"] for row in rows}


def test_python_package():
    package = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    pattern = package["tool"]["scikit-build"]["metadata"]["version"]["regex"]
    assert re.search(pattern, (CHECKOUT / "CMakeLists.txt").read_text())["value"] == VERSION


def test_changelog_has_the_version():
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", (CHECKOUT / "CHANGELOG.md").read_text(), re.M)
    assert [name for name, _ in headings][:2] == ["Unreleased", VERSION]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for name, date in headings[1:])


def test_workflow():
    yaml = pytest.importorskip("yaml")
    file = CHECKOUT / ".github" / "workflows" / "ci.yml"
    jobs = yaml.safe_load(file.read_text())["jobs"]
    assert any(step.get("run") == "bash .ci/run" for step in jobs["checks"]["steps"])
    actionlint = shutil.which("actionlint", path=CHECKOUT / "build" / "bin")
    if actionlint:
        assert subprocess.run([actionlint, file], capture_output=True, text=True).stdout == ""
