/* op_bitlinear.c - the product of 8-bit activations and ternary weights.
 *
 * Forward in integers (kernels/ternary.h), as at inference:
 *
 *     y = (q T^T) gamma / s + residual        q (n, k), T (m, k), gamma one number
 *
 * Backward with x^ = q / s and W^ = gamma T in the place of x and W and straight
 * through both quantisers ("Training Tips, Code and FAQ", fig. 3):
 *
 *     dx^ = dy W^ = gamma (dy T)      dW = dy^T x^      dresidual = dy
 *
 * Kept for backward: the codes, a quarter of the size of x. The tape says in which
 * arithmetic (tern_tape_set_backward), and the node remembers it as its op:
 *
 * int16: dy is rounded to 16 bits, in integers from there (kernels/grad16.h).
 *
 * int8: the same, but dx^ comes from dy in 8 bits and the transposed codes.
 *
 * Where the weight is only part of the way to its codes (tern_param_set_share), forward
 * and backward multiply floats.
 *
 * float32: T is expanded to floats in scratch, gamma goes into the product's alpha. x^
 * is dequantised in blocks of rows, so that the floats stay in the cache; the block's
 * size is fixed, which fixes the order of the sum over rows. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/gemm.h"
#include "kernels/grad16.h"
#include "kernels/rows.h"

enum {
    BLOCK_ROWS = 512,                    /* dequantised at once */
    CHUNK_ROWS = 4 * TERN_GRAD16_TOKENS, /* in 16 bits at once: bounds the scratch */
};

static void bitlinear_value(tern_tape *t, tern_node *n)
{
    (void)t;
    const tern_var *y = n->out, *residual = n->in[2];
    tern_ternary_matmul(n->in[0]->codes, &n->in[1]->param->ternary,
                        residual ? residual->val : NULL, y->val, (size_t)y->cols);
}

/* --- float32 --- */

static void weight_backward(tern_tape *t, const tern_node *n, float *dw)
{
    const tern_qrows *q = n->in[0]->codes;
    const size_t m = (size_t)n->out->cols;
    const size_t most = q->rows < BLOCK_ROWS ? q->rows : BLOCK_ROWS;
    float *x = tern_tape_scratch(t, most * q->cols * sizeof *x);
    if (!x) return;
    for (size_t i = 0; i < q->rows; i += BLOCK_ROWS) {
        const size_t rows = q->rows - i < BLOCK_ROWS ? q->rows - i : BLOCK_ROWS;
        tern_dequantize_rows(q, i, rows, x, q->cols);
        tern_sgemm(true, false, m, q->cols, rows, 1.0f, n->out->grad + i * m, m, x,
                   q->cols, 1.0f, dw, q->cols);
    }
}

static void input_backward(tern_tape *t, const tern_node *n, float *dx, float beta)
{
    const tern_ternary *w = &n->in[1]->param->ternary;
    float *codes = tern_tape_scratch(t, w->rows * w->cols * sizeof *codes);
    if (!codes) return;
    tern_ternary_expand(w, codes);
    tern_sgemm(false, false, (size_t)n->out->rows, w->cols, w->rows, w->scale,
               n->out->grad, w->rows, codes, w->cols, beta, dx, w->cols);
}

static void float32_backward(tern_tape *t, tern_node *n)
{
    float beta;
    float *dw = tern_tape_grad(t, n->in[1]);
    if (dw) weight_backward(t, n, dw);
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (dx) input_backward(t, n, dx, beta);
    if (n->in[2]) tern_tape_give_grad(t, n->in[2], n);
}

static const tern_op float32_op = {.name = "bitlinear",
                                   .backward = float32_backward,
                                   .value = bitlinear_value,
                                   .reads = TERN_READS_IN0,
                                   .gemm = TERN_GEMM_BACKWARD};

/* --- part of the way --- */

/* Forward as backward reads W: image = W + lambda (gamma T - W), in floats. */
static void mixed_value(tern_tape *t, tern_node *n)
{
    const tern_qrows *q = n->in[0]->codes;
    const tern_param *w = n->in[1]->param;
    const tern_var *residual = n->in[2];
    const size_t m = (size_t)n->out->cols;
    const size_t most = q->rows < BLOCK_ROWS ? q->rows : BLOCK_ROWS;
    float *x = tern_tape_scratch(t, most * q->cols * sizeof *x), *y = n->out->val;
    if (!x) return;
    if (residual) tern_copy(residual->val, q->rows * m, y);
    for (size_t i = 0; i < q->rows; i += BLOCK_ROWS) {
        const size_t rows = q->rows - i < BLOCK_ROWS ? q->rows - i : BLOCK_ROWS;
        tern_dequantize_rows(q, i, rows, x, q->cols);
        tern_sgemm(false, true, rows, m, q->cols, 1.0f, x, q->cols, w->image, q->cols,
                   residual ? 1.0f : 0.0f, y + i * m, m);
    }
}

static void mixed_backward(tern_tape *t, tern_node *n)
{
    float beta;
    const tern_param *w = n->in[1]->param;
    const size_t m = (size_t)w->rows, k = (size_t)w->cols;
    float *dw = tern_tape_grad(t, n->in[1]);
    if (dw) weight_backward(t, n, dw);
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (dx)
        tern_sgemm(false, false, (size_t)n->out->rows, k, m, 1.0f, n->out->grad, m,
                   w->image, k, beta, dx, k);
    if (n->in[2]) tern_tape_give_grad(t, n->in[2], n);
}

