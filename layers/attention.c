/* attention.c - the attention branch of a block.
 *
 * q, k and v read one normalised input; in the ternary model it is quantised once for
 * the three. Wo reads the heads' outputs: through its own norm in arch bitnet, and
 * quantised as they are in arch llama. */
#include "layers/block.h"

bool tern_attn_init(tern_attn *a, tern_params *list, const tern_spec *s, int64_t index)
{
    const int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    char name[TERN_PART_NAME];

    a->heads = s->heads;
    a->kv_heads = s->kv_heads;
    a->head_dim = s->head_dim;
    a->has_sub = s->arch == TERN_ARCH_BITNET;
    return tern_norm_init(&a->norm, list, tern_part_name(name, index, "attn_norm"),
                          s->width, s->norm_eps) &&
           tern_linear_init(&a->wq, list, tern_part_name(name, index, "attn.wq"),
                            s->width, q, s->quant) &&
           tern_linear_init(&a->wk, list, tern_part_name(name, index, "attn.wk"),
                            s->width, kv, s->quant) &&
           tern_linear_init(&a->wv, list, tern_part_name(name, index, "attn.wv"),
                            s->width, kv, s->quant) &&
           tern_linear_init(&a->wo, list, tern_part_name(name, index, "attn.wo"), q,
                            s->width, s->quant) &&
           (!a->has_sub ||
            tern_norm_init(&a->sub, list, tern_part_name(name, index, "attn_sub_norm"),
                           q, s->norm_eps));
}

/* Projected and turned; the projection itself is needed no more. */
static tern_var *turned(const tern_pass *p, const tern_attn *a, const tern_linear *l,
                        tern_var *n)
{
    tern_var *x = tern_linear_forward(p->tape, l, n, NULL);
    tern_var *y = tern_op_rope(p->tape, x, p->time, a->head_dim, p->cos, p->sin);
    tern_tape_release(p->tape, x);
    return y;
}

static tern_var *mix(const tern_pass *p, const tern_attn *a, tern_var *n)
{
    tern_tape *t = p->tape;
    tern_var *q = turned(p, a, &a->wq, n), *k = turned(p, a, &a->wk, n);
    tern_var *v = tern_linear_forward(t, &a->wv, n, NULL);
    tern_var *o = tern_op_attention(t, q, k, v, p->time, a->heads, a->kv_heads);
    tern_tape_release(t, q);
    tern_tape_release(t, k);
    tern_tape_release(t, v);
    return o;
}

tern_var *tern_attn_forward(const tern_pass *p, const tern_attn *a, tern_var *h)
{
    tern_tape *t = p->tape;
    tern_var *n = tern_norm_for(t, &a->norm, h, a->wq.quant);
    tern_var *o = mix(p, a, n);
    tern_tape_release(t, n);
    tern_var *x = a->has_sub ? tern_norm_for(t, &a->sub, o, a->wo.quant) : o;
    tern_var *y = tern_linear_branch(t, &a->wo, x, h, p->dropout);
    tern_tape_release(t, o);
    tern_tape_release(t, x);
    return y;
}
