/* attention_int8.h - attention over a cache of keys and values in int8.
 *
 * A key and a value of one head (D each) are rounded when they are put into the cache,
 * to 8 bits with a scale of their own, max / 127. Queries are rounded likewise, and the
 * weights of 64 keys together, so that both products are of integers, and exact:
 *
 *     s_j = (sum_d q_d k_jd) * (scale of q * scale of k_j) / sqrt(D)
 *     w_j = exp(s_j - max) * scale of v_j, codes w with one scale for each panel
 *     o_d = sum over panels of scale of w * (sum_j w_j v_jd), a chain; divided by
 *           sum_j exp(s_j - max), which is of floats
 *
 * A row's result has the same bits whatever rows stand beside it, at every level and
 * for any number of threads.
 */
#ifndef TERN_KERNELS_ATTENTION_INT8_H
#define TERN_KERNELS_ATTENTION_INT8_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/attention.h"
#include "kernels/team.h"

/* Bytes of 64 positions of one key head, both keys and values: a multiple of 64. */
size_t tern_int8_panel_bytes(size_t head_dim);
/* Key and value (D) of position `at` < 64 into such a panel. */
void tern_int8_panel_put(const float *k, const float *v, size_t head_dim, size_t at,
                         uint8_t *panel);

/* What is read of the first keys (1 to 64) of a panel. */
tern_fetch tern_int8_keys(const void *panel, size_t head_dim, size_t keys);

/* As tern_attention_scratch() and tern_attention_part_scratch(). */
size_t tern_attention_int8_scratch(const tern_attention_shape *s);
size_t tern_attention_int8_part_scratch(const tern_attention_shape *s);

/* q, o (T, H * D) as in tern_attention(). s->batch is 1; s->panel and s->head are bytes
 * from panel to panel and from head to head of the cache, whose panels are aligned to
 * 64. */
void tern_attention_int8(const tern_attention_shape *s, const float *q,
                         const uint8_t *cache, float *o, void *scratch);
void tern_attention_int8_part(const tern_attention_shape *s, tern_heads heads,
                              const float *q, const uint8_t *cache, float *o,
                              float *scratch);

#endif /* TERN_KERNELS_ATTENTION_INT8_H */
