#!/usr/bin/env bash
# The whole path as a user walks it: corpus, dataset, training, resuming, evaluating,
# exporting, generating, inspecting.
. "$(dirname "$0")/lib.sh"
small_config

"$TERN" tales -o tales.txt --bytes 60K --seed 3
"$TERN" tales -o again.txt --bytes 60K --seed 3
cmp tales.txt again.txt || fail "tales: one seed, two texts"
"$TERN" data tales.txt -o corpus.h5 --tokenizer char --json >data.json
"$TERN" train small.yaml --data corpus.h5 --out a
expect 1 "already holds a run" -- "$TERN" train small.yaml --data corpus.h5 --out a

# Stopped twice, once by a step number and once by a signal, it is the same run.
expect 2 "--stop-at" -- "$TERN" train small.yaml --data corpus.h5 --out b --stop-at 0
expect 0 "train --resume b" -- "$TERN" train small.yaml --data corpus.h5 --out b --stop-at 17
ls b/checkpoints/step-00000017.h5 >/dev/null || fail "--stop-at 17 saved no step 17"
"$TERN" train --resume b --threads 1 2>resumed.txt &
pid=$!
for i in $(seq 1 1200); do grep -q "^run:" resumed.txt && break; sleep 0.05; done
kill -TERM $pid 2>/dev/null || true
wait $pid && code=0 || code=$?
[ "$code" = 0 ] || [ "$code" = 1 ] || fail "SIGTERM: exit $code"
"$TERN" train --resume b
for m in a b; do
    "$TERN" eval $m --json >$m.json
    "$TERN" export $m -o $m.gguf --name twin --json >$m.export.json
done
cmp a.gguf b.gguf || fail "a stopped and resumed run ends with other weights"

for key in codes_differ scales_differ activations_differ logits_differ; do
    [ "$(json a.export.json $key)" = 0 ] || fail "export: $key is $(json a.export.json $key)"
done
[ "$(json a.export.json greedy)" = "$(json a.export.json greedy_same)" ] ||
    fail "greedy texts differ"

"$TERN" eval a.gguf --data corpus.h5 --json >gguf.json
[ "$(json a.json loss)" = "$(json gguf.json loss)" ] ||
    fail "loss: $(json a.json loss) trained, $(json gguf.json loss) exported"
for key in loss perplexity bits_per_byte tokens bytes; do
    [ -n "$(json gguf.json $key)" ] || fail "eval --json has no $key"
done

"$TERN" generate a.gguf -p "One day" -n 50 --seed 4 >one.txt 2>/dev/null
"$TERN" generate a.gguf -p "One day" -n 50 --seed 4 --threads 1 >two.txt 2>/dev/null
cmp one.txt two.txt || fail "generate: one seed, two texts"
grep -q "^One day" one.txt || fail "generate does not begin with its prompt"
TERN_CPU=scalar "$TERN" generate a.gguf -p "One day" -n 50 --seed 4 >three.txt 2>/dev/null
cmp one.txt three.txt || fail "generate: another kernel level, another text"

for f in corpus.h5 a a/checkpoints/best.h5 a.gguf; do
    "$TERN" inspect $f >/dev/null || fail "inspect $f"
    "$TERN" inspect $f --json >inspect.json || fail "inspect --json $f"
done
for type in f16 q2_0; do
    "$TERN" export a -o $type.gguf --type $type >/dev/null || fail "export $type"
    "$TERN" eval $type.gguf --data corpus.h5 --json >type.json
    [ "$(json type.json loss)" = "$(json a.json loss)" ] || fail "$type: another loss"
done
expect 1 "256" -- "$TERN" export a -o x.gguf --type tq2_0
[ ! -e x.gguf ] || fail "a refused export left a file"

# The float twin, and a text given straight to train.
"$TERN" train small.yaml --data tales.txt --out f --set model.quant=none
"$TERN" export f -o f.gguf >/dev/null
"$TERN" generate f.gguf -p "One day" -n 20 >/dev/null 2>&1 || fail "generate, float twin"
"$TERN" init small.yaml -o i --set model.vocab=300 >/dev/null
"$TERN" export i -o i.gguf >/dev/null || fail "export of an untrained model"
finish
