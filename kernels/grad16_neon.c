/* grad16_neon.c - the integer backward in AArch64's Advanced SIMD with smlal.
 *
 *     four rows of a         16 of a strip's 64 columns        16 sums in registers
 *     | k0 k1 .. k7 |    x   | k0 of 8 | k0 of 8 |       ->    | 4 | 4 | 4 | 4 |
 *       one register         | k1 of 8 | k1 of 8 | by ld2        4 times
 */
#include <arm_neon.h>

#include "kernels/grad16_kernels.h"
#include "kernels/kernels.h"
#include "kernels/unroll.h"

/* --- rounding --- */

static inline uint32x4_t magnitude(float32x4_t x)
{
    return vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x7fffffff));
}

static uint32_t peak(const float *x, size_t n)
{
    uint32x4_t most = vdupq_n_u32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) most = vmaxq_u32(most, magnitude(vld1q_f32(x + i)));
    const uint32_t tail = tern_grad16_scalar.peak(x + i, n - i), all = vmaxvq_u32(most);
    return tail > all ? tail : all;
}

/* fcvtns rounds half to even and makes 0 of NaN. */
static void round_row(const float *x, float scale, size_t n, int16_t *q)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const int32x4_t v = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), scale));
        vst1_s16(q + i, vmovn_s32(v));
    }
    tern_grad16_scalar.round(x + i, scale, n - i, q + i);
}

/* Four rows at a time: the columns' peaks are read and written once for them. */
TERN_INLINE void peaks_of(const float *x, size_t ldx, const float *factor, int rows,
                          size_t cols, uint32_t *row, uint32_t *col)
{
    uint32x4_t most[4];
    TERN_UNROLLED (r, rows) most[r] = vdupq_n_u32(0);
    size_t c = 0;
    for (; c + 4 <= cols; c += 4) {
        uint32x4_t down = vld1q_u32(col + c);
        TERN_UNROLLED (r, rows) {
            const float32x4_t v = vld1q_f32(x + (size_t)r * ldx + c);
            most[r] = vmaxq_u32(most[r], magnitude(v));
            down = vmaxq_u32(down, magnitude(vmulq_n_f32(v, factor[r])));
        }
        vst1q_u32(col + c, down);
    }
    uint32_t tail[4];
    tern_grad16_scalar.peaks(x + c, ldx, factor, (size_t)rows, cols - c, tail, col + c);
    TERN_UNROLLED (r, rows) {
        row[r] = vmaxvq_u32(most[r]);
        if (tail[r] > row[r]) row[r] = tail[r];
    }
}

static void peaks(const float *x, size_t ldx, const float *factor, size_t rows,
                  size_t cols, uint32_t *row, uint32_t *col)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4)
        peaks_of(x + r * ldx, ldx, factor + r, 4, cols, row + r, col);
    for (; r < rows; r++) peaks_of(x + r * ldx, ldx, factor + r, 1, cols, row + r, col);
}

/* Rows r and r + 1 as one pair of 16 bits per column. */
static inline int32x4_t round_pair(const float *x, size_t ldx, const float *factor,
                                   float32x4_t scale)
{
    int32x4_t half[2];
    TERN_UNROLLED (i, 2) {
        const float32x4_t v = vmulq_n_f32(vld1q_f32(x + (size_t)i * ldx), factor[i]);
        half[i] = vcvtnq_s32_f32(vmulq_f32(v, scale));
    }
    return vsliq_n_s32(half[0], half[1], 16);
}

/* Transpose 4 x 4 numbers of 32 bits. */
static inline void transpose(int32x4_t v[4])
{
    int64x2_t t[4]; /* two rows of columns 0 and 2, or of 1 and 3 */
    TERN_UNROLLED (i, 2) {
        t[2 * i] = vreinterpretq_s64_s32(vtrn1q_s32(v[2 * i], v[2 * i + 1]));
        t[2 * i + 1] = vreinterpretq_s64_s32(vtrn2q_s32(v[2 * i], v[2 * i + 1]));
    }
    TERN_UNROLLED (i, 2) {
        v[i] = vreinterpretq_s32_s64(vtrn1q_s64(t[i], t[i + 2]));
        v[i + 2] = vreinterpretq_s32_s64(vtrn2q_s64(t[i], t[i + 2]));
    }
}

