/* cmd_eval.c - `tern eval`: the loss of a run or an exported model on text. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/eval_model.h"
#include "cli/model_file.h"
#include "formats/gguf.h"

typedef struct options {
    tern_common common;
    const char *model;
    bool best;
    tern_eval_text text;
} options;

enum {
    KEY_BEST = 0x2000,
    KEY_TOKENS,
    KEY_STRIDE,
    KEY_CHUNK,
    KEY_ACTIVATIONS,
    KEY_CACHE
};

static const struct argp_option table[] = {
    {"data", 'd', "FILE", 0,
     "A dataset (its validation split), or a text (all of it)"
#ifndef TERN_RUNTIME_ONLY
     "; a run knows its own dataset"
#endif
     ,
     0},
#ifndef TERN_RUNTIME_ONLY
    {"best", KEY_BEST, 0, 0, "Of a run, the checkpoint with the lowest validation loss",
     0},
#endif
    {"tokens", KEY_TOKENS, "N", 0, "Only the first N tokens (default: all)", 0},
    {"stride", KEY_STRIDE, "N", 0,
     "Tokens from one window to the next (default: the model's context). Half of the "
     "context takes twice the time, and no token is predicted from less than half",
     0},
    {"chunk", KEY_CHUNK, "N", 0,
     "Of a GGUF file: score as llama-perplexity -c N does, the second half of windows "
     "of N tokens that stand side by side",
     0},
    {"activations", KEY_ACTIVATIONS, "HOW", 0, "Of a GGUF file. " TERN_HELP_ACTIVATIONS,
     0},
    {"cache", KEY_CACHE, "TYPE", 0, "Of a GGUF file. " TERN_HELP_CACHE, 0},
    {0},
};

/* A GGUF file is one model, and does not know what it was trained on. */
static void check_exported(struct argp_state *state, const options *o)
{
    if (!tern_is_gguf(o->model)) {
        if (o->text.chunk || o->text.activations || o->text.cache)
            argp_error(state, "--chunk, --activations and --cache are for GGUF files");
        return;
    }
    if (o->text.chunk && o->text.stride)
        argp_error(state, "--chunk or --stride, not both");
    if (o->best)
        argp_error(state, "--best chooses a checkpoint of a run, and %s is a GGUF file",
                   o->model);
    if (!o->text.data) argp_error(state, "on which text? give --data FILE");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'd':
        o->text.data = tern_arg_name(state, "--data", arg);
        return 0;
    case KEY_BEST:
        o->best = true;
        return 0;
    case KEY_TOKENS:
        o->text.max_tokens = tern_arg_int(state, "--tokens", arg, 1, INT64_MAX);
        return 0;
    case KEY_STRIDE:
        o->text.stride = tern_arg_int(state, "--stride", arg, 1, INT64_MAX);
        return 0;
    case KEY_CHUNK:
        o->text.chunk = tern_arg_int(state, "--chunk", arg, 4, INT32_MAX);
        return 0;
    case KEY_ACTIVATIONS:
        o->text.activations = tern_arg_activations(state, arg);
        return 0;
    case KEY_CACHE:
        o->text.cache = tern_arg_cache(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model only, not \"%s\" as well", arg);
        o->model = tern_arg_name(state, "MODEL", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->model)
            argp_error(state, "which model? a run, a checkpoint or a GGUF file");
        check_exported(state, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void report(const options *o, const tern_eval_figures *f, double seconds)
{
    if (o->common.json) {
        tern_print_json(json_pack(
            "{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:f}", "model",
            tern_json_text(f->model), "data", tern_json_text(f->data), "split",
            f->split, "loss", tern_json_number(f->loss), "perplexity",
            tern_json_number(f->perplexity), "bits_per_byte",
            tern_json_number(f->bits_per_byte), "entropy_bits_per_byte",
            f->entropy > 0.0 ? json_real(f->entropy / log(2.0)) : json_null(), "tokens",
            (json_int_t)f->tokens, "bytes", (json_int_t)f->bytes, "seconds", seconds));
        return;
    }
    printf("%s on %s (%s)\n", f->model, f->data,
           o->text.chunk                  ? "in chunks"
           : strcmp(f->split, "all") == 0 ? "all of it"
                                          : "validation split");
    printf("loss %.6f nats/token, perplexity %.4f, %.5f bits/byte\n", f->loss,
           f->perplexity, f->bits_per_byte);
    if (f->entropy > 0.0) {
        const double per_byte = f->bits_per_byte * log(2.0);
        printf(
            "the source's entropy is %.5f bits/byte; the model is %.1f %% above it\n",
            f->entropy / log(2.0), 100.0 * (per_byte / f->entropy - 1.0));
    }
    printf("%" PRId64 " tokens, %" PRId64 " bytes, %.1f s\n", f->tokens, f->bytes,
           seconds);
}

int tern_cmd_eval(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "RUN|CHECKPOINT.h5|MODEL.gguf",
        .children = children,
        .doc =
            "Measure how well a model predicts text: nats per token, perplexity, bits "
            "per byte."
            "\vThe text is cut into windows as long as the model's context, and every "
            "token but the first is scored once, so the result is the same number "
            "every "
            "time. Bits per byte compare models with different tokenizers.\n\n"
            "Example: tern eval model.gguf --data book.h5",
    };
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_eval_figures f = {0};
    const double start = tern_seconds();
    tern_bar bar;
    tern_bar_begin(&bar, "evaluating");
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) {
        if (tern_is_gguf(o.model))
            s = tern_eval_exported(o.model, &o.text, tern_bar_update, &bar, &f);
        else
            s = tern_eval_trained(o.model, o.best, &o.text, tern_bar_update, &bar, &f);
    }
    tern_bar_end(&bar);
    if (s != TERN_OK) return tern_report_failure();
    report(&o, &f, tern_seconds() - start);
    return TERN_EXIT_DONE;
}
