/* fuzz_safetensors.c - libFuzzer: no bytes whatever may make the safetensors reader
 * misbehave. */
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/walk_st.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static volatile unsigned sink;
    tern_safetensors *s;
    if (tern_safetensors_parse(data, bytes, "fuzz", &s) != TERN_OK) return 0;
    sink = sink + walk_st(s); /* read, so that no compiler leaves it out */
    tern_safetensors_close(s);
    return 0;
}
