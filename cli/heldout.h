/* heldout.h - text to evaluate on, as ids of a given tokenizer (inside cli/). */
#ifndef TERN_CLI_HELDOUT_H
#define TERN_CLI_HELDOUT_H

#include "data/tokenizer.h"

typedef struct tern_heldout {
    int32_t *ids;
    int64_t count;     /* at least 2 */
    int64_t bytes;     /* of the text that ids 1 .. count - 1 stand for */
    double entropy;    /* of the source, nats per byte; 0 if unknown */
    const char *split; /* "validation" of a dataset, "all" of a text */
} tern_heldout;

/* The validation split of a dataset made with the tokenizer of `model` (a file; see
 * tern_same_tokenizer), or the whole of a text. max_tokens 0: all. */
tern_status tern_heldout_open(const char *path, const char *model,
                              const tern_tokenizer *t, int64_t max_tokens,
                              tern_heldout *out);
void tern_heldout_free(tern_heldout *h);

/* TERN_EARG, naming both files, unless the dataset `path` was made with the tokenizer
 * of `model`: with another one a loss is a number that means nothing. */
tern_status tern_same_tokenizer(const char *path, const tern_tokenizer *of_data,
                                const char *model, const tern_tokenizer *of_model);

#endif /* TERN_CLI_HELDOUT_H */
