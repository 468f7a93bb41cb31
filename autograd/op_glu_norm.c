/* op_glu_norm.c - gated unit, RMSNorm and quantiser in one, for the MLP of arch bitnet.
 *
 *     a = f(gate) . up,   y = quantize(rmsnorm(a, gain))
 *
 * a is as large as gate or up, the largest values of a block, and its norm's backward
 * needs it. Computing it again costs less than keeping it, so it is made row by row, in
 * the first level cache, in both directions:
 *
 *     dy -> da (rmsnorm, straight through the quantiser) -> dgate, dup (glu)
 *
 * gate and up are mostly read for the last time here. Then their gradients take their
 * place, element by element: the largest gradients of a model cost no memory. */

#include "autograd/norm.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

typedef struct saved_glu {
    tern_activation f;
    float eps;
    float rstd[]; /* (rows) */
} saved_glu;

/* The gradients of gate and up; true if they are to be added to. */
static bool side_grads(tern_tape *t, tern_node *n, float *g[2])
{
    tern_var *gate = n->in[0], *up = n->in[1];
    if (gate == up || gate->grad || up->grad) return tern_tape_grads(t, n->in, 2, g);
    for (int i = 0; i < 2; i++) {
        g[i] = tern_tape_grad_over_value(t, n->in[i]);
        if (!g[i]) (void)tern_tape_grads(t, n->in + i, 1, g + i);
    }
    return false;
}

static void glu_norm_backward(tern_tape *t, tern_node *n)
{
    const saved_glu *s = n->saved;
    const float *gate = n->in[0]->val, *up = n->in[1]->val;
    const tern_var *gain = n->in[2];
    float *dgain = gain ? tern_tape_grad(t, n->in[2]) : NULL;
    float *g[2], *scratch = tern_norm_tape_scratch(t, n->out);
    const bool add = side_grads(t, n, g);
    if (tern_tape_status(t) != TERN_OK) return;
    tern_glu_rmsnorm_rows_backward(
        s->f, gate, up, gain ? gain->val : NULL, s->rstd, n->out->grad,
        (size_t)n->out->rows, (size_t)n->out->cols, add, g[0], g[1], dgain, scratch);
}

static void glu_norm_value(tern_tape *t, tern_node *n)
{
    saved_glu *s = n->saved;
    const tern_var *gate = n->in[0], *up = n->in[1], *gain = n->in[2];
    float *scratch = tern_norm_tape_scratch(t, gate);
    if (!scratch) return;
    tern_glu_rmsnorm_quantize_rows(s->f, gate->val, up->val, gain ? gain->val : NULL,
                                   s->eps, s->rstd, tern_node_codes(n), scratch);
}

static const tern_op glu_norm_op = {.name = "glu_rmsnorm_quantize",
                                    .backward = glu_norm_backward,
                                    .value = glu_norm_value,
                                    .reads = TERN_READS_IN0 | TERN_READS_IN1,
                                    .quantises = true};

tern_var *tern_op_glu_rmsnorm_quantize(tern_tape *t, tern_activation f, tern_var *gate,
                                       tern_var *up, tern_param *gain, float eps)
{
    const tern_op *op = &glu_norm_op;
    tern_var *g = NULL;
    if (!tern_tape_wants(t, op, gate) || !tern_tape_wants(t, op, up)) return NULL;
    if (gate->rows != up->rows || gate->cols != up->cols)
        return tern_tape_fail_shape(t, op, "shapes must be equal", gate, up);
    if (!tern_norm_check(t, op, gate->cols, gain, eps, &g)) return NULL;
    if (up == gate) up = tern_op_scale(t, up, 1.0f); /* as in tern_op_glu() */

    const size_t rows = (size_t)gate->rows;
    tern_node *n =
        tern_tape_push_codes(t, op, (tern_inputs){{gate, up, g}}, gate->rows,
                             gate->cols, sizeof(saved_glu) + rows * sizeof(float));
    if (!n) return NULL;
    saved_glu *s = n->saved;
    s->f = f;
    s->eps = eps;
    glu_norm_value(t, n);
    if (tern_tape_status(t) != TERN_OK) return NULL;
    tern_tape_show_codes(t, n);
    return n->out;
}
