/* float_body.h - the float leaf functions, once, for every instruction set.
 *
 * A float_<level>.c file includes its lanes_*.h, which defines the type `lanes` (16
 * floats) and what can be done with it, then this file, which defines the table
 * FLOAT_TABLE. Contracts stand in float_kernels.h.
 *
 * An element-wise function is a "step" on c <= 16 elements, and LANES_EACH16, which
 * calls it with the constant c = 16 as long as it can and then once with the rest.
 */
#ifdef TERN_KERNELS_FLOAT_BODY_H
#error "float_body.h is the whole body of one translation unit"
#endif
#define TERN_KERNELS_FLOAT_BODY_H

#include <string.h>

#include "base/rng.h"
#include "kernels/float_kernels.h"
#include "kernels/unroll.h"

/* A loop written out (unroll.h), with an index of the type that sizes have here. */
#define UNROLLED(i, n) TERN_UNROLL for (size_t i = 0; i < (n); i++)

#define LANES_EACH16(n, call)                                                          \
    do {                                                                               \
        size_t i = 0;                                                                  \
        for (; i + 16 <= (n); i += 16) {                                               \
            const size_t c = 16;                                                       \
            call;                                                                      \
        }                                                                              \
        if (i < (n)) {                                                                 \
            const size_t c = (n)-i;                                                    \
            call;                                                                      \
        }                                                                              \
    } while (0)

/* What a result is added to. */
TERN_INLINE lanes before(bool add, const float *y, size_t c)
{
    return add ? lanes_load_n(y, c) : lanes_set(0.0f);
}

/* y += a */
TERN_INLINE void add_to(float *y, lanes a, size_t c)
{
    lanes_store_n(y, lanes_add(lanes_load_n(y, c), a), c);
}

/* --- exp ---
 * x = e ln 2 + r, e an integer, |r| <= ln 2 / 2; exp(x) = 2^e exp(r), and exp(r) a
 * polynomial of degree 6 (interpolation of (exp(r) - 1 - r) / r^2 at Chebyshev's
 * points, relative error 1.1e-8). Adding 1.5 * 2^23 rounds to an integer and leaves it
 * in the low bits. Below -104 the answer is 0, above 89 infinity; NaN stays NaN (the
 * order of arguments of max and min sees to that). */
TERN_INLINE lanes exp_lanes(lanes x)
{
    const lanes shift = lanes_set(0x1.8p23f);
    x = lanes_min(lanes_set(89.0f), lanes_max(lanes_set(-104.0f), x));
    const lanes magic = lanes_fma(x, lanes_set(0x1.715476p+0f), shift);
    const lanes e = lanes_sub(magic, shift);
    lanes r = lanes_fnma(e, lanes_set(0x1.62e43p-1f), x);
    r = lanes_fnma(e, lanes_set(-0x1.05c61p-29f), r);
    lanes p = lanes_set(0x1.6d115p-10f);
    p = lanes_fma(p, r, lanes_set(0x1.120bb6p-7f));
    p = lanes_fma(p, r, lanes_set(0x1.55551ap-5f));
    p = lanes_fma(p, r, lanes_set(0x1.5554dcp-3f));
    p = lanes_fma(p, r, lanes_set(0.5f));
    p = lanes_fma(p, r, lanes_set(1.0f));
    p = lanes_fma(p, r, lanes_set(1.0f));
    return lanes_scale2(p, magic);
}

/* 1 + exp(-x) */
TERN_INLINE lanes one_plus_exp(lanes x)
{
    return lanes_add(lanes_set(1.0f), exp_lanes(lanes_sub(lanes_set(0.0f), x)));
}

/* --- reductions --- */

static float dot(const float *a, const float *b, size_t n)
{
    lanes s = lanes_set(0.0f);
    LANES_EACH16(n, s = lanes_fma(lanes_load_n(a + i, c), lanes_load_n(b + i, c), s));
    return lanes_sum(s);
}

