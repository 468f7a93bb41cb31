/* rows_norm.c - RMSNorm, with or without a gated unit before it, and rotary positions,
 * rows in parallel.
 *
 * RMSNorm's gradient, with r = 1 / sqrt(mean(x^2) + eps), g = gain * dy, n columns:
 *
 *     y_i = r x_i gain_i,   dr/dx_j = -r^3 x_j / n
 *     dx_j = r g_j - (r^3 x_j / n) sum_i g_i x_i = r (g_j - (r x_j) mean_i(g_i r x_i))
 *
 * A thread has the same rows here as in the products before and after (parts.h), and
 * touches each once, while it is in the first level cache. So the gain's gradient, a
 * sum over rows, is summed for GROUP rows at a time, and then over the groups in their
 * order: the same bits for any number of threads.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/float_kernels.h"
#include "kernels/rows.h"

enum {
    SERIAL = 1 << 13, /* floats: below this a second thread does not pay */
    GROUP = 32,       /* rows whose gain gradients are summed at once */
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

/* --- the gradient --- */

/* Floats of a row, in whole lines of cache. */
static size_t line_up(size_t cols)
{
    return (cols + 15) / 16 * 16;
}

static size_t group_count(size_t rows)
{
    return (rows + GROUP - 1) / GROUP;
}

size_t tern_norm_scratch(size_t rows, size_t cols)
{
    return (group_count(rows) + 2 * (size_t)tern_threads()) * line_up(cols);
}

/* All columns' share of dgain over the groups, in the team of threads around. */
static void sum_groups(const float *sums, size_t groups, size_t cols, float *dgain)
{
    const size_t row = line_up(cols);
#pragma omp for schedule(static)
    for (size_t c = 0; c < cols; c += COLS)
        for (size_t i = 0; i < groups; i++)
            tern_float_active->add(dgain + c, sums + i * row + c,
                                   cols - c < COLS ? cols - c : COLS, dgain + c);
}

/* One row; sums, if it is not NULL, is its group's part of dgain. */
static void norm_row_backward(const float *x, const float *gain, float r,
                              const float *dy, size_t cols, bool add, float *dx,
                              float *sums)
{
    const tern_float_kernels *k = tern_float_active;
    const float sum = k->rms_dot(x, r, gain, dy, cols);
    k->rms_grad(x, r, gain, dy, sum / (float)cols, cols, add, dx);
    if (sums) k->rms_gain_grad(x, r, dy, cols, sums);
}

void tern_rmsnorm_rows_backward(const float *x, const float *gain, const float *rstd,
                                const float *dy, size_t rows, size_t cols, bool add,
                                float *dx, float *dgain, float *scratch)
{
    const size_t groups = group_count(rows);
#pragma omp parallel num_threads(tern_threads()) if (rows * cols > SERIAL)
    {
#pragma omp for schedule(static)
        for (size_t g = 0; g < groups; g++) {
            const size_t end = (g + 1) * GROUP < rows ? (g + 1) * GROUP : rows;
            float *sums = dgain ? scratch + g * line_up(cols) : NULL;
            if (sums) memset(sums, 0, cols * sizeof *sums);
            for (size_t i = g * GROUP; i < end; i++)
                norm_row_backward(x + i * cols, gain, rstd[i], dy + i * cols, cols, add,
                                  dx + i * cols, sums);
        }
        if (dgain) sum_groups(scratch, groups, cols, dgain);
    }
}

void tern_glu_rmsnorm_rows_backward(tern_activation f, const float *gate,
                                    const float *up, const float *gain,
                                    const float *rstd, const float *dy, size_t rows,
                                    size_t cols, bool add, float *dgate, float *dup,
                                    float *dgain, float *scratch)
{
    const size_t groups = group_count(rows), own = line_up(cols);
#pragma omp parallel num_threads(tern_threads()) if (rows * cols > SERIAL)
    {
        float *a = scratch + (groups + 2 * (size_t)omp_get_thread_num()) * own;
        float *da = a + own;
#pragma omp for schedule(static)
        for (size_t g = 0; g < groups; g++) {
            const size_t end = (g + 1) * GROUP < rows ? (g + 1) * GROUP : rows;
            float *sums = dgain ? scratch + g * own : NULL;
            if (sums) memset(sums, 0, cols * sizeof *sums);
            for (size_t i = g * GROUP; i < end; i++) {
                const size_t at = i * cols;
                tern_float_active->glu(f, gate + at, up + at, cols, a);
                norm_row_backward(a, gain, rstd[i], dy + at, cols, false, da, sums);
                tern_float_active->glu_grad(f, gate + at, up + at, da, cols, add,
                                            dgate + at, dup + at);
            }
        }
        if (dgain) sum_groups(scratch, groups, cols, dgain);
    }
}

/* --- rotary positions --- */

void tern_rope_table(size_t positions, size_t head_dim, double theta,
                     const float *factors, float *cosines, float *sines)
{
    const size_t half = head_dim / 2;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (positions * half > SERIAL)
    for (size_t i = 0; i < half; i++) {
        const double frequency = pow(theta, -2.0 * (double)i / (double)head_dim);
        const double step = factors ? frequency / (double)factors[i] : frequency;
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