/* 8 rows of 4 columns at a time; what is left over goes the slow way. */
static void round_columns(const float *x, size_t ldx, const float *factor,
                          const float *scale, size_t rows, size_t cols, int16_t *q,
                          size_t ldq)
{
    size_t r = 0, c = 0;
    for (; r + 8 <= rows; r += 8)
        for (c = 0; c + 4 <= cols; c += 4) {
            const float32x4_t s = vld1q_f32(scale + c);
            int32x4_t v[4];
            TERN_UNROLLED (i, 4)
                v[i] = round_pair(x + (r + 2 * (size_t)i) * ldx + c, ldx,
                                  factor + r + 2 * i, s);
            transpose(v);
            TERN_UNROLLED (i, 4)
                vst1q_s16(q + (c + (size_t)i) * ldq + r, vreinterpretq_s16_s32(v[i]));
        }
    tern_grad16_scalar.round_columns(x + c, ldx, factor, scale + c, r, cols - c,
                                     q + c * ldq, ldq);
    tern_grad16_scalar.round_columns(x + r * ldx, ldx, factor + r, scale, rows - r,
                                     cols, q + r, ldq);
}

/* --- strips --- */

/* 16 columns of two rows of a tile, which are 8 bytes that follow each other. Column
 * 4j + b stands in byte b at bit 2j. */
static inline void unpack_pair(const uint8_t *word, int16_t *out)
{
    const uint8x8_t both = vld1_u8(word);
    uint8x8_t pairs = vzip1_u8(both, vext_u8(both, both, 4));
    TERN_UNROLLED (j, 4) {
        const int8x8_t u = vreinterpret_s8_u8(vand_u8(pairs, vdup_n_u8(3)));
        vst1q_s16(out + 8 * j, vmovl_s8(vsub_s8(u, vdup_n_s8(1))));
        pairs = vshr_n_u8(pairs, 2);
    }
}

static void unpack(const uint8_t *codes, size_t panel_bytes, size_t panels,
                   size_t tiles, int16_t *strip)
{
    for (size_t p = 0; p < panels; p++, codes += panel_bytes)
        for (int r = 0; r < TERN_PANEL_ROWS; r += 2, strip += 2 * TERN_STRIP_COLS)
            for (size_t t = 0; t < tiles; t++)
                unpack_pair(codes + t * TERN_TILE_BYTES + 4 * r, strip + 32 * t);
}

static void interleave(const int8_t *q, size_t stride, size_t rows, int16_t *strip)
{
    const size_t end = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * TERN_STRIP_STEP;
    const int8x16_t zero = vdupq_n_s8(0);
    for (size_t r = 0; r < end; r += 2, strip += 2 * TERN_STRIP_COLS)
        for (size_t t = 0; t < 4; t++) {
            const int8_t *row = q + r * stride + 16 * t;
            const int8x16_t a = r < rows ? vld1q_s8(row) : zero;
            const int8x16_t b = r + 1 < rows ? vld1q_s8(row + stride) : zero;
            const int8x16_t low = vzip1q_s8(a, b), high = vzip2q_s8(a, b);
            vst1q_s16(strip + 32 * t, vmovl_s8(vget_low_s8(low)));
            vst1q_s16(strip + 32 * t + 8, vmovl_high_s8(low));
            vst1q_s16(strip + 32 * t + 16, vmovl_s8(vget_low_s8(high)));
            vst1q_s16(strip + 32 * t + 24, vmovl_high_s8(high));
        }
}

