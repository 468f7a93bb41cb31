/* decode_neondot.c - the runtime's kernels with sdot: an instruction for the 16
 * products of a register of the 8-bit head (neon_q8.h), where decode_neon.c needs four.
 * What does not multiply is decode_neon.c's. */
#include <arm_neon.h>

#include "kernels/decode_kernels.h"
#include "kernels/neon_q8.h"
#include "kernels/unroll.h"

/* neondot.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

static inline int32x4_t products(int8x16_t a, int8x16_t b)
{
    return vdotq_s32(vdupq_n_s32(0), a, b);
}

static void q8_dots(const tern_q8_dots *d)
{
    neon_q8_dots(d, products);
}

static int32_t repack_tq2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_neon.repack_tq2(row, cols, r, tiles);
}

static int32_t repack_tq1(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_neon.repack_tq1(row, cols, r, tiles);
}

static int32_t repack_q2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    return tern_decode_neon.repack_q2(row, cols, r, tiles);
}

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 16 };
    const int8x16_t u = vdupq_n_s8((int8_t)(steps & 3));
    int8x16_t q = vdupq_n_s8((int8_t)(steps & 7));
    int32x4_t word[CHAINS], all = vdupq_n_s32(0);
    TERN_UNROLLED (i, CHAINS) word[i] = vdupq_n_s32(0);
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = vdotq_s32(word[i], u, q);
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    TERN_UNROLLED (i, CHAINS) all = veorq_s32(all, word[i]);
    *sum = vgetq_lane_s32(all, 0);
    return steps * CHAINS * 16;
}

static uint64_t read_all(const void *p, size_t bytes)
{
    return tern_decode_neon.read(p, bytes);
}

const tern_decode_kernels tern_decode_neondot = {
    .few = few,
    .q8_dots = q8_dots,
    .repack_tq2 = repack_tq2,
    .repack_tq1 = repack_tq1,
    .repack_q2 = repack_q2,
    .spin = spin,
    .read = read_all,
};
