#!/bin/sh
# install-deps.sh - install what tern needs on Debian or Ubuntu, if anything is missing.
#
#   scripts/install-deps.sh          to build and run
#   scripts/install-deps.sh --test   to run the tests as well
#
# Asks apt for missing packages only, with sudo only when not already root.
set -eu

packages="gcc libc6-dev cmake ninja-build pkg-config libjansson-dev libpcre2-dev
libhdf5-dev libcyaml-dev libyaml-dev libxxhash-dev libopenblas-openmp-dev"
if [ "${1:-}" = "--test" ]; then
    packages="$packages git ccache clang clang-format libclang-rt-14-dev libomp-14-dev
libcriterion-dev libsimde-dev python3-h5py hdf5-tools"
    # For AArch64, cross-compiled: the libraries come by scripts/aarch64-sysroot.sh.
    [ "$(uname -m)" != x86_64 ] || packages="$packages gcc-aarch64-linux-gnu qemu-user"
fi

missing=""
for p in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "tern needs these Debian packages or their like:$missing" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "not root and no sudo: please install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null
