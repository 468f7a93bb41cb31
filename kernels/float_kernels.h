/* float_kernels.h - the table of float leaf functions, one per instruction set.
 *
 * rows.c, attention.c and the fused quantiser cut the work between threads and call
 * these, each single-threaded, for one row or one tile. All variants come from one
 * source, float_body.h, written in lanes of 16 floats (lanes_*.h), so that they give
 * the same bits: a reduction keeps 16 partial sums, element i in lane i % 16, starting
 * at 0, with fused multiply-add, missing elements of the last lanes counting as 0; and
 * ends in the tree a[l] += a[l + 8], + 4, + 2, + 1. (The bits of a NaN are not part of
 * the promise.)
 *
 * Arrays need no alignment. Where y is written, it may be one of the inputs.
 */
#ifndef TERN_KERNELS_FLOAT_KERNELS_H
#define TERN_KERNELS_FLOAT_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"
#include "kernels/cpu.h"
#include "kernels/fetch.h"
#include "kernels/rows.h"

/* A product in chains, for attention: every c[i][j] is one chain of fused
 * multiply-adds in the order of p,
 *
 *     c[i][j] = (add ? c[i][j] : 0) + sum over p < k + i * slope of a[i][p] * b[p][j]
 *
 * with a[i][p] at a[i * a_row + p * a_col]. slope 0: a matrix product; slope 1: row i
 * takes i terms more than row 0 (the causal triangle). c overlaps neither a nor b.
 *
 * b[p][j] is at b[p * b_row + j]; or, b_band > 0, columns lie in bands of 16 that are
 * b_band elements apart, and it is at b[j / 16 * b_band + p * b_row + j % 16].
 *
 * b_panel > 0, for one row: bands lie in panels of four, b_panel elements apart; n is a
 * multiple of 16.
 *
 * ahead: what will be read next, fetched while this product is computed (slope 0).
 */
typedef struct tern_chain {
    const float *a;
    size_t a_row, a_col;
    const float *b;
    const uint16_t *b16; /* fp16 bits in its place, if b is NULL */
    size_t b_row, b_band, b_panel;
    tern_fetch ahead;
    float *c;
    size_t c_row;
    size_t m, n, k, slope;
    bool add;
} tern_chain;

typedef struct tern_float_kernels {
    /* --- reductions --- */
    float (*sum_squares)(const float *x, size_t n);
    double (*sum_squares_double)(const float *x, size_t n); /* lanes of double */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*max)(const float *x, size_t n); /* -INFINITY for n = 0; skips NaN */
    /* e = exp(scale * x - shift); returns the sum of e. y out (n) or NULL. */
    float (*exp_sum)(const float *x, float scale, float shift, size_t n, float *y);

    /* --- RMSNorm; gain may be NULL for ones --- */
    /* y = (r * x) * gain */
    void (*rms_scale)(const float *x, float r, const float *gain, size_t n, float *y);
    /* sum of (gain * dy) * (r * x) */
    float (*rms_dot)(const float *x, float r, const float *gain, const float *dy,
                     size_t n);
    /* dx = or += r * (gain * dy - (r * x) * mean) */
    void (*rms_grad)(const float *x, float r, const float *gain, const float *dy,
                     float mean, size_t n, bool add, float *dx);
    /* dgain += dy * (r * x) */
    void (*rms_gain_grad)(const float *x, float r, const float *dy, size_t n,
                          float *dgain);

    /* --- rotary positions: one head of 2 * half numbers; sign +1 or -1 --- */
    void (*rope)(const float *x, const float *cos, const float *sin, size_t half,
                 float sign, bool add, float *y);

    /* --- activations (gelu is scalar, in rows.c) --- */
    void (*silu)(const float *x, size_t n, float *y);
    void (*relu2)(const float *x, size_t n, float *y);
    void (*silu_grad)(const float *x, const float *dy, size_t n, float *dx);  /* += */
    void (*relu2_grad)(const float *x, const float *dy, size_t n, float *dx); /* += */
    void (*glu)(tern_activation f, const float *gate, const float *up, size_t n,
                float *y);
    /* dgate and dup = or += */
    void (*glu_grad)(tern_activation f, const float *gate, const float *up,
                     const float *dy, size_t n, bool add, float *dgate, float *dup);

    /* --- element by element --- */
    void (*add)(const float *a, const float *b, size_t n, float *y); /* y = a + b */
    void (*mul)(const float *a, const float *b, size_t n, float *y); /* y = a * b */
    void (*scale)(float a, const float *x, size_t n, float *y);      /* y = a * x */
    void (*axpy)(float a, const float *x, size_t n, float *y);       /* y += a * x */
    void (*mul_add)(const float *a, const float *b, size_t n,
                    float *y); /* y += a * b */
    void (*round_half)(const float *x, size_t n, float *y);
    void (*widen)(const uint16_t *x, size_t n, float *y);  /* from bits of fp16 */
    void (*narrow)(const float *x, size_t n, uint16_t *y); /* to them */
    /* y = or += x * keep where the draw of element first + i, of 16 bits, is not below,
     * else 0; first is a multiple of 4. */
    void (*dropout)(const float *x, uint64_t seed, uint64_t first, uint32_t below,
                    float keep, bool add, size_t n, float *y);

    /* --- softmax's gradients --- */
    /* dx += y * (dy - dot) */
    void (*softmax_grad)(const float *y, const float *dy, float dot, size_t n,
                         float *dx);
    /* d += scale * exp(x - lse) */
    void (*exp_axpy)(const float *x, float lse, float scale, size_t n, float *d);
    /* s = exp(scale * s - lse);  dp = scale * (s * (dp - delta)) */
    void (*attention_grad)(float *s, float *dp, float scale, float lse, float delta,
                           size_t n);

    /* --- products --- */
    void (*chain)(const tern_chain *t);
    /* y[i][j] = dot(x[i], w[j]), i < m, j < n; x and w rows of length k. */
    void (*dots)(const float *x, size_t m, size_t k, const float *w, size_t n, float *y,
                 size_t ldy);
    void (*dots_half)(const float *x, size_t m, size_t k, const uint16_t *w, size_t n,
                      float *y, size_t ldy);
    /* y[c][r] = x[r][c]; rows of y are filled with zeros up to a multiple of 16. */
    void (*transpose)(const float *x, size_t ldx, size_t rows, size_t cols, float *y,
                      size_t ldy);

    /* --- optimizer (rows.h) --- */
    void (*adamw)(const tern_adamw_args *a, const float *g, size_t n, float *w,
                  float *m, float *v);
    void (*sgd)(float lr, float momentum, bool nesterov, float weight_decay,
                float grad_scale, const float *g, size_t n, float *w, float *m);
} tern_float_kernels;

extern const tern_float_kernels tern_float_scalar;
extern const tern_float_kernels tern_float_avx2;   /* x86-64 only */
extern const tern_float_kernels tern_float_avx512; /* x86-64 only */
extern const tern_float_kernels tern_float_neon;   /* AArch64 only */

/* The table in use: scalar until tern_float_kernels_use() says otherwise. */
extern const tern_float_kernels *tern_float_active;

/* Called by tern_kernels_init() and tern_kernels_force(), which know that the CPU has
 * the level. */
void tern_float_kernels_use(tern_level l);

/* RMSNorm's r from sum_squares(x, cols): the one place with this formula. */
static inline float tern_rms_rstd(float sum_squares, size_t cols, float eps)
{
    return 1.0f / sqrtf(sum_squares / (float)cols + eps);
}

#endif /* TERN_KERNELS_FLOAT_KERNELS_H */
