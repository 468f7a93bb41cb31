/* float_kernels.c - which table of float leaf functions is in use. */
#include "kernels/float_kernels.h"

const tern_float_kernels *tern_float_active = &tern_float_scalar;

void tern_float_kernels_use(tern_level l)
{
#if defined(__x86_64__)
    if (l == TERN_LEVEL_AVX512VNNI) {
        tern_float_active = &tern_float_avx512;
        return;
    }
    if (l == TERN_LEVEL_AVX2) {
        tern_float_active = &tern_float_avx2;
        return;
    }
#elif defined(__aarch64__)
    if (l >= TERN_LEVEL_NEON) {
        tern_float_active = &tern_float_neon;
        return;
    }
#endif
    (void)l;
    tern_float_active = &tern_float_scalar;
}
