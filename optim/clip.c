/* clip.c - the length of the whole gradient, and the factor that bounds it (Pascanu et
 * al. 2013, arXiv:1211.5063). The factor goes to tern_optim_step(): clipping costs no
 * pass over the gradients of its own. */
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/rows.h"
#include "optim/optim.h"

double tern_grad_norm(tern_param *const *params, size_t count)
{
    enum { AT_ONCE = 256 };
    double sum = 0.0, part[AT_ONCE];
    for (size_t first = 0; first < count; first += AT_ONCE) {
        const size_t n = count - first < AT_ONCE ? count - first : AT_ONCE;
#pragma omp parallel for schedule(dynamic) num_threads(tern_threads())
        for (size_t i = 0; i < n; i++) {
            const tern_param *p = params[first + i];
            part[i] = tern_sum_squares(p->grad, (size_t)(p->rows * p->cols));
        }
        for (size_t i = 0; i < n; i++) sum += part[i];
    }
    return sqrt(sum);
}

float tern_clip_scale(double norm, float clip)
{
    if (!(clip > 0.0f)) return 1.0f;
    const double factor = (double)clip / (norm + 1e-6);
    /* Not "factor < 1 ? factor : 1": a NaN norm must stay visible. */
    return factor >= 1.0 ? 1.0f : (float)factor;
}
