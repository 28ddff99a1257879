#!/bin/sh
# Builds the FFmpeg that a wheel holds, from Debian's source package: what reads recordings, nothing else, under the LGPL, as
# libraries that can be replaced. Debian's own bring 120 others with them, some under the GPL.
#   ffmpeg.sh FOLDER      FOLDER/{include,lib,licences}; nothing to do where it holds the version that apt knows
# FFMPEG_SOURCE names a folder of sources where there is no apt.
set -eu
out=$1
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sources by apt: the entries of its binary packages, read as entries of sources, in lists of their own.
apt_source() {
    mkdir -p "$work/parts" "$work/lists/partial"
    for file in /etc/apt/sources.list.d/debian*.sources; do
        if [ -f "$file" ]; then sed 's/^Types: .*/Types: deb-src/' "$file" >"$work/parts/$(basename "$file")"; fi
    done
    : >"$work/list"
    if [ -f /etc/apt/sources.list ]; then sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$work/list"; fi
    cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/list";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$work/lists";
APT::Sandbox::User "root";
END
    export APT_CONFIG="$work/apt.conf"
    apt-get -qq update
    version=$(apt-cache showsrc ffmpeg | sed -n 's/^Version: //p' | sort -V | tail -n 1)
    [ -n "$version" ] || { echo "ffmpeg.sh: apt knows no sources of ffmpeg; FFMPEG_SOURCE can name a folder of them" >&2; exit 1; }
    if [ "$(cat "$out/version" 2>/dev/null)" = "$version" ]; then exit 0; fi
    echo "fetching the sources of FFmpeg $version"
    (cd "$work" && apt-get -qq source --download-only "ffmpeg=$version" && mkdir source &&
        tar xf ffmpeg_*.orig.tar.?z -C source --strip-components=1)
    source=$work/source
}

if [ -n "${FFMPEG_SOURCE-}" ]; then
    source=$(cd "$FFMPEG_SOURCE" && pwd)
    version=$(cat "$source/RELEASE")
else
    apt_source
fi

# Of the decoders those of audio, which the list of FFmpeg has between two of its headings, and two that stand elsewhere.
decoders=dvaudio,speex,$(sed -n '/audio codecs/,/subtitles \*\//s/.*FFCodec ff_\(.*\)_decoder;/\1/p' "$source/libavcodec/allcodecs.c" | tr '\n' ',')
mkdir "$work/build"
cd "$work/build"
echo "building FFmpeg $version"
"$source/configure" --prefix="$out" --cc="${CC:-$(command -v ccache || true) cc}" --enable-shared --disable-static --disable-programs --disable-doc --disable-debug \
    --disable-autodetect --disable-network --disable-avdevice --disable-avfilter --disable-swscale --disable-everything \
    --enable-zlib --enable-demuxers --enable-parsers --enable-bsfs --enable-decoder="$decoders" >configure.log || { tail -n 5 configure.log >&2; exit 1; }
make -s -j "$(nproc)" install >make.log 2>&1 || { tail -n 20 make.log >&2; exit 1; }
# They find each other in their folder, whatever the system has.
for library in "$out"/lib/*.so.*.*; do patchelf --set-rpath '$ORIGIN' "$library"; done
mkdir -p "$out/licences"
cp "$source/COPYING.LGPLv2.1" "$source/LICENSE.md" "$source/CREDITS" "$out/licences/"
{
    echo "FFmpeg $version, built from Debian's source package by packaging/wheel/ffmpeg.sh of Sibyl with"
    sed -n 's/^FFMPEG_CONFIGURATION=/    configure /p' ffbuild/config.mak
} >"$out/licences/how-it-was-built"
echo "$version" >"$out/version"
