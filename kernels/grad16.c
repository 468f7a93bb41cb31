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
 * dW, for a strip of 64 input columns: 256 tokens of q are interleaved into the first
 * level cache, where every output's 256 gradients meet them; then the next block of
 * tokens. The 64 columns of dW stay in the second level cache meanwhile.
 *
 *            tokens               inputs                     inputs
 *           +--256--+---         +--64--+---                +--64--+---
 *   outputs |   B   |     x  256 | int. |        +=  outputs|  dW  |
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
    ROW_CHUNK = 192,        /* tokens that meet an unpacked strip of dX */
    ROW_UNIT = 6,           /* rows a thread gets: the kernel's group */
    COL_CHUNK = 64,         /* columns rounded at once */
    SLICES = 4,             /* of a block, so that a few blocks share out evenly */
    PARALLEL_MIN = 1 << 20, /* multiply-adds below which threads cost more */
    ROUND_MIN = 32768,      /* elements, likewise */
    LINE = 64,
};

static const float CODE_MAX = 32767.0f;
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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
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
           (2 * rows + blocks * cols) * sizeof(float);
}

tern_grad16 tern_grad16_place(void *memory, size_t rows, size_t cols, bool input,
                              bool weight)
{
    tern_grad16 g = {.rows = rows, .cols = cols, .stride = row_stride(cols)};
    const size_t blocks = block_count(rows);
    char *at = memory;
    if (input) g.row_codes = (int16_t *)(void *)at;
    at += round_up(rows * g.stride * sizeof(int16_t), LINE);
    if (weight) g.col_codes = (int16_t *)(void *)at;
    at += round_up(blocks * cols * TERN_GRAD16_TOKENS * sizeof(int16_t), LINE);
    g.row_scale = (float *)(void *)at;
    g.inverse = g.row_scale + rows;
    g.col_scale = g.inverse + rows;
    return g;
}

/* --- rounding --- */

/* From the bits of the largest magnitude: what to multiply by; and the step, which is
 * NaN if that is no finite number. */
static float scale_of(uint32_t bits, float *step)
{
    float peak;
    memcpy(&peak, &bits, sizeof peak);
    if (!isfinite(peak)) {
        *step = NAN;
        return 0.0f; /* and the codes are 0 */
    }
    if (!(peak > PEAK_MIN)) peak = PEAK_MIN;
    *step = peak / CODE_MAX;
    return CODE_MAX / peak;
}

static void quantize_row(const float *dy, tern_grad16 *g, size_t r)
{
    const tern_grad16_kernels *k = tern_grad16_active;
    int16_t *q = g->row_codes + r * g->stride;
    const float *x = dy + r * g->cols;
    k->round(x, scale_of(k->peak(x, g->cols), &g->row_scale[r]), g->cols, q);
    memset(q + g->cols, 0, (g->stride - g->cols) * sizeof *q);
}

/* Columns [c, c + COL_CHUNK) of a block of tokens. */
static void quantize_columns(const float *dy, tern_grad16 *g, size_t block, size_t c)
{
    const tern_grad16_kernels *k = tern_grad16_active;
    const size_t first = block * TERN_GRAD16_TOKENS, at = block * g->cols + c;
    const size_t rows = least(TERN_GRAD16_TOKENS, g->rows - first);
    const size_t cols = least(COL_CHUNK, g->cols - c);
    const float *x = dy + first * g->cols + c;
    uint32_t peak[COL_CHUNK];
    float scale[COL_CHUNK];
    k->column_peaks(x, g->cols, g->inverse + first, rows, cols, peak);
    for (size_t i = 0; i < cols; i++)
        scale[i] = scale_of(peak[i], &g->col_scale[at + i]);
    k->round_columns(x, g->cols, g->inverse + first, scale, rows, cols,
                     g->col_codes + at * TERN_GRAD16_TOKENS, TERN_GRAD16_TOKENS);
}

