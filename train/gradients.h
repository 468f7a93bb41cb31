/* gradients.h - one batch through the model and back, a few sequences at a time.
 *
 * A batch need not go through the model at once: sequences do not meet, and their
 * gradients add. In passes of about 512 tokens (train.micro_batch), what a pass writes
 * is still in the cache when the next operation reads it, and the tape holds the values
 * of one pass instead of a batch.
 *
 * Passes are also what threads share: each takes the next one to a tape of its own, and
 * nothing else of a pass is parallel. They meet where they add to the gradients of the
 * parameters, in the order of the passes (tern_tape_set_turn):
 *
 *     thread 0   | pass 0 forward | backward    | pass 2 forward | backward    |
 *     thread 1   | pass 1 forward   | backward    | pass 3 forward | backward    |
 *
 * So the gradient is the batch's, but for rounding, and its bits are a function of the
 * config alone: never of the threads. A batch of one pass, or of few where there are
 * many threads, is spread over them inside its operations. */
#ifndef TERN_TRAIN_GRADIENTS_H
#define TERN_TRAIN_GRADIENTS_H

#include "layers/model.h"
#include "train/config.h"

typedef struct tern_gradients tern_gradients;

/* Seconds; added up by whoever measures. */
typedef struct tern_pass_seconds {
    double forward, backward; /* of all passes, over the threads that share them */
} tern_pass_seconds;

/* How many passes a batch takes. */
int64_t tern_batch_passes(const tern_config *c);

/* For batches of `c` through `m`, both borrowed, with as many tapes as threads have use
 * for. TERN_EMEM, or what tern_blas_init() returns. tern_gradients_free() (NULL is
 * fine). */
tern_status tern_gradients_new(const tern_config *c, tern_model *m,
                               tern_gradients **out);
void tern_gradients_free(tern_gradients *g);

/* A tape to evaluate with, between batches. */
tern_tape *tern_gradients_tape(tern_gradients *g);

/* From now on, what operations take (tape.h), of all tapes together. */
void tern_gradients_set_clock(tern_gradients *g, bool on);
/* Divided by the threads that share the passes: as if by the clock on the wall. */
void tern_gradients_read_clock(const tern_gradients *g, tern_tape_clock *out);

/* tern_gradients_batch() - add the gradients of a batch, divided by train.accumulate,
 * to those of the model's parameters.
 *
 * index: number of the batch since the start of the run, which dropout depends on.
 * inputs, targets (train.batch * model.context): ids; every input has a target.
 * loss: mean over the batch, in nats per token. seconds: added to; may be NULL.
 * Fails as the first pass that failed; the gradients are then of no use. */
tern_status tern_gradients_batch(tern_gradients *g, uint64_t index,
                                 const int32_t *inputs, const int32_t *targets,
                                 double *loss, tern_pass_seconds *seconds);

#endif /* TERN_TRAIN_GRADIENTS_H */
