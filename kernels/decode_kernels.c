/* decode_kernels.c - which table of the runtime's kernels is in use. */
#include "kernels/decode_kernels.h"

static tern_decode_kernels table;
const tern_decode_kernels *tern_decode_active = &tern_decode_scalar;

void tern_decode_kernels_use(tern_level l)
{
    table = tern_decode_scalar;
#if defined(__x86_64__)
    if (l >= TERN_LEVEL_AVX2) tern_decode_upgrade_avx2(&table);
    if (l >= TERN_LEVEL_AVX512VNNI) tern_decode_upgrade_avx512(&table);
#elif defined(__aarch64__)
    if (l >= TERN_LEVEL_NEON) tern_decode_upgrade_neon(&table);
    if (l >= TERN_LEVEL_NEONDOT) tern_decode_upgrade_neondot(&table);
#endif
    (void)l;
    tern_decode_active = &table;
}
