/* rows.c - activations and element-by-element work, in parallel. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/float_kernels.h"
#include "kernels/parts.h"
#include "kernels/rows.h"

static const float DRAWS = 65536.0f; /* dropout: of 16 bits */

/* --- activations --- */

/* Phi(x), the normal distribution: in double, so that its float is the same anywhere.
 */
static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static void gelu(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        y[i] = (float)(v * normal_cdf(v));
    }
}

/* Phi(x) + x phi(x), phi the normal density. */
static void gelu_grad(const float *x, const float *dy, size_t n, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        const double density = 0.39894228040143267794 * exp(-0.5 * v * v);
        dx[i] += dy[i] * (float)(normal_cdf(v) + v * density);
    }
}

void tern_unary_map(tern_unary f, const float *x, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    void (*const map)(const float *, size_t, float *) = f == TERN_UNARY_SILU ? k->silu
                                                        : f == TERN_UNARY_RELU2
                                                            ? k->relu2
                                                            : gelu;
    TERN_IN_SHARES(n, map(x + i, c, y + i));
}

void tern_unary_backward(tern_unary f, const float *x, const float *dy, size_t n,
                         float *dx)
{
    const tern_float_kernels *k = tern_float_active;
    void (*const grad)(const float *, const float *, size_t, float *) =
        f == TERN_UNARY_SILU    ? k->silu_grad
        : f == TERN_UNARY_RELU2 ? k->relu2_grad
                                : gelu_grad;
    TERN_IN_SHARES(n, grad(x + i, dy + i, c, dx + i));
}

void tern_glu(tern_activation f, const float *gate, const float *up, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->glu(f, gate + i, up + i, c, y + i));
}

void tern_glu_backward(tern_activation f, const float *gate, const float *up,
                       const float *dy, size_t n, bool add, float *dgate, float *dup)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(
        n, k->glu_grad(f, gate + i, up + i, dy + i, c, add, dgate + i, dup + i));
}

/* --- element by element --- */

void tern_zero(size_t n, float *y)
{
    TERN_IN_SHARES(n, memset(y + i, 0, c * sizeof *y));
}

void tern_copy(const float *x, size_t n, float *y)
{
    TERN_IN_SHARES(n, memcpy(y + i, x + i, c * sizeof *y));
}

void tern_add(const float *a, const float *b, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->add(a + i, b + i, c, y + i));
}

void tern_mul(const float *a, const float *b, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->mul(a + i, b + i, c, y + i));
}

void tern_axpy(float a, const float *x, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->axpy(a, x + i, c, y + i));
}

void tern_mul_add(const float *a, const float *b, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->mul_add(a + i, b + i, c, y + i));
}

void tern_round_half(const float *x, size_t n, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->round_half(x + i, c, y + i));
}

void tern_dropout_map(const float *x, size_t n, float p, uint64_t seed, uint64_t key,
                      int add, float *y)
{
    const tern_float_kernels *k = tern_float_active;
    /* One seed per (seed, key): the stream number stays that of dropout. */
    const uint64_t own = tern_rand_u64(seed, TERN_STREAM_DROPOUT, key);
    const uint32_t below = (uint32_t)lrintf(p * DRAWS);
    const float keep = 1.0f / (1.0f - p);
    TERN_IN_SHARES(n, k->dropout(x + i, own, i, below, keep, add != 0, c, y + i));
}

void tern_add_bias(const float *b, size_t rows, size_t cols, float *y)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > TERN_SHARE_MIN)
    for (size_t r = 0; r < rows; r++) k->add(y + r * cols, b, cols, y + r * cols);
}

/* Each thread sums its own columns over the rows in order. */
void tern_bias_backward(const float *dy, size_t rows, size_t cols, float *db)
{
    enum { COLS = 64 };
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads())                                   \
    schedule(static) if (rows * cols > TERN_SHARE_MIN)
    for (size_t c = 0; c < cols; c += COLS) {
        const size_t n = cols - c < COLS ? cols - c : COLS;
        for (size_t r = 0; r < rows; r++) k->add(db + c, dy + r * cols + c, n, db + c);
    }
}
