/* op_attention.c - causal grouped-query attention (Vaswani et al. 2017; Ainslie et al.
 * 2023), for query head h and key/value head h / (heads / kv_heads):
 *
 *     p_i = softmax over j <= i of (q_i . k_j) / sqrt(D)      o_i = sum_j p_ij v_j
 *
 *     dv_j = sum_i p_ij do_i        ds_ij = p_ij (do_i . v_j - do_i . o_i) / sqrt(D)
 *     dq_i = sum_j ds_ij k_j        dk_j = sum_i ds_ij q_i
 *
 * Backward reads q, k, v and o, keeps the log-sum-exp of each row, and computes p
 * again: no T x T matrix is ever stored (kernels/attention.h). */
#include "kernels/attention.h"
#include "autograd/node.h"
#include "autograd/ops.h"

typedef struct saved_attention {
    tern_attention_shape shape;
    float lse[]; /* (B, H, T) */
} saved_attention;

static void attention_backward(tern_tape *t, tern_node *n)
{
    const saved_attention *s = n->saved;
    const tern_var *q = n->in[0], *k = n->in[1], *v = n->in[2], *o = n->out;
    float *d[3];
    const bool add = tern_tape_grads(t, n->in, 3, d);
    void *scratch = tern_tape_scratch(t, tern_attention_backward_scratch(&s->shape));
    if (!d[0] || !d[1] || !d[2] || !scratch) return;
    tern_attention_backward(&s->shape, q->val, k->val, v->val, o->val, s->lse, o->grad,
                            add, d[0], d[1], d[2], scratch);
}

static const tern_op attention_op = {.name = "attention",
                                     .backward = attention_backward,
                                     .reads = TERN_READS_IN0 | TERN_READS_IN1 |
                                              TERN_READS_IN2 | TERN_READS_OUT};

static bool shapes_fit(tern_tape *t, const tern_var *q, const tern_var *k,
                       const tern_var *v, int64_t time, int64_t heads, int64_t kv_heads)
{
    const tern_op *op = &attention_op;
    if (heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0)
        tern_tape_fail(t, op, TERN_ESHAPE,
                       "%lld heads must be a multiple of %lld kv_heads",
                       (long long)heads, (long long)kv_heads);
    else if (q->cols % heads != 0)
        tern_tape_fail(t, op, TERN_ESHAPE,
                       "%lld heads must divide the %lld columns of q", (long long)heads,
                       (long long)q->cols);
    else if (time <= 0 || q->rows % time != 0)
        tern_tape_fail(t, op, TERN_ESHAPE, "time %lld must divide the %lld rows of q",
                       (long long)time, (long long)q->rows);
    else if (k->rows != q->rows || k->cols != q->cols / heads * kv_heads)
        tern_tape_fail_shape(t, op, "k must be (rows of q, kv_heads * head width)", q,
                             k);
    else if (v->rows != k->rows || v->cols != k->cols)
        tern_tape_fail_shape(t, op, "k and v must have one shape", k, v);
    return tern_tape_status(t) == TERN_OK;
}

tern_var *tern_op_attention(tern_tape *t, tern_var *q, tern_var *k, tern_var *v,
                            int64_t time, int64_t heads, int64_t kv_heads)
{
    const tern_op *op = &attention_op;
    if (!tern_tape_wants(t, op, q) || !tern_tape_wants(t, op, k) ||
        !tern_tape_wants(t, op, v) || !shapes_fit(t, q, k, v, time, heads, kv_heads))
        return NULL;
    /* The kernel writes three gradients at once: they must be three arrays. */
    if (v == q || v == k) v = tern_op_scale(t, v, 1.0f);
    if (k == q) k = tern_op_scale(t, k, 1.0f);

    const size_t lse = (size_t)(q->rows * heads);
    tern_node *n = tern_tape_push(t, op, (tern_inputs){{q, k, v}}, q->rows, q->cols,
                                  sizeof(saved_attention) + lse * sizeof(float));
    if (!n) return NULL;
    saved_attention *s = n->saved;
    s->shape = (tern_attention_shape){.batch = (size_t)(q->rows / time),
                                      .queries = (size_t)time,
                                      .heads = (size_t)heads,
                                      .kv_heads = (size_t)kv_heads,
                                      .head_dim = (size_t)(q->cols / heads)};
    void *scratch = tern_tape_scratch(t, tern_attention_scratch(&s->shape));
    if (!scratch) return NULL;
    tern_attention(&s->shape, q->val, k->val, v->val, n->out->val, s->lse, scratch);
    return n->out;
}
