/* cmd_import.c - `tern import`: weights trained elsewhere as a run to go on from. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "export/llama2c_import.h"
#include "train/checkpoint.h"

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

/* --- the run --- */

static tern_status check(const options *o, const tern_spec *m, const tern_tokenizer *t)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, o->out, "config.yaml"));
    if (tern_file_exists(path))
        return tern_fail(TERN_EARG, "%s already holds a run; choose another directory",
                         o->out);
    const int64_t vocab = t ? tern_tokenizer_vocab(t) : m->vocab;
    if (vocab <= m->vocab) return TERN_OK;
    return tern_fail(TERN_ESHAPE,
                     "%s: has %" PRId64 " ids, but the embedding only %" PRId64 " rows",
                     o->tokenizer, vocab, m->vocab);
}

static tern_status write_config(const options *o, const tern_config *c)
{
    char path[TERN_PATH_MAX], *yaml;
    TERN_TRY(tern_path_join(path, o->out, "config.yaml"));
    TERN_TRY(tern_config_yaml(c, &yaml));
    const tern_status s = tern_file_write(path, yaml, strlen(yaml));
    free(yaml);
    return s;
}

static tern_status save(const options *o, const tern_config *c, const tern_tokenizer *t,
                        tern_model *model, char path[TERN_PATH_MAX])
{
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    TERN_TRY(tern_path_join(path, o->out, "checkpoints"));
    TERN_TRY(tern_make_dirs(path));
    TERN_TRY(tern_path_join(path, o->out, "checkpoints/step-00000000.h5"));
    TERN_TRY(tern_checkpoint_save(path, c, t, model, NULL, &state));
    return write_config(o, c); /* from now on it is a run */
}

static tern_status make_run(const options *o, const tern_llama2c *f,
                            const tern_tokenizer *t)
{
    char path[TERN_PATH_MAX];
    tern_config c;
    tern_model *model = NULL;
    tern_config_defaults(&c);
    c.model = *tern_llama2c_spec(f);
    TERN_TRY(check(o, &c.model, t));
    TERN_TRY(tern_config_resolve(&c, c.model.vocab, o->file));
    tern_status s = tern_llama2c_model(f, &c.model, &model);
    if (s != TERN_OK) return tern_fail_in(s, o->file);
    s = save(o, &c, t, model, path);
    if (s == TERN_OK) report(o, t, path);
    tern_model_free(model);
    return s;
}

static tern_status import(const options *o)
{
    tern_llama2c *f;
    tern_tokenizer *t = NULL;
    TERN_TRY(tern_llama2c_open(o->file, &f));
    tern_status s = o->tokenizer ? tern_tokenizer_load(o->tokenizer, &t) : TERN_OK;
    if (s == TERN_OK) s = make_run(o, f, t);
    tern_tokenizer_free(t);
    tern_llama2c_close(f);
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
