/* gradients.c - see gradients.h. */
#include "train/gradients.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"

enum {
    PASS_TOKENS = 512,  /* measured: 1024 is alike, 4096 is slower */
    LEAST_TOKENS = 256, /* of a batch that is worth cutting */
};

/* Written by one thread at a time. */
typedef struct lane {
    _Alignas(64) tern_tape *tape;
    int64_t failed; /* the pass that its tape failed in; -1: none */
    tern_pass_seconds seconds;
    tern_tape_clock clock;
} lane;

struct tern_gradients {
    const tern_config *config;
    tern_model *model;
    tern_param *table; /* whose lookups may have a gradient of their own; or NULL */
    size_t lane_count;
    lane *lanes;
    int64_t passes;
    tern_turn *turns; /* of each pass */
    double *loss;     /* of each pass, as it is in the batch's mean */
};

/* --- passes --- */

int64_t tern_batch_passes(const tern_config *c)
{
    const int64_t context = c->model.context, batch = c->batch;
    if (c->micro_batch > 0) return (batch + c->micro_batch - 1) / c->micro_batch;
    if (batch * context < LEAST_TOKENS || batch == 1) return 1;
    const int64_t most = context < PASS_TOKENS ? PASS_TOKENS / context : 1;
    const int64_t passes = (batch + most - 1) / most;
    /* Two threads get equal shares. */
    return passes + (passes % 2 && passes < batch);
}

/* --- life --- */

void tern_gradients_free(tern_gradients *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->lane_count && g->lanes; i++)
        tern_tape_free(g->lanes[i].tape);
    tern_free(g->lanes);
    tern_free(g->turns);
    free(g->loss);
    free(g);
}

static tern_status allocate(tern_gradients *g)
{
    g->lanes = tern_calloc(g->lane_count, sizeof *g->lanes);
    g->turns = tern_calloc((size_t)g->passes, sizeof *g->turns);
    g->loss = calloc((size_t)g->passes, sizeof *g->loss);
    bool good = g->lanes && g->turns && g->loss;
    for (size_t i = 0; i < g->lane_count && good; i++) {
        tern_tape *t = g->lanes[i].tape = tern_tape_new(0);
        good = t != NULL;
        if (!good) break;
        tern_tape_set_backward(t, g->config->backward);
        tern_tape_set_recompute(t, g->config->recompute);
    }
    return good ? TERN_OK
                : tern_fail(TERN_EMEM,
                            "out of memory for %zu threads; set "
                            "train.micro_batch to 1, or use fewer",
                            g->lane_count);
}

/* A table that is the head, too, stands at two nodes. */
static tern_status split_table(tern_gradients *g)
{
    g->table = tern_model_shared_table(g->model);
    return g->table && g->passes > 1 ? tern_param_split_lookup(g->table) : TERN_OK;
}

/* As many as have something to do; with many more threads than passes one, whose
 * operations are spread over all of them. */
static size_t choose_lanes(size_t passes)
{
    enum { FAR_MORE = 4 };
    const size_t threads = (size_t)tern_threads();
    if (threads >= FAR_MORE * passes) return 1;
    return passes < threads ? passes : threads;
}

tern_status tern_gradients_new(const tern_config *c, tern_model *m,
                               tern_gradients **out)
{
    tern_gradients *g = calloc(1, sizeof *g);
    if (!g) return tern_fail(TERN_EMEM, "out of memory");
    g->config = c;
    g->model = m;
    g->passes = tern_batch_passes(c);
    g->lane_count = choose_lanes((size_t)g->passes);
    tern_status s = tern_blas_init(); /* before there are several threads */
    if (s == TERN_OK) s = allocate(g);
    if (s == TERN_OK) s = split_table(g);
    if (s == TERN_OK)
        *out = g;
    else
        tern_gradients_free(g);
    return s;
}

tern_tape *tern_gradients_tape(tern_gradients *g)
{
    return g->lanes[0].tape;
}

/* --- the clock --- */

void tern_gradients_set_clock(tern_gradients *g, bool on)
{
    for (size_t i = 0; i < g->lane_count; i++) {
        lane *l = &g->lanes[i];
        l->clock = (tern_tape_clock){0};
        tern_tape_set_clock(l->tape, on ? &l->clock : NULL);
    }
}

void tern_gradients_read_clock(const tern_gradients *g, tern_tape_clock *out)
{
    const double lanes = (double)g->lane_count;
    *out = (tern_tape_clock){0};
    for (size_t i = 0; i < g->lane_count; i++) {
        const tern_tape_clock *c = &g->lanes[i].clock;
        for (size_t k = 0; k < c->count; k++) { /* all tapes know the same operations */
            tern_op_seconds *o = &out->ops[k];
            o->name = c->ops[k].name;
            o->forward += c->ops[k].forward / lanes;
            o->backward += c->ops[k].backward / lanes;
        }
        if (c->count > out->count) out->count = c->count;
    }
}

