#!/bin/sh
# Installs what each kind of work needs: Debian packages, Python packages in build/venv, arm64's libraries in build/arm64-root.
#   tools/setup.sh install KIND...  installs what is missing (apt with sudo where not root); a second call does nothing
#   tools/setup.sh check KIND       exits 1 if something is missing, naming it and the command that installs it
# KIND: build, test, python, python-packages (python without Sibyl's own), peers, train, check, coverage, fuzz, arm64, cortex, gpu, page,
# web, wasm, slurm, ray, packages, or all (what the tests before a change lands need)
set -eu
cd "$(dirname "$0")/.."

build="cmake ninja-build gcc libc6-dev pkg-config libavformat-dev libavcodec-dev libavutil-dev libswresample-dev
       libzip-dev libpng-dev libjpeg-dev libwebp-dev libtiff-dev
       libopenjp2-7-dev libpcre2-dev libutf8proc-dev libjansson-dev zlib1g-dev libwebsockets-dev libedit-dev"
test="$build libcmocka-dev g++ ffmpeg python3 libonnx-testdata mlir-14-tools"
python="$test python3-dev python3-venv ca-certificates"
peers="$python libfftw3-single3"
train="python3 python3-venv ffmpeg libespeak-ng1 espeak-ng"
check="$build g++ clang-format clang-tidy cppcheck doxygen python3 python3-venv ca-certificates"
coverage="$test python3-venv ca-certificates"
fuzz="$build clang libclang-rt-14-dev llvm libcmocka-dev ffmpeg python3"
cortex="gcc libc6-dev clang gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user gcc-arm-none-eabi qemu-system-arm ffmpeg python3"
page="python3"
node="nodejs npm"
web="$page chromium chromium-headless-shell fonts-dejavu-core"
gpu="$test python3-venv libvulkan-dev glslang-tools mesa-vulkan-drivers spirv-tools vulkan-validationlayers"
wasm="cmake ninja-build pkg-config clang lld llvm wasi-libc libclang-rt-dev-wasm32"
slurm="$build python3 slurm-wlm munge"
arm64="cmake ninja-build pkg-config python3 gcc-aarch64-linux-gnu qemu-user"
packages="$python dpkg-dev debhelper dh-python fakeroot lintian debootstrap nasm"

# Debian's Node.js where there is none; one of another source, which brings its own npm, serves as well.
node_packages() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then echo "$node"; fi
}

packages_of() {
    case "$1" in
    build) echo "$build" ;;
    test) echo "$test" ;;
    python | python-packages) echo "$python" ;;
    peers) echo "$peers" ;;
    train) echo "$train" ;;
    check) echo "$check" ;;
    coverage) echo "$coverage" ;;
    fuzz) echo "$fuzz" ;;
    arm64) echo "$arm64" ;;
    cortex) echo "$cortex" ;;
    gpu) echo "$gpu" ;;
    packages) echo "$packages" ;;
    page) echo "$page $(node_packages)" ;;
    web) echo "$web $(node_packages)" ;;
    wasm) echo "$wasm $(node_packages)" ;;
    slurm) echo "$slurm" ;;
    ray) echo "$python" ;;
    *)
        echo "setup.sh: expected build, test, python, python-packages, peers, train, check, coverage, fuzz, arm64, cortex, gpu, page, web, wasm, slurm, ray, packages or all, not '$1'" >&2
        exit 2
        ;;
    esac
}

# missing_packages PACKAGE...: those that dpkg does not list as installed for this architecture.
missing_packages() {
    command -v dpkg-query >/dev/null || return 0 # another system: the build reports what is missing
    here="^installed (all|$(dpkg --print-architecture))$" # not what is installed for another architecture
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null | grep -Eq "$here" ||
            echo "$package"
    done
}

# apt COMMAND...: runs apt-get quietly; prints its messages if it fails. Waits a minute for another apt to end.
apt() {
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    apt_log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -o DPkg::Lock::Timeout=60 "$@" >"$apt_log" 2>&1; then
        cat "$apt_log" >&2
        rm -f "$apt_log"
        echo "setup.sh: apt-get $1 failed; what it said stands above" >&2
        exit 1
    fi
    rm -f "$apt_log"
}

# install_packages PACKAGE...
install_packages() {
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    echo "installing: $missing"
    apt update
    # shellcheck disable=SC2086 # split into words
    apt install -y --no-install-recommends $missing
}

# fresh STAMP FILE...: true if STAMP holds the checksum of the files.
fresh() {
    stamp=$1
    shift
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | cksum)" ]
}

# The package is built from these, including the weights of models in it.
package_sources() {
    find python include src cli assets CMakeLists.txt pyproject.toml cmake -type f \
        \( -name '*.py' -o -name '*.c' -o -name '*.h' -o -name '*.toml' -o -name '*.def' -o -name 'CMakeLists.txt' -o -name '*.in' -o -name '*.json' \
        -o -name '*.pt' -o -name '*.tiktoken' \) \
        ! -path '*/tests/*' ! -path '*/build/*' | LC_ALL=C sort
}

