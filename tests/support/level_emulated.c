/* level_emulated.c - for tests that hold emulated AVX-512 kernels: this CPU has them.
 *
 * Linked with a cpu.c whose own answer goes by another name (tests/emulated.cmake). The
 * emulation needs AVX2, FMA and F16C; without them the test ends as skipped. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cpu.h"

__attribute__((constructor)) static void skip_without_avx2(void)
{
    if (tern_cpu_query().avx2) return;
    fputs("skipped: to emulate AVX-512, AVX2 is needed\n", stderr);
    _Exit(77);
}

tern_level tern_level_best(void)
{
    return TERN_LEVEL_AVX512VNNI;
}
