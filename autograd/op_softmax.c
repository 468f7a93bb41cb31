/* op_softmax.c - each row to probabilities:
 *
 *     y_i = e^(x_i - max x) / sum_j e^(x_j - max x)
 *     dx_i = y_i (dy_i - sum_j dy_j y_j)
 *
 * Backward reads y, so x need not stay. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

static void softmax_backward(tern_tape *t, tern_node *n)
{
    const tern_var *y = n->out;
    float *dx = tern_tape_grad(t, n->in[0]);
    if (!dx) return;
    tern_softmax_rows_backward(y->val, y->grad, (size_t)y->rows, (size_t)y->cols, dx);
}

static const tern_op softmax_op = {
    .name = "softmax", .backward = softmax_backward, .reads = TERN_READS_OUT};

tern_var *tern_op_softmax(tern_tape *t, tern_var *x)
{
    if (!tern_tape_wants(t, &softmax_op, x)) return NULL;
    tern_node *n =
        tern_tape_push(t, &softmax_op, (tern_inputs){{x}}, x->rows, x->cols, 0);
    if (!n) return NULL;
    tern_softmax_rows(x->val, (size_t)x->rows, (size_t)x->cols, n->out->val);
    return n->out;
}
