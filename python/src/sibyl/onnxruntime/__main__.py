"""Runs a program that imports onnxruntime on Sibyl: python -m sibyl.onnxruntime script.py ..., or -m module ..."""

from __future__ import annotations

import os
import runpy
import sys

from . import install


def main() -> None:
    arguments = sys.argv[1:]
    as_module = arguments[:1] == ["-m"]
    if as_module:
        del arguments[0]
    if not arguments or arguments[0].startswith("-"):
        sys.exit("usage: python -m sibyl.onnxruntime script.py ... | -m module ...")
    install()
    sys.argv = arguments
    if as_module:
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")


main()
