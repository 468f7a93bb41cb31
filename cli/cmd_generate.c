/* cmd_generate.c - `tern generate`: a model writes text. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/model_file.h"
#include "cli/signals.h"
#include "data/text_check.h"

enum { RECENT = 64 }; /* ids that the repetition penalty looks back */

typedef struct options {
    tern_common common;
    const char *model, *prompt, *prompt_file;
    long count, context;
    bool ignore_end, hide_prompt;
    tern_sampler sampler;
} options;

enum {
    KEY_TEMP = 0x2000,
    KEY_TOP_K,
    KEY_TOP_P,
    KEY_MIN_P,
    KEY_PENALTY,
    KEY_IGNORE_END,
    KEY_HIDE_PROMPT
};

static const struct argp_option table[] = {
    {"prompt", 'p', "TEXT", 0, "What the text begins with", 0},
    {"file", 'f', "FILE", 0, "Read the prompt from a file", 0},
    {"n-predict", 'n', "N", 0, "Tokens to write (default 200)", 0},
    {"ctx-size", 'c', "N", 0,
     "Tokens the model sees at once (default: what it was trained for); a longer text "
     "goes on from its last half",
     0},
    {"temp", KEY_TEMP, "X", 0,
     "Temperature: 0 always takes the most probable token, 1 samples as the model "
     "says (default 0.8)",
     0},
    {"top-k", KEY_TOP_K, "N", 0, "Only the N most probable, 0 off (default 40)", 0},
    {"top-p", KEY_TOP_P, "X", 0,
     "Only the most probable that together hold X, 1 off (default 0.95)", 0},
    {"min-p", KEY_MIN_P, "X", 0,
     "Only those at least X times as probable as the best, 0 off (default 0)", 0},
    {"repeat-penalty", KEY_PENALTY, "X", 0,
     "Divide the score of recent tokens by X, 1 off (default 1)", 0},
    {"seed", 's', "N", 0, "The same seed writes the same text (default 1)", 0},
    {"ignore-eos", KEY_IGNORE_END, 0, 0, "Go on after the end of a document", 0},
    {"no-display-prompt", KEY_HIDE_PROMPT, 0, 0, "Print only what the model wrote", 0},
    {0},
};

static error_t parse_sampler(int key, char *arg, struct argp_state *state,
                             tern_sampler *s)
{
    switch (key) {
    case KEY_TEMP:
        s->temperature = (float)tern_arg_float(state, "--temp", arg, 0.0, 100.0);
        return 0;
    case KEY_TOP_K:
        s->top_k = (int32_t)tern_arg_int(state, "--top-k", arg, 0, 1 << 24);
        return 0;
    case KEY_TOP_P:
        s->top_p = (float)tern_arg_float(state, "--top-p", arg, 0.0, 1.0);
        if (!(s->top_p > 0.0f)) argp_error(state, "--top-p must be above 0, 1 is off");
        return 0;
    case KEY_MIN_P:
        s->min_p = (float)tern_arg_float(state, "--min-p", arg, 0.0, 1.0);
        return 0;
    case KEY_PENALTY:
        s->repeat_penalty =
            (float)tern_arg_float(state, "--repeat-penalty", arg, 0.1, 10.0);
        return 0;
    case 's':
        s->seed = (uint64_t)tern_arg_int(state, "--seed", arg, 0, INT64_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'p':
        o->prompt = arg;
        return 0;
    case 'f':
        o->prompt_file = tern_arg_name(state, "--file", arg);
        return 0;
    case 'n':
        o->count = tern_arg_int(state, "--n-predict", arg, 0, 1 << 30);
        return 0;
    case 'c':
        o->context = tern_arg_int(state, "--ctx-size", arg, 1, 1 << 20);
        return 0;
    case KEY_IGNORE_END:
        o->ignore_end = true;
        return 0;
    case KEY_HIDE_PROMPT:
        o->hide_prompt = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model only, not \"%s\" as well", arg);
        o->model = tern_arg_name(state, "MODEL", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "which model? give a GGUF file");
        if (o->prompt && o->prompt_file) argp_error(state, "-p or -f, not both");
        return 0;
    default:
        return parse_sampler(key, arg, state, &o->sampler);
    }
}

/* --- text that comes in pieces --- */

