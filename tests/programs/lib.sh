# lib.sh - what the program tests share. Source it; $TERN is the program.
set -euo pipefail
: "${TERN:?the path of the tern program}" "${TERN_SOURCE:?the source tree}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/tern-program-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect STATUS WORD -- COMMAND...: the exit status, and a word that the message holds.
expect() {
    local status=$1 word=$2 got=0
    shift 3
    "$@" >out.txt 2>err.txt </dev/null || got=$?
    if [ "$got" != "$status" ]; then
        fail "exit $got instead of $status: $*"
        head -n 5 err.txt
    elif [ -n "$word" ] && ! grep -qF -e "$word" out.txt err.txt; then
        fail "no \"$word\" in what it said: $*"
        head -n 5 out.txt err.txt
    fi
}

# A number out of a JSON document: json FILE KEY.
json() {
    grep -o "\"$2\": *[-0-9.e+]*" "$1" | head -n 1 | sed 's/.*: *//'
}

finish() {
    [ "$failures" = 0 ] || exit 1
    echo "all as it should be"
}

# A model small enough to train in a second or two.
small_config() {
    cat >small.yaml <<'YAML'
model: {width: 64, layers: 2, heads: 2, ffn: 128, context: 32}
data: {tokenizer: char}
train: {steps: 60, batch: 4, eval_every: 20, checkpoint_every: 15, keep: 3, seed: 7}
optim: {lr: 3.0e-3, min_lr: 3.0e-4, warmup: 5}
YAML
}
