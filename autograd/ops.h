/* ops.h - everything a model can be made of.
 *
 * Each op takes vars of one tape (or parameters) and returns a new var, or NULL when it
 * or an op before it failed (tape.h). Shapes are (rows, cols); `x` is (n, k) below.
 * Nothing is modified; ids and targets are borrowed and must live until backward.
 */
#ifndef TERN_AUTOGRAD_OPS_H
#define TERN_AUTOGRAD_OPS_H

#include "autograd/param.h"
#include "autograd/tape.h"
#include "base/spec.h"

/* --- element by element: same shapes --- */
tern_var *tern_op_add(tern_tape *t, tern_var *a, tern_var *b); /* a + b */
tern_var *tern_op_mul(tern_tape *t, tern_var *a, tern_var *b); /* a . b */
tern_var *tern_op_scale(tern_tape *t, tern_var *x, float a);   /* a x */
tern_var *tern_op_silu(tern_tape *t, tern_var *x);             /* x / (1 + e^-x) */
tern_var *tern_op_relu2(tern_tape *t, tern_var *x);            /* max(x, 0)^2 */
tern_var *tern_op_gelu(tern_tape *t, tern_var *x);             /* x Phi(x), exact */
/* f(gate) . up, f = silu or relu2: mul(silu(gate), up) in one pass, less memory. */
tern_var *tern_op_glu(tern_tape *t, tern_activation f, tern_var *gate, tern_var *up);
/* Kept with probability 1 - p and divided by it, 0 <= p < 1; x itself when not training
 * (tern_tape_set_random) or in inference. */
tern_var *tern_op_dropout(tern_tape *t, tern_var *x, float p);

/* --- matrix products --- */
tern_var *tern_op_matmul(tern_tape *t, tern_var *a,
                         tern_var *b); /* (n,k)(k,m) = (n,m) */
/* x W^T (+ b): w (m, k), b (1, m) or NULL, both float form. */
tern_var *tern_op_linear(tern_tape *t, tern_var *x, tern_param *w, tern_param *b);
/* x W^T with W in FLOAT or HALF form, in the summation order of the runtime's output
 * head (kernels/rows.h): for logits that the runtime reproduces bit for bit. */
tern_var *tern_op_head(tern_tape *t, tern_var *x, tern_param *w);

/* --- ternary: BitNet b1.58 with straight-through estimators --- */
/* Rows to 8-bit codes, absmax per row: q = rne(x s); gradient passes unchanged. */
tern_var *tern_op_quantize(tern_tape *t, tern_var *x);
/* The same as quantize(rmsnorm(x, gain)), bit for bit, without keeping the norm. */
tern_var *tern_op_rmsnorm_quantize(tern_tape *t, tern_var *x, tern_param *gain,
                                   float eps);
/* The same as rmsnorm_quantize(glu(f, gate, up), gain), bit for bit, without keeping
 * the product: backward computes it again from gate and up. */
tern_var *tern_op_glu_rmsnorm_quantize(tern_tape *t, tern_activation f, tern_var *gate,
                                       tern_var *up, tern_param *gain, float eps);
/* xq (quantised) times W^T (ternary form): sum q t in int32, times gamma / s, plus
 * `residual` (n, m) unless NULL. dx = dy (gamma T), dW = dy^T (q / s), dres. = dy. */
tern_var *tern_op_bitlinear(tern_tape *t, tern_var *xq, tern_param *w,
                            tern_var *residual);

/* --- transformer parts --- */
/* Row i is table[ids[i]]; gradient adds into those rows. ids must be 0 .. rows-1. */
tern_var *tern_op_embedding(tern_tape *t, tern_param *table, const int32_t *ids,
                            int64_t n);
/* x / sqrt(mean(x^2) + eps) per row, times gain (1, k), or NULL for ones; eps > 0. */
tern_var *tern_op_rmsnorm(tern_tape *t, tern_var *x, tern_param *gain, float eps);
/* Turn each head by its position (row % time): x (B*T, heads*D); cos, sin (T, D/2) from
 * tern_rope_table, borrowed. */
tern_var *tern_op_rope(tern_tape *t, tern_var *x, int64_t time, int64_t head_dim,
                       const float *cos, const float *sin);
/* Causal grouped-query attention: q (B*T, H*D), k, v (B*T, KV*D) -> (B*T, H*D). */
tern_var *tern_op_attention(tern_tape *t, tern_var *q, tern_var *k, tern_var *v,
                            int64_t time, int64_t heads, int64_t kv_heads);

/* --- ends --- */
tern_var *tern_op_softmax(tern_tape *t, tern_var *x); /* over each row */
/* Mean over rows with target >= 0 of -ln softmax(x)[target]: (1, 1), nats. A row whose
 * target is -1 does not count; at least one must. */
tern_var *tern_op_cross_entropy(tern_tape *t, tern_var *x, const int32_t *targets);
tern_var *tern_op_mean(tern_tape *t, tern_var *x); /* of all elements: (1, 1) */

#endif /* TERN_AUTOGRAD_OPS_H */
