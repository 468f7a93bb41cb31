#!/usr/bin/env bash
# Wrong on purpose: each mistake is answered with the file, the key or the option, and
# what would be right; never with a crash or half a file.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=5 2>/dev/null
"$TERN" export run -o model.gguf >/dev/null

# usage
expect 2 "COMMAND" -- "$TERN"
expect 2 "train" -- "$TERN" trian
expect 2 "config" -- "$TERN" train
expect 2 "--data" -- "$TERN" train small.yaml
expect 2 "--temp" -- "$TERN" generate model.gguf --temp warm
expect 2 "--n-predict" -- "$TERN" generate model.gguf -n 5x
expect 2 "--bytes" -- "$TERN" tales -o t.txt --bytes many
(ulimit -f 1000 && failures=0 && # taken for 8 EB once
    expect 2 "--bytes" -- "$TERN" tales -o t.txt --bytes "8 " && [ "$failures" = 0 ]) ||
    fail "a size with a blank behind it"
expect 2 "--top-p" -- "$TERN" generate model.gguf --top-p 0
for c in "train small.yaml --data corpus.h5 --out r" "init small.yaml -o r" "bench train small.yaml"; do
    expect 2 "SECTION.KEY=VALUE" -- "$TERN" $c --set nonsense
done
expect 2 "empty" -- "$TERN" train small.yaml --data "" --out r
expect 2 "empty" -- "$TERN" train small.yaml --data corpus.h5 --out ""
for c in inspect eval generate data; do
    expect 2 "empty" -- "$TERN" $c ""
done
expect 2 "" -- "$TERN" eval model.gguf --no-such-option
expect 0 "Usage" -- "$TERN" --help
for c in tales data train init export generate eval inspect bench; do
    expect 0 "Usage" -- "$TERN" $c --help
done
expect 1 "scalar" -- env TERN_CPU=z80 "$TERN" inspect model.gguf

# configs
expect 1 "optim.lrr" -- "$TERN" train small.yaml --data corpus.h5 --out r --set optim.lrr=1
expect 1 "optim.lr" -- "$TERN" train small.yaml --data corpus.h5 --out r --set optim.lr=abc
expect 1 "optim.lr" -- "$TERN" train small.yaml --data corpus.h5 --out r --set optim.lr=-1
expect 1 "train.steps" -- "$TERN" train small.yaml --data corpus.h5 --out r --set train.steps=0
expect 1 "heads" -- "$TERN" train small.yaml --data corpus.h5 --out r --set model.heads=3
expect 1 "vocab" -- "$TERN" train small.yaml --data corpus.h5 --out r --set model.vocab=3
expect 1 "context" -- "$TERN" train small.yaml --data corpus.h5 --out r --set model.context=100000
printf 'model: {width: 64}\noptim:\n  lrate: 1\n' >typo.yaml
expect 1 "typo.yaml" -- "$TERN" train typo.yaml --data corpus.h5 --out r
expect 1 "lrate" -- "$TERN" train typo.yaml --data corpus.h5 --out r
printf 'model: {width: wide}\n' >type.yaml
expect 1 "width" -- "$TERN" train type.yaml --data corpus.h5 --out r
printf 'model: [1, 2\n' >broken.yaml
expect 1 "broken.yaml" -- "$TERN" train broken.yaml --data corpus.h5 --out r
: >empty.yaml
expect 1 "missing.yaml" -- "$TERN" train missing.yaml --data corpus.h5 --out r
expect 1 "small.yaml" -- "$TERN" train small.yaml --data corpus.h5 --out r --set model.heads=3
expect 1 "small.yaml" -- "$TERN" train small.yaml --data tales.txt --out r --set model.vocab=3
expect 1 "small.yaml" -- "$TERN" train small.yaml --data tales.txt --out r --set model.heads=3
grep -q tokenising err.txt && fail "a config that cannot be right was found after tokenising"
expect 1 "context" -- "$TERN" train small.yaml --data tales.txt --out r --set model.context=100000
[ ! -e r ] || fail "a refused run left: $(find r)"
mkdir mine && echo kept >mine/file
expect 1 "heads" -- "$TERN" train small.yaml --data tales.txt --out mine --set model.heads=3
expect 1 "context" -- "$TERN" train small.yaml --data tales.txt --out mine --set model.context=100000
[ "$(find mine)" = "mine
mine/file" ] || fail "a refused run left: $(find mine)"

# corpora
: >empty.txt
printf 'short' >short.txt
printf 'a\377\376b\n%.0s' $(seq 1 200) >invalid.txt
expect 1 "empty.txt" -- "$TERN" data empty.txt -o x.h5
expect 1 "missing.txt" -- "$TERN" data missing.txt -o x.h5
expect 1 "invalid.txt" -- "$TERN" data invalid.txt -o x.h5 --tokenizer char
expect 0 "" -- "$TERN" data invalid.txt -o bytes.h5 --tokenizer byte
expect 2 "bpe" -- "$TERN" data tales.txt -o x.h5 --tokenizer bpe:12
expect 2 "bpe:N" -- "$TERN" data tales.txt -o x.h5 -t bpe:x
expect 2 "neither" -- "$TERN" data tales.txt -o x.h5 --tokenizer words
expect 1 "nowhere" -- "$TERN" data tales.txt -o nowhere/x.h5
expect 1 "validation" -- "$TERN" train small.yaml --data short.txt --out r2
[ ! -e x.h5 ] || fail "a refused dataset left a file"

# outputs that are inputs, or no files
cp tales.txt same.txt && ln -s same.txt link.txt
expect 1 "same.txt" -- "$TERN" data same.txt -o same.txt
expect 1 "link.txt" -- "$TERN" data same.txt -o link.txt
cmp tales.txt same.txt || fail "a text was replaced by its dataset"
mkfifo pipe
expect 1 "pipe" -- "$TERN" data tales.txt -o pipe --tokenizer byte
expect 1 "pipe" -- "$TERN" tales -o pipe --bytes 1K
expect 1 "pipe" -- "$TERN" export run -o pipe
[ -p pipe ] || fail "a pipe was replaced by a file"
expect 0 "" -- "$TERN" tales -o link.txt --bytes 1K
[ -L link.txt ] || fail "a link was replaced by a file"
cmp -s tales.txt same.txt && fail "a link was not written through"

# damaged files
for f in corpus.h5 run/checkpoints/best.h5 model.gguf; do
    size=$(stat -c %s $f)
    for at in 0 100 600 $((size / 3)) $((size / 2)) $((size - 1)); do
        head -c $at $f >cut.bin
        expect 1 "cut.bin" -- "$TERN" inspect cut.bin
        cp $f flip.bin
        byte=$(od -An -tu1 -j $at -N 1 $f | tr -d ' ')
        printf "\\x$(printf %02x $((byte ^ 64)))" |
            dd of=flip.bin bs=1 seek=$at conv=notrunc status=none
        status=0
        "$TERN" inspect flip.bin >out.txt 2>err.txt || status=$?
        [ "$status" -le 1 ] || fail "flipped byte $at of $f: exit $status"
        case $f in
        *.h5) [ "$status" = 1 ] || fail "flipped byte $at of $f: not noticed" ;;
        esac
    done
