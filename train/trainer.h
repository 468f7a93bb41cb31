/* trainer.h - the training loop: start, resume, stop, never lose anything. */
#ifndef TERN_TRAIN_TRAINER_H
#define TERN_TRAIN_TRAINER_H

#include <signal.h>

#include "train/checkpoint.h"
#include "train/config.h"
#include "train/eval.h"

typedef struct tern_trainer tern_trainer;

/* What the loop tells its caller (the CLI shows it). */
typedef enum tern_train_event_kind {
    TERN_EVENT_STEP,       /* after every step */
    TERN_EVENT_EVAL_BEGIN, /* fraction grows while evaluating */
    TERN_EVENT_EVAL,       /* result in eval */
    TERN_EVENT_CHECKPOINT, /* path written */
    TERN_EVENT_STOPPED     /* a signal was obeyed; path is the checkpoint */
} tern_train_event_kind;

typedef struct tern_train_event {
    tern_train_event_kind kind;
    int64_t step, steps;      /* done, in all */
    double loss, lr;          /* of the last step */
    double grad_norm;         /* before clipping */
    double tokens_per_second; /* over the last steps */
    double seconds_left;      /* estimate; NaN if unknown */
    double fraction;          /* EVAL_BEGIN */
    tern_eval_result eval;    /* EVAL */
    bool best;                /* EVAL: lowest so far */
    double best_val;          /* NaN before the first evaluation */
    double entropy;           /* of the corpus, nats per byte; 0 if unknown */
    double zero_fraction;     /* of ternary codes; NaN for the float twin */
    int64_t flips;            /* codes that changed in the last step */
    const char *path;         /* CHECKPOINT, STOPPED */
} tern_train_event;

typedef void (*tern_train_listener)(void *user, const tern_train_event *event);

/* tern_trainer_new() - a fresh run in directory `out` (created; refused if it already
 * holds a run, which is the case once it has a config.yaml). config is resolved against
 * the dataset here. `data` is borrowed. One process at a time has a run's directory. */
tern_status tern_trainer_new(const tern_config *config, const tern_dataset *data,
                             const char *out, tern_trainer **trainer);

/* For a caller that writes into the directory before there is a run: take its lock, and
 * start the run under it. The lock falls with the last descriptor of it (dup) and with
 * the process, however it ends. TERN_EARG: another process trains in `dir`, which must
 * exist. tern_trainer_new_locked() owns `lock` from its call on, also when it fails.
 * `init`: the checkpoint whose weights the run starts from instead of random ones, NULL
 * for none; its model must have the same shapes. They are saved as the checkpoint of
 * step 0 before there is a run, so that a run killed at any moment goes on from them.
 */
tern_status tern_run_lock(const char *dir, int *lock);
tern_status tern_trainer_new_locked(const tern_config *config, const tern_dataset *data,
                                    const char *out, int lock, tern_checkpoint *init,
                                    tern_trainer **trainer);

/* tern_trainer_resume() - continue the run in `dir` from its newest sound checkpoint,
 * or from its seed if it died before the first. `sets` override what may change, and so
 * may an edit of config.yaml. The dataset must have the fingerprint that the run began
 * with. metrics.jsonl is cut back to the checkpoint, so that it ends as an
 * uninterrupted run's does; newer checkpoints, which were damaged, are renamed. */
tern_status tern_trainer_resume(const char *dir, const tern_dataset *data,
                                const char *const *sets, size_t count,
                                tern_trainer **trainer);
void tern_trainer_free(tern_trainer *t);

/* tern_trainer_run() - until train.steps, or until *stop becomes nonzero (a signal
 * handler sets it): then the step is finished, a checkpoint saved, TERN_ESTOP returned.
 * A loss, gradient or weight that is not finite: TERN_ENUMERIC with what to try. What
 * can be resumed from stays good, since a checkpoint is written only when the gradients
 * of its state are finite (the first one, of step 0, and the last included; best.h5:
 * when its validation loss is); the state that led there is kept as stopped.h5 if its
 * weights are finite. TERN_EIO (a full disk): the checkpoints written before are
 * untouched. listener may be NULL. */
tern_status tern_trainer_run(tern_trainer *t, const volatile sig_atomic_t *stop,
                             tern_train_listener listener, void *user);

const tern_config *tern_trainer_config(const tern_trainer *t); /* resolved */
tern_model *tern_trainer_model(tern_trainer *t);
int64_t tern_trainer_step_count(const tern_trainer *t); /* steps done */

#endif /* TERN_TRAIN_TRAINER_H */