static float sum_squares(const float *x, size_t n)
{
    return dot(x, x, n);
}

/* The square of a float is exact in double: nothing to fuse. */
static double sum_squares_double(const float *x, size_t n)
{
    double s[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t l = 0; l < 16; l++) s[l] += (double)x[i + l] * (double)x[i + l];
    for (size_t l = 0; i + l < n; l++) s[l] += (double)x[i + l] * (double)x[i + l];
    for (size_t h = 8; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++) s[l] += s[l + h];
    return s[0];
}

static float max(const float *x, size_t n)
{
    lanes m = lanes_set(-INFINITY);
    LANES_EACH16(n, m = lanes_max(lanes_load_fill(x + i, c, -INFINITY), m));
    return lanes_highest(m);
}

TERN_INLINE lanes exp_sum_step(const float *x, lanes scale, lanes shift, float *y,
                               lanes s, size_t c)
{
    const lanes t = lanes_mul(lanes_load_n(x, c), scale);
    const lanes e = exp_lanes(lanes_sub(t, shift));
    if (y) lanes_store_n(y, e, c);
    return lanes_add(s, lanes_keep(e, c));
}

static float exp_sum(const float *x, float scale, float shift, size_t n, float *y)
{
    const lanes a = lanes_set(scale), b = lanes_set(shift);
    lanes s = lanes_set(0.0f);
    if (y)
        LANES_EACH16(n, s = exp_sum_step(x + i, a, b, y + i, s, c));
    else
        LANES_EACH16(n, s = exp_sum_step(x + i, a, b, NULL, s, c));
    return lanes_sum(s);
}

/* --- RMSNorm --- */

/* gain * v, or v where there is no gain. */
TERN_INLINE lanes gained(const float *gain, size_t i, lanes v, size_t c)
{
    return gain ? lanes_mul(lanes_load_n(gain + i, c), v) : v;
}

TERN_INLINE void rms_scale_step(const float *x, lanes r, const float *gain, size_t i,
                                float *y, size_t c)
{
    const lanes v = lanes_mul(r, lanes_load_n(x + i, c));
    lanes_store_n(y + i, gained(gain, i, v, c), c);
}

static void rms_scale(const float *x, float r, const float *gain, size_t n, float *y)
{
    const lanes rr = lanes_set(r);
    LANES_EACH16(n, rms_scale_step(x, rr, gain, i, y, c));
}

TERN_INLINE lanes rms_dot_step(const float *x, lanes r, const float *gain,
                               const float *dy, size_t i, lanes s, size_t c)
{
    const lanes g = gained(gain, i, lanes_load_n(dy + i, c), c);
    return lanes_fma(g, lanes_mul(r, lanes_load_n(x + i, c)), s);
}

static float rms_dot(const float *x, float r, const float *gain, const float *dy,
                     size_t n)
{
    const lanes rr = lanes_set(r);
    lanes s = lanes_set(0.0f);
    LANES_EACH16(n, s = rms_dot_step(x, rr, gain, dy, i, s, c));
    return lanes_sum(s);
}

TERN_INLINE void rms_grad_step(const float *x, lanes r, const float *gain,
                               const float *dy, lanes mean, size_t i, bool add,
                               float *dx, size_t c)
{
    const lanes g = gained(gain, i, lanes_load_n(dy + i, c), c);
    const lanes rx = lanes_mul(r, lanes_load_n(x + i, c));
    const lanes d = lanes_fnma(rx, mean, g);
    lanes_store_n(dx + i, lanes_fma(r, d, before(add, dx + i, c)), c);
}

static void rms_grad(const float *x, float r, const float *gain, const float *dy,
                     float mean, size_t n, bool add, float *dx)
{
    const lanes rr = lanes_set(r), mm = lanes_set(mean);
    if (add)
        LANES_EACH16(n, rms_grad_step(x, rr, gain, dy, mm, i, true, dx, c));
    else
        LANES_EACH16(n, rms_grad_step(x, rr, gain, dy, mm, i, false, dx, c));
}

