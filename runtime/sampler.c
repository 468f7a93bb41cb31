/* sampler.c - from logits to one id.
 *
 * In this order, as llama.cpp does it, so that the same settings mean the same:
 *
 *     penalty      each distinct id of `recent`: logit / r if above 0, else logit * r
 *     top_k        the k most probable stay; among equals the lower id
 *     top_p        the fewest most probable whose sum reaches p; at least one
 *     min_p        those at least min_p times as probable as the most probable
 *     temperature  p_i ~ exp(logit_i / T), and one draw
 *
 * top_p and min_p look at probabilities before the temperature. A temperature of 0
 * takes the most probable and draws nothing. NaN counts as impossible.
 *
 * The draw is number `drawn` of a counter-based stream (base/rng.h), and exponentials
 * are tern's own (kernels/rows.h): one seed gives one text, on any CPU. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/rows.h"
#include "runtime/runtime.h"

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

/* The scratch memory, cut up. */
typedef struct pool {
    candidate *items; /* (vocab) */
    float *weight;    /* (vocab) */
    uint8_t *seen;    /* a bit for each id */
} pool;

static size_t seen_bytes(int64_t vocab)
{
    return ((size_t)vocab + 7) / 8;
}

size_t tern_sample_scratch(int64_t vocab)
{
    return (size_t)vocab * (sizeof(candidate) + sizeof(float)) + seen_bytes(vocab);
}

static pool pool_in(void *scratch, int64_t vocab)
{
    pool p;
    p.items = scratch;
    p.weight = (float *)(p.items + vocab);
    p.seen = (uint8_t *)(p.weight + vocab);
    return p;
}

tern_status tern_sampler_check(const tern_sampler *s)
{
    if (!(s->temperature >= 0.0f && s->temperature <= 1e6f))
        return tern_fail(TERN_EARG, "temperature is %g, must be 0 (greedy) or above",
                         (double)s->temperature);
    if (s->top_k < 0)
        return tern_fail(TERN_EARG, "top_k is %d, must be 0 (off) or above",
                         (int)s->top_k);
    if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
        return tern_fail(TERN_EARG, "top_p is %g, must be above 0, at most 1 (off)",
                         (double)s->top_p);
    if (!(s->min_p >= 0.0f && s->min_p <= 1.0f))
        return tern_fail(TERN_EARG, "min_p is %g, must be from 0 (off) to 1",
                         (double)s->min_p);
    if (!(s->repeat_penalty > 0.0f && s->repeat_penalty <= 1e6f))
        return tern_fail(TERN_EARG, "repeat_penalty is %g, must be above 0 (1: off)",
                         (double)s->repeat_penalty);
    return TERN_OK;
}

static void penalise(float penalty, float *logits, int64_t vocab, const int32_t *recent,
                     size_t count, uint8_t *seen)
{
    memset(seen, 0, seen_bytes(vocab));
    for (size_t i = 0; i < count; i++) {
        const int32_t id = recent[i];
        if (id < 0 || id >= vocab) continue;
        const uint8_t bit = (uint8_t)(1u << id % 8);
        if (seen[id / 8] & bit) continue;
        seen[id / 8] |= bit;
        logits[id] = logits[id] > 0.0f ? logits[id] / penalty : logits[id] * penalty;
    }
}

int32_t tern_most_probable(const float *logits, int64_t vocab)
{
    int32_t best = 0;
    for (int64_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best] || isnan(logits[best])) best = (int32_t)i;
    return best;
}

static bool above(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* --- a heap with the most probable on top: taking k of V costs V + k log V --- */

static void sift_down(candidate *heap, size_t n, size_t at)
{
    const candidate moving = heap[at];
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && above(heap[child + 1], heap[child])) child++;
        if (!above(heap[child], moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void make_heap(candidate *c, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) sift_down(c, n, i);
}

/* Moves the top to c[n - 1]: what was taken lies behind the heap, in rising order. */
static void take_top(candidate *c, size_t n)
{
    const candidate top = c[0];
    c[0] = c[n - 1];
    c[n - 1] = top;
    sift_down(c, n - 1, 0);
}

/* softmax(logit / temperature) of n candidates into weight. */
static void probabilities(const candidate *c, size_t n, float max, float temperature,
                          float *weight)
{
    for (size_t i = 0; i < n; i++) {
        const float x = (c[i].logit - max) / temperature;
        weight[i] = x > -200.0f ? x : -200.0f; /* exp of either is 0 */
    }
    tern_softmax_rows(weight, 1, n, weight);
}

/* How many of the n most probable, c[0] being the last of them, reach top_p. */
static size_t nucleus(const candidate *c, size_t n, float max, float top_p,
                      float *weight)
{
    double sum = 0.0;
    size_t kept = 0;
    probabilities(c, n, max, 1.0f, weight);
    while (kept < n && sum < (double)top_p) sum += (double)weight[n - 1 - kept++];
    return kept;
}

/* The candidates that pass top_k and top_p: *n of them from the pointer returned. */
static candidate *filter(const tern_sampler *s, pool p, float max, size_t *n)
{
    candidate *c = p.items;
    const size_t all = *n;
    const bool cut = s->top_k > 0 && (size_t)s->top_k < all;
    if (!cut && s->top_p >= 1.0f) return c;
    const size_t k = cut ? (size_t)s->top_k : all;
    make_heap(c, all);
    for (size_t i = 0; i < k; i++) take_top(c, all - i);
    *n = s->top_p < 1.0f ? nucleus(c + all - k, k, max, s->top_p, p.weight) : k;
    return c + all - *n;
}

/* The candidate on which `u` in [0, 1) of the total weight falls. */
static int32_t draw(const candidate *c, const float *weight, size_t n, double u)
{
    double total = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) total += (double)weight[i];
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (weight[i] <= 0.0f) continue;
        last = i;
        sum += (double)weight[i];
        if (u * total < sum) break;
    }
    return c[last].id;
}

int32_t tern_sample(tern_sampler *s, float *logits, int64_t vocab,
                    const int32_t *recent, size_t recent_count, void *scratch)
{
    const pool p = pool_in(scratch, vocab);
    if (s->repeat_penalty != 1.0f)
        penalise(s->repeat_penalty, logits, vocab, recent, recent_count, p.seen);

    const int32_t best = tern_most_probable(logits, vocab);
    const float max = logits[best];
    if (s->temperature == 0.0f || !isfinite(max)) return best;

    size_t n = 0;
    for (int64_t i = 0; i < vocab; i++)
        if (logits[i] > -INFINITY)
            p.items[n++] = (candidate){.logit = logits[i], .id = (int32_t)i};
    const candidate *c = filter(s, p, max, &n);
    probabilities(c, n, max, s->temperature, p.weight);
    const float floor = max + logf(s->min_p); /* min_p 0: minus infinity */
    for (size_t i = 0; i < n; i++)
        if (c[i].logit < floor) p.weight[i] = 0.0f;

    const uint64_t bits = tern_rand_u64(s->seed, TERN_STREAM_SAMPLE, s->drawn++);
    return draw(c, p.weight, n, (double)(bits >> 11) * 0x1p-53);
}
