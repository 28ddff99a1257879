#!/bin/sh
# Builds the last commit twice, in folders of other names and lengths, with other jobs, locales, time zones and umasks, and
# compares all that is installed byte by byte: library, headers, command, models, manual, the package for Python. Without a
# compiler's cache, which would hand the first build's objects to the second.
#   reproducible.sh [JOBS [DEFINE ...]]    DEFINE: -DSIBYL_SIMD=OFF leaves out the kernels, half of the time
#   FOLDER=/path: where to build [build/reproducible], removed before and after
set -eu
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}
[ $# -eq 0 ] || shift
folder=${FOLDER:-build/reproducible}
headers=$(build/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
commit=$(git rev-parse HEAD) # which may move on while the first build runs
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH CCACHE_DISABLE=1

# build TREE JOBS [DEFINE ...]: the commit in TREE, built in TREE/out, installed in TREE/installed
build() {
    tree=$1
    at_once=$2
    shift 2
    mkdir -p "$tree"
    git archive "$commit" -- . ':!web' ':!tests' ':!fuzz' | tar -x -C "$tree"
    cmake -S "$tree" -B "$tree/out" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSIBYL_TESTS=OFF -DSIBYL_PYTHON=ON -DCMAKE_INSTALL_PREFIX=/usr \
        "-DSIBYL_PYTHON_INCLUDE=$headers" "$@" >/dev/null
    cmake --build "$tree/out" -j "$at_once" >"$tree/log" || { tail -n 20 "$tree/log" >&2; exit 1; }
    DESTDIR="$tree/installed" cmake --install "$tree/out" >/dev/null
    DESTDIR="$tree/installed/package" cmake --install "$tree/out" --component python >/dev/null
}
(build "$folder/one" "$jobs" "$@")
(umask 077; export TZ=Asia/Tokyo LC_ALL=C LANG=C; build "$folder/a folder of another name/and depth" $((jobs + 1)) "$@")

cd "$folder"
other="a folder of another name/and depth/installed"
diff -r one/installed "$other" || { echo "the builds differ" >&2; exit 1; }
if grep -rlF "$folder" one/installed; then
    echo "these hold the folder they were built in" >&2
    exit 1
fi
echo "two builds, of $(find one/installed -type f | wc -l) files each, are the same"
rm -rf "$folder"
