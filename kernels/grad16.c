/* grad16.c - the integer backward: rounding, and the cutting of two products.
 *
 * dX, for a chunk of tokens that stays in the second level cache: a strip of 64 input
 * columns, 256 outputs deep, is unpacked from the ternary codes into the first level
 * cache, where every token of the chunk meets it. More outputs come in further passes;
 * the sums wait in `partial`.
 *
 *            outputs              inputs                     inputs
 *           +--256--+---         +--64--+---                +--64--+---
 *     chunk |   A   |     x  256 | unp. |         =   chunk | sums |
 *           +-------+---         +------+---                +------+---
 *
 * dW, for a chunk of outputs whose gradients stay in the second level cache, and a
 * strip of 64 input columns: 256 tokens of q are interleaved into the first level
 * cache, where the 256 gradients of every output of the chunk meet them; then the next
 * block of tokens.
 *
 *            tokens               inputs                     inputs
 *           +--256--+---         +--64--+---                +--64--+---
 *     chunk |   B   |     x  256 | int. |        +=    chunk | dW   |
 *           +-------+---         +------+---                +------+---
 */
#include "kernels/grad16.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels/grad16_kernels.h"
#include "kernels/kernels.h"
#include "kernels/parts.h"

enum {
    DEPTH = 256,            /* outputs of a pass of dX */
    FLUSH = 65536,          /* outputs whose sum cannot overflow */
    ROW_CHUNK = 192,        /* rows that meet a strip before the next is made */
    ROWS_WORTH = 96,        /* rows that pay for unpacking a strip once more */
    ROW_UNIT = 6,           /* rows a thread gets: the kernel's group */
    SLICES = 4,             /* of a block, so that a few blocks share out evenly */
    SLICE_UNIT = 32,        /* rows it has a multiple of, but for the last */
    FEW_ROWS = 4,           /* rows measured, then rounded */
    PARALLEL_MIN = 1 << 20, /* multiply-adds below which threads cost more */
    ROUND_MIN = 32768,      /* elements, likewise */
    LINE = 64,
};

static const float CODE_MAX = 32767.0f;
static const float BYTE_MAX = 127.0f;
static const float PEAK_MIN = 1e-30f; /* smaller gradients round to 0, or nearly */

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t block_count(size_t rows)
{
    return (rows + TERN_GRAD16_TOKENS - 1) / TERN_GRAD16_TOKENS;
}

static size_t strip_count(size_t cols)
{
    return (cols + TERN_STRIP_COLS - 1) / TERN_STRIP_COLS;
}

/* --- memory --- */

static size_t row_stride(size_t cols)
{
    return round_up(cols, LINE / sizeof(int16_t));
}

size_t tern_grad16_bytes(size_t rows, size_t cols)
{
    const size_t blocks = block_count(rows);
    return round_up(rows * row_stride(cols) * sizeof(int16_t), LINE) +
           round_up(blocks * cols * TERN_GRAD16_TOKENS * sizeof(int16_t), LINE) +
           (3 * rows + blocks * cols) * sizeof(float) +
           SLICES * blocks * cols * sizeof(uint32_t);
}

tern_grad16 tern_grad16_place(void *memory, size_t rows, size_t cols,
                              tern_grad_input input, bool weight)
{
    tern_grad16 g = {.rows = rows,
                     .cols = cols,
                     .stride = row_stride(cols),
                     .bytes = {.rows = rows, .cols = cols}};
    const size_t blocks = block_count(rows);
    char *at = memory;
    g.bytes.stride = tern_qrows_stride(cols); /* bytes: no longer than in 16 bits */
    if (input == TERN_INPUT_INT16) g.row_codes = (int16_t *)(void *)at;
    if (input == TERN_INPUT_INT8) g.bytes.codes = (int8_t *)(void *)at;
    at += round_up(rows * g.stride * sizeof(int16_t), LINE);
    if (weight) g.col_codes = (int16_t *)(void *)at;
    at += round_up(blocks * cols * TERN_GRAD16_TOKENS * sizeof(int16_t), LINE);
    g.row_scale = (float *)(void *)at;
    g.inverse = g.row_scale + rows;
    g.bytes.scale = g.row_scale;
    g.bytes.sum = (int32_t *)(void *)(g.inverse + rows);
    g.col_scale = g.inverse + 2 * rows;
    g.col_peaks = (uint32_t *)(void *)(g.col_scale + blocks * cols);
    return g;
}

