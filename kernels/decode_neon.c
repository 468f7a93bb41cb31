/* decode_neon.c - the runtime's kernels for the 128-bit registers of every AArch64.
 *
 * The product for few rows is neon.c's and neondot.c's, which unpack them in registers
 * already. Here are heads (codes_product.h), caches of int8 (int8_product.h), and the
 * way from the blocks of a file to panels, 16 codes at a time:
 *
 *     16 codes u, a byte each            shifted left by        ored: the word of one
 *     | u0 - u3 | 4 - 7 | 8 - 11 | .. |  | 0 | 2 | 4 | 6 |  ->  row of a tile, 4 bytes
 *
 *     TQ2_0: byte m of 32 holds codes m, 32 + m, 64 + m and 96 + m, two bits each, so
 *            (bytes >> 2p) & 3 is 16 codes of plane p
 *     TQ1_0: byte m is a fraction x / 256 with the digits of columns m, 32 + m, ..: the
 *            first digit is 3 x / 256, what follows it 3 x mod 256
 *     Q2_0:  byte j of four holds codes 4j + b at bits 2b; a tile's word has them in
 *            byte b at bits 2j: decode_avx2.c's transposition, four words at once
 */
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/decode_kernels.h"
#include "kernels/neon_int8.h"
#include "kernels/neon_product.h"
#include "kernels/unroll.h"

static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

/* --- caches of int8 --- */

/* A code is at least -128, an activation no less than -127: two products fit 16 bits.
 */
static inline int32x4_t products(int8x16_t a, int8x16_t b)
{
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpaddlq_s16(vpaddq_s16(low, vmull_high_s8(a, b)));
}

static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive)
{
    (void)positive;
    return vaddq_s32(s, products(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
}

#include "kernels/int8_product.h"
/* after it */
#include "kernels/codes_product.h"

/* --- blocks to panels --- */

/* What one row has been found to hold so far. */
typedef struct findings {
    uint8x16_t bad, nonzero;
} findings;

static inline bool any(uint8x16_t v)
{
    return vmaxvq_u8(v) != 0;
}

static inline uint16_t load_bits(const uint8_t *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

static inline void put_word(uint8_t *tiles, size_t tile, uint32_t word)
{
    memcpy(tiles + tile * TERN_TILE_BYTES, &word, sizeof word);
}

/* 16 bytes of a block to four tiles: those of planes 0 to 3, two tiles apart. */
static inline void tq2_planes(const uint8_t *in, uint8_t *tiles, findings *f)
{
    const uint8x16_t v = vld1q_u8(in);
    f->nonzero = vorrq_u8(f->nonzero, veorq_u8(v, vdupq_n_u8(TERN_TILE_ZERO)));
    /* Both bits of a code set: only 3 has them. */
    f->bad = vorrq_u8(f->bad, vandq_u8(v, vshrq_n_u8(v, 1)));
    TERN_UNROLLED (p, 4)
        put_word(tiles, 2 * (size_t)p,
                 neon_word(vreinterpretq_u8_s8(neon_unpacked(v, p))));
}

static int32_t repack_tq2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    findings f = {.bad = vdupq_n_u8(0)};
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 16, row += TERN_TQ2_BYTES) {
        f.nonzero = vdupq_n_u8(0);
        TERN_UNROLLED (i, 4)
            tq2_planes(row + 16 * i,
                       tiles + (t + 8 * (size_t)(i / 2) + (size_t)(i % 2)) *
                                   TERN_TILE_BYTES,
                       &f);
        if (any(f.nonzero)) scale = tern_repack_scale(scale, load_bits(row + 64));
    }
    return any(vandq_u8(f.bad, vdupq_n_u8(TERN_TILE_ZERO))) ? -1 : scale;
}

/* The highest base-3 digit of each byte, 3 x / 256; and what follows it, 3 x mod 256.
 */
static inline uint8x16_t digit(uint8x16_t x)
{
    const uint8x16_t d1 = vcgeq_u8(x, vdupq_n_u8(86)); /* all ones are -1 */
    return vsubq_u8(vsubq_u8(vdupq_n_u8(0), d1), vcgeq_u8(x, vdupq_n_u8(171)));
}

static inline uint8x16_t after_digit(uint8x16_t x)
{
    return vmulq_u8(x, vdupq_n_u8(3));
}

/* Not 0 where x >= 243 (decode_scalar.c says why that is wrong after five digits). */
static inline uint8x16_t too_large(uint8x16_t x)
{
    return vcgeq_u8(x, vdupq_n_u8(243));
}

/* Five planes of 16 bytes to five tiles, `step` tiles apart. */
TERN_INLINE void tq1_planes(const uint8_t *in, uint8_t *tiles, size_t step, findings *f)
{
    uint8x16_t x = vld1q_u8(in);
    TERN_UNROLLED (p, 5) {
        const uint8x16_t u = digit(x);
        f->nonzero = vorrq_u8(f->nonzero, veorq_u8(u, vdupq_n_u8(1)));
        put_word(tiles, step * (size_t)p, neon_word(u));
        x = after_digit(x);
    }
    f->bad = vorrq_u8(f->bad, too_large(x));
}

/* Four planes of 4 bytes, four times beside each other: the dwords of the last tile's
 * word before they are shifted. */
static inline void tq1_last(const uint8_t *in, uint8_t *tiles, findings *f)
{
    uint32_t four;
    memcpy(&four, in, sizeof four);
    uint8x16_t x = vreinterpretq_u8_u32(vdupq_n_u32(four));
    uint32x4_t word = vdupq_n_u32(0);
    TERN_UNROLLED (p, 4) {
        const uint8x16_t u = digit(x);
        f->nonzero = vorrq_u8(f->nonzero, veorq_u8(u, vdupq_n_u8(1)));
        word = vorrq_u32(word, vshlq_u32(vreinterpretq_u32_u8(u), vdupq_n_s32(2 * p)));
        x = after_digit(x);
    }
    f->bad = vorrq_u8(f->bad, digit(x)); /* a fifth digit */
    f->bad = vorrq_u8(f->bad, too_large(after_digit(x)));
    put_word(tiles, 0, vgetq_lane_u32(word, 0));
}

static int32_t repack_tq1(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    findings f = {.bad = vdupq_n_u8(0)};
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 16, row += TERN_TQ1_BYTES) {
        uint8_t *at = tiles + t * TERN_TILE_BYTES;
        f.nonzero = vdupq_n_u8(0);
        tq1_planes(row, at, 2, &f);
        tq1_planes(row + 16, at + TERN_TILE_BYTES, 2, &f);
        tq1_planes(row + 32, at + 10 * TERN_TILE_BYTES, 1, &f);
        tq1_last(row + 48, at + 15 * TERN_TILE_BYTES, &f);
        if (any(f.nonzero)) scale = tern_repack_scale(scale, load_bits(row + 52));
    }
    return any(f.bad) ? -1 : scale;
}

