#!/usr/bin/env bash
# A dataset that has moved is given once, and found again after that; another one that
# is offered in its place is not remembered.
. "$(dirname "$0")/lib.sh"
small_config
"$TERN" tales -o tales.txt --bytes 30K --seed 3 2>/dev/null
"$TERN" tales -o other.txt --bytes 30K --seed 4 2>/dev/null
"$TERN" data tales.txt -o corpus.h5 --tokenizer char >/dev/null
"$TERN" data other.txt -o other.h5 --tokenizer char >/dev/null
"$TERN" train small.yaml --data corpus.h5 --out run --set train.steps=2 2>/dev/null

mkdir away && mv corpus.h5 away/corpus.h5
more() { "$TERN" train --resume run --set train.steps=$1 "${@:2}"; }
expect 1 "corpus.h5" -- more 3
expect 1 "other.h5" -- more 3 --data other.h5
expect 1 "corpus.h5" -- more 3
expect 0 "" -- more 3 --data away/corpus.h5
expect 0 "" -- more 4
"$TERN" eval run --tokens 50 --json | grep >/dev/null '"data": "/.*away/corpus.h5"' ||
    fail "eval does not know where the dataset is"

# A run that has its own dataset stays whole when it moves.
"$TERN" train small.yaml --data tales.txt --out own --set train.steps=2 2>/dev/null
expect 0 "" -- "$TERN" train --resume own --data own/data.h5 --set train.steps=3
mv own moved
expect 0 "" -- "$TERN" train --resume moved --set train.steps=4
finish
