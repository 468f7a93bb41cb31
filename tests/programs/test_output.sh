#!/usr/bin/env bash
# What a command says, to whom, and how it ends: a reader that goes away, a full disk
# behind standard output, signals, and texts that are no UTF-8.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=5 2>/dev/null
fast=(--check-tokens 64 --check-greedy 4)
"$TERN" export run -o model.gguf "${fast[@]}" >/dev/null
"$TERN" init small.yaml -o bytes --set data.tokenizer=byte --json >init.json
[ "$(json init.json parameters)" -gt 0 ] || fail "init --json"
"$TERN" export bytes -o bytes.gguf "${fast[@]}" >/dev/null 2>&1
expect 1 "made by tern init" -- "$TERN" train --resume bytes
expect 1 "made by tern init" -- "$TERN" train --resume bytes --data corpus.h5

# A disk that is full, as a device: only standard output is sent there.
if [ -c /dev/full ]; then
    full() { # COMMAND...
        local got=0
        "$@" >/dev/full 2>err.txt </dev/null || got=$?
        [ "$got" = 1 ] || fail "exit $got with a full disk: $*"
        # Sanitizers can lose errno on the way, and with it "No space left on device".
        grep -q "^tern: standard output: " err.txt || fail "no reason: $*"
    }
    full "$TERN" --help
    full "$TERN" --version
    full "$TERN" train --help
    full "$TERN" train --help-config
    full "$TERN" inspect model.gguf
    full "$TERN" eval run --tokens 40 --json
    full "$TERN" generate model.gguf -n 4
    full "$TERN" generate model.gguf -n 4 --json
fi

# A reader that has enough ends the work, and is no reason to complain.
set +e
timeout 60 "$TERN" generate model.gguf -n 100000000 2>err.txt | head -c 10 >/dev/null
status=${PIPESTATUS[0]}
set -e
[ "$status" = 1 ] || fail "generate into a closed pipe: exit $status"
[ ! -s err.txt ] || fail "generate into a closed pipe says: $(cat err.txt)"

# JSON is UTF-8, whatever names, prompts and half characters are.
cp bytes.gguf $'caf\xe9.gguf'
"$TERN" generate $'caf\xe9.gguf' -p $'a\xff' -n 3 --json >odd.json 2>/dev/null || fail "odd names"
iconv -f utf-8 -t utf-8 odd.json >/dev/null || fail "JSON that is no UTF-8"
grep -q $'"prompt": "a\xef\xbf\xbd"' odd.json || fail "the prompt: $(cat odd.json)"
for seed in 1 2 3 4 5 6; do
    "$TERN" generate bytes.gguf -p x -n 9 --seed $seed --json 2>/dev/null >text.json
    iconv -f utf-8 -t utf-8 text.json >/dev/null || fail "JSON that is no UTF-8"
    grep -q '"text": "' text.json || fail "a byte model has no text: $(cat text.json)"
done
expect 0 '"kind": "gguf"' -- "$TERN" inspect $'caf\xe9.gguf' --json
expect 0 '"stories"' -- "$TERN" tales -o $'caf\xe9.txt' --bytes 1K --json

# Prompts: shown from a file as from the command line; too long, the end counts.
printf 'One day' >prompt.txt
"$TERN" generate model.gguf -p "One day" -n 5 >p.txt 2>/dev/null
"$TERN" generate model.gguf -f prompt.txt -n 5 >f.txt 2>/dev/null
cmp p.txt f.txt || fail "generate -f and -p differ"
"$TERN" generate model.gguf -f prompt.txt -n 5 --no-display-prompt >f.txt 2>/dev/null
grep -q "One day" f.txt && fail "--no-display-prompt shows it"
expect 0 '"prompt": "One day"' -- "$TERN" generate model.gguf -f prompt.txt -n 5 --json
head -c 5000 tales.txt >long.txt
"$TERN" generate model.gguf -f long.txt -n 1 --json >long.json 2>err.txt
grep -q "only the last 31" err.txt || fail "a long prompt is cut without a word"
[ "$(json long.json prompt_tokens)" = 31 ] || fail "tokens that were never evaluated count"
tail -c 31 long.txt >end.txt
"$TERN" generate model.gguf -f long.txt -n 1 --no-display-prompt --seed 4 >long.out 2>/dev/null
"$TERN" generate model.gguf -f end.txt -n 1 --no-display-prompt --seed 4 >end.out 2>/dev/null
cmp long.out end.out || fail "a long prompt is not read as its end"

