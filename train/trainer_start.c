/* trainer_start.c - from a config to a run, from a directory back to a run.
 *
 * A run exists from the moment its config.yaml does. Everything else follows from it
 * and from the newest checkpoint; without one, from the seed. So a process may be
 * killed at any moment of its first step too, and the run can be resumed. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "train/run_dir.h"
#include "train/trainer_parts.h"

void tern_trainer_free(tern_trainer *t)
{
    if (!t) return;
    tern_metrics_close(&t->metrics);
    free(t->inputs);
    free(t->targets);
    tern_gradients_free(t->gradients);
    tern_optim_free(t->optim);
    tern_model_free(t->model);
    if (t->lock >= 0) close(t->lock);
    free(t);
}

/* --- in memory --- */

static tern_status check_data(const tern_trainer *t)
{
    if (tern_dataset_tokens(t->data, TERN_VAL) == 1)
        return tern_fail(TERN_EARG,
                         "%s: the validation split has one token, and the first of a "
                         "split is never scored; hold out more (--val, data.val) or "
                         "nothing (0)",
                         tern_dataset_name(t->data));
    return TERN_OK;
}

/* Everything the config describes, all weights zero. */
static tern_status build(tern_trainer *t)
{
    const tern_config *c = &t->config;
    TERN_TRY(check_data(t));
    TERN_TRY(tern_loader_init(&t->loader, t->data, TERN_TRAIN, c->batch,
                              c->model.context, c->seed, c->order));
    TERN_TRY(tern_model_new(&c->model, &t->model));
    const tern_params *list = tern_model_params(t->model);
    TERN_TRY(tern_optim_new(&c->optim, list->items, list->count, &t->optim));
    const size_t tokens = (size_t)(c->batch * c->model.context);
    t->inputs = malloc(tokens * sizeof *t->inputs);
    t->targets = malloc(tokens * sizeof *t->targets);
    if (!t->inputs || !t->targets)
        return tern_fail(TERN_EMEM, "trainer: out of memory for a batch");
    return tern_gradients_new(c, t->model, &t->gradients);
}

static tern_status start_from_seed(tern_trainer *t)
{
    t->state =
        (tern_progress_state){.val = (double)NAN,
                              .best_val = (double)NAN,
                              .entropy = tern_dataset_entropy(t->data),
                              .dataset_fingerprint = tern_dataset_fingerprint(t->data)};
    return tern_model_init(t->model, t->config.init_std, t->config.seed);
}

/* --- on disk --- */

static tern_status write_config(const tern_trainer *t)
{
    char path[TERN_PATH_MAX], *yaml;
    TERN_TRY(tern_path_join(path, t->dir, "config.yaml"));
    TERN_TRY(tern_config_yaml(&t->config, &yaml));
    const tern_status s = tern_file_write(path, yaml, strlen(yaml));
    free(yaml);
    return s;
}

static tern_status write_start(tern_trainer *t)
{
    const tern_spec *s = &t->config.model;
    const int64_t batch = t->config.batch * t->config.accumulate;
    tern_metrics *m = &t->metrics;
    tern_metrics_begin(m, "start", 0);
    tern_metrics_text(m, "tern_version", TERN_VERSION);
    tern_metrics_int(m, "parameters", tern_spec_params(s));
    tern_metrics_int(m, "ternary_parameters", tern_spec_ternary_params(s));
    tern_metrics_int(m, "tokens_per_step", batch * s->context);
    tern_metrics_int(m, "train_tokens", tern_dataset_tokens(t->data, TERN_TRAIN));
    tern_metrics_int(m, "val_tokens", tern_dataset_tokens(t->data, TERN_VAL));
    tern_metrics_real(m, "entropy", t->state.entropy);
    return tern_metrics_end(m);
}

static tern_status open_metrics(tern_trainer *t)
{
    char path[TERN_PATH_MAX];
    bool empty;
    TERN_TRY(tern_path_join(path, t->dir, "metrics.jsonl"));
    TERN_TRY(tern_metrics_open(&t->metrics, path, t->state.step, &empty));
    return empty ? write_start(t) : TERN_OK;
}

static tern_status make_folders(const char *dir)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "checkpoints"));
    return tern_make_dirs(path);
}

static bool holds_run(const char *dir)
{
    char path[TERN_PATH_MAX];
    return tern_path_join(path, dir, "config.yaml") == TERN_OK &&
           tern_file_exists(path);
}

/* --- a new run --- */

/* Weights of another run, in place of those of the seed. */
static tern_status save_init(tern_trainer *t)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_run_step_path(t->dir, 0, path));
    TERN_TRY(tern_trainer_save_as(t, path));
    t->saved = 0;
    return TERN_OK;
}

static tern_status begin(tern_trainer *t, tern_checkpoint *init)
{
    TERN_TRY(build(t));
    TERN_TRY(start_from_seed(t));
    if (init) TERN_TRY(tern_checkpoint_read(init, t->model, NULL));
    TERN_TRY(make_folders(t->dir));
    if (t->lock < 0) TERN_TRY(tern_run_lock(t->dir, &t->lock));
    if (holds_run(t->dir)) /* since we looked */
        return tern_fail(TERN_EARG, "%s: another process began a run in it", t->dir);
    if (init) TERN_TRY(save_init(t));
    TERN_TRY(write_config(t));
    return open_metrics(t);
}

static tern_status new_trainer(const tern_dataset *data, const char *dir,
                               tern_trainer **out)
{
    if (strlen(dir) >= TERN_PATH_MAX)
        return tern_fail(TERN_EARG, "%.64s...: path too long", dir);
    tern_trainer *t = calloc(1, sizeof *t);
    if (!t) return tern_fail(TERN_EMEM, "trainer: out of memory");
    t->data = data;
    t->lock = -1;
    t->saved = -1;
    strcpy(t->dir, dir);
    *out = t;
    return TERN_OK;
}

