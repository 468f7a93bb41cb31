/* eval_exported.c - the same windows and the same loss kernel as train/eval.c, over the
 * runtime. */
#include "cli/eval_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec.h"
#include "base/window.h"
#include "cli/heldout.h"
#include "cli/model_file.h"
#include "kernels/rows.h"

typedef struct scorer {
    tern_session *session;
    float *logits, *losses, *lse;
    int64_t window, stride, vocab;
} scorer;

static tern_status scorer_init(scorer *c, const tern_runtime *m,
                               const tern_eval_text *what)
{
    const tern_spec *s = tern_runtime_spec(m);
    *c = (scorer){.window = what->chunk ? what->chunk : s->context,
                  .stride = what->stride ? what->stride : s->context,
                  .vocab = s->vocab};
    if (what->chunk > s->context)
        return tern_fail(
            TERN_EARG, "--chunk %" PRId64 " is above the model's context (%" PRId64 ")",
            what->chunk, s->context);
    if (!what->chunk && c->stride > c->window)
        return tern_fail(TERN_EARG,
                         "--stride %" PRId64 " is above the model's context (%" PRId64
                         "), which would leave tokens unscored",
                         c->stride, c->window);
    TERN_TRY(tern_session_new(m, 0, &c->session));
    TERN_TRY(tern_session_set_activations(c->session, what->activations));
    TERN_TRY(tern_session_set_cache(c->session, what->cache));
    c->logits = malloc((size_t)(c->window * c->vocab) * sizeof *c->logits);
    c->losses = malloc((size_t)c->window * sizeof *c->losses);
    c->lse = malloc((size_t)c->window * sizeof *c->lse);
    if (!c->logits || !c->losses || !c->lse)
        return tern_fail(TERN_EMEM, "out of memory");
    return TERN_OK;
}

static void scorer_free(scorer *c)
{
    tern_session_free(c->session);
    free(c->logits);
    free(c->losses);
    free(c->lse);
}

static tern_status score(scorer *c, const int32_t *ids, int64_t count,
                         tern_eval_progress progress, void *user, double *sum)
{
    double total = 0.0;
    for (int64_t done = 0; done + 1 < count;) {
        const tern_window w = tern_window_next(done, count - 1, c->window, c->stride);
        const int32_t *at = ids + w.start;
        tern_session_truncate(c->session, 0);
        TERN_TRY(tern_session_eval_all(c->session, at, w.time, c->logits));
        tern_cross_entropy_rows(c->logits, at + 1, (size_t)w.time, (size_t)c->vocab,
                                c->losses, c->lse);
        for (int64_t i = w.skip; i < w.time; i++) total += (double)c->losses[i];
        done += w.time - w.skip;
        progress((double)done / (double)count, user);
    }
    *sum = total;
    return TERN_OK;
}

/* As llama-perplexity does: windows of `chunk` tokens side by side, each with a cache
 * of its own and with the file's first token (if it has one) for its own. What the
 * second half of a window predicts is scored; tokens after the last whole one are not.
 */
static tern_status score_chunks(scorer *c, const tern_runtime *m,
                                const tern_heldout *text, tern_eval_progress progress,
                                void *user, tern_eval_figures *out, double *sum)
{
    const int64_t n = c->window, count = text->count / n;
    const int32_t begin = tern_runtime_begin_of_text(m);
    double total = 0.0;
    if (count == 0)
        return tern_fail(TERN_EARG,
                         "the text has %" PRId64 " tokens, fewer than --chunk %" PRId64,
                         text->count, n);
    for (int64_t k = 0; k < count; k++) {
        int32_t *at = text->ids + k * n;
        if (begin >= 0) at[0] = begin;
        tern_session_truncate(c->session, 0);
        TERN_TRY(tern_session_eval_all(c->session, at, n - 1, c->logits));
        tern_cross_entropy_rows(c->logits, at + 1, (size_t)(n - 1), (size_t)c->vocab,
                                c->losses, c->lse);
        for (int64_t i = n / 2; i < n - 1; i++) {
            size_t bytes;
            (void)tern_runtime_piece(m, at[i + 1], &bytes);
            out->bytes += (int64_t)bytes;
            total += (double)c->losses[i];
        }
        progress((double)(k + 1) / (double)count, user);
    }
    out->tokens = count * (n - 1 - n / 2);
    *sum = total;
    return TERN_OK;
}

static tern_status eval_ids(const tern_runtime *m, const tern_heldout *text,
                            const tern_eval_text *what, tern_eval_progress progress,
                            void *user, tern_eval_figures *out)
{
    scorer c = {0};
    double sum = 0.0;
    tern_status s = scorer_init(&c, m, what);
    if (s == TERN_OK && what->chunk) {
        s = score_chunks(&c, m, text, progress, user, out, &sum);
    } else if (s == TERN_OK) {
        s = score(&c, text->ids, text->count, progress, user, &sum);
        out->tokens = text->count - 1;
        out->bytes = text->bytes;
    }
    scorer_free(&c);
    if (s != TERN_OK) return s;
    out->loss = sum / (double)out->tokens;
    out->perplexity = exp(out->loss);
    out->bits_per_byte = sum / (double)out->bytes / log(2.0);
    out->entropy = text->entropy;
    out->split = text->split;
    return TERN_OK;
}

tern_status tern_eval_exported(const char *model, const tern_eval_text *what,
                               tern_eval_progress progress, void *user,
                               tern_eval_figures *out)
{
    if (!what->data) return tern_fail(TERN_EARG, "on which text? give --data FILE");
    tern_runtime *m;
    TERN_TRY(tern_model_file_open(model, &m));
    tern_heldout text = {0};
    tern_status s = tern_heldout_open(what->data, model, tern_runtime_tokenizer(m),
                                      what->max_tokens, &text);
    if (s == TERN_OK) s = eval_ids(m, &text, what, progress, user, out);
    tern_heldout_free(&text);
    tern_runtime_free(m);
    if (s != TERN_OK) return s;
    snprintf(out->model, sizeof out->model, "%s", model);
    snprintf(out->data, sizeof out->data, "%s", what->data);
    return TERN_OK;
}
