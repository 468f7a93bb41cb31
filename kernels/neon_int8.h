/* neon_int8.h - the registers of int8_product.h and codes_product.h for both levels of
 * AArch64, which differ in how four products become one sum. */
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

/* --- codes_product.h --- */

enum { CODES_GROUP = 4, CODES_PAIR = 0, CODES_ZERO = 0 };
typedef float32x4_t codes_floats;

static inline int8_words codes_load(const uint8_t *p)
{
    return vreinterpretq_s32_u8(vld1q_u8(p));
}

static inline int8_words codes_and(int8_words w, uint32_t bits)
{
    return vandq_s32(w, vdupq_n_s32((int32_t)bits));
}

static inline int8_words codes_or(int8_words a, int8_words b)
{
    return vorrq_s32(a, b);
}

static inline int8_words codes_add(int8_words a, int8_words b)
{
    return vaddq_s32(a, b);
}

static inline int8_words codes_left(int8_words w, int n)
{
    return vshlq_s32(w, vdupq_n_s32(n));
}

static inline int8_words codes_right(int8_words w, int n)
{
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(w), vdupq_n_s32(-n)));
}

static inline int8_words codes_divide(int8_words w, int n)
{
    return vshlq_s32(w, vdupq_n_s32(-n));
}

static inline int8_words codes_none(void)
{
    return vdupq_n_s32(0);
}

static inline int8_words codes_signed(int8_words w)
{
    return w;
}

/* What a level has. */
static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive);

static inline int8_words codes_dots(int8_words s, int8_words w, int8_words q,
                                    int8_words v, int8_words p, bool small)
{
    (void)small;
    return int8_dot(int8_dot(s, w, q, false), v, p, false);
}

static inline codes_floats codes_float(int8_words w)
{
    return vcvtq_f32_s32(w);
}

static inline codes_floats codes_halves(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline codes_floats codes_same(float x)
{
    return vdupq_n_f32(x);
}

static inline codes_floats codes_times(codes_floats a, codes_floats b)
{
    return vmulq_f32(a, b);
}

static inline codes_floats codes_fused(codes_floats a, codes_floats b, codes_floats c)
{
    return vfmaq_f32(c, a, b);
}

static inline void codes_put(float *p, codes_floats v)
{
    vst1q_f32(p, v);
}

#endif /* TERN_KERNELS_NEON_INT8_H */
