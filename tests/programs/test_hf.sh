#!/usr/bin/env bash
# Hugging Face, both ways: export in every kind, import again, train on; what cannot be
# is refused by name, and nothing is left half written. The numbers themselves are
# compared with PyTorch in tests/export/test_hf_reference.c.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer bpe:300 >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=20 2>/dev/null
"$TERN" eval run --json >run.json
last() { tail -n 1 "$1"; }

# The JSON member of a config: no quotes, no commas.
member() { sed -n "s/^ *\"$2\": *\"\{0,1\}\([^\",]*\).*/\1/p" "$1" | head -n 1; }

# Round trip: the second export has the bytes of the first.
for kind in autobitlinear bitlinear online master; do
    "$TERN" export run -o hf-$kind --format hf --weights $kind >report.txt
    if [ $kind = master ]; then
        last report.txt | grep >/dev/null "otherwise than tern" || fail "master: $(last report.txt)"
    else
        last report.txt | grep >/dev/null "^exact: " || fail "$kind: $(last report.txt)"
    fi
    "$TERN" import hf-$kind -o in-$kind >/dev/null 2>&1 || fail "import of $kind"
    "$TERN" export in-$kind -o back-$kind --format hf --weights $kind >/dev/null
    for f in hf-$kind/*; do cmp "$f" back-$kind/"$(basename "$f")" || fail "$f changed"; done
    "$TERN" eval in-$kind --data corpus.h5 --json >in.json
    [ "$(json in.json loss)" = "$(json run.json loss)" ] || fail "$kind: another loss"
done
[ "$(ls hf-online | tr '\n' ' ')" = "config.json generation_config.json model.safetensors \
tokenizer.json tokenizer_config.json " ] || fail "files: $(ls hf-online)"
[ "$(member hf-bitlinear/config.json linear_class)" = bitlinear ] || fail "linear_class"
[ "$(member hf-online/config.json quantization_mode)" = online ] || fail "mode"
[ "$(member hf-online/config.json model_type)" = bitnet ] || fail "model_type"
[ "$(member hf-online/config.json eos_token_id)" = 0 ] || fail "eos"
"$TERN" export run -o json-hf --format hf --json | grep >/dev/null '"exact": true' || fail "--json"

# bf16 and f16, floats, shards: rounded once, then the same bytes for ever.
for dtype in bf16 f16; do
    "$TERN" export run -o $dtype-1 --format hf --weights master --dtype $dtype >report.txt
    last report.txt | grep >/dev/null "not exact, because the chosen dtype rounds" || fail "$dtype"
    "$TERN" import $dtype-1 -o in-$dtype >/dev/null 2>&1
    "$TERN" export in-$dtype -o $dtype-2 --format hf --weights master --dtype $dtype >/dev/null
    cmp $dtype-1/model.safetensors $dtype-2/model.safetensors || fail "$dtype changed"
done
"$TERN" export run -o shards --format hf --max-shard-size 20K >/dev/null
[ -e shards/model.safetensors.index.json ] && [ ! -e shards/model.safetensors ] || fail "shards"
"$TERN" import shards -o in-shards >/dev/null 2>&1 || fail "import of shards"
"$TERN" export in-shards -o whole --format hf >/dev/null
cmp whole/model.safetensors hf-autobitlinear/model.safetensors || fail "shards changed"

# A float llama, its own head, grouped queries; as ternary, and with the norms added.
"$TERN" train small.yaml --data corpus.h5 --out float --set train.steps=10 --set model.quant=none \
    --set model.arch=llama --set model.tied=false --set model.heads=4 --set model.kv_heads=2 2>/dev/null
"$TERN" export float -o llama --format hf | grep >/dev/null LlamaForCausalLM || fail "no LlamaForCausalLM"
grep -q quantization_config llama/config.json && fail "a float model with quantization"
"$TERN" import llama -o in-llama >/dev/null 2>&1
"$TERN" export in-llama -o back-llama --format hf >/dev/null
cmp llama/model.safetensors back-llama/model.safetensors || fail "the float model changed"
"$TERN" import llama -o in-ternary --quant ternary --json 2>/dev/null >in.json
[ "$(json in.json ternary_parameters)" != 0 ] || fail "--quant ternary"
"$TERN" train --init in-ternary --data tales.txt --out tuned --set train.steps=8 \
    --set train.eval_every=4 2>log.txt || fail "fine-tuning: $(last log.txt)"
"$TERN" export tuned -o tuned.gguf --check-tokens 50 --check-greedy 4 >report.txt
last report.txt | grep >/dev/null "^exact: " || fail "fine-tuned: $(last report.txt)"
expect 1 "ties head and embedding" -- "$TERN" import llama -o x --arch bitnet
expect 1 "lm_head.weight" -- "$TERN" import llama -o x --set model.tied=true
"$TERN" train small.yaml --data corpus.h5 --out plain --set train.steps=3 --set model.quant=none \
    --set model.arch=llama 2>/dev/null
"$TERN" export plain -o tied --format hf >/dev/null
"$TERN" import tied -o in-norms --arch bitnet --quant ternary >/dev/null 2>&1 || fail "--arch bitnet"
"$TERN" export in-norms -o norms --format hf | grep >/dev/null BitNetForCausalLM || fail "norms not added"
expect 1 "graph (arch llama)" -- "$TERN" import hf-online -o x --arch llama

expect 1 "tern train --init in-online" -- "$TERN" train --resume in-online

# Scaled positions: in from Hugging Face, out to it and to GGUF, and in again; trained on,
# the exported model is still the trained one.
cp -r llama llama-3 && sed -i 's/"rope_theta"/"rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, "rope_theta"/' llama-3/config.json
"$TERN" import llama-3 -o in-scaled --quant ternary >/dev/null 2>&1 || fail "rope_scaling: llama3"
"$TERN" train --init in-scaled --data tales.txt --out scaled --set train.steps=4 2>/dev/null
"$TERN" export scaled -o scaled.gguf --check-tokens 50 --check-greedy 4 >report.txt
last report.txt | grep >/dev/null "^exact: " || fail "scaled positions: $(last report.txt)"
"$TERN" import scaled.gguf -o in-gguf >/dev/null 2>&1 || fail "rope_freqs.weight"
"$TERN" export in-gguf -o hf-scaled --format hf >/dev/null
python3 -c '
import json
for path in "llama-3", "hf-scaled":
    print(json.load(open(path + "/config.json"))["rope_scaling"])' | uniq | wc -l | grep -qx 1 ||
    fail "rope_scaling changed on its way"

# What tern cannot represent is refused by name.
refused() { # refused WORD SED: hf-online with its config.json changed
    rm -rf bad && cp -r hf-online bad && sed -i "$2" bad/config.json
    expect 1 "$1" -- "$TERN" import bad -o x
}
refused "rope_scaling" 's/"rope_theta"/"rope_scaling": {"rope_type": "longrope", "factor": 8.0}, "rope_theta"/'
refused "\"factor\" must be a number" 's/"rope_theta"/"rope_scaling": {"rope_type": "llama3"}, "rope_theta"/'
refused "rope_factor" 's/"rope_theta"/"rope_scaling": {"rope_type": "linear", "factor": 0.5}, "rope_theta"/'
refused "rope_parameters" 's/"rope_theta"/"rope_parameters": {"rope_type": "yarn"}, "rope_theta"/'
refused "sliding_window" 's/"rope_theta"/"sliding_window": 16, "rope_theta"/'
refused "attention_bias" 's/"attention_bias": false/"attention_bias": true/'
refused "hidden_act" 's/"silu"/"gelu"/'
refused "model_type" 's/"model_type": "bitnet"/"model_type": "gpt2"/'
refused "use_rms_norm" 's/"use_rms_norm": false/"use_rms_norm": true/'
refused "modules_to_not_convert" 's/"modules_to_not_convert": null/"modules_to_not_convert": ["q_proj"]/'
refused "partial_rotary_factor" 's/"rope_theta"/"partial_rotary_factor": 0.5, "rope_theta"/'
refused "quant_method" 's/"quant_method": "bitnet"/"quant_method": "gptq"/'
refused "hidden_size" 's/"hidden_size": 64/"hidden_size": "wide"/'
refused "num_hidden_layers" '/"num_hidden_layers"/d'
refused "model.layers.2" 's/"num_hidden_layers": 2/"num_hidden_layers": 3/'
refused "has no place" 's/"num_hidden_layers": 2/"num_hidden_layers": 1/'
refused "by config.json it must be" 's/"intermediate_size": 128/"intermediate_size": 64/'
refused "packed, which is U8" 's/"online"/"offline"/'
refused "line 1" '1s/{/{{/'
printf 'rope_theta' >bad/config.json
cp hf-online/config.json bad/ && head -c 5000 hf-online/model.safetensors >bad/model.safetensors
expect 1 "truncated" -- "$TERN" import bad -o x
rm bad/model.safetensors
expect 1 "neither model.safetensors nor" -- "$TERN" import bad -o x
rm -rf bad && cp -r hf-online bad && rm bad/tokenizer.json
expect 0 "has no tokenizer.json" -- "$TERN" import bad -o in-bad
expect 1 "has no tokenizer" -- "$TERN" train --init in-bad --data tales.txt --out x
expect 1 "config.json" -- "$TERN" import nowhere -o x
expect 1 "already holds a run" -- "$TERN" import hf-online -o run

# Options, and directories that are not empty.
expect 1 "holds files already" -- "$TERN" export run -o hf-online --format hf
expect 1 "leave out --weights online" -- "$TERN" export float -o x --format hf --weights online
expect 2 "--weights is of format hf" -- "$TERN" export run -o x --weights online
expect 2 "--type is of format gguf" -- "$TERN" export run -o x --format hf --type tq2_0
expect 2 "autobitlinear, bitlinear, online" -- "$TERN" export run -o x --format hf --weights packed
expect 2 "f32, bf16 or f16" -- "$TERN" export run -o x --format hf --dtype u8
expect 2 "gguf or hf" -- "$TERN" export run -o x --format onnx
mkdir empty && "$TERN" export run -o empty/ --format hf >/dev/null || fail "into an empty directory"
[ -e empty/config.json ] || fail "nothing in the empty directory"
[ ! -e x ] || fail "a refused command left: $(find x)"
[ -z "$(find . -name '.*.tmp-*')" ] || fail "temporaries are left"
finish
