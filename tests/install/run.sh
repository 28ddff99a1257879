#!/bin/sh
# Installs a build into a folder of its own, builds the example against it by pkg-config and by the CMake package, and
# runs both on the recording that the repository ships.  usage: run.sh BUILD-FOLDER
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name 'libsibyl.so' | head -n 1)")
for file in bin/sibyl include/sibyl/sibyl.h share/man/man1/sibyl.1 share/bash-completion/completions/sibyl; do
    [ -f "$prefix/$file" ] || { echo "not installed: $file" >&2; exit 1; }
done
export PKG_CONFIG_PATH="$libdir/pkgconfig"
# shellcheck disable=SC2046 # flags are words
cc -std=c11 -Wall -Werror "$prefix/share/doc/sibyl/examples/features.c" -o "$work/by-pkgconfig" $(pkg-config --cflags --libs sibyl)
cmake -S "$prefix/share/doc/sibyl/examples" -B "$work/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/by-cmake" >/dev/null
for program in "$work/by-pkgconfig" "$work/by-cmake/features"; do
    mkdir "$work/out" && cd "$work/out"
    LD_LIBRARY_PATH=$libdir "$program" "$source/assets/hello.flac" | grep -q '^features.npy: 80 bands'
    "$prefix/bin/sibyl" features "$source/assets/hello.flac" -o command.npy >/dev/null
    cmp features.npy command.npy
    cd "$work" && rm -r "$work/out"
done
[ "$("$prefix/bin/sibyl" --version)" = "sibyl $(pkg-config --modversion sibyl)" ]
echo "installed tree: the example builds and agrees with the command"
