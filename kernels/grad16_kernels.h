/* grad16_kernels.h - the table of what grad16.c is made of, one per instruction set.
 *
 * Both products are one: rows of 16-bit integers times a strip of the other operand,
 * 64 columns wide, which is unpacked to 16 bits on its way.
 *
 *                                   strip: pairs x 64 columns x 2
 *                                   column  0      1            63
 *                                  +------+------+--  ...  --+------+
 *        a: rows x 2 pairs  pair 0 | k0 k1| k0 k1|           | k0 k1|  256 bytes
 *       +-----+-----+--            +------+------+           +------+
 *     r |k0 k1|k2 k3|           1  | k2 k3| k2 k3|           | k2 k3|
 *       +-----+-----+--            |      |      |           |      |
 *
 * A pair of a row, broadcast, meets 16 pairs of the strip in one vpdpwssd (AVX2: 8 in a
 * vpmaddwd and a vpaddd), which multiplies, adds the two products and adds them to a
 * sum of 32 bits. Six rows by four such registers are 24 sums: ten loads for 24
 * multiplications. A strip of 256 steps is 32 KiB.
 *
 * Every variant gives the same bits. Arrays need no alignment unless it says so.
 */
#ifndef TERN_KERNELS_GRAD16_KERNELS_H
#define TERN_KERNELS_GRAD16_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"

enum {
    TERN_STRIP_COLS = 64,
    TERN_STRIP_STEP = 8, /* steps of a product come in eights */
};

/* y = sum * scale (+ y), for up to 64 columns. Deep sums come in passes: the first
 * begins at 0 and the others at `partial`, where all but the last leave it. */
typedef struct tern_strip_product {
    const int16_t *a; /* (rows, lda) */
    size_t lda;
    const int16_t *strip; /* (steps / 2, 64, 2); 64-byte aligned */
    size_t rows, steps;   /* steps: a multiple of TERN_STRIP_STEP */
    size_t cols;          /* 1 to 64 */
    int32_t *partial;     /* (rows, 64), 64-byte aligned; NULL if first and last */
    bool first, last;
    const float *scale; /* (rows) */
    bool add;
    float *y; /* (rows, ldy) */
    size_t ldy;
} tern_strip_product;

typedef struct tern_grad16_kernels {
    /* --- rounding --- */
    /* The largest |x| as the bits of a float, which order like the numbers; NaN and
     * infinity are the largest. */
    uint32_t (*peak)(const float *x, size_t n);
    /* q = rne(x * scale), which lies within 16 bits; 0 where it is NaN. */
    void (*round)(const float *x, float scale, size_t n, int16_t *q);
    /* Both of a matrix at once, x (rows, ldx), likewise: row[r] = the largest
     * |x[r][c]|; col[c] = the largest |x[r][c] * factor[r]|, or col[c] as it was. */
    void (*peaks)(const float *x, size_t ldx, const float *factor, size_t rows,
                  size_t cols, uint32_t *row, uint32_t *col);
    /* q[c * ldq + r] = rne((x[r][c] * factor[r]) * scale[c]), 0 where it is NaN and
     * from `rows` up to a multiple of 8. */
    void (*round_columns)(const float *x, size_t ldx, const float *factor,
                          const float *scale, size_t rows, size_t cols, int16_t *q,
                          size_t ldq);

    /* --- strips --- */
    /* Ternary codes in panel order (ternary.h): step 16 p + r of the strip is row r of
     * panel p, its columns those of `tiles` (1 to 4) tiles. */
    void (*unpack)(const uint8_t *codes, size_t panel_bytes, size_t panels,
                   size_t tiles, int16_t *strip);
    /* Rows of 8-bit codes, 64 bytes of each; zeros up to a multiple of 8 rows. */
    void (*interleave)(const int8_t *q, size_t stride, size_t rows, int16_t *strip);
    void (*product)(const tern_strip_product *p);
} tern_grad16_kernels;

/* The table of the level in use. Asked for, not set by kernels.c, so that a program
 * that only runs models is linked without it. */
const tern_grad16_kernels *tern_grad16_active(void);
extern const tern_grad16_kernels tern_grad16_scalar;
extern const tern_grad16_kernels tern_grad16_avx2;   /* x86-64 only */
extern const tern_grad16_kernels tern_grad16_avx512; /* x86-64 only */
extern const tern_grad16_kernels tern_grad16_neon;   /* AArch64 only */

#endif /* TERN_KERNELS_GRAD16_KERNELS_H */
