/* head_q8.c - see head_q8.h.
 *
 *      x                    w, in the file's blocks      y
 *     +-----------+        +--------------+             +---------+--
 *     | 32 rows   |   x    | 64 rows      |       =     | 32 x 64 |
 *     |-----------|        |--------------| next        |---------|
 *     | 32 rows   |          ..                         |         |
 *
 * 64 rows of w, which are read from memory once, stay in the second-level cache while
 * all rows of x meet them, 32 at a time in the first. */
#include "kernels/head_q8.h"

#include <assert.h>

#include "kernels/codes.h"
#include "kernels/parts.h"

enum {
    X_ROWS = 32, /* rows of activations that meet a block of weights in cache */
    W_ROWS = 64,
    NEAR_BYTES = 4 << 20, /* of a thread, that a cache may hold until the next token */
    SERIAL = 1 << 16      /* multiplications: below this one thread does it */
};

void tern_q8_quantize_row(const float *x, size_t r, tern_q8_rows *out)
{
    const size_t blocks = out->cols / TERN_Q8_BLOCK;
    int8_t *q = out->codes + r * out->cols;
    float *e = out->scale + r * blocks;
    assert(out->cols % TERN_Q8_BLOCK == 0);
    for (size_t b = 0; b < blocks; b++, x += TERN_Q8_BLOCK, q += TERN_Q8_BLOCK)
        e[b] = tern_quantize_codes(x, TERN_Q8_BLOCK, q, NULL);
}

void tern_q8_matmul_part(const tern_q8_rows *x, tern_codes_type type, const uint8_t *w,
                         float *y, size_t ldy, size_t first, size_t end, bool near)
{
    const size_t blocks = x->cols / TERN_Q8_BLOCK,
                 bytes = tern_codes_bytes(type, blocks);
    const tern_decode_kernels *k = tern_decode_active;
    void (*dots)(const tern_q8_dots *) =
        type == TERN_CODES_Q8_0 ? k->q8_dots : k->codes_dots;
    for (size_t j = first; j < end; j += W_ROWS)
        for (size_t i = 0; i < x->rows; i += X_ROWS)
            dots(&(tern_q8_dots){
                .type = type,
                .q = x->codes + i * x->cols,
                .e = x->scale + i * blocks,
                .m = x->rows - i < X_ROWS ? x->rows - i : X_ROWS,
                .cols = x->cols,
                .w = w + j * bytes,
                .n = end - j < W_ROWS ? end - j : W_ROWS,
                .y = y + i * ldy + j,
                .ldy = ldy,
                .near = near,
            });
}

bool tern_q8_is_near(size_t n, size_t cols)
{
    return n * (cols / TERN_Q8_BLOCK) * TERN_Q8_BYTES <= NEAR_BYTES;
}

void tern_q8_matmul(const tern_q8_rows *x, tern_codes_type type, const uint8_t *w,
                    size_t n, float *y, size_t ldy)
{
    const int threads = x->rows * n * x->cols > SERIAL ? tern_threads() : 1;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++)
        tern_q8_matmul_part(x, type, w, y, ldy,
                            tern_part_start(n, W_ROWS, (size_t)t, (size_t)threads),
                            tern_part_start(n, W_ROWS, (size_t)t + 1, (size_t)threads),
                            tern_q8_is_near(n / (size_t)threads, x->cols));
}
