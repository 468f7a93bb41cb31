/* eval_trained.c - a run or a checkpoint by training's own forward pass. */
#include "cli/eval_model.h"

#include <stdio.h>

#ifdef TERN_RUNTIME_ONLY

tern_status tern_eval_trained(const char *run, bool best, const tern_eval_text *text,
                              tern_eval_progress progress, void *user,
                              tern_eval_figures *out)
{
    (void)best, (void)text, (void)progress, (void)user, (void)out;
    return tern_fail(TERN_EFORMAT,
                     "%s: not a GGUF file, and this build of tern only runs models",
                     run);
}

#else

#include "autograd/tape.h"
#include "cli/run_data.h"
#include "train/eval.h"
#include "train/trainer.h"

/* A text is evaluated whole: all of it is the train split of a dataset in memory. */
static tern_status encode_text(const char *path, const tern_tokenizer *t,
                               tern_dataset **out)
{
    tern_dataset *d;
    const tern_dataset_recipe recipe = {.paths = &path, .count = 1, .tokenizer = t};
    TERN_TRY(tern_dataset_build_memory(&recipe, &d));
    if (tern_dataset_tokens(d, TERN_TRAIN) < 2) {
        tern_dataset_free(d);
        return tern_fail(TERN_EARG, "%s: one token, and the first is never scored",
                         path);
    }
    *out = d;
    return TERN_OK;
}

/* The dataset and the split of it that `data` (or the run itself) means. */
static tern_status open_text(const tern_checkpoint *c, const char *run,
                             const char *data, tern_split *split, tern_dataset **out)
{
    const tern_tokenizer *t = tern_checkpoint_tokenizer(c);
    char of[TERN_PATH_MAX];
    tern_dataset *d;
    bool is_dataset = true;
    *split = TERN_VAL;
    if (data) TERN_TRY(tern_dataset_probe(data, &is_dataset));
    if (!is_dataset) {
        *split = TERN_TRAIN;
        if (t) return encode_text(data, t, out);
        return tern_fail(TERN_EARG, "%s has no tokenizer to read a text with", run);
    }
    tern_run_of(run, of);
    TERN_TRY(tern_run_data_open(of, data, &d));
    const tern_status s = tern_run_data_suits(c, d);
    if (s == TERN_OK)
        *out = d;
    else
        tern_dataset_free(d);
    return s;
}

static tern_status eval_checkpoint(tern_checkpoint *c, const tern_dataset *d,
                                   tern_split split, const tern_eval_text *text,
                                   tern_eval_progress progress, void *user,
                                   tern_eval_result *out)
{
    tern_model *model;
    TERN_TRY(tern_checkpoint_model(c, &model));
    tern_status s;
    tern_tape *tape = tern_tape_new(0);
    if (!tape)
        s = tern_fail(TERN_EMEM, "out of memory");
    else
        s = tern_eval(tape, model, d, split, text->max_tokens, text->stride, progress,
                      user, out);
    tern_tape_free(tape);
    tern_model_free(model);
    return s;
}

tern_status tern_eval_trained(const char *run, bool best, const tern_eval_text *text,
                              tern_eval_progress progress, void *user,
                              tern_eval_figures *out)
{
    const char *data = text->data;
    tern_checkpoint *c;
    tern_dataset *d = NULL;
    tern_split split;
    tern_eval_result r;
    TERN_TRY(tern_run_find(run, best, out->model));
    TERN_TRY(tern_checkpoint_open(out->model, &c));
    tern_status s = open_text(c, run, data, &split, &d);
    if (s == TERN_OK) s = eval_checkpoint(c, d, split, text, progress, user, &r);
    if (s == TERN_OK) {
        snprintf(out->data, sizeof out->data, "%s",
                 split == TERN_VAL ? tern_dataset_name(d) : data);
        out->split = split == TERN_VAL ? "validation" : "all";
        out->loss = r.loss;
        out->perplexity = r.perplexity;
        out->bits_per_byte = r.bits_per_byte;
        out->tokens = r.tokens;
        out->bytes = r.bytes;
        out->entropy = tern_dataset_entropy(d);
    }
    tern_dataset_free(d);
    tern_checkpoint_close(c);
    return s;
}

#endif
