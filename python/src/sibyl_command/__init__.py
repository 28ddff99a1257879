"""The console script `sibyl`: becomes the command inside the package, whose own import would take longer than it."""

import importlib.util
import os
import sys


def main() -> None:
    package = importlib.util.find_spec("sibyl")
    folders = package.submodule_search_locations if package else None
    command = os.path.join(folders[0], "bin", "sibyl") if folders else ""
    if not os.access(command, os.X_OK):
        sys.exit("sibyl: this Python package was built without the command (SIBYL_CLI=OFF)")
    os.execv(command, [command, *sys.argv[1:]])
