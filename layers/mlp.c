/* mlp.c - the gated MLP branch of a block (Shazeer 2020, arXiv:2002.05202, with silu or
 * squared relu). Norms and quantisers sit as in attention.c. */
#include "layers/block.h"

bool tern_mlp_init(tern_mlp *m, tern_params *list, const tern_spec *s, int64_t index)
{
    char name[TERN_PART_NAME];

    m->activation = s->activation;
    m->has_sub = s->arch == TERN_ARCH_BITNET;
    return tern_norm_init(&m->norm, list, tern_part_name(name, index, "ffn_norm"),
                          s->width, s->norm_eps) &&
           tern_linear_init(&m->gate, list, tern_part_name(name, index, "ffn.gate"),
                            s->width, s->ffn, s->quant) &&
           tern_linear_init(&m->up, list, tern_part_name(name, index, "ffn.up"),
                            s->width, s->ffn, s->quant) &&
           tern_linear_init(&m->down, list, tern_part_name(name, index, "ffn.down"),
                            s->ffn, s->width, s->quant) &&
           (!m->has_sub ||
            tern_norm_init(&m->sub, list, tern_part_name(name, index, "ffn_sub_norm"),
                           s->ffn, s->norm_eps));
}

/* What down reads: the gated product, through its norm in arch bitnet. */
static tern_var *gated(tern_tape *t, const tern_mlp *m, tern_var *gate, tern_var *up)
{
    if (m->has_sub && m->down.quant == TERN_QUANT_TERNARY)
        return tern_op_glu_rmsnorm_quantize(t, m->activation, gate, up, m->sub.gain,
                                            m->sub.eps);
    tern_var *a = tern_op_glu(t, m->activation, gate, up);
    if (!m->has_sub) return a;
    tern_var *y = tern_norm_forward(t, &m->sub, a);
    tern_tape_release(t, a);
    return y;
}

tern_var *tern_mlp_forward(const tern_pass *p, const tern_mlp *m, tern_var *h)
{
    tern_tape *t = p->tape;
    tern_var *n = tern_norm_for(t, &m->norm, h, m->gate.quant);
    tern_var *gate = tern_linear_forward(t, &m->gate, n, NULL);
    tern_var *up = tern_linear_forward(t, &m->up, n, NULL);
    tern_tape_release(t, n);
    tern_var *x = gated(t, m, gate, up);
    tern_tape_release(t, gate);
    tern_tape_release(t, up);
    tern_var *y = tern_linear_branch(t, &m->down, x, h, p->dropout);
    tern_tape_release(t, x);
    return y;
}
