/* cmd_init.c - `tern init`: an untrained checkpoint of any shape. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/new_run.h"
#include "layers/model.h"
#include "train/checkpoint.h"
#include "train/config.h"

typedef struct options {
    tern_common common;
    const char *config, *out;
    const char **sets;
    size_t set_count;
} options;

static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "The run's directory", 0},
    {"set", 's', "KEY=VALUE", 0, "Change one value of the config", 0},
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
    case 's':
        o->sets[o->set_count++] = tern_arg_set(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->config) argp_error(state, "one config only, not \"%s\" as well", arg);
        o->config = tern_arg_name(state, "CONFIG", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->config)
            argp_error(state, "which config? for instance configs/nano.yaml");
        if (!o->out) argp_error(state, "where to? give -o DIR");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A byte tokenizer can be had without a text, and serves shapes with any vocabulary
 * that holds it, so that such a model can generate. */
static tern_status tokenizer_for(const tern_config *c, tern_tokenizer **out)
{
    if (c->model.vocab > 0 && c->model.vocab < 256) return TERN_OK;
    return tern_tokenizer_new_byte(out);
}

static tern_status resolve(const options *o, tern_config *c)
{
    if (c->model.vocab == 0 && !strcmp(c->tokenizer, "byte")) c->model.vocab = 256;
    if (c->model.vocab == 0)
        return tern_fail(
            TERN_EARG,
            "%s: model.vocab comes from the tokenizer, which needs a text to "
            "learn from; say --set model.vocab=N",
            o->config);
    return tern_config_resolve(c, c->model.vocab, o->config);
}

static void report(const options *o, const tern_spec *m, const char *path)
{
    const int64_t all = tern_spec_params(m), codes = tern_spec_ternary_params(m);
    char params[16], ternary[16];
    if (o->common.json)
        tern_print_json(json_pack(
            "{s:o, s:o, s:s, s:I, s:I}", "run", tern_json_text(o->out), "checkpoint",
            tern_json_text(path), "arch", tern_arch_name(m->arch), "parameters",
            (json_int_t)all, "ternary_parameters", (json_int_t)codes));
    else
        printf("%s: %s, %s parameters, %s of them ternary\n", path,
               tern_arch_name(m->arch), tern_human_count(all, params),
               tern_human_count(codes, ternary));
}

static tern_status init_run(const options *o)
{
    tern_config c;
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_config_load(o->config, o->sets, o->set_count, &c));
    TERN_TRY(resolve(o, &c));
    TERN_TRY(tern_new_run_check(o->out));
    tern_model *model = NULL;
    tern_tokenizer *t = NULL;
    char count[16];
    const int64_t params = tern_spec_params(&c.model);
    tern_phase(params, "initialising %s parameters", tern_human_count(params, count));
    tern_status s = tern_model_new(&c.model, &model);
    if (s == TERN_OK) s = tern_model_init(model, c.init_std, c.seed);
    if (s == TERN_OK) s = tokenizer_for(&c, &t);
    if (s == TERN_OK) s = tern_new_run_save(o->out, &c, t, model, path);
    if (s == TERN_OK) report(o, &c.model, path);
    tern_tokenizer_free(t);
    tern_model_free(model);
    return s;
}

int tern_cmd_init(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "CONFIG",
        .children = children,
        .doc = "Make an initialised, untrained checkpoint of any shape, to export and "
               "measure."
               "\vExample: tern init configs/shape-0.7b.yaml -o runs/shape",
    };
    options o = {0};
    o.sets = calloc((size_t)argc, sizeof *o.sets);
    if (!o.sets) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = init_run(&o);
    free(o.sets);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
