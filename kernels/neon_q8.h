/* neon_q8.h - heads of 4 to 8 bits for both levels of AArch64, which differ in one
 * step: how four products become one sum.
 *
 *     a block of a row of weights, 34 bytes       the block's codes of a row of x
 *     | d | w0 .. w15       | w16 .. w31      |   | q0 .. q15     | q16 .. q31    |
 *      fp16   a register        another
 *
 *     products  | w0 q0 + .. + w3 q3 | 4 .. 7 | 8 .. 11 | 12 .. 15 |   lanes 0 to 3
 *               | 16 .. 19 | 20 .. 23 | 24 .. 27 | 28 .. 31 |          lanes 4 to 7
 *
 *     lanes = float(products) * (d * e) + lanes,  one fused step for each block
 *
 * These are the lanes of decode_kernels.h, hence the bits of every other level. A block
 * of weights is loaded once for up to four rows of x. */
#ifndef TERN_KERNELS_NEON_Q8_H
#define TERN_KERNELS_NEON_Q8_H

#include <arm_neon.h>

#include "kernels/codes.h"
#include "kernels/unroll.h"

/* Lane l: a[4l] b[4l] + .. + a[4l + 3] b[4l + 3]. */
typedef int32x4_t neon_products(int8x16_t a, int8x16_t b);

static inline float neon_block_scale(const uint8_t *w)
{
    const uint16x4_t bits = vld1_dup_u16((const void *)w);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(bits)), 0);
}

static inline float neon_q8_sum(const float32x4_t lane[2])
{
    const float32x4_t s4 = vaddq_f32(lane[0], lane[1]);
    return vpadds_f32(vadd_f32(vget_low_f32(s4), vget_high_f32(s4)));
}

/* rows <= 4 rows of activations, from row i, with one row of weights. */
TERN_INLINE void neon_q8_rows(const tern_q8_dots *d, size_t i, const uint8_t *w,
                              float *y, int rows, neon_products *products)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const int8_t *q = d->q + i * d->cols;
    const float *e = d->e + i * blocks;
    float32x4_t lane[4][2];
    TERN_UNROLLED (r, rows) lane[r][0] = lane[r][1] = vdupq_n_f32(0.0f);
    for (size_t b = 0; b < blocks; b++, w += TERN_Q8_BYTES) {
        const int8_t *v = (const int8_t *)w + 2;
        const int8x16_t w0 = vld1q_s8(v), w1 = vld1q_s8(v + 16);
        const float scale = neon_block_scale(w);
        TERN_UNROLLED (r, rows) {
            const int8_t *x = q + (size_t)r * d->cols + b * TERN_Q8_BLOCK;
            const float f = scale * e[(size_t)r * blocks + b];
            const float32x4_t s0 = vcvtq_f32_s32(products(w0, vld1q_s8(x)));
            const float32x4_t s1 = vcvtq_f32_s32(products(w1, vld1q_s8(x + 16)));
            lane[r][0] = vfmaq_n_f32(lane[r][0], s0, f);
            lane[r][1] = vfmaq_n_f32(lane[r][1], s1, f);
        }
    }
    TERN_UNROLLED (r, rows) y[(size_t)r * d->ldy] = neon_q8_sum(lane[r]);
}

TERN_INLINE void neon_q8_dots(const tern_q8_dots *d, neon_products *products)
{
    const size_t bytes = d->cols / TERN_Q8_BLOCK * TERN_Q8_BYTES;
    const uint8_t *w = d->w;
    for (size_t j = 0; j < d->n; j++, w += bytes) {
        float *y = d->y + j;
        size_t i = 0;
        for (; i + 4 <= d->m; i += 4)
            neon_q8_rows(d, i, w, y + i * d->ldy, 4, products);
        if (i + 2 <= d->m) neon_q8_rows(d, i, w, y + i * d->ldy, 2, products), i += 2;
        if (i < d->m) neon_q8_rows(d, i, w, y + i * d->ldy, 1, products);
    }
}

/* --- heads of 4 and 6 bits: unpacked to bytes, 256 columns of a row at a time --- */

/* `blocks` blocks of x with what is unpacked. */
TERN_INLINE void neon_codes_blocks(const tern_codes *w, size_t blocks, bool shifted,
                                   const int8_t *q, const float *e, float32x4_t lane[2],
                                   neon_products *products)
{
    for (size_t b = 0; b < blocks; b++)
        TERN_UNROLLED (h, 2) {
            const size_t at = 2 * b + (size_t)h;
            const int8x16_t v = vld1q_s8(q + 16 * at);
            const int32x4_t sum = products(vld1q_s8(w->code + 16 * at), v);
            lane[h] = vfmaq_n_f32(lane[h], vcvtq_f32_s32(sum), w->step[at] * e[b]);
            if (!shifted) continue;
            const float32x4_t all = vcvtq_f32_s32(products(vdupq_n_s8(1), v));
            lane[h] = vfmaq_n_f32(lane[h], all, w->shift[b] * e[b]);
        }
}

/* Up to four rows of x, from row i, with row j of w. */
TERN_INLINE void neon_codes_row(const tern_q8_dots *d, size_t i, size_t rows, size_t j,
                                neon_products *products)
{
    const tern_codes_type type = d->type;
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const uint8_t *w = d->w + j * tern_codes_bytes(type, blocks);
    float32x4_t lane[4][2];
    tern_codes codes;
    for (size_t r = 0; r < rows; r++) lane[r][0] = lane[r][1] = vdupq_n_f32(0.0f);
    for (size_t b = 0; b < blocks; b += TERN_CODES_BLOCKS) {
        const size_t left = blocks - b;
        const size_t n = left < TERN_CODES_BLOCKS ? left : TERN_CODES_BLOCKS;
        tern_unpack_codes(type, w + tern_codes_bytes(type, b), n, &codes);
        for (size_t r = 0; r < rows; r++)
            neon_codes_blocks(&codes, n, type == TERN_CODES_Q4_K,
                              d->q + (i + r) * d->cols + b * TERN_Q8_BLOCK,
                              d->e + (i + r) * blocks + b, lane[r], products);
    }
    for (size_t r = 0; r < rows; r++) d->y[(i + r) * d->ldy + j] = neon_q8_sum(lane[r]);
}

TERN_INLINE void neon_codes_dots(const tern_q8_dots *d, neon_products *products)
{
    for (size_t j = 0; j < d->n; j++)
        for (size_t i = 0; i < d->m; i += 4)
            neon_codes_row(d, i, d->m - i < 4 ? d->m - i : 4, j, products);
}

#endif /* TERN_KERNELS_NEON_Q8_H */
