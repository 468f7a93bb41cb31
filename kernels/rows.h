/* rows.h - float operations on rows: norm, rotary positions, activations, losses.
 *
 * Every function gives the same bits at every level (scalar, AVX2, AVX-512) and for any
 * number of threads: sums run in 16 interleaved lanes (element i into lane i % 16, with
 * fused multiply-add), and the lanes are added in one fixed tree:
 *
 *     a[l] += a[l + 8], then + 4, + 2, + 1     (l = 0 .. half - 1)
 *
 * which a vector unit of any width up to 16 can do. exp is tern's own (float_body.h: a
 * polynomial in fused multiply-adds, relative error below 2e-7); gelu's erf and the
 * logarithm of a loss are libm's, in double. Infinities and NaNs pass through as in
 * IEEE arithmetic; only the payload bits of a NaN are not promised.
 *
 * "dx +=" means added to what is there. In and out may be the same array where said.
 * All are parallel (OpenMP) over rows or columns, and never allocate.
 */
#ifndef TERN_KERNELS_ROWS_H
#define TERN_KERNELS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"

/* --- RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4) ---
 * r = 1 / sqrt(mean(x^2) + eps),  y = (r * x) * gain.  gain (cols) or NULL for ones.
 * rstd out (rows): r, or NULL. y may be x. */
void tern_rmsnorm_rows(const float *x, const float *gain, float eps, size_t rows,
                       size_t cols, float *y, float *rstd);
/* g = gain * dy;  dx = (or += if add) r * (g - (r x) mean(g . r x));
 * dgain += sum over rows dy . r x, or NULL. scratch: tern_norm_scratch() floats. */
void tern_rmsnorm_rows_backward(const float *x, const float *gain, const float *rstd,
                                const float *dy, size_t rows, size_t cols, bool add,
                                float *dx, float *dgain, float *scratch);
/* The same behind a gated unit: of rmsnorm(f(gate) . up), rstd as that norm had it. Not
 * added, dgate and dup may be gate and up themselves. */
void tern_glu_rmsnorm_rows_backward(tern_activation f, const float *gate,
                                    const float *up, const float *gain,
                                    const float *rstd, const float *dy, size_t rows,
                                    size_t cols, bool add, float *dgate, float *dup,
                                    float *dgain, float *scratch);
/* Floats that these need with the current number of threads. */
size_t tern_norm_scratch(size_t rows, size_t cols);

/* --- rotary positions (Su et al. 2021), pairs (i, i + D/2) as in HF and NEOX ---
 * Angle of pair i at position p: p * theta^(-2i/D) / factors[i], computed in double.
 * factors (D/2) or NULL for ones; cos, sin out (positions, D/2). */
void tern_rope_table(size_t positions, size_t head_dim, double theta,
                     const float *factors, float *cos, float *sin);
/* Turn every head of x (rows, heads * D); row r stands at position pos0 + r % period.
 * sign +1 forward, -1 the inverse (its gradient). y may be x. y = or y += (add). */
void tern_rope_rows(const float *x, size_t rows, size_t heads, size_t head_dim,
                    size_t pos0, size_t period, const float *cos, const float *sin,
                    int sign, int add, float *y);

/* --- activations --- */
typedef enum tern_unary {
    TERN_UNARY_SILU,
    TERN_UNARY_RELU2,
    TERN_UNARY_GELU
} tern_unary;
/* gelu is the exact one, x * Phi(x), by erf. y may be x. */
void tern_unary_map(tern_unary f, const float *x, size_t n, float *y);
void tern_unary_backward(tern_unary f, const float *x, const float *dy, size_t n,
                         float *dx); /* dx += */
/* Gated: y = f(gate) * up. y may be gate or up. Backward: dgate and dup = , or += if
 * add. */
void tern_glu(tern_activation f, const float *gate, const float *up, size_t n,
              float *y);
void tern_glu_backward(tern_activation f, const float *gate, const float *up,
                       const float *dy, size_t n, bool add, float *dgate, float *dup);

