#!/bin/sh
# includes.sh - every #include "folder/..." against the diagram of docs/design.md.
#
# Each row: folder: what it may include (what those may include is listed in full).
# A name with a slash allows one header only.
set -eu
cd "$(dirname "$0")/../.."

git ls-files '*.c' '*.h' '*.h.in' | xargs awk '
BEGIN {
    up["base"] = "base"
    up["kernels"] = "kernels base"
    up["formats"] = "formats base"
    up["autograd"] = "autograd kernels base"
    up["data"] = "data formats base"
    up["runtime"] = "runtime data/tokenizer.h data/tokenizer_gguf.h data/utf8.h" \
                    " kernels formats base"
    up["layers"] = "layers autograd kernels base"
    up["optim"] = "optim autograd kernels base"
    up["train"] = "train layers optim data autograd kernels formats base"
    up["export"] = "export train/checkpoint.h train/config.h train/eval.h layers optim" \
                   " data/tokenizer.h data/tokenizer_gguf.h data/dataset.h data/loader.h" \
                   " runtime autograd kernels formats base"
    up["serve"] = "serve runtime data/tokenizer.h kernels formats base"
    all = "base kernels formats autograd data runtime layers optim train export serve"
    up["cli"] = all " cli"; up["bench"] = all " bench"; up["examples"] = all
    up["tests"] = all " tests cli bench"
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split(FILENAME, f, "/"); from = f[1]
    split($0, q, "\""); header = q[2]; split(header, h, "/")
    ok = 0
    n = split(up[from], allowed, " ")
    for (i = 1; i <= n; i++) if (allowed[i] == h[1] || allowed[i] == header) ok = 1
    if (!ok) { printf "%s:%d: %s may not include \"%s\"\n", FILENAME, FNR, from, header; bad = 1 }
}
/^[ \t]*#[ \t]*include[ \t]*<(hdf5|cblas)/ {
    if (/hdf5/ && FILENAME != "data/h5lib.h" && FILENAME !~ "^tests/") {
        printf "%s:%d: only data/h5lib.h and tests include hdf5.h\n", FILENAME, FNR; bad = 1
    }
    if (/cblas/ && FILENAME != "kernels/gemm.c") {
        printf "%s:%d: only kernels/gemm.c includes cblas.h\n", FILENAME, FNR; bad = 1
    }
}
END { if (bad) exit 1; print "include directions: as designed" }
'
