/* grad16.h - the backward of BitLinear in 16-bit integers, or half of it in 8.
 *
 * With x^ = q / s the quantised input and gamma T the weights, the gradients are
 *
 *     dX[t][i]  = gamma sum_o dY[t][o] T[o][i]
 *     dW[o][i] += sum_t (dY[t][o] / s_t) q[t][i]
 *
 * T and q are small integers already. So dY is rounded to 16 bits, once for each use,
 * both times with one scale for everything that is summed:
 *
 *     rows        a_t = max_o |dY[t][o]|,       A[t][o] = rne(dY[t][o] 32767 / a_t)
 *     columns     b_o = max_t |dY[t][o] / s_t|, B[o][t] = rne(dY[t][o] / s_t 32767 /
 * b_o) where t runs over a block of 256 tokens
 *
 *     dX[t][i]  = (sum_o A[t][o] T[o][i]) (gamma a_t / 32767)
 *     dW[o][i] += (sum_t B[o][t] q[t][i]) (b_o / 32767)           block after block
 *
 * The sums are int32 and exact, and everything before and after them is rounded element
 * by element in a fixed order: results are the same bits at every level and for any
 * number of threads. An element is off by at most half a step, a_t / 65534: where the
 * float sum has a rounding error of its own in every addition, this one has it in the
 * operand only. 16-bit products take half the time of float ones.
 *
 * No sum overflows: |sum_o| <= outputs * 32767, at most 2^31 - 1 for 65536 outputs
 * (beyond that, it goes to float in between); |sum_t| <= 256 * 32767 * 128 < 2^30.
 *
 * A NaN or infinity in dY makes its row of dX and its row of dW NaN, as it would in
 * floats.
 *
 * dX can be had in 8 bits, from rows that are rounded like activations (127 for 32767),
 * by the forward's own product with the transposed codes. Its sums run over outputs,
 * some hundreds; dW's run over tokens, thousands, and stay in 16 bits. That is the
 * split of Wortsman et al., "Stable and low-precision training for large-scale
 * vision-language models" (arXiv:2304.13013), whose other half is 16-bit floats.
 */
#ifndef TERN_KERNELS_GRAD16_H
#define TERN_KERNELS_GRAD16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/ternary.h"

enum { TERN_GRAD16_TOKENS = 256 }; /* of a block */

/* How dX is wanted, if at all. */
typedef enum tern_grad_input {
    TERN_INPUT_NONE,
    TERN_INPUT_INT16,
    TERN_INPUT_INT8
} tern_grad_input;

/* dY (rows, cols) = (tokens, outputs) rounded, for both uses or one. */
typedef struct tern_grad16 {
    size_t rows, cols, stride;
    tern_qrows bytes;    /* A in 8 bits, scale 127 / a; codes NULL: not wanted so */
    int16_t *row_codes;  /* A (rows, stride), zeros from cols; NULL: not wanted so */
    float *row_scale;    /* (rows) a / 32767 */
    int16_t *col_codes;  /* B (blocks, cols, 256); NULL: dW is not wanted */
    float *col_scale;    /* (blocks, cols) b / 32767 */
    float *inverse;      /* (rows) 1 / s */
    uint32_t *col_peaks; /* (slices of blocks, cols), while rounding */
} tern_grad16;

/* Bytes of memory for such a gradient, and how it is dealt out: `memory` is TERN_ALIGN
 * aligned. */
size_t tern_grad16_bytes(size_t rows, size_t cols);
tern_grad16 tern_grad16_place(void *memory, size_t rows, size_t cols,
                              tern_grad_input input, bool weight);

/* tern_grad16_quantize() - both roundings of dy (rows, cols); s is the scale of the
 * quantised rows that the product read. Parallel. */
void tern_grad16_quantize(const float *dy, const float *s, tern_grad16 *g);

/* tern_grad16_input() - dx (rows, w->cols) = dY (gamma T), or += if add. Parallel. */
void tern_grad16_input(const tern_grad16 *g, const tern_ternary *w, bool add,
                       float *dx);

/* tern_grad8_input() - the same from g->bytes and wt = w transposed (ternary.h). */
void tern_grad8_input(const tern_grad16 *g, const tern_ternary *wt, bool add,
                      float *dx);

/* tern_grad16_weight() - dw (outputs, x->cols) += dY^T (q / s). Parallel. */
void tern_grad16_weight(const tern_grad16 *g, const tern_qrows *x, float *dw);

#endif /* TERN_KERNELS_GRAD16_H */
