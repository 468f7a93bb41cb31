/* trainer.c - the loop.
 *
 *     gradients of state S -> finite? -> checkpoint S if due -> update -> state S + 1
 *                          -> metrics -> evaluation, best.h5 if due
 *
 * A checkpoint is written after the first gradients taken from its state, not before:
 * so a state whose loss is already infinite is never the newest one on disk, and what a
 * run can be resumed from is always good. For the last state, which no step follows,
 * the gradients are taken for this alone. The line of metrics and the evaluation of a
 * step are on disk before its checkpoint, and before best.h5; if the process dies in
 * between, the steps are done again and write the same. What happens when a number is
 * not finite is in trainer_stop.c. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "train/run_dir.h"
#include "train/trainer_parts.h"

const tern_config *tern_trainer_config(const tern_trainer *t)
{
    return &t->config;
}

tern_model *tern_trainer_model(tern_trainer *t)
{
    return t->model;
}

int64_t tern_trainer_step_count(const tern_trainer *t)
{
    return t->state.step;
}

/* --- telling the listener --- */

static void tell(tern_trainer *t, tern_train_event_kind kind)
{
    tern_train_event *e = &t->event;
    if (!t->listener) return;
    const int64_t left = t->config.steps - t->state.step;
    e->kind = kind;
    e->step = t->state.step;
    e->steps = t->config.steps;
    e->best_val = t->state.best_val;
    e->entropy = t->state.entropy;
    e->seconds_left =
        t->step_seconds > 0.0 ? t->step_seconds * (double)left : (double)NAN;
    t->listener(t->user, e);
}

static void tell_fraction(double fraction, void *user)
{
    tern_trainer *t = user;
    t->event.fraction = fraction;
    tell(t, TERN_EVENT_EVAL_BEGIN);
}

/* --- what only ternary training has --- */

/* Part of all ternary codes that are 0; NaN if there are none. */
static double zero_fraction(const tern_params *list)
{
    int64_t zeros = 0, all = 0;
    for (size_t i = 0; i < list->count; i++) {
        int64_t counts[3];
        if (list->items[i]->form != TERN_FORM_TERNARY) continue;
        tern_ternary_count(&list->items[i]->ternary, counts);
        zeros += counts[1];
        all += counts[0] + counts[1] + counts[2];
    }
    return all ? (double)zeros / (double)all : (double)NAN;
}

static int64_t count_flips(const tern_params *list)
{
    int64_t flips = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->form == TERN_FORM_TERNARY) flips += list->items[i]->flips;
    return flips;
}

/* "wq" of "layers.0.attn.wq". */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static bool names_matrix(const tern_param *p, const char *part)
{
    return p->form == TERN_FORM_TERNARY && strcmp(last_part(p->name), part) == 0;
}

/* {"wq":[layer 0, layer 1, ...], ...}: the scales, by kind of matrix. */
static void add_gammas(tern_metrics *m, const tern_params *list)
{
    tern_metrics_lists(m, "gamma");
    for (size_t i = 0; i < list->count; i++) {
        const char *part = last_part(list->items[i]->name);
        bool seen = list->items[i]->form != TERN_FORM_TERNARY;
        for (size_t j = 0; j < i && !seen; j++)
            seen = names_matrix(list->items[j], part);
        if (seen) continue;
        tern_metrics_list(m, part);
        for (size_t j = i; j < list->count; j++)
            if (names_matrix(list->items[j], part))
                tern_metrics_item(m, (double)list->items[j]->ternary.scale);
        tern_metrics_list_end(m);
    }
    tern_metrics_lists_end(m);
}

/* --- metrics --- */

static tern_status log_step(tern_trainer *t)
{
    const tern_train_event *e = &t->event;
    const tern_params *list = tern_model_params(t->model);
    const bool ternary = t->config.model.quant == TERN_QUANT_TERNARY;
    const int64_t steps = t->state.step - t->logged_step;
    const double batch = (double)(t->config.batch * t->config.accumulate);
    tern_metrics *m = &t->metrics;

    tern_metrics_begin(m, "step", t->state.step);
    tern_metrics_real(m, "loss", e->loss);
    tern_metrics_real(m, "lr", e->lr);
    tern_metrics_real(
        m, "weight_decay",
        tern_schedule_weight_decay(&t->config.schedule, t->state.step - 1));
    tern_metrics_real(m, "grad_norm", e->grad_norm);
    if (ternary) {
        tern_metrics_real(m, "zero_fraction", e->zero_fraction);
        tern_metrics_int(m, "flips", e->flips);
        if (t->config.quant_warmup) tern_metrics_real(m, "lambda", (double)t->share);
        add_gammas(m, list);
    }
    tern_metrics_int(m, "tokens", t->state.tokens);
    tern_metrics_real(m, "tokens_per_second",
                      (double)steps * batch * (double)t->config.model.context /
                          t->logged_seconds);
    tern_metrics_real(m, "seconds", tern_seconds() - t->began);
    t->logged_step = t->state.step;
    t->logged_seconds = 0.0;
    return tern_metrics_end(m);
}

