/* ternary_matmul.c - cut the product into one rectangle of the output per thread.
 *
 * Every output is one exact integer sum, so any cut gives the same bits. Decode (few
 * rows) is cut along the outputs, so that each thread reads its own part of the codes
 * once; many rows are cut along the rows first, since that shares the unpacking of the
 * codes among more rows.
 *
 *     few rows       outputs                  many rows, four threads
 *                   +------+------+--                      +------+----
 *                   | t0   | t1   | ..            96 rows  | t0   | ..
 *                   +------+------+--             or more  | t1   | ..
 *     in panels of 16                                      | ..
 */
#include <assert.h>

#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
#include "kernels/parts.h"
#include "kernels/team.h"
#include "kernels/ternary.h"

enum {
    ROW_UNIT = 12,          /* rows a thread gets: a multiple of the kernels' groups */
    ROWS_WORTH = 96,        /* rows that pay for unpacking the codes */
    PARALLEL_MIN = 1 << 20, /* multiply-adds below which threads cost more */
};

/* How many parts of the rows: the most that divide the threads evenly and leave each
 * enough rows. */
static size_t row_parts(size_t rows, size_t threads)
{
    size_t parts = threads;
    while (parts > 1 && (threads % parts != 0 || rows / parts < ROWS_WORTH)) parts--;
    return parts;
}

/* One thread's part: rows [row, row_end) and panels [p, p_end). */
typedef struct rectangle {
    size_t row, row_end, p, p_end;
    const uint8_t *next; /* as in tern_matmul_block */
} rectangle;

static void multiply(const tern_qrows *x, const tern_ternary *w, const float *add,
                     float *y, size_t ldy, const rectangle *r)
{
    if (r->row == r->row_end || r->p == r->p_end) return;
    const size_t tiles = (w->cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    const size_t first = r->p * TERN_PANEL_ROWS, last = r->p_end * TERN_PANEL_ROWS;
    const tern_matmul_block b = {
        .q = x->codes + r->row * x->stride,
        .stride = x->stride,
        .scale = x->scale + r->row,
        .sum = x->sum + r->row,
        .codes = w->codes + r->p * tiles * TERN_TILE_BYTES,
        .next = r->next,
        .tiles = tiles,
        .gamma = w->scale,
        .add = add ? add + r->row * ldy + first : NULL,
        .y = y + r->row * ldy + first,
        .ldy = ldy,
        .rows = r->row_end - r->row,
        .outputs = (last < w->rows ? last : w->rows) - first,
    };
    if (b.rows <= TERN_FEW_ROWS)
        tern_decode_active->few(&b);
    else
        tern_kernels_active->matmul(&b);
}

void tern_ternary_matmul_panels(const tern_qrows *x, const tern_ternary *w,
                                const float *add, float *y, size_t ldy, size_t first,
                                size_t end, const uint8_t *next)
{
    assert(x->cols == w->cols && x->stride == tern_qrows_stride(x->cols));
    multiply(x, w, add, y, ldy,
             &(rectangle){.row_end = x->rows, .p = first, .p_end = end, .next = next});
}

void tern_ternary_matmul(const tern_qrows *x, const tern_ternary *w, const float *add,
                         float *y, size_t ldy)
{
    assert(x->cols == w->cols && x->stride == tern_qrows_stride(x->cols));
    const size_t m = x->rows, n = w->rows, panels = tern_ternary_panels(w);
    const int small = m * n * x->cols < PARALLEL_MIN;
    const size_t threads = small ? 1 : (size_t)tern_threads();
    const size_t across = row_parts(m, threads), down = threads / across;
    const size_t panel_unit = m < ROW_UNIT ? 1 : 4;

#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < threads; i++)
        multiply(x, w, add, y, ldy,
                 &(rectangle){
                     .row = tern_part_start(m, ROW_UNIT, i % across, across),
                     .row_end = tern_part_start(m, ROW_UNIT, i % across + 1, across),
                     .p = tern_part_start(panels, panel_unit, i / across, down),
                     .p_end = tern_part_start(panels, panel_unit, i / across + 1, down),
                 });
}
