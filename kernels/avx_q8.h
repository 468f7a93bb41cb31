/* avx_q8.h - the 8-bit head for both levels of x86-64, which differ in one step: how
 * four products become one sum.
 *
 *     a block of a row of weights, 34 bytes       the block's codes of a row of x
 *     | d | w0 w1 w2 .. w31                   |   | q0 q1 q2 .. q31                   |
 *      fp16  a register, unaligned: |w|             a register: q with the sign of w
 *
 *     products  | w0 q0 + .. + w3 q3 | 4 .. 7 | 8 .. 11 | .. | 28 .. 31 |   8 lanes
 *
 *     lanes = float(products) * (d * e) + lanes,  one fused step for each block
 *
 * These are the lanes of decode_kernels.h, hence the bits of every other level. |w| is
 * an unsigned operand, up to 128. A block of weights is loaded once for up to four rows
 * of x. The scales of eight blocks, 34 bytes apart, are put into one register, widened
 * and multiplied with those of x together, and broadcast from memory one by one: 12
 * instructions for a block and a row instead of 19.
 *
 *     | d .. | d .. | d .. |  ->  | d0 d1 .. d7 | * | e0 e1 .. e7 |  ->  f[0] .. f[7]
 */
#ifndef TERN_KERNELS_AVX_Q8_H
#define TERN_KERNELS_AVX_Q8_H

#include <immintrin.h>
#include <string.h>

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

enum {
    AVX_Q8_STEP = 8,     /* blocks whose scales are made together */
    AVX_Q8_ROWS = 4,     /* rows of x at once */
    AVX_Q8_AHEAD = 2048, /* bytes of weights that are asked for before needed */
};

/* Lane l: size[4l] q[4l] + .. + size[4l + 3] q[4l + 3]; size is unsigned. */
typedef __m256i avx_products(__m256i size, __m256i q);

/* d of n blocks (one, or AVX_Q8_STEP) from w on, times e of every row: f[r][i]. */
TERN_INLINE void avx_q8_scales(const uint8_t *w, const float *e, size_t blocks, int n,
                               int rows, float f[][AVX_Q8_STEP])
{
    uint16_t bits[AVX_Q8_STEP] = {0};
    TERN_UNROLLED (i, n) memcpy(&bits[i], w + i * TERN_Q8_BYTES, sizeof *bits);
    const __m256 d = _mm256_cvtph_ps(
        _mm_setr_epi16((short)bits[0], (short)bits[1], (short)bits[2], (short)bits[3],
                       (short)bits[4], (short)bits[5], (short)bits[6], (short)bits[7]));
    TERN_UNROLLED (r, rows) {
        const float *from = e + (size_t)r * blocks;
        if (n == AVX_Q8_STEP)
            _mm256_storeu_ps(f[r], _mm256_mul_ps(d, _mm256_loadu_ps(from)));
        else
            f[r][0] = _mm256_cvtss_f32(d) * from[0];
    }
}

/* Block i of w with the same of every row of q: one step of all lanes. */
TERN_INLINE void avx_q8_block(const uint8_t *w, const int8_t *q, size_t cols, int i,
                              int rows, float f[][AVX_Q8_STEP], __m256 lane[],
                              avx_products *products)
{
    const __m256i v = _mm256_loadu_si256((const void *)(w + i * TERN_Q8_BYTES + 2));
    const __m256i size = _mm256_abs_epi8(v);
    TERN_UNROLLED (r, rows) {
        const int8_t *x = q + (size_t)r * cols + i * TERN_Q8_BLOCK;
        const __m256i signedly =
            _mm256_sign_epi8(_mm256_loadu_si256((const void *)x), v);
        lane[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products(size, signedly)),
                                  _mm256_broadcast_ss(&f[r][i]), lane[r]);
    }
}

/* rows <= 4 rows of activations, from row i, with one row of weights. */
TERN_INLINE void avx_q8_rows(const tern_q8_dots *d, size_t i, const uint8_t *w,
                             float *y, int rows, avx_products *products)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const int8_t *q = d->q + i * d->cols;
    const float *e = d->e + i * blocks;
    float f[AVX_Q8_ROWS][AVX_Q8_STEP];
    __m256 lane[AVX_Q8_ROWS];
    TERN_UNROLLED (r, rows) lane[r] = _mm256_setzero_ps();
    size_t left = blocks;
    for (; left >= AVX_Q8_STEP; left -= AVX_Q8_STEP) {
        TERN_UNROLLED (l, 4)
            _mm_prefetch((const char *)w + AVX_Q8_AHEAD + 64 * l, _MM_HINT_T0);
        avx_q8_scales(w, e, blocks, AVX_Q8_STEP, rows, f);
        TERN_UNROLLED (b, AVX_Q8_STEP)
            avx_q8_block(w, q, d->cols, b, rows, f, lane, products);
        w += AVX_Q8_STEP * TERN_Q8_BYTES;
        q += AVX_Q8_STEP * TERN_Q8_BLOCK;
        e += AVX_Q8_STEP;
    }
    for (; left > 0; left--) {
        avx_q8_scales(w, e, blocks, 1, rows, f);
        avx_q8_block(w, q, d->cols, 0, rows, f, lane, products);
        w += TERN_Q8_BYTES;
        q += TERN_Q8_BLOCK;
        e++;
    }
    TERN_UNROLLED (r, rows) {
        const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(lane[r]),
                                     _mm256_extractf128_ps(lane[r], 1));
        const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
        y[(size_t)r * d->ldy] = _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
    }
}

TERN_INLINE void avx_q8_dots(const tern_q8_dots *d, avx_products *products)
{
    const size_t bytes = d->cols / TERN_Q8_BLOCK * TERN_Q8_BYTES;
    const uint8_t *w = d->w;
    for (size_t j = 0; j < d->n; j++, w += bytes) {
        float *y = d->y + j;
        size_t i = 0;
        for (; i + 4 <= d->m; i += 4) avx_q8_rows(d, i, w, y + i * d->ldy, 4, products);
        if (i + 2 <= d->m) avx_q8_rows(d, i, w, y + i * d->ldy, 2, products), i += 2;
        if (i < d->m) avx_q8_rows(d, i, w, y + i * d->ldy, 1, products);
    }
}

#endif /* TERN_KERNELS_AVX_Q8_H */
