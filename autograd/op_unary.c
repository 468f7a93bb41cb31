/* op_unary.c - the activations: y_i = f(x_i), dx_i = f'(x_i) dy_i.
 *
 *     silu   x sigma(x)                f' = sigma(x) (1 + x (1 - sigma(x)))
 *     relu2  max(x, 0)^2               f' = 2 max(x, 0)
 *     gelu   x Phi(x)                  f' = Phi(x) + x phi(x)
 *
 * sigma is the logistic function; Phi and phi are the normal distribution and its
 * density. Backward reads x; y is not kept. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

static void unary_backward(tern_tape *t, tern_node *n)
{
    const tern_unary *f = n->saved;
    float *dx = tern_tape_grad(t, n->in[0]);
    if (!dx) return;
    tern_unary_backward(*f, n->in[0]->val, n->out->grad, tern_var_count(n->out), dx);
}

static tern_var *unary(tern_tape *t, const tern_op *op, tern_unary f, tern_var *x)
{
    if (!tern_tape_wants(t, op, x)) return NULL;
    tern_node *n =
        tern_tape_push(t, op, (tern_inputs){{x}}, x->rows, x->cols, sizeof f);
    if (!n) return NULL;
    *(tern_unary *)n->saved = f;
    tern_unary_map(f, x->val, tern_var_count(x), n->out->val);
    return n->out;
}

static const tern_op silu_op = {
    .name = "silu", .backward = unary_backward, .reads = TERN_READS_IN0};
static const tern_op relu2_op = {
    .name = "relu2", .backward = unary_backward, .reads = TERN_READS_IN0};
static const tern_op gelu_op = {
    .name = "gelu", .backward = unary_backward, .reads = TERN_READS_IN0};

tern_var *tern_op_silu(tern_tape *t, tern_var *x)
{
    return unary(t, &silu_op, TERN_UNARY_SILU, x);
}

tern_var *tern_op_relu2(tern_tape *t, tern_var *x)
{
    return unary(t, &relu2_op, TERN_UNARY_RELU2, x);
}

tern_var *tern_op_gelu(tern_tape *t, tern_var *x)
{
    return unary(t, &gelu_op, TERN_UNARY_GELU, x);
}
