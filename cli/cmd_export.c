/* cmd_export.c - `tern export`: a run as a GGUF file, and the proof that it is the run.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/run_data.h"
#include "export/gguf_export.h"
#include "export/verify.h"
#include "formats/blocks.h"
#include "train/checkpoint.h"

typedef struct options {
    tern_common common;
    const char *run, *out, *data, *type;
    tern_export_options export;
    bool best;
    long tokens, greedy;
} options;

enum { KEY_BEST = 0x2000, KEY_EMBED, KEY_NAME, KEY_TOKENS, KEY_GREEDY };

static const struct argp_option table[] = {
    {"output", 'o', "FILE", 0, "The GGUF file to write", 0},
    {"type", 't', "TYPE", 0,
     "Of the ternary matrices: tq2_0 (2.06 bits per weight), tq1_0 (1.69), q2_0 (2.25, "
     "also where 256 does not divide the widths), f16. Default: the smallest of tq2_0, "
     "q2_0, f16 that fits. A float model is f16 (default) or f32",
     0},
    {"embed", KEY_EMBED, "TYPE", 0,
     "Of embedding and head: f16 (default; exact for models trained with "
     "model.embed: f16), q8_0, f32",
     0},
    {"best", KEY_BEST, 0, 0, "The checkpoint with the lowest validation loss", 0},
    {"name", KEY_NAME, "TEXT", 0, "The model's name in the file", 0},
    {"data", 'd', "FILE", 0, "Dataset for the parity check (default: the run's own)",
     0},
    {"check-tokens", KEY_TOKENS, "N", 0,
     "Held-out tokens for the parity check (default 2048)", 0},
    {"check-greedy", KEY_GREEDY, "N", 0,
     "Tokens that both must write alike (default 64)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    int type;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case 'd':
        o->data = arg;
        return 0;
    case 't':
    case KEY_EMBED:
        type = tern_export_type(arg);
        if (type < 0) argp_error(state, "there is no type \"%s\"", arg);
        if (key == 't')
            o->export.type = type;
        else
            o->export.embed = (tern_ggml_type)type;
        return 0;
    case KEY_BEST:
        o->best = true;
        return 0;
    case KEY_NAME:
        o->export.name = arg;
        return 0;
    case KEY_TOKENS:
        o->tokens = tern_arg_int(state, "--check-tokens", arg, 0, 1L << 40);
        return 0;
    case KEY_GREEDY:
        o->greedy = tern_arg_int(state, "--check-greedy", arg, 0, 1L << 20);
        return 0;
    case ARGP_KEY_ARG:
        if (o->run) argp_error(state, "one run only, not \"%s\" as well", arg);
        o->run = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->run) argp_error(state, "which run? give its directory or a checkpoint");
        if (!o->out) argp_error(state, "where to? give -o FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Held-out ids for the check: of --data, of the run's dataset, or, where neither is to
 * be had, every id of the vocabulary in turn. */
static tern_status check_ids(const options *o, int64_t vocab, int32_t **ids,
                             int64_t *count, const char **source)
{
    tern_dataset *d = NULL;
    *source = "held-out";
    tern_status s = tern_run_data_open(o->run, o->data, &d);
    if (s != TERN_OK && o->data) return s;
    int64_t n = d ? tern_dataset_tokens(d, TERN_VAL) : o->tokens + 1;
    if (n > o->tokens + 1) n = o->tokens + 1;
    *ids = malloc((size_t)(n + 1) * sizeof **ids);
    if (!*ids) {
        tern_dataset_free(d);
        return tern_fail(TERN_EMEM, "out of memory");
    }
    if (d) {
        s = tern_dataset_read(d, TERN_VAL, 0, n, *ids);
    } else {
        *source = "made-up";
        s = TERN_OK;
        for (int64_t i = 0; i < n; i++) (*ids)[i] = (int32_t)(i * 7919 % vocab);
    }
    tern_dataset_free(d);
    *count = n;
    return s;
}

