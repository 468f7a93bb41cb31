/* op_glu.c - the gated unit of the MLP (Shazeer 2020, arXiv:2002.05202):
 *
 *     y = f(gate) . up      dgate = dy . up . f'(gate)      dup = dy . f(gate)
 *
 * Backward reads gate and up and computes f again: cheaper than memory. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

static void glu_backward(tern_tape *t, tern_node *n)
{
    const tern_activation *f = n->saved;
    const tern_var *gate = n->in[0], *up = n->in[1];
    float *d[2];
    const bool add = tern_tape_grads(t, n->in, 2, d);
    if (!d[0] || !d[1]) return;
    tern_glu_backward(*f, gate->val, up->val, n->out->grad, tern_var_count(gate), add,
                      d[0], d[1]);
}

static const tern_op glu_op = {
    .name = "glu", .backward = glu_backward, .reads = TERN_READS_IN0 | TERN_READS_IN1};

tern_var *tern_op_glu(tern_tape *t, tern_activation f, tern_var *gate, tern_var *up)
{
    if (!tern_tape_wants(t, &glu_op, gate) || !tern_tape_wants(t, &glu_op, up))
        return NULL;
    if (gate->rows != up->rows || gate->cols != up->cols)
        return tern_tape_fail_shape(t, &glu_op, "shapes must be equal", gate, up);
    /* The kernel writes two gradients side by side: they must be two arrays. */
    if (up == gate) up = tern_op_scale(t, up, 1.0f);
    tern_node *n = tern_tape_push(t, &glu_op, (tern_inputs){{gate, up}}, gate->rows,
                                  gate->cols, sizeof f);
    if (!n) return NULL;
    *(tern_activation *)n->saved = f;
    tern_glu(f, gate->val, up->val, tern_var_count(gate), n->out->val);
    return n->out;
}
