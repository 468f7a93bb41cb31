/* decode_kernels.h - the table of what running a model needs and training does not:
 * few rows times ternary panels, heads of 4 to 8 bits, caches of int8, blocks of a file
 * to panels.
 *
 * Chosen like the other tables (kernels.h), single-threaded like them, and the same
 * bits at every level. Arrays need no alignment unless a slot says so.
 */
#ifndef TERN_KERNELS_DECODE_KERNELS_H
#define TERN_KERNELS_DECODE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/fetch.h"
#include "kernels/kernels.h"

enum {
    TERN_FEW_ROWS = 3,   /* rows that `few` is for: beyond, unpacking pays */
    TERN_Q8_BLOCK = 32,  /* weights of a Q8_0 block */
    TERN_Q8_BYTES = 34,  /* fp16 scale, then 32 x int8 */
    TERN_TQ_BLOCK = 256, /* weights of a TQ1_0 and a TQ2_0 block */
    TERN_TQ1_BYTES = 54,
    TERN_TQ2_BYTES = 66,
    TERN_Q2_BLOCK = 64, /* weights of a Q2_0 block */
    TERN_Q2_BYTES = 18,
    TERN_Q4_BYTES = 18,    /* of a Q4_0 block of 32 */
    TERN_Q4_K_BYTES = 144, /* of 256 */
    TERN_Q6_K_BYTES = 210,
};

/* The types of a matrix of integer codes with scales (formats/blocks*.c draw them). */
typedef enum tern_codes_type {
    TERN_CODES_Q8_0,
    TERN_CODES_Q4_0,
    TERN_CODES_Q4_K,
    TERN_CODES_Q6_K,
    TERN_CODES_TYPES
} tern_codes_type;

/* 32 activations as codes with a scale: x ~= e q. `less` serves what multiplies
 * unsigned codes, and begins a sum with it, and Q4_K, whose weights have a shift. */
typedef struct tern_q8_block {
    int8_t q[TERN_Q8_BLOCK]; /* in -127 .. 127 */
    int32_t less[2];         /* -128 times the sum of the first 16, of the last 16 */
    float e;
} tern_q8_block;

/* Rows of activations times rows of weights in codes, in panels of 16 (codes.h). Of
 * Q8_0 and Q4_0, whose weights are step * code:
 *
 *     y[i][r] = sum over blocks b of
 *                   (step[r][b] e[i][b]) * (sum_k q[i][32b + k] code[r][32b + k])
 *
 * The sums inside a block are integers; each becomes float and is added, from 0 on, by
 * one fused multiply-add, in the order of b. Of Q6_K, whose steps are for 16 weights,
 * each half of a block has a sum and a fused step of its own. Where there are shifts,
 * Q4_K, a second fused step follows the first, (shift e) * (sum_k q). */
typedef struct tern_codes_product {
    tern_codes_type type;
    const tern_q8_block *x; /* (m, blocks) */
    size_t m, blocks;       /* blocks whole as the type wants it */
    const uint8_t *panels;  /* 64-byte aligned, one after the other */
    size_t n;               /* rows of weights */
    float *y;               /* (m, n), ldy apart */
    size_t ldy;
} tern_codes_product;

/* Codes times codes, for attention over keys and values of int8. The sums are exact;
 * then there is one product of scales, and one fused multiply-add:
 *
 *     c[i][j] = (add ? c[i][j] : 0) + (row[i] * col[j]) * (sum_p a[i][p] b[p][j])
 *
 * b has four of p side by side: b[p][j] is at b[4 (p / 4 * b_row + j) + p % 4]. Codes
 * are in -127 .. 127, those of a not below 0 if `positive`; else sums are unspecified.
 */
