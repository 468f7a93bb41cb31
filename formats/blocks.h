/* blocks.h - the block encodings inside GGUF tensors: how rows of numbers become bytes.
 *
 * Trit t in {-1, 0, 1} is stored as u = t + 1. Blocks run along the contiguous
 * dimension. blocks.c draws each layout beside its encoder and decoder.
 *
 *     type   weights  bytes  bits/weight   what
 *     TQ2_0      256     66       2.0625   four 2-bit codes a byte, then fp16 scale
 *     TQ1_0      256     54       1.6875   five base-3 digits a byte, then fp16 scale
 *     Q2_0        64     18       2.25     fp16 scale, then 2-bit codes
 *     Q4_0        32     18       4.5      fp16 scale, then 4-bit numbers
 *     Q4_K       256    144       4.5      two levels of scales; read only
 *     Q6_K       256    210       6.5625   two levels of scales
 *     Q8_0        32     34       8.5      fp16 scale, then int8
 *     F16/BF16     1      2      16
 *     F32          1      4      32
 *     I2_S         a whole tensor, 2       bitnet.cpp's; read only
 *
 * These are the types tern encodes and decodes. Of ggml's other types it knows name and
 * size only, so that a file that holds them can still be checked and shown.
 */
#ifndef TERN_FORMATS_BLOCKS_H
#define TERN_FORMATS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "formats/gguf.h"

const char *tern_ggml_name(uint32_t type); /* "TQ2_0"; "unknown type" if it is none */
size_t tern_ggml_block(uint32_t type);     /* weights per block; 0 if unknown */
/* Encoded bytes of n weights; 0 if the type is unknown, n is no multiple of a block, or
 * the size does not fit a size_t. Of I2_S n is the whole tensor, a multiple of 128. */
size_t tern_ggml_bytes(uint32_t type, size_t n);
bool tern_ggml_is_ternary(uint32_t type); /* TQ1_0, TQ2_0, Q2_0 */
bool tern_ggml_encodes(uint32_t type);    /* tern_encode_floats takes it */
bool tern_ggml_decodes(uint32_t type);    /* tern_decode_floats takes it */

/* Ternary row of n codes in {-1,0,1} with one scale (exact in fp16) to blocks, and
 * back. decode returns TERN_ECORRUPT for an invalid code and for a scale that is not a
 * positive number, TERN_EFORMAT for scales that differ between blocks (blocks of zeros
 * only may carry any scale); scale 0 if all blocks are zero. n is a multiple of the
 * block. */
void tern_encode_trits(uint32_t type, const int8_t *t, size_t n, float scale,
                       uint8_t *out);
tern_status tern_decode_trits(uint32_t type, const uint8_t *in, size_t n, int8_t *t,
                              float *scale);

/* A whole I2_S tensor of n weights, in tern_ggml_bytes(I2_S, n) bytes. TERN_ECORRUPT:
 * an invalid code or scale. */
tern_status tern_decode_i2s(const uint8_t *in, size_t n, int8_t *t, float *scale);

/* Floats to F32, F16, BF16, Q8_0, Q6_K, Q4_0 (n a multiple of the block), and any type
 * but I2_S back. Decoding cannot fail: the unused code 3 of a ternary type is +2, as in
 * ggml. */
void tern_encode_floats(uint32_t type, const float *x, size_t n, uint8_t *out);
void tern_decode_floats(uint32_t type, const uint8_t *in, size_t n, float *x);

#endif /* TERN_FORMATS_BLOCKS_H */
