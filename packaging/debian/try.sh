#!/bin/sh
# Installs the Debian packages of build/deb in a tree of Debian that debootstrap makes, uses them, and purges them: nothing stays.
#   try.sh SUITE       the tree is build/trees/SUITE-packages
set -eu
cd "$(dirname "$0")/../.."
suite=$1
tree=build/trees/$suite-packages
mirror=$(sed -n 's/^URIs: *//p;s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list.d/debian*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
mkdir -p build/trees
[ -x "$tree/usr/bin/apt-get" ] || debootstrap --variant=minbase "$suite" "$tree" "$mirror" >"build/trees/$suite-packages.log"
rm -rf "$tree/try"
mkdir "$tree/try"
cp build/deb/*.deb assets/digits/sample.flac examples/features.c "$tree/try"
rm -f "$tree"/try/*-dbgsym_*
cp /etc/resolv.conf "$tree/etc/resolv.conf"
# apt as it is set up here, certificates among it
[ ! -d /etc/apt/apt.conf.d ] || cp -r /etc/apt/apt.conf.d "$tree/etc/apt/"
cat >"$tree/try/run" <<'END'
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt-get -qq update
find / -xdev ! -path '/proc/*' ! -path '/try*' ! -path '/var/*' ! -path '/usr/share/doc/*' -name '*sibyl*' >/try/before
apt-get -qq -y --no-install-recommends install /try/*.deb gcc libc6-dev pkg-config >/try/log 2>&1 || { tail -n 20 /try/log; exit 1; }
cd /try
sibyl --version
sibyl transcribe sample.flac
python3 -c '
import sibyl
print("Python", sibyl.__version__, sibyl.log_mel_spectrogram("sample.flac").shape, sibyl.load_model("digits", "speech-to-text").transcribe("sample.flac")["text"])'
gcc features.c -o features $(pkg-config --cflags --libs sibyl)
./features sample.flac
apt-get -qq -y purge 'libsibyl*' sibyl python3-sibyl >/try/log 2>&1 || { tail -n 20 /try/log; exit 1; }
find / -xdev ! -path '/proc/*' ! -path '/try*' ! -path '/var/*' ! -path '/usr/share/doc/*' -name '*sibyl*' | diff /try/before - && echo "purged: nothing is left"
END
# the place of a program is read from /proc
mount -t proc proc "$tree/proc"
trap 'umount "$tree/proc"' EXIT
chroot "$tree" sh /try/run
rm -rf "$tree/try"
