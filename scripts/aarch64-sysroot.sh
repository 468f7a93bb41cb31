#!/usr/bin/env bash
# aarch64-sysroot.sh - what a build for AArch64 compiles against and qemu-user loads.
#
#   scripts/aarch64-sysroot.sh DIR
#
# Fills DIR with the AArch64 packages of this machine's Debian, unpacked. apt resolves and
# downloads them for a machine with nothing installed, whose state it keeps inside DIR:
# that needs no root and changes nothing here. (Installed as foreign packages, Criterion
# for AArch64 would push out Criterion for this machine.) A DIR that is there is kept.
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/aarch64-sysroot.sh DIR" >&2; exit 2; }
[ ! -e "$1/usr/lib/aarch64-linux-gnu" ] || exit 0

packages=(libc6-dev libgomp1 libjansson-dev libpcre2-dev libcriterion-dev)
mkdir -p "$1.part"
part=$(cd "$1.part" && pwd)
trap 'rm -rf "$part"' EXIT
state=$part/apt
mkdir -p "$state"/lists/partial "$state"/archives/partial "$part/root"
: >"$state/status"

as_aarch64() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$state" -o Dir::State::Lists="$state/lists" \
        -o Dir::State::status="$state/status" -o Dir::Cache="$state" \
        -o Dir::Cache::archives="$state/archives" -o APT::Sandbox::User=root \
        -o Debug::NoLocking=1 "$@"
}

as_aarch64 update
as_aarch64 install --download-only --no-install-recommends -y "${packages[@]}"
for p in "$state"/archives/*.deb; do dpkg-deb --extract "$p" "$part/root"; done
# Links such as libm.so -> /lib/... would leave the folder.
find "$part/root" -type l -lname '/*' | while read -r link; do
    inside=$part/root$(readlink "$link")
    ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$inside")" "$link"
done
mkdir -p "$(dirname "$1")"
rm -rf "$1"
mv "$part/root" "$1"
