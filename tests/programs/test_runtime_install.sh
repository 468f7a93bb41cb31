#!/usr/bin/env bash
# The installed tree, as a stranger's program sees it: nothing but a prefix, pkg-config
# and a compiler. The example must write what `tern generate` writes.
. "$(dirname "$0")/lib.sh"
: "${TERN_BUILD:?the build tree}" "${TERN_TOY:?makes a small model}"
command -v pkg-config >/dev/null || exit 77
cmake --install "$TERN_BUILD" --prefix "$dir/first" >install.txt || fail "cmake --install"
mv first usr # the tree may stand anywhere
for pc in $(find usr -name '*.pc'); do
    grep -qF "$TERN_BUILD" "$pc" && fail "$pc holds the path of the build tree"
done
PKG_CONFIG_PATH=$(dirname "$(find "$dir/usr" -name tern-runtime.pc)")
export PKG_CONFIG_PATH

# No include but this one is needed, and nothing in it is warned of.
compile() { # SOURCE PACKAGE
    # shellcheck disable=SC2046,SC2086 # lists of words
    ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror ${CFLAGS:-} "$1" \
        $(pkg-config --cflags --libs "$2") -o "$(basename "$1" .c)"
}
printf '#include <tern/runtime.h>\nint main(void) { return tern_error_message()[0]; }\n' >alone.c
compile alone.c tern-runtime && ./alone || fail "the header does not stand alone"
cp "$TERN_SOURCE/examples/complete.c" .
[ "$(wc -l <complete.c)" -lt 60 ] || fail "the example has 60 lines or more"
compile complete.c tern-runtime || fail "the example does not build"

"$TERN_TOY" toy.gguf
for prompt in "Once" $'caf\xc3\xa9 \xe2\x82'; do
    ./complete toy.gguf "$prompt" >example.txt || fail "the example, exit $?"
    usr/bin/tern generate toy.gguf -p "$prompt" -n 100 --no-display-prompt \
        --overflow refuse --temp 0.8 --top-k 40 --top-p 0.95 --seed 1 >program.txt 2>err.txt
    # The program may write one token more: the one for which there is no room.
    [ "$(wc -c <example.txt)" -gt 20 ] || fail "the example writes nothing"
    cmp -n $(($(wc -c <example.txt) - 1)) example.txt program.txt || fail "not the same text"
done
expect 1 "complete: missing.gguf: " -- ./complete missing.gguf x
expect 2 "usage" -- ./complete
printf 'GGUF\003\000\000\000' >stub.gguf
expect 1 "stub.gguf" -- ./complete stub.gguf x

# The rest of the tree: another example, if it is there.
if [ -f "$PKG_CONFIG_PATH/tern.pc" ]; then
    cp "$TERN_SOURCE/examples/mlp_classifier.c" .
    compile mlp_classifier.c tern && ./mlp_classifier >mlp.txt || fail "tern.pc"
fi
finish
