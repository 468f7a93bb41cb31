/* bench_model.c - `tern bench MODEL`: how fast an exported model runs here.
 *
 * The tests are llama-bench's, by name and meaning: ppN reads a prompt of N random ids
 * at once, tgN generates N ids one by one after an empty context (after --depth ids, if
 * that is given). With -b B, B texts are generated side by side, and the figure is that
 * of all together. Beside each stands what it is of the machine's limits, which are
 * measured first (kernels/peaks.h): of the bandwidth, the bytes that a step must read
 * at least, weights and cached keys and values; of the integer peak, the multiply-adds
 * of the ternary layers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/spec.h"
#include "base/version.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/model_file.h"
#include "cli/waiting.h"
#include "formats/gguf.h"
#include "kernels/cpu.h"
#include "runtime/runtime.h"

enum { MOST = 16, MOST_REPEATS = 1000, MOST_IDS = 1 << 20, MOST_BATCH = 256 };

typedef struct list {
    int64_t items[MOST];
    size_t count;
} list;

typedef struct options {
    tern_common common;
    const char *model;
    list prompts, generated, threads, batches, depths;
    long repeats;
    tern_cache_type cache;
} options;

static const struct argp_option table[] = {
    {"prompt", 'p', "N,...", 0, "Lengths of prompts to read (default 512; 0: none)", 0},
    {"generate", 'n', "N,...", 0, "Ids to generate (default 128; 0: none)", 0},
    {"threads", 't', "N,...", 0, "Threads to use (default: every core)", 0},
    {"batch", 'b', "N,...", 0, "Texts generated side by side (default 1)", 0},
    {"depth", 'd', "N,...", 0, "Ids in the context before (default 0)", 0},
    {"cache", 'c', "TYPE", 0, TERN_HELP_CACHE, 0},
    {"repeat", 'r', "N", 0, "Times each test is run (default 5); the median counts", 0},
    {0},
};

static list parse_list(struct argp_state *state, const char *option, const char *text,
                       long low, long high)
{
    list l = {.count = 0};
    char item[24];
    for (const char *s = text; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        snprintf(item, sizeof item, "%.*s", (int)strcspn(s, ","), s);
        if (l.count == MOST)
            argp_error(state, "%s: more than %d numbers", option, MOST);
        l.items[l.count++] = tern_arg_int(state, option, item, low, high);
    }
    return l;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'p':
        o->prompts = parse_list(state, "--prompt", arg, 0, MOST_IDS);
        return 0;
    case 'n':
        o->generated = parse_list(state, "--generate", arg, 0, MOST_IDS);
        return 0;
    case 't':
        o->threads = parse_list(state, "--threads", arg, 1, 1024);
        return 0;
    case 'b':
        o->batches = parse_list(state, "--batch", arg, 1, MOST_BATCH);
        return 0;
    case 'd':
        o->depths = parse_list(state, "--depth", arg, 0, MOST_IDS);
        return 0;
    case 'c':
        o->cache = tern_arg_cache(state, arg);
        return 0;
    case 'r':
        o->repeats = tern_arg_int(state, "--repeat", arg, 1, MOST_REPEATS);
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "too many arguments: \"%s\"", arg);
        o->model = tern_arg_name(state, "MODEL", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->model)
            argp_error(state, "bench what? there are `tern bench MODEL.gguf` and "
                              "`tern bench train CONFIG`");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One test, and what came out. */
typedef struct row {
    int64_t prompt, generate, batch, depth; /* prompt or generate is 0 */
    int threads;
    double seconds[MOST_REPEATS];
    size_t count;
} row;

typedef struct bench {
    const options *options;
    tern_runtime *model;
    tern_machine machine; /* with the threads of the row at hand */
    tern_session *sessions[MOST_BATCH];
    size_t session_count;
    int32_t *ids;  /* random */
    float *logits; /* (batch, V) */
    json_t *rows;
    bool said;
} bench;

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* --- measuring --- */

static tern_status want_sessions(bench *b, size_t count)
{
    while (b->session_count < count) {
        tern_session **s = &b->sessions[b->session_count];
        TERN_TRY(tern_session_new(b->model, 0, s));
        b->session_count++;
        TERN_TRY(tern_session_set_cache(*s, b->options->cache));
    }
    return TERN_OK;
}

/* The texts before a test; `again`: the same test has been there before. */
static tern_status fill(bench *b, const row *r, bool again)
{
    for (int64_t i = 0; i < r->batch; i++) {
        tern_session_truncate(b->sessions[i], again ? r->depth : 0);
        if (r->depth && !again)
            TERN_TRY(tern_session_eval(b->sessions[i], b->ids, r->depth, NULL));
    }
    return TERN_OK;
}

