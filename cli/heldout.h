/* heldout.h - text to evaluate on, as ids of a given tokenizer (inside cli/). */
#ifndef TERN_CLI_HELDOUT_H
#define TERN_CLI_HELDOUT_H

#include "data/tokenizer.h"

typedef struct tern_heldout {
    int32_t *ids;
    int64_t count;  /* at least 2 */
    int64_t bytes;  /* of the text that ids 1 .. count - 1 stand for */
    double entropy; /* of the source, nats per byte; 0 if unknown */
} tern_heldout;

/* The validation split of a dataset made with the same tokenizer (TERN_EARG if it was
 * not), or the whole of a text. max_tokens 0: all. */
tern_status tern_heldout_open(const char *path, const tern_tokenizer *t,
                              int64_t max_tokens, tern_heldout *out);
void tern_heldout_free(tern_heldout *h);

#endif /* TERN_CLI_HELDOUT_H */
