/* eval.h - loss on held-out text: the same number every time.
 *
 * Every token but the first of the split is scored once, predicted from what precedes
 * it in its window. Windows of `context` tokens follow each other every `stride`
 * tokens:
 *
 *     stride = context (default)      stride = context / 2
 *     |========|                      |========|             = scored
 *              |========|             |----|====|            - only read
 *                       |=====|            |----|====|
 *
 * By default a token in the middle of a story has on average half a context behind it,
 * and the first of a window nothing. With a shorter stride every token (but those of
 * the first window) has context - stride at least, at context / stride times the cost.
 */
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

/* max_tokens 0: the whole split. stride 0: context; TERN_EARG if above that. `tape` is
 * used in inference mode and left reset. progress may be NULL. */
tern_status tern_eval(tern_tape *tape, tern_model *m, const tern_dataset *d,
                      tern_split split, int64_t max_tokens, int64_t stride,
                      void (*progress)(double fraction, void *user), void *user,
                      tern_eval_result *out);

#endif /* TERN_TRAIN_EVAL_H */
