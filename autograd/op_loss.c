/* op_loss.c - the ends of a graph: numbers (1, 1) made of whole matrices.
 *
 *     cross_entropy   L = mean over the R rows r that have a target c(r) of
 *                         ln sum_j e^(x_rj) - x_r,c(r)
 *                     dx_rj = dL / R (softmax(x_r)_j - [j = c(r)])
 *     mean            m = (sum of all x_i) / count        dx_i = dm / count
 *
 * Sums run in double in index order. Cross-entropy reads x and keeps the log-sum-exp of
 * each row; targets are the caller's, by reference. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

typedef struct saved_entropy {
    const int32_t *targets;
    int64_t counted; /* rows with a target */
    float lse[];     /* (rows) */
} saved_entropy;

static void cross_entropy_backward(tern_tape *t, tern_node *n)
{
    const saved_entropy *s = n->saved;
    const tern_var *x = n->in[0];
    float *dx = tern_tape_grad(t, n->in[0]);
    if (!dx) return;
    tern_cross_entropy_backward(x->val, s->targets, s->lse, (size_t)x->rows,
                                (size_t)x->cols, n->out->grad[0] / (float)s->counted,
                                dx);
}

static const tern_op cross_entropy_op = {.name = "cross_entropy",
                                         .backward = cross_entropy_backward,
                                         .reads = TERN_READS_IN0};

/* Rows with a target; 0, and the tape has failed, if a target is no column of x. */
static int64_t count_targets(tern_tape *t, const tern_var *x, const int32_t *targets)
{
    const tern_op *op = &cross_entropy_op;
    int64_t counted = 0;
    for (int64_t i = 0; i < x->rows; i++) {
        if (targets[i] < -1 || targets[i] >= x->cols) {
            tern_tape_fail(t, op, TERN_EARG,
                           "target %d of row %lld is not in 0 .. %lld (-1: no target)",
                           (int)targets[i], (long long)i, (long long)x->cols - 1);
            return 0;
        }
        counted += targets[i] >= 0;
    }
    if (counted == 0) tern_tape_fail(t, op, TERN_EARG, "no row has a target");
    return counted;
}

tern_var *tern_op_cross_entropy(tern_tape *t, tern_var *x, const int32_t *targets)
{
    const tern_op *op = &cross_entropy_op;
    if (!tern_tape_wants(t, op, x)) return NULL;
    if (!targets) return tern_tape_fail(t, op, TERN_EARG, "targets is NULL");
    const int64_t counted = count_targets(t, x, targets);
    if (counted == 0) return NULL;
    const size_t rows = (size_t)x->rows;
    tern_node *n = tern_tape_push(t, op, (tern_inputs){{x}}, 1, 1,
                                  sizeof(saved_entropy) + rows * sizeof(float));
    float *loss = n ? tern_tape_scratch(t, rows * sizeof *loss) : NULL;
    if (!loss) return NULL;
    saved_entropy *s = n->saved;
    s->targets = targets;
    s->counted = counted;
    tern_cross_entropy_rows(x->val, targets, rows, (size_t)x->cols, loss, s->lse);
    double sum = 0.0;
    for (size_t i = 0; i < rows; i++) sum += (double)loss[i];
    n->out->val[0] = (float)(sum / (double)counted);
    return n->out;
}

static void mean_backward(tern_tape *t, tern_node *n)
{
    const size_t count = tern_var_count(n->in[0]);
    const float share = n->out->grad[0] / (float)count;
    float *dx = tern_tape_grad(t, n->in[0]);
    if (!dx) return;
    for (size_t i = 0; i < count; i++) dx[i] += share;
}

static const tern_op mean_op = {.name = "mean", .backward = mean_backward};

tern_var *tern_op_mean(tern_tape *t, tern_var *x)
{
    if (!tern_tape_wants(t, &mean_op, x)) return NULL;
    tern_node *n = tern_tape_push(t, &mean_op, (tern_inputs){{x}}, 1, 1, 0);
    if (!n) return NULL;
    double sum = 0.0;
    for (size_t i = 0; i < tern_var_count(x); i++) sum += (double)x->val[i];
    n->out->val[0] = (float)(sum / (double)tern_var_count(x));
    return n->out;
}
