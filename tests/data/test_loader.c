/* The loader against its promises: every window once, the same batch for the same
 * number, every token reachable, uniform where it should be. */
#include <math.h>

#include "base/rng.h"
#include "data/loader.h"
#include "tests/data/check.h"

TestSuite(loader, .init = setup, .fini = teardown);

/* A dataset of random bytes, so that a few of them tell where they stand; no validation
 * split. */
static tern_dataset *random_bytes(size_t tokens)
{
    unsigned char *text = malloc(tokens);
    const char *path = in_dir("text");
    tern_tokenizer *t;
    tern_dataset *d = NULL;
    for (size_t i = 0; i < tokens; i++)
        text[i] = (unsigned char)tern_rand_u64(1, TERN_STREAM_TEST, i);
    OK(tern_file_write(path, text, tokens));
    OK(tern_tokenizer_new_byte(&t));
    const tern_dataset_recipe r = {.paths = &path, .count = 1, .tokenizer = t};
    OK(tern_dataset_build_memory(&r, &d));
    tern_tokenizer_free(t);
    free(text);
    return d;
}

/* Where does this window stand? -1 if its targets are not its inputs one later. */
static int64_t find(const int32_t *all, int64_t tokens, const int32_t *in,
                    const int32_t *next, int64_t context)
{
    const size_t bytes = (size_t)context * sizeof *in;
    for (int64_t i = 0; i + context < tokens; i++)
        if (memcmp(all + i, in, bytes) == 0 && memcmp(all + i + 1, next, bytes) == 0)
            return i;
    return -1;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One epoch's starts, in order of appearance. */
static void epoch_starts(const tern_loader *l, uint64_t epoch, const int32_t *all,
                         int64_t *starts)
{
    int32_t in[64], next[64];
    const int64_t windows = tern_loader_windows(l);
    for (int64_t w = 0; w < windows; w++) {
        OK(tern_loader_batch(l, epoch * (uint64_t)windows + (uint64_t)w, in, next));
        starts[w] =
            find(all, tern_dataset_tokens(l->data, TERN_TRAIN), in, next, l->context);
        cr_assert(ge(i64, starts[w], 0));
    }
}

static void check_epochs(int64_t tokens, int64_t context)
{
    tern_dataset *d = random_bytes((size_t)tokens);
    tern_loader l;
    int32_t *all = malloc((size_t)tokens * sizeof *all);
    OK(tern_dataset_read(d, TERN_TRAIN, 0, tokens, all));
    OK(tern_loader_init(&l, d, TERN_TRAIN, 1, context, 42, TERN_ORDER_EPOCH));
    const int64_t windows = tern_loader_windows(&l);
    int64_t *starts = malloc((size_t)windows * sizeof *starts);
    int64_t *first = malloc((size_t)windows * sizeof *first);
    int in_order = 0, same = 0;
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        epoch_starts(&l, epoch, all, starts);
        for (int64_t w = 1; w < windows; w++) in_order += starts[w] > starts[w - 1];
        if (epoch == 0) memcpy(first, starts, (size_t)windows * sizeof *first);
        for (int64_t w = 0; w < windows; w++)
            same += epoch > 0 && starts[w] == first[w];
        qsort(starts, (size_t)windows, sizeof *starts, compare);
        cr_assert(starts[0] >= 0 && starts[windows - 1] + context < tokens);
        for (int64_t w = 1; w < windows; w++)
            cr_assert(eq(i64, starts[w] - starts[w - 1], context), "%d tokens",
                      (int)tokens);
        cr_assert(lt(i64, starts[0], context)); /* nothing is left out but the ends */
    }
    if (windows > 50) {
        cr_expect(in_order > windows && in_order < 2 * windows, "%d", in_order);
        cr_expect(lt(i64, same, windows / 4));
    }
    free(first);
    free(starts);
    free(all);
    tern_dataset_free(d);
}

Test(loader, every_window_once_an_epoch)
{
    check_epochs(5000, 8);
    check_epochs(4097, 64);
    check_epochs(1000, 33);
    check_epochs(129, 64);
    check_epochs(130, 64);
    check_epochs(40, 13);
    check_epochs(65, 64);
}

Test(loader, offsets_move_from_epoch_to_epoch)
{
    tern_dataset *d = random_bytes(1000);
    tern_loader l;
    int32_t *all = malloc(1000 * sizeof *all);
    int64_t starts[200];
    bool seen[16] = {false};
    int distinct = 0;
    OK(tern_dataset_read(d, TERN_TRAIN, 0, 1000, all));
    OK(tern_loader_init(&l, d, TERN_TRAIN, 1, 16, 5, TERN_ORDER_EPOCH));
    for (uint64_t epoch = 0; epoch < 120; epoch++) {
        epoch_starts(&l, epoch, all, starts);
        const int64_t phase = starts[0] % 16;
        distinct += !seen[phase];
        seen[phase] = true;
    }
    cr_expect(eq(int, distinct, 16)); /* 120 draws miss one of 16 once in 150 */
    free(all);
    tern_dataset_free(d);
}

/* A batch is a pure function of its number, and a big one is its small ones together.
 */