/* --- the product: 4 rows by 16 columns, 16 sums ---
 *
 * ld2 takes the pairs of 8 columns apart, into a register for each of two steps; smlal
 * and smlal2 multiply its halves with one of the 8 steps in a row's register and add to
 * 4 columns of 32 bits. */
enum { GROUP = 4, PARTS = 4 };

/* sum[0..1] += 8 columns times lane l of a row. The lane is part of the instruction. */
static inline void add_step(int32x4_t sum[2], int16x8_t w, int16x8_t a, int l)
{
#define CASE(l)                                                                        \
    case l:                                                                            \
        sum[0] = vmlal_laneq_s16(sum[0], vget_low_s16(w), a, l);                       \
        sum[1] = vmlal_high_laneq_s16(sum[1], w, a, l);                                \
        break
    switch (l) {
        CASE(0);
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
        CASE(7);
    default:
        break;
    }
#undef CASE
}

/* Columns [col, col + 16) of the strip. */
TERN_INLINE void dots(const tern_strip_product *p, size_t row, size_t col, int rows,
                      int32x4_t sum[][PARTS])
{
    const int16_t *a = p->a + row * p->lda, *w = p->strip + 2 * col;
    for (size_t k = 0; k < p->steps; k += TERN_STRIP_STEP) {
        int16x8_t x[GROUP];
        TERN_UNROLLED (r, rows) x[r] = vld1q_s16(a + (size_t)r * p->lda);
        TERN_UNROLLED (j, TERN_STRIP_STEP / 2)
            TERN_UNROLLED (h, 2) {
                const int16x8x2_t pair =
                    vld2q_s16(w + 2 * TERN_STRIP_COLS * j + 16 * h);
                TERN_UNROLLED (r, rows) {
                    add_step(sum[r] + 2 * h, pair.val[0], x[r], 2 * j);
                    add_step(sum[r] + 2 * h, pair.val[1], x[r], 2 * j + 1);
                }
            }
        a += TERN_STRIP_STEP;
        w += TERN_STRIP_STEP * TERN_STRIP_COLS;
    }
}

/* 4 columns of one row, of which `left` exist. */
static inline void finish(int32x4_t sum, float scale, bool add, float *y, size_t left)
{
    float32x4_t v = vmulq_n_f32(vcvtq_f32_s32(sum), scale);
    if (left >= 4) {
        vst1q_f32(y, add ? vaddq_f32(v, vld1q_f32(y)) : v);
        return;
    }
    float value[4];
    vst1q_f32(value, v);
    for (size_t i = 0; i < left; i++) y[i] = add ? value[i] + y[i] : value[i];
}

TERN_INLINE void group(const tern_strip_product *p, size_t row, size_t col, int rows)
{
    int32x4_t sum[GROUP][PARTS];
    int32_t *partial = p->partial ? p->partial + row * TERN_STRIP_COLS + col : NULL;
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (i, PARTS)
            sum[r][i] = p->first ? vdupq_n_s32(0)
                                 : vld1q_s32(partial + TERN_STRIP_COLS * r + 4 * i);
    dots(p, row, col, rows, sum);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (i, PARTS) {
            const size_t at = col + 4 * (size_t)i, line = row + (size_t)r;
            if (!p->last)
                vst1q_s32(partial + TERN_STRIP_COLS * r + 4 * i, sum[r][i]);
            else if (at < p->cols)
                finish(sum[r][i], p->scale[line], p->add, p->y + line * p->ldy + at,
                       p->cols - at);
        }
}

static void product(const tern_strip_product *p)
{
    for (size_t col = 0; col < p->cols; col += 16) {
        size_t row = 0;
        for (; row + GROUP <= p->rows; row += GROUP) group(p, row, col, GROUP);
        for (; row < p->rows; row++) group(p, row, col, 1);
    }
}

const tern_grad16_kernels tern_grad16_neon = {
    .peak = peak,
    .round = round_row,
    .peaks = peaks,
    .round_columns = round_columns,
    .unpack = unpack,
    .interleave = interleave,
    .product = product,
};
