/* codes.h - weights of 4 and 6 bits as a byte each, for the levels that multiply them
 * so, and what else all levels do in the same way. formats/blocks_kquant.c draws the
 * blocks.
 */
#ifndef TERN_KERNELS_CODES_H
#define TERN_KERNELS_CODES_H

#include <string.h>

#include "base/half.h"
#include "kernels/decode_kernels.h"

enum { TERN_CODES_WIDTH = 256, TERN_CODES_BLOCKS = TERN_CODES_WIDTH / TERN_Q8_BLOCK };

/* Up to TERN_CODES_WIDTH weights of a row: weight k is step[k / 16] code[k], of Q4_K
 * and shift[k / 32] more. */
typedef struct tern_codes {
    int8_t code[TERN_CODES_WIDTH];
    float step[TERN_CODES_WIDTH / 16];
    float shift[TERN_CODES_BLOCKS];
} tern_codes;

/* What a block has for 0. */
static inline int tern_codes_zero(tern_codes_type type)
{
    return type == TERN_CODES_Q6_K ? 32 : type == TERN_CODES_Q4_0 ? 8 : 0;
}

/* Bytes of `blocks` blocks of 32 weights: a multiple of 8 where the type's are of 256.
 */
static inline size_t tern_codes_bytes(tern_codes_type type, size_t blocks)
{
    static const size_t bytes[TERN_CODES_TYPES] = {
        [TERN_CODES_Q8_0] = 8 * TERN_Q8_BYTES,
        [TERN_CODES_Q4_0] = 8 * TERN_Q4_BYTES,
        [TERN_CODES_Q4_K] = TERN_Q4_K_BYTES,
        [TERN_CODES_Q6_K] = TERN_Q6_K_BYTES};
    return blocks * bytes[type] / 8;
}

/* The scales s and offsets o of the eight groups of a Q4_K block, group 0 in the lowest
 * byte. */
static inline void tern_q4_k_scales(const uint8_t *w, uint64_t *s, uint64_t *o)
{
    const uint32_t six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x30303030u;
    uint32_t p[3];
    memcpy(p, w + 4, sizeof p);
    const uint32_t high_s = (p[2] & four) | (p[0] >> 2 & two);
    const uint32_t high_o = (p[2] >> 4 & four) | (p[1] >> 2 & two);
    *s = (p[0] & six) | (uint64_t)high_s << 32;
    *o = (p[1] & six) | (uint64_t)high_o << 32;
}

/* --- plain C --- */

static inline float tern_codes_half(const uint8_t *p)
{
    return tern_float_from_half((uint16_t)(p[0] | p[1] << 8));
}

static inline void tern_unpack_q4_0(const uint8_t *w, size_t blocks, tern_codes *out)
{
    int8_t *code = out->code;
    for (size_t b = 0; b < blocks; b++, w += TERN_Q4_BYTES, code += TERN_Q8_BLOCK) {
        out->step[2 * b] = out->step[2 * b + 1] = tern_codes_half(w);
        for (size_t k = 0; k < 16; k++) {
            code[k] = (int8_t)((w[2 + k] & 15) - 8);
            code[16 + k] = (int8_t)((w[2 + k] >> 4) - 8);
        }
    }
}

static inline void tern_unpack_q4_k(const uint8_t *w, tern_codes *out)
{
    const float d = tern_codes_half(w), e = -tern_codes_half(w + 2);
    const uint8_t *q = w + 16;
    uint64_t s, o;
    tern_q4_k_scales(w, &s, &o);
    for (size_t b = 0; b < TERN_CODES_BLOCKS; b++) {
        out->step[2 * b] = out->step[2 * b + 1] = d * (float)(s >> 8 * b & 63);
        out->shift[b] = e * (float)(o >> 8 * b & 63);
    }
    for (size_t b = 0; b < TERN_CODES_BLOCKS; b += 2, q += 32)
        for (size_t k = 0; k < 32; k++) {
            out->code[32 * b + k] = (int8_t)(q[k] & 15);
            out->code[32 * b + 32 + k] = (int8_t)(q[k] >> 4);
        }
}

static inline void tern_unpack_q6_k(const uint8_t *w, tern_codes *out)
{
    const float d = tern_codes_half(w + 208);
    for (size_t g = 0; g < 16; g++) out->step[g] = d * (float)(int8_t)w[192 + g];
    for (size_t b = 0; b < TERN_CODES_BLOCKS; b++) {
        const uint8_t *low = w + 64 * (b / 4) + 32 * (b % 2);
        const uint8_t *high = w + 128 + 32 * (b / 4);
        for (size_t k = 0; k < 32; k++) {
            const int four = low[k] >> b / 2 % 2 * 4 & 15;
            const int two = high[k] >> b % 4 * 2 & 3;
            out->code[32 * b + k] = (int8_t)((four | two << 4) - 32);
        }
    }
}

static inline void tern_unpack_codes(tern_codes_type type, const uint8_t *w,
                                     size_t blocks, tern_codes *out)
{
    if (type == TERN_CODES_Q4_0)
        tern_unpack_q4_0(w, blocks, out);
    else if (type == TERN_CODES_Q4_K)
        tern_unpack_q4_k(w, out);
    else
        tern_unpack_q6_k(w, out);
}

#endif /* TERN_KERNELS_CODES_H */
