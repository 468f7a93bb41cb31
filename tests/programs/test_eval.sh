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
"$TERN" eval run --data tales.txt --tokens 200 | head -n 3 | tail -n 2 >run.txt
"$TERN" eval model.gguf --data tales.txt --tokens 200 | head -n 3 | tail -n 2 >gguf.txt
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

printf 'a' >one.txt
for model in run model.gguf; do
    expect 1 "one.txt" -- "$TERN" eval $model --data one.txt
    ! grep -qe "--val" err.txt || fail "--val has nothing to do with a text"
done
finish