Test(loader, batches_need_no_memory)
{
    enum { CONTEXT = 24, BATCH = 6 };
    tern_dataset *d = random_bytes(3000);
    tern_loader l, one;
    int32_t in[BATCH * CONTEXT], next[BATCH * CONTEXT], in1[CONTEXT], next1[CONTEXT];
    int32_t again[BATCH * CONTEXT], unused[BATCH * CONTEXT];
    for (int order = 0; order < 2; order++) {
        OK(tern_loader_init(&l, d, TERN_TRAIN, BATCH, CONTEXT, 9, (tern_order)order));
        OK(tern_loader_init(&one, d, TERN_TRAIN, 1, CONTEXT, 9, (tern_order)order));
        for (uint64_t i = 0; i < 100; i++) {
            const uint64_t index = tern_rand_below(1, TERN_STREAM_TEST, i, 1000000);
            OK(tern_loader_batch(&l, index, in, next));
            OK(tern_loader_batch(&l, index + 1, again, unused));
            cr_assert(memcmp(in, again, sizeof in) != 0);
            OK(tern_loader_batch(&l, index, again, unused));
            cr_assert(memcmp(in, again, sizeof in) == 0);
            for (uint64_t b = 0; b < BATCH; b++) {
                OK(tern_loader_batch(&one, index * BATCH + b, in1, next1));
                cr_assert(memcmp(in1, in + b * CONTEXT, sizeof in1) == 0);
                cr_assert(memcmp(next1, next + b * CONTEXT, sizeof next1) == 0);
            }
        }
        one.seed = 10;
        OK(tern_loader_batch(&one, 0, in1, next1));
        OK(tern_loader_batch(&l, 0, in, next));
        cr_expect(ne(int, memcmp(in1, in, sizeof in1), 0));
    }
    tern_dataset_free(d);
}

/* Random order: every start equally often, by chi-square. */
Test(loader, random_order_is_uniform)
{
    enum { TOKENS = 200, CONTEXT = 20, STARTS = TOKENS - CONTEXT, DRAWS = 36000 };
    tern_dataset *d = random_bytes(TOKENS);
    tern_loader l;
    int32_t all[TOKENS], in[CONTEXT], next[CONTEXT];
    int seen[STARTS] = {0};
    OK(tern_dataset_read(d, TERN_TRAIN, 0, TOKENS, all));
    OK(tern_loader_init(&l, d, TERN_TRAIN, 1, CONTEXT, 3, TERN_ORDER_RANDOM));
    for (uint64_t i = 0; i < DRAWS; i++) {
        OK(tern_loader_batch(&l, i, in, next));
        const int64_t start = find(all, TOKENS, in, next, CONTEXT);
        cr_assert(start >= 0 && start < STARTS);
        seen[start]++;
    }
    double chi2 = 0.0;
    const double mean = (double)DRAWS / STARTS;
    for (int i = 0; i < STARTS; i++) chi2 += (seen[i] - mean) * (seen[i] - mean) / mean;
    /* 179 degrees of freedom: mean 179, standard deviation 18.9 */
    cr_expect(chi2 > 179 - 4 * 18.9 && chi2 < 179 + 4 * 18.9, "chi-square %g", chi2);
    tern_dataset_free(d);
}

/* Epoch order: each window comes early as often as late. */
Test(loader, epoch_order_is_unbiased)
{
    enum { TOKENS = 1100, CONTEXT = 10, EPOCHS = 600, TENTHS = 10 };
    tern_dataset *d = random_bytes(TOKENS);
    tern_loader l;
    int32_t all[TOKENS];
    int64_t starts[TOKENS];
    double table[TENTHS][TENTHS] = {{0}};
    OK(tern_dataset_read(d, TERN_TRAIN, 0, TOKENS, all));
    OK(tern_loader_init(&l, d, TERN_TRAIN, 1, CONTEXT, 3, TERN_ORDER_EPOCH));
    const int64_t windows = tern_loader_windows(&l);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        epoch_starts(&l, epoch, all, starts);
        for (int64_t w = 0; w < windows; w++)
            table[w * TENTHS / windows][starts[w] / CONTEXT * TENTHS / windows] += 1;
    }
    double chi2 = 0.0;
    for (int i = 0; i < TENTHS; i++)
        for (int j = 0; j < TENTHS; j++) {
            double row = 0, column = 0;
            for (int k = 0; k < TENTHS; k++) {
                row += table[i][k];
                column += table[k][j];
            }
            const double mean = row * column / (double)(windows * EPOCHS);
            chi2 += (table[i][j] - mean) * (table[i][j] - mean) / mean;
        }
    /* 81 degrees of freedom, fewer because windows exclude each other: mean below 90 */
    cr_expect(lt(dbl, chi2, 140.0));
    tern_dataset_free(d);
}

Test(loader, says_what_would_fit)
{
    tern_dataset *d = random_bytes(65);
    tern_loader l;
    OK(tern_loader_init(&l, d, TERN_TRAIN, 4, 64, 1, TERN_ORDER_EPOCH));
    FAILS(tern_loader_init(&l, d, TERN_TRAIN, 4, 65, 1, TERN_ORDER_EPOCH), TERN_EARG,
          "65 training tokens are too few for a context of 65: use more text, or a "
          "context of "
          "at most 64");
    FAILS(tern_loader_init(&l, d, TERN_VAL, 4, 65, 1, TERN_ORDER_EPOCH), TERN_EARG,
          "0 validation tokens");
    FAILS(tern_loader_init(&l, d, TERN_TRAIN, 0, 8, 1, TERN_ORDER_EPOCH), TERN_EARG,
          "batch 0");
    FAILS(tern_loader_init(&l, d, TERN_TRAIN, 1, 0, 1, TERN_ORDER_EPOCH), TERN_EARG,
          "context 0");
    tern_dataset_free(d);
}
