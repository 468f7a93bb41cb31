#!/bin/sh
# format.sh - every C file as .clang-format says.
set -eu
cd "$(dirname "$0")/../.."
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
echo "format: clean"
