/* head_q8.h - the output head where the file holds it in integer codes: of 8 bits
 * (Q8_0), or of 6 or 4 (Q6_K, Q4_K, Q4_0).
 *
 * The weights keep their codes and scales, in panels of 16 rows (codes.h draws them).
 * Activations are rounded to 8 bits, blocks of 32 codes with a scale of their own,
 * e = max |x| / 127, and the products of codes are summed exactly: see
 * tern_codes_product in decode_kernels.h for the order of what is not exact. The same
 * bits at every level and for any number of threads.
 */
#ifndef TERN_KERNELS_HEAD_Q8_H
#define TERN_KERNELS_HEAD_Q8_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/decode_kernels.h"

/* Activations in blocks; cols is a multiple of 32. */
typedef struct tern_q8_rows {
    size_t rows, cols;
    tern_q8_block *blocks; /* (rows, cols / 32) */
} tern_q8_rows;

/* One row of floats into row r. */
void tern_q8_quantize_row(const float *x, size_t r, tern_q8_rows *out);

/* --- panels (codes.h): n rows of weights need ceil(n / 16) --- */

/* `rows` (1 .. 16) rows of a file, which follow each other, into a panel. */
void tern_codes_pack(tern_codes_type type, const uint8_t *rows_of_file, size_t rows,
                     size_t cols, uint8_t *panel);

/* y (rows of x, n): with panels [first, end) of n rows of weights, which begin at
 * `panels` (64-byte aligned) with panel `first`. */
void tern_codes_matmul_panels(const tern_q8_rows *x, tern_codes_type type,
                              const uint8_t *panels, size_t n, float *y, size_t ldy,
                              size_t first, size_t end);

#endif /* TERN_KERNELS_HEAD_Q8_H */
