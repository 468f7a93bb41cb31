/* neondot.c - the ternary product with sdot.
 *
 * sdot multiplies a register of 4 rows x 4 codes (neon_product.h) with 4 activations,
 * which it takes from a quarter of another register, and adds each row's four products
 * to 32 bits: 16 activations, loaded once, serve a tile of 256 weights.
 *
 *              t0 & 3          q: 16 activations            sum, 32 bits
 *         +----+----+----+----+   +-------------+-- --+
 *   row 0 | u0 | u1 | u2 | u3 | x | q0 q1 q2 q3 | ... |   row 0 += u0 q0 + .. + u3 q3
 *       1 |    |    |    |    |   +-------------+-- --+       1 += the same of row 1
 *       2 |    |    |    |    |      j = 0        1..3        2
 *       3 |    |    |    |    |                               3
 *         +----+----+----+----+
 *
 * One row (decode): most instructions unpack codes, so as few as can be. Codes 4j of a
 * byte are masked where they stand, which leaves u 4^j; the sums of each j < 3 are kept
 * apart and divided by 4^j at the end, exactly. (128 does not fit a signed byte: j = 3
 * is shifted.) 16 ands and shifts, 16 sdots.
 *
 * Many rows: a panel is unpacked once into a buffer and every row of a chunk meets it
 * there, in groups of four rows: 16 sums in registers, 8 loads of a pair of registers
 * of codes and 4 of activations for 64 sdots. Columns beyond DEPTH_TILES come in
 * further passes; the sums wait in `partial`. */
#include <arm_neon.h>

#include "kernels/kernels.h"
#include "kernels/neon_product.h"
#include "kernels/unroll.h"

enum {
    ROW_CHUNK = 192,      /* rows that meet an unpacked buffer */
    GROUP = 4,            /* rows in registers */
    DEPTH_TILES = 64,     /* tiles of a panel unpacked at once: 64 * 256 B = 16 KiB */
    FEW_ROWS = 12,        /* fewer than these are few */
    FOLD_TILES = 1 << 16, /* a tile adds up to 2^14 to the sums that are 16 times too
                           * large */
    STEPS = 4 * QUARTERS, /* registers of unpacked codes of a tile */
};

/* The lane is part of the instruction, hence the switch. */
static inline int32x4_t dot4(int32x4_t sum, int8x16_t u, int8x16_t q, int j)
{
    switch (j) {
    case 0:
        return vdotq_laneq_s32(sum, u, q, 0);
    case 1:
        return vdotq_laneq_s32(sum, u, q, 1);
    case 2:
        return vdotq_laneq_s32(sum, u, q, 2);
    default:
        return vdotq_laneq_s32(sum, u, q, 3);
    }
}

/* --- one row --- */

/* Up to FOLD_TILES tiles. */
static inline void one_row_dots(const int8_t *q, const uint8_t *tile, size_t tiles,
                                int32x4_t sum[QUARTERS])
{
    const uint8x16_t mask[3] = {vdupq_n_u8(3), vdupq_n_u8(3 << 2), vdupq_n_u8(3 << 4)};
    int32x4_t scaled[QUARTERS][3]; /* by 1, 4 and 16 */
    TERN_UNROLLED (g, QUARTERS)
        TERN_UNROLLED (j, 3) scaled[g][j] = vdupq_n_s32(0);
    for (size_t c = 0; c < tiles; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES) {
        const int8x16_t x = vld1q_s8(q);
        TERN_UNROLLED (g, QUARTERS) {
            const uint8x16_t t = vld1q_u8(tile + 16 * g);
            TERN_UNROLLED (j, 3) {
                const int8x16_t u = vreinterpretq_s8_u8(vandq_u8(t, mask[j]));
                scaled[g][j] = dot4(scaled[g][j], u, x, j);
            }
            scaled[g][0] = dot4(scaled[g][0], neon_unpacked(t, 3), x, 3);
        }
    }
    TERN_UNROLLED (g, QUARTERS) {
        sum[g] = vaddq_s32(sum[g], scaled[g][0]);
        sum[g] = vsraq_n_s32(sum[g], scaled[g][1], 2);
        sum[g] = vsraq_n_s32(sum[g], scaled[g][2], 4);
    }
}

static void one_row(const tern_matmul_block *b, size_t row, size_t panel)
{
    int32x4_t sum[QUARTERS];
    TERN_UNROLLED (g, QUARTERS) sum[g] = vdupq_n_s32(-b->sum[row]);
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    for (size_t c = 0; c < b->tiles; c += FOLD_TILES) {
        const size_t left = b->tiles - c;
        one_row_dots(q + c * TERN_TILE_COLS, tile + c * TERN_TILE_BYTES,
                     left < FOLD_TILES ? left : FOLD_TILES, sum);
    }
    neon_finish(b, row, panel, sum);
}

/* --- few rows: the codes are unpacked in registers, for all of them --- */

