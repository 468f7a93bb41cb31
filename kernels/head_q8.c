/* head_q8.c - see head_q8.h.
 *
 *      x                    w, in panels of 16 rows      y
 *     +-----------+        +---+---+---+---+            +---------+--
 *     | 64 rows   |   x    | 8 panels at a time    =    | 64 x 128|
 *     |-----------|        +---+---+---+---+            |---------|
 *     | 64 rows   |                                     |         |
 *
 * Both stay in the second-level cache meanwhile; panels are read from memory once. */
#include "kernels/head_q8.h"

#include <assert.h>
#include <string.h>

#include "kernels/codes.h"

enum { X_ROWS = 64, PANELS = 8 };

/* -128 times their sum. */
static int32_t less_for(const int8_t q[16])
{
    int32_t sum = 0;
    for (size_t k = 0; k < 16; k++) sum += q[k];
    return -128 * sum;
}

void tern_q8_quantize_row(const float *x, size_t r, tern_q8_rows *out)
{
    const size_t blocks = out->cols / TERN_Q8_BLOCK;
    tern_q8_block *b = out->blocks + r * blocks;
    assert(out->cols % TERN_Q8_BLOCK == 0);
    for (const tern_q8_block *end = b + blocks; b < end; b++, x += TERN_Q8_BLOCK) {
        b->e = tern_quantize_codes(x, TERN_Q8_BLOCK, b->q, NULL);
        b->less[0] = less_for(b->q);
        b->less[1] = less_for(b->q + 16);
    }
}

void tern_codes_pack(tern_codes_type type, const uint8_t *rows_of_file, size_t rows,
                     size_t cols, uint8_t *panel)
{
    const tern_codes_shape s = tern_codes_shape_of(type);
    const size_t blocks = cols / TERN_Q8_BLOCK, count = blocks / s.blocks;
    assert(rows > 0 && rows <= TERN_PANEL_ROWS && blocks % s.blocks == 0);
    if (rows < TERN_PANEL_ROWS) memset(panel, 0, tern_codes_panel_bytes(type, blocks));
    for (size_t b = 0; b < count; b++)
        for (size_t r = 0; r < rows; r++)
            tern_codes_to_panel(type, rows_of_file + (r * count + b) * s.bytes, blocks,
                                b, r, panel);
}

void tern_codes_matmul_panels(const tern_q8_rows *x, tern_codes_type type,
                              const uint8_t *panels, size_t n, float *y, size_t ldy,
                              size_t first, size_t end)
{
    const size_t blocks = x->cols / TERN_Q8_BLOCK;
    const size_t bytes = tern_codes_panel_bytes(type, blocks);
    assert((uintptr_t)panels % TERN_CODES_WORD == 0);
    for (size_t p = first; p < end; p += PANELS, panels += PANELS * bytes) {
        const size_t from = p * TERN_PANEL_ROWS;
        const size_t to = (end - p < PANELS ? end : p + PANELS) * TERN_PANEL_ROWS;
        for (size_t i = 0; i < x->rows; i += X_ROWS)
            tern_decode_active->codes_product(&(tern_codes_product){
                .type = type,
                .x = x->blocks + i * blocks,
                .m = x->rows - i < X_ROWS ? x->rows - i : X_ROWS,
                .blocks = blocks,
                .panels = panels,
                .n = (to < n ? to : n) - from,
                .y = y + i * ldy + from,
                .ldy = ldy,
            });
    }
}
