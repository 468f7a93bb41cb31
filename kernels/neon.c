/* neon.c - the integer kernels for the 128-bit registers that every AArch64 has (4
 * floats, 16 bytes). Where the CPU has the dot product as well, neondot.c replaces the
 * product.
 *
 * The product's blocking, whose arithmetic stands below:
 *
 *      q, rows x columns       a panel: 16 rows of W       y, rows x outputs
 *     +----------------+       +------+------+--          +------+--
 *     | 2 rows         |   x   | tile | tile |      =     | 2x16 |
 *     |   .. 192       |       +------+------+--          |      |
 *     +----------------+       a tile: 4 registers        +------+--
 *
 * Two rows share the unpacking of a tile; 192 rows meet a panel before the next. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/neon_product.h"
#include "kernels/unroll.h"

static float absmax(const float *x, size_t n)
{
    float32x4_t max = vdupq_n_f32(0.0f);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t a = vabsq_f32(vld1q_f32(x + i));
        max = vbslq_f32(vcgtq_f32(a, max), a, max); /* false for NaN */
    }
    const float rest = tern_kernels_scalar.absmax(x + i, n - i), most = vmaxvq_f32(max);
    return rest > most ? rest : most;
}

static int32_t quantize(const float *x, float s, size_t n, int8_t *q)
{
    const float32x4_t least = vdupq_n_f32(-128.0f);
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int32x4_t v[2];
        TERN_UNROLLED (h, 2) {
            const float32x4_t scaled = vmulq_n_f32(vld1q_f32(x + i + 4 * h), s);
            /* fcvtns rounds half to even and makes 0 of NaN, which is not allowed. */
            v[h] = vcvtnq_s32_f32(vmaxnmq_f32(scaled, least));
        }
        const int8x8_t c = vqmovn_s16(vqmovn_high_s32(vqmovn_s32(v[0]), v[1]));
        vst1_s8(q + i, c);
        sum = vpadalq_s16(sum, vmovl_s8(c));
    }
    return vaddvq_s32(sum) + tern_kernels_scalar.quantize(x + i, s, n - i, q + i);
}

static void dequantize(const int8_t *q, float s, size_t n, float *y)
{
    const float32x4_t scale = vdupq_n_f32(s);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const int16x8_t c = vmovl_s8(vld1_s8(q + i));
        const float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(c)));
        const float32x4_t high = vcvtq_f32_s32(vmovl_high_s16(c));
        vst1q_f32(y + i, vdivq_f32(low, scale));
        vst1q_f32(y + i + 4, vdivq_f32(high, scale));
    }
    tern_kernels_scalar.dequantize(q + i, s, n - i, y + i);
}

