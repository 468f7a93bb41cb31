/* neon_product.h - what the two products of AArch64 share: a tile's codes on their way
 * into registers, and sums on their way out.
 *
 *     a tile, 64 bytes: 16 rows x 4 bytes           (t0 >> 2j) & 3
 *
 *          byte 0  1  2  3                           b0 b1 b2 b3
 *              +--+--+--+--+                        +--+--+--+--+
 *     row 0..3 |  |  |  |  | t0: 4 rows        row 0|u |u |u |u | codes 4j .. 4j + 3
 *         4..7 |  |  |  |  | t1      ->            1|u |u |u |u | of 4 rows
 *        8..11 |  |  |  |  | t2                    2|u |u |u |u |
 *       12..15 |  |  |  |  | t3                    3|u |u |u |u |
 *              +--+--+--+--+                        +--+--+--+--+
 */
#ifndef TERN_KERNELS_NEON_PRODUCT_H
#define TERN_KERNELS_NEON_PRODUCT_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/unroll.h"

enum { QUARTERS = TERN_TILE_BYTES / 16 }; /* registers of a tile, 4 rows each */

/* Codes 4j .. 4j + 3 of 4 rows. Shifts are part of the instruction, hence the switch.
 */
static inline int8x16_t neon_unpacked(uint8x16_t quarter, int j)
{
    const uint8x16_t three = vdupq_n_u8(3);
    switch (j) {
    case 0:
        return vreinterpretq_s8_u8(vandq_u8(quarter, three));
    case 1:
        return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(quarter, 2), three));
    case 2:
        return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(quarter, 4), three));
    default:
        return vreinterpretq_s8_u8(vshrq_n_u8(quarter, 6));
    }
}

/* 16 codes to the 4 bytes of their row of a tile: code 4j + b to bits 2j of byte b. */
static inline uint32_t neon_word(uint8x16_t u)
{
    static const int8_t places[16] = {0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6};
    const uint8x16_t v = vshlq_u8(u, vld1q_s8(places));
    const uint8x8_t both = vorr_u8(vget_low_u8(v), vget_high_u8(v));
    const uint64_t eight = vget_lane_u64(vreinterpret_u64_u8(both), 0);
    return (uint32_t)(eight | eight >> 32);
}

/* y = sum * (gamma / s) (+ add) for the outputs of a panel that exist; sum q is
 * subtracted already. */
static inline void neon_finish(const tern_matmul_block *b, size_t row, size_t panel,
                               const int32x4_t sum[QUARTERS])
{
    const size_t output = panel * TERN_PANEL_ROWS, at = row * b->ldy + output;
    const size_t left = b->outputs - output;
    const float32x4_t factor = vdupq_n_f32(b->gamma / b->scale[row]);
    float32x4_t v[QUARTERS];
    TERN_UNROLLED (g, QUARTERS) v[g] = vmulq_f32(vcvtq_f32_s32(sum[g]), factor);
    if (left >= TERN_PANEL_ROWS) {
        TERN_UNROLLED (g, QUARTERS) {
            if (b->add) v[g] = vaddq_f32(v[g], vld1q_f32(b->add + at + 4 * g));
            vst1q_f32(b->y + at + 4 * g, v[g]);
        }
        return;
    }
    float product[TERN_PANEL_ROWS];
    TERN_UNROLLED (g, QUARTERS) vst1q_f32(product + 4 * g, v[g]);
    for (size_t i = 0; i < left; i++)
        b->y[at + i] = b->add ? product[i] + b->add[at + i] : product[i];
}

#endif /* TERN_KERNELS_NEON_PRODUCT_H */
