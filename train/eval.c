/* eval.c - the loss of a split, window by window.
 *
 * Each row's loss is a float, and the rows are added in double, in order: the result
 * does not depend on how many windows go through the model at once, and is what the
 * runtime gets when it scores the same text. */
#include "train/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/window.h"
#include "kernels/rows.h"

enum {
    ROWS = 2048,       /* tokens scored at once, if the logits then fit in: */
    LOGITS = 64 << 20, /* numbers */
};

typedef struct evaluation {
    tern_tape *tape;
    tern_model *model;
    const tern_dataset *data;
    tern_split split;
    int64_t time, stride; /* length of a window, tokens from one to the next */
    int32_t *ids, *next;  /* a batch of inputs, one more, and what follows each */
    float *losses, *lse;  /* of each row of a batch */
} evaluation;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `count` windows like w, each `stride` after the last. */
static tern_status read_windows(const evaluation *e, const tern_window *w,
                                int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t *ids = e->ids + i * w->time;
        const int64_t at = w->start + i * e->stride;
        /* One id more than the window has: the next window overwrites it. */
        TERN_TRY(tern_dataset_read(e->data, e->split, at, w->time + 1, ids));
        memcpy(e->next + i * w->time, ids + 1, (size_t)w->time * sizeof *ids);
    }
    return TERN_OK;
}

/* Adds up the nats of the scored tokens, and the bytes they stand for. */
static tern_status score(const evaluation *e, const tern_window *w, int64_t count,
                         double *nats, int64_t *bytes)
{
    const tern_tokenizer *t = tern_dataset_tokenizer(e->data);
    const int64_t rows = count * w->time;
    TERN_TRY(read_windows(e, w, count));
    tern_tape_reset(e->tape);
    const tern_var *logits =
        tern_model_logits(e->tape, e->model, e->ids, count, w->time, 0.0f);
    if (!logits)
        return tern_fail(tern_tape_status(e->tape), "%s: %s",
                         tern_dataset_name(e->data), tern_tape_message(e->tape));
    tern_cross_entropy_rows(logits->val, e->next, (size_t)rows, (size_t)logits->cols,
                            e->losses, e->lse);
    for (int64_t i = 0; i < rows; i++) {
        size_t piece;
        if (i % w->time < w->skip) continue;
        *nats += (double)e->losses[i];
        (void)tern_tokenizer_piece_after(t, e->ids[i], e->next[i], &piece);
        *bytes += (int64_t)piece;
    }
    return TERN_OK;
}

static int64_t windows_at_once(const tern_spec *s)
{
    const int64_t rows = least(ROWS, LOGITS / s->vocab);
    return rows > s->context ? rows / s->context : 1;
}

static tern_status score_all(const evaluation *e, int64_t tokens,
                             void (*progress)(double, void *), void *user, double *nats,
                             int64_t *bytes)
{
    const int64_t batch = windows_at_once(tern_model_spec(e->model));
    for (int64_t done = 0; done < tokens;) {
        const tern_window w = tern_window_next(done, tokens, e->time, e->stride);
        /* Those between the first and a shorter last one are alike. */
        const bool alike = done > 0 && w.time == e->time;
        const int64_t count = alike ? least(batch, (tokens - done) / e->stride) : 1;
        TERN_TRY(score(e, &w, count, nats, bytes));
        done += count * (w.time - w.skip);
        if (progress) progress((double)done / (double)tokens, user);
    }
    return TERN_OK;
}

static tern_status evaluate(const evaluation *e, int64_t tokens,
                            void (*progress)(double, void *), void *user,
                            tern_eval_result *out)
{
    double nats = 0.0;
    int64_t bytes = 0;
    TERN_TRY(score_all(e, tokens, progress, user, &nats, &bytes));
    const double loss = nats / (double)tokens;
    *out = (tern_eval_result){
        .loss = loss,
        .perplexity = exp(loss),
        .bits_per_byte = bytes > 0 ? nats / (double)bytes / log(2.0) : (double)NAN,
        .tokens = tokens,
        .bytes = bytes};
    return TERN_OK;
}

tern_status tern_eval(tern_tape *tape, tern_model *m, const tern_dataset *d,
                      tern_split split, int64_t max_tokens, int64_t stride,
                      void (*progress)(double fraction, void *user), void *user,
                      tern_eval_result *out)
{
    const tern_spec *s = tern_model_spec(m);
    const int64_t have = tern_dataset_tokens(d, split) - 1;
    const int64_t vocab = tern_tokenizer_vocab(tern_dataset_tokenizer(d));
    if (have < 1)
        return tern_fail(
            TERN_EARG,
            "%s: the %s split has %" PRId64 " tokens, and scoring needs 2; use more "
            "text%s",
            tern_dataset_name(d), split == TERN_VAL ? "validation" : "train", have + 1,
            split == TERN_VAL ? " or a larger part for validation (--val)" : "");
    if (vocab > s->vocab)
        return tern_fail(TERN_EARG,
                         "%s: its tokenizer has %" PRId64
                         " ids, the model knows %" PRId64
                         "; use a dataset made with the model's tokenizer",
                         tern_dataset_name(d), vocab, s->vocab);
    if (stride < 0 || stride > s->context)
        return tern_fail(TERN_EARG,
                         "the stride of an evaluation is %" PRId64
                         ", must be 1 to the model's context (%" PRId64 ")",
                         stride, s->context);
    const size_t rows = (size_t)(windows_at_once(s) * s->context);
    evaluation e = {.tape = tape,
                    .model = m,
                    .data = d,
                    .split = split,
                    .time = s->context,
                    .stride = stride ? stride : s->context,
                    .ids = malloc((rows + 1) * sizeof *e.ids),
                    .next = malloc(rows * sizeof *e.next),
                    .losses = malloc(rows * sizeof *e.losses),
                    .lse = malloc(rows * sizeof *e.lse)};
    tern_status status = e.ids && e.next && e.losses && e.lse
                             ? TERN_OK
                             : tern_fail(TERN_EMEM, "evaluation: out of memory");
    tern_tape_set_inference(tape, true);
    if (status == TERN_OK)
        status = evaluate(&e, max_tokens > 0 ? least(max_tokens, have) : have, progress,
                          user, out);
    tern_tape_set_inference(tape, false);
    tern_tape_reset(tape);
    free(e.ids);
    free(e.next);
    free(e.losses);
    free(e.lse);
    return status;
}
