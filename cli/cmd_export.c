/* cmd_export.c - `tern export`: a run as a GGUF file (or as a Hugging Face directory,
 * see export_hf.c), and the proof that it is the run. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/check_text.h"
#include "cli/export_hf.h"
#include "export/gguf_export.h"
#include "export/verify.h"
#include "formats/blocks.h"
#include "train/chat_template.h"
#include "train/checkpoint.h"

typedef struct options {
    tern_common common;
    const char *run, *out, *data, *chat;
    tern_export_options export;
    tern_hf_options hf;
    const char *format;
    const char *gguf_only, *hf_only; /* an option that only one format has, if given */
    bool best;
    long tokens; /* -1: as many as it needs */
    long greedy;
} options;

enum { CHECK_TOKENS = 2048 };
enum {
    KEY_BEST = 0x2000,
    KEY_EMBED,
    KEY_NAME,
    KEY_TOKENS,
    KEY_GREEDY,
    KEY_WEIGHTS,
    KEY_DTYPE,
    KEY_SHARD,
    KEY_CHAT
};

static const struct argp_option table[] = {
    {"output", 'o', "FILE|DIR", 0, "The GGUF file, or the directory, to write", 0},
    {"format", 'f', "gguf|hf", 0,
     "gguf (default): for tern and llama.cpp; hf: a directory for Hugging Face's "
     "transformers",
     0},
    {"best", KEY_BEST, 0, 0, "The checkpoint with the lowest validation loss", 0},
    {"chat-template", KEY_CHAT, "FILE|none", 0,
     "A Jinja template, for programs that talk with the model. Default: the run's, "
     "chat_template.jinja, if it has one",
     0},
    {0, 0, 0, 0, "Format gguf:", 2},
    {"type", 't', "TYPE", 0,
     "Of the ternary matrices: tq2_0 (2.06 bits per weight), tq1_0 (1.69), q2_0 (2.25, "
     "also where 256 does not divide the widths), f16. Default: the smallest of tq2_0, "
     "q2_0, f16 that fits. A float model is f32 (default), or rounded: f16, q8_0, "
     "q6_k, q4_0",
     0},
    {"embed", KEY_EMBED, "TYPE", 0,
     "Of embedding and head: f16, f32, q8_0, q6_k, q4_0. Default: what the model was "
     "trained with (model.embed), which is exact",
     0},
    {"name", KEY_NAME, "TEXT", 0, "The model's name in the file", 0},
    {"data", 'd', "FILE", 0, "Dataset for the parity check (default: the run's own)",
     0},
    {"check-tokens", KEY_TOKENS, "N", 0,
     "Tokens for the parity check (default 2048, or the model's context if that is "
     "longer)",
     0},
    {"check-greedy", KEY_GREEDY, "N", 0,
     "Tokens that both must write alike (default 64)", 0},
    {0, 0, 0, 0, "Format hf:", 3},
    {"weights", KEY_WEIGHTS, "KIND", 0,
     "Of the ternary matrices. Packed codes, to run: autobitlinear (default; "
     "weight_scale "
     "is gamma, as in bitnet-b1.58-2B-4T) or bitlinear (weight_scale is 1/gamma; for "
     "older versions of transformers). Float masters, to train on: online (moved by "
     "0.1 "
     "% at most, so that transformers computes tern's gamma) or master (as they are)",
     0},
    {"dtype", KEY_DTYPE, "TYPE", 0,
     "Of everything that is not codes: f32, bf16, f16. Default: what loses nothing", 0},
    {"max-shard-size", KEY_SHARD, "SIZE", 0,
     "More is split into several files (default 5 GB)", 0},
    {0},
};

