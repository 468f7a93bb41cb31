/* head_q8.c - see head_q8.h.
 *
 *      x                    w, in the file's blocks      y
 *     +-----------+        +--------------+             +---------+--
 *     | 32 rows   |   x    | 64 rows      |       =     | 32 x 64 |
 *     |-----------|        |--------------| next        |---------|
 *     | 32 rows   |          ..                         |         |
 *
 * 64 rows of w, which are read from memory once, stay in the second-level cache while
 * all rows of x meet them, 32 at a time in the first. Types of less than 8 bits are
 * unpacked on the way, 256 columns of four rows at a time, whose lanes wait for the
 * next 256:
 *
 *     w, four rows     | blocks | blocks | ..
 *                          | unpack_codes
 *     4 x 256 codes, their scales        with each row of x  ->  4 x 8 lanes += */
#include "kernels/head_q8.h"

#include <assert.h>

#include <string.h>

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

/* --- types that are unpacked --- */

/* Bytes of `blocks` blocks of 32 weights: a multiple of 8 where the type's are of 256.
 */
static size_t bytes_of(tern_codes_type type, size_t blocks)
{
    static const size_t bytes[TERN_CODES_TYPES] = {
        [TERN_CODES_Q8_0] = 8 * TERN_Q8_BYTES,
        [TERN_CODES_Q4_0] = 8 * TERN_Q4_BYTES,
        [TERN_CODES_Q4_K] = TERN_Q4_K_BYTES,
        [TERN_CODES_Q6_K] = TERN_Q6_K_BYTES};
    return blocks * bytes[type] / 8;
}

/* What the file has for 0. */
static uint8_t zero_of(tern_codes_type type)
{
    return type == TERN_CODES_Q6_K ? 32 : type == TERN_CODES_Q4_0 ? 8 : 0;
}

static float sum_of(float lane[8])
{
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* Blocks [b, b + blocks) of `rows` rows from w, bytes apart. Meanwhile the next rows
 * are fetched, from their beginning to their end, which memory likes better than the
 * order in which they will be read. */
static void unpack(tern_codes_type type, const uint8_t *w, size_t bytes, size_t rows,
                   size_t b, size_t blocks, tern_codes *out)
{
    const size_t from = bytes_of(type, b), count = bytes_of(type, blocks);
    const uint8_t *next = w + rows * (bytes + from);
    for (size_t at = 0; at < rows * count; at += 64) __builtin_prefetch(next + at);
    for (size_t j = 0; j < rows; j++)
        tern_decode_active->unpack_codes[type](w + j * bytes + from, blocks, &out[j]);
}

/* Up to TERN_CODES_ROWS rows of weights with up to X_ROWS of activations. */
static void codes_tile(tern_codes_type type, const tern_q8_dots *d)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK, bytes = bytes_of(type, blocks);
    float lane[X_ROWS][TERN_CODES_ROWS][8];
    tern_codes w[TERN_CODES_ROWS];
    memset(lane, 0, d->m * sizeof *lane);
    for (size_t b = 0; b < blocks; b += 8) {
        const size_t n = blocks - b < 8 ? blocks - b : 8;
        unpack(type, d->w, bytes, d->n, b, n, w);
        for (size_t i = 0; i < d->m; i++)
            tern_decode_active->codes_dots(
                &(tern_codes_dots){.w = w,
                                   .n = d->n,
                                   .blocks = n,
                                   .zero = zero_of(type),
                                   .halves = type == TERN_CODES_Q6_K,
                                   .shifted = type == TERN_CODES_Q4_K,
                                   .q = d->q + i * d->cols + b * TERN_Q8_BLOCK,
                                   .e = d->e + i * blocks + b,
                                   .lane = lane[i]});
    }
    for (size_t i = 0; i < d->m; i++)
        for (size_t j = 0; j < d->n; j++) d->y[i * d->ldy + j] = sum_of(lane[i][j]);
}

static void dots(tern_codes_type type, const tern_q8_dots *d)
{
    if (type == TERN_CODES_Q8_0) {
        tern_decode_active->q8_dots(d);
        return;
    }
    tern_q8_dots part = *d;
    for (size_t j = 0; j < d->n; j += part.n) {
        part.n = d->n - j < TERN_CODES_ROWS ? d->n - j : TERN_CODES_ROWS;
        part.w = d->w + j * bytes_of(type, d->cols / TERN_Q8_BLOCK);
        part.y = d->y + j;
        codes_tile(type, &part);
    }
}

/* --- the product --- */

void tern_q8_matmul_part(const tern_q8_rows *x, tern_codes_type type, const uint8_t *w,
                         float *y, size_t ldy, size_t first, size_t end, bool near)
{
    const size_t blocks = x->cols / TERN_Q8_BLOCK, bytes = bytes_of(type, blocks);
    for (size_t j = first; j < end; j += W_ROWS)
        for (size_t i = 0; i < x->rows; i += X_ROWS)
            dots(type, &(tern_q8_dots){
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
