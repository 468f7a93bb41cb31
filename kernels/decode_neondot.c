/* decode_neondot.c - the runtime's kernels with sdot: an instruction for the 16
 * products of a register of codes (codes_product.h), where decode_neon.c needs four.
 * What does not multiply is decode_neon.c's. */
#include <arm_neon.h>

#include "kernels/decode_kernels.h"
#include "kernels/neon_int8.h"
#include "kernels/unroll.h"

/* neondot.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

/* --- caches of int8 --- */

static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive)
{
    (void)positive;
    return vdotq_s32(s, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}

#include "kernels/int8_product.h"
/* after it */
#include "kernels/codes_product.h"

/* --- the limit --- */

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

void tern_decode_upgrade_neondot(tern_decode_kernels *k)
{
    k->few = few;
    k->codes_product = codes_product;
    k->int8_product = int8_product;
    k->spin = spin;
}
