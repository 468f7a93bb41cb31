/* int8_product.h - tern_int8_product (decode_kernels.h) for every level but the scalar
 * one. A level includes this after it has defined, for a register of INT8_LANES int32,
 * of which INT8_VECS for each row of a stay in registers; INT8_TWO_WAYS, whether there
 * is a better way for a that is `positive`:
 *
 *     int8_words                      the register
 *     int8_start(sum)                 what a sum begins with, `sum` that of a's row
 *     int8_load(b)                    4 codes of each of its columns
 *     int8_repeat(a)                  4 codes of a row for all of them
 *     int8_dot(s, a, b, positive)     s += the four products of every lane
 *     int8_finish(s, e, d, add, c)    c = (add ? c : 0) + (e * d) * s; d NULL: ones
 *
 *                    columns j -->       16 columns are a line of 64 bytes
 *     p = 0 .. 3   | b b b b | b b b b | ..
 *     p = 4 .. 7   | b b b b | ..              rows of a stay in the first-level cache;
 *     ..                                       their codes are broadcast four by four
 *
 * Up to four rows meet a register of b while it is there. */
#ifndef TERN_KERNELS_INT8_PRODUCT_H
#define TERN_KERNELS_INT8_PRODUCT_H

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

enum { INT8_ROWS = 4 };

/* Rows [i, i + rows), columns [j, j + vecs * INT8_LANES). */
TERN_INLINE void int8_tile(const tern_int8_product *t, size_t i, size_t j, int rows,
                           int vecs, bool positive, tern_fetching *f)
{
    const int8_t *a = t->a + i * t->a_row, *b = t->b + 4 * j;
    tern_fetching next = *f;
    int8_words sum[INT8_ROWS][INT8_VECS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (v, vecs) sum[r][v] = int8_start(t->a_sum[i + (size_t)r]);
    for (size_t p = 0; p < t->k; p += 4, b += 4 * t->b_row) {
        tern_fetch_step(&next);
        TERN_UNROLLED (v, vecs) {
            const int8_words w = int8_load(b + 4 * INT8_LANES * v);
            TERN_UNROLLED (r, rows) {
                const int8_words x = int8_repeat(a + (size_t)r * t->a_row + p);
                sum[r][v] = int8_dot(sum[r][v], x, w, positive);
            }
        }
    }
    *f = next;
    TERN_UNROLLED (r, rows) {
        float *c = t->c + (i + (size_t)r) * t->c_row + j;
        TERN_UNROLLED (v, vecs)
            int8_finish(sum[r][v], t->row[i + (size_t)r],
                        t->col ? t->col + j + INT8_LANES * v : NULL, t->add,
                        c + INT8_LANES * v);
    }
}

TERN_INLINE void int8_columns(const tern_int8_product *t, size_t j, int vecs,
                              bool positive, tern_fetching *f)
{
    size_t i = 0;
    for (; i + 4 <= t->m; i += 4) int8_tile(t, i, j, 4, vecs, positive, f);
    if (i + 2 <= t->m) int8_tile(t, i, j, 2, vecs, positive, f), i += 2;
    if (i < t->m) int8_tile(t, i, j, 1, vecs, positive, f);
}

TERN_INLINE void int8_all(const tern_int8_product *t, bool positive)
{
    enum { LONG = INT8_VECS * INT8_LANES, SHORT = 16 < LONG ? 16 : LONG };
    tern_fetching f = tern_fetch_begin(t->ahead);
    tern_fetch_step(&f); /* a row more than there are steps: the scales */
    size_t j = 0;
    for (; j + LONG <= t->n; j += LONG) int8_columns(t, j, INT8_VECS, positive, &f);
    for (; j < t->n; j += SHORT) int8_columns(t, j, SHORT / INT8_LANES, positive, &f);
}

static void int8_product(const tern_int8_product *t)
{
    if (INT8_TWO_WAYS && t->positive)
        int8_all(t, true);
    else
        int8_all(t, false);
}

#endif /* TERN_KERNELS_INT8_PRODUCT_H */
