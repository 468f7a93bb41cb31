/* optim.c - the state of an optimizer, and the walk over the parameters.
 *
 * State arrays stand in one table, slot by slot: state[slot * count + param].
 *
 * Small parameters are updated and refreshed at the same time, each by one thread, the
 * largest first: to share one of 16384 numbers would take longer than to update it.
 * Large ones come after each other, each updated by all threads. */
#include "optim/optim.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/arena.h"
#include "kernels/cpu.h"
#include "optim/rule.h"

struct tern_optim {
    tern_optim_config config;
    const tern_rule *rule;
    tern_param *const *params; /* borrowed */
    size_t count, slots;
    const char *slot_names[TERN_OPTIM_MAX_SLOTS];
    float **state;        /* (slots, count) */
    size_t *order;        /* (count) the small ones, by size, and then the large */
    size_t small;         /* how many are small */
    float *scratch;       /* of one large parameter, or of `threads` small ones */
    size_t small_scratch; /* floats for each of them */
    size_t threads;
};

static const tern_rule *find_rule(tern_optim_kind kind)
{
    static const tern_rule *const rules[] = {
        [TERN_ADAMW] = &tern_rule_adamw,
        [TERN_SGD] = &tern_rule_sgd,
        [TERN_MUON] = &tern_rule_muon,
    };
    const size_t known = sizeof rules / sizeof *rules;
    return (size_t)kind < known ? rules[kind] : NULL;
}

static bool alloc_state(tern_optim *o)
{
    const char *const *names = o->rule->slots(&o->config);
    while (names[o->slots]) {
        o->slot_names[o->slots] = names[o->slots];
        o->slots++;
    }
    o->state = calloc(o->slots * o->count + 1, sizeof *o->state);
    if (!o->state) return false;
    for (size_t i = 0; i < o->slots * o->count; i++) {
        const tern_param *p = o->params[i % o->count];
        if (o->rule->keeps && !o->rule->keeps(p, i / o->count)) continue;
        o->state[i] = tern_calloc((size_t)(p->rows * p->cols), sizeof(float));
        if (!o->state[i]) return false;
    }
    return true;
}

/* A small one stands before a large one, and before a smaller one. */
static bool stands_before(const tern_param *a, const tern_param *b)
{
    const bool small_a = tern_rule_is_small(a), small_b = tern_rule_is_small(b);
    if (small_a != small_b) return small_a;
    return small_a && a->rows * a->cols > b->rows * b->cols;
}

/* By insertion: there are some hundreds. */
static bool alloc_order(tern_optim *o)
{
    o->order = malloc((o->count + 1) * sizeof *o->order);
    if (!o->order) return false;
    for (size_t i = 0; i < o->count; i++) {
        size_t at = i;
        for (; at > 0 && stands_before(o->params[i], o->params[o->order[at - 1]]); at--)
            o->order[at] = o->order[at - 1];
        o->order[at] = i;
        o->small += tern_rule_is_small(o->params[i]);
    }
    return true;
}

/* Scratch that the update of a parameter needs. */
static size_t scratch_of(const tern_optim *o, size_t i)
{
    return o->rule->scratch ? o->rule->scratch(o->params[i]) : 0;
}

/* As many places of what the largest needs as are in use at the same time. */
static bool alloc_scratch(tern_optim *o)
{
    size_t small = 0, large = 0;
    for (size_t i = 0; i < o->count; i++) {
        size_t *most = tern_rule_is_small(o->params[i]) ? &small : &large;
        if (scratch_of(o, i) > *most) *most = scratch_of(o, i);
    }
    o->threads = (size_t)tern_threads() < o->small ? (size_t)tern_threads() : o->small;
    if (o->threads == 0) o->threads = 1;
    const size_t unit = TERN_ALIGN / sizeof(float);
    o->small_scratch = (small + unit - 1) / unit * unit;
    const size_t all = o->threads * o->small_scratch;
    if (!all && !large) return true;
    o->scratch = tern_calloc(all > large ? all : large, sizeof *o->scratch);
    return o->scratch != NULL;
}

