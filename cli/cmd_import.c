/* cmd_import.c - `tern import`: weights trained elsewhere as a run to go on from: a
 * directory of Hugging Face, a GGUF file, or a file of llama2.c. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/new_run.h"
#include "export/gguf_import.h"
#include "export/hf_import.h"
#include "export/llama2c_import.h"
#include "formats/gguf.h"
#include "train/chat_template.h"
#include "train/config.h"

typedef struct options {
    tern_common common;
    const char *model, *out, *tokenizer;
    const char **sets; /* of --quant and --arch too */
    size_t set_count;
} options;

enum { KEY_QUANT = 0x2000, KEY_ARCH, KEY_TOKENIZER };

static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "The run's directory", 0},
    {"quant", KEY_QUANT, "ternary|none", 0,
     "How the run computes: with ternary weights, quantised from what is imported, or "
     "with floats. Default: as the checkpoint does",
     0},
    {"arch", KEY_ARCH, "bitnet|llama", 0,
     "bitnet adds the norms before the two output projections to a llama checkpoint, "
     "with gains of 1; the model must then be trained to use them",
     0},
    {"tokenizer", KEY_TOKENIZER, "FILE|none", 0,
     "A tokenizer.json or tokenizer.model, instead of the directory's tokenizer.json",
     0},
    {"set", 's', "KEY=VALUE", 0,
     "Change one value of the run's config, model.context=2048", 0},
    {0},
};

static void set_choice(struct argp_state *state, const char *option, const char *key,
                       const char *arg, const char *a, const char *b)
{
    options *o = state->input;
    static char texts[2][32];
    char *text = texts[!strcmp(key, "arch")];
    if (strcmp(arg, a) != 0 && strcmp(arg, b) != 0)
        argp_error(state, "%s is \"%s\", must be %s or %s", option, arg, a, b);
    snprintf(text, sizeof texts[0], "model.%s=%s", key, arg);
    o->sets[o->set_count++] = text;
}

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
    case KEY_QUANT:
        set_choice(state, "--quant", "quant", arg, "ternary", "none");
        return 0;
    case KEY_ARCH:
        set_choice(state, "--arch", "arch", arg, "bitnet", "llama");
        return 0;
    case KEY_TOKENIZER:
        o->tokenizer = tern_arg_name(state, "--tokenizer", arg);
        return 0;
    case 's':
        o->sets[o->set_count++] = tern_arg_set(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model only, not \"%s\" as well", arg);
        o->model = tern_arg_name(state, "MODEL", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->model)
            argp_error(state, "which model? give the directory of its config.json, "
                              "a GGUF file, or a weight file of llama2.c");
        if (!o->out) argp_error(state, "where to? give -o DIR");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Where the weights come from: one of the three. */
typedef struct source {
    tern_hf_import *hf;
    tern_runtime *gguf;
    tern_llama2c *llama2c;
    int64_t packed, rounded; /* matrices that came as codes; of them, scales rounded */
    bool chat;               /* a chat template came with them */
} source;

static tern_status model_of(const options *o, source *from, const tern_spec *spec,
                            tern_model **out)
{
    tern_gguf_notes notes;
    tern_status s;
    if (from->hf) {
        s = tern_hf_import_model(from->hf, spec, out);
        from->packed = from->hf->notes.packed;
        from->rounded = from->hf->notes.scales_rounded;
    } else if (from->gguf) {
        s = tern_gguf_import_model(from->gguf, spec, &notes, out);
        from->packed = notes.ternary;
        from->rounded = notes.scales_rounded;
    } else {
        s = tern_llama2c_model(from->llama2c, spec, out);
        if (s != TERN_OK) s = tern_fail_in(s, o->model);
    }
    return s;
}

/* --- tokenizer and config --- */

/* NULL, with a warning, where there is none. `path` is where it was found, else "". */
static tern_status load_tokenizer(const options *o, bool from_dir,
                                  char path[TERN_PATH_MAX], tern_tokenizer **out)
{
    const bool none = o->tokenizer && !strcmp(o->tokenizer, "none");
    *path = '\0';
    if (none) return TERN_OK;
    if (o->tokenizer)
        snprintf(path, TERN_PATH_MAX, "%s", o->tokenizer);
    else if (from_dir)
        TERN_TRY(tern_path_join(path, o->model, "tokenizer.json"));
    if (!o->tokenizer && !(from_dir && tern_file_exists(path))) {
        *path = '\0';
        tern_warn(
            "%s: has no %s; the run has no tokenizer, and can be trained only on a "
            "dataset made elsewhere with the right one",
            o->model, from_dir ? "tokenizer.json" : "tokenizer (--tokenizer FILE)");
        return TERN_OK;
    }
    const tern_status s = tern_tokenizer_load(path, out);
    if (s == TERN_OK || o->tokenizer) return s;
    return tern_fail(s,
                     "%s (give another with --tokenizer FILE, or go without: "
                     "--tokenizer none)",
                     tern_error_message());
}

