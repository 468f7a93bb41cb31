/* op_dropout.c - inverted dropout (Srivastava et al. 2014):
 *
 *     y_i = m_i x_i / (1 - p)      dx_i = m_i dy_i / (1 - p)
 *
 * where the draw m_i is 1 with probability 1 - p, else 0: a pure function of the tape's
 * seed and step, the op's number on the tape, and i. Backward draws again; only the key
 * is kept. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

typedef struct saved_draw {
    uint64_t seed, key;
    float p;
} saved_draw;

static void dropout_backward(tern_tape *t, tern_node *n)
{
    const saved_draw *d = n->saved;
    float beta;
    float *dx = tern_tape_grad_beta(t, n->in[0], &beta);
    if (!dx) return;
    tern_dropout_map(n->out->grad, tern_var_count(n->out), d->p, d->seed, d->key,
                     beta != 0.0f, dx);
}

static const tern_op dropout_op = {.name = "dropout", .backward = dropout_backward};

tern_var *tern_op_dropout(tern_tape *t, tern_var *x, float p)
{
    if (!tern_tape_wants(t, &dropout_op, x)) return NULL;
    if (!(p >= 0.0f && p < 1.0f))
        return tern_tape_fail(t, &dropout_op, TERN_EARG,
                              "probability %g must be at least 0 and below 1",
                              (double)p);
    if (p == 0.0f || !tern_tape_training(t)) return x;
    tern_node *n = tern_tape_push(t, &dropout_op, (tern_inputs){{x}}, x->rows, x->cols,
                                  sizeof(saved_draw));
    if (!n) return NULL;
    saved_draw *d = n->saved;
    tern_tape_random(t, &d->seed, &d->key);
    d->p = p;
    tern_dropout_map(x->val, tern_var_count(x), p, d->seed, d->key, 0, n->out->val);
    return n->out;
}
