/* lanes_neon.h - 16 lanes of float as four 128-bit registers; see lanes_scalar.h. */
#ifndef TERN_KERNELS_LANES_NEON_H
#define TERN_KERNELS_LANES_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of 32 registers a chain tile takes 24 for sums and 5 for its operands, a dot tile 16
 * and 12. */
enum { CHAIN_ROWS = 6, CHAIN_VECS = 1, SINGLE_VECS = 4, DOT_ROWS = 2, DOT_COLS = 2 };

/* Lanes 4i .. 4i + 3 are v[i]. */
typedef struct lanes {
    float32x4_t v[4];
} lanes;

/* f of the four registers of one, two or three operands. */
#define LANES_1(f, a)                                                                  \
    (lanes)                                                                            \
    {                                                                                  \
        {                                                                              \
            f(a.v[0]), f(a.v[1]), f(a.v[2]), f(a.v[3])                                 \
        }                                                                              \
    }
#define LANES_2(f, a, b)                                                               \
    (lanes)                                                                            \
    {                                                                                  \
        {                                                                              \
            f(a.v[0], b.v[0]), f(a.v[1], b.v[1]), f(a.v[2], b.v[2]), f(a.v[3], b.v[3]) \
        }                                                                              \
    }
#define LANES_3(f, a, b, c)                                                            \
    (lanes)                                                                            \
    {                                                                                  \
        {                                                                              \
            f(a.v[0], b.v[0], c.v[0]), f(a.v[1], b.v[1], c.v[1]),                      \
                f(a.v[2], b.v[2], c.v[2]), f(a.v[3], b.v[3], c.v[3])                   \
        }                                                                              \
    }

static inline lanes lanes_set(float x)
{
    const float32x4_t v = vdupq_n_f32(x);
    return (lanes){{v, v, v, v}};
}