/* Exchange the fields of `mask` with those `by` bits higher. */
#define EXCHANGE(v, mask, by)                                                          \
    do {                                                                               \
        const uint32x4_t both =                                                        \
            vandq_u32(veorq_u32(v, vshrq_n_u32(v, by)), vdupq_n_u32(mask));            \
        v = veorq_u32(v, veorq_u32(both, vshlq_n_u32(both, by)));                      \
    } while (0)

static int32_t repack_q2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    findings f = {.bad = vdupq_n_u8(0)};
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 4, row += TERN_Q2_BYTES) {
        const uint8x16_t in = vld1q_u8(row + 2);
        uint32x4_t v = vreinterpretq_u32_u8(in);
        f.bad = vorrq_u8(f.bad, vandq_u8(in, vshrq_n_u8(in, 1)));
        EXCHANGE(v, 0x00cc00cc, 6);
        EXCHANGE(v, 0x0000f0f0, 12);
        uint32_t word[4];
        vst1q_u32(word, v);
        TERN_UNROLLED (i, 4) put_word(tiles, t + (size_t)i, word[i]);
        if (any(veorq_u8(in, vdupq_n_u8(TERN_TILE_ZERO))))
            scale = tern_repack_scale(scale, load_bits(row));
    }
    return any(vandq_u8(f.bad, vdupq_n_u8(TERN_TILE_ZERO))) ? -1 : scale;
}

/* --- the limit --- */

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 16 };
    const int8x8_t u = vdup_n_s8((int8_t)(steps & 3));
    int8x8_t q = vdup_n_s8((int8_t)(steps & 7));
    int16x8_t word[CHAINS], all = vdupq_n_s16(0);
    TERN_UNROLLED (i, CHAINS) word[i] = vdupq_n_s16(0);
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = vmlal_s8(word[i], u, q);
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    TERN_UNROLLED (i, CHAINS) all = veorq_s16(all, word[i]);
    *sum = vgetq_lane_s32(vreinterpretq_s32_s16(all), 0);
    return steps * CHAINS * 8;
}

static uint64_t read_all(const void *p, size_t bytes)
{
    uint64x2_t sum[8];
    TERN_UNROLLED (i, 8) sum[i] = vdupq_n_u64(0);
    for (const char *at = p, *end = at + bytes; at < end; at += 128)
        TERN_UNROLLED (i, 8)
            sum[i] = veorq_u64(sum[i], vld1q_u64((const void *)(at + 16 * i)));
    TERN_UNROLLED (i, 7) sum[0] = veorq_u64(sum[0], sum[i + 1]);
    return vgetq_lane_u64(sum[0], 0) ^ vgetq_lane_u64(sum[0], 1);
}

void tern_decode_upgrade_neon(tern_decode_kernels *k)
{
    k->few = few;
    k->codes_product = codes_product;
    k->int8_product = int8_product;
    k->repack_tq2 = repack_tq2;
    k->repack_tq1 = repack_tq1;
    k->repack_q2 = repack_q2;
    k->spin = spin;
    k->read = read_all;
}
