/* neon_int8.h - the registers of int8_product.h for both levels of AArch64, which
 * differ in how four products become one sum. */
#ifndef TERN_KERNELS_NEON_INT8_H
#define TERN_KERNELS_NEON_INT8_H

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

enum { INT8_LANES = 4, INT8_VECS = 4, INT8_TWO_WAYS = 0 };
typedef int32x4_t int8_words;

static inline int8_words int8_start(int32_t sum)
{
    (void)sum;
    return vdupq_n_s32(0);
}

static inline int8_words int8_load(const int8_t *b)
{
    return vreinterpretq_s32_s8(vld1q_s8(b));
}

static inline int8_words int8_repeat(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return vdupq_n_s32(four);
}

static inline void int8_finish(int8_words s, float e, const float *d, bool add,
                               float *c)
{
    const float32x4_t one = vdupq_n_f32(e);
    const float32x4_t scale = d ? vmulq_f32(one, vld1q_f32(d)) : one;
    const float32x4_t before = add ? vld1q_f32(c) : vdupq_n_f32(0.0f);
    vst1q_f32(c, vfmaq_f32(before, vcvtq_f32_s32(s), scale));
}

#endif /* TERN_KERNELS_NEON_INT8_H */
