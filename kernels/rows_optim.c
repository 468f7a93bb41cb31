/* rows_optim.c - one pass over a parameter for the optimizers. */
#include "kernels/float_kernels.h"
#include "kernels/parts.h"
#include "kernels/rows.h"

enum { PARTS = 64 }; /* partial sums at most, whatever the number of threads */

/* The cut into parts depends on n only, and the parts are added in order. */
double tern_sum_squares(const float *x, size_t n)
{
    const tern_float_kernels *k = tern_float_active;
    const size_t even = (n / PARTS + 16) / 16 * 16;
    const size_t step = even > 4096 ? even : 4096;
    const size_t parts = (n + step - 1) / step;
    double part[PARTS];
#pragma omp parallel for num_threads(tern_threads()) schedule(static) if (parts > 1)
    for (size_t p = 0; p < parts; p++) {
        const size_t first = p * step;
        part[p] = k->sum_squares_double(x + first, n - first < step ? n - first : step);
    }
    double sum = 0.0;
    for (size_t p = 0; p < parts; p++) sum += part[p];
    return sum;
}

void tern_adamw_update(const tern_adamw_args *a, const float *g, size_t n, float *w,
                       float *m, float *v)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->adamw(a, g + i, c, w + i, m + i, v + i));
}

void tern_sgd_update(float lr, float momentum, int nesterov, float weight_decay,
                     float grad_scale, const float *g, size_t n, float *w, float *m)
{
    const tern_float_kernels *k = tern_float_active;
    TERN_IN_SHARES(n, k->sgd(lr, momentum, nesterov != 0, weight_decay, grad_scale,
                             g + i, c, w + i, m ? m + i : NULL));
}