# Signals: status 1 and a whole document; nothing half done stays.
long=(train small.yaml --data corpus.h5 --set train.steps=100000 --set train.eval_every=0)
"$TERN" "${long[@]}" --out stopped --json >stopped.json 2>err.txt &
pid=$!
for i in $(seq 1 1200); do grep -q "^step" err.txt && break; sleep 0.05; done
kill -TERM $pid
wait $pid && status=0 || status=$?
[ "$status" = 1 ] || fail "train, stopped: exit $status"
[ "$(json stopped.json step)" -gt 0 ] || fail "train --json, stopped, prints nothing"
for seconds in 0.5 4 30; do # a busy machine may not have begun to write
    "$TERN" generate model.gguf -n 100000000 --json >stopped.json 2>/dev/null &
    pid=$!
    sleep $seconds
    kill -TERM $pid
    wait $pid && status=0 || status=$?
    [ "$status" = 143 ] || break
done
[ "$status" = 1 ] || fail "generate, stopped: exit $status"
grep -q '"finish_reason": "interrupted"' stopped.json || fail "generate, stopped"
"$TERN" tales -o big.txt --bytes 100G 2>/dev/null &
pid=$!
for i in $(seq 1 1200); do ls .big.txt.tmp-* >/dev/null 2>&1 && break; sleep 0.05; done
ls .big.txt.tmp-* >/dev/null || fail "tales writes somewhere else"
kill -TERM $pid
wait $pid && status=0 || status=$?
[ "$status" = 143 ] || fail "tales, ended: exit $status"
[ -z "$(find . -name '.*.tmp-*')" ] || fail "temporaries are left: $(find . -name '.*.tmp-*')"

# Waiting threads do not spin for long, unless somebody has said how long.
for policy in "" OMP_WAIT_POLICY=active GOMP_SPINCOUNT=77; do
    # shellcheck disable=SC2086 # nothing, or one assignment
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT $policy "$TERN" tales -o big.txt --bytes 100G 2>/dev/null &
    pid=$!
    for i in $(seq 1 1200); do ls .big.txt.tmp-* >/dev/null 2>&1 && break; sleep 0.05; done
    tr '\0' '\n' <"/proc/$pid/environ" | grep '^GOMP_SPINCOUNT=' >>spins.txt || echo none >>spins.txt
    kill -TERM $pid
    wait $pid || true
done
[ "$(tr '\n' ' ' <spins.txt)" = "GOMP_SPINCOUNT=10000 none GOMP_SPINCOUNT=77 " ] ||
    fail "how long threads spin: $(cat spins.txt)"

# As many threads as CPUs: each has one to itself. Fewer: they go where there is room.
cpus=$(nproc)
for threads in "$cpus" 1; do
    env -u OMP_PROC_BIND "$TERN" bench train "$TERN_SOURCE/configs/nano.yaml" --seconds 60 \
        --threads "$threads" >/dev/null 2>&1 &
    pid=$!
    want=$threads
    [ "$threads" = "$cpus" ] || { want=0; sleep 0.5; }
    for i in $(seq 1 1200); do
        alone=$(grep -h '^Cpus_allowed_list' /proc/$pid/task/*/status 2>/dev/null |
            awk '$2 ~ /^[0-9]+$/ {print $2}' | sort -u | wc -l)
        [ "$alone" -lt "$want" ] || break
        sleep 0.05
    done
    kill -TERM $pid
    wait $pid || true
    [ "$cpus" = 1 ] || [ "$alone" = "$want" ] ||
        fail "$threads threads on $cpus CPUs: $alone are bound, not $want"
done
finish
