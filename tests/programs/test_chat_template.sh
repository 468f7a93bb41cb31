#!/usr/bin/env bash
# A chat template goes with its model: in from Hugging Face and GGUF, through a run and
# the next one, and out again with the same bytes.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" train small.yaml --data tales.txt --out run --set train.steps=3 2>/dev/null
"$TERN" export run -o plain --format hf >/dev/null
printf '{%% for m in messages %%}<|%%s|>"\303\251"\\{%% endfor %%}\n' >chat.jinja

# The same bytes wherever a run keeps them.
same() { cmp "$1/chat_template.jinja" chat.jinja || fail "$1: another template"; }

expect 0 "with a chat template" -- "$TERN" export run -o chatty --format hf --chat-template chat.jinja
[ ! -e run/chat_template.jinja ] || fail "an export changed the run"
expect 0 "with a chat template" -- "$TERN" import chatty -o in-hf
same in-hf
"$TERN" train --init in-hf --data tales.txt --out tuned --set train.steps=2 2>/dev/null
same tuned
"$TERN" train --resume tuned --set train.steps=3 2>/dev/null
expect 0 "with a chat template" -- "$TERN" export tuned -o m.gguf --check-tokens 8 --check-greedy 2
"$TERN" import m.gguf -o in-gguf --json >report.json 2>/dev/null
grep -q '"chat_template": true' report.json || fail "not in the report"
same in-gguf
"$TERN" export in-gguf/checkpoints/step-00000000.h5 -o again --format hf >/dev/null
cmp again/tokenizer_config.json chatty/tokenizer_config.json || fail "not the first one's"

# Hugging Face's other ways to say it: a file of its own, which counts; a list of several.
cp -r chatty own && printf 'another' >own/chat_template.jinja
"$TERN" import own -o in-own >/dev/null 2>&1
[ "$(cat in-own/chat_template.jinja)" = another ] || fail "chat_template.jinja does not count"
python3 - <<'PY'
import json, shutil
for name, templates in (("several", [("tool_use", "no"), ("default", open("chat.jinja").read())]),
                        ("none", [("tool_use", "no")])):
    shutil.copytree("chatty", name)
    c = json.load(open("chatty/tokenizer_config.json"))
    c["chat_template"] = [{"name": n, "template": t} for n, t in templates]
    json.dump(c, open(name + "/tokenizer_config.json", "w"))
PY
"$TERN" import several -o in-several >/dev/null 2>&1
same in-several
for without in none plain; do
    "$TERN" import $without -o in-$without >report.txt 2>&1 || fail "import of $without"
    grep -q template report.txt && fail "$without: $(cat report.txt)"
    [ ! -e in-$without/chat_template.jinja ] || fail "$without: a template from nowhere"
done

# By hand; without; and what is none.
cp chat.jinja in-plain/chat_template.jinja
expect 0 "with a chat template" -- "$TERN" export in-plain -o hand.gguf --check-tokens 8 --check-greedy 2
"$TERN" export in-plain -o bare.gguf --chat-template none --check-tokens 8 --check-greedy 2 >report.txt
grep -q template report.txt && fail "none: $(head -n 1 report.txt)"
"$TERN" inspect bare.gguf | grep >/dev/null chat_template && fail "a template in spite of none"
printf 'a\0b' >own/chat_template.jinja
expect 0 "the run gets no chat template" -- "$TERN" import own -o in-zero
[ -e in-zero/config.yaml ] && [ ! -e in-zero/chat_template.jinja ] || fail "half a template"
printf '{' >chatty/tokenizer_config.json
expect 0 "tokenizer_config.json: line 1" -- "$TERN" import chatty -o in-broken
printf 'a\377' >tuned/chat_template.jinja
expect 1 "chat_template.jinja: a chat template is UTF-8" -- "$TERN" export tuned -o x.gguf
expect 0 "gets no chat template" -- "$TERN" train --init tuned --data tales.txt --out more --set train.steps=1
finish
