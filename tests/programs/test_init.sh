#!/usr/bin/env bash
# `tern train --init`: a new run from the weights of another, its config and tokenizer.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out first --set train.steps=10 2>/dev/null
same=(--set train.steps=6 --set optim.lr=1e-3)

# From a dataset and from a text: the same tokenizer, so the same run.
"$TERN" train --init first --data corpus.h5 --out one "${same[@]}" 2>/dev/null
"$TERN" train --init first/checkpoints/best.h5 --data tales.txt --out text "${same[@]}" 2>/dev/null
"$TERN" train --init first --data corpus.h5 --out two "${same[@]}" --stop-at 2 2>/dev/null
"$TERN" train --resume two 2>/dev/null
# Killed before its first step: only the weights it began with are there.
cp -r one three && rm three/metrics.jsonl
mv three/checkpoints/step-00000000.h5 . && rm three/checkpoints/*
mv step-00000000.h5 three/checkpoints/
"$TERN" train --resume three 2>/dev/null
for run in one text two three; do
    "$TERN" export $run -o $run.gguf --check-tokens 9 --check-greedy 0 --name m >/dev/null
    "$TERN" inspect $run.gguf --json | grep -v '"\(file\|bytes\)"' >$run.json
    cmp one.gguf $run.gguf || fail "$run ended elsewhere"
done
"$TERN" train small.yaml --data corpus.h5 --out fresh "${same[@]}" 2>/dev/null
"$TERN" eval fresh --json >fresh.json
"$TERN" eval one --json >one.json
awk "BEGIN {exit !($(json one.json loss) < $(json fresh.json loss))}" ||
    fail "from weights $(json one.json loss), from nothing $(json fresh.json loss)"

# Another arithmetic, a padded vocabulary; not other shapes, nor another tokenizer.
"$TERN" train small.yaml --init first --data corpus.h5 --out float "${same[@]}" \
    --set model.quant=none --set model.context=16 2>/dev/null || fail "--set model.quant=none"
"$TERN" train small.yaml --data corpus.h5 --out padded --set model.vocab=100 \
    --set train.steps=2 2>/dev/null || fail "more rows than ids"
"$TERN" train --init padded --data corpus.h5 --out padded2 --set train.steps=2 2>/dev/null ||
    fail "--init of a padded vocabulary"
expect 1 "model.width is 32, but the weights of first have 64" -- \
    "$TERN" train small.yaml --init first --data corpus.h5 --out x --set model.width=32
expect 1 "model.arch is not what first was made with (bitnet)" -- \
    "$TERN" train --init first --data corpus.h5 --out x --set model.arch=llama
"$TERN" data tales.txt -o byte.h5 --tokenizer byte >/dev/null
expect 1 "was made with another tokenizer" -- "$TERN" train --init first --data byte.h5 --out x
expect 1 "nowhere" -- "$TERN" train --init nowhere --data corpus.h5 --out x
expect 2 "give one of them" -- "$TERN" train --resume one --init first
"$TERN" init small.yaml -o shape --set model.vocab=256 >/dev/null
expect 1 "tern train --init shape" -- "$TERN" train --resume shape --data corpus.h5
"$TERN" train --init shape --data tales.txt --out bytes --set train.steps=2 2>/dev/null ||
    fail "--init of an untrained model"
[ ! -e x ] || fail "a refused run left: $(find x)"
finish