/* --- rounding --- */

/* From the bits of the largest magnitude, which becomes `most`: what to multiply by;
 * and the step, which is NaN if that is no finite number. */
static float scale_of(uint32_t bits, float most, float *step)
{
    float peak;
    memcpy(&peak, &bits, sizeof peak);
    if (!isfinite(peak)) {
        *step = NAN;
        return 0.0f; /* and the codes are 0 */
    }
    if (!(peak > PEAK_MIN)) peak = PEAK_MIN;
    *step = peak / most;
    return most / peak;
}

/* What rounding knows of slice i of all: a fourth of a block's rows. */
typedef struct slice {
    size_t row, rows;
    uint32_t *col; /* (cols) peaks of its columns, as bits */
} slice;

static slice slice_at(const tern_grad16 *g, size_t i)
{
    const size_t first = i / SLICES * TERN_GRAD16_TOKENS;
    const size_t rows = tern_min_size(TERN_GRAD16_TOKENS, g->rows - first);
    const size_t row = tern_part_start(rows, SLICE_UNIT, i % SLICES, SLICES);
    return (slice){.row = first + row,
                   .rows =
                       tern_part_start(rows, SLICE_UNIT, i % SLICES + 1, SLICES) - row,
                   .col = g->col_peaks + i * g->cols};
}

static void round_row(const float *x, uint32_t peak, tern_grad16 *g, size_t r)
{
    int16_t *q = g->row_codes + r * g->stride;
    const float by = scale_of(peak, CODE_MAX, &g->row_scale[r]);
    tern_grad16_active()->round(x, by, g->cols, q);
    memset(q + g->cols, 0, (g->stride - g->cols) * sizeof *q);
}

/* The codes of a row that is no number do not matter: its scale makes it NaN. */
static void round_row_to_bytes(const float *x, uint32_t peak, tern_grad16 *g, size_t r)
{
    tern_qrows *b = &g->bytes;
    int8_t *q = b->codes + r * b->stride;
    float step;
    const float by = scale_of(peak, BYTE_MAX, &step);
    b->sum[r] = tern_kernels_active->quantize(x, by, g->cols, q);
    b->scale[r] = isnan(step) ? NAN : by;
    memset(q + g->cols, 0, b->stride - g->cols);
}

/* First sweep: the rows, and what the columns' scales need. A few rows are still in the
 * first level cache when they are rounded. */
static void sweep_rows(const float *dy, tern_grad16 *g, slice s)
{
    const tern_grad16_kernels *k = tern_grad16_active();
    uint32_t peak[FEW_ROWS];
    if (g->col_codes) memset(s.col, 0, g->cols * sizeof *s.col);
    for (size_t i = 0; i < s.rows; i += FEW_ROWS) {
        const size_t row = s.row + i, rows = tern_min_size(FEW_ROWS, s.rows - i);
        const float *x = dy + row * g->cols;
        if (g->col_codes)
            k->peaks(x, g->cols, g->inverse + row, rows, g->cols, peak, s.col);
        else
            for (size_t r = 0; r < rows; r++)
                peak[r] = k->peak(x + r * g->cols, g->cols);
        for (size_t r = 0; g->row_codes && r < rows; r++)
            round_row(x + r * g->cols, peak[r], g, row + r);
        for (size_t r = 0; g->bytes.codes && r < rows; r++)
            round_row_to_bytes(x + r * g->cols, peak[r], g, row + r);
    }
}

/* In between: columns [c, end) of a block get their scales. What to multiply by takes
 * the place of the first slice's peaks. */
