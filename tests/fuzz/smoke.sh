#!/bin/sh
# smoke.sh - one fuzzer for a moment: smoke.sh PROGRAM NAME DIRECTORY.
#
# From the seeds in $TERN_FUZZ_SEEDS/NAME, if there are any (tests/support/seed.h), for
# $TERN_FUZZ_SECONDS. The input that crashed it is left in DIRECTORY.
set -eu
program=$1 name=$2 dir=$3
rm -rf "$dir/$name.corpus"
mkdir -p "$dir/$name.corpus"
seeds=${TERN_FUZZ_SEEDS:-}/$name
[ -d "$seeds" ] || seeds=
# Memory is bounded by the size of a file; 256 MB is what an allocation of the optimizer
# or the tokenizer never comes near to.
# shellcheck disable=SC2086 # nothing, where there are no seeds
exec "$program" -seed=1 -max_total_time="${TERN_FUZZ_SECONDS:-10}" -max_len=16384 \
    -malloc_limit_mb=256 -timeout=600 -artifact_prefix="$dir/$name-" -print_final_stats=1 \
    "$dir/$name.corpus" $seeds