static tern_status hand_out(tern_trainer *t, tern_status s, tern_trainer **out)
{
    if (s == TERN_OK)
        *out = t;
    else
        tern_trainer_free(t);
    return s;
}

static int64_t data_vocab(const tern_dataset *data)
{
    return tern_tokenizer_vocab(tern_dataset_tokenizer(data));
}

tern_status tern_trainer_new_locked(const tern_config *config, const tern_dataset *data,
                                    const char *out, int lock, tern_checkpoint *init,
                                    tern_trainer **trainer)
{
    tern_trainer *t = NULL;
    const tern_status made = new_trainer(data, out, &t);
    if (made != TERN_OK) {
        if (lock >= 0) close(lock);
        return made;
    }
    t->config = *config;
    t->lock = lock;
    tern_status s = TERN_OK;
    if (holds_run(out))
        s = tern_fail(TERN_EARG,
                      "%s: already holds a run; resume it (tern train --resume %s) or "
                      "choose another directory",
                      out, out);
    if (s == TERN_OK) s = tern_config_resolve(&t->config, data_vocab(data), "config");
    if (s == TERN_OK) s = begin(t, init);
    return hand_out(t, s, trainer);
}

tern_status tern_trainer_new(const tern_config *config, const tern_dataset *data,
                             const char *out, tern_trainer **trainer)
{
    return tern_trainer_new_locked(config, data, out, -1, NULL, trainer);
}

/* --- an old one --- */

/* The config of a run is its config.yaml, where a value that may change may also be
 * changed by hand; a run that lost it has the one of its checkpoint. */
static tern_status read_config(tern_trainer *t, const tern_config *saved)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, t->dir, "config.yaml"));
    if (tern_file_exists(path))
        TERN_TRY(tern_config_load(path, NULL, 0, &t->config));
    else if (saved)
        t->config = *saved;
    else
        return tern_fail(TERN_EIO, "%s: not a run: it has no config.yaml", t->dir);
    return saved ? tern_config_continues(saved, &t->config, path) : TERN_OK;
}

static tern_status settle_config(tern_trainer *t, const tern_config *saved,
                                 const char *const *sets, size_t count)
{
    TERN_TRY(read_config(t, saved));
    TERN_TRY(tern_config_override(&t->config, sets, count));
    TERN_TRY(tern_config_resolve(&t->config, data_vocab(t->data), t->dir));
    if (t->config.steps < t->state.step)
        return tern_fail(TERN_EARG,
                         "%s: %" PRId64 " steps are done, so train.steps cannot be "
                         "%" PRId64,
                         t->dir, t->state.step, t->config.steps);
    return TERN_OK;
}

static tern_status check_fingerprint(const tern_trainer *t)
{
    const uint64_t have = tern_dataset_fingerprint(t->data);
    if (have == t->state.dataset_fingerprint) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: this is not the dataset that %s began with (fingerprint "
                     "%016" PRIx64 " instead of %016" PRIx64 "); give the original, or "
                     "start a new run",
                     tern_dataset_name(t->data), t->dir, have,
                     t->state.dataset_fingerprint);
}

static tern_status continue_from(tern_trainer *t, const char *path,
                                 const char *const *sets, size_t count)
{
    tern_checkpoint *c = NULL;
    TERN_TRY(tern_checkpoint_open(path, &c));
    t->state = *tern_checkpoint_state(c);
    char own[TERN_PATH_MAX]; /* best.h5 does not make its step one that is saved */
    if (tern_run_step_path(t->dir, t->state.step, own) == TERN_OK &&
        strcmp(own, path) == 0)
        t->saved = t->state.step;
    tern_status s = check_fingerprint(t);
    if (s == TERN_OK) s = settle_config(t, tern_checkpoint_config(c), sets, count);
    if (s == TERN_OK) s = build(t);
    if (s == TERN_OK) s = tern_checkpoint_read(c, t->model, t->optim);
    tern_checkpoint_close(c);
    return s;
}

/* Killed before its first checkpoint: the seed says how it began. */
static tern_status begin_again(tern_trainer *t, const char *const *sets, size_t count)
{
    TERN_TRY(settle_config(t, NULL, sets, count));
    TERN_TRY(build(t));
    tern_info("%s: no checkpoint yet, starting from the beginning", t->dir);
    return start_from_seed(t);
}

static tern_status resume(tern_trainer *t, const char *const *sets, size_t count)
{
    char path[TERN_PATH_MAX];
    int64_t *steps;
    size_t files;
    TERN_TRY(tern_run_lock(t->dir, &t->lock));
    TERN_TRY(tern_run_steps(t->dir, &steps, &files));
    free(steps);
    TERN_TRY(tern_run_best_path(t->dir, path));
    if (files > 0 || tern_file_exists(path)) {
        TERN_TRY(tern_run_find(t->dir, false, path));
        TERN_TRY(continue_from(t, path, sets, count));
        TERN_TRY(tern_run_set_aside(t->dir, t->state.step));
    } else {
        TERN_TRY(begin_again(t, sets, count));
    }
    TERN_TRY(make_folders(t->dir));
    TERN_TRY(write_config(t));
    return open_metrics(t);
}

tern_status tern_trainer_resume(const char *dir, const tern_dataset *data,
                                const char *const *sets, size_t count,
                                tern_trainer **trainer)
{
    tern_trainer *t = NULL;
    TERN_TRY(new_trainer(data, dir, &t));
    return hand_out(t, resume(t, sets, count), trainer);
}
