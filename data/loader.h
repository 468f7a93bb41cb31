/* loader.h - which tokens a step trains on: a pure function of (seed, step).
 *
 * Epoch mode (default): an epoch cuts the split into windows of `context` tokens at a
 * random offset and visits each once, in an order that a keyed permutation (a Feistel
 * network over the window number) gives without storing it. Random mode draws each
 * window's start uniformly, as nanoGPT does. Either way batch `step` needs no state, so
 * a resumed run, or any number of workers, sees the same data.
 */
#ifndef TERN_DATA_LOADER_H
#define TERN_DATA_LOADER_H

#include "data/dataset.h"

typedef enum tern_order { TERN_ORDER_EPOCH, TERN_ORDER_RANDOM } tern_order;

typedef struct tern_loader {
    const tern_dataset *data; /* borrowed */
    tern_split split;
    int64_t batch, context;
    uint64_t seed;
    tern_order order;
} tern_loader;

/* TERN_EARG if the split has fewer than context + 1 tokens (says what would fit). */
tern_status tern_loader_init(tern_loader *l, const tern_dataset *d, tern_split s,
                             int64_t batch, int64_t context, uint64_t seed,
                             tern_order order);

/* inputs and targets, each (batch, context): targets are the inputs one token later.
 * `index` counts batches from 0 (step * accumulate + i). */
tern_status tern_loader_batch(const tern_loader *l, uint64_t index, int32_t *inputs,
                              int32_t *targets);

/* Sequences in one epoch. */
int64_t tern_loader_windows(const tern_loader *l);

#endif /* TERN_DATA_LOADER_H */
