#!/usr/bin/env bash
# run_vs_llama.sh - tokens/s of reading and writing, tern and llama.cpp by turns.
#
#   bench/run_vs_llama.sh LLAMA_BENCH MODEL.gguf [ROUNDS] [PROMPT] [WRITTEN]
#
# LLAMA_BENCH is llama.cpp's program of that name; both run the same file. The machines
# we have are noisy, so the programs alternate, and the medians of the rounds are
# compared: one line for each test and number of threads. THREADS (default "1 2").
set -euo pipefail
llama=$1 model=$2 rounds=${3:-5} prompt=${4:-512} written=${5:-128}
tern=${TERN:-$(dirname "$0")/../build/cli/tern}

# "pp512 1 93.2": test, threads, tokens per second
theirs() {
    "$llama" -m "$model" -p "$prompt" -n "$written" -r 1 -t "$1" -o jsonl 2>/dev/null |
        sed -n 's/.*"n_threads": \([0-9]*\),.*"n_prompt": \([0-9]*\), "n_gen": \([0-9]*\),.*"avg_ts": \([0-9.]*\).*/\1 \2 \3 \4/p' |
        awk '{print ($2 ? "pp" $2 : "tg" $3), $1, $4}'
}

ours() {
    "$tern" bench "$model" -p "$prompt" -n "$written" -r 1 -t "$1" --json 2>/dev/null |
        awk -F'[:,]' '/"test"/ {gsub(/[ "]/, "", $2); test = $2} /"threads"/ {t = $2 + 0}
                      /"tokens_per_second"/ {print test, t, $2 + 0}'
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for i in $(seq "$rounds"); do
    for threads in ${THREADS:-1 2}; do
        theirs "$threads" >>"$work/theirs"
        ours "$threads" >>"$work/ours"
    done
    echo "round $i done" >&2
done
printf '%-8s %8s %12s %12s %8s\n' test threads llama.cpp tern ratio
cut -d' ' -f1,2 "$work/ours" | sort -u | while read -r test threads; do
    a=$(awk -v t="$test" -v n="$threads" '$1 == t && $2 == n {print $3}' "$work/theirs" | median)
    b=$(awk -v t="$test" -v n="$threads" '$1 == t && $2 == n {print $3}' "$work/ours" | median)
    awk -v t="$test" -v n="$threads" -v a="$a" -v b="$b" \
        'BEGIN {printf "%-8s %8s %12.1f %12.1f %8.2f\n", t, n, a, b, b / a}'
done
