/* gradients.h - one batch through the model and back, a few sequences at a time.
 *
 * A batch need not go through the model at once: sequences do not meet, and their
 * gradients add. In passes of about 512 tokens (train.micro_batch), what a pass writes
 * is still in the cache when the next operation reads it, and the tape holds the values
 * of one pass instead of a batch. The gradient is the batch's, but for rounding: the
 * passes are a function of the config alone, never of the machine. */
#ifndef TERN_TRAIN_GRADIENTS_H
#define TERN_TRAIN_GRADIENTS_H

#include "layers/model.h"
#include "train/config.h"

/* Seconds; added up by whoever measures. */
typedef struct tern_pass_seconds {
    double forward, backward;
} tern_pass_seconds;

/* How many passes a batch takes. */
int64_t tern_batch_passes(const tern_config *c);

/* tern_batch_gradients() - add the gradients of a batch, divided by train.accumulate,
 * to those of the model's parameters.
 *
 * index: number of the batch since the start of the run, which dropout depends on.
 * inputs, targets (train.batch * model.context): ids; every input has a target.
 * loss: mean over the batch, in nats per token. seconds: added to; may be NULL.
 * On failure the tape has said why (tern_tape_message). */
tern_status tern_batch_gradients(tern_tape *t, tern_model *m, const tern_config *c,
                                 uint64_t index, const int32_t *inputs,
                                 const int32_t *targets, double *loss,
                                 tern_pass_seconds *seconds);

#endif /* TERN_TRAIN_GRADIENTS_H */