tern_status tern_optim_new(const tern_optim_config *c, tern_param *const *params,
                           size_t count, tern_optim **out)
{
    const tern_rule *rule = find_rule(c->kind);
    if (!rule)
        return tern_fail(TERN_EARG, "optim.kind: unknown optimizer %d", (int)c->kind);
    TERN_TRY(rule->check(c));
    tern_optim *o = calloc(1, sizeof *o);
    if (o) {
        o->config = *c;
        o->rule = rule;
        o->params = params;
        o->count = count;
        if (alloc_state(o) && alloc_order(o) && alloc_scratch(o)) {
            *out = o;
            return TERN_OK;
        }
        tern_optim_free(o);
    }
    return tern_fail(TERN_EMEM, "%s: no memory for the state of %zu parameters",
                     rule->name, count);
}

void tern_optim_free(tern_optim *o)
{
    if (!o) return;
    for (size_t i = 0; o->state && i < o->slots * o->count; i++) tern_free(o->state[i]);
    tern_free(o->scratch);
    free(o->state);
    free(o->order);
    free(o);
}

static tern_status check_step(const tern_optim *o, const tern_step *s)
{
    if (s->step < 1)
        return tern_fail(TERN_EARG, "%s: step %" PRId64 ", but steps count from 1",
                         o->rule->name, s->step);
    if (!isfinite(s->lr) || !isfinite(s->weight_decay))
        return tern_fail(TERN_ENUMERIC,
                         "%s: learning rate %g, weight decay %g: not finite",
                         o->rule->name, (double)s->lr, (double)s->weight_decay);
    if (!isfinite(s->grad_scale))
        return tern_fail(TERN_ENUMERIC,
                         "%s: the gradient norm is not finite; try a lower "
                         "learning rate or a longer warm-up",
                         o->rule->name);
    return TERN_OK;
}

/* Parameter i: its value, and what forward reads of it. */
static tern_status update(tern_optim *o, tern_step s, size_t i, float *scratch)
{
    tern_param *p = o->params[i];
    float *state[TERN_OPTIM_MAX_SLOTS] = {NULL};
    for (size_t j = 0; j < o->slots; j++) state[j] = o->state[j * o->count + i];
    if (!p->decay) s.weight_decay = 0.0f;
    s.scratch = scratch;
    o->rule->update(&o->config, &s, p, state);
    return tern_param_refresh(p);
}

/* The small ones. Messages are a thread's own: the first failure is said again. */
static tern_status update_beside(tern_optim *o, const tern_step *s)
{
    size_t failed = o->count;
#pragma omp parallel for schedule(dynamic) num_threads((int)o->threads)
    for (size_t i = 0; i < o->small; i++) {
        float *scratch =
            o->scratch ? o->scratch + (size_t)omp_get_thread_num() * o->small_scratch
                       : NULL;
        if (update(o, *s, o->order[i], scratch) != TERN_OK)
#pragma omp critical
            if (o->order[i] < failed) failed = o->order[i];
    }
    return failed < o->count ? tern_param_refresh(o->params[failed]) : TERN_OK;
}

tern_status tern_optim_step(tern_optim *o, int64_t step, float lr, float weight_decay,
                            float grad_scale)
{
    const tern_step s = {
        .step = step, .lr = lr, .weight_decay = weight_decay, .grad_scale = grad_scale};
    TERN_TRY(check_step(o, &s));
    TERN_TRY(update_beside(o, &s));
    for (size_t i = o->small; i < o->count; i++)
        TERN_TRY(update(o, s, o->order[i], o->scratch));
    return TERN_OK;
}

size_t tern_optim_slots(const tern_optim *o)
{
    return o->slots;
}

const char *tern_optim_slot_name(const tern_optim *o, size_t slot)
{
    return o->slot_names[slot];
}

float *tern_optim_slot(tern_optim *o, size_t slot, size_t param)
{
    return o->state[slot * o->count + param];
}
