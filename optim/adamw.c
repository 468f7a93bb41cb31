/* adamw.c - Adam with decoupled weight decay (Loshchilov & Hutter 2017,
 * arXiv:1711.05101), in PyTorch's form; the formula stands in kernels/rows.h.
 *
 * The bias corrections 1 - b^t are computed in double: in float, 1 - 0.999^1 has lost
 * four of its seven digits. */
#include <math.h>

#include "kernels/rows.h"
#include "optim/rule.h"

static tern_status adamw_check(const tern_optim_config *c)
{
    if (!(c->beta1 >= 0.0f && c->beta1 < 1.0f))
        return tern_fail(TERN_EARG, "optim.beta1 is %g, must be in [0, 1)",
                         (double)c->beta1);
    if (!(c->beta2 >= 0.0f && c->beta2 < 1.0f))
        return tern_fail(TERN_EARG, "optim.beta2 is %g, must be in [0, 1)",
                         (double)c->beta2);
    if (!(c->eps > 0.0f && c->eps < 1.0f))
        return tern_fail(TERN_EARG, "optim.eps is %g, must be in (0, 1)",
                         (double)c->eps);
    return TERN_OK;
}

static const char *const *adamw_slots(const tern_optim_config *c)
{
    static const char *const names[] = {"m", "v", NULL};
    (void)c;
    return names;
}

static void adamw_update(const tern_optim_config *c, const tern_step *s, tern_param *p,
                         float *const *state)
{
    const double t = (double)s->step;
    const tern_adamw_args args = {.lr = s->lr,
                                  .beta1 = c->beta1,
                                  .beta2 = c->beta2,
                                  .eps = c->eps,
                                  .weight_decay = s->weight_decay,
                                  .grad_scale = s->grad_scale,
                                  .correction1 = 1.0 - pow((double)c->beta1, t),
                                  .correction2 = 1.0 - pow((double)c->beta2, t)};
    tern_adamw_update(&args, p->grad, (size_t)(p->rows * p->cols), p->val, state[0],
                      state[1]);
}

const tern_rule tern_rule_adamw = {.name = "adamw",
                                   .check = adamw_check,
                                   .slots = adamw_slots,
                                   .update = adamw_update};
