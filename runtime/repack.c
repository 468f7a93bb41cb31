/* repack.c - see repack.h. Threads share the panels; 16 rows of the file make one,
 * which stays in the first-level cache meanwhile.
 *
 * The file is read some panels at a time. With heads of 32 rows, in llama.cpp's order
 * of rotary pairs, both panels of a head take the same rows, and one alone takes 31:
 *
 *     file       0  1  2  3  4  5  ...  28 29 30 31 | 32 ...
 *     panel 0    0     1     2     ...  14    15    |
 *     panel 1       0     1     2  ...     14    15 |
 */
#include "runtime/repack.h"

#include <stdint.h>
#include <string.h>

#include "base/half.h"
#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
#include "kernels/parts.h"
#include "kernels/team.h"

static tern_repack *function_for(uint32_t type)
{
    switch (type) {
    case TERN_GGML_TQ2_0:
        return tern_decode_active->repack_tq2;
    case TERN_GGML_TQ1_0:
        return tern_decode_active->repack_tq1;
    case TERN_GGML_Q2_0:
        return tern_decode_active->repack_q2;
    default:
        return NULL;
    }
}

size_t tern_repack_file_row(size_t r, size_t head_dim)
{
    if (head_dim == 0) return r;
    const size_t in_head = r % head_dim, half = head_dim / 2;
    return r - in_head + 2 * (in_head % half) + in_head / half;
}

/* What is known of the scales (fp16 bits) of some rows. */
typedef struct scales {
    int32_t low, high; /* of rows that are not zero; low > high: there are none */
} scales;

static void note_scale(scales *s, int32_t scale)
{
    if (scale == 0) return;
    if (scale < s->low) s->low = scale;
    if (scale > s->high) s->high = scale;
}

/* What threads found, each of its own rows. */
static void join_scales(scales *to, const scales *from)
{
    if (from->low < to->low) to->low = from->low;
    if (from->high > to->high) to->high = from->high;
}
#pragma omp declare reduction(join:scales                                              \
                              : join_scales(&omp_out, &omp_in))                        \
    initializer(omp_priv = {.low = INT32_MAX})

static bool one_scale(const scales *s, float *out)
{
    if (s->low < 0 || (s->high > 0 && s->low != s->high)) return false;
    *out = tern_float_from_half((uint16_t)s->high);
    return true;
}

/* Rows of a tensor, some of them in `data`. */
typedef struct source {
    const uint8_t *data; /* begins with this row of the file: */
    size_t first;
    size_t row_bytes, head_dim;
} source;

/* Row r of tern's order. */
static const uint8_t *row_of(const source *in, size_t r)
{
    const size_t row = tern_repack_file_row(r, in->head_dim);
    return in->data + (row - in->first) * in->row_bytes;
}

/* Blocks are larger than their codes in panels: 66 bytes for 64 of TQ2_0, 18 for 16 of
 * Q2_0. */
enum { READ_BYTES = TERN_REPACK_BYTES / 16 * TERN_Q2_BYTES };

/* What panels [first, end) are made of, in `buffer` if they fit. */
static source read_panels(const tern_gguf_tensor *t, size_t head_dim, size_t rows,
                          size_t first, size_t end, uint8_t buffer[READ_BYTES])
{
    size_t from = first * TERN_PANEL_ROWS;
    size_t to = tern_min_size(end * TERN_PANEL_ROWS, rows);
    if (head_dim && 2 * from / head_dim == 2 * (to - 1) / head_dim) { /* in a half */
        to = tern_repack_file_row(to - 1, head_dim) + 1;
        from = tern_repack_file_row(from, head_dim);
    } else if (head_dim) { /* whole heads */
        from -= from % head_dim;
        to += head_dim - 1 - (to - 1) % head_dim;
    }
    source in = {.first = from, .row_bytes = t->bytes / rows, .head_dim = head_dim};
    in.data = tern_gguf_read(t, from * in.row_bytes, (to - from) * in.row_bytes, buffer,
                             READ_BYTES);
    return in;
}

size_t tern_repack_step(const tern_ternary *w, size_t head_dim)
{
    const size_t panels = tern_ternary_panels(w), threads = (size_t)tern_threads();
    const size_t share = (panels + threads - 1) / threads;
    const size_t fit = TERN_REPACK_BYTES / tern_ternary_bytes(TERN_PANEL_ROWS, w->cols);
    const size_t most = fit ? fit : 1, head = head_dim / TERN_PANEL_ROWS;
    if (head_dim % TERN_PANEL_ROWS) { /* parts of two heads are read besides */
        const size_t cut = 2 * (head + 1);
        return tern_min_size(share, most > cut ? most - cut : 1);
    }
    if (head == 0) return tern_min_size(share, most);
    if (head <= most) {
        const size_t step = tern_min_size(share, most);
        return step > head ? step - step % head : head;
    }
    /* Of half a head every other row. */
    size_t step = most > 1 ? most / 2 : 1;
    while (head / 2 % step) step--;
    return step;
}

