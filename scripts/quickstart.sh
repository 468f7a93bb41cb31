#!/usr/bin/env bash
# quickstart.sh - from nothing to a model that writes, in under five minutes.
#
#   scripts/quickstart.sh               on stories that tern makes up (no download)
#   scripts/quickstart.sh corpus.txt    on a text of yours
#
# Installs what is missing (Debian, Ubuntu), builds, trains a while, resumes, exports,
# generates. Everything it makes is in build/ and runs/quickstart/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
corpus=${1:+$(realpath "$1")}
cd "$root"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. Install what is missing, and build"
scripts/install-deps.sh
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTERN_BUILD_TESTS=OFF >build.log 2>&1 ||
    { cat build.log; exit 1; }
mkdir -p build && mv build.log build/
ninja -C build >build/ninja.log || { tail -n 40 build/ninja.log; exit 1; }
export PATH="$root/build/cli:$PATH"
tern --version

run=runs/quickstart
if [ -e "$run" ]; then
    old=$run-$(date +%Y%m%d-%H%M%S)
    mv "$run" "$old"
    echo "the run of before is now $old"
fi
mkdir -p "$run"

prompt="The"
if [ -z "$corpus" ]; then
    prompt="Once upon a time"
    say "2. A corpus: small stories from a grammar, whose entropy is known"
    corpus=$run/tales.txt
    show tern tales -o "$corpus" --bytes 8M --seed 1
else
    say "2. Your corpus: $corpus"
fi
show tern data "$corpus" -o "$run/corpus.h5" --tokenizer bpe:2048

say "3. Train half of the steps, as if you had stopped there"
half=$(($(sed -n 's/^ *steps: *\([0-9]*\).*/\1/p' configs/tales.yaml) / 2))
show tern train configs/tales.yaml --data "$run/corpus.h5" --out "$run/model" \
    --stop-at "$half"

say "4. Resume: the rest"
show tern train --resume "$run/model"

say "5. Export to GGUF, and prove that the file is the model"
show tern export "$run/model" -o "$run/model.gguf"

say "6. Let it write"
show tern generate "$run/model.gguf" -p "$prompt" -n 200 --temp 0.7

printf '\nYour model is %s. Try:\n' "$run/model.gguf"
printf '  build/cli/tern generate %s -p "In" -n 400 --temp 0.5 --seed 2\n' "$run/model.gguf"
