/* loader.c - from the number of a batch to its windows, without memory of other
 * batches.
 *
 * The order of an epoch is a Feistel network on the smallest even number of bits that
 * can count its windows: a bijection whatever the round function, so no window is lost
 * or doubled. A result beyond the last window is put through again until one fits
 * ("cycle walking", Black & Rogaway 2002): fewer than four times on average. */
#include "data/loader.h"

#include <inttypes.h>
#include <string.h>

#include "base/rng.h"
#include "data/dataset.h"

enum { ROUNDS = 6 };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

tern_status tern_loader_init(tern_loader *l, const tern_dataset *d, tern_split s,
                             int64_t batch, int64_t context, uint64_t seed,
                             tern_order order)
{
    const int64_t tokens = tern_dataset_tokens(d, s);
    if (batch < 1 || context < 1)
        return tern_fail(TERN_EARG,
                         "batch %" PRId64 " and context %" PRId64 " must be at least 1",
                         batch, context);
    if (tokens < context + 1)
        return tern_fail(
            TERN_EARG,
            "%s: %" PRId64 " %s tokens are too few for a context of %" PRId64
            ": use more text, or a context of at most %" PRId64,
            tern_dataset_name(d), tokens, s == TERN_TRAIN ? "training" : "validation",
            context, tokens > 1 ? tokens - 1 : 0);
    *l = (tern_loader){.data = d,
                       .split = s,
                       .batch = batch,
                       .context = context,
                       .seed = seed,
                       .order = order};
    return TERN_OK;
}

/* Every epoch has the same number of windows, so that the epoch of a sequence follows
 * from its number: at the largest offset, context - 1, they still fit. */
int64_t tern_loader_windows(const tern_loader *l)
{
    const int64_t tokens = tern_dataset_tokens(l->data, l->split);
    const int64_t windows = (tokens - l->context) / l->context;
    return windows > 1 ? windows : 1;
}

static uint64_t feistel(uint64_t x, int half, uint64_t key)
{
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    uint64_t left = x >> half, right = x & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const uint64_t mixed = left ^ (tern_rand_u64(key, round, right) & mask);
        left = right;
        right = mixed;
    }
    return left << half | right;
}

/* Where i comes in the order `key` of 0 .. n-1. */
static uint64_t permute(uint64_t i, uint64_t n, uint64_t key)
{
    int half = 1;
    while (half < 31 && n > UINT64_C(1) << 2 * half) half++;
    do i = feistel(i, half, key);
    while (i >= n);
    return i;
}

/* The first token of sequence number n since the beginning of training. */
static int64_t start_of(const tern_loader *l, uint64_t n)
{
    const int64_t tokens = tern_dataset_tokens(l->data, l->split);
    if (l->order == TERN_ORDER_RANDOM)
        return (int64_t)tern_rand_below(l->seed, TERN_STREAM_BATCH, n,
                                        (uint64_t)(tokens - l->context));
    const int64_t windows = tern_loader_windows(l);
    const uint64_t epoch = n / (uint64_t)windows;
    const uint64_t key = tern_rand_u64(l->seed, TERN_STREAM_BATCH, 2 * epoch);
    const int64_t offsets = smaller(l->context, tokens - windows * l->context);
    const uint64_t offset =
        tern_rand_below(l->seed, TERN_STREAM_BATCH, 2 * epoch + 1, (uint64_t)offsets);
    const uint64_t window = permute(n % (uint64_t)windows, (uint64_t)windows, key);
    return (int64_t)offset + (int64_t)window * l->context;
}

tern_status tern_loader_batch(const tern_loader *l, uint64_t index, int32_t *inputs,
                              int32_t *targets)
{
    const int64_t context = l->context;
    for (int64_t b = 0; b < l->batch; b++) {
        const int64_t start = start_of(l, index * (uint64_t)l->batch + (uint64_t)b);
        int32_t *in = inputs + b * context, *next = targets + b * context;
        TERN_TRY(tern_dataset_read(l->data, l->split, start + 1, context, next));
        TERN_TRY(tern_dataset_read(l->data, l->split, start, 1, in));
        memcpy(in + 1, next, (size_t)(context - 1) * sizeof *in);
    }
    return TERN_OK;
}
