#!/usr/bin/env bash
# test.sh - install what is missing, build every way tern is built, run all tests.
#
# Builds under build-test/: gcc Release with warnings as errors; the runtime alone, without
# OpenBLAS, HDF5 and the training wing; the same as one static program, and two threads of
# it under ThreadSanitizer; the same for AArch64, under an emulator; clang with Address-
# and UndefinedBehaviorSanitizer, where a leak fails the run; the fuzzers, for a moment
# each. The last thing printed is ctest's count.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh --test

out=build-test
jobs=$(nproc)
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

build() { # [target=all] build NAME CMAKE_OPTION...
    local dir=$out/$1
    shift
    cmake -S . -B "$dir" -G Ninja -DTERN_WERROR=ON "${launcher[@]}" "$@" >"$out/log" ||
        { cat "$out/log"; return 1; }
    ninja -C "$dir" -j "$jobs" "${target:-all}" >"$out/log" 2>&1 || { tail -n 60 "$out/log"; return 1; }
}

run() { # run NAME CTEST_OPTION...
    local dir=$out/$1
    shift
    ctest --test-dir "$dir" -j "$jobs" --output-on-failure --no-tests=error "$@"
}

quietly() { # the same, which prints only what fails
    run "$@" >"$out/log" || { tail -n 200 "$out/log"; return 1; }
}

mkdir -p "$out"

step "gcc, Release, warnings are errors"
build release -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release

step "runtime only: no OpenBLAS, no HDF5, no training"
build runtime -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release -DTERN_RUNTIME_ONLY=ON
if ldd "$out/runtime/cli/tern" | grep -Ei 'blas|hdf5|cyaml'; then
    echo "the runtime-only build must not link these"
    exit 1
fi
quietly runtime

step "the runtime as one static program"
build static -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release -DTERN_RUNTIME_ONLY=ON \
    -DTERN_BUILD_TESTS=OFF -DTERN_STATIC=ON
scripts/check-static.sh "$out/static/cli/tern" "$out/runtime/cli/tern" \
    "$out/runtime/tests/toy_model"

step "sessions on several threads, ThreadSanitizer"
target=threads build thread -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTERN_RUNTIME_ONLY=ON -DTERN_SANITIZE=thread
# One OpenMP thread for each session: how OpenMP's own wait for each other is not seen.
OMP_NUM_THREADS=1 TSAN_OPTIONS="halt_on_error=1" \
    "$out/thread/tests/threads" "$out/thread/threads.gguf"

step "aarch64, cross-compiled, under qemu"
if [ "$(uname -m)" != x86_64 ]; then
    echo "skipped: this machine is no x86-64"
elif ! scripts/aarch64-sysroot.sh "$out/aarch64-sysroot"; then
    echo "skipped: no AArch64 packages from this machine's sources"
else
    build aarch64 -DCMAKE_BUILD_TYPE=Release -DTERN_RUNTIME_ONLY=ON \
        -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake \
        -DTERN_SYSROOT="$PWD/$out/aarch64-sysroot"
    # A test that fails, fails three times; Criterion's runner has aborted under qemu once.
    TERN_TRAINER=$PWD/$out/release/cli/tern quietly aarch64 -E '^lint' --repeat until-pass:3
fi

step "clang, AddressSanitizer and UndefinedBehaviorSanitizer"
build sanitize -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTERN_SANITIZE=ON
# Criterion prints a leak and passes all the same: the logs tell.
leaks=$PWD/$out/leaks
rm -rf "$leaks" && mkdir -p "$leaks"
# intercept_tls_get_addr=0: LeakSanitizer crashes, and fails the test, where it looks for
# pointers in the thread-local memory of libraries that were opened while running (OpenBLAS).
ASAN_OPTIONS="log_path=$leaks/asan:detect_leaks=1:intercept_tls_get_addr=0" \
    LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0" \
    UBSAN_OPTIONS="print_stacktrace=1" \
    quietly sanitize -LE slow
# LeakSanitizer's own tracer can crash beside OpenMP threads ("Tracer caught signal"):
# such a log holds no finding.
found=$(grep -lE 'ERROR: |runtime error|SUMMARY: ' -r "$leaks" || true)
if [ -n "$found" ]; then
    echo "sanitizer reports:"
    # shellcheck disable=SC2086 # a list of files
    head -n 40 $found | head -n 200
    exit 1
fi

step "every reader's fuzzer for ${TERN_FUZZ_SECONDS:=4} s, clang, Address- and UndefinedBehaviorSanitizer"
export TERN_FUZZ_SECONDS
if ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' |
    clang -fsanitize=fuzzer,address,undefined -x c -o "$out/has-fuzzer" - 2>"$out/log"; then
    echo "skipped: this clang has no libFuzzer"
else
    target=fuzzers build fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DTERN_FUZZ=ON
    # The files that tests make for the same readers are where they start from.
    export TERN_FUZZ_SEEDS=$PWD/$out/seeds
    rm -rf "$TERN_FUZZ_SEEDS" && mkdir -p "$TERN_FUZZ_SEEDS/config"
    cp configs/*.yaml "$TERN_FUZZ_SEEDS/config"
    quietly release -R '^(formats.(gguf|safetensors)_read|data.(tokenizer_json|sentencepiece|spm)|train.config)$'
    jobs=2 run fuzz -R '^fuzz'
fi

step "all tests, Release build"
run release
