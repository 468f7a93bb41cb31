/* kernels.h - the table of integer functions that come in several instruction sets.
 *
 * Code outside kernels/ calls ternary.h, rows.h, attention.h and gemm.h; those cut the
 * work between threads and call these slots, each single-threaded, for a piece of it.
 * The table is filled with scalar code, then upgraded slot by slot by what the CPU has
 * (cpu.h). A slot's contract stands above it; every variant meets it bit for bit. Float
 * leaf functions have a table of their own, float_kernels.h.
 *
 * Arrays need no alignment unless a slot says so; n and cols may be 0.
 */
#ifndef TERN_KERNELS_KERNELS_H
#define TERN_KERNELS_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TERN_PANEL_ROWS = 16, /* output rows of a panel */
    TERN_TILE_COLS = 16,  /* input columns of a tile */
    TERN_TILE_BYTES = 64,
    TERN_TILE_ZERO = 0x55, /* a byte of four codes u = 1 */
};

/* A block of the product: `rows` quantised rows times `outputs` rows of the weights,
 * beginning at a panel. y and add point at the block's first element. */
typedef struct tern_matmul_block {
    const int8_t *q;      /* (rows, stride), zeros beyond the last column */
    size_t stride;        /* >= 16 * tiles */
    const float *scale;   /* (rows) s */
    const int32_t *sum;   /* (rows) sum of q */
    const uint8_t *codes; /* panels of `tiles` tiles each; 64-byte aligned */
    const uint8_t *next;  /* what is read after them; NULL: what follows */
    size_t tiles;
    float gamma;
    const float *add; /* (rows, ldy) or NULL; may be y */
    float *y;         /* (rows, ldy) */
    size_t ldy;
    size_t rows, outputs;
} tern_matmul_block;

typedef struct tern_kernels {
    /* --- activations --- */

    /* Largest |x|; 0 for n = 0. NaN counts as 0. */
    float (*absmax)(const float *x, size_t n);
    /* q = clamp(rne(x * s), -128, 127); returns the sum of q. Where x * s is no number
     * that int32 holds, q is one of -128 and 127. */
    int32_t (*quantize)(const float *x, float s, size_t n, int8_t *q);
    /* y = q / s */
    void (*dequantize)(const int8_t *q, float s, size_t n, float *y);

    /* --- weights --- */

    /* Sum of |w| in 16 interleaved lanes of double, finished by
     * tern_abs_sum_finish(). */
    double (*abs_sum)(const float *w, size_t n);
    /* One panel: t = (w > half) - (w < -half) for `rows` <= 16 rows of length cols,
     * row i at w + i * ld. Writes all ceil(cols / 16) tiles, u = 1 where there is
     * nothing. */
    void (*pack)(const float *w, size_t ld, size_t rows, size_t cols, float half,
                 uint8_t *tiles);
    /* Row r < 16 of a panel as floats -1, 0, 1. */
    void (*expand)(const uint8_t *tiles, size_t r, size_t cols, float *t);

    /* --- product: y = (sum q u - sum q) * (gamma / s) (+ add) --- */
    void (*matmul)(const tern_matmul_block *b);
} tern_kernels;

/* The table in use: scalar until tern_kernels_init(). */
extern const tern_kernels *tern_kernels_active;

extern const tern_kernels tern_kernels_scalar;
/* Replace the slots that this instruction set does better. */
void tern_kernels_upgrade_avx2(tern_kernels *k);       /* x86-64 only */
void tern_kernels_upgrade_avx512vnni(tern_kernels *k); /* x86-64 only */
void tern_kernels_upgrade_neon(tern_kernels *k);       /* AArch64 only */
void tern_kernels_upgrade_neondot(tern_kernels *k);    /* AArch64 only */

/* Add the last n elements, element i into lane i % 16, then the lanes in the tree
 * a[l] += a[l + 8], + 4, + 2, + 1. */
static inline double tern_abs_sum_finish(double lane[16], const float *rest, size_t n)
{
    for (size_t i = 0; i < n; i++) lane[i % 16] += fabs((double)rest[i]);
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

#endif /* TERN_KERNELS_KERNELS_H */