TERN_INLINE void rms_gain_grad_step(const float *x, lanes r, const float *dy,
                                    float *dgain, size_t c)
{
    const lanes rx = lanes_mul(r, lanes_load_n(x, c));
    const lanes d = lanes_fma(lanes_load_n(dy, c), rx, lanes_load_n(dgain, c));
    lanes_store_n(dgain, d, c);
}

static void rms_gain_grad(const float *x, float r, const float *dy, size_t n,
                          float *dgain)
{
    const lanes rr = lanes_set(r);
    LANES_EACH16(n, rms_gain_grad_step(x + i, rr, dy + i, dgain + i, c));
}

/* --- rotary positions --- */

TERN_INLINE void rope_step(const float *x, const float *cs, const float *sn,
                           size_t half, lanes sign, bool add, float *y, size_t c)
{
    const lanes a = lanes_load_n(x, c), b = lanes_load_n(x + half, c);
    const lanes co = lanes_load_n(cs, c), si = lanes_mul(sign, lanes_load_n(sn, c));
    const lanes u = lanes_fnma(b, si, lanes_mul(a, co));
    const lanes v = lanes_fma(a, si, lanes_mul(b, co));
    if (add) {
        add_to(y, u, c);
        add_to(y + half, v, c);
    } else {
        lanes_store_n(y, u, c);
        lanes_store_n(y + half, v, c);
    }
}

static void rope(const float *x, const float *cos, const float *sin, size_t half,
                 float sign, bool add, float *y)
{
    const lanes s = lanes_set(sign);
    LANES_EACH16(half, rope_step(x + i, cos + i, sin + i, half, s, add, y + i, c));
}

/* --- activations --- */

TERN_INLINE lanes activate(tern_activation f, lanes x)
{
    if (f == TERN_SILU) return lanes_div(x, one_plus_exp(x));
    const lanes p = lanes_max(lanes_set(0.0f), x); /* NaN stays NaN */
    return lanes_mul(p, p);
}

/* f(x) and f'(x). silu' = s (1 + x (1 - s)), s = 1 / (1 + exp(-x)). */
TERN_INLINE void activate_both(tern_activation f, lanes x, lanes *value, lanes *slope)
{
    const lanes one = lanes_set(1.0f);
    if (f == TERN_SILU) {
        const lanes s = lanes_div(one, one_plus_exp(x));
        *value = lanes_mul(x, s);
        *slope = lanes_mul(s, lanes_fma(x, lanes_sub(one, s), one));
    } else {
        const lanes p = lanes_max(lanes_set(0.0f), x);
        *value = lanes_mul(p, p);
        *slope = lanes_add(p, p);
    }
}

TERN_INLINE void unary_step(tern_activation f, const float *x, float *y, size_t c)
{
    lanes_store_n(y, activate(f, lanes_load_n(x, c)), c);
}

static void silu(const float *x, size_t n, float *y)
{
    LANES_EACH16(n, unary_step(TERN_SILU, x + i, y + i, c));
}

static void relu2(const float *x, size_t n, float *y)
{
    LANES_EACH16(n, unary_step(TERN_RELU2, x + i, y + i, c));
}

TERN_INLINE void unary_grad_step(tern_activation f, const float *x, const float *dy,
                                 float *dx, size_t c)
{
    lanes value, slope;
    activate_both(f, lanes_load_n(x, c), &value, &slope);
    const lanes d = lanes_fma(lanes_load_n(dy, c), slope, lanes_load_n(dx, c));
    lanes_store_n(dx, d, c);
}

static void silu_grad(const float *x, const float *dy, size_t n, float *dx)
{
    LANES_EACH16(n, unary_grad_step(TERN_SILU, x + i, dy + i, dx + i, c));
}

