/* rows_loss.c - softmax, cross-entropy and the embedding, rows in parallel.
 *
 * Softmax subtracts the row's maximum m first, so nothing overflows:
 *
 *     p_j = exp(x_j - m) / sum_i exp(x_i - m),     logsumexp = m + log sum_i exp(x_i -
 * m)
 *
 * The logarithm is libm's, in double, and rounded once. */
#include <math.h>
#include <string.h>

#include "kernels/float_kernels.h"
#include "kernels/rows.h"

enum {
    SERIAL = 1 << 13, /* floats: below this a second thread does not pay */
    COLS = 64         /* columns that a thread scatters at a time */
};

void tern_softmax_rows(const float *x, size_t rows, size_t cols, float *y)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * cols;
        float *yi = y + i * cols;
        const float sum = k->exp_sum(xi, 1.0f, k->max(xi, cols), cols, yi);
        k->scale(1.0f / sum, yi, cols, yi);
    }
}

/* dx_j = y_j (dy_j - sum_i dy_i y_i) */
void tern_softmax_rows_backward(const float *y, const float *dy, size_t rows,
                                size_t cols, float *dx)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++) {
        const float *yi = y + i * cols, *dyi = dy + i * cols;
        k->softmax_grad(yi, dyi, k->dot(yi, dyi, cols), cols, dx + i * cols);
    }
}

void tern_cross_entropy_rows(const float *logits, const int32_t *target, size_t rows,
                             size_t cols, float *loss, float *lse)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++) {
        const float *x = logits + i * cols;
        const float m = k->max(x, cols);
        const double l = (double)m + log((double)k->exp_sum(x, 1.0f, m, cols, NULL));
        lse[i] = (float)l;
        loss[i] = target[i] < 0 ? 0.0f : (float)(l - (double)x[target[i]]);
    }
}

void tern_cross_entropy_backward(const float *logits, const int32_t *target,
                                 const float *lse, size_t rows, size_t cols,
                                 float scale, float *dlogits)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++) {
        if (target[i] < 0) continue;
        float *d = dlogits + i * cols;
        k->exp_axpy(logits + i * cols, lse[i], scale, cols, d);
        d[target[i]] -= scale;
    }
}

void tern_embed_rows(const float *table, const int32_t *ids, size_t rows, size_t cols,
                     float *y)
{
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t i = 0; i < rows; i++)
        memcpy(y + i * cols, table + (size_t)ids[i] * cols, cols * sizeof *y);
}

/* Threads share the columns, not the rows: two rows may have the same id. */
void tern_embed_backward(const int32_t *ids, const float *dy, size_t rows, size_t cols,
                         float *dtable)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > SERIAL)
    for (size_t c = 0; c < cols; c += COLS) {
        const size_t n = cols - c < COLS ? cols - c : COLS;
        for (size_t i = 0; i < rows; i++) {
            float *d = dtable + (size_t)ids[i] * cols + c;
            k->add(d, dy + i * cols + c, n, d);
        }
    }
}
