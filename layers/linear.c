/* linear.c - a matrix, and how it multiplies: in float, or in the integers of b1.58.
 *
 * The residual is an argument because the ternary product adds it while it writes its
 * output: the sum of a branch and its input costs no pass over memory. The float twin
 * adds afterwards; both round the product before they add, so it is the same sum. */
#include "layers/layers.h"

bool tern_linear_init(tern_linear *l, tern_params *list, const char *name, int64_t in,
                      int64_t out, tern_quant quant)
{
    const tern_form form =
        quant == TERN_QUANT_TERNARY ? TERN_FORM_TERNARY : TERN_FORM_FLOAT;
    l->quant = quant;
    l->weight = tern_params_add(list, name, out, in, form);
    if (!l->weight) return false;
    l->weight->decay = true; /* also a matrix of one row */
    l->weight->hidden = true;
    return true;
}

static tern_var *bitlinear(tern_tape *t, const tern_linear *l, tern_var *x,
                           tern_var *residual)
{
    if (x->codes) return tern_op_bitlinear(t, x, l->weight, residual);
    tern_var *xq = tern_op_quantize(t, x);
    tern_var *y = tern_op_bitlinear(t, xq, l->weight, residual);
    tern_tape_release(t, xq);
    return y;
}

tern_var *tern_linear_forward(tern_tape *t, const tern_linear *l, tern_var *x,
                              tern_var *residual)
{
    if (x && l->quant == TERN_QUANT_TERNARY) return bitlinear(t, l, x, residual);
    tern_var *y = tern_op_linear(t, x, l->weight, NULL);
    if (!residual) return y;
    tern_var *sum = tern_op_add(t, residual, y);
    tern_tape_release(t, y);
    return sum;
}

tern_var *tern_linear_branch(tern_tape *t, const tern_linear *l, tern_var *x,
                             tern_var *residual, float dropout)
{
    if (dropout == 0.0f) return tern_linear_forward(t, l, x, residual);
    tern_var *y = tern_linear_forward(t, l, x, NULL);
    tern_var *kept = tern_op_dropout(t, y, dropout); /* y itself in evaluation */
    tern_var *sum = tern_op_add(t, residual, kept);
    tern_tape_release(t, y);
    tern_tape_release(t, kept);
    return sum;
}