static void scale_columns(tern_grad16 *g, size_t block, size_t c, size_t end)
{
    const slice s = slice_at(g, block * SLICES);
    for (; c < end; c++) {
        uint32_t peak = s.col[c];
        for (size_t i = 1; i < SLICES; i++)
            if (s.col[i * g->cols + c] > peak) peak = s.col[i * g->cols + c];
        const float by = scale_of(peak, CODE_MAX, &g->col_scale[block * g->cols + c]);
        memcpy(&s.col[c], &by, sizeof by);
    }
}

/* Second sweep: the columns. */
static void sweep_columns(const float *dy, tern_grad16 *g, size_t i)
{
    const slice s = slice_at(g, i);
    const size_t block = i / SLICES, first = block * TERN_GRAD16_TOKENS;
    const float *scale = (const float *)(const void *)slice_at(g, block * SLICES).col;
    tern_grad16_active()->round_columns(
        dy + s.row * g->cols, g->cols, g->inverse + s.row, scale, s.rows, g->cols,
        g->col_codes + block * g->cols * TERN_GRAD16_TOKENS + s.row - first,
        TERN_GRAD16_TOKENS);
}

void tern_grad16_quantize(const float *dy, const float *s, tern_grad16 *g)
{
    const size_t slices = SLICES * block_count(g->rows);
    const int threads = g->rows * g->cols < ROUND_MIN ? 1 : tern_threads();
    for (size_t r = 0; r < g->rows; r++) g->inverse[r] = 1.0f / s[r];
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (size_t i = 0; i < slices; i++) sweep_rows(dy, g, slice_at(g, i));
        if (g->col_codes) {
#pragma omp for schedule(static)
            for (size_t i = 0; i < slices; i++)
                scale_columns(g, i / SLICES,
                              tern_part_start(g->cols, 1, i % SLICES, SLICES),
                              tern_part_start(g->cols, 1, i % SLICES + 1, SLICES));
#pragma omp for schedule(static)
            for (size_t i = 0; i < slices; i++) sweep_columns(dy, g, i);
        }
    }
}

/* --- the products --- */

/* A part of the output: rows and strips. */
typedef struct part {
    size_t row, row_end, strip, strip_end;
} part;

/* Part i of `threads`. Rows are dealt out first, as long as each gets enough of them:
 * what a thread reads of them, all strips read, from its own second level cache. */
static part part_of(size_t rows, size_t strips, size_t i, size_t threads)
{
    size_t down = threads;
    while (down > 1 && (threads % down != 0 || rows / down < ROWS_WORTH)) down--;
    const size_t across = threads / down;
    return (part){
        .row = tern_part_start(rows, ROW_UNIT, i / across, down),
        .row_end = tern_part_start(rows, ROW_UNIT, i / across + 1, down),
        .strip = tern_part_start(strips, 1, i % across, across),
        .strip_end = tern_part_start(strips, 1, i % across + 1, across),
    };
}

static size_t threads_for(size_t macs)
{
    return macs < PARALLEL_MIN ? 1 : (size_t)tern_threads();
}

/* All outputs for one strip and the rows of `p`, whose a, y and scale are those of the
 * first output. */
