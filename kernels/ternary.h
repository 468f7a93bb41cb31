/* ternary.h - the arithmetic of BitNet b1.58: quantise weights, activations; multiply.
 *
 * Source: Ma et al., "The Era of 1-bit LLMs", arXiv:2402.17764, eq. (1)-(3), and
 * "Training Tips, Code and FAQ". Where eq. (1) divides by (scale + eps) we use
 * max(scale, eps), as the authors' code does; and the scale is rounded to fp16 inside
 * the quantiser, so that every packed format carries it exactly (our one departure).
 *
 *     weights      gamma = fp16(max(mean |W|, 1e-5)), t = clamp(rne(W / gamma), -1, 1)
 *     activations  s = 127 / max(max |x|, 1e-5),      q = clamp(rne(x * s), -128, 127)
 *     product      y = (sum_k q_k * t_k) * (gamma / s)
 *
 * rne rounds half to even. The sum is an int32 and exact, so codes, scales and sums are
 * the same on every CPU, at every level and for any number of threads. y is one int32
 * to float conversion, one multiplication by the float gamma / s, and, where asked for,
 * one addition: also the same everywhere.
 *
 * Both wings, training and runtime, hold a ternary matrix in the same memory order and
 * multiply with the same kernel.
 *
 * Panel order. 16 output rows (a panel) and 16 input columns make a 64-byte tile; byte
 * (r, b) of a tile holds, for row r, the codes u = t + 1 of columns b, 4+b, 8+b, 12+b:
 *
 *     tile (panel p, column block c): 64 bytes, byte 4r + b
 *     bits 0-1: u[16p + r][16c +  0 + b]        bits 4-5: u[16p + r][16c +  8 + b]
 *     bits 2-3: u[16p + r][16c +  4 + b]        bits 6-7: u[16p + r][16c + 12 + b]
 *
 * so that (tile >> 2j) & 3 is a register of 16 rows x 4 codes, which one vpdpbusd
 * multiplies with the four activations 16c + 4j .. +3 broadcast to every row. Tiles of
 * a panel follow each other in c, panels in p. Missing rows and columns hold u = 1
 * (t = 0). Since u = t + 1, sum q*t = sum q*u - sum q; the quantiser gives sum q.
 */
#ifndef TERN_KERNELS_TERNARY_H
#define TERN_KERNELS_TERNARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"

#include "base/status.h"

/* --- weights --- */

/* A ternary matrix W ~= scale * T, T (rows, cols) = (out, in). */
typedef struct tern_ternary {
    size_t rows, cols;
    float scale;    /* gamma: exact in fp16 */
    uint8_t *codes; /* panel order, tern_ternary_bytes() long, TERN_ALIGN aligned */
} tern_ternary;

/* Bytes of the codes: ceil(rows / 16) * ceil(cols / 16) * 64. Cannot fail. */
static inline size_t tern_ternary_bytes(size_t rows, size_t cols)
{
    return (rows / 16 + (rows % 16 != 0)) * (cols / 16 + (cols % 16 != 0)) * 64;
}

/* tern_ternary_quantize() - quantise float weights into `out`, whose rows, cols and
 * codes the caller has set.
 *   w    in   (rows, cols) row-major
 * Returns TERN_ENUMERIC if w holds a NaN or an infinity, or if the mean magnitude is
 * beyond fp16; out is then untouched. |w| is summed in double in a fixed order.
 * Parallel. */
tern_status tern_ternary_quantize(const float *w, tern_ternary *out);

/* From and to row-major codes (rows, cols) in {-1, 0, 1}. from_codes trusts its input.
 * unpack_row writes one row of cols codes. */
void tern_ternary_from_codes(const int8_t *t, tern_ternary *out);
void tern_ternary_unpack_row(const tern_ternary *w, size_t row, int8_t *t);

/* T as float, row-major (rows, cols), without the scale; for float backward GEMMs.
 * Parallel. */
void tern_ternary_expand(const tern_ternary *w, float *t);

/* T transposed into `out`, whose rows, cols (those of w, swapped) and codes are set;
 * the scale is copied. Parallel. */
void tern_ternary_transpose(const tern_ternary *w, tern_ternary *out);

/* Codes that are -1, 0, +1. */
void tern_ternary_count(const tern_ternary *w, int64_t counts[3]);
/* Codes that differ between two matrices of one shape. */
int64_t tern_ternary_flips(const tern_ternary *a, const tern_ternary *b);

/* --- activations --- */

/* Quantised rows: codes (rows, stride) with zeros from cols to stride. */
typedef struct tern_qrows {
    size_t rows, cols;
    size_t stride; /* tern_qrows_stride(cols) */
    int8_t *codes; /* TERN_ALIGN aligned */
    float *scale;  /* s of each row: x ~= code / s */
    int32_t *sum;  /* sum of the codes of each row */
} tern_qrows;

static inline size_t tern_qrows_stride(size_t cols)
{
    return (cols + 63) / 64 * 64;
}

/* tern_quantize_rows() - x (rows, cols) into `out`, whose sizes and pointers are set.
 * A row with a NaN or infinity gives unspecified codes, never undefined behaviour.
 * Parallel over rows. */
void tern_quantize_rows(const float *x, tern_qrows *out);

/* tern_rmsnorm_quantize_rows() - RMSNorm (rows.h), then quantise, in one pass over x.
 * The same bits as tern_rmsnorm_rows() followed by tern_quantize_rows().
 *   gain  in   (cols)     rstd  out  (rows) or NULL */
void tern_rmsnorm_quantize_rows(const float *x, const float *gain, float eps,
                                float *rstd, tern_qrows *out);

/* The same of f(gate) . up (rows.h), which is never in memory as a whole.
 *   rstd  out  (rows)      scratch  tern_norm_scratch(rows, cols) floats (rows.h) */
void tern_glu_rmsnorm_quantize_rows(tern_activation f, const float *gate,
                                    const float *up, const float *gain, float eps,
                                    float *rstd, tern_qrows *out, float *scratch);

/* code / s as float, (rows, cols) row-major with row length ld. Rows [first, first +
 * n).*/
void tern_dequantize_rows(const tern_qrows *x, size_t first, size_t n, float *y,
                          size_t ld);

/* --- the product --- */

/* tern_ternary_matmul() - y = x W^T (+ add).
 *   x    in   (m, k) quantised            w  in  (n, k)
 *   add  in   (m, n) row length ldy, or NULL; may be y itself
 *   y    out  (m, n) row length ldy
 * Serves m = 1 (decode) and large m (training, prefill) with the same result per row.
 * cols up to 2^23, so that no sum overflows. Parallel over output; never allocates. */
void tern_ternary_matmul(const tern_qrows *x, const tern_ternary *w, const float *add,
                         float *y, size_t ldy);

#endif /* TERN_KERNELS_TERNARY_H */
