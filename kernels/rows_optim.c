/* rows_optim.c - one pass over a parameter for the optimizers. */
#include "kernels/float_kernels.h"
#include "kernels/rows.h"

enum {
    CHUNK = 1 << 14, /* elements that a thread updates at a time */
    PARTS = 64       /* partial sums, whatever the number of threads */
};

/* The cut into parts depends on n only, and the parts are added in order. */
double tern_sum_squares(const float *x, size_t n)
{
    const tern_float_kernels *k = tern_float_active;
    const size_t even = (n / PARTS + 16) / 16 * 16;
    const size_t step = even > 4096 ? even : 4096;
    double part[PARTS] = {0};
#pragma omp parallel for num_threads(tern_threads()) if (n > CHUNK)
    for (size_t p = 0; p < PARTS; p++) {
        const size_t first = p * step;
        if (first >= n) continue;
        part[p] = k->sum_squares_double(x + first, n - first < step ? n - first : step);
    }
    double sum = 0.0;
    for (size_t p = 0; p < PARTS; p++) sum += part[p];
    return sum;
}

void tern_adamw_update(const tern_adamw_args *a, const float *g, size_t n, float *w,
                       float *m, float *v)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads()) if (n > CHUNK)
    for (size_t i = 0; i < n; i += CHUNK)
        k->adamw(a, g + i, n - i < CHUNK ? n - i : CHUNK, w + i, m + i, v + i);
}

void tern_sgd_update(float lr, float momentum, int nesterov, float weight_decay,
                     float grad_scale, const float *g, size_t n, float *w, float *m)
{
    const tern_float_kernels *k = tern_float_active;
#pragma omp parallel for num_threads(tern_threads()) if (n > CHUNK)
    for (size_t i = 0; i < n; i += CHUNK)
        k->sgd(lr, momentum, nesterov != 0, weight_decay, grad_scale, g + i,
               n - i < CHUNK ? n - i : CHUNK, w + i, m ? m + i : NULL);
}