static tern_status run_once(bench *b, const row *r, bool again, double *seconds)
{
    int32_t next[MOST_BATCH];
    TERN_TRY(fill(b, r, again));
    const double began = tern_seconds();
    for (int64_t i = 0; r->prompt && i < r->batch; i++)
        TERN_TRY(tern_session_eval(b->sessions[i], b->ids, r->prompt, b->logits));
    for (int64_t n = 0; n < r->generate; n++) {
        for (int64_t i = 0; i < r->batch; i++)
            next[i] = b->ids[(n + 7 * i) % r->generate];
        TERN_TRY(tern_session_eval_many(b->sessions, next, r->batch, b->logits));
    }
    *seconds = tern_seconds() - began;
    return TERN_OK;
}

/* The first run is not counted: it touches memory for the first time. */
static tern_status measure(bench *b, row *r)
{
    double ignored;
    TERN_TRY(want_sessions(b, (size_t)r->batch));
    TERN_TRY(run_once(b, r, false, &ignored));
    for (long i = 0; i < b->options->repeats; i++)
        TERN_TRY(run_once(b, r, true, &r->seconds[r->count++]));
    qsort(r->seconds, r->count, sizeof *r->seconds, by_size);
    return TERN_OK;
}

/* --- reporting --- */

typedef struct figures {
    char test[64];
    double rate, best;          /* tokens per second */
    double bandwidth, multiply; /* percent of the limits */
} figures;

/* Bytes of keys and values that the steps of a generation read, in the mean. */
static double cache_bytes(const bench *b, const row *r)
{
    const double mean = (double)r->depth + (double)r->generate / 2.0;
    return mean * (double)tern_session_position_bytes(b->sessions[0]);
}

static figures judge(const bench *b, const row *r)
{
    const double tokens = (double)(r->batch * (r->prompt + r->generate));
    const double layers = (double)tern_spec_ternary_params(tern_runtime_spec(b->model));
    figures f = {.rate = tokens / r->seconds[r->count / 2],
                 .best = tokens / r->seconds[0]};
    const double steps = f.rate / (double)r->batch; /* per second */
    int used = snprintf(f.test, sizeof f.test, "%s%" PRId64, r->prompt ? "pp" : "tg",
                        r->prompt ? r->prompt : r->generate);
    if (r->depth && used > 0)
        snprintf(f.test + used, sizeof f.test - (size_t)used, " @ d%" PRId64, r->depth);
    f.multiply = tern_percent(f.rate * layers, b->machine.multiply_adds);
    /* A prompt reads the weights once for many ids: not a matter of bandwidth. */
    if (!r->prompt)
        f.bandwidth = tern_percent(steps * ((double)tern_runtime_token_bytes(b->model) +
                                            (double)r->batch * cache_bytes(b, r)),
                                   b->machine.bandwidth);
    return f;
}

static void add_json(bench *b, const row *r, const figures *f)
{
    json_array_append_new(
        b->rows,
        json_pack("{s:s, s:s, s:i, s:I, s:I, s:f, s:f, s:o, s:f, s:i}", "test", f->test,
                  "cache", tern_cache_name(b->options->cache), "threads", r->threads,
                  "batch", (json_int_t)r->batch, "depth", (json_int_t)r->depth,
                  "tokens_per_second", f->rate, "best_tokens_per_second", f->best,
                  "percent_of_bandwidth",
                  r->prompt ? json_null() : tern_json_number(f->bandwidth),
                  "percent_of_integer_peak", f->multiply, "repeats", (int)r->count));
}

static void print_head(bench *b)
{
    char params[16], size[16], memory[16];
    const tern_spec *s = tern_runtime_spec(b->model);
    if (b->said) return;
    b->said = true;
    printf(
        "%s: %s, %s parameters, file %s; %s of weights per token\n", b->options->model,
        tern_arch_name(s->arch), tern_human_count(tern_spec_params(s), params),
        tern_human_bytes((int64_t)tern_gguf_bytes(tern_runtime_gguf(b->model)), size),
        tern_human_bytes((int64_t)tern_runtime_token_bytes(b->model), memory));
    printf("tern %s, %s, kernels %s, cache %s\n\n", TERN_VERSION, b->machine.cpu,
           tern_level_name(tern_kernels_level()), tern_cache_name(b->options->cache));
    puts("| threads | batch |          test |              t/s |     best | % of GB/s "
         "read | % of G int8 madd/s |");
    puts("| ------: | ----: | ------------: | ---------------: | -------: | "
         "-------------: | -----------------: |");
}