/* --- a batch --- */

typedef struct batch {
    tern_gradients *g;
    uint64_t index;
    const int32_t *inputs, *targets;
    int64_t next; /* pass; taken in order */
    bool failed;
} batch;

static tern_status run_pass(const batch *b, lane *l, int64_t i)
{
    const tern_gradients *g = b->g;
    const tern_config *c = g->config;
    const int64_t context = c->model.context, passes = g->passes;
    const int64_t first = c->batch * i / passes;
    const int64_t count = c->batch * (i + 1) / passes - first;
    const double part = (double)count / (double)c->batch;
    const double began = tern_seconds();
    tern_tape_reset(l->tape);
    tern_tape_set_turn(l->tape, i > 0 ? &g->turns[i - 1] : NULL, &g->turns[i]);
    tern_tape_set_random(l->tape, c->seed, b->index * (uint64_t)passes + (uint64_t)i,
                         true);
    tern_var *loss =
        tern_model_loss(l->tape, g->model, b->inputs + first * context,
                        b->targets + first * context, count, context, c->dropout);
    g->loss[i] = loss ? part * (double)loss->val[0] : 0.0;
    const double turned = tern_seconds();
    const tern_status s =
        tern_tape_backward_scaled(l->tape, loss, (float)(part / (double)c->accumulate));
    l->seconds.forward += turned - began;
    l->seconds.backward += tern_seconds() - turned;
    return s;
}

/* The next pass, which must then be run; as many as there are, or more, to stop. */
static int64_t take_pass(batch *b)
{
    int64_t i;
    bool stop;
#pragma omp atomic read
    stop = b->failed;
    if (stop) return b->g->passes;
#pragma omp atomic capture
    i = b->next++;
    return i;
}

/* One pass after the other, until there is none. Whoever waits for a pass finds that it
 * is done or at work: they are taken in order, and all that are taken are run. */
static void run_lane(batch *b, lane *l)
{
    const tern_gradients *g = b->g;
    for (int64_t i; (i = take_pass(b)) < g->passes;) {
        const tern_status s = run_pass(b, l, i);
        tern_turn_end(i > 0 ? &g->turns[i - 1] : NULL, &g->turns[i]);
        if (s == TERN_OK) continue;
        l->failed = i;
#pragma omp atomic write
        b->failed = true;
        return;
    }
}

/* What lanes share and would otherwise make when they need it. */
static tern_status prepare(tern_gradients *g)
{
    const tern_params *list = tern_model_params(g->model);
    for (int64_t i = 0; i < g->passes; i++)
        atomic_store_explicit(&g->turns[i].done, 0, memory_order_relaxed);
    for (size_t i = 0; i < g->lane_count; i++) {
        g->lanes[i].failed = -1;
        g->lanes[i].seconds = (tern_pass_seconds){0};
    }
    if (g->config->backward != TERN_BACKWARD_INT8) return TERN_OK;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->form == TERN_FORM_TERNARY && !list->items[i]->image &&
            !tern_param_transposed(list->items[i]))
            return TERN_EMEM;
    return TERN_OK;
}

/* The tape of the first pass that failed says why. */
static tern_status outcome(const tern_gradients *g)
{
    const lane *first = NULL;
    for (size_t i = 0; i < g->lane_count; i++) {
        const lane *l = &g->lanes[i];
        if (l->failed >= 0 && (!first || l->failed < first->failed)) first = l;
    }
    if (!first) return TERN_OK;
    return tern_fail(tern_tape_status(first->tape), "%s",
                     tern_tape_message(first->tape));
}

tern_status tern_gradients_batch(tern_gradients *g, uint64_t index,
                                 const int32_t *inputs, const int32_t *targets,
                                 double *loss, tern_pass_seconds *seconds)
{
    batch b = {.g = g, .index = index, .inputs = inputs, .targets = targets};
    TERN_TRY(prepare(g));
    if (g->lane_count == 1) {
        run_lane(&b, &g->lanes[0]);
    } else {
        /* All threads, though some may find nothing to do: OpenMP would end them. */
#pragma omp parallel num_threads(tern_threads())
        if ((size_t)omp_get_thread_num() < g->lane_count)
            run_lane(&b, &g->lanes[omp_get_thread_num()]);
    }
    if (g->table) tern_param_join_lookup(g->table);
    TERN_TRY(outcome(g));
    *loss = 0.0;
    for (int64_t i = 0; i < g->passes; i++) *loss += g->loss[i];
    for (size_t i = 0; i < g->lane_count && seconds; i++) {
        seconds->forward += g->lanes[i].seconds.forward / (double)g->lane_count;
        seconds->backward += g->lanes[i].seconds.backward / (double)g->lane_count;
    }
    return TERN_OK;
}
