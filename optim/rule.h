/* rule.h - what one kind of optimizer has to say. Internal to optim/.
 *
 * optim.c owns parameters, state and order; a rule owns the arithmetic of one update.
 * A new optimizer is a file with a rule in it, and one line in optim.c.
 */
#ifndef TERN_OPTIM_RULE_H
#define TERN_OPTIM_RULE_H

#include "optim/optim.h"

enum { TERN_OPTIM_MAX_SLOTS = 4 };

/* The numbers of one step. weight_decay is already 0 for a parameter without decay. */
typedef struct tern_step {
    int64_t step; /* from 1 */
    float lr, weight_decay, grad_scale;
    float *scratch; /* as many floats as the rule asked for */
} tern_step;

/* Small parameters are updated at the same time, each by one thread; large ones after
 * each other, each by all. A function of the shape alone, so that results do not depend
 * on threads. */
static inline bool tern_rule_is_small(const tern_param *p)
{
    return p->rows * p->cols <= 1 << 20;
}

typedef struct tern_rule {
    const char *name;
    /* TERN_EARG names the option that is out of range. */
    tern_status (*check)(const tern_optim_config *c);
    /* Names of the state arrays that this config needs, ended by NULL. */
    const char *const *(*slots)(const tern_optim_config *c);
    /* Does parameter p have state array `slot`? NULL: it has all. */
    bool (*keeps)(const tern_param *p, size_t slot);
    /* Floats of scratch for the update of p. NULL: none. */
    size_t (*scratch)(const tern_param *p);
    /* p->val from p->grad and the state: one pointer per slot, (rows, cols) each,
     * NULL where the parameter does not keep it. May run beside the updates of others.
     */
    void (*update)(const tern_optim_config *c, const tern_step *s, tern_param *p,
                   float *const *state);
} tern_rule;

extern const tern_rule tern_rule_adamw, tern_rule_sgd, tern_rule_muon;

#endif /* TERN_OPTIM_RULE_H */
