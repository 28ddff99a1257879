#!/usr/bin/env python3
"""Writes a software bill of materials, CycloneDX 1.5 in JSON: the libraries that a build found (its CMakeCache.txt), the packages
that the page is built of (web/package-lock.json), and the pins of Python packages of tools/requirements-*.txt and pyproject.toml.
Equal builds give equal bytes: no date, and a serial number made of the content.

    tools/sbom.py build/release -o build/sbom.json
"""

import argparse
import json
import re
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS_ONLY = {"cmocka"}


def pkg_config_modules():
    """Modules that CMake asks pkg-config for, each with its prefix: the table of cmake/dependencies.cmake, and the tests' own."""
    rows = re.findall(r'"([A-Z0-9]+)\|([^|"]+)\|', (ROOT / "cmake" / "dependencies.cmake").read_text())
    rows += re.findall(r"pkg_check_modules\((\w+) IMPORTED_TARGET ([^)]*)\)", (ROOT / "CMakeLists.txt").read_text())
    for prefix, words in rows:
        for word in words.split():
            yield prefix, re.split("[<>=]", word)[0]


def component(name, version, purl, scope="required"):
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "scope": scope}


def of_build(build):
    cache = dict(re.findall(r"^([^#/:]+):[^=]*=(.*)$", (build / "CMakeCache.txt").read_text(), re.M))
    for prefix, name in pkg_config_modules():
        version = cache.get(f"{prefix}_{name}_VERSION") or cache.get(f"{prefix}_VERSION")
        if version:
            version = version.rstrip("-")
            yield component(name, version, f"pkg:generic/{name}@{version}", "excluded" if name in TESTS_ONLY else "required")


def of_page():
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if path and not package.get("dev") and not package.get("optional"):
            name = path.rpartition("node_modules/")[2]
            purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
            yield {**component(name, package["version"], purl, "optional"), **licences(package)}


def licences(package):
    return {"licenses": [{"license": {"id": package["license"]}}]} if re.fullmatch(r"[\w.-]+", package.get("license", "")) else {}


def of_python():
    """What the package needs to run; what tests and checks use is excluded from it."""
    needed = re.search(r"^dependencies = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.M).group(1)
    names = {re.match(r"[\w-]+", word).group().lower() for word in re.findall(r'"([^"]+)"', needed)}
    found = {}
    for path in sorted((ROOT / "tools").glob("requirements-*.txt")):
        for name, version in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([\w.+!-]+)", path.read_text(), re.M):
            found.setdefault((name.lower(), version), name)
    for (key, version), name in sorted(found.items()):
        purl = f"pkg:pypi/{key.replace('_', '-')}@{version}"
        yield component(name, version, purl, "required" if key in names else "excluded")


def document(build):
    components = {c["bom-ref"]: c for part in (of_build(build), of_page(), of_python()) for c in part}
    version = re.search(r"project\(sibyl VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    own = {"type": "application", "bom-ref": f"pkg:generic/sibyl@{version}", "name": "sibyl", "version": version,
           "purl": f"pkg:generic/sibyl@{version}", "licenses": [{"license": {"id": "Apache-2.0"}}]}
    used = sorted(ref for ref, c in components.items() if c["scope"] != "excluded")
    content = {"metadata": {"component": own}, "components": [components[ref] for ref in sorted(components)],
               "dependencies": [{"ref": own["bom-ref"], "dependsOn": used}]}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1, **content}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="the folder of a build")
    parser.add_argument("-o", "--out", type=Path, help="file to write (default: standard output)")
    given = parser.parse_args()
    text = json.dumps(document(given.build), indent=1) + "\n"
    if given.out:
        given.out.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
