/* rows_matmul.c - the float product of heads: blocks of the output to threads.
 *
 *      x                          w                           y
 *     | <= 256 rows, 384 KB |  x  | <= 64 rows, 256 KB |  =  | 256 x 64 | .. |
 *
 * A block is rows of x times rows of w that together stay in the second-level cache;
 * inside, the leaf function keeps a few rows of each in registers. The block of x is
 * the larger one: all of w passes by it, from memory. */
#include "kernels/float_kernels.h"
#include "kernels/rows.h"

enum {
    SERIAL = 1 << 16,    /* multiplications: below this one thread does it */
    X_ROWS = 256,        /* of a block, at most */
    X_FLOATS = 96 << 10, /* of a block, about */
    W_ROWS = 64,
    W_FLOATS = 64 << 10
};

/* Rows of k floats for a block: `most`, or what fits, but 8 at least. */
static size_t block_rows(size_t k, size_t most, size_t floats)
{
    while (most > 8 && most * k > floats) most /= 2;
    return most;
}

void tern_dot_matmul(const float *x, size_t m, size_t k, const float *w, size_t n,
                     float *y, size_t ldy)
{
    const tern_float_kernels *f = tern_float_active;
    const size_t a = block_rows(k, X_ROWS, X_FLOATS);
    const size_t b = block_rows(k, W_ROWS, W_FLOATS);
#pragma omp parallel for num_threads(tern_threads()) collapse(2) if (m * n * k > SERIAL)
    for (size_t i = 0; i < m; i += a)
        for (size_t j = 0; j < n; j += b)
            f->dots(x + i * k, m - i < a ? m - i : a, k, w + j * k,
                    n - j < b ? n - j : b, y + i * ldy + j, ldy);
}

void tern_dot_matmul_half(const float *x, size_t m, size_t k, const uint16_t *w,
                          size_t n, float *y, size_t ldy)
{
    const tern_float_kernels *f = tern_float_active;
    const size_t a = block_rows(k, X_ROWS, X_FLOATS);
    const size_t b = block_rows(k, W_ROWS, W_FLOATS);
#pragma omp parallel for num_threads(tern_threads()) collapse(2) if (m * n * k > SERIAL)
    for (size_t i = 0; i < m; i += a)
        for (size_t j = 0; j < n; j += b)
            f->dots_half(x + i * k, m - i < a ? m - i : a, k, w + j * k,
                         n - j < b ? n - j : b, y + i * ldy + j, ldy);
}
