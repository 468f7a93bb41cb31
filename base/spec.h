/* spec.h - the dimensions of a model, shared by training and runtime.
 *
 * Whoever fills a tern_spec (a config, a checkpoint, a GGUF file) calls
 * tern_spec_check() once; everyone after that trusts it.
 */
#ifndef TERN_BASE_SPEC_H
#define TERN_BASE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum tern_arch {
    TERN_ARCH_BITNET, /* RMSNorm also before o_proj and down_proj; embeddings tied */
    TERN_ARCH_LLAMA
} tern_arch;

typedef enum tern_quant {
    TERN_QUANT_TERNARY, /* BitLinear everywhere but embedding and head */
    TERN_QUANT_NONE     /* the float twin */
} tern_quant;

typedef enum tern_activation { TERN_SILU, TERN_RELU2 } tern_activation;

/* The precision in which the forward pass sees embedding and head. f16 rounds the float
 * master on the way in (straight-through), so that an f16 export is the same model. */
typedef enum tern_embed { TERN_EMBED_F16, TERN_EMBED_F32 } tern_embed;

/* How rotary frequencies are lowered for contexts longer than a model was first trained
 * for: all by one factor (position interpolation, arXiv:2306.15595), or as in
 * Llama 3.1, where fast ones stay. */
typedef enum tern_rope_scaling {
    TERN_ROPE_NONE,
    TERN_ROPE_LINEAR,
    TERN_ROPE_LLAMA3
} tern_rope_scaling;

typedef struct tern_spec {
    tern_arch arch;
    tern_quant quant;
    tern_activation activation;
    tern_embed embed;
    bool tied;        /* head = embedding; always true for bitnet */
    int64_t vocab;    /* V: rows of the embedding */
    int64_t width;    /* C: model width */
    int64_t layers;   /* N */
    int64_t heads;    /* H: query heads */
    int64_t kv_heads; /* divides heads */
    int64_t head_dim; /* D: even; heads * head_dim == width for bitnet */
    int64_t ffn;      /* F: width inside the MLP */
    int64_t context;  /* T: longest sequence */
    float rope_theta; /* base of the rotary frequencies, usually 10000 */
    float norm_eps;   /* added to the mean square in RMSNorm, usually 1e-5 */
    tern_rope_scaling rope_scaling; /* what follows is for others than none */
    float rope_factor;              /* what frequencies are divided by */
    float rope_low, rope_high; /* llama3: waves that fit into the original context */
    int64_t rope_original;     /* less often than low; more often than high: kept */
} tern_spec;

enum { TERN_HEAD_DIM_MAX = 1024 };

/* tern_spec_check() - every dimension possible, every product below 2^40, arch rules
 * kept. `who` (a file's name) starts the message. TERN_EARG names field and cure. */
tern_status tern_spec_check(const tern_spec *s, const char *who);

/* tern_spec_rope_factors() - what each of the D/2 rotary frequencies is divided by, as
 * floats, the type in which model files hold them. */
void tern_spec_rope_factors(const tern_spec *s, float *factors);

/* Number of parameters, in all and in the matrices that are ternary (0 if none). */
int64_t tern_spec_params(const tern_spec *s);
int64_t tern_spec_ternary_params(const tern_spec *s);

const char *tern_arch_name(tern_arch a);             /* "bitnet", "llama" */
const char *tern_activation_name(tern_activation a); /* "silu", "relu2" */

#endif /* TERN_BASE_SPEC_H */
