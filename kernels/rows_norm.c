/* rows_norm.c - RMSNorm and rotary positions, rows in parallel.
 *
 * RMSNorm's gradient, with r = 1 / sqrt(mean(x^2) + eps), g = gain * dy, n columns:
 *
 *     y_i = r x_i gain_i,   dr/dx_j = -r^3 x_j / n
 *     dx_j = r g_j - (r^3 x_j / n) sum_i g_i x_i = r (g_j - (r x_j) mean_i(g_i r x_i))
 */
#include <math.h>

#include "kernels/float_kernels.h"
#include "kernels/rows.h"

enum {
    SERIAL = 1 << 13, /* floats: below this a second thread does not pay */
    BLOCK = 1 << 15,  /* floats of x (and of dy) that a block of rows holds */
    COLS = 64         /* columns that a thread sums at a time */
};

void tern_rmsnorm_rows(const float *x, const float *gain, float eps, size_t rows,
                       size_t cols, float *y, float *rstd)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * cols;
        const float r = tern_rms_rstd(k->sum_squares(xi, cols), cols, eps);
        k->rms_scale(xi, r, gain, cols, y + i * cols);
        if (rstd) rstd[i] = r;
    }
}

/* dgain over rows [first, end), one thread per group of columns. A thread meets its
 * group again in the next call, so each column is one sum over all rows in order. */
static void gain_gradient(const float *x, const float *rstd, const float *dy,
                          size_t first, size_t end, size_t cols, float *dgain)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp for schedule(static) nowait
    for (size_t c = 0; c < cols; c += COLS) {
        const size_t n = cols - c < COLS ? cols - c : COLS;
        for (size_t i = first; i < end; i++)
            k->rms_gain_grad(x + i * cols + c, rstd[i], dy + i * cols + c, n,
                             dgain + c);
    }
}

/* In blocks of rows that the second-level cache holds for dgain's turn. */
void tern_rmsnorm_rows_backward(const float *x, const float *gain, const float *rstd,
                                const float *dy, size_t rows, size_t cols, float *dx,
                                float *dgain)
{
    const tern_float_kernels *k = tern_float_active;
    const size_t step = BLOCK / cols + 1;
#pragma omp parallel num_threads(tern_threads()) if (rows * cols > SERIAL)
    for (size_t first = 0; first < rows; first += step) {
        const size_t end = rows - first < step ? rows : first + step;
#pragma omp for schedule(static) nowait
        for (size_t i = first; i < end; i++) {
            const float *xi = x + i * cols, *dyi = dy + i * cols;
            const float sum = k->rms_dot(xi, rstd[i], gain, dyi, cols);
            k->rms_grad(xi, rstd[i], gain, dyi, sum / (float)cols, cols, dx + i * cols);
        }
        if (dgain) gain_gradient(x, rstd, dy, first, end, cols, dgain);
    }
}

void tern_rope_table(size_t positions, size_t head_dim, double theta, float *cosines,
                     float *sines)
{
    const size_t half = head_dim / 2;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (positions * half > SERIAL)
    for (size_t i = 0; i < half; i++) {
        const double step = pow(theta, -2.0 * (double)i / (double)head_dim);
        for (size_t p = 0; p < positions; p++) {
            cosines[p * half + i] = (float)cos((double)p * step);
            sines[p * half + i] = (float)sin((double)p * step);
        }
    }
}

void tern_rope_rows(const float *x, size_t rows, size_t heads, size_t head_dim,
                    size_t pos0, size_t period, const float *cosines,
                    const float *sines, int sign, int add, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    const size_t half = head_dim / 2, width = heads * head_dim;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * width > SERIAL)
    for (size_t r = 0; r < rows; r++) {
        const size_t at = (pos0 + r % period) * half;
        for (size_t h = 0; h < heads; h++) {
            const size_t o = r * width + h * head_dim;
            k->rope(x + o, cosines + at, sines + at, half, sign < 0 ? -1.0f : 1.0f,
                    add != 0, y + o);
        }
    }
}