static void relu2_grad(const float *x, const float *dy, size_t n, float *dx)
{
    LANES_EACH16(n, unary_grad_step(TERN_RELU2, x + i, dy + i, dx + i, c));
}

TERN_INLINE void glu_step(tern_activation f, const float *gate, const float *up,
                          float *y, size_t c)
{
    const lanes a = activate(f, lanes_load_n(gate, c));
    lanes_store_n(y, lanes_mul(a, lanes_load_n(up, c)), c);
}

static void glu(tern_activation f, const float *gate, const float *up, size_t n,
                float *y)
{
    if (f == TERN_SILU)
        LANES_EACH16(n, glu_step(TERN_SILU, gate + i, up + i, y + i, c));
    else
        LANES_EACH16(n, glu_step(TERN_RELU2, gate + i, up + i, y + i, c));
}

TERN_INLINE void glu_grad_step(tern_activation f, const float *gate, const float *up,
                               const float *dy, bool add, float *dgate, float *dup,
                               size_t c)
{
    lanes value, slope;
    activate_both(f, lanes_load_n(gate, c), &value, &slope);
    const lanes d = lanes_load_n(dy, c), du = lanes_mul(d, lanes_load_n(up, c));
    const lanes g = before(add, dgate, c), u = before(add, dup, c);
    lanes_store_n(dgate, lanes_fma(du, slope, g), c);
    lanes_store_n(dup, lanes_fma(d, value, u), c);
}

static void glu_grad(tern_activation f, const float *gate, const float *up,
                     const float *dy, size_t n, bool add, float *dgate, float *dup)
{
#define GLU_GRAD(f, add)                                                               \
    LANES_EACH16(                                                                      \
        n, glu_grad_step(f, gate + i, up + i, dy + i, add, dgate + i, dup + i, c))
    if (f == TERN_SILU && add)
        GLU_GRAD(TERN_SILU, true);
    else if (f == TERN_SILU)
        GLU_GRAD(TERN_SILU, false);
    else if (add)
        GLU_GRAD(TERN_RELU2, true);
    else
        GLU_GRAD(TERN_RELU2, false);
#undef GLU_GRAD
}

/* --- element by element --- */

static void add(const float *a, const float *b, size_t n, float *y)
{
    LANES_EACH16(
        n, lanes_store_n(y + i,
                         lanes_add(lanes_load_n(a + i, c), lanes_load_n(b + i, c)), c));
}

static void mul(const float *a, const float *b, size_t n, float *y)
{
    LANES_EACH16(
        n, lanes_store_n(y + i,
                         lanes_mul(lanes_load_n(a + i, c), lanes_load_n(b + i, c)), c));
}

static void scale(float a, const float *x, size_t n, float *y)
{
    const lanes s = lanes_set(a);
    LANES_EACH16(n, lanes_store_n(y + i, lanes_mul(s, lanes_load_n(x + i, c)), c));
}

TERN_INLINE void mul_add_step(lanes a, const float *b, float *y, size_t c)
{
    lanes_store_n(y, lanes_fma(a, lanes_load_n(b, c), lanes_load_n(y, c)), c);
}

static void axpy(float a, const float *x, size_t n, float *y)
{
    const lanes s = lanes_set(a);
    LANES_EACH16(n, mul_add_step(s, x + i, y + i, c));
}

static void mul_add(const float *a, const float *b, size_t n, float *y)
{
    LANES_EACH16(n, mul_add_step(lanes_load_n(a + i, c), b + i, y + i, c));
}

static void round_half(const float *x, size_t n, float *y)
{
    LANES_EACH16(n, lanes_store_n(y + i, lanes_round_half(lanes_load_n(x + i, c)), c));
}

static void widen(const uint16_t *x, size_t n, float *y)
{
    LANES_EACH16(n, lanes_store_n(y + i, lanes_load_half(x + i, c), c));
}

