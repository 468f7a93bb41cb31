/* op_embedding.c - rows of a table.
 *
 *     y_i = table[ids[i]]      dtable[ids[i]] += dy_i
 *
 * A row that is used several times gathers all its gradients, in the order of i. Kept
 * for backward: the caller's ids, by reference. */
#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/rows.h"

static void embedding_backward(tern_tape *t, tern_node *n)
{
    const int32_t *const *ids = n->saved;
    float *dtable = tern_tape_grad(t, n->in[0]);
    if (!dtable) return;
    tern_embed_backward(*ids, n->out->grad, (size_t)n->out->rows, (size_t)n->out->cols,
                        dtable);
}

static const tern_op embedding_op = {.name = "embedding",
                                     .backward = embedding_backward};

tern_var *tern_op_embedding(tern_tape *t, tern_param *table, const int32_t *ids,
                            int64_t n_ids)
{
    const tern_op *op = &embedding_op;
    tern_var *w = tern_tape_weight(t, op, table);
    if (!w) return NULL;
    if (!ids || n_ids <= 0) return tern_tape_fail(t, op, TERN_EARG, "there are no ids");
    for (int64_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || ids[i] >= table->rows)
            return tern_tape_fail(
                t, op, TERN_EARG,
                "id %d at position %lld is not in 0 .. %lld of \"%s\"", (int)ids[i],
                (long long)i, (long long)table->rows - 1, table->name);
    tern_node *n =
        tern_tape_push(t, op, (tern_inputs){{w}}, n_ids, table->cols, sizeof ids);
    if (!n) return NULL;
    *(const int32_t **)n->saved = ids;
    if (table->lookup) w->grad = table->lookup;
    tern_embed_rows(w->val, ids, (size_t)n_ids, (size_t)table->cols, n->out->val);
    return n->out;
}