/* Slice i of a block: a fourth of its rows, and of its columns. */
static void quantize_slice(const float *dy, tern_grad16 *g, size_t block, size_t i)
{
    const size_t first = block * TERN_GRAD16_TOKENS;
    const size_t rows = least(TERN_GRAD16_TOKENS, g->rows - first);
    const size_t end = first + tern_part_start(rows, 1, i + 1, SLICES);
    if (g->row_codes)
        for (size_t r = first + tern_part_start(rows, 1, i, SLICES); r < end; r++)
            quantize_row(dy, g, r);
    const size_t last = tern_part_start(g->cols, COL_CHUNK, i + 1, SLICES);
    if (g->col_codes)
        for (size_t c = tern_part_start(g->cols, COL_CHUNK, i, SLICES); c < last;
             c += COL_CHUNK)
            quantize_columns(dy, g, block, c);
}

void tern_grad16_quantize(const float *dy, const float *s, tern_grad16 *g)
{
    const size_t slices = SLICES * block_count(g->rows);
    const int threads = g->rows * g->cols < ROUND_MIN ? 1 : tern_threads();
    for (size_t r = 0; r < g->rows; r++) g->inverse[r] = 1.0f / s[r];
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < slices; i++) quantize_slice(dy, g, i / SLICES, i % SLICES);
}

/* --- the products --- */

/* A part of the output: rows and strips. */
typedef struct part {
    size_t row, row_end, strip, strip_end;
} part;

/* Part i of `threads`: strips are dealt out first, as far as they divide evenly, since
 * who shares a strip unpacks it twice. */
static part part_of(size_t rows, size_t strips, size_t i, size_t threads)
{
    size_t across = threads;
    while (strips % across != 0 || threads % across != 0) across--;
    const size_t down = threads / across;
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
        const size_t depth = least(DEPTH, steps - k);
        const uint8_t *codes = w->codes + k / TERN_PANEL_ROWS * panel_bytes;
        tern_grad16_active->unpack(
            codes + tile * TERN_TILE_BYTES, panel_bytes, depth / TERN_PANEL_ROWS,
            least(TERN_STRIP_COLS / TERN_TILE_COLS, tiles - tile), strip);
        p.a = a + k;
        p.steps = depth;
        p.first = k % FLUSH == 0;
        p.last = k + depth == steps || (k + depth) % FLUSH == 0;
        tern_grad16_active->product(&p);
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
        const size_t rows = least(ROW_CHUNK, at.row_end - row);
        for (size_t i = 0; i < rows; i++) scale[i] = w->scale * g->row_scale[row + i];
        for (size_t s = at.strip; s < at.strip_end; s++) {
            const size_t col = s * TERN_STRIP_COLS;
            const tern_strip_product p = {
                .a = g->row_codes + row * g->stride,
                .lda = g->stride,
                .strip = strip,
                .rows = rows,
                .cols = least(TERN_STRIP_COLS, w->cols - col),
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

static void weight_part(const tern_grad16 *g, const tern_qrows *x, float *dw, part at)
{
    _Alignas(LINE) int16_t strip[TERN_GRAD16_TOKENS * TERN_STRIP_COLS];
    for (size_t s = at.strip; s < at.strip_end; s++) {
        const size_t col = s * TERN_STRIP_COLS;
        for (size_t b = 0; b < block_count(g->rows); b++) {
            const size_t first = b * TERN_GRAD16_TOKENS, out = b * g->cols + at.row;
            const size_t tokens = least(TERN_GRAD16_TOKENS, g->rows - first);
            tern_grad16_active->interleave(x->codes + first * x->stride + col,
                                           x->stride, tokens, strip);
            const tern_strip_product p = {
                .a = g->col_codes + out * TERN_GRAD16_TOKENS,
                .lda = TERN_GRAD16_TOKENS,
                .strip = strip,
                .rows = at.row_end - at.row,
                .steps = round_up(tokens, TERN_STRIP_STEP),
                .cols = least(TERN_STRIP_COLS, x->cols - col),
                .first = true,
                .last = true,
                .scale = g->col_scale + out,
                .add = true,
                .y = dw + at.row * x->cols + col,
                .ldy = x->cols,
            };
            tern_grad16_active->product(&p);
        }
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