static tern_status log_eval(tern_trainer *t)
{
    const tern_eval_result *r = &t->event.eval;
    tern_metrics *m = &t->metrics;
    tern_metrics_begin(m, "eval", t->state.step);
    tern_metrics_real(m, "loss", r->loss);
    tern_metrics_real(m, "perplexity", r->perplexity);
    tern_metrics_real(m, "bits_per_byte", r->bits_per_byte);
    tern_metrics_int(m, "tokens", r->tokens);
    tern_metrics_int(m, "bytes", r->bytes);
    tern_metrics_bool(m, "best", t->event.best);
    tern_metrics_real(m, "seconds", tern_seconds() - t->began);
    return tern_metrics_end(m);
}

/* --- checkpoints --- */

tern_status tern_trainer_save_as(tern_trainer *t, const char *path)
{
    return tern_checkpoint_save(path, &t->config, tern_dataset_tokenizer(t->data),
                                t->model, t->optim, &t->state);
}

/* The state as it is, unless it is on disk already. */
static tern_status save(tern_trainer *t, tern_train_event_kind kind)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_run_step_path(t->dir, t->state.step, path));
    if (t->saved != t->state.step) {
        TERN_TRY(tern_metrics_flush(&t->metrics));
        TERN_TRY(tern_trainer_save_as(t, path));
        t->saved = t->state.step;
        TERN_TRY(tern_run_prune(t->dir, t->config.keep));
    }
    t->event.path = path;
    tell(t, kind);
    t->event.path = NULL;
    return TERN_OK;
}

static bool is_due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

/* --- from floats to ternary --- */

/* The weights as step state.step sees them: a function of the step alone. */
static tern_status mix(tern_trainer *t)
{
    const int64_t warmup = t->config.quant_warmup, step = t->state.step;
    const float share = step < warmup ? (float)step / (float)warmup : 1.0f;
    if (share == t->share) return TERN_OK;
    t->share = share;
    return tern_params_set_share(tern_model_params(t->model), share);
}

/* --- evaluation --- */

static tern_status evaluate(tern_trainer *t)
{
    tern_eval_result *r = &t->event.eval;
    char path[TERN_PATH_MAX];
    TERN_TRY(mix(t));
    tell_fraction(0.0, t);
    TERN_TRY(tern_eval(tern_gradients_tape(t->gradients), t->model, t->data, TERN_VAL,
                       t->config.eval_tokens, t->config.eval_stride, tell_fraction, t,
                       r));
    if (!isfinite(r->loss))
        return tern_trainer_stop(t, TERN_STOP_EVAL, "the validation loss", r->loss);
    t->state.val = r->loss;
    /* Also the first one; but half-way to ternary is another model. */
    t->event.best = !(r->loss >= t->state.best_val) && t->share == 1.0f;
    if (t->event.best) t->state.best_val = r->loss;
    t->event.zero_fraction = zero_fraction(tern_model_params(t->model));
    TERN_TRY(log_eval(t));
    if (t->event.best) {
        TERN_TRY(tern_run_best_path(t->dir, path));
        TERN_TRY(tern_metrics_flush(&t->metrics));
        TERN_TRY(tern_trainer_save_as(t, path));
    }
    tell(t, TERN_EVENT_EVAL);
    return TERN_OK;
}

static bool eval_is_due(const tern_trainer *t)
{
    return tern_dataset_tokens(t->data, TERN_VAL) > 1 &&
           (t->state.step == t->config.steps ||
            is_due(t->state.step, t->config.eval_every));
}

/* --- one step --- */

/* Gradients of one step: the mean over its batches. */
static tern_status gradients(tern_trainer *t, double *loss)
{
    const tern_config *c = &t->config;
    double sum = 0.0;
    tern_params_zero_grad(tern_model_params(t->model));
    for (int64_t i = 0; i < c->accumulate; i++) {
        const uint64_t index = (uint64_t)(t->state.step * c->accumulate + i);
        TERN_TRY(tern_loader_batch(&t->loader, index, t->inputs, t->targets));
        double mean;
        const tern_status s = tern_gradients_batch(t->gradients, index, t->inputs,
                                                   t->targets, &mean, NULL);
        if (s != TERN_OK)
            return tern_fail(s, "step %" PRId64 ": %s", t->state.step + 1,
                             tern_error_message());
        sum += mean;
    }
    *loss = sum / (double)c->accumulate;
    return TERN_OK;
}