typedef struct tern_int8_product {
    const int8_t *a; /* (m, k), a_row apart */
    size_t a_row;
    const int32_t *a_sum; /* (m) sum of each row of a */
    bool positive;
    const float *row; /* (m) */
    size_t m, k;      /* k a multiple of 4 */
    const int8_t *b;  /* (k, n) in that order */
    size_t b_row, n;  /* multiples of 16, n <= b_row */
    const float *col; /* (n), NULL for ones */
    tern_fetch ahead; /* what is read next, fetched meanwhile */
    float *c;         /* (m, n), c_row apart */
    size_t c_row;
    bool add;
} tern_int8_product;

/* A row of blocks into row r < 16 of a panel, whose other rows stay as they are.
 * Returns the bits of the one scale that all blocks with a weight that is not zero have
 * (0 if there is none), or -1 where anything is not as it should be: a code that means
 * nothing, two scales, a scale that is not positive and finite. cols is a multiple of
 * the block. */
typedef int32_t tern_repack(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles);

typedef struct tern_decode_kernels {
    /* kernels.h' matmul for 1 to TERN_FEW_ROWS rows. */
    void (*few)(const tern_matmul_block *b);
    void (*codes_product)(const tern_codes_product *p);
    void (*int8_product)(const tern_int8_product *t);
    /* As tern_quantize_codes() of the products w[i] e[i], i < n <= 64; with a sum. */
    float (*quantize_products)(const float *w, const float *e, size_t n, int8_t *q,
                               int32_t *sum);
    tern_repack *repack_tq2, *repack_tq1, *repack_q2;
    /* A whole panel of TQ2_0 from 16 rows of which nothing need be said any more. */
    void (*panel_tq2)(const uint8_t *const row[16], size_t cols, uint8_t *tiles);
    /* `steps` multiplications of codes as fast as this level can (peaks.h): returns how
     * many multiply-adds that was, and what they gave, so that they are not dropped. */
    size_t (*spin)(size_t steps, int32_t *sum);
    /* Read `bytes`, a multiple of 128, as fast as this level can; what comes out
     * depends on all of them. p is 64-byte aligned. */
    uint64_t (*read)(const void *p, size_t bytes);
} tern_decode_kernels;

extern const tern_decode_kernels tern_decode_scalar;
/* Replace the slots that this instruction set does better. */
void tern_decode_upgrade_avx2(tern_decode_kernels *k);    /* x86-64 only */
void tern_decode_upgrade_avx512(tern_decode_kernels *k);  /* x86-64 only */
void tern_decode_upgrade_neon(tern_decode_kernels *k);    /* AArch64 only */
void tern_decode_upgrade_neondot(tern_decode_kernels *k); /* AArch64 only */

/* The table in use: scalar until tern_decode_kernels_use() says otherwise. */
extern const tern_decode_kernels *tern_decode_active;
void tern_decode_kernels_use(tern_level l);

/* What every repack does with the scale of a block that is not zero: remember the
 * first, -1 for another or for one that is no positive number. */
static inline int32_t tern_repack_scale(int32_t before, uint16_t bits)
{
    if (bits == 0 || bits >= 0x7c00u) return -1;
    return before == 0 || before == (int32_t)bits ? (int32_t)bits : -1;
}

/* x (n) to codes: x ~= code * the scale that is returned, which is NaN if x holds
 * a NaN or an infinity. *sum of the codes, or NULL. */
static inline float tern_quantize_codes(const float *x, size_t n, int8_t *q,
                                        int32_t *sum)
{
    const float most = tern_kernels_active->absmax(x, n);
    /* The reciprocal of a tiny number is infinite: such numbers are 0. */
    const float s = most > 1e-30f ? 127.0f / most : 0.0f;
    const int32_t codes = tern_kernels_active->quantize(x, s, n, q);
    if (sum) *sum = codes;
    /* absmax() passes over what is no number, and quantize() makes it -128, as it makes
     * nothing else. */
    return isinf(most) || memchr(q, INT8_MIN & 0xff, n) ? NAN : most / 127.0f;
}

#endif /* TERN_KERNELS_DECODE_KERNELS_H */
