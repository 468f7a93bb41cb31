/* cmd_generate.c - `tern generate`: a model writes text. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/model_file.h"
#include "cli/signals.h"
#include "data/text_check.h"
#include "runtime/writer.h"

enum {
    RECENT = 64, /* ids that the repetition penalty looks back */
    STOPS = 16   /* stop strings, at most */
};

typedef struct options {
    tern_common common;
    const char *model, *prompt, *prompt_file;
    const char *stops[STOPS];
    size_t stop_count;
    long count;
    bool ignore_end, hide_prompt;
    tern_writer_config writer; /* keep -1: the prompt */
    tern_activations activations;
    tern_cache_type cache;
    tern_sampler sampler;
} options;

enum {
    KEY_TEMP = 0x2000,
    KEY_TOP_K,
    KEY_TOP_P,
    KEY_MIN_P,
    KEY_PENALTY,
    KEY_IGNORE_END,
    KEY_HIDE_PROMPT,
    KEY_STOP,
    KEY_OVERFLOW,
    KEY_KEEP,
    KEY_ACTIVATIONS,
    KEY_CACHE
};

static const struct argp_option table[] = {
    {"prompt", 'p', "TEXT", 0, "What the text begins with", 0},
    {"file", 'f', "FILE", 0, "Read the prompt from a file", 0},
    {"n-predict", 'n', "N", 0, "Tokens to write (default 200)", 0},
    {"stop", KEY_STOP, "TEXT", 0,
     "End before TEXT, which is not printed; up to 16 times, the first to come counts",
     0},
    {"ctx-size", 'c', "N", 0,
     "Tokens the model sees at once (default: what it was trained for)", 0},
    {"overflow", KEY_OVERFLOW, "HOW", 0,
     "When these are full: shift (forget the older half, go on) or refuse (stop; a "
     "prompt that is too long is an error) (default shift)",
     0},
    {"keep", KEY_KEEP, "N", 0,
     "Tokens at the beginning that shift never forgets, -1 the prompt (default 0)", 0},
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
    {"activations", KEY_ACTIVATIONS, "HOW", 0, TERN_HELP_ACTIVATIONS, 0},
    {"cache", KEY_CACHE, "TYPE", 0, TERN_HELP_CACHE, 0},
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

static error_t parse_ends(int key, char *arg, struct argp_state *state, options *o)
{
    switch (key) {
    case KEY_STOP:
        if (!*arg) argp_error(state, "--stop is empty, must be a text");
        if (o->stop_count == STOPS)
            argp_error(state,
                       "--stop is given %d times, more "
                       "than %d are not looked for",
                       STOPS + 1, STOPS);
        o->stops[o->stop_count++] = arg;
        return 0;
    case KEY_OVERFLOW:
        if (strcmp(arg, "shift") != 0 && strcmp(arg, "refuse") != 0)
            argp_error(state, "--overflow is \"%s\", must be shift or refuse", arg);
        o->writer.overflow = arg[0] == 's' ? TERN_OVERFLOW_SHIFT : TERN_OVERFLOW_REFUSE;
        return 0;
    case KEY_KEEP:
        o->writer.keep = tern_arg_int(state, "--keep", arg, -1, 1 << 20);
        return 0;
    default:
        return parse_sampler(key, arg, state, &o->sampler);
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
        o->writer.context = tern_arg_int(state, "--ctx-size", arg, 1, 1 << 20);
        return 0;
    case KEY_IGNORE_END:
        o->ignore_end = true;
        return 0;
    case KEY_ACTIVATIONS:
        o->activations = tern_arg_activations(state, arg);
        return 0;
    case KEY_CACHE:
        o->cache = tern_arg_cache(state, arg);
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
        return parse_ends(key, arg, state, o);
    }
}

/* --- what is shown --- */

/* Where the text goes. A terminal gets U+FFFD for bytes that are no UTF-8, which it
 * would show as anything or nothing; a file or a program gets the bytes. */
typedef struct output {
    bool live; /* as it comes; otherwise it is only collected */
    bool terminal;
    tern_stream *text;
} output;

static void show(const output *o, const char *text, size_t bytes)
{
    if (!o->live) return;
    size_t clean_bytes = 0;
    char *clean = o->terminal ? tern_clean_text(text, bytes, &clean_bytes) : NULL;
    if (clean)
        fwrite(clean, 1, clean_bytes, stdout);
    else
        fwrite(text, 1, bytes, stdout);
    free(clean);
}

/* TERN_ESTOP: nobody reads any more. */
static tern_status emit(const output *o, const char *piece, size_t bytes)
{
    const char *ready;
    size_t n;
    TERN_TRY(tern_stream_push(o->text, piece, bytes, &ready, &n));
    if (!o->live || n == 0) return TERN_OK;
    show(o, ready, n);
    return tern_flush_output();
}

static void emit_rest(const output *o)
{
    size_t n;
    const char *rest = tern_stream_finish(o->text, &n);
    show(o, rest, n);
}

/* --- the loop --- */

typedef enum finish {
    FINISH_LENGTH,     /* as many tokens as were asked for */
    FINISH_STOP,       /* end of text, or a stop string */
    FINISH_CONTEXT,    /* no room left, and --overflow refuse */
    FINISH_INTERRUPTED /* by a signal */
} finish;

typedef struct figures {
    int64_t prompt, written;
    double prompt_seconds, write_seconds;
    double pack_seconds; /* in between, and in neither */
    finish finish;
} figures;

/* What a second evaluation does once for a model, outside of the figures. */
static void pack(const tern_runtime *m, figures *f)
{
    const double start = tern_seconds();
    tern_runtime_pack(m);
    f->pack_seconds = tern_seconds() - start;
}

/* One token more. *done: why there will be no other. */
static tern_status write_token(const options *o, const tern_runtime *m, tern_writer *w,
                               const output *out, int32_t id, figures *f, bool *done)
{
    size_t bytes;
    const int32_t before = w->count > 0 ? w->ids[w->count - 1] : -1;
    const char *piece = tern_runtime_piece_after(m, before, id, &bytes);
    TERN_TRY(emit(out, piece, bytes));
    f->written++;
    *done = true;
    if (tern_stream_stopped(out->text))
        f->finish = FINISH_STOP;
    else if (f->written == o->count)
        f->finish = FINISH_LENGTH;
    else if (o->writer.overflow == TERN_OVERFLOW_REFUSE && tern_writer_room(w) == 0)
        f->finish = FINISH_CONTEXT;
    else
        *done = false;
    if (*done) return TERN_OK;
    if (f->written == 1) pack(m, f);
    return tern_writer_append(w, &id, 1);
}

static tern_status write_text(const options *o, const tern_runtime *m, tern_writer *w,
                              const output *out, figures *f)
{
    const volatile sig_atomic_t *stop = tern_signals_catch();
    const int64_t vocab = tern_runtime_vocab(m);
    tern_sampler sampler = o->sampler;
    void *scratch = malloc(tern_sample_scratch(vocab));
    if (!scratch) return tern_fail(TERN_EMEM, "out of memory");
    tern_status s = TERN_OK;
    bool done = o->count == 0;
    while (!done && s == TERN_OK) {
        const size_t recent = w->count < RECENT ? (size_t)w->count : RECENT;
        const int32_t id = tern_sample(&sampler, w->logits, vocab,
                                       w->ids + w->count - recent, recent, scratch);
        done = *stop || (!o->ignore_end && tern_runtime_ends_text(m, id));
        if (done)
            f->finish = *stop ? FINISH_INTERRUPTED : FINISH_STOP;
        else
            s = write_token(o, m, w, out, id, f, &done);
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

/* An empty prompt starts where documents start: at the token that begins them, after an
 * end of document, or at a line. */
static tern_status encode_prompt(const options *o, const prompt *p,
                                 const tern_runtime *m, int32_t **ids, size_t *count)
{
    const int32_t begin = tern_runtime_begin_of_text(m);
    const int32_t start = begin >= 0 ? begin : tern_runtime_end_of_text(m);
    if (p->bytes == 0 && start >= 0) {
        int32_t *one = malloc(sizeof *one);
        if (!one) return tern_fail(TERN_EMEM, "out of memory");
        *one = start;
        *ids = one;
        *count = 1;
        return TERN_OK;
    }
    const tern_status s = tern_runtime_encode_prompt(
        m, p->bytes ? p->text : "\n", p->bytes ? p->bytes : 1, ids, count);
    return s == TERN_OK ? s
                        : tern_fail_in(s, o->prompt_file ? o->prompt_file : "--prompt");
}

/* Of a prompt that is too long, its first `keep` tokens and as many of its last as
 * leave room for one to write; or no. */
static tern_status fit_prompt(const tern_writer_config *c, int64_t context,
                              int32_t *ids, size_t *count)
{
    const size_t room = context > 1 ? (size_t)context - 1 : 1;
    if (*count <= room) return TERN_OK;
    if (c->overflow == TERN_OVERFLOW_REFUSE)
        return tern_fail(TERN_EARG,
                         "the prompt has %zu tokens, and the model sees %" PRId64
                         " at once, of which one must be free: --overflow shift reads "
                         "a part of it",
                         *count, context);
    const size_t keep = (size_t)c->keep;
    char first[64] = "";
    if (keep) snprintf(first, sizeof first, "the first %zu and ", keep);
    tern_warn("the prompt has %zu tokens, and the model sees %" PRId64
              " at once: only %sthe last %zu are read",
              *count, context, first, room - keep);
    memmove(ids + keep, ids + *count - (room - keep), (room - keep) * sizeof *ids);
    *count = room;
    return TERN_OK;
}

/* --- figures --- */

static double rate(int64_t n, double seconds)
{
    return seconds > 0.0 ? (double)n / seconds : 0.0;
}

static void report_json(const options *o, const prompt *p, const output *out,
                        const tern_writer *w, const figures *f)
{
    static const char *const reasons[] = {"length", "stop", "context", "interrupted"};
    size_t bytes;
    const char *text = tern_stream_text(out->text, &bytes);
    tern_print_json(json_pack(
        "{s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:o, s:o}", "model",
        tern_json_text(o->model), "prompt", tern_json_bytes(p->text, p->bytes), "text",
        tern_json_bytes(text, bytes), "finish_reason", reasons[f->finish],
        "prompt_tokens", (json_int_t)f->prompt, "completion_tokens",
        (json_int_t)f->written, "context_shifts", (json_int_t)w->shifts,
        "prompt_tokens_per_second",
        tern_json_number(rate(f->prompt, f->prompt_seconds)), "tokens_per_second",
        tern_json_number(rate(f->written, f->write_seconds))));
}

static void report(const tern_writer *w, const figures *f)
{
    const int64_t context = tern_session_context(w->session);
    fprintf(stderr,
            "\nprompt %" PRId64 " tokens, %.0f tok/s; written %" PRId64
            " tokens, %.0f tok/s%s\n",
            f->prompt, rate(f->prompt, f->prompt_seconds), f->written,
            rate(f->written, f->write_seconds),
            f->finish == FINISH_INTERRUPTED ? "; interrupted" : "");
    if (w->shifts)
        fprintf(stderr,
                "the context of %" PRId64 " tokens was full (times: %" PRId64
                "): the text went on from its first %" PRId64
                " tokens and the newest %" PRId64 "\n",
                context, w->shifts, w->config.keep, (context - w->config.keep) / 2);
    if (f->finish == FINISH_CONTEXT)
        fprintf(stderr,
                "the context of %" PRId64 " tokens is full: stopped, as --overflow "
                "refuse says\n",
                context);
}

static tern_status write_on(const options *o, const prompt *p, const tern_runtime *m,
                            tern_writer *w, const int32_t *ids, size_t count,
                            const output *out)
{
    figures f = {.finish = FINISH_LENGTH, .prompt = (int64_t)count};
    if (!o->hide_prompt) show(out, p->text, p->bytes);
    const double start = tern_seconds();
    TERN_TRY(tern_writer_append(w, ids, f.prompt));
    const double middle = tern_seconds();
    TERN_TRY(write_text(o, m, w, out, &f));
    f.prompt_seconds = middle - start;
    f.write_seconds = tern_seconds() - middle - f.pack_seconds;
    emit_rest(out);
    if (o->common.json) {
        report_json(o, p, out, w, &f);
    } else {
        putchar('\n');
        TERN_TRY(tern_flush_output());
        report(w, &f);
    }
    return f.finish == FINISH_INTERRUPTED ? tern_fail(TERN_ESTOP, "interrupted")
                                          : TERN_OK;
}

/* --keep -1 is the whole prompt. */
static tern_status new_writer(const options *o, const tern_runtime *m,
                              size_t prompt_tokens, tern_writer *w)
{
    tern_writer_config config = o->writer;
    if (config.keep < 0) config.keep = (int64_t)prompt_tokens;
    const tern_status s = tern_writer_new(m, &config, w);
    return s == TERN_EARG && config.keep ? tern_fail_in(s, o->model) : s;
}

static tern_status generate(const options *o)
{
    tern_runtime *m;
    TERN_TRY(tern_model_file_open(o->model, &m));
    tern_writer w = {0};
    prompt p = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    output out = {.live = !o->common.json, .terminal = isatty(STDOUT_FILENO)};
    tern_status s = tern_stream_new(o->stops, o->stop_count, &out.text);
    if (s == TERN_OK) s = read_prompt(o, &p);
    if (s == TERN_OK) s = encode_prompt(o, &p, m, &ids, &count);
    if (s == TERN_OK) s = new_writer(o, m, count, &w);
    if (s == TERN_OK) s = tern_session_set_activations(w.session, o->activations);
    if (s == TERN_OK) s = tern_session_set_cache(w.session, o->cache);
    if (s == TERN_OK)
        s = fit_prompt(&w.config, tern_session_context(w.session), ids, &count);
    if (s == TERN_OK) s = write_on(o, &p, m, &w, ids, count, &out);
    tern_stream_free(out.text);
    free(ids);
    free(p.file);
    tern_writer_free(&w);
    tern_runtime_free(m);
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
            "error. It ends after -n tokens, at the model's end of text, before a stop "
            "string, or with Ctrl-C (exit status 1; what was written stays). On a "
            "terminal U+FFFD stands for bytes that are no UTF-8; files and pipes get "
            "the bytes.\n\n"
            "The sampling filters act in the order of llama.cpp: repeat-penalty, "
            "top-k, "
            "top-p, min-p, temp.\n\n"
            "When the context is full, --overflow shift keeps the first --keep tokens "
            "and the newest half of the rest, reads them again, and goes on.\n\n"
            "Example: tern generate model.gguf -p \"Once upon\" -n 200 --stop \"The "
            "end\"",
    };
    options o = {.sampler = {.temperature = 0.8f,
                             .top_k = 40,
                             .top_p = 0.95f,
                             .repeat_penalty = 1.0f,
                             .seed = 1},
                 .count = 200};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = tern_sampler_check(&o.sampler);
    if (s == TERN_OK) s = generate(&o);
    if (s == TERN_ESTOP) return TERN_EXIT_FAILED; /* it need not be told */
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
