#!/bin/sh
# Builds the Debian packages of the sources that git knows, into build/deb, and has lintian look at them.
#   build.sh [PAGE]      PAGE: folder of the built page, which goes into the command
set -eu
cd "$(dirname "$0")/../.."
page=${1-}
version=$(sed -n 's/^project(sibyl VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
out=$PWD/build/deb
tree=$out/sibyl-$version
rm -rf "$out"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard -- . ':!web' ':!tests' | xargs -0 cp --parents -t "$tree"
mv "$tree/packaging/debian" "$tree/debian"
if [ -n "$page" ]; then cp -r "$page" "$tree/page"; fi
# The one place of the version is CMakeLists.txt, that of its changes CHANGELOG.md.
cat >"$tree/debian/changelog" <<END
sibyl ($version) unstable; urgency=medium

  * Version $version: see CHANGELOG.md of the sources.

 -- $(sed -n 's/^Maintainer: //p' "$tree/debian/control")  $(git log -1 --format=%cD)
END
(cd "$tree" && dpkg-buildpackage -b -us -uc)
cd "$out"
# The maintainer's address is for who uploads to say.
lintian --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog --fail-on error,warning ./*.changes
ls -l ./*.deb
