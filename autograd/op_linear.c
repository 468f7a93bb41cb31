/* op_linear.c - a var times the transpose of a float (or fp16) parameter, in two orders
 * of summation: linear uses the fastest, head the one that the runtime uses.
 *
 *     y = x W^T + b      dx = dy W      dW = dy^T x      db = sum over rows of dy
 *
 * x (n, k), W (m, k), b (1, m). With W in HALF form the forward and dx see the rounded
 * weights, and dW goes straight through the rounding to the master. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/gemm.h"
#include "kernels/rows.h"

static void linear_backward(tern_tape *t, tern_node *n)
{
    const tern_var *x = n->in[0], *w = n->in[1], *y = n->out;
    const size_t rows = (size_t)x->rows, k = (size_t)x->cols, m = (size_t)w->rows;
    float beta;
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (dx)
        tern_sgemm(false, false, rows, k, m, 1.0f, y->grad, m, w->val, k, beta, dx, k);
    float *dw = tern_tape_grad_beta(t, n->in[1], &beta);
    if (dw)
        tern_sgemm(true, false, m, k, rows, 1.0f, y->grad, m, x->val, k, beta, dw, k);
    float *db = n->in[2] ? tern_tape_grad(t, n->in[2]) : NULL;
    if (db) tern_bias_backward(y->grad, rows, m, db);
}

static const tern_op linear_op = {.name = "linear",
                                  .backward = linear_backward,
                                  .reads = TERN_READS_IN0 | TERN_READS_IN1,
                                  .gemm = TERN_GEMM_BOTH};
static const tern_op head_op = {.name = "head",
                                .backward = linear_backward,
                                .reads = TERN_READS_IN0 | TERN_READS_IN1,
                                .gemm = TERN_GEMM_BACKWARD};

/* Checks and node of both; the weight is in[1] of the node. */
static tern_node *push_product(tern_tape *t, const tern_op *op, tern_var *x,
                               tern_param *weight, tern_var *bias)
{
    if (!tern_tape_wants(t, op, x)) return NULL;
    tern_var *w = tern_tape_weight(t, op, weight);
    if (!w) return NULL;
    if (x->cols != w->cols)
        return tern_tape_fail_shape(t, op, "columns of input and weight must be equal",
                                    x, w);
    if (bias && (bias->rows != 1 || bias->cols != w->rows))
        return tern_tape_fail_shape(t, op, "the bias must be (1, rows of the weight)",
                                    bias, w);
    return tern_tape_push(t, op, (tern_inputs){{x, w, bias}}, x->rows, w->rows, 0);
}

tern_var *tern_op_linear(tern_tape *t, tern_var *x, tern_param *w, tern_param *b)
{
    tern_var *bias = NULL;
    if (b && !(bias = tern_tape_weight(t, &linear_op, b))) return NULL;
    tern_node *n = push_product(t, &linear_op, x, w, bias);
    if (!n) return NULL;
    const size_t rows = (size_t)x->rows, k = (size_t)x->cols, m = (size_t)w->rows;
    tern_sgemm(false, true, rows, m, k, 1.0f, x->val, k, n->in[1]->val, k, 0.0f,
               n->out->val, m);
    if (bias) tern_add_bias(bias->val, rows, m, n->out->val);
    return n->out;
}

tern_var *tern_op_head(tern_tape *t, tern_var *x, tern_param *w)
{
    tern_node *n = push_product(t, &head_op, x, w, NULL);
    if (!n) return NULL;
    const size_t rows = (size_t)x->rows, k = (size_t)x->cols, m = (size_t)w->rows;
    if (w->form == TERN_FORM_HALF)
        tern_dot_matmul_half(x->val, rows, k, w->half, m, n->out->val, m);
    else
        tern_dot_matmul(x->val, rows, k, w->val, m, n->out->val, m);
    return n->out;
}
