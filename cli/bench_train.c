/* bench_train.c - `tern bench train CONFIG`: what a training step costs here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/version.h"
#include "cli/bench.h"
#include "cli/bench_parts.h"
#include "cli/cli.h"
#include "cli/corpus.h"
#include "cli/machine.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "layers/model.h"
#include "optim/optim.h"
#include "train/config.h"
#include "train/gradients.h"

enum { MAX_STEPS = 10000, WARM_UP = 2, CHARACTERS = 65 };
/* A median that comes out the same the next time. Who says --seconds may want less. */
enum { SECONDS = 10, MIN_STEPS = 20, MIN_STEPS_TOLD = 3 };

typedef struct options {
    tern_common common;
    const char *what, *config;
    const char **sets;
    size_t set_count;
    double seconds; /* 0: not given */
} options;

static const struct argp_option table[] = {
    {"set", 's', "KEY=VALUE", 0, "Change one value of the config", 0},
    {"seconds", 'S', "X", 0,
     "Measure for about X seconds, three steps at least (default: for 10 seconds and "
     "20 steps, whichever is longer)",
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
    case 's':
        o->sets[o->set_count++] = tern_arg_set(state, arg);
        return 0;
    case 'S':
        o->seconds = tern_arg_float(state, "--seconds", arg, 0.1, 3600.0);
        return 0;
    case ARGP_KEY_ARG:
        if (!o->what)
            o->what = arg;
        else if (!o->config)
            o->config = tern_arg_name(state, "CONFIG", arg);
        else
            argp_error(state, "too many arguments: \"%s\"", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->what || strcmp(o->what, "train") != 0)
            argp_error(state, "bench what? there are `tern bench train CONFIG` and "
                              "`tern bench MODEL.gguf`");
        if (!o->config)
            argp_error(state, "which config? for instance configs/nano.yaml");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Milliseconds of one step; of all its batches. */
typedef struct timing {
    double forward, backward, optimizer, total;
} timing;

typedef struct bench {
    tern_config config;
    bool vocab_assumed; /* no text, no tokenizer: the width of a typical alphabet */
    tern_model *model;
    tern_optim *optim;
    tern_gradients *gradients;
    int32_t *ids; /* inputs, then targets, of one batch */
    timing *steps;
    size_t count;
    tern_tape_clock clock; /* of the steps counted */
} bench;

/* The vocabulary that a dataset would give. */
static tern_status find_vocab(bench *b)
{
    tern_config *c = &b->config;
    tern_tokenizer *t;
    if (c->model.vocab != 0) return TERN_OK;
    TERN_TRY(tern_check_tokenizer(c->tokenizer));
    b->vocab_assumed = strcmp(c->tokenizer, "char") == 0;
    if (b->vocab_assumed) {
        c->model.vocab = CHARACTERS;
    } else if (strcmp(c->tokenizer, "byte") == 0) {
        c->model.vocab = 256;
    } else if (strncmp(c->tokenizer, "bpe:", 4) == 0) {
        c->model.vocab = atoll(c->tokenizer + 4);
    } else {
        TERN_TRY(tern_tokenizer_load(c->tokenizer, &t));
        c->model.vocab = tern_tokenizer_vocab(t);
        tern_tokenizer_free(t);
    }
    return TERN_OK;
}

static tern_status bench_init(bench *b, const options *o)
{
    TERN_TRY(tern_config_load(o->config, o->sets, o->set_count, &b->config));
    tern_config *c = &b->config;
    TERN_TRY(find_vocab(b));
    TERN_TRY(tern_config_resolve(c, c->model.vocab, o->config));
    TERN_TRY(tern_model_new(&c->model, &b->model));
    TERN_TRY(tern_model_init(b->model, c->init_std, c->seed));
    tern_params *p = tern_model_params(b->model);
    TERN_TRY(tern_optim_new(&c->optim, p->items, p->count, &b->optim));
    const int64_t tokens = c->batch * c->model.context;
    b->ids = malloc((size_t)(2 * tokens) * sizeof *b->ids);
    b->steps = calloc(MAX_STEPS, sizeof *b->steps);
    if (!b->ids || !b->steps) return tern_fail(TERN_EMEM, "out of memory");
    TERN_TRY(tern_gradients_new(c, b->model, &b->gradients));
    for (int64_t i = 0; i < 2 * tokens; i++)
        b->ids[i] = (int32_t)tern_rand_below(1, TERN_STREAM_TEST, (uint64_t)i,
                                             (uint64_t)c->model.vocab);
    return TERN_OK;
}

static void bench_free(bench *b)
{
    tern_optim_free(b->optim);
    tern_model_free(b->model);
    tern_gradients_free(b->gradients);
    free(b->ids);
    free(b->steps);
}

static tern_status one_step(bench *b, timing *out)
{
    const tern_config *c = &b->config;
    tern_params *p = tern_model_params(b->model);
    const uint64_t first = (uint64_t)b->count * (uint64_t)c->accumulate;
    const double began = tern_seconds();
    tern_pass_seconds passes = {0};
    for (int64_t i = 0; i < c->accumulate; i++) {
        double loss;
        TERN_TRY(tern_gradients_batch(b->gradients, first + (uint64_t)i, b->ids,
                                      b->ids + c->batch * c->model.context, &loss,
                                      &passes));
    }
    const double since = tern_seconds();
    const double norm = tern_grad_norm(p->items, p->count);
    TERN_TRY(tern_optim_step(b->optim, (int64_t)b->count + 1, (float)c->schedule.lr,
                             (float)c->schedule.weight_decay,
                             tern_clip_scale(norm, c->clip)));
    tern_params_zero_grad(p);
    const double now = tern_seconds();
    *out = (timing){.forward = 1e3 * passes.forward,
                    .backward = 1e3 * passes.backward,
                    .optimizer = 1e3 * (now - since),
                    .total = 1e3 * (now - began)};
    return TERN_OK;
}

/* Warm-up is not counted: the first steps take their memory from the system. */
static tern_status measure(bench *b, const options *o)
{
    timing ignored;
    for (int i = 0; i < WARM_UP; i++) TERN_TRY(one_step(b, &ignored));
    tern_gradients_set_clock(b->gradients, true);
    const bool told = o->seconds > 0.0;
    const size_t least = told ? MIN_STEPS_TOLD : MIN_STEPS;
    const double end = tern_seconds() + (told ? o->seconds : SECONDS);
    while (b->count < least || (tern_seconds() < end && b->count < MAX_STEPS)) {
        TERN_TRY(one_step(b, &b->steps[b->count]));
        b->count++;
    }
    tern_gradients_read_clock(b->gradients, &b->clock);
    return TERN_OK;
}

static int by_total(const void *a, const void *b)
{
    const double x = ((const timing *)a)->total, y = ((const timing *)b)->total;
    return (x > y) - (x < y);
}

typedef struct figures {
    timing median, best;
    double tokens; /* of one step */
    long long rss;
    char cpu[128];
    tern_bench_peaks peaks;
} figures;

static void print_json(const bench *b, const options *o, const figures *f)
{
    const tern_config *c = &b->config;
    tern_print_json(json_pack(
        "{s:o, s:s, s:o, s:s, s:s, s:i, s:I, s:I, s:b, s:I, s:I, s:I, s:f, s:I, s:f, "
        "s:f, s:f, s:f, s:f, s:f, s:I, s:o, s:o}",
        "config", tern_json_text(o->config), "tern_version", TERN_VERSION, "cpu",
        tern_json_text(f->cpu), "kernels", tern_level_name(tern_kernels_level()),
        "blas", tern_blas_describe(), "threads", tern_threads(), "parameters",
        (json_int_t)tern_spec_params(&c->model), "vocab", (json_int_t)c->model.vocab,
        "vocab_assumed", b->vocab_assumed, "batch", (json_int_t)c->batch, "accumulate",
        (json_int_t)c->accumulate, "context", (json_int_t)c->model.context, "dropout",
        (double)c->dropout, "steps", (json_int_t)b->count, "tokens_per_second",
        1e3 * f->tokens / f->median.total, "best_tokens_per_second",
        1e3 * f->tokens / f->best.total, "step_ms", f->median.total, "forward_ms",
        f->median.forward, "backward_ms", f->median.backward, "optimizer_ms",
        f->median.optimizer, "peak_rss_bytes", (json_int_t)f->rss, "peaks",
        tern_bench_json_peaks(&f->peaks), "parts",
        tern_bench_json_parts(c, &b->clock, b->count, &f->peaks)));
}

static void print_text(const bench *b, const options *o, const figures *f)
{
    const tern_config *c = &b->config;
    char params[16], memory[16];
    printf("%s: %s parameters, tern %s, %s, %s, %d threads, %s\n", o->config,
           tern_human_count(tern_spec_params(&c->model), params), TERN_VERSION, f->cpu,
           tern_level_name(tern_kernels_level()), tern_threads(), tern_blas_describe());
    printf("%zu steps of %.0f tokens (batch %lld x context %lld, accumulate %lld, "
           "dropout %g, vocabulary %lld%s)\n",
           b->count, f->tokens, (long long)c->batch, (long long)c->model.context,
           (long long)c->accumulate, (double)c->dropout, (long long)c->model.vocab,
           b->vocab_assumed ? ", assumed" : "");
    printf("%.0f tokens/s (best %.0f); step %.1f ms: forward %.1f, backward %.1f, "
           "optimizer %.1f; peak memory %s\n",
           1e3 * f->tokens / f->median.total, 1e3 * f->tokens / f->best.total,
           f->median.total, f->median.forward, f->median.backward, f->median.optimizer,
           tern_human_bytes(f->rss, memory));
    tern_bench_print_parts(c, &b->clock, b->count, &f->peaks);
}

static void report(bench *b, const options *o)
{
    const tern_config *c = &b->config;
    qsort(b->steps, b->count, sizeof *b->steps, by_total);
    figures f = {.median = b->steps[b->count / 2],
                 .best = b->steps[0],
                 .tokens = (double)(c->batch * c->accumulate * c->model.context),
                 .rss = tern_peak_rss()};
    tern_machine_cpu(f.cpu);
    f.peaks = tern_bench_measure_peaks(); /* after the memory was looked at */
    if (o->common.json)
        print_json(b, o, &f);
    else
        print_text(b, o, &f);
}

int tern_bench_train(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "train CONFIG",
        .children = children,
        .doc =
            "Measure training steps of a config on random tokens: the median of the "
            "steps, and its split. Dropout and gradient accumulation are the config's."
            "\vExample: tern bench train configs/nano.yaml --threads 2",
    };
    options o = {0};
    bench b = {0};
    o.sets = calloc((size_t)argc, sizeof *o.sets);
    if (!o.sets) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = bench_init(&b, &o);
    if (s == TERN_OK) s = measure(&b, &o);
    if (s == TERN_OK) report(&b, &o);
    bench_free(&b);
    free(o.sets);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
