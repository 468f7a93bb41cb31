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

/* The dataset and the split of it that `data` (or the run itself) means. */
static tern_status open_text(const char *run, const char *data, const tern_tokenizer *t,
                             tern_split *split, tern_dataset **out)
{
    *split = TERN_VAL;
    if (!data) return tern_run_data_open(run, NULL, out);
    if (tern_is_dataset(data)) return tern_dataset_open(data, out);
    if (!t) return tern_fail(TERN_EARG, "%s has no tokenizer to read a text with", run);
    *split = TERN_TRAIN; /* a text is evaluated whole: nothing of it is held out */
    const tern_dataset_recipe recipe = {.paths = &data, .count = 1, .tokenizer = t};
    return tern_dataset_build_memory(&recipe, out);
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
    else if (tern_tokenizer_vocab(tern_dataset_tokenizer(d)) >
             tern_model_spec(model)->vocab)
        s = tern_fail(TERN_EARG, "the dataset's vocabulary is larger than the model's");
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
    tern_status s = open_text(run, data, tern_checkpoint_tokenizer(c), &split, &d);
    if (s == TERN_OK) s = eval_checkpoint(c, d, split, text, progress, user, &r);
    if (s == TERN_OK) {
        snprintf(out->data, sizeof out->data, "%s",
                 data ? data : "its validation split");
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