static double abs_sum(const float *w, size_t n)
{
    float64x2_t sum[8];
    TERN_UNROLLED (l, 8) sum[l] = vdupq_n_f64(0.0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        TERN_UNROLLED (l, 4) {
            const float32x4_t x = vabsq_f32(vld1q_f32(w + i + 4 * l));
            sum[2 * l] = vaddq_f64(sum[2 * l], vcvt_f64_f32(vget_low_f32(x)));
            sum[2 * l + 1] = vaddq_f64(sum[2 * l + 1], vcvt_high_f64_f32(x));
        }
    double lane[16];
    TERN_UNROLLED (l, 8) vst1q_f64(lane + 2 * l, sum[l]);
    return tern_abs_sum_finish(lane, w + i, n - i);
}

/* t = (x > half) - (x < -half) of 4 weights. */
static inline int32x4_t signs(const float *x, float32x4_t half)
{
    const float32x4_t v = vld1q_f32(x);
    const uint32x4_t above = vcgtq_f32(v, half), below = vcltq_f32(v, vnegq_f32(half));
    /* the comparisons give -1 */
    return vreinterpretq_s32_u32(vsubq_u32(below, above));
}

/* The 4 bytes of one row of a tile, from 16 weights. */
static inline void pack_word(const float *x, float32x4_t half, uint8_t *word)
{
    const int16x8_t low =
        vcombine_s16(vmovn_s32(signs(x, half)), vmovn_s32(signs(x + 4, half)));
    const int16x8_t high =
        vcombine_s16(vmovn_s32(signs(x + 8, half)), vmovn_s32(signs(x + 12, half)));
    const int8x16_t t = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
    const uint32_t four = neon_word(vreinterpretq_u8_s8(vaddq_s8(t, vdupq_n_s8(1))));
    memcpy(word, &four, sizeof four);
}

static void pack(const float *w, size_t ld, size_t rows, size_t cols, float half,
                 uint8_t *tiles)
{
    const float32x4_t h = vdupq_n_f32(half);
    const size_t whole = cols / TERN_TILE_COLS, rest = cols % TERN_TILE_COLS;
    const size_t count = whole + (rest != 0);
    if (rows < TERN_PANEL_ROWS) memset(tiles, TERN_TILE_ZERO, count * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++) {
        const float *x = w + r * ld;
        uint8_t *word = tiles + 4 * r;
        for (size_t c = 0; c < whole; c++, x += 16, word += TERN_TILE_BYTES)
            pack_word(x, h, word);
        if (rest) {
            float last[TERN_TILE_COLS] = {0};
            memcpy(last, x, rest * sizeof *x);
            pack_word(last, h, word);
        }
    }
}

static void expand(const uint8_t *tiles, size_t r, size_t cols, float *t)
{
    /* Column 4j + b of a tile stands in byte b at bit 2j: shifts to the right. */
    static const int32_t bytes[4] = {0, -8, -16, -24};
    const uint32x4_t three = vdupq_n_u32(3);
    const int32x4_t one = vdupq_n_s32(1);
    const uint8_t *word = tiles + 4 * r;
    size_t c = 0;
    for (; c + 16 <= cols; c += 16, word += TERN_TILE_BYTES) {
        uint32_t four;
        memcpy(&four, word, sizeof four);
        int32x4_t shift = vld1q_s32(bytes);
        TERN_UNROLLED (j, 4) {
            const uint32x4_t u = vandq_u32(vshlq_u32(vdupq_n_u32(four), shift), three);
            const int32x4_t v = vsubq_s32(vreinterpretq_s32_u32(u), one);
            vst1q_f32(t + c + 4 * j, vcvtq_f32_s32(v));
            shift = vsubq_s32(shift, vdupq_n_s32(2));
        }
    }
    tern_kernels_scalar.expand(tiles + c / 16 * TERN_TILE_BYTES, r, cols - c, t + c);
}

/* --- the product ---
 *
 * smlal and smlal2 multiply the halves of a register of codes (neon_product.h) with 4
 * activations broadcast and add the products to 16 sums of 16 bits, one for each code.
 * With u in 0..2 and q in -128..127 a product lies in -256..254, so 128 of them can be
 * added in 16 bits; 31 tiles are 124. Then each row's four sums are added into 32. */
enum { ROW_CHUNK = 192, GROUP = 2, SHORT_SUM_TILES = 31, ONE_ROW_TILES = 16 };

static inline int8x16_t broadcast4(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* One tile: words[r][2g] and [2g + 1] are the sums of quarter g. */
TERN_INLINE void short_step(const int8_t *q, size_t stride, const uint8_t *tile,
                            int rows, int16x8_t words[][2 * QUARTERS])
{
    int8x16_t x[GROUP][4];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (j, 4) x[r][j] = broadcast4(q + (size_t)r * stride + 4 * j);
    TERN_UNROLLED (g, QUARTERS) {
        const uint8x16_t t = vld1q_u8(tile + 16 * g);
        TERN_UNROLLED (j, 4) {
            const int8x16_t u = neon_unpacked(t, j);
            TERN_UNROLLED (r, rows) {
                int16x8_t *w = words[r] + 2 * g;
                w[0] = vmlal_s8(w[0], vget_low_s8(u), vget_low_s8(x[r][j]));
                w[1] = vmlal_high_s8(w[1], u, x[r][j]);
            }
        }
    }
}

/* The sums of a quarter: each row's four of 16 bits become one of 32. */
static inline int32x4_t widened(const int16x8_t words[2])
{
    return vpaddq_s32(vpaddlq_s16(words[0]), vpaddlq_s16(words[1]));
}

TERN_INLINE void short_sums(const int8_t *q, size_t stride, const uint8_t *tile,
                            size_t tiles, int rows, int32x4_t sum[][QUARTERS])
{
    int16x8_t words[GROUP][2 * QUARTERS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (i, 2 * QUARTERS) words[r][i] = vdupq_n_s16(0);
    for (size_t c = 0; c < tiles; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES)
        short_step(q, stride, tile, rows, words);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (g, QUARTERS)
            sum[r][g] = vaddq_s32(sum[r][g], widened(words[r] + 2 * g));
}

TERN_INLINE void group(const tern_matmul_block *b, size_t row, size_t panel, int rows)
{
    int32x4_t sum[GROUP][QUARTERS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (g, QUARTERS) sum[r][g] = vdupq_n_s32(-b->sum[row + (size_t)r]);
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    for (size_t c = 0; c < b->tiles; c += SHORT_SUM_TILES) {
        const size_t left = b->tiles - c;
        short_sums(q + c * TERN_TILE_COLS, b->stride, tile + c * TERN_TILE_BYTES,
                   left < SHORT_SUM_TILES ? left : SHORT_SUM_TILES, rows, sum);
    }
    TERN_UNROLLED (r, rows) neon_finish(b, row + (size_t)r, panel, sum[r]);
}

/* --- one row (decode) ---
 *
 * Unpacking serves one row only, so codes are masked where they stand, with one shift
 * instead of three:
 *
 *     a byte    | u3 | u2 | u1 | u0 |        t & 3          u of j = 0
 *                7  6 5  4 3  2 1  0         t & 12       4 u of j = 1
 *                                            (t >> 4) & 3   u of j = 2
 *                                            (t >> 4) & 12  4 u of j = 3
 *
 * The 4 u have 16-bit sums of their own, whose two products a tile are at most 8 * 128
 * in size: 16 tiles fit, at worst -32768. They are divided by 4 at the end, exactly. */

/* One tile: words[0] of u, words[1] of 4 u, as in short_step(). One quarter after the
 * other: gcc would unpack all of them first, which needs more registers than there are.
 */
TERN_INLINE void one_row_step(const int8_t *q, const uint8_t *tile,
                              int16x8_t words[2][2 * QUARTERS])
{
    const uint8x16_t low = vdupq_n_u8(3), high = vdupq_n_u8(3 << 2);
    int32x4_t four = vreinterpretq_s32_s8(vld1q_s8(q));
    TERN_OPAQUE(four); /* one load, not four */
    const int8x16_t x[4] = {vreinterpretq_s8_s32(vdupq_laneq_s32(four, 0)),
                            vreinterpretq_s8_s32(vdupq_laneq_s32(four, 1)),
                            vreinterpretq_s8_s32(vdupq_laneq_s32(four, 2)),
                            vreinterpretq_s8_s32(vdupq_laneq_s32(four, 3))};
    TERN_UNROLLED (g, QUARTERS) {
        uint8x16_t t = vld1q_u8(tile + 16 * g);
        TERN_OPAQUE(t);
        const uint8x16_t s = vshrq_n_u8(t, 4);
        TERN_UNROLLED (j, 4) {
            const uint8x16_t from = j < 2 ? t : s, mask = j % 2 ? high : low;
            const int8x16_t u = vreinterpretq_s8_u8(vandq_u8(from, mask));
            int16x8_t *w = words[j % 2] + 2 * g;
            w[0] = vmlal_s8(w[0], vget_low_s8(u), vget_low_s8(x[j]));
            w[1] = vmlal_high_s8(w[1], u, x[j]);
        }
        TERN_OPAQUE(words[1][2 * g]);
    }
}

static void one_row(const tern_matmul_block *b, size_t row, size_t panel)
{
    int32x4_t sum[QUARTERS];
    TERN_UNROLLED (g, QUARTERS) sum[g] = vdupq_n_s32(-b->sum[row]);
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    for (size_t left = b->tiles, n; left > 0; left -= n) {
        int16x8_t words[2][2 * QUARTERS];
        TERN_UNROLLED (i, 2 * QUARTERS) words[0][i] = words[1][i] = vdupq_n_s16(0);
        n = left < ONE_ROW_TILES ? left : ONE_ROW_TILES;
        for (size_t c = 0; c < n; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES)
            one_row_step(q, tile, words);
        TERN_UNROLLED (g, QUARTERS) {
            sum[g] = vaddq_s32(sum[g], widened(words[0] + 2 * g));
            sum[g] = vsraq_n_s32(sum[g], widened(words[1] + 2 * g), 2);
        }
    }
    neon_finish(b, row, panel, sum);
}

static void matmul(const tern_matmul_block *b)
{
    const size_t panels = (b->outputs + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
    /* A chunk of activations stays in the second level cache, the codes of a panel in
     * the first, while every row of the chunk meets them. */
    for (size_t row0 = 0; row0 < b->rows; row0 += ROW_CHUNK) {
        const size_t end = row0 + ROW_CHUNK < b->rows ? row0 + ROW_CHUNK : b->rows;
        for (size_t p = 0; p < panels; p++) {
            size_t row = row0;
            for (; row + GROUP <= end; row += GROUP) group(b, row, p, GROUP);
            if (row < end) one_row(b, row, p);
        }
    }
}

void tern_kernels_upgrade_neon(tern_kernels *k)
{
    k->absmax = absmax;
    k->quantize = quantize;
    k->dequantize = dequantize;
    k->abs_sum = abs_sum;
    k->pack = pack;
    k->expand = expand;
    k->matmul = matmul;
}
