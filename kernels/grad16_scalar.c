/* grad16_scalar.c - the integer backward in plain C: what every variant must equal. */
#include <math.h>
#include <string.h>

#include "kernels/grad16_kernels.h"
#include "kernels/kernels.h"

static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

static uint32_t peak(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t m = magnitude(x[i]);
        if (m > most) most = m;
    }
    return most;
}

static int16_t rounded(float x)
{
    return fabsf(x) < 32768.0f ? (int16_t)rintf(x) : 0; /* false for NaN */
}

static void round_row(const float *x, float scale, size_t n, int16_t *q)
{
    for (size_t i = 0; i < n; i++) q[i] = rounded(x[i] * scale);
}

static void peaks(const float *x, size_t ldx, const float *factor, size_t rows,
                  size_t cols, uint32_t *row, uint32_t *col)
{
    for (size_t r = 0; r < rows; r++, x += ldx) {
        row[r] = peak(x, cols);
        for (size_t c = 0; c < cols; c++) {
            const uint32_t m = magnitude(x[c] * factor[r]);
            if (m > col[c]) col[c] = m;
        }
    }
}

static void round_columns(const float *x, size_t ldx, const float *factor,
                          const float *scale, size_t rows, size_t cols, int16_t *q,
                          size_t ldq)
{
    const size_t end = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * TERN_STRIP_STEP;
    for (size_t c = 0; c < cols; c++) {
        for (size_t r = 0; r < rows; r++)
            q[c * ldq + r] = rounded((x[r * ldx + c] * factor[r]) * scale[c]);
        for (size_t r = rows; r < end; r++) q[c * ldq + r] = 0;
    }
}

static size_t at(size_t step, size_t col)
{
    return (step / 2 * TERN_STRIP_COLS + col) * 2 + step % 2;
}

static void unpack(const uint8_t *codes, size_t panel_bytes, size_t panels,
                   size_t tiles, int16_t *strip)
{
    for (size_t step = 0; step < panels * TERN_PANEL_ROWS; step++) {
        const uint8_t *row =
            codes + step / TERN_PANEL_ROWS * panel_bytes + 4 * (step % TERN_PANEL_ROWS);
        for (size_t c = 0; c < tiles * TERN_TILE_COLS; c++) {
            const int byte = row[c / TERN_TILE_COLS * TERN_TILE_BYTES + c % 4];
            const int u = byte >> 2 * (c % TERN_TILE_COLS / 4) & 3;
            strip[at(step, c)] = (int16_t)(u - 1);
        }
    }
}

static void interleave(const int8_t *q, size_t stride, size_t rows, int16_t *strip)
{
    const size_t end = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * TERN_STRIP_STEP;
    for (size_t r = 0; r < end; r++)
        for (size_t c = 0; c < TERN_STRIP_COLS; c++)
            strip[at(r, c)] = r < rows ? q[r * stride + c] : 0;
}

static void product(const tern_strip_product *p)
{
    for (size_t r = 0; r < p->rows; r++)
        for (size_t c = 0; c < p->cols; c++) {
            int32_t sum = p->first ? 0 : p->partial[r * TERN_STRIP_COLS + c];
            for (size_t k = 0; k < p->steps; k++)
                sum += p->a[r * p->lda + k] * p->strip[at(k, c)];
            float *y = p->y + r * p->ldy + c;
            const float value = (float)sum * p->scale[r];
            if (!p->last)
                p->partial[r * TERN_STRIP_COLS + c] = sum;
            else
                *y = p->add ? value + *y : value;
        }
}

const tern_grad16_kernels tern_grad16_scalar = {
    .peak = peak,
    .round = round_row,
    .peaks = peaks,
    .round_columns = round_columns,
    .unpack = unpack,
    .interleave = interleave,
    .product = product,
};
