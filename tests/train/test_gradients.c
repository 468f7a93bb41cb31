/* The gradient of a batch in passes against the whole batch at once. */
#include <math.h>

#include "tests/train/small_run.h"
#include "kernels/cpu.h"
#include "train/gradients.h"

enum { BATCH = 7, CONTEXT = 16 };

static tern_config config;
static tern_model *model;
static int32_t ids[BATCH * CONTEXT + 1];

static void init(void)
{
    setup();
    config = small_config();
    config.batch = BATCH;
    config.model.context = CONTEXT;
    OK(tern_config_resolve(&config, tern_tokenizer_vocab(tern_dataset_tokenizer(data)),
                           "test"));
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.3f, 1));
    OK(tern_dataset_read(data, TERN_TRAIN, 5, BATCH * CONTEXT + 1, ids));
}

static void fini(void)
{
    tern_threads_set(0);
    tern_model_free(model);
    teardown();
}

TestSuite(gradients, .init = init, .fini = fini);

/* One batch, the loss of which is returned. */
static double take(uint64_t index, const int32_t *targets)
{
    tern_gradients *g;
    double loss;
    OK(tern_gradients_new(&config, model, &g));
    OK(tern_gradients_batch(g, index, ids, targets, &loss, NULL));
    tern_gradients_free(g);
    return loss;
}

/* The gradients of all parameters, one after the other; the caller frees. */
static double *gradients(int64_t micro_batch, double *loss)
{
    const tern_params *p = tern_model_params(model);
    double *all = malloc((size_t)tern_params_elements(p) * sizeof *all), *at = all;
    config.micro_batch = micro_batch;
    tern_params_zero_grad(tern_model_params(model));
    *loss = take(3, ids + 1);
    for (size_t i = 0; i < p->count; i++)
        for (int64_t j = 0; j < p->items[i]->rows * p->items[i]->cols; j++)
            *at++ = (double)p->items[i]->grad[j];
    return all;
}

static double norm(const double *x, const double *y, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = x[i] - (y ? y[i] : 0.0);
        sum += d * d;
    }
    return sqrt(sum);
}

Test(gradients, passes_make_the_batch)
{
    const int64_t n = tern_params_elements(tern_model_params(model));
    const int64_t passes[] = {7, 4, 3, 2};
    double loss;
    config.dropout = 0.0f;
    double *whole = gradients(BATCH, &loss);
    for (int64_t micro = 1; micro <= 4; micro++) {
        double part_loss;
        double *parts = gradients(micro, &part_loss);
        cr_expect(eq(i64, tern_batch_passes(&config), passes[micro - 1]));
        cr_expect(lt(dbl, fabs(part_loss - loss), 1e-6 * loss));
        cr_expect(lt(dbl, norm(parts, whole, n), 2e-4 * norm(whole, NULL, n)));
        free(parts);
    }
    double *again = gradients(BATCH, &loss); /* what is looked up still arrives */
    cr_expect(lt(dbl, norm(again, whole, n), 2e-4 * norm(whole, NULL, n)));
    free(again);
    free(whole);
}

/* Every pass of every batch drops other elements. */
Test(gradients, passes_have_random_numbers_of_their_own)
{
    double loss[4];
    config.dropout = 0.5f;
    config.micro_batch = 1;
    for (int i = 0; i < BATCH; i++) /* sequences that are alike */
        memcpy(ids + i * CONTEXT, ids, CONTEXT * sizeof *ids);
    config.batch = 2;
    for (uint64_t i = 0; i < 2; i++) loss[i] = take(i, ids + CONTEXT);
    config.batch = 1;
    for (uint64_t i = 0; i < 2; i++) loss[2 + i] = take(i, ids + CONTEXT);
    cr_expect(ne(dbl, loss[0], loss[1]));
    cr_expect(ne(dbl, loss[2], loss[3]));
    cr_expect(eq(dbl, loss[0], 0.5 * (loss[2] + loss[3]))); /* passes 0 and 1 */
}

