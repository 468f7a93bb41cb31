/* grad16_kernels.c - which table of the integer backward is in use. */
#include "kernels/grad16_kernels.h"

const tern_grad16_kernels *tern_grad16_active(void)
{
    switch (tern_kernels_level()) {
#if defined(__x86_64__)
    case TERN_LEVEL_AVX2:
        return &tern_grad16_avx2;
    case TERN_LEVEL_AVX512VNNI:
        return &tern_grad16_avx512;
#elif defined(__aarch64__)
    case TERN_LEVEL_NEON:
    case TERN_LEVEL_NEONDOT:
        return &tern_grad16_neon;
#endif
    default:
        return &tern_grad16_scalar;
    }
}
