#!/bin/sh
# Builds the fuzz targets as OSS-Fuzz does, from any folder: programs TARGET and TARGET_seed_corpus.zip in $OUT.
#   CC, CXX              a Clang [clang, clang++]
#   CFLAGS               with the sanitizer and coverage that the engine wants [-O1 -g -fsanitize=address,fuzzer-no-link]
#   LIB_FUZZING_ENGINE   what targets are linked with [-fsanitize=fuzzer]
#   OUT                  where programs go; WORK: where they are built [build/oss-fuzz and build/oss-fuzz/work]
# Needs the packages of `make setup FOR=fuzz`. FFmpeg, the image libraries, PCRE2 and the others are the system's, without
# instrumentation; `ldd` says which of them a program needs beside it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
: "${CC:=clang}" "${CXX:=clang++}" "${CFLAGS:=-O1 -g -fsanitize=address,fuzzer-no-link}" "${LIB_FUZZING_ENGINE:=-fsanitize=fuzzer}"
: "${OUT:=$root/build/oss-fuzz}" "${WORK:=$OUT/work}"
export CC CXX
mkdir -p "$OUT" "$WORK"
cmake -G Ninja -S "$root" -B "$WORK/sibyl" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$CFLAGS" \
    -DSIBYL_FUZZ=ON -DSIBYL_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" -DSIBYL_SIMD=OFF -DSIBYL_ASSERTIONS=ON -DSIBYL_CLI=OFF -DSIBYL_TESTS=OFF
cmake --build "$WORK/sibyl" --target fuzz_all -j "$(nproc)"
sed -n 's/^FUZZ_TARGET(\([a-z0-9_]*\),.*/\1/p' "$root/fuzz/targets.def" | while read -r target; do
    cp "$WORK/sibyl/fuzz/fuzz_$target" "$OUT/$target"
    (cd "$root/fuzz/corpus/$target" && python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" -- *)
done
