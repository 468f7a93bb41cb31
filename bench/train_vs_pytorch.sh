#!/usr/bin/env bash
# train_vs_pytorch.sh - tokens/s of one training step, tern and PyTorch by turns.
#
#   bench/train_vs_pytorch.sh REF_SCRIPT [PRESET] [ROUNDS] [SECONDS]
#
# REF_SCRIPT is a PyTorch program with `bench --preset P --quant b158|none` (docs/
# performance.md says which). The machines we have are noisy, so the programs alternate,
# and the medians of the rounds are compared. PyTorch gets its fair setting: the right
# BLAS core, two threads, a malloc that keeps its blocks; tcmalloc if it is installed.
# PYTHON names the interpreter that has torch (default python3).
set -euo pipefail
ref=$1 preset=${2:-nano} rounds=${3:-5} seconds=${4:-10}
cd "$(dirname "$0")/.."
tern=${TERN:-build/cli/tern}
preload=$(ls /usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4 2>/dev/null || true)

# OpenBLAS 0.3.21 finds the right kernels by itself only for CPUs older than it.
core=Haswell level=avx2
grep -qm1 AuthenticAMD /proc/cpuinfo && core=Zen
grep -qm1 avx512bw /proc/cpuinfo && core=SkylakeX level=avx512

torch() {
    OMP_NUM_THREADS=2 OPENBLAS_CORETYPE=$core ATEN_CPU_CAPABILITY=$level \
        MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
        MALLOC_TOP_PAD_=200000000 LD_PRELOAD=$preload \
        "${PYTHON:-python3}" "$ref" bench --preset "$preset" --quant "$1" --seconds "$seconds" |
        sed -n 's/.*| \([0-9]*\) tokens\/s.*peak RSS \([0-9]*\) MiB.*/\1 \2/p'
}

# The same shape, batch and optimizer as the reference's preset of that name.
case $preset in
char) config=shakespeare-char same=(model.ffn=344 optim.kind=adamw) ;;
small) config=small same=(train.accumulate=1) ;;
*) config=$preset same=() ;;
esac

# tern finds its BLAS core by itself, whatever this machine sets for others.
ours() {
    env -u OPENBLAS_CORETYPE "$tern" bench train "configs/$config.yaml" --threads 2 --seconds "$seconds" --json \
        "${same[@]/#/--set=}" --set "model.quant=$1" |
        awk -F'[:,]' '/"tokens_per_second"/ {t = $2} /"peak_rss_bytes"/ {m = $2}
                      END {printf "%d %d\n", t, m / 1048576}'
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for i in $(seq "$rounds"); do
    torch b158 >>"$work/torch-ternary"
    ours ternary >>"$work/tern-ternary"
    torch none >>"$work/torch-float"
    ours none >>"$work/tern-float"
    echo "round $i done" >&2
done
printf '%-22s %10s %10s\n' "$preset" "tokens/s" "peak MiB"
for who in torch-ternary torch-float tern-ternary tern-float; do
    printf '%-22s %10s %10s\n' "$who" "$(cut -d' ' -f1 "$work/$who" | median)" \
        "$(cut -d' ' -f2 "$work/$who" | median)"
done