static void set_type(struct argp_state *state, int key, const char *arg)
{
    options *o = state->input;
    const int type = tern_export_type(arg);
    o->gguf_only = key == 't' ? "--type" : "--embed";
    if (type < 0)
        argp_error(
            state, "%s: there is no type \"%s\"; there are %s", o->gguf_only, arg,
            key == 't' ? "tq2_0, tq1_0, q2_0 and f16, for float models f32, q8_0, "
                         "q6_k and q4_0"
                       : "f16, f32, q8_0, q6_k and q4_0");
    if (key == 't')
        o->export.type = type;
    else
        o->export.embed = type;
}

static void set_format(struct argp_state *state, const char *arg)
{
    options *o = state->input;
    if (strcmp(arg, "gguf") != 0 && strcmp(arg, "hf") != 0)
        argp_error(state, "--format is \"%s\", must be gguf or hf", arg);
    o->format = arg;
}

static void set_weights(struct argp_state *state, const char *arg)
{
    options *o = state->input;
    o->hf.weights = tern_hf_weights_find(arg);
    o->hf_only = "--weights";
    if (o->hf.weights < 0)
        argp_error(state,
                   "--weights is \"%s\", must be autobitlinear, bitlinear, online or "
                   "master",
                   arg);
}

static void set_dtype(struct argp_state *state, const char *arg)
{
    options *o = state->input;
    o->hf.dtype = tern_st_type_find(arg);
    o->hf_only = "--dtype";
    if (o->hf.dtype < 0 || !tern_st_type_is_float((tern_st_type)o->hf.dtype))
        argp_error(state, "--dtype is \"%s\", must be f32, bf16 or f16", arg);
}

