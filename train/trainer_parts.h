/* trainer_parts.h - what trainer.c (the loop) and trainer_start.c (begin, resume)
 * share.
 */
#ifndef TERN_TRAIN_TRAINER_PARTS_H
#define TERN_TRAIN_TRAINER_PARTS_H

#include "train/gradients.h"
#include "train/metrics.h"
#include "train/trainer.h"

struct tern_trainer {
    tern_config config; /* resolved */
    char dir[TERN_PATH_MAX];
    int lock; /* of the directory; -1: none */
    const tern_dataset *data;
    tern_loader loader;
    tern_model *model;
    tern_optim *optim;
    tern_gradients *gradients;
    int32_t *inputs, *targets; /* one batch */
    tern_metrics metrics;
    tern_progress_state state;
    float share;   /* of the quantiser's way: below 1 during train.quant_warmup */
    int64_t saved; /* step of the newest checkpoint file, -1: none */

    /* While it runs. */
    tern_train_listener listener;
    void *user;
    tern_train_event event; /* what the listener was told last */
    double began;           /* tern_seconds() */
    double step_seconds;    /* smoothed; 0: no step yet */
    double logged_seconds;  /* in steps since the last line of metrics */
    int64_t logged_step;    /* of that line */
};

/* The state as it is, into any file. */
tern_status tern_trainer_save_as(tern_trainer *t, const char *path);

/* When a number was found that is not finite. */
typedef enum tern_stop_moment {
    TERN_STOP_STEP,   /* in the loss or the gradient of the next step */
    TERN_STOP_UPDATE, /* in a weight, by the update; the current message names it */
    TERN_STOP_EVAL,   /* in the validation loss after a step */
    TERN_STOP_SAVE    /* in the loss or the gradient, taken before saving */
} tern_stop_moment;

/* trainer_stop.c: keep what is worth keeping; returns TERN_ENUMERIC with what happened,
 * what to do, and from where the run goes on. */
tern_status tern_trainer_stop(tern_trainer *t, tern_stop_moment moment,
                              const char *what, double value);

#endif /* TERN_TRAIN_TRAINER_PARTS_H */