/* What the run would learn from a text; a text is encoded with what is imported. */
static void name_tokenizer(const char *path, tern_config *c)
{
    char *whole = *path ? realpath(path, NULL) : NULL;
    if (whole && strlen(whole) < sizeof c->tokenizer)
        snprintf(c->tokenizer, sizeof c->tokenizer, "%s", whole);
    free(whole);
}

/* The defaults, the checkpoint's dimensions, then --set. */
static tern_status make_config(const options *o, const source *from,
                               const char *tokenizer, tern_config *out)
{
    char *yaml = NULL;
    tern_config c;
    if (from->gguf)
        return tern_gguf_import_config(from->gguf, o->sets, o->set_count, out);
    tern_config_defaults(&c);
    c.model = from->hf ? from->hf->spec : *tern_llama2c_spec(from->llama2c);
    name_tokenizer(tokenizer, &c);
    TERN_TRY(tern_config_yaml(&c, &yaml));
    const tern_status s =
        tern_config_parse(yaml, strlen(yaml), o->model, o->sets, o->set_count, out);
    free(yaml);
    return s == TERN_OK ? tern_config_resolve(out, 0, o->model) : s;
}

static tern_status check_vocab(const char *path, const tern_tokenizer *t,
                               const tern_spec *s)
{
    const int64_t ids = t ? tern_tokenizer_vocab(t) : 0;
    if (ids <= s->vocab) return TERN_OK;
    return tern_fail(TERN_ESHAPE,
                     "%s: has %" PRId64 " ids, but the embedding only %" PRId64
                     " rows; give another with --tokenizer FILE, or none",
                     path, ids, s->vocab);
}

/* --- chat template --- */

static tern_status hf_chat_template(const char *dir, char **out)
{
    char path[TERN_PATH_MAX], *text;
    size_t bytes;
    TERN_TRY(tern_hf_read_chat_template(dir, path, &text, &bytes));
    if (!text) return TERN_OK;
    const tern_status s = tern_chat_template_take(path, text, bytes, out);
    free(text);
    return s;
}

static tern_status gguf_chat_template(const tern_runtime *r, char **out)
{
    static const char key[] = "tokenizer.chat_template";
    const tern_gguf *g = tern_runtime_gguf(r);
    tern_gguf_string text;
    if (!tern_gguf_has(g, key)) return TERN_OK;
    TERN_TRY(tern_gguf_get_string(g, key, &text));
    return tern_chat_template_take(tern_gguf_path(g), text.data, text.bytes, out);
}

/* A model without its template is still the model. */
static tern_status keep_chat_template(const options *o, source *from)
{
    char *text = NULL;
    tern_status s = TERN_OK;
    if (from->hf) s = hf_chat_template(o->model, &text);
    if (from->gguf) s = gguf_chat_template(from->gguf, &text);
    if (s != TERN_OK) {
        tern_warn("%s; the run gets no chat template", tern_error_message());
        return TERN_OK;
    }
    from->chat = text != NULL;
    s = tern_chat_template_keep(o->out, text, NULL);
    free(text);
    return s;
}

/* --- the command --- */

static void report(const options *o, const source *from, const tern_spec *m,
                   const tern_tokenizer *t, const char *path)
{
    const int64_t packed = from->packed, rounded = from->rounded;
    char params[16], ternary[16], tokenizer[64] = "none";
    const int64_t all = tern_spec_params(m), codes = tern_spec_ternary_params(m);
    if (t) tern_tokenizer_describe(t, tokenizer);
    if (rounded)
        tern_warn("%" PRId64 " of %" PRId64
                  " scales were rounded to fp16, by 0.05 %% at most",
                  rounded, packed);
    if (o->common.json) {
        tern_print_json(json_pack(
            "{s:o, s:o, s:s, s:s, s:I, s:I, s:s, s:b, s:I, s:I}", "run",
            tern_json_text(o->out), "checkpoint", tern_json_text(path), "arch",
            tern_arch_name(m->arch), "quant", codes ? "ternary" : "none", "parameters",
            (json_int_t)all, "ternary_parameters", (json_int_t)codes, "tokenizer",
            tokenizer, "chat_template", from->chat, "packed_matrices",
            (json_int_t)packed, "scales_rounded", (json_int_t)rounded));
        return;
    }
    printf("%s: %s, %s parameters, %s of them ternary, embeddings %s, tokenizer %s%s\n",
           path, tern_arch_name(m->arch), tern_human_count(all, params),
           tern_human_count(codes, ternary), m->embed == TERN_EMBED_F16 ? "f16" : "f32",
           tokenizer, from->chat ? ", with a chat template" : "");
    fprintf(stderr,
            "next: tern train --init %s --data TEXT --out DIR --set optim.lr=1e-4\n",
            o->out);
}

