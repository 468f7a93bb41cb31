#!/usr/bin/env bash
# A model trained and exported by another build (TERN_TRAINER: all of tern, perhaps for
# another CPU) says the same here, to the last digit, at every kernel level.
. "$(dirname "$0")/lib.sh"
[ -n "${TERN_TRAINER:-}" ] || { echo "no TERN_TRAINER: skipped"; exit 77; }
small_config
"$TERN_TRAINER" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN_TRAINER" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN_TRAINER" train small.yaml --data corpus.h5 --out run 2>/dev/null
"$TERN_TRAINER" export run -o model.gguf --check-tokens 64 --check-greedy 4 >/dev/null

speak() { "$1" generate model.gguf -p "The " -n 60 --temp 0 2>/dev/null; }
judge() { "$1" eval model.gguf --data tales.txt --tokens 300 --json 2>/dev/null; }
speak "$TERN_TRAINER" >said.txt
judge "$TERN_TRAINER" >judged.json
[ "$(wc -c <said.txt)" -gt 60 ] || fail "the trainer's build says nothing"
[ -n "$(json judged.json loss)" ] || fail "the trainer's build finds no loss"

levels=0
for level in scalar avx2 avx512vnni neon neondot; do
    TERN_CPU=$level "$TERN" --version >/dev/null 2>&1 || continue
    levels=$((levels + 1))
    TERN_CPU=$level speak "$TERN" | cmp - said.txt || fail "$level: another text"
    TERN_CPU=$level judge "$TERN" >here.json
    [ "$(json here.json loss)" = "$(json judged.json loss)" ] ||
        fail "$level: loss $(json here.json loss), trained $(json judged.json loss)"
done
[ $levels -gt 1 ] || fail "no level but scalar"
finish
