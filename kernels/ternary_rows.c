/* ternary_rows.c - activations to 8-bit codes, one scale per row. */
#include <assert.h>
#include <omp.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/float_kernels.h"
#include "kernels/kernels.h"
#include "kernels/team.h"
#include "kernels/ternary.h"

static const float MAX_MIN = 1e-5f; /* smallest divisor of 127 */

enum {
    PARALLEL_MIN = 32768, /* elements below which threads cost more than they bring */
    PIECE = 4096,         /* normalised elements kept at once: 16 KiB of stack */
};

static int threads_for(size_t rows, size_t cols)
{
    return rows < 2 || rows * cols < PARALLEL_MIN ? 1 : tern_threads();
}

static float row_scale(float absmax)
{
    return 127.0f / (absmax > MAX_MIN ? absmax : MAX_MIN);
}

static void quantize_row(const float *x, tern_qrows *out, size_t r)
{
    const tern_kernels *k = tern_kernels_active;
    int8_t *q = out->codes + r * out->stride;
    const float s = row_scale(k->absmax(x, out->cols));
    out->scale[r] = s;
    out->sum[r] = k->quantize(x, s, out->cols, q);
    memset(q + out->cols, 0, out->stride - out->cols);
}

void tern_quantize_rows(const float *x, tern_qrows *out)
{
    assert(out->stride == tern_qrows_stride(out->cols));
    const int threads = threads_for(out->rows, out->cols);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t r = 0; r < out->rows; r++) quantize_row(x + r * out->cols, out, r);
}

/* Piece `at` of the normalised row, (r * x) * gain, as tern_rmsnorm_rows() makes it. */
static size_t normalise(const float *x, const float *gain, float rstd, size_t cols,
                        size_t at, float *y)
{
    const size_t n = cols - at < PIECE ? cols - at : PIECE;
    tern_float_active->rms_scale(x + at, rstd, gain ? gain + at : NULL, n, y);
    return n;
}

/* The quantiser needs the row's maximum first, so a row that fits the buffer is
 * normalised once, a longer one twice; its bits are the same both times. */
static void rmsnorm_quantize_row(const float *x, const float *gain, float rstd,
                                 tern_qrows *out, size_t r)
{
    const tern_kernels *k = tern_kernels_active;
    int8_t *q = out->codes + r * out->stride;
    float y[PIECE], max = 0.0f;
    for (size_t at = 0; at < out->cols; at += PIECE) {
        const float m = k->absmax(y, normalise(x, gain, rstd, out->cols, at, y));
        if (m > max) max = m;
    }
    const float s = row_scale(max);
    int32_t sum = 0;
    for (size_t at = 0; at < out->cols; at += PIECE) {
        size_t n = out->cols;
        if (n > PIECE) n = normalise(x, gain, rstd, out->cols, at, y);
        sum += k->quantize(y, s, n, q + at);
    }
    out->scale[r] = s;
    out->sum[r] = sum;
    memset(q + out->cols, 0, out->stride - out->cols);
}

void tern_rmsnorm_quantize_rows(const float *x, const float *gain, float eps,
                                float *rstd, tern_qrows *out)
{
    assert(out->stride == tern_qrows_stride(out->cols));
    const size_t cols = out->cols;
    const int threads = threads_for(out->rows, cols);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t r = 0; r < out->rows; r++) {
        const float *row = x + r * cols;
        const float squares = tern_float_active->sum_squares(row, cols);
        const float scale = tern_rms_rstd(squares, cols, eps);
        if (rstd) rstd[r] = scale;
        rmsnorm_quantize_row(row, gain, scale, out, r);
    }
}

void tern_glu_rmsnorm_quantize_rows(tern_activation f, const float *gate,
                                    const float *up, const float *gain, float eps,
                                    float *rstd, tern_qrows *out, float *scratch)
{
    assert(out->stride == tern_qrows_stride(out->cols));
    const size_t cols = out->cols, own = (cols + 15) / 16 * 16;
    const int threads = threads_for(out->rows, cols);
#pragma omp parallel num_threads(threads)
    {
        float *a = scratch + (size_t)omp_get_thread_num() * own;
#pragma omp for schedule(static)
        for (size_t r = 0; r < out->rows; r++) {
            tern_float_active->glu(f, gate + r * cols, up + r * cols, cols, a);
            const float squares = tern_float_active->sum_squares(a, cols);
            rstd[r] = tern_rms_rstd(squares, cols, eps);
            rmsnorm_quantize_row(a, gain, rstd[r], out, r);
        }
    }
}

void tern_quantize_row(const float *x, const float *gain, float eps, size_t r,
                       tern_qrows *out)
{
    if (!gain) {
        quantize_row(x, out, r);
        return;
    }
    const float squares = tern_float_active->sum_squares(x, out->cols);
    rmsnorm_quantize_row(x, gain, tern_rms_rstd(squares, out->cols, eps), out, r);
}

void tern_dequantize_rows(const tern_qrows *x, size_t first, size_t n, float *y,
                          size_t ld)
{
    assert(first + n <= x->rows);
    const int threads = threads_for(n, x->cols);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < n; i++) {
        const size_t r = first + i;
        tern_kernels_active->dequantize(x->codes + r * x->stride, x->scale[r], x->cols,
                                        y + i * ld);
    }
}
