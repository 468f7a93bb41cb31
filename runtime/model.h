/* model.h - an opened model, as session.c sees it; and the keys that make one.
 *
 * Metadata. A is the architecture: "llama", "bitnet", or "bitnet-b1.58" and
 * "bitnet-25", which are bitnet.cpp's names for bitnet with relu2; [ ] may be missing.
 *
 *     general.architecture                     A
 *     A.context_length, A.embedding_length, A.block_count, A.feed_forward_length,
 *     A.attention.head_count                   dimensions
 *     A.attention.layer_norm_rms_epsilon
 *     [A.attention.head_count_kv]              head_count
 *     [A.attention.key_length, .value_length]  embedding_length / head_count; equal
 *     [A.rope.dimension_count]                 must be the head's width
 *     [A.rope.freq_base]                       10000
 *     [A.rope.scaling.type, .factor]           none, or linear
 *     [A.vocab_size, tokenizer.ggml.tokens]    must agree with token_embd.weight
 *
 * and what tern adds (other programs ignore it):
 *
 *     [tern.version]     string, the tern that wrote the file
 *     [tern.quant]       "ternary" or "none"; if missing, a linear layer is ternary
 *                        where its type is, and it has one scale. "ternary" with F16,
 *                        BF16 or F32 layers: they hold gamma * t, and are run as
 * ternary [tern.activation]  "silu" or "relu2"; if missing, what the architecture says
 *     [tern.embed]       "f16" or "f32", as in training; the type of the tensor decides
 *     [tern.rope_factor, .rope_low, .rope_high, .rope_original]
 *                        what tensor "rope_freqs.weight" (llama) was computed from, by
 *                        Llama 3.1's rule; if missing, the numbers of Llama 3.1 itself
 *     [tern.config]      string, the YAML of the training run
 *     [tern.tokenizer]   string, a tokenizer.json; see data/tokenizer_gguf.h
 *
 * Tensors are the ones of llama.cpp, all of them and no others: a tensor that is not
 * known would change what the model computes. The output head is token_embd.weight
 * where output.weight is missing (llama), and always (bitnet).
 */
#ifndef TERN_RUNTIME_MODEL_H
#define TERN_RUNTIME_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/spec.h"
#include "data/tokenizer.h"
#include "formats/gguf.h"
#include "runtime/matrix.h"
#include "runtime/runtime.h"

typedef struct tern_layer {
    const float *attn_norm, *ffn_norm;         /* (C) */
    const float *attn_sub_norm, *ffn_sub_norm; /* (H * D), (F); NULL for llama */
    tern_matrix q, k, v, o, gate, up, down;
} tern_layer;

/* What changes in an open model: whether matrices wait (matrix.h). */
typedef struct tern_packing {
    pthread_mutex_t lock; /* whoever packs them */
    atomic_bool used;     /* the model has been evaluated */
    atomic_bool done;     /* none waits */
} tern_packing;

struct tern_runtime {
    tern_gguf *gguf;
    tern_tokenizer *tokenizer; /* NULL until it is read */
    tern_spec spec;
    tern_layer *layers;
    tern_arena *panels; /* codes of ternary matrices, and of the head */
    tern_packing *packing;
    const float *norm; /* (C), before the head */
    tern_matrix embed; /* (V, C) */
    tern_matrix own_head;
    tern_matrix *head;             /* &own_head, or &embed if tied */
    bool some_ternary, some_float; /* of the linear layers, by their form */
    float *gains;                  /* all the norms above, one after the other */
    size_t gains_bytes;
    size_t token_bytes; /* of weights that one token meets */
};

/* What the rotary frequencies are divided by, F32 (D/2), where Llama 3.1's rule is. */
#define TERN_ROPE_FACTORS "rope_freqs.weight"

/* metadata.c: the spec, from keys and the shapes of token_embd and output. TERN_EFORMAT
 * names the key. quant is what the keys say, or else the first of the linear layers. */
tern_status tern_read_spec(const tern_gguf *g, tern_spec *out, tern_claim *claim);

/* model.c: called before each evaluation. A model's first one makes no panels, so that
 * it need not wait for them, and a program that asks no more than one never does; the
 * second one begins with them. */
void tern_model_pack_if_used(const tern_runtime *m);

#endif /* TERN_RUNTIME_MODEL_H */
