#!/bin/sh
# Fails where clang-format would change a file.
cd "$(dirname "$0")/.." || exit 1
tools/sources.sh | xargs -P "$(nproc)" -n 100 clang-format --dry-run --Werror
