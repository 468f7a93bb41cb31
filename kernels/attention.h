/* attention.h - causal grouped-query attention, forward and backward.
 *
 * For query head h, key/value head h / (heads / kv_heads):
 *
 *     s_ij = (q_i . k_j) / sqrt(D)  for j <= past + i,   p_i = softmax(s_i),
 *     o_i = sum_j p_ij v_j
 *
 * No T x T matrix is kept: forward saves the row's log-sum-exp, backward recomputes p.
 *
 * One function serves training (a batch of whole sequences, past = 0), prefill and
 * decode (batch 1, keys in a cache, past > 0), and a row's result has the same bits in
 * all of them, at every level and thread count: the order of every sum depends on j and
 * d only. attention.c says which order.
 */
#ifndef TERN_KERNELS_ATTENTION_H
#define TERN_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/fetch.h"

typedef struct tern_attention_shape {
    size_t batch;    /* B sequences */
    size_t queries;  /* T query rows of each */
    size_t past;     /* keys before the first query; past + queries keys in all */
    size_t heads;    /* H, a multiple of kv_heads */
    size_t kv_heads; /* KV */
    size_t head_dim; /* D */
    /* 0: k and v are (B, past + T, KV * D). Else they are a cache of one sequence, in
     * panels of 64 positions: k in four bands (D, 16), keys side by side as their
     * product with a query wants them, in the order in which a text fills them; v (64,
     * D). From one panel of a key head to the next there are `panel` elements, from one
     * key head to the next `head`. Forward only. */
    size_t panel, head;
} tern_attention_shape;

enum { TERN_KEY_PANEL = 64, TERN_KEY_BAND = 16 };

/* What is read of the first keys (1 to 64) of a panel of floats, or of fp16: `size`. */
static inline tern_fetch tern_attention_keys(const void *panel, size_t size,
                                             size_t head_dim, size_t keys)
{
    const size_t bands = (keys + TERN_KEY_BAND - 1) / TERN_KEY_BAND;
    return tern_fetch_bytes(panel, bands * TERN_KEY_BAND * head_dim * size);
}

/* Scratch bytes that forward (or backward) needs with the current number of threads. */
size_t tern_attention_scratch(const tern_attention_shape *s);
size_t tern_attention_backward_scratch(const tern_attention_shape *s);

/* tern_attention() -
 *   q    in   (B, T, H * D)           k, v  in  (B, past + T, KV * D)
 *   o    out  (B, T, H * D)           lse   out (B, H, T) or NULL
 *   scratch   tern_attention_scratch() bytes, TERN_ALIGN aligned */
void tern_attention(const tern_attention_shape *s, const float *q, const float *k,
                    const float *v, float *o, float *lse, void *scratch);

/* The same with keys and values as bits of fp16, as a cache may hold them: what
 * tern_attention() makes of the floats they are. */
void tern_attention_half(const tern_attention_shape *s, const float *q,
                         const uint16_t *k, const uint16_t *v, float *o, void *scratch);

/* tern_attention_backward() - past must be 0.
 *   dout in (B, T, H * D);  dq, dk, dv  = , or += if add; shapes as q, k, v */
void tern_attention_backward(const tern_attention_shape *s, const float *q,
                             const float *k, const float *v, const float *o,
                             const float *lse, const float *dout, bool add, float *dq,
                             float *dk, float *dv, void *scratch);

#endif /* TERN_KERNELS_ATTENTION_H */
