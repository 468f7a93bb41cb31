/* trainer_parts.h - what trainer.c (the loop) and trainer_start.c (begin, resume)
 * share.
 */
#ifndef TERN_TRAIN_TRAINER_PARTS_H
#define TERN_TRAIN_TRAINER_PARTS_H

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
    tern_tape *tape;
    int32_t *inputs, *targets; /* one micro-batch */
    tern_metrics metrics;
    tern_progress_state state;
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

#endif /* TERN_TRAIN_TRAINER_PARTS_H */
