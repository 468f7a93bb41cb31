/* clip.c - the length of the whole gradient, and the factor that bounds it (Pascanu et
 * al. 2013, arXiv:1211.5063). The factor goes to tern_optim_step(): clipping costs no
 * pass over the gradients of its own. */
#include <math.h>

#include "kernels/rows.h"
#include "optim/optim.h"

double tern_grad_norm(tern_param *const *params, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const tern_param *p = params[i];
        sum += tern_sum_squares(p->grad, (size_t)(p->rows * p->cols));
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