/* Panel `panel` of w to `out`. */
static void repack_panel(const source *in, tern_repack *repack, const tern_ternary *w,
                         size_t panel, uint8_t *out, scales *s)
{
    const size_t tiles = (w->cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    const size_t first = panel * TERN_PANEL_ROWS;
    const size_t rows = tern_min_size(w->rows - first, TERN_PANEL_ROWS);
    if (rows < TERN_PANEL_ROWS) memset(out, TERN_TILE_ZERO, tiles * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++)
        note_scale(s, repack(row_of(in, first + r), w->cols, r, out));
}

bool tern_repack_blocks(const tern_gguf_tensor *t, size_t head_dim, tern_ternary *out)
{
    tern_repack *repack = function_for(t->type);
    if (!repack) return false;
    const size_t panels = tern_ternary_panels(out);
    const size_t bytes = tern_ternary_bytes(TERN_PANEL_ROWS, out->cols);
    const size_t step = tern_repack_step(out, head_dim);
    scales s = {.low = INT32_MAX};
#pragma omp parallel for schedule(static) num_threads(tern_threads()) reduction(join   \
                                                                                : s)
    for (size_t first = 0; first < panels; first += step) {
        uint8_t buffer[READ_BYTES];
        const size_t end = tern_min_size(first + step, panels);
        const source in = read_panels(t, head_dim, out->rows, first, end, buffer);
        for (size_t p = first; p < end; p++)
            repack_panel(&in, repack, out, p, out->codes + p * bytes, &s);
    }
    return one_scale(&s, &out->scale);
}

/* Panel `panel`, of 16 rows, of a tensor that has been checked. */
static void whole_panel(const source *in, size_t cols, size_t panel, uint8_t *out)
{
    const uint8_t *row[TERN_PANEL_ROWS];
    for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
        row[r] = row_of(in, panel * TERN_PANEL_ROWS + r);
    tern_decode_active->panel_tq2(row, cols, out);
}

void tern_repack_panels(const tern_gguf_tensor *t, size_t head_dim,
                        const tern_ternary *w, size_t first, size_t end, uint8_t *codes)
{
    uint8_t buffer[READ_BYTES];
    const source in = read_panels(t, head_dim, w->rows, first, end, buffer);
    const size_t bytes = tern_ternary_bytes(TERN_PANEL_ROWS, w->cols);
    scales s = {.low = INT32_MAX};
    for (size_t p = first; p < end; p++, codes += bytes)
        if ((p + 1) * TERN_PANEL_ROWS <= w->rows)
            whole_panel(&in, w->cols, p, codes);
        else
            repack_panel(&in, function_for(t->type), w, p, codes, &s);
}

/* --- looking only --- */

/* The codes of a block, of 2 bits. */
enum { LANES = TERN_TQ_BLOCK / 4 / sizeof(uint64_t) };
typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t))));

static bool any_of(const lanes *x)
{
    uint64_t any = 0;
    for (size_t i = 0; i < LANES; i++) any |= (*x)[i];
    return any != 0;
}

/* As tern_repack of a row of TQ2_0. Blocks of the scale that is known already, which
 * are nearly all, are not asked whether they are zero. */
static int32_t check_tq2(const uint8_t *row, size_t cols)
{
    const lanes ones = (lanes){0} + 0x5555555555555555; /* also codes of t = 0 */
    lanes bad = {0};
    int32_t scale = 0;
    for (size_t c = 0; c < cols; c += TERN_TQ_BLOCK, row += TERN_TQ2_BYTES) {
        lanes codes;
        uint16_t bits;
        memcpy(&codes, row, sizeof codes);
        memcpy(&bits, row + sizeof codes, sizeof bits);
        bad |= codes & codes >> 1; /* both bits of a code: only 3 has them */
        if (scale && bits == scale) continue;
        const lanes nonzero = codes ^ ones;
        if (any_of(&nonzero)) scale = tern_repack_scale(scale, bits);
        if (scale < 0) return scale;
    }
    bad &= ones;
    return any_of(&bad) ? -1 : scale;
}

bool tern_repack_check(const tern_gguf_tensor *t, tern_ternary *out)
{
    if (t->type != TERN_GGML_TQ2_0) return false;
    const size_t panels = tern_ternary_panels(out), step = tern_repack_step(out, 0);
    scales s = {.low = INT32_MAX};
#pragma omp parallel for schedule(static) num_threads(tern_threads()) reduction(join   \
                                                                                : s)
    for (size_t first = 0; first < panels; first += step) {
        uint8_t buffer[READ_BYTES];
        const size_t end = tern_min_size(first + step, panels);
        const source in = read_panels(t, 0, out->rows, first, end, buffer);
        const size_t to = tern_min_size(end * TERN_PANEL_ROWS, out->rows);
        for (size_t r = first * TERN_PANEL_ROWS; r < to; r++)
            note_scale(&s, check_tq2(row_of(&in, r), out->cols));
    }
    return one_scale(&s, &out->scale);
}
