/* lanes_scalar.h - 16 lanes of float in plain C: the twin that the others must equal.
 *
 * The vocabulary of float_body.h. `c` is a count of lanes, 1..16; the _n forms touch
 * the first c elements in memory only. lanes_max is `a > b ? a : b`, which is what the
 * x86 instruction does with a NaN (the answer is b). */
#ifndef TERN_KERNELS_LANES_SCALAR_H
#define TERN_KERNELS_LANES_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/half.h"

/* Register blocks: rows and vectors of a chain tile, rows and columns of a dot tile. */
enum { CHAIN_ROWS = 4, CHAIN_VECS = 1, SINGLE_VECS = 4, DOT_ROWS = 1, DOT_COLS = 2 };

typedef struct lanes {
    float v[16];
} lanes;

#define LANES_EACH(expr)                                                               \
    lanes y;                                                                           \
    for (size_t l = 0; l < 16; l++) y.v[l] = (expr);                                   \
    return y

static inline lanes lanes_set(float x)
{
    LANES_EACH(x);
}

static inline lanes lanes_load(const float *p)
{
    LANES_EACH(p[l]);
}

/* Lanes c.. take `fill`. */
static inline lanes lanes_load_fill(const float *p, size_t c, float fill)
{
    LANES_EACH(l < c ? p[l] : fill);
}

static inline lanes lanes_load_n(const float *p, size_t c)
{
    return lanes_load_fill(p, c, 0.0f);
}

static inline lanes lanes_load_half(const uint16_t *p, size_t c)
{
    LANES_EACH(l < c ? tern_float_from_half(p[l]) : 0.0f);
}

static inline void lanes_store_half(uint16_t *p, lanes a, size_t c)
{
    for (size_t l = 0; l < c; l++) p[l] = tern_half_from_float(a.v[l]);
}

static inline void lanes_store_n(float *p, lanes a, size_t c)
{
    for (size_t l = 0; l < c; l++) p[l] = a.v[l];
}

static inline lanes lanes_keep(lanes a, size_t c)
{
    LANES_EACH(l < c ? a.v[l] : 0.0f);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    LANES_EACH(a.v[l] + b.v[l]);
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    LANES_EACH(a.v[l] - b.v[l]);
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    LANES_EACH(a.v[l] * b.v[l]);
}

static inline lanes lanes_div(lanes a, lanes b)
{
    LANES_EACH(a.v[l] / b.v[l]);
}

/* a * b + c, rounded once. */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    LANES_EACH(fmaf(a.v[l], b.v[l], c.v[l]));
}

/* c - a * b, rounded once. */
static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    LANES_EACH(fmaf(-a.v[l], b.v[l], c.v[l]));
}

static inline lanes lanes_max(lanes a, lanes b)
{
    LANES_EACH(a.v[l] > b.v[l] ? a.v[l] : b.v[l]);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    LANES_EACH(a.v[l] < b.v[l] ? a.v[l] : b.v[l]);
}

static inline lanes lanes_sqrt(lanes a)
{
    LANES_EACH(sqrtf(a.v[l]));
}

static inline lanes lanes_round_half(lanes a)
{
    LANES_EACH(tern_round_to_half(a.v[l]));
}

/* a * 2^h * 2^(e - h), h = floor(e / 2): two steps, because 2^e itself may be out of
 * range. The bits of `magic` are those of 1.5 * 2^23 plus e. */
static inline float lanes_scale2_one(float a, float magic)
{
    const int32_t e = (int32_t)(tern_float_bits(magic) - 0x4b400000u);
    const uint32_t h = (uint32_t)(e >> 1);
    return a * tern_float_from_bits((h + 127u) << 23) *
           tern_float_from_bits(((uint32_t)e - h + 127u) << 23);
}

static inline lanes lanes_scale2(lanes a, lanes magic)
{
    LANES_EACH(lanes_scale2_one(a.v[l], magic.v[l]));
}

/* The tree of rows.h. */
static inline float lanes_sum(lanes a)
{
    for (size_t h = 8; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++) a.v[l] += a.v[l + h];
    return a.v[0];
}

static inline float lanes_highest(lanes a)
{
    for (size_t h = 8; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++)
            a.v[l] = a.v[l] > a.v[l + h] ? a.v[l] : a.v[l + h];
    return a.v[0];
}

/* y[i] = lanes_sum(a[i]) for the columns of a dot tile. */
static inline void lanes_sums(const lanes a[DOT_COLS], float *y)
{
    for (size_t i = 0; i < DOT_COLS; i++) y[i] = lanes_sum(a[i]);
}

/* y[c * ldy + r] = a[r].v[c]: 16 rows become 16 columns; the first `cols` are kept. */
static inline void lanes_transpose(const lanes a[16], size_t cols, float *y, size_t ldy)
{
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < 16; r++) y[c * ldy + r] = a[r].v[c];
}

#undef LANES_EACH
#endif /* TERN_KERNELS_LANES_SCALAR_H */
