/* op_quantize.c - rows to 8-bit codes, straight through, with or without a norm before.
 *
 *     s = 127 / max(max |x|, 1e-5),   q = clamp(rne(x s), -128, 127)       per row
 *
 * The var that results stands for x^ = q / s. Rounding has no useful derivative; the
 * straight-through estimator (Bengio et al. 2013; for BitNet: x + stop(x^ - x)) takes
 * dx^/dx = 1, with no clipping mask and no gradient through s:
 *
 *     quantize            dx = dx^
 *     rmsnorm_quantize    dx = the gradient of rmsnorm at x (op_rmsnorm.c) for dx^
 *
 * The plain quantiser keeps nothing and hands the gradient's buffer on. The fused one
 * keeps x and one number per row; the normalised rows never exist in memory. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "autograd/norm.h"

static void quantize_backward(tern_tape *t, tern_node *n)
{
    tern_tape_give_grad(t, n->in[0], n);
}

static const tern_op quantize_op = {.name = "quantize", .backward = quantize_backward};

tern_var *tern_op_quantize(tern_tape *t, tern_var *x)
{
    if (!tern_tape_wants(t, &quantize_op, x)) return NULL;
    tern_node *n =
        tern_tape_push_codes(t, &quantize_op, (tern_inputs){{x}}, x->rows, x->cols, 0);
    if (!n) return NULL;
    tern_quantize_rows(x->val, tern_node_codes(n));
    tern_tape_show_codes(t, n);
    return n->out;
}

static void rmsnorm_quantize_value(tern_tape *t, tern_node *n)
{
    const tern_var *x = n->in[0], *gain = n->in[1];
    float *rstd = n->saved;
    (void)t;
    tern_rmsnorm_quantize_rows(x->val, gain ? gain->val : NULL, rstd[x->rows], rstd,
                               tern_node_codes(n));
}

static const tern_op rmsnorm_quantize_op = {.name = "rmsnorm_quantize",
                                            .backward = tern_norm_backward,
                                            .value = rmsnorm_quantize_value,
                                            .reads = TERN_READS_IN0,
                                            .quantises = true};

tern_var *tern_op_rmsnorm_quantize(tern_tape *t, tern_var *x, tern_param *gain,
                                   float eps)
{
    const tern_op *op = &rmsnorm_quantize_op;
    tern_var *g = NULL;
    if (!tern_tape_wants(t, op, x) || !tern_norm_check(t, op, x->cols, gain, eps, &g))
        return NULL;
    tern_node *n = tern_tape_push_codes(t, op, (tern_inputs){{x, g}}, x->rows, x->cols,
                                        (size_t)(x->rows + 1) * sizeof(float));
    if (!n) return NULL;
    float *rstd = n->saved; /* and, behind the rows, eps for the next time */
    rstd[x->rows] = eps;
    rmsnorm_quantize_value(t, n);
    tern_tape_show_codes(t, n);
    return n->out;
}
