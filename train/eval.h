/* eval.h - loss on held-out text: the same number every time.
 *
 * The split is cut into consecutive windows of `context` tokens; in each, every token
 * but the first of the split is predicted from what precedes it in its window, so each
 * token is scored once. */
#ifndef TERN_TRAIN_EVAL_H
#define TERN_TRAIN_EVAL_H

#include "data/dataset.h"
#include "layers/model.h"

typedef struct tern_eval_result {
    double loss;          /* nats per token */
    double perplexity;    /* e^loss */
    double bits_per_byte; /* loss * tokens / bytes / ln 2 */
    int64_t tokens;       /* tokens scored */
    int64_t bytes;        /* of text they stand for */
} tern_eval_result;

/* max_tokens 0: the whole split. `tape` is used in inference mode and left reset.
 * progress may be NULL. */
tern_status tern_eval(tern_tape *tape, tern_model *m, const tern_dataset *d,
                      tern_split split, int64_t max_tokens,
                      void (*progress)(double fraction, void *user), void *user,
                      tern_eval_result *out);

#endif /* TERN_TRAIN_EVAL_H */