static int64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void print_report(const options *o, const tern_spec *spec, tern_ggml_type type,
                         const tern_parity *p, const char *source)
{
    char bytes[16], params[16];
    printf("%s: %s, %s parameters, matrices %s, embeddings %s\n", o->out,
           tern_human_bytes(file_bytes(o->out), bytes),
           tern_human_count(tern_spec_params(spec), params), tern_ggml_name(type),
           tern_ggml_name(o->export.embed));
    puts("parity, the trained model against the file in the runtime:");
    printf("  ternary codes   %" PRId64 " in %" PRId64 " matrices, %" PRId64
           " differ\n",
           p->codes, p->matrices, p->codes_differ);
    printf("  scales          %" PRId64 ", %" PRId64 " differ\n", p->scales,
           p->scales_differ);
    printf("  int8 codes      %" PRId64 " over %" PRId64 " %s tokens, %" PRId64
           " differ\n",
           p->acts, p->tokens, source, p->acts_differ);
    printf("  logits          %" PRId64 ", %" PRId64
           " differ in any bit, largest difference %.3g\n",
           p->logits, p->logits_differ, p->max_logit_error);
    printf("  loss            %.9f trained, %.9f exported (nats/token)\n",
           p->train_loss, p->runtime_loss);
    printf("  greedy text     %" PRId64 " of %" PRId64 " tokens alike\n",
           p->greedy_same, p->greedy);
}

static void print_report_json(const options *o, tern_ggml_type type,
                              const tern_parity *p)
{
    tern_print_json(json_pack(
        "{s:s, s:s, s:s, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, "
        "s:f, "
        "s:f, s:I, s:I}}",
        "file", o->out, "type", tern_ggml_name(type), "embed",
        tern_ggml_name(o->export.embed), "bytes", (json_int_t)file_bytes(o->out),
        "parity", "codes", (json_int_t)p->codes, "codes_differ",
        (json_int_t)p->codes_differ, "scales", (json_int_t)p->scales, "scales_differ",
        (json_int_t)p->scales_differ, "tokens", (json_int_t)p->tokens, "activations",
        (json_int_t)p->acts, "activations_differ", (json_int_t)p->acts_differ, "logits",
        (json_int_t)p->logits, "logits_differ", (json_int_t)p->logits_differ,
        "max_logit_error", p->max_logit_error, "train_loss", p->train_loss,
        "runtime_loss", p->runtime_loss, "greedy", (json_int_t)p->greedy, "greedy_same",
        (json_int_t)p->greedy_same));
}

static tern_status verify(const options *o, tern_model *model, tern_parity *parity,
                          const char **source)
{
    tern_runtime *runtime;
    int32_t *ids = NULL;
    int64_t count = 0;
    TERN_TRY(tern_runtime_open(o->out, &runtime));
    tern_status s = check_ids(o, tern_model_spec(model)->vocab, &ids, &count, source);
    if (s == TERN_OK) s = tern_verify(model, runtime, ids, count, o->greedy, parity);
    free(ids);
    tern_runtime_free(runtime);
    if (s == TERN_OK && (parity->codes_differ || parity->scales_differ))
        return tern_fail(TERN_ECORRUPT,
                         "%s: %" PRId64 " ternary codes and %" PRId64
                         " scales are not the trained model's: please report this",
                         o->out, parity->codes_differ, parity->scales_differ);
    return s;
}

static tern_status export_run(const options *o)
{
    char path[TERN_PATH_MAX];
    tern_checkpoint *c;
    tern_model *model = NULL;
    tern_parity parity;
    tern_ggml_type type = TERN_GGML_F16;
    const char *source = "";
    TERN_TRY(tern_run_find(o->run, o->best, path));
    TERN_TRY(tern_checkpoint_open(path, &c));
    tern_status s = tern_checkpoint_model(c, &model);
    if (s == TERN_OK) s = tern_export_gguf(c, model, &o->export, o->out, &type);
    if (s == TERN_OK) s = verify(o, model, &parity, &source);
    if (s == TERN_OK && o->common.json)
        print_report_json(o, type, &parity);
    else if (s == TERN_OK)
        print_report(o, tern_model_spec(model), type, &parity, source);
    tern_model_free(model);
    tern_checkpoint_close(c);
    return s;
}

int tern_cmd_export(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "RUN|CHECKPOINT.h5",
        .children = children,
        .doc = "Write a trained model as a GGUF file, read it again and compare."
               "\vThe report says how many codes, scales and logits of the file differ "
               "from the trained model: the aim is none.\n\n"
               "Example: tern export runs/tales -o tales.gguf",
    };
    options o = {.export = {.type = TERN_EXPORT_AUTO, .embed = TERN_GGML_F16},
                 .tokens = 2048,
                 .greedy = 64};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = export_run(&o);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