static const tern_op mixed_op = {.name = "bitlinear",
                                 .backward = mixed_backward,
                                 .value = mixed_value,
                                 .reads = TERN_READS_IN0,
                                 .gemm = TERN_GEMM_BOTH};

/* --- int16, int8 --- */

/* Gradients of x and W; either may be NULL. wt: the transposed codes, for dX in 8 bits;
 * NULL: in 16. */
static void integer_products(tern_tape *t, const tern_node *n, const tern_ternary *wt,
                             float *dx, bool add, float *dw)
{
    const tern_qrows *q = n->in[0]->codes;
    const tern_ternary *w = &n->in[1]->param->ternary;
    const tern_grad_input input = !dx  ? TERN_INPUT_NONE
                                  : wt ? TERN_INPUT_INT8
                                       : TERN_INPUT_INT16;
    const size_t most = q->rows < CHUNK_ROWS ? q->rows : CHUNK_ROWS;
    void *memory = tern_tape_scratch(t, tern_grad16_bytes(most, w->rows));
    if (!memory) return;
    for (size_t i = 0; i < q->rows; i += CHUNK_ROWS) {
        const size_t rows = q->rows - i < CHUNK_ROWS ? q->rows - i : CHUNK_ROWS;
        tern_grad16 g = tern_grad16_place(memory, rows, w->rows, input, dw);
        tern_grad16_quantize(n->out->grad + i * w->rows, q->scale + i, &g);
        if (input == TERN_INPUT_INT16) tern_grad16_input(&g, w, add, dx + i * w->cols);
        if (input == TERN_INPUT_INT8) tern_grad8_input(&g, wt, add, dx + i * w->cols);
        if (!dw) continue;
        tern_qrows x = *q;
        x.rows = rows;
        x.codes += i * q->stride;
        tern_grad16_weight(&g, &x, dw);
    }
}

static void int16_backward(tern_tape *t, tern_node *n)
{
    float beta;
    float *dw = tern_tape_grad(t, n->in[1]);
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (dx || dw) integer_products(t, n, NULL, dx, beta != 0.0f, dw);
    if (n->in[2]) tern_tape_give_grad(t, n->in[2], n);
}

static void int8_backward(tern_tape *t, tern_node *n)
{
    float beta;
    const tern_ternary *wt = NULL;
    float *dw = tern_tape_grad(t, n->in[1]);
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (dx && !(wt = tern_param_transposed(n->in[1]->param))) {
        tern_tape_fail(t, n->op, TERN_EMEM, "no memory for transposed codes");
        return;
    }
    if (dx || dw) integer_products(t, n, wt, dx, beta != 0.0f, dw);
    if (n->in[2]) tern_tape_give_grad(t, n->in[2], n);
}

static const tern_op int16_op = {.name = "bitlinear",
                                 .backward = int16_backward,
                                 .value = bitlinear_value,
                                 .reads = TERN_READS_IN0};
static const tern_op int8_op = {.name = "bitlinear",
                                .backward = int8_backward,
                                .value = bitlinear_value,
                                .reads = TERN_READS_IN0};

/* --- the op --- */

/* A parameter that has codes, as a var. */
static tern_var *ternary_weight(tern_tape *t, const tern_op *op, tern_param *p)
{
    if (!p) return tern_tape_fail(t, op, TERN_EARG, "the weight is NULL");
    if (p->form != TERN_FORM_TERNARY)
        return tern_tape_fail(t, op, TERN_EARG,
                              "parameter \"%s\" is not in ternary form; use "
                              "tern_op_linear()",
                              p->name);
    if (p->ternary.scale == 0.0f)
        return tern_tape_fail(t, op, TERN_EARG,
                              "parameter \"%s\" has no codes yet; call "
                              "tern_param_refresh() after setting its values",
                              p->name);
    return tern_input_param(t, p);
}

tern_var *tern_op_bitlinear(tern_tape *t, tern_var *xq, tern_param *w,
                            tern_var *residual)
{
    static const tern_op *const ops[] = {[TERN_BACKWARD_FLOAT32] = &float32_op,
                                         [TERN_BACKWARD_INT16] = &int16_op,
                                         [TERN_BACKWARD_INT8] = &int8_op};
    const bool mixed = w && w->form == TERN_FORM_TERNARY && w->image;
    const tern_op *op = mixed ? &mixed_op : ops[tern_tape_backward_kind(t)];
    if (!tern_tape_wants_codes(t, op, xq)) return NULL;
    if (residual && !tern_tape_wants(t, op, residual)) return NULL;
    tern_var *weight = ternary_weight(t, op, w);
    if (!weight) return NULL;
    if (xq->cols != w->cols)
        return tern_tape_fail_shape(t, op, "columns of input and weight must be equal",
                                    xq, weight);
    if (residual && (residual->rows != xq->rows || residual->cols != w->rows))
        return tern_tape_fail_shape(
            t, op, "the residual must be (rows of the input, rows of the weight)",
            residual, weight);
    tern_node *n = tern_tape_push(t, op, (tern_inputs){{xq, weight, residual}},
                                  xq->rows, w->rows, 0);
    if (!n) return NULL;
    op->value(t, n);
    return n->out;
}
