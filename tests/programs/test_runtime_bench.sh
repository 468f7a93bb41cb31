#!/usr/bin/env bash
# `tern bench MODEL`: its rows, and what it refuses. Never how fast.
. "$(dirname "$0")/lib.sh"
expect 2 "bench what" -- "$TERN" bench
expect 2 "--threads" -- "$TERN" bench m.gguf -t 1,x
expect 2 "--batch" -- "$TERN" bench m.gguf -b 0
expect 1 "m.gguf" -- "$TERN" bench m.gguf
expect 0 "MODEL.gguf" -- "$TERN" bench --help
"$TERN" train --help >/dev/null 2>&1 || { finish; exit; } # the runtime-only build
small_config
"$TERN" init small.yaml -o run --set model.vocab=300 --set data.tokenizer=byte
"$TERN" export run -o m.gguf -t q2_0 >/dev/null
"$TERN" bench m.gguf -p 8,4 -n 6 -t 1,2 -b 1,3 -d 0,2 -r 2 --json >rows.json
[ "$(grep -c '"test": "pp8' rows.json)" = 4 ] || fail "pp8 with 2 numbers of threads, 2 depths"
[ "$(grep -c '"test": "tg6' rows.json)" = 8 ] || fail "tg6 with 2 threads, 2 batches, 2 depths"
for type in f32 f16 int8; do
    "$TERN" bench m.gguf -p 4 -n 6 -d 3 -c $type -r 1 --json >cache.json
    [ "$(grep -c "\"cache\": \"$type\"" cache.json)" = 2 ] || fail "-c $type is not said"
done
for key in tokens_per_second threads batch depth percent_of_integer_peak repeats; do
    [ -n "$(json rows.json $key)" ] || fail "bench --json has no $key"
done
"$TERN" bench m.gguf -p 0 -n 4 -t 1 -r 1 >table.txt
grep -q "^|  *1 |  *1 |  *tg4 |" table.txt || fail "a table like llama-bench's"
grep -q "pp" table.txt && fail "-p 0 asks for no prompt"
expect 1 "ids do not fit" -- "$TERN" bench m.gguf -p 33 -n 0
finish
