#!/usr/bin/env bash
# A tokenizer.model all the way: dataset, training, GGUF, text; and `tern import`.
. "$(dirname "$0")/lib.sh"

hex() { # one of the models of the golden file, whose bytes are written in hexadecimal
    grep -o "\"$1\":{\"model\":\"[0-9a-f]*" "$TERN_SOURCE/tests/data/golden_sentencepiece.json" |
        sed 's/.*"//; s/../\\x&/g'
}
printf "$(hex llama)" >t.model
small_config
for _ in {1..200}; do printf '<s>the river over there and the  other water\nnever again'; done >text.txt

expect 0 "sentencepiece (360)" -- "$TERN" data text.txt --tokenizer t.model -o c.h5
"$TERN" inspect c.h5 --json >c.json
bytes=$(($(json c.json train_bytes) + $(json c.json val_bytes)))
[ "$bytes" = "$(wc -c <text.txt)" ] || fail "$bytes bytes of tokens"
"$TERN" train small.yaml --data c.h5 --out run --set train.steps=20 2>/dev/null
expect 0 "exact" -- "$TERN" export run -o m.gguf --check-tokens 40
"$TERN" inspect m.gguf >m.txt
grep -q '^tokenizer.ggml.model *llama$' m.txt || fail "not llama's tokenizer"
grep -q '^tokenizer.ggml.scores *360 x f32' m.txt || fail "no scores"
grep -q '^tern.tokenizer' m.txt && fail "the keys say everything"
"$TERN" eval run --data c.h5 --json >a.json
"$TERN" eval m.gguf --data c.h5 --json >b.json
[ "$(json a.json loss)" = "$(json b.json loss)" ] || fail "the losses differ"
"$TERN" generate m.gguf -p "the river" -n 8 --temp 0 --json >g.json 2>/dev/null
# <s>, and the tokens of " the river" as SentencePiece makes them
want=$(grep -o '"llama":{"model":"[0-9a-f]*","ids":\[\[[0-9,]*\]' "$TERN_SOURCE/tests/data/golden_sentencepiece.json" |
    sed 's/.*\[//; s/\].*//' | tr ',' '\n' | wc -l)
[ "$(json g.json prompt_tokens)" = $((want + 1)) ] || fail "the prompt lacks its first token"
grep -q '"text": " ' <("$TERN" generate m.gguf -n 4 --temp 0 --json 2>/dev/null) &&
    fail "a space that no text has"
head -c 300 t.model >cut.model
expect 1 "cut.model: " -- "$TERN" data text.txt --tokenizer cut.model -o d.h5
[ -e d.h5 ] && fail "a dataset in spite of it"

# width 4, ffn 4, 1 layer, 1 head, 1 kv head, 360 ids, context 8; all weights zero
{ printf '\4\0\0\0\4\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\150\1\0\0\10\0\0\0'
  head -c $((4 * (360 * 4 + 4 + 4 * 16 + 4 + 3 * 16 + 4 + 8 * 4))) /dev/zero; } >w.bin
expect 0 "sentencepiece (360)" -- "$TERN" import w.bin --tokenizer t.model -o imported
expect 1 "already holds a run" -- "$TERN" import w.bin --tokenizer t.model -o imported
expect 0 "F32" -- "$TERN" export imported -o w.gguf --check-tokens 20
"$TERN" eval w.gguf --data text.txt --tokens 100 --json >w.json
case "$(json w.json loss)" in 5.886*) ;; *) fail "zeros know nothing: log 360 nats" ;; esac
head -c 1000 w.bin >short.bin
expect 1 "short.bin: has 1000 bytes" -- "$TERN" import short.bin -o other
[ -e other ] && fail "a run in spite of it"
finish
