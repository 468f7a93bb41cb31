/* trainer_stop.c - a number that is not finite ends the loop: what is kept, what is
 * said.
 *
 * The state that led to it is of no use to resume from, whatever the learning rate: its
 * loss is a function of the weights and the step, and would be the same again. So it is
 * not saved as a checkpoint of its step. But it may hold hours of work, so if its
 * weights are finite it is kept as stopped.h5, to evaluate and to export. Resuming
 * takes the newest step-*.h5 or best.h5. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "kernels/rows.h"
#include "train/number.h"
#include "train/run_dir.h"
#include "train/trainer_parts.h"

static bool weights_are_finite(const tern_params *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const tern_param *p = list->items[i];
        /* In double, finite floats cannot add up to an infinity. */
        if (!isfinite(tern_sum_squares(p->val, (size_t)(p->rows * p->cols))))
            return false;
    }
    return true;
}

/* Into `kept`: " ... stopped.h5" where it was kept. */
static void keep_state(tern_trainer *t, char *kept, size_t size)
{
    char path[TERN_PATH_MAX];
    if (!weights_are_finite(tern_model_params(t->model))) return;
    if (tern_run_stopped_path(t->dir, path) == TERN_OK &&
        tern_trainer_save_as(t, path) == TERN_OK)
        snprintf(kept, size,
                 ". The state of step %" PRId64
                 ", for tern eval and tern export: %.300s",
                 t->state.step, path);
    else
        tern_warn("%s", tern_error_message());
}

/* "lower optim.lr (now 0.01), a longer ..." and the options that do it. */
static void advise(const tern_config *c, char *advice, char *options, size_t size)
{
    const double lr = c->schedule.lr / 2.0;
    char half[TERN_NUMBER_TEXT], clip[64] = "set optim.clip (off now; 1 is usual)";
    tern_number_text(lr, half);
    if (c->clip > 0.0f)
        snprintf(clip, sizeof clip, "a smaller optim.clip (%g)", (double)c->clip);
    snprintf(advice, size,
             "a lower optim.lr (now %g), a longer optim.warmup (%" PRId64 ") or %s",
             c->schedule.lr, c->schedule.warmup, clip);
    const int used = snprintf(options, size, "--set optim.lr=%s", half);
    if (lr < c->schedule.min_lr) /* else it would stay where it is */
        snprintf(options + used, size - (size_t)used, " --set optim.min_lr=%s", half);
}

/* The checkpoint that resuming takes, and a warning if it would do the same again. */
static void resumes_from(const tern_trainer *t, char *out, size_t size)
{
    char path[TERN_PATH_MAX];
    int64_t step = -1;
    tern_checkpoint *c;
    if (tern_run_find(t->dir, false, path) == TERN_OK &&
        tern_checkpoint_open(path, &c) == TERN_OK) {
        step = tern_checkpoint_state(c)->step;
        tern_checkpoint_close(c);
    }
    if (step < 0)
        snprintf(out, size, "its seed, since nothing was saved yet");
    else
        snprintf(out, size, "%.300s%s", path,
                 step == t->state.step
                     ? " (which leads straight to this; remove it to take the one "
                       "before)"
                     : "");
}

tern_status tern_trainer_stop(tern_trainer *t, tern_stop_moment moment,
                              const char *what, double value)
{
    static const char *const consequence[] = {
        [TERN_STOP_STEP] = "the step was not taken",
        [TERN_STOP_UPDATE] = "the step spoilt the weights, and is forgotten",
        [TERN_STOP_EVAL] = "the step was taken, but is not saved as the run's",
        [TERN_STOP_SAVE] = "the state is not saved as the run's"};
    const bool next = moment == TERN_STOP_STEP || moment == TERN_STOP_UPDATE;
    char found[256], kept[512] = "", advice[160], options[160], from[448];
    if (what)
        snprintf(found, sizeof found, "%s is %s", what,
                 isnan(value) ? "nan" : "infinite");
    else
        snprintf(found, sizeof found, "%.240s", tern_error_message());
    if (moment != TERN_STOP_UPDATE) keep_state(t, kept, sizeof kept);
    advise(&t->config, advice, options, sizeof advice);
    if (tern_metrics_flush(&t->metrics) != TERN_OK)
        tern_warn("%s", tern_error_message());
    resumes_from(t, from, sizeof from);
    return tern_fail(TERN_ENUMERIC,
                     "step %" PRId64 ": %s; %s. Go on with %s: tern train --resume "
                     "%.300s %s. It goes on from %s%s",
                     t->state.step + next, found, consequence[moment], advice, t->dir,
                     options, from, kept);
}
