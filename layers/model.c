/* model.c - the decoder: embedding, blocks, last norm, head.
 *
 * The model owns its parameters and the rope table; one forward pass borrows both. The
 * embedding and the head share one parameter when they are tied, and its gradient then
 * collects from both ends. */
#include "layers/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "autograd/node.h"
#include "kernels/rows.h"
#include "layers/block.h"
#include "layers/init.h"

struct tern_model {
    tern_spec spec;
    tern_params params;
    tern_param *embed, *head; /* the same when tied */
    tern_block *blocks;       /* (spec.layers) */
    tern_norm norm;
    float *cos, *sin; /* (context, D / 2) */
};

static tern_param *add_table(tern_model *m, const char *name)
{
    const tern_form form =
        m->spec.embed == TERN_EMBED_F16 ? TERN_FORM_HALF : TERN_FORM_FLOAT;
    tern_param *p =
        tern_params_add(&m->params, name, m->spec.vocab, m->spec.width, form);
    if (p) p->decay = true;
    return p;
}

static bool add_rope_table(tern_model *m)
{
    const size_t positions = (size_t)m->spec.context, dim = (size_t)m->spec.head_dim;
    m->cos = tern_calloc(positions * (dim / 2), sizeof(float));
    m->sin = tern_calloc(positions * (dim / 2), sizeof(float));
    if (!m->cos || !m->sin) return false;
    float factors[TERN_HEAD_DIM_MAX / 2];
    tern_spec_rope_factors(&m->spec, factors);
    tern_rope_table(positions, dim, (double)m->spec.rope_theta, factors, m->cos,
                    m->sin);
    return true;
}

/* In the order that model.h promises. */
static bool add_parts(tern_model *m)
{
    const tern_spec *s = &m->spec;
    m->embed = add_table(m, "embed.weight");
    m->blocks = calloc((size_t)s->layers, sizeof *m->blocks);
    if (!m->embed || !m->blocks) return false;
    for (int64_t i = 0; i < s->layers; i++)
        if (!tern_block_init(&m->blocks[i], &m->params, s, i)) return false;
    if (!tern_norm_init(&m->norm, &m->params, "norm", s->width, s->norm_eps))
        return false;
    m->head = s->tied ? m->embed : add_table(m, "head.weight");
    return m->head && add_rope_table(m);
}

tern_status tern_model_new(const tern_spec *spec, tern_model **out)
{
    TERN_TRY(tern_spec_check(spec, "model"));
    tern_model *m = calloc(1, sizeof *m);
    if (m) {
        m->spec = *spec;
        if (add_parts(m)) {
            *out = m;
            return TERN_OK;
        }
        tern_model_free(m);
    }
    return tern_fail(TERN_EMEM,
                     "model: no memory for %" PRId64 " parameters and their gradients; "
                     "choose a smaller model.width, layers or vocab",
                     tern_spec_params(spec));
}

void tern_model_free(tern_model *m)
{
    if (!m) return;
    tern_params_free(&m->params);
    free(m->blocks);
    tern_free(m->cos);
    tern_free(m->sin);
    free(m);
}

const tern_spec *tern_model_spec(const tern_model *m)
{
    return &m->spec;
}

tern_params *tern_model_params(tern_model *m)
{
    return &m->params;
}

tern_param *tern_model_shared_table(tern_model *m)
{
    return m->head == m->embed ? m->embed : NULL;
}

/* Matrices are numbered alone, without the norms: both archs, tied or not, ternary or
 * float, start from the same weights for the same seed. */
static void init_block(tern_block *b, float std, float out_std, uint64_t seed,
                       uint64_t first)
{
    tern_init_normal(b->attn.wq.weight, std, seed, first);
    tern_init_normal(b->attn.wk.weight, std, seed, first + 1);
    tern_init_normal(b->attn.wv.weight, std, seed, first + 2);
    tern_init_normal(b->attn.wo.weight, out_std, seed, first + 3);
    tern_init_normal(b->mlp.gate.weight, std, seed, first + 4);
    tern_init_normal(b->mlp.up.weight, std, seed, first + 5);
    tern_init_normal(b->mlp.down.weight, out_std, seed, first + 6);
}

static void init_gains(tern_params *list)
{
    for (size_t i = 0; i < list->count; i++) {
        tern_param *p = list->items[i];
        if (p->decay) continue; /* a matrix */
        for (int64_t j = 0; j < p->cols; j++) p->val[j] = 1.0f;
    }
}

tern_status tern_model_init(tern_model *m, float std, uint64_t seed)
{
    enum { MATRICES = 7 }; /* of a block */
    if (!(std >= 0.0f && std < 1e3f))
        return tern_fail(TERN_EARG, "model: init std is %g, must be 0 to 1000",
                         (double)std);
    /* 2 N branches add to the residual stream: their sum keeps the size of one
     * (Radford et al. 2019, GPT-2). */
    const float out_std = std / sqrtf(2.0f * (float)m->spec.layers);
    init_gains(&m->params);
    tern_init_normal(m->embed, std, seed, 0);
    for (int64_t i = 0; i < m->spec.layers; i++)
        init_block(&m->blocks[i], std, out_std, seed, 1 + MATRICES * (uint64_t)i);
    if (m->head != m->embed)
        tern_init_normal(m->head, std, seed, 1 + MATRICES * (uint64_t)m->spec.layers);
    return tern_params_refresh(&m->params);
}

static const tern_op model_op = {.name = "model"}; /* for messages */

static tern_var *refuse_shape(tern_tape *t, const tern_spec *s, int64_t batch,
                              int64_t time)
{
    return tern_tape_fail(t, &model_op, TERN_ESHAPE,
                          "a batch of %" PRId64 " sequences of %" PRId64
                          " tokens; need at least one, and at most model.context = "
                          "%" PRId64 " tokens",
                          batch, time, s->context);
}

static tern_var *embed(tern_tape *t, const tern_model *m, const int32_t *ids, int64_t n,
                       float dropout)
{
    tern_var *x = tern_op_embedding(t, m->embed, ids, n);
    if (dropout == 0.0f) return x;
    tern_var *kept = tern_op_dropout(t, x, dropout);
    if (kept != x) tern_tape_release(t, x);
    return kept;
}

tern_var *tern_model_logits(tern_tape *t, tern_model *m, const int32_t *ids,
                            int64_t batch, int64_t time, float dropout)
{
    if (batch < 1 || time < 1 || time > m->spec.context)
        return refuse_shape(t, &m->spec, batch, time);

    const tern_pass pass = {
        .tape = t, .time = time, .cos = m->cos, .sin = m->sin, .dropout = dropout};
    tern_var *h = embed(t, m, ids, batch * time, dropout);
    for (int64_t i = 0; i < m->spec.layers; i++)
        h = tern_block_forward(&pass, &m->blocks[i], h);
    tern_var *n = tern_norm_forward(t, &m->norm, h);
    tern_tape_release(t, h);
    tern_var *logits = tern_op_head(t, n, m->head);
    tern_tape_release(t, n);
    return logits;
}

tern_var *tern_model_loss(tern_tape *t, tern_model *m, const int32_t *ids,
                          const int32_t *targets, int64_t batch, int64_t time,
                          float dropout)
{
    tern_var *logits = tern_model_logits(t, m, ids, batch, time, dropout);
    tern_var *loss = tern_op_cross_entropy(t, logits, targets);
    tern_tape_release(t, logits);
    return loss;
}