static tern_status finite_gradients(tern_trainer *t, tern_stop_moment moment,
                                    double *loss, double *norm)
{
    const tern_params *list = tern_model_params(t->model);
    TERN_TRY(gradients(t, loss));
    *norm = tern_grad_norm(list->items, list->count);
    if (!isfinite(*loss)) return tern_trainer_stop(t, moment, "the loss", *loss);
    if (!isfinite(*norm))
        return tern_trainer_stop(t, moment, "the norm of the gradient", *norm);
    return TERN_OK;
}

static tern_status update(tern_trainer *t)
{
    const tern_schedule *schedule = &t->config.schedule;
    const int64_t step = t->state.step;
    t->event.lr = tern_schedule_lr(schedule, step);
    const tern_status s =
        tern_optim_step(t->optim, step + 1, (float)t->event.lr,
                        (float)tern_schedule_weight_decay(schedule, step),
                        tern_clip_scale(t->event.grad_norm, t->config.clip));
    if (s == TERN_ENUMERIC) return tern_trainer_stop(t, TERN_STOP_UPDATE, NULL, 0.0);
    TERN_TRY(s);
    t->state.step++;
    t->state.tokens += t->config.batch * t->config.accumulate * t->config.model.context;
    return TERN_OK;
}

static void note_time(tern_trainer *t, double seconds)
{
    const double old = t->step_seconds;
    const double tokens =
        (double)(t->config.batch * t->config.accumulate * t->config.model.context);
    t->step_seconds = old > 0.0 ? 0.95 * old + 0.05 * seconds : seconds;
    t->logged_seconds += seconds;
    t->event.tokens_per_second = tokens / t->step_seconds;
}

static tern_status step(tern_trainer *t)
{
    tern_train_event *e = &t->event;
    const tern_params *list = tern_model_params(t->model);
    TERN_TRY(mix(t));
    double since = tern_seconds();
    TERN_TRY(finite_gradients(t, TERN_STOP_STEP, &e->loss, &e->grad_norm));
    double seconds = tern_seconds() - since;
    if (t->state.step == 0 || is_due(t->state.step, t->config.checkpoint_every))
        TERN_TRY(save(t, TERN_EVENT_CHECKPOINT));
    since = tern_seconds();
    TERN_TRY(update(t));
    seconds += tern_seconds() - since;
    note_time(t, seconds);
    e->flips = count_flips(list);
    return TERN_OK;
}

/* --- the loop --- */

static tern_status step_and_report(tern_trainer *t)
{
    TERN_TRY(step(t));
    const bool last = t->state.step == t->config.steps;
    if (last || is_due(t->state.step, t->config.log_every)) {
        t->event.zero_fraction = zero_fraction(tern_model_params(t->model));
        TERN_TRY(log_step(t));
    }
    tell(t, TERN_EVENT_STEP);
    return eval_is_due(t) ? evaluate(t) : TERN_OK;
}

/* Save the state in which the loop is left, if it is as good as any other. */
static tern_status save_last(tern_trainer *t, tern_train_event_kind kind)
{
    double loss, norm;
    if (t->saved != t->state.step)
        TERN_TRY(finite_gradients(t, TERN_STOP_SAVE, &loss, &norm));
    return save(t, kind);
}

static void prepare(tern_trainer *t, tern_train_listener listener, void *user)
{
    t->listener = listener;
    t->user = user;
    t->event =
        (tern_train_event){.loss = (double)NAN,
                           .zero_fraction = zero_fraction(tern_model_params(t->model))};
    t->began = tern_seconds();
    t->step_seconds = t->logged_seconds = 0.0;
    t->logged_step = t->state.step;
    t->share = 1.0f;
}

tern_status tern_trainer_run(tern_trainer *t, const volatile sig_atomic_t *stop,
                             tern_train_listener listener, void *user)
{
    prepare(t, listener, user);
    while (t->state.step < t->config.steps) {
        if (stop && *stop) {
            TERN_TRY(save_last(t, TERN_EVENT_STOPPED));
            return tern_fail(TERN_ESTOP,
                             "stopped after step %" PRId64 " of %" PRId64
                             "; go on with: tern train --resume %s",
                             t->state.step, t->config.steps, t->dir);
        }
        TERN_TRY(step_and_report(t));
    }
    return save_last(t, TERN_EVENT_CHECKPOINT);
}