/* Bytes waiting until they make whole UTF-8 characters, and all that was written. */
typedef struct output {
    char *text;
    size_t count, capacity, printed;
    bool live; /* print as it comes */
} output;

/* How many of text[0..n) end on a character border. Invalid bytes count as whole. */
static size_t whole_characters(const char *text, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char c = (unsigned char)text[n - back];
        if ((c & 0xc0) == 0x80) continue;
        const size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return length > back ? n - back : n;
    }
    return n;
}

static tern_status emit(output *o, const char *piece, size_t bytes)
{
    if (o->count + bytes > o->capacity) {
        const size_t capacity = 2 * (o->count + bytes) + 256;
        char *more = realloc(o->text, capacity);
        if (!more) return tern_fail(TERN_EMEM, "out of memory");
        o->text = more;
        o->capacity = capacity;
    }
    memcpy(o->text + o->count, piece, bytes);
    o->count += bytes;
    const size_t ready =
        o->printed + whole_characters(o->text + o->printed, o->count - o->printed);
    if (o->live && ready > o->printed) {
        fwrite(o->text + o->printed, 1, ready - o->printed, stdout);
        o->printed = ready;
        return tern_flush_output();
    }
    return TERN_OK;
}

/* --- the loop --- */

typedef struct figures {
    int64_t prompt, written;
    double prompt_seconds, write_seconds;
    const char *finish;
} figures;

/* TERN_ESTOP: nobody reads any more. */
static tern_status write_text(const options *o, const tern_model_file *m,
                              tern_writer *w, output *out, figures *f)
{
    const volatile sig_atomic_t *stop = tern_signals_catch();
    const int64_t vocab = tern_runtime_spec(m->runtime)->vocab;
    const int32_t end = tern_tokenizer_eos(m->tokenizer);
    tern_sampler sampler = o->sampler;
    void *scratch = malloc(tern_sample_scratch(vocab));
    if (!scratch) return tern_fail(TERN_EMEM, "out of memory");
    tern_status s = TERN_OK;
    f->finish = "length";
    for (int64_t i = 0; i < o->count && s == TERN_OK; i++) {
        const size_t recent = w->count < RECENT ? (size_t)w->count : RECENT;
        const int32_t id = tern_sample(&sampler, w->logits, vocab,
                                       w->ids + w->count - recent, recent, scratch);
        if (*stop) f->finish = "interrupted";
        if (id == end && !o->ignore_end) f->finish = "stop";
        if (f->finish[0] != 'l') break;
        size_t bytes;
        const char *piece = tern_tokenizer_piece(m->tokenizer, id, &bytes);
        s = emit(out, piece, bytes);
        f->written++;
        if (s == TERN_OK && i + 1 < o->count) s = tern_writer_append(w, &id, 1);
    }
    free(scratch);
    return s;
}

/* --- the prompt --- */

typedef struct prompt {
    char *file; /* owned; NULL if it came from the command line */
    const char *text;
    size_t bytes;
} prompt;

static tern_status read_prompt(const options *o, prompt *out)
{
    prompt p = {.text = o->prompt ? o->prompt : ""};
    p.bytes = strlen(p.text);
    if (o->prompt_file) {
        TERN_TRY(tern_text_check(o->prompt_file));
        TERN_TRY(tern_file_read(o->prompt_file, (size_t)1 << 30, &p.file, &p.bytes));
        p.text = p.file;
    }
    *out = p;
    return TERN_OK;
}

/* An empty prompt starts where documents start: after an end of document, or a line. */
static tern_status encode_prompt(const options *o, const prompt *p,
                                 const tern_tokenizer *t, tern_ids *ids)
{
    tern_status s = TERN_OK;
    if (p->bytes == 0 && tern_tokenizer_eos(t) >= 0) {
        ids->data = malloc(sizeof *ids->data);
        if (!ids->data) s = tern_fail(TERN_EMEM, "out of memory");
        if (ids->data) ids->data[ids->count++] = tern_tokenizer_eos(t);
    } else {
        s = tern_tokenizer_encode(t, p->bytes ? p->text : "\n", p->bytes ? p->bytes : 1,
                                  false, ids);
    }
    return s == TERN_OK ? s
                        : tern_fail_in(s, o->prompt_file ? o->prompt_file : "--prompt");
}

