/* cmd_data.c - `tern data`: text files to a dataset of tokens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/corpus.h"

typedef struct options {
    tern_common common;
    const char **paths;
    size_t count;
    const char *out, *tokenizer;
    tern_pretok pretok;
    double val;
} options;

static const struct argp_option table[] = {
    {"output", 'o', "FILE", 0, "The dataset to write (HDF5), for instance corpus.h5",
     0},
    {"tokenizer", 't', "KIND", 0,
     "byte: one token per byte. char: one per character of the corpus. bpe:N: learn "
     "byte-pair encoding with N tokens (default bpe:4096). FILE: a tokenizer.json",
     0},
    {"pretok", 'p', "NAME", 0, "How bpe cuts text into words: llama3 (default) or gpt2",
     0},
    {"val", 'v', "F", 0,
     "Fraction at the end of each file held out for validation (default 0.1)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'o':
        o->out = tern_arg_name(state, "--output", arg);
        return 0;
    case 't':
        o->tokenizer = arg;
        return 0;
    case 'v':
        o->val = tern_arg_float(state, "--val", arg, 0.0, 0.9);
        return 0;
    case 'p':
        if (strcmp(arg, "llama3") != 0 && strcmp(arg, "gpt2") != 0)
            argp_error(state, "--pretok is \"%s\", must be llama3 or gpt2", arg);
        o->pretok = arg[0] == 'g' ? TERN_PRETOK_GPT2 : TERN_PRETOK_LLAMA3;
        return 0;
    case ARGP_KEY_ARG:
        o->paths[o->count++] = tern_arg_name(state, "TEXT", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->count) argp_error(state, "which text? give one file or more");
        if (!o->out) argp_error(state, "where to? give -o FILE");
        if (tern_check_tokenizer(o->tokenizer) != TERN_OK)
            argp_error(state, "%s", tern_error_message());
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void report(const options *o, const tern_dataset *d, double seconds)
{
    char name[64];
    const tern_tokenizer *t = tern_dataset_tokenizer(d);
    const int64_t train = tern_dataset_tokens(d, TERN_TRAIN);
    const int64_t val = tern_dataset_tokens(d, TERN_VAL);
    const int64_t bytes =
        tern_dataset_bytes(d, TERN_TRAIN) + tern_dataset_bytes(d, TERN_VAL);
    tern_tokenizer_describe(t, name);
    if (o->common.json) {
        tern_print_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f}", "dataset",
                                  tern_json_text(o->out), "tokenizer", name, "vocab",
                                  (json_int_t)tern_tokenizer_vocab(t), "train_tokens",
                                  (json_int_t)train, "val_tokens", (json_int_t)val,
                                  "bytes", (json_int_t)bytes, "entropy_nats_per_byte",
                                  tern_dataset_entropy(d), "seconds", seconds));
        return;
    }
    printf("%s: %" PRId64 " tokens to train on, %" PRId64 " held out\n", o->out, train,
           val);
    printf("tokenizer %s, %.2f bytes per token, %.1f s\n", name,
           (double)bytes / (double)(train + val), seconds);
}

int tern_cmd_data(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "TEXT...",
        .children = children,
        .doc = "Turn text files into one dataset: tokens, split and tokenizer in a "
               "checksummed HDF5 file."
               "\vThe end of each file is held out for validation. A line "
               "<|endoftext|> separates documents. Any size of text is read in "
               "bounded memory.\n\nExample: tern data book.txt -o book.h5 -t bpe:4096",
    };
    options o = {.tokenizer = "bpe:4096", .pretok = TERN_PRETOK_LLAMA3, .val = 0.1};
    o.paths = calloc((size_t)argc, sizeof *o.paths);
    if (!o.paths) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);

    const double start = tern_seconds();
    tern_dataset *d = NULL;
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK)
        s = tern_make_dataset(o.tokenizer, o.pretok, o.val, o.paths, o.count, o.out);
    if (s == TERN_OK) s = tern_dataset_open_within(o.out, 0, &d);
    if (s == TERN_OK) report(&o, d, tern_seconds() - start);
    tern_dataset_free(d);
    free(o.paths);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
