#!/bin/sh
# Fails where clang-format would change a file.
cd "$(dirname "$0")/.." || exit 1
clang-format --dry-run --Werror $(tools/sources.sh)
