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
 *
 * The sum of a row is one chain of fused steps, four cycles apart. Where the weights
 * are near (in a cache), a row of x meets four rows of them, whose chains do not wait
 * for each other; from memory, four streams are slower than one, which is asked for
 * ahead, since a prefetcher stops where a page does. */
#ifndef TERN_KERNELS_AVX_Q8_H
#define TERN_KERNELS_AVX_Q8_H

#include <immintrin.h>
#include <string.h>

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

enum {
    AVX_Q8_STEP = 8,     /* blocks whose scales are made together */
    AVX_Q8_ROWS = 4,     /* rows of x at once */
    AVX_Q8_COLS = 4,     /* rows of weights at once, for a single row of x */
    AVX_Q8_AHEAD = 2048, /* bytes of weights that are asked for before needed */
};

/* Lane l: size[4l] q[4l] + .. + size[4l + 3] q[4l + 3]; size is unsigned. */
typedef __m256i avx_products(__m256i size, __m256i q);

/* So AVX2 does it, by pairs of 16 bits: at most 2 * 128 * 127 in size, they fit. */
static inline __m256i avx_q8_products(__m256i size, __m256i q)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(size, q), _mm256_set1_epi16(1));
}

/* Rows of x times rows of w, on the way along their blocks. */
typedef struct avx_q8_tile {
    const int8_t *q;  /* row r at r * cols */
    const float *e;   /* row r at r * blocks */
    const uint8_t *w; /* row c at c * bytes */
    size_t cols, blocks, bytes;
} avx_q8_tile;

/* d of n blocks (one, or AVX_Q8_STEP), times e: f[r][c][i]. */
TERN_INLINE void avx_q8_scales(const avx_q8_tile *t, int n, int rows, int cols,
                               float f[][AVX_Q8_COLS][AVX_Q8_STEP])
{
    TERN_UNROLLED (c, cols) {
        uint16_t bits[AVX_Q8_STEP] = {0};
        const uint8_t *w = t->w + (size_t)c * t->bytes;
        TERN_UNROLLED (i, n) memcpy(&bits[i], w + i * TERN_Q8_BYTES, sizeof *bits);
        const __m256 d = _mm256_cvtph_ps(_mm_setr_epi16(
            (short)bits[0], (short)bits[1], (short)bits[2], (short)bits[3],
            (short)bits[4], (short)bits[5], (short)bits[6], (short)bits[7]));
        TERN_UNROLLED (r, rows) {
            const float *e = t->e + (size_t)r * t->blocks;
            if (n == AVX_Q8_STEP)
                _mm256_storeu_ps(f[r][c], _mm256_mul_ps(d, _mm256_loadu_ps(e)));
            else
                f[r][c][0] = _mm256_cvtss_f32(d) * e[0];
        }
    }
}

/* Block i of every row of x with the same of every row of w: one step of all lanes. */
TERN_INLINE void avx_q8_block(const avx_q8_tile *t, int i, int rows, int cols,
                              float f[][AVX_Q8_COLS][AVX_Q8_STEP],
                              __m256 lane[][AVX_Q8_COLS], avx_products *products)
{
    TERN_UNROLLED (c, cols) {
        const uint8_t *w = t->w + (size_t)c * t->bytes + i * TERN_Q8_BYTES;
        const __m256i v = _mm256_loadu_si256((const void *)(w + 2));
        const __m256i size = _mm256_abs_epi8(v);
        TERN_UNROLLED (r, rows) {
            const int8_t *x = t->q + (size_t)r * t->cols + i * TERN_Q8_BLOCK;
            const __m256i signedly =
                _mm256_sign_epi8(_mm256_loadu_si256((const void *)x), v);
            const __m256 sum = _mm256_cvtepi32_ps(products(size, signedly));
            lane[r][c] =
                _mm256_fmadd_ps(sum, _mm256_broadcast_ss(&f[r][c][i]), lane[r][c]);
        }
    }
}

/* n blocks of every row. */
TERN_INLINE void avx_q8_blocks(avx_q8_tile *t, int n, int rows, int cols,
                               __m256 lane[][AVX_Q8_COLS], avx_products *products)
{
    float f[AVX_Q8_ROWS][AVX_Q8_COLS][AVX_Q8_STEP];
    avx_q8_scales(t, n, rows, cols, f);
    TERN_UNROLLED (i, n) avx_q8_block(t, i, rows, cols, f, lane, products);
    t->w += n * TERN_Q8_BYTES;
    t->q += n * TERN_Q8_BLOCK;
    t->e += n;
}

static inline float avx_q8_sum(__m256 lane)
{
    const __m128 s4 =
        _mm_add_ps(_mm256_castps256_ps128(lane), _mm256_extractf128_ps(lane, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

/* Rows [i, i + rows) of x times rows [j, j + cols) of w. */
TERN_INLINE void avx_q8_rows(const tern_q8_dots *d, size_t i, size_t j, int rows,
                             int cols, avx_products *products)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK, bytes = blocks * TERN_Q8_BYTES;
    avx_q8_tile t = {.q = d->q + i * d->cols,
                     .e = d->e + i * blocks,
                     .w = d->w + j * bytes,
                     .cols = d->cols,
                     .blocks = blocks,
                     .bytes = bytes};
    __m256 lane[AVX_Q8_ROWS][AVX_Q8_COLS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (c, cols) lane[r][c] = _mm256_setzero_ps();
    size_t left = blocks;
    for (; left >= AVX_Q8_STEP; left -= AVX_Q8_STEP) {
        if (cols == 1)
            TERN_UNROLLED (l, 4)
                _mm_prefetch((const char *)t.w + AVX_Q8_AHEAD + 64 * l, _MM_HINT_T0);
        avx_q8_blocks(&t, AVX_Q8_STEP, rows, cols, lane, products);
    }
    for (; left > 0; left--) avx_q8_blocks(&t, 1, rows, cols, lane, products);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (c, cols)
            d->y[(i + (size_t)r) * d->ldy + j + (size_t)c] = avx_q8_sum(lane[r][c]);
}

TERN_INLINE void avx_q8_dots(const tern_q8_dots *d, avx_products *products)
{
    size_t j = 0;
    for (; d->near && d->m == 1 && j + AVX_Q8_COLS <= d->n; j += AVX_Q8_COLS)
        avx_q8_rows(d, 0, j, 1, AVX_Q8_COLS, products);
    for (; j < d->n; j++) {
        size_t i = 0;
        for (; i + 4 <= d->m; i += 4) avx_q8_rows(d, i, j, 4, 1, products);
        if (i + 2 <= d->m) avx_q8_rows(d, i, j, 2, 1, products), i += 2;
        if (i < d->m) avx_q8_rows(d, i, j, 1, 1, products);
    }
}

#endif /* TERN_KERNELS_AVX_Q8_H */
