/* hf_export.h - a trained model as a directory that Hugging Face's transformers loads.
 *
 *     config.json              LlamaForCausalLM or BitNetForCausalLM
 *     model.safetensors        or shards and an index
 *     generation_config.json
 *     tokenizer.json, tokenizer_config.json
 *
 * transformers' rotary pairs are tern's (i, i + d / 2): no row is moved.
 */
#ifndef TERN_EXPORT_HF_EXPORT_H
#define TERN_EXPORT_HF_EXPORT_H

#include "formats/safetensors.h"
#include "train/checkpoint.h"

/* What of a ternary model is written (hf_config.h says how transformers computes it).
 */
typedef enum tern_hf_weights {
    TERN_HF_WRITE_AUTOBITLINEAR, /* codes, and gamma */
    TERN_HF_WRITE_BITLINEAR,     /* codes, and 1 / gamma */
    /* float masters, moved by 0.1 % at most so that the mean magnitude, which
     * transformers takes for gamma, is tern's gamma, which is rounded to fp16 */
    TERN_HF_WRITE_ONLINE,
    TERN_HF_WRITE_MASTER /* float masters as they are: gamma is off by up to 2^-11 */
} tern_hf_weights;

enum { TERN_HF_AUTO = -1 };

typedef struct tern_hf_options {
    int weights; /* TERN_HF_AUTO (autobitlinear) or a tern_hf_weights */
    /* TERN_HF_AUTO or TERN_ST_F32, _F16, _BF16: of everything that is not codes. AUTO
     * loses nothing: F16 for embedding and head of model.embed f16, else F32. */
    int dtype;
    uint64_t shard_bytes; /* 0: 5 GB, as transformers */
    const char *chat;     /* chat_template, UTF-8; NULL: none */
} tern_hf_options;

int tern_hf_weights_find(const char *name); /* "online", ...; -1: none such */
const char *tern_hf_weights_name(tern_hf_weights w);

/* The directory, read again and compared with the model: what transformers computes
 * with, against what tern does. */
typedef struct tern_hf_parity {
    int64_t matrices; /* ternary */
    int64_t codes, codes_differ;
    int64_t scales_differ;
    double scale_error;            /* largest, relative */
    int64_t floats, floats_differ; /* all other weights, by bits */
    double float_error;            /* largest, absolute */
    int64_t bytes, files;          /* of safetensors */
} tern_hf_parity;

/* One sentence: "exact: ..." (and true), or "not exact, because ...". */
bool tern_hf_verdict(const tern_hf_parity *p, char *out, size_t size);

/* tern_export_hf() - write `dir`, which must not exist or be empty, whole or not at
 * all, and compare it. TERN_EARG: options that do not fit the model, or a directory
 * that holds something. */
tern_status tern_export_hf(const tern_checkpoint *c, tern_model *model,
                           const tern_hf_options *options, const char *dir,
                           tern_hf_parity *parity);

#endif /* TERN_EXPORT_HF_EXPORT_H */
