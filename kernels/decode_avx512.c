/* decode_avx512.c - the runtime's kernels with vpdpbusd. What is bound by memory or by
 * shuffles gains nothing from wider registers: those slots are AVX2's. */
#include <immintrin.h>

#include "kernels/avx_q8.h"
#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* avx512vnni.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

static inline __m256i products(__m256i size, __m256i q)
{
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), size, q);
}

static void q8_dots(const tern_q8_dots *d)
{
    avx_q8_dots(d, products);
}

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 12 };
    const __m512i u = _mm512_set1_epi8((char)(steps & 3));
    __m512i q = _mm512_set1_epi8((char)(steps & 7)), word[CHAINS];
    TERN_UNROLLED (i, CHAINS) word[i] = _mm512_setzero_si512();
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = _mm512_dpbusd_epi32(word[i], u, q);
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    __m512i all = _mm512_setzero_si512();
    TERN_UNROLLED (i, CHAINS) all = _mm512_xor_si512(all, word[i]);
    *sum = _mm_cvtsi128_si32(_mm512_castsi512_si128(all));
    return steps * CHAINS * 64;
}

void tern_decode_upgrade_avx512(tern_decode_kernels *k)
{
    k->few = few;
    k->q8_dots = q8_dots;
    k->spin = spin;
}