static void input_strip(const tern_ternary *w, size_t index, tern_strip_product p,
                        int16_t *strip)
{
    const size_t tiles = (w->cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    const size_t tile = index * (TERN_STRIP_COLS / TERN_TILE_COLS);
    const size_t panel_bytes = tiles * TERN_TILE_BYTES;
    const size_t steps = round_up(w->rows, TERN_PANEL_ROWS);
    const int16_t *a = p.a;
    for (size_t k = 0; k < steps; k += DEPTH) {
        const size_t depth = tern_min_size(DEPTH, steps - k);
        const uint8_t *codes = w->codes + k / TERN_PANEL_ROWS * panel_bytes;
        tern_grad16_active()->unpack(
            codes + tile * TERN_TILE_BYTES, panel_bytes, depth / TERN_PANEL_ROWS,
            tern_min_size(TERN_STRIP_COLS / TERN_TILE_COLS, tiles - tile), strip);
        p.a = a + k;
        p.steps = depth;
        p.first = k % FLUSH == 0;
        p.last = k + depth == steps || (k + depth) % FLUSH == 0;
        tern_grad16_active()->product(&p);
        if (p.last) p.add = true;
    }
}

static void input_part(const tern_grad16 *g, const tern_ternary *w, bool add, float *dx,
                       part at)
{
    _Alignas(LINE) int16_t strip[DEPTH * TERN_STRIP_COLS];
    _Alignas(LINE) int32_t partial[ROW_CHUNK * TERN_STRIP_COLS];
    float scale[ROW_CHUNK];
    for (size_t row = at.row; row < at.row_end; row += ROW_CHUNK) {
        const size_t rows = tern_min_size(ROW_CHUNK, at.row_end - row);
        for (size_t i = 0; i < rows; i++) scale[i] = w->scale * g->row_scale[row + i];
        for (size_t s = at.strip; s < at.strip_end; s++) {
            const size_t col = s * TERN_STRIP_COLS;
            const tern_strip_product p = {
                .a = g->row_codes + row * g->stride,
                .lda = g->stride,
                .strip = strip,
                .rows = rows,
                .cols = tern_min_size(TERN_STRIP_COLS, w->cols - col),
                .partial = partial,
                .scale = scale,
                .add = add,
                .y = dx + row * w->cols + col,
                .ldy = w->cols,
            };
            input_strip(w, s, p, strip);
        }
    }
}

void tern_grad16_input(const tern_grad16 *g, const tern_ternary *w, bool add, float *dx)
{
    assert(g->cols == w->rows && g->row_codes);
    const size_t strips = strip_count(w->cols);
    const size_t threads = threads_for(g->rows * w->rows * w->cols);
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < threads; i++)
        input_part(g, w, add, dx, part_of(g->rows, strips, i, threads));
}

/* Outputs [row, row + rows) for one strip, block of tokens after block of tokens. */
static void weight_strip(const tern_grad16 *g, const tern_qrows *x, float *dw,
                         size_t row, size_t rows, size_t index, int16_t *strip)
{
    const size_t col = index * TERN_STRIP_COLS;
    for (size_t b = 0; b < block_count(g->rows); b++) {
        const size_t first = b * TERN_GRAD16_TOKENS, out = b * g->cols + row;
        const size_t tokens = tern_min_size(TERN_GRAD16_TOKENS, g->rows - first);
        tern_grad16_active()->interleave(x->codes + first * x->stride + col, x->stride,
                                         tokens, strip);
        const tern_strip_product p = {
            .a = g->col_codes + out * TERN_GRAD16_TOKENS,
            .lda = TERN_GRAD16_TOKENS,
            .strip = strip,
            .rows = rows,
            .steps = round_up(tokens, TERN_STRIP_STEP),
            .cols = tern_min_size(TERN_STRIP_COLS, x->cols - col),
            .first = true,
            .last = true,
            .scale = g->col_scale + out,
            .add = true,
            .y = dw + row * x->cols + col,
            .ldy = x->cols,
        };
        tern_grad16_active()->product(&p);
    }
}

static void weight_part(const tern_grad16 *g, const tern_qrows *x, float *dw, part at)
{
    _Alignas(LINE) int16_t strip[TERN_GRAD16_TOKENS * TERN_STRIP_COLS];
    for (size_t row = at.row; row < at.row_end; row += ROW_CHUNK) {
        const size_t rows = tern_min_size(ROW_CHUNK, at.row_end - row);
        for (size_t s = at.strip; s < at.strip_end; s++)
            weight_strip(g, x, dw, row, rows, s, strip);
    }
}

void tern_grad16_weight(const tern_grad16 *g, const tern_qrows *x, float *dw)
{
    assert(g->rows == x->rows && g->col_codes);
    assert(x->stride == tern_qrows_stride(x->cols));
    const size_t strips = strip_count(x->cols);
    const size_t threads = threads_for(g->rows * g->cols * x->cols);
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < threads; i++)
        weight_part(g, x, dw, part_of(g->cols, strips, i, threads));
}

void tern_grad8_input(const tern_grad16 *g, const tern_ternary *wt, bool add, float *dx)
{
    tern_ternary_matmul(&g->bytes, wt, add ? dx : NULL, dx, wt->rows);
}
