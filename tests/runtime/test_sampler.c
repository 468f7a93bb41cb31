/* Each filter against a plain double oracle that sorts and sums; the distribution of
 * draws by chi-square, with fixed seeds (the figures cannot vary); the limits. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/cpu.h"
#include "runtime/runtime.h"

enum { V = 60, DRAWS = 20000 };

static const tern_sampler PLAIN = {
    .temperature = 1.0f, .top_p = 1.0f, .repeat_penalty = 1.0f};

static void fill_logits(float *x, uint64_t seed)
{
    for (size_t i = 0; i < V; i++) x[i] = 2.0f * tern_rand_normal(seed, 9, i);
    x[7] = x[31]; /* a tie */
}

/* --- the oracle --- */

static const double *sort_key;

static int more_probable(const void *a, const void *b)
{
    const int i = *(const int *)a, j = *(const int *)b;
    if (sort_key[i] != sort_key[j]) return sort_key[i] > sort_key[j] ? -1 : 1;
    return i - j;
}

/* The probability of each id after all filters. */
static void oracle(const tern_sampler *s, const float *logits, const int32_t *recent,
                   size_t count, double *p)
{
    double x[V], total = 0.0, sum = 0.0;
    int order[V], keep = V;
    for (int i = 0; i < V; i++) {
        bool seen = false;
        for (size_t j = 0; j < count; j++) seen |= recent[j] == i;
        x[i] = (double)logits[i];
        if (seen && x[i] > 0.0)
            x[i] /= (double)s->repeat_penalty;
        else if (seen)
            x[i] *= (double)s->repeat_penalty;
        order[i] = i;
    }
    sort_key = x;
    qsort(order, V, sizeof *order, more_probable);
    if (s->top_k > 0 && s->top_k < V) keep = s->top_k;
    for (int i = 0; i < keep; i++) total += exp(x[order[i]]);
    int nucleus = 0;
    while (nucleus < keep && sum < (double)s->top_p * total)
        sum += exp(x[order[nucleus++]]);
    if (s->top_p < 1.0f) keep = nucleus;
    while (keep > 1 && exp(x[order[keep - 1]] - x[order[0]]) < (double)s->min_p) keep--;
    for (int i = 0; i < V; i++) p[i] = 0.0;
    total = 0.0;
    for (int i = 0; i < keep; i++)
        total += exp((x[order[i]] - x[order[0]]) / (double)s->temperature);
    for (int i = 0; i < keep; i++)
        p[order[i]] = exp((x[order[i]] - x[order[0]]) / (double)s->temperature) / total;
}

static int32_t sample(tern_sampler *s, const float *logits, const int32_t *recent,
                      size_t count)
{
    static max_align_t scratch[V]; /* see setup */
    float copy[V];
    memcpy(copy, logits, sizeof copy);
    return tern_sample(s, copy, V, recent, count, scratch);
}

/* Draw many, and compare the counts with the oracle. Ids expected fewer than 8 times
 * are pooled. The bound is the mean of chi-square plus 4 standard deviations. */
static void check_logits(tern_sampler s, const float *logits, const int32_t *recent,
                         size_t count)
{
    double p[V], chi = 0.0, pooled_want = 0.0, pooled_got = 0.0;
    int seen[V] = {0}, cells = 0;
    oracle(&s, logits, recent, count, p);
    cr_assert(eq(int, tern_sampler_check(&s), TERN_OK), "%s", tern_error_message());
    for (int i = 0; i < DRAWS; i++) seen[sample(&s, logits, recent, count)]++;
    cr_expect(s.drawn == (s.temperature > 0.0f ? DRAWS : 0));
    for (int i = 0; i < V; i++) {
        const double want = p[i] * DRAWS;
        if (want == 0.0) cr_expect(eq(int, seen[i], 0), "id %d was filtered out", i);
        if (want < 8.0) {
            pooled_want += want;
            pooled_got += seen[i];
        } else {
            chi += (seen[i] - want) * (seen[i] - want) / want;
            cells++;
        }
    }
    if (pooled_want > 8.0) {
        chi += (pooled_got - pooled_want) * (pooled_got - pooled_want) / pooled_want;
        cells++;
    }
    const double freedom = cells > 1 ? cells - 1 : 1;
    cr_expect(lt(dbl, chi, freedom + 4.0 * sqrt(2.0 * freedom)), "cells %d", cells);
}

