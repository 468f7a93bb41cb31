/* head_q8.h - the output head where the file holds it in integer codes: of 8 bits
 * (Q8_0), or of 6 or 4 (Q6_K, Q4_K, Q4_0).
 *
 * The weights stay as they are in the file. Activations are rounded to 8 bits, blocks
 * of 32 codes with a scale of their own, e = max |x| / 127, and the products of codes
 * are summed exactly: see tern_q8_dots in decode_kernels.h for the order of what is
 * not exact. The same bits at every level and for any number of threads.
 */
#ifndef TERN_KERNELS_HEAD_Q8_H
#define TERN_KERNELS_HEAD_Q8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/decode_kernels.h"

/* Activations in blocks; cols is a multiple of 32. */
typedef struct tern_q8_rows {
    size_t rows, cols;
    int8_t *codes; /* (rows, cols) */
    float *scale;  /* (rows, cols / 32): x ~= code * scale */
} tern_q8_rows;

/* One row of floats into row r. */
void tern_q8_quantize_row(const float *x, size_t r, tern_q8_rows *out);

/* y (rows of x, n): with rows [0, n) of w, blocks of that type, of which cols is a
 * multiple; parallel. And what one thread does of it: rows [first, end) of w. near:
 * they are probably in a cache. */
void tern_q8_matmul(const tern_q8_rows *x, tern_codes_type type, const uint8_t *w,
                    size_t n, float *y, size_t ldy);
void tern_q8_matmul_part(const tern_q8_rows *x, tern_codes_type type, const uint8_t *w,
                         float *y, size_t ldy, size_t first, size_t end, bool near);
/* Are n rows of w, of one thread, probably in a cache from the token before? (Reckoned
 * as if they were of 8 bits.) */
bool tern_q8_is_near(size_t n, size_t cols);

#endif /* TERN_KERNELS_HEAD_Q8_H */
