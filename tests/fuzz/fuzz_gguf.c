/* fuzz_gguf.c - libFuzzer: no bytes whatever may make the GGUF reader misbehave. */
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/walk_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static volatile unsigned sink;
    tern_gguf *g;
    if (tern_gguf_parse(data, bytes, "fuzz", &g) != TERN_OK) return 0;
    sink = sink + walk_gguf(g); /* read, so that no compiler leaves it out */
    tern_gguf_close(g);
    return 0;
}
