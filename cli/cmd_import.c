/* cmd_import.c - `tern import`: weights trained elsewhere as a run to go on from. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "export/llama2c_import.h"

typedef struct options {
    tern_common common;
    const char *file, *out, *tokenizer;
} options;

enum { KEY_TOKENIZER = 0x2000 };

static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "The run's directory", 0},
    {"tokenizer", KEY_TOKENIZER, "FILE", 0,
     "A tokenizer.model or tokenizer.json for the weights; without one the run can be "
     "measured on no text",
     0},
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
    case KEY_TOKENIZER:
        o->tokenizer = tern_arg_name(state, "--tokenizer", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->file) argp_error(state, "one model only, not \"%s\" as well", arg);
        o->file = tern_arg_name(state, "FILE", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->file) argp_error(state, "which model? give a weight file of llama2.c");
        if (!o->out) argp_error(state, "where to? give -o DIR");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void report(const options *o, const tern_tokenizer *t, const char *path)
{
    char tokenizer[64] = "none";
    if (t) tern_tokenizer_describe(t, tokenizer);
    if (o->common.json)
        tern_print_json(json_pack("{s:o, s:o, s:s}", "run", tern_json_text(o->out),
                                  "checkpoint", tern_json_text(path), "tokenizer",
                                  tokenizer));
    else
        printf("%s: weights of %s, tokenizer %s\n", path, o->file, tokenizer);
}

static tern_status import(const options *o)
{
    char path[TERN_PATH_MAX];
    tern_tokenizer *t = NULL;
    if (o->tokenizer) TERN_TRY(tern_tokenizer_load(o->tokenizer, &t));
    const tern_status s = tern_import_llama2c(o->file, t, o->out, path);
    if (s == TERN_OK) report(o, t, path);
    tern_tokenizer_free(t);
    return s;
}

int tern_cmd_import(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "FILE.bin",
        .children = children,
        .doc =
            "Make a run of weights trained elsewhere: a llama2.c file, version 0 or 1."
            "\vExample: tern import stories260K.bin --tokenizer tok512.model "
            "-o runs/stories",
    };
    options o = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = import(&o);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
