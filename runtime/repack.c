/* repack.c - see repack.h. Threads share the panels; 16 rows of the file make one, each
 * read once, and a panel of a few KB stays in the first-level cache meanwhile. */
#include "runtime/repack.h"

#include <stdint.h>
#include <string.h>

#include "base/half.h"
#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
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

/* Panel `panel` of w to `out`. */
static void repack_panel(const tern_gguf_tensor *t, size_t head_dim,
                         tern_repack *repack, const tern_ternary *w, size_t panel,
                         uint8_t *out, scales *s)
{
    const size_t tiles = (w->cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    const size_t first = panel * TERN_PANEL_ROWS, row_bytes = t->bytes / w->rows;
    const size_t rows =
        w->rows - first < TERN_PANEL_ROWS ? w->rows - first : TERN_PANEL_ROWS;
    if (rows < TERN_PANEL_ROWS) memset(out, TERN_TILE_ZERO, tiles * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *row =
            t->data + tern_repack_file_row(first + r, head_dim) * row_bytes;
        note_scale(s, repack(row, w->cols, r, out));
    }
}

bool tern_repack_blocks(const tern_gguf_tensor *t, size_t head_dim, tern_ternary *out)
{
    tern_repack *repack = function_for(t->type);
    if (!repack) return false;
    const size_t panels = tern_ternary_panels(out);
    const size_t bytes = tern_ternary_bytes(TERN_PANEL_ROWS, out->cols);
    scales s = {.low = INT32_MAX};
#pragma omp parallel for schedule(static) num_threads(tern_threads()) reduction(join   \
                                                                                : s)
    for (size_t p = 0; p < panels; p++)
        repack_panel(t, head_dim, repack, out, p, out->codes + p * bytes, &s);
    return one_scale(&s, &out->scale);
}

/* Panel `panel`, of 16 rows, of a tensor that has been checked. */
static void whole_panel(const tern_gguf_tensor *t, size_t head_dim,
                        const tern_ternary *w, size_t panel, uint8_t *out)
{
    const uint8_t *row[TERN_PANEL_ROWS];
    for (size_t r = 0; r < TERN_PANEL_ROWS; r++)
        row[r] = t->data + tern_repack_file_row(panel * TERN_PANEL_ROWS + r, head_dim) *
                               (t->bytes / w->rows);
    tern_decode_active->panel_tq2(row, w->cols, out);
}

void tern_repack_panels(const tern_gguf_tensor *t, size_t head_dim,
                        const tern_ternary *w, size_t first, size_t end, uint8_t *codes)
{
    const size_t bytes = tern_ternary_bytes(TERN_PANEL_ROWS, w->cols);
    scales s = {.low = INT32_MAX};
    for (size_t p = first; p < end; p++, codes += bytes)
        if ((p + 1) * TERN_PANEL_ROWS <= w->rows)
            whole_panel(t, head_dim, w, p, codes);
        else
            repack_panel(t, head_dim, function_for(t->type), w, p, codes, &s);
}

/* --- looking only --- */

enum { WORDS = TERN_TQ_BLOCK / 4 / sizeof(uint64_t) }; /* of a block's codes */

/* As tern_repack of a row of TQ2_0. Blocks of the scale that is known already, which
 * are nearly all, are not asked whether they are zero. */
static int32_t check_tq2(const uint8_t *row, size_t cols)
{
    const uint64_t ones = 0x5555555555555555; /* also 32 codes of t = 0 */
    uint64_t bad = 0;
    int32_t scale = 0;
    for (size_t c = 0; c < cols; c += TERN_TQ_BLOCK, row += TERN_TQ2_BYTES) {
        uint64_t codes[WORDS], nonzero = 0;
        uint16_t bits;
        memcpy(codes, row, sizeof codes);
        memcpy(&bits, row + sizeof codes, sizeof bits);
        /* Both bits of a code set: only 3 has them. */
        for (size_t i = 0; i < WORDS; i++) bad |= codes[i] & codes[i] >> 1;
        if (scale && bits == scale) continue;
        for (size_t i = 0; i < WORDS; i++) nonzero |= codes[i] ^ ones;
        if (nonzero) scale = tern_repack_scale(scale, bits);
        if (scale < 0) return scale;
    }
    return bad & ones ? -1 : scale;
}

bool tern_repack_check(const tern_gguf_tensor *t, size_t rows, size_t cols,
                       float *scale)
{
    if (t->type != TERN_GGML_TQ2_0) return false;
    const size_t row_bytes = t->bytes / rows;
    scales s = {.low = INT32_MAX};
#pragma omp parallel for schedule(static) num_threads(tern_threads()) reduction(join   \
                                                                                : s)
    for (size_t r = 0; r < rows; r++)
        note_scale(&s, check_tq2(t->data + r * row_bytes, cols));
    return one_scale(&s, scale);
}