static void narrow(const float *x, size_t n, uint16_t *y)
{
    LANES_EACH16(n, lanes_store_half(y + i, lanes_load_n(x + i, c), c));
}

/* Integer work, left to the compiler. */
/* 16 random bits an element: one draw for four, whose lowest bits are the first's
 * (machines are little-endian). Loops that a compiler makes vectors of. */
static void dropout(const float *x, uint64_t seed, uint64_t first, uint32_t below,
                    float keep, bool add, size_t n, float *y)
{
    enum { DRAWS = 64 };
    uint64_t bits[DRAWS];
    uint16_t u[4 * DRAWS];
    for (size_t i = 0; i < n; i += 4 * DRAWS, x += 4 * DRAWS, y += 4 * DRAWS) {
        for (size_t j = 0; j < DRAWS; j++)
            bits[j] = tern_rand_u64(seed, TERN_STREAM_DROPOUT, (first + i) / 4 + j);
        memcpy(u, bits, sizeof u);
        const size_t count = n - i < 4 * DRAWS ? n - i : 4 * DRAWS;
        if (add)
            for (size_t j = 0; j < count; j++)
                y[j] += u[j] >= below ? x[j] * keep : 0.0f;
        else
            for (size_t j = 0; j < count; j++)
                y[j] = u[j] >= below ? x[j] * keep : 0.0f;
    }
}

/* --- softmax's gradients --- */

TERN_INLINE void softmax_grad_step(const float *y, const float *dy, lanes dot,
                                   float *dx, size_t c)
{
    const lanes d = lanes_sub(lanes_load_n(dy, c), dot);
    lanes_store_n(dx, lanes_fma(lanes_load_n(y, c), d, lanes_load_n(dx, c)), c);
}

static void softmax_grad(const float *y, const float *dy, float dot, size_t n,
                         float *dx)
{
    const lanes s = lanes_set(dot);
    LANES_EACH16(n, softmax_grad_step(y + i, dy + i, s, dx + i, c));
}

TERN_INLINE void exp_axpy_step(const float *x, lanes lse, lanes scale, float *d,
                               size_t c)
{
    const lanes e = exp_lanes(lanes_sub(lanes_load_n(x, c), lse));
    lanes_store_n(d, lanes_fma(scale, e, lanes_load_n(d, c)), c);
}

static void exp_axpy(const float *x, float lse, float scale, size_t n, float *d)
{
    const lanes l = lanes_set(lse), s = lanes_set(scale);
    LANES_EACH16(n, exp_axpy_step(x + i, l, s, d + i, c));
}

TERN_INLINE void attention_grad_step(float *s, float *dp, lanes scale, lanes lse,
                                     lanes delta, size_t c)
{
    const lanes t = lanes_mul(lanes_load_n(s, c), scale);
    const lanes p = exp_lanes(lanes_sub(t, lse));
    const lanes d = lanes_sub(lanes_load_n(dp, c), delta);
    lanes_store_n(s, p, c);
    lanes_store_n(dp, lanes_mul(scale, lanes_mul(p, d)), c);
}

static void attention_grad(float *s, float *dp, float scale, float lse, float delta,
                           size_t n)
{
    const lanes a = lanes_set(scale), l = lanes_set(lse), d = lanes_set(delta);
    LANES_EACH16(n, attention_grad_step(s + i, dp + i, a, l, d, c));
}

/* --- optimizer --- */

typedef struct adamw_lanes {
    lanes decay, beta1, rest1, beta2, rest2, step, root, eps, grad_scale;
} adamw_lanes;