static inline lanes lanes_load(const float *p)
{
    return (lanes){
        {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}

static inline lanes lanes_load_fill(const float *p, size_t c, float fill)
{
    if (c == 16) return lanes_load(p);
    float part[16];
    for (size_t l = 0; l < 16; l++) part[l] = fill;
    memcpy(part, p, c * sizeof *p);
    return lanes_load(part);
}

static inline lanes lanes_load_n(const float *p, size_t c)
{
    return lanes_load_fill(p, c, 0.0f);
}

static inline float32x4_t lanes_from_half(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline lanes lanes_load_half(const uint16_t *p, size_t c)
{
    uint16_t part[16] = {0};
    if (c < 16) {
        memcpy(part, p, c * sizeof *p);
        p = part;
    }
    return (lanes){{lanes_from_half(p), lanes_from_half(p + 4), lanes_from_half(p + 8),
                    lanes_from_half(p + 12)}};
}

static inline void lanes_store_half(uint16_t *p, lanes a, size_t c)
{
    uint16_t part[16];
    for (size_t i = 0; i < 4; i++)
        vst1_u16(part + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
    memcpy(p, part, c * sizeof *p);
}

static inline void lanes_store(float *p, lanes a)
{
    vst1q_f32(p, a.v[0]);
    vst1q_f32(p + 4, a.v[1]);
    vst1q_f32(p + 8, a.v[2]);
    vst1q_f32(p + 12, a.v[3]);
}

static inline void lanes_store_n(float *p, lanes a, size_t c)
{
    if (c == 16) {
        lanes_store(p, a);
        return;
    }
    float part[16];
    lanes_store(part, a);
    memcpy(p, part, c * sizeof *p);
}

static inline lanes lanes_keep(lanes a, size_t c)
{
    if (c == 16) return a;
    float part[16];
    lanes_store(part, a);
    return lanes_load_n(part, c);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return LANES_2(vaddq_f32, a, b);
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    return LANES_2(vsubq_f32, a, b);
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return LANES_2(vmulq_f32, a, b);
}

static inline lanes lanes_div(lanes a, lanes b)
{
    return LANES_2(vdivq_f32, a, b);
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return LANES_3(vfmaq_f32, c, a, b);
}

static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return LANES_3(vfmsq_f32, c, a, b);
}

/* Compared and selected, since fmax would answer NaN to any NaN. */
static inline float32x4_t lanes_max4(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline float32x4_t lanes_min4(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return LANES_2(lanes_max4, a, b);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return LANES_2(lanes_min4, a, b);
}

static inline lanes lanes_sqrt(lanes a)
{
    return LANES_1(vsqrtq_f32, a);
}

static inline float32x4_t lanes_round_half4(float32x4_t a)
{
    return vcvt_f32_f16(vcvt_f16_f32(a));
}

static inline lanes lanes_round_half(lanes a)
{
    return LANES_1(lanes_round_half4, a);
}

static inline float32x4_t lanes_scale2_4(float32x4_t a, float32x4_t magic)
{
    const int32x4_t bias = vdupq_n_s32(127);
    const int32x4_t e =
        vsubq_s32(vreinterpretq_s32_f32(magic), vdupq_n_s32(0x4b400000));
    const int32x4_t h = vshrq_n_s32(e, 1);
    const int32x4_t p = vshlq_n_s32(vaddq_s32(h, bias), 23);
    const int32x4_t q = vshlq_n_s32(vaddq_s32(vsubq_s32(e, h), bias), 23);
    return vmulq_f32(vmulq_f32(a, vreinterpretq_f32_s32(p)), vreinterpretq_f32_s32(q));
}

static inline lanes lanes_scale2(lanes a, lanes magic)
{
    return LANES_2(lanes_scale2_4, a, magic);
}

static inline float lanes_sum(lanes a)
{
    const float32x4_t s4 =
        vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    const float32x2_t s2 = vadd_f32(vget_low_f32(s4), vget_high_f32(s4));
    return vpadds_f32(s2);
}

static inline float lanes_highest(lanes a)
{
    const float32x4_t s4 =
        lanes_max4(lanes_max4(a.v[0], a.v[2]), lanes_max4(a.v[1], a.v[3]));
    float s[4];
    vst1q_f32(s, s4);
    const float even = s[0] > s[2] ? s[0] : s[2], odd = s[1] > s[3] ? s[1] : s[3];
    return even > odd ? even : odd;
}

static inline void lanes_sums(const lanes a[DOT_COLS], float *y)
{
    for (size_t i = 0; i < DOT_COLS; i++) y[i] = lanes_sum(a[i]);
}

/* The 4 x 4 numbers of column block v in four rows, in two rounds of exchanges. */
static inline void lanes_transpose4(const lanes a[4], size_t v, size_t cols, float *y,
                                    size_t ldy)
{
    float64x2_t pair[4]; /* two rows of columns 0 and 2, or of 1 and 3 */
    for (size_t i = 0; i < 4; i += 2) {
        pair[i] = vreinterpretq_f64_f32(vtrn1q_f32(a[i].v[v], a[i + 1].v[v]));
        pair[i + 1] = vreinterpretq_f64_f32(vtrn2q_f32(a[i].v[v], a[i + 1].v[v]));
    }
    const float32x4_t t[4] = {
        vreinterpretq_f32_f64(vtrn1q_f64(pair[0], pair[2])),
        vreinterpretq_f32_f64(vtrn1q_f64(pair[1], pair[3])),
        vreinterpretq_f32_f64(vtrn2q_f64(pair[0], pair[2])),
        vreinterpretq_f32_f64(vtrn2q_f64(pair[1], pair[3])),
    };
    for (size_t i = 0; i < 4 && i < cols; i++) vst1q_f32(y + i * ldy, t[i]);
}

static inline void lanes_transpose(const lanes a[16], size_t cols, float *y, size_t ldy)
{
    for (size_t r = 0; r < 16; r += 4)
        for (size_t v = 0; 4 * v < cols; v++)
            lanes_transpose4(a + r, v, cols - 4 * v, y + 4 * v * ldy + r, ldy);
}

#undef LANES_1
#undef LANES_2
#undef LANES_3
#endif /* TERN_KERNELS_LANES_NEON_H */
