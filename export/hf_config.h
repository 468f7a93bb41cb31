/* hf_config.h - a model's dimensions as Hugging Face's config.json, and back. */
#ifndef TERN_EXPORT_HF_CONFIG_H
#define TERN_EXPORT_HF_CONFIG_H

#include "base/file.h"
#include "base/spec.h"
#include "data/tokenizer.h"

/* What the linear layers are in the file. transformers computes them as
 *
 *   FLOAT           y = x W^T; no quantization_config
 *   BITLINEAR       uint8, four codes a byte; y = sum q t / (s * weight_scale), so that
 *                   weight_scale is 1 / gamma
 *   AUTOBITLINEAR   the same bytes, unpacked at load; y = (q / s) t^T * weight_scale,
 * so that weight_scale is gamma ONLINE          float masters, quantised in every
 * forward pass; can be trained
 */
typedef enum tern_hf_linear {
    TERN_HF_FLOAT,
    TERN_HF_BITLINEAR,
    TERN_HF_AUTOBITLINEAR,
    TERN_HF_ONLINE
} tern_hf_linear;

static inline bool tern_hf_is_packed(tern_hf_linear l)
{
    return l == TERN_HF_BITLINEAR || l == TERN_HF_AUTOBITLINEAR;
}

/* What can be known without looking at tensors: spec.embed is F32, and the head is tied
 * as the file says or, where it says nothing, `tied` is unknown. */
typedef struct tern_hf_config {
    tern_spec spec; /* checked, but for the rule that bitnet is tied */
    tern_hf_linear linear;
    bool tied_known;
} tern_hf_config;

/* Write dir/config.json, dir/generation_config.json and, if there is a tokenizer,
 * dir/tokenizer.json and dir/tokenizer_config.json, this with the chat template, which
 * may be NULL. dtype: "float32", ... */
tern_status tern_hf_write_configs(const char *dir, const tern_spec *s,
                                  tern_hf_linear linear, const char *dtype,
                                  const tern_tokenizer *tokenizer, const char *chat);

/* Read dir/config.json: LLaMA and its like (LlamaForCausalLM, MistralForCausalLM
 * without a window), BitNet. TERN_EFORMAT names the field that tern cannot honour (rope
 * scaling, biases, a sliding window, another activation, ...) and what would be right.
 */
tern_status tern_hf_read_config(const char *dir, tern_hf_config *out);

/* The chat template, its bytes as they are, for free(): dir/chat_template.jinja, or
 * else what dir/tokenizer_config.json says ("default", if it has several); NULL where
 * there is none. `path`: out, the file that was looked at. */
tern_status tern_hf_read_chat_template(const char *dir, char path[TERN_PATH_MAX],
                                       char **out, size_t *bytes);

#endif /* TERN_EXPORT_HF_CONFIG_H */
