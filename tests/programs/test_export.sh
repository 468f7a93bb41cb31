#!/usr/bin/env bash
# What `tern export` compares on: the run's held-out text, and it says so when it had to
# take another; a failed comparison leaves the older file.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" data tales.txt -o all.h5 --tokenizer char --val 0 >/dev/null
tr -cd 'a-h \n' <tales.txt >few.txt
"$TERN" data few.txt -o few.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=3 2>/dev/null
fast=(--check-tokens 100 --check-greedy 4)

"$TERN" export run -o m.gguf "${fast[@]}" >report.txt
[ "$(tail -n 1 report.txt)" = "exact: the file is the trained model, bit for bit" ] ||
    fail "no verdict: $(tail -n 1 report.txt)"
"$TERN" export run -o m.gguf "${fast[@]}" --json >report.json
grep -q '"exact": true' report.json || fail "--json: no verdict"
grep -q '"source": "validation"' report.json || fail "--json: no source"
"$TERN" export run -o q8.gguf --embed q8_0 "${fast[@]}" | tail -n 1 >q8.txt
grep -q "not exact, because the chosen type" q8.txt || fail "q8_0: $(cat q8.txt)"
"$TERN" import q8.gguf -o run8 2>/dev/null >&2 || fail "import of q8.gguf"
"$TERN" export run8 -o again8.gguf --embed q8_0 --data corpus.h5 "${fast[@]}" | tail -n 1 >q8.txt
grep -q "rounds its input to 8 bits; the weights are the same in every bit" q8.txt || fail "again: $(cat q8.txt)"
"$TERN" export run -o q4.gguf --embed q4_0 "${fast[@]}" | tail -n 1 >q4.txt
grep -q "not exact, because the chosen type" q4.txt || fail "q4_0: $(cat q4.txt)"
"$TERN" inspect q4.gguf | grep >/dev/null "token_embd.weight.*Q4_0" || fail "no head in Q4_0"
printf '{%% for m in messages %%}"%%s" \303\251{%% endfor %%}\n' >chat.jinja
"$TERN" export run -o chat.gguf --chat-template chat.jinja "${fast[@]}" >/dev/null || fail "--chat-template"
"$TERN" inspect chat.gguf | grep >/dev/null 'for m in messages' ||
    fail "no chat template in the file"
"$TERN" export run -o chat-hf --format hf --chat-template chat.jinja >/dev/null
grep >/dev/null '"chat_template": "{% for m in messages %}\\"%s\\" é{% endfor %}\\n"' \
    chat-hf/tokenizer_config.json || fail "no chat template for Hugging Face"
printf 'a\377' >chat.jinja
expect 1 "chat.jinja: a chat template is UTF-8" -- "$TERN" export run -o x.gguf --chat-template chat.jinja
expect 1 "do not divide into Q6_K blocks" -- "$TERN" export run -o q6.gguf --embed q6_k
expect 1 "use tq2_0, tq1_0, q2_0 or f16" -- "$TERN" export run -o q6.gguf -t q6_k

# What llama.cpp would compute otherwise has a name that it does not know.
"$TERN" train small.yaml --data corpus.h5 --out relu2 --set train.steps=1 \
    --set model.activation=relu2 2>/dev/null
"$TERN" export relu2 -o relu2.gguf "${fast[@]}" | tail -n 1 | grep >/dev/null "^exact" ||
    fail "relu2 is not exact"
"$TERN" inspect relu2.gguf | grep >/dev/null "general.architecture *bitnet-b1.58" ||
    fail "relu2 is called something else than bitnet-b1.58"
expect 0 "corpus.h5" -- "$TERN" export run/checkpoints/best.h5 -o m.gguf "${fast[@]}"
expect 0 "train tokens of all.h5" -- "$TERN" export run -o m.gguf --data all.h5 "${fast[@]}"
cp m.gguf before.gguf
expect 1 "few.h5 was made with another tokenizer" -- "$TERN" export run -o m.gguf --data few.h5

mv corpus.h5 moved.h5
expect 0 "warning" -- "$TERN" export run -o away.gguf "${fast[@]}"
grep -q "made-up tokens" out.txt || fail "the report calls made-up tokens something else"
"$TERN" export run -o away.gguf "${fast[@]}" --json 2>/dev/null |
    grep -q '"source": "made-up"' || fail "--json: made-up tokens are not called so"
head -c 2000 moved.h5 >corpus.h5
expect 1 "corpus.h5" -- "$TERN" export run -o m.gguf "${fast[@]}" --name other
cmp m.gguf before.gguf || fail "a failed export replaced the older file"
[ -z "$(find . -name '.*.tmp-*')" ] || fail "temporaries are left"
finish