install_requirements() {
    requirements=$1
    if ! [ -x build/venv/bin/python ]; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "setup.sh: $(python3 --version) found, Python 3.11 or later is needed" >&2
            exit 1
        }
        mkdir -p build
        python3 -m venv build/venv
    fi
    name=$(basename "$requirements" .txt)
    if ! fresh "build/venv/$name.stamp" "$requirements"; then
        echo "installing Python packages of $requirements"
        # uv takes a quarter of pip's time, but knows none of pip's settings (mirrors, certificates): where it fails, pip
        # has the word. Modules are compiled when they are imported, which few of those of the peers are.
        pip="build/venv/bin/pip install -q --no-compile --disable-pip-version-check"
        { $pip uv==0.13.9 && UV_CACHE_DIR=build/uv build/venv/bin/uv pip install -q --system-certs -p build/venv/bin/python -r "$requirements"; } ||
            $pip -r "$requirements"
        rm -rf build/uv
        cat "$requirements" | cksum >"build/venv/$name.stamp"
    fi
}

install_python() {
    install_requirements "$1"
    # shellcheck disable=SC2046 # file names without spaces
    if ! fresh build/venv/sibyl.stamp $(package_sources); then
        echo "installing the Python package"
        # the compiler of the library's builds, with whose objects ccache serves these, not that of Python
        CC=${CC:-cc} build/venv/bin/pip install -q --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
            --config-settings=cmake.define.SIBYL_UNITS="$PWD/build/units" .
        cat $(package_sources) | cksum >build/venv/sibyl.stamp
    fi
}

# What the library and its tests are linked with on arm64, unpacked into build/arm64-root: the system's own packages, and
# the architectures that it knows of, stay as they are.
install_arm64_root() {
    libraries="libc6-dev libcmocka-dev $(echo "$build" | tr ' ' '\n' | grep -E '^lib.*-dev$' | tr '\n' ' ')"
    root=build/arm64-root
    [ "$(cat $root/packages 2>/dev/null)" != "$libraries" ] || return 0
    command -v apt-get >/dev/null || { echo "setup.sh: arm64's libraries are taken from Debian's packages" >&2; exit 1; }
    echo "unpacking arm64's libraries into $root"
    apt=$(mktemp -d)
    trap 'rm -rf "$apt"' EXIT
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/state/status"
    options="-qq -o Dir::State=$apt/state -o Dir::State::status=$apt/state/status -o Dir::Cache=$apt/cache
             -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086 # words on purpose
    apt-get $options update
    # shellcheck disable=SC2086
    apt-get $options -y --download-only --no-install-recommends install $libraries >/dev/null
    rm -rf $root
    mkdir -p $root
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" $root
    done
    # links from the file system's root begin at the unpacked one
    find $root -type l -lname '/*' | while read -r link; do
        ln -sfnr "$root$(readlink "$link")" "$link"
    done
    echo "$libraries" >$root/packages
}

# The page's libraries, at the versions of web/package-lock.json.
install_npm() {
    if ! fresh web/node_modules/lock.stamp web/package-lock.json; then
        echo "installing the page's libraries"
        (cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent)
        cat web/package-lock.json | cksum >web/node_modules/lock.stamp
    fi
}

# extra_missing KIND: true if the kind lacks something that is not a system package.
extra_missing() {
    case "$1" in
    python | python-packages) ! [ -f build/venv/requirements-test.stamp ] ;;
    peers) ! [ -f build/venv/requirements-peers.stamp ] ;;
    gpu) ! [ -f build/venv/requirements-gpu.stamp ] ;;
    check) ! [ -f build/venv/requirements-check.stamp ] ;;
    coverage) ! [ -f build/venv/requirements-coverage.stamp ] ;;
    train) ! [ -f build/venv/requirements-train.stamp ] ;;
    packages) ! [ -f build/venv/requirements-packages.stamp ] ;;
    arm64) ! [ -f build/arm64-root/packages ] ;;
    ray) ! [ -f build/venv/requirements-ray.stamp ] ;;
    page | web) ! [ -f web/node_modules/lock.stamp ] ;;
    *) false ;;
    esac
}

install_kind() {
    wanted=$(packages_of "$1")
    # ccache before the first build, though none needs it: a build configured again with it is built again.
    # shellcheck disable=SC2086 # split into words
    install_packages $wanted ccache
    case "$1" in
    arm64) install_arm64_root ;;
    page | web) install_npm ;;
    python) install_python tools/requirements-test.txt ;;
    python-packages) install_requirements tools/requirements-test.txt ;;
    peers)
        install_python tools/requirements-test.txt
        install_python tools/requirements-peers.txt
        install_requirements tools/requirements-gpu.txt
        ;;
    gpu) install_requirements tools/requirements-gpu.txt ;;
    ray)
        install_python tools/requirements-test.txt
        install_requirements tools/requirements-ray.txt
        ;;
    check) install_requirements tools/requirements-check.txt ;;
    coverage) install_requirements tools/requirements-coverage.txt ;;
    train) install_requirements tools/requirements-train.txt ;;
    packages) install_requirements tools/requirements-packages.txt ;;
    esac
}

check_kind() {
    wanted=$(packages_of "$1")
    # shellcheck disable=SC2086 # split into words
    missing=$(missing_packages $wanted | tr '\n' ' ')
    [ -n "$missing" ] || extra_missing "$1" || return 0
    if [ "$1" = build ]; then how="make setup"; else how="make setup FOR=$1"; fi
    [ -z "$missing" ] || echo "missing packages: $missing" >&2
    echo "\`$how\` installs what is needed${missing:+, or: apt-get install --no-install-recommends $missing}" >&2
    return 1
}

action=${1-}
[ $# -gt 0 ] && shift
case "$action" in
check) check_kind "${1-}" ;;
install)
    [ "${1-}" = all ] && set -- peers check arm64 cortex
    for kind in "$@"; do
        install_kind "$kind"
    done
    ;;
*)
    echo "setup.sh: expected install or check, not '$action'" >&2
    exit 2
    ;;
esac
