/* op_matmul.c - the product of two vars, a (n, k) and b (k, m):
 *
 *     y = a b      da = dy b^T      db = a^T dy */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/gemm.h"

static void matmul_backward(tern_tape *t, tern_node *n)
{
    const tern_var *a = n->in[0], *b = n->in[1], *y = n->out;
    const size_t rows = (size_t)y->rows, cols = (size_t)y->cols, k = (size_t)a->cols;
    float beta;
    float *da = tern_tape_grad_beta(t, n->in[0], &beta);
    if (da)
        tern_sgemm(false, true, rows, k, cols, 1.0f, y->grad, cols, b->val, cols, beta,
                   da, k);
    float *db = tern_tape_grad_beta(t, n->in[1], &beta);
    if (db)
        tern_sgemm(true, false, k, cols, rows, 1.0f, a->val, k, y->grad, cols, beta, db,
                   cols);
}

static const tern_op matmul_op = {.name = "matmul",
                                  .backward = matmul_backward,
                                  .reads = TERN_READS_IN0 | TERN_READS_IN1,
                                  .gemm = TERN_GEMM_BOTH};

tern_var *tern_op_matmul(tern_tape *t, tern_var *a, tern_var *b)
{
    if (!tern_tape_wants(t, &matmul_op, a) || !tern_tape_wants(t, &matmul_op, b))
        return NULL;
    if (a->cols != b->rows)
        return tern_tape_fail_shape(
            t, &matmul_op, "columns of the first must equal rows of the second", a, b);
    tern_node *n =
        tern_tape_push(t, &matmul_op, (tern_inputs){{a, b}}, a->rows, b->cols, 0);
    if (!n) return NULL;
    const size_t rows = (size_t)a->rows, cols = (size_t)b->cols, k = (size_t)a->cols;
    tern_sgemm(false, false, rows, cols, k, 1.0f, a->val, k, b->val, cols, 0.0f,
               n->out->val, cols);
    return n->out;
}
