/* bench_parts.c - see bench_parts.h.
 *
 * Multiply-adds of a step of T tokens, forward; backward has twice as many, for the
 * gradients of both operands, and attention, which computes its scores again, 2.5
 * times:
 *
 *     bitlinear    T * ternary weights        8-bit codes; backward 8, 16 bits or float
 *     linear       T * weights (float twin)   float
 *     head         T * vocabulary * width     float
 *     attention    T * layers * heads * head_dim * (context + 1)     float
 *
 * (scores and weighted values: two products of half a square each). Everything else is
 * limited by memory and by exp(), and has no figure here. */
#include "cli/bench_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/machine.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/peaks.h"

/* Of a product that is large enough to reach OpenBLAS's best. */
static double measure_float(void)
{
    enum { EDGE = 1024, TRIES = 3 };
    const size_t size = (size_t)EDGE * EDGE;
    float *m = tern_calloc(3 * size, sizeof *m);
    double best = 0.0;
    for (int i = 0; m && i < TRIES; i++) {
        const double began = tern_seconds();
        tern_sgemm(false, false, EDGE, EDGE, EDGE, 1.0f, m, EDGE, m + size, EDGE, 0.0f,
                   m + 2 * size, EDGE);
        best = fmax(best, (double)size * EDGE / (tern_seconds() - began));
    }
    tern_free(m);
    return best;
}

tern_bench_peaks tern_bench_measure_peaks(void)
{
    const double int8 = tern_peak_integer(tern_threads());
    return (tern_bench_peaks){
        .int8 = int8, .int16 = int8 / 2.0, .float32 = measure_float()};
}

/* What an op of a step has to multiply, and how fast it could be; 0: no figure. */
typedef struct limit {
    double forward_macs, backward_macs, forward_peak, backward_peak;
} limit;

static limit limit_of(const tern_config *c, const char *op, const tern_bench_peaks *p)
{
    const tern_spec *m = &c->model;
    const double tokens = (double)(c->batch * c->accumulate * m->context);
    const double head = (double)(m->vocab * m->width);
    limit l = {.forward_peak = p->float32, .backward_peak = p->float32};
    if (strcmp(op, "bitlinear") == 0) {
        l.forward_macs = tokens * (double)tern_spec_ternary_params(m);
        l.forward_peak = p->int8;
        if (c->backward == TERN_BACKWARD_INT16) l.backward_peak = p->int16;
        if (c->backward == TERN_BACKWARD_INT8) /* one product of each */
            l.backward_peak = 2.0 / (1.0 / p->int8 + 1.0 / p->int16);
    } else if (strcmp(op, "linear") == 0) {
        const double embeddings = m->tied ? head : 2.0 * head;
        l.forward_macs = tokens * ((double)tern_spec_params(m) - embeddings);
    } else if (strcmp(op, "head") == 0) {
        l.forward_macs = tokens * head;
    } else if (strcmp(op, "attention") == 0) {
        l.forward_macs = tokens * (double)(m->layers * m->heads * m->head_dim) *
                         (double)(m->context + 1);
        l.backward_macs = 2.5 * l.forward_macs;
    }
    if (l.backward_macs == 0.0) l.backward_macs = 2.0 * l.forward_macs;
    return l;
}

typedef struct part {
    const char *op;
    double forward_ms, backward_ms;
    double forward_percent, backward_percent; /* of the limit; 0: none */
} part;

static double percent_of_peak(double macs, double peak, double ms)
{
    return ms > 0.0 ? tern_percent(1e3 * macs / ms, peak) : 0.0;
}

static part part_at(const tern_config *c, const tern_tape_clock *clock, size_t i,
                    size_t steps, const tern_bench_peaks *peaks)
{
    const tern_op_seconds *s = &clock->ops[i];
    const limit l = limit_of(c, s->name, peaks);
    part p = {.op = s->name,
              .forward_ms = 1e3 * s->forward / (double)steps,
              .backward_ms = 1e3 * s->backward / (double)steps};
    p.forward_percent = percent_of_peak(l.forward_macs, l.forward_peak, p.forward_ms);
    p.backward_percent =
        percent_of_peak(l.backward_macs, l.backward_peak, p.backward_ms);
    return p;
}

static void print_share(double ms, double percent)
{
    printf(" %9.2f ms", ms);
    if (percent > 0.0)
        printf(" %4.0f %%", percent);
    else
        printf("       ");
}

void tern_bench_print_parts(const tern_config *c, const tern_tape_clock *clock,
                            size_t steps, const tern_bench_peaks *peaks)
{
    printf("%-21s %12s %6s %12s %6s\n", "of a step (mean)", "forward", "limit",
           "backward", "limit");
    for (size_t i = 0; i < clock->count; i++) {
        const part p = part_at(c, clock, i, steps, peaks);
        printf("%-21s", p.op);
        print_share(p.forward_ms, p.forward_percent);
        print_share(p.backward_ms, p.backward_percent);
        putchar('\n');
    }
    printf("limits: %.0f multiply-adds/ns of 8-bit codes, %.0f of 16 bits, %.0f of "
           "floats (OpenBLAS)\n",
           1e-9 * peaks->int8, 1e-9 * peaks->int16, 1e-9 * peaks->float32);
}

/* A number, or null where there is none. */
static json_t *known(double x)
{
    return x > 0.0 ? json_real(x) : json_null();
}

json_t *tern_bench_json_parts(const tern_config *c, const tern_tape_clock *clock,
                              size_t steps, const tern_bench_peaks *peaks)
{
    json_t *list = json_array();
    for (size_t i = 0; i < clock->count; i++) {
        const part p = part_at(c, clock, i, steps, peaks);
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:f, s:o, s:o}", "op", p.op, "forward_ms",
                            p.forward_ms, "backward_ms", p.backward_ms,
                            "forward_percent_of_peak", known(p.forward_percent),
                            "backward_percent_of_peak", known(p.backward_percent)));
    }
    return list;
}

json_t *tern_bench_json_peaks(const tern_bench_peaks *p)
{
    return json_pack("{s:f, s:f, s:f}", "int8_macs_per_second", p->int8,
                     "int16_macs_per_second", p->int16, "float32_macs_per_second",
                     p->float32);
}
