/* half.h - IEEE 754 binary16 and bfloat16, by bits: the same on every CPU.
 *
 * It stands in base and not in formats because the weight quantiser (kernels) rounds
 * its scale to fp16, and kernels see base only. */
#ifndef TERN_BASE_HALF_H
#define TERN_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t tern_float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float tern_float_from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Round to nearest even; overflow gives infinity, NaN stays NaN. */
static inline uint16_t tern_half_from_float(float x)
{
    const uint32_t u = tern_float_bits(x), sign = (u >> 16) & 0x8000u;
    const uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* >= 65520 */
    if (a < 0x38800000u) { /* below 2^-14: let the float adder round the subnormal */
        const float shifted = tern_float_from_bits(a) + 0.5f; /* ulp(0.5) = 2^-24 */
        return (uint16_t)(sign | (tern_float_bits(shifted) - 0x3f000000u));
    }
    const uint32_t even = (a >> 13) & 1u;
    return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + even) >> 13));
}

static inline float tern_float_from_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a >= 0x7c00u)
        return tern_float_from_bits(sign | 0x7f800000u | (a & 0x3ffu) << 13);
    if (a < 0x400u) { /* zero or subnormal: a * 2^-24, exact */
        const float x = (float)a * 0x1p-24f;
        return sign ? -x : x;
    }
    return tern_float_from_bits(sign | ((a << 13) + 0x38000000u));
}

/* The nearest float that fp16 can hold. */
static inline float tern_round_to_half(float x)
{
    return tern_float_from_half(tern_half_from_float(x));
}

static inline float tern_float_from_bf16(uint16_t b)
{
    return tern_float_from_bits((uint32_t)b << 16);
}

static inline uint16_t tern_bf16_from_float(float x)
{
    const uint32_t u = tern_float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

#endif /* TERN_BASE_HALF_H */