static tern_status save_with(const options *o, source *from, const tern_tokenizer *t,
                             const char *tokenizer_path)
{
    char path[TERN_PATH_MAX];
    tern_config c;
    tern_model *model = NULL;
    TERN_TRY(make_config(o, from, tokenizer_path, &c));
    TERN_TRY(check_vocab(*tokenizer_path ? tokenizer_path : o->model, t, &c.model));
    tern_phase(tern_spec_params(&c.model), "reading %s", o->model);
    TERN_TRY(model_of(o, from, &c.model, &model));
    tern_status s = tern_new_run_save(o->out, &c, t, model, path);
    if (s == TERN_OK) s = keep_chat_template(o, from);
    if (s == TERN_OK) report(o, from, &c.model, t, path);
    tern_model_free(model);
    return s;
}

static tern_status save(const options *o, source *from)
{
    char path[TERN_PATH_MAX] = "";
    tern_tokenizer *t = NULL;
    if (from->gguf && !o->tokenizer && tern_runtime_has_tokenizer(from->gguf)) {
        TERN_TRY(tern_runtime_read_tokenizer(from->gguf));
        return save_with(o, from, tern_runtime_tokenizer(from->gguf), path);
    }
    TERN_TRY(load_tokenizer(o, from->hf != NULL, path, &t));
    const tern_status s = save_with(o, from, t, path);
    tern_tokenizer_free(t);
    return s;
}

static tern_status import_dir(const options *o)
{
    tern_hf_import i;
    TERN_TRY(tern_hf_import_open(o->model, &i));
    const tern_status s = save(o, &(source){.hf = &i});
    tern_hf_import_close(&i);
    return s;
}

static tern_status import_gguf(const options *o)
{
    tern_runtime *m;
    TERN_TRY(tern_runtime_open(o->model, &m));
    const tern_status s = save(o, &(source){.gguf = m});
    tern_runtime_free(m);
    return s;
}

static tern_status import_llama2c(const options *o)
{
    tern_llama2c *f;
    TERN_TRY(tern_llama2c_open(o->model, &f));
    const tern_status s = save(o, &(source){.llama2c = f});
    tern_llama2c_close(f);
    return s;
}

static tern_status import(const options *o)
{
    struct stat about;
    TERN_TRY(tern_new_run_check(o->out));
    const bool file = stat(o->model, &about) == 0 && S_ISREG(about.st_mode);
    if (!file) return import_dir(o);
    return tern_is_gguf(o->model) ? import_gguf(o) : import_llama2c(o);
}

int tern_cmd_import(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "MODEL",
        .children = children,
        .doc =
            "Make a run of weights trained elsewhere: a Hugging Face checkpoint, which "
            "is a directory with config.json, model.safetensors (or shards) and "
            "tokenizer.json; a GGUF file of arch llama or bitnet; or a file of "
            "llama2.c, version 0 or 1."
            "\vLLaMA and its like, and BitNet, in F32, F16, BF16 or packed. What "
            "tern's graph does not have (biases, sliding windows, positions scaled by "
            "other rules than linear and llama3, ...) is refused by name. A chat "
            "template becomes chat_template.jinja in the run. `tern train --init` goes "
            "on from the run, `tern eval` measures it, `tern export` writes it as "
            "GGUF.\n\nExamples:\n"
            "  tern import SmolLM-135M -o runs/smol --quant ternary\n"
            "  tern train --init runs/smol --data book.txt --out runs/smol-1bit "
            "--set optim.lr=1e-4\n"
            "  tern import stories260K.bin --tokenizer tok512.model -o runs/stories",
    };
    options o = {0};
    o.sets = calloc((size_t)argc, sizeof *o.sets);
    if (!o.sets) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = import(&o);
    free(o.sets);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
