#!/bin/sh
# Each public header must compile alone, as C11 and as C++17, and have its row in docs/c.md, and the build must refuse
# -ffast-math.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
for header in include/sibyl/*.h; do
    name=sibyl/$(basename "$header")
    printf '#include <%s>\n' "$name" | gcc -std=c11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - || failed=1
    printf '#include <%s>\n' "$name" | g++ -std=c++17 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ - || failed=1
    grep -q ">$(basename "$header")</a>" docs/c.md || { echo "docs/c.md has no row of $name"; failed=1; }
done
if printf '#include "base/error.h"\n' | gcc -std=c11 -ffast-math -Iinclude -Isrc -fsyntax-only -x c - 2>/dev/null; then
    echo "base/error.h compiles under -ffast-math"
    failed=1
fi
[ $failed = 0 ] && echo "public headers compile alone"
exit $failed
