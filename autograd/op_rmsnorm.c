/* op_rmsnorm.c - scale each row to unit root-mean-square, times a gain.
 *
 * Zhang & Sennrich 2019, arXiv:1910.07467, eq. (4). For a row x of n numbers, with
 * r = 1 / sqrt(mean(x^2) + eps):
 *
 *     y_i = g_i r x_i            dg_i = sum over rows of dy_i r x_i
 *     dx_i = r (g_i dy_i - r x_i mean_j(g_j dy_j r x_j))
 *
 * Backward reads x and keeps one number, r, per row. */
#include "autograd/norm.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

bool tern_norm_check(tern_tape *t, const tern_op *op, int64_t cols, tern_param *gain,
                     float eps, tern_var **g)
{
    if (!(eps > 0.0f)) {
        tern_tape_fail(t, op, TERN_EARG, "eps is %g, must be above 0", (double)eps);
        return false;
    }
    if (!gain) return true;
    *g = tern_tape_weight(t, op, gain);
    if (!*g) return false;
    if ((*g)->rows == 1 && (*g)->cols == cols) return true;
    tern_tape_fail(t, op, TERN_ESHAPE, "gain \"%s\" is (%lld, %lld), must be (1, %lld)",
                   gain->name, (long long)gain->rows, (long long)gain->cols,
                   (long long)cols);
    return false;
}

float *tern_norm_tape_scratch(tern_tape *t, const tern_var *v)
{
    return tern_tape_scratch(t, tern_norm_scratch((size_t)v->rows, (size_t)v->cols) *
                                    sizeof(float));
}

void tern_norm_backward(tern_tape *t, tern_node *n)
{
    const tern_var *x = n->in[0], *gain = n->in[1];
    const float *rstd = n->saved;
    float *dx, *dgain = gain ? tern_tape_grad(t, n->in[1]) : NULL;
    const bool add = tern_tape_grads(t, n->in, 1, &dx);
    float *scratch = tern_norm_tape_scratch(t, x);
    if (!dx || !scratch) return;
    tern_rmsnorm_rows_backward(x->val, gain ? gain->val : NULL, rstd, n->out->grad,
                               (size_t)x->rows, (size_t)x->cols, add, dx, dgain,
                               scratch);
}

static const tern_op rmsnorm_op = {
    .name = "rmsnorm", .backward = tern_norm_backward, .reads = TERN_READS_IN0};

tern_var *tern_op_rmsnorm(tern_tape *t, tern_var *x, tern_param *gain, float eps)
{
    const tern_op *op = &rmsnorm_op;
    tern_var *g = NULL;
    if (!tern_tape_wants(t, op, x) || !tern_norm_check(t, op, x->cols, gain, eps, &g))
        return NULL;
    tern_node *n = tern_tape_push(t, op, (tern_inputs){{x, g}}, x->rows, x->cols,
                                  (size_t)x->rows * sizeof(float));
    if (!n) return NULL;
    tern_rmsnorm_rows(x->val, g ? g->val : NULL, eps, (size_t)x->rows, (size_t)x->cols,
                      n->out->val, n->saved);
    return n->out;
}
