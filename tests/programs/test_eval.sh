#!/usr/bin/env bash
# `tern eval`: a run and its export give the same figures and say the same; what they
# are figures of is named; a dataset of another tokenizer is refused by both.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=3 2>/dev/null
"$TERN" export run -o model.gguf --check-tokens 64 --check-greedy 4 >/dev/null

# A smaller vocabulary: every id is one that the model knows too.
tr -cd 'a-h \n' <tales.txt >few.txt
"$TERN" data few.txt -o few.h5 --tokenizer char >/dev/null
for model in run run/checkpoints/best.h5 model.gguf; do
    expect 1 "few.h5 was made with another tokenizer than" -- "$TERN" eval $model --data few.h5
done

# The same text, the same words and the same keys.
"$TERN" eval run --data tales.txt --tokens 200 | sed -n 2,3p >run.txt
"$TERN" eval model.gguf --data tales.txt --tokens 200 | sed -n 2,3p >gguf.txt
grep -q "the source's entropy" run.txt || fail "eval of a run: no entropy"
cmp run.txt gguf.txt || fail "eval of a run and of its export differ on a text"
"$TERN" eval run --tokens 200 --json >run.json
"$TERN" eval run/checkpoints/best.h5 --tokens 200 --json >best.json ||
    fail "a checkpoint in a run does not know the run's dataset"
"$TERN" eval model.gguf --data corpus.h5 --tokens 200 --json >gguf.json
for key in loss entropy_bits_per_byte bytes tokens; do
    [ -n "$(json run.json $key)" ] || fail "eval --json has no $key"
    [ "$(json run.json $key)" = "$(json gguf.json $key)" ] || fail "$key differs"
done
for f in run.json gguf.json; do
    grep -q '"data": ".*corpus.h5"' $f || fail "$f: data is not a path"
    grep -q '"split": "validation"' $f || fail "$f: which split?"
done
"$TERN" eval run --data tales.txt --tokens 9 --json | grep >/dev/null '"split": "all"' ||
    fail "a text has no split"

# One chunk of 32 scores predictions 16 to 30: all 31 without the first 16. Two chunks
# are the mean of each alone.
loss() { "$TERN" eval model.gguf --data "$@" --json >loss.json && json loss.json loss; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !((a - b) ^ 2 < 1e-12) }'; }
head -c 400 tales.txt | tr -cd 'a-z \n' >letters.txt
head -c 64 letters.txt >two.txt
head -c 32 two.txt >first.txt
tail -c 32 two.txt >second.txt
whole=$(loss first.txt) half=$(loss first.txt --tokens 16) first=$(loss first.txt --chunk 32)
near "$(awk -v a=$whole -v b=$half 'BEGIN { printf "%.9f", (31 * a - 16 * b) / 15 }')" \
    "$first" || fail "--chunk does not score the second half"
[ "$(json loss.json tokens)" = 15 ] || fail "--chunk counts other tokens"
[ "$(json loss.json bytes)" = 15 ] || fail "--chunk counts other bytes"
second=$(loss second.txt --chunk 32) both=$(loss two.txt --chunk 32)
near "$(awk -v a=$first -v b=$second 'BEGIN { printf "%.9f", (a + b) / 2 }')" "$both" ||
    fail "two chunks are not the mean of both"
expect 1 "fewer than --chunk 32" -- "$TERN" eval model.gguf --data first.txt --chunk 32 --tokens 30
expect 1 "above the model's context" -- "$TERN" eval model.gguf --data two.txt --chunk 33
expect 2 "are for GGUF files" -- "$TERN" eval run --chunk 32
expect 2 "are for GGUF files" -- "$TERN" eval run --cache f16
expect 2 "must be f32, f16 or int8" -- "$TERN" eval model.gguf --data two.txt --cache f64
expect 2 "must be per-token, q8_k" -- "$TERN" eval model.gguf --data two.txt --activations q8

# Other roundings are near, and not the same; 256 does not divide these widths.
"$TERN" eval model.gguf --data corpus.h5 --tokens 200 --json >usual.json
for how in "--activations q8_0" "--activations none" "--cache f16" "--cache int8"; do
    "$TERN" eval model.gguf --data corpus.h5 --tokens 200 $how --json >how.json
    awk -v a="$(json how.json loss)" -v b="$(json usual.json loss)" \
        'BEGIN { exit a == b || a - b > 0.01 || b - a > 0.01 }' ||
        fail "$how: $(json how.json loss) after $(json usual.json loss)"
    "$TERN" generate model.gguf -n 4 $how >/dev/null 2>&1 || fail "generate $how"
done
expect 1 "do not divide a width of 64" -- "$TERN" eval model.gguf --data two.txt --activations q8_k

printf 'a' >one.txt
for model in run model.gguf; do
    expect 1 "one.txt" -- "$TERN" eval $model --data one.txt
    ! grep -qe "--val" err.txt || fail "--val has nothing to do with a text"
done
finish