/* --- element by element --- */
void tern_zero(size_t n, float *y);                                    /* y = 0 */
void tern_copy(const float *x, size_t n, float *y);                    /* y = x */
void tern_add(const float *a, const float *b, size_t n, float *y);     /* y = a + b */
void tern_mul(const float *a, const float *b, size_t n, float *y);     /* y = a * b */
void tern_axpy(float a, const float *x, size_t n, float *y);           /* y += a * x */
void tern_mul_add(const float *a, const float *b, size_t n, float *y); /* y += a * b */
/* y[r][c] += b[c]; and its gradient: db[c] += sum over rows dy[r][c]. */
void tern_add_bias(const float *b, size_t rows, size_t cols, float *y);
void tern_bias_backward(const float *dy, size_t rows, size_t cols, float *db);
/* Inverted dropout: y = x / (1 - p) where the draw keeps i, else 0; the draw is a pure
 * function of (seed, stream index i), in steps of 1/65536, as p is taken. The gradient
 * is the same call on dy; add: to what stands in y. */
void tern_dropout_map(const float *x, size_t n, float p, uint64_t seed, uint64_t key,
                      int add, float *y);
/* Round to what fp16 holds (embeddings in the forward pass). y may be x. */
void tern_round_half(const float *x, size_t n, float *y);

/* --- softmax and cross-entropy --- */
void tern_softmax_rows(const float *x, size_t rows, size_t cols,
                       float *y); /* y may be x*/
void tern_softmax_rows_backward(const float *y, const float *dy, size_t rows,
                                size_t cols, float *dx); /* dx += */
/* loss[r] = logsumexp(logits[r]) - logits[r][target[r]] (nats); lse out (rows).
 * target -1: the row does not count, loss 0. */
void tern_cross_entropy_rows(const float *logits, const int32_t *target, size_t rows,
                             size_t cols, float *loss, float *lse);
/* dlogits[r] += scale * (softmax(logits[r]) - onehot(target[r])); nothing for target
 * -1.*/
void tern_cross_entropy_backward(const float *logits, const int32_t *target,
                                 const float *lse, size_t rows, size_t cols,
                                 float scale, float *dlogits);

/* --- embedding --- */
void tern_embed_rows(const float *table, const int32_t *ids, size_t rows, size_t cols,
                     float *y);
/* dtable[ids[r]] += dy[r], rows in order: the same bits for any thread count. */
void tern_embed_backward(const int32_t *ids, const float *dy, size_t rows, size_t cols,
                         float *dtable);

/* --- float matrix product in the fixed order, for output heads and float layers of the
 * runtime: y[i][j] = sum_k x[i][k] * w[j][k] in 16 lanes as above. --- */
void tern_dot_matmul(const float *x, size_t m, size_t k, const float *w, size_t n,
                     float *y, size_t ldy);
/* w in fp16 (bits): the same bits as tern_dot_matmul on the converted weights. */
void tern_dot_matmul_half(const float *x, size_t m, size_t k, const uint16_t *w,
                          size_t n, float *y, size_t ldy);

/* --- for the optimizer --- */
/* Sum of squares in double, fixed order. */
double tern_sum_squares(const float *x, size_t n);

/* AdamW (Loshchilov & Hutter 2017), PyTorch's form: w -= lr * wd * w first, then
 * m = b1 m + (1 - b1) g', v = b2 v + (1 - b2) g'^2, w -= lr / c1 * m /
 * (sqrt(v)/sqrt(c2)
 * + eps), where g' = grad_scale * g, c1 = 1 - b1^t, c2 = 1 - b2^t. */
typedef struct tern_adamw_args {
    float lr, beta1, beta2, eps, weight_decay, grad_scale;
    double correction1, correction2; /* c1, c2 */
} tern_adamw_args;
void tern_adamw_update(const tern_adamw_args *a, const float *g, size_t n, float *w,
                       float *m, float *v);
/* SGD with momentum, PyTorch's form: g' += wd w; m = mu m + g'; w -= lr * m (or
 * g' + mu m with nesterov). m may be NULL when momentum is 0. */
void tern_sgd_update(float lr, float momentum, int nesterov, float weight_decay,
                     float grad_scale, const float *g, size_t n, float *w, float *m);

#endif /* TERN_KERNELS_ROWS_H */
