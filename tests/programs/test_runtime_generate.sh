#!/usr/bin/env bash
# How `tern generate` ends, what it holds back, and what it does when the context is
# full. The toy writes noise: any byte may follow any other, and so its characters and
# every stop string are cut across tokens.
. "$(dirname "$0")/lib.sh"
: "${TERN_TOY:?makes a small model}"
"$TERN_TOY" toy.gguf
generate() { # OPTION...: only what the model wrote, without the last newline
    "$TERN" generate toy.gguf --no-display-prompt --temp 8 --top-k 0 --top-p 1 "$@" \
        >with-newline.txt 2>err.txt || fail "exit $?: $*: $(cat err.txt)"
    head -c -1 with-newline.txt
}
same() { cmp "$1" "$2" || fail "$3"; }

# --- stop strings: exactly the bytes before them ---
generate -p One -n 60 --ignore-eos --seed 5 >all.txt
[ "$(wc -c <all.txt)" -ge 60 ] || fail "60 tokens are $(wc -c <all.txt) bytes"
cuts=0
for at in 1 7 20 41; do
    tail -c +$((at + 1)) all.txt | head -c 3 >stop.bin
    [ "$(tr -d '\0\n' <stop.bin | wc -c)" = 3 ] || continue
    cuts=$((cuts + 1))
    head -c $at all.txt >want.txt
    generate -p One -n 60 --ignore-eos --seed 5 --stop "$(cat stop.bin)" >got.txt
    same got.txt want.txt "--stop at byte $at"
    generate -p One -n 60 --ignore-eos --seed 5 --stop "never in it" --stop "$(cat stop.bin)" \
        --stop "$(tail -c +51 all.txt | head -c 2 | tr '\0\n' xx)" >got.txt
    same got.txt want.txt "several --stop, the first at byte $at"
done
[ $cuts -ge 2 ] || fail "this seed has no stop strings to test"
generate -p One -n 60 --ignore-eos --seed 5 --stop "One" --stop "$(printf '\1\2\3')" >got.txt
same got.txt all.txt "the prompt, or what never comes, ends the text"
expect 2 "--stop is empty" -- "$TERN" generate toy.gguf --stop ""
"$TERN" generate toy.gguf -p One -n 60 --temp 0 --stop "$(printf '\1\2\3')" --json >j.json 2>/dev/null
grep -q '"finish_reason": "length"' j.json || fail "finish_reason: $(cat j.json)"

# --- end of text ---
for seed in $(seq 1 60); do
    generate -p One -n 100 --ignore-eos --seed "$seed" >all.txt
    grep -qaF '<|endoftext|>' all.txt && break
done
grep -qaF '<|endoftext|>' all.txt || fail "no seed has an end of text"
at=$(grep -aobF '<|endoftext|>' all.txt | head -n 1 | cut -d: -f1)
head -c "$at" all.txt >want.txt
generate -p One -n 100 --seed "$seed" >got.txt
same got.txt want.txt "end of text"
generate -p One -n 100 --seed "$seed" --ignore-eos --stop '<|endoftext|>' >got.txt
same got.txt want.txt "the end of text as a stop string"
"$TERN" generate toy.gguf -p One -n 100 --temp 8 --top-k 0 --top-p 1 --seed "$seed" --json >j.json 2>/dev/null
grep -q '"finish_reason": "stop"' j.json || fail "finish_reason: $(cat j.json)"

# --- the context is full (64 tokens) ---
words=$(printf 'word %.0s' $(seq 1 20)) # 100 bytes, each a token
expect 1 "the prompt has 100 tokens, and the model sees 64" -- \
    "$TERN" generate toy.gguf -p "$words" --overflow refuse
expect 0 "only the last 63 are read" -- "$TERN" generate toy.gguf -p "$words" -n 2 --ignore-eos
expect 0 "only the first 8 and the last 55 are read" -- \
    "$TERN" generate toy.gguf -p "$words" -n 2 --keep 8 --ignore-eos
expect 1 "keep is 100, must be from 0 to 62" -- "$TERN" generate toy.gguf -p "$words" --keep -1
expect 1 "keep is 63, must be from 0 to 62" -- "$TERN" generate toy.gguf --keep 63
expect 2 "must be shift or refuse" -- "$TERN" generate toy.gguf --overflow slide
expect 0 "is full: stopped" -- "$TERN" generate toy.gguf -p 1234 -n 90 --overflow refuse --ignore-eos
"$TERN" generate toy.gguf -p 1234 -n 90 --overflow refuse --ignore-eos --json >j.json 2>/dev/null
[ "$(json j.json completion_tokens)" = 61 ] || fail "60 fit, and one needs no room: $(cat j.json)"
grep -q '"finish_reason": "context"' j.json || fail "finish_reason: $(cat j.json)"
generate -p 1234 -n 61 --overflow refuse --ignore-eos >fits.txt
! grep -q full err.txt || fail "61 tokens fit, but: $(cat err.txt)"
expect 0 "(times: 1): the text went on from its first 4 tokens and the newest 30" -- \
    "$TERN" generate toy.gguf -p 1234 -n 90 --keep -1 --ignore-eos
# What a shift leaves is all that counts: the same text from a prompt of just that. With
# greedy choice nothing else is remembered. 64 - 4 = 60 tokens fill the context.
greedy() { generate --temp 0 --ignore-eos "$@"; }
greedy -p 1234 -n 61 >first.txt
greedy -p 1234 -n 70 >more.txt
same <(head -c "$(wc -c <first.txt)" more.txt) first.txt "the text before the shift"
printf 1234 | cat - first.txt | tail -c 32 >left.txt
if [ "$(tr -d '\0' <left.txt | wc -c)" = 32 ]; then # every token was one byte
    greedy -f left.txt -n 9 >rest.txt
    same <(tail -c +$(($(wc -c <first.txt) + 1)) more.txt) rest.txt "the text after the shift"
fi

# --- characters: whole ones as they come, bytes to a file, U+FFFD on a terminal ---
generate -p One -n 60 --ignore-eos --seed 5 >bytes.txt
iconv -f utf-8 -t utf-8 bytes.txt >/dev/null 2>&1 && fail "noise that is UTF-8 tests nothing"
if script -qec true /dev/null >/dev/null 2>&1; then # a container may have no terminals
    command="$TERN generate toy.gguf --no-display-prompt --temp 8 --top-k 0 --top-p 1"
    script -qec "$command -p One -n 60 --ignore-eos --seed 5 2>/dev/null" /dev/null >tty.txt </dev/null
    iconv -f utf-8 -t utf-8 tty.txt >/dev/null || fail "a terminal gets bytes that are no UTF-8"
    grep -q $'\xef\xbf\xbd' tty.txt || fail "a terminal gets no U+FFFD"

    # Ctrl-C, as a terminal sends it (exec: a dash that waits would die of it, too): the
    # figures, status 1, and the terminal is left on a line of its own.
    for seconds in 1 4 30; do # a busy machine may not have begun to write
        got=0
        (sleep $seconds; printf '\003'; sleep 1) |
            script -qec "exec $command -n 100000000 --ignore-eos --stop never" /dev/null >tty.txt || got=$?
        [ $got = 130 ] || break
    done
    [ $got = 1 ] || fail "Ctrl-C: exit $got"
    grep -qa "; interrupted" tty.txt || fail "Ctrl-C: no figures"
fi
finish