static void check(const tern_sampler s, uint64_t seed, const int32_t *recent,
                  size_t count)
{
    float logits[V];
    fill_logits(logits, seed);
    check_logits(s, logits, recent, count);
}

static void setup(void)
{
    cr_assert(tern_kernels_init() == TERN_OK);
    cr_assert(tern_sample_scratch(V) <= V * sizeof(max_align_t));
}

TestSuite(sampler, .init = setup);

Test(sampler, temperature)
{
    static const float ts[] = {0.1f, 0.7f, 1.0f, 1.5f, 10.0f};
    for (size_t i = 0; i < 5; i++) {
        tern_sampler s = PLAIN;
        s.temperature = ts[i];
        check(s, 1 + i, NULL, 0);
    }
}

Test(sampler, top_k)
{
    static const int32_t ks[] = {1, 2, 5, 40, 59, 60, 1000};
    for (size_t i = 0; i < 7; i++) {
        tern_sampler s = PLAIN;
        s.top_k = ks[i];
        check(s, 11, NULL, 0);
    }
}

Test(sampler, top_p)
{
    static const float ps[] = {1e-6f, 0.1f, 0.5f, 0.9f, 0.999f};
    for (size_t i = 0; i < 5; i++) {
        tern_sampler s = PLAIN;
        s.top_p = ps[i];
        check(s, 12, NULL, 0);
    }
}

Test(sampler, min_p)
{
    static const float ps[] = {0.001f, 0.05f, 0.3f, 1.0f};
    for (size_t i = 0; i < 4; i++) {
        tern_sampler s = PLAIN;
        s.min_p = ps[i];
        check(s, 13, NULL, 0);
    }
}

Test(sampler, penalty)
{
    static const int32_t recent[] = {3, 3, 3, 7, 31, 59, -1, 60, 1000000, 0};
    static const float rs[] = {1.2f, 2.0f, 0.5f};
    for (size_t i = 0; i < 3; i++) {
        tern_sampler s = PLAIN;
        s.repeat_penalty = rs[i];
        check(s, 14, recent, sizeof recent / sizeof *recent);
    }
}

/* A logit below 0 is multiplied. Lowering all of them changes no probability but those
 * that the penalty makes. */
Test(sampler, penalty_below_zero)
{
    static const int32_t recent[] = {2, 5, 11, 20, 21, 22, 40, 59};
    float logits[V];
    tern_sampler s = PLAIN;
    fill_logits(logits, 15);
    for (int i = 0; i < V; i++) logits[i] -= 8.0f;
    s.repeat_penalty = 1.15f;
    check_logits(s, logits, recent, sizeof recent / sizeof *recent);
    s.repeat_penalty = 0.9f;
    check_logits(s, logits, recent, sizeof recent / sizeof *recent);
}

/* Each draw against the one before it, in pairs: five ids, 25 cells. */
Test(sampler, draws_are_independent)
{
    enum { K = 5, PAIRS = 25 };
    float logits[V];
    double p[V], chi = 0.0;
    int pairs[V][V] = {{0}};
    tern_sampler s = PLAIN;
    s.top_k = K;
    s.temperature = 3.0f;
    fill_logits(logits, 16);
    oracle(&s, logits, NULL, 0, p);
    int32_t before = sample(&s, logits, NULL, 0);
    for (int i = 0; i < DRAWS; i++) {
        const int32_t id = sample(&s, logits, NULL, 0);
        pairs[before][id]++;
        before = id;
    }
    for (int i = 0; i < V; i++) {
        for (int j = 0; j < V; j++) {
            const double want = p[i] * p[j] * DRAWS, d = pairs[i][j] - want;
            if (want > 0.0) chi += d * d / want;
        }
    }
    cr_expect(lt(dbl, chi, PAIRS - 1 + 4.0 * sqrt(2.0 * (PAIRS - 1))));
}