done
cp run/checkpoints/step-00000005.h5 newest.h5
printf 'x' | dd of=run/checkpoints/step-00000005.h5 bs=1 seek=5000 conv=notrunc status=none
expect 0 "step-00000005.h5: damaged" -- "$TERN" export run -o before.gguf
cp newest.h5 run/checkpoints/step-00000005.h5
expect 1 "tales.txt" -- "$TERN" generate tales.txt -p x
! grep -q "export tales.txt" err.txt || fail "a text cannot be exported"
expect 1 "export" -- "$TERN" generate run/checkpoints/best.h5 -p x
cp run/checkpoints/best.h5 kept.h5
expect 1 "kept.h5" -- "$TERN" export kept.h5 -o kept.h5
cmp run/checkpoints/best.h5 kept.h5 || fail "an export replaced its checkpoint"
expect 1 "export" -- "$TERN" generate run -p x
expect 1 "missing.gguf" -- "$TERN" generate missing.gguf -p x
expect 1 "missing" -- "$TERN" eval missing --data corpus.h5
expect 2 "--data" -- "$TERN" eval model.gguf
expect 2 "--best" -- "$TERN" eval model.gguf --data corpus.h5 --best
expect 1 "tokenizer" -- "$TERN" eval model.gguf --data bytes.h5

# what is no text is not read as one
printf 'Just a text that goes on for a while, and on, and on.\n%.0s' $(seq 1 40) >text.txt
refused() { # FILE: by whatever reads a text or a dataset
    expect 1 "$1" -- "$TERN" train small.yaml --data "$1" --out r
    expect 1 "$1" -- "$TERN" eval run --data "$1"
    expect 1 "$1" -- "$TERN" eval model.gguf --data "$1"
    expect 1 "$1" -- "$TERN" data "$1" -o x.h5 --tokenizer byte
}
for at in 2 100 300; do
    cp corpus.h5 flip$at.h5
    printf '!' | dd of=flip$at.h5 bs=1 seek=$at conv=notrunc status=none
    refused flip$at.h5
done
head -c 400 corpus.h5 >front.h5
refused front.h5
cp run/checkpoints/best.h5 best.h5
refused best.h5
refused model.gguf
expect 1 "already" -- "$TERN" data corpus.h5 -o x.h5
[ ! -e x.h5 ] && [ ! -e r ] || fail "something was made of what is no text"

# one start at a time, and a run knows its dataset from its first moment
if command -v flock >/dev/null; then
    mkdir locked && exec 9<locked && flock 9
    expect 1 "another process" -- "$TERN" train small.yaml --data tales.txt --out locked
    expect 1 "another process" -- "$TERN" train small.yaml --data corpus.h5 --out locked
    [ -z "$(ls locked)" ] || fail "written beside another start: $(ls locked)"
    exec 9<&-
fi
mkdir -p late/data.path
expect 1 "data.path" -- "$TERN" train small.yaml --data corpus.h5 --out late
[ ! -e late/config.yaml ] || fail "a run that does not know its dataset"

# places that cannot be written
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod a-w closed
    expect 1 "closed" -- "$TERN" train small.yaml --data corpus.h5 --out closed/run
fi
expect 1 "nowhere" -- "$TERN" export run -o nowhere/m.gguf
# A full disk: every file ends at 20 KB.
(
    ulimit -f 20
    failures=0
    expect 1 "full.gguf" -- "$TERN" export run -o full.gguf
    expect 1 "File too large" -- "$TERN" data tales.txt -o full.h5 --tokenizer byte
    [ "$failures" = 0 ]
) || fail "a full disk"
[ ! -e full.gguf ] && [ ! -e full.h5 ] || fail "a full disk left half a file"
[ -z "$(find . -name '.*.tmp-*')" ] || fail "temporaries are left: $(find . -name '.*.tmp-*')"
finish
