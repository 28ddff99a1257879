#!/bin/sh
# Lists the project's C sources and headers, one per line.
cd "$(dirname "$0")/.." || exit 1
find include src cli tests tools bench examples python js fuzz -type f \( -name '*.c' -o -name '*.h' \) \
    ! -path '*/build/*' 2>/dev/null | LC_ALL=C sort
