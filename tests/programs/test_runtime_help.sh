#!/usr/bin/env bash
# What every build of the program answers, the runtime-only one too.
. "$(dirname "$0")/lib.sh"
expect 0 "kernels" -- "$TERN" --version
expect 0 "generate" -- "$TERN" --help
expect 0 "Usage" -- "$TERN" help generate
expect 2 "generate" -- "$TERN" gen
expect 1 "missing.gguf" -- "$TERN" generate missing.gguf -p x
printf 'GGUF\003\000\000\000' >stub.gguf
expect 1 "stub.gguf" -- "$TERN" generate stub.gguf -p x
expect 1 "stub.gguf" -- "$TERN" inspect stub.gguf
finish
