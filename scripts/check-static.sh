#!/usr/bin/env bash
# check-static.sh STATIC SHARED TOY_MODEL - the statically linked `tern` is small, needs
# nothing but the kernel, and writes what the other one writes. (TOY_MODEL makes a model.)
set -euo pipefail
static=$1 shared=$2 toy=$3
limit=2000000
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

strip -o "$dir/tern" "$static"
bytes=$(stat -c %s "$dir/tern")
echo "static tern: $bytes bytes, stripped"
[ "$bytes" -le $limit ] || { echo "more than $limit"; exit 1; }
if readelf -l "$dir/tern" | grep -q INTERP; then
    echo "it asks for a dynamic linker"
    exit 1
fi

# In a root directory that holds it and a model, and nothing else: no /proc, no /dev.
inside=()
if [ "$(id -u)" = 0 ]; then
    inside=(chroot "$dir")
elif unshare -Ur true 2>/dev/null; then
    inside=(unshare -Ur chroot "$dir")
else
    echo "neither root nor user namespaces: it is not run in an empty root"
    inside=(env -C "$dir")
fi
"$toy" "$dir/toy.gguf"
printf 'Once upon a time' >"$dir/prompt.txt"
options=(--temp 8 --top-k 0 --top-p 1 -n 100 --ignore-eos)
run() { if [ "${inside[0]}" = env ]; then "${inside[@]}" ./tern "$@"; else "${inside[@]}" /tern "$@"; fi; }
run --version | grep -q kernels
run inspect toy.gguf >/dev/null
run eval toy.gguf --data prompt.txt --json >"$dir/eval-static.json"
run generate toy.gguf -f prompt.txt "${options[@]}" >"$dir/text-static" 2>/dev/null
run generate --help | grep -q -e --stop
(
    shared=$(realpath "$shared")
    cd "$dir"
    "$shared" eval toy.gguf --data prompt.txt --json >eval-shared.json
    "$shared" generate toy.gguf -f prompt.txt "${options[@]}" >text-shared 2>/dev/null
    cmp text-static text-shared
    cmp <(grep loss eval-static.json) <(grep loss eval-shared.json)
)
if run generate missing.gguf 2>"$dir/err"; then exit 1; fi
grep -q "missing.gguf: No such file or directory" "$dir/err"
echo "static tern: runs in an empty root"
