/* sgd.c - stochastic gradient descent with momentum, plain or Nesterov's, in PyTorch's
 * form (the rate multiplies the velocity when it is used, not when it is stored); the
 * formula stands in kernels/rows.h. */
#include "kernels/rows.h"
#include "optim/rule.h"

static tern_status sgd_check(const tern_optim_config *c)
{
    if (!(c->momentum >= 0.0f && c->momentum < 1.0f))
        return tern_fail(TERN_EARG, "optim.momentum is %g, must be in [0, 1)",
                         (double)c->momentum);
    if (c->nesterov && c->momentum == 0.0f)
        return tern_fail(TERN_EARG,
                         "optim.nesterov needs momentum: set optim.momentum above 0");
    return TERN_OK;
}

static const char *const *sgd_slots(const tern_optim_config *c)
{
    static const char *const names[] = {"momentum", NULL};
    return c->momentum > 0.0f ? names : names + 1;
}

static void sgd_update(const tern_optim_config *c, const tern_step *s, tern_param *p,
                       float *const *state)
{
    tern_sgd_update(s->lr, c->momentum, c->nesterov, s->weight_decay, s->grad_scale,
                    p->grad, (size_t)(p->rows * p->cols), p->val, state[0]);
}

const tern_rule tern_rule_sgd = {
    .name = "sgd", .check = sgd_check, .slots = sgd_slots, .update = sgd_update};
