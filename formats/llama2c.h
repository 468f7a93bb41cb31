/* llama2c.h - the weight files of llama2.c, versions 0 and 1 (float32).
 *
 * Version 0 has no magic: seven int32, width, ffn, layers, heads, kv_heads, vocab
 * (negative: a head of its own follows), context; then floats,
 *
 *     embed (V, C)  attn_norm (N, C)  wq (N, C, C)  wk, wv (N, KV D, C)  wo (N, C, C)
 *     ffn_norm (N, C)  w1 = gate (N, F, C)  w2 = down (N, C, F)  w3 = up (N, F, C)
 *     norm (C)  two rotary tables (T, D / 2)  [head (V, C)]
 *
 * Version 1 starts with "24ka" (0x616b3432), the int32 1, the same seven numbers, one
 * byte (1: no head of its own) and zeros up to byte 256; then attn_norm, ffn_norm,
 * norm, embed, wq, wk, wv, wo, w1, w2, w3 [head]. Version 2 holds int8 groups and is
 * refused.
 *
 * All little-endian, rows contiguous; D = C / heads, and rotary pairs are neighbours
 * (2i, 2i + 1), as in gguf.h. RMSNorm adds 1e-5, the rotary base is 10000. The file
 * must be exactly as long as its numbers say.
 */
#ifndef TERN_FORMATS_LLAMA2C_H
#define TERN_FORMATS_LLAMA2C_H

#include <stddef.h>

#include "base/spec.h"

typedef enum tern_llama2c_tensor {
    TERN_L2C_EMBED,
    TERN_L2C_ATTN_NORM,
    TERN_L2C_WQ,
    TERN_L2C_WK,
    TERN_L2C_WV,
    TERN_L2C_WO,
    TERN_L2C_FFN_NORM,
    TERN_L2C_W1,
    TERN_L2C_W2,
    TERN_L2C_W3,
    TERN_L2C_NORM,
    TERN_L2C_HEAD,
    TERN_L2C_TENSORS
} tern_llama2c_tensor;

typedef struct tern_llama2c tern_llama2c;

/* Map and check a file. TERN_EIO, TERN_EFORMAT with the path and what does not fit.
 * Free with tern_llama2c_close (NULL is fine). */
tern_status tern_llama2c_open(const char *path, tern_llama2c **out);
/* The same over bytes in memory, borrowed until close; `name` starts messages. */
tern_status tern_llama2c_parse(const uint8_t *data, size_t bytes, const char *name,
                               tern_llama2c **out);
void tern_llama2c_close(tern_llama2c *f);

/* arch llama, quant none, embed f32; passed tern_spec_check. */
const tern_spec *tern_llama2c_spec(const tern_llama2c *f);

/* Row `row` of one layer's matrix (layer and row 0 where there is only one): its
 * columns into out. Rotary rows are in tern's order (i, i + D / 2). */
void tern_llama2c_row(const tern_llama2c *f, tern_llama2c_tensor tensor, int64_t layer,
                      int64_t row, float *out);

#endif /* TERN_FORMATS_LLAMA2C_H */
