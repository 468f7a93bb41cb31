#!/usr/bin/env bash
# The blocks of docs/python.md, as they stand there, against what tern says itself.
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3 # Debian's, which has python3-h5py
"$python" -c 'import h5py' 2>/dev/null || exit 77
small_config
"$TERN" tales -o tales.txt --bytes 60K --seed 3 >/dev/null 2>&1
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null 2>&1
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=20 >/dev/null 2>&1

awk '/^```python/ {n++; inside = 1; next} /^```/ {inside = 0}
     inside {print > ("block" n ".py")}' "$TERN_SOURCE/docs/python.md"
[ "$(ls block*.py | wc -l)" = 3 ] || fail "docs/python.md has $(ls block*.py | wc -l) blocks"
for block in block*.py; do
    lines=$(grep -c . "$block")
    [ "$lines" -le 12 ] || fail "$block has $lines lines"
    "$python" "$block" >"$block.txt" 2>&1 || fail "$block: $(cat "$block.txt")"
done
"$TERN" inspect corpus.h5 --json >corpus.json
grep -q "^$(json corpus.json train_tokens) ids to train on, $(json corpus.json val_tokens) held out" \
    block1.py.txt || fail "the dataset: $(head -n 1 block1.py.txt)"

# The codes that numpy makes of the master are those that tern exported.
"$TERN" export run/checkpoints/best.h5 -o best.gguf >/dev/null 2>&1
"$TERN" inspect best.gguf --json >best.json
"$python" - block2.py.txt best.json <<'PY' || fail "the checkpoint: $(cat block2.py.txt)"
import json, sys
words = open(sys.argv[1]).read().split()
gamma, zeros = float(words[words.index("gamma") + 1]), float(words[words.index("zeros") + 1])
tensors = {t["name"]: t for t in json.load(open(sys.argv[2]))["tensors"]}
q = tensors["blk.0.attn_q.weight"]
assert abs(q["gamma"] - gamma) < 1e-8, (q, gamma)
assert abs(q["zero"] - zeros) < 1e-6, (q, zeros)
PY
grep -q '^best [0-9.]*$' block3.py.txt || fail "the metrics: $(cat block3.py.txt)"
finish