static void print_row(bench *b, const row *r, const figures *f)
{
    char read[32] = "-", multiply[32];
    print_head(b);
    if (!r->prompt)
        snprintf(read, sizeof read, "%.0f of %.1f", f->bandwidth,
                 b->machine.bandwidth / 1e9);
    snprintf(multiply, sizeof multiply, "%.0f of %.0f", f->multiply,
             b->machine.multiply_adds / 1e9);
    printf("| %7d | %5" PRId64 " | %13s | %16.2f | %8.2f | %14s | %18s |\n", r->threads,
           r->batch, f->test, f->rate, f->best, read, multiply);
    fflush(stdout);
}

static tern_status one_row(bench *b, row *r)
{
    if (r->prompt == 0 && r->generate == 0) return TERN_OK;
    r->count = 0;
    TERN_TRY(measure(b, r));
    const figures f = judge(b, r);
    if (b->options->common.json)
        add_json(b, r, &f);
    else
        print_row(b, r, &f);
    return TERN_OK;
}

/* All tests with one number of threads. */
static tern_status bench_threads(bench *b, int threads, row *r)
{
    const options *o = b->options;
    tern_threads_set(threads);
    tern_bind_threads();
    tern_machine_measure(threads, &b->machine);
    r->threads = threads;
    for (size_t d = 0; d < o->depths.count; d++)
        for (size_t i = 0; i < o->batches.count; i++) {
            r->depth = o->depths.items[d];
            r->batch = o->batches.items[i];
            r->generate = 0;
            for (size_t p = 0; p < o->prompts.count; p++) {
                r->prompt = o->prompts.items[p];
                /* Prompts are read one after the other: once is enough. */
                if (r->batch == 1 || o->batches.count == 1) TERN_TRY(one_row(b, r));
            }
            r->prompt = 0;
            for (size_t n = 0; n < o->generated.count; n++) {
                r->generate = o->generated.items[n];
                TERN_TRY(one_row(b, r));
            }
        }
    return TERN_OK;
}

static tern_status bench_all(bench *b)
{
    const options *o = b->options;
    int64_t most = 1, batch = 1;
    TERN_TRY(tern_runtime_open(o->model, &b->model));
    tern_runtime_pack(b->model);
    const int64_t V = tern_runtime_spec(b->model)->vocab;
    for (size_t i = 0; i < MOST; i++) {
        const int64_t n[] = {o->prompts.items[i], o->generated.items[i],
                             o->depths.items[i]};
        for (size_t j = 0; j < 3; j++)
            if (n[j] > most) most = n[j];
        if (o->batches.items[i] > batch) batch = o->batches.items[i];
    }
    b->ids = malloc((size_t)most * sizeof *b->ids);
    b->logits = malloc((size_t)(batch * V) * sizeof *b->logits);
    b->rows = json_array();
    row *r = malloc(sizeof *r);
    tern_status s = TERN_OK;
    if (!b->ids || !b->logits || !b->rows || !r)
        s = tern_fail(TERN_EMEM, "out of memory");
    for (int64_t i = 0; s == TERN_OK && i < most; i++)
        b->ids[i] =
            (int32_t)tern_rand_below(1, TERN_STREAM_TEST, (uint64_t)i, (uint64_t)V);
    for (size_t i = 0; s == TERN_OK && i < o->threads.count; i++)
        s = bench_threads(b, (int)o->threads.items[i], r);
    free(r);
    return s;
}

static void bench_free(bench *b)
{
    for (size_t i = 0; i < b->session_count; i++) tern_session_free(b->sessions[i]);
    tern_runtime_free(b->model);
    free(b->ids);
    free(b->logits);
    json_decref(b->rows);
}

static void default_list(list *l, int64_t value)
{
    if (l->count == 0) *l = (list){.items = {value}, .count = 1};
}

int tern_bench_model(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_json, 0, 0, 0}, {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "MODEL.gguf\ntrain CONFIG",
        .children = children,
        .doc = "Measure how fast a model reads prompts (pp) and generates (tg), beside "
               "what this machine could do; or training steps of a config (see `tern "
               "bench train --help`)."
               "\vExample: tern bench model.gguf -p 512 -n 128 -t 1,2 -b 1,8",
    };
    options o = {.repeats = 5};
    bench b = {.options = &o};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    default_list(&o.prompts, 512);
    default_list(&o.generated, 128);
    default_list(&o.threads, tern_threads());
    default_list(&o.batches, 1);
    default_list(&o.depths, 0);
    if (s == TERN_OK) s = bench_all(&b);
    if (s == TERN_OK && o.common.json) tern_print_json(json_incref(b.rows));
    bench_free(&b);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
