"""Programs that were written for another package, unchanged: its name gives one of Sibyl's modules."""

from __future__ import annotations

import importlib
import os
import runpy
import sys


def install(module: str, name: str) -> None:
    """From here on `import NAME`, in this process, gives this module of Sibyl's with all that lies in it.

    A RuntimeError where the package itself is imported already.
    """
    found = sys.modules.get(name)
    if found is not None and found is not sys.modules[module]:
        raise RuntimeError(f"{name} is imported already: call {module}.install() before anything imports it")
    for known, loaded in list(sys.modules.items()):
        if known == module or known.startswith(f"{module}."):
            sys.modules[name + known[len(module) :]] = loaded


def main(module: str) -> None:
    """python -m MODULE program.py ..., or -m package ...: runs it with the module installed."""
    arguments = sys.argv[1:]
    as_module = arguments[:1] == ["-m"]
    if as_module:
        del arguments[0]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(f"usage: python -m {module} script.py ... | -m module ...")
    importlib.import_module(module).install()
    sys.argv = arguments
    if as_module:
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")
