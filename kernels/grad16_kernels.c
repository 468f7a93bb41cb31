/* grad16_kernels.c - which table of the integer backward is in use. */
#include "kernels/grad16_kernels.h"

const tern_grad16_kernels *tern_grad16_active = &tern_grad16_scalar;

void tern_grad16_kernels_use(tern_level l)
{
    tern_grad16_active = &tern_grad16_scalar;
#if defined(__x86_64__)
    if (l == TERN_LEVEL_AVX2) tern_grad16_active = &tern_grad16_avx2;
    if (l == TERN_LEVEL_AVX512VNNI) tern_grad16_active = &tern_grad16_avx512;
#elif defined(__aarch64__)
    if (l >= TERN_LEVEL_NEON) tern_grad16_active = &tern_grad16_neon;
#endif
    (void)l;
}
