#!/bin/sh
# Installs a wheel into a virtual environment of a tree that has Python and nothing that builds, uses it, and removes it.
#   try.sh SUITE [WHEEL]     a suite of Debian (bookworm has Python 3.11, trixie 3.13), whose tree debootstrap makes in
#                            build/trees, or the folder of such a tree
set -eu
cd "$(dirname "$0")/../.."
suite=$1
wheel=${2-$(echo build/wheel/*.whl)}
packages=python3,python3-venv,ca-certificates
case $suite in
*/*) tree=$suite ;;
*)
    tree=build/trees/$suite
    mirror=$(sed -n 's/^URIs: *//p;s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list.d/debian*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
    [ -x "$tree/usr/bin/python3" ] || debootstrap --variant=minbase --include=$packages "$suite" "$tree" "$mirror" >build/trees-$suite.log
    ;;
esac
rm -rf "$tree/try"
mkdir "$tree/try"
cp "$wheel" assets/digits/sample.flac "$tree/try"
# NumPy is fetched here, where pip is set up, for the tree's Python.
python=$(chroot "$tree" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
build/venv/bin/pip download -q --disable-pip-version-check --only-binary :all: --python-version "$python" -d "$tree/try" 'numpy<3'
cat >"$tree/try/run" <<'END'
set -eu
cd /try
! command -v cc >/dev/null
! ls /usr/lib/*-linux-gnu/libavcodec.so.* 2>/dev/null
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-index --find-links . sibyl
env/bin/python -c '
import sys, numpy, sibyl
mel = sibyl.log_mel_spectrogram("sample.flac")
text = sibyl.load_model("digits", "speech-to-text").transcribe("sample.flac")["text"]
print("Python", sys.version.split()[0], "NumPy", numpy.__version__, "sibyl", sibyl.__version__, mel.shape, text)'
env/bin/sibyl --version
env/bin/sibyl transcribe sample.flac
env/bin/sibyl features sample.flac -o features.npy
env/bin/pip uninstall -q -y sibyl
! find env -name '*sibyl*' | grep .
END
# the place of a program is read from /proc
mount -t proc proc "$tree/proc"
trap 'umount "$tree/proc"' EXIT
chroot "$tree" sh /try/run
rm -rf "$tree/try"
