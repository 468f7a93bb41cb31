/* repack.c - see repack.h. Threads share the panels; 16 rows of the file make one, each
 * read once, and a panel of a few KB stays in the first-level cache meanwhile. */
#include "runtime/repack.h"

#include <stdint.h>
#include <string.h>

#include "base/half.h"
#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"

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

/* The row of the file that is row r of tern's: what tern_gguf_rotary_row() undoes. */
static size_t file_row(size_t r, size_t head_dim)
{
    if (head_dim == 0) return r;
    const size_t in_head = r % head_dim, half = head_dim / 2;
    return r - in_head + 2 * (in_head % half) + in_head / half;
}

/* What is known of the scales (fp16 bits) of some rows. */
typedef struct scales {
    int32_t low, high; /* of rows that are not zero; low > high: there are none */
} scales;

static void repack_panel(const tern_gguf_tensor *t, size_t head_dim,
                         tern_repack *repack, const tern_ternary *w, size_t panel,
                         scales *s)
{
    const size_t tiles = (w->cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    const size_t first = panel * TERN_PANEL_ROWS, row_bytes = t->bytes / w->rows;
    const size_t rows =
        w->rows - first < TERN_PANEL_ROWS ? w->rows - first : TERN_PANEL_ROWS;
    uint8_t *out = w->codes + panel * tiles * TERN_TILE_BYTES;
    if (rows < TERN_PANEL_ROWS) memset(out, TERN_TILE_ZERO, tiles * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *row = t->data + file_row(first + r, head_dim) * row_bytes;
        const int32_t scale = repack(row, w->cols, r, out);
        if (scale == 0) continue;
        if (scale < s->low) s->low = scale;
        if (scale > s->high) s->high = scale;
    }
}

bool tern_repack_blocks(const tern_gguf_tensor *t, size_t head_dim, tern_ternary *out)
{
    tern_repack *repack = function_for(t->type);
    if (!repack) return false;
    const size_t panels = (out->rows + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
    int32_t low = INT32_MAX, high = 0;
#pragma omp parallel for schedule(static) num_threads(tern_threads()) reduction(min    \
                                                                                : low) \
    reduction(max                                                                      \
              : high)
    for (size_t p = 0; p < panels; p++) {
        scales s = {.low = low, .high = high};
        repack_panel(t, head_dim, repack, out, p, &s);
        low = s.low;
        high = s.high;
    }
    if (low < 0 || (high > 0 && low != high)) return false;
    out->scale = tern_float_from_half((uint16_t)high);
    return true;
}
