#!/bin/bash
# The fixed-point kernel has the same bits whatever compiles and runs it: checksum.c is built by gcc and clang at -O0 and
# -O3, for arm64 (run by qemu), and for bare Cortex-M4 and M33 (run by qemu-system-arm with 64 KB of memory), and all must
# print the same. On real audio too, where the shared data is. So must examples/microcontroller.c, on a board of ours. What is
# not installed is said and skipped; with SIBYL_TARGETS=all it fails.
#   targets.sh SOURCE_FOLDER
set -u
source=$(cd "$1" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
kernel=$(printf "$source/src/tile/tile_%s.c " kernel tables bank_80 bank_128)
flags="-std=c11 -Wall -Wextra -Werror -ffreestanding -I$source/src -I$source/tests/tile"
data=${SIBYL_DATA:-$source/../shared/data}
failed=0

absent() {
    echo "skipped for want of $1"
    [ "${SIBYL_TARGETS-}" != all ] || failed=1
}

if [ -f "$data/whisper/jfk.flac" ] && command -v ffmpeg >/dev/null; then
    ffmpeg -v error -i "$data/whisper/jfk.flac" -f s16le -ac 1 -ar 16000 audio.pcm
else
    echo "skipped for want of the shared data or ffmpeg"
fi

# What is built, and the file of what it is expected to print.
sources="$source/tests/tile/checksum.c"
expected=checksums

# check NAME PROGRAM...: runs it and compares what it prints, but for the count of instructions, with the first.
check() {
    local name=$1 got
    shift
    got=$("$@" 2>&1) || { echo "$name: failed: $got"; failed=1; return; }
    echo "$name:" $got
    got=$(echo "$got" | grep -v instructions)
    if [ ! -f $expected ]; then
        echo "$got" >$expected
    elif [ "$got" != "$(cat $expected)" ]; then
        echo "$name: differs"
        failed=1
    fi
}

# build COMPILER FLAGS...
build() {
    "$@" $flags $sources $kernel ${LIBRARIES-} -o program || { echo "$*: does not build"; failed=1; return 1; }
}

for compiler in gcc clang; do
    command -v $compiler >/dev/null || { absent $compiler; continue; }
    for level in -O0 -O3; do
        build $compiler $level "$source/tests/tile/platform_host.c" && check "$compiler $level" ./program
    done
done
build gcc -O1 -fsanitize=undefined -fno-sanitize-recover=all "$source/tests/tile/platform_host.c" &&
    check "gcc -fsanitize=undefined" ./program

cross=aarch64-linux-gnu-gcc
if echo '#include <stdio.h>' | $cross -E - >/dev/null 2>&1 && command -v qemu-aarch64 >/dev/null; then
    build $cross -O2 -static "$source/tests/tile/platform_host.c" && check "arm64 -O2" qemu-aarch64 ./program
else
    absent "$cross with its C library, or qemu-aarch64"
fi

# cortex NAME BOARD ORIGIN CLOCK LEVEL...: 64 KB for code, constants, variables and 4.5 KB of stack.
cortex() {
    local name=$1 board=$2 origin=$3 clock=$4 level used
    for level in "${@:5}"; do
        LIBRARIES=-lgcc build arm-none-eabi-gcc $level -mcpu="$name" -mthumb -nostdlib -DCLOCK_HZ="$clock" \
            "$source/tests/tile/cortex/platform.c" -Wl,--defsym=ORIGIN_OF_MEMORY="$origin" \
            -T "$source/tests/tile/cortex/memory.ld" || return
        used=$(arm-none-eabi-size program | awk 'NR == 2 {print $4}')
        check "$name $level, $used of 65536 bytes" timeout 300 qemu-system-arm -M "$board" -icount shift=0 -nographic \
            -semihosting-config enable=on,target=native -kernel program
    done
}
if command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null; then
    cortex cortex-m4 mps2-an386 0x00000000 25000000 -Os -O2 -O3
    cortex cortex-m33 mps2-an505 0x10000000 20000000 -Os -O2 -O3
    sources="$source/examples/microcontroller.c $source/tests/tile/board.c"
    expected=frames
    build gcc -O2 "$source/tests/tile/platform_host.c" && check "the example" ./program
    cortex cortex-m4 mps2-an386 0x00000000 25000000 -Os
    cortex cortex-m33 mps2-an505 0x10000000 20000000 -Os
else
    absent "arm-none-eabi-gcc or qemu-system-arm"
fi
[ $failed = 0 ] && echo "all the same"
exit $failed