Test(gradients, passes_of_512_tokens_and_an_even_number_unless_told)
{
    tern_config c = config;
    const struct {
        int64_t batch, context, passes;
    } cases[] = {{16, 256, 8}, {12, 64, 2},  {16, 64, 2}, {17, 64, 4}, {3, 64, 1},
                 {2, 4096, 2}, {1, 4096, 1}, {8, 512, 8}, {3, 512, 3}, {4, 64, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        c.batch = cases[i].batch;
        c.model.context = cases[i].context;
        c.micro_batch = 0;
        cr_expect(eq(i64, tern_batch_passes(&c), cases[i].passes), "%zu", i);
        c.micro_batch = 3;
        cr_expect(eq(i64, tern_batch_passes(&c), (cases[i].batch + 2) / 3));
    }
}

/* --- threads --- */

/* The same bits for any number of threads: fewer than passes, with shares that are not
 * equal, and so many that they share operations instead. */
static void expect_same_bits(const char *what)
{
    static const int threads[] = {1, 2, 3, 5, 4 * BATCH};
    const int64_t n = tern_params_elements(tern_model_params(model));
    double loss[2], *first = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        tern_threads_set(threads[i]);
        double *g = gradients(1, &loss[first != NULL]);
        if (first) {
            cr_expect(eq(dbl, loss[0], loss[1]), "%s, %d threads", what, threads[i]);
            cr_expect(memcmp(first, g, (size_t)n * sizeof *g) == 0,
                      "%s, %d threads: other gradients", what, threads[i]);
            free(g);
        } else {
            first = g;
        }
    }
    free(first);
}

Test(gradients, threads_change_no_bit)
{
    config.dropout = 0.2f;
    config.backward = TERN_BACKWARD_INT8;
    expect_same_bits("int8, head tied");
    config.backward = TERN_BACKWARD_INT16;
    config.recompute = true;
    expect_same_bits("int16, recomputed");
    tern_model_free(model);
    config.model.tied = false;
    config.model.arch = TERN_ARCH_LLAMA;
    config.model.quant = TERN_QUANT_NONE;
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.3f, 1));
    expect_same_bits("float, its own head");
}

/* Many batches in a row: whoever could overtake would, sooner or later. */
Test(gradients, threads_change_no_bit_of_many_batches)
{
    const tern_params *p = tern_model_params(model);
    const int64_t n = p->items[0]->rows * p->items[0]->cols;
    float *first = malloc((size_t)n * sizeof *first);
    config.micro_batch = 1;
    for (int threads = 1; threads <= 4; threads++) {
        tern_gradients *g;
        double loss;
        tern_threads_set(threads);
        OK(tern_gradients_new(&config, model, &g));
        tern_params_zero_grad(tern_model_params(model));
        for (uint64_t i = 0; i < 40; i++)
            OK(tern_gradients_batch(g, i, ids, ids + 1, &loss, NULL));
        tern_gradients_free(g);
        if (threads == 1)
            memcpy(first, p->items[0]->grad, (size_t)n * sizeof *first);
        else
            cr_expect(memcmp(first, p->items[0]->grad, (size_t)n * sizeof *first) == 0,
                      "%d threads", threads);
    }
    free(first);
}

/* The first pass that fails is the one that is told of, whoever comes first, and nobody
 * waits for one that was not run; the next batch knows nothing of it. */
Test(gradients, a_pass_that_fails, .timeout = 60)
{
    const int64_t n = tern_params_elements(tern_model_params(model));
    double loss, again;
    int32_t wrong[BATCH * CONTEXT];
    double *right = gradients(1, &loss);
    memcpy(wrong, ids + 1, sizeof wrong);
    wrong[2 * CONTEXT + 3] = 70000;
    wrong[5 * CONTEXT] = 80000;
    for (int threads = 1; threads <= 4; threads++) {
        tern_gradients *g;
        tern_threads_set(threads);
        OK(tern_gradients_new(&config, model, &g));
        for (int i = 0; i < 100; i++) {
            cr_expect(eq(int, tern_gradients_batch(g, 3, ids, wrong, &again, NULL),
                         TERN_EARG));
            cr_expect(strstr(tern_error_message(), "70000") != NULL, "%s",
                      tern_error_message());
        }
        tern_gradients_free(g);
        double *after = gradients(1, &again);
        cr_expect(eq(dbl, loss, again));
        cr_expect(memcmp(right, after, (size_t)n * sizeof *after) == 0, "%d threads",
                  threads);
        free(after);
    }
    free(right);
}
