/* op_elementwise.c - sums, products and multiples, element by element.
 *
 *     y = a + b      da = dy           db = dy
 *     y = a . b      da = dy . b       db = dy . a
 *     y = c x        dx = c dy
 *
 * The sum reads nothing in backward; where an input has no gradient yet, it receives
 * the very buffer of dy. a and b may be one var: it is then added to twice. */
#include <string.h>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

/* The checks and the node that sum and product share. */
static tern_node *push_pair(tern_tape *t, const tern_op *op, tern_var *a, tern_var *b)
{
    if (!tern_tape_wants(t, op, a) || !tern_tape_wants(t, op, b)) return NULL;
    if (a->rows != b->rows || a->cols != b->cols)
        return tern_tape_fail_shape(t, op, "shapes must be equal", a, b);
    return tern_tape_push(t, op, (tern_inputs){{a, b}}, a->rows, a->cols, 0);
}

static void add_backward(tern_tape *t, tern_node *n)
{
    /* The one that has a gradient already must copy; let the other have the buffer. */
    const int copy = n->in[0]->grad ? 0 : 1;
    tern_tape_add_grad(t, n->in[copy], n);
    tern_tape_give_grad(t, n->in[1 - copy], n);
}

static const tern_op add_op = {.name = "add", .backward = add_backward};

tern_var *tern_op_add(tern_tape *t, tern_var *a, tern_var *b)
{
    tern_node *n = push_pair(t, &add_op, a, b);
    if (!n) return NULL;
    tern_add(a->val, b->val, tern_var_count(a), n->out->val);
    return n->out;
}

static void mul_backward(tern_tape *t, tern_node *n)
{
    const tern_var *a = n->in[0], *b = n->in[1];
    const float *dy = n->out->grad;
    float *da = tern_tape_grad(t, n->in[0]);
    if (da) tern_mul_add(dy, b->val, tern_var_count(a), da);
    float *db = tern_tape_grad(t, n->in[1]);
    if (db) tern_mul_add(dy, a->val, tern_var_count(a), db);
}

static const tern_op mul_op = {
    .name = "mul", .backward = mul_backward, .reads = TERN_READS_IN0 | TERN_READS_IN1};

tern_var *tern_op_mul(tern_tape *t, tern_var *a, tern_var *b)
{
    tern_node *n = push_pair(t, &mul_op, a, b);
    if (!n) return NULL;
    tern_mul(a->val, b->val, tern_var_count(a), n->out->val);
    return n->out;
}

static void scale_backward(tern_tape *t, tern_node *n)
{
    const float *factor = n->saved;
    float *dx = tern_tape_grad(t, n->in[0]);
    if (dx) tern_axpy(*factor, n->out->grad, tern_var_count(n->out), dx);
}

static const tern_op scale_op = {.name = "scale", .backward = scale_backward};

tern_var *tern_op_scale(tern_tape *t, tern_var *x, float a)
{
    if (!tern_tape_wants(t, &scale_op, x)) return NULL;
    tern_node *n =
        tern_tape_push(t, &scale_op, (tern_inputs){{x}}, x->rows, x->cols, sizeof a);
    if (!n) return NULL;
    memcpy(n->saved, &a, sizeof a);
    memset(n->out->val, 0, tern_var_count(x) * sizeof(float));
    tern_axpy(a, x->val, tern_var_count(x), n->out->val);
    return n->out;
}
