#!/usr/bin/env bash
# `tern bench`: what the figures are figures of. Never how fast.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" bench train small.yaml --seconds 0.1 --json >bench.json
for key in tokens_per_second peak_rss_bytes forward_ms backward_ms optimizer_ms steps \
    threads; do
    [ -n "$(json bench.json $key)" ] || fail "bench --json has no $key"
done
for key in tern_version cpu kernels; do
    grep -q "\"$key\": \".\+\"" bench.json || fail "bench --json has no $key"
done
# Where the time went, beside the machine's limits: nothing is lost or counted twice.
python3 - bench.json <<'PY' || fail "the parts of bench --json"
import json, sys
bench = json.load(open(sys.argv[1]))
parts = {p["op"]: p for p in bench["parts"]}
assert parts["bitlinear"]["forward_percent_of_peak"] > 0
assert parts["bitlinear"]["backward_percent_of_peak"] > 0
assert parts["attention"]["forward_percent_of_peak"] > 0
assert parts["rope"]["forward_percent_of_peak"] is None
assert bench["peaks"]["int8_macs_per_second"] > bench["peaks"]["int16_macs_per_second"] > 0
assert bench["peaks"]["float32_macs_per_second"] > 0
PY
"$TERN" bench train small.yaml --seconds 0.1 | grep >/dev/null "^bitlinear .* ms .* % .* ms .* %$" ||
    fail "bench shows the parts"
grep -q '"vocab_assumed": true' bench.json || fail "a vocabulary was assumed, and not said"

# Three micro-batches take longer than one, and are three times the tokens.
"$TERN" bench train small.yaml --seconds 0.1 --set train.accumulate=3 --set model.dropout=0.5 |
    grep "384 tokens" | grep "accumulate 3" | grep >/dev/null "dropout 0.5" ||
    fail "accumulate and dropout of the config"

# The vocabulary of a tokenizer.json is its own; one that is not there is an error.
cat >t.json <<'JSON'
{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
 "post_processor": null, "decoder": {"type": "Fuse"},
 "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": []}}
JSON
"$TERN" bench train small.yaml --seconds 0.1 --set data.tokenizer=t.json --json >t.out ||
    fail "a tokenizer.json"
[ "$(json t.out vocab)" = 3 ] || fail "the vocabulary of t.json: $(json t.out vocab)"
expect 1 "nofile.json" -- "$TERN" bench train small.yaml --seconds 0.1 --set data.tokenizer=nofile.json
finish
