/* scalar.c - the integer kernels in plain C: what every other variant must equal. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

static float absmax(const float *x, size_t n)
{
    float max = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float a = fabsf(x[i]);
        if (a > max) max = a; /* false for NaN */
    }
    return max;
}

static int32_t quantize(const float *x, float s, size_t n, int8_t *q)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        float v = rintf(x[i] * s);
        v = v > -128.0f ? v : -128.0f; /* so written, NaN becomes -128 */
        v = v < 127.0f ? v : 127.0f;
        q[i] = (int8_t)v;
        sum += q[i];
    }
    return sum;
}

static void dequantize(const int8_t *q, float s, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)q[i] / s;
}

static double abs_sum(const float *w, size_t n)
{
    double lane[16] = {0};
    return tern_abs_sum_finish(lane, w, n);
}

static void pack(const float *w, size_t ld, size_t rows, size_t cols, float half,
                 uint8_t *tiles)
{
    const size_t count = (cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    memset(tiles, TERN_TILE_ZERO, count * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            const float x = w[r * ld + c];
            const unsigned u = 1u + (x > half) - (x < -half);
            /* The code there is 1: exclusive or with 1 ^ u makes it u. */
            tiles[c / 16 * 64 + 4 * r + c % 4] ^=
                (uint8_t)((1 ^ u) << 2 * (c % 16 / 4));
        }
}

static void expand(const uint8_t *tiles, size_t r, size_t cols, float *t)
{
    for (size_t c = 0; c < cols; c++) {
        const int byte = tiles[c / 16 * 64 + 4 * r + c % 4];
        t[c] = (float)((byte >> 2 * (c % 16 / 4) & 3) - 1);
    }
}

/* sum q u of one quantised row with the 16 rows of a panel. */
static void panel_dots(const int8_t *q, const uint8_t *tile, size_t tiles,
                       int32_t dot[TERN_PANEL_ROWS])
{
    memset(dot, 0, TERN_PANEL_ROWS * sizeof *dot);
    for (size_t c = 0; c < tiles; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES)
        for (int r = 0; r < TERN_PANEL_ROWS; r++)
            for (int j = 0; j < 4; j++)
                for (int b = 0; b < 4; b++)
                    dot[r] += (tile[4 * r + b] >> 2 * j & 3) * q[4 * j + b];
}

static void matmul_row(const tern_matmul_block *b, size_t i)
{
    const float factor = b->gamma / b->scale[i];
    const float *add = b->add ? b->add + i * b->ldy : NULL;
    float *y = b->y + i * b->ldy;
    int32_t dot[TERN_PANEL_ROWS];
    for (size_t n = 0; n < b->outputs; n++) {
        const size_t r = n % TERN_PANEL_ROWS;
        if (r == 0)
            panel_dots(b->q + i * b->stride,
                       b->codes + n / TERN_PANEL_ROWS * b->tiles * TERN_TILE_BYTES,
                       b->tiles, dot);
        const float product = (float)(dot[r] - b->sum[i]) * factor;
        y[n] = add ? product + add[n] : product;
    }
}

static void matmul(const tern_matmul_block *b)
{
    for (size_t i = 0; i < b->rows; i++) matmul_row(b, i);
}

const tern_kernels tern_kernels_scalar = {
    .absmax = absmax,
    .quantize = quantize,
    .dequantize = dequantize,
    .abs_sum = abs_sum,
    .pack = pack,
    .expand = expand,
    .matmul = matmul,
};