TERN_INLINE void adamw_step(const adamw_lanes *a, const float *g, float *w, float *m,
                            float *v, size_t c)
{
    const lanes gs = lanes_mul(a->grad_scale, lanes_load_n(g, c));
    const lanes m1 = lanes_fma(a->beta1, lanes_load_n(m, c), lanes_mul(a->rest1, gs));
    const lanes g2 = lanes_mul(lanes_mul(a->rest2, gs), gs);
    const lanes v1 = lanes_fma(a->beta2, lanes_load_n(v, c), g2);
    const lanes below = lanes_fma(lanes_sqrt(v1), a->root, a->eps);
    const lanes w1 = lanes_mul(a->decay, lanes_load_n(w, c));
    lanes_store_n(m, m1, c);
    lanes_store_n(v, v1, c);
    lanes_store_n(w, lanes_fnma(a->step, lanes_div(m1, below), w1), c);
}

static void adamw(const tern_adamw_args *a, const float *g, size_t n, float *w,
                  float *m, float *v)
{
    const adamw_lanes k = {
        .decay = lanes_set(1.0f - a->lr * a->weight_decay),
        .beta1 = lanes_set(a->beta1),
        .rest1 = lanes_set(1.0f - a->beta1),
        .beta2 = lanes_set(a->beta2),
        .rest2 = lanes_set(1.0f - a->beta2),
        .step = lanes_set((float)((double)a->lr / a->correction1)),
        .root = lanes_set((float)(1.0 / sqrt(a->correction2))),
        .eps = lanes_set(a->eps),
        .grad_scale = lanes_set(a->grad_scale),
    };
    LANES_EACH16(n, adamw_step(&k, g + i, w + i, m + i, v + i, c));
}

/* gs * g + decay * w */
TERN_INLINE lanes sgd_gradient(lanes gs, const float *g, lanes decay, const float *w,
                               size_t c)
{
    return lanes_fma(decay, lanes_load_n(w, c), lanes_mul(gs, lanes_load_n(g, c)));
}

TERN_INLINE void sgd_step(const lanes k[4], bool nesterov, const float *g, float *w,
                          float *m, size_t c)
{
    const lanes lr = k[0], mu = k[1], d = sgd_gradient(k[3], g, k[2], w, c);
    lanes u = d;
    if (m) {
        const lanes m1 = lanes_fma(mu, lanes_load_n(m, c), d);
        lanes_store_n(m, m1, c);
        u = nesterov ? lanes_fma(mu, m1, d) : m1;
    }
    lanes_store_n(w, lanes_fnma(lr, u, lanes_load_n(w, c)), c);
}

static void sgd(float lr, float momentum, bool nesterov, float weight_decay,
                float grad_scale, const float *g, size_t n, float *w, float *m)
{
    const lanes k[4] = {lanes_set(lr), lanes_set(momentum), lanes_set(weight_decay),
                        lanes_set(grad_scale)};
    if (m)
        LANES_EACH16(n, sgd_step(k, nesterov, g + i, w + i, m + i, c));
    else
        LANES_EACH16(n, sgd_step(k, nesterov, g + i, w + i, NULL, c));
}

#include "kernels/float_products.h"

const tern_float_kernels FLOAT_TABLE = {
    .sum_squares = sum_squares,
    .sum_squares_double = sum_squares_double,
    .dot = dot,
    .max = max,
    .exp_sum = exp_sum,
    .rms_scale = rms_scale,
    .rms_dot = rms_dot,
    .rms_grad = rms_grad,
    .rms_gain_grad = rms_gain_grad,
    .rope = rope,
    .silu = silu,
    .relu2 = relu2,
    .silu_grad = silu_grad,
    .relu2_grad = relu2_grad,
    .glu = glu,
    .glu_grad = glu_grad,
    .add = add,
    .mul = mul,
    .scale = scale,
    .axpy = axpy,
    .mul_add = mul_add,
    .round_half = round_half,
    .widen = widen,
    .narrow = narrow,
    .dropout = dropout,
    .softmax_grad = softmax_grad,
    .exp_axpy = exp_axpy,
    .attention_grad = attention_grad,
    .chain = chain,
    .dots = dots,
    .dots_half = dots_half,
    .transpose = transpose,
    .adamw = adamw,
    .sgd = sgd,
};
