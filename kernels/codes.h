/* codes.h - matrices of codes of 4 to 8 bits: what all levels know of their blocks,
 * which formats/blocks*.c draw, and of panels.
 *
 * A panel is 16 rows whose blocks stand side by side: the same bytes as in the file,
 * dword by dword (and what is a half, two bytes, half by half):
 *
 *     file, row r    | d | w0 w1 .. w7 |   | d | w0 w1 .. w7 |  ..    Q8_0: a half and
 *                      block 0               block 1                  8 dwords
 *
 *     panel  dwords  | w0 of rows 0 .. 15 | w1 of rows 0 .. 15 | ..   64 bytes each;
 *                    all of block 0, then of block 1 ..
 *            halves  | d of rows 0 .. 15 | ..                         32 bytes each
 *
 * So a register has four codes of each of its rows, and meets four activations that are
 * repeated for all of them. The last panel's rows that do not exist are zeros.
 */
#ifndef TERN_KERNELS_CODES_H
#define TERN_KERNELS_CODES_H

#include <string.h>

#include "base/half.h"
#include "kernels/decode_kernels.h"

enum { TERN_CODES_WIDTH = 256, TERN_CODES_BLOCKS = TERN_CODES_WIDTH / TERN_Q8_BLOCK };

/* A block's weights, 32 or 256: weight k is step[k / 16] code[k], of Q4_K
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

/* What a file's block is made of. */
typedef struct tern_codes_shape {
    size_t blocks;         /* of 32 weights */
    size_t bytes;          /* = 4 words + 2 halves */
    size_t words, word_at; /* how many dwords, and the byte with which they begin */
    size_t halves, half_at;
} tern_codes_shape;

static inline tern_codes_shape tern_codes_shape_of(tern_codes_type type)
{
    static const tern_codes_shape shapes[TERN_CODES_TYPES] = {
        [TERN_CODES_Q8_0] = {1, TERN_Q8_BYTES, 8, 2, 1, 0},
        [TERN_CODES_Q4_0] = {1, TERN_Q4_BYTES, 4, 2, 1, 0},
        [TERN_CODES_Q4_K] = {8, TERN_Q4_K_BYTES, 35, 4, 2, 0},
        [TERN_CODES_Q6_K] = {8, TERN_Q6_K_BYTES, 52, 0, 1, 208}};
    return shapes[type];
}

enum { TERN_CODES_WORD = 4 * TERN_PANEL_ROWS, TERN_CODES_HALF = 2 * TERN_PANEL_ROWS };

/* Where the halves of a panel begin, in bytes, if a row has `blocks` blocks of 32. */
static inline size_t tern_codes_halves(tern_codes_type type, size_t blocks)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    return blocks / s.blocks * s.words * TERN_CODES_WORD;
}

/* Bytes of a panel whose rows have `blocks` blocks of 32: a multiple of 64. */
static inline size_t tern_codes_panel_bytes(tern_codes_type type, size_t blocks)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    const size_t bytes = TERN_PANEL_ROWS * (blocks / s.blocks * s.bytes);
    return (bytes + TERN_CODES_WORD - 1) / TERN_CODES_WORD * TERN_CODES_WORD;
}

/* Panels of that many rows. */
static inline size_t tern_codes_panels(size_t rows)
{
    return (rows + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
}

/* Where row r has the first dword of block `at` of the file, and its first half. */
static inline size_t tern_codes_word(tern_codes_type type, size_t at, size_t r)
{
    return at * tern_codes_shape_of(type).words * TERN_CODES_WORD + 4 * r;
}

static inline size_t tern_codes_half_of(tern_codes_type type, size_t blocks, size_t at,
                                        size_t r)
{
    return tern_codes_halves(type, blocks) +
           at * tern_codes_shape_of(type).halves * TERN_CODES_HALF + 2 * r;
}

/* Block `at` of the file's row that became row r of a panel. */
static inline void tern_codes_from_panel(tern_codes_type type, const uint8_t *panel,
                                         size_t blocks, size_t at, size_t r,
                                         uint8_t *block)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    const uint8_t *word = panel + tern_codes_word(type, at, r);
    const uint8_t *half = panel + tern_codes_half_of(type, blocks, at, r);
    for (size_t i = 0; i < s.words; i++)
        memcpy(block + s.word_at + 4 * i, word + i * TERN_CODES_WORD, 4);
    for (size_t i = 0; i < s.halves; i++)
        memcpy(block + s.half_at + 2 * i, half + i * TERN_CODES_HALF, 2);
}

/* And how it becomes that. */
static inline void tern_codes_to_panel(tern_codes_type type, const uint8_t *block,
                                       size_t blocks, size_t at, size_t r,
                                       uint8_t *panel)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    uint8_t *word = panel + tern_codes_word(type, at, r);
    uint8_t *half = panel + tern_codes_half_of(type, blocks, at, r);
    for (size_t i = 0; i < s.words; i++)
        memcpy(word + i * TERN_CODES_WORD, block + s.word_at + 4 * i, 4);
    for (size_t i = 0; i < s.halves; i++)
        memcpy(half + i * TERN_CODES_HALF, block + s.half_at + 2 * i, 2);
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

static inline void tern_unpack_q4_0(const uint8_t *w, tern_codes *out)
{
    out->step[0] = out->step[1] = tern_codes_half(w);
    for (size_t k = 0; k < 16; k++) {
        out->code[k] = (int8_t)((w[2 + k] & 15) - 8);
        out->code[16 + k] = (int8_t)((w[2 + k] >> 4) - 8);
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

static inline void tern_unpack_q8_0(const uint8_t *w, tern_codes *out)
{
    out->step[0] = out->step[1] = tern_codes_half(w);
    memcpy(out->code, w + 2, TERN_Q8_BLOCK);
}

/* A block of the file. */
static inline void tern_unpack_codes(tern_codes_type type, const uint8_t *w,
                                     tern_codes *out)
{
    if (type == TERN_CODES_Q8_0)
        tern_unpack_q8_0(w, out);
    else if (type == TERN_CODES_Q4_0)
        tern_unpack_q4_0(w, out);
    else if (type == TERN_CODES_Q4_K)
        tern_unpack_q4_k(w, out);
    else
        tern_unpack_q6_k(w, out);
}

#endif /* TERN_KERNELS_CODES_H */
