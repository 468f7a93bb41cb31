/* decode_avx512.c - the runtime's kernels with vpdpbusd. What is bound by memory or by
 * shuffles gains nothing from wider registers: those slots are AVX2's. */
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* avx512vnni.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

static inline float block_scale(const uint8_t *w)
{
    uint16_t bits;
    memcpy(&bits, w, sizeof bits);
    return _cvtsh_ss(bits);
}

/* rows <= 4 rows of activations with one row of weights. vpdpbusd takes |w| as its
 * unsigned operand, q with w's sign as the other; its four products go to one of 8
 * lanes, as decode_kernels.h wants them. */
TERN_INLINE void q8_rows(const tern_q8_dots *d, size_t i, const uint8_t *w, float *y,
                         int rows)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const int8_t *q = d->q + i * d->cols;
    const float *e = d->e + i * blocks;
    __m256 lane[4];
    TERN_UNROLLED (r, rows) lane[r] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++, w += TERN_Q8_BYTES) {
        const __m256i v = _mm256_loadu_si256((const void *)(w + 2));
        const __m256i size = _mm256_abs_epi8(v);
        const float scale = block_scale(w);
        TERN_UNROLLED (r, rows) {
            const int8_t *x = q + (size_t)r * d->cols + b * TERN_Q8_BLOCK;
            const __m256i signedly =
                _mm256_sign_epi8(_mm256_loadu_si256((const void *)x), v);
            const __m256i sum =
                _mm256_dpbusd_epi32(_mm256_setzero_si256(), size, signedly);
            const __m256 f = _mm256_set1_ps(scale * e[(size_t)r * blocks + b]);
            lane[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), f, lane[r]);
        }
    }
    TERN_UNROLLED (r, rows) {
        const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(lane[r]),
                                     _mm256_extractf128_ps(lane[r], 1));
        const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
        y[(size_t)r * d->ldy] = _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
    }
}

static void q8_dots(const tern_q8_dots *d)
{
    const size_t bytes = d->cols / TERN_Q8_BLOCK * TERN_Q8_BYTES;
    const uint8_t *w = d->w;
    for (size_t j = 0; j < d->n; j++, w += bytes) {
        size_t i = 0;
        for (; i + 4 <= d->m; i += 4) q8_rows(d, i, w, d->y + i * d->ldy + j, 4);
        if (i + 2 <= d->m) q8_rows(d, i, w, d->y + i * d->ldy + j, 2), i += 2;
        if (i < d->m) q8_rows(d, i, w, d->y + i * d->ldy + j, 1);
    }
}

static int32_t repack_tq2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_avx2.repack_tq2(row, cols, r, tiles);
}

static int32_t repack_tq1(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_avx2.repack_tq1(row, cols, r, tiles);
}

static int32_t repack_q2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_avx2.repack_q2(row, cols, r, tiles);
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

static uint64_t read_all(const void *p, size_t bytes)
{
    return tern_decode_avx2.read(p, bytes);
}

const tern_decode_kernels tern_decode_avx512 = {
    .few = few,
    .q8_dots = q8_dots,
    .repack_tq2 = repack_tq2,
    .repack_tq1 = repack_tq1,
    .repack_q2 = repack_q2,
    .spin = spin,
    .read = read_all,
};
