/* op_rope.c - rotary positions (Su et al. 2021, arXiv:2104.09864), pairs (i, i + D/2).
 *
 *     (y_i, y_{i + D/2}) = R(p theta^(-2i/D)) (x_i, x_{i + D/2}),   p = row % time
 *
 * A rotation: the gradient is the rotation by the opposite angle, and reads no value.
 * Where x has no gradient yet, dy is turned in place and handed over. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

typedef struct saved_rope {
    size_t time, head_dim;
    const float *cos, *sin;
} saved_rope;

static void rope_backward(tern_tape *t, tern_node *n)
{
    const saved_rope *s = n->saved;
    tern_var *x = n->in[0];
    const size_t rows = (size_t)x->rows, heads = (size_t)x->cols / s->head_dim;
    float *dy = n->out->grad, *dx = x->grad ? x->grad : dy;
    tern_rope_rows(dy, rows, heads, s->head_dim, 0, s->time, s->cos, s->sin, -1,
                   dx != dy, dx);
    if (dx == dy) tern_tape_give_grad(t, x, n);
}

static void rope_value(tern_tape *t, tern_node *n)
{
    (void)t;
    const saved_rope *s = n->saved;
    const tern_var *x = n->in[0];
    tern_rope_rows(x->val, (size_t)x->rows, (size_t)x->cols / s->head_dim, s->head_dim,
                   0, s->time, s->cos, s->sin, 1, 0, n->out->val);
}

static const tern_op rope_op = {
    .name = "rope", .backward = rope_backward, .value = rope_value};

tern_var *tern_op_rope(tern_tape *t, tern_var *x, int64_t time, int64_t head_dim,
                       const float *cos, const float *sin)
{
    if (!tern_tape_wants(t, &rope_op, x)) return NULL;
    if (head_dim <= 0 || head_dim % 2 != 0 || x->cols % head_dim != 0)
        return tern_tape_fail(t, &rope_op, TERN_ESHAPE,
                              "head_dim %lld must be even and divide the %lld columns",
                              (long long)head_dim, (long long)x->cols);
    if (time <= 0 || x->rows % time != 0)
        return tern_tape_fail(t, &rope_op, TERN_ESHAPE,
                              "time %lld must divide the %lld rows", (long long)time,
                              (long long)x->rows);
    tern_node *n = tern_tape_push(t, &rope_op, (tern_inputs){{x}}, x->rows, x->cols,
                                  sizeof(saved_rope));
    if (!n) return NULL;
    saved_rope *s = n->saved;
    *s = (saved_rope){(size_t)time, (size_t)head_dim, cos, sin};
    rope_value(t, n);
    return n->out;
}
