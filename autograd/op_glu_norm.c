/* op_glu_norm.c - gated unit, RMSNorm and quantiser in one, for the MLP of arch bitnet.
 *
 *     a = f(gate) . up,   y = quantize(rmsnorm(a, gain))
 *
 * a is as large as gate or up, the largest values of a block, and its norm's backward
 * needs it. Computing it again costs one pass over memory that would have to read it
 * anyway, so it is made in blocks of rows that stay in the cache, in both directions:
 *
 *     dy -> da (rmsnorm, straight through the quantiser) -> dgate, dup (glu)
 *
 * gate and up are mostly read for the last time here. Then their gradients take their
 * place, block by block: the largest gradients of a model cost no memory.
 *
 * The block's size is fixed: sums over rows (dgain) do not depend on the machine. */

#include "autograd/norm.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

enum { BLOCK_ROWS = 128 };

typedef struct saved_glu {
    tern_activation f;
    float eps;
    float rstd[]; /* (rows) */
} saved_glu;

static size_t block_rows(size_t first, size_t rows)
{
    return rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
}

/* gate or up: its value, and where its gradient goes. */
typedef struct side {
    const float *val;
    float *grad;
    float *copy; /* of a block of val, if grad stands in its place; else NULL */
} side;

static side side_of(tern_tape *t, tern_var *v)
{
    side s = {.val = v->val, .grad = tern_tape_grad_over_value(t, v)};
    if (s.grad)
        s.copy = tern_tape_scratch(t, BLOCK_ROWS * (size_t)v->cols * sizeof *s.copy);
    else
        s.grad = tern_tape_grad_or_scratch(t, v);
    return s;
}

/* `count` values, with their gradients ready to be added to. */
static const float *block_of(const side *s, size_t at, size_t count)
{
    if (!s->copy) return s->val + at;
    tern_copy(s->val + at, count, s->copy);
    tern_zero(count, s->grad + at);
    return s->copy;
}

static void glu_norm_backward(tern_tape *t, tern_node *n)
{
    const saved_glu *s = n->saved;
    const tern_var *gain = n->in[2];
    const size_t rows = (size_t)n->out->rows, cols = (size_t)n->out->cols;
    const side gate = side_of(t, n->in[0]), up = side_of(t, n->in[1]);
    float *dgain = gain ? tern_tape_grad(t, n->in[2]) : NULL;
    float *a = tern_tape_scratch(t, BLOCK_ROWS * cols * sizeof *a);
    float *da = tern_tape_scratch(t, BLOCK_ROWS * cols * sizeof *da);
    if (tern_tape_status(t) != TERN_OK) return;

    for (size_t i = 0; i < rows; i += BLOCK_ROWS) {
        const size_t m = block_rows(i, rows), at = i * cols;
        const float *g = block_of(&gate, at, m * cols),
                    *u = block_of(&up, at, m * cols);
        tern_glu(s->f, g, u, m * cols, a);
        tern_zero(m * cols, da);
        tern_rmsnorm_rows_backward(a, gain ? gain->val : NULL, s->rstd + i,
                                   n->out->grad + at, m, cols, da, dgain);
        tern_glu_backward(s->f, g, u, da, m * cols, gate.grad + at, up.grad + at);
    }
}

static void glu_norm_value(tern_tape *t, tern_node *n)
{
    saved_glu *s = n->saved;
    const tern_var *gate = n->in[0], *up = n->in[1], *gain = n->in[2];
    const size_t rows = (size_t)gate->rows, cols = (size_t)gate->cols;
    float *a = tern_tape_scratch(t, BLOCK_ROWS * cols * sizeof *a);
    for (size_t i = 0; a && i < rows; i += BLOCK_ROWS) {
        tern_qrows q = *tern_node_codes(n);
        q.rows = block_rows(i, rows);
        q.codes += i * q.stride;
        q.scale += i;
        q.sum += i;
        tern_glu(s->f, gate->val + i * cols, up->val + i * cols, q.rows * cols, a);
        tern_rmsnorm_quantize_rows(a, gain ? gain->val : NULL, s->eps, s->rstd + i, &q);
    }
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
