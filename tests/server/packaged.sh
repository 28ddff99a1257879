#!/bin/sh
# Runs a test by the Python that `make setup FOR=python` installs packages for, where there is one, or else by the system's:
# tests/server/packaged.sh FILE
venv=$(dirname "$0")/../../build/venv/bin/python
[ -x "$venv" ] || venv=python3
exec "$venv" -B "$1"
