#!/usr/bin/env bash
# GGUF -> tern -> GGUF: codes, scales and floats come back bit for bit, the text and the
# loss with them; and a file that is none leaves no run.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 60K --seed 3 >/dev/null 2>&1
"$TERN" train small.yaml --data tales.txt --out run --set train.steps=6 >/dev/null 2>&1
"$TERN" export run -o first.gguf >/dev/null 2>&1 || fail "export"
"$TERN" import first.gguf -o again >out.txt 2>&1 || fail "import: $(cat out.txt)"
"$TERN" export again -o second.gguf >/dev/null 2>&1 || fail "export of what was imported"

# The tensors are the end of a file: all but what its keys say.
bytes=24000 # of some 30,000
cmp <(tail -c "$bytes" first.gguf) <(tail -c "$bytes" second.gguf) ||
    fail "the tensors of both files differ"
for f in first second; do
    "$TERN" generate $f.gguf -p "Once" -n 40 --temp 0 >$f.txt 2>/dev/null
    "$TERN" eval $f.gguf --data tales.txt --json >$f.json 2>/dev/null
done
cmp first.txt second.txt || fail "the texts differ"
[ -n "$(json first.json loss)" ] && [ "$(json first.json loss)" = "$(json second.json loss)" ] ||
    fail "the losses differ: $(json first.json loss) $(json second.json loss)"

# It can be trained on, and its twin in floats as well.
"$TERN" train --init again --data tales.txt --out more --set train.steps=2 >out.txt 2>&1 ||
    fail "train --init: $(cat out.txt)"
"$TERN" import first.gguf -o twin --quant none >out.txt 2>&1 || fail "the twin: $(cat out.txt)"

head -c 9000 first.gguf >cut.gguf
expect 1 "cut.gguf" -- "$TERN" import cut.gguf -o cut
[ ! -e cut ] || fail "a run was made of half a file"
finish
