/* model.h - the decoder-only language model of tern, and its initial weights.
 *
 *     h = embed[ids]
 *     per block:
 *         n = norm(h),  h = h + Wo sub(attention(rope(Wq n), rope(Wk n), Wv n))
 *         n = norm(h),  h = h + Wdown sub(f(Wgate n) . (Wup n))
 *     logits = head norm(h)
 *
 * sub is the extra RMSNorm of arch bitnet (attn_sub_norm, ffn_sub_norm), nothing in
 * llama. Every W is a BitLinear (quant: ternary) or a Linear (none). Parameters, in
 * this order:
 *
 *     embed.weight (V, C)
 *     per layer i, each name after "layers.<i>.":
 *         attn_norm (1, C)
 *         attn.wq (H D, C)  attn.wk, attn.wv (KV D, C)  attn.wo (C, H D)
 *         attn_sub_norm (1, H D)      bitnet only
 *         ffn_norm (1, C)
 *         ffn.gate, ffn.up (F, C)  ffn.down (C, F)
 *         ffn_sub_norm (1, F)         bitnet only
 *     norm (1, C)
 *     head.weight (V, C)              unless tied
 */
#ifndef TERN_LAYERS_MODEL_H
#define TERN_LAYERS_MODEL_H

#include "base/spec.h"
#include "layers/layers.h"

typedef struct tern_model tern_model;

/* tern_model_new() - all parameters allocated, zero; gains 1. spec must have passed
 * tern_spec_check. TERN_EMEM. Free with tern_model_free (NULL is fine). */
tern_status tern_model_new(const tern_spec *spec, tern_model **out);
void tern_model_free(tern_model *m);

/* Initial weights: matrices N(0, std), residual projections (wo, down) N(0, std /
 * sqrt(2 N)), gains 1; a pure function of seed, and the same for both archs, tied or
 * not, ternary or float. Refreshes the forward images. */
tern_status tern_model_init(tern_model *m, float std, uint64_t seed);

const tern_spec *tern_model_spec(const tern_model *m);
tern_params *tern_model_params(tern_model *m);
/* The table that is embedding and head at once; NULL where the head is its own. */
tern_param *tern_model_shared_table(tern_model *m);

/* tern_model_logits() - ids (batch * time), borrowed until backward -> (batch * time,
 * V). dropout: probability after embedding, attention output and MLP output, when
 * training. Error (sticky) if time exceeds the context or an id the vocabulary. */
tern_var *tern_model_logits(tern_tape *t, tern_model *m, const int32_t *ids,
                            int64_t batch, int64_t time, float dropout);

/* Mean cross-entropy in nats over targets >= 0: (1, 1). */
tern_var *tern_model_loss(tern_tape *t, tern_model *m, const int32_t *ids,
                          const int32_t *targets, int64_t batch, int64_t time,
                          float dropout);

#endif /* TERN_LAYERS_MODEL_H */
