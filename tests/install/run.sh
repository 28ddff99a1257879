#!/bin/sh
# Installs a build into a folder of its own, builds the examples against it by pkg-config and by the CMake package, and
# runs them, on the recording that the repository ships.  usage: run.sh BUILD-FOLDER
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
# operators of one's own: the program saves the model that it makes, and the command runs it with the plug-in
expected=$(printf 'y: float32 [N]\n-0.2689 0.0000 0.7311 1.0000')
[ "$(LD_LIBRARY_PATH=$libdir "$work/by-cmake/own_operator" "$work/own.onnx")" = "$expected" ]
cc -std=c11 -Wall -Werror -shared -fPIC "$prefix/share/doc/sibyl/examples/plugin.c" -o "$work/plugin.so" $(pkg-config --cflags sibyl)
for plugin in "$work/plugin.so" "$work/by-cmake/plugin.so"; do
    "$prefix/bin/sibyl" run "$work/own.onnx" --plugin "$plugin" -i x=-1,0,1,2 | grep -q -- '-0.268941 0 0.731059 1$'
done
[ "$("$prefix/bin/sibyl" --version)" = "sibyl $(pkg-config --modversion sibyl)" ]
echo "installed tree: the examples build and agree with the command"