Test(sampler, everything_together)
{
    static const int32_t recent[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (uint64_t seed = 20; seed < 24; seed++) {
        const tern_sampler s = {.temperature = 0.8f,
                                .top_k = 20,
                                .top_p = 0.85f,
                                .min_p = 0.04f,
                                .repeat_penalty = 1.3f,
                                .seed = seed};
        check(s, seed, recent, 9);
    }
}

/* The order of the filters matters here: top_p of what top_k left. */
Test(sampler, top_k_before_top_p)
{
    float logits[V];
    for (int i = 0; i < V; i++) logits[i] = 0.0f;
    tern_sampler s = PLAIN;
    s.top_k = 4;
    s.top_p = 0.5f;
    bool seen[V] = {false};
    for (int i = 0; i < 1000; i++) seen[sample(&s, logits, NULL, 0)] = true;
    for (int i = 0; i < V; i++)
        cr_expect(eq(int, seen[i], i < 2), "id %d; ties go to the lower id", i);
}

Test(sampler, greedy)
{
    float logits[V];
    tern_sampler s = PLAIN;
    s.temperature = 0.0f;
    fill_logits(logits, 3);
    logits[40] = logits[50] = 99.0f;
    cr_expect(eq(i32, sample(&s, logits, NULL, 0), 40), "ties to the lowest id");
    const int32_t recent[] = {40};
    s.repeat_penalty = 1.5f;
    cr_expect(eq(i32, sample(&s, logits, recent, 1), 50));
    cr_expect(eq(u64, s.drawn, 0), "greedy draws nothing");
}

Test(sampler, same_seed_same_ids)
{
    float logits[V];
    tern_sampler a = PLAIN, b = PLAIN, c = PLAIN;
    c.seed = 1;
    fill_logits(logits, 5);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        const int32_t id = sample(&a, logits, NULL, 0);
        cr_expect(eq(i32, sample(&b, logits, NULL, 0), id));
        differ += sample(&c, logits, NULL, 0) != id;
    }
    cr_expect(gt(int, differ, 50));
    tern_sampler d = PLAIN; /* the state is the number of draws, and that is all */
    d.drawn = 99;
    a.drawn = 99;
    cr_expect(eq(i32, sample(&a, logits, NULL, 0), sample(&d, logits, NULL, 0)));
}

Test(sampler, impossible_logits)
{
    float logits[V];
    tern_sampler s = PLAIN;
    for (int i = 0; i < V; i++) logits[i] = i % 2 ? -INFINITY : NAN;
    cr_expect(eq(i32, sample(&s, logits, NULL, 0), 1), "nothing is possible: any id");
    logits[8] = -3.0f;
    logits[10] = -3.0f;
    int count[V] = {0};
    for (int i = 0; i < 200; i++) count[sample(&s, logits, NULL, 0)]++;
    cr_expect(eq(int, count[8] + count[10], 200));
    cr_expect(count[8] > 50 && count[10] > 50);
    s.top_k = 2; /* what is no number is not among the two most probable */
    memset(count, 0, sizeof count);
    for (int i = 0; i < 200; i++) count[sample(&s, logits, NULL, 0)]++;
    cr_expect(count[8] > 50 && count[10] > 50);
    logits[20] = INFINITY;
    cr_expect(eq(i32, sample(&s, logits, NULL, 0), 20));
}

Test(sampler, repeats_are_penalised_once)
{
    static const int32_t recent[] = {5, 5, 5};
    float logits[V] = {0};
    tern_sampler s = PLAIN;
    s.temperature = 0.0f;
    s.repeat_penalty = 1.2f;
    logits[5] = 2.0f;
    logits[6] = 1.5f; /* between 2 / 1.2 and 2 / 1.44 */
    cr_expect(eq(i32, sample(&s, logits, recent, 3), 5));
}

static void refused(tern_sampler s, const char *part)
{
    cr_expect(eq(int, tern_sampler_check(&s), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), part), NULL), "%s",
              tern_error_message());
}

Test(sampler, check_names_the_parameter)
{
    tern_sampler s = PLAIN;
    s.temperature = -0.1f, refused(s, "temperature"), s = PLAIN;
    s.temperature = NAN, refused(s, "temperature"), s = PLAIN;
    s.temperature = INFINITY, refused(s, "temperature"), s = PLAIN;
    s.top_k = -1, refused(s, "top_k"), s = PLAIN;
    s.top_p = 0.0f, refused(s, "top_p"), s = PLAIN;
    s.top_p = 1.1f, refused(s, "top_p"), s = PLAIN;
    s.min_p = -0.1f, refused(s, "min_p"), s = PLAIN;
    s.min_p = NAN, refused(s, "min_p"), s = PLAIN;
    s.repeat_penalty = 0.0f, refused(s, "repeat_penalty");
}