TERN_INLINE void few_group(const tern_matmul_block *b, size_t row, size_t panel,
                           int rows)
{
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    int32x4_t sum[GROUP][QUARTERS];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (g, QUARTERS) sum[r][g] = vdupq_n_s32(-b->sum[row + (size_t)r]);
    for (size_t c = 0; c < b->tiles;
         c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES) {
        int8x16_t x[GROUP];
        TERN_UNROLLED (r, rows) x[r] = vld1q_s8(q + (size_t)r * b->stride);
        TERN_UNROLLED (g, QUARTERS) {
            const uint8x16_t t = vld1q_u8(tile + 16 * g);
            TERN_UNROLLED (j, 4) {
                const int8x16_t u = neon_unpacked(t, j);
                TERN_UNROLLED (r, rows) sum[r][g] = dot4(sum[r][g], u, x[r], j);
            }
        }
    }
    TERN_UNROLLED (r, rows) neon_finish(b, row + (size_t)r, panel, sum[r]);
}

static void matmul_few(const tern_matmul_block *b)
{
    for (size_t p = 0; p * TERN_PANEL_ROWS < b->outputs; p++) {
        size_t row = 0;
        for (; row + GROUP <= b->rows; row += GROUP) few_group(b, row, p, GROUP);
        switch (b->rows - row) {
        case 3:
            few_group(b, row, p, 3);
            break;
        case 2:
            few_group(b, row, p, 2);
            break;
        case 1:
            one_row(b, row, p);
            break;
        default:
            break;
        }
    }
}

/* --- many rows --- */

/* A chunk of rows and a pass of columns of one panel. */
typedef struct pass {
    const tern_matmul_block *block;
    size_t row0, rows, panel;
    size_t tile, tiles;
    const int8_t *codes;            /* unpacked: 16 bytes at (tile, quarter, j) */
    int32x4_t (*partial)[QUARTERS]; /* (rows) sums between passes */
} pass;

static void unpack(const pass *k, int8_t *out)
{
    const uint8_t *tile =
        k->block->codes + (k->panel * k->block->tiles + k->tile) * TERN_TILE_BYTES;
    for (size_t i = 0; i < k->tiles * QUARTERS; i++) {
        const uint8x16_t t = vld1q_u8(tile + 16 * i);
        TERN_UNROLLED (j, 4) {
            vst1q_s8(out, neon_unpacked(t, j));
            out += 16;
        }
    }
}

TERN_INLINE void many_dots(const int8_t *q, size_t stride, const int8_t *codes,
                           size_t tiles, int rows, int32x4_t sum[][QUARTERS])
{
    for (size_t c = 0; c < tiles; c++) {
        int8x16_t x[GROUP];
        TERN_UNROLLED (r, rows) x[r] = vld1q_s8(q + (size_t)r * stride);
        TERN_UNROLLED (g, QUARTERS)
            TERN_UNROLLED (j, 4) {
                const int8x16_t u = vld1q_s8(codes + 16 * (4 * g + j));
                TERN_UNROLLED (r, rows) sum[r][g] = dot4(sum[r][g], u, x[r], j);
            }
        codes += 16 * STEPS;
        q += TERN_TILE_COLS;
    }
}

/* `rows` rows of the chunk, from row i. */
TERN_INLINE void many_group(const pass *k, size_t i, int rows)
{
    const tern_matmul_block *b = k->block;
    const size_t row = k->row0 + i;
    int32x4_t sum[GROUP][QUARTERS], (*partial)[QUARTERS] = k->partial + i;
    if (k->tile == 0)
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (g, QUARTERS)
                sum[r][g] = vdupq_n_s32(-b->sum[row + (size_t)r]);
    else
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (g, QUARTERS) sum[r][g] = partial[r][g];
    const int8_t *q = b->q + row * b->stride + k->tile * TERN_TILE_COLS;
    many_dots(q, b->stride, k->codes, k->tiles, rows, sum);
    if (k->tile + k->tiles < b->tiles)
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (g, QUARTERS) partial[r][g] = sum[r][g];
    else
        TERN_UNROLLED (r, rows) neon_finish(b, row + (size_t)r, k->panel, sum[r]);
}

static void many_rows(pass *k, int8_t *buffer)
{
    const size_t tiles = k->block->tiles;
    for (k->tile = 0; k->tile < tiles; k->tile += DEPTH_TILES) {
        k->tiles = tiles - k->tile < DEPTH_TILES ? tiles - k->tile : DEPTH_TILES;
        unpack(k, buffer);
        size_t i = 0;
        for (; i + GROUP <= k->rows; i += GROUP) many_group(k, i, GROUP);
        for (; i + 2 <= k->rows; i += 2) many_group(k, i, 2);
        if (i < k->rows) many_group(k, i, 1);
    }
}

static void matmul(const tern_matmul_block *b)
{
    if (b->rows < FEW_ROWS || b->tiles == 0) {
        matmul_few(b);
        return;
    }
    int8_t buffer[DEPTH_TILES * STEPS * 16];
    int32x4_t partial[ROW_CHUNK][QUARTERS];
    const size_t panels = (b->outputs + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
    pass k = {.block = b, .codes = buffer, .partial = partial};
    for (k.row0 = 0; k.row0 < b->rows; k.row0 += ROW_CHUNK) {
        k.rows = b->rows - k.row0 < ROW_CHUNK ? b->rows - k.row0 : ROW_CHUNK;
        for (k.panel = 0; k.panel < panels; k.panel++) many_rows(&k, buffer);
    }
}

void tern_kernels_upgrade_neondot(tern_kernels *k)
{
    k->matmul = matmul;
}