/* An option of one format beside the other would be ignored: better say so. */
static void check_format(struct argp_state *state, const options *o)
{
    const bool hf = strcmp(o->format, "hf") == 0;
    if (hf && o->gguf_only)
        argp_error(state, "%s is of format gguf; format hf has --weights and --dtype",
                   o->gguf_only);
    if (!hf && o->hf_only)
        argp_error(state, "%s is of format hf: add --format hf", o->hf_only);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case 'f':
        set_format(state, arg);
        return 0;
    case KEY_WEIGHTS:
        set_weights(state, arg);
        return 0;
    case KEY_DTYPE:
        set_dtype(state, arg);
        return 0;
    case KEY_SHARD:
        o->hf.shard_bytes = (uint64_t)tern_arg_bytes(state, "--max-shard-size", arg);
        o->hf_only = "--max-shard-size";
        return 0;
    case 'd':
        o->data = arg;
        o->gguf_only = "--data";
        return 0;
    case 't':
    case KEY_EMBED:
        set_type(state, key, arg);
        return 0;
    case KEY_BEST:
        o->best = true;
        return 0;
    case KEY_CHAT:
        o->chat = arg;
        return 0;
    case KEY_NAME:
        o->export.name = arg;
        o->gguf_only = "--name";
        return 0;
    case KEY_TOKENS:
        o->tokens = tern_arg_int(state, "--check-tokens", arg, 0, 1L << 40);
        o->gguf_only = "--check-tokens";
        return 0;
    case KEY_GREEDY:
        o->greedy = tern_arg_int(state, "--check-greedy", arg, 0, 1L << 20);
        o->gguf_only = "--check-greedy";
        return 0;
    case ARGP_KEY_ARG:
        if (o->run) argp_error(state, "one run only, not \"%s\" as well", arg);
        o->run = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->run) argp_error(state, "which run? give its directory or a checkpoint");
        if (!o->out) argp_error(state, "where to? give -o FILE");
        check_format(state, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* What the report is about. */
typedef struct job {
    const options *options;
    tern_model *model;
    tern_export_types types;
    tern_check_text text;
    tern_parity parity;
    bool exact;
    char verdict[512];
} job;

static void print_report(const job *j)
{
    char bytes[16], params[16];
    const tern_parity *p = &j->parity;
    printf("%s: %s, %s parameters, matrices %s, embeddings %s%s\n", j->options->out,
           tern_human_bytes(file_bytes(j->options->out), bytes),
           tern_human_count(tern_spec_params(tern_model_spec(j->model)), params),
           tern_ggml_name(j->types.linear), tern_ggml_name(j->types.embed),
           j->options->export.chat ? ", with a chat template" : "");
    puts("parity, the trained model against the file in the runtime:");
    printf("  ternary codes   %" PRId64 " in %" PRId64 " matrices, %" PRId64
           " differ\n",
           p->codes, p->matrices, p->codes_differ);
    printf("  scales          %" PRId64 ", %" PRId64 " differ\n", p->scales,
           p->scales_differ);
    printf("  float weights   %" PRId64 ", %" PRId64 " differ in any bit\n", p->floats,
           p->floats_differ);
    printf("  text            %" PRId64 " %s tokens%s%s, positions up to %" PRId64 "\n",
           p->tokens, j->text.source, *j->text.data ? " of " : "", j->text.data,
           p->positions);
    printf("  int8 codes      %" PRId64 ", %" PRId64 " differ\n", p->acts,
           p->acts_differ);
    printf("  logits          %" PRId64 ", %" PRId64
           " differ in any bit, largest difference %.3g\n",
           p->logits, p->logits_differ, p->max_logit_error);
    if (p->tokens)
        printf("  loss            %.9f trained, %.9f exported (nats/token)\n",
               p->train_loss, p->runtime_loss);
    printf("  greedy text     %" PRId64 " of %" PRId64 " tokens alike\n",
           p->greedy_same, p->greedy);
    puts(j->verdict);
}

static void set_count(json_t *o, const char *key, int64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static json_t *parity_json(const job *j)
{
    const tern_parity *p = &j->parity;
    const double unknown = (double)NAN;
    json_t *o = json_object();
    json_object_set_new(o, "exact", json_boolean(j->exact));
    json_object_set_new(o, "verdict", json_string(j->verdict));
    json_object_set_new(o, "source", json_string(j->text.source));
    json_object_set_new(o, "data",
                        *j->text.data ? json_string(j->text.data) : json_null());
    set_count(o, "codes", p->codes);
    set_count(o, "codes_differ", p->codes_differ);
    set_count(o, "scales", p->scales);
    set_count(o, "scales_differ", p->scales_differ);
    set_count(o, "floats", p->floats);
    set_count(o, "floats_differ", p->floats_differ);
    set_count(o, "tokens", p->tokens);
    set_count(o, "positions", p->positions);
    set_count(o, "activations", p->acts);
    set_count(o, "activations_differ", p->acts_differ);
    set_count(o, "logits", p->logits);
    set_count(o, "logits_differ", p->logits_differ);
    set_count(o, "logits_nan", p->logits_nan);
    json_object_set_new(o, "max_logit_error", tern_json_number(p->max_logit_error));
    json_object_set_new(o, "train_loss",
                        tern_json_number(p->tokens ? p->train_loss : unknown));
    json_object_set_new(o, "runtime_loss",
                        tern_json_number(p->tokens ? p->runtime_loss : unknown));
    set_count(o, "greedy", p->greedy);
    set_count(o, "greedy_same", p->greedy_same);
    return o;
}

static void print_report_json(const job *j)
{
    tern_print_json(json_pack(
        "{s:o, s:s, s:s, s:b, s:I, s:o}", "file", tern_json_text(j->options->out),
        "type", tern_ggml_name(j->types.linear), "embed",
        tern_ggml_name(j->types.embed), "chat_template",
        j->options->export.chat != NULL, "bytes",
        (json_int_t)file_bytes(j->options->out), "parity", parity_json(j)));
}

/* Compares the finished file before it takes the place of an older one. */
static tern_status verify(void *user, const char *file)
{
    job *j = user;
    tern_runtime *runtime;
    tern_phase(tern_spec_params(tern_model_spec(j->model)),
               "comparing %" PRId64 " tokens", j->text.count);
    TERN_TRY(tern_runtime_open(file, &runtime));
    tern_parity *p = &j->parity;
    const tern_status s = tern_verify(j->model, runtime, j->text.ids, j->text.count,
                                      j->options->greedy, p);
    tern_runtime_free(runtime);
    TERN_TRY(s);
    j->exact = tern_parity_verdict(p, j->verdict, sizeof j->verdict);
    if (p->codes_differ || p->scales_differ)
        return tern_fail(TERN_ECORRUPT, "%s: %s; nothing was written", j->options->out,
                         j->verdict);
    return TERN_OK;
}

/* Tokens to compare: enough to fill the model's context, unless told. */
static int64_t check_tokens(const options *o, const tern_spec *s)
{
    if (o->tokens >= 0) return o->tokens;
    return s->context > CHECK_TOKENS ? s->context : CHECK_TOKENS;
}

static tern_status export_checkpoint(const options *o, tern_checkpoint *c, job *j)
{
    tern_export_options e = o->export;
    e.check = verify;
    e.user = j;
    const int64_t params = tern_spec_params(&tern_checkpoint_config(c)->model);
    tern_phase(params, "reading %s", o->run);
    TERN_TRY(tern_checkpoint_model(c, &j->model));
    const tern_spec *spec = tern_model_spec(j->model);
    TERN_TRY(tern_export_choose(spec, &e, &j->types));
    TERN_TRY(
        tern_check_text_open(c, o->run, o->data, check_tokens(o, spec) + 1, &j->text));
    tern_phase(params, "writing %s", o->out);
    const tern_status s = tern_export_gguf(c, j->model, &e, o->out);
    tern_phase_end();
    return s;
}

static tern_status export_run(const options *o)
{
    char path[TERN_PATH_MAX];
    tern_checkpoint *c;
    job j = {.options = o};
    TERN_TRY(tern_run_find(o->run, o->best, path));
    TERN_TRY(tern_refuse_overwrite(path, o->out));
    TERN_TRY(tern_checkpoint_open(path, &c));
    const tern_status s = export_checkpoint(o, c, &j);
    if (s == TERN_OK && o->common.json)
        print_report_json(&j);
    else if (s == TERN_OK)
        print_report(&j);
    tern_check_text_free(&j.text);
    tern_model_free(j.model);
    tern_checkpoint_close(c);
    return s;
}

/* The template into *text (free() it): the one asked for, or the run's; NULL: none. */
static tern_status read_chat(const options *o, char **text)
{
    *text = NULL;
    if (!o->chat) return tern_chat_template_of_run(o->run, text);
    if (strcmp(o->chat, "none") == 0) return TERN_OK;
    return tern_chat_template_load(o->chat, text);
}

static tern_status run_export(options *o)
{
    char *chat;
    tern_status s = read_chat(o, &chat);
    o->hf.chat = o->export.chat = chat;
    if (s == TERN_OK)
        s = strcmp(o->format, "hf") == 0
                ? tern_export_hf_run(o->run, o->best, &o->hf, o->out, o->common.json)
                : export_run(o);
    free(chat);
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
        .doc =
            "Write a trained model as a GGUF file or for Hugging Face, read it again "
            "and "
            "compare."
            "\vThe report says how many codes, scales and logits of the file differ "
            "from the trained model: the aim is none, and the last line says whether "
            "it was reached. An older file of that name is replaced after the "
            "comparison.\n\n"
            "Examples:\n  tern export runs/tales -o tales.gguf\n"
            "  tern export runs/tales -o tales-hf --format hf",
    };
    options o = {.format = "gguf",
                 .export = {.type = TERN_EXPORT_AUTO, .embed = TERN_EXPORT_AUTO},
                 .hf = {.weights = TERN_HF_AUTO, .dtype = TERN_HF_AUTO},
                 .tokens = -1,
                 .greedy = 64};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = run_export(&o);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
