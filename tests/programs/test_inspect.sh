#!/usr/bin/env bash
# `tern inspect`: numbers are numbers, texts are whole, and what made the file is shown.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=2 2>/dev/null
"$TERN" export run -o model.gguf --check-tokens 9 --check-greedy 0 >/dev/null

"$TERN" inspect model.gguf --json >gguf.json
"$TERN" inspect model.gguf >gguf.txt
"$TERN" inspect run --json >run.json
"$TERN" inspect corpus.h5 --json >corpus.json
grep -q '"bitnet.context_length": 32,' gguf.json || fail "a number is no number"
grep -q '"bitnet.attention.layer_norm_rms_epsilon": 1e-0*5' gguf.json ||
    fail "a float is not the one that was written"
# The last line of the config, in JSON and for people.
grep -q 'tern.config.*clip: 1' gguf.json || fail "--json cuts the config"
grep -q '^ *clip: 1' gguf.txt || fail "the config is cut"
grep -q '^gamma *min .* mean .* max' gguf.txt || fail "no scales"
for f in gguf.json run.json; do
    [ "$(grep -c '"gamma": [0-9]' $f)" = 14 ] || fail "$f: not every matrix has its scale"
    for key in min mean max; do
        [ -n "$(json $f $key)" ] || fail "$f: no $key of the scales"
        [ "$(json gguf.json $key)" = "$(json run.json $key)" ] || fail "$key differs"
    done
done
grep -q '"tales.txt"' corpus.json || fail "the dataset does not name its sources"
"$TERN" inspect corpus.h5 | grep >/dev/null "^  tales.txt" || fail "no sources for people"
grep -qE '"fingerprint": "[0-9a-f]{16}"' corpus.json || fail "no fingerprint"

# A tensor without elements whose other dimensions would overflow: F32 {2^62, 4, 0}.
{
    printf 'GGUF\003\0\0\0\001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\001\0\0\0\0\0\0\0x\003\0\0\0'
    printf '\0\0\0\0\0\0\0\100\004\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\0\0\0\0\0\0\0\0\0\0\0\0'
    head -c 64 /dev/zero
} >empty.gguf
"$TERN" inspect empty.gguf --json >empty.json || fail "a tensor without elements"
[ "$(json empty.json parameters)" = 0 ] || fail "parameters of nothing"
finish