/* The end of a prompt that is too long, with room for one token to write. */
static void keep_what_fits(tern_ids *ids, int64_t context)
{
    const size_t room = context > 1 ? (size_t)context - 1 : 1;
    if (ids->count <= room) return;
    tern_warn("the prompt has %zu tokens, and the model sees %" PRId64
              " at once: only the last %zu are read",
              ids->count, context, room);
    memmove(ids->data, ids->data + ids->count - room, room * sizeof *ids->data);
    ids->count = room;
}

static double rate(int64_t n, double seconds)
{
    return seconds > 0.0 ? (double)n / seconds : 0.0;
}

static void report_json(const options *o, const prompt *p, const output *out,
                        const figures *f)
{
    tern_print_json(json_pack(
        "{s:o, s:o, s:o, s:s, s:I, s:I, s:o, s:o}", "model", tern_json_text(o->model),
        "prompt", tern_json_bytes(p->text, p->bytes), "text",
        tern_json_bytes(out->count ? out->text : "", out->count), "finish_reason",
        f->finish, "prompt_tokens", (json_int_t)f->prompt, "completion_tokens",
        (json_int_t)f->written, "prompt_tokens_per_second",
        tern_json_number(rate(f->prompt, f->prompt_seconds)), "tokens_per_second",
        tern_json_number(rate(f->written, f->write_seconds))));
}

static tern_status report(const output *out, const figures *f, int64_t slides)
{
    if (out->count > out->printed)
        fwrite(out->text + out->printed, 1, out->count - out->printed, stdout);
    putchar('\n');
    TERN_TRY(tern_flush_output());
    fprintf(stderr,
            "\nprompt %" PRId64 " tokens, %.0f tok/s; written %" PRId64
            " tokens, %.0f tok/s%s\n",
            f->prompt, rate(f->prompt, f->prompt_seconds), f->written,
            rate(f->written, f->write_seconds),
            slides ? "; the context was full, the text went on from its last half"
                   : "");
    return TERN_OK;
}

static tern_status write_on(const options *o, const prompt *p, const tern_model_file *m,
                            tern_writer *w, const tern_ids *ids, output *out)
{
    figures f = {.finish = "length", .prompt = (int64_t)ids->count};
    if (out->live && !o->hide_prompt) fwrite(p->text, 1, p->bytes, stdout);
    const double start = tern_seconds();
    TERN_TRY(tern_writer_append(w, ids->data, f.prompt));
    const double middle = tern_seconds();
    TERN_TRY(write_text(o, m, w, out, &f));
    f.prompt_seconds = middle - start;
    f.write_seconds = tern_seconds() - middle;
    if (o->common.json)
        report_json(o, p, out, &f);
    else
        TERN_TRY(report(out, &f, w->slides));
    return f.finish[0] == 'i' ? tern_fail(TERN_ESTOP, "interrupted") : TERN_OK;
}

static tern_status generate(const options *o)
{
    tern_model_file m;
    TERN_TRY(tern_model_file_open(o->model, true, &m));
    tern_writer w = {0};
    prompt p = {0};
    tern_ids ids = {0};
    output out = {.live = !o->common.json};
    tern_status s = read_prompt(o, &p);
    if (s == TERN_OK) s = encode_prompt(o, &p, m.tokenizer, &ids);
    if (s == TERN_OK) s = tern_writer_new(m.runtime, o->context, &w);
    if (s == TERN_OK) {
        keep_what_fits(&ids, tern_session_context(w.session));
        s = write_on(o, &p, &m, &w, &ids, &out);
    }
    free(out.text);
    free(ids.data);
    free(p.file);
    tern_writer_free(&w);
    tern_model_file_close(&m);
    return s;
}

int tern_cmd_generate(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "MODEL.gguf",
        .children = children,
        .doc =
            "Let a model write text."
            "\vThe text goes to standard output as it is written, figures to standard "
            "error.\n\nExample: tern generate model.gguf -p \"Once upon\" -n 200",
    };
    options o = {.count = 200,
                 .sampler = {.temperature = 0.8f,
                             .top_k = 40,
                             .top_p = 0.95f,
                             .repeat_penalty = 1.0f,
                             .seed = 1}};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = tern_sampler_check(&o.sampler);
    if (s == TERN_OK) s = generate(&o);
    if (s == TERN_ESTOP) return TERN_EXIT_FAILED; /* it need not be told */
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
