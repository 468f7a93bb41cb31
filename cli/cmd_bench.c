/* cmd_bench.c - `tern bench train CONFIG`: what a training step costs here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "layers/model.h"
#include "optim/optim.h"
#include "train/config.h"

enum { MAX_STEPS = 10000, WARM_UP = 2 };

typedef struct options {
    tern_common common;
    const char *what, *config;
    const char **sets;
    size_t set_count;
    double seconds;
} options;

static const struct argp_option table[] = {
    {"set", 's', "KEY=VALUE", 0, "Change one value of the config", 0},
    {"seconds", 'S', "X", 0, "Measure for about X seconds (default 10)", 0},
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
            argp_error(state, "bench what? there is `tern bench train CONFIG`");
        if (!o->config)
            argp_error(state, "which config? for instance configs/nano.yaml");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Milliseconds of one step. */
typedef struct timing {
    double forward, backward, optimizer, total;
} timing;

typedef struct bench {
    tern_config config;
    tern_model *model;
    tern_optim *optim;
    tern_tape *tape;
    int32_t *ids; /* inputs, then targets */
    timing *steps;
    size_t count;
} bench;

static tern_status bench_init(bench *b, const options *o)
{
    TERN_TRY(tern_config_load(o->config, o->sets, o->set_count, &b->config));
    tern_config *c = &b->config;
    if (c->model.vocab == 0)
        c->model.vocab = !strncmp(c->tokenizer, "bpe:", 4) ? atoll(c->tokenizer + 4)
                         : !strcmp(c->tokenizer, "byte")   ? 256
                                                           : 65;
    TERN_TRY(tern_config_resolve(c, c->model.vocab, o->config));
    TERN_TRY(tern_model_new(&c->model, &b->model));
    TERN_TRY(tern_model_init(b->model, c->init_std, c->seed));
    tern_params *p = tern_model_params(b->model);
    TERN_TRY(tern_optim_new(&c->optim, p->items, p->count, &b->optim));
    const int64_t tokens = c->batch * c->model.context;
    b->tape = tern_tape_new(0);
    b->ids = malloc((size_t)(2 * tokens) * sizeof *b->ids);
    b->steps = calloc(MAX_STEPS, sizeof *b->steps);
    if (!b->tape || !b->ids || !b->steps) return tern_fail(TERN_EMEM, "out of memory");
    for (int64_t i = 0; i < 2 * tokens; i++)
        b->ids[i] = (int32_t)tern_rand_below(1, TERN_STREAM_TEST, (uint64_t)i,
                                             (uint64_t)c->model.vocab);
    return TERN_OK;
}

static void bench_free(bench *b)
{
    tern_optim_free(b->optim);
    tern_model_free(b->model);
    tern_tape_free(b->tape);
    free(b->ids);
    free(b->steps);
}

static tern_status one_step(bench *b, timing *out)
{
    const tern_config *c = &b->config;
    tern_params *p = tern_model_params(b->model);
    const int64_t tokens = c->batch * c->model.context;
    const double t0 = tern_seconds();
    tern_tape_reset(b->tape);
    tern_var *loss = tern_model_loss(b->tape, b->model, b->ids, b->ids + tokens,
                                     c->batch, c->model.context, 0.0f);
    const double t1 = tern_seconds();
    if (tern_tape_backward(b->tape, loss) != TERN_OK)
        return tern_fail(tern_tape_status(b->tape), "%s", tern_tape_message(b->tape));
    const double t2 = tern_seconds();
    const double norm = tern_grad_norm(p->items, p->count);
    TERN_TRY(tern_optim_step(b->optim, (int64_t)b->count + 1, (float)c->schedule.lr,
                             (float)c->schedule.weight_decay,
                             tern_clip_scale(norm, c->clip)));
    tern_params_zero_grad(p);
    const double t3 = tern_seconds();
    *out = (timing){1e3 * (t1 - t0), 1e3 * (t2 - t1), 1e3 * (t3 - t2), 1e3 * (t3 - t0)};
    return TERN_OK;
}

static tern_status measure(bench *b, double seconds)
{
    timing ignored;
    for (int i = 0; i < WARM_UP; i++) TERN_TRY(one_step(b, &ignored));
    const double end = tern_seconds() + seconds;
    while (b->count < 3 || (tern_seconds() < end && b->count < MAX_STEPS)) {
        TERN_TRY(one_step(b, &b->steps[b->count]));
        b->count++;
    }
    return TERN_OK;
}

static int by_total(const void *a, const void *b)
{
    const double x = ((const timing *)a)->total, y = ((const timing *)b)->total;
    return (x > y) - (x < y);
}

static void report(bench *b, const options *o)
{
    const tern_config *c = &b->config;
    qsort(b->steps, b->count, sizeof *b->steps, by_total);
    const timing m = b->steps[b->count / 2], best = b->steps[0];
    const double tokens = (double)(c->batch * c->model.context);
    const long long rss = tern_peak_rss();
    const char *level = tern_level_name(tern_kernels_level());
    if (o->common.json) {
        tern_print_json(json_pack(
            "{s:o, s:s, s:i, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I}",
            "config", tern_json_text(o->config), "kernels", level, "threads",
            tern_threads(), "blas", tern_blas_describe(), "parameters",
            (json_int_t)tern_spec_params(&c->model), "steps", (json_int_t)b->count,
            "tokens_per_second", 1e3 * tokens / m.total, "best_tokens_per_second",
            1e3 * tokens / best.total, "step_ms", m.total, "forward_ms", m.forward,
            "backward_ms", m.backward, "optimizer_ms", m.optimizer, "peak_rss_bytes",
            (json_int_t)rss));
        return;
    }
    char params[16], memory[16];
    printf("%s: %s parameters, %s, %d threads, %s, %zu steps of %.0f tokens\n",
           o->config, tern_human_count(tern_spec_params(&c->model), params), level,
           tern_threads(), tern_blas_describe(), b->count, tokens);
    printf("%.0f tokens/s (best %.0f); step %.1f ms: forward %.1f, backward %.1f, "
           "optimizer %.1f; peak memory %s\n",
           1e3 * tokens / m.total, 1e3 * tokens / best.total, m.total, m.forward,
           m.backward, m.optimizer, tern_human_bytes(rss, memory));
}

int tern_cmd_bench(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "train CONFIG",
        .children = children,
        .doc = "Measure training steps of a config on random tokens: the median of the "
               "steps, and its split."
               "\vExample: tern bench train configs/nano.yaml --threads 2",
    };
    options o = {.seconds = 10.0};
    bench b = {0};
    o.sets = calloc((size_t)argc, sizeof *o.sets);
    if (!o.sets) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = tern_blas_init();
    if (s == TERN_OK) s = bench_init(&b, &o);
    if (s == TERN_OK) s = measure(&b, o.seconds);
    if (s == TERN_OK) report(&b, &o);
    bench_free(&b);
    free(o.sets);
    return s == TERN_OK ? TERN_EXIT_DONE : tern_report_failure();
}
