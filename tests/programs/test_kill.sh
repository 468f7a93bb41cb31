#!/usr/bin/env bash
# kill -9 at random moments, also while a checkpoint is written; resumed each time, the
# run must end as the uninterrupted one: the same weights and metrics, bit for bit.
# TERN_KILLS says how often (default 8).
. "$(dirname "$0")/lib.sh"
small_config
kills=${TERN_KILLS:-8}
"$TERN" tales -o tales.txt --bytes 60K --seed 3
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
options=(--set train.checkpoint_every=3 --set train.eval_every=10 --set train.log_every=1)
start=$(date +%s%N)
"$TERN" train small.yaml --data corpus.h5 --out whole "${options[@]}" 2>/dev/null
span=$(( ($(date +%s%N) - start) / 1000000 )) # milliseconds

# What may differ between two equal runs are times only.
metrics() {
    sed -E 's/,? *"(tokens_per_second|seconds)": *[-0-9.e+]+//g' "$1/metrics.jsonl"
}

RANDOM=1234
done=0
while [ "$done" -lt "$kills" ]; do
    rm -rf cut
    "$TERN" train small.yaml --data corpus.h5 --out cut "${options[@]}" 2>/dev/null &
    pid=$!
    while [ "$done" -lt "$kills" ]; do
        wait_ms=$((RANDOM % (span / 2 + 20) + 5))
        sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
        kill -9 $pid 2>/dev/null || break # it was done already
        wait $pid 2>/dev/null || true
        done=$((done + 1))
        # Killed before there was a config.yaml: no run yet, start again.
        [ -e cut/config.yaml ] || break
        "$TERN" train --resume cut 2>/dev/null &
        pid=$!
    done
    wait $pid 2>/dev/null || true
    [ -e cut/config.yaml ] || continue
    "$TERN" train --resume cut >/dev/null 2>&1 || fail "resume after kill $done"
    last=$(ls whole/checkpoints/step-*.h5 | tail -n 1)
    cmp "$last" "cut/checkpoints/$(basename "$last")" || fail "weights after kill $done"
    cmp <(metrics whole) <(metrics cut) || fail "metrics after kill $done"
    [ -z "$(find cut -name '.*.tmp-*')" ] || fail "temporaries are left"
done
echo "$done kills"
finish
